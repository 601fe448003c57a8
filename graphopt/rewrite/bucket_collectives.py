"""Reduces many tensors over the ranks at once, and tells the ranks what is to come.

A call that reduces a vector of 300 numbers takes as long as one for 3,000, so tensors that
wait for nothing from each other travel together, in buckets. They are filled in the order
in which the backward pass makes gradients, the last layer's first: a bucket is full, and on
its way, long before the first layer's gradient is known. A first bucket is smaller, so that
something is on its way early; of the others 4 MB is within 2 % of the best size for links
of 10 to 100 Gb/s and up to 1,024 machines (`tools/scale_model.py`).

Between machines a tensor that is larger than a bucket has one of its own, which is exchanged
in parts, of whole rows where it is a matrix: `exchange_products` begins with the first rows
of a product while the others are computed. How large they are depends on the tensor and not
on what makes it, which may be another op on a rank with another number of examples.

What was one op becomes two, a start and a wait. Where they go is for `overlap_collectives`;
here a start stands behind its last tensor and a wait where the last tensor's reduction
stood.

In front of it all comes the header of the step: a fingerprint of what will be exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphopt.graph.effects import exchanges
from graphopt.graph.graph import Operation, infer_types
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.words import format_type
from graphopt.ops.collectives import (
    ALL_GATHER,
    ALL_REDUCE,
    ALL_REDUCE_IF,
    ALL_REDUCE_START,
    ALL_REDUCE_WAIT,
    BROADCAST,
    PIECE_BYTES,
    REDUCE_SCATTER,
    REDUCE_SCATTER_START,
    REDUCE_SCATTER_WAIT,
    STEP_HEADER,
    parts_of_bucket,
    places_in_bucket,
)
from graphopt.rewrite.driver import graph_pass

__all__ = ["bucket_collectives", "fingerprint_of"]

# The jobs of a channel, by the ops that are done by them.
_JOBS: Final = {
    ALL_REDUCE.name: "all_reduce",
    ALL_REDUCE_IF.name: "all_reduce",
    ALL_REDUCE_START.name: "all_reduce",
    ALL_GATHER.name: "all_gather",
    BROADCAST.name: "broadcast",
    REDUCE_SCATTER.name: "reduce_scatter",
    REDUCE_SCATTER_START.name: "reduce_scatter",
}
# The part of a bucket that the first one has.
_FIRST: Final = 4
# The rows of a part are so many times a number: those of the register tiles of products
# divide it, so that no part ends within a tile.
_ROWS: Final = 12


def fingerprint_of(text: str) -> int:
    """Returns 48 bits that tell texts apart; never 0, which stands for no text."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "little") or 1


@dataclass
class _Bucket:
    """Reductions that become one.

    Attributes:
      members: The ops, in the order of the bucket.
      last: Behind which op of the program it is awaited.
      part: How many elements of it are exchanged at once; 0 for all of them.
    """

    members: list[Operation]
    last: Operation
    part: int = 0

    @property
    def tensors(self) -> list[GraphTensor]:
        """What is reduced."""
        return [op.inputs[0] for op in self.members]

    @property
    def only_if(self) -> GraphTensor | None:
        """Under which condition; None if always."""
        first = self.members[0]
        return first.inputs[1] if first.spec is ALL_REDUCE_IF else None


@graph_pass(preserves="bits")
def bucket_collectives(program: Program) -> Program:
    """Puts reductions over ranks into buckets, which are begun early and awaited late."""
    if not any(_is_real(op) for op in program.operations):
        return program
    position = {op: i for i, op in enumerate(program.operations)}
    buckets = [
        bucket for run in _find_runs(program) for bucket in _fill_buckets(run, position)
    ]
    return _Rebuilding(program, buckets).run()


def _is_real(op: Operation) -> bool:
    """Whether an op exchanges something with somebody."""
    return op.spec.effect is Effect.COLLECTIVE and op.attrs.get("size", 1) > 1


def _find_runs(program: Program) -> list[list[Operation]]:
    """Finds reductions that follow each other and need nothing from each other."""
    runs: list[list[Operation]] = []
    members: set[Operation] = set()
    # What needs a member of the last run.
    behind: set[Operation] = set()
    for op in program.operations:
        sources = [tensor.op for tensor in op.inputs]
        needs = any(source in behind for source in sources)
        if not exchanges(op):
            needs = needs or any(control in behind for control in op.control_inputs)
            if needs:
                behind.add(op)
            continue
        if op.spec not in (ALL_REDUCE, ALL_REDUCE_IF) or not _is_real(op):
            members, behind = set(), set()
            continue
        if needs or not members:
            runs.append([])
            members, behind = set(), set()
        runs[-1].append(op)
        members.add(op)
        behind.add(op)
    return runs


