"""`tf.keras.datasets.fashion_mnist`: 70,000 pictures of clothes of 28 x 28."""

from __future__ import annotations

from typing import Any

from graphopt.files.downloads import cache_folder, find_or_download
from graphopt.keras.datasets.reading import ORIGIN, Pair, read_idx

# SHA-256 is not published for these files; their sizes and heads are checked.
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def load_data(cache_dir: Any = None) -> tuple[Pair, Pair]:
    """Returns the pictures.

    Args:
      cache_dir: In place of `~/.keras`.

    Returns:
      As `tf.keras.datasets.mnist.load_data`; classes are T-shirt, trouser, pullover,
      dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    Source: `tf.keras.datasets.fashion_mnist.load_data`.
    """
    folder = cache_folder(cache_dir) / "fashion-mnist"
    parts = [read_idx(find_or_download(folder / f, ORIGIN + f)) for f in _FILES]
    return (parts[0], parts[1]), (parts[2], parts[3])
