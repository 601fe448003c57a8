"""Square brackets on tensors and variables."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor, is_symbolic
from graphopt.ops.creation import constant, constant_value, shape
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast, equal, maximum, minimum, where
from graphopt.ops.indexing import gather_densely
from graphopt.ops.masks import boolean_mask
from graphopt.ops.sequences import range
from graphopt.ops.shaping import expand_dims, identity
from graphopt.ops.slicing import STRIDED_SLICE, Entry, slice


def _is_cut_at_run_time(parts: Sequence[Any]) -> bool:
    """Whether bounds of slices are tensors without a value, and no index is one."""
    bounds = [
        bound
        for part in parts
        if isinstance(part, builtins.slice)
        for bound in (part.start, part.stop, part.step)
    ]
    others = [part for part in parts if not isinstance(part, builtins.slice)]
    return any(map(_waits, bounds)) and not any(map(_waits, others))


def _waits(value: Any) -> bool:
    if hasattr(value, "_as_tensor"):
        value = value._as_tensor()
    return is_symbolic(value) and constant_value(value) is None


def _taken_apart(part: Any) -> tuple[Any, Any, Any, str]:
    if isinstance(part, builtins.slice):
        if not isinstance(part.step, Tensor):
            _is_negative(part.step)
        return part.start, part.stop, part.step, "slice"
    if part is None or part is Ellipsis:
        return None, None, None, "new" if part is None else "rest"
    return part, None, None, "index"


def _shape_of_cut(
    x: Any, starts: Any, stops: Any, steps: Any, kinds: Sequence[str]
) -> list[TensorShape]:
    """Every dimension that is cut may have any size, the others stay."""
    if x.shape.unknown_rank or "rest" in kinds:
        return [UNKNOWN]
    dims: list[int | None] = []
    left = iter(x.shape)
    for start, stop, step, kind in zip(starts, stops, steps, kinds, strict=True):
        if kind == "new":
            dims.append(1)
            continue
        size = next(left, None)
        if kind == "slice":
            is_whole = start is None and stop is None and step is None
            dims.append(size if is_whole else None)
    return [TensorShape([*dims, *left])]


@deferrable(shapes=_shape_of_cut, name="cut")
def cut(
    x: Any,
    starts: Sequence[Any],
    stops: Sequence[Any],
    steps: Sequence[Any],
    kinds: Sequence[str],
    name: str | None = None,
) -> Any:
    """Returns what brackets select whose slices have bounds that the run decides.

    Raises:
      DecidedByRun: A bound is not known yet.
    """
    key: list[Any] = []
    for start, stop, step, kind in zip(starts, stops, steps, kinds, strict=True):
        if kind == "slice":
            if any(map(_waits, (start, stop, step))):
                raise DecidedByRun("A slice with bounds that only the run decides.")
            key.append(builtins.slice(start, stop, step))
        else:
            key.append({"new": None, "rest": Ellipsis, "index": start}[kind])
    return getitem(x, tuple(key))


def getitem(x: Any, key: Any) -> Any:
    """Returns what square brackets select.

    Args:
      x: A tensor or variable.
      key: Numbers, slices, Ellipsis, None, scalar integer tensors, or a tuple of them;
        or one mask of truth values. The bounds of slices may be scalar integer tensors.

    Raises:
      TypeError: A key is none of these.
      InvalidArgumentError: An index is out of bounds.

    >>> import graphopt as tf
    >>> x = tf.constant([[1, 2, 3], [4, 5, 6]])
    >>> x[1, ::-1].numpy().tolist(), x[..., 0].numpy().tolist(), x[x > 4].numpy().tolist()
    ([6, 5, 4], [1, 4], [5, 6])

    Source: `tf.Tensor.__getitem__`.
    """
    if _is_mask(key):
        return boolean_mask(x, key)
    x = hooks.convert(x)
    parts = key if isinstance(key, tuple) else (key,)
    if is_symbolic(x) and _is_cut_at_run_time(parts):
        starts, stops, steps, kinds = zip(*map(_taken_apart, parts), strict=True)
        return cut(x, starts, stops, steps, kinds)
    entries: list[Entry] = []
    for position, part in enumerate(parts):
        if isinstance(part, builtins.slice):
            bounds = tuple(_number(b) for b in (part.start, part.stop, part.step))
            if any(isinstance(bound, Tensor) for bound in bounds):
                axis = _axis_of(x, parts, position)
                x, bounds = _range_at_run_time(x, bounds, axis), (None, None, None)
            entries.append(bounds)
        elif part is None or part is Ellipsis:
            entries.append(part)
        else:
            number = _integer(part)
            if number is None:
                x, number = _at_run_time(x, part, parts, position), 0
            entries.append(number)
    return call(STRIDED_SLICE, x, name="strided_slice", key=tuple(entries))


def _is_mask(key: Any) -> bool:
    if isinstance(key, (Tensor, np.ndarray)) or hasattr(key, "_as_tensor"):
        shape = getattr(key, "shape", ())
        return bool(key.dtype == np.bool_ or key.dtype == dtypes.bool_) and shape != ()
    return False


def _number(value: Any) -> Any:
    """Returns a bound as a number; None if there is none; a tensor if the run decides."""
    if value is None:
        return None
    number = _integer(value)
    return hooks.convert(value) if number is None else number


def _integer(value: Any) -> int | None:
    """Returns an index as a number, or None if only the run decides it."""
    if hasattr(value, "_as_tensor"):
        value = value._as_tensor()
    if isinstance(value, Tensor) and value.dtype.is_integer and not value.shape:
        known = constant_value(value)
        return None if known is None else int(known)
    if not isinstance(value, (bool, np.bool_, GraphTensor, EagerTensor)):
        if isinstance(value, np.ndarray) and value.ndim:
            raise _bad_index(value)
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise _bad_index(value)


def _bad_index(value: Any) -> TypeError:
    return fail(
        TypeError,
        "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar "
        "tf.int32/tf.int64 tensors are valid indices",
        got=repr(value)[:80],
        site=str(user_site()),
        remedy="tf.gather for a list of indices",
    )


def _axis_of(x: Any, parts: Sequence[Any], position: int) -> int:
    """Returns the dimension that one part of a key is about."""
    before = parts[:position]
    axis = sum(part is not None and part is not Ellipsis for part in before)
    if x.shape.unknown_rank:
        raise NotImplementedError(
            "An index that only the run decides, into a tensor of unknown rank; use "
            "tf.gather."
        )
    if any(part is Ellipsis for part in before):
        after = sum(p is not None and p is not Ellipsis for p in parts[position:])
        axis = len(x.shape) - after
    if axis >= len(x.shape):
        raise fail(
            InvalidArgumentError,
            f"Index out of range using input dim {axis}; input has only "
            f"{len(x.shape)} dims",
            got=describe_shapes(x),
            expected=f"at most {len(x.shape)} indices",
            site=str(user_site()),
        )
    return axis


def _size_of(x: Any, axis: int, dtype: Any) -> Any:
    """Returns the size of a dimension, a number if it is known."""
    known = x.shape[axis]
    return shape(x, dtype)[axis] if known is None else constant(known, dtype)


def _at_run_time(x: Any, index: Any, parts: Sequence[Any], position: int) -> Any:
    """Takes the element that a symbolic index names; its dimension stays, with size 1."""
    axis = _axis_of(x, parts, position)
    index = hooks.convert(index)
    wrapped = where(index < 0, index + _size_of(x, axis, index.dtype), index)
    return gather_densely(x, expand_dims(wrapped, 0), axis)


def _range_at_run_time(x: Any, bounds: Sequence[Any], axis: int) -> Any:
    """Takes a range along a dimension whose bounds are tensors, as Python's slices do."""
    start, stop, step = bounds
    # Wide enough for the negative end of a range that goes down to element 0.
    kind = dtypes.int64
    size = _size_of(x, axis, kind)
    if isinstance(step, Tensor):
        step = cast(step, kind)
        down = step < 0
    else:
        step = constant(1 if step is None else step, kind)
        down = constant(_is_negative(bounds[2]))
    low = where(down, constant(-1, kind), constant(0, kind))
    high = where(down, size - 1, size)

    def clamped(bound: Any, otherwise: Any) -> Any:
        if bound is None:
            return otherwise
        bound = cast(bound, kind)
        return minimum(maximum(where(bound < 0, bound + size, bound), low), high)

    first = clamped(start, where(down, high, low))
    last = clamped(stop, where(down, low, high))
    # An empty range ends where it begins.
    last = where(down, minimum(first, last), maximum(first, last))
    return gather_densely(x, range(first, last, step), axis)


