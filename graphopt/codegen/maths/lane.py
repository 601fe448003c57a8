"""Arithmetic of one vector lane, written as Python expressions.

The functions of `vector_math` are straight lines of arithmetic: no branch, no table, no
call. Written as Python functions they would cost numba 20 to 100 ms of type inference
wherever they are used; written as calls of an IR builder nobody could read them. A
`Number` wraps a value of the builder and has Python's operators, so that
`fma(r * r, q, r) + 1.0` emits just that. LLVM's vectorizer makes vectors of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from graphopt.codegen.compile.native import cgutils

__all__ = ["DOUBLE", "SINGLE", "Format", "Number", "evaluate", "fma", "select"]


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Attributes:
        real: LLVM's type of its numbers.
        word: LLVM's type of their bits.
        suffix: How LLVM's intrinsics call it.
        mantissa_bits: Bits below the hidden one.
        bias: Bias of the exponent.
        smallest: Smallest normal number.
    """

    real: ir.Type
    word: ir.Type
    suffix: str
    mantissa_bits: int
    bias: int
    smallest: float

    @property
    def shifter(self) -> float:
        """Adding it moves the integer part of a small number to the lowest bits."""
        return 1.5 * 2.0**self.mantissa_bits

    def encode(self, value: float) -> int:
        """Find the bits of a number."""
        if self.mantissa_bits == 23:
            return int(np.float32(value).view(np.int32))
        return int(np.float64(value).view(np.int64))


SINGLE = Format(ir.FloatType(), ir.IntType(32), "f32", 23, 127, 2.0**-126)
DOUBLE = Format(ir.DoubleType(), ir.IntType(64), "f64", 52, 1023, 2.0**-1022)


@dataclass(frozen=True, eq=False)
class Number:
    """A floating-point value in the code that is being written.

    Attributes:
        builder: LLVM's builder.
        form: Format of the value.
        value: LLVM's value.
        is_fused: Whether the machine multiplies and adds with one rounding.
    """

    builder: Any
    form: Format
    value: Any
    is_fused: bool

    def constant(self, value: float) -> Number:
        """Make a number of the same format."""
        return self._make(ir.Constant(self.form.real, value))

    def _make(self, value: Any) -> Number:
        return Number(self.builder, self.form, value, self.is_fused)

    def _coerce(self, other: Number | float) -> Any:
        return other.value if isinstance(other, Number) else self.constant(other).value

    def __add__(self, other: Number | float) -> Number:
        """Add."""
        return self._make(self.builder.fadd(self.value, self._coerce(other)))

    def __radd__(self, other: float) -> Number:
        """Add."""
        return self._make(self.builder.fadd(self._coerce(other), self.value))

    def __sub__(self, other: Number | float) -> Number:
        """Subtract."""
        return self._make(self.builder.fsub(self.value, self._coerce(other)))

    def __rsub__(self, other: float) -> Number:
        """Subtract."""
        return self._make(self.builder.fsub(self._coerce(other), self.value))

    def __mul__(self, other: Number | float) -> Number:
        """Multiply."""
        return self._make(self.builder.fmul(self.value, self._coerce(other)))

    def __rmul__(self, other: float) -> Number:
        """Multiply."""
        return self._make(self.builder.fmul(self._coerce(other), self.value))

    def __truediv__(self, other: Number | float) -> Number:
        """Divide."""
        return self._make(self.builder.fdiv(self.value, self._coerce(other)))

    def __rtruediv__(self, other: float) -> Number:
        """Divide."""
        return self._make(self.builder.fdiv(self._coerce(other), self.value))

    def __neg__(self) -> Number:
        """Change the sign."""
        return self._make(self.builder.fneg(self.value))

    def __lt__(self, other: Number | float) -> Any:
        """Compare; false if either is NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._coerce(other))

    def __gt__(self, other: Number | float) -> Any:
        """Compare; false if either is NaN."""
        return self.builder.fcmp_ordered(">", self.value, self._coerce(other))

    def equals(self, other: Number | float) -> Any:
        """Compare; false if either is NaN."""
        return self.builder.fcmp_ordered("==", self.value, self._coerce(other))

    def is_nan(self) -> Any:
        """Test for NaN."""
        return self.builder.fcmp_unordered("uno", self.value, self.value)

    def call(self, name: str, *others: Number) -> Number:
        """Call an LLVM intrinsic on values of this format."""
        values = [self.value, *(other.value for other in others)]
        kind = ir.FunctionType(self.form.real, [self.form.real] * len(values))
        name = f"llvm.{name}.{self.form.suffix}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self._make(self.builder.call(function, values))

    def __abs__(self) -> Number:
        """Clear the sign."""
        return self.call("fabs")

    def round(self) -> Number:
        """Round to the nearest integer, halves to even."""
        return self.call("rint")

    def to_bits(self) -> Any:
        """Read the bits as an LLVM integer."""
        return self.builder.bitcast(self.value, self.form.word)

    def from_bits(self, bits: Any) -> Number:
        """Read an LLVM integer as a number of this format."""
        return self._make(self.builder.bitcast(bits, self.form.real))

    def to_double(self) -> Number:
        """Convert to double precision, exactly."""
        value = self.builder.fpext(self.value, DOUBLE.real)
        return Number(self.builder, DOUBLE, value, self.is_fused)

    def to_single(self) -> Number:
        """Round to single precision."""
        value = self.builder.fptrunc(self.value, SINGLE.real)
        return Number(self.builder, SINGLE, value, self.is_fused)


def fma(x: Number, y: Number | float, z: Number | float) -> Number:
    """Compute x * y + z, with one rounding where the machine can do it fast."""
    y = y if isinstance(y, Number) else x.constant(y)
    z = z if isinstance(z, Number) else x.constant(z)
    return x.call("fma", y, z) if x.is_fused else x * y + z


def select(condition: Any, yes: Number | float, no: Number) -> Number:
    """Choose `yes` where the condition holds, else `no`."""
    yes = yes if isinstance(yes, Number) else no.constant(yes)
    value = no.builder.select(condition, yes.value, no.value)
    return Number(no.builder, no.form, value, no.is_fused)


def evaluate(x: Number, coefficients: Sequence[float]) -> Number:
    """Evaluate a polynomial, its highest coefficient first, by Horner's rule."""
    total = x.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = fma(total, x, coefficient)
    return total
