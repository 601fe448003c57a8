"""What the texts of all kernels may call: pointers, choices, instructions, other kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.compile import vectors
from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import (
    ELEMENTS,
    INT64,
    Code,
    Pointer,
    Value,
    select,
)
from graphopt.graph.status import StatusWord

__all__ = ["FUNCTIONS"]

_I64 = ir.IntType(64)
_KERNEL = ir.FunctionType(ir.VoidType(), [_I64.as_pointer(), _I64, _I64])


def _make_pointer(element: str) -> Any:
    """Makes the function that reads an address as a pointer to elements."""

    def pointer(code: Code, address: Value) -> Pointer:
        return code.pointer(address, ELEMENTS[element])

    return intrinsic(f"address: word -> pointer {element}")(pointer)


def _make_instruction(name: str) -> Any:
    """Makes the function of one float that is an instruction of LLVM."""
    return intrinsic("x: real -> real")(lambda code, x: x.call(name))


def _make_choice(choose: Callable[[Value, Value], Value]) -> Any:
    """Makes the NaN-aware choice of one of two elements, of any type."""
    return intrinsic("x: same, y: same -> same")(lambda code, x, y: choose(x, y))


def _make_truncation(element: str) -> Any:
    """Makes the function that rounds a float towards zero, defined for every number.

    The instruction for it is not (`ops.truncation`): what LLVM makes of a number out of
    range differs between the vectors of a loop and what is left of it, between widths of
    vectors, and between processors. Here a number that does not fit becomes the smallest
    integer before it is converted. LLVM makes vectors of it.
    """

    def truncate(code: Code, x: Value) -> Value:
        limit = 2.0 ** (8 * ELEMENTS[element].nbytes - 1)
        # NaN is not inside.
        fits = select(abs(x) < limit, x, x.constant(-limit))
        return fits.to(ELEMENTS[element])

    return intrinsic(f"x: real -> {element}")(truncate)


@intrinsic("address: word, args: word, lo: word, hi: word")
def _call_kernel(code: Code, address: Value, args: Value, lo: Value, hi: Value) -> None:
    """Calls a kernel by its address, with the address of its arguments and a range."""
    kernel = code.builder.inttoptr(address.raw, _KERNEL.as_pointer())
    words = code.pointer(args, INT64)
    code.builder.call(kernel, [words.raw, lo.raw, hi.raw])


@intrinsic("status: word, reported: word, operation: word, index: word, value: word")
def _report_status(code: Code, status: Value, reported: Value, *others: Value) -> None:
    """Writes an error into the status words at an address, unless there is one already.

    Several threads may report at once: the first to exchange the zero code for its
    own goes on to write the rest. The loop reads the rest only after all chunks of
    the instruction have ended, so the order of these writes does not matter.
    """
    words, builder = code.pointer(status, INT64), code.builder
    place = words.at(StatusWord.CODE).raw
    order = ("monotonic", "monotonic")
    exchange = builder.cmpxchg(place, _I64(0), reported.raw, *order)
    with builder.if_then(builder.extract_value(exchange, 1), likely=True):
        places = (StatusWord.OPERATION, StatusWord.INDEX, StatusWord.VALUE)
        for number, word in zip(places, others, strict=True):
            words.at(number).store(word)


_INTEGERS: Final = [
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
]

FUNCTIONS: Final[dict[str, Any]] = {
    **{f"pointer_{name}": _make_pointer(name) for name in _INTEGERS},
    **{f"pointer_{name}": _make_pointer(name) for name in ("float32", "float64")},
    **{name: _make_instruction(name) for name in ("sqrt", "floor", "ceil", "rint")},
    **{f"truncate_{name}": _make_truncation(name) for name in ("int32", "int64")},
    "maximum": _make_choice(vectors.maximum),
    "minimum": _make_choice(vectors.minimum),
    "larger": _make_choice(vectors.larger),
    "smaller": _make_choice(vectors.smaller),
    "call_kernel": _call_kernel,
    "report_status": _report_status,
}
"""Functions for kernels, by the names that their texts have for them."""
