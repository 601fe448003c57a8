"""Removes arithmetic that changes nothing, for NaN, infinities and -0.0 as well.

Every rule here gives the bits that the op it removes gives. One freedom is left, which
the compiled tape has anyway: a denormal that the removed op would have flushed to zero
stays what the interpreter says it is.

Rules that look right and are wrong, so that nobody adds them again:

    x * 0 -> 0              NaN and infinity give NaN; -1 gives -0.0
    x - x -> 0              infinity gives NaN
    x / x -> 1              0, infinity and NaN give NaN
    x + 0.0 -> x            -0.0 + 0.0 is 0.0; adding -0.0 is what changes nothing
    0.0 - x -> -x           0.0 - 0.0 is 0.0, -(0.0) is -0.0
    exp(log(x)) -> x        rounds twice; negative numbers give NaN
    log(exp(x)) -> x        exp overflows and underflows
    1 / (1 / x) -> x        rounds twice; 1 / 1e-39 is infinite in float32
    sqrt(x * x) -> abs(x)   x * x overflows and underflows
    pow(x, 2) -> x * x      pow rounds otherwise for 4 to 8 of 10,000 numbers
    sum(x, axis=()) -> x    a sum starts at 0.0 and makes that of -0.0
    pow(x, 0.5) -> sqrt(x)  -infinity gives infinity and -0.0 gives 0.0
    x * y + x * z -> x * (y + z), (x + y) + z -> x + (y + z)   round otherwise
    max(x, x + 1) -> x + 1  NaN, infinity and everything above 2 ** 24 in float32
    argmin(exp(x)) -> argmin(x)     ties appear where exp rounds to equal numbers
    cast(cast(x, float16), float32) -> x    drops the rounding that was asked for
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import OpSpec
from graphopt.graph.program import Program
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST, FILL
from graphopt.ops.elementwise import (
    ADD,
    CAST,
    DIV,
    LOGICAL_AND,
    LOGICAL_NOT,
    LOGICAL_OR,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    POW,
    SELECT,
    SUB,
)
from graphopt.ops.reduction import ALL, ANY, BROADCAST_TO, MAX, MIN, PROD
from graphopt.ops.shaping import (
    EXPAND_DIMS,
    IDENTITY,
    RESHAPE,
    SQUEEZE,
    STOP_GRADIENT,
    TRANSPOSE,
)
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.node_rules import (
    NodeRule,
    apply_rules,
    node_rule,
    replacement,
    same_type,
)

# ---- constants


def constant_elements(tensor: GraphTensor) -> NDArray[Any] | None:
    """Returns the value of a constant, of a filled tensor its one element, or None."""
    op = tensor.op
    if op.spec is FILL:
        op = op.inputs[0].op
    return op.attrs["value"] if op.spec is CONST else None


def is_constant(tensor: GraphTensor, number: float) -> bool:
    """Returns whether all elements are one number; 0.0 and -0.0 are two."""
    elements = constant_elements(tensor)
    # The first one decides nearly always, and there may be millions.
    if elements is None or not np.all(elements.flat[:1] == number):
        return False
    if not np.all(elements == number):
        return False
    return bool(np.all(np.signbit(elements) == np.signbit(number)))


# ---- arithmetic


@node_rule(MUL)
def remove_multiply_by_one(op: Operation) -> GraphTensor | None:
    """x * 1 and 1 * x -> x."""
    x, y = op.inputs
    if is_constant(y, 1):
        return x
    return y if is_constant(x, 1) else None


@node_rule(DIV)
def remove_divide_by_one(op: Operation) -> GraphTensor | None:
    """x / 1 -> x."""
    x, divisor = op.inputs
    return x if is_constant(divisor, 1) else None


@node_rule(DIV)
def multiply_by_exact_reciprocal(op: Operation) -> GraphTensor | None:
    """x / 2**k -> x * 2**-k: both are the same real number, rounded once."""
    x, divisor = op.inputs
    elements = constant_elements(divisor)
    if elements is None or not same_type(x, op.outputs[0]):
        return None
    # fractions * 2**exponents; those of powers of two are 0.5 or -0.5.
    fractions, exponents = np.frexp(elements)
    limits = np.finfo(elements.dtype)
    # A denormal factor would be flushed to zero, and a divisor that is one has none.
    is_normal = (1 - exponents >= limits.minexp) & (1 - exponents < limits.maxexp)
    if not np.all((np.abs(fractions) == 0.5) & is_normal):
        return None
    reciprocals = np.asarray(np.ldexp(2 * fractions, 1 - exponents), elements.dtype)
    factor = replacement(
        op,
        CONST,
        (),
        {"value": reciprocals},
        suffix="/reciprocal",
        output_types=[(reciprocals.shape, divisor.dtype)],
    )
    return replacement(op, MUL, (x, factor), {})


@node_rule(SUB)
def remove_subtract_zero(op: Operation) -> GraphTensor | None:
    """x - 0 -> x, for -0.0 too; x - (-0.0) is another matter."""
    x, zero = op.inputs
    return x if is_constant(zero, 0) else None


@node_rule(ADD)
def remove_add_zero(op: Operation) -> GraphTensor | None:
    """x + (-0.0) -> x, and x + 0 for integers, which have one zero."""
    x, y = op.inputs
    zero = -0.0 if x.dtype.is_floating else 0
    if is_constant(y, zero):
        return x
    return y if is_constant(x, zero) else None


@node_rule(POW)
def remove_power_of_one(op: Operation) -> GraphTensor | None:
    """x ** 1 -> x."""
    x, exponent = op.inputs
    return x if is_constant(exponent, 1) else None


@node_rule(NEG)
def remove_double_negation(op: Operation) -> GraphTensor | None:
    """-(-x) -> x: a negation flips one bit."""
    (inner,) = op.inputs
    return _through(inner, NEG)


@node_rule(LOGICAL_NOT)
def remove_double_not(op: Operation) -> GraphTensor | None:
    """not not x -> x."""
    (inner,) = op.inputs
    return _through(inner, LOGICAL_NOT)


@node_rule(MAXIMUM, MINIMUM, LOGICAL_AND, LOGICAL_OR)
def remove_idempotent(op: Operation) -> GraphTensor | None:
    """max(x, x), min(x, x), x and x, x or x -> x; NaN stays NaN."""
    x, y = op.inputs
    return x if x is y else None


@node_rule(SELECT)
def remove_equal_branches(op: Operation) -> GraphTensor | None:
    """where(c, x, x) -> x."""
    _, x, y = op.inputs
    return x if x is y else None


def _through(tensor: GraphTensor, spec: OpSpec) -> GraphTensor | None:
    """Returns the input of the op that made a tensor, if it is of a kind."""
    op = tensor.op
    return op.inputs[0] if op.spec is spec and not op.control_inputs else None


# ---- casts


@node_rule(CAST)
def remove_cast_to_same(op: Operation) -> GraphTensor | None:
    """cast(x, dtype of x) -> x."""
    (x,) = op.inputs
    return x if x.dtype is op.outputs[0].dtype else None


@node_rule(CAST)
def join_casts(op: Operation) -> GraphTensor | None:
    """cast(cast(x, wide), dtype) -> cast(x, dtype), where wide holds every x."""
    (wide,) = op.inputs
    x, dtype = _through(wide, CAST), op.outputs[0].dtype
    if x is None or not _holds(wide.dtype, x.dtype):
        return None
    if dtype is x.dtype:
        return x
    # What a float out of range becomes as an integer depends on the float's width.
    if dtype.is_bool or (not dtype.is_floating and not wide.dtype.is_integer):
        return None
    return replacement(op, CAST, (x,), {"dtype": dtype})


def _holds(wide: DType, dtype: DType) -> bool:
    """Returns whether every value of a dtype is one of `wide` as well."""
    if dtype.is_bool:
        return True
    if wide.is_bool or (dtype.is_floating and not wide.is_floating):
        return False
    if dtype.is_integer and wide.is_floating:
        return np.iinfo(dtype.numpy).bits <= np.finfo(wide.numpy).nmant + 1
    return bool(np.can_cast(dtype.numpy, wide.numpy, "safe"))


# ---- shapes


@node_rule(IDENTITY, STOP_GRADIENT, BROADCAST_TO, RESHAPE, EXPAND_DIMS, SQUEEZE)
def remove_same_shape(op: Operation) -> GraphTensor | None:
    """Identity, and a reshape or broadcast to the shape that x has -> x."""
    (x,) = op.inputs
    return x if same_type(x, op.outputs[0]) else None


@node_rule(MAX, MIN, PROD, ALL, ANY)
def remove_reduction_over_nothing(op: Operation) -> GraphTensor | None:
    """reduce_max(x, axis=()) -> x, and likewise what keeps -0.0 and NaN."""
    return op.inputs[0] if op.attrs["axis"] == () else None


_RESHAPES: Final = (RESHAPE, EXPAND_DIMS, SQUEEZE)


@node_rule(*_RESHAPES)
def join_reshapes(op: Operation) -> GraphTensor | None:
    """reshape(reshape(x)) -> reshape(x)."""
    inner, out = op.inputs[0].op, op.outputs[0]
    if inner.spec not in _RESHAPES or inner.control_inputs:
        return None
    if not (out.shape.is_fully_defined() and inner.inputs[0].shape.is_fully_defined()):
        return None
    return replacement(op, RESHAPE, inner.inputs[:1], {"shape": tuple(out.shape)})


@node_rule(TRANSPOSE)
def join_transposes(op: Operation) -> GraphTensor | None:
    """transpose(transpose(x)) -> one transpose, or x if nothing moves."""
    (inner,), perm = op.inputs, op.attrs["perm"]
    if perm == tuple(range(len(perm))):
        return inner
    x = _through(inner, TRANSPOSE)
    if x is None:
        return None
    joined = tuple(inner.op.attrs["perm"][axis] for axis in perm)
    return replacement(op, TRANSPOSE, (x,), {"perm": joined})


RULES: Final[tuple[NodeRule, ...]] = (
    remove_multiply_by_one,
    remove_divide_by_one,
    multiply_by_exact_reciprocal,
    remove_subtract_zero,
    remove_add_zero,
    remove_power_of_one,
    remove_double_negation,
    remove_double_not,
    remove_idempotent,
    remove_equal_branches,
    remove_cast_to_same,
    join_casts,
    remove_same_shape,
    remove_reduction_over_nothing,
    join_reshapes,
    join_transposes,
)


@graph_pass(preserves="bits")
def simplify_algebra(program: Program) -> Program:
    """Removes arithmetic, casts and moves that change nothing."""
    return apply_rules(program, RULES)
