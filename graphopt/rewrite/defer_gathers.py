"""Lets a step end before all ranks have what they have updated.

Where ranks update a part of every variable each, what they give each other at the end of a
step is needed by the next one. So it is only begun (`AllGatherStart`), and awaited before the
first op of the next run that reads the variables (`AllGatherSettle`): it travels while data
are read and the first layers computed. That is done where a thread exchanges values between
machines, and where nobody looks at the new values in the same run: what is written here is
what the next one begins with. Whoever else reads the variables meanwhile waits for them
(`runtime.late_values`).

A rank may do so and another one not: what they exchange, and in which order, is the same.

What one gather needs is computed before what the next one needs, so that the first is on its
way while the others are updated.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.graph.effects import is_handle, variable_of, variables_written
from graphopt.graph.graph import Operation, infer_types
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Alias
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import sources_of
from graphopt.ops.collectives import ALL_GATHER
from graphopt.ops.gathered import (
    ALL_GATHER_SETTLE,
    ALL_GATHER_START,
    ASSIGN_GATHERED,
)
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.overlap_collectives import find_late

__all__ = ["defer_gathers"]


@dataclass(eq=False)
class _Gather:
    """An exchange that the next run awaits.

    Attributes:
      op: What exchanged at once.
      writes: The ops that put what came into variables.
    """

    op: Operation
    writes: list[Operation]

    @property
    def handles(self) -> list[GraphTensor]:
        """The variables."""
        return [write.inputs[0] for write in self.writes]


@graph_pass(preserves="bits")
def defer_gathers(program: Program) -> Program:
    """Awaits new values of variables in the next run, where only that one needs them."""
    gathers = _find_gathers(program)
    return _rebuild(program, gathers) if gathers else program


def _find_gathers(program: Program) -> list[_Gather]:
    if not any(op.spec is ASSIGN_GATHERED for op in program.operations):
        return []
    users: dict[GraphTensor, list[Operation]] = defaultdict(list)
    for op in program.operations:
        for tensor in op.inputs:
            users[tensor].append(op)
    written = Counter(key for op in program.operations for key in variables_written(op))
    found = []
    for op in program.operations:
        if op.spec is not ALL_GATHER or op.attrs["size"] == 1:
            continue
        gather = _Gather(op, users[op.outputs[0]])
        defers = hooks.communicator(op.attrs["group"]).defers
        if defers and _may_wait(gather, program, written):
            found.append(gather)
    return found


def _may_wait(gather: _Gather, program: Program, written: Counter[Any]) -> bool:
    """Whether nobody in this run needs what is gathered."""
    if gather.op.outputs[0] in program.fetches or not gather.writes:
        return False
    if any(op.spec is not ASSIGN_GATHERED for op in gather.writes):
        return False
    keys = {variable_of(handle) for handle in gather.handles}
    if any(written[key] != 1 for key in keys):
        return False
    if any(is_handle(t) and variable_of(t) in keys for t in program.fetches):
        return False
    behind = set(gather.writes)
    for op in program.operations:
        if op in behind or behind.isdisjoint(sources_of(op)):
            continue
        behind.add(op)
        if any(is_handle(t) and variable_of(t) in keys for t in op.inputs):
            return False
    return True


def _rebuild(program: Program, gathers: list[_Gather]) -> Program:
    rebuilder = Rebuilder(program)
    # What stands for the last of these ops stands for all of them.
    replaced = {op for gather in gathers for op in (gather.op, *gather.writes)}
    by_last = {gather.writes[-1]: gather for gather in gathers}
    by_key = {
        variable_of(handle): gather for gather in gathers for handle in gather.handles
    }
    settled: dict[_Gather, Operation] = {}
    for op in _order(program, gathers):
        if op in replaced and op not in by_last:
            continue
        ending = by_last.get(op)
        wanted = [] if ending is None else [ending]
        wanted += [
            by_key[variable_of(t)]
            for t in op.inputs
            if is_handle(t) and variable_of(t) in by_key
        ]
        for each in dict.fromkeys(wanted):
            if each not in settled:
                settled[each] = _add_settle(rebuilder, each)
        if ending is None:
            new = rebuilder.copy(op)
        else:
            new = _add_start(rebuilder, ending, settled[ending])
        waits = [settled[each] for each in wanted]
        new.control_inputs = tuple(dict.fromkeys([*new.control_inputs, *waits]))
    return rebuilder.finish()


def _add_settle(rebuilder: Rebuilder, gather: _Gather) -> Operation:
    op, handles = gather.op, gather.handles
    inputs = [rebuilder.tensors[handle] for handle in handles]
    attrs = {
        **op.attrs,
        "count": op.outputs[0].shape.num_elements(),
        "pieces": tuple(write.attrs["pieces"] for write in gather.writes),
    }
    types = infer_types(ALL_GATHER_SETTLE, inputs, attrs, op.site)
    return rebuilder.graph.append(
        ALL_GATHER_SETTLE,
        tuple(inputs),
        attrs,
        op.name,
        (),
        op.site,
        types,
        op.device,
    )


def _add_start(rebuilder: Rebuilder, gather: _Gather, settle: Operation) -> Operation:
    op = gather.op
    handles = [rebuilder.tensors[handle] for handle in gather.handles]
    inputs = [rebuilder.tensors[op.inputs[0]], *settle.outputs, *handles]
    types = infer_types(ALL_GATHER_START, inputs, op.attrs, op.site)
    # Who comes behind a write comes behind all that came before it.
    controls = [c for each in (op, *gather.writes) for c in each.control_inputs]
    start = rebuilder.add(
        op,
        spec=ALL_GATHER_START,
        inputs=inputs,
        controls=controls,
        output_types=types,
        name=f"{op.name}/start",
    )
    rebuilder.operations.update(dict.fromkeys(gather.writes, start))
    return start


def _order(program: Program, gathers: list[_Gather]) -> list[Operation]:
    """Puts variables first, and what each gather needs before what the next one needs.

    Only what comes behind what other ranks send is moved: the rest is in its order.
    """
    operations = program.operations
    late = find_late(operations)
    order = _read_late([op for op in operations if op not in late])
    placed: set[Operation] = set()
    position = {op: i for i, op in enumerate(operations)}
    for gather in gathers:
        needed = _find_needed(gather.writes, late, placed)
        placed |= needed
        last = set(gather.writes)
        order += sorted(needed, key=lambda op: (op in last, position[op]))
    return [*order, *(op for op in operations if op in late and op not in placed)]


def _read_late(operations: list[Operation]) -> list[Operation]:
    """Puts variables first, and what only reads one in front of who needs it."""
    order = [op for op in operations if op.outputs and is_handle(op.outputs[0])]
    done = set(order)
    postponed = {
        op
        for op in operations
        if isinstance(op.spec.kernel, Alias) and op.inputs and not op.attrs.get("copy")
    }
    for op in operations:
        stack = [op] if op not in postponed else []
        while stack:
            needed = [s for s in sources_of(stack[-1]) if s not in done]
            if needed:
                stack += reversed(needed)
                continue
            first = stack.pop()
            if first not in done:
                order.append(first)
                done.add(first)
    return [*order, *(op for op in operations if op not in done)]


def _find_needed(
    targets: Sequence[Operation], late: set[Operation], placed: set[Operation]
) -> set[Operation]:
    """The late ops without which some cannot run, with these, that are not placed yet."""
    found: set[Operation] = set()
    stack = list(targets)
    while stack:
        op = stack.pop()
        if op in late and op not in placed and op not in found:
            found.add(op)
            stack += sources_of(op)
    return found
