"""Calls that put what was gathered into variables, in their own step or in the next."""

from __future__ import annotations

from typing import Final

from graphopt.codegen.communication.collectives import await_job, post_job
from graphopt.codegen.kernels import EMITTED
from graphopt.codegen.movement.moves import lower_copy, move_block
from graphopt.graph.graph import Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.gathered import Pieces
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

__all__ = [
    "lower_all_gather_settle",
    "lower_all_gather_start",
    "lower_assign_gathered",
]

# Bytes that are copied at once, of what several threads may share, and nanoseconds for one.
_BLOCK: Final = 1 << 20
_BYTE: Final = 0.06


def lower_assign_gathered(op: Operation) -> Lowered:
    """Returns the call that copies what was gathered into a variable."""
    words = _copies(op.inputs[0], op.attrs["pieces"], Word("input", 1), 0)
    return Lowered(_put(0, words))


def lower_all_gather_settle(op: Operation) -> Lowered:
    """Returns the calls that wait for what was begun, and put it into the variables."""
    if op.attrs["size"] == 1:
        return Lowered(host="one rank exchanges nothing")
    ticket = Word("output", 1)
    words: list[Argument] = []
    for i, pieces in enumerate(op.attrs["pieces"]):
        words += _copies(op.inputs[i], pieces, Word("output", 0), i)
    clear = Call(KernelRequest(EMITTED, "clear"), (ticket,), 1, cost=1.0)
    calls = (await_job(op, ticket), *_put(ticket, words), clear)
    return Lowered(calls, checks=True, lasting=True)


def lower_all_gather_start(op: Operation) -> Lowered:
    """Returns the call that begins to gather, and the one that may have to copy the row."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    row = op.outputs[0]
    count, item = int(row.shape.num_elements() or 0), row.dtype.size
    places = Word("output", 0), Word("input", 1), count * item
    # It is behind all that the step has to do: what follows is the next one.
    start = post_job(op, "all_gather", *places, ticket=Word("input", 2), wakes=1)
    copy = move_block(item, [count], [1], [1])
    return Lowered((start,), pieces=((0, copy),), lasting=True)


def _copies(
    handle: GraphTensor, pieces: Pieces, source: Word, index: int
) -> list[Argument]:
    """Returns (source, target, bytes) of all blocks of a variable.

    Args:
      handle: The variable.
      pieces: Where it is in what was gathered.
      source: Where that is.
      index: Which input the variable is.
    """
    item, at = handle.dtype.size, 0
    found: list[Argument] = []
    for begin, length in pieces:
        for offset in range(0, length * item, _BLOCK):
            size = min(_BLOCK, length * item - offset)
            found += [
                Word(source.place, source.index, begin * item + offset),
                Word("input", index, at + offset),
                size,
            ]
        at += length * item
    return found


def _put(ticket: Argument, words: list[Argument]) -> tuple[Call, ...]:
    """Returns the call that copies blocks; none if there are none."""
    if not words:
        return ()
    nbytes = sum(size for size in words[2::3] if isinstance(size, int))
    kernel = KernelRequest(EMITTED, "put")
    cost = max(1.0, nbytes * _BYTE)
    return (Call(kernel, (ticket, *words), len(words) // 3, cost=cost),)
