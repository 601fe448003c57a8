"""Denormal numbers count as zero in compiled steps, as in TensorFlow and XLA.

They cost 60 ns an operation where normal ones cost 1. The control register of the
floating-point unit belongs to a thread, so the loop over a tape sets it and restores it,
and each worker sets it for good.
"""

from __future__ import annotations

from llvmlite import ir

from graphopt.codegen.machine import get_machine

__all__ = ["declare", "emit_flush_denormals", "emit_restore_float_control"]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)

# Bit 15 flushes results and bit 6 reads denormal operands as zero (x86); one bit does
# both on 64-bit ARM.
_X86_FLUSH_BITS = 0x8040
_ARM_FLUSH_BITS = 1 << 24


def declare(
    module: ir.Module, name: str, result: ir.Type, *arguments: ir.Type
) -> ir.Function:
    """Returns a function that is defined elsewhere, declared once in a module."""
    found = module.globals.get(name)
    kind = ir.FunctionType(result, arguments)
    return found if found is not None else ir.Function(module, kind, name=name)


def emit_flush_denormals(builder: ir.IRBuilder) -> ir.Value | None:
    """Emits code that makes the current thread treat denormal numbers as zero.

    For functions that do no floating-point work of their own and call kernels
    through pointers: only then is it certain that nothing moves across.

    Args:
      builder: Builder placed in the entry block of the function.

    Returns:
      The saved control word for `emit_restore_float_control`, None on a machine
      whose control register is not known here (nothing is emitted then).
    """
    module, kind = builder.module, get_machine().family
    if kind == "x86":
        pointer, void = _I8.as_pointer(), ir.VoidType()
        word = builder.alloca(_I32)
        address = builder.bitcast(word, pointer)
        builder.call(declare(module, "llvm.x86.sse.stmxcsr", void, pointer), [address])
        saved = builder.load(word)
        builder.store(builder.or_(saved, _I32(_X86_FLUSH_BITS)), word)
        builder.call(declare(module, "llvm.x86.sse.ldmxcsr", void, pointer), [address])
        return saved
    if kind == "arm":
        saved = builder.call(declare(module, "llvm.aarch64.get.fpcr", _I64), [])
        flushed = builder.or_(saved, _I64(_ARM_FLUSH_BITS))
        set_word = declare(module, "llvm.aarch64.set.fpcr", ir.VoidType(), _I64)
        builder.call(set_word, [flushed])
        return saved
    return None


def emit_restore_float_control(builder: ir.IRBuilder, saved: ir.Value | None) -> None:
    """Emits code that undoes `emit_flush_denormals`.

    Args:
      builder: Builder placed before the return of the function.
      saved: What `emit_flush_denormals` returned.
    """
    module, kind = builder.module, get_machine().family
    if saved is None:
        return
    if kind == "x86":
        pointer, void = _I8.as_pointer(), ir.VoidType()
        with builder.goto_entry_block():
            word = builder.alloca(_I32)
        builder.store(saved, word)
        address = builder.bitcast(word, pointer)
        builder.call(declare(module, "llvm.x86.sse.ldmxcsr", void, pointer), [address])
    else:
        set_word = declare(module, "llvm.aarch64.set.fpcr", ir.VoidType(), _I64)
        builder.call(set_word, [saved])
