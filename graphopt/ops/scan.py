"""Running sums and products along an axis, and the recurrence of their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, FLOATING, DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import static_ints
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.padding import pad

Array = NDArray[Any]


def _infer(
    x: Any, *, axis: int, exclusive: bool, reverse: bool
) -> tuple[TensorShape, DType]:
    rank = x.shape.rank
    if rank is not None and not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            "ScanOp: Expected scan axis in the range of the rank",
            got=f"axis {axis} for {describe_shapes(x)}",
            expected=f"{-rank} to {rank - 1}" if rank else "a tensor with dimensions",
            site=str(user_site()),
        )
    return x.shape, x.dtype


def _scan(function: Callable[..., Array], neutral: int) -> Callable[..., Array]:
    def compute(x: Array, *, axis: int, exclusive: bool, reverse: bool) -> Array:
        moved = np.moveaxis(x, axis, -1)
        moved = moved[..., ::-1] if reverse else moved
        # Added up in float64, as sums are.
        wide = np.dtype(
            {"f": np.float64, "c": np.complex128}.get(x.dtype.kind, x.dtype)
        )
        with np.errstate(all="ignore"):
            if exclusive:
                first = np.full((*moved.shape[:-1], 1), neutral, wide)
                moved = np.concatenate([first, moved], -1)[..., : moved.shape[-1]]
            out = function(moved, axis=-1, dtype=wide).astype(x.dtype)
        out = out[..., ::-1] if reverse else out
        return np.ascontiguousarray(np.moveaxis(out, -1, axis))

    return compute


def _cumsum_vjp(
    g: Any, y: Any, x: Any, *, axis: int, exclusive: bool, reverse: bool
) -> tuple[Any]:
    return (call(CUMSUM, g, axis=axis, exclusive=exclusive, reverse=not reverse),)


def _cumprod_vjp(
    g: Any, y: Any, x: Any, *, axis: int, exclusive: bool, reverse: bool
) -> tuple[Any]:
    # The product of what is before, and of what is after by a recurrence: nothing is
    # divided by an element, which may be 0. (TensorFlow has NaN there.)
    before = call(CUMPROD, x, axis=axis, exclusive=True, reverse=reverse)
    if exclusive:
        after = _recur(x, g, axis, not reverse, by_previous=False)
        return (before * _shift(after, axis, not reverse),)
    return (before * _recur(x, g, axis, not reverse, by_previous=True),)


# ---- linear recurrences


def _recurrence(
    c: Array, x: Array, *, axis: int, reverse: bool, by_previous: bool
) -> Array:
    c, x = (np.moveaxis(a, axis, 0) for a in (c, x))
    if reverse:
        c, x = c[::-1], x[::-1]
    wide = np.result_type(x.dtype, np.float64)
    y = np.empty(x.shape, wide)
    with np.errstate(all="ignore"):
        for k in range(len(x)):
            factor = c[k - 1 if by_previous else k].astype(wide)
            y[k] = x[k] + factor * y[k - 1] if k else x[k]
    y = y[::-1] if reverse else y
    return np.ascontiguousarray(np.moveaxis(y, 0, axis)).astype(x.dtype)


def _recurrence_infer(
    c: Any, x: Any, *, axis: int, reverse: bool, by_previous: bool
) -> tuple[TensorShape, DType]:
    if not c.shape.is_compatible_with(x.shape):
        raise fail(
            InvalidArgumentError,
            "The factors of a recurrence have another shape than what is added",
            got=describe_shapes(c, x),
            expected="one shape",
            site=str(user_site()),
        )
    return _infer(x, axis=axis, exclusive=False, reverse=reverse)


def _recurrence_vjp(
    g: Any, y: Any, c: Any, x: Any, *, axis: int, reverse: bool, by_previous: bool
) -> tuple[Any, Any]:
    by_x = _recur(c, g, axis, not reverse, by_previous=not by_previous)
    if by_previous:
        return y * _shift(by_x, axis, not reverse), by_x
    return by_x * _shift(y, axis, reverse), by_x


def _recurrence_samples() -> list[Sample]:
    rng = np.random.default_rng(10)
    c, x = rng.uniform(0.5, 1.5, (2, 2, 3, 4))
    return [
        Sample((c, x), {"axis": axis, "reverse": reverse, "by_previous": by_previous})
        for axis, reverse, by_previous in (
            (0, False, False),
            (1, True, False),
            (-1, False, True),
            (2, True, True),
        )
    ] + [
        Sample(
            (c.astype(np.float32)[:, :0], x.astype(np.float32)[:, :0]),
            {"axis": 1, "reverse": False, "by_previous": True},
        )
    ]


# y[k] = x[k] + c[k] * y[k - 1], or x[k] + c[k - 1] * y[k - 1], along an axis.
RECURRENCE = register(
    OpSpec(
        "LinearRecurrence",
        _recurrence_infer,
        _recurrence,
        _recurrence_vjp,
        Family("recurrence"),
        _recurrence_samples,
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)), np.zeros((2, 4))),
                {"axis": 0, "reverse": False, "by_previous": False},
                InvalidArgumentError,
                "another shape",
            )
        ],
        dtypes=(*FLOATING, *COMPLEX),
    )
)


def _recur(c: Any, x: Any, axis: int, reverse: bool, *, by_previous: bool) -> Any:
    return call(RECURRENCE, c, x, axis=axis, reverse=reverse, by_previous=by_previous)


def _shift(x: Any, axis: int, reverse: bool) -> Any:
    """Moves elements on by one, with a zero in front; towards the start if reversed."""
    rank = x.shape.rank
    key = [slice(None)] * rank
    key[axis] = slice(1, None) if reverse else slice(None, -1)
    paddings = [[0, 0] for _ in range(rank)]
    paddings[axis] = [0, 1] if reverse else [1, 0]
    return pad(x[tuple(key)], paddings)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(9)
    x = rng.uniform(0.5, 1.5, (2, 3, 4))
    out = [
        Sample((x,), {"axis": a, "exclusive": e, "reverse": r})
        for a, e, r in (
            (0, False, False),
            (1, True, False),
            (-1, False, True),
            (2, True, True),
        )
    ]
    for array in (x[:, :0], np.rint(x * 9).astype(np.int32), x.astype(np.float32)):
        attrs = {"axis": 1, "exclusive": True, "reverse": False}
        out.append(Sample((array,), attrs))
    long = rng.uniform(0.99, 1.01, 3000).astype(np.float32)
    return [*out, Sample((long,), {"axis": 0, "exclusive": False, "reverse": False})]


def _register(name: str, option: str, compute: Any, vjp: Any) -> OpSpec:
    plain = {"exclusive": False, "reverse": False}
    return register(
        OpSpec(
            name,
            _infer,
            compute,
            vjp,
            Family("scan", option),
            _samples,
            errors=lambda: [
                BadInput(
                    (np.zeros(shape),),
                    {"axis": axis, **plain},
                    InvalidArgumentError,
                    "Expected scan axis",
                )
                for shape, axis in (((2, 3), 2), ((), 0))
            ],
            dtypes=(*NUMERIC, *COMPLEX),
        )
    )


CUMSUM: OpSpec = _register("Cumsum", "sum", _scan(np.cumsum, 0), _cumsum_vjp)
CUMPROD = _register("Cumprod", "prod", _scan(np.cumprod, 1), _cumprod_vjp)


def cumsum(
    x: Any,
    axis: Any = 0,
    exclusive: bool = False,
    reverse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns the sums of all elements up to each one, along an axis.

    Args:
      x: The tensor.
      axis: The axis.
      exclusive: Whether each sum leaves out the element itself.
      reverse: Whether to add up from the end.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The axis is out of range.

    >>> import graphopt as tf
    >>> tf.cumsum([1, 2, 3]).numpy().tolist()
    [1, 3, 6]
    >>> tf.cumsum([1, 2, 3], exclusive=True, reverse=True).numpy().tolist()
    [5, 3, 0]

    Source: `tf.math.cumsum`.
    """
    return _call(CUMSUM, x, axis, exclusive, reverse, name)


def cumprod(
    x: Any,
    axis: Any = 0,
    exclusive: bool = False,
    reverse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns the products of all elements up to each one, along an axis.

    Source: `tf.math.cumprod`.
    """
    return _call(CUMPROD, x, axis, exclusive, reverse, name)


def _call(
    spec: OpSpec, x: Any, axis: Any, exclusive: bool, reverse: bool, name: str | None
) -> Any:
    (along,) = static_ints(axis, spec.name)
    return call(
        spec,
        hooks.convert(x),
        name=name,
        axis=along,
        exclusive=bool(exclusive),
        reverse=bool(reverse),
    )
