"""Initial values of weights: functions of a shape and a dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.dtypes import DType, as_dtype, float32
from graphopt.ops.creation import constant, fill, ones, zeros
from graphopt.ops.random import (
    next_seed,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
)


class Initializer:
    """A function from a shape and a dtype to a tensor.

    Source: `tf.keras.initializers.Initializer`.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns the initial value.

        Args:
          shape: Its shape.
          dtype: Its dtype, float32 by default.
        """
        raise NotImplementedError("Initializer subclasses must implement __call__.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Makes an initializer of what `get_config` returned."""
        return cls(**config)


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns zeros of a shape and dtype."""
        return zeros(shape, dtype or float32)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns ones of a shape and dtype."""
        return ones(shape, dtype or float32)


class Constant(Initializer):
    """All one number.

    Args:
      value: The number.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns the number, repeated."""
        return fill(shape, constant(self.value, as_dtype(dtype or float32)))


class RandomUniform(Initializer):
    """Uniform in [minval, maxval).

    Args:
      minval, maxval: The bounds.
      seed: For the same numbers each time.
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns random numbers of a shape and dtype."""
        return stateless_uniform(
            shape, next_seed(self.seed), self.minval, self.maxval, dtype or float32
        )


class RandomNormal(Initializer):
    """Normal with a mean and a standard deviation.

    Args:
      mean, stddev: The moments.
      seed: For the same numbers each time.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None
    ) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns random numbers of a shape and dtype."""
        return stateless_normal(
            shape, next_seed(self.seed), self.mean, self.stddev, dtype or float32
        )


class TruncatedNormal(Initializer):
    """Normal random numbers within two standard deviations of the mean.

    Args:
      mean: The mean.
      stddev: The standard deviation before the cut.
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.TruncatedNormal`.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None
    ) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns random numbers of a shape and dtype."""
        return stateless_truncated_normal(
            shape, next_seed(self.seed), self.mean, self.stddev, dtype or float32
        )


class VarianceScaling(Initializer):
    """Random numbers whose variance depends on the number of inputs and outputs.

    Args:
      scale: The variance times n.
      mode: What n is: `fan_in`, `fan_out` or `fan_avg`.
      distribution: `truncated_normal`, `untruncated_normal` or `uniform`.
      seed: For the same numbers each time.

    Raises:
      ValueError: An unknown mode or distribution, or scale <= 0.

    Source: `tf.keras.initializers.VarianceScaling`.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if scale <= 0:
            raise ValueError(f"`scale` must be positive; got {scale}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"Invalid `mode` argument: {mode}.")
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(f"Invalid `distribution` argument: {distribution}.")
        self.scale, self.mode = scale, mode
        self.distribution, self.seed = distribution, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns random numbers of a shape and dtype."""
        fan_in, fan_out = _fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, n[self.mode])
        seed, dtype = next_seed(self.seed), dtype or float32
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return stateless_uniform(shape, seed, -limit, limit, dtype)
        if self.distribution == "untruncated_normal":
            return stateless_normal(shape, seed, 0.0, math.sqrt(variance), dtype)
        # Cutting at two standard deviations leaves 0.87962566 of one.
        deviation = math.sqrt(variance) / 0.87962566103423978
        return stateless_truncated_normal(shape, seed, 0.0, deviation, dtype)


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    dims = [int(dim) for dim in shape]
    if len(dims) < 2:
        size = float(dims[0] if dims else 1)
        return size, size
    field = math.prod(dims[:-2])
    return float(dims[-2] * field), float(dims[-1] * field)


def _scaled(name: str, scale: float, mode: str, distribution: str) -> Any:
    def make(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, mode, distribution, seed)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Makes VarianceScaling({scale}, {mode!r}, {distribution!r}, seed)."
    return make


GlorotUniform = _scaled("GlorotUniform", 1.0, "fan_avg", "uniform")
GlorotNormal = _scaled("GlorotNormal", 1.0, "fan_avg", "truncated_normal")
HeUniform = _scaled("HeUniform", 2.0, "fan_in", "uniform")
HeNormal = _scaled("HeNormal", 2.0, "fan_in", "truncated_normal")
LecunUniform = _scaled("LecunUniform", 1.0, "fan_in", "uniform")
LecunNormal = _scaled("LecunNormal", 1.0, "fan_in", "truncated_normal")

_BY_NAME: dict[str, Callable[[], Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
}


def get(identifier: Any) -> Any:
    """Returns an initializer for a name, a class or a function.

    Raises:
      ValueError: No initializer has that name.

    Source: `tf.keras.initializers.get`.
    """
    if isinstance(identifier, str):
        made = _BY_NAME.get(identifier.lower())
        if made is None:
            raise ValueError(
                f"Unknown initializer {identifier!r}; expected one of {list(_BY_NAME)}."
            )
        return made()
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret initializer {identifier!r}.")


def make_value(initializer: Any, shape: Any, dtype: DType) -> Any:
    """Returns the initial value that a name, a function or a value stands for."""
    if not isinstance(initializer, str) and not callable(initializer):
        return (
            constant(initializer, dtype)
            if not hasattr(initializer, "op")
            else initializer
        )
    made = get(initializer)
    try:
        return made(shape, dtype=dtype)
    except TypeError:
        if isinstance(made, Initializer):
            raise
        # A function without arguments, as TensorFlow accepts too.
        return made()
