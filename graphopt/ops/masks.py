"""Ops whose results are as long as the data decide: where, boolean_mask, unique.

In a graph such an op has an unknown first dimension, unless its input is a constant. A
fetch that depends on it has no fixed places in memory and is run by the interpreter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, static_ints
from graphopt.ops.deferred import deferrable
from graphopt.ops.host import numpy_function
from graphopt.ops.indexing import gather
from graphopt.ops.shaping import reshape, squeeze

Array = NDArray[Any]


def _where_infer(condition: Any) -> tuple[TensorShape, DType]:
    known = constant_value(condition)
    rows = None if known is None else int(np.count_nonzero(known))
    if condition.shape.unknown_rank:
        return TensorShape((rows, None)), dtypes.int64
    return TensorShape((rows, len(condition.shape))), dtypes.int64


WHERE = register(
    OpSpec(
        "Where",
        _where_infer,
        lambda condition: np.argwhere(condition).astype(np.int64),
        NOT_DIFFERENTIABLE,
        Host("how many indices there are depends on the values"),
        lambda: [
            Sample((np.array([[True, False], [True, True]]),)),
            Sample((np.array([0.0, 2.0, -1.0]),)),
            Sample((np.zeros((0, 3), np.bool_),)),
        ],
        types=("any",),
    )
)


def _where_indices(condition: Any, name: str | None) -> Any:
    return call(WHERE, condition, name=name)


hooks.operators["where_indices"] = _where_indices


@deferrable()
def boolean_mask(
    tensor: Any, mask: Any, axis: Any = None, name: str | None = "boolean_mask"
) -> Tensor:
    """Returns the elements or slices where a mask is true.

    In a graph the number of rows is not known, so what follows is interpreted.

    Args:
      tensor: The tensor.
      mask: Truth values; its shape is that of some leading dimensions from `axis` on.
      axis: The first dimension that the mask covers; 0 if not given.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The shapes do not fit.

    >>> import graphopt as tf
    >>> tf.boolean_mask([[1, 2], [3, 4], [5, 6]], [True, False, True]).numpy().tolist()
    [[1, 2], [5, 6]]

    Source: `tf.boolean_mask`.
    """
    tensor, mask = hooks.convert(tensor), hooks.convert(mask)
    (along,) = static_ints(0 if axis is None else axis, "tf.boolean_mask")
    if tensor.shape.rank is None or mask.shape.rank is None:
        raise DecidedByRun("tf.boolean_mask of a tensor of unknown rank.")
    along += len(tensor.shape) if along < 0 else 0
    covered = tensor.shape[along : along + len(mask.shape)]
    if (
        not mask.dtype.is_bool
        or not mask.shape
        or not covered.is_compatible_with(mask.shape)
    ):
        raise fail(
            InvalidArgumentError,
            "mask must be truth values in the shape of the dimensions that it covers",
            got=f"{describe_shapes(tensor, mask)} with axis {along}",
            site=str(user_site()),
        )
    if len(mask.shape) > 1:
        rest = tensor.shape[along + len(mask.shape) :]
        dims = [*tensor.shape[:along], covered.num_elements(), *rest]
        tensor = reshape(tensor, [-1 if dim is None else dim for dim in dims])
        mask = reshape(mask, [-1])
    indices = squeeze(call(WHERE, mask), 1)
    return gather(tensor, indices, axis=along, name=name)


def _unique_infer(x: Any, *, dtype: DType) -> list[tuple[TensorShape, DType]]:
    if x.shape.rank not in (None, 1):
        raise fail(
            InvalidArgumentError,
            "unique expects a 1D vector",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    known = constant_value(x)
    count = None if known is None else len(_unique_numpy(known, dtype=dtype)[0])
    return [(TensorShape((count,)), x.dtype), (x.shape, dtype)]


def _unique_numpy(x: Array, *, dtype: DType) -> tuple[Array, Array]:
    # A NaN equals nothing, not even itself.
    values, first, which = np.unique(
        x, return_index=True, return_inverse=True, equal_nan=False
    )
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return values[order], rank[which].astype(dtype.numpy)


UNIQUE = register(
    OpSpec(
        "Unique",
        _unique_infer,
        _unique_numpy,
        NOT_DIFFERENTIABLE,
        Host("how many values there are depends on the values"),
        lambda: [
            Sample((np.array(values),), {"dtype": dtypes.int32})
            for values in ([5, 1, 5, 2, 1], [2.5, 0.5], [])
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 2)),), {"dtype": dtypes.int32}, InvalidArgumentError, "1D"
            )
        ],
        outputs=2,
        strings=True,
    )
)


class Unique(NamedTuple):
    """The values and the indices that `unique` returns."""

    y: Any
    idx: Any


def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Unique:
    """Returns the different values of a vector, in the order of their first place.

    Args:
      x: `[n]`.
      out_idx: The dtype of the indices.
      name: Name of the op.

    Returns:
      `y`, the values, and `idx`, `[n]`: where each element is in `y`.

    >>> import graphopt as tf
    >>> y, idx = tf.unique([5, 1, 5, 2])
    >>> y.numpy().tolist(), idx.numpy().tolist()
    ([5, 1, 2], [0, 1, 0, 2])

    Source: `tf.unique`.
    """
    return Unique(*call_all(UNIQUE, x, name=name, dtype=as_dtype(out_idx)))


def setdiff1d(
    x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """Returns the elements of a list that are not in another one, and their places.

    Source: `tf.compat.v1.setdiff1d`.
    """
    x = hooks.convert(x)
    y = hooks.convert(y, dtype_hint=x.dtype)
    index = dtypes.as_dtype(index_dtype)

    def find(a: Any, b: Any) -> Any:
        kept = ~np.isin(a, b)
        return a[kept], np.flatnonzero(kept).astype(index.numpy)

    return numpy_function(find, [x, y], [x.dtype, index], name=name)
