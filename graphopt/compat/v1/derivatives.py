"""`tf.compat.v1.hessians`: the order of arguments of TensorFlow 1."""

from __future__ import annotations

from typing import Any

from graphopt.autodiff import gradients as _gradients


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
