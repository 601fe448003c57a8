"""Words that several threads read and write, for kernels that hand out work.

Everything here is sequentially consistent or stronger than it needs to be: these are a
few operations for each chunk of work, not for each element.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir

from graphopt.codegen.native import cgutils, make_intrinsic, types
from graphopt.codegen.tape import emit_flush_denormals

__all__ = ["make_atomic_functions"]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORD = types.int64
_WORDS = types.CPointer(types.int64)


def _place(builder: Any, values: Any) -> Any:
    return builder.gep(values[0], [values[1]])


def _load_word(typing_context: Any, words: Any, index: Any) -> Any:
    """Reads a word; what is read after it was written after the word, or later."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_place(builder, values), "seq_cst", 8)

    return _WORD(_WORDS, _WORD), generate


def _store_word(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Writes a word; who reads it sees what was written before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[2], _place(builder, values), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(_WORDS, _WORD, _WORD), generate


def _add_to_word(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Adds to a word and returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(builder, values)
        return builder.atomic_rmw("add", place, values[2], "seq_cst")

    return _WORD(_WORDS, _WORD, _WORD), generate


def _exchange_word(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Writes a word and returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(builder, values)
        return builder.atomic_rmw("xchg", place, values[2], "seq_cst")

    return _WORD(_WORDS, _WORD, _WORD), generate


def _replace_word(
    typing_context: Any, words: Any, index: Any, old: Any, new: Any
) -> Any:
    """Writes a word if it has a certain value; returns whether it had."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(builder, values)
        pair = builder.cmpxchg(place, values[2], values[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(_WORDS, _WORD, _WORD, _WORD), generate


def _pause(typing_context: Any) -> Any:
    """Tells the processor that this thread is waiting for another one."""
    name = {
        "x86_64": "llvm.x86.sse2.pause",
        "amd64": "llvm.x86.sse2.pause",
        "aarch64": "llvm.aarch64.hint",
        "arm64": "llvm.aarch64.hint",
    }.get(platform.machine().lower())

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if name is not None:
            # On ARM, hint 1 is YIELD.
            arguments = [_I32(1)] if name.endswith("hint") else []
            kind = ir.FunctionType(ir.VoidType(), [v.type for v in arguments])
            module = builder.module
            builder.call(cgutils.get_or_insert_function(module, kind, name), arguments)
        return context.get_dummy_value()

    return types.void(), generate


def _flush_denormals(typing_context: Any) -> Any:
    """Has this thread treat denormal numbers as zero, as the loop over a tape does."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit_flush_denormals(builder)
        return context.get_dummy_value()

    return types.void(), generate


def _call_lock(typing_context: Any, function: Any, lock: Any, is_waiting: Any) -> Any:
    """Calls `PyThread_acquire_lock(lock, 1)` or `PyThread_release_lock(lock)`.

    Args:
        typing_context: Given by numba.
        function: The address of the function.
        lock: The address of the lock.
        is_waiting: The second argument; a function of one argument ignores it.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I8.as_pointer(), _I32])
        function = builder.inttoptr(values[0], kind.as_pointer())
        lock = builder.inttoptr(values[1], _I8.as_pointer())
        builder.call(function, [lock, builder.trunc(values[2], _I32)])
        return context.get_dummy_value()

    return types.void(_WORD, _WORD, _WORD), generate


def make_atomic_functions() -> dict[str, Any]:
    """Returns the functions of this file under the names that kernels call."""
    functions = (
        _load_word,
        _store_word,
        _add_to_word,
        _exchange_word,
        _replace_word,
        _pause,
        _flush_denormals,
        _call_lock,
    )
    return {f.__name__.removeprefix("_"): make_intrinsic(f) for f in functions}
