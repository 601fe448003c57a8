"""Initial values of weights: functions of a shape and a dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype, float32
from graphopt.keras import serialization
from graphopt.keras.describing import describe_config
from graphopt.ops.creation import constant as _constant
from graphopt.ops.creation import fill
from graphopt.ops.creation import ones as _ones
from graphopt.ops.creation import zeros as _zeros
from graphopt.ops.diagonal import eye
from graphopt.ops.orthogonal import orthonormal_columns
from graphopt.ops.random import (
    next_seed,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
)
from graphopt.ops.shaping import reshape, transpose


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

    def __repr__(self) -> str:
        return describe_config(self)


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns zeros of a shape and dtype."""
        return _zeros(shape, dtype or float32)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns ones of a shape and dtype."""
        return _ones(shape, dtype or float32)


class Constant(Initializer):
    """All one number, or the numbers of a list in order.

    Args:
      value: A number, or as many as the shape has elements.

    Source: `tf.keras.initializers.Constant`, `tf.constant_initializer`.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns the numbers.

        Raises:
          ValueError: There are neither one nor as many as the shape has elements.
        """
        wanted = as_dtype(dtype or float32)
        if np.ndim(self.value):
            return reshape(_constant(self.value, wanted), shape)
        return fill(shape, _constant(self.value, wanted))


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


class _Scaled(VarianceScaling):
    """VarianceScaling with everything chosen but the seed."""

    _choice: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._choice, seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's argument."""
        return {"seed": self.seed}


class GlorotUniform(_Scaled):
    """Uniform within sqrt(6 / (fan_in + fan_out)).

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.GlorotUniform`; Glorot and Bengio 2010.
    """

    _choice = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal with a variance of 2 / (fan_in + fan_out).

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.GlorotNormal`; Glorot and Bengio 2010.
    """

    _choice = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within sqrt(6 / fan_in).

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.HeUniform`; He et al. 2015.
    """

    _choice = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal with a variance of 2 / fan_in.

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.HeNormal`; He et al. 2015.
    """

    _choice = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within sqrt(3 / fan_in).

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.LecunUniform`; LeCun et al. 1998.
    """

    _choice = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal with a variance of 1 / fan_in.

    Args:
      seed: For the same numbers each time.

    Source: `tf.keras.initializers.LecunNormal`; LeCun et al. 1998.
    """

    _choice = (1.0, "fan_in", "truncated_normal")


class Orthogonal(Initializer):
    """A random matrix with orthonormal columns, or rows if there are more columns.

    All dimensions but the last one count as rows.

    Args:
      gain: Factor.
      seed: For the same numbers each time.

    >>> import graphopt as tf
    >>> w = tf.keras.initializers.Orthogonal(seed=1)([3, 2])
    >>> tf.matmul(w, w, transpose_a=True).numpy().round(4).tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Source: `tf.keras.initializers.Orthogonal`; Saxe et al. 2013.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain, self.seed = gain, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns a matrix, or a tensor of its elements.

        Raises:
          ValueError: The shape has less than two dimensions, or the dtype is no float.
        """
        dims, dtype = [int(dim) for dim in shape], _float_type(self, dtype)
        if len(dims) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional; got shape "
                f"{dims}."
            )
        rows, columns = math.prod(dims[:-1]), dims[-1]
        size = [max(rows, columns), min(rows, columns)]
        q = orthonormal_columns(
            stateless_normal(size, next_seed(self.seed), 0.0, 1.0, dtype)
        )
        return self.gain * reshape(q if rows >= columns else transpose(q), dims)


class Identity(Initializer):
    """A matrix with a number on the diagonal and zeros elsewhere.

    Args:
      gain: The number.

    >>> import graphopt as tf
    >>> tf.keras.initializers.Identity(2.0)([2, 3]).numpy().tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    Source: `tf.keras.initializers.Identity`.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_kwargs: Any) -> Any:
        """Returns the matrix.

        Raises:
          ValueError: The shape is not that of a matrix, or the dtype is no float.
        """
        dims, dtype = [int(dim) for dim in shape], _float_type(self, dtype)
        if len(dims) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices; got "
                f"shape {dims}."
            )
        return self.gain * eye(dims[0], dims[1], dtype=dtype)


def _float_type(initializer: Initializer, dtype: Any) -> DType:
    found = as_dtype(dtype or float32)
    if not found.is_floating:
        raise ValueError(
            f"{type(initializer).__name__} makes floating point numbers; got dtype "
            f"{found.name}."
        )
    return found


# TensorFlow 2 has each class under the name of a function, too.
zeros = Zeros
ones = Ones
constant = Constant
random_uniform = RandomUniform
random_normal = RandomNormal
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
orthogonal = Orthogonal
identity = Identity
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal

_TABLE: dict[str, type[Initializer]] = {
    name: made
    for name, made in globals().items()
    if isinstance(made, type)
    and issubclass(made, Initializer)
    and made not in (Initializer, _Scaled)
}
# Names of Keras 1 that defaults of layers still have.
_TABLE.update(uniform=RandomUniform, normal=RandomNormal, zero=Zeros, one=Ones)


def get(identifier: Any) -> Any:
    """Returns an initializer for a name, a config, a class or a function; None for None.

    Raises:
      ValueError: It stands for none.

    Source: `tf.keras.initializers.get`.
    """
    if isinstance(identifier, str) and identifier not in _TABLE:
        identifier = identifier.lower()
    return serialization.get(identifier, _TABLE, "initializer")


def serialize(initializer: Any) -> Any:
    """Returns class name and config as plain values.

    Source: `tf.keras.initializers.serialize`.
    """
    return serialization.serialize(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes an initializer of what `serialize` returned.

    Raises:
      ValueError: No initializer has that name.

    Source: `tf.keras.initializers.deserialize`.
    """
    return serialization.deserialize(config, _TABLE, "initializer", custom_objects)


def make_value(initializer: Any, shape: Any, dtype: DType) -> Any:
    """Returns the initial value that a name, a function or a value stands for."""
    if not isinstance(initializer, str) and not callable(initializer):
        return (
            _constant(initializer, dtype)
            if not hasattr(initializer, "op")
            else initializer
        )
    made = get(initializer)
    if isinstance(made, Initializer):
        return made(shape, dtype=dtype)
    return _call_function(made, shape, dtype)


def _call_function(function: Any, shape: Any, dtype: DType) -> Any:
    """Calls an initializer that is a function with what it takes.

    TensorFlow 1's have a third argument, `partition_info`; some have no dtype, and some
    no arguments at all.
    """
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function(shape, dtype=dtype)
    kinds = {p.kind for p in parameters}
    names = {p.name for p in parameters}
    if not names:
        return function()
    needed = [
        p
        for p in parameters
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    more = {"partition_info": None} if "partition_info" in names else {}
    if "dtype" in names or inspect.Parameter.VAR_KEYWORD in kinds:
        return function(shape, dtype=dtype, **more)
    if len(needed) > 1 or inspect.Parameter.VAR_POSITIONAL in kinds:
        return function(shape, dtype, **more)
    return function(shape, **more)
