"""Settles which value of a variable every read sees, and writes the order down.

The rule that users rely on: a read that nothing orders after an update sees the value
from before the run; a read ordered after it sees the new one; two updates of one
variable apply in the order in which they were made. TensorFlow leaves this open, and a
training step there is a race between the loss's reads and the updates.

Each variable goes through versions: 0 is the value before the run, each write makes the
next. Here every read gets its version, and edges (control inputs) make sure that what
uses version k runs before the write of version k + 1. Where that is impossible, the
read makes a copy. After this pass the order of the edges is all that matters.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from typing import Any

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.effects import (
    is_handle,
    variable_of,
    variable_read,
    variables_written,
)
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Effect
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.state import READ
from graphopt.rewrite.driver import graph_pass

Edges = dict[Operation, list[Operation]]


@graph_pass(preserves="bits", required=True)
def order_effects(program: Program) -> Program:
    """Gives reads their version and puts the order of effects into control inputs."""
    writers: dict[Any, list[Operation]] = defaultdict(list)
    for op in program.operations:
        for variable in variables_written(op):
            writers[variable].append(op)
    if not writers:
        return program
    above, bits = _writers_above(program, writers)
    uses = _find_uses(program)
    fetched = set(program.fetches)
    before: Edges = defaultdict(list)
    for chain in writers.values():
        for first, second in itertools.pairwise(chain):
            before[second].append(first)
    copied: set[Operation] = set()
    free: set[Operation] = set()
    for op in program.operations:
        variable = variable_read(op)
        if variable is None or variable not in writers:
            continue
        chain = writers[variable]
        version = _version(op, chain, above, bits)
        if version:
            before[op].append(chain[version - 1])
        else:
            free.add(op)
        if version == len(chain):
            continue
        following = chain[version]
        before[following].append(op)
        consumers, escapes = _reach(op, uses, fetched)
        late = escapes or any(above.get(c) for c in consumers if c is not following)
        if late:
            copied.add(op)
        else:
            before[following] += [c for c in consumers if c is not following]
    return _rebuild(program, before, above, writers, copied, free)


def _writers_above(
    program: Program, writers: dict[Any, list[Operation]]
) -> tuple[dict[Operation, int], dict[Operation, int]]:
    """For each op the set of writers it runs after, as bits, and each writer's bit."""
    ordered = dict.fromkeys(w for chain in writers.values() for w in chain)
    bits = {op: 1 << i for i, op in enumerate(ordered)}
    above: dict[Operation, int] = {}
    for op in program.operations:
        found = 0
        for parent in (*(t.op for t in op.inputs), *op.control_inputs):
            found |= above.get(parent, 0) | bits.get(parent, 0)
        if found:
            above[op] = found
    above.update({op: above.get(op, 0) | bits[op] for op in ordered})
    return above, bits


def _version(
    op: Operation,
    chain: list[Operation],
    above: dict[Operation, int],
    bits: dict[Operation, int],
) -> int:
    seen = above.get(op, 0)
    version = 0
    for i, writer in enumerate(chain):
        made_before = op.attrs.get("in_order") and writer.index < op.index
        if made_before or seen & bits[writer]:
            version = i + 1
    return version


def _find_uses(program: Program) -> dict[GraphTensor, list[Operation]]:
    uses: dict[GraphTensor, list[Operation]] = defaultdict(list)
    for op in program.operations:
        for tensor in op.inputs:
            uses[tensor].append(op)
    return uses


def _reach(
    read: Operation,
    uses: dict[GraphTensor, list[Operation]],
    fetched: set[GraphTensor],
) -> tuple[list[Operation], bool]:
    """Ops that touch the memory of a read, and whether it is fetched."""
    consumers: dict[Operation, None] = {}
    stack = list(read.outputs)
    escapes = False
    while stack:
        tensor = stack.pop()
        escapes |= tensor in fetched
        for op in uses.get(tensor, ()):
            if isinstance(op.spec.kernel, Alias):
                stack += op.outputs
            else:
                consumers[op] = None
    return list(consumers), escapes


def _rebuild(
    program: Program,
    before: Edges,
    above: dict[Operation, int],
    writers: dict[Any, list[Operation]],
    copied: set[Operation],
    free: set[Operation],
) -> Program:
    rebuilder = Rebuilder(program)
    snapshots = {
        tensor: variable_of(tensor)
        for tensor in program.fetches
        if is_handle(tensor) and variable_of(tensor) in writers
    }
    fetched: dict[GraphTensor, GraphTensor] = {}
    snapshot_reads: dict[Any, Operation] = {}
    for op in sort_operations(program, before, above, free):
        extra = before.get(op, [])
        controls = [*(() if op in free else op.control_inputs), *extra]
        attrs = op.attrs
        if op.spec.effect is Effect.READ:
            attrs = {"copy": op in copied}
        new = rebuilder.add(op, attrs=attrs, controls=controls)
        for old_tensor, new_tensor in zip(op.outputs, new.outputs, strict=True):
            rebuilder.tensors[old_tensor] = new_tensor
        for variable in variables_written(op):
            if variable in snapshot_reads and writers[variable][0] is op:
                read = snapshot_reads[variable]
                new.control_inputs = (*new.control_inputs, read)
        if op.outputs and op.outputs[0] in snapshots:
            read = rebuilder.graph.add_operation(
                READ,
                new.outputs,
                {"copy": True},
                f"{op.name}/before",
                control_inputs=(),
                site=op.site,
                exact_name=True,
            )
            fetched[op.outputs[0]] = read.outputs[0]
            snapshot_reads[snapshots[op.outputs[0]]] = read
    done = rebuilder.finish()
    fetches = tuple(
        fetched.get(old, new)
        for old, new in zip(program.fetches, done.fetches, strict=True)
    )
    return Program(done.graph, done.feeds, fetches, done.targets)


def sort_operations(
    program: Program,
    before: Edges,
    above: dict[Operation, int],
    free: set[Operation],
) -> list[Operation]:
    """Returns a topological order: first what no write precedes, then by creation.

    Raises:
      InvalidArgumentError: The control dependencies contradict the order of effects.
    """
    after: Edges = defaultdict(list)
    missing: dict[Operation, int] = {}
    for op in program.operations:
        controls = () if op in free else op.control_inputs
        parents = {*(t.op for t in op.inputs), *controls, *before.get(op, ())}
        missing[op] = len(parents)
        for parent in parents:
            after[parent].append(op)
    ready = [(bool(above.get(op)), op.index, op) for op, n in missing.items() if not n]
    heapq.heapify(ready)
    order = []
    while ready:
        op = heapq.heappop(ready)[2]
        order.append(op)
        for child in after[op]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (bool(above.get(child)), child.index, child))
    if len(order) < len(missing):
        stuck = [op for op, n in missing.items() if n][:4]
        names = ", ".join(repr(op.name) for op in stuck)
        raise fail(
            InvalidArgumentError,
            "The control dependencies of this fetch contradict the order of reads and "
            "writes",
            got=f"a cycle through {names}",
            op=stuck[0],
            remedy="fetching them in two runs",
        )
    return order
