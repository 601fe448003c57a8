"""Kernels: Python functions over raw addresses, compiled to one C signature.

Every kernel is `void kernel(int64 *args, int64 lo, int64 hi)`. `args` holds addresses
and sizes, `[lo, hi)` is the outer range, so that any kernel can be cut into chunks.
With one signature the loop that runs a step needs to know nothing about kernels, and
native code of any origin (numba, the cache on disk, a BLAS) can stand beside another.

A kernel's text reads its operands through typed pointers,
`x = pointer_float32(args[0])` and then `x[i]`, without bounds checks or negative
indices. Truth values are uint8. Three rules follow from where kernels run, in threads
without the interpreter and, when they come from the cache, in processes without numba:
no exception can be raised, which `error_model="numpy"` makes true of division; no
array, string or tuple is allocated; and nothing but the mathematics of the C library
is called. The tests read the symbol table of the object code to see that this holds.
There is no fast-math flag: the same expression gives the same bits however a kernel is
cut or vectorized.

A kernel is made in two steps: numba translates its text to a module of LLVM (`target`),
which LLVM compiles (`module`).
Object code is a few kilobytes for an elementwise kernel and loads through llvmlite in
about 2 ms, where compiling takes 20 to 50 ms (the first one in a process 0.2 s more).
"""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numba

from graphopt.codegen.cache.object_code import NativeKernel, load_object_code
from graphopt.codegen.compile.module import Module, emit_object
from graphopt.codegen.compile.target import RAISES, translate

__all__ = ["NativeKernel", "compile_module", "compile_source", "translate_source"]

# numba's annotations are partial: as Any they do not stand in the way.
_types: Any = numba.types
_SIGNATURE = _types.void(_types.CPointer(_types.int64), _types.int64, _types.int64)


def translate_source(source: str, name: str, namespace: Mapping[str, object]) -> Module:
    """Has numba write the text of a kernel in LLVM's language.

    The text is entered in `linecache`, so tracebacks and `inspect.getsource` show it.

    Args:
      source: Text that defines a function called `name`, which takes (args, lo, hi), a
        pointer to int64 words and the outer range, and returns nothing. It must be
        able to compile in numba's nopython mode, and neither raise nor allocate.
      name: Name of the function and of the kernel.
      namespace: Global names of the text; the mapping is not changed.

    Returns:
      What `compile_module` makes a kernel of.

    Raises:
      SyntaxError: If the text is not Python.
      KeyError: If it defines no function called `name`.
      numba.core.errors.NumbaError: If the function cannot be compiled.
    """
    file_name = f"<kernel {name}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[file_name] = (len(source), None, lines, file_name)
    code = compile(source, file_name, "exec")
    variables: dict[str, object] = {"__name__": "graphopt.generated"}
    for name_used in _names_in(code):
        # Some names are made when they are asked for.
        with contextlib.suppress(KeyError):
            variables[name_used] = namespace[name_used]
    exec(code, variables)
    function = variables.get(name)
    if not isinstance(function, FunctionType):
        raise KeyError(f"the source defines no function {name!r}")
    return translate(function, _SIGNATURE, name)


def _names_in(code: CodeType) -> Iterator[str]:
    """Yields the global names that the functions of a text use."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from constant.co_names


def compile_module(module: Module) -> NativeKernel:
    """Has LLVM compile a kernel, and loads it; numba is not needed for that.

    Args:
      module: From `translate_source`.

    Returns:
      The kernel, ready to be called from any thread without the interpreter lock.

    Raises:
      ValueError: If the compiled code could raise or allocate (a frequent cause is
        `range` with a step that is not a constant: it refuses the step 0).
    """
    code = emit_object(module)
    # A kernel that could raise would carry on.
    if RAISES.encode() in code or b"NRT_" in code:
        raise ValueError(f"kernel {module.name} may raise an exception or allocate")
    return load_object_code(code, module.entry, module.name)


def compile_source(
    source: str, name: str, namespace: Mapping[str, object]
) -> NativeKernel:
    """Compiles a kernel, with the arguments and errors of both steps."""
    return compile_module(translate_source(source, name, namespace))
