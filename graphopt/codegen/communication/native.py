"""The native code by which a step exchanges values with other ranks.

A step posts *jobs* and awaits them; they are done one after the other, in the order in
which they were posted, which is the same on all ranks. Who does them is open: the thread of
the channel, so that a step goes on computing meanwhile, or the thread that awaits them, if
nobody has begun: a step of a few microseconds hands nothing to another thread.

MPI libraries make no progress by themselves, and a blocking call is faster than one that
is begun and tested; so a thread that may block is the way to communicate beside a
computation. The functions of the library are called through their addresses, and its
handles, integers in one library and pointers in another, are words: one object code serves
all of them, and needs no symbol of any.

Ranks of one machine do not go through the library. Each has an area of shared memory, in
which the arenas of its plans are too. So a bucket of gradients is added where it is: all meet,
each rank adds its own slice of it in one pass over the memory of all and writes the sum to
all, all meet. What lies elsewhere is staged: every rank lays what others are to add into its
area, all meet, each adds its slice, lays that out, all meet, each takes the slices of others.
Terms are added in a tree over the ranks, ((0 + 1) + (2 + 3)), for any number of them and any
length. Of several machines the slices are then reduced by the library, each rank's with
those of the same rank elsewhere, or, where bits must not depend on the number of machines,
by a tree of our own.

Who waits for a rank spins, then sleeps on a futex, and looks up every few milliseconds
whether the channel was aborted. So nothing waits for a rank that is gone: `parallel.watch`
finds that out. Only a job inside of the library cannot be left, and then it is the thread
of the channel that stays there and not the step.

4 MB between two ranks of one machine take 1.2 ms, where the library takes 1.5 to 4; the
two meetings of a scalar take 1 us.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Final

from llvmlite import ir

from graphopt.codegen.cache.object_code import NativeKernel
from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.compile.denormals import declare, emit_flush_denormals
from graphopt.codegen.compile.emitted import load_emitted
from graphopt.codegen.machine import get_machine
from graphopt.codegen.tape.thread_code import KERNEL_TYPE, ThreadCode
from graphopt.graph.status import Reason, Status, StatusWord

__all__ = ["ENTRIES", "load_entry", "write_module"]

ENTRIES: Final = (
    "post",
    "await",
    "communicate",
    "beat",
    "clock",
    "header",
    "all_reduce",
    "all_gather",
    "reduce_scatter",
    "broadcast",
)
"""`post` and `await` are kernels, the next two loops of threads, `clock` returns the count of
time by which jobs are timed, the others are jobs."""

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = _I64.as_pointer()
_ZERO, _ONE = _I64(0), _I64(1)
_WAIT, _WAKE = _I64(0), _I64(1)
_ALL = _I64((1 << 31) - 1)
# (arguments, how often to look before a sleep) -> a `Reason`, 0 if all went well
_JOB = ir.FunctionType(_I64, [_WORDS, _I64])
# Counts of MPI are 32 bits.
_MOST: Final = 1 << 30
_TAG: Final = 7
# Microseconds that a thread of a step sleeps at most before it looks again.
_NAP: Final = 20_000
_SLICE_ALIGNMENT: Final = 64
# The part of a half that is added at once, so that it stays in a near cache.
_BLOCKS: Final = 8
# Microseconds between two beats.
_BEAT: Final = 100_000

_FROM_PYTHON = (
    "PyThread_acquire_lock",
    "PyThread_acquire_lock_timed",
    "PyThread_release_lock",
)


@functools.cache
def _load() -> NativeKernel:
    return load_emitted("communication", _emit, ENTRIES, _FROM_PYTHON)


def load_entry(name: str) -> NativeKernel:
    """Returns one of `ENTRIES`, loaded or compiled with the others."""
    kernel = _load()
    address = kernel.exports.get(name, kernel.address)
    return replace(kernel, address=address, name=name)


def write_module() -> str:
    """Returns all of it in LLVM's language."""
    module = ir.Module("communication")
    module.triple = get_machine().triple
    _emit(module)
    return str(module)


