"""Metrics: what training shows beside the loss.

A function returns one value for each example; a `Metric` keeps sums in variables, so that
its result is that of all batches, each example counted once, and not a mean of means. The
updates of the usual ones are ops alone and become part of the compiled training step.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras import serialization
from graphopt.keras.losses import binary_crossentropy as binary_crossentropy
from graphopt.keras.losses import binary_focal_crossentropy as binary_focal_crossentropy
from graphopt.keras.losses import categorical_crossentropy as categorical_crossentropy
from graphopt.keras.losses import (
    categorical_focal_crossentropy as categorical_focal_crossentropy,
)
from graphopt.keras.losses import categorical_hinge as categorical_hinge
from graphopt.keras.losses import hinge as hinge
from graphopt.keras.losses import huber as huber
from graphopt.keras.losses import kl_divergence as kl_divergence
from graphopt.keras.losses import log_cosh as log_cosh
from graphopt.keras.losses import mean_absolute_error as mean_absolute_error
from graphopt.keras.losses import (
    mean_absolute_percentage_error as mean_absolute_percentage_error,
)
from graphopt.keras.losses import mean_squared_error as mean_squared_error
from graphopt.keras.losses import (
    mean_squared_logarithmic_error as mean_squared_logarithmic_error,
)
from graphopt.keras.losses import poisson as poisson
from graphopt.keras.losses import (
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
)
from graphopt.keras.losses import squared_hinge as squared_hinge
from graphopt.keras.metrics.accuracy import Accuracy as Accuracy
from graphopt.keras.metrics.accuracy import BinaryAccuracy as BinaryAccuracy
from graphopt.keras.metrics.accuracy import CategoricalAccuracy as CategoricalAccuracy
from graphopt.keras.metrics.accuracy import (
    SparseCategoricalAccuracy as SparseCategoricalAccuracy,
)
from graphopt.keras.metrics.accuracy import (
    SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy,
)
from graphopt.keras.metrics.accuracy import (
    TopKCategoricalAccuracy as TopKCategoricalAccuracy,
)
from graphopt.keras.metrics.accuracy import accuracy as accuracy
from graphopt.keras.metrics.accuracy import binary_accuracy as binary_accuracy
from graphopt.keras.metrics.accuracy import categorical_accuracy as categorical_accuracy
from graphopt.keras.metrics.accuracy import (
    sparse_categorical_accuracy as sparse_categorical_accuracy,
)
from graphopt.keras.metrics.accuracy import (
    sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy,
)
from graphopt.keras.metrics.accuracy import (
    top_k_categorical_accuracy as top_k_categorical_accuracy,
)
from graphopt.keras.metrics.base import Metric as Metric
from graphopt.keras.metrics.base import clone_metric as clone_metric
from graphopt.keras.metrics.base import clone_metrics as clone_metrics
from graphopt.keras.metrics.of_losses import BinaryCrossentropy as BinaryCrossentropy
from graphopt.keras.metrics.of_losses import (
    CategoricalCrossentropy as CategoricalCrossentropy,
)
from graphopt.keras.metrics.of_losses import CategoricalHinge as CategoricalHinge
from graphopt.keras.metrics.of_losses import CosineSimilarity as CosineSimilarity
from graphopt.keras.metrics.of_losses import Hinge as Hinge
from graphopt.keras.metrics.of_losses import KLDivergence as KLDivergence
from graphopt.keras.metrics.of_losses import LogCoshError as LogCoshError
from graphopt.keras.metrics.of_losses import MeanAbsoluteError as MeanAbsoluteError
from graphopt.keras.metrics.of_losses import (
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
)
from graphopt.keras.metrics.of_losses import MeanSquaredError as MeanSquaredError
from graphopt.keras.metrics.of_losses import (
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
)
from graphopt.keras.metrics.of_losses import Poisson as Poisson
from graphopt.keras.metrics.of_losses import (
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from graphopt.keras.metrics.of_losses import SquaredHinge as SquaredHinge
from graphopt.keras.metrics.of_losses import cosine_similarity as cosine_similarity
from graphopt.keras.metrics.reducing import Mean as Mean
from graphopt.keras.metrics.reducing import MeanMetricWrapper as MeanMetricWrapper
from graphopt.keras.metrics.reducing import MeanTensor as MeanTensor
from graphopt.keras.metrics.reducing import Reduce as Reduce
from graphopt.keras.metrics.reducing import Sum as Sum
from graphopt.keras.metrics.reducing import SumOverBatchSize as SumOverBatchSize
from graphopt.keras.metrics.reducing import (
    SumOverBatchSizeMetricWrapper as SumOverBatchSizeMetricWrapper,
)
from graphopt.keras.named import Named, public_of

if TYPE_CHECKING:
    from graphopt.keras.metrics.confusion import FalseNegatives as FalseNegatives
    from graphopt.keras.metrics.confusion import FalsePositives as FalsePositives
    from graphopt.keras.metrics.confusion import Precision as Precision
    from graphopt.keras.metrics.confusion import Recall as Recall
    from graphopt.keras.metrics.confusion import TrueNegatives as TrueNegatives
    from graphopt.keras.metrics.confusion import TruePositives as TruePositives
    from graphopt.keras.metrics.curves import AUC as AUC
    from graphopt.keras.metrics.curves import PrecisionAtRecall as PrecisionAtRecall
    from graphopt.keras.metrics.curves import RecallAtPrecision as RecallAtPrecision
    from graphopt.keras.metrics.curves import (
        SensitivityAtSpecificity as SensitivityAtSpecificity,
    )
    from graphopt.keras.metrics.curves import (
        SensitivitySpecificityBase as SensitivitySpecificityBase,
    )
    from graphopt.keras.metrics.curves import (
        SpecificityAtSensitivity as SpecificityAtSensitivity,
    )
    from graphopt.keras.metrics.regression import (
        ConcordanceCorrelation as ConcordanceCorrelation,
    )
    from graphopt.keras.metrics.regression import MeanRelativeError as MeanRelativeError
    from graphopt.keras.metrics.regression import (
        PearsonCorrelation as PearsonCorrelation,
    )
    from graphopt.keras.metrics.regression import (
        RootMeanSquaredError as RootMeanSquaredError,
    )
    from graphopt.keras.metrics.regression import (
        concordance_correlation as concordance_correlation,
    )
    from graphopt.keras.metrics.regression import (
        pearson_correlation as pearson_correlation,
    )
    from graphopt.keras.metrics.scores import BinaryIoU as BinaryIoU
    from graphopt.keras.metrics.scores import F1Score as F1Score
    from graphopt.keras.metrics.scores import FBetaScore as FBetaScore
    from graphopt.keras.metrics.scores import IoU as IoU
    from graphopt.keras.metrics.scores import MeanIoU as MeanIoU
    from graphopt.keras.metrics.scores import OneHotIoU as OneHotIoU
    from graphopt.keras.metrics.scores import OneHotMeanIoU as OneHotMeanIoU
    from graphopt.keras.metrics.scores import R2Score as R2Score

acc = ACC = accuracy
bce = BCE = binary_crossentropy
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
cosine_proximity = cosine = cosine_similarity

# Metrics that fewer programs use, by the file that they are in.
_LATER = {
    "AUC": "curves",
    "BinaryIoU": "scores",
    "ConcordanceCorrelation": "regression",
    "F1Score": "scores",
    "FBetaScore": "scores",
    "FalseNegatives": "confusion",
    "FalsePositives": "confusion",
    "IoU": "scores",
    "MeanIoU": "scores",
    "MeanRelativeError": "regression",
    "OneHotIoU": "scores",
    "OneHotMeanIoU": "scores",
    "PearsonCorrelation": "regression",
    "Precision": "confusion",
    "PrecisionAtRecall": "curves",
    "R2Score": "scores",
    "Recall": "confusion",
    "RecallAtPrecision": "curves",
    "RootMeanSquaredError": "regression",
    "SensitivityAtSpecificity": "curves",
    "SensitivitySpecificityBase": "curves",
    "SpecificityAtSensitivity": "curves",
    "TrueNegatives": "confusion",
    "TruePositives": "confusion",
    "concordance_correlation": "regression",
    "pearson_correlation": "regression",
}
_BASES = (
    "Metric",
    "MeanMetricWrapper",
    "Reduce",
    "SumOverBatchSizeMetricWrapper",
    "SensitivitySpecificityBase",
)


def _load(name: str) -> Any:
    if name in _LATER:
        module = importlib.import_module(f"graphopt.keras.metrics.{_LATER[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'tf.keras.metrics' has no attribute {name!r}")


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt
    __getattr__ = _load


def __dir__() -> list[str]:
    here = {name for name in globals() if not name.startswith("_")}
    return sorted(
        (here | set(_LATER))
        - {"Any", "Named", "TYPE_CHECKING", "annotations", "importlib", "public_of"}
    )


_HERE = public_of(globals(), "graphopt.keras.losses.", "graphopt.keras.metrics.")


def _table() -> Named:
    """Functions and classes by name."""
    hidden = (*_BASES, "clone_metric", "clone_metrics")
    here = {name: made for name, made in _HERE.items() if name not in hidden}
    later = [name for name in _LATER if name not in hidden]
    return Named(here, later, _load)


def get(identifier: Any) -> Any:
    """Returns a metric for a name, a config, or a function.

    The name of a function stands for the function, that of a class for an instance.

    Args:
      identifier: `"mae"`, `"AUC"`, what `serialize` returned, a function or a `Metric`.

    Raises:
      ValueError: It stands for none.

    >>> get("mae").__name__, type(get("Mean")).__name__
    ('mean_absolute_error', 'Mean')

    Source: `tf.keras.metrics.get`.
    """
    if identifier is None:
        raise ValueError(f"Could not interpret metric identifier: {identifier!r}.")
    return serialization.get(identifier, _table(), "metric")


def require(name: str) -> None:
    """Refuses a name that stands for no metric; makes none, for those made are numbered.

    Raises:
      ValueError: It stands for none.
    """
    if name not in _table() and serialization.get_registered_object(name) is None:
        get(name)


def serialize(metric: Any) -> Any:
    """Returns class name and config as plain values, or the name of a function.

    Source: `tf.keras.metrics.serialize`.
    """
    return serialization.serialize(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a metric of what `serialize` returned, or of a name.

    Args:
      config: A name, or a dict with `class_name` and `config`.
      custom_objects: Other metrics by name.

    Raises:
      ValueError: No metric has that name.

    Source: `tf.keras.metrics.deserialize`.
    """
    return serialization.deserialize(config, _table(), "metric", custom_objects)
