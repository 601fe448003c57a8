"""`tf.compat.v1.math`: `tf.math` with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import Any

from graphopt import math
from graphopt.compat.v1.nn import in_top_k as in_top_k
from graphopt.compat.v1.nn import l2_normalize as l2_normalize
from graphopt.compat.v1.nn import log_softmax as log_softmax
from graphopt.compat.v1.nn import softmax as softmax


def __getattr__(name: str) -> Any:
    # What is the same in both versions.
    return getattr(math, name)


def __dir__() -> list[str]:
    return sorted({*dir(math), *globals()})
