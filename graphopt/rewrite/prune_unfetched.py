"""Drops what nobody asked for and gives every tensor the shape that it will have."""

from __future__ import annotations

from operator import attrgetter

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.effects import has_side_effect, is_handle
from graphopt.graph.graph import Operation, infer_types
from graphopt.graph.opspec import Effect
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST, PLACEHOLDER
from graphopt.ops.state import NO_OP
from graphopt.rewrite.driver import graph_pass


@graph_pass(preserves="bits", required=True)
def prune_unfetched(program: Program) -> Program:
    """Keeps what fetches and targets need; fed tensors become placeholders."""
    fed = dict.fromkeys(program.feeds)
    needed = find_needed(program, fed)
    rebuilder = Rebuilder(program)
    _add_placeholders(program, rebuilder)
    # Not a walk over the graph, of which a fetch may need very little.
    for op in sorted(needed, key=attrgetter("index")):
        if op.spec.effect is Effect.READ and op.inputs[0] in fed:
            rebuilder.tensors[op.outputs[0]] = rebuilder.tensors[op.inputs[0]]
            continue
        _copy_with_shapes(op, rebuilder, fed)
    return rebuilder.finish()


def find_needed(program: Program, fed: dict[GraphTensor, None]) -> set[Operation]:
    """Returns the operations that must run, without those behind fed tensors."""
    stack = list(program.targets)
    stack += [tensor.op for tensor in program.fetches if tensor not in fed]
    needed: set[Operation] = set()
    while stack:
        op = stack.pop()
        if op in needed:
            continue
        needed.add(op)
        writes = has_side_effect(op)
        for tensor in op.inputs:
            # A fed variable gives its value to readers; writers still need the handle.
            if tensor not in fed or (writes and is_handle(tensor)):
                stack.append(tensor.op)
        # What lies outside of the graph is done before the step or after it.
        stack += [c for c in op.control_inputs if not c.spec.outside]
    return needed


def drop_unneeded(program: Program) -> Program:
    """Drops what nobody needs from the new graph of a pass, which nobody else has."""
    needed = find_needed(program, {})
    needed.update(tensor.op for tensor in program.feeds)
    program.graph.keep(needed.__contains__)
    return program


def _add_placeholders(program: Program, rebuilder: Rebuilder) -> None:
    shapes = program.feed_shapes or tuple(t.shape for t in program.feeds)
    for tensor, shape in zip(program.feeds, shapes, strict=True):
        attrs = {"dtype": tensor.dtype, "shape": shape}
        one_output = len(tensor.op.outputs) == 1 and not is_handle(tensor)
        name = tensor.op.name if one_output else f"{tensor.op.name}/fed_{tensor.index}"
        placeholder = rebuilder.graph.add_operation(
            PLACEHOLDER, (), attrs, name, exact_name=True, site=tensor.op.site
        )
        rebuilder.tensors[tensor] = placeholder.outputs[0]
        if one_output:
            rebuilder.operations[tensor.op] = placeholder


def _in_this_run(shape: TensorShape, tensor: GraphTensor) -> TensorShape:
    """Returns what the run and the graph know of a shape together.

    Raises:
      InvalidArgumentError: The graph says something else, by `set_shape`.
    """
    if not shape.is_compatible_with(tensor.shape):
        raise fail(
            InvalidArgumentError,
            f"{tensor.name!r} has another shape in this run than the graph says",
            got=f"{shape}",
            expected=f"{tensor.shape}, by set_shape or ensure_shape",
            op=tensor.op,
        )
    return shape.merge_with(tensor.shape)


def _copy_with_shapes(
    op: Operation, rebuilder: Rebuilder, fed: dict[GraphTensor, None]
) -> None:
    if op in rebuilder.operations:
        return
    inputs = [rebuilder.tensors[tensor] for tensor in op.inputs]
    known = all(t.shape.is_fully_defined() for t in op.outputs)
    changed = any(
        new.shape is not old.shape and new.shape != old.shape
        for new, old in zip(inputs, op.inputs, strict=True)
    )
    types = None
    if changed or not known:
        types = infer_types(op.spec, inputs, op.attrs, op.site)
        types = [
            (_in_this_run(TensorShape(shape), tensor), dtype)
            for (shape, dtype), tensor in zip(types, op.outputs, strict=True)
        ]
    new = rebuilder.add(
        op, inputs=inputs, output_types=types, controls=_through_no_ops(op)
    )
    for old_tensor, new_tensor in zip(op.outputs, new.outputs, strict=True):
        if old_tensor not in fed or is_handle(old_tensor):
            rebuilder.tensors[old_tensor] = new_tensor


def _through_no_ops(op: Operation) -> list[Operation]:
    """Control inputs, with what a group waits for in place of the group.

    A constant is there from the start, so it waits for nothing: those who use it wait
    for what it was told to wait for.
    """
    if op.spec is CONST:
        return []
    stack = list(reversed(op.control_inputs))
    for tensor in op.inputs:
        if tensor.op.spec is CONST:
            stack += tensor.op.control_inputs
    found: dict[Operation, None] = {}
    seen = set(stack)
    while stack:
        control = stack.pop()
        if control.spec not in _WAITING:
            found[control] = None
            continue
        for parent in reversed(control.control_inputs):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return list(found)


# Ops that do nothing, or nothing that takes time: to wait for one is to wait for its
# control inputs.
_WAITING = (NO_OP, CONST)
