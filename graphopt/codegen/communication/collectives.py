"""Collectives as calls of kernels: a job is posted, and awaited at once or later."""

from __future__ import annotations

import functools
from typing import Any, Final

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.communication import native
from graphopt.codegen.communication.terms import declare_terms
from graphopt.codegen.kernels import EMITTED, add_emitted
from graphopt.codegen.matmul.products import plan_rows
from graphopt.codegen.movement.moves import copy_tensor, lower_copy, move_block
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.collectives import (
    ALL_REDUCE_IF,
    REDUCTIONS,
    parts_of_bucket,
    places_in_bucket,
)
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

__all__ = [
    "await_job",
    "lower_all_gather",
    "lower_all_reduce",
    "lower_all_reduce_product_start",
    "lower_all_reduce_start",
    "lower_all_reduce_wait",
    "lower_broadcast",
    "lower_reduce_scatter",
    "lower_reduce_scatter_start",
    "lower_reduce_scatter_wait",
    "lower_step_header",
    "post_job",
]

for _name in native.ENTRIES:
    add_emitted(_name, functools.partial(native.load_entry, _name), native.write_module)
_TICKET: Final = 8
# Nanoseconds, for who estimates a step: handing over a job, and a fair part of doing one.
_POSTING: Final = 100.0
_AWAITING: Final = 1_000.0


def post_job(
    op: Operation,
    job: str,
    *arguments: Argument,
    ticket: Word,
    only_if: Argument = 0,
    wakes: Argument = 0,
) -> Call:
    """Returns the call that posts a job.

    Args:
      op: The operation, which belongs to a group.
      job: Its name.
      *arguments: Its words behind the channel.
      ticket: Where the number of the job goes.
      only_if: Where the condition is under which it is posted; 0 for always.
      wakes: Whether the thread of the channel is woken for it.
    """
    assert job in native.ENTRIES, job
    channel = Word("channel", op.attrs["group"])
    code = Word("kernel", kernel=KernelRequest(EMITTED, job))
    words = (channel, ticket, only_if, wakes, code, channel, *arguments)
    return Call(KernelRequest(EMITTED, "post"), words, 1, cost=_POSTING)


def await_job(op: Operation, ticket: Word) -> Call:
    """Returns the call that waits for a job."""
    words = (Word("channel", op.attrs["group"]), ticket, Word("status"), op.index)
    return Call(KernelRequest(EMITTED, "await"), words, 1, cost=_AWAITING)


def _at_once(
    op: Operation, job: str, *arguments: Argument, only_if: Argument = 0
) -> tuple[Call, ...]:
    """Returns the calls that do a job and wait for it."""
    ticket = Word("scratch", 0)
    post = post_job(op, job, *arguments, ticket=ticket, only_if=only_if)
    return (post, await_job(op, ticket))


def _count(tensor: GraphTensor) -> int:
    return int(tensor.shape.num_elements() or 0)


def _nbytes(tensor: GraphTensor) -> int:
    return _count(tensor) * tensor.dtype.size


def _terms(op: Operation, dtype: str, count: int) -> Argument:
    if count < 2:
        return 0
    kernel = declare_terms(dtype, op.attrs["reduction"], count)
    return Word("kernel", kernel=kernel.request)


def _reduction(op: Operation, tensor: GraphTensor) -> tuple[Any, ...]:
    """The words of a reduction: datatype, operation, and kernels."""
    name = tensor.dtype.name
    local = hooks.communicator(op.attrs["group"]).terms
    return (
        word.DATATYPE_NAMES.index(name),
        REDUCTIONS.index(op.attrs["reduction"]),
        _terms(op, name, local),
        _terms(op, name, 2),
    )


def lower_all_reduce(op: Operation) -> Lowered:
    """Returns the calls that reduce a tensor over the ranks."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    x = op.inputs[0]
    words = (*_reduction(op, x), x.dtype.size)
    only_if = Word("input", 1) if op.spec is ALL_REDUCE_IF else 0
    out = Word("output", 0)
    calls = _at_once(op, "all_reduce", out, _nbytes(x), *words, only_if=only_if)
    copies = copy_tensor(op.outputs[0]).calls
    return Lowered((*copies, *calls), (_TICKET,), checks=True, in_place=calls)


def lower_all_gather(op: Operation) -> Lowered:
    """Returns the calls that join the tensors of all ranks."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    places = Word("input", 0), Word("output", 0)
    calls = _at_once(op, "all_gather", *places, _nbytes(op.inputs[0]))
    return Lowered(calls, (_TICKET,), checks=True)


