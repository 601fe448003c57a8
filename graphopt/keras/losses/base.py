"""`Loss`: a loss function with a reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras.describing import describe_call
from graphopt.keras.losses.pairs import refuse_ragged
from graphopt.keras.losses.weighting import (
    Reduction,
    mask_of,
    mask_weights,
    match_ranks,
    weigh_and_reduce,
)
from graphopt.ops.elementwise import cast, logical_and
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


class Loss:
    """From labels and predictions to one number, or to one for each example.

    A subclass defines `call(y_true, y_pred)`, which returns one value for each example;
    the class weights, masks and reduces them.

    Args:
      reduction: One of `Reduction`; `"auto"` is `"sum_over_batch_size"`, the mean.
      name: Its name.
      dtype: What labels and predictions are cast to; by default they stay.

    Raises:
      ValueError: An unknown reduction.

    >>> import graphopt as tf
    >>> class Cubic(tf.keras.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return tf.reduce_mean(tf.abs(y_true - y_pred) ** 3, axis=-1)
    >>> float(Cubic()([[0.0], [2.0]], [[1.0], [5.0]]))
    14.0

    Source: `tf.keras.losses.Loss`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        reduction = Reduction.NONE if reduction is None else reduction
        Reduction.validate(reduction)
        self.reduction, self.name, self.dtype = reduction, name, dtype

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one value for each example.

        Args:
          y_true: `[batch, d0, ..., dN]`.
          y_pred: `[batch, d0, ..., dN]`.

        Returns:
          `[batch, d0, ..., dN-1]`.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the weighted and reduced loss.

        Args:
          y_true: `[batch, d0, ..., dN]`, class numbers `[batch, d0, ..., dN-1]`.
          y_pred: `[batch, d0, ..., dN]`. If a layer left a mask at it, only what is
            valid counts.
          sample_weight: A number, one for each example, or one for each value of
            `call`.

        Returns:
          A scalar, or for `Reduction.NONE` `[batch, d0, ..., dN-1]`.

        Raises:
          ValueError: The weights do not fit.
        """
        what = self.name or type(self).__name__
        with name_scope(_scope_name(what)):
            call = self.call
            if building_graph() is not None:
                call = hooks.convert_function(call)
            mask = mask_of(y_pred)
            y_true, y_pred = _convert(y_true, y_pred, self.dtype)
            losses = hooks.convert(call(y_true, y_pred))
            mask = _both(mask, mask_of(losses))
            average = self.reduction in _AVERAGES
            weights = mask_weights(losses, _as_weights(sample_weight), mask, average)
            return weigh_and_reduce(losses, weights, self.reduction, what)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        config = {"reduction": self.reduction, "name": self.name}
        return config if self.dtype is None else {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        # How a mean is taken is said where it is not the usual one.
        config = {k: v for k, v in self.get_config().items() if v != "auto"}
        config.pop("fn", None)
        return describe_call(self, config)


class LossFunctionWrapper(Loss):
    """A loss of a function.

    Args:
      fn: From labels and predictions to one value for each example.
      reduction: One of `Reduction`.
      name: Its name.
      dtype: What labels and predictions are cast to; by default they stay.
      **kwargs: Passed to the function.

    Source: `tf.keras.__internal__.losses.LossFunctionWrapper`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = Reduction.AUTO,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Calls the function; a last dimension of 1 that only one of them has is lost."""
        if isinstance(y_true, (Tensor, Variable)) and isinstance(
            y_pred, (Tensor, Variable)
        ):
            y_true, y_pred = match_ranks(y_true, y_pred)
        fn = self.fn
        if building_graph() is not None:
            fn = hooks.convert_function(fn)
        return fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor; of functions and tensors, plain values."""
        plain = {
            key: value.numpy() if hasattr(value, "numpy") else value
            for key, value in self._fn_kwargs.items()
        }
        fn = getattr(self.fn, "__name__", type(self.fn).__name__)
        return {**super().get_config(), **plain, "fn": fn}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss of what `get_config` returned."""
        config = dict(config)
        fn = config.pop("fn", None)
        if fn is not None and cls is LossFunctionWrapper:
            from graphopt.keras.losses import get

            config["fn"] = get(fn)
        return cls(**config)


# Those that divide by the number of values, masked ones included.
_AVERAGES = (Reduction.AUTO, Reduction.SUM_OVER_BATCH_SIZE, Reduction.MEAN)


def _scope_name(name: str) -> str:
    return "lambda" if name == "<lambda>" else name.strip("_")


def _convert(y_true: Any, y_pred: Any, dtype: Any) -> tuple[Any, Any]:
    """Tensors for numbers, lists and arrays; other values are for `call` to judge."""
    refuse_ragged("A loss", y_true, y_pred)
    if dtype is not None:
        return cast(hooks.convert(y_true), dtype), cast(hooks.convert(y_pred), dtype)
    if isinstance(y_pred, dict) or isinstance(y_true, dict):
        return y_true, y_pred
    if not isinstance(y_pred, Tensor):
        y_pred = hooks.convert(y_pred)
    if not isinstance(y_true, Tensor):
        is_whole = np.asarray(y_true).dtype.kind in "biu"
        # Class numbers may be more than a small float can hold.
        hint = {} if is_whole else {"dtype_hint": y_pred.dtype}
        y_true = hooks.convert(y_true, **hint)
    return y_true, y_pred


def _as_weights(sample_weight: Any) -> Any:
    return None if sample_weight is None else hooks.convert(sample_weight)


def _both(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return logical_and(a, b)
