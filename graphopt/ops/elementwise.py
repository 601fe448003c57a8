"""Ops on corresponding elements: arithmetic, comparison, logic and functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    REGISTRY,
    Cost,
    Elementwise,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.status import Report
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import ones_like, zeros_like
from graphopt.ops.elementwise_specs import (
    INTEGERS,
    NUMERIC,
    SIGNED,
    binary,
    compare,
    elementwise,
)
from graphopt.ops.quietly import quietly
from graphopt.ops.truncation import cast_array

# ---- arithmetic


def _explain_division(report: Report) -> InvalidArgumentError:
    return division_error(report.op)


def division_error(op: Any = None) -> InvalidArgumentError:
    """Makes the error for an integer that is divided by zero.

    Args:
      op: The operation, where there is one.
    """
    return fail(
        InvalidArgumentError,
        "Integer division by zero",
        got="a divisor that is 0",
        expected="divisors other than 0",
        op=op,
        site=None if op is not None else str(user_site()),
        remedy="tf.where to replace the zeros",
    )


def _integer_division(function: Any) -> Any:
    def divide(x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and not np.all(y):
            raise division_error()
        return function(x, y)

    return divide


def _pow_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # log is taken where it exists only, as TensorFlow does: 0 ** y has derivative 0.
    if x.dtype.is_complex:
        exists = not_equal(x, 0)
        safe_log = where(exists, log(where(exists, x, ones_like(x))), zeros_like(x))
        return g * y * pow(x, y - 1), g * z * safe_log
    safe_log = where(x > 0, log(where(x > 0, x, ones_like(x))), zeros_like(x))
    return g * y * pow(x, y - 1), g * z * safe_log


ADD = binary(
    "AddV2",
    "({0} + {1})",
    np.add,
    lambda g, z, x, y: (g, g),
    complex=True,
    strings=True,  # which it joins
    cost=Cost.ARITHMETIC,
)
SUB = binary(
    "Sub",
    "({0} - {1})",
    np.subtract,
    lambda g, z, x, y: (g, -g),
    complex=True,
    cost=Cost.ARITHMETIC,
)
MUL = binary(
    "Mul",
    "({0} * {1})",
    np.multiply,
    lambda g, z, x, y: (g * y, g * x),
    complex=True,
    cost=Cost.ARITHMETIC,
)
DIV = binary(
    "RealDiv",
    "({0} / {1})",
    np.true_divide,
    lambda g, z, x, y: (g / y, -g * x / y / y),
    over=dtypes.FLOATING,
    domain=(0.5, 2.0),
    complex=True,
    cost=Cost.DIVISION,
)
FLOORDIV = binary(
    "FloorDiv",
    "floordiv({0}, {1})",
    _integer_division(np.floor_divide),
    lambda g, z, x, y: (None, None),
    domain=(0.5, 3.0),
    host_dtypes=INTEGERS,  # their kernel, which looks for zeros, is in no fused loop
    integer_kernel=Family("division", "quotient"),
    explain=_explain_division,
    cost=Cost.UNRATED,
)
FLOORMOD = binary(
    "FloorMod",
    "floormod({0}, {1})",
    _integer_division(np.mod),
    lambda g, z, x, y: (g, -g * (x // y)),
    domain=(0.5, 3.0),
    host_dtypes=INTEGERS,
    integer_kernel=Family("division", "remainder"),
    explain=_explain_division,
    cost=Cost.UNRATED,
)
POW = binary(
    "Pow",
    "pow({0}, {1})",
    np.power,
    _pow_vjp,
    domain=(0.3, 2.0),
    host_dtypes=INTEGERS,
    complex=True,
    cost=Cost.FUNCTION,
)
MAXIMUM = binary(
    "Maximum",
    "maximum({0}, {1})",
    np.maximum,
    lambda g, z, x, y: (where(x >= y, g, 0.0), where(x >= y, 0.0, g)),
    cost=Cost.ARITHMETIC,
)
MINIMUM = binary(
    "Minimum",
    "minimum({0}, {1})",
    np.minimum,
    lambda g, z, x, y: (where(x <= y, g, 0.0), where(x <= y, 0.0, g)),
    cost=Cost.ARITHMETIC,
)
SQUARED_DIFFERENCE = binary(
    "SquaredDifference",
    "(({0} - {1}) * ({0} - {1}))",
    lambda x, y: np.square(x - y),
    lambda g, z, x, y: (2 * g * (x - y), -2 * g * (x - y)),
    cost=Cost.ARITHMETIC,
)

NEG = elementwise(
    "Neg",
    numpy=np.negative,
    kernel="(-{0})",
    over=SIGNED,
    vjp=lambda g, y, x: (-g,),
    complex=True,
    cost=Cost.ARITHMETIC,
)
ABS = elementwise(
    "Abs",
    numpy=np.absolute,
    kernel="abs({0})",
    over=SIGNED,
    vjp=lambda g, y, x: (g * sign(x),),
    cost=Cost.ARITHMETIC,
)
SIGN = elementwise(
    "Sign",
    numpy=np.sign,
    kernel="sign({0})",
    over=SIGNED,
    vjp=lambda g, y, x: (zeros_like(x),),
    cost=Cost.UNRATED,
)
SQUARE = elementwise(
    "Square",
    numpy=np.square,
    kernel="({0} * {0})",
    over=NUMERIC,
    vjp=lambda g, y, x: (g * (2 * x),),
    complex=True,
    cost=Cost.ARITHMETIC,
)
RECIPROCAL = elementwise(
    "Reciprocal",
    numpy=np.reciprocal,
    kernel="(one({0}) / {0})",
    vjp=lambda g, y, x: (_times_unless_zero(-y * y, g),),
    domain=(0.5, 2.0),
    complex=True,
    cost=Cost.DIVISION,
)

# ---- functions


def _times_unless_zero(slope: Any, g: Any) -> Any:
    """A cotangent times a slope that may be infinite or NaN; 0 where the cotangent is 0.

    So `where(x > 0, sqrt(x), 0)` has a derivative at 0. TensorFlow's kernels of these
    derivatives do the same. (The op is made of more than there is here.)
    """
    return call(REGISTRY["MulNoNan"], slope, g)


EXP = elementwise(
    "Exp",
    numpy=np.exp,
    kernel="exp({0})",
    vjp=lambda g, y, x: (g * y,),
    complex=True,
    cost=Cost.FUNCTION,
)
EXPM1 = elementwise(
    "Expm1",
    numpy=np.expm1,
    kernel="expm1({0})",
    vjp=lambda g, y, x: (g * exp(x),),
    complex=True,
    cost=Cost.FUNCTION,
)
LOG = elementwise(
    "Log",
    numpy=np.log,
    kernel="log({0})",
    vjp=lambda g, y, x: (g / x,),
    domain=(0.2, 4.0),
    complex=True,
    cost=Cost.FUNCTION,
)
LOG1P = elementwise(
    "Log1p",
    numpy=np.log1p,
    kernel="log1p({0})",
    vjp=lambda g, y, x: (g / (1 + x),),
    domain=(-0.5, 4.0),
    complex=True,
    cost=Cost.FUNCTION,
)
SQRT = elementwise(
    "Sqrt",
    numpy=np.sqrt,
    kernel="sqrt({0})",
    vjp=lambda g, y, x: (_times_unless_zero(0.5 / y, g),),
    domain=(0.2, 4.0),
    complex=True,
    cost=Cost.DIVISION,
)
RSQRT = elementwise(
    "Rsqrt",
    numpy=lambda x: 1 / np.sqrt(x),
    kernel="rsqrt({0})",
    vjp=lambda g, y, x: (_times_unless_zero(-0.5 * y * y * y, g),),
    domain=(0.2, 4.0),
    complex=True,
    cost=Cost.DIVISION,
)
SIN = elementwise(
    "Sin",
    numpy=np.sin,
    kernel="sin({0})",
    vjp=lambda g, y, x: (g * cos(x),),
    complex=True,
    cost=Cost.FUNCTION,
)
COS = elementwise(
    "Cos",
    numpy=np.cos,
    kernel="cos({0})",
    vjp=lambda g, y, x: (-g * sin(x),),
    complex=True,
    cost=Cost.FUNCTION,
)
TANH = elementwise(
    "Tanh",
    numpy=np.tanh,
    kernel="tanh({0})",
    vjp=lambda g, y, x: (g * (1 - y * y),),
    complex=True,
    cost=Cost.FUNCTION,
)


def _sigmoid(x: Any) -> Any:
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    # exp of a negative number only, so that neither end overflows
    e = np.exp(-np.absolute(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.absolute(x)))


def _erf(x: Any) -> Any:
    erf = np.frompyfunc(math.erf, 1, 1)
    return np.asarray(erf(x.astype(np.float64)), np.float64)


SIGMOID = elementwise(
    "Sigmoid",
    numpy=_sigmoid,
    kernel="sigmoid({0})",
    vjp=lambda g, y, x: (g * y * (1 - y),),
    complex=True,
    cost=Cost.FUNCTION,
)
SOFTPLUS = elementwise(
    "Softplus",
    numpy=_softplus,
    kernel="softplus({0})",
    vjp=lambda g, y, x: (g * sigmoid(x),),
    cost=Cost.FUNCTION,
)
ERF = elementwise(
    "Erf",
    numpy=_erf,
    kernel="erf({0})",
    vjp=lambda g, y, x: (g * (2 / math.sqrt(math.pi)) * exp(-x * x),),
    cost=Cost.FUNCTION,
)
RELU = elementwise(
    "Relu",
    numpy=lambda x: np.maximum(x, 0),
    kernel="maximum({0}, zero({0}))",
    vjp=lambda g, y, x: (where(y > 0, g, 0.0),),
    over=NUMERIC,
    cost=Cost.ARITHMETIC,
)
FLOOR = elementwise(
    "Floor",
    numpy=np.floor,
    kernel="floor({0})",
    vjp=NOT_DIFFERENTIABLE,
    cost=Cost.UNRATED,
)
CEIL = elementwise(
    "Ceil",
    numpy=np.ceil,
    kernel="ceil({0})",
    vjp=NOT_DIFFERENTIABLE,
    cost=Cost.UNRATED,
)
ROUND = elementwise(
    "Round",
    numpy=np.rint,
    kernel="round({0})",
    vjp=NOT_DIFFERENTIABLE,
    cost=Cost.UNRATED,
)
for _name, _numpy in (
    ("IsNan", np.isnan),
    ("IsInf", np.isinf),
    ("IsFinite", np.isfinite),
):
    elementwise(
        _name,
        numpy=_numpy,
        kernel=_name.lower() + "({0})",
        vjp=NOT_DIFFERENTIABLE,
        cost=Cost.UNRATED,
        result=dtypes.bool_,
    )

# ---- comparison and logic

GREATER = compare(
    "Greater",
    ">",
    np.greater,
    cost=Cost.LOGIC,
)
GREATER_EQUAL = compare(
    "GreaterEqual",
    ">=",
    np.greater_equal,
    cost=Cost.LOGIC,
)
LESS = compare(
    "Less",
    "<",
    np.less,
    cost=Cost.LOGIC,
)
LESS_EQUAL = compare(
    "LessEqual",
    "<=",
    np.less_equal,
    cost=Cost.LOGIC,
)
EQUAL = compare(
    "Equal",
    "==",
    np.equal,
    dtypes.ALL,
    complex=True,
    strings=True,
    cost=Cost.UNRATED,
)
NOT_EQUAL = compare(
    "NotEqual",
    "!=",
    np.not_equal,
    dtypes.ALL,
    complex=True,
    strings=True,
    cost=Cost.UNRATED,
)


def _logic(name: str, sign: str, function: Any) -> OpSpec:
    return elementwise(
        name,
        numpy=function,
        kernel=f"({{0}} {sign} {{1}})",
        vjp=NOT_DIFFERENTIABLE,
        cost=Cost.LOGIC,
        arity=2,
        over=(dtypes.bool_,),
    )


LOGICAL_AND = _logic("LogicalAnd", "&", np.logical_and)
LOGICAL_OR = _logic("LogicalOr", "|", np.logical_or)
LOGICAL_NOT = elementwise(
    "LogicalNot",
    numpy=np.logical_not,
    kernel="({0} == zero({0}))",
    vjp=NOT_DIFFERENTIABLE,
    over=(dtypes.bool_,),
    cost=Cost.LOGIC,
)


def _where_samples() -> list[Sample]:
    rng = np.random.default_rng(3)
    out = []
    for shapes in (((3, 4),) * 3, ((3, 1), (4,), ()), ((), (2,), (2,))):
        for dtype in (np.float64, np.float32, np.int32):
            x, y = (rng.uniform(-9, 9, s).astype(dtype) for s in shapes[1:])
            out.append(Sample((np.asarray(rng.random(shapes[0]) > 0.5), x, y)))
    return out


SELECT = elementwise(
    "SelectV2",
    numpy=np.where,
    kernel="select({0}, {1}, {2})",
    vjp=lambda g, z, c, x, y: (None, where(c, g, 0.0), where(c, 0.0, g)),
    arity=3,
    over=dtypes.ALL,
    types=("bool", "T", "T"),
    samples=_where_samples,
    complex=True,
    strings=True,
    cost=Cost.LOGIC,
)

# ---- casts and copies


def _cast_infer(x: Any, *, dtype: DType) -> tuple[TensorShape, DType]:
    return x.shape, dtype


def _cast_compute(x: Any, *, dtype: DType) -> Any:
    if x.dtype.kind == "c" and dtype.numpy.kind not in "cb":
        # The real part, as TensorFlow's.
        x = x.real
    return quietly(cast_array, x, dtype.numpy)


def _cast_vjp(g: Any, y: Any, x: Any, *, dtype: DType) -> tuple[Any]:
    both = dtype.is_differentiable and x.dtype.is_differentiable
    return (cast(g, x.dtype) if both else None,)


def _cast_samples() -> list[Sample]:
    values = np.array([[-2.7, -1.0, 0.0], [0.5, 1.9, 100.0]])
    kinds: list[tuple[Any, DType]] = [
        (np.float64, dtypes.float32),
        (np.float32, dtypes.float64),
        (np.float32, dtypes.int32),
        (np.int32, dtypes.float32),
        (np.int64, dtypes.int32),
        (np.float64, dtypes.bool_),
        (np.bool_, dtypes.float32),
        (np.float32, dtypes.float16),
        (np.float64, dtypes.complex64),
        (np.complex128, dtypes.float32),
        (np.complex64, dtypes.complex128),
    ]
    return [Sample((values.astype(a),), {"dtype": b}) for a, b in kinds]


CAST = register(
    OpSpec(
        "Cast",
        _cast_infer,
        _cast_compute,
        _cast_vjp,
        Elementwise("{0}"),
        _cast_samples,
        types=("any",),
        # The cotangent of a real part is real: no conjugates.
        holomorphic=False,
        cost=Cost.UNRATED,
    )
)


# ---- public functions


def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x + y, elementwise.

    Source: `tf.math.add`.
    """
    return call(ADD, x, y, name=name)


