"""gather_nd and its opposites: slices named by several indices each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import static_dims, zeros, zeros_like
from graphopt.ops.deferred import deferrable, shape_of_sizes
from graphopt.ops.elementwise import cast, equal
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.indexing import check_indices, explain_index, require_integers

# ---- gather_nd, scatter_nd


def _nd_dims(params: Any, indices: Any, what: str) -> TensorShape:
    """Returns the shape of the slices that rows of indices name."""
    require_integers(indices, f"The indices of {what}")
    if params.shape.unknown_rank or indices.shape.unknown_rank:
        return UNKNOWN
    depth = indices.shape[-1] if indices.shape else 0
    if not indices.shape or (depth or 0) > len(params.shape):
        raise fail(
            InvalidArgumentError,
            f"The last dimension of the indices of {what} must be at most the rank",
            got=describe_shapes(params, indices),
            expected=f"indices of shape [..., k] with k <= {len(params.shape)}",
            site=str(user_site()),
        )
    if depth is None:
        return UNKNOWN
    return TensorShape((*indices.shape[:-1], *params.shape[depth:]))


def _nd_key(indices: NDArray[Any], dims: Sequence[int]) -> tuple[Any, ...]:
    depth = indices.shape[-1]
    check_indices(indices, np.array(dims[:depth], np.int64))
    return tuple(np.moveaxis(indices, -1, 0))


def _gather_nd_numpy(params: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    key = _nd_key(indices, params.shape)
    if not key:
        return np.broadcast_to(params, indices.shape[:-1] + params.shape).copy()
    return np.array(params[key], order="C")


def _nd_samples() -> list[tuple[NDArray[Any], NDArray[Any]]]:
    x = np.arange(12.0).reshape(3, 4)
    return [
        (x, np.array([[2, 1], [0, 3], [1, 1]], np.int32)),
        (x, np.array([[2], [0]], np.int64)),
        (x, np.array([[[1, 0]], [[2, 3]]], np.int32)),
        (x, np.zeros((0, 2), np.int32)),
        (x.astype(np.float32), np.array([1], np.int32)),
        (np.arange(24.0).reshape(2, 3, 4), np.array([[1, 2], [0, 0]], np.int32)),
    ]


def _nd_errors(*updates: Any) -> list[BadInput]:
    x = np.zeros((3, 2))
    return [
        BadInput(
            (x, np.array([[0, 1], [1, 2]]), *updates),
            {},
            InvalidArgumentError,
            r"indices\[1,1\] = 2 is not in \[0, 2\)",
        ),
        BadInput(
            (x, np.zeros((2, 3), np.int32), *updates),
            {},
            InvalidArgumentError,
            "must be at most the rank",
        ),
    ]


def _limit(op: Operation, position: int) -> int | None:
    depth = int(op.inputs[1].shape[-1] or 1)
    return op.inputs[0].shape[position % depth]


_explain = explain_index(1, _limit)


GATHER_ND: OpSpec = register(
    OpSpec(
        "GatherNd",
        lambda params, indices: (_nd_dims(params, indices, "gather_nd"), params.dtype),
        _gather_nd_numpy,
        lambda g, y, params, indices: (
            call(TENSOR_SCATTER_ADD, zeros_like(params), indices, g),
            None,
        ),
        Family("gather_nd"),
        lambda: [Sample(pair) for pair in _nd_samples()],
        errors=_nd_errors,
        types=("any", "any"),
        host_dtypes=(),
        strings=True,
        explain=_explain,
        cost=Cost.MOVE,
        partial_inputs=(0,),
    )
)


def _scatter_infer(tensor: Any, indices: Any, updates: Any) -> tuple[Any, DType]:
    expected = _nd_dims(tensor, indices, "scatter")
    if not expected.is_compatible_with(updates.shape):
        raise fail(
            InvalidArgumentError,
            "Must have updates.shape = indices.shape[:-1] + shape[indices.shape[-1]:]",
            got=describe_shapes(tensor, indices, updates),
            expected=f"updates of shape {expected}",
            site=str(user_site()),
        )
    return tensor.shape, tensor.dtype


def _scatter_update(
    tensor: NDArray[Any], indices: NDArray[Any], updates: NDArray[Any]
) -> NDArray[Any]:
    out = tensor.copy()
    key = _nd_key(indices, tensor.shape)
    rows = updates.reshape((-1, *tensor.shape[len(key) :]))
    if not key:
        if len(rows):
            out[...] = rows[-1]
        return out
    if not rows.size:
        return out
    # The last of equal indices wins, as in the kernel: the first of them from behind.
    flat = np.ravel_multi_index(
        [part.ravel() for part in key], tensor.shape[: len(key)]
    )
    places, from_behind = np.unique(flat[::-1], return_index=True)
    out.reshape(-1, *tensor.shape[len(key) :])[places] = rows[
        len(flat) - 1 - from_behind
    ]
    return out


def _scatter_add(
    tensor: NDArray[Any], indices: NDArray[Any], updates: NDArray[Any]
) -> NDArray[Any]:
    out = tensor.copy()
    key = _nd_key(indices, tensor.shape)
    if key:
        np.add.at(out, key, updates)
    else:
        for row in updates.reshape((-1, *tensor.shape)):
            out += row
    return out


def _scatter_samples(repeated: bool) -> list[Sample]:
    out = []
    for tensor, indices in _nd_samples():
        updates = _gather_nd_numpy(tensor, indices) * 0.3 + 1
        out.append(Sample((tensor, indices, updates.astype(tensor.dtype))))
    x = np.arange(6.0)
    twice = np.array([[4], [1], [4]], np.int32)
    out.append(Sample((x.astype(np.int32), twice, np.array([7, 8, 9], np.int32))))
    if repeated:
        out.append(Sample((x, twice, np.array([0.5, 0.25, 0.125]))))
    return out


def _update_vjp(g: Any, indices: Any, updates: Any) -> tuple[Any, ...]:
    # Read before the rows are cleared, so that clearing them needs no copy.
    rows = gather_nd(g, indices)
    return tensor_scatter_nd_update(g, indices, zeros_like(updates)), None, rows


TENSOR_SCATTER_UPDATE = register(
    OpSpec(
        "TensorScatterUpdate",
        _scatter_infer,
        _scatter_update,
        lambda g, y, tensor, indices, updates: _update_vjp(g, indices, updates),
        Family("scatter_nd", "update"),
        lambda: _scatter_samples(repeated=False),
        errors=lambda: _nd_errors(np.zeros(2)),
        types=("T", "any", "T"),
        host_dtypes=(),
        strings=True,
        explain=_explain,
        partial_inputs=(0,),
    )
)
TENSOR_SCATTER_ADD: OpSpec = register(
    OpSpec(
        "TensorScatterAdd",
        _scatter_infer,
        _scatter_add,
        lambda g, y, tensor, indices, updates: (g, None, gather_nd(g, indices)),
        Family("scatter_nd", "add"),
        lambda: _scatter_samples(repeated=True),
        errors=lambda: _nd_errors(np.zeros(2)),
        types=("T", "any", "T"),
        dtypes=(*NUMERIC, *COMPLEX),
        explain=_explain,
        partial_inputs=(0,),
    )
)


def _extreme_numpy(function: np.ufunc) -> Any:
    def compute(
        tensor: NDArray[Any], indices: NDArray[Any], updates: NDArray[Any]
    ) -> NDArray[Any]:
        out = tensor.copy()
        key = _nd_key(indices, tensor.shape)
        if key:
            function.at(out, key, updates)
        else:
            for row in updates.reshape((-1, *tensor.shape)):
                function(out, row, out)
        return out

    return compute


def _extreme_vjp(g: Any, y: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    """Equal ones share the cotangent, as in TensorFlow."""
    own = cast(equal(tensor, y), tensor.dtype)
    given = cast(equal(updates, gather_nd(y, indices)), tensor.dtype)
    count = call(TENSOR_SCATTER_ADD, own, indices, given)
    share = g / count
    return share * own, None, gather_nd(share, indices) * given


def _register_extreme(name: str, function: np.ufunc, option: str) -> OpSpec:
    return register(
        OpSpec(
            name,
            _scatter_infer,
            _extreme_numpy(function),
            _extreme_vjp,
            Family("scatter_nd", option),
            lambda: _scatter_samples(repeated=True),
            errors=lambda: _nd_errors(np.zeros(2)),
            types=("T", "any", "T"),
            dtypes=NUMERIC,
            explain=_explain,
            partial_inputs=(0,),
        )
    )


TENSOR_SCATTER_MAX = _register_extreme("TensorScatterMax", np.maximum, "max")
TENSOR_SCATTER_MIN = _register_extreme("TensorScatterMin", np.minimum, "min")


def tensor_scatter_nd_max(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Tensor:
    """Returns a tensor in which the slices that indices name are at least the updates.

    Source: `tf.tensor_scatter_nd_max`.
    """
    return call(TENSOR_SCATTER_MAX, tensor, indices, updates, name=name)


def tensor_scatter_nd_min(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Tensor:
    """Returns a tensor in which the slices that indices name are at most the updates.

    Source: `tf.tensor_scatter_nd_min`.
    """
    return call(TENSOR_SCATTER_MIN, tensor, indices, updates, name=name)


def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None
) -> Tensor:
    """Takes elements or slices by several indices each.

    Args:
      params: The tensor.
      indices: `[..., k]`: each row names an element of the first k dimensions.
      batch_dims: Must be 0.
      name: Name of the op.

    Returns:
      `indices.shape[:-1] + params.shape[k:]`.

    Raises:
      InvalidArgumentError: An index is out of range.

    >>> import graphopt as tf
    >>> tf.gather_nd([[1, 2], [3, 4]], [[1, 0], [0, 1]]).numpy().tolist()
    [3, 2]

    Source: `tf.gather_nd`.
    """
    if batch_dims:
        raise NotImplementedError("tf.gather_nd with batch_dims; use tf.gather.")
    return call(GATHER_ND, params, indices, name=name)


def tensor_scatter_nd_update(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Tensor:
    """Returns a tensor in which the slices that indices name are replaced.

    Of equal indices the last one wins.

    Args:
      tensor: The tensor.
      indices: `[..., k]`: each row names an element of the first k dimensions.
      updates: `indices.shape[:-1] + tensor.shape[k:]`.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An index is out of range.

    >>> import graphopt as tf
    >>> tf.tensor_scatter_nd_update([1, 2, 3], [[2]], [9]).numpy().tolist()
    [1, 2, 9]

    Source: `tf.tensor_scatter_nd_update`.
    """
    return call(TENSOR_SCATTER_UPDATE, tensor, indices, updates, name=name)


def tensor_scatter_nd_add(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Tensor:
    """Returns a tensor with updates added to the slices that indices name.

    Source: `tf.tensor_scatter_nd_add`.
    """
    return call(TENSOR_SCATTER_ADD, tensor, indices, updates, name=name)


def tensor_scatter_nd_sub(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Tensor:
    """Returns a tensor with updates taken off the slices that indices name.

    Source: `tf.tensor_scatter_nd_sub`.
    """
    tensor, indices, updates = as_inputs(
        TENSOR_SCATTER_ADD, (tensor, indices, updates), name
    )
    return tensor_scatter_nd_add(tensor, indices, -updates, name)


@deferrable(
    lambda indices, updates, shape: [hooks.convert(updates).dtype],
    lambda indices, updates, shape: [shape_of_sizes(shape)],
)
def scatter_nd(
    indices: Any, updates: Any, shape: Any, name: str | None = None
) -> Tensor:
    """Returns zeros with updates added to the slices that indices name.

    Args:
      indices: `[..., k]`.
      updates: `indices.shape[:-1] + shape[k:]`.
      shape: The shape of the result.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An index is out of range.

    >>> import graphopt as tf
    >>> tf.scatter_nd([[1], [3], [1]], [1.0, 2.0, 4.0], [4]).numpy().tolist()
    [0.0, 5.0, 0.0, 2.0]

    Source: `tf.scatter_nd`.
    """
    updates = hooks.convert(updates)
    empty = zeros(static_dims(shape, "tf.scatter_nd"), updates.dtype)
    return tensor_scatter_nd_add(empty, indices, updates, name=name or "ScatterNd")
