"""What code of a channel is written with: its words, the memory of ranks, loops over them."""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.compile.denormals import declare
from graphopt.codegen.tape.thread_code import KERNEL_TYPE, ThreadCode
from graphopt.graph.status import Reason

__all__ = [
    "JOB_TYPE",
    "ONE",
    "SLICE_ALIGNMENT",
    "WORDS",
    "ZERO",
    "Code",
    "length_of",
    "new_job",
    "new_kernel",
    "other_ranks",
    "pieces_of",
    "steps_over",
]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
WORDS = _I64.as_pointer()
ZERO, ONE = _I64(0), _I64(1)
_WAIT, _WAKE = _I64(0), _I64(1)
_ALL = _I64((1 << 31) - 1)
JOB_TYPE = ir.FunctionType(_I64, [WORDS, _I64])
"""(arguments, how often to look before a sleep) -> a `Reason`, 0 if all went well."""
SLICE_ALIGNMENT: Final = 64
"""Bytes that slices of ranks begin at multiples of."""


class Code(ThreadCode):
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
        self.words = builder.inttoptr(channel, WORDS)
        return others

    def at(self, address: ir.Value, index: int | ir.Value = 0) -> ir.Value:
        """Returns a pointer to a word of the memory at an address."""
        index = _I64(index) if isinstance(index, int) else index
        return self.builder.gep(self.builder.inttoptr(address, WORDS), [index])

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
        small = self.builder.select(self.compare("<", value, 0), ZERO, value)
        return self.smaller(small, most)

    def sleep_at_most(self, lock: int, microseconds: int) -> None:
        """Waits until the lock in a word is let go, or for so long."""
        pointer = _I8.as_pointer()
        name = "PyThread_acquire_lock_timed"
        acquire = declare(self.module, name, _I32, pointer, _I64, _I32)
        place = self.builder.inttoptr(self.load(lock), pointer)
        self.builder.call(acquire, [place, _I64(microseconds), _I32(0)])

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
        self._futex(address, _WAKE, _ALL, ZERO)

    def _futex(self, *arguments: ir.Value) -> None:
        builder = self.builder
        function = self.load(word.SYSTEM_CALL)
        kind = ir.FunctionType(_I64, [_I64] * 7)
        with builder.if_then(self.compare("!=", function, 0)):
            call = builder.inttoptr(function, kind.as_pointer())
            number = self.load(word.FUTEX)
            builder.call(call, [number, *arguments, ZERO, ZERO])

    def call_function(self, function: int, *arguments: ir.Value) -> ir.Value:
        """Calls a function of the MPI library and returns its code, 0 if all went well.

        Args:
          function: The word of its address.
          *arguments: 64 bits each; the callee reads as many of them as it needs.
        """
        builder = self.builder
        kind = ir.FunctionType(_I32, [_I64] * len(arguments))
        call = builder.inttoptr(self.load(function), kind.as_pointer())
        return builder.sext(builder.call(call, list(arguments)), _I64)

    def call_library(self, function: int, *arguments: ir.Value) -> ir.Value:
        """Calls a function of the MPI library for a job and returns a `Reason`."""
        builder = self.builder
        code = self.call_function(function, *arguments)
        failed = self.compare("!=", code, 0)
        with builder.if_then(failed):
            self.store(word.DETAIL, code)
        return builder.select(failed, _I64(Reason.LIBRARY), ZERO)

    def return_if(self, code: ir.Value) -> None:
        """Returns a code unless it is 0."""
        with self.builder.if_then(self.compare("!=", code, 0)):
            self.builder.ret(code)

    def add_terms(self, kernel: ir.Value, size: ir.Value, item: ir.Value) -> None:
        """Calls the kernel whose words are written down, on so many bytes."""
        words = self.builder.ptrtoint(self._place(word.WORDS_OF_KERNEL), _I64)
        self.call_kernel(kernel, words, ZERO, self.builder.sdiv(size, item))

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
        self.store(word.HALF, builder.sub(ONE, half))
        start = builder.mul(half, self.load(word.HALF_BYTES))
        return builder.add(start, _I64(8 * word.STAGING))


def pieces_of(
    code: Code, stride: ir.Value, total: ir.Value, piece: ir.Value
) -> steps_over:
    """A loop over the offsets of pieces in a slice."""
    return steps_over(code, code.smaller(stride, total), piece)


class steps_over:
    """A loop over offsets 0, piece, 2 * piece, ... below an end."""

    def __init__(self, code: Code, end: ir.Value, piece: ir.Value) -> None:
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


class other_ranks:
    """A loop over the ranks of this machine without the own one."""

    def __init__(self, code: Code, size: ir.Value, own: ir.Value) -> None:
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


def length_of(
    code: Code,
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


def new_job(module: ir.Module, name: str) -> tuple[Code, ir.Value]:
    """Begins a job; returns its code and how often it looks before it sleeps."""
    function = ir.Function(module, JOB_TYPE, name=name)
    return Code(function), function.args[1]


def new_kernel(module: ir.Module, name: str) -> Code:
    """Begins a kernel, or the loop of a thread; returns its code."""
    return Code(ir.Function(module, KERNEL_TYPE, name=name))
