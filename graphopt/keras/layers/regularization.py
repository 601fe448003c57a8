"""Layers that work against overfitting: dropout of all kinds, noise, terms of the loss."""

from __future__ import annotations

import math
from typing import Any

from graphopt.graph.shape import TensorShape
from graphopt.keras import regularizers
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import (
    OptionLayer,
    choose,
    read_data_format,
    require,
)
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.dropout import dropout
from graphopt.ops.elementwise import cast, greater_equal, where
from graphopt.ops.random_stateful import normal, uniform


class _Random(OptionLayer):
    """A layer that changes its inputs while training, and not otherwise."""

    seed: int | None

    def changed(self, inputs: Any) -> Any:
        """Returns what comes out while training."""
        raise NotImplementedError

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Returns the inputs, changed while training."""
        return choose(training, lambda: self.changed(inputs), lambda: inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


class Dropout(_Random):
    """Sets elements to 0 at random while training, and scales the others by 1 / (1 - rate).

    Args:
      rate: The part that is dropped, in [0, 1]: 1 drops all.
      noise_shape: A shape that broadcasts to that of the inputs; elements that share one
        of its places are dropped together. None stands for a dimension of the inputs.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: `rate` is out of range.

    >>> import graphopt as tf
    >>> layer, x = tf.keras.layers.Dropout(0.5), tf.ones([100])
    >>> sorted(set(layer(x, training=True).numpy().tolist()))
    [0.0, 2.0]
    >>> sorted(set(layer(x).numpy().tolist()))
    [1.0]

    Source: `tf.keras.layers.Dropout`; Srivastava et al., 2014.
    """

    config_names: tuple[str, ...] = ("rate", "noise_shape", "seed")

    def __init__(
        self, rate: Any, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, (int, float)):
            require(rate, 0 <= rate <= 1, "rate", "a number between 0 and 1")
        self.rate, self.seed = rate, seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.supports_masking = True

    def noise_shape_of(self, inputs: Any) -> Any:
        """Returns the shape of the noise for inputs; None for their own."""
        return self.noise_shape

    def changed(self, inputs: Any) -> Any:
        """Returns the inputs with elements that are dropped."""
        if isinstance(self.rate, (int, float)) and self.rate == 1:
            return inputs * cast(0.0, inputs.dtype)
        return dropout(inputs, self.rate, self.noise_shape_of(inputs), self.seed)


class _SpatialDropout(Dropout):
    """Dropout of whole channels."""

    rank: int
    config_names: tuple[str, ...] = ("rate", "seed", "data_format")

    def __init__(
        self,
        rate: Any,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = read_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def noise_shape_of(self, inputs: Any) -> Any:
        """Returns a shape with 1 for all but batch and channels."""
        ones = (1,) * self.rank
        if self.data_format == "channels_first":
            return (None, None, *ones)
        return (None, *ones, None)


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of sequences, `[batch, time, channels]`.

    Args:
      rate, seed, **kwargs: As in `Dropout`.

    Source: `tf.keras.layers.SpatialDropout1D`.
    """

    rank = 1
    config_names = ("rate", "seed")

    def __init__(self, rate: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", seed, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images.

    Args:
      rate, seed, **kwargs: As in `Dropout`.
      data_format: "channels_last" or "channels_first".

    Source: `tf.keras.layers.SpatialDropout2D`.
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes.

    Args:
      rate, seed, **kwargs: As in `Dropout`.
      data_format: "channels_last" or "channels_first".

    Source: `tf.keras.layers.SpatialDropout3D`.
    """

    rank = 3


class GaussianDropout(_Random):
    """Multiplies by random numbers of mean 1 and variance rate / (1 - rate) while training.

    Args:
      rate: In [0, 1).
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.GaussianDropout`; Srivastava et al., 2014.
    """

    config_names = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require(rate, 0 <= rate < 1, "rate", "a number in [0, 1)")
        self.rate, self.seed = rate, seed
        self.supports_masking = True

    def changed(self, inputs: Any) -> Any:
        """Returns the inputs times noise."""
        if not self.rate:
            return inputs
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * normal(
            _known_shape(inputs), 1.0, stddev, inputs.dtype, seed=self.seed
        )


class GaussianNoise(_Random):
    """Adds normal random numbers while training.

    Args:
      stddev: Their standard deviation.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.GaussianNoise`.
    """

    config_names = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev, self.seed = stddev, seed
        self.supports_masking = True

    def changed(self, inputs: Any) -> Any:
        """Returns the inputs plus noise."""
        return inputs + normal(
            _known_shape(inputs), 0.0, self.stddev, inputs.dtype, seed=self.seed
        )


# Of `selu`: what inputs tend to from below, and the factor that it scales by.
_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


class AlphaDropout(_Random):
    """Dropout that keeps mean and variance of inputs that `selu` normalizes.

    Args:
      rate: The part that is dropped, in [0, 1).
      noise_shape: As in `Dropout`.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.AlphaDropout`; Klambauer et al., 2017.
    """

    config_names = ("rate", "noise_shape", "seed")

    def __init__(
        self,
        rate: float,
        noise_shape: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require(rate, 0 <= rate < 1, "rate", "a number in [0, 1)")
        self.rate, self.seed = rate, seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.supports_masking = True

    def changed(self, inputs: Any) -> Any:
        """Returns the inputs with elements set to the lower end, shifted and scaled."""
        if not self.rate:
            return inputs
        low, rate = -_ALPHA * _SCALE, self.rate
        shape = self.noise_shape or _known_shape(inputs)
        kept = greater_equal(uniform(shape, dtype=inputs.dtype, seed=self.seed), rate)
        factor = 1.0 / math.sqrt((1 - rate) * (1 + rate * low**2))
        return where(kept, inputs, low) * factor - factor * low * rate


class ActivityRegularization(OptionLayer):
    """Returns its inputs, and makes a term of the loss of them.

    Args:
      l1: What the sum of magnitudes counts.
      l2: What the sum of squares counts.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ActivityRegularization`.
    """

    config_names = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        term = regularizers.L1L2(l1=l1, l2=l2)
        super().__init__(activity_regularizer=term, **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


def _known_shape(inputs: Any) -> Any:
    """The shape as numbers where it is known, else as a tensor."""
    shape = TensorShape(inputs.shape)
    is_known = not shape.unknown_rank and None not in shape
    return list(shape) if is_known else shape_of(inputs)
