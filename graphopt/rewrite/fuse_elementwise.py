"""Runs chains of elementwise ops in one loop, the optimizer's update included.

A chain of ops costs what its memory traffic costs: `tanh(x) * exp(-x * x)` as four ops
reads and writes seven arrays, fused it reads one and writes one. Adam on its own is a
dozen ops; fused it moves the 28 bytes an element that its equation must move.

Ops are joined when they loop over the same shape and one feeds the other, unless a path
between them leaves the group (then the group would wait for itself). Writes of variables
join too: a store at index i comes after all loads at index i, so updating in place is
safe. Values used outside are stored once, all others live in registers.

Groups of scalars are joined even where neither feeds the other, for what they cost is the
call: a step count, a learning rate and its decay become one kernel, a training step of
scalars alone becomes one loop.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

from graphopt.graph.effects import variables_written
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Bodies, Effect, Family, OpSpec
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.region import Instruction, Region, find_loop_shape
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import find_ancestors, sources_of
from graphopt.ops.fused import FUSED_ELEMENTWISE
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.guards import guards_of

# Beyond this numba's compile time grows faster than the loop's gain.
LARGEST_GROUP = 200
MOST_OPERANDS = 48
# Smaller arrays are in the cache when a reduction comes to them.
SMALLEST_REDUCED = 1 << 14
# Of so many ops of few instructions a loop is bound by memory, a reduction of it too.
MOST_LIGHT = 24


@graph_pass(preserves="bits")
def fuse_elementwise(program: Program) -> Program:
    """Replaces groups of elementwise ops by one op each."""
    groups = _Groups(program)
    for op in program.operations:
        groups.add(op)
    groups.join_scalars()
    groups.release_reduced()
    return _rebuild(program, groups)


def is_light(spec: OpSpec) -> bool:
    """Returns whether a loop of a few such ops takes what its memory traffic takes."""
    return spec.cost is not None and spec.cost.is_light


def _find_before_loops(program: Program) -> set[Operation]:
    """Returns what a loop waits for; empty where nothing is written behind one."""
    loops = [
        op
        for op in program.operations
        if isinstance(op.spec.kernel, Bodies) and op.spec.kernel.kind != "cond"
    ]
    if not program.writes_state:
        return set()
    return find_ancestors(source for loop in loops for source in sources_of(loop))


class _Groups:
    """Groups of ops, with who comes before whom as bit sets."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # What may be jumped over does not share a loop with what may not.
        self.guard = guards_of(program)
        # What a loop waits for does not share one with an update, which comes after it.
        self.before_loops = _find_before_loops(program)
        self.members: dict[int, list[Operation]] = {}
        self.group_of: dict[Operation, int] = {}
        self.shape: dict[int, tuple[int, ...] | None] = {}
        self.above: dict[int, int] = {}
        self.parents: dict[int, set[int]] = {}
        self.children: dict[int, set[int]] = defaultdict(set)
        self.written: dict[int, set[Any]] = {}
        self.operands: dict[int, set[GraphTensor]] = {}

    def add(self, op: Operation) -> None:
        """Adds an op as a group of its own and joins it with what feeds it."""
        me = op.index
        sources = sources_of(op)
        parents = {self.group_of[source] for source in sources}
        self.members[me] = [op]
        self.group_of[op] = me
        self.shape[me] = find_loop_shape(op)
        self.parents[me] = parents
        self.above[me] = 0
        self.written[me] = set(variables_written(op))
        self.operands[me] = {*op.inputs, *op.outputs}
        for parent in parents:
            self.above[me] |= self.above[parent] | (1 << parent)
            self.children[parent].add(me)
        if self.shape[me] is None:
            return
        for parent in sorted(parents):
            if parent in self.members and self._can_join(parent, me):
                me = self._join(parent, me)

    def join_scalars(self) -> None:
        """Joins the groups of scalars, each with the one before it if that is allowed."""
        scalars = [group for group in self.members if self.shape[group] == ()]
        if not scalars:
            return
        current, *others = scalars
        for group in others:
            if self._can_join(current, group) and self._writes_late(current, group):
                current = self._join(current, group)
            else:
                current = group

    def _writes_late(self, a: int, b: int) -> bool:
        """Whether two groups that become one write nothing sooner than they have to.

        A rate that the whole step waits for must not bring an update to its beginning:
        what checks come behind it would need copies of what was written.
        """
        if bool(self.written[a]) == bool(self.written[b]):
            return True
        pure = b if self.written[a] else a
        return all(self.written[child] for child in self.children[pure])

    def release_reduced(self) -> None:
        """Takes out what only a reduction needs, if that can be had from what is stored.

        Of a loop that stores u, and u * u for a norm, the square is better computed by
        the reduction (`fuse_reductions`) than written to memory for it, unless the loop
        can be reduced itself.
        """
        reduced: set[int] = set()
        users: dict[Operation, list[Operation]] = defaultdict(list)
        for op in self.program.operations:
            for tensor in op.inputs:
                users[tensor.op].append(op)
        fetched = {tensor.op for tensor in self.program.fetches}
        # What waits for an op may be in its group, an update in place above all.
        fixed = {c for op in self.program.operations for c in op.control_inputs}
        fixed |= fetched
        for op, group in list(self.group_of.items()):
            if op in fixed or op.index == group or len(self.members[group]) < 2:
                continue
            if not self._is_only_reduced(op, users[op]):
                continue
            if group not in reduced and self._may_be_reduced(op, group, users[op][0]):
                reduced.add(group)
                continue
            inside = [t.op for t in op.inputs if self.group_of[t.op] == group]
            stored = all(
                source in fetched
                or any(self.group_of[u] != group for u in users[source])
                for source in inside
            )
            if inside and stored:
                self._release(op, self.group_of[users[op][0]])

    def _is_only_reduced(self, op: Operation, users: list[Operation]) -> bool:
        if len(users) != 1 or op.spec.effect is not Effect.NONE:
            return False
        kernel = users[0].spec.kernel
        count = op.outputs[0].shape.num_elements() or 0
        return (
            isinstance(kernel, Family)
            and kernel.name == "reduce"
            and count >= SMALLEST_REDUCED
        )

    def _may_be_reduced(self, op: Operation, group: int, reduction: Operation) -> bool:
        """Returns whether `fuse_reductions` will take an op's whole loop."""
        members, axis = self.members[group], reduction.attrs.get("axis")
        sizes = {t.shape.num_elements() for t in self.operands[group]}
        rank = len(op.outputs[0].shape)
        return (
            len(members) <= MOST_LIGHT
            and all(is_light(member.spec) for member in members)
            and sizes <= {1, op.outputs[0].shape.num_elements()}
            and self.guard_of(group) is None
            and (axis is None or len(axis) == rank)
        )

    def _release(self, op: Operation, user: int) -> None:
        """Makes an op a group of its own again; `user` is the group that needs it."""
        me = op.index
        self.members[self.group_of[op]].remove(op)
        self.members[me], self.group_of[op] = [op], me
        sources = sources_of(op)
        self.parents[me] = {self.group_of[source] for source in sources}
        for parent in self.parents[me]:
            self.children[parent].add(me)
        self.parents[user].add(me)
        self.children[me].add(user)

    def guard_of(self, group: int) -> GraphTensor | None:
        """The condition without which a group need not run; None if it must."""
        return self.guard.get(self.members[group][0])

    def is_before_loop(self, group: int) -> bool:
        """Whether a loop waits for a group."""
        return self.members[group][0] in self.before_loops

    def _can_join(self, a: int, b: int) -> bool:
        if self.shape[a] != self.shape[b] or self.written[a] & self.written[b]:
            return False
        if self.guard and self.guard_of(a) is not self.guard_of(b):
            return False
        if self.before_loops and len({*map(self.is_before_loop, (a, b))}) == 2:
            return False
        if len(self.members[a]) + len(self.members[b]) > LARGEST_GROUP:
            return False
        for first, second in ((a, b), (b, a)):
            for parent in self.parents[first]:
                if parent != second and self.above[parent] >> second & 1:
                    return False
        inner = len(self.members[a]) + len(self.members[b])
        some, others = self.operands[a], self.operands[b]
        # The union takes time, and the sum is nearly always enough to know.
        if len(some) + len(others) - inner <= MOST_OPERANDS:
            return True
        return len(some | others) - inner <= MOST_OPERANDS

    def _join(self, a: int, b: int) -> int:
        """Moves the members of `b` into `a` and tells everything that comes after."""
        for op in self.members[b]:
            self.group_of[op] = a
        self.members[a] += self.members.pop(b)
        self.written[a] |= self.written[b]
        self.operands[a] |= self.operands.pop(b)
        both = 1 << a | 1 << b
        self.above[a] = (self.above[a] | self.above[b]) & ~both
        for parent in self.parents[b]:
            self.children[parent].discard(b)
            if parent != a:
                self.children[parent].add(a)
        self.parents[a] = (self.parents[a] | self.parents[b]) - {a, b}
        for child in self.children.pop(b, set()):
            self.parents[child].discard(b)
            if child != a:
                self.parents[child].add(a)
                self.children[a].add(child)
        self.children[a].discard(b)
        stack = list(self.children[a])
        while stack:
            child = stack.pop()
            known = self.above[child]
            self.above[child] |= self.above[a] | both
            if self.above[child] != known:
                stack += self.children[child]
        return a


