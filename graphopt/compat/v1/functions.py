"""Functions that take their arguments in another order, or more of them, in TensorFlow 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.autodiff import gradients as _gradients
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops import ctc as _ctc
from graphopt.ops import partitions as _partitions
from graphopt.ops import random_gamma as _random_gamma
from graphopt.ops.scatter import (
    tensor_scatter_nd_add,
    tensor_scatter_nd_sub,
    tensor_scatter_nd_update,
)
from graphopt.runtime.variable import Variable


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
) -> Tensor:
    """Returns random numbers of Poisson distributions, `shape + lam.shape`.

    Source: `tf.compat.v1.random_poisson`.
    """
    return _random_gamma.random_poisson(shape, lam, dtype, seed, name)


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """Counts how often each class was taken for each; as `tf.math.confusion_matrix`.

    Source: `tf.compat.v1.confusion_matrix`.
    """
    return _partitions.confusion_matrix(
        labels, predictions, num_classes, weights, dtype, name
    )


ctc_loss = _ctc.ctc_loss_v1


def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns minus the logarithm of the probability of labels; as `tf.nn.ctc_loss`.

    Source: `tf.compat.v1.nn.ctc_loss_v2`.
    """
    return _ctc.ctc_loss(
        labels,
        logits,
        label_length,
        logit_length,
        logits_time_major,
        unique,
        blank_index,
        name,
    )


# ---- rows of variables


def _scatter(method: str, ref: Any, indices: Any, updates: Any, name: Any) -> Any:
    if not isinstance(ref, Variable):
        raise TypeError(f"tf.{method} changes a variable; got {ref!r}.")
    indices = hooks.convert(indices)
    updates = hooks.convert(updates, dtype_hint=ref.dtype)
    rows = indices.shape + ref.shape[1:]
    if updates.shape.rank == 0 and rows.rank:
        # A scalar is meant for every row.
        if not rows.is_fully_defined():
            raise NotImplementedError(
                f"tf.{method} of a scalar to as many rows as only the run knows."
            )
        updates = updates * np.ones(tuple(rows), ref.dtype.numpy)
    return getattr(ref, method)(IndexedSlices(updates, indices), name=name)


def scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: Any = None
) -> Any:
    """Sets rows of a variable.

    Args:
      ref: The variable.
      indices: Integers of any shape: which rows.
      updates: `indices.shape + ref.shape[1:]`, or a scalar for all.
      use_locking: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.compat.v1.scatter_update`.
    """
    return _scatter("scatter_update", ref, indices, updates, name)


def scatter_add(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Adds to rows of a variable; as `scatter_update`.

    Source: `tf.compat.v1.scatter_add`.
    """
    return _scatter("scatter_add", ref, indices, updates, name)


def scatter_sub(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Subtracts from rows of a variable; as `scatter_update`.

    Source: `tf.compat.v1.scatter_sub`.
    """
    return _scatter("scatter_sub", ref, indices, updates, name)


def scatter_mul(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Multiplies rows of a variable; as `scatter_update`.

    Source: `tf.compat.v1.scatter_mul`.
    """
    return _scatter("scatter_mul", ref, indices, updates, name)


def scatter_div(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Divides rows of a variable; as `scatter_update`.

    Source: `tf.compat.v1.scatter_div`.
    """
    return _scatter("scatter_div", ref, indices, updates, name)


def scatter_min(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Sets rows of a variable to the smaller of two values; as `scatter_update`.

    Source: `tf.compat.v1.scatter_min`.
    """
    return _scatter("scatter_min", ref, indices, updates, name)


def scatter_max(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Sets rows of a variable to the larger of two values; as `scatter_update`.

    Source: `tf.compat.v1.scatter_max`.
    """
    return _scatter("scatter_max", ref, indices, updates, name)


def _scatter_nd(function: Any, ref: Any, indices: Any, updates: Any, name: Any) -> Any:
    if not isinstance(ref, Variable):
        raise fail(
            InvalidArgumentError,
            "scatter_nd_* changes a variable",
            got=repr(ref)[:80],
            expected="a tf.Variable",
            site=str(user_site()),
            remedy="tf.tensor_scatter_nd_update, _add or _sub of a tensor",
        )
    return ref.assign(function(ref.read_value(), indices, updates), name=name)


def scatter_nd_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: Any = None
) -> Any:
    """Sets the slices of a variable that indices name.

    Source: `tf.compat.v1.scatter_nd_update`.
    """
    return _scatter_nd(tensor_scatter_nd_update, ref, indices, updates, name)


def scatter_nd_add(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Adds to the slices of a variable that indices name.

    Source: `tf.compat.v1.scatter_nd_add`.
    """
    return _scatter_nd(tensor_scatter_nd_add, ref, indices, updates, name)


def scatter_nd_sub(
    ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: Any = None
) -> Any:
    """Subtracts from the slices of a variable that indices name.

    Source: `tf.compat.v1.scatter_nd_sub`.
    """
    return _scatter_nd(tensor_scatter_nd_sub, ref, indices, updates, name)