def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x - y, elementwise.

    Source: `tf.math.subtract`.
    """
    return call(SUB, x, y, name=name)


def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x * y, elementwise.

    Source: `tf.math.multiply`.
    """
    return call(MUL, x, y, name=name)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the floor of x / y, elementwise.

    Source: `tf.math.floordiv`.
    """
    return call(FLOORDIV, x, y, name=name)


def floormod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x - y * floor(x / y), elementwise.

    Source: `tf.math.floormod`.
    """
    return call(FLOORMOD, x, y, name=name)


def maximum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the larger of x and y; x where equal, elementwise.

    Source: `tf.math.maximum`.
    """
    return call(MAXIMUM, x, y, name=name)


def minimum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the smaller of x and y; x where equal, elementwise.

    Source: `tf.math.minimum`.
    """
    return call(MINIMUM, x, y, name=name)


def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns (x - y) squared, elementwise.

    Source: `tf.math.squared_difference`.
    """
    return call(SQUARED_DIFFERENCE, x, y, name=name)


def negative(x: Any, name: str | None = None) -> Tensor:
    """Returns -x, elementwise.

    Source: `tf.math.negative`.
    """
    return call(NEG, x, name=name)


def sign(x: Any, name: str | None = None) -> Tensor:
    """Returns -1, 0 or 1, elementwise.

    Source: `tf.math.sign`.
    """
    return call(SIGN, x, name=name)


def square(x: Any, name: str | None = None) -> Tensor:
    """Returns x squared, elementwise.

    Source: `tf.math.square`.
    """
    return call(SQUARE, x, name=name)


def reciprocal(x: Any, name: str | None = None) -> Tensor:
    """Returns 1 / x, elementwise.

    Source: `tf.math.reciprocal`.
    """
    return call(RECIPROCAL, x, name=name)


def exp(x: Any, name: str | None = None) -> Tensor:
    """Returns e to the power of x, elementwise.

    Source: `tf.math.exp`.
    """
    return call(EXP, x, name=name)


def expm1(x: Any, name: str | None = None) -> Tensor:
    """Returns exp(x) - 1, exact near 0, elementwise.

    Source: `tf.math.expm1`.
    """
    return call(EXPM1, x, name=name)


def log(x: Any, name: str | None = None) -> Tensor:
    """Returns the natural logarithm, elementwise.

    Source: `tf.math.log`.
    """
    return call(LOG, x, name=name)


def log1p(x: Any, name: str | None = None) -> Tensor:
    """Returns log(1 + x), exact near 0, elementwise.

    Source: `tf.math.log1p`.
    """
    return call(LOG1P, x, name=name)


def sqrt(x: Any, name: str | None = None) -> Tensor:
    """Returns the square root, elementwise.

    Source: `tf.math.sqrt`.
    """
    return call(SQRT, x, name=name)


def rsqrt(x: Any, name: str | None = None) -> Tensor:
    """Returns 1 / sqrt(x), elementwise.

    Source: `tf.math.rsqrt`.
    """
    return call(RSQRT, x, name=name)


def sin(x: Any, name: str | None = None) -> Tensor:
    """Returns the sine of x in radians, elementwise.

    Source: `tf.math.sin`.
    """
    return call(SIN, x, name=name)


def cos(x: Any, name: str | None = None) -> Tensor:
    """Returns the cosine of x in radians, elementwise.

    Source: `tf.math.cos`.
    """
    return call(COS, x, name=name)


def tanh(x: Any, name: str | None = None) -> Tensor:
    """Returns the hyperbolic tangent, elementwise.

    Source: `tf.math.tanh`.
    """
    return call(TANH, x, name=name)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """Returns 1 / (1 + exp(-x)), elementwise.

    Source: `tf.math.sigmoid`.
    """
    return call(SIGMOID, x, name=name)


def softplus(features: Any, name: str | None = None) -> Tensor:
    """Returns log(1 + exp(x)), elementwise.

    Source: `tf.nn.softplus`.
    """
    return call(SOFTPLUS, features, name=name)


def erf(x: Any, name: str | None = None) -> Tensor:
    """Returns the error function, elementwise.

    Source: `tf.math.erf`.
    """
    return call(ERF, x, name=name)


def relu(features: Any, name: str | None = None) -> Tensor:
    """Returns max(x, 0), elementwise.

    Source: `tf.nn.relu`.
    """
    return call(RELU, features, name=name)


def floor(x: Any, name: str | None = None) -> Tensor:
    """Returns the largest integer not above x, elementwise.

    Source: `tf.math.floor`.
    """
    return call(FLOOR, x, name=name)


def ceil(x: Any, name: str | None = None) -> Tensor:
    """Returns the smallest integer not below x, elementwise.

    Source: `tf.math.ceil`.
    """
    return call(CEIL, x, name=name)


def is_nan(x: Any, name: str | None = None) -> Tensor:
    """Returns whether x is NaN, elementwise.

    Source: `tf.math.is_nan`.
    """
    return call(REGISTRY["IsNan"], x, name=name)


def is_inf(x: Any, name: str | None = None) -> Tensor:
    """Returns whether x is infinite, elementwise.

    Source: `tf.math.is_inf`.
    """
    return call(REGISTRY["IsInf"], x, name=name)


def is_finite(x: Any, name: str | None = None) -> Tensor:
    """Returns whether x is finite, elementwise.

    Source: `tf.math.is_finite`.
    """
    return call(REGISTRY["IsFinite"], x, name=name)


def greater(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x > y, elementwise.

    Source: `tf.math.greater`.
    """
    return call(GREATER, x, y, name=name)


