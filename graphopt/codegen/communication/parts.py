"""What ranks of one machine do together, and machines: the functions that jobs call."""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.communication.channel_code import (
    ONE,
    SLICE_ALIGNMENT,
    WORDS,
    ZERO,
    Code,
    length_of,
    other_ranks,
    pieces_of,
    steps_over,
)

__all__ = ["Parts"]

_I64 = ir.IntType(64)
# Counts of MPI are 32 bits.
_MOST: Final = 1 << 30
_TAG: Final = 7


class Parts:
    """The functions that jobs are made of."""

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self.barrier = self._new("barrier", 2)
        self.scatter = self._new("scatter", 8)
        self.gather = self._new("gather", 6)
        self.across = self._new("across", 7)
        self._emit_barrier()
        self._emit_scatter()
        self._emit_gather()
        self._emit_across()

    def _new(self, name: str, count: int) -> ir.Function:
        kind = ir.FunctionType(_I64, [WORDS, *[_I64] * (count - 1)])
        function = ir.Function(self.module, kind, name=name)
        function.linkage = "internal"
        return function

    def meet(self, code: Code, spins: ir.Value) -> None:
        """Waits for the ranks of this machine; returns the reason if one is gone."""
        code.return_if(code.builder.call(self.barrier, [code.words, spins]))

    def _emit_barrier(self) -> None:
        """barrier(channel, spins): comes to the next meeting and waits for the others."""
        code = Code(self.barrier)
        builder, spins = code.builder, self.barrier.args[1]
        size = code.load(word.LOCAL_SIZE)
        with builder.if_then(code.compare("<", size, 2)):
            builder.ret(ZERO)
        own = code.area(code.load(word.LOCAL_RANK))
        meeting = builder.add(code.load(word.ROUND), ONE)
        code.store(word.ROUND, meeting)
        code.write(own, meeting, word.ARRIVED)
        with builder.if_then(code.compare("!=", code.read(own, word.SLEEPERS), 0)):
            code.wake_on_word(builder.ptrtoint(code.at(own, word.ARRIVED), _I64))
        tries = code.variable(0)
        with code.count_to(size) as rank:
            area = code.area(rank)
            with code.loop() as behind:
                seen = code.read(area, word.ARRIVED)
                code.leave_if(code.compare(">=", seen, meeting), behind)
                code.return_if(code.load(word.ABORT))
                code.pause()
                code.count_up(tries)
                with builder.if_then(code.compare(">", builder.load(tries), spins)):
                    sleepers = code.at(area, word.SLEEPERS)
                    builder.atomic_rmw("add", sleepers, ONE, "seq_cst")
                    again = code.read(area, word.ARRIVED)
                    with builder.if_then(code.compare("<", again, meeting)):
                        place = builder.ptrtoint(code.at(area, word.ARRIVED), _I64)
                        code.sleep_on_word(place, again)
                    builder.atomic_rmw("sub", sleepers, ONE, "seq_cst")
        builder.ret(ZERO)

    def _emit_scatter(self) -> None:
        """scatter(channel, base, stride, total, out, kernel, item, spins).

        Memory of `total` bytes at `base` is cut in slices of `stride` bytes, one for each
        rank of this machine; what all have in the slice of this rank is added to `out`.
        """
        code = Code(self.scatter)
        builder = code.builder
        _, base, stride, total, out, kernel, item, spins = self.scatter.args
        size, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
        piece = builder.udiv(code.load(word.HALF_BYTES), size)
        piece = builder.and_(piece, _I64(-SLICE_ALIGNMENT))
        area = code.area(own)
        with pieces_of(code, stride, total, piece) as offset:
            start = code.take_half()
            staged = builder.add(area, start)
            with other_ranks(code, size, own) as rank:
                length = length_of(code, rank, stride, total, offset, piece)
                at = builder.add(builder.mul(rank, stride), offset)
                to = builder.add(staged, builder.mul(rank, piece))
                code.copy(to, builder.add(base, at), length)
            self.meet(code, spins)
            length = length_of(code, own, stride, total, offset, piece)
            with builder.if_then(code.compare(">", length, 0)):
                scratch = code.load(word.SCRATCH)
                code.set_term(0, scratch)
                code.set_term(1, builder.add(scratch, code.load(word.HALF_BYTES)))
                with code.count_to(size) as rank:
                    at = builder.add(code.area(rank), start)
                    at = builder.add(at, builder.mul(own, piece))
                    mine = builder.add(builder.mul(own, stride), offset)
                    mine = builder.add(base, mine)
                    is_own = code.compare("==", rank, own)
                    code.set_term(rank, builder.select(is_own, mine, at))
                code.add_terms(kernel, length, item)
                code.copy(builder.add(out, offset), scratch, length)
        builder.ret(ZERO)

    def _emit_gather(self) -> None:
        """gather(channel, source, base, stride, total, spins).

        What each rank of this machine has at `source` goes to its slice of the memory at
        `base`, on all of them; the own one is there already.
        """
        code = Code(self.gather)
        builder = code.builder
        _, source, base, stride, total, spins = self.gather.args
        size, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
        piece = code.load(word.HALF_BYTES)
        area = code.area(own)
        with pieces_of(code, stride, total, piece) as offset:
            start = code.take_half()
            length = length_of(code, own, stride, total, offset, piece)
            code.copy(builder.add(area, start), builder.add(source, offset), length)
            self.meet(code, spins)
            with other_ranks(code, size, own) as rank:
                length = length_of(code, rank, stride, total, offset, piece)
                at = builder.add(builder.mul(rank, stride), offset)
                staged = builder.add(code.area(rank), start)
                code.copy(builder.add(base, at), staged, length)
        builder.ret(ZERO)

    def _emit_across(self) -> None:
        """across(channel, buffer, size, datatype, operation, kernel, item).

        Reduces memory over the machines, in place: by the library, or by a tree.
        """
        code = Code(self.across)
        builder = code.builder
        _, buffer, size, datatype, operation, kernel, item = self.across.args
        with builder.if_then(code.compare("<", code.load(word.CROSS_SIZE), 2)):
            builder.ret(ZERO)
        comm = code.load(word.CROSS_COMM)
        kind = code.load(builder.add(datatype, _I64(word.DATATYPES)))
        how = code.load(builder.add(operation, _I64(word.OPERATIONS)))
        with builder.if_then(code.compare("==", code.load(word.IS_TREE), 0)):
            piece = builder.mul(item, _I64(_MOST))
            with steps_over(code, size, piece) as offset:
                length = code.smaller(builder.sub(size, offset), piece)
                count = builder.sdiv(length, item)
                at = builder.add(buffer, offset)
                place = code.load(word.IN_PLACE)
                code.return_if(code.load(word.ABORT))
                code.return_if(
                    code.call_library(
                        (word.ALL_REDUCE, place, at, count, kind, how, comm)
                    )
                )
            builder.ret(ZERO)
        piece = code.load(word.HALF_BYTES)
        scratch = code.load(word.SCRATCH)
        received = builder.add(scratch, piece)
        distance = code.variable(1)
        with code.loop() as behind:
            far = builder.load(distance)
            code.leave_if(code.compare(">=", far, code.load(word.CROSS_SIZE)), behind)
            partner = builder.xor(code.load(word.CROSS_RANK), far)
            with steps_over(code, size, piece) as offset:
                length = code.smaller(builder.sub(size, offset), piece)
                count = builder.sdiv(length, item)
                at = builder.add(buffer, offset)
                tag = _I64(_TAG)
                code.return_if(code.load(word.ABORT))
                code.return_if(
                    code.call_library(
                        (word.BEGIN_SEND, at, count, kind, partner, tag, comm),
                        (word.BEGIN_RECEIVE, received, count, kind, partner, tag, comm),
                    )
                )
                # Sums do not depend on which of two terms is the first.
                code.set_term(0, scratch)
                code.set_term(1, scratch)
                code.set_term(2, at)
                code.set_term(3, received)
                code.add_terms(kernel, length, item)
                code.copy(at, scratch, length)
            builder.store(builder.mul(far, _I64(2)), distance)
        builder.ret(ZERO)
