"""How an op on corresponding elements is registered: one call says all of it.

Shapes broadcast, the reference is NumPy's function, the kernel an expression, and samples
follow from the domain. The ops themselves are in `elementwise` and the files of families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, OpError, describe_shapes, fail
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Cost,
    Elementwise,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, TensorShape, broadcast_shapes
from graphopt.graph.status import Report
from graphopt.ops.quietly import quietly

NUMERIC = tuple(dtype for dtype in dtypes.ALL if not dtype.is_bool)
INTEGERS = tuple(dtype for dtype in dtypes.ALL if dtype.is_integer)
SIGNED = tuple(d for d in NUMERIC if not d.is_unsigned)


def broadcast_of(name: str, inputs: Sequence[Any]) -> TensorShape:
    """Returns the shape that inputs broadcast to.

    Raises:
      InvalidArgumentError: They do not.
    """
    shape = inputs[0].shape if inputs else SCALAR
    for other in inputs[1:]:
        merged = broadcast_shapes(shape, other.shape)
        if merged is None:
            raise fail(
                InvalidArgumentError,
                f"Incompatible shapes for {name}",
                got=describe_shapes(*inputs),
                expected="dimensions that are equal or 1, counted from the last",
                site=str(user_site()),
                remedy="tf.reshape or tf.expand_dims",
            )
        shape = merged
    return shape


def elementwise(
    name: str,
    *,
    numpy: Callable[..., Any],
    kernel: str,
    vjp: Any,
    cost: Cost,
    domain: tuple[float, float] = (-3.0, 3.0),
    arity: int = 1,
    over: Sequence[DType] = dtypes.FLOATING,
    result: DType | None = None,
    types: tuple[str, ...] = ("T*",),
    samples: Callable[[], Sequence[Sample]] | None = None,
    host_dtypes: tuple[DType, ...] = (),
    complex: bool = False,
    holomorphic: bool = True,
    strings: bool = False,
    explain: Callable[[Report], OpError] | None = None,
    integer_kernel: Family | None = None,
    near_zero_ulps: int = 0,
) -> OpSpec:
    """Registers an elementwise op: this call is all there is to add.

    Args:
      name: The op type.
      numpy: The function on arrays.
      kernel: The expression on elements, `{0}` being the first input.
      vjp: `(g, y, *inputs) -> cotangents`, not reduced to the input's shape.
      cost: What it takes for an element.
      domain: The range that samples are drawn from.
      arity: The number of inputs.
      over: The dtypes the inputs may have.
      result: The dtype of the output, when it is not that of the inputs.
      types: As in `OpSpec`.
      samples: Samples, where random numbers of the domain will not do.
      host_dtypes: Dtypes without a native kernel, besides float16.
      complex: Whether the inputs may be complex too.
      holomorphic: As in `OpSpec`.
      strings: As in `OpSpec`.
      explain: As in `OpSpec`.
      integer_kernel: As in `OpSpec`.
      near_zero_ulps: As in `OpSpec`.
    """

    def infer(*inputs: Any) -> tuple[TensorShape, DType]:
        return broadcast_of(name, inputs), result or inputs[-1].dtype

    fixed = result.numpy if result is not None else None

    def compute(*arrays: Any) -> Any:
        value = quietly(numpy, *arrays)
        want = fixed or arrays[-1].dtype
        if type(value) is np.ndarray and value.dtype == want:
            return value
        return np.asarray(value, want)

    def default_samples() -> list[Sample]:
        rng = np.random.default_rng(len(name) + arity)
        shapes: list[tuple[tuple[int, ...], ...]] = [((3, 4),) * arity, ((),) * arity]
        if arity == 2:
            shapes += [((3, 1), (4,)), ((), (2, 3)), ((0, 3), (3,))]
        out = []
        for dtype in over:
            for group in shapes if dtype in (dtypes.float64, over[-1]) else shapes[:1]:
                arrays: list[Any] = [rng.uniform(*domain, size=s) for s in group]
                if dtype.is_integer:
                    arrays = [np.rint(a * 3) for a in arrays]
                    if dtype.is_unsigned:
                        arrays = [np.abs(a) for a in arrays]
                if dtype.is_bool:
                    arrays = [a > 0 for a in arrays]
                out.append(Sample(tuple(a.astype(dtype.numpy) for a in arrays)))
        for dtype in dtypes.COMPLEX if complex else ():
            parts = rng.uniform(*domain, size=(arity, 2, 3, 4))
            pairs = [(real + 1j * imag).astype(dtype.numpy) for real, imag in parts]
            out.append(Sample(tuple(pairs)))
        return out

    def errors() -> list[BadInput]:
        if arity < 2:
            return []
        bad = tuple(np.zeros(s, over[0].numpy) for s in ((2, 3), (4, 5)))
        if types[0] == "bool":
            bad = (np.zeros((2, 3), np.bool_), *bad)
        return [BadInput(bad, {}, InvalidArgumentError, "Incompatible shapes")]

    return register(
        OpSpec(
            name,
            infer,
            compute,
            vjp,
            Elementwise(kernel),
            samples or default_samples,
            errors=errors,
            types=types,
            dtypes=(*over, *(dtypes.COMPLEX if complex else ())),
            host_dtypes=(dtypes.float16, *host_dtypes),
            holomorphic=holomorphic,
            strings=strings,
            explain=explain,
            cost=cost,
            integer_kernel=integer_kernel,
            near_zero_ulps=near_zero_ulps,
        )
    )


def binary(name: str, kernel: str, function: Any, vjp: Any, **options: Any) -> OpSpec:
    """Registers an op of two inputs over all numbers."""
    options.setdefault("over", NUMERIC)
    return elementwise(name, numpy=function, kernel=kernel, vjp=vjp, arity=2, **options)


def compare(
    name: str, sign: str, function: Any, over: Any = NUMERIC, **options: Any
) -> OpSpec:
    """Registers a comparison."""
    return elementwise(
        name,
        numpy=function,
        kernel=f"({{0}} {sign} {{1}})",
        vjp=NOT_DIFFERENTIABLE,
        arity=2,
        over=over,
        result=dtypes.bool_,
        **options,
    )
