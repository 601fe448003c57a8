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

import linecache
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import Any, Final

import numba
import numba.core.cgutils
import numba.extending
from llvmlite import ir

from graphopt.codegen.cache.object_code import NativeKernel, load_object_code
from graphopt.codegen.compile.draft import Draft, emit_object
from graphopt.codegen.compile.target import RAISES, write_draft
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
types: Any = numba.types
cgutils: Any = numba.core.cgutils
make_intrinsic: Any = numba.extending.intrinsic
literal_intrinsic: Any = numba.extending.intrinsic(prefer_literal=True)

KERNEL_SIGNATURE: Final[Any] = types.void(
    types.CPointer(types.int64), types.int64, types.int64
)
"""The C signature of every kernel: `void(int64 *args, int64 lo, int64 hi)`."""

_I64 = ir.IntType(64)
_KERNEL = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])


def draft_kernel(
    function: Callable[..., None], name: str, *, is_vector_code: bool = False
) -> Draft:
    """Have numba write a Python function in LLVM's language.

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
    """Have LLVM compile a kernel, and load it; numba is not needed for that.

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
    """Compile a Python function to a kernel.

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
    """Have numba write generated Python text in LLVM's language.

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
    variables: dict[str, object] = {"__name__": "graphopt.generated", **namespace}
    exec(compile(source, file_name, "exec"), variables)
    function = variables.get(name)
    if not isinstance(function, FunctionType):
        raise KeyError(f"the source defines no function {name!r}")
    return draft_kernel(function, name)


def compile_source(
    source: str, name: str, namespace: Mapping[str, object]
) -> NativeKernel:
    """Compile a kernel from generated Python text.

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


def _make_pointer(scalar: Any) -> Any:
    """Make the function that reads an address as a pointer to one scalar type."""

    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            data = context.get_data_type(scalar).as_pointer()
            return builder.inttoptr(values[0], data)

        return types.CPointer(scalar)(types.int64), generate

    pointer.__name__ = f"pointer_{scalar}"
    pointer.__doc__ = f"Read an address (int64) as a pointer to {scalar}."
    return make_intrinsic(pointer)


def make_instruction(name: str) -> Any:
    """Make the function of one float that is an instruction of LLVM, like `sqrt`."""

    def instruction(typing_context: Any, x: Any) -> Any:
        kind = x if isinstance(x, types.Float) else types.float64

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            shape = context.get_value_type(kind)
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(shape, [shape]),
                f"llvm.{name}.f{kind.bitwidth}",
            )
            return builder.call(function, values)

        return kind(kind), generate

    instruction.__name__ = name
    return make_intrinsic(instruction)


pointer_float32 = _make_pointer(types.float32)
pointer_float64 = _make_pointer(types.float64)
pointer_int8 = _make_pointer(types.int8)
pointer_int16 = _make_pointer(types.int16)
pointer_int32 = _make_pointer(types.int32)
pointer_int64 = _make_pointer(types.int64)
pointer_uint8 = _make_pointer(types.uint8)
pointer_uint16 = _make_pointer(types.uint16)
pointer_uint32 = _make_pointer(types.uint32)
pointer_uint64 = _make_pointer(types.uint64)


def _call_kernel(
    typing_context: Any, address: Any, args_address: Any, lo: Any, hi: Any
) -> Any:
    """Call a kernel by its address, from compiled code.

    Args:
        typing_context: Given by numba.
        address: Where the kernel's code begins, int64.
        args_address: Where its int64 arguments begin, int64.
        lo: First index of the outer range, int64.
        hi: Index after the last one, int64.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kernel = builder.inttoptr(values[0], _KERNEL.as_pointer())
        arguments = builder.inttoptr(values[1], _I64.as_pointer())
        builder.call(kernel, [arguments, values[2], values[3]])
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word), generate


call_kernel: Any = make_intrinsic(_call_kernel)


def _report_status(
    typing_context: Any,
    status_address: Any,
    code: Any,
    operation: Any,
    index: Any,
    value: Any,
) -> Any:
    """Write an error into the status words, unless one is there already.

    Several threads may report at once: the first to exchange the zero code for its
    own goes on to write the rest. The loop reads the rest only after all chunks of
    the instruction have ended, so the order of these writes does not matter.

    Args:
        typing_context: Given by numba.
        status_address: Where the four status words begin, int64.
        code: Not 0, int64.
        operation: Which operation reports, int64.
        index: Where in its operand, int64.
        value: The offending value, int64.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        words = builder.inttoptr(values[0], _I64.as_pointer())
        status = builder.gep(words, [_I64(StatusWord.CODE)])
        exchange = builder.cmpxchg(status, _I64(0), values[1], "monotonic", "monotonic")
        with cgutils.if_likely(builder, builder.extract_value(exchange, 1)):
            places = (StatusWord.OPERATION, StatusWord.INDEX, StatusWord.VALUE)
            for place, written in zip(places, values[2:], strict=True):
                builder.store(written, builder.gep(words, [_I64(place)]))
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word, word), generate


report_status: Any = make_intrinsic(_report_status)
