"""`tf.keras.datasets.cifar100`: 60,000 color pictures of 32 x 32 in 100 classes."""

from __future__ import annotations

from typing import Any

from graphopt.keras.datasets.reading import Pair, find_file, read_cifar

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine", cache_dir: Any = None) -> tuple[Pair, Pair]:
    """Returns the pictures.

    Args:
      label_mode: `"fine"` for 100 classes, `"coarse"` for 20.
      cache_dir: In place of `~/.keras`.

    Returns:
      As `tf.keras.datasets.cifar10.load_data`.

    Source: `tf.keras.datasets.cifar100.load_data`.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'label_mode is {label_mode!r}, expected "fine" or "coarse".')
    name, labels = "cifar-100-python", f"{label_mode}_labels"
    path = find_file(f"{name}.tar.gz", _HASH, origin=_ORIGIN, cache_dir=cache_dir)
    train = read_cifar(path, f"{name}/train", labels)
    return train, read_cifar(path, f"{name}/test", labels)
