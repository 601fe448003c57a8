"""How the files of data sets are found and read."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import DataLossError
from graphopt.files.downloads import cache_folder, find_or_download, has_hash

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
Array = NDArray[Any]
Pair = tuple[Array, Array]


def find_file(
    name: str,
    file_hash: str,
    *,
    origin: str = "",
    path: Any = None,
    cache_dir: Any = None,
) -> Path:
    """Returns the path of a file of a data set.

    Args:
      name: Its name at its origin.
      file_hash: What it must have.
      origin: Its address; by default beside the other sets of Keras.
      path: Its name in the cache, or an absolute path; by default `name`.
      cache_dir: In place of `~/.keras`.
    """
    place = cache_folder(cache_dir) / (path or name)
    return find_or_download(place, origin or ORIGIN + name, file_hash)


def read_arrays(path: Path) -> dict[str, Array]:
    """Returns the arrays of a file whose hash was checked; sequences are objects."""
    with np.load(path, allow_pickle=True) as file:
        return {name: file[name] for name in file.files}


def read_idx(path: Any) -> Array:
    """Reads a compressed file of images or labels as the digits of MNIST are kept.

    Args:
      path: A `.gz` file: a number that tells dtype and rank, sizes, and bytes.

    Raises:
      DataLossError: It is no such file.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (OSError, EOFError) as error:
        raise DataLossError(f"{path}: {error}") from None
    rank = data[3] if len(data) >= 4 and data[:3] == b"\0\0\x08" else 0
    sizes = np.frombuffer(data[4 : 4 + 4 * rank], ">u4").astype(int)
    content = data[4 + 4 * rank :]
    if not rank or len(sizes) != rank or len(content) != sizes.prod():
        raise DataLossError(f"{path} is no file of images or labels (IDX).")
    return np.frombuffer(content, np.uint8).reshape(sizes)


class _ArraysOnly(pickle.Unpickler):
    """Reads pickles of arrays; everything else is refused."""

    ALLOWED = {
        ("_codecs", "encode"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise DataLossError(f"a pickle with {module}.{name} in it")
        if name == "_reconstruct":
            module = "numpy._core.multiarray"
        return super().find_class(module, name)


def read_cifar(path: Path, member: str, labels: str) -> Pair:
    """Returns images [n, 32, 32, 3] and labels [n, 1] of a file in an archive."""
    with tarfile.open(path) as archive:
        file = archive.extractfile(member)
        assert file is not None
        values = _ArraysOnly(io.BytesIO(file.read()), encoding="bytes").load()
    images = values[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.reshape(values[labels.encode()], (-1, 1)).astype(np.uint8)


def shuffle_together(seed: int, *arrays: Array) -> list[Array]:
    """Returns arrays in an order that the seed decides, the same for all."""
    order = np.arange(len(arrays[0]))
    np.random.RandomState(seed).shuffle(order)
    return [array[order] for array in arrays]


def prepare_words(
    sequences: Any,
    labels: Any,
    num_words: int | None,
    skip_top: int,
    start_char: int | None,
    oov_char: int | None,
    index_from: int,
) -> tuple[list[list[int]], Any]:
    """Marks starts, makes room for special words, replaces rare and frequent ones."""
    if start_char is not None:
        rows = [[start_char] + [w + index_from for w in row] for row in sequences]
    else:
        rows = [[w + index_from for w in row] for row in sequences]
    # Without `num_words` the last word counts as rare: so it is in Keras.
    most = num_words or max(max(row) for row in rows)
    if oov_char is not None:
        kept = [[w if skip_top <= w < most else oov_char for w in row] for row in rows]
    else:
        kept = [[w for w in row if skip_top <= w < most] for row in rows]
    return kept, labels


def without_long(maxlen: int | None, rows: Any, labels: Any) -> tuple[Any, Any]:
    """Returns the sequences that are shorter than a length."""
    if not maxlen:
        return rows, labels
    keep = [i for i, row in enumerate(rows) if len(row) < maxlen]
    if not keep:
        raise ValueError(f"No sequence is shorter than maxlen={maxlen}; increase it.")
    return [rows[i] for i in keep], np.asarray(labels)[keep]


__all__ = [
    "Pair",
    "find_file",
    "has_hash",
    "prepare_words",
    "read_arrays",
    "read_cifar",
    "read_idx",
    "shuffle_together",
    "without_long",
]