def greater_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x >= y, elementwise.

    Source: `tf.math.greater_equal`.
    """
    return call(GREATER_EQUAL, x, y, name=name)


def less(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x < y, elementwise.

    Source: `tf.math.less`.
    """
    return call(LESS, x, y, name=name)


def less_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x <= y, elementwise.

    Source: `tf.math.less_equal`.
    """
    return call(LESS_EQUAL, x, y, name=name)


def equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x == y, elementwise.

    Source: `tf.math.equal`.
    """
    return call(EQUAL, x, y, name=name)


def not_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x != y, elementwise.

    Source: `tf.math.not_equal`.
    """
    return call(NOT_EQUAL, x, y, name=name)


def logical_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x and y, elementwise.

    Source: `tf.math.logical_and`.
    """
    return call(REGISTRY["LogicalAnd"], x, y, name=name)


def logical_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x or y, elementwise.

    Source: `tf.math.logical_or`.
    """
    return call(REGISTRY["LogicalOr"], x, y, name=name)


def logical_not(x: Any, name: str | None = None) -> Tensor:
    """Returns not x, elementwise.

    Source: `tf.math.logical_not`.
    """
    return call(REGISTRY["LogicalNot"], x, name=name)


def abs(x: Any, name: str | None = None) -> Tensor:
    """Returns the absolute value, elementwise; of complex numbers a real one.

    Source: `tf.math.abs`.
    """
    x = hooks.convert(x)
    if x.dtype.is_complex:
        return hooks.operators["complex_abs"](x, name=name)
    return x if x.dtype.is_unsigned else call(ABS, x, name=name)


def round(x: Any, name: str | None = None) -> Tensor:
    """Rounds to the nearest integer, halves to even; integers as they are.

    Source: `tf.math.round`.
    """
    x = hooks.convert(x)
    return x if x.dtype.is_integer else call(ROUND, x, name=name)


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x / y, elementwise, as Python does: integers give float64.

    Small integers (int8, int16, uint8) give float32.

    Source: `tf.math.divide`, `tf.math.truediv`.
    """
    x, y = as_inputs(ADD, (x, y), name)
    if not x.dtype.is_differentiable:
        wide = dtypes.float32 if x.dtype.size <= 2 else dtypes.float64
        x, y = cast(x, wide), cast(y, wide)
    return call(DIV, x, y, name=name)


