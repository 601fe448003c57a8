"""Code that several threads run: loops, atomic reads and writes, pauses, sleep.

It is written in LLVM's terms. The words that threads share are int64 of one table, whose
address is the first argument of a function; reads and writes of them are in one order for
all threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from llvmlite import ir

from graphopt.codegen.compile.denormals import declare
from graphopt.codegen.machine import get_machine

__all__ = ["KERNEL_TYPE", "ThreadCode"]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
KERNEL_TYPE = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])


class ThreadCode:
    """Code of one function that works on words which several threads share.

    Args:
      function: The function; its first argument is the address of the words.
    """

    def __init__(self, function: ir.Function) -> None:
        self.module = function.module
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.words: ir.Value = function.args[0]

    def _place(self, word: int | ir.Value) -> ir.Value:
        index = _I64(word) if isinstance(word, int) else word
        return self.builder.gep(self.words, [index])

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

    def replace(self, word: int | ir.Value, old: ir.Value, new: ir.Value) -> ir.Value:
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

    def now(self) -> ir.Value:
        """Returns a count of time, 0 where there is none."""
        name = {"x86": "llvm.readcyclecounter", "arm": "llvm.readsteadycounter"}
        found = name.get(get_machine().family)
        if found is None:
            return _I64(0)
        return self.builder.call(declare(self.module, found, _I64), [])

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

    @contextlib.contextmanager
    def count_to(self, end: ir.Value) -> Iterator[ir.Value]:
        """Emits a loop; yields its count, from 0."""
        number = self.variable(0)
        with self.loop() as behind:
            value = self.builder.load(number)
            self.leave_if(self.compare(">=", value, end), behind)
            self.count_up(number)
            yield value

    def leave_if(self, condition: ir.Value, end: ir.Block) -> None:
        """Branches to a block."""
        with self.builder.if_then(condition):
            self.builder.branch(end)

    def pause(self) -> None:
        """Tells the processor that this thread is waiting for another one."""
        kind = get_machine().family
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
        function = self.builder.inttoptr(kernel, KERNEL_TYPE.as_pointer())
        words = self.builder.inttoptr(arguments, _I64.as_pointer())
        self.builder.call(function, [words, *cut])
