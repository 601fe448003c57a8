"""`tf.sparse`: functions of sparse tensors.

What follows the values (products, sums, softmax) is made of gathers and scatters, with
derivatives; what only orders the places is done by NumPy on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import int64
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, convert_to_tensor, fill, zeros
from graphopt.ops.elementwise import (
    cast,
    greater_equal,
    less,
    logical_and,
    maximum,
    minimum,
    not_equal,
    where,
)
from graphopt.ops.host import numpy_function
from graphopt.ops.indexing import gather
from graphopt.ops.masks import boolean_mask, setdiff1d
from graphopt.ops.nn import softmax as _softmax
from graphopt.ops.reduction import reduce_all
from graphopt.ops.reduction import reduce_max as _max
from graphopt.ops.reduction import reduce_sum as _sum
from graphopt.ops.scatter import (
    gather_nd,
    tensor_scatter_nd_add,
    tensor_scatter_nd_update,
)
from graphopt.ops.shaping import concat as _concat
from graphopt.ops.shaping import expand_dims as _expand_dims
from graphopt.ops.shaping import reshape as _reshape
from graphopt.ops.shaping import stack
from graphopt.sparse.tensor import SparseTensor


def _require(sp: Any, what: str) -> SparseTensor:
    if isinstance(sp, SparseTensor):
        return sp
    if isinstance(sp, tuple) and len(sp) == 3:
        return SparseTensor(*sp)
    raise fail(
        TypeError,
        f"{what} takes a sparse tensor",
        got=f"{sp!r:.80}",
        expected="a tf.SparseTensor",
        site=str(user_site()),
        remedy="tf.sparse.from_dense",
    )


def _dims(sp: SparseTensor) -> Any:
    """Returns the dense shape: a list where it is known, else a tensor."""
    known = constant_value(sp.dense_shape)
    return sp.dense_shape if known is None else [int(size) for size in known]


def to_dense(
    sp_input: Any,
    default_value: Any = None,
    validate_indices: bool = True,
    name: Any = None,
) -> Tensor:
    """Returns the whole tensor.

    Args:
      sp_input: A sparse tensor.
      default_value: What stands where it has nothing; by default 0.
      validate_indices: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.sparse.to_dense`.
    """
    sp = _require(sp_input, "tf.sparse.to_dense")
    empty = _empty(sp, 0 if default_value is None else default_value)
    # Places occur once, so setting is adding, which has the simpler derivative.
    if default_value is None:
        return tensor_scatter_nd_add(empty, sp.indices, sp.values, name=name)
    return tensor_scatter_nd_update(empty, sp.indices, sp.values, name=name)


def _empty(sp: SparseTensor, value: Any) -> Any:
    value = convert_to_tensor(value, dtype_hint=sp.dtype)
    return fill(_dims(sp), cast(value, sp.dtype))


def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """Returns the elements of a tensor that are not 0.

    Source: `tf.sparse.from_dense`.
    """
    from graphopt.ops.creation import shape as shape_of

    tensor = convert_to_tensor(tensor)
    indices = where(not_equal(tensor, zeros([], tensor.dtype)))
    known = tensor.shape
    dims: Any = shape_of(tensor, int64)
    if known.is_fully_defined():
        dims = known.as_list()
    return SparseTensor(indices, gather_nd(tensor, indices), dims)


def dense_at(sp: SparseTensor, other: Any) -> Any:
    """Returns the elements of a tensor at the places of a sparse one."""
    from graphopt.ops.reduction import broadcast_to

    other = convert_to_tensor(other, dtype_hint=sp.dtype)
    if other.shape.rank == 0:
        return other
    return gather_nd(broadcast_to(other, _dims(sp)), sp.indices)


def sparse_dense_matmul(
    sp_a: Any,
    b: Any,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: Any = None,
) -> Tensor:
    """Returns the product of a sparse matrix and a dense one, either way around.

    Args:
      sp_a: A matrix.
      b: A matrix; one of the two is sparse.
      adjoint_a: Whether the first is transposed.
      adjoint_b: Whether the second is.
      name: Name of the op.

    >>> import graphopt as tf
    >>> s = tf.SparseTensor([[0, 1], [1, 0]], [2.0, 3.0], [2, 2])
    >>> tf.sparse.sparse_dense_matmul(s, [[1.0], [10.0]]).numpy().tolist()
    [[20.0], [3.0]]

    Source: `tf.sparse.sparse_dense_matmul`.
    """
    from graphopt.ops.shaping import transpose as dense_transpose

    if isinstance(b, SparseTensor):
        swapped = sparse_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a)
        return dense_transpose(swapped, name=name)
    sp = _require(sp_a, "tf.sparse.sparse_dense_matmul")
    b = convert_to_tensor(b, dtype_hint=sp.dtype)
    if adjoint_b:
        b = dense_transpose(b)
    rows, columns = (1, 0) if adjoint_a else (0, 1)
    dims = _dims(sp)
    # Not `gather`, whose derivative is sparse: optimizers would leave rows out.
    taken = gather_nd(b, _expand_dims(sp.indices[:, columns], 1))
    taken = taken * _expand_dims(sp.values, 1)
    width = b.shape[1]
    if isinstance(dims, list) and width is not None:
        out: Any = zeros([dims[rows], width], sp.dtype)
    else:
        from graphopt.ops.creation import shape as shape_of

        height = cast(sp.dense_shape[rows], int64)
        out = zeros(stack([height, shape_of(b, int64)[1]]), sp.dtype)
    places = _expand_dims(sp.indices[:, rows], 1)
    return tensor_scatter_nd_add(out, places, taken, name=name)


matmul = sparse_dense_matmul


def _order(sp: SparseTensor) -> SparseTensor:
    """Returns a sparse tensor with its places in the order of rows."""

    def order(indices: Any) -> Any:
        return np.lexsort(indices.T[::-1]).astype(np.int64)

    places = numpy_function(order, [sp.indices], int64)
    places = _with_shape(places, sp.values.shape)
    return SparseTensor(
        gather(sp.indices, places), gather(sp.values, places), sp.dense_shape
    )


def _with_shape(tensor: Any, shape: Any) -> Any:
    if hasattr(tensor, "set_shape"):
        tensor.set_shape(shape)
    return tensor


def reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Returns a sparse tensor with its places in the order of rows.

    Source: `tf.sparse.reorder`.
    """
    return _order(_require(sp_input, "tf.sparse.reorder"))


def transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """Returns a sparse tensor with its dimensions in another order.

    Source: `tf.sparse.transpose`.
    """
    sp = _require(sp_input, "tf.sparse.transpose")
    rank = sp.shape.rank
    order = list(range(rank or 0))[::-1] if perm is None else [int(p) for p in perm]
    moved = SparseTensor(
        gather(sp.indices, order, axis=1), sp.values, gather(sp.dense_shape, order)
    )
    return _order(moved)


def reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """Returns a sparse tensor of another shape with as many elements.

    Args:
      sp_input: A sparse tensor.
      shape: Its new shape; one size may be -1.
      name: Name of the op.

    Source: `tf.sparse.reshape`.
    """
    sp = _require(sp_input, "tf.sparse.reshape")
    old = _dims(sp)
    wanted = constant_value(convert_to_tensor(shape))
    if not isinstance(old, list) or wanted is None:
        raise NotImplementedError("tf.sparse.reshape with shapes that the run decides.")
    new = [int(size) for size in wanted]
    total = int(np.prod(old))
    if -1 in new:
        new[new.index(-1)] = total // int(np.prod([s for s in new if s != -1]))
    if int(np.prod(new)) != total:
        raise fail(
            ValueError,
            "tf.sparse.reshape: the shapes have different numbers of elements",
            got=f"{old} to {new}",
            site=str(user_site()),
        )
    flat = _sum(sp.indices * convert_to_tensor(_strides(old)), 1)
    parts = [
        (flat // stride) % size for stride, size in zip(_strides(new), new, strict=True)
    ]
    return SparseTensor(stack(parts, axis=1), sp.values, new)


def _strides(dims: Sequence[int]) -> Any:
    return np.array([int(np.prod(dims[i + 1 :])) for i in range(len(dims))], np.int64)


def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Returns some of the places: those where a vector of bools is true.

    Source: `tf.sparse.retain`.
    """
    sp = _require(sp_input, "tf.sparse.retain")
    return SparseTensor(
        boolean_mask(sp.indices, to_retain),
        boolean_mask(sp.values, to_retain),
        sp.dense_shape,
    )


def slice(
    sp_input: Any, start: Any, size: Any, name: str | None = None
) -> SparseTensor:
    """Returns a block of a sparse tensor.

    Args:
      sp_input: A sparse tensor.
      start: `[rank]`: the first place of the block.
      size: `[rank]`: its shape; what is beyond the tensor is cut off.
      name: Name of the op.

    Source: `tf.sparse.slice`.
    """
    sp = _require(sp_input, "tf.sparse.slice")
    start = cast(convert_to_tensor(start), int64)
    size = cast(convert_to_tensor(size), int64)
    end = minimum(start + size, sp.dense_shape)
    inside = logical_and(greater_equal(sp.indices, start), less(sp.indices, end))
    kept = retain(sp, reduce_all(inside, 1))
    dims = maximum(end - start, convert_to_tensor(np.int64(0)))
    known: list[Any] = [constant_value(t) for t in (start, size, sp.dense_shape)]
    if all(each is not None for each in known):
        dims = np.maximum(np.minimum(known[0] + known[1], known[2]) - known[0], 0)
    return SparseTensor(kept.indices - start, kept.values, dims)


def concat(
    axis: int,
    sp_inputs: Sequence[Any],
    expand_nonconcat_dims: bool = False,
    name: Any = None,
) -> SparseTensor:
    """Returns sparse tensors behind each other along an axis.

    Args:
      axis: The axis.
      sp_inputs: Sparse tensors of known shapes.
      expand_nonconcat_dims: Whether their other sizes may differ.
      name: Name of the op.

    Source: `tf.sparse.concat`.
    """
    parts = [_require(each, "tf.sparse.concat") for each in sp_inputs]
    shapes = [_dims(each) for each in parts]
    if not all(isinstance(dims, list) for dims in shapes):
        raise NotImplementedError("tf.sparse.concat of shapes that the run decides.")
    axis %= len(shapes[0])
    dims = np.max(shapes, axis=0)
    others = [[s for i, s in enumerate(d) if i != axis] for d in shapes]
    if not expand_nonconcat_dims and any(each != others[0] for each in others):
        raise fail(
            ValueError,
            "tf.sparse.concat: sizes beside the axis differ",
            got=str(shapes),
            site=str(user_site()),
            remedy="expand_nonconcat_dims=True",
        )
    dims[axis] = sum(each[axis] for each in shapes)
    offset = np.zeros(len(dims), np.int64)
    moved = []
    for part, own in zip(parts, shapes, strict=True):
        moved.append(part.indices + convert_to_tensor(offset.copy()))
        offset[axis] += own[axis]
    values = _concat([part.values for part in parts], 0)
    return _order(SparseTensor(_concat(moved, 0), values, dims))


def add(a: Any, b: Any, threshold: Any = 0) -> Any:
    """Adds two tensors, of which at least one is sparse.

    Args:
      a: A tensor.
      b: A tensor of the same shape.
      threshold: Sums of two sparse tensors that are smaller are left out.

    Returns:
      A sparse tensor if both are, else a dense one.

    Source: `tf.sparse.add`.
    """
    if not isinstance(a, SparseTensor):
        a, b = b, a
    a = _require(a, "tf.sparse.add")
    if not isinstance(b, SparseTensor):
        b = convert_to_tensor(b, dtype_hint=a.dtype)
        return tensor_scatter_nd_add(b, a.indices, a.values)
    total = to_dense(a) + to_dense(b)
    marks = [each.with_values(_ones(each)) for each in (a, b)]
    kept = where(not_equal(to_dense(marks[0]) + to_dense(marks[1]), 0.0))
    made = SparseTensor(kept, gather_nd(total, kept), a.dense_shape)
    if not threshold:
        return made
    from graphopt.ops.elementwise import abs as absolute

    return retain(made, greater_equal(absolute(made.values), threshold))


def _ones(sp: SparseTensor) -> Any:
    from graphopt.dtypes import float32
    from graphopt.ops.creation import ones_like

    return ones_like(sp.values, float32)


def softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Returns softmax along the last axis, of the places that are there.

    Source: `tf.sparse.softmax`.
    """
    sp = _require(sp_input, "tf.sparse.softmax")
    whole = to_dense(sp, default_value=-np.inf)
    return sp.with_values(gather_nd(_softmax(whole), sp.indices))


def reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, name: Any = None
) -> Tensor:
    """Returns sums along axes, as a dense tensor.

    Source: `tf.sparse.reduce_sum`.
    """
    whole = to_dense(_require(sp_input, "tf.sparse.reduce_sum"))
    return _sum(whole, axis, bool(keepdims), name=name)


def reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, name: Any = None
) -> Tensor:
    """Returns the largest of the places that are there along axes; 0 where none is.

    Source: `tf.sparse.reduce_max`.
    """
    sp = _require(sp_input, "tf.sparse.reduce_max")
    lowest = sp.dtype.min
    largest = _max(to_dense(sp, default_value=lowest), axis, bool(keepdims))
    counts = _sum(to_dense(sp.with_values(_ones(sp))), axis, bool(keepdims))
    nothing = zeros([], sp.dtype)
    return where(not_equal(counts, 0.0), largest, nothing, name=name)


def expand_dims(sp_input: Any, axis: int = -1, name: str | None = None) -> SparseTensor:
    """Returns a sparse tensor with one more dimension, of size 1.

    Source: `tf.sparse.expand_dims`.
    """
    sp = _require(sp_input, "tf.sparse.expand_dims")
    rank = sp.shape.rank
    assert rank is not None
    place = axis % (rank + 1)
    columns = [sp.indices[:, i] for i in range(rank)]
    columns.insert(place, sp.indices[:, 0] * 0)
    sizes = [sp.dense_shape[i] for i in range(rank)]
    sizes.insert(place, convert_to_tensor(np.int64(1)))
    known = _dims(sp)
    if isinstance(known, list):
        sizes = [*known[:place], 1, *known[place:]]
    return SparseTensor(stack(columns, axis=1), sp.values, sizes)


def reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """Returns a sparse tensor in a larger shape.

    Source: `tf.sparse.reset_shape`.
    """
    sp = _require(sp_input, "tf.sparse.reset_shape")
    if new_shape is None:
        one = convert_to_tensor(np.int64(1))
        return SparseTensor(sp.indices, sp.values, _max(sp.indices, 0) + one)
    known = _dims(sp)
    wanted: Any = constant_value(convert_to_tensor(new_shape))
    both = isinstance(known, list) and wanted is not None
    if both and (len(known) != len(wanted) or any(np.array(known) > wanted)):
        raise fail(
            ValueError,
            "tf.sparse.reset_shape: the new shape is smaller",
            got=f"{known} to {list(wanted)}",
            site=str(user_site()),
        )
    return SparseTensor(sp.indices, sp.values, new_shape)


def fill_empty_rows(
    sp_input: Any, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Any]:
    """Puts a value into the first column of rows without one.

    Returns:
      The matrix, and which rows were empty.

    Source: `tf.sparse.fill_empty_rows`.
    """
    from graphopt.dtypes import bool_
    from graphopt.ops.elementwise import equal

    sp = _require(sp_input, "tf.sparse.fill_empty_rows")
    dims = _dims(sp)
    if not isinstance(dims, list):
        raise NotImplementedError(
            "tf.sparse.fill_empty_rows of an unknown number of rows."
        )
    rows = tensor_scatter_nd_add(
        zeros([dims[0]]), _expand_dims(sp.indices[:, 0], 1), _ones(sp)
    )
    empty = cast(equal(rows, 0.0), bool_)
    missing = where(empty)
    columns = _concat([missing, missing * 0], 1)
    value = cast(convert_to_tensor(default_value), sp.dtype)
    values = cast(missing[:, 0] * 0, sp.dtype) + value
    indices = _concat([sp.indices, columns], 0)
    made = SparseTensor(indices, _concat([sp.values, values], 0), sp.dense_shape)
    return _order(made), empty


def eye(
    num_rows: int, num_columns: int | None = None, dtype: Any = None, name: Any = None
) -> SparseTensor:
    """Returns ones on the diagonal.

    Source: `tf.sparse.eye`.
    """
    from graphopt.dtypes import as_dtype, float32

    columns = num_rows if num_columns is None else num_columns
    count = min(num_rows, columns)
    places = np.repeat(np.arange(count)[:, np.newaxis], 2, axis=1)
    kind = as_dtype(dtype or float32).numpy
    return SparseTensor(places, np.ones(count, kind), [num_rows, columns])


def map_values(op: Any, *args: Any, **kwargs: Any) -> SparseTensor:
    """Calls a function with the values of sparse tensors in their place.

    Source: `tf.sparse.map_values`.
    """
    found = [each for each in args if isinstance(each, SparseTensor)]
    found += [each for each in kwargs.values() if isinstance(each, SparseTensor)]
    if not found:
        raise ValueError("No SparseTensor in argument list of map_values")

    def inner(value: Any) -> Any:
        return value.values if isinstance(value, SparseTensor) else value

    named = {key: inner(value) for key, value in kwargs.items()}
    return found[0].with_values(op(*map(inner, args), **named))


def to_indicator(sp_input: Any, vocab_size: int, name: str | None = None) -> Tensor:
    """Returns in which places of a vocabulary the values of each row are.

    Source: `tf.sparse.to_indicator`.
    """
    from graphopt.dtypes import bool_

    sp = _require(sp_input, "tf.sparse.to_indicator")
    dims = _dims(sp)
    if not isinstance(dims, list):
        raise NotImplementedError(
            "tf.sparse.to_indicator of a shape that the run decides."
        )
    places = _concat([sp.indices[:, :-1], _expand_dims(cast(sp.values, int64), 1)], 1)
    counts = zeros([*dims[:-1], vocab_size])
    return cast(tensor_scatter_nd_add(counts, places, _ones(sp)), bool_)


def mask(a: Any, mask_indices: Any, name: str | None = None) -> Any:
    """Returns the rows of IndexedSlices whose indices are not in a list.

    Source: `tf.sparse.mask`.
    """
    from graphopt.graph.indexed_slices import IndexedSlices

    indices, places = setdiff1d(a.indices, mask_indices)
    return IndexedSlices(gather(a.values, places), indices, a.dense_shape)


def split(
    sp_input: Any = None, num_split: int = 0, axis: int = 0, name: Any = None
) -> list[SparseTensor]:
    """Returns parts of a sparse tensor along an axis; the first ones are longer.

    Source: `tf.sparse.split`.
    """
    sp = _require(sp_input, "tf.sparse.split")
    dims = _dims(sp)
    if not isinstance(dims, list):
        raise NotImplementedError("tf.sparse.split of a shape that the run decides.")
    axis %= len(dims)
    short, longer = divmod(dims[axis], num_split)
    parts, start = [], [0] * len(dims)
    for index in range(num_split):
        size = list(dims)
        size[axis] = short + (index < longer)
        parts.append(slice(sp, list(start), size))
        start[axis] += size[axis]
    return parts


def segment_sum(data: Any, indices: Any, segment_ids: Any, name: Any = None) -> Tensor:
    """Sums rows of a tensor that a list names, by segments.

    Source: `tf.sparse.segment_sum`.
    """
    from graphopt.ops.segments import segment_sum as dense

    return dense(gather(data, indices), segment_ids, name)


def segment_mean(data: Any, indices: Any, segment_ids: Any, name: Any = None) -> Tensor:
    """Averages rows of a tensor that a list names, by segments.

    Source: `tf.sparse.segment_mean`.
    """
    from graphopt.ops.segments import segment_mean as dense

    return dense(gather(data, indices), segment_ids, name)


def segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: Any = None
) -> Tensor:
    """Sums rows that a list names, by segments, divided by the root of their number.

    Source: `tf.sparse.segment_sqrt_n`.
    """
    from graphopt.ops.elementwise import sqrt
    from graphopt.ops.segments import segment_sum as dense

    taken = gather(data, indices)
    counts = dense(_reshape(taken, [-1, _width(taken)])[:, 0] * 0 + 1, segment_ids)
    shape = [-1] + [1] * ((taken.shape.rank or 1) - 1)
    divisor = sqrt(maximum(counts, convert_to_tensor(1, dtype_hint=counts.dtype)))
    return dense(taken, segment_ids) / _reshape(divisor, shape)


def _width(tensor: Any) -> int:
    return int(np.prod(tensor.shape[1:].as_list()))
