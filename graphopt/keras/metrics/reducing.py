"""Metrics that are a sum or a mean of values: `Mean`, `Sum` and what wraps a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.errors import describe_shapes, fail
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.losses.pairs import flat_if_ragged
from graphopt.keras.losses.weighting import (
    mask_of,
    mask_weights,
    match_ranks,
    match_weight_rank,
)
from graphopt.keras.metrics.base import Metric
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import broadcast_like, reduce_mean, reduce_sum
from graphopt.ops.sequences import size
from graphopt.ops.special import divide_no_nan
from graphopt.ops.state import group

SUM, MEAN, WEIGHTED_MEAN = "sum", "sum_over_batch_size", "weighted_mean"


def can_broadcast(weights: Any, values: Any) -> bool:
    """Whether weights are a scalar, or have the values' rank and sizes (or 1)."""
    if weights.shape.rank == 0 or None in (weights.shape.rank, values.shape.rank):
        return True
    if weights.shape.rank != values.shape.rank:
        return False
    return all(
        w == 1 or w is None or v is None or w == v
        for w, v in zip(weights.shape, values.shape, strict=True)
    )


def weigh(
    values: Any, sample_weight: Any, dtype: Any, average: bool
) -> tuple[Any, Any]:
    """Returns the weighted values, and weights of the same shape.

    Weights of fewer dimensions are those of examples: the rest of the dimensions of the
    values is reduced then.
    """
    weights = cast(hooks.convert(sample_weight), dtype)
    weights = match_weight_rank(values, weights)
    if not can_broadcast(weights, values):
        axes = list(range(weights.shape.rank, values.shape.rank))
        reduce = reduce_mean if average else reduce_sum
        values = reduce(values, axis=axes) if axes else values
        if not can_broadcast(weights, values):
            raise fail(
                ValueError,
                "sample_weight cannot be broadcast to the values of the metric",
                got=f"values {describe_shapes(values)}, sample_weight "
                f"{describe_shapes(weights)}",
                expected="one weight an example, or one a value",
                site=str(user_site()),
            )
    if weights.shape.rank != 0 or values.shape.rank != 0:
        weights = broadcast_like(weights, values)
    return values * weights, weights


class Reduce(Metric):
    """A metric that adds values up.

    Args:
      reduction: `"sum"`, `"sum_over_batch_size"` or `"weighted_mean"`.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.Reduce` of Keras 2.
    """

    def __init__(self, reduction: str, name: str | None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        if reduction not in (SUM, MEAN, WEIGHTED_MEAN):
            raise NotImplementedError(
                f'Reduction "{reduction}" not implemented. Expected "sum", '
                '"weighted_mean", or "sum_over_batch_size".'
            )
        self.reduction = reduction
        self.total = self.add_weight("total", initializer="zeros")
        if reduction != SUM:
            self.count = self.add_weight("count", initializer="zeros")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Adds values.

        Args:
          values: Of any shape.
          sample_weight: A weight for each example or value.
        """
        (values,), sample_weight = flat_if_ragged(self.name, [values], sample_weight)
        values = cast(_single_tensor(values), self._metric_dtype)
        weights: Any = None
        if sample_weight is not None:
            values, weights = weigh(
                values, sample_weight, self._metric_dtype, self.reduction != SUM
            )
        updates = [self.total.assign_add(reduce_sum(values))]
        if self.reduction != SUM:
            if weights is None or self.reduction == MEAN:
                count = cast(size(values), self._metric_dtype)
            else:
                count = reduce_sum(weights)
            updates.append(self.count.assign_add(count))
        return group(*updates)

    def result(self) -> Any:
        """Returns the sum or the mean; 0 before the first value."""
        total = self.total.read_value()
        if self.reduction == SUM:
            return total
        return divide_no_nan(total, self.count.read_value())


def _single_tensor(values: Any) -> Any:
    """Returns what a metric function returned as a tensor.

    Raises:
      RuntimeError: It is no tensor, nor what makes one.
    """
    if values is not None and not isinstance(values, dict):
        return hooks.convert(values)
    more = ""
    if isinstance(values, dict):
        more = " To return a dict of values, implement a custom Metric subclass."
    raise RuntimeError(
        "The output of a metric function can only be a single Tensor. Received: "
        f"{values}.{more}"
    )


class Sum(Reduce):
    """The sum of values.

    >>> total = Sum()
    >>> total.update_state([1.0, 3.0], sample_weight=[1.0, 2.0])
    >>> float(total.result())
    7.0

    Source: `tf.keras.metrics.Sum`.
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(SUM, name, dtype)


class Mean(Reduce):
    """The weighted mean of values.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0]); mean.update_state(5.0)
    >>> float(mean.result())
    3.0

    Source: `tf.keras.metrics.Mean`.
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(WEIGHTED_MEAN, name, dtype)


class SumOverBatchSize(Reduce):
    """The weighted sum of values divided by how many they are.

    Source: `tf.keras.metrics.SumOverBatchSize` of Keras 2.
    """

    def __init__(self, name: str = "sum_over_batch_size", dtype: Any = None) -> None:
        super().__init__(MEAN, name, dtype)


class _OfFunction:
    """What the two wrappers of functions share."""

    name: str

    def _wrap(self, fn: Callable[..., Any], options: dict[str, Any]) -> None:
        self._fn, self._fn_kwargs = fn, options

    def _values_of(
        self, y_true: Any, y_pred: Any, weights: Any, dtype: Any
    ) -> tuple[Any, Any]:
        both = [y_true, y_pred]
        (y_true, y_pred), weights = flat_if_ragged(self.name, both, weights)
        y_pred = cast(hooks.convert(y_pred), dtype)
        y_true = cast(hooks.convert(y_true), dtype)
        y_true, y_pred = match_ranks(y_true, y_pred)
        fn = self._fn
        if building_graph() is not None:
            fn = hooks.convert_function(fn)
        values = _single_tensor(fn(y_true, y_pred, **self._fn_kwargs))
        weights = mask_weights(values, _tensor(weights), mask_of(values), False)
        return values, weights

    def _options(self) -> dict[str, Any]:
        return {
            key: value.numpy() if hasattr(value, "numpy") else value
            for key, value in self._fn_kwargs.items()
        }


class MeanMetricWrapper(_OfFunction, Mean):
    """The weighted mean of a function of labels and predictions.

    Args:
      fn: From labels and predictions to one value for each example; a last dimension of 1
        that only one of them has is lost before.
      name: Its name.
      dtype: What both are cast to; float32 by default.
      **kwargs: Passed to the function.

    >>> import graphopt as tf
    >>> right = MeanMetricWrapper(lambda y, p: tf.abs(y - p), "distance")
    >>> float(right([1.0, 2.0], [1.0, 4.0]))
    1.0

    Source: `tf.keras.metrics.MeanMetricWrapper`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)  # type: ignore[arg-type]
        self._wrap(fn, kwargs)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Adds a batch."""
        values, weights = self._values_of(
            y_true, y_pred, sample_weight, self._metric_dtype
        )
        return super().update_state(values, weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        config = {**super().get_config(), **self._options()}
        return {**config, "fn": self._fn} if type(self) is MeanMetricWrapper else config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a metric of what `get_config` returned."""
        config = dict(config)
        fn = config.pop("fn", None)
        if cls is MeanMetricWrapper:
            from graphopt.keras.metrics import get

            return cls(get(fn), **config)
        return cls(**config)


