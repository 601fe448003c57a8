"""The state of everything that draws random numbers, as plain values.

A run that goes on in another process draws what the first one would have drawn, if both
set the same seed and do the same: the counts of draws are restored here, and so are the
generators of NumPy and Python.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from graphopt.ops.random import seeds
from graphopt.runtime.store import EAGER_STORE


def random_state() -> dict[str, Any]:
    """Returns the state as what JSON can hold."""
    of_numpy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    kind, keys, position, has_gauss, gauss = of_numpy
    version, words, next_gauss = random.getstate()
    return {
        "seed": seeds.given,
        "counts": [seeds.count, seeds.numbers],
        "draws": [[*key, count] for key, count in seeds.draws.items()],
        "streams": [list(item) for item in EAGER_STORE.draws.by_key()],
        "numpy": [kind, keys.tolist(), position, has_gauss, gauss],
        "python": [version, list(words), next_gauss],
    }


def set_random_state(state: dict[str, Any]) -> bool:
    """Restores what `random_state` returned.

    Returns:
      Whether the numbers go on: only if the seed that was set is the same.
    """
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, words, next_gauss = state["python"]
    random.setstate((version, tuple(words), next_gauss))
    if seeds.given != state["seed"]:
        return False
    seeds.count, seeds.numbers = state["counts"]
    seeds.draws = {(first, second): n for first, second, n in state["draws"]}
    EAGER_STORE.draws.set_by_key([tuple(item) for item in state["streams"]])
    return True
