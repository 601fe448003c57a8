"""Kernels that hand out the work of other kernels to threads.

A large instruction of a tape is worth two cores. It is not split in halves: beside a
busy process one half takes twice as long and the other thread waits. It is cut into
chunks, more than there are threads and the same for any number of them, and who is free
claims the next one. Every kernel gives the same bits however its range is cut, so the
bits depend on nothing that happens here.

To the tape this is one more kernel: the row of a large instruction names `share`, whose
arguments name the kernel that does the work. Small instructions do not come here and
pay nothing. There is one *pool* of workers for the process, a table of words:

- Each thread has a *segment* of the chunks and a word that holds a generation and the
  number of the next chunk in it. It claims from its own segment first, so that it finds
  in its cache what it wrote there in the step before, and then from those of others. A
  claim by compare-and-exchange can succeed only for the job whose words the claimer has
  read. An odd generation is a job that is still being written down.
- `BUSY` belongs to whoever shares an instruction. If it is taken, by a step in another
  Python thread, the instruction runs on its own thread: nobody ever waits for workers.
- A worker spins for some tens of microseconds, for the next large instruction is often
  close, and then sleeps on a lock of its own. A sleeper is woken only where the rest of
  the step is long enough to pay for it.
- The thread of the step waits for the last chunk in the same way. That it sleeps at all
  matters beside a busy process: its core is then free for the worker that was put off.
  If that took longer than two chunks, nothing is handed out for as long as it took, and
  if it soon happens again for twice, up to 16 times as long.

Two cores, Adam on a million floats: 90 us where one thread takes 178. With one count of
chunks for both threads each step would hand them out otherwise, and what one wrote would be
in the other's cache: two threads are then slower than one. Beside a process that keeps one of
two cores busy, two threads take as long as one or less for a perceptron, and 0.99 to 1.08 of
it for a recurrent network with a hundred small instructions handed out; waits there are as
long as a time slice, which is why they are counted in time and not in instructions.

Each thread counts the cycles that it ran chunks, for profiles: two reads of a counter a
chunk, which takes tens of microseconds.

The locks are CPython's: `PyThread_acquire_lock` needs no interpreter lock and exists on
every platform. `runtime.threads` makes and ends the threads. The code is written in
LLVM's terms, as the tape's and in the same module, so that no program waits for numba
because one of its instructions is large.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from llvmlite import ir

from graphopt.codegen.cache.object_code import NativeKernel
from graphopt.codegen.compile.denormals import emit_flush_denormals
from graphopt.codegen.compile.emitted import load_emitted
from graphopt.codegen.tape.pool_words import (
    ALONE,
    ARGUMENTS,
    ASLEEP,
    BUSY,
    CHUNK,
    CHUNKS,
    CLAIM,
    DONE,
    GENERATION,
    HIGH,
    KERNEL,
    LIMIT,
    LOCK,
    LOW,
    PATIENCE,
    SLOT_WORDS,
    SLOTS,
    STOP,
    THREADS,
    WAITER_LOCK,
    WAITING,
    WORKED,
    WORKERS,
)
from graphopt.codegen.tape.thread_code import KERNEL_TYPE, ThreadCode

__all__ = ["Workers", "load_workers"]

# A pause takes 10 to 40 ns, by processor.
_SPINS: Final = 2000

# Cycles of waiting that are no reason to work alone. For how many times as long as a
# wait, at most, the thread of a step works alone after it, and for how many cycles; a
# wait that comes when as much time again has gone by four times is a first one.
_MARGIN: Final = 200_000
_MOST_TIMES: Final = 16
_LONGEST_ALONE: Final = 1 << 32
_FORGOTTEN_AFTER: Final = 4

_I64 = ir.IntType(64)
# A generation of 31 bits wraps around; it is only ever compared for equality.
_GENERATIONS: Final = 0x7FFFFFFF
_NUMBERS: Final = 0xFFFFFFFF


@functools.cache
def load_workers() -> Workers:
    """Loads or compiles `share` and `worker`, if this process has not done so yet."""
    wanted = ("PyThread_acquire_lock", "PyThread_release_lock")
    kernel = load_emitted("workers", _emit_workers, ("share", "worker"), wanted)
    return Workers(kernel, kernel.address, kernel.exports["worker"])


class Workers(NamedTuple):
    """The code that several threads run.

    Attributes:
      kernel: What owns it.
      share: Address of the kernel that hands out another one.
      worker: Address of the loop of a worker: `worker(pool, number, 0)`.
    """

    kernel: NativeKernel
    share: int
    worker: int


def _emit_workers(module: ir.Module) -> None:
    """Writes the functions `share` and `worker` into a module.

    Both have the signature of kernels. The arguments of `share` are the address of the
    pool, of the kernel and of its arguments, the length of a chunk, the most threads
    that may take part, and whether it is worth waking workers that sleep; its range is
    that of the kernel. A worker gets the pool and its own number, from 1, and
    returns when `STOP` is set.

    Args:
      module: Takes them.
    """
    work = _emit_work(module)
    _emit_share(module, work)
    _emit_worker(module, work)


class _Code(ThreadCode):
    """Code of one function that works on the words of a pool."""

    def slot(self, thread: ir.Value, word: int) -> ir.Value:
        """Returns the position of a word of a thread's slot."""
        first = self.builder.mul(thread, _I64(SLOT_WORDS))
        return self.builder.add(first, _I64(SLOTS + word))