def _fill_buckets(
    run: list[Operation], position: dict[Operation, int]
) -> list[_Bucket]:
    """Puts the ops of a run into buckets, in the order in which their inputs are made."""
    kinds: dict[Any, list[Operation]] = {}
    for op in run:
        condition = op.inputs[1] if op.spec is ALL_REDUCE_IF else None
        kind = op.attrs["group"], op.attrs["reduction"], op.inputs[0].dtype, condition
        kinds.setdefault(kind, []).append(op)
    last = max(run, key=position.__getitem__)
    buckets: list[_Bucket] = []
    for ops in kinds.values():
        communicator = hooks.communicator(ops[0].attrs["group"])
        limit = communicator.bucket_bytes
        wanted = limit // _FIRST
        current: _Bucket | None = None
        held = 0
        for op in sorted(ops, key=lambda op: (position[op.inputs[0].op], position[op])):
            tensor = op.inputs[0]
            nbytes = (tensor.shape.num_elements() or 0) * tensor.dtype.size
            if communicator.sends_parts and nbytes > limit:
                buckets.append(_Bucket([op], last, _part_of(tensor, limit)))
                continue
            if current is None:
                current, held = _Bucket([], last), 0
                buckets.append(current)
            current.members.append(op)
            held += nbytes
            if held >= wanted:
                current, wanted = None, limit
    return sorted(buckets, key=lambda b: max(position[t.op] for t in b.tensors))