class SumOverBatchSizeMetricWrapper(_OfFunction, SumOverBatchSize):
    """The weighted sum of a function of labels and predictions by the number of values.

    Source: `tf.keras.metrics.SumOverBatchSizeMetricWrapper` of Keras 2.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)  # type: ignore[arg-type]
        self._wrap(fn, kwargs)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Adds a batch."""
        values, weights = self._values_of(
            y_true, y_pred, sample_weight, self._metric_dtype
        )
        return super().update_state(values, weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the options of the function, and the name and dtype."""
        return {**super().get_config(), **self._options()}


class MeanTensor(Metric):
    """The weighted mean of each element of tensors of one shape.

    Args:
      name: Its name.
      dtype: Its dtype.
      shape: That of the values; by default that of the first.

    >>> mean = MeanTensor()
    >>> mean.update_state([0.0, 1.0]); mean.update_state([2.0, 5.0])
    >>> mean.result().numpy().tolist()
    [1.0, 3.0]

    Source: `tf.keras.metrics.MeanTensor`.
    """

    def __init__(
        self, name: str = "mean_tensor", dtype: Any = None, shape: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._shape: Any = None
        self.total: Any = None
        self.count: Any = None
        if shape is not None:
            self._make_weights(shape)

    def _make_weights(self, shape: Any) -> None:
        self._shape = tuple(shape)
        self.total = self.add_weight("total", self._shape, initializer="zeros")
        self.count = self.add_weight("count", self._shape, initializer="zeros")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Adds a tensor.

        Raises:
          ValueError: It has another shape than the first.
        """
        values = cast(hooks.convert(values), self._metric_dtype)
        if self._shape is None:
            self._make_weights(values.shape)
        elif tuple(values.shape) != self._shape:
            raise ValueError(
                "MeanTensor input values must always have the same shape. Expected "
                f"shape (set during the first call): {self._shape}. Got: {values.shape}."
            )
        counts = ones_like(values)
        if sample_weight is not None:
            values, weights = weigh(values, sample_weight, self._metric_dtype, True)
            counts = counts * weights
        return group(self.total.assign_add(values), self.count.assign_add(counts))

    def result(self) -> Any:
        """Returns the mean.

        Raises:
          ValueError: There was no value yet.
        """
        if self._shape is None:
            raise ValueError(
                "MeanTensor does not have any value yet. Please call the MeanTensor "
                "instance or use `.update_state(value)` before retrieving the result."
            )
        return divide_no_nan(self.total.read_value(), self.count.read_value())


def _tensor(value: Any) -> Any:
    return None if value is None else hooks.convert(value)
