"""`tf.keras.datasets.california_housing`: 20,640 districts, 8 features and a price."""

from __future__ import annotations

from typing import Any

from graphopt.keras.datasets.reading import (
    Pair,
    find_file,
    read_arrays,
    shuffle_together,
)

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(
    version: str = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
    cache_dir: Any = None,
) -> tuple[Pair, Pair]:
    """Returns features [n, 8] and prices [n], in an order that the seed decides.

    Args:
      version: `"large"`, or `"small"` for the 600 districts around San Francisco.
      path: The name of the file in the cache.
      test_split: The share of the test part.
      seed: Of the order.
      cache_dir: In place of `~/.keras`.

    Source: `keras.datasets.california_housing.load_data`.
    """
    if version not in ("large", "small"):
        raise ValueError(f'version is {version!r}, expected "large" or "small".')
    found = find_file("california_housing.npz", _HASH, path=path, cache_dir=cache_dir)
    arrays = read_arrays(found)
    x, y = arrays["x"], arrays["y"]
    if version == "small":
        near = (x[:, 0] >= -122.6) & (x[:, 0] <= -122.2)
        near &= (x[:, 1] >= 37.5) & (x[:, 1] <= 37.9)
        x, y = x[near][:600], y[near][:600]
    x, y = shuffle_together(seed, x, y)
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])
