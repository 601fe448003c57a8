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

A kernel is made in two steps: numba drafts it (`target`), LLVM finishes it (`draft`).
Object code is a few kilobytes for an elementwise kernel and loads through llvmlite in
about 2 ms, where compiling takes 20 to 50 ms (the first one in a process 0.2 s more).
"""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any, Final

import numba
from llvmlite import ir

from graphopt.codegen.cache.object_code import NativeKernel, load_object_code
from graphopt.codegen.compile.draft import Draft, emit_object
from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.target import RAISES, write_draft
from graphopt.codegen.compile.vectors import ELEMENTS, INT64, Code, Pointer, Value
from graphopt.graph.status import StatusWord

__all__ = [
    "KERNEL_SIGNATURE",
    "NativeKernel",
    "call_kernel",
    "compile_kernel",
    "compile_source",
    "draft_kernel",
    "draft_source",
    "finish_kernel",
    "make_instruction",
    "pointer_float32",
    "pointer_float64",
    "pointer_int8",
    "pointer_int16",
    "pointer_int32",
    "pointer_int64",
    "pointer_uint8",
    "pointer_uint16",
    "pointer_uint32",
    "pointer_uint64",
    "report_status",
]

# numba's annotations are partial: as Any they do not stand in the way.
_types: Any = numba.types

KERNEL_SIGNATURE: Final[Any] = _types.void(
    _types.CPointer(_types.int64), _types.int64, _types.int64
)
"""The C signature of every kernel: `void(int64 *args, int64 lo, int64 hi)`."""

_I64 = ir.IntType(64)
_KERNEL = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])


def draft_kernel(
    function: Callable[..., None], name: str, *, is_vector_code: bool = False
) -> Draft:
    """Has numba write a Python function in LLVM's language.

    Args:
        function: Takes (args, lo, hi) and returns nothing: a pointer to int64 words
            and the outer range. It must be able to compile in numba's nopython mode,
            and must neither raise nor allocate.
        name: The name the kernel is known by.
        is_vector_code: Whether its loops are written in vectors already, by intrinsics:
            then LLVM does not look for what it could vectorize.

    Returns:
        What `finish_kernel` makes a kernel of.

    Raises:
        numba.core.errors.NumbaError: If the function cannot be compiled.
    """
    draft = write_draft(function, KERNEL_SIGNATURE, name)
    return replace(draft, is_vector_code=is_vector_code)


def finish_kernel(draft: Draft) -> NativeKernel:
    """Has LLVM compile a kernel, and loads it; numba is not needed for that.

    Args:
        draft: From `draft_kernel`.

    Returns:
        The kernel, ready to be called from any thread without the interpreter lock.

    Raises:
        ValueError: If the compiled code could raise or allocate (a frequent cause is
            `range` with a step that is not a constant: it refuses the step 0).
    """
    code = emit_object(draft)
    # A kernel that could raise would carry on.
    if RAISES.encode() in code or b"NRT_" in code:
        raise ValueError(f"kernel {draft.name} may raise an exception or allocate")
    return load_object_code(code, draft.entry, draft.name)


def compile_kernel(function: Callable[..., None], name: str) -> NativeKernel:
    """Compiles a Python function to a kernel.

    Args:
        function: As for `draft_kernel`.
        name: The name the kernel is known by.

    Returns:
        The kernel.

    Raises:
        ValueError: If the compiled code could raise or allocate.
        numba.core.errors.NumbaError: If the function cannot be compiled.
    """
    return finish_kernel(draft_kernel(function, name))


def draft_source(source: str, name: str, namespace: Mapping[str, object]) -> Draft:
    """Has numba write generated Python text in LLVM's language.

    The text is entered in `linecache`, so tracebacks and `inspect.getsource` show it.

    Args:
        source: Text that defines a function called `name`, as `draft_kernel` takes.
        name: Name of the function and of the kernel.
        namespace: Global names of the text; the mapping is not changed.

    Returns:
        What `finish_kernel` makes a kernel of.

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
    return draft_kernel(function, name)


def _names_in(code: CodeType) -> Iterator[str]:
    """Yields the global names that the functions of a text use."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from constant.co_names


def compile_source(
    source: str, name: str, namespace: Mapping[str, object]
) -> NativeKernel:
    """Compiles a kernel from generated Python text.

    Args:
        source: As for `draft_source`.
        name: Name of the function and of the kernel.
        namespace: Global names of the text; the mapping is not changed.

    Returns:
        The kernel.

    Raises:
        SyntaxError: If the text is not Python.
        KeyError: If it defines no function called `name`.
        ValueError: If the compiled code could raise or allocate.
        numba.core.errors.NumbaError: If the function cannot be compiled.
    """
    return finish_kernel(draft_source(source, name, namespace))


def _make_pointer(element: str) -> Any:
    """Makes the function that reads an address as a pointer to one type of elements."""

    def pointer(code: Code, address: Value) -> Pointer:
        return code.pointer(address, ELEMENTS[element])

    return intrinsic(f"address: word -> pointer {element}", f"pointer_{element}")(
        pointer
    )


def make_instruction(name: str) -> Any:
    """Makes the function of one float that is an instruction of LLVM, like `sqrt`."""

    def instruction(code: Code, x: Value) -> Value:
        return x.call(name)

    return intrinsic("x: real -> real", name)(instruction)


pointer_float32 = _make_pointer("float32")
pointer_float64 = _make_pointer("float64")
pointer_int8 = _make_pointer("int8")
pointer_int16 = _make_pointer("int16")
pointer_int32 = _make_pointer("int32")
pointer_int64 = _make_pointer("int64")
pointer_uint8 = _make_pointer("uint8")
pointer_uint16 = _make_pointer("uint16")
pointer_uint32 = _make_pointer("uint32")
pointer_uint64 = _make_pointer("uint64")


@intrinsic("address: word, args: word, lo: word, hi: word")
def call_kernel(code: Code, address: Value, args: Value, lo: Value, hi: Value) -> None:
    """Calls a kernel by its address, with the address of its arguments and a range."""
    kernel = code.builder.inttoptr(address.raw, _KERNEL.as_pointer())
    words = code.pointer(args, INT64)
    code.builder.call(kernel, [words.raw, lo.raw, hi.raw])


@intrinsic("status: word, code: word, operation: word, index: word, value: word")
def report_status(
    code: Code, status: Value, reported: Value, operation: Value, *others: Value
) -> None:
    """Writes an error into the status words at an address, unless there is one already.

    Several threads may report at once: the first to exchange the zero code for its
    own goes on to write the rest. The loop reads the rest only after all chunks of
    the instruction have ended, so the order of these writes does not matter.
    """
    words, builder = code.pointer(status, INT64), code.builder
    place = words.at(code.word(StatusWord.CODE)).raw
    order = ("monotonic", "monotonic")
    exchange = builder.cmpxchg(place, _I64(0), reported.raw, *order)
    with builder.if_then(builder.extract_value(exchange, 1), likely=True):
        places = (StatusWord.OPERATION, StatusWord.INDEX, StatusWord.VALUE)
        for number, word in zip(places, (operation, *others), strict=True):
            words.at(code.word(number)).store(word)
