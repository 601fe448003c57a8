"""The jobs of a channel: what ranks exchange."""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.communication.channel_code import (
    ONE,
    SLICE_ALIGNMENT,
    ZERO,
    Code,
    length_of,
    new_job,
    other_ranks,
    steps_over,
)
from graphopt.codegen.communication.parts import Parts
from graphopt.graph.status import Reason

__all__ = ["emit_jobs"]

_I64 = ir.IntType(64)
# The part of a half that is added at once, so that it stays in a near cache.
_BLOCKS: Final = 8


def emit_jobs(module: ir.Module) -> None:
    """Writes all jobs into a module."""
    parts = Parts(module)
    _emit_header(module, parts)
    _emit_all_reduce(module, parts)
    _emit_all_gather(module, parts)
    _emit_reduce_scatter(module, parts)
    _emit_broadcast(module, parts)


def _emit_header(module: ir.Module, parts: Parts) -> None:
    """header(channel, fingerprint, flags): tells all ranks what this one is about to do."""
    code, spins = new_job(module, "header")
    builder = code.builder
    fingerprint, flags = code.take_arguments(3)
    step = builder.add(code.load(word.STEP), ONE)
    code.store(word.STEP, step)
    own = builder.ptrtoint(code._place(word.OWN_HEADER), _I64)
    for place, value in enumerate((step, fingerprint, flags)):
        code.write(own, value, place)
    size, table = code.load(word.SIZE), code.load(word.TABLE)
    nbytes = _I64(8 * word.HEADER_WORDS)
    is_flat = code.compare("!=", code.load(word.IS_FLAT), 0)
    with builder.if_else(is_flat) as (then, otherwise):
        with then:
            parity = builder.and_(step, ONE)
            place = builder.mul(parity, _I64(word.HEADER_WORDS))
            place = builder.mul(builder.add(place, _I64(word.HEADERS)), _I64(8))
            area = code.area(code.load(word.LOCAL_RANK))
            code.copy(builder.add(area, place), own, nbytes)
            parts.meet(code, spins)
            with code.count_to(size) as rank:
                to = builder.add(table, builder.mul(rank, nbytes))
                code.copy(to, builder.add(code.area(rank), place), nbytes)
        with otherwise:
            code.return_if(
                code.call_library(
                    (
                        word.ALL_GATHER,
                        *(own, nbytes, code.load(word.DATATYPES + word.BYTES)),
                        *(table, nbytes, code.load(word.DATATYPES + word.BYTES)),
                        code.load(word.COMM),
                    )
                )
            )
            # A call that was revoked may return as if all were well.
            code.return_if(code.load(word.ABORT))
    with code.count_to(size) as rank:
        theirs = builder.add(table, builder.mul(rank, nbytes))
        other = code.read(theirs, 1)
        # A rank that has left the training only follows: its fingerprint is 0.
        follows = builder.or_(
            code.compare("==", other, 0), code.compare("==", fingerprint, 0)
        )
        differs = builder.and_(
            builder.not_(follows), code.compare("!=", other, fingerprint)
        )
        differs = builder.or_(differs, code.compare("!=", code.read(theirs), step))
        with builder.if_then(differs):
            code.store(word.DETAIL, rank)
            builder.ret(_I64(Reason.DIFFERENT))
    builder.ret(ZERO)


def _emit_all_reduce(module: ir.Module, parts: Parts) -> None:
    """all_reduce(channel, buffer, size, datatype, operation, kernel, pair, item), in place.

    `kernel` adds as many terms as this machine has ranks, `pair` two.
    """
    code, spins = new_job(module, "all_reduce")
    builder = code.builder
    buffer, size, datatype, operation, kernel, pair, item = code.take_arguments(8)
    ranks, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
    how = [datatype, operation, pair, item]
    # The words of a local size are 1 where machines have different numbers of ranks.
    with builder.if_then(code.compare("<", ranks, 2)):
        builder.ret(builder.call(parts.across, [code.words, buffer, size, *how]))
    is_small = code.compare("<=", size, word.SMALL_BYTES)
    is_flat = code.compare("!=", code.load(word.IS_FLAT), 0)
    with builder.if_then(builder.and_(is_small, is_flat)):
        start = code.take_half()
        code.copy(builder.add(code.area(own), start), buffer, size)
        parts.meet(code, spins)
        scratch = code.load(word.SCRATCH)
        code.set_term(0, scratch)
        code.set_term(1, builder.add(scratch, code.load(word.HALF_BYTES)))
        with code.count_to(ranks) as rank:
            code.set_term(rank, builder.add(code.area(rank), start))
        code.add_terms(kernel, size, item)
        code.copy(buffer, scratch, size)
        builder.ret(ZERO)
    is_shared = _emit_publishing(code, parts, buffer, size, spins)
    stride = builder.add(size, builder.sub(ranks, ONE))
    stride = builder.add(builder.udiv(stride, ranks), _I64(SLICE_ALIGNMENT - 1))
    stride = builder.and_(stride, _I64(-SLICE_ALIGNMENT))
    mine = builder.add(buffer, builder.mul(own, stride))
    with builder.if_then(is_shared):
        length = length_of(code, own, stride, size, ZERO, stride)
        _emit_adding(code, stride, length, kernel, item)
        code.return_if(builder.call(parts.across, [code.words, mine, length, *how]))
        with (
            builder.if_then(code.compare(">", code.load(word.CROSS_SIZE), 1)),
            other_ranks(code, ranks, own) as rank,
        ):
            theirs = builder.add(_published(code, rank), builder.mul(own, stride))
            code.copy(theirs, mine, length)
        builder.ret(builder.call(parts.barrier, [code.words, spins]))
    code.return_if(
        builder.call(
            parts.scatter, [code.words, buffer, stride, size, mine, kernel, item, spins]
        )
    )
    length = length_of(code, own, stride, size, ZERO, stride)
    code.return_if(builder.call(parts.across, [code.words, mine, length, *how]))
    builder.ret(
        builder.call(parts.gather, [code.words, mine, buffer, stride, size, spins])
    )


