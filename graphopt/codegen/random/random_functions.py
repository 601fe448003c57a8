"""What kernels of random numbers call: tables, functions of C, words without a sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import ELEMENTS, INT64, Code, Pointer, Value
from graphopt.codegen.maths.special_functions import from_library
from graphopt.codegen.random.ziggurat_layers import HEIGHTS, INSIDE, WIDTHS

__all__ = ["make_random_functions", "multiply_wide"]

_WIDE = ELEMENTS["uint128"]


def multiply_wide(x: Value, y: Value | int) -> tuple[Value, Value]:
    """Returns the high and the low half of a product of words without a sign.

    Both come from one instruction, which Python has no word for.
    """
    wide = x.as_unsigned().to(_WIDE)
    product = wide * (y.as_unsigned().to(_WIDE) if isinstance(y, Value) else y)
    return (product >> 64).to(INT64), product.to(INT64)


def _table(name: str, text: str, element: str) -> Any:
    """Makes the function that returns a pointer to one of the tables of bits."""

    def get_table(code: Code) -> Pointer:
        words = [int(word, 16) for word in text.split()]
        return code.table(name, INT64, words).to(ELEMENTS[element])

    return intrinsic(f"-> pointer {element}")(get_table)


def _on_words(compute: Callable[[Value, Value], Value], result: str = "word") -> Any:
    """Makes a function of two int64 that are taken as numbers without a sign."""

    def write(code: Code, x: Value, y: Value) -> Value:
        return compute(x.as_unsigned(), y.as_unsigned())

    return intrinsic(f"x: word, y: word -> {result}")(write)


def make_random_functions() -> dict[str, Any]:
    """Returns what the kernels of random numbers call, under its names."""
    return {
        "ziggurat_inside": _table("ziggurat_inside", INSIDE, "int64"),
        "ziggurat_widths": _table("ziggurat_widths", WIDTHS, "float64"),
        "ziggurat_heights": _table("ziggurat_heights", HEIGHTS, "float64"),
        # NumPy calls them, too; those of `vector_math` have other last bits.
        "library_exp": from_library("exp"),
        "library_log1p": from_library("log1p"),
        # `+`, `-` and `*` of numbers with a sign are undefined where they wrap around.
        "words_sum": _on_words(lambda x, y: x + y),
        "words_difference": _on_words(lambda x, y: x - y),
        "words_product": _on_words(lambda x, y: x * y),
        "words_high_product": _on_words(lambda x, y: multiply_wide(x, y)[0]),
        "words_remainder": _on_words(lambda x, y: x % y),
        "words_less": _on_words(lambda x, y: x < y, "boolean"),
    }