def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x to the power of y, elementwise.

    Source: `tf.math.pow`.
    """
    return call(POW, x, y, name=name)


def where(
    condition: Any, x: Any = None, y: Any = None, name: str | None = None
) -> Tensor:
    """Returns x where the condition holds, else y, elementwise with broadcasting.

    Args:
      condition: bool tensor; alone, a tensor of any dtype.
      x, y: Tensors of one dtype; both or neither.
      name: Name of the op.

    Returns:
      Without x and y, the indices of the elements that are not 0, `[n, rank]` int64.

    Raises:
      ValueError: Only one of x and y is given.

    >>> import graphopt as tf
    >>> tf.where([True, False], [1, 2], [3, 4]).numpy().tolist()
    [1, 4]
    >>> tf.where([True, False, True]).numpy().tolist()
    [[0], [2]]

    Source: `tf.where` (version 2).
    """
    if x is None and y is None:
        return hooks.operators["where_indices"](condition, name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return call(SELECT, condition, x, y, name=name)


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Converts a tensor to another dtype; floats to integers round towards zero.

    A float that is out of the range of int32 (for int64, of that), or NaN, becomes the
    smallest int32 (int64) on every processor; smaller integers are its lowest bits.

    >>> import graphopt as tf
    >>> tf.cast(tf.constant([1.8, -1.8]), tf.int32).numpy().tolist()
    [1, -1]

    Source: `tf.cast`.
    """
    dtype = as_dtype(dtype)
    x = hooks.convert(x)
    return x if x.dtype is dtype else call(CAST, x, name=name, dtype=dtype)


def _operator(function: Any, name: str) -> Any:
    """Names the ops that operators make as TensorFlow does: `x + y` is `add`."""

    def operator(*inputs: Any) -> Any:
        return function(*inputs, name=name)

    return operator


for _symbol, _made in {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "floordiv": floordiv,
    "mod": floormod,
    "pow": pow,
    "neg": negative,
    "abs": abs,
    "less": less,
    "less_equal": less_equal,
    "greater": greater,
    "greater_equal": greater_equal,
    "equal": equal,
    "not_equal": not_equal,
    "logical_and": logical_and,
    "logical_or": logical_or,
    "logical_not": logical_not,
}.items():
    hooks.operators[_symbol] = _operator(
        _made, {"neg": "Neg", "abs": "Abs"}.get(_symbol, _symbol)
    )
hooks.operators["cast"] = cast
