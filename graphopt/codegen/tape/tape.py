"""The native loop that runs one step: a flat table of kernel calls.

A training step is tens or hundreds of kernel calls. Called one by one from Python,
each would cost 100 ns or more and hold the interpreter lock in between. Here a step
is a table of instructions, one row of four int64 words each (kernel address, address
of its arguments, lo, hi), and one compiled function, `run_tape`, walks the table. A
*block* of eight int64 words, one cache line, tells it where the table is and takes
what it has to say when a kernel finds an error.

Kernels cannot raise. A kernel that checks something (an index, a finite value) gets
the address of the status words through its arguments and writes the code last; the
loop reads the code after every instruction and leaves when it is not zero. Reading it
every time is cheaper than a flag for each instruction, for the word stays in the
first-level cache. One code, `Status.JUMP`, is not an error: the loop takes the next position
from the index word and goes on, so branches and loops cost nothing where there are
none.

Denormal numbers cost 60 ns an operation where normal ones cost 1, so the loop sets
flush-to-zero and denormals-are-zero in the control register of the floating-point
unit and restores the register on its single way out. Nothing can move across these
two places: the loop does no floating-point work of its own, kernels are called
through pointers, hence never inlined, and both intrinsics have side effects.

The loop is written in LLVM's own terms and compiled by llvmlite, so a program whose
kernels all come from the cache never imports numba. `make_entry` wraps it in a C
function with Python's calling convention for methods without arguments, bound to the
address of a block: no compilation for each executable, no boxing but the result.

Measured on one x86-64 core, interleaved: a call of an entry with an empty table takes
82 ns (of which 26 are the call of any Python built-in), the same loop through ctypes
with a prepared argument 141 ns, and through a compiled ctypes function without
arguments 97 ns, which would also cost 2 ms of compilation for each executable. An
instruction with an empty kernel takes 2.7 ns. The loop itself compiles in 15 ms;
like a kernel it is kept in the cache.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Final

from llvmlite import ir

from graphopt.codegen.compile.denormals import (
    declare,
    emit_flush_denormals,
    emit_restore_float_control,
)
from graphopt.codegen.compile.emitted import load_emitted
from graphopt.graph.status import Status, StatusWord

__all__ = [
    "BLOCK_COUNT",
    "BLOCK_INSTRUCTIONS",
    "BLOCK_START",
    "BLOCK_STATUS",
    "BLOCK_STOPPED_AT",
    "BLOCK_WORDS",
    "INSTRUCTION_WORDS",
    "load_tape",
    "make_entry",
]

BLOCK_WORDS: Final = 8
"""Length of a block in int64 words; blocks should begin on a cache line."""
BLOCK_INSTRUCTIONS: Final = 0
"""Word of a block: address of the first instruction row."""
BLOCK_COUNT: Final = 1
"""Word of a block: number of instruction rows."""
BLOCK_STATUS: Final = 2
"""Word of a block where the four status words begin."""
BLOCK_STOPPED_AT: Final = 6
"""Word of a block: position of the instruction that reported an error, else -1."""
BLOCK_START: Final = 7
"""Word of a block: position of the first instruction to run, 0 but after a pause."""

INSTRUCTION_WORDS: Final = 4
"""Length of an instruction row: kernel address, arguments address, lo, hi."""

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_KERNEL = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])
_OBJECT = _I8.as_pointer()
_METH_NOARGS = 0x0004


def _emit_run_tape(module: ir.Module) -> ir.Function:
    """Writes `int64 run_tape(int64 *block)` into a module."""
    function = ir.Function(
        module, ir.FunctionType(_I64, [_I64.as_pointer()]), name="run_tape"
    )
    # The entry below must call it, not absorb it: one copy of the delicate part.
    function.attributes.add("noinline")
    (block,) = function.args
    entry = function.append_basic_block("entry")
    head = function.append_basic_block("head")
    body = function.append_basic_block("body")
    stop = function.append_basic_block("stop")
    jump = function.append_basic_block("jump")
    failed = function.append_basic_block("failed")
    leave = function.append_basic_block("leave")
    builder = ir.IRBuilder(entry)

    def word(position: int) -> ir.Value:
        return builder.gep(block, [_I64(position)])

    saved = emit_flush_denormals(builder)
    status = word(BLOCK_STATUS + StatusWord.CODE)
    target = word(BLOCK_STATUS + StatusWord.INDEX)
    stopped_at = word(BLOCK_STOPPED_AT)
    builder.store(_I64(0), status)
    builder.store(_I64(-1), stopped_at)
    table = builder.inttoptr(builder.load(word(BLOCK_INSTRUCTIONS)), _I64.as_pointer())
    count = builder.load(word(BLOCK_COUNT))
    start = builder.load(word(BLOCK_START))
    builder.branch(head)

    builder.position_at_end(head)
    position = builder.phi(_I64)
    position.add_incoming(start, entry)
    # Unsigned, so that a jump to a negative position ends the step as well.
    builder.cbranch(builder.icmp_unsigned("<", position, count), body, leave)

    builder.position_at_end(body)
    row = builder.gep(table, [builder.mul(position, _I64(INSTRUCTION_WORDS))])
    kernel, arguments, low, high = (
        builder.load(builder.gep(row, [_I64(column)]))
        for column in range(INSTRUCTION_WORDS)
    )
    builder.call(
        builder.inttoptr(kernel, _KERNEL.as_pointer()),
        [builder.inttoptr(arguments, _I64.as_pointer()), low, high],
    )
    code = builder.load(status)
    following = builder.add(position, _I64(1))
    position.add_incoming(following, body)
    well = builder.icmp_signed("==", code, _I64(0))
    builder.cbranch(well, head, stop).set_weights([1 << 20, 1])

    builder.position_at_end(stop)
    builder.cbranch(builder.icmp_signed("==", code, _I64(Status.JUMP)), jump, failed)

    builder.position_at_end(jump)
    builder.store(_I64(0), status)
    position.add_incoming(builder.load(target), jump)
    builder.branch(head)

    builder.position_at_end(failed)
    builder.store(position, stopped_at)
    builder.branch(leave)

    builder.position_at_end(leave)
    result = builder.phi(_I64)
    result.add_incoming(_I64(0), head)
    result.add_incoming(code, failed)
    emit_restore_float_control(builder, saved)
    builder.ret(result)
    return function


def _emit_method(module: ir.Module, run_tape: ir.Function) -> None:
    """Writes `PyObject *call_tape(PyObject *block_address, PyObject *unused)`."""
    kind = ir.FunctionType(_OBJECT, [_OBJECT, _OBJECT])
    function = ir.Function(module, kind, name="call_tape")
    as_integer = declare(module, "PyLong_AsLongLong", _I64, _OBJECT)
    release = declare(module, "PyEval_SaveThread", _OBJECT)
    acquire = declare(module, "PyEval_RestoreThread", ir.VoidType(), _OBJECT)
    from_integer = declare(module, "PyLong_FromLongLong", _OBJECT, _I64)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    address = builder.call(as_integer, [function.args[0]])
    thread = builder.call(release, [])
    block = builder.inttoptr(address, _I64.as_pointer())
    code = builder.call(run_tape, [block])
    builder.call(acquire, [thread])
    builder.ret(builder.call(from_integer, [code]))


class _MethodDefinition(ctypes.Structure):
    """CPython's `PyMethodDef`, part of its stable interface."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


