"""`tf.layers`: dense, dropout, flatten."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1 import nn
from graphopt.compat.v1.layers.base import (
    ZEROS,
    InputSpec,
    Layer,
    activate,
    channel_axis,
    choose,
)
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.einsum import tensordot
from graphopt.ops.layouts import to_channels_last
from graphopt.ops.matmul import matmul
from graphopt.ops.shaping import expand_dims, identity, reshape


class Dense(Layer):
    """activation(inputs @ kernel + bias).

    Args:
      units: Size of the output.
      activation: A function or a name; None for none.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[inputs, units]`; by default the scope's, else
        Glorot's uniform numbers.
      bias_initializer: For the bias, `[units]`.
      kernel_regularizer, bias_regularizer: Make terms of the loss of variables.
      activity_regularizer: Makes one of the outputs, divided by the size of the batch.
      kernel_constraint, bias_constraint: Applied after each update.
      trainable, name, **kwargs: As in `Layer`.

    Source: `tf.compat.v1.layers.Dense`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            trainable, name, activity_regularizer=activity_regularizer, **kwargs
        )
        self.units = int(units)
        if self.units <= 0:
            raise fail(
                ValueError,
                "Received an invalid value for `units`",
                got=repr(units),
                expected="a positive integer",
                site=str(user_site()),
            )
        self.activation, self.use_bias = activation, use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        self.input_spec = InputSpec(min_ndim=2)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias."""
        size = TensorShape(input_shape)[-1]
        if size is None:
            raise fail(
                ValueError,
                "The last dimension of the inputs to `Dense` should be defined",
                got=f"shape {input_shape}",
                expected="a last dimension that is known",
                site=str(user_site()),
                remedy="tf.reshape(x, [-1, size]), or a placeholder with that size",
            )
        if self.dtype is not None and not self.dtype.is_floating:
            raise fail(
                TypeError,
                "A Dense layer can only be built with a floating-point dtype",
                got=self.dtype.name,
                expected="floats",
                site=str(user_site()),
                remedy="tf.cast",
            )
        self.kernel = self.add_weight(
            "kernel",
            shape=[size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=[self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns `[..., units]`."""
        rank = inputs.shape.rank
        if rank == 2:
            outputs = matmul(inputs, self.kernel)
        elif None not in inputs.shape[1:]:
            rows = matmul(reshape(inputs, [-1, inputs.shape[-1]]), self.kernel)
            outputs = reshape(rows, [-1, *inputs.shape[1:-1], self.units])
        else:
            outputs = tensordot(inputs, self.kernel, [[rank - 1], [0]])
        if self.use_bias:
            outputs = nn.bias_add(outputs, self.bias)
        return activate(self.activation, outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the result."""
        return TensorShape([*TensorShape(input_shape)[:-1], self.units])


def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Returns activation(inputs @ kernel + bias), of variables that it makes.

    Args:
      inputs: `[batch, ..., size]`.
      units, activation, use_bias, kernel_initializer, bias_initializer: As in `Dense`.
      kernel_regularizer, bias_regularizer, activity_regularizer: Likewise.
      kernel_constraint, bias_constraint: Likewise.
      trainable: Whether the variables are trainable.
      name: Name of the scope; `dense`, numbered, by default.
      reuse: Whether the variables of `name` exist; as in `variable_scope`.

    Returns:
      `[batch, ..., units]`.

    Raises:
      ValueError: The last dimension is not known, or variables exist and are not reused.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default():
    ...     x = v1.placeholder(tf.float32, [None, 3])
    ...     y = v1.layers.dense(x, 4, activation=tf.nn.relu)
    ...     print(y.shape, [v.name for v in v1.trainable_variables()])
    (None, 4) ['dense/kernel:0', 'dense/bias:0']

    Source: `tf.compat.v1.layers.dense`.
    """
    layer = Dense(
        units,
        activation,
        use_bias,
        kernel_initializer,
        bias_initializer,
        kernel_regularizer,
        bias_regularizer,
        activity_regularizer,
        kernel_constraint,
        bias_constraint,
        trainable,
        name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs)


class Dropout(Layer):
    """Sets elements to 0 at random in training, and scales the others.

    Args:
      rate: The part that is dropped.
      noise_shape: A shape that broadcasts to that of the inputs.
      seed: The op's seed.
      name, **kwargs: As in `Layer`.

    Source: `tf.compat.v1.layers.Dropout`.
    """

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
            raise fail(
                ValueError,
                "Invalid value received for argument `rate`",
                got=repr(rate),
                expected="a number between 0 and 1",
                site=str(user_site()),
            )
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Any, training: Any = False) -> Any:
        """Returns the inputs, with elements dropped if `training`."""

        def drop() -> Any:
            return nn.dropout(
                inputs, noise_shape=self.noise_shape, seed=self.seed, rate=self.rate
            )

        return choose(training, drop, lambda: identity(inputs))


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """Sets elements to 0 at random and scales the others by 1 / (1 - rate).

    Args:
      inputs: Floats.
      rate: The part that is dropped.
      noise_shape: A shape that broadcasts to that of the inputs.
      seed: The op's seed.
      training: Whether to do so; a bool or a tensor. By default nothing is dropped.
      name: Name of the scope.

    Source: `tf.compat.v1.layers.dropout`.
    """
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


class Flatten(Layer):
    """Makes one dimension of all but the batch.

    Args:
      data_format: "channels_last", or "channels_first" for channels that are to become
        the last dimension before.
      **kwargs: As in `Layer`.

    Source: `tf.compat.v1.layers.Flatten`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or "channels_last"
        self.is_first = channel_axis(self.data_format) == 1
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """Returns `[batch, elements]`."""
        shape = inputs.shape
        if shape.rank is None:
            raise NotImplementedError(
                f"Flatten of a tensor of unknown rank: {describe_shapes(inputs)}."
            )
        if shape.rank == 1:
            return expand_dims(inputs, 1)
        if self.is_first and shape.rank > 2:
            inputs = to_channels_last(inputs, shape.rank)
        if None not in shape[1:]:
            return reshape(inputs, [-1, math.prod(shape[1:])])
        return reshape(inputs, [shape_of(inputs)[0], -1])


def flatten(
    inputs: Any, name: str | None = None, data_format: str = "channels_last"
) -> Tensor:
    """Makes one dimension of all but the batch.

    Args:
      inputs: `[batch, ...]`.
      name: Name of the scope.
      data_format: "channels_first" for channels that are to be the last dimension.

    Source: `tf.compat.v1.layers.flatten`.
    """
    return Flatten(data_format, name=name)(hooks.convert(inputs))
