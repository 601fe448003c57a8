"""Square brackets on tensors and variables."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.ops.creation import constant_value
from graphopt.ops.elementwise import where
from graphopt.ops.indexing import gather_densely
from graphopt.ops.masks import boolean_mask
from graphopt.ops.shaping import expand_dims
from graphopt.ops.slicing import STRIDED_SLICE, Entry


def getitem(x: Any, key: Any) -> Any:
    """Returns what square brackets select.

    Args:
      x: A tensor or variable.
      key: Numbers, slices, Ellipsis, None, scalar integer tensors, or a tuple of them;
        or one mask of truth values.

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
    entries: list[Entry] = []
    for position, part in enumerate(parts):
        if isinstance(part, builtins.slice):
            bounds = (_number(b) for b in (part.start, part.stop, part.step))
            entries.append(tuple(bounds))  # type: ignore[arg-type]
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


def _number(value: Any) -> int | None:
    if value is None:
        return None
    number = _integer(value)
    if number is None:
        raise NotImplementedError(
            "A slice whose bounds only the run decides; use tf.gather with tf.range, or "
            "a mask."
        )
    return number


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


def _at_run_time(x: Any, index: Any, parts: Sequence[Any], position: int) -> Any:
    """Takes the element that a symbolic index names; its dimension stays, with size 1."""
    before = parts[:position]
    axis = sum(part is not None and part is not Ellipsis for part in before)
    if any(part is Ellipsis for part in before):
        after = sum(p is not None and p is not Ellipsis for p in parts[position:])
        axis = len(x.shape) - after
    if x.shape.unknown_rank or axis >= len(x.shape) or x.shape[axis] is None:
        raise NotImplementedError(
            "An index that only the run decides, into a dimension that is not known; "
            "use tf.gather."
        )
    index = hooks.convert(index)
    wrapped = where(index < 0, index + x.shape[axis], index)
    return gather_densely(x, expand_dims(wrapped, 0), axis)


hooks.operators["getitem"] = getitem
