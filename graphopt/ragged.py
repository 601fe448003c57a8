"""`tf.ragged`: rows of different lengths.

A `RaggedTensor` is the elements of all rows behind each other, and where each row ends.
These are the basics: making them, looking at rows, going over to dense tensors, and calling
functions on the elements. Functions of `tf` take dense tensors.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.dtypes import DType, as_dtype, int64
from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import convert_to_tensor, fill
from graphopt.ops.creation import shape as _shape_of
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import gather
from graphopt.ops.reduction import reduce_max
from graphopt.ops.repeating import repeat
from graphopt.ops.scan import cumsum
from graphopt.ops.scatter import tensor_scatter_nd_update
from graphopt.ops.sequences import range as _sequence
from graphopt.ops.shaping import concat, reshape, stack
from graphopt.runtime.fetches import Composite


class RaggedTensorValue(NamedTuple):
    """What a session returns for a `RaggedTensor`: arrays.

    Source: `tf.compat.v1.ragged.RaggedTensorValue`.
    """

    values: Any
    row_splits: Any

    def to_list(self) -> list[Any]:
        """Returns the rows as lists."""
        inner = self.values
        rows = (
            inner.to_list() if isinstance(inner, RaggedTensorValue) else inner.tolist()
        )
        pairs = zip(self.row_splits[:-1], self.row_splits[1:], strict=True)
        return [rows[start:end] for start, end in pairs]


class RaggedTensor(Composite):
    """Rows of different lengths.

    Args:
      values: The elements of all rows, a tensor or another `RaggedTensor`.
      row_splits: `[rows + 1]`, int64: where each row begins, and the last one ends.

    >>> import graphopt as tf
    >>> rows = tf.RaggedTensor.from_row_lengths([3, 1, 4], [2, 0, 1])
    >>> rows.to_list(), rows.to_tensor().numpy().tolist()
    ([[3, 1], [], [4]], [[3, 1], [0, 0], [4, 0]])

    Source: `tf.RaggedTensor`.
    """

    def __init__(self, values: Any, row_splits: Any) -> None:
        is_ragged = isinstance(values, RaggedTensor)
        self.values = values if is_ragged else convert_to_tensor(values)
        self.row_splits = cast(convert_to_tensor(row_splits), int64)

    # ---- making them

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Makes one from where rows begin and end.

        Raises:
          ValueError: The first is not 0, the last not the number of values, or they
            fall (where the values are known now).
        """
        made = cls(values, row_splits)
        if validate and building_graph() is None:
            splits = made.row_splits.numpy()
            count = made._count()
            if (
                not splits.size
                or splits[0]
                or splits[-1] != count
                or np.any(np.diff(splits) < 0)
            ):
                raise fail(
                    ValueError,
                    "RaggedTensor: row_splits do not fit the values",
                    got=f"{splits.tolist()!r:.80} for {count} values",
                    expected=f"numbers from 0 to {count} that do not fall",
                    site=str(user_site()),
                )
        return made

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Makes one from the lengths of rows."""
        lengths = cast(convert_to_tensor(row_lengths), int64)
        splits = concat([np.zeros(1, np.int64), cumsum(lengths)], 0)
        return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_value_rowids(
        cls,
        values: Any,
        value_rowids: Any,
        nrows: Any = None,
        name: Any = None,
        validate: bool = True,
    ) -> RaggedTensor:
        """Makes one from the row of each value, which must not fall."""
        from graphopt.ops.integers import bincount

        ids = cast(convert_to_tensor(value_rowids), int64)
        count = cast(reduce_max(ids) + 1, int64) if nrows is None else nrows
        lengths = bincount(cast(ids, "int32"), minlength=cast(count, "int32"))
        return cls.from_row_lengths(values, lengths, validate=validate)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Makes one from where rows begin."""
        starts = cast(convert_to_tensor(row_starts), int64)
        made = cls(values, starts)
        end = reshape(cast(made._length(), int64), [1])
        return cls.from_row_splits(
            made.values, concat([starts, end], 0), validate=validate
        )

    @classmethod
    def from_tensor(
        cls, tensor: Any, lengths: Any = None, padding: Any = None, name: Any = None
    ) -> RaggedTensor:
        """Makes one of the rows of a tensor, cut to lengths or without what pads them.

        Raises:
          NotImplementedError: In a graph, with lengths or padding.
        """
        tensor = convert_to_tensor(tensor)
        if lengths is None and padding is None:
            rows, width = tensor.shape[0], tensor.shape[1]
            if rows is None or width is None:
                raise NotImplementedError(
                    "RaggedTensor.from_tensor of an unknown shape."
                )
            flat = reshape(tensor, [rows * width, *tensor.shape[2:]])
            return cls(flat, np.arange(rows + 1) * width)
        if building_graph() is not None:
            raise NotImplementedError(
                "RaggedTensor.from_tensor with lengths in a graph."
            )
        array = tensor.numpy()
        if lengths is None:
            is_value = array != padding
            inner = is_value.reshape(*array.shape[:2], -1).any(-1)
            places = np.arange(1, array.shape[1] + 1) * inner
            lengths = places.max(1, initial=0)
        kept = np.arange(array.shape[1]) < np.asarray(lengths)[:, np.newaxis]
        return cls.from_row_lengths(array[kept], kept.sum(1))

    # ---- looking at them

    def _count(self) -> int:
        if isinstance(self.values, RaggedTensor):
            splits: Any = self.values.row_splits.shape[0]
            return int(splits) - 1
        count: Any = self.values.shape[0]
        return int(count)

    def _length(self) -> Any:
        if isinstance(self.values, RaggedTensor):
            return self.values.nrows()
        return _shape_of(self.values)[0]

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        found: DType = self.values.dtype
        return found

    @property
    def flat_values(self) -> Any:
        """The innermost values, a tensor."""
        inner = self.values
        return inner.flat_values if isinstance(inner, RaggedTensor) else inner

    @property
    def ragged_rank(self) -> int:
        """How many dimensions vary."""
        inner = self.values
        return 1 + (inner.ragged_rank if isinstance(inner, RaggedTensor) else 0)

    @property
    def nested_row_splits(self) -> tuple[Any, ...]:
        """The row splits of all dimensions that vary."""
        inner = self.values
        below = inner.nested_row_splits if isinstance(inner, RaggedTensor) else ()
        return (self.row_splits, *below)

    @property
    def shape(self) -> TensorShape:
        """The number of rows, None for what varies, and the shape of the elements."""
        count = self.row_splits.shape[0]
        rows = None if count is None else count - 1
        return TensorShape([rows, None, *self.values.shape[1:]])

    def get_shape(self) -> TensorShape:
        """Returns the shape."""
        return self.shape

    def nrows(self, out_type: Any = None, name: Any = None) -> Any:
        """Returns the number of rows, a scalar tensor."""
        return cast(_shape_of(self.row_splits)[0] - 1, out_type or int64)

    def row_lengths(self, axis: int = 1, name: Any = None) -> Any:
        """Returns the lengths of rows, `[rows]`."""
        if axis != 1:
            raise NotImplementedError("RaggedTensor.row_lengths of other axes than 1.")
        return self.row_splits[1:] - self.row_splits[:-1]

    def row_starts(self, name: Any = None) -> Any:
        """Returns where rows begin, `[rows]`."""
        return self.row_splits[:-1]

    def row_limits(self, name: Any = None) -> Any:
        """Returns where rows end, `[rows]`."""
        return self.row_splits[1:]

    def value_rowids(self, name: Any = None) -> Any:
        """Returns the row of each value."""
        numbers = _sequence(cast(self.nrows(), "int32"))
        return cast(repeat(numbers, cast(self.row_lengths(), "int32")), int64)

    def bounding_shape(self, axis: Any = None, out_type: Any = None) -> Any:
        """Returns the shape of the dense tensor that holds it."""
        longest = cast(reduce_max(self.row_lengths()), out_type or int64)
        sizes = [self.nrows(out_type), longest]
        inner = [cast(size, out_type or int64) for size in self._inner_sizes()]
        whole = stack([*sizes, *inner])
        return whole if axis is None else whole[axis]

    def _inner_sizes(self) -> list[Any]:
        flat = self.values
        if isinstance(flat, RaggedTensor):
            raise NotImplementedError("RaggedTensor.bounding_shape of nested rows.")
        return [_shape_of(flat)[i] for i in builtins.range(1, len(flat.shape))]

    def to_tensor(
        self, default_value: Any = None, name: Any = None, shape: Any = None
    ) -> Any:
        """Returns a dense tensor, in which rows are filled up.

        Args:
          default_value: With what; by default 0.
          name: Name of the op.
          shape: Its shape; of what is None the size that holds all, longer rows are cut.
        """
        values = self.values
        if isinstance(values, RaggedTensor):
            values = values.to_tensor(default_value)
        wanted = [None, None] if shape is None else list(TensorShape(shape).as_list())
        rows = cast(self.nrows(), int64) if wanted[0] is None else np.int64(wanted[0])
        lengths = self.row_lengths()
        width: Any = reduce_max(concat([lengths, np.zeros(1, np.int64)], 0))
        width = cast(width, int64) if wanted[1] is None else np.int64(wanted[1])
        ids = self.value_rowids()
        total = cast(_shape_of(values)[0], "int32")
        columns = cast(_sequence(total), int64) - gather(self.row_splits, ids)
        if wanted[1] is not None or wanted[0] is not None:
            from graphopt.ops.masks import boolean_mask

            inside = (columns < width) & (ids < rows)
            ids, columns = boolean_mask(ids, inside), boolean_mask(columns, inside)
            values = boolean_mask(values, inside)
        inner = [
            cast(_shape_of(values)[i], int64)
            for i in builtins.range(1, len(values.shape))
        ]
        value = 0 if default_value is None else default_value
        empty = fill(stack([rows, width, *inner]), cast(value, values.dtype))
        places = stack([ids, columns], axis=1)
        return tensor_scatter_nd_update(empty, places, values, name=name)

    def to_list(self) -> list[Any]:
        """Returns the rows as lists; in eager mode."""
        return self._value().to_list()

    def numpy(self) -> Any:
        """Returns an array of rows; in eager mode."""
        rows = self.to_list()
        whole = np.empty(len(rows), object)
        whole[:] = [np.asarray(row) for row in rows]
        return whole

    def _value(self) -> RaggedTensorValue:
        inner = self.values
        values = inner._value() if isinstance(inner, RaggedTensor) else inner.numpy()
        return RaggedTensorValue(values, self.row_splits.numpy())

    def with_values(self, new_values: Any) -> RaggedTensor:
        """Returns rows of the same lengths with other values."""
        return RaggedTensor(new_values, self.row_splits)

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """Returns rows of the same lengths with other innermost values."""
        inner = self.values
        if isinstance(inner, RaggedTensor):
            return self.with_values(inner.with_flat_values(new_values))
        return self.with_values(new_values)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, int):
            raise NotImplementedError(
                "RaggedTensor: rows by a number; slice rows apart."
            )
        row = key + self._rows() if key < 0 else key
        start, end = self.row_splits[row], self.row_splits[row + 1]
        if isinstance(self.values, RaggedTensor):
            splits = self.values.row_splits[start : end + 1]
            whole = RaggedTensor(self.values.values, splits)
            inner = whole.values[splits[0] : splits[-1]]
            return RaggedTensor(inner, splits - splits[0])
        return self.values[start:end]

    def _rows(self) -> int:
        splits: Any = self.row_splits.shape[0]
        return int(splits) - 1

    def __len__(self) -> int:
        return self._rows()

    def __iter__(self) -> Any:
        return (self[row] for row in builtins.range(self._rows()))

    def fetch_parts(self) -> Any:
        """Returns the values and the row splits."""
        inner = self.values
        below = inner.fetch_parts() if isinstance(inner, RaggedTensor) else inner
        return [below, self.row_splits]

    def from_parts(self, values: Any) -> RaggedTensorValue:
        """Returns their values."""
        inner = self.values
        below = values[0]
        if isinstance(inner, RaggedTensor):
            below = inner.from_parts(below)
        return RaggedTensorValue(below, values[1])

    def with_parts(self, tensors: Sequence[Any]) -> RaggedTensor:
        """Returns one of other values and row splits, the inner ones first."""
        *below, splits = tensors
        inner = self.values
        if isinstance(inner, RaggedTensor):
            return RaggedTensor(inner.with_parts(below), splits)
        return RaggedTensor(below[0], splits)

    def __repr__(self) -> str:
        if building_graph() is None:
            return f"<tf.RaggedTensor {self.to_list()}>"
        return f"tf.RaggedTensor(values={self.values}, row_splits={self.row_splits})"