def _rebuild(program: Program, groups: _Groups) -> Program:
    rebuilder = Rebuilder(program)
    uses: dict[GraphTensor, set[int]] = defaultdict(set)
    for op in program.operations:
        for tensor in op.inputs:
            uses[tensor].add(groups.group_of[op])
    wanted = set(program.fetches)
    fused = 0
    for group in _sorted_groups(groups):
        members = sorted(groups.members[group], key=lambda op: op.index)
        if len(members) == 1:
            rebuilder.copy(members[0])
        else:
            guard = groups.guard_of(group)
            _add_fused(rebuilder, members, group, uses, wanted, f"fused_{fused}", guard)
            fused += 1
    return rebuilder.finish()


def _sorted_groups(groups: _Groups) -> list[int]:
    """A stable topological order of the groups: by the last op of each."""
    last = {g: max(op.index for op in ops) for g, ops in groups.members.items()}
    missing = {g: len(groups.parents[g]) for g in groups.members}
    ready = [(last[g], g) for g, count in missing.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        group = heapq.heappop(ready)[1]
        order.append(group)
        for child in groups.children[group]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (last[child], child))
    assert len(order) == len(missing), "fusion made a cycle"
    return order


def _add_fused(
    rebuilder: Rebuilder,
    members: list[Operation],
    group: int,
    uses: dict[GraphTensor, set[int]],
    wanted: set[GraphTensor],
    name: str,
    guard: GraphTensor | None,
) -> None:
    inside = set(members)
    inputs: dict[GraphTensor, int] = {}
    for op in members:
        for tensor in op.inputs:
            if tensor.op not in inside:
                inputs.setdefault(tensor, len(inputs))
    numbers: dict[GraphTensor, int] = dict(inputs)
    instructions: list[Instruction] = []
    outputs: list[GraphTensor] = []
    stores: list[tuple[int, int]] = []
    for op in members:
        number = len(inputs) + len(instructions)
        arguments = tuple(numbers[tensor] for tensor in op.inputs)
        instructions.append(Instruction.of(op, arguments))
        if op.spec.effect is Effect.WRITE:
            stores.append((inputs[op.inputs[0]], number))
            continue
        tensor = op.outputs[0]
        numbers[tensor] = number
        if tensor in wanted or uses[tensor] - {group}:
            outputs.append(tensor)
    shape = find_loop_shape(members[0])
    assert shape is not None
    body = Region(
        shape,
        len(inputs),
        tuple(instructions),
        tuple(numbers[tensor] for tensor in outputs),
        tuple(stores),
        inputs.get(guard) if guard is not None and stores else None,
    )
    controls = dict.fromkeys(
        control
        for op in members
        for control in op.control_inputs
        if control not in inside
    )
    new = rebuilder.add(
        members[-1],
        spec=FUSED_ELEMENTWISE,
        inputs=[rebuilder.tensors[tensor] for tensor in inputs],
        attrs={"body": body},
        controls=list(controls),
        output_types=[(shape, tensor.dtype) for tensor in outputs],
        name=_common_scope(members) + name,
    )
    for op in members:
        rebuilder.operations[op] = new
    for old_tensor, new_tensor in zip(outputs, new.outputs, strict=True):
        rebuilder.tensors[old_tensor] = new_tensor


def _common_scope(members: list[Operation]) -> str:
    first, *rest = (op.name.split("/")[:-1] for op in members)
    depth = len(first)
    for parts in rest:
        while first[:depth] != parts[:depth]:
            depth -= 1
    return "".join(part + "/" for part in first[:depth])
