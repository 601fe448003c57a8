"""Losses: functions of labels and predictions, and classes with a reduction.

A function returns one value for each example, a class one number for all: weighted by
`sample_weight`, masked by what a layer left at the predictions, and reduced. `get` finds
both by name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras import serialization
from graphopt.keras.losses.base import Loss as Loss
from graphopt.keras.losses.base import LossFunctionWrapper as LossFunctionWrapper
from graphopt.keras.losses.classes import BinaryCrossentropy as BinaryCrossentropy
from graphopt.keras.losses.classes import (
    BinaryFocalCrossentropy as BinaryFocalCrossentropy,
)
from graphopt.keras.losses.classes import (
    CategoricalCrossentropy as CategoricalCrossentropy,
)
from graphopt.keras.losses.classes import (
    CategoricalFocalCrossentropy as CategoricalFocalCrossentropy,
)
from graphopt.keras.losses.classes import CategoricalHinge as CategoricalHinge
from graphopt.keras.losses.classes import CosineSimilarity as CosineSimilarity
from graphopt.keras.losses.classes import Hinge as Hinge
from graphopt.keras.losses.classes import Huber as Huber
from graphopt.keras.losses.classes import KLDivergence as KLDivergence
from graphopt.keras.losses.classes import LogCosh as LogCosh
from graphopt.keras.losses.classes import MeanAbsoluteError as MeanAbsoluteError
from graphopt.keras.losses.classes import (
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
)
from graphopt.keras.losses.classes import MeanSquaredError as MeanSquaredError
from graphopt.keras.losses.classes import (
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
)
from graphopt.keras.losses.classes import Poisson as Poisson
from graphopt.keras.losses.classes import (
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from graphopt.keras.losses.classes import SquaredHinge as SquaredHinge
from graphopt.keras.losses.crossentropy import (
    binary_crossentropy as binary_crossentropy,
)
from graphopt.keras.losses.crossentropy import (
    binary_focal_crossentropy as binary_focal_crossentropy,
)
from graphopt.keras.losses.crossentropy import (
    categorical_crossentropy as categorical_crossentropy,
)
from graphopt.keras.losses.crossentropy import (
    categorical_focal_crossentropy as categorical_focal_crossentropy,
)
from graphopt.keras.losses.crossentropy import (
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
)
from graphopt.keras.losses.regression import categorical_hinge as categorical_hinge
from graphopt.keras.losses.regression import cosine_similarity as cosine_similarity
from graphopt.keras.losses.regression import hinge as hinge
from graphopt.keras.losses.regression import huber as huber
from graphopt.keras.losses.regression import kl_divergence as kl_divergence
from graphopt.keras.losses.regression import log_cosh as log_cosh
from graphopt.keras.losses.regression import mean_absolute_error as mean_absolute_error
from graphopt.keras.losses.regression import (
    mean_absolute_percentage_error as mean_absolute_percentage_error,
)
from graphopt.keras.losses.regression import mean_squared_error as mean_squared_error
from graphopt.keras.losses.regression import (
    mean_squared_logarithmic_error as mean_squared_logarithmic_error,
)
from graphopt.keras.losses.regression import poisson as poisson
from graphopt.keras.losses.regression import squared_hinge as squared_hinge
from graphopt.keras.losses.weighting import Reduction as Reduction
from graphopt.keras.named import Named, public_of

if TYPE_CHECKING:
    from graphopt.keras.losses.of_keras3 import CTC as CTC
    from graphopt.keras.losses.of_keras3 import (
        CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy,
    )
    from graphopt.keras.losses.of_keras3 import Circle as Circle
    from graphopt.keras.losses.of_keras3 import Dice as Dice
    from graphopt.keras.losses.of_keras3 import Tversky as Tversky
    from graphopt.keras.losses.of_keras3 import (
        categorical_generalized_cross_entropy as categorical_generalized_cross_entropy,
    )
    from graphopt.keras.losses.of_keras3 import circle as circle
    from graphopt.keras.losses.of_keras3 import ctc as ctc
    from graphopt.keras.losses.of_keras3 import dice as dice
    from graphopt.keras.losses.of_keras3 import tversky as tversky

bce = BCE = binary_crossentropy
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
# The names of Keras 2's own table of strings, and of version 1.
huber_loss = huber
cosine_proximity = cosine = cosine_similarity

# Losses that fewer programs use.
_LATER = (
    "CTC",
    "CategoricalGeneralizedCrossEntropy",
    "Circle",
    "Dice",
    "Tversky",
    "categorical_generalized_cross_entropy",
    "circle",
    "ctc",
    "dice",
    "tversky",
)


def _load(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module("graphopt.keras.losses.of_keras3"), name)
    raise AttributeError(f"module 'tf.keras.losses' has no attribute {name!r}")


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt
    __getattr__ = _load


def __dir__() -> list[str]:
    here = {name for name in globals() if not name.startswith("_")}
    hidden = {"Any", "Named", "TYPE_CHECKING", "annotations", "importlib"}
    hidden |= {"public_of", "serialization"}
    return sorted((here | set(_LATER)) - hidden)


_BASES = ("Loss", "LossFunctionWrapper", "Reduction")
_HERE = public_of(globals(), "graphopt.keras.losses.")


def _table() -> Named:
    """Functions and classes by name."""
    here = {name: made for name, made in _HERE.items() if name not in _BASES}
    return Named(here, _LATER, _load)


def get(identifier: Any) -> Any:
    """Returns a loss for a name, a config, or a function; None for None.

    The name of a function stands for the function, that of a class for an instance.

    Args:
      identifier: `"mse"`, `"MeanSquaredError"`, what `serialize` returned, a function or
        a `Loss`.

    Raises:
      ValueError: It stands for none.

    >>> get("mse").__name__, type(get("MeanSquaredError")).__name__
    ('mean_squared_error', 'MeanSquaredError')

    Source: `tf.keras.losses.get`.
    """
    return serialization.get(identifier, _table(), "loss function")


def serialize(loss: Any) -> Any:
    """Returns class name and config as plain values, or the name of a function.

    Source: `tf.keras.losses.serialize`.
    """
    return serialization.serialize(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a loss of what `serialize` returned, or of a name.

    Args:
      name: A name, or a dict with `class_name` and `config`.
      custom_objects: Other losses by name.

    Raises:
      ValueError: No loss has that name.

    Source: `tf.keras.losses.deserialize`.
    """
    return serialization.deserialize(name, _table(), "loss function", custom_objects)
