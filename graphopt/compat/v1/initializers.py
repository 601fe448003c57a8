"""`tf.compat.v1.initializers`: those of TensorFlow 1, whose defaults are others.

They take a dtype in the constructor, and random numbers of TensorFlow 1 have a standard
deviation of 1, or lie in [0, 1), unless something else is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dtypes import as_dtype, float32
from graphopt.keras import initializers
from graphopt.runtime.collections import (
    global_variables_initializer,
    local_variables_initializer,
    variables_initializer,
)


class _WithDtype(initializers.Initializer):
    """An initializer with a dtype of its own, used where a call gives none."""

    dtype: Any = float32

    def __call__(
        self,
        shape: Sequence[int],
        dtype: Any = None,
        partition_info: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Returns the initial value."""
        return super().__call__(shape, dtype or self.dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "dtype": as_dtype(self.dtype).name}


class zeros_initializer(_WithDtype, initializers.Zeros):
    """All zeros.

    Args:
      dtype: The dtype, where a call gives none.

    Source: `tf.compat.v1.zeros_initializer`.
    """

    def __init__(self, dtype: Any = float32) -> None:
        self.dtype = as_dtype(dtype)


class ones_initializer(_WithDtype, initializers.Ones):
    """All ones.

    Args:
      dtype: The dtype, where a call gives none.

    Source: `tf.compat.v1.ones_initializer`.
    """

    def __init__(self, dtype: Any = float32) -> None:
        self.dtype = as_dtype(dtype)


class constant_initializer(_WithDtype, initializers.Constant):
    """A number, repeated, or the numbers of a list in order.

    Args:
      value: A number, or as many as the shape has elements.
      dtype: The dtype, where a call gives none.
      verify_shape: Must be False.

    >>> import graphopt as tf
    >>> tf.compat.v1.constant_initializer([1, 2, 3, 4])([2, 2]).numpy().tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: `tf.compat.v1.constant_initializer`.
    """

    def __init__(
        self, value: Any = 0, dtype: Any = float32, verify_shape: bool = False
    ) -> None:
        if verify_shape:
            raise NotImplementedError("constant_initializer(verify_shape=True).")
        super().__init__(value)
        self.dtype = as_dtype(dtype)


class random_uniform_initializer(_WithDtype, initializers.RandomUniform):
    """Uniform in [minval, maxval).

    Args:
      minval: The lower bound.
      maxval: The upper bound; 1 if it is None.
      seed: For the same numbers each time.
      dtype: The dtype, where a call gives none.

    Source: `tf.compat.v1.random_uniform_initializer`.
    """

    def __init__(
        self,
        minval: float = 0.0,
        maxval: float | None = None,
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(minval, 1.0 if maxval is None else maxval, seed)
        self.dtype = as_dtype(dtype)


class random_normal_initializer(_WithDtype, initializers.RandomNormal):
    """Normal with a mean and a standard deviation.

    Args:
      mean, stddev: The moments.
      seed: For the same numbers each time.
      dtype: The dtype, where a call gives none.

    Source: `tf.compat.v1.random_normal_initializer`.
    """

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(mean, stddev, seed)
        self.dtype = as_dtype(dtype)


class truncated_normal_initializer(_WithDtype, initializers.TruncatedNormal):
    """Normal random numbers within two standard deviations of the mean.

    Args:
      mean: The mean.
      stddev: The standard deviation before the cut.
      seed: For the same numbers each time.
      dtype: The dtype, where a call gives none.

    Source: `tf.compat.v1.truncated_normal_initializer`.
    """

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(mean, stddev, seed)
        self.dtype = as_dtype(dtype)


class glorot_uniform_initializer(_WithDtype, initializers.GlorotUniform):
    """Uniform numbers for layers whose inputs and outputs keep their scale.

    Source: `tf.compat.v1.glorot_uniform_initializer`.
    """

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(seed)
        self.dtype = as_dtype(dtype)


class glorot_normal_initializer(_WithDtype, initializers.GlorotNormal):
    """Normal numbers for layers whose inputs and outputs keep their scale.

    Source: `tf.compat.v1.glorot_normal_initializer`.
    """

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(seed)
        self.dtype = as_dtype(dtype)


class orthogonal_initializer(_WithDtype, initializers.Orthogonal):
    """Orthogonal matrices.

    Source: `tf.compat.v1.orthogonal_initializer`.
    """

    def __init__(
        self, gain: float = 1.0, seed: int | None = None, dtype: Any = float32
    ) -> None:
        super().__init__(gain, seed)
        self.dtype = as_dtype(dtype)


class identity(_WithDtype, initializers.Identity):
    """Identity matrices.

    Source: `tf.compat.v1.initializers.identity`.
    """

    def __init__(self, gain: float = 1.0, dtype: Any = float32) -> None:
        super().__init__(gain)
        self.dtype = as_dtype(dtype)


class variance_scaling_initializer(_WithDtype, initializers.VarianceScaling):
    """Random numbers whose variance depends on the size of the layer.

    Source: `tf.compat.v1.variance_scaling_initializer`.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(scale, mode, distribution, seed)
        self.dtype = as_dtype(dtype)


def he_normal(seed: int | None = None) -> Any:
    """Returns normal numbers for layers with relu.

    Source: `tf.compat.v1.initializers.he_normal`.
    """
    return variance_scaling_initializer(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> Any:
    """Returns uniform numbers for layers with relu.

    Source: `tf.compat.v1.initializers.he_uniform`.
    """
    return variance_scaling_initializer(2.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> Any:
    """Returns normal numbers for layers with selu.

    Source: `tf.compat.v1.initializers.lecun_normal`.
    """
    return variance_scaling_initializer(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> Any:
    """Returns uniform numbers for layers with selu.

    Source: `tf.compat.v1.initializers.lecun_uniform`.
    """
    return variance_scaling_initializer(1.0, "fan_in", "uniform", seed)


# The short names of `tf.initializers`.
constant = constant_initializer
glorot_normal = glorot_normal_initializer
glorot_uniform = glorot_uniform_initializer
ones = ones_initializer
orthogonal = orthogonal_initializer
random_normal = random_normal_initializer
random_uniform = random_uniform_initializer
truncated_normal = truncated_normal_initializer
variance_scaling = variance_scaling_initializer
zeros = zeros_initializer
global_variables = global_variables_initializer
local_variables = local_variables_initializer
variables = variables_initializer