def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = None,
) -> Any:
    """Returns rows from nested lists; a tensor if no dimension may vary.

    Args:
      pylist: Lists of lists of numbers.
      dtype: That of the numbers.
      ragged_rank: How many dimensions vary; by default all but the first.
      inner_shape: The shape of the elements; by default scalars.
      name: Name of the op.
      row_splits_dtype: Accepted for compatibility.

    >>> import graphopt as tf
    >>> tf.ragged.constant([[1, 2], [], [3]]).row_lengths().numpy().tolist()
    [2, 0, 1]

    Source: `tf.ragged.constant`.
    """
    inner = () if inner_shape is None else tuple(np.atleast_1d(inner_shape).tolist())
    depth = _depth(pylist)
    rank = max(depth - 1 - len(inner), 0) if ragged_rank is None else ragged_rank
    if rank == 0:
        return convert_to_tensor(pylist, dtype)
    splits, level = [], pylist
    for _ in builtins.range(rank):
        lengths = [len(row) for row in level]
        splits.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        level = [item for row in level for item in row]
    if not level:
        kind = as_dtype(dtype or "float32").numpy
        values: Any = convert_to_tensor(np.zeros((0, *inner), kind))
    else:
        values = convert_to_tensor(level, dtype)
    for each in reversed(splits):
        values = RaggedTensor(values, each)
    return values


