"""The losses and metrics that `compile` was given, for the outputs that a model has."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.provenance import user_site
from graphopt.keras.settings import snake_case
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.ops.shaping import expand_dims
from graphopt.ops.sums import add_n


def name_outputs(outputs: Any) -> list[str]:
    """Returns names for outputs without any, as Keras gives them: `output_1`, ..."""
    if isinstance(outputs, dict):
        return [str(key) for key in sorted(outputs)]
    if nest.is_nested(outputs):
        return [f"output_{i + 1}" for i in range(len(nest.flatten(outputs)))]
    return ["output_1"]


def conform(outputs: Any, names: list[str], given: Any, what: str) -> list[Any]:
    """Returns what belongs to each output.

    Args:
      outputs: The outputs, a nest of tensors.
      names: Their names.
      given: One thing for all, a list, or a dict by names.
      what: What is given, for messages.

    Raises:
      ValueError: A name is none of an output, or the number is another.
    """
    count = len(nest.flatten(outputs))
    if given is None:
        return [None] * count
    if isinstance(given, dict):
        keys = sorted(outputs) if isinstance(outputs, dict) else names
        unknown = [key for key in given if key not in keys]
        if unknown:
            raise fail(
                ValueError,
                f"Found unexpected keys that do not correspond to any Model output: "
                f"{unknown}",
                got=f"{what} for {list(given)}",
                expected=f"names among {list(keys)}",
                site=str(user_site()),
            )
        return [given.get(key) for key in keys]
    if not nest.is_nested(outputs):
        if isinstance(given, (list, tuple)) and len(given) == 1:
            return [given[0]]
        return [given]
    if not isinstance(given, (list, tuple)):
        return [given] * count
    parts = list(given)
    if len(parts) != count:
        raise fail(
            ValueError,
            f"The model has {count} outputs",
            got=f"{len(parts)} {what}",
            expected=f"{count}, one for each of {names}",
            site=str(user_site()),
        )
    return parts


def match(y: Any, prediction: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Makes ranks and dtypes of labels and weights fit predictions, as Keras does."""
    if y.shape.rank == 1 and prediction.shape.rank == 2:
        y = expand_dims(y, -1)
    if weight is not None and weight.shape.rank == 1 and prediction.shape.rank == 2:
        weight = expand_dims(weight, -1)
    both = (y.dtype, prediction.dtype)
    if all(d.is_floating for d in both) or all(d.is_integer for d in both):
        y = cast(y, prediction.dtype)
    if weight is not None:
        weight = cast(weight, prediction.dtype)
    return y, prediction, weight


def with_mask(prediction: Any, weight: Any) -> Any:
    """Returns the weights where the prediction is not masked, 0 elsewhere."""
    mask = getattr(prediction, "_keras_mask", None)
    if mask is None:
        return weight
    mask = cast(mask, prediction.dtype)
    if weight is None:
        return mask
    weight = cast(weight, mask.dtype)
    extra = (mask.shape.rank or 0) - (weight.shape.rank or 0)
    if extra == 1:
        weight = expand_dims(weight, -1)
    elif extra == -1:
        mask = expand_dims(mask, -1)
    return weight * mask


def _outside() -> Any:
    """Metrics are made outside of the function that is being traced."""
    graph = building_graph()
    return entered(None if graph is None else graph.home)


def _name_of(thing: Any) -> str:
    name = getattr(thing, "name", None) or getattr(thing, "__name__", None)
    return str(name) if name else snake_case(type(thing).__name__)


