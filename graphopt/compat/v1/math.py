"""`tf.compat.v1.math`: `tf.math` with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import Any

from graphopt import math
from graphopt.compat.v1.arguments import argmax as argmax
from graphopt.compat.v1.arguments import argmin as argmin
from graphopt.compat.v1.arguments import count_nonzero as count_nonzero
from graphopt.compat.v1.arguments import reduce_all as reduce_all
from graphopt.compat.v1.arguments import reduce_any as reduce_any
from graphopt.compat.v1.arguments import reduce_logsumexp as reduce_logsumexp
from graphopt.compat.v1.arguments import reduce_max as reduce_max
from graphopt.compat.v1.arguments import reduce_mean as reduce_mean
from graphopt.compat.v1.arguments import reduce_min as reduce_min
from graphopt.compat.v1.arguments import reduce_prod as reduce_prod
from graphopt.compat.v1.arguments import reduce_sum as reduce_sum
from graphopt.compat.v1.deprecated import is_non_decreasing as is_non_decreasing
from graphopt.compat.v1.deprecated import (
    is_strictly_increasing as is_strictly_increasing,
)
from graphopt.compat.v1.deprecated import lbeta as lbeta
from graphopt.compat.v1.deprecated import scalar_mul as scalar_mul
from graphopt.compat.v1.nn import in_top_k as in_top_k
from graphopt.compat.v1.nn import l2_normalize as l2_normalize
from graphopt.compat.v1.nn import log_softmax as log_softmax
from graphopt.compat.v1.nn import softmax as softmax


def __getattr__(name: str) -> Any:
    if name == "confusion_matrix":
        from graphopt.compat.v1.functions import confusion_matrix

        return confusion_matrix
    # What is the same in both versions.
    return getattr(math, name)


def __dir__() -> list[str]:
    return sorted({*dir(math), *globals()})
