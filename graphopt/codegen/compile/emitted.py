"""Native code that is written in LLVM's own terms: it needs no numba, cached or not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import llvmlite.binding as llvm
from llvmlite import ir

from graphopt.codegen.cache import kernels as cache
from graphopt.codegen.cache import object_code
from graphopt.codegen.cache.object_code import NativeKernel
from graphopt.codegen.machine import get_machine

__all__ = ["load_emitted"]


def load_emitted(
    name: str,
    emit: Callable[[ir.Module], None],
    entries: Sequence[str],
    from_python: Sequence[str],
) -> NativeKernel:
    """Loads functions from the cache, or compiles them.

    Args:
      name: The name they are known by together.
      emit: Writes them into a module. Its file must belong to this package, whose
        files are part of every key of the cache.
      entries: Their names; the address of the first is that of the kernel, those of
        the others are its exports.
      from_python: Functions of the interpreter that they call.

    Returns:
      The kernel.
    """
    imports = {}
    for each in from_python:
        pointer = ctypes.cast(getattr(ctypes.pythonapi, each), ctypes.c_void_p)
        imports[each] = pointer.value or 0
    entry, *exports = entries
    kernel = cache.load_kernel(name, entry, name, imports, exports)
    if kernel is None:
        module = ir.Module(name)
        module.triple = get_machine().triple
        emit(module)
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        code = object_code.get_target_machine().emit_object(parsed)
        kernel = object_code.load_object_code(code, entry, name, imports, exports)
        cache.store_kernel(name, entry, kernel)
    return kernel