def _part_of(tensor: GraphTensor, limit: int) -> int:
    """Returns how many elements of a large tensor are exchanged at once."""
    count = max(limit // tensor.dtype.size, 1)
    if tensor.shape.rank != 2:
        unit = PIECE_BYTES // tensor.dtype.size
        return -(-count // unit) * unit
    columns = int(tensor.shape[1] or 1)
    return -(-count // (columns * _ROWS)) * _ROWS * columns


def _describe(op: Operation) -> tuple[str, str]:
    """Returns what an op exchanges and the user's line."""
    tensors = op.inputs or op.outputs
    types = ", ".join(format_type(tensor) for tensor in tensors)
    how = str(op.attrs.get("reduction", op.attrs.get("root", "")))
    return f"{op.type} {how} of {types}".replace("  ", " "), op.site_text


def _describe_jobs(op: Operation) -> list[tuple[Any, ...]]:
    """Returns (job, dtype, elements, reduction or root, whether it has a condition)."""
    by_result = op.spec in (ALL_REDUCE_START, REDUCE_SCATTER_START)
    tensor = op.outputs[0] if by_result else op.inputs[0]
    how = op.attrs.get("reduction", op.attrs.get("root"))
    guarded = op.spec is ALL_REDUCE_IF or bool(op.attrs.get("guarded"))
    job, dtype = _JOBS[op.spec.name], tensor.dtype.name
    counts = [tensor.shape.num_elements() or 0]
    if op.spec is ALL_REDUCE_START:
        counts = [length for _, length in parts_of_bucket(counts[0], op.attrs["part"])]
    return [(job, dtype, count, how, guarded) for count in counts]


def _kinds_of(program: Program, described: Sequence[tuple[str, str]]) -> list[str]:
    """Returns what is alike on all ranks: what is exchanged, and what is done with that.

    The rest may differ between ranks, as the size of a batch does and what is made of it.
    """
    behind: set[Operation] = set()
    kinds = [what for what, _ in described]
    if any(op.spec is REDUCE_SCATTER for op in program.operations):
        # Each rank updates what belongs to it.
        return kinds
    for op in program.operations:
        if exchanges(op) or any(tensor.op in behind for tensor in op.inputs):
            behind.add(op)
            kinds.append(op.type)
    return kinds


class _Rebuilding:
    """The new program while it is put together, op by op.

    Args:
      program: The old one.
      buckets: In the order in which they are begun.
    """

    def __init__(self, program: Program, buckets: list[_Bucket]) -> None:
        self.program, self.waiting = program, list(buckets)
        self.rebuilder = Rebuilder(program)
        self.members = {op for bucket in buckets for op in bucket.members}
        self.ends: dict[Operation, list[_Bucket]] = {}
        for bucket in buckets:
            self.ends.setdefault(bucket.last, []).append(bucket)
        self.starts: dict[int, Operation] = {}
        # The old ops whose results there are, and those that have to wait for one.
        self.done: set[Operation] = set()
        self.deferred: list[Operation] = []
        # What is exchanged, in order, for a rank that has to follow.
        self.jobs: list[tuple[Any, ...]] = []
        # What was exchanged last, of the new program.
        self.last = self.header = self._add_header()

    def run(self) -> Program:
        """Returns the new program."""
        for op in self.program.operations:
            if op not in self.members:
                self._add(op)
            else:
                self._start_buckets()
            for bucket in self.ends.get(op, ()):
                self._add_wait(bucket)
            if op in self.ends:
                deferred, self.deferred = self.deferred, []
                for each in deferred:
                    self._add(each)
        assert not self.deferred and not self.waiting, self.deferred
        kinds = _kinds_of(self.program, self.header.attrs["exchanges"])
        text = "\n".join([*kinds, *map(str, self.jobs)])
        self.header.attrs.update(
            fingerprint=fingerprint_of(text), jobs=tuple(self.jobs)
        )
        return self.rebuilder.finish()

    def _add(self, op: Operation) -> None:
        sources = [*(tensor.op for tensor in op.inputs), *op.control_inputs]
        if not self.done.issuperset(sources):
            self.deferred.append(op)
            return
        if op.spec is REDUCE_SCATTER and _is_real(op):
            self._add_scatter(op)
            return
        new = self.rebuilder.copy(op)
        if _is_real(op):
            new.control_inputs = (*new.control_inputs, self.last)
            self.last = new
            self.jobs += _describe_jobs(new)
        self.done.add(op)
        self._start_buckets()

    def _add_scatter(self, op: Operation) -> None:
        """Adds the two ops that one becomes of which each rank gets a piece."""
        rebuilder = self.rebuilder
        types = infer_types(REDUCE_SCATTER_START, op.inputs, op.attrs, op.site)
        start = rebuilder.add(
            op,
            spec=REDUCE_SCATTER_START,
            # Behind the starts of others, and not behind what they are awaited by.
            controls=[c for c in op.control_inputs if not exchanges(c)],
            output_types=types,
            name=f"{op.name}/start",
        )
        start.control_inputs = (*start.control_inputs, self.last)
        inputs = [*start.outputs, rebuilder.tensors[op.inputs[0]]]
        wait = rebuilder.add(op, spec=REDUCE_SCATTER_WAIT, inputs=inputs, controls=())
        rebuilder.tensors[op.outputs[0]] = wait.outputs[0]
        self.last = start
        self.jobs += _describe_jobs(start)
        self.done.add(op)
        self._start_buckets()

    def _start_buckets(self) -> None:
        """Begins those whose tensors there are; none goes before another one."""
        while self.waiting:
            bucket = self.waiting[0]
            sources = {tensor.op for op in bucket.members for tensor in op.inputs}
            for op in bucket.members:
                sources.update(c for c in op.control_inputs if c not in self.members)
            if not self.done.issuperset(sources):
                return
            self._add_start(self.waiting.pop(0), sources)

    def _add_header(self) -> Operation:
        described = [_describe(op) for op in self.program.operations if exchanges(op)]
        real = next(op for op in self.program.operations if _is_real(op))
        attrs = {
            "fingerprint": 0,
            "exchanges": tuple(described),
            "jobs": (),
            "group": real.attrs["group"],
            "size": real.attrs["size"],
        }
        graph = self.rebuilder.graph
        name = f"{real.name}/header"
        return graph.append(
            STEP_HEADER, (), attrs, name, (), real.site, [], real.device
        )

    def _add_start(self, bucket: _Bucket, sources: set[Operation]) -> None:
        first, rebuilder = bucket.members[0], self.rebuilder
        inputs = [rebuilder.tensors[tensor] for tensor in bucket.tensors]
        if bucket.only_if is not None:
            inputs.append(rebuilder.tensors[bucket.only_if])
        controls = [self.last]
        for op in bucket.members:
            for control in op.control_inputs:
                if control in sources and control in rebuilder.operations:
                    controls.append(rebuilder.operations[control])
        _, size = places_in_bucket(bucket.tensors)
        attrs = {
            **first.attrs,
            "guarded": bucket.only_if is not None,
            "part": bucket.part or max(size, 1),
        }
        types = infer_types(ALL_REDUCE_START, inputs, attrs, first.site)
        start = rebuilder.graph.append(
            ALL_REDUCE_START,
            tuple(inputs),
            attrs,
            f"{first.name}/start",
            tuple(dict.fromkeys(controls)),
            first.site,
            types,
            first.device,
        )
        self.starts[id(bucket)] = self.last = start
        self.jobs += _describe_jobs(start)

    def _add_wait(self, bucket: _Bucket) -> None:
        first, start = bucket.members[0], self.starts[id(bucket)]
        shapes = tuple(tuple(tensor.shape.as_list()) for tensor in bucket.tensors)
        wait = self.rebuilder.graph.append(
            ALL_REDUCE_WAIT,
            start.outputs,
            {**first.attrs, "shapes": shapes},
            first.name,
            (),
            first.site,
            [(tensor.shape, tensor.dtype) for tensor in bucket.tensors],
            first.device,
        )
        for op, tensor in zip(bucket.members, wait.outputs, strict=True):
            self.rebuilder.operations[op] = wait
            self.rebuilder.tensors[op.outputs[0]] = tensor
            self.done.add(op)
