"""Floats to integers, defined for every number (`ops.truncation` says how).

The instruction for it is not: what LLVM makes of a number out of range differs between the
vectors of a loop and what is left of it, between widths of vectors, and between
processors. Here a number that does not fit becomes the smallest integer before it is
converted. It is one comparison more, and LLVM makes vectors of it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphopt.codegen.compile.native import cgutils, make_intrinsic, types

__all__ = ["truncate_int32", "truncate_int64"]


def _make_truncation(bits: int) -> Any:
    """Make the function of a float that returns an integer of so many bits."""
    result = types.int32 if bits == 32 else types.int64

    def truncate(typing_context: Any, x: Any) -> Any:
        if not isinstance(x, types.Float):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = context.get_value_type(x)
            unary = ir.FunctionType(kind, [kind])
            name = f"llvm.fabs.f{x.bitwidth}"
            absolute = cgutils.get_or_insert_function(builder.module, unary, name)
            limit = 2.0 ** (bits - 1)
            # Ordered, so that NaN is not inside.
            is_inside = builder.fcmp_ordered(
                "<", builder.call(absolute, values), ir.Constant(kind, limit)
            )
            fits = builder.select(is_inside, values[0], ir.Constant(kind, -limit))
            return builder.fptosi(fits, ir.IntType(bits))

        return result(x), generate

    truncate.__name__ = f"truncate_int{bits}"
    truncate.__doc__ = f"Round a float towards zero to {bits} bits."
    return make_intrinsic(truncate)


truncate_int32 = _make_truncation(32)
truncate_int64 = _make_truncation(64)