def _depth(value: Any) -> int:
    if not isinstance(value, (list, tuple, np.ndarray)):
        return 0
    return 1 + max((_depth(each) for each in value), default=0)


def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function with the innermost values of ragged tensors in their place.

    Source: `tf.ragged.map_flat_values`.
    """
    named = list(kwargs.values())
    found = [each for each in (*args, *named) if isinstance(each, RaggedTensor)]
    if not found:
        return op(*args, **kwargs)

    def inner(value: Any) -> Any:
        return value.flat_values if isinstance(value, RaggedTensor) else value

    given = {key: inner(value) for key, value in kwargs.items()}
    return found[0].with_flat_values(op(*map(inner, args), **given))


def range(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: Any = None,
) -> RaggedTensor:
    """Returns a row of numbers for each pair of bounds; in eager mode.

    Source: `tf.ragged.range`.
    """
    if building_graph() is not None:
        raise NotImplementedError("tf.ragged.range in a graph.")
    if limits is None:
        starts, limits = np.zeros_like(np.asarray(starts)), starts
    bounds = np.broadcast_arrays(*map(_array, (starts, limits, deltas)))
    rows = [np.arange(*each) for each in zip(*map(np.ravel, bounds), strict=True)]
    values = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    kind = as_dtype(dtype).numpy if dtype is not None else bounds[0].dtype
    return RaggedTensor.from_row_lengths(
        values.astype(kind), [len(row) for row in rows]
    )


def _array(value: Any) -> Any:
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    return array.astype(np.int32) if array.dtype == np.int64 else array


def boolean_mask(data: Any, mask: Any, name: str | None = None) -> RaggedTensor:
    """Returns the elements of each row where a mask is true; in eager mode.

    Source: `tf.ragged.boolean_mask`.
    """
    if building_graph() is not None:
        raise NotImplementedError("tf.ragged.boolean_mask in a graph.")
    rows, masks = _rows_of(data), _rows_of(mask)
    kept = [
        np.asarray(r)[np.asarray(m, bool)] for r, m in zip(rows, masks, strict=True)
    ]
    flat = np.concatenate(kept) if kept else np.zeros(0, np.float32)
    kind = as_dtype(data.dtype).numpy if hasattr(data, "dtype") else flat.dtype
    return RaggedTensor.from_row_lengths(flat.astype(kind), [len(row) for row in kept])


def _rows_of(value: Any) -> Any:
    if isinstance(value, RaggedTensor):
        return value.to_list()
    if isinstance(value, (list, tuple)):
        return value
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)
