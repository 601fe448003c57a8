"""`tf.keras.datasets.mnist`: 70,000 handwritten digits of 28 x 28."""

from __future__ import annotations

from typing import Any

from graphopt.keras.datasets.reading import Pair, find_file, read_arrays

_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz", cache_dir: Any = None) -> tuple[Pair, Pair]:
    """Returns the digits.

    Args:
      path: The name of the file in the cache.
      cache_dir: In place of `~/.keras`.

    Returns:
      `(x_train, y_train), (x_test, y_test)`: uint8 of shape [60000, 28, 28] and
      [60000], [10000, 28, 28] and [10000].

    Raises:
      NotFoundError: The file is not there and cannot be downloaded.

    Source: `tf.keras.datasets.mnist.load_data`.
    """
    arrays = read_arrays(find_file("mnist.npz", _HASH, path=path, cache_dir=cache_dir))
    train = arrays["x_train"], arrays["y_train"]
    return train, (arrays["x_test"], arrays["y_test"])
