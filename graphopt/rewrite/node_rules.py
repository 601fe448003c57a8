"""Applies local rules, `Operation -> Tensor | None`, in one walk over a program.

A rule sees an op whose inputs are already rewritten, so one walk is enough: in
`-(-(-(-x)))` the second negation is gone before the third is looked at. What a rule
leaves behind is dropped by `prune_unfetched` at the end.

Three guards are here so that no rule has to repeat them. An op with control inputs stays,
for its users may rely on what it waits for. What takes its place has the same dtype and
the same known shape and is no variable's handle. And an input that is dropped may not
have side effects behind it: `where(py_function(), x, x)` still calls the function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.graph.effects import has_side_effect, is_handle
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect, OpSpec
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.tensor import GraphTensor
from graphopt.rewrite.prune_unfetched import drop_unneeded

Rule = Callable[[Operation], GraphTensor | None]


@dataclass(frozen=True)
class NodeRule:
    """A rule and the ops that it looks at; its name is the function's."""

    name: str
    function: Rule
    matches: tuple[OpSpec, ...]


def node_rule(*matches: OpSpec) -> Callable[[Rule], NodeRule]:
    """Makes a rule of a function that returns what an op may be replaced by, or None.

    Args:
      *matches: The ops that it looks at.
    """

    def wrap(function: Rule) -> NodeRule:
        return NodeRule(function.__name__, function, matches)

    return wrap


def apply_rules(program: Program, rules: Sequence[NodeRule]) -> Program:
    """Applies rules to every op, the first that fits, until none does.

    Args:
      program: The program.
      rules: What to apply; each has to make an op simpler, so that there is an end.

    Returns:
      The new program, or the same one if no rule fits.
    """
    by_spec: dict[OpSpec, list[Rule]] = defaultdict(list)
    for rule in rules:
        for spec in rule.matches:
            by_spec[spec].append(rule.function)
    if not any(op.spec in by_spec for op in program.operations):
        return program
    rebuilder = Rebuilder(program)
    effects = _Effects()
    changed = False
    for op in program.operations:
        new = rebuilder.copy(op)
        if op.spec not in by_spec or len(op.outputs) != 1:
            continue
        found = _simplest(new, by_spec, effects)
        if found is not new.outputs[0]:
            rebuilder.tensors[op.outputs[0]] = found
            rebuilder.operations[op] = found.op
            changed = True
    return drop_unneeded(rebuilder.finish()) if changed else program


def replacement(
    op: Operation,
    spec: OpSpec,
    inputs: Sequence[GraphTensor],
    attrs: dict[str, Any],
    *,
    suffix: str = "",
    output_types: Any = None,
) -> GraphTensor:
    """Returns the output of a new op that has the name, line and device of `op`.

    Args:
      op: What it stands for.
      spec, inputs, attrs: The new op.
      suffix: What to add to the name, for an op beside the one that replaces `op`.
      output_types: As in `Graph.add_operation`; by default those of `op`.
    """
    new = op.graph.add_operation(
        spec,
        inputs,
        attrs,
        op.name + suffix,
        control_inputs=(),
        site=op.site,
        exact_name=True,
        output_types=output_types or [(t.shape, t.dtype) for t in op.outputs],
    )
    new.device = op.device
    return new.outputs[0]


def same_type(a: GraphTensor, b: GraphTensor) -> bool:
    """Returns whether two tensors have one dtype and one shape, known in full."""
    return a.dtype is b.dtype and a.shape == b.shape and a.shape.is_fully_defined()


def _simplest(
    op: Operation, rules: dict[OpSpec, list[Rule]], effects: _Effects
) -> GraphTensor:
    """Returns what is left of an op when no rule fits any more."""
    tensor = op.outputs[0]
    while not tensor.op.control_inputs:
        for rule in rules.get(tensor.op.spec, ()):
            found = rule(tensor.op)
            if found is not None and _may_replace(tensor.op, found, effects):
                tensor = found
                break
        else:
            break
    return tensor


def _may_replace(op: Operation, found: GraphTensor, effects: _Effects) -> bool:
    if not same_type(op.outputs[0], found) or is_handle(found):
        return False
    if len(op.inputs) == 1:
        return True
    kept = {found, *found.op.inputs}
    return all(tensor in kept or not effects.behind(tensor) for tensor in op.inputs)


class _Effects:
    """Knows which ops do something, or wait for something, besides computing."""

    def __init__(self) -> None:
        self.active: set[Operation] = set()
        self.seen = 0

    def behind(self, tensor: GraphTensor) -> bool:
        """Returns whether dropping a tensor could drop an effect or an order."""
        operations = tensor.op.graph.operations
        for index in range(self.seen, len(operations)):
            op = operations[index]
            if (
                has_side_effect(op)
                or op.spec.effect is Effect.RANDOM
                or op.control_inputs
                or any(source.op in self.active for source in op.inputs)
            ):
                self.active.add(op)
        self.seen = len(operations)
        return tensor.op in self.active
