"""`SparseTensor`: places of a tensor that is zero elsewhere, and what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.dtypes import DType, as_dtype, float32, int64
from graphopt.errors import fail
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import (
    PLACEHOLDER,
    constant_value,
    convert_to_tensor,
    placeholder,
)
from graphopt.runtime.fetches import Composite


class SparseTensorValue(NamedTuple):
    """What a session returns for a `SparseTensor`, and takes for a placeholder: arrays.

    Source: `tf.compat.v1.SparseTensorValue`.
    """

    indices: Any
    values: Any
    dense_shape: Any


class SparseTensor(Composite):
    """A tensor of which only some elements are kept; the others are 0.

    Args:
      indices: `[n, rank]`, int64: places, each one once and in the order of rows.
      values: `[n]`: what stands there.
      dense_shape: `[rank]`, int64.

    Raises:
      ValueError: The three do not fit together.

    >>> import graphopt as tf
    >>> s = tf.SparseTensor([[0, 1], [2, 0]], [5.0, 7.0], [3, 2])
    >>> tf.sparse.to_dense(s).numpy().tolist()
    [[0.0, 5.0], [0.0, 0.0], [7.0, 0.0]]

    Source: `tf.sparse.SparseTensor`.
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self.indices = _as_int64(indices)
        self.values = convert_to_tensor(values)
        self.dense_shape = _as_int64(dense_shape)
        pairs = (
            (self.indices.shape, 2),
            (self.values.shape, 1),
            (self.dense_shape.shape, 1),
        )
        fits = all(shape.rank in (None, rank) for shape, rank in pairs)
        if fits and self.indices.shape.rank and self.values.shape.rank:
            fits = self.indices.shape[:1].is_compatible_with(self.values.shape)
            ranks = self.indices.shape[1:]
            fits = fits and ranks.is_compatible_with(self.dense_shape.shape)
        if not fits:
            raise fail(
                ValueError,
                "SparseTensor: indices, values and dense_shape do not fit together",
                got=", ".join(str(shape) for shape, _ in pairs),
                expected="shapes [n, rank], [n] and [rank]",
                site=str(user_site()),
            )

    @classmethod
    def from_value(cls, value: Any) -> SparseTensor:
        """Returns the tensor of a `SparseTensorValue`, or a `SparseTensor` as it is."""
        return value if isinstance(value, cls) else cls(*value)

    @property
    def shape(self) -> TensorShape:
        """What is known of the dense shape."""
        known = constant_value(self.dense_shape)
        if known is None:
            rank = self.dense_shape.shape[0] if self.dense_shape.shape.rank else None
            return TensorShape(None if rank is None else [None] * rank)
        return TensorShape([None if size < 0 else int(size) for size in known])

    def get_shape(self) -> TensorShape:
        """Returns what is known of the dense shape."""
        return self.shape

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        found: DType = self.values.dtype
        return found

    @property
    def op(self) -> Any:
        """The op of the values, in a graph."""
        return self.values.op

    @property
    def graph(self) -> Any:
        """The graph of the values."""
        return self.values.graph

    @property
    def name(self) -> str:
        """The name of the values."""
        return str(self.values.name)

    def fetch_parts(self) -> list[Any]:
        """Returns the three tensors."""
        return [self.indices, self.values, self.dense_shape]

    def from_parts(self, values: Any) -> SparseTensorValue:
        """Returns their values."""
        return SparseTensorValue(*values)

    def with_parts(self, tensors: Sequence[Any]) -> SparseTensor:
        """Returns one of other indices, values and a shape."""
        return SparseTensor(*tensors)

    def feed_parts(self, value: Any) -> Iterator[tuple[GraphTensor, Any]]:
        """Yields what is fed to the three tensors."""
        if isinstance(value, SparseTensor):
            value = (
                value.indices.numpy(),
                value.values.numpy(),
                value.dense_shape.numpy(),
            )
        parts = tuple(value)
        if len(parts) != 3:
            raise fail(
                ValueError,
                f"Cannot feed the sparse placeholder {self.name!r}",
                got=f"{value!r:.80}",
                expected="(indices, values, dense_shape) or a SparseTensorValue",
                site=str(user_site()),
            )
        indices = np.asarray(parts[0], np.int64)
        rank = len(parts[2])
        if not indices.size:
            indices = indices.reshape(0, rank)
        yield self.indices, indices
        values: Any = self.values
        yield values, parts[1]
        # A shape that the graph knows is no placeholder.
        if self.dense_shape.op.spec is PLACEHOLDER:
            yield self.dense_shape, np.asarray(parts[2], np.int64)

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """Returns its value in a session."""
        from graphopt.runtime.names import require_session

        result: SparseTensorValue = (session or require_session()).run(self, feed_dict)
        return result

    def with_values(self, new_values: Any) -> SparseTensor:
        """Returns a tensor with other values at the same places."""
        return SparseTensor(self.indices, new_values, self.dense_shape)

    def _binary(self, other: Any, name: str) -> SparseTensor:
        from graphopt.graph.hooks import hooks
        from graphopt.sparse.functions import dense_at

        operate = hooks.operators[name]
        return self.with_values(operate(self.values, dense_at(self, other)))

    def __mul__(self, other: Any) -> SparseTensor:
        return self._binary(other, "mul")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        return self._binary(other, "truediv")

    def __repr__(self) -> str:
        return (
            f"SparseTensor(indices={self.indices}, values={self.values}, "
            f"dense_shape={self.dense_shape})"
        )


def _as_int64(value: Any) -> Any:
    from graphopt.ops.elementwise import cast

    if isinstance(value, TensorShape):
        value = value.as_list()
    if isinstance(value, (list, tuple, np.ndarray)) and not _has_tensor(value):
        return convert_to_tensor(np.asarray(value, np.int64))
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype is int64 else cast(tensor, int64)


def _has_tensor(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(
        hasattr(each, "dtype") and not isinstance(each, (np.ndarray, np.generic))
        for each in value
    )


def sparse_placeholder(
    dtype: Any = float32, shape: Any = None, name: str | None = None
) -> SparseTensor:
    """Returns a sparse tensor that is fed: as `(indices, values, dense_shape)`.

    Args:
      dtype: That of the values.
      shape: The dense shape, as far as it is known.
      name: Name of the ops.

    Raises:
      RuntimeError: In eager mode.

    Source: `tf.compat.v1.sparse_placeholder`.
    """
    if building_graph() is None:
        raise RuntimeError(
            "`sparse_placeholder` is not compatible with eager execution."
        )
    name = name or "Placeholder"
    known = TensorShape(shape)
    with get_default_graph().name_scope(name):
        values = placeholder(as_dtype(dtype), [None], name="values")
        indices = placeholder(int64, [None, known.rank], name="indices")
        if known.is_fully_defined():
            dense_shape = convert_to_tensor(np.array(known.as_list(), np.int64))
        else:
            dense_shape = placeholder(int64, [known.rank], name="shape")
    return SparseTensor(indices, values, dense_shape)
