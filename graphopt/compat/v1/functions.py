"""Functions that take their arguments in another order, or more of them, in TensorFlow 1."""

from __future__ import annotations

from typing import Any

from graphopt import dtypes
from graphopt.autodiff import gradients as _gradients
from graphopt.ops import random_gamma as _random_gamma


def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Any]:
    """Returns the second derivatives of `sum(ys)` by each of several tensors.

    Source: `tf.compat.v1.hessians`.
    """
    return _gradients.hessians(ys, xs, name=name)


def random_poisson(
    lam: Any,
    shape: Any,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns random numbers of Poisson distributions, `shape + lam.shape`.

    Source: `tf.compat.v1.random_poisson`.
    """
    return _random_gamma.random_poisson(shape, lam, dtype, seed, name)
