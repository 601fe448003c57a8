"""Windows of a series as a dataset, and splits of datasets."""

from __future__ import annotations

import importlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.ops.indexing import gather
from graphopt.ops.shaping import expand_dims

if TYPE_CHECKING:
    from graphopt.data.dataset import Dataset


def _data() -> Any:
    return importlib.import_module("graphopt.data")


def _check_window(
    length: int, rate: int, stride: int, start: int | None, end: int | None
) -> None:
    if start:
        if start < 0:
            raise ValueError(
                f"`start_index` must be 0 or greater. Received: start_index={start}"
            )
        if start >= length:
            raise ValueError(
                "`start_index` must be lower than the length of the data. Received: "
                f"start_index={start}, for data of length {length}"
            )
    if end:
        if start and end <= start:
            raise ValueError(
                "`end_index` must be higher than `start_index`. Received: "
                f"start_index={start}, and end_index={end}"
            )
        if end >= length or end <= 0:
            raise ValueError(
                "`end_index` must be higher than 0 and lower than the length of the "
                f"data. Received: end_index={end}, for data of length {length}"
            )
    for name, value in (("sampling_rate", rate), ("sequence_stride", stride)):
        if not 0 < value < length:
            raise ValueError(
                f"`{name}` must be higher than 0 and lower than the length of the data. "
                f"Received: {name}={value}, for data of length {length}"
            )


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> Dataset:
    """Returns a dataset of windows of a series, and a target for each.

    Args:
      data: `[time, ...]`.
      targets: `[time, ...]`: that at i is of the window that begins at i; None for none.
      sequence_length: How many steps a window has.
      sequence_stride: How many steps lie between the beginnings of two windows.
      sampling_rate: How many steps lie between two of a window.
      batch_size: None for single windows.
      shuffle: Whether windows come in any order.
      seed: That of the order.
      start_index: The first step that is used.
      end_index: The step after the last one.

    Returns:
      A dataset of `[batch, sequence_length, ...]`, with targets `[batch, ...]`.

    Raises:
      ValueError: A bad option.

    >>> windows = timeseries_dataset_from_array(range(6), [0, 1, 2, 3], 3)
    >>> for x, y in windows:
    ...     print(x.numpy().tolist(), y.numpy().tolist())
    [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]] [0, 1, 2, 3]

    Source: `tf.keras.utils.timeseries_dataset_from_array`.
    """
    _check_window(len(data), sampling_rate, sequence_stride, start_index, end_index)
    first = start_index or 0
    last = len(data) if end_index is None else end_index
    count = last - first - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets))
    starts = np.arange(0, count, sequence_stride, dtype=np.int32)
    if shuffle:
        seed = np.random.randint(10**6) if seed is None else seed  # noqa: NPY002
        np.random.RandomState(seed).shuffle(starts)
    series = np.asarray(data)[first:last]
    goals = None if targets is None else np.asarray(targets)[first:last]
    inside = np.arange(sequence_length, dtype=np.int32) * sampling_rate

    def window(start: Any) -> Any:
        x = gather(series, expand_dims(start, -1) + inside)
        return x if goals is None else (x, gather(goals, start))

    dataset = _data().Dataset.from_tensor_slices(starts)
    if shuffle:
        # Numbers are mixed, not windows.
        buffer = 1024 if batch_size is None else batch_size * 8
        dataset = dataset.shuffle(buffer, seed=seed)
    if batch_size is not None:
        dataset = dataset.batch(batch_size)
    return dataset.map(window).prefetch(_data().AUTOTUNE)


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """Returns two datasets: the first elements, and the last ones.

    Args:
      dataset: A `tf.data.Dataset`, an array, or a list or tuple of arrays.
      left_size: How many elements, or which share of them, the first one has.
      right_size: The same of the second one; by default the rest.
      shuffle: Whether elements are mixed before.
      seed: That of the mixing.

    Raises:
      ValueError: No size, or one that does not fit.
      TypeError: The dataset is of another type.

    >>> left, right = split_dataset(np.arange(5), left_size=0.6)
    >>> [int(x) for x in left], [int(x) for x in right]
    ([0, 1, 2], [3, 4])

    Source: `tf.keras.utils.split_dataset`.
    """
    if left_size is None and right_size is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. "
            "Received: left_size=None and right_size=None"
        )
    data = _data()
    if isinstance(dataset, (np.ndarray, list, tuple)):
        items = data.Dataset.from_tensor_slices(
            tuple(dataset) if isinstance(dataset, list) else dataset
        )
        count = len(dataset) if isinstance(dataset, np.ndarray) else len(dataset[0])
    elif isinstance(dataset, data.Dataset):
        items, count = dataset, sum(1 for _ in dataset)
    else:
        raise TypeError(
            "The `dataset` argument must be either a `tf.data.Dataset` object or a "
            f"list/tuple of arrays. Received: dataset={dataset} of type {type(dataset)}"
        )
    left, right = _sizes(left_size, right_size, count)
    if shuffle:
        seed = random.randint(0, 10**6) if seed is None else seed
        items = items.shuffle(count, seed=seed, reshuffle_each_iteration=False)
    parts = items.take(left), items.skip(count - right)
    return parts[0].prefetch(data.AUTOTUNE), parts[1].prefetch(data.AUTOTUNE)


def _sizes(left: Any, right: Any, count: int) -> tuple[int, int]:
    found: list[Any] = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is None:
            found.append(None)
            continue
        if isinstance(size, bool) or not isinstance(size, (int, float, np.number)):
            raise TypeError(f"Invalid `{name}` type. Got: {type(size)}.")
        is_share = isinstance(size, (float, np.floating))
        if size <= 0 or (size >= 1 if is_share else size > count):
            raise ValueError(
                f"`{name}` should be a positive integer of at most {count}, the number "
                f"of elements, or a share between 0 and 1. Received: {name}={size}"
            )
        found.append(round(size * count) if is_share else int(size))
    left, right = found
    left = count - right if left is None else left
    right = count - left if right is None else right
    if left + right > count or not left or not right:
        raise ValueError(
            f"Sizes {left} and {right} do not fit a dataset of {count} elements: neither "
            "part may be empty. Received: "
            f"left_size={found[0]} and right_size={found[1]}"
        )
    return left, right