class CompiledLosses:
    """The losses of a model.

    Args:
      losses: One for all outputs, a list, or a dict by names.
      weights: Factors, in the same way.
      names: The names of the outputs; None if the model has none.

    Attributes:
      total: The metric of the whole loss, terms of regularizers included.
    """

    def __init__(self, losses: Any, weights: Any, names: list[str] | None) -> None:
        # Loaded by those who compile.
        from graphopt.keras.metrics import Mean

        self._given, self._given_weights = losses, weights
        self._names = names
        self.built = False
        self.total = Mean(name="loss")
        self._losses: list[Any] = []
        self._weights: list[Any] = []
        self._means: list[Any] = []

    @property
    def metrics(self) -> list[Any]:
        """The metric of the whole loss, and for several outputs those of each."""
        if not self.built:
            return []
        return [self.total, *(m for m in self._means if m is not None)]

    def build(self, predictions: Any) -> None:
        """Makes a loss for each output."""
        from graphopt.keras.metrics import Mean

        names = self._names or []
        if len(names) != len(nest.flatten(predictions)):
            names = name_outputs(predictions)
        self._names = names
        given = conform(predictions, names, self._given, "losses")
        self._losses = [_as_loss(loss) for loss in given]
        self._weights = conform(predictions, names, self._given_weights, "loss weights")
        self._means = [None] * len(given)
        if len(names) > 1:
            with _outside():
                self._means = [
                    None if loss is None else Mean(name=f"{name}_loss")
                    for name, loss in zip(names, self._losses, strict=True)
                ]
        self.built = True

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        regularization_losses: Any = None,
    ) -> Any:
        """Returns the whole loss, None where there is none, and counts it.

        Args:
          y_true: Labels, for each output.
          y_pred: The outputs, a nest of tensors.
          sample_weight: Weights of examples.
          regularization_losses: Terms to add: a list of scalars.
        """
        predictions = y_pred
        if not self.built or len(self._losses) != len(nest.flatten(predictions)):
            self.build(predictions)
        assert self._names is not None
        labels = conform(predictions, self._names, y_true, "labels")
        sample_weights = conform(
            predictions, self._names, sample_weight, "sample weights"
        )
        values: list[Any] = []
        batch = None
        for label, prediction, weight, loss, factor, mean in zip(
            labels,
            nest.flatten(predictions),
            sample_weights,
            self._losses,
            self._weights,
            self._means,
            strict=True,
        ):
            if label is None or loss is None:
                continue
            label, prediction, weight = match(label, prediction, weight)
            value = loss(label, prediction, sample_weight=with_mask(prediction, weight))
            if batch is None:
                batch = shape_of(label)[0]
            if mean is not None:
                mean.update_state(value, sample_weight=batch)
            values.append(value if factor is None else value * factor)
        if regularization_losses:
            values.append(add_n(_alike(list(regularization_losses))))
        if not values:
            return None
        values = [_as_scalar(value) for value in values]
        total = add_n(_alike(values))
        self.total.update_state(total, sample_weight=batch)
        return total

    def reset_state(self) -> None:
        """Begins counting anew."""
        for metric in self.metrics:
            metric.reset_state()


def _as_scalar(value: Any) -> Any:
    if value.shape.rank in (0, None):
        return value
    from graphopt.ops.reduction import reduce_mean

    return reduce_mean(value)


def _alike(values: list[Any]) -> list[Any]:
    """Casts losses to the widest dtype among them."""
    widest = max((v.dtype for v in values), key=lambda d: d.size)
    return [v if v.dtype is widest else cast(v, widest) for v in values]


def _as_loss(loss: Any) -> Any:
    # Loaded by those who compile.
    from graphopt.keras import losses

    if loss is None:
        return None
    found = losses.get(loss)
    if isinstance(found, losses.Loss):
        return found
    return losses.LossFunctionWrapper(found, name=_name_of(found))


class CompiledMetrics:
    """The metrics of a model.

    Args:
      metrics: Those that count every example alike: a list for all outputs, a list of
        lists, or a dict by names.
      weighted: Those that count examples by their weights.
      names: The names of the outputs; None if the model has none.
    """

    def __init__(self, metrics: Any, weighted: Any, names: list[str] | None) -> None:
        self._given, self._given_weighted = metrics, weighted
        self._names = names
        self.built = False
        self._metrics: list[list[Any]] = []
        self._weighted: list[list[Any]] = []
        self._refuse_twice()

    def _refuse_twice(self) -> None:
        seen: set[int] = set()
        for metric in nest.flatten((self._given, self._given_weighted)):
            if not getattr(metric, "is_metric", False):
                continue
            if id(metric) in seen:
                raise ValueError(
                    f"The metric {metric.name!r} is given twice; it would be updated "
                    "twice. Make two of the class."
                )
            seen.add(id(metric))

    @property
    def metrics(self) -> list[Any]:
        """All of them, output by output."""
        if not self.built:
            given = nest.flatten((self._given, self._given_weighted))
            return [m for m in given if getattr(m, "is_metric", False)]
        pairs = zip(self._metrics, self._weighted, strict=True)
        return [m for both in pairs for part in both for m in part]

    def build(self, y: Any, predictions: Any) -> None:
        """Makes the metrics of each output; `accuracy` is chosen by shapes."""
        names = self._names or name_outputs(predictions)
        self._names = names
        flat = nest.flatten(predictions)
        labels = conform(predictions, names, y, "labels")
        with _outside():
            for given, made in (
                (self._given, self._metrics),
                (self._given_weighted, self._weighted),
            ):
                parts = _for_outputs(predictions, names, given)
                made[:] = [
                    [_as_metric(m, label, p) for m in part if m is not None]
                    for part, label, p in zip(parts, labels, flat, strict=True)
                ]
        self._set_names(names)
        self.built = True

    def _set_names(self, names: list[str]) -> None:
        taken: set[str] = set()
        for name, plain, weighted in zip(
            names, self._metrics, self._weighted, strict=True
        ):
            prefix = f"{name}_" if len(names) > 1 else ""
            for metric in plain:
                _rename(metric, prefix + metric.name, taken)
            for metric in weighted:
                wanted = prefix + metric.name
                if wanted in taken:
                    wanted = f"{prefix}weighted_{metric.name}"
                _rename(metric, wanted, taken)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        if self._given is None and self._given_weighted is None:
            return
        predictions = y_pred
        if not self.built:
            self.build(y_true, predictions)
        assert self._names is not None
        labels = conform(predictions, self._names, y_true, "labels")
        weights = conform(predictions, self._names, sample_weight, "sample weights")
        for label, prediction, weight, plain, weighted in zip(
            labels,
            nest.flatten(predictions),
            weights,
            self._metrics,
            self._weighted,
            strict=True,
        ):
            if label is None or not (plain or weighted):
                continue
            label, prediction, weight = match(label, prediction, weight)
            mask = with_mask(prediction, None)
            weight = with_mask(prediction, weight)
            for metric in plain:
                metric.update_state(label, prediction, sample_weight=mask)
            for metric in weighted:
                metric.update_state(label, prediction, sample_weight=weight)

    def reset_state(self) -> None:
        """Begins counting anew."""
        for metric in self.metrics:
            metric.reset_state()