def _emit_work(module: ir.Module) -> ir.Function:
    """Writes what claims and runs chunks of one generation until none is left.

    It returns how many chunks had been done before its last one, -1 if it got none.
    """
    kind = ir.FunctionType(_I64, [_I64.as_pointer(), _I64, _I64])
    function = ir.Function(module, kind, name="work")
    function.linkage = "internal"
    _, generation, thread = function.args
    code = _Code(function)
    builder = code.builder
    words = (KERNEL, ARGUMENTS, LOW, HIGH, CHUNK, CHUNKS, THREADS)
    kernel, arguments, low, high, chunk, chunks, threads = map(code.load, words)
    # Words of a job that is over may make no sense.
    threads = builder.select(code.compare("<", threads, 1), _I64(1), threads)
    last = code.variable(-1)
    with code.count_to(threads) as turn:
        owner = builder.srem(builder.add(thread, turn), threads)
        following = builder.add(owner, _I64(1))
        end = builder.sdiv(builder.mul(following, chunks), threads)
        claims = code.slot(owner, CLAIM)
        with code.loop() as behind:
            claim = code.load(claims)
            number = builder.and_(claim, _I64(_NUMBERS))
            current = builder.lshr(claim, _I64(32))
            code.leave_if(code.compare("!=", current, generation), behind)
            code.leave_if(code.compare(">=", number, end), behind)
            with builder.if_then(
                code.replace(claims, claim, builder.add(claim, _I64(1)))
            ):
                begin = builder.add(low, builder.mul(number, chunk))
                stop = code.smaller(builder.add(begin, chunk), high)
                start = code.now()
                code.call_kernel(kernel, arguments, begin, stop)
                worked = code.slot(thread, WORKED)
                taken = builder.sub(code.now(), start)
                code.store(worked, builder.add(code.load(worked), taken))
                builder.store(code.add(DONE), last)
    builder.ret(builder.load(last))
    return function


def _emit_share(module: ir.Module, work: ir.Function) -> None:
    """Writes the kernel that hands out the work of another one."""
    function = ir.Function(module, KERNEL_TYPE, name="share")
    arguments, low, high = function.args
    code = _Code(function)
    builder = code.builder
    pool, kernel, inner, chunk, most, wakes = (
        builder.load(builder.gep(arguments, [_I64(i)])) for i in range(6)
    )
    code.words = builder.inttoptr(pool, _I64.as_pointer())
    present = builder.add(code.load(WORKERS), _I64(1))
    threads = code.smaller(present, code.smaller(most, code.load(LIMIT)))
    extent = builder.sub(high, low)
    alone = builder.append_basic_block("alone")
    code.leave_if(code.compare("<", threads, 2), alone)
    code.leave_if(code.compare("<=", extent, chunk), alone)
    free, taken = _I64(0), _I64(1)
    code.leave_if(builder.not_(code.replace(BUSY, free, taken)), alone)
    left = builder.sub(code.load(ALONE), code.now())
    # A clock that was set back must not end the sharing for good.
    is_sane = code.compare("<=", left, _LONGEST_ALONE)
    with builder.if_then(builder.and_(code.compare(">", left, 0), is_sane)):
        code.store(BUSY, 0)
        builder.branch(alone)

    job = {
        KERNEL: kernel,
        ARGUMENTS: inner,
        LOW: low,
        HIGH: high,
        CHUNK: chunk,
    }
    generation, chunks = _emit_publish(code, job, threads)
    with builder.if_then(code.compare("!=", wakes, 0)):
        _emit_wake(code, code.smaller(threads, chunks))
    begin = code.now()
    builder.call(work, [code.words, generation, _I64(0)])
    _emit_wait(code, chunks, begin)
    code.store(BUSY, 0)
    builder.ret_void()

    builder.position_at_end(alone)
    code.call_kernel(kernel, inner, low, high)
    builder.ret_void()


