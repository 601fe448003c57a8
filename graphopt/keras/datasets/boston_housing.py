"""`tf.keras.datasets.boston_housing`: 506 districts with 13 features and a price."""

from __future__ import annotations

from typing import Any

from graphopt.keras.datasets.reading import (
    Pair,
    find_file,
    read_arrays,
    shuffle_together,
)

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(
    path: str = "boston_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
    cache_dir: Any = None,
) -> tuple[Pair, Pair]:
    """Returns features [n, 13] and prices [n], in an order that the seed decides.

    Source: `tf.keras.datasets.boston_housing.load_data`.
    """
    found = find_file("boston_housing.npz", _HASH, path=path, cache_dir=cache_dir)
    arrays = read_arrays(found)
    x, y = shuffle_together(seed, arrays["x"], arrays["y"])
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])
