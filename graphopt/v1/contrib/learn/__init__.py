"""`tf.contrib.learn`: data sets, and words as numbers. Estimators are not in it."""

from typing import Any

from graphopt.v1.contrib.learn import datasets as datasets
from graphopt.v1.contrib.learn import preprocessing as preprocessing


class ModeKeys:
    """What a model is built for.

    Source: `tf.contrib.learn.ModeKeys`.
    """

    TRAIN, EVAL, INFER = "train", "eval", "infer"


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(
        f"module 'tf.contrib.learn' has no attribute {name!r}. Estimators are not in "
        "graphopt; use a session."
    )
