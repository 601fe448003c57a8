"""`tf.contrib` of TensorFlow 1.15: the parts that programs use, loaded when they are used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.v1.contrib import cudnn_rnn as cudnn_rnn
    from graphopt.v1.contrib import distribute as distribute
    from graphopt.v1.contrib import distributions as distributions
    from graphopt.v1.contrib import eager as eager
    from graphopt.v1.contrib import framework as framework
    from graphopt.v1.contrib import layers as layers
    from graphopt.v1.contrib import learn as learn
    from graphopt.v1.contrib import legacy_seq2seq as legacy_seq2seq
    from graphopt.v1.contrib import losses as losses
    from graphopt.v1.contrib import metrics as metrics
    from graphopt.v1.contrib import opt as opt
    from graphopt.v1.contrib import rnn as rnn
    from graphopt.v1.contrib import seq2seq as seq2seq
    from graphopt.v1.contrib import slim as slim
    from graphopt.v1.contrib import tensorboard as tensorboard
    from graphopt.v1.contrib import training as training

_MODULES: tuple[str, ...] = (
    "cudnn_rnn",
    "data",
    "distribute",
    "distributions",
    "eager",
    "framework",
    "layers",
    "learn",
    "legacy_seq2seq",
    "lookup",
    "losses",
    "metrics",
    "opt",
    "rnn",
    "seq2seq",
    "slim",
    "tensorboard",
    "training",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.v1.contrib.{name}")
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from graphopt.aliases.missing import say_what

    what = say_what("graphopt.v1", f"contrib.{name}", _MODULES)
    raise AttributeError(
        f"module 'tf.contrib' has no attribute {name!r}. {what}".strip()
    )


def __dir__() -> list[str]:
    return list(_MODULES)