def _published(code: Code, rank: ir.Value) -> ir.Value:
    """Returns the address of the buffer that a rank of this machine works on."""
    area = code.area(rank)
    return code.builder.add(area, code.read(area, word.PUBLISHED))


def _emit_publishing(
    code: Code, parts: Parts, buffer: ir.Value, size: ir.Value, spins: ir.Value
) -> ir.Value:
    """Writes what tells the ranks of this machine where a buffer is, and meets them.

    Returns:
      Whether the buffers of all of them are in shared memory.
    """
    builder = code.builder
    own = code.area(code.load(word.LOCAL_RANK))
    region = builder.mul(code.load(word.HALF_BYTES), _I64(2))
    region = builder.add(region, _I64(8 * word.STAGING))
    place = builder.sub(buffer, own)
    end = builder.add(region, code.load(word.REGION_BYTES))
    is_inside = builder.and_(
        code.compare(">=", place, region),
        code.compare("<=", builder.add(place, size), end),
    )
    code.write(own, builder.select(is_inside, place, _I64(-1)), word.PUBLISHED)
    parts.meet(code, spins)
    least = code.variable(0)
    with code.count_to(code.load(word.LOCAL_SIZE)) as rank:
        theirs = code.read(code.area(rank), word.PUBLISHED)
        builder.store(code.smaller(builder.load(least), theirs), least)
    return code.compare(">=", builder.load(least), 0)


def _emit_adding(
    code: Code, stride: ir.Value, length: ir.Value, kernel: ir.Value, item: ir.Value
) -> None:
    """Writes what adds the slice of this rank where it is, for all ranks to see.

    Of several machines only this rank gets it: it is not the whole sum yet.
    """
    builder = code.builder
    size, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
    piece = builder.udiv(code.load(word.HALF_BYTES), _I64(_BLOCKS))
    scratch = code.load(word.SCRATCH)
    code.set_term(0, scratch)
    code.set_term(1, builder.add(scratch, code.load(word.HALF_BYTES)))
    start = builder.mul(own, stride)
    is_whole = code.compare("<", code.load(word.CROSS_SIZE), 2)
    with steps_over(code, length, piece) as offset:
        nbytes = code.smaller(builder.sub(length, offset), piece)
        at = builder.add(start, offset)
        with code.count_to(size) as rank:
            code.set_term(rank, builder.add(_published(code, rank), at))
        code.add_terms(kernel, nbytes, item)
        with code.count_to(size) as rank:
            gets = builder.or_(is_whole, code.compare("==", rank, own))
            with builder.if_then(gets):
                to = builder.add(_published(code, rank), at)
                code.copy(to, scratch, nbytes)


def _emit_all_gather(module: ir.Module, parts: Parts) -> None:
    """all_gather(channel, source, target, size): `size` bytes of each rank."""
    code, spins = new_job(module, "all_gather")
    builder = code.builder
    source, target, size = code.take_arguments(4)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(word.DATATYPES + word.BYTES)
        builder.ret(
            code.call_library(
                (
                    word.ALL_GATHER,
                    *(source, size, kind, target, size, kind, code.load(word.COMM)),
                )
            )
        )
    own = builder.add(target, builder.mul(code.load(word.RANK), size))
    code.copy(own, source, size)
    total = builder.mul(code.load(word.SIZE), size)
    builder.ret(
        builder.call(parts.gather, [code.words, source, target, size, total, spins])
    )


def _emit_reduce_scatter(module: ir.Module, parts: Parts) -> None:
    """reduce_scatter(channel, source, target, size, datatype, operation, kernel, item).

    `size` bytes are the piece of a rank.
    """
    code, spins = new_job(module, "reduce_scatter")
    builder = code.builder
    source, target, size, datatype, operation, kernel, item = code.take_arguments(8)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(builder.add(datatype, _I64(word.DATATYPES)))
        how = code.load(builder.add(operation, _I64(word.OPERATIONS)))
        count = builder.sdiv(size, item)
        builder.ret(
            code.call_library(
                (
                    word.REDUCE_SCATTER,
                    *(source, target, count, kind, how, code.load(word.COMM)),
                )
            )
        )
    total = builder.mul(code.load(word.SIZE), size)
    builder.ret(
        builder.call(
            parts.scatter,
            [code.words, source, size, total, target, kernel, item, spins],
        )
    )


def _emit_broadcast(module: ir.Module, parts: Parts) -> None:
    """broadcast(channel, buffer, size, root), in place."""
    code, spins = new_job(module, "broadcast")
    builder = code.builder
    buffer, size, root = code.take_arguments(4)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(word.DATATYPES + word.BYTES)
        builder.ret(
            code.call_library(
                (word.BROADCAST, buffer, size, kind, root, code.load(word.COMM))
            )
        )
    is_root = code.compare("==", code.load(word.RANK), root)
    area = code.area(root)
    piece = code.load(word.HALF_BYTES)
    with steps_over(code, size, piece) as offset:
        staged = builder.add(area, code.take_half())
        at = builder.add(buffer, offset)
        length = code.smaller(builder.sub(size, offset), piece)
        with builder.if_then(is_root):
            code.copy(staged, at, length)
        parts.meet(code, spins)
        with builder.if_then(builder.not_(is_root)):
            code.copy(at, staged, length)
    builder.ret(ZERO)
