"""Optimizers: one file and one equation each.

`base.py` has what users call and subclasses override; beside it stand what it is made of:
arguments (`hyperparameters`), `options`, weights and slots (`state`), gradients of a loss
(`computing`), what happens to them first (`gradient_steps`), and a step (`steps`). A
subclass declares its arguments and slots, computes its scalars once a step
(`coefficients`) and writes `update` on tensors. Keras 3 writes equations in nested calls,
TensorFlow 2 wrote each one twice, dense and sparse, once more in C++ and once more in
CUDA; here there is one, and the compiler makes one loop over memory of it.

>>> import graphopt as tf
>>> class SignOfMomentum(tf.keras.optimizers.Optimizer):
...     hyperparameters = {"learning_rate": 0.1, "beta": 0.9}
...     slots = {"m": "zeros"}
...
...     def update(self, w, g, m, *, learning_rate, beta):
...         m = beta * m + (1.0 - beta) * g
...         return w - learning_rate * tf.sign(m), {"m": m}
>>> opt, w = SignOfMomentum(0.25), tf.Variable([1.0, -1.0])
>>> _ = opt.minimize(lambda: w * w, [w])
>>> print(w.numpy())
[ 0.75 -0.75]
"""

from __future__ import annotations

from typing import Any

from graphopt.keras.optimizers import schedules as schedules
from graphopt.keras.optimizers import transformers as transformers
from graphopt.keras.optimizers.adabelief import AdaBelief as AdaBelief
from graphopt.keras.optimizers.adadelta import Adadelta as Adadelta
from graphopt.keras.optimizers.adafactor import Adafactor as Adafactor
from graphopt.keras.optimizers.adagrad import Adagrad as Adagrad
from graphopt.keras.optimizers.adam import Adam as Adam
from graphopt.keras.optimizers.adamax import Adamax as Adamax
from graphopt.keras.optimizers.adamw import AdamW as AdamW
from graphopt.keras.optimizers.base import Optimizer as Optimizer
from graphopt.keras.optimizers.ftrl import Ftrl as Ftrl
from graphopt.keras.optimizers.lamb import Lamb as Lamb
from graphopt.keras.optimizers.lars import LARS as LARS
from graphopt.keras.optimizers.lazy_adam import LazyAdam as LazyAdam
from graphopt.keras.optimizers.lion import Lion as Lion
from graphopt.keras.optimizers.loss_scale import (
    LossScaleOptimizer as LossScaleOptimizer,
)
from graphopt.keras.optimizers.muon import Muon as Muon
from graphopt.keras.optimizers.nadam import Nadam as Nadam
from graphopt.keras.optimizers.radam import RAdam as RAdam
from graphopt.keras.optimizers.rmsprop import RMSprop as RMSprop
from graphopt.keras.optimizers.rprop import Rprop as Rprop
from graphopt.keras.optimizers.schedule_free_adamw import (
    ScheduleFreeAdamW as ScheduleFreeAdamW,
)
from graphopt.keras.optimizers.sgd import SGD as SGD
from graphopt.keras.optimizers.yogi import Yogi as Yogi

from graphopt.keras.optimizers import legacy as legacy  # isort: skip (it looks here)

CLASSES: dict[str, type[Optimizer]] = {
    made.__name__.lower(): made
    for made in (
        AdaBelief,
        Adadelta,
        Adafactor,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        Ftrl,
        Lamb,
        LARS,
        LazyAdam,
        Lion,
        LossScaleOptimizer,
        Muon,
        Nadam,
        RAdam,
        RMSprop,
        Rprop,
        ScheduleFreeAdamW,
        SGD,
        Yogi,
    )
}


def get(identifier: Any) -> Optimizer:
    """Returns an optimizer for a name, a config or an optimizer.

    Args:
      identifier: A name in any case, a dict as `serialize` returns, or an instance.

    Raises:
      ValueError: It stands for no optimizer.

    Source: `tf.keras.optimizers.get`.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    raise ValueError(f"Could not interpret optimizer identifier: {identifier!r}.")


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Returns class name and config as plain values.

    Source: `tf.keras.optimizers.serialize`.
    """
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def deserialize(
    config: dict[str, Any], custom_objects: dict[str, Any] | None = None
) -> Optimizer:
    """Makes an optimizer of what `serialize` returned.

    Raises:
      ValueError: No optimizer has that name.

    Source: `tf.keras.optimizers.deserialize`.
    """
    name = str(config.get("class_name"))
    custom = custom_objects or {}
    found = custom.get(name) or CLASSES.get(name.lower())
    if found is None:
        raise ValueError(
            f"Unknown optimizer {name!r}; expected one of {sorted(CLASSES)}."
        )
    made: Optimizer = found.from_config(dict(config.get("config", {})), custom_objects)
    return made