def _emit(module: ir.Module) -> None:
    parts = _Parts(module)
    run_next = _emit_run_next(module)
    _emit_post(module)
    _emit_await(module, run_next)
    _emit_communicate(module, run_next)
    _emit_beat(module)
    _emit_clock(module)
    _emit_header(module, parts)
    _emit_all_reduce(module, parts)
    _emit_all_gather(module, parts)
    _emit_reduce_scatter(module, parts)
    _emit_broadcast(module, parts)


class _Code(ThreadCode):
    """Code of one function; its words are those of a channel."""

    def __init__(self, function: ir.Function) -> None:
        super().__init__(function)
        self.arguments = function.args

    def take_arguments(self, count: int) -> list[ir.Value]:
        """Reads the arguments of a job or kernel; the first is the channel."""
        words = self.arguments[0]
        builder = self.builder
        channel, *others = (
            builder.load(builder.gep(words, [_I64(i)])) for i in range(count)
        )
        self.words = builder.inttoptr(channel, _WORDS)
        return others

    def at(self, address: ir.Value, index: int | ir.Value = 0) -> ir.Value:
        """Returns a pointer to a word of the memory at an address."""
        index = _I64(index) if isinstance(index, int) else index
        return self.builder.gep(self.builder.inttoptr(address, _WORDS), [index])

    def read(self, address: ir.Value, index: int | ir.Value = 0) -> ir.Value:
        """Reads a word of the memory at an address."""
        return self.builder.load_atomic(self.at(address, index), "seq_cst", 8)

    def write(
        self, address: ir.Value, value: ir.Value, index: int | ir.Value = 0
    ) -> None:
        """Writes a word of the memory at an address."""
        self.builder.store_atomic(value, self.at(address, index), "seq_cst", 8)

    def area(self, rank: ir.Value) -> ir.Value:
        """Returns the address of the area of a rank of this machine."""
        return self.builder.load(self.at(self.load(word.SHARED), rank))

    def copy(self, target: ir.Value, source: ir.Value, size: ir.Value) -> None:
        """Copies memory; all three are words."""
        pointer = _I8.as_pointer()
        function = declare(self.module, "memcpy", pointer, pointer, pointer, _I64)
        to, begin = (self.builder.inttoptr(x, pointer) for x in (target, source))
        self.builder.call(function, [to, begin, size])

    def clamp(self, value: ir.Value, most: ir.Value) -> ir.Value:
        """Returns a value, but not less than 0 nor more than `most`."""
        small = self.builder.select(self.compare("<", value, 0), _ZERO, value)
        return self.smaller(small, most)

    def sleep_on_word(self, address: ir.Value, seen: ir.Value) -> None:
        """Sleeps until somebody wakes those who sleep on a word, or for a while.

        Args:
          address: Of the word.
          seen: What was last seen there; the sleep does not begin if it has changed.
        """
        timeout = self.builder.ptrtoint(self._place(word.TIMEOUT), _I64)
        self._futex(address, _WAIT, self.builder.and_(seen, _I64(0xFFFFFFFF)), timeout)

    def wake_on_word(self, address: ir.Value) -> None:
        """Wakes those who sleep on a word."""
        self._futex(address, _WAKE, _ALL, _ZERO)

    def _futex(self, *arguments: ir.Value) -> None:
        builder = self.builder
        function = self.load(word.SYSTEM_CALL)
        kind = ir.FunctionType(_I64, [_I64] * 7)
        with builder.if_then(self.compare("!=", function, 0)):
            call = builder.inttoptr(function, kind.as_pointer())
            number = self.load(word.FUTEX)
            builder.call(call, [number, *arguments, _ZERO, _ZERO])

    def call_library(self, function: int, *arguments: ir.Value) -> ir.Value:
        """Calls a function of the MPI library and returns a `Reason`.

        Args:
          function: The word of its address.
          *arguments: 64 bits each; the callee reads as many of them as it needs.
        """
        builder = self.builder
        kind = ir.FunctionType(_I32, [_I64] * len(arguments))
        call = builder.inttoptr(self.load(function), kind.as_pointer())
        code = builder.sext(builder.call(call, list(arguments)), _I64)
        failed = self.compare("!=", code, 0)
        with builder.if_then(failed):
            self.store(word.DETAIL, code)
        return builder.select(failed, _I64(Reason.LIBRARY), _ZERO)

    def return_if(self, code: ir.Value) -> None:
        """Returns a code unless it is 0."""
        with self.builder.if_then(self.compare("!=", code, 0)):
            self.builder.ret(code)

    def add_terms(self, kernel: ir.Value, size: ir.Value, item: ir.Value) -> None:
        """Calls the kernel whose words are written down, on so many bytes."""
        words = self.builder.ptrtoint(self._place(word.WORDS_OF_KERNEL), _I64)
        self.call_kernel(kernel, words, _ZERO, self.builder.sdiv(size, item))

    def set_term(self, number: int | ir.Value, address: ir.Value) -> None:
        """Writes down a word of that kernel: 0 the result, 1 scratch, 2 the first term."""
        if isinstance(number, int):
            self.store(word.WORDS_OF_KERNEL + number, address)
            return
        place = self.builder.add(number, _I64(word.WORDS_OF_KERNEL + 2))
        self.store(place, address)

    def take_half(self) -> ir.Value:
        """Returns where the next half begins in an area, in bytes, and moves on.

        What was laid into a half is read before its readers come to the meeting after the
        next one, and the half is written to only behind that: no meeting is for reuse alone.
        """
        builder = self.builder
        half = self.load(word.HALF)
        self.store(word.HALF, builder.sub(_ONE, half))
        start = builder.mul(half, self.load(word.HALF_BYTES))
        return builder.add(start, _I64(8 * word.STAGING))


