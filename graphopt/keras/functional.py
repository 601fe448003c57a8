"""`Input` and models made of layers called on it.

Calling a layer on an `Input` computes nothing: it writes down which layer was called on
what, and asks the layer for its output's shape by calling it on a tensor of zeros with
one example. `Model(inputs, outputs)` calls the layers in that order again, on data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dtypes import DType, as_dtype, float32
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import zeros


class KerasTensor:
    """Stands for what a layer will return.

    Attributes:
      shape: With None for the size of the batch.
      dtype: The element type.
      layer: The layer that returns it; None for an `Input`.
      inputs: What the layer is called on.
    """

    def __init__(
        self,
        shape: Any,
        dtype: DType,
        name: str,
        layer: Any = None,
        inputs: Any = None,
    ) -> None:
        self.shape = TensorShape(shape)
        self.dtype = dtype
        self.name = name
        self.layer = layer
        self.inputs = inputs

    def _as_tensor(self) -> Any:
        raise fail(
            TypeError,
            f"{self!r} stands for a layer's output and has no value",
            got="a KerasTensor in place of a tensor",
            expected="a layer that is called on it",
            site=str(user_site()),
            remedy="a subclass of tf.keras.layers.Layer around the function",
        )

    def __repr__(self) -> str:
        return f"<KerasTensor {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
) -> KerasTensor:
    """Returns what a model's layers are called on.

    Args:
      shape: The shape of one example.
      batch_size: The size of a batch, if it is fixed.
      name: Its name.
      dtype: The element type, float32 by default.

    >>> import graphopt as tf
    >>> x = tf.keras.Input([4])
    >>> y = tf.keras.layers.Dense(2)(tf.keras.layers.Dense(8, activation="relu")(x))
    >>> model = tf.keras.Model(inputs=x, outputs=y)
    >>> model(tf.ones([3, 4])).shape, len(model.trainable_weights)
    (TensorShape([3, 2]), 4)

    Source: `tf.keras.Input`.
    """
    if shape is None:
        raise ValueError("tf.keras.Input needs the shape of one example.")
    dims = (shape,) if isinstance(shape, int) else tuple(shape)
    wanted = as_dtype(dtype) if dtype is not None else float32
    return KerasTensor((batch_size, *dims), wanted, name or "input")


def call_on_placeholders(layer: Any, inputs: Any) -> Any:
    """Returns what stands for a layer's outputs."""

    def example(item: Any) -> Any:
        if not isinstance(item, KerasTensor):
            return item
        dims = [1 if dim is None else dim for dim in item.shape]
        return zeros(dims, item.dtype)

    outputs = layer(nest.map_structure(example, inputs))
    batch = next(x.shape[0] for x in nest.flatten(inputs) if isinstance(x, KerasTensor))

    def stand_in(tensor: Any) -> KerasTensor:
        dims = (batch, *tensor.shape[1:])
        return KerasTensor(dims, tensor.dtype, layer.name, layer, inputs)

    if nest.is_nested(outputs):
        raise NotImplementedError(
            f"Layer {layer.name!r} returns several tensors; subclass tf.keras.Model."
        )
    return stand_in(outputs)


def layers_between(inputs: Sequence[Any], outputs: Any) -> list[KerasTensor]:
    """Returns the outputs of layers that a model computes, in order.

    Raises:
      ValueError: An output depends on an `Input` that is not among the inputs.
    """
    order: list[KerasTensor] = []
    done = {id(item) for item in inputs}
    stack = [(item, False) for item in reversed(nest.flatten(outputs))]
    while stack:
        item, ready = stack.pop()
        if id(item) in done or not isinstance(item, KerasTensor):
            continue
        if item.layer is None:
            raise ValueError(
                f"The outputs of the model depend on {item!r}, which is not among its "
                "inputs."
            )
        if ready:
            done.add(id(item))
            order.append(item)
        else:
            stack.append((item, True))
            stack += [(x, False) for x in reversed(nest.flatten(item.inputs))]
    return order
