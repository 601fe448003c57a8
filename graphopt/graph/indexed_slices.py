"""`IndexedSlices`: a gradient that is zero in all rows but those that indices name."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphopt.dtypes import DType
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor, GraphTensor, Operators


class IndexedSlicesValue(NamedTuple):
    """What a session returns for `IndexedSlices`: arrays.

    Source: `tf.compat.v1.IndexedSlicesValue`.
    """

    values: Any
    indices: Any
    dense_shape: Any


class IndexedSlices(Operators):
    """Rows of a tensor that is zero elsewhere; equal indices add up.

    Whatever expects a tensor gets the dense one, by way of `tf.convert_to_tensor`.

    Args:
      values: `[n, ...]`.
      indices: `[n]`, int32 or int64.
      dense_shape: The shape of the whole tensor.
      dense_like: A tensor of that shape, where the shape is not known yet.

    >>> import graphopt as tf
    >>> g = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([2, 2]), [3, 1])
    >>> tf.convert_to_tensor(g).numpy().tolist()
    [[0.0], [0.0], [3.0]]

    Source: `tf.IndexedSlices`.
    """

    def __init__(
        self,
        values: Any,
        indices: Any,
        dense_shape: Any = None,
        *,
        dense_like: Any = None,
    ) -> None:
        self.dense_like = dense_like
        self.values = hooks.convert(values)
        self.indices = hooks.convert(indices)
        self.dense_shape = dense_shape

    @property
    def dtype(self) -> DType:
        """The element type of the values."""
        found: DType = self.values.dtype
        return found

    @property
    def shape(self) -> TensorShape:
        """What is known of the dense shape."""
        inner = self.values.shape[1:]
        if self.dense_like is not None:
            known: TensorShape = self.dense_like.shape
            return known
        dims = self.dense_shape
        if isinstance(dims, GraphTensor):
            dims = dims.op.attrs.get("value")
        elif isinstance(dims, EagerTensor):
            dims = dims.array
        return TensorShape((None, *inner)) if dims is None else TensorShape(dims)

    def get_shape(self) -> TensorShape:
        """Returns the shape."""
        return self.shape

    @property
    def name(self) -> str:
        """The name of the values."""
        return str(self.values.name)

    @property
    def op(self) -> Any:
        """The op of the values, in a graph."""
        return self.values.op

    @property
    def graph(self) -> Any:
        """The graph of the values."""
        return self.values.graph

    def with_values(self, values: Any) -> IndexedSlices:
        """Returns the same rows with other values."""
        return self.with_rows(values, self.indices)

    def with_rows(self, values: Any, indices: Any) -> IndexedSlices:
        """Returns other rows of the same tensor."""
        like = self.dense_like
        return IndexedSlices(values, indices, self.dense_shape, dense_like=like)

    def _as_tensor(self) -> Any:
        if self.dense_like is not None:
            add = hooks.operators["add_rows_like"]
            return add(self.values, self.indices, self.dense_like)
        if not self.shape.rank or self.shape[0] is None:
            raise ValueError(
                "Tensor conversion requested for IndexedSlices without a known "
                f"dense_shape; got {self!r}."
            )
        return hooks.operators["add_rows"](self.values, self.indices, self.shape[0])

    def __neg__(self) -> Any:
        return self.with_values(-self.values)

    def __repr__(self) -> str:
        return (
            f"IndexedSlices(indices={self.indices!r}, values={self.values!r}, "
            f"dense_shape={self.dense_shape})"
        )