class _Parts:
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
        kind = ir.FunctionType(_I64, [_WORDS, *[_I64] * (count - 1)])
        function = ir.Function(self.module, kind, name=name)
        function.linkage = "internal"
        return function

    def meet(self, code: _Code, spins: ir.Value) -> None:
        """Waits for the ranks of this machine; returns the reason if one is gone."""
        code.return_if(code.builder.call(self.barrier, [code.words, spins]))

    def _emit_barrier(self) -> None:
        """barrier(channel, spins): comes to the next meeting and waits for the others."""
        code = _Code(self.barrier)
        builder, spins = code.builder, self.barrier.args[1]
        size = code.load(word.LOCAL_SIZE)
        with builder.if_then(code.compare("<", size, 2)):
            builder.ret(_ZERO)
        own = code.area(code.load(word.LOCAL_RANK))
        meeting = builder.add(code.load(word.ROUND), _ONE)
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
                    builder.atomic_rmw("add", sleepers, _ONE, "seq_cst")
                    again = code.read(area, word.ARRIVED)
                    with builder.if_then(code.compare("<", again, meeting)):
                        place = builder.ptrtoint(code.at(area, word.ARRIVED), _I64)
                        code.sleep_on_word(place, again)
                    builder.atomic_rmw("sub", sleepers, _ONE, "seq_cst")
        builder.ret(_ZERO)

    def _emit_scatter(self) -> None:
        """scatter(channel, base, stride, total, out, kernel, item, spins).

        Memory of `total` bytes at `base` is cut in slices of `stride` bytes, one for each
        rank of this machine; what all have in the slice of this rank is added to `out`.
        """
        code = _Code(self.scatter)
        builder = code.builder
        _, base, stride, total, out, kernel, item, spins = self.scatter.args
        size, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
        piece = builder.udiv(code.load(word.HALF_BYTES), size)
        piece = builder.and_(piece, _I64(-_SLICE_ALIGNMENT))
        area = code.area(own)
        with _pieces(code, stride, total, piece) as offset:
            start = code.take_half()
            staged = builder.add(area, start)
            with _others(code, size, own) as rank:
                length = _length_of(code, rank, stride, total, offset, piece)
                at = builder.add(builder.mul(rank, stride), offset)
                to = builder.add(staged, builder.mul(rank, piece))
                code.copy(to, builder.add(base, at), length)
            self.meet(code, spins)
            length = _length_of(code, own, stride, total, offset, piece)
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
        builder.ret(_ZERO)

    def _emit_gather(self) -> None:
        """gather(channel, source, base, stride, total, spins).

        What each rank of this machine has at `source` goes to its slice of the memory at
        `base`, on all of them; the own one is there already.
        """
        code = _Code(self.gather)
        builder = code.builder
        _, source, base, stride, total, spins = self.gather.args
        size, own = code.load(word.LOCAL_SIZE), code.load(word.LOCAL_RANK)
        piece = code.load(word.HALF_BYTES)
        area = code.area(own)
        with _pieces(code, stride, total, piece) as offset:
            start = code.take_half()
            length = _length_of(code, own, stride, total, offset, piece)
            code.copy(builder.add(area, start), builder.add(source, offset), length)
            self.meet(code, spins)
            with _others(code, size, own) as rank:
                length = _length_of(code, rank, stride, total, offset, piece)
                at = builder.add(builder.mul(rank, stride), offset)
                staged = builder.add(code.area(rank), start)
                code.copy(builder.add(base, at), staged, length)
        builder.ret(_ZERO)

    def _emit_across(self) -> None:
        """across(channel, buffer, size, datatype, operation, kernel, item).

        Reduces memory over the machines, in place: by the library, or by a tree.
        """
        code = _Code(self.across)
        builder = code.builder
        _, buffer, size, datatype, operation, kernel, item = self.across.args
        with builder.if_then(code.compare("<", code.load(word.CROSS_SIZE), 2)):
            builder.ret(_ZERO)
        comm = code.load(word.CROSS_COMM)
        kind = code.load(builder.add(datatype, _I64(word.DATATYPES)))
        how = code.load(builder.add(operation, _I64(word.OPERATIONS)))
        with builder.if_then(code.compare("==", code.load(word.IS_TREE), 0)):
            piece = builder.mul(item, _I64(_MOST))
            with _steps(code, size, piece) as offset:
                length = code.smaller(builder.sub(size, offset), piece)
                count = builder.sdiv(length, item)
                at = builder.add(buffer, offset)
                place = code.load(word.IN_PLACE)
                code.return_if(code.load(word.ABORT))
                code.return_if(
                    code.call_library(
                        word.ALL_REDUCE, place, at, count, kind, how, comm
                    )
                )
            builder.ret(_ZERO)
        piece = code.load(word.HALF_BYTES)
        scratch = code.load(word.SCRATCH)
        received = builder.add(scratch, piece)
        distance = code.variable(1)
        with code.loop() as behind:
            far = builder.load(distance)
            code.leave_if(code.compare(">=", far, code.load(word.CROSS_SIZE)), behind)
            partner = builder.xor(code.load(word.CROSS_RANK), far)
            with _steps(code, size, piece) as offset:
                length = code.smaller(builder.sub(size, offset), piece)
                count = builder.sdiv(length, item)
                at = builder.add(buffer, offset)
                tag, ignored = _I64(_TAG), code.load(word.STATUS_IGNORE)
                code.return_if(code.load(word.ABORT))
                code.return_if(
                    code.call_library(
                        word.SEND_RECEIVE,
                        *(at, count, kind, partner, tag),
                        *(received, count, kind, partner, tag),
                        *(comm, ignored),
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
        builder.ret(_ZERO)


def _pieces(code: _Code, stride: ir.Value, total: ir.Value, piece: ir.Value) -> _steps:
    """A loop over the offsets of pieces in a slice."""
    return _steps(code, code.smaller(stride, total), piece)


class _steps:
    """A loop over offsets 0, piece, 2 * piece, ... below an end."""

    def __init__(self, code: _Code, end: ir.Value, piece: ir.Value) -> None:
        self.code, self.end, self.piece = code, end, piece

    def __enter__(self) -> ir.Value:
        code = self.code
        self._offset = code.variable(0)
        self._loop = code.loop()
        behind = self._loop.__enter__()
        offset = code.builder.load(self._offset)
        code.leave_if(code.compare(">=", offset, self.end), behind)
        code.builder.store(code.builder.add(offset, self.piece), self._offset)
        return offset

    def __exit__(self, *error: object) -> None:
        self._loop.__exit__(None, None, None)


class _others:
    """A loop over the ranks of this machine without the own one."""

    def __init__(self, code: _Code, size: ir.Value, own: ir.Value) -> None:
        self.code, self.size, self.own = code, size, own

    def __enter__(self) -> ir.Value:
        self._loop = self.code.count_to(self.size)
        rank = self._loop.__enter__()
        self._branch = self.code.builder.if_then(
            self.code.compare("!=", rank, self.own)
        )
        self._branch.__enter__()
        return rank

    def __exit__(self, *error: object) -> None:
        self._branch.__exit__(None, None, None)
        self._loop.__exit__(None, None, None)


def _length_of(
    code: _Code,
    rank: ir.Value,
    stride: ir.Value,
    total: ir.Value,
    offset: ir.Value,
    piece: ir.Value,
) -> ir.Value:
    """Returns how many bytes of a piece the slice of a rank has."""
    builder = code.builder
    begin = builder.mul(rank, stride)
    whole = code.clamp(builder.sub(total, begin), stride)
    return code.clamp(builder.sub(whole, offset), piece)


# ---- posting and awaiting


def _new_job(module: ir.Module, name: str) -> tuple[_Code, ir.Value]:
    """Begins a job; returns its code and how often it looks before it sleeps."""
    function = ir.Function(module, _JOB, name=name)
    return _Code(function), function.args[1]


def _new_kernel(module: ir.Module, name: str) -> _Code:
    return _Code(ir.Function(module, KERNEL_TYPE, name=name))


def _emit_run_next(module: ir.Module) -> ir.Function:
    """run_next(channel, spins): does the next job if there is one; the caller has RUNNING."""
    kind = ir.FunctionType(ir.VoidType(), [_WORDS, _I64])
    function = ir.Function(module, kind, name="run_next")
    function.linkage = "internal"
    code = _Code(function)
    builder, spins = code.builder, function.args[1]
    tail = code.load(word.TAIL)
    with builder.if_then(code.compare("<", tail, code.load(word.HEAD))):
        slot = builder.and_(tail, _I64(word.RING_JOBS - 1))
        place = builder.add(builder.mul(slot, _I64(2)), _I64(word.RING))
        job, arguments = code.load(place), code.load(builder.add(place, _ONE))
        with builder.if_then(code.compare("==", code.load(word.ABORT), 0)):
            begin = code.now()
            call = builder.inttoptr(job, _JOB.as_pointer())
            words = builder.inttoptr(arguments, _WORDS)
            reason = builder.call(call, [words, spins])
            end = code.now()
            took = builder.sub(end, begin)
            times = builder.add(builder.mul(slot, _I64(2)), _I64(word.TIMES))
            code.store(times, begin)
            code.store(builder.add(times, _ONE), end)
            code.store(word.WORKED, builder.add(code.load(word.WORKED), took))
            with builder.if_then(code.compare("!=", reason, 0)):
                # The first reason is the one that counts.
                code.replace(word.ABORT, _ZERO, reason)
        code.store(word.TAIL, builder.add(tail, _ONE))
    code.store(word.RUNNING, 0)
    with builder.if_then(code.was_set(word.WAITING)):
        code.wake(word.WAITER_LOCK)
    builder.ret_void()
    return function


def _emit_post(module: ir.Module) -> None:
    """post(channel, ticket, only_if, wakes, job, arguments of the job ...): a kernel.

    Writes the number of the job at the address `ticket`, 0 if `only_if` is the address of
    a bool that is false. `wakes`: whether the step has so much to do meanwhile that the
    thread of the channel is to be woken.
    """
    code = _new_kernel(module, "post")
    builder = code.builder
    ticket, only_if, wakes, job = code.take_arguments(5)
    with builder.if_then(code.compare("!=", only_if, 0)):
        truth = builder.load(builder.inttoptr(only_if, _I8.as_pointer()))
        with builder.if_then(builder.icmp_unsigned("==", truth, _I8(0))):
            builder.store(_ZERO, code.at(ticket))
            builder.ret_void()
    with code.loop() as behind:
        code.leave_if(code.replace(word.POSTING, _ZERO, _ONE), behind)
        code.pause()
    with code.loop() as behind:
        waiting = builder.sub(code.load(word.HEAD), code.load(word.TAIL))
        code.leave_if(code.compare("<", waiting, word.RING_JOBS), behind)
        code.pause()
    head = code.load(word.HEAD)
    slot = builder.and_(head, _I64(word.RING_JOBS - 1))
    place = builder.add(builder.mul(slot, _I64(2)), _I64(word.RING))
    arguments = builder.ptrtoint(builder.gep(code.arguments[0], [_I64(5)]), _I64)
    code.store(place, job)
    code.store(builder.add(place, _ONE), arguments)
    following = builder.add(head, _ONE)
    builder.store(following, code.at(ticket))
    code.store(word.HEAD, following)
    code.store(word.POSTING, 0)
    with (
        builder.if_then(code.compare("!=", wakes, 0)),
        builder.if_then(code.was_set(word.ASLEEP)),
    ):
        code.wake(word.LOCK)
    builder.ret_void()


def _emit_await(module: ir.Module, run_next: ir.Function) -> None:
    """await(channel, ticket, status, operation): a kernel.

    Waits until the job of a ticket is done, or does it, and reports what failed.
    """
    code = _new_kernel(module, "await")
    builder = code.builder
    ticket, status, operation = code.take_arguments(4)
    number = builder.load(code.at(ticket))
    begin = code.now()
    tries = code.variable(0)
    is_flat = code.load(word.IS_FLAT)
    is_done = builder.append_basic_block("is_done")
    with code.loop() as behind:
        code.leave_if(code.compare(">=", code.load(word.TAIL), number), behind)
        code.leave_if(code.compare("!=", code.load(word.ABORT), 0), behind)
        with builder.if_then(code.compare("!=", is_flat, 0)):
            mine = code.replace(word.RUNNING, _ZERO, _ONE)
            with builder.if_then(mine):
                builder.call(run_next, [code.words, code.load(word.SPINS)])
        # Where jobs go through the library, the thread of the channel does them.
        with (
            builder.if_then(code.compare("==", is_flat, 0)),
            builder.if_then(code.was_set(word.ASLEEP)),
        ):
            code.wake(word.LOCK)
        code.leave_if(code.compare(">=", code.load(word.TAIL), number), behind)
        code.pause()
        code.count_up(tries)
        limit = code.load(word.SPINS)
        with builder.if_then(code.compare(">", builder.load(tries), limit)):
            _emit_nap(code, number)
    builder.branch(is_done)
    builder.position_at_end(is_done)
    waited = builder.sub(code.now(), begin)
    code.store(word.WAITED, builder.add(code.load(word.WAITED), waited))
    reason = code.load(word.ABORT)
    # What needs nobody cannot fail.
    failed = builder.and_(code.compare("!=", reason, 0), code.compare("!=", number, 0))
    with builder.if_then(failed):
        builder.store(operation, code.at(status, StatusWord.OPERATION))
        builder.store(reason, code.at(status, StatusWord.INDEX))
        builder.store(code.load(word.DETAIL), code.at(status, StatusWord.VALUE))
        builder.store(_I64(Status.COLLECTIVE), code.at(status, StatusWord.CODE))
    builder.ret_void()


def _emit_nap(code: _Code, number: ir.Value) -> None:
    """Writes what sleeps until a job is done, or for a while."""
    builder = code.builder
    pointer = _I8.as_pointer()
    code.store(word.WAITING, 1)
    is_over = code.compare(">=", code.load(word.TAIL), number)
    name = "PyThread_acquire_lock_timed"
    acquire = declare(code.module, name, _I32, pointer, _I64, _I32)
    lock = builder.inttoptr(code.load(word.WAITER_LOCK), pointer)
    with builder.if_then(builder.not_(is_over)):
        builder.call(acquire, [lock, _I64(_NAP), _I32(0)])
    with builder.if_then(builder.not_(code.was_set(word.WAITING))):
        # The lock was let go, or will be at once: it has to be used up.
        builder.call(acquire, [lock, _I64(0), _I32(0)])


def _emit_communicate(module: ir.Module, run_next: ir.Function) -> None:
    """communicate(channel, 0, 0): the loop of the thread of the channel."""
    code = _new_kernel(module, "communicate")
    builder = code.builder
    emit_flush_denormals(builder)
    spins = code.variable(0)
    with code.loop() as behind:
        code.leave_if(code.compare("!=", code.load(word.STOP), 0), behind)
        has_job = code.compare("<", code.load(word.TAIL), code.load(word.HEAD))
        with builder.if_else(has_job) as (then, otherwise):
            with then:
                builder.store(_ZERO, spins)
                mine = code.replace(word.RUNNING, _ZERO, _ONE)
                with builder.if_else(mine) as (first, second):
                    with first:
                        limit = code.load(word.THREAD_SPINS)
                        builder.call(run_next, [code.words, limit])
                    with second:
                        code.pause()
            with otherwise:
                code.pause()
                code.count_up(spins)
                limit = code.load(word.THREAD_SPINS)
                with builder.if_then(code.compare(">", builder.load(spins), limit)):
                    builder.store(_ZERO, spins)
                    code.store(word.ASLEEP, 1)
                    stops = code.compare("!=", code.load(word.STOP), 0)
                    came = code.compare("<", code.load(word.TAIL), code.load(word.HEAD))
                    stays = builder.or_(stops, came)
                    with builder.if_else(stays) as (then, otherwise):
                        with (
                            then,
                            builder.if_then(builder.not_(code.was_set(word.ASLEEP))),
                        ):
                            code.sleep_on(word.LOCK)
                        with otherwise:
                            code.sleep_on(word.LOCK)
    builder.ret_void()


def _emit_beat(module: ir.Module) -> None:
    """beat(channel, 0, 0): the loop of a thread that shows the others that this rank lives.

    Native, for a thread of Python's stands still while another one holds the interpreter.
    """
    code = _new_kernel(module, "beat")
    builder = code.builder
    pointer = _I8.as_pointer()
    name = "PyThread_acquire_lock_timed"
    acquire = declare(module, name, _I32, pointer, _I64, _I32)
    with code.loop() as behind:
        code.leave_if(code.compare("!=", code.load(word.STOP), 0), behind)
        area = code.area(code.load(word.LOCAL_RANK))
        beats = code.at(area, word.HEARTBEAT)
        builder.atomic_rmw("add", beats, _ONE, "seq_cst")
        lock = builder.inttoptr(code.load(word.BEAT_LOCK), pointer)
        builder.call(acquire, [lock, _I64(_BEAT), _I32(0)])
    builder.ret_void()


def _emit_clock(module: ir.Module) -> None:
    """clock(anything): returns the count of time."""
    code = _Code(ir.Function(module, ir.FunctionType(_I64, [_WORDS]), name="clock"))
    code.builder.ret(code.now())


# ---- jobs


def _emit_header(module: ir.Module, parts: _Parts) -> None:
    """header(channel, fingerprint, flags): tells all ranks what this one is about to do."""
    code, spins = _new_job(module, "header")
    builder = code.builder
    fingerprint, flags = code.take_arguments(3)
    step = builder.add(code.load(word.STEP), _ONE)
    code.store(word.STEP, step)
    own = builder.ptrtoint(code._place(word.OWN_HEADER), _I64)
    for place, value in enumerate((step, fingerprint, flags)):
        code.write(own, value, place)
    size, table = code.load(word.SIZE), code.load(word.TABLE)
    nbytes = _I64(8 * word.HEADER_WORDS)
    is_flat = code.compare("!=", code.load(word.IS_FLAT), 0)
    with builder.if_else(is_flat) as (then, otherwise):
        with then:
            parity = builder.and_(step, _ONE)
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
                    word.ALL_GATHER,
                    *(own, nbytes, code.load(word.DATATYPES + word.BYTES)),
                    *(table, nbytes, code.load(word.DATATYPES + word.BYTES)),
                    code.load(word.COMM),
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
    builder.ret(_ZERO)


def _emit_all_reduce(module: ir.Module, parts: _Parts) -> None:
    """all_reduce(channel, buffer, size, datatype, operation, kernel, pair, item), in place.

    `kernel` adds as many terms as this machine has ranks, `pair` two.
    """
    code, spins = _new_job(module, "all_reduce")
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
        builder.ret(_ZERO)
    is_shared = _emit_publishing(code, parts, buffer, size, spins)
    stride = builder.add(size, builder.sub(ranks, _ONE))
    stride = builder.add(builder.udiv(stride, ranks), _I64(_SLICE_ALIGNMENT - 1))
    stride = builder.and_(stride, _I64(-_SLICE_ALIGNMENT))
    mine = builder.add(buffer, builder.mul(own, stride))
    with builder.if_then(is_shared):
        length = _length_of(code, own, stride, size, _ZERO, stride)
        _emit_adding(code, stride, length, kernel, item)
        code.return_if(builder.call(parts.across, [code.words, mine, length, *how]))
        with (
            builder.if_then(code.compare(">", code.load(word.CROSS_SIZE), 1)),
            _others(code, ranks, own) as rank,
        ):
            theirs = builder.add(_published(code, rank), builder.mul(own, stride))
            code.copy(theirs, mine, length)
        builder.ret(builder.call(parts.barrier, [code.words, spins]))
    code.return_if(
        builder.call(
            parts.scatter, [code.words, buffer, stride, size, mine, kernel, item, spins]
        )
    )
    length = _length_of(code, own, stride, size, _ZERO, stride)
    code.return_if(builder.call(parts.across, [code.words, mine, length, *how]))
    builder.ret(
        builder.call(parts.gather, [code.words, mine, buffer, stride, size, spins])
    )


def _published(code: _Code, rank: ir.Value) -> ir.Value:
    """Returns the address of the buffer that a rank of this machine works on."""
    area = code.area(rank)
    return code.builder.add(area, code.read(area, word.PUBLISHED))


def _emit_publishing(
    code: _Code, parts: _Parts, buffer: ir.Value, size: ir.Value, spins: ir.Value
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
    code: _Code, stride: ir.Value, length: ir.Value, kernel: ir.Value, item: ir.Value
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
    with _steps(code, length, piece) as offset:
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


def _emit_all_gather(module: ir.Module, parts: _Parts) -> None:
    """all_gather(channel, source, target, size): `size` bytes of each rank."""
    code, spins = _new_job(module, "all_gather")
    builder = code.builder
    source, target, size = code.take_arguments(4)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(word.DATATYPES + word.BYTES)
        builder.ret(
            code.call_library(
                word.ALL_GATHER,
                *(source, size, kind, target, size, kind, code.load(word.COMM)),
            )
        )
    own = builder.add(target, builder.mul(code.load(word.RANK), size))
    code.copy(own, source, size)
    total = builder.mul(code.load(word.SIZE), size)
    builder.ret(
        builder.call(parts.gather, [code.words, source, target, size, total, spins])
    )


def _emit_reduce_scatter(module: ir.Module, parts: _Parts) -> None:
    """reduce_scatter(channel, source, target, size, datatype, operation, kernel, item).

    `size` bytes are the piece of a rank.
    """
    code, spins = _new_job(module, "reduce_scatter")
    builder = code.builder
    source, target, size, datatype, operation, kernel, item = code.take_arguments(8)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(builder.add(datatype, _I64(word.DATATYPES)))
        how = code.load(builder.add(operation, _I64(word.OPERATIONS)))
        count = builder.sdiv(size, item)
        builder.ret(
            code.call_library(
                word.REDUCE_SCATTER,
                *(source, target, count, kind, how, code.load(word.COMM)),
            )
        )
    total = builder.mul(code.load(word.SIZE), size)
    builder.ret(
        builder.call(
            parts.scatter,
            [code.words, source, size, total, target, kernel, item, spins],
        )
    )


def _emit_broadcast(module: ir.Module, parts: _Parts) -> None:
    """broadcast(channel, buffer, size, root), in place."""
    code, spins = _new_job(module, "broadcast")
    builder = code.builder
    buffer, size, root = code.take_arguments(4)
    with builder.if_then(code.compare("==", code.load(word.IS_FLAT), 0)):
        kind = code.load(word.DATATYPES + word.BYTES)
        builder.ret(
            code.call_library(
                word.BROADCAST, buffer, size, kind, root, code.load(word.COMM)
            )
        )
    is_root = code.compare("==", code.load(word.RANK), root)
    area = code.area(root)
    piece = code.load(word.HALF_BYTES)
    with _steps(code, size, piece) as offset:
        staged = builder.add(area, code.take_half())
        at = builder.add(buffer, offset)
        length = code.smaller(builder.sub(size, offset), piece)
        with builder.if_then(is_root):
            code.copy(staged, at, length)
        parts.meet(code, spins)
        with builder.if_then(builder.not_(is_root)):
            code.copy(at, staged, length)
    builder.ret(_ZERO)
