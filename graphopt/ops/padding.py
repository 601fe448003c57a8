"""Ops that repeat, surround, turn round and rotate: pad, tile, reverse, roll."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, DType
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, static_ints
from graphopt.ops.deferred import deferrable, shape_of_sizes
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.shaping import concat
from graphopt.ops.slicing import STRIDED_SLICE, WHOLE, Key

Array = NDArray[Any]
Pairs = tuple[tuple[int, int], ...]


def _check_count(x: Any, count: int, what: str) -> None:
    if not x.shape.unknown_rank and len(x.shape) != count:
        raise fail(
            InvalidArgumentError,
            f"Expected {what} for each dimension of the input",
            got=f"{count} for {describe_shapes(x)}",
            expected=str(len(x.shape)),
            site=str(user_site()),
        )


# ---- pad


def _pad_infer(x: Any, *, paddings: Pairs, value: Any) -> tuple[TensorShape, DType]:
    _check_count(x, len(paddings), "a pair of paddings")
    if any(before < 0 or after < 0 for before, after in paddings):
        raise fail(
            InvalidArgumentError,
            "Paddings must be non-negative",
            got=str(list(paddings)),
            site=str(user_site()),
        )
    if x.shape.unknown_rank:
        return TensorShape([None] * len(paddings)), x.dtype
    dims = [
        None if dim is None else before + dim + after
        for dim, (before, after) in zip(x.shape, paddings, strict=True)
    ]
    return TensorShape(dims), x.dtype


def _pad_numpy(x: Array, *, paddings: Pairs, value: Any) -> Array:
    return np.pad(x, paddings, constant_values=value) if paddings else x.copy()


def _pad_vjp(g: Any, y: Any, x: Any, *, paddings: Pairs, value: Any) -> tuple[Any]:
    key: Key = tuple((before, -after or None, None) for before, after in paddings)
    return (call(STRIDED_SLICE, g, key=key),)


def _pad_samples() -> list[Sample]:
    x = np.arange(6.0).reshape(2, 3)
    cases: list[tuple[Any, Pairs, Any]] = [
        (x, ((1, 0), (2, 1)), 0),
        (x, ((0, 0), (0, 3)), -1.5),
        (x[:0], ((1, 1), (0, 0)), 7),
        (np.float64(3), (), 0),
        (x.astype(np.int8), ((0, 1), (1, 0)), -3),
        (x.astype(np.float16), ((0, 1), (1, 0)), 0.5),
        (x > 2, ((0, 1), (1, 0)), True),
    ]
    return [Sample((a,), {"paddings": p, "value": v}) for a, p, v in cases]


PAD = register(
    OpSpec(
        "PadV2",
        _pad_infer,
        _pad_numpy,
        _pad_vjp,
        Family("pad"),
        _pad_samples,
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)),),
                {"paddings": pairs, "value": 0},
                InvalidArgumentError,
                words,
            )
            for pairs, words in (
                (((1, 1),), "a pair of paddings"),
                (((1, 1), (0, -1)), "non-negative"),
            )
        ],
        types=("any",),
        host_dtypes=(),
        strings=True,
    )
)


def _pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0
) -> list[TensorShape]:
    x = hooks.convert(tensor)
    rank = len(paddings) if isinstance(paddings, (list, tuple)) else x.shape.rank
    if rank is None or x.shape.rank is None:
        return [UNKNOWN if rank is None else TensorShape([None] * rank)]
    dims: list[int | None] = list(x.shape)
    for axis in range(rank):
        pair = shape_of_sizes(paddings[axis])
        known = dims[axis] is not None and pair.is_fully_defined()
        dims[axis] = dims[axis] + sum(pair) if known else None  # type: ignore[operator, arg-type]
    return [TensorShape(dims)]


@deferrable(shapes=_pad)
def pad(
    tensor: Any,
    paddings: Any,
    mode: str = "CONSTANT",
    constant_values: Any = 0,
    name: str | None = None,
) -> Tensor:
    """Surrounds a tensor with more elements.

    Args:
      tensor: The tensor.
      paddings: `[rank, 2]`: how many elements come before and after, in each dimension.
      mode: "CONSTANT"; "REFLECT", which mirrors at the outermost elements, or
        "SYMMETRIC", which mirrors beside them.
      constant_values: What to surround with, in mode CONSTANT.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The paddings do not fit the tensor.

    >>> import graphopt as tf
    >>> tf.pad([[1, 2]], [[0, 1], [1, 0]]).numpy().tolist()
    [[0, 1, 2], [0, 0, 0]]
    >>> tf.pad([1, 2, 3], [[2, 1]], mode="REFLECT").numpy().tolist()
    [3, 2, 1, 2, 3, 2]

    Source: `tf.pad`.
    """
    tensor = hooks.convert(tensor)
    pairs = _pairs(paddings)
    kind = mode.upper()
    if kind == "CONSTANT":
        number = constant_value(hooks.convert(constant_values, dtype=tensor.dtype))
        if number is None:
            raise DecidedByRun("tf.pad with a value that only the run decides.")
        return call(PAD, tensor, name=name, paddings=pairs, value=number[()].item())
    if kind not in ("REFLECT", "SYMMETRIC"):
        raise ValueError(
            f"Value of argument `mode` expected to be one of 'CONSTANT', 'REFLECT' or "
            f"'SYMMETRIC'; got {mode!r}."
        )
    _check_count(tensor, len(pairs), "a pair of paddings")
    for axis, pair in enumerate(pairs):
        tensor = _mirror(tensor, axis, pair, kind == "REFLECT", name)
    return tensor


def _pairs(paddings: Any) -> Pairs:
    if isinstance(paddings, (list, tuple)):
        found = [tuple(static_ints(pair, "tf.pad")) for pair in paddings]
    else:
        flat = static_ints(paddings, "tf.pad")
        found = list(zip(flat[::2], flat[1::2], strict=True))
    if any(len(pair) != 2 for pair in found):
        raise fail(
            InvalidArgumentError,
            "paddings must be a matrix with 2 columns",
            got=str(paddings)[:80],
            site=str(user_site()),
        )
    return tuple((pair[0], pair[1]) for pair in found)


def _mirror(
    x: Any, axis: int, pair: tuple[int, int], inside: bool, name: str | None
) -> Any:
    """Puts mirrored elements before and after one dimension."""
    if x.shape.unknown_rank:
        raise DecidedByRun("tf.pad that mirrors a tensor of unknown rank.")
    before, after = pair
    dim = x.shape[axis]
    if before == after == 0:
        return x
    if dim is None:
        raise DecidedByRun("tf.pad that mirrors a dimension that is not known.")
    if not (0 <= before <= dim - inside and 0 <= after <= dim - inside):
        raise fail(
            InvalidArgumentError,
            f"paddings must be {'less than' if inside else 'no greater than'} the "
            "dimension size",
            got=f"{before} and {after} for axis {axis} of {describe_shapes(x)}",
            site=str(user_site()),
        )
    head = (WHOLE,) * axis
    # Reflecting leaves the outermost element out.
    skip = 1 if inside else 0
    first = before - 1 + skip
    last = dim - 1 - skip
    parts = []
    if before:
        key: Key = (*head, (first, first - before if first >= before else None, -1))
        parts.append(call(STRIDED_SLICE, x, key=key))
    parts.append(x)
    if after:
        stop = last - after
        key = (*head, (last, stop if stop >= 0 else None, -1))
        parts.append(call(STRIDED_SLICE, x, key=key))
    return concat(parts, axis, name=name)


# ---- tile


def _tile_infer(x: Any, *, multiples: tuple[int, ...]) -> tuple[TensorShape, DType]:
    _check_count(x, len(multiples), "a multiple")
    if any(times < 0 for times in multiples):
        raise fail(
            InvalidArgumentError,
            "Expected multiples >= 0",
            got=str(list(multiples)),
            site=str(user_site()),
        )
    if x.shape.unknown_rank:
        return TensorShape([None] * len(multiples)), x.dtype
    return TensorShape(
        None if dim is None else dim * times
        for dim, times in zip(x.shape, multiples, strict=True)
    ), x.dtype


def _tile_sum_numpy(g: Array, x: Array, *, multiples: tuple[int, ...]) -> Array:
    shape = [n for pair in zip(multiples, x.shape, strict=True) for n in pair]
    axes = tuple(range(0, len(shape), 2))
    wide: Any = {"f": np.float64, "c": np.complex128}.get(g.dtype.kind, g.dtype)
    total = np.sum(g.reshape(shape), axis=axes, dtype=wide)
    return np.asarray(total, g.dtype).reshape(x.shape)


def _tile_samples() -> list[Sample]:
    x = np.arange(6.0).reshape(2, 3)
    cases: list[tuple[Any, tuple[int, ...]]] = [
        (x, (2, 3)),
        (x, (1, 2)),
        (x, (3, 1)),
        (x, (0, 2)),
        (np.float64(2), ()),
        (np.arange(8.0).reshape(2, 2, 2), (2, 1, 3)),
        (x.astype(np.float32), (2, 2)),
        (x.astype(np.int8), (2, 1)),
    ]
    return [Sample((a,), {"multiples": m}) for a, m in cases]


def _tile_sum_samples() -> list[Sample]:
    return [
        Sample((np.tile(s.inputs[0], s.attrs["multiples"]), s.inputs[0]), s.attrs)
        for s in _tile_samples()
    ]


TILE: OpSpec = register(
    OpSpec(
        "Tile",
        _tile_infer,
        lambda x, *, multiples: np.tile(x, multiples),
        lambda g, y, x, *, multiples: (call(TILE_SUM, g, x, multiples=multiples),),
        Family("tile"),
        _tile_samples,
        errors=lambda: [
            BadInput((np.zeros(2),), {"multiples": m}, InvalidArgumentError, words)
            for m, words in (((1, 1), "a multiple"), ((-1,), "multiples >= 0"))
        ],
        types=("any",),
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)
TILE_SUM: OpSpec = register(
    OpSpec(
        "TileSum",
        lambda g, x, *, multiples: (x.shape, g.dtype),
        _tile_sum_numpy,
        lambda gg, y, g, x, *, multiples: (call(TILE, gg, multiples=multiples), None),
        Family("tile_sum"),
        _tile_sum_samples,
        dtypes=(*NUMERIC, *COMPLEX),
        kernel_inputs=(0,),
    )
)


def _tile(input: Any, multiples: Any) -> list[TensorShape]:
    x, times = hooks.convert(input), shape_of_sizes(multiples)
    if x.shape.rank is None or times.rank != x.shape.rank:
        return [UNKNOWN]
    pairs = zip(x.shape, times, strict=True)
    return [
        TensorShape([None if None in pair else pair[0] * pair[1] for pair in pairs])
    ]


@deferrable(shapes=_tile)
def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """Repeats a tensor along each dimension.

    Args:
      input: The tensor.
      multiples: How often, one number for each dimension.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.tile([[1, 2]], [2, 2]).numpy().tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]

    Source: `tf.tile`.
    """
    times = tuple(static_ints(multiples, "tf.tile"))
    return call(TILE, input, name=name, multiples=times)


# ---- reverse, roll


def _same_shape(**arguments: Any) -> list[TensorShape]:
    return [hooks.convert(next(iter(arguments.values()))).shape]


def _known_axes(x: Any, axis: Any, what: str) -> list[int]:
    """Returns axes as numbers from 0."""
    rank = x.shape.rank
    if rank is None:
        raise DecidedByRun(f"{what} of a tensor of unknown rank.")
    axes = static_ints(axis, what)
    if any(not -rank <= a < rank for a in axes):
        raise fail(
            InvalidArgumentError,
            f"The axis of {what} is out of range",
            got=f"axis {axes} for {describe_shapes(x)}",
            expected=f"{-rank} to {rank - 1}" if rank else "no axis",
            site=str(user_site()),
        )
    return [a % rank for a in axes]


@deferrable(shapes=_same_shape)
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """Turns the order of the elements along axes round.

    Args:
      tensor: The tensor.
      axis: The axis or axes, each at most once.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range or given twice.

    >>> import graphopt as tf
    >>> tf.reverse([[1, 2], [3, 4]], axis=[1]).numpy().tolist()
    [[2, 1], [4, 3]]

    Source: `tf.reverse`.
    """
    tensor = hooks.convert(tensor)
    axes = _known_axes(tensor, axis, "tf.reverse")
    if len(set(axes)) < len(axes):
        raise fail(
            InvalidArgumentError,
            "An axis of tf.reverse is specified more than once",
            got=str(axes),
            site=str(user_site()),
        )
    key: Key = tuple(
        (None, None, -1) if i in axes else WHOLE for i in range(len(tensor.shape))
    )
    return call(STRIDED_SLICE, tensor, name=name or "ReverseV2", key=key)


def _roll_vjp(g: Any, y: Any, x: Any, *, shift: Any, axis: Any) -> tuple[Any]:
    return (call(ROLL, g, shift=tuple(-s for s in shift), axis=axis),)


def _roll_infer(x: Any, *, shift: Any, axis: Any) -> tuple[TensorShape, DType]:
    if len(shift) != len(axis):
        raise fail(
            InvalidArgumentError,
            "shift and axis must have the same size",
            got=f"{len(shift)} shifts and {len(axis)} axes",
            site=str(user_site()),
        )
    return (UNKNOWN if x.shape.unknown_rank else x.shape), x.dtype


ROLL: OpSpec = register(
    OpSpec(
        "Roll",
        _roll_infer,
        lambda x, *, shift, axis: np.roll(x, shift, axis) if axis else x.copy(),
        _roll_vjp,
        Family("roll"),
        lambda: [
            Sample((x.astype(t),), {"shift": s, "axis": a})
            for x in (np.arange(24.0).reshape(2, 3, 4),)
            for s, a, t in (
                ((1,), (0,), np.float64),
                ((-1, 6), (1, 2), np.float64),
                ((2, 3), (2, 2), np.float64),
                ((0,), (1,), np.int8),
                ((), (), np.float64),
                ((-5,), (2,), np.float32),
            )
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3),),
                {"shift": (1, 2), "axis": (0,)},
                InvalidArgumentError,
                "same size",
            )
        ],
        types=("any",),
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)


@deferrable(shapes=_same_shape)
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """Rotates the elements along axes: what leaves at the end comes in at the start.

    Args:
      input: The tensor.
      shift: By how much, one number for each axis.
      axis: The axis or axes.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.roll([1, 2, 3, 4], shift=1, axis=0).numpy().tolist()
    [4, 1, 2, 3]

    Source: `tf.roll`.
    """
    x = hooks.convert(input)
    axes = tuple(_known_axes(x, axis, "tf.roll"))
    return call(
        ROLL, x, name=name, shift=tuple(static_ints(shift, "tf.roll")), axis=axes
    )
