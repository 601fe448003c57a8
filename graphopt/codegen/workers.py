"""Kernels that hand out the work of other kernels to threads.

A large instruction of a tape is worth two cores. It is not split in halves: beside a
busy process one half takes twice as long and the other thread waits. It is cut into
chunks, more than there are threads and the same for any number of them, and who is free
claims the next one. Every kernel gives the same bits however its range is cut, so the
bits depend on nothing that happens here.

To the tape this is one more kernel: the row of a large instruction names `share`, whose
arguments name the kernel that does the work. Small instructions do not come here and
pay nothing. There is one *pool* of workers for the process, a table of words:

- `CLAIM` holds a generation and the number of the next chunk in one word, so a claim by
  compare-and-exchange can succeed only for the job whose words the claimer has read.
  An odd generation is a job that is still being written down.
- `BUSY` belongs to whoever shares an instruction. If it is taken, by a step in another
  Python thread, the instruction runs on its own thread: nobody ever waits for workers.
- A worker spins for some tens of microseconds, for the next large instruction is often
  close, and then sleeps on a lock of its own. A sleeper is woken only where the rest of
  the step is long enough to pay for it.
- The thread of the step waits for the last chunk in the same way. That it sleeps at all
  matters beside a busy process: its core is then free for the worker that was put off.

The locks are CPython's: `PyThread_acquire_lock` needs no interpreter lock and exists on
every platform. `runtime.threads` makes and ends the threads. The code is written in
LLVM's terms, as the tape's and in the same module, so that no program waits for numba
because one of its instructions is large.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from llvmlite import ir

from graphopt.codegen.denormals import declare, emit_flush_denormals, machine
from graphopt.codegen.pool_words import (
    ARGUMENTS,
    BUSY,
    CHUNK,
    CHUNKS,
    CLAIM,
    DONE,
    HELPERS,
    HIGH,
    KERNEL,
    LIMIT,
    LOCK,
    LOW,
    SLOT_WORDS,
    SLOTS,
    STOP,
    WAITER_LOCK,
    WAITING,
    WORKERS,
)

__all__ = ["emit_workers"]

# A pause takes 10 to 40 ns, by processor.
_SPINS: Final = 2000

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_KERNEL = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])
# A generation of 31 bits wraps around; it is only ever compared for equality.
_GENERATIONS: Final = 0x7FFFFFFF
_NUMBERS: Final = 0xFFFFFFFF


def emit_workers(module: ir.Module) -> None:
    """Writes the functions `share` and `worker` into a module.

    Both have the signature of kernels. The arguments of `share` are the address of the
    pool, of the kernel and of its arguments, the length of a chunk, the most threads
    that may take part, and whether it is worth waking workers that sleep; its range is
    that of the kernel. A worker gets the pool and its own number, and returns when
    `STOP` is set.

    Args:
        module: Takes them.
    """
    work = _emit_work(module)
    _emit_share(module, work)
    _emit_worker(module, work)


class _Code:
    """Code of one function that works on the words of a pool."""

    def __init__(self, function: ir.Function) -> None:
        self.module = function.module
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.pool: ir.Value = function.args[0]

    def _place(self, word: int | ir.Value) -> ir.Value:
        index = _I64(word) if isinstance(word, int) else word
        return self.builder.gep(self.pool, [index])

    def load(self, word: int | ir.Value) -> ir.Value:
        """Reads a word."""
        return self.builder.load_atomic(self._place(word), "seq_cst", 8)

    def store(self, word: int | ir.Value, value: int | ir.Value) -> None:
        """Writes a word; who reads it sees what was written before."""
        value = _I64(value) if isinstance(value, int) else value
        self.builder.store_atomic(value, self._place(word), "seq_cst", 8)

    def add(self, word: int) -> ir.Value:
        """Adds 1 to a word and returns what it was."""
        return self.builder.atomic_rmw("add", self._place(word), _I64(1), "seq_cst")

    def was_set(self, word: int | ir.Value) -> ir.Value:
        """Makes a word 0 and returns whether it was something else."""
        place = self._place(word)
        before = self.builder.atomic_rmw("xchg", place, _I64(0), "seq_cst")
        return self.compare("!=", before, 0)

    def replace(self, word: int, old: ir.Value, new: ir.Value) -> ir.Value:
        """Writes a word if it is as expected; returns whether it was."""
        order = "seq_cst"
        pair = self.builder.cmpxchg(self._place(word), old, new, order, order)
        return self.builder.extract_value(pair, 1)

    def compare(self, sign: str, a: ir.Value, b: int | ir.Value) -> ir.Value:
        """Compares two signed integers."""
        b = _I64(b) if isinstance(b, int) else b
        return self.builder.icmp_signed(sign, a, b)

    def smaller(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Returns the smaller of two."""
        return self.builder.select(self.compare("<", a, b), a, b)

    def generation(self) -> tuple[ir.Value, ir.Value]:
        """Returns the current generation and the word that it is from."""
        claim = self.load(CLAIM)
        return self.builder.lshr(claim, _I64(32)), claim

    def variable(self, value: int) -> ir.Value:
        """Makes a local variable."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(_I64)
        self.builder.store(_I64(value), place)
        return place

    def count_up(self, variable: ir.Value) -> None:
        """Adds 1 to a local variable."""
        one = self.builder.add(self.builder.load(variable), _I64(1))
        self.builder.store(one, variable)

    @contextlib.contextmanager
    def loop(self) -> Iterator[ir.Block]:
        """Emits an endless loop; yields the block behind it, to branch to."""
        builder = self.builder
        head = builder.append_basic_block("head")
        end = builder.append_basic_block("end")
        builder.branch(head)
        builder.position_at_end(head)
        yield end
        builder.branch(head)
        builder.position_at_end(end)

    def leave_if(self, condition: ir.Value, end: ir.Block) -> None:
        """Branches to a block."""
        with self.builder.if_then(condition):
            self.builder.branch(end)

    def pause(self) -> None:
        """Tells the processor that this thread is waiting for another one."""
        kind = machine()
        if kind == "x86":
            pause = declare(self.module, "llvm.x86.sse2.pause", ir.VoidType())
            self.builder.call(pause, [])
        elif kind == "arm":
            # Hint 1 is YIELD.
            hint = declare(self.module, "llvm.aarch64.hint", ir.VoidType(), _I32)
            self.builder.call(hint, [_I32(1)])

    def sleep_on(self, word: int | ir.Value) -> None:
        """Waits until the lock in a word is let go."""
        pointer = _I8.as_pointer()
        name = "PyThread_acquire_lock"
        acquire = declare(self.module, name, _I32, pointer, _I32)
        lock = self.builder.inttoptr(self.load(word), pointer)
        self.builder.call(acquire, [lock, _I32(1)])

    def wake(self, word: int | ir.Value) -> None:
        """Lets the lock in a word go."""
        pointer = _I8.as_pointer()
        release = declare(self.module, "PyThread_release_lock", ir.VoidType(), pointer)
        self.builder.call(release, [self.builder.inttoptr(self.load(word), pointer)])

    def call_kernel(
        self, kernel: ir.Value, arguments: ir.Value, *cut: ir.Value
    ) -> None:
        """Calls a kernel on a part of its range."""
        function = self.builder.inttoptr(kernel, _KERNEL.as_pointer())
        words = self.builder.inttoptr(arguments, _I64.as_pointer())
        self.builder.call(function, [words, *cut])


def _emit_work(module: ir.Module) -> ir.Function:
    """Writes what claims and runs chunks of one generation until none is left.

    It returns how many chunks had been done before its last one, -1 if it got none.
    """
    kind = ir.FunctionType(_I64, [_I64.as_pointer(), _I64])
    function = ir.Function(module, kind, name="work")
    function.linkage = "internal"
    generation = function.args[1]
    code = _Code(function)
    builder = code.builder
    words = (KERNEL, ARGUMENTS, LOW, HIGH, CHUNK, CHUNKS)
    kernel, arguments, low, high, chunk, chunks = (code.load(word) for word in words)
    last = code.variable(-1)
    with code.loop() as end:
        current, claim = code.generation()
        number = builder.and_(claim, _I64(_NUMBERS))
        code.leave_if(code.compare("!=", current, generation), end)
        code.leave_if(code.compare(">=", number, chunks), end)
        following = builder.add(claim, _I64(1))
        with builder.if_then(code.replace(CLAIM, claim, following)):
            begin = builder.add(low, builder.mul(number, chunk))
            stop = code.smaller(builder.add(begin, chunk), high)
            code.call_kernel(kernel, arguments, begin, stop)
            builder.store(code.add(DONE), last)
    builder.ret(builder.load(last))
    return function


def _emit_share(module: ir.Module, work: ir.Function) -> None:
    """Writes the kernel that hands out the work of another one."""
    function = ir.Function(module, _KERNEL, name="share")
    arguments, low, high = function.args
    code = _Code(function)
    builder = code.builder
    pool, kernel, inner, chunk, most, wakes = (
        builder.load(builder.gep(arguments, [_I64(i)])) for i in range(6)
    )
    code.pool = builder.inttoptr(pool, _I64.as_pointer())
    helpers = code.smaller(
        code.load(WORKERS),
        builder.sub(code.smaller(most, code.load(LIMIT)), _I64(1)),
    )
    extent = builder.sub(high, low)
    alone = builder.append_basic_block("alone")
    code.leave_if(code.compare("<", helpers, 1), alone)
    code.leave_if(code.compare("<=", extent, chunk), alone)
    free, taken = _I64(0), _I64(1)
    code.leave_if(builder.not_(code.replace(BUSY, free, taken)), alone)

    # Odd while the words of the job are written: nobody can claim.
    before, _ = code.generation()
    mask = _I64(_GENERATIONS)
    odd = builder.and_(builder.add(before, _I64(1)), mask)
    code.store(CLAIM, builder.or_(builder.shl(odd, _I64(32)), _I64(_NUMBERS)))
    chunks = builder.add(extent, builder.sub(chunk, _I64(1)))
    chunks = builder.sdiv(chunks, chunk)
    job = {
        DONE: _I64(0),
        KERNEL: kernel,
        ARGUMENTS: inner,
        LOW: low,
        HIGH: high,
        CHUNK: chunk,
        CHUNKS: chunks,
        HELPERS: helpers,
    }
    for word, value in job.items():
        code.store(word, value)
    generation = builder.and_(builder.add(odd, _I64(1)), mask)
    code.store(CLAIM, builder.shl(generation, _I64(32)))
    with builder.if_then(code.compare("!=", wakes, 0)):
        _emit_wake(code, code.smaller(helpers, builder.sub(chunks, _I64(1))))

    builder.call(work, [code.pool, generation])
    spins = code.variable(0)
    with code.loop() as end:
        code.leave_if(code.compare(">=", code.load(DONE), chunks), end)
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
    code.store(BUSY, 0)
    builder.ret_void()

    builder.position_at_end(alone)
    code.call_kernel(kernel, inner, low, high)
    builder.ret_void()


def _emit_wake(code: _Code, count: ir.Value) -> None:
    """Writes what wakes those of the first `count` workers that sleep."""
    builder = code.builder
    number = code.variable(0)
    with code.loop() as end:
        worker = builder.load(number)
        code.leave_if(code.compare(">=", worker, count), end)
        code.count_up(number)
        slot = _slot(builder, worker)
        with (
            builder.if_then(code.compare("!=", code.load(slot), 0)),
            builder.if_then(code.was_set(slot)),
        ):
            code.wake(builder.add(slot, _I64(LOCK)))


def _emit_worker(module: ir.Module, work: ir.Function) -> None:
    """Writes the loop of a worker."""
    function = ir.Function(module, _KERNEL, name="worker")
    own_number = function.args[1]
    code = _Code(function)
    builder = code.builder
    emit_flush_denormals(builder)
    slot = _slot(builder, own_number)
    seen, spins = code.variable(0), code.variable(0)

    def is_new(now: ir.Value) -> ir.Value:
        is_even = code.compare("==", builder.and_(now, _I64(1)), 0)
        return builder.and_(is_even, code.compare("!=", now, builder.load(seen)))

    with code.loop() as end:
        code.leave_if(code.compare("!=", code.load(STOP), 0), end)
        now, _ = code.generation()
        with builder.if_else(is_new(now)) as (then, otherwise):
            with then:
                builder.store(now, seen)
                builder.store(_I64(0), spins)
                # The words of a job are read before it is known that they are whole. If
                # they are not, it is over, and claims fail.
                takes_part = code.compare("<", own_number, code.load(HELPERS))
                with builder.if_then(takes_part):
                    chunks = code.load(CHUNKS)
                    last = builder.call(work, [code.pool, now])
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
                    code.store(slot, 1)
                    now, _ = code.generation()
                    stops = code.compare("!=", code.load(STOP), 0)
                    stays = builder.or_(stops, is_new(now))
                    with builder.if_else(stays) as (then, otherwise):
                        with then, builder.if_then(builder.not_(code.was_set(slot))):
                            code.sleep_on(builder.add(slot, _I64(LOCK)))
                        with otherwise:
                            code.sleep_on(builder.add(slot, _I64(LOCK)))
    builder.ret_void()


def _slot(builder: ir.IRBuilder, worker: ir.Value) -> ir.Value:
    return builder.add(_I64(SLOTS), builder.mul(worker, _I64(SLOT_WORDS)))
