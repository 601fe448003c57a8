"""The native code by which a step exchanges values with other ranks.

A step posts *jobs* and awaits them; they are done one after the other, in the order in
which they were posted, which is the same on all ranks. Who does them is open: the thread of
the channel, so that a step goes on computing meanwhile, or the thread that awaits them, if
nobody has begun: a step of a few microseconds hands nothing to another thread.

MPI libraries make no progress by themselves, so a thread communicates beside a computation.
It begins a call and tests whether it is over, and when it has looked for some time it sleeps
for some 50 us before it looks again, but where the step waits, too. A call that blocks looks
without a pause. Where every processor computes, such a thread uses up its time slices with
looking, and when data come it is the other one's turn: 4 MB at 2 Gb/s take 17 ms alone, and
25 to 36 ms beside a computation where a call that blocks takes 24 or, mostly, 190, of a
processor that the computation then lacks. The functions of the library are called through their addresses, and its
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
from graphopt.codegen.communication.channel_code import (
    JOB_TYPE,
    ONE,
    WORDS,
    ZERO,
    Code,
    new_kernel,
)
from graphopt.codegen.communication.jobs import emit_jobs
from graphopt.codegen.communication.pulse import emit_pulse
from graphopt.codegen.compile.denormals import emit_flush_denormals
from graphopt.codegen.compile.emitted import load_emitted
from graphopt.codegen.machine import get_machine
from graphopt.graph.status import Status, StatusWord

__all__ = ["ENTRIES", "load_entry", "write_module"]

ENTRIES: Final = (
    "post",
    "await",
    "communicate",
    "beat",
    "pulse",
    "clock",
    "put",
    "clear",
    "header",
    "all_reduce",
    "all_gather",
    "reduce_scatter",
    "broadcast",
)
"""`post`, `await`, `put` and `clear` are kernels, `communicate`, `beat` and `pulse` loops of
threads, `clock` returns the count of time by which jobs are timed, the others are jobs."""

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
# Microseconds between two beats.
_BEAT: Final = 100_000
# Microseconds that a thread of a step sleeps at most before it looks again.
_NAP: Final = 20_000

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
    run_next = _emit_run_next(module)
    _emit_post(module)
    _emit_await(module, run_next)
    _emit_communicate(module, run_next)
    _emit_beat(module)
    emit_pulse(module)
    _emit_clock(module)
    _emit_put(module)
    _emit_clear(module)
    emit_jobs(module)


def _emit_run_next(module: ir.Module) -> ir.Function:
    """run_next(channel, spins): does the next job if there is one; the caller has RUNNING."""
    kind = ir.FunctionType(ir.VoidType(), [WORDS, _I64])
    function = ir.Function(module, kind, name="run_next")
    function.linkage = "internal"
    code = Code(function)
    builder, spins = code.builder, function.args[1]
    tail = code.load(word.TAIL)
    with builder.if_then(code.compare("<", tail, code.load(word.HEAD))):
        slot = builder.and_(tail, _I64(word.RING_JOBS - 1))
        place = builder.add(builder.mul(slot, _I64(2)), _I64(word.RING))
        job, arguments = code.load(place), code.load(builder.add(place, ONE))
        with builder.if_then(code.compare("==", code.load(word.ABORT), 0)):
            begin = code.now()
            call = builder.inttoptr(job, JOB_TYPE.as_pointer())
            words = builder.inttoptr(arguments, WORDS)
            reason = builder.call(call, [words, spins])
            end = code.now()
            took = builder.sub(end, begin)
            times = builder.add(builder.mul(slot, _I64(2)), _I64(word.TIMES))
            code.store(times, begin)
            code.store(builder.add(times, ONE), end)
            code.store(word.WORKED, builder.add(code.load(word.WORKED), took))
            with builder.if_then(code.compare("!=", reason, 0)):
                # The first reason is the one that counts.
                code.replace(word.ABORT, ZERO, reason)
            # A call that was revoked may return as if all were well.
            with builder.if_then(code.compare("==", code.load(word.ABORT), 0)):
                code.store(word.DONE, builder.add(tail, ONE))
        code.store(word.TAIL, builder.add(tail, ONE))
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
    code = new_kernel(module, "post")
    builder = code.builder
    ticket, only_if, wakes, job = code.take_arguments(5)
    with builder.if_then(code.compare("!=", only_if, 0)):
        truth = builder.load(builder.inttoptr(only_if, _I8.as_pointer()))
        with builder.if_then(builder.icmp_unsigned("==", truth, _I8(0))):
            builder.store(ZERO, code.at(ticket))
            builder.ret_void()
    with code.loop() as behind:
        code.leave_if(code.replace(word.POSTING, ZERO, ONE), behind)
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
    code.store(builder.add(place, ONE), arguments)
    following = builder.add(head, ONE)
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
    code = new_kernel(module, "await")
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
            mine = code.replace(word.RUNNING, ZERO, ONE)
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


def _emit_nap(code: Code, number: ir.Value) -> None:
    """Writes what sleeps until a job is done, or for a while."""
    builder = code.builder
    code.store(word.WAITING, 1)
    is_over = code.compare(">=", code.load(word.TAIL), number)
    with builder.if_then(builder.not_(is_over)):
        code.sleep_at_most(word.WAITER_LOCK, _NAP)
    with builder.if_then(builder.not_(code.was_set(word.WAITING))):
        # The lock was let go, or will be at once: it has to be used up.
        code.sleep_at_most(word.WAITER_LOCK, 0)


def _emit_communicate(module: ir.Module, run_next: ir.Function) -> None:
    """communicate(channel, 0, 0): the loop of the thread of the channel."""
    code = new_kernel(module, "communicate")
    builder = code.builder
    emit_flush_denormals(builder)
    spins = code.variable(0)
    with code.loop() as behind:
        code.leave_if(code.compare("!=", code.load(word.STOP), 0), behind)
        has_job = code.compare("<", code.load(word.TAIL), code.load(word.HEAD))
        with builder.if_else(has_job) as (then, otherwise):
            with then:
                builder.store(ZERO, spins)
                mine = code.replace(word.RUNNING, ZERO, ONE)
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
                    builder.store(ZERO, spins)
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
    code = new_kernel(module, "beat")
    builder = code.builder
    with code.loop() as behind:
        code.leave_if(code.compare("!=", code.load(word.STOP), 0), behind)
        area = code.area(code.load(word.LOCAL_RANK))
        beats = code.at(area, word.HEARTBEAT)
        builder.atomic_rmw("add", beats, ONE, "seq_cst")
        code.sleep_at_most(word.BEAT_LOCK, _BEAT)
    builder.ret_void()


def _emit_clock(module: ir.Module) -> None:
    """clock(anything): returns the count of time."""
    code = Code(ir.Function(module, ir.FunctionType(_I64, [WORDS]), name="clock"))
    code.builder.ret(code.now())


def _emit_put(module: ir.Module) -> None:
    """put(ticket, source, target, bytes, ...): a kernel; its range counts the threes.

    Copies what was received to where it belongs, unless there was none: then the word at
    the address `ticket` is 0. Without an address it always copies.
    """
    code = new_kernel(module, "put")
    builder = code.builder
    words, low, high = code.arguments
    ticket = builder.load(words)
    with builder.if_then(code.compare("!=", ticket, 0)):
        number = builder.load(code.at(ticket))
        with builder.if_then(code.compare("==", number, 0)):
            builder.ret_void()
    with code.count_to(builder.sub(high, low)) as place:
        first = builder.mul(builder.add(low, place), _I64(3))
        source, target, size = (
            builder.load(builder.gep(words, [builder.add(first, _I64(i))]))
            for i in (1, 2, 3)
        )
        code.copy(target, source, size)
    builder.ret_void()


def _emit_clear(module: ir.Module) -> None:
    """clear(ticket): a kernel; nothing is awaited by that ticket any more."""
    code = new_kernel(module, "clear")
    ticket = code.builder.load(code.arguments[0])
    code.builder.store(ZERO, code.at(ticket))
    code.builder.ret_void()
