"""`Input` and `InputLayer`: where a model begins."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import as_dtype
from graphopt.graph.shape import TensorShape
from graphopt.keras.functional import (
    KerasTensor,
    Node,
    is_in_v1_graph,
    new_symbol,
    write_down,
)
from graphopt.keras.layers.base import Layer
from graphopt.keras.settings import Settings, unique_name
from graphopt.ops.creation import placeholder


class InputLayer(Layer):
    """What a model takes.

    Args:
      input_shape: The shape of one example.
      batch_size: The size of a batch, if it is fixed.
      dtype: The element type, float32 by default.
      input_tensor: Must be None, or a tensor of the graph that is being built.
      sparse: Must not be True.
      name: Its name.
      ragged: Must not be True.
      type_spec: A `tf.TensorSpec` in place of the rest.
      **kwargs: `batch_input_shape`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.InputLayer(input_shape=(3,))
    >>> layer.output.shape
    TensorShape([None, 3])

    Source: `tf.keras.layers.InputLayer`.
    """

    is_input = True
    supports_masking = True

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        input_tensor: Any = None,
        sparse: bool | None = None,
        name: str | None = None,
        ragged: bool | None = None,
        type_spec: Any = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise NotImplementedError(
                "tf.keras.Input(sparse=True) and ragged=True; give a dense tensor, "
                "`tf.sparse.to_dense(x)` or `x.to_tensor()`."
            )
        dims = kwargs.pop("batch_input_shape", None)
        if type_spec is not None:
            dims, dtype = tuple(type_spec.shape), type_spec.dtype
        if dims is None and input_shape is not None:
            single = (input_shape,) if isinstance(input_shape, int) else input_shape
            dims = (batch_size, *tuple(single))
        if dims is None and input_tensor is not None:
            dims, dtype = tuple(input_tensor.shape), input_tensor.dtype
        if dims is None:
            raise ValueError(
                "tf.keras.Input needs the shape of one example: pass `shape=(...)`."
            )
        wanted = as_dtype(dtype if dtype is not None else Settings.floatx)
        prefix = name or unique_name("input", zero_based=False)
        super().__init__(name=prefix, dtype=wanted, **kwargs)
        self._batch_input_shape = tuple(dims)
        self.built = True
        self._start(input_tensor, wanted)

    def _start(self, tensor: Any, dtype: Any) -> None:
        shape = TensorShape(self._batch_input_shape)
        if is_in_v1_graph():
            if tensor is None:
                tensor = placeholder(dtype, shape, name=self.name)
            write_down(self, (), {}, tensor)
            return
        if tensor is not None and not isinstance(tensor, KerasTensor):
            raise NotImplementedError(
                "tf.keras.Input(tensor=...) in eager mode; call the model on the tensor."
            )
        node = Node(self, ((), {}))
        symbol = new_symbol(dtype, shape) if tensor is None else tensor.symbol
        node.outputs = KerasTensor(symbol, node, 0, self.name)
        self._internals.nodes.append(node)

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns its inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "batch_input_shape": self._batch_input_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    tensor: Any = None,
    ragged: bool | None = None,
    type_spec: Any = None,
    **kwargs: Any,
) -> Any:
    """Returns what a model's layers are called on.

    Args:
      shape: The shape of one example, None where a size may differ.
      batch_size: The size of a batch, if it is fixed.
      name: Its name.
      dtype: The element type, float32 by default.
      sparse: Must not be True.
      tensor: Must be None, but in a graph of TensorFlow 1.
      ragged: Must not be True.
      type_spec: A `tf.TensorSpec` in place of shape and dtype.
      **kwargs: `batch_shape` (or `batch_input_shape`): with the size of the batch.

    >>> import graphopt as tf
    >>> x = tf.keras.Input([4])
    >>> y = tf.keras.layers.Dense(2)(tf.keras.layers.Dense(8, activation="relu")(x))
    >>> model = tf.keras.Model(inputs=x, outputs=y)
    >>> model(tf.ones([3, 4])).shape, len(model.trainable_weights)
    (TensorShape([3, 2]), 4)

    Source: `tf.keras.Input`.
    """
    batch_shape = kwargs.pop("batch_shape", None) or kwargs.pop(
        "batch_input_shape", None
    )
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {', '.join(kwargs)}.")
    if batch_shape is not None:
        if shape is not None:
            raise ValueError("Only provide the `shape` OR `batch_shape` argument.")
        kwargs["batch_input_shape"] = tuple(batch_shape)
    layer = InputLayer(
        shape, batch_size, dtype, tensor, sparse, name, ragged, type_spec, **kwargs
    )
    return layer._inbound_nodes[0].outputs
