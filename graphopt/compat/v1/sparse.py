"""`tf.compat.v1.sparse`: `tf.sparse` with the arguments and names that TensorFlow 1 had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt import sparse
from graphopt.compat.v1.arguments import one_of
from graphopt.sparse.functions import segment_sum as segment_sum
from graphopt.sparse.tensor import SparseTensorValue as SparseTensorValue
from graphopt.sparse.tensor import sparse_placeholder

if TYPE_CHECKING:
    from graphopt.sparse import SparseTensor as SparseTensor
    from graphopt.sparse import expand_dims as expand_dims
    from graphopt.sparse import eye as eye
    from graphopt.sparse import fill_empty_rows as fill_empty_rows
    from graphopt.sparse import from_dense as from_dense
    from graphopt.sparse import map_values as map_values
    from graphopt.sparse import mask as mask
    from graphopt.sparse import reorder as reorder
    from graphopt.sparse import reset_shape as reset_shape
    from graphopt.sparse import reshape as reshape
    from graphopt.sparse import retain as retain
    from graphopt.sparse import segment_mean as segment_mean
    from graphopt.sparse import segment_sqrt_n as segment_sqrt_n
    from graphopt.sparse import slice as slice
    from graphopt.sparse import softmax as softmax
    from graphopt.sparse import sparse_dense_matmul as sparse_dense_matmul
    from graphopt.sparse import to_dense as to_dense
    from graphopt.sparse import to_indicator as to_indicator
    from graphopt.sparse import transpose as transpose

placeholder = sparse_placeholder


def reduce_sum(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """As `tf.sparse.reduce_sum`.

    Source: `tf.compat.v1.sparse.reduce_sum`.
    """
    axis = one_of("axis", axis, "reduction_axes", reduction_axes)
    keep = one_of("keepdims", keepdims, "keep_dims", keep_dims, False)
    return sparse.reduce_sum(sp_input, axis, keep)


def reduce_max(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """As `tf.sparse.reduce_max`.

    Source: `tf.compat.v1.sparse.reduce_max`.
    """
    axis = one_of("axis", axis, "reduction_axes", reduction_axes)
    keep = one_of("keepdims", keepdims, "keep_dims", keep_dims, False)
    return sparse.reduce_max(sp_input, axis, keep)


def add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """As `tf.sparse.add`.

    Source: `tf.compat.v1.sparse.add`.
    """
    return sparse.add(a, b, one_of("threshold", threshold, "thresh", thresh, 0))


def concat(
    axis: int,
    sp_inputs: Any,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> Any:
    """As `tf.sparse.concat`.

    Source: `tf.compat.v1.sparse.concat`.
    """
    expand = bool(expand_nonconcat_dims or expand_nonconcat_dim)
    return sparse.concat(axis, sp_inputs, expand, name)


def split(
    keyword_required: Any = None,
    sp_input: Any = None,
    num_split: int = 0,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> Any:
    """As `tf.sparse.split`.

    Source: `tf.compat.v1.sparse.split`.
    """
    place = one_of("axis", axis, "split_dim", split_dim, 0)
    return sparse.split(sp_input, num_split, place, name)


def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Any:
    """Returns a tensor with values at places, and another value elsewhere.

    Args:
      sparse_indices: `[n, rank]`, or for vectors `[n]` or a scalar.
      output_shape: The shape.
      sparse_values: `[n]`, or a scalar for all places.
      default_value: What stands elsewhere.
      validate_indices: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.compat.v1.sparse_to_dense`.
    """
    from graphopt.ops.creation import constant_value, convert_to_tensor, fill
    from graphopt.ops.elementwise import cast
    from graphopt.ops.reduction import broadcast_to
    from graphopt.ops.scatter import tensor_scatter_nd_update
    from graphopt.ops.shaping import reshape

    indices = convert_to_tensor(sparse_indices)
    if indices.shape.rank == 0:
        indices = reshape(indices, [1, 1])
    elif indices.shape.rank == 1:
        indices = reshape(indices, [-1, 1])
    values = convert_to_tensor(sparse_values)
    if values.shape.rank == 0:
        count = indices.shape[0]
        if count is None:
            raise NotImplementedError(
                "sparse_to_dense of one value at an unknown number of places; give a "
                "vector of values."
            )
        values = broadcast_to(values, [count])
    known = constant_value(convert_to_tensor(output_shape))
    dims = output_shape if known is None else known.tolist()
    empty = fill(dims, cast(convert_to_tensor(default_value), values.dtype))
    return tensor_scatter_nd_update(empty, indices, values, name=name)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # What is the same in both versions.
        return getattr(sparse, name)


def __dir__() -> list[str]:
    own = (n for n in globals() if not n.startswith("_"))
    return sorted({*dir(sparse), *own} - {"Any", "annotations", "one_of", "sparse"})
