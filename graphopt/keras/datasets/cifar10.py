"""`tf.keras.datasets.cifar10`: 60,000 color pictures of 32 x 32 in 10 classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.keras.datasets.reading import Pair, find_file, read_cifar

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data(cache_dir: Any = None) -> tuple[Pair, Pair]:
    """Returns the pictures.

    Args:
      cache_dir: In place of `~/.keras`.

    Returns:
      `(x_train, y_train), (x_test, y_test)`: uint8 of shape [50000, 32, 32, 3] and
      [50000, 1], [10000, 32, 32, 3] and [10000, 1].

    Source: `tf.keras.datasets.cifar10.load_data`.
    """
    name = "cifar-10-batches-py"
    path = find_file(f"{name}.tar.gz", _HASH, origin=_ORIGIN, cache_dir=cache_dir)
    parts = [read_cifar(path, f"{name}/data_batch_{i}", "labels") for i in range(1, 6)]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return (images, labels), read_cifar(path, f"{name}/test_batch", "labels")
