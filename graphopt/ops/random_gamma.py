"""Random numbers of gamma and Poisson distributions, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import NOT_DIFFERENTIABLE, Effect, OpSpec, Sample, register
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import static_dims
from graphopt.ops.random import ON_HOST
from graphopt.ops.random_stateful import (
    RandomStream,
    add_random_op,
    new_stream,
    register_random,
)


def _infer(rate: Any, *, shape: Any, dtype: DType, **_: Any) -> Any:
    if rate.shape.unknown_rank:
        return UNKNOWN, dtype
    return TensorShape(shape) + rate.shape, dtype


def _gamma(
    alpha: NDArray[Any],
    *,
    shape: Any,
    dtype: DType,
    stream: RandomStream,
    draw: int = 0,
) -> NDArray[Any]:
    size = (*shape, *np.shape(alpha))
    return np.asarray(stream.generator(draw).standard_gamma(alpha, size), dtype.numpy)


def _poisson(
    lam: NDArray[Any],
    *,
    shape: Any,
    dtype: DType,
    stream: RandomStream,
    draw: int = 0,
) -> NDArray[Any]:
    size = (*shape, *np.shape(lam))
    return np.asarray(stream.generator(draw).poisson(lam, size), dtype.numpy)


def _spec(name: str, compute: Any) -> OpSpec:
    attrs = {
        "shape": (2,),
        "dtype": dtypes.float32,
        "stream": RandomStream(2, 1, 2),
    }
    return register_random(
        register(
            OpSpec(
                name,
                _infer,
                compute,
                NOT_DIFFERENTIABLE,
                ON_HOST,
                lambda: [Sample((np.array([0.5, 2.0, 9.0]),), attrs)],
                types=("any",),
                effect=Effect.RANDOM,
            )
        )
    )


GAMMA = _spec("RandomGamma", _gamma)
POISSON = _spec("RandomPoissonV2", _poisson)


def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns random numbers of gamma distributions, without derivatives.

    Args:
      shape: How many of each.
      alpha: Concentrations.
      beta: Rates, 1 by default.
      dtype: A float type.
      seed: The op's seed.
      name: Name of the op.

    Returns:
      `shape + (alpha + beta).shape`.

    Source: `tf.random.gamma`.
    """
    dtype = as_dtype(dtype)
    alpha = hooks.convert(alpha, dtype=dtype)
    if beta is not None:
        beta = hooks.convert(beta, dtype=dtype)
        alpha = alpha + beta * 0
    dims = static_dims(shape, "tf.random.gamma")
    attrs = {"shape": dims, "dtype": dtype, **new_stream(seed)}
    drawn = add_random_op(GAMMA, alpha, name=name, **attrs)
    return drawn if beta is None else drawn / beta


def random_poisson(
    shape: Any,
    lam: Any,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns random numbers of Poisson distributions.

    Args:
      shape: How many of each.
      lam: Rates.
      dtype: The dtype of the result.
      seed: The op's seed.
      name: Name of the op.

    Returns:
      `shape + lam.shape`.

    Source: `tf.random.poisson`.
    """
    dims = static_dims(shape, "tf.random.poisson")
    attrs = {"shape": dims, "dtype": as_dtype(dtype), **new_stream(seed)}
    return add_random_op(POISSON, hooks.convert(lam), name=name, **attrs)
