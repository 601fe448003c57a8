"""`input_data.read_data_sets`: MNIST in three parts, by batches.

The four files are read from the folder that the program names, from Keras's cache, or
downloaded. Batches come in TensorFlow's order for a seed of NumPy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype, float32, uint8
from graphopt.files.downloads import cache_folder, find_or_download, get_file
from graphopt.graph.context import get_default_graph
from graphopt.keras.datasets.reading import read_idx
from graphopt.keras.utils.arrays import to_categorical

DEFAULT_SOURCE_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
Array = NDArray[Any]


class DataSet:
    """Images and labels, by batches.

    Args:
      images: uint8 of shape [n, rows, columns, 1].
      labels: Of shape [n], or [n, classes].
      fake_data: Whether `next_batch` makes up data.
      one_hot: Whether labels of fake data are vectors.
      dtype: float32 for pixels from 0 to 1, uint8 for 0 to 255.
      reshape: Whether images become vectors.
      seed: Of the order of batches; it seeds NumPy.

    Raises:
      TypeError: Another dtype is asked for.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        wanted = seed if seed is not None else get_default_graph().seed
        np.random.seed(wanted)  # noqa: NPY002 (the order is that of TensorFlow)
        dtype = as_dtype(dtype)
        if dtype not in (uint8, float32):
            raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
        self.one_hot, self._fake = one_hot, fake_data
        self._num_examples = 10000 if fake_data else len(images)
        if not fake_data:
            if len(images) != len(labels):
                raise ValueError(
                    f"There are {len(images)} images and {len(labels)} labels."
                )
            if reshape:
                images = images.reshape(len(images), -1)
            if dtype is float32:
                images = np.multiply(images.astype(np.float32), 1.0 / 255.0)
        self._images, self._labels = images, labels
        self._epochs_completed = self._index_in_epoch = 0

    @property
    def images(self) -> Array:
        """All images, in the order of the last epoch."""
        return self._images

    @property
    def labels(self) -> Array:
        """Their labels."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """The number of images."""
        return self._num_examples

    @property
    def epochs_completed(self) -> int:
        """How often all images were given out."""
        return self._epochs_completed

    def _shuffle(self) -> None:
        order = np.arange(self._num_examples)
        np.random.shuffle(order)  # noqa: NPY002 (the order is that of TensorFlow)
        self._images, self._labels = self._images[order], self._labels[order]

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[Any, Any]:
        """Returns the next images and labels; an epoch's end and the next's start join.

        Args:
          batch_size: How many.
          fake_data: Whether to make them up.
          shuffle: Whether each epoch has an order of its own.
        """
        if fake_data or self._fake:
            label: Any = [1] + [0] * 9 if self.one_hot else 0
            return [[1] * 784] * batch_size, [label] * batch_size
        start = self._index_in_epoch
        if self._epochs_completed == 0 and start == 0 and shuffle:
            self._shuffle()
        if start + batch_size <= self._num_examples:
            self._index_in_epoch += batch_size
            chosen = slice(start, self._index_in_epoch)
            return self._images[chosen], self._labels[chosen]
        self._epochs_completed += 1
        rest = self._images[start:], self._labels[start:]
        if shuffle:
            self._shuffle()
        self._index_in_epoch = count = batch_size - len(rest[0])
        images = np.concatenate([rest[0], self._images[:count]])
        return images, np.concatenate([rest[1], self._labels[:count]])


class Datasets(NamedTuple):
    """The three parts of a data set."""

    train: DataSet
    validation: DataSet
    test: DataSet


def _find(name: str, folder: Path, source_url: str) -> Array:
    place = folder / name
    if not place.is_file() and (cache_folder() / "mnist" / name).is_file():
        place = cache_folder() / "mnist" / name
    path = find_or_download(place, source_url + name)
    sys.stdout.write(f"Extracting {path}\n")
    return read_idx(path)


def read_data_sets(
    train_dir: Any,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = DEFAULT_SOURCE_URL,
) -> Datasets:
    """Reads MNIST, or another set in its files.

    Args:
      train_dir: The folder with `train-images-idx3-ubyte.gz` and the other three files;
        they are downloaded into it if they are not there.
      fake_data: Whether to read nothing and make up batches.
      one_hot: Whether labels are vectors of length 10.
      dtype: float32 for pixels from 0 to 1, uint8 for 0 to 255.
      reshape: Whether images become vectors of length 784.
      validation_size: How many of the training images are set aside.
      seed: Of the order of batches.
      source_url: Where files are downloaded from.

    Returns:
      `train`, `validation` and `test`, each a `DataSet`.

    Raises:
      NotFoundError: A file is not there and cannot be downloaded.
      ValueError: `validation_size` is more than there is.

    Source: `tf.examples.tutorials.mnist.input_data.read_data_sets`.
    """
    options: dict[str, Any] = {"dtype": dtype, "reshape": reshape, "seed": seed}
    if fake_data:
        fakes = [
            DataSet([], [], fake_data=True, one_hot=one_hot, dtype=dtype, seed=seed)
            for _ in range(3)
        ]
        return Datasets(*fakes)
    folder = Path(train_dir)
    origin = source_url or DEFAULT_SOURCE_URL
    images = {}
    labels = {}
    for part in ("train", "t10k"):
        found = _find(f"{part}-images-idx3-ubyte.gz", folder, origin)
        images[part] = found[..., np.newaxis]
        labels[part] = _find(f"{part}-labels-idx1-ubyte.gz", folder, origin)
        if one_hot:
            labels[part] = to_categorical(labels[part], 10, np.float64)
    count = len(images["train"])
    if not 0 <= validation_size <= count:
        raise ValueError(
            f"Validation size should be between 0 and {count}. Received: "
            f"{validation_size}."
        )
    cut = validation_size
    train = DataSet(images["train"][cut:], labels["train"][cut:], **options)
    validation = DataSet(images["train"][:cut], labels["train"][:cut], **options)
    return Datasets(
        train, validation, DataSet(images["t10k"], labels["t10k"], **options)
    )


def maybe_download(filename: str, work_directory: Any, source_url: str) -> str:
    """Returns the path of a file, downloaded if it is not there."""
    return get_file(filename, source_url, cache_dir=work_directory, cache_subdir="")