def _rename(metric: Any, name: str, taken: set[str]) -> None:
    if name in taken:
        raise ValueError(
            f"Found two metrics with the same name: {name}. All the metrics added to "
            "the model need to have unique names."
        )
    metric._name = name
    taken.add(name)


def _for_outputs(predictions: Any, names: list[str], given: Any) -> list[list[Any]]:
    """Returns a list of metrics for each output."""
    count = len(names)
    if given is None:
        return [[] for _ in range(count)]
    if isinstance(given, dict):
        parts = conform(predictions, names, given, "metrics")
    elif not isinstance(given, (list, tuple)):
        parts = [_copies(given, count > 1) for _ in range(count)]
    elif any(nest.is_nested(part) for part in given) or (
        count > 1 and len(given) == count and any(part is None for part in given)
    ):
        parts = conform(predictions, names, given, "metrics")
    else:
        parts = [[_copies(m, count > 1) for m in given] for _ in range(count)]
    return [nest.flatten(part) if part is not None else [] for part in parts]


def _copies(metric: Any, is_shared: bool) -> Any:
    if is_shared and getattr(metric, "is_metric", False):
        return type(metric).from_config(metric.get_config())
    return metric


# By what "accuracy" and "crossentropy" stand for: of two classes, of indices, of rows.
_BY_SHAPE = {
    "accuracy": (
        "binary_accuracy",
        "sparse_categorical_accuracy",
        "categorical_accuracy",
    ),
    "crossentropy": (
        "binary_crossentropy",
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
    ),
}
_BY_SHAPE["acc"], _BY_SHAPE["ce"] = _BY_SHAPE["accuracy"], _BY_SHAPE["crossentropy"]


def _as_metric(metric: Any, y: Any, prediction: Any) -> Any:
    """Returns a metric for what `compile` was given."""
    # Loaded by those who compile.
    from graphopt.keras import metrics

    names = _BY_SHAPE.get(metric.lower()) if isinstance(metric, str) else None
    if names is None:
        found = metrics.get(metric)
    else:
        if y is None:
            raise ValueError(
                f"The metric {metric!r} is chosen by the shape of the labels, and there "
                "are none; name one of " + ", ".join(names)
            )
        found = getattr(metrics, names[_kind_of_labels(y, prediction)])
    if getattr(found, "is_metric", False):
        return found
    name = metric if isinstance(metric, str) else _name_of(metric)
    return metrics.MeanMetricWrapper(found, name=name)


def _kind_of_labels(y: Any, prediction: Any) -> int:
    """0: two classes; 1: indices of classes; 2: rows of probabilities."""
    last = prediction.shape[-1] if prediction.shape.rank else 1
    if last == 1:
        return 0
    lower = y.shape.rank < prediction.shape.rank
    column = bool(y.shape.rank) and y.shape[-1] == 1 and (last or 2) > 1
    return 1 if lower or column else 2