def _emit_publish(
    code: _Code, job: dict[int, ir.Value], threads: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """Writes what writes down a job; returns its generation and number of chunks."""
    builder = code.builder
    mask, shift = _I64(_GENERATIONS), _I64(32)
    odd = builder.and_(builder.add(code.load(GENERATION), _I64(1)), mask)
    code.store(GENERATION, odd)
    # Nobody can claim while the words of the job change.
    closed = builder.or_(builder.shl(odd, shift), _I64(_NUMBERS))
    with code.count_to(code.load(THREADS)) as thread:
        code.store(code.slot(thread, CLAIM), closed)
    chunk = job[CHUNK]
    extent = builder.sub(job[HIGH], job[LOW])
    chunks = builder.add(extent, builder.sub(chunk, _I64(1)))
    chunks = builder.sdiv(chunks, chunk)
    for word, value in job.items():
        code.store(word, value)
    code.store(DONE, 0)
    code.store(CHUNKS, chunks)
    code.store(THREADS, threads)
    generation = builder.and_(builder.add(odd, _I64(1)), mask)
    with code.count_to(threads) as thread:
        first = builder.sdiv(builder.mul(thread, chunks), threads)
        claim = builder.or_(builder.shl(generation, shift), first)
        code.store(code.slot(thread, CLAIM), claim)
    code.store(GENERATION, generation)
    return generation, chunks


def _emit_wake(code: _Code, count: ir.Value) -> None:
    """Writes what wakes those that sleep, of so many threads that are wanted."""
    builder = code.builder
    with code.count_to(builder.sub(count, _I64(1))) as number:
        worker = builder.add(number, _I64(1))
        asleep = code.slot(worker, ASLEEP)
        with (
            builder.if_then(code.compare("!=", code.load(asleep), 0)),
            builder.if_then(code.was_set(asleep)),
        ):
            code.wake(code.slot(worker, LOCK))


def _emit_wait(code: _Code, chunks: ir.Value, begin: ir.Value) -> None:
    """Writes what waits for the last chunk, and remembers whether that took long.

    Args:
      code: Of the one who shares.
      chunks: How many there are.
      begin: When its own work began.
    """
    builder = code.builder
    end = code.now()
    spins = code.variable(0)
    with code.loop() as behind:
        code.leave_if(code.compare(">=", code.load(DONE), chunks), behind)
        code.pause()
        code.count_up(spins)
        with builder.if_then(code.compare(">", builder.load(spins), _SPINS)):
            builder.store(_I64(0), spins)
            code.store(WAITING, 1)
            are_done = code.compare(">=", code.load(DONE), chunks)
            # Who takes the mark away lets the lock go, which then has to be used up.
            with builder.if_else(are_done) as (then, otherwise):
                with then, builder.if_then(builder.not_(code.was_set(WAITING))):
                    code.sleep_on(WAITER_LOCK)
                with otherwise:
                    code.sleep_on(WAITER_LOCK)
    now = code.now()
    waited = builder.sub(now, end)
    worked = builder.sub(end, begin)
    # Threads are equally fast, so a chunk takes what it takes this one; twice that is
    # long. Most of the time at least half of the chunks were its own.
    long = builder.sdiv(builder.mul(worked, _I64(4)), chunks)
    long = builder.add(long, _I64(_MARGIN))
    with builder.if_then(code.compare(">", waited, long)):
        times = code.load(PATIENCE)
        since = builder.sub(now, code.load(ALONE))
        memory = builder.mul(builder.mul(waited, times), _I64(_FORGOTTEN_AFTER))
        more = code.smaller(builder.mul(times, _I64(2)), _I64(_MOST_TIMES))
        again = builder.and_(
            code.compare(">", times, 0), code.compare("<", since, memory)
        )
        times = builder.select(again, more, _I64(1))
        code.store(PATIENCE, times)
        alone = builder.mul(waited, times)
        alone = code.smaller(alone, _I64(_LONGEST_ALONE))
        code.store(ALONE, builder.add(now, alone))


def _emit_worker(module: ir.Module, work: ir.Function) -> None:
    """Writes the loop of a worker."""
    function = ir.Function(module, KERNEL_TYPE, name="worker")
    thread = function.args[1]
    code = _Code(function)
    builder = code.builder
    emit_flush_denormals(builder)
    asleep, lock = code.slot(thread, ASLEEP), code.slot(thread, LOCK)
    seen, spins = code.variable(0), code.variable(0)

    def is_new(now: ir.Value) -> ir.Value:
        is_even = code.compare("==", builder.and_(now, _I64(1)), 0)
        return builder.and_(is_even, code.compare("!=", now, builder.load(seen)))

    with code.loop() as end:
        code.leave_if(code.compare("!=", code.load(STOP), 0), end)
        now = code.load(GENERATION)
        with builder.if_else(is_new(now)) as (then, otherwise):
            with then:
                builder.store(now, seen)
                builder.store(_I64(0), spins)
                # The words of a job are read before it is known that they are whole. If
                # they are not, it is over, and claims fail.
                takes_part = code.compare("<", thread, code.load(THREADS))
                with builder.if_then(takes_part):
                    chunks = code.load(CHUNKS)
                    last = builder.call(work, [code.words, now, thread])
                    was_last = builder.icmp_signed(
                        "==", builder.add(last, _I64(1)), chunks
                    )
                    with (
                        builder.if_then(was_last),
                        builder.if_then(code.was_set(WAITING)),
                    ):
                        code.wake(WAITER_LOCK)
            with otherwise:
                code.pause()
                code.count_up(spins)
                with builder.if_then(code.compare(">", builder.load(spins), _SPINS)):
                    builder.store(_I64(0), spins)
                    code.store(asleep, 1)
                    stops = code.compare("!=", code.load(STOP), 0)
                    stays = builder.or_(stops, is_new(code.load(GENERATION)))
                    with builder.if_else(stays) as (then, otherwise):
                        with then, builder.if_then(builder.not_(code.was_set(asleep))):
                            code.sleep_on(lock)
                        with otherwise:
                            code.sleep_on(lock)
    builder.ret_void()
