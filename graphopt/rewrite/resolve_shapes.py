"""Replaces ops that ask other tensors for their shape, now that shapes are numbers.

`ReshapeLike(g, x)` needs `x` only for its shape. Once that is known it is `Reshape(g)`,
and whatever computed `x` need not run, or may free its memory earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.graph.context import entered, modes
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import OpSpec
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import (
    CONST,
    FILL,
    FILL_DIMS,
    ONES_LIKE,
    SHAPE,
    ZEROS_LIKE,
    constant_value,
)
from graphopt.ops.deferred import DEFERRED, make_call
from graphopt.ops.reduction import (
    BROADCAST_LIKE,
    BROADCAST_TO,
    REDUCED_COUNT,
    SUM,
    SUM_LIKE,
)
from graphopt.ops.sequences import RANGE, RANK, SIZE
from graphopt.ops.shaping import (
    RESHAPE,
    RESHAPE_DIMS,
    RESHAPE_LIKE,
    RESHAPE_REDUCED,
    identity,
)
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.prune_unfetched import prune_unfetched

# Longer ones are better counted in the run than kept.
LARGEST_RANGE = 1 << 16


@graph_pass(preserves="bits")
def resolve_shapes(program: Program) -> Program:
    """Makes constants of shapes and gives the `*Like` ops their shapes as attributes."""
    changed = True
    # What becomes known lets the next round know more: the size of what was reshaped.
    while changed and any(map(_is_known, program.operations)):
        program, changed = _resolve_once(program)
        if changed:
            program = prune_unfetched.function(program)
    return program


def _is_known(op: Operation) -> bool:
    """Whether an op asks for shapes, and all of them are known."""
    return op.spec in _RULES and all(
        tensor.shape.is_fully_defined() for tensor in (*op.inputs, *op.outputs)
    )


def _resolve_once(program: Program) -> tuple[Program, bool]:
    rebuilder = Rebuilder(program)
    changed = False
    for op in program.operations:
        found = _RULES[op.spec](op, rebuilder) if _is_known(op) else None
        if found is None:
            rebuilder.copy(op)
            continue
        if isinstance(found, GraphTensor):
            found = [found]
        rebuilder.tensors.update(zip(op.outputs, found, strict=True))
        changed = True
    return rebuilder.finish(), changed


def _replace(
    op: Operation,
    rebuilder: Rebuilder,
    spec: OpSpec,
    inputs: list[GraphTensor],
    attrs: dict[str, Any],
    shape: Any = None,
    suffix: str = "",
) -> GraphTensor:
    out = op.outputs[0]
    types = [(out.shape if shape is None else shape, out.dtype)]
    new = rebuilder.add(
        op,
        spec=spec,
        inputs=inputs,
        attrs=attrs,
        output_types=types,
        name=op.name + suffix,
    )
    return new.outputs[0]


def _constant(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    # Shapes without memory, of the dtype that a count of their elements has to have.
    zero = op.outputs[0].dtype.numpy.type(0)
    patterns = [np.broadcast_to(zero, t.shape) for t in op.inputs]  # type: ignore[arg-type]
    value = np.asarray(
        op.spec.compute(*patterns, **op.attrs), op.outputs[0].dtype.numpy
    )
    return _replace(op, rebuilder, CONST, [], {"value": value})


def _fill_shape(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    dtype = op.outputs[0].dtype
    given: Any = b"" if dtype.is_string else op.spec is ONES_LIKE
    number = np.array(given, dtype.numpy)
    scalar = _replace(op, rebuilder, CONST, [], {"value": number}, (), "/value")
    dims = tuple(op.outputs[0].shape)
    return _replace(op, rebuilder, FILL, [scalar], {"dims": dims})


def _range(op: Operation, rebuilder: Rebuilder) -> GraphTensor | None:
    bounds = [constant_value(tensor) for tensor in op.inputs]
    count = op.outputs[0].shape.num_elements() or 0
    if any(bound is None for bound in bounds) or count > LARGEST_RANGE:
        return None
    value = np.asarray(op.spec.compute(*bounds, **op.attrs))
    return _replace(op, rebuilder, CONST, [], {"value": value})


def _fill(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    value = rebuilder.tensors[op.inputs[0]]
    return _replace(op, rebuilder, FILL, [value], {"dims": tuple(op.outputs[0].shape)})


def _reshape(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    x = rebuilder.tensors[op.inputs[0]]
    return _replace(op, rebuilder, RESHAPE, [x], {"shape": tuple(op.outputs[0].shape)})


def _broadcast(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    x = rebuilder.tensors[op.inputs[0]]
    dims = tuple(op.outputs[0].shape)
    return _replace(op, rebuilder, BROADCAST_TO, [x], {"dims": dims})


def _sum(op: Operation, rebuilder: Rebuilder) -> GraphTensor:
    x, shape = rebuilder.tensors[op.inputs[0]], op.outputs[0].shape
    if x.shape == shape:
        return _replace(op, rebuilder, RESHAPE, [x], {"shape": tuple(shape)})
    extra = len(x.shape) - len(shape)
    axes = tuple(
        i
        for i, dim in enumerate(x.shape)
        if i < extra or (shape[i - extra] == 1 and dim != 1)
    )
    attrs = {"axis": axes, "keepdims": False}
    left = TensorShape(dim for i, dim in enumerate(x.shape) if i not in axes)
    if left == shape:
        return _replace(op, rebuilder, SUM, [x], attrs)
    total = _replace(op, rebuilder, SUM, [x], attrs, left, "/sum")
    return _replace(op, rebuilder, RESHAPE, [total], {"shape": tuple(shape)})


def _make_call(op: Operation, rebuilder: Rebuilder) -> Sequence[GraphTensor]:
    """Builds what a call that waited stands for."""
    graph, inputs = rebuilder.graph, [rebuilder.tensors[t] for t in op.inputs]
    function, template, level = (op.attrs[k] for k in ("function", "template", "level"))
    before = [rebuilder.operations[c] for c in op.control_inputs]
    tapes, modes.tapes = modes.tapes, ()
    mark = len(graph)
    try:
        with (
            entered(graph),
            graph.name_scope(f"{op.name}/"),
            graph.control_dependencies(before),
        ):
            outputs: list[Any] = [
                # One that is an input would have no place for what the op waited for.
                identity(t) if t.op.index < mark else t
                for t in make_call(function, template, level, inputs)
            ]
    finally:
        modes.tapes = tapes
    for new in graph.operations[mark:]:
        new.site = op.site
    rebuilder.operations[op] = outputs[-1].op
    return outputs


Found = GraphTensor | Sequence[GraphTensor] | None
_RULES: dict[OpSpec, Callable[[Operation, Rebuilder], Found]] = {
    DEFERRED: _make_call,
    RANGE: _range,
    SHAPE: _constant,
    RANK: _constant,
    SIZE: _constant,
    REDUCED_COUNT: _constant,
    ZEROS_LIKE: _fill_shape,
    ONES_LIKE: _fill_shape,
    RESHAPE_DIMS: _reshape,
    RESHAPE_LIKE: _reshape,
    RESHAPE_REDUCED: _reshape,
    BROADCAST_LIKE: _broadcast,
    FILL_DIMS: _fill,
    SUM_LIKE: _sum,
}
