"""Settles which value of a variable every read sees, and writes the order down.

The rule that users rely on is program order: **a run behaves as if its ops were executed
in the order in which they were created.** A read made before an update sees the old
value, a read made after it the new one, and updates of one variable apply one after the
other. It is what eager mode and `tf.function` do with the same statements, so one
program has one meaning. TensorFlow leaves the order open: weights that are clipped after
`minimize`, in the same run, are a race there.

A variable that is fetched by itself is read where it was made, after its initializer: it
has the value from before the run.

Each variable goes through versions: 0 is the value before the run, each write makes the
next. Here every read gets its version, and edges (control inputs) make sure that what
uses version k runs before the write of version k + 1. Where that is impossible, the
read makes a copy. After this pass the order of the edges is all that matters: an op may
run earlier or later than it was made as long as nobody can tell.

The order in which ops are put down is one that all edges agree with: first what depends on
no write, then the others as they were made. A user of version k may run before write
k + 1 if it is of the first kind or was made before that write; otherwise it needs a copy.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from graphopt.graph.effects import (
    exchanges,
    is_handle,
    variable_of,
    variable_read,
    variables_written,
)
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.state import READ
from graphopt.rewrite.driver import graph_pass

Edges = dict[Operation, list[Operation]]
Writers = dict[Any, list[Operation]]


@graph_pass(preserves="bits", required=True)
def order_effects(program: Program) -> Program:
    """Gives reads their version and puts the order of effects into control inputs."""
    writers = _find_writers(program)
    exchanging = [op for op in program.operations if exchanges(op)]
    if not writers and len(exchanging) < 2:
        return program
    versions = {
        op: sum(writer.index < op.index for writer in writers[variable])
        for op in program.operations
        if (variable := variable_read(op)) is not None and variable in writers
    }
    dependent = _find_dependent(program, writers, versions, exchanging)
    uses = _find_uses(program)
    fetched = set(program.fetches)
    before: Edges = defaultdict(list)
    for chain in writers.values():
        for first, second in itertools.pairwise(chain):
            before[second].append(first)
    # What several processes do together has one order on all of them.
    for first, second in itertools.pairwise(exchanging):
        before[second].append(first)
    copied: set[Operation] = set()
    for op, version in versions.items():
        chain = writers[variable_read(op)]
        if version:
            before[op].append(chain[version - 1])
        if version == len(chain):
            continue
        following = chain[version]
        before[following].append(op)
        consumers, escapes = _reach(op, uses, fetched)
        others = [c for c in consumers if c is not following]
        if escapes or any(c in dependent and c.index > following.index for c in others):
            copied.add(op)
        else:
            before[following] += others
    unordered = {op for op, version in versions.items() if not version}
    order = sorted(program.operations, key=lambda op: (op in dependent, op.index))
    return _rebuild(program, order, before, writers, copied, unordered)


def _find_writers(program: Program) -> Writers:
    """The ops that write each variable, in the order of their creation."""
    writers: Writers = defaultdict(list)
    for op in program.operations:
        for variable in variables_written(op):
            writers[variable].append(op)
    return writers


def _find_dependent(
    program: Program,
    writers: Writers,
    versions: dict[Operation, int],
    exchanging: Sequence[Operation],
) -> set[Operation]:
    """The ops that write, and those that run after one that does."""
    dependent = {op for chain in writers.values() for op in chain}
    previous = dict(zip(exchanging[1:], exchanging, strict=False))
    for op in program.operations:
        if op in previous and previous[op] in dependent:
            dependent.add(op)
        if op in versions:
            # What else a read was told to wait for does not change what it sees.
            if versions[op]:
                dependent.add(op)
        elif any(t.op in dependent for t in op.inputs) or any(
            control in dependent for control in op.control_inputs
        ):
            dependent.add(op)
    return dependent


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
    order: Sequence[Operation],
    before: Edges,
    writers: Writers,
    copied: set[Operation],
    unordered: set[Operation],
) -> Program:
    rebuilder = Rebuilder(program)
    # After which op a variable that is fetched by itself is read.
    read_after: dict[Operation, GraphTensor] = {}
    for tensor in program.fetches:
        if is_handle(tensor) and variable_of(tensor) in writers:
            first = writers[variable_of(tensor)][0]
            read_after[first if first.attrs.get("initializer") else tensor.op] = tensor
    fetched: dict[GraphTensor, GraphTensor] = {}
    for op in order:
        waits = () if op in unordered else op.control_inputs
        attrs = op.attrs
        if op.spec is READ:
            attrs = {**op.attrs, "copy": op in copied}
        new = rebuilder.add(op, attrs=attrs, controls=[*waits, *before.get(op, ())])
        for old_tensor, new_tensor in zip(op.outputs, new.outputs, strict=True):
            rebuilder.tensors[old_tensor] = new_tensor
        handle = read_after.get(op)
        if handle is not None:
            fetched[handle] = _read_once(rebuilder, handle, op)
            following = [w for w in writers[variable_of(handle)] if w is not op][:1]
            for writer in following:
                before[writer].append(fetched[handle].op)
    done = rebuilder.finish()
    fetches = tuple(
        fetched.get(old, new)
        for old, new in zip(program.fetches, done.fetches, strict=True)
    )
    return Program(done.graph, done.feeds, fetches, done.targets)


def _read_once(
    rebuilder: Rebuilder, handle: GraphTensor, after: Operation
) -> GraphTensor:
    """Adds the read of a variable that is fetched by itself."""
    waits = () if after is handle.op else (rebuilder.operations[after],)
    read = rebuilder.graph.add_operation(
        READ,
        (rebuilder.tensors[handle],),
        {"copy": True},
        f"{handle.op.name}/before",
        control_inputs=waits,
        site=handle.op.site,
        exact_name=True,
    )
    # So that those who wait for it find it like any other op.
    rebuilder.operations[read] = read
    return read.outputs[0]