_FROM_PYTHON = (
    "PyLong_AsLongLong",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    "PyLong_FromLongLong",
)


def _emit(module: ir.Module) -> None:
    _emit_method(module, _emit_run_tape(module))


class _Tape:
    """The compiled loop, its method definition and the library that owns the code."""

    def __init__(self) -> None:
        entries = ("call_tape", "run_tape")
        kernel = load_emitted("tape", _emit, entries, _FROM_PYTHON)
        self._kernel = kernel
        self.address = kernel.exports["run_tape"]
        self._definition = _MethodDefinition(
            b"run_tape", kernel.address, _METH_NOARGS, None
        )
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
        self._new = new

    def bind(self, block_address: int) -> Callable[[], int]:
        definition = ctypes.addressof(self._definition)
        entry: Callable[[], int] = self._new(definition, block_address, None)
        return entry


@functools.cache
def _compiled_tape() -> _Tape:
    return _Tape()


def load_tape() -> int:
    """Loads or compile the loop if this process has not done so yet.

    Returns:
      The address of `int64 run_tape(int64 *block)`, valid until the process ends.
      The function may run in several threads at once, on different blocks.
    """
    return _compiled_tape().address


def make_entry(block_address: int) -> Callable[[], int]:
    """Binds the loop to one block.

    Args:
      block_address: Address of `BLOCK_WORDS` int64 words laid out as the `BLOCK_`
        constants say. The block, its table, the arguments and the kernels must
        stay alive, and in place, as long as the entry may be called.

    Returns:
      A built-in function without arguments that runs the step with the interpreter
      lock released and returns the status code, 0 if all went well.

    Raises:
      ValueError: If the address is zero or negative.
    """
    if block_address <= 0:
        raise ValueError(f"a block needs a valid address, not {block_address}")
    return _compiled_tape().bind(block_address)
