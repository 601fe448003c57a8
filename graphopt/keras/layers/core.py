"""Layers of multilayer perceptrons, and functions as layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.dtypes import as_dtype, int32
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import InputSpec, Layer
from graphopt.keras.layers.options import OptionLayer, require
from graphopt.ops.elementwise import cast, not_equal
from graphopt.ops.indexing import embedding_lookup
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_any


class Dense(OptionLayer):
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
      ValueError: `units` is not positive, or the last dimension of the inputs is unknown.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer(tf.constant([[1.0, 2.0, 3.0]])).numpy().tolist()
    [[6.0, 6.0]]

    Source: `tf.keras.layers.Dense`.
    """

    config_names = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = int(units) if not isinstance(units, int) else units
        if self.units <= 0:
            raise fail(
                ValueError,
                "Received an invalid value for `units`: Dense needs a positive number "
                "of units",
                got=repr(units),
                expected="a positive integer",
                site=str(user_site()),
            )
        self.use_bias = use_bias
        self.set_options(
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        shape = TensorShape(input_shape)
        depth = shape[-1] if shape.rank else None
        if depth is None:
            raise fail(
                ValueError,
                "The last dimension of the inputs to a Dense layer should be defined. "
                f"Found None. Full input shape received: {shape}",
                got=f"shape {shape}",
                expected="[..., inputs], where the last dimension must be known",
                site=str(user_site()),
                remedy="Input, or input_shape, with that dimension",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: depth})
        self.kernel = self.add_named_weight("kernel", [depth, self.units])
        self.bias = (
            self.add_named_weight("bias", [self.units]) if self.use_bias else None
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns `[..., units]` for `[..., inputs]`."""
        if inputs.dtype.name != self.compute_dtype:
            inputs = cast(inputs, self.compute_dtype)
        outputs = matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return TensorShape([*TensorShape(input_shape)[:-1], self.units])


class Activation(OptionLayer):
    """A function as a layer.

    Args:
      activation: A name or function.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Activation`.
    """

    config_names = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.set_options(activation=activation)

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


class Identity(Layer):
    """Returns its inputs.

    Source: `tf.keras.layers.Identity`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs


class Lambda(Layer):
    """A Python function as a layer.

    Variables that the function uses are not weights of the layer; for such, subclass
    `Layer`.

    Args:
      function: From a tensor, or a nest of them, to the same; it may also take `mask` and
        `training`.
      output_shape: The shape of the outputs without the batch, or a function of the shape
        of the inputs; by default the layer finds out.
      mask: What `compute_mask` returns, or a function `(inputs, mask)`.
      arguments: Keyword arguments of the function.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Lambda(lambda x: x**2)(tf.constant([1.0, 3.0])).numpy().tolist()
    [1.0, 9.0]

    Source: `tf.keras.layers.Lambda`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda needs a function; got {function!r}.")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = output_shape
        self._takes = _names_of_arguments(function)

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """Applies the function."""
        options = dict(self.arguments)
        if "mask" in self._takes:
            options["mask"] = mask
        if "training" in self._takes:
            options["training"] = training
        return self.function(inputs, **options)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask that was given, or what the function for it returns."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return _as_shapes(self._output_shape(input_shape))
        first = input_shape[0]
        batch = first[0] if isinstance(first, (list, tuple, TensorShape)) else first
        return _as_shapes(self._output_shape, [batch])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor; the function is itself in it."""
        return {
            **super().get_config(),
            "function": self.function,
            "output_shape": self._output_shape,
            "mask": self.mask,
            "arguments": self.arguments,
        }


def _as_shapes(given: Any, ahead: Sequence[Any] = ()) -> Any:
    """A shape, or a list of them, behind other dimensions."""
    if any(isinstance(part, (list, tuple)) for part in given):
        return [_as_shapes(part, ahead) for part in given]
    return TensorShape([*ahead, *given])


def _names_of_arguments(function: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()


class Masking(OptionLayer):
    """Masks time steps whose features all have a value, for the layers that come next.

    Args:
      mask_value: That value.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> x = tf.constant([[[1.0, 2.0], [0.0, 0.0]]])
    >>> tf.keras.layers.Masking().compute_mask(x).numpy().tolist()
    [[True, False]]

    Source: `tf.keras.layers.Masking`.
    """

    config_names = ("mask_value",)

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns `[batch, time]`, true where a feature is something else."""
        return reduce_any(not_equal(inputs, self.mask_value), -1)

    def call(self, inputs: Any) -> Any:
        """Returns the inputs with 0 in masked steps."""
        seen = reduce_any(not_equal(inputs, self.mask_value), -1, keepdims=True)
        return inputs * cast(seen, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


class Embedding(OptionLayer):
    """A row of a table for each integer.

    Args:
      input_dim: The number of rows; integers are in `[0, input_dim)`.
      output_dim: The size of a row.
      embeddings_initializer: For the table, `[input_dim, output_dim]`.
      embeddings_regularizer: Makes a term of `losses` of it.
      activity_regularizer: Makes one of the outputs.
      embeddings_constraint: Applied to it after each update.
      mask_zero: Whether 0 stands for padding that later layers leave out.
      input_length: The length of the sequences, if it is fixed.
      sparse: Accepted for compatibility; gradients of the table are sparse in any case.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: `input_dim` or `output_dim` is not positive.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Embedding(10, 3)
    >>> layer(tf.constant([[1, 2], [3, 9]])).shape
    TensorShape([2, 2, 3])

    Source: `tf.keras.layers.Embedding`.
    """

    embeddings_initializer: Any
    embeddings_regularizer: Any
    embeddings_constraint: Any
    config_names = (
        "input_dim",
        "output_dim",
        "embeddings_initializer",
        "embeddings_regularizer",
        "activity_regularizer",
        "embeddings_constraint",
        "mask_zero",
        "input_length",
    )

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            length = (None,) if input_length is None else _as_tuple(input_length)
            kwargs["input_shape"] = length
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        for name, size in ("input_dim", input_dim), ("output_dim", output_dim):
            require(size, size > 0, name, "a positive integer")
        self.input_dim, self.output_dim = int(input_dim), int(output_dim)
        self.set_options(
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.input_length = input_length
        self.embeddings: Any = None

    def build(self, input_shape: Any = None) -> None:
        """Makes the table."""
        self.embeddings = self.add_named_weight(
            "embeddings", [self.input_dim, self.output_dim]
        )
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where the inputs are not 0, if 0 stands for padding."""
        return not_equal(hooks.convert(inputs), 0) if self.mask_zero else None

    def call(self, inputs: Any) -> Any:
        """Returns `[..., output_dim]` for `[...]`."""
        if as_dtype(inputs.dtype).name not in ("int32", "int64"):
            inputs = cast(inputs, int32)
        return embedding_lookup(self.embeddings, inputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        if self.input_length is not None:
            shape = TensorShape([shape[0], *_as_tuple(self.input_length)])
        return TensorShape([*shape, self.output_dim])


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
