"""`tf.contrib.layers`: terms of the loss of weights."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1 import logging
from graphopt.compat.v1.scopes import op_scope
from graphopt.errors import fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import abs, multiply
from graphopt.ops.nn import l2_loss
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.sums import add_n
from graphopt.runtime.collections import GraphKeys

Regularizer = Callable[..., Any]


def _none(_: Any, name: str | None = None) -> None:
    return None


def _is_off(scale: Any, what: str) -> bool:
    """Whether there is nothing to add.

    Raises:
      ValueError: The scale is an integer or below 0.
    """
    if isinstance(scale, numbers.Integral):
        raise fail(
            ValueError,
            f"scale cannot be an integer: {scale}",
            got=repr(scale),
            expected="a float",
            site=str(user_site()),
            remedy=f"{float(scale)}",
        )
    if not isinstance(scale, numbers.Real):
        return False
    if scale < 0.0:
        raise fail(
            ValueError,
            f"Setting a scale less than 0 on a regularizer: {scale}",
            got=repr(scale),
            site=str(user_site()),
        )
    if scale == 0.0:
        logging.info("Scale of 0 disables %s.", what)
    return scale == 0.0


def l1_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """Returns a function from weights to scale * sum(|weights|).

    Raises:
      ValueError: The scale is an integer or below 0.

    Source: `tf.contrib.layers.l1_regularizer`.
    """
    if _is_off(scale, "regularizer"):
        return _none

    def l1(weights: Any, name: str | None = None) -> Any:
        with op_scope(scope, "l1_regularizer") as scope_name:
            weights = hooks.convert(weights)
            return multiply(scale, reduce_sum(abs(weights)), name=scope_name or name)

    return l1


def l2_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """Returns a function from weights to scale * sum(weights ** 2) / 2.

    Raises:
      ValueError: The scale is an integer or below 0.

    Source: `tf.contrib.layers.l2_regularizer`.
    """
    if _is_off(scale, "regularizer"):
        return _none

    def l2(weights: Any, name: str | None = None) -> Any:
        with op_scope(scope, "l2_regularizer") as scope_name:
            return multiply(scale, l2_loss(weights), name=scope_name or name)

    return l2


def l1_l2_regularizer(
    scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None
) -> Any:
    """Returns a function from weights to the sum of both terms.

    Source: `tf.contrib.layers.l1_l2_regularizer`.
    """
    scope = scope or "l1_l2_regularizer"
    terms = [l1_regularizer(scale_l1), l2_regularizer(scale_l2)]
    return sum_regularizer([t for t in terms if t is not _none], scope=scope)


def sum_regularizer(
    regularizer_list: Sequence[Regularizer | None], scope: str | None = None
) -> Any:
    """Returns a function from weights to the sum of several terms; None of none.

    Source: `tf.contrib.layers.sum_regularizer`.
    """
    regularizers = [reg for reg in regularizer_list if reg is not None]
    if not regularizers:
        return None

    def sum_reg(weights: Any) -> Any:
        with op_scope(scope, "sum_regularizer") as name:
            terms = [reg(weights) for reg in regularizers]
            terms = [term for term in terms if term is not None]
            return add_n(terms, name=name) if terms else None

    return sum_reg


def apply_regularization(
    regularizer: Regularizer, weights_list: Sequence[Any] | None = None
) -> Any:
    """Returns the sum of a regularizer's terms of several weights.

    The sum is put into the collection `REGULARIZATION_LOSSES`.

    Args:
      regularizer: From weights to a scalar.
      weights_list: The weights; by default those of the collection `WEIGHTS`.

    Raises:
      ValueError: There are no weights, or a term is no scalar.

    Source: `tf.contrib.layers.apply_regularization`.
    """
    graph = get_default_graph()
    if not weights_list:
        weights_list = graph.get_collection(GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize.")
    with op_scope(None, "get_regularization_penalty") as scope:
        terms = [regularizer(w) for w in weights_list]
        terms = [constant(0.0) if term is None else term for term in terms]
        for term in terms:
            if term.shape.rank != 0:
                raise fail(
                    ValueError,
                    "regularizer must return a scalar Tensor instead of a Tensor with "
                    f"rank {term.shape.rank}",
                    got=f"shape {term.shape}",
                    site=str(user_site()),
                )
        total = add_n(terms, name=scope)
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
        return total