def _is_negative(step: Any) -> bool:
    """Whether a step that is a number, or not given, goes down.

    Raises:
      InvalidArgumentError: It is 0.
    """
    if step == 0:
        raise fail(
            InvalidArgumentError,
            "slice strides must be non-zero",
            got="a step of 0",
            site=str(user_site()),
        )
    return step is not None and step < 0


hooks.operators["getitem"] = getitem


def _slice_at_run_time(
    x: Any, begins: Sequence[Any], sizes: Sequence[Any], name: str | None
) -> Any:
    """Cuts a block out of a tensor where a bound is a tensor; the rest stays native.

    Along a dimension of known size it is a gather, which checks its indices.
    """
    x = hooks.convert(x)
    if x.shape.unknown_rank or not len(x.shape) == len(begins) == len(sizes):
        raise fail(
            InvalidArgumentError,
            "Expected begin and size to have one number for each dimension",
            got=f"{len(begins)} and {len(sizes)} for {describe_shapes(x)}",
            expected="as many as there are dimensions, of a tensor of known rank",
            site=str(user_site()),
        )
    kind = dtypes.int64
    rest = len(begins) - 1
    for axis, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        if not isinstance(begin, Tensor) and not isinstance(size, Tensor):
            zeros, whole = [0] * rest, [-1] * rest
            x = slice(
                x,
                [*zeros[:axis], begin, *zeros[axis:]],
                [*whole[:axis], size, *whole[axis:]],
            )
            continue
        first = (
            cast(begin, kind) if isinstance(begin, Tensor) else constant(begin, kind)
        )
        left = _size_of(x, axis, kind) - first
        if isinstance(size, Tensor):
            size = cast(size, kind)
            count = where(equal(size, -1), left, size)
            indices = first + range(count)
        elif size == -1:
            indices = first + range(left)
        else:
            indices = first + range(constant(size, kind))
        x = gather_densely(x, indices, axis)
    return identity(x, name=name)


hooks.operators["slice_at_run_time"] = _slice_at_run_time
