"""Layers of multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.keras import activations, constraints, regularizers
from graphopt.keras.layers.base import Layer
from graphopt.ops.matmul import matmul
from graphopt.ops.shaping import reshape


class Dense(Layer):
    """activation(inputs @ kernel + bias).

    Args:
      units: Size of the output.
      activation: A name or function; None for none.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[inputs, units]`.
      bias_initializer: For the bias, `[units]`.
      kernel_regularizer: Makes a term of `losses` of the kernel.
      bias_regularizer: Makes one of the bias.
      activity_regularizer: Makes one of the outputs, divided by the size of the batch.
      kernel_constraint: Applied to the kernel after each update.
      bias_constraint: Applied to the bias after each update.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: `units` is not positive.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer(tf.constant([[1.0, 2.0, 3.0]])).numpy().tolist()
    [[6.0, 6.0]]

    Source: `tf.keras.layers.Dense`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.units = int(units)
        if self.units <= 0:
            raise ValueError(f"Dense needs a positive number of units; got {units}.")
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._kernel: Any = None
        self._bias: Any = None

    @property
    def kernel(self) -> Any:
        """The matrix, `[inputs, units]`."""
        return self._kernel

    @property
    def bias(self) -> Any:
        """The bias, `[units]`, or None."""
        return self._bias

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        depth = input_shape[-1] if input_shape.rank else None
        if depth is None:
            raise ValueError(
                f"The last dimension of the inputs to Dense layer {self.name!r} must "
                f"be known; got shape {input_shape}."
            )
        self._kernel = self.add_weight(
            "kernel",
            [depth, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self._bias = self.add_weight(
                "bias",
                [self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns `[..., units]` for `[..., inputs]`."""
        if inputs.shape[-1] not in (None, self._kernel.shape[0]):
            raise fail(
                InvalidArgumentError,
                f"Inputs to Dense layer {self.name!r} are incompatible with its kernel",
                got=describe_shapes(inputs),
                expected=f"a last dimension of {self._kernel.shape[0]}",
                op=getattr(inputs, "op", None),
            )
        outputs = matmul(inputs, self._kernel)
        if self.use_bias:
            outputs = outputs + self._bias
        return self.activation(outputs)


class Activation(Layer):
    """A function as a layer.

    Args:
      activation: A name or function.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Activation`.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Applies the function."""
        return self.activation(inputs)


class Flatten(Layer):
    """All dimensions but the first into one.

    Source: `tf.keras.layers.Flatten`.
    """

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns `[batch, n]`."""
        size = inputs.shape[1:].num_elements()
        if size is None:
            raise ValueError(f"Flatten needs known dimensions; got {inputs.shape}.")
        return reshape(inputs, [-1, size] if size else [inputs.shape[0] or 0, 0])
