"""`tf.contrib.layers`: initializers that take the size of a layer into account."""

from __future__ import annotations

import math
from typing import Any

from graphopt.dtypes import as_dtype, float32
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.ops.random_stateful import truncated_normal, uniform


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = float32,
) -> Any:
    """Returns an initializer of random numbers of variance `factor / n`.

    Args:
      factor: The factor.
      mode: What n is: "FAN_IN", the inputs of a unit; "FAN_OUT", its outputs; "FAN_AVG",
        the mean of both.
      uniform: Whether numbers are uniform; else they are normal, within two standard
        deviations.
      seed: For the same numbers each time.
      dtype: Floats.

    Raises:
      TypeError: The dtype is of other numbers, or an unknown mode.

    Source: `tf.contrib.layers.variance_scaling_initializer`; He et al., 2015.
    """
    own = as_dtype(dtype)
    if not own.is_floating:
        raise TypeError(
            f"Cannot create initializer for non-floating point type: {own}."
        )
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise fail(
            TypeError,
            "Unknown mode, should be one of FAN_IN, FAN_OUT, FAN_AVG",
            got=repr(mode),
            site=str(user_site()),
        )

    def initialize(
        shape: Any, dtype: Any = None, partition_info: Any = None, **_: Any
    ) -> Any:
        kind = own if dtype is None else as_dtype(dtype)
        if not kind.is_floating:
            raise TypeError(f"Cannot create initializer for {kind.name}; use floats.")
        size = _size_of(shape, mode)
        if uniform:
            limit = math.sqrt(3.0 * factor / size)
            return _uniform(shape, -limit, limit, kind, seed)
        # The cut takes a part of the variance.
        spread = math.sqrt(1.3 * factor / size)
        return truncated_normal(shape, 0.0, spread, kind, seed)

    return initialize


_uniform = uniform


def _size_of(shape: Any, mode: str) -> float:
    sizes = [int(size) for size in shape]
    fan_in = fan_out = 1.0
    if sizes:
        fan_in, fan_out = float(sizes[-2] if len(sizes) > 1 else sizes[-1]), sizes[-1]
    for size in sizes[:-2]:
        fan_in, fan_out = fan_in * size, fan_out * size
    if mode == "FAN_AVG":
        return (fan_in + fan_out) / 2.0
    return fan_in if mode == "FAN_IN" else fan_out


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = float32
) -> Any:
    """Returns an initializer of variance 2 / (inputs + outputs); Glorot's.

    Source: `tf.contrib.layers.xavier_initializer`; Glorot and Bengio, 2010.
    """
    return variance_scaling_initializer(
        factor=1.0, mode="FAN_AVG", uniform=uniform, seed=seed, dtype=dtype
    )


xavier_initializer_conv2d = xavier_initializer
