"""What kernels of random numbers call: tables, functions of C, words without a sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.compile.native import make_intrinsic, types
from graphopt.codegen.maths.special_functions import from_library
from graphopt.codegen.random.ziggurat_layers import HEIGHTS, INSIDE, WIDTHS

__all__ = ["make_random_functions"]

_I64, _I128 = ir.IntType(64), ir.IntType(128)


def _make_table(name: str, text: str, scalar: Any) -> Any:
    """Makes the function that returns a pointer to one of the tables."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        words = [_I64(int(word, 16)) for word in text.split()]
        kind = ir.ArrayType(_I64, len(words))
        if name not in builder.module.globals:
            table = ir.GlobalVariable(builder.module, kind, name)
            table.initializer = ir.Constant(kind, words)
            table.linkage, table.global_constant = "internal", True
        table = builder.module.globals[name]
        return builder.bitcast(table, context.get_value_type(scalar).as_pointer())

    def get_table(typing_context: Any) -> Any:
        return types.CPointer(scalar)(), generate

    return make_intrinsic(get_table)


def _on_words(emit: Callable[[Any, Any, Any], Any], result: Any) -> Any:
    """Makes a function of two int64 that are taken as numbers without a sign."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return emit(builder, *values)

    def function(typing_context: Any, x: Any, y: Any) -> Any:
        return result(types.int64, types.int64), generate

    return make_intrinsic(function)


def _high_product(builder: Any, x: Any, y: Any) -> Any:
    product = builder.mul(builder.zext(x, _I128), builder.zext(y, _I128))
    return builder.trunc(builder.lshr(product, _I128(64)), _I64)


# `+`, `-` and `*` of numbers with a sign are undefined where they wrap around.
_ON_WORDS: Final[dict[str, tuple[Callable[[Any, Any, Any], Any], Any]]] = {
    "words_sum": (lambda builder, x, y: builder.add(x, y), types.int64),
    "words_difference": (lambda builder, x, y: builder.sub(x, y), types.int64),
    "words_product": (lambda builder, x, y: builder.mul(x, y), types.int64),
    "words_high_product": (_high_product, types.int64),
    "words_remainder": (lambda builder, x, y: builder.urem(x, y), types.int64),
    "words_less": (lambda b, x, y: b.icmp_unsigned("<", x, y), types.boolean),
}


def make_random_functions() -> dict[str, Any]:
    """Returns what the kernels of random numbers call, under its names."""
    return {
        "ziggurat_inside": _make_table("ziggurat_inside", INSIDE, types.int64),
        "ziggurat_widths": _make_table("ziggurat_widths", WIDTHS, types.float64),
        "ziggurat_heights": _make_table("ziggurat_heights", HEIGHTS, types.float64),
        # NumPy calls them, too; those of `vector_math` have other last bits.
        "library_exp": from_library("exp", 1),
        "library_log1p": from_library("log1p", 1),
        **{name: _on_words(*found) for name, found in _ON_WORDS.items()},
    }
