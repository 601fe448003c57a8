"""`horovod.keras` and `horovod.tensorflow.keras`: the same names, and callbacks."""

from __future__ import annotations

from typing import Any

from graphopt import keras as _keras
from graphopt.horovod import *  # noqa: F403 (so that a name is listed once)
from graphopt.horovod import callbacks as callbacks
from graphopt.horovod.optimizers import DistributedOptimizer as _DistributedOptimizer


def load_model(
    filepath: Any,
    custom_optimizers: Any = None,
    custom_objects: Any = None,
    compression: Any = None,
    legacy_opts: bool = False,
) -> Any:
    """Returns a model from a file, with an optimizer of all ranks.

    Args:
      filepath: The file.
      custom_optimizers: Accepted for compatibility; name them in `custom_objects`.
      custom_objects: Classes by name.
      compression: `hvd.Compression.fp16`, or None.
      legacy_opts: Accepted for compatibility.

    Source: `horovod.keras.load_model`.
    """
    model = _keras.models.load_model(filepath, custom_objects=custom_objects)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return model
    options = {} if compression is None else {"compression": compression}
    made = _DistributedOptimizer(optimizer, **options)
    weights = optimizer.get_weights()
    if weights:
        made.build(list(model.trainable_variables))
        made.set_weights(weights)
    model.optimizer = made
    return model