def lower_reduce_scatter(op: Operation) -> Lowered:
    """Returns the calls that give each rank its piece of a reduction."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    out = op.outputs[0]
    kind, how, terms, _ = _reduction(op, out)
    places = Word("input", 0), Word("output", 0)
    words = (*places, _nbytes(out), kind, how, terms, out.dtype.size)
    return Lowered(_at_once(op, "reduce_scatter", *words), (_TICKET,), checks=True)


def lower_reduce_scatter_start(op: Operation) -> Lowered:
    """Returns the call that begins to reduce a tensor of which this rank gets a piece."""
    if op.attrs["size"] == 1:
        return Lowered(host="one rank exchanges nothing")
    out = op.outputs[0]
    kind, how, terms, _ = _reduction(op, out)
    places = Word("input", 0), Word("output", 0)
    words = (*places, _nbytes(out), kind, how, terms, out.dtype.size)
    ticket = Word("output", 1)
    start = post_job(op, "reduce_scatter", *words, ticket=ticket, wakes=Word("wakes"))
    return Lowered((start,))


def lower_reduce_scatter_wait(op: Operation) -> Lowered:
    """Returns the call that waits for that piece."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    return Lowered((await_job(op, Word("input", 1)),), checks=True, views=(0,))


def lower_broadcast(op: Operation) -> Lowered:
    """Returns the calls that give all ranks the tensor of one."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    out = op.outputs[0]
    words = Word("output", 0), _nbytes(out), op.attrs["root"]
    calls = _at_once(op, "broadcast", *words)
    copies = copy_tensor(out).calls
    return Lowered((*copies, *calls), (_TICKET,), checks=True, in_place=calls)


def lower_all_reduce_start(op: Operation) -> Lowered:
    """Returns the call that begins to reduce a bucket, and those that may have to fill it."""
    if op.attrs["size"] == 1:
        return Lowered(host="one rank exchanges nothing")
    guarded = op.attrs["guarded"]
    tensors = op.inputs[:-1] if guarded else op.inputs
    item = op.outputs[0].dtype.size
    starts = _post_parts(op, Word("input", len(tensors)) if guarded else 0)
    places, _ = places_in_bucket(tensors)
    pieces = tuple(
        (place * item, move_block(item, [_count(tensor)], [1], [1], 0, place, i))
        for i, (place, tensor) in enumerate(zip(places, tensors, strict=True))
    )
    return Lowered(tuple(starts), pieces=pieces)


def _post_parts(op: Operation, only_if: Argument = 0) -> list[Call]:
    """Returns the calls that post the parts of a bucket; the last one's ticket counts."""
    bucket = op.outputs[0]
    item, words = bucket.dtype.size, _reduction(op, bucket)
    return [
        post_job(
            op,
            "all_reduce",
            *(Word("output", 0, begin * item), length * item, *words, item),
            ticket=Word("output", 1),
            only_if=only_if,
            wakes=Word("wakes"),
        )
        for begin, length in parts_of_bucket(_count(bucket), op.attrs["part"])
    ]


def lower_all_reduce_product_start(op: Operation) -> Lowered:
    """Returns the calls that compute rows of a product and begin to reduce them, by turns."""
    if op.attrs["size"] == 1:
        return Lowered(host="one rank exchanges nothing")
    rows, columns = op.attrs["body"].shape
    product = plan_rows(op)
    calls = list(product.packing)
    done = 0
    for i, post in enumerate(posts := _post_parts(op)):
        end = rows if i + 1 == len(posts) else (i + 1) * op.attrs["part"] // columns
        calls += [*product.compute(done, end), post]
        done = end
    return Lowered(tuple(calls), (product.scratch_bytes,))


def lower_all_reduce_wait(op: Operation) -> Lowered:
    """Returns the call that waits for a bucket; its tensors lie in it."""
    if op.attrs["size"] == 1:
        return Lowered(host="one rank exchanges nothing")
    places, _ = places_in_bucket(op.outputs)
    views = tuple(
        place * tensor.dtype.size
        for place, tensor in zip(places, op.outputs, strict=True)
    )
    return Lowered((await_job(op, Word("input", 1)),), checks=True, views=views)


def lower_step_header(op: Operation) -> Lowered:
    """Returns the call that begins to tell the others what this rank is about to do."""
    if op.attrs["size"] == 1:
        return Lowered()
    ticket = Word("scratch", 0)
    return Lowered(
        (post_job(op, "header", op.attrs["fingerprint"], 0, ticket=ticket),), (_TICKET,)
    )
