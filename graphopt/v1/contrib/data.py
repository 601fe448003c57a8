"""`tf.contrib.data`: what `tf.data` and `tf.data.experimental` have since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.data import Dataset as Dataset
from graphopt.compat.v1.data import FixedLengthRecordDataset as FixedLengthRecordDataset
from graphopt.compat.v1.data import Iterator as Iterator
from graphopt.compat.v1.data import TextLineDataset as TextLineDataset
from graphopt.compat.v1.data import TFRecordDataset as TFRecordDataset
from graphopt.data.experimental import (
    bucket_by_sequence_length as bucket_by_sequence_length,
)
from graphopt.data.experimental import choose_from_datasets as choose_from_datasets
from graphopt.data.experimental import enumerate_dataset as enumerate_dataset
from graphopt.data.experimental import get_single_element as get_single_element
from graphopt.data.experimental import group_by_window as group_by_window
from graphopt.data.experimental import ignore_errors as ignore_errors
from graphopt.data.experimental import map_and_batch as map_and_batch
from graphopt.data.experimental import parallel_interleave as parallel_interleave
from graphopt.data.experimental import prefetch_to_device as prefetch_to_device
from graphopt.data.experimental import sample_from_datasets as sample_from_datasets
from graphopt.data.experimental import shuffle_and_repeat as shuffle_and_repeat
from graphopt.data.experimental import unbatch as unbatch
from graphopt.data.experimental import unique as unique


def batch_and_drop_remainder(batch_size: int) -> Callable[[Any], Any]:
    """Returns a function for `apply` that makes batches of one size only.

    Source: `tf.contrib.data.batch_and_drop_remainder`.
    """
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(
    batch_size: int, padded_shapes: Any, padding_values: Any = None
) -> Callable[[Any], Any]:
    """Returns a function for `apply` that makes padded batches of one size only.

    Source: `tf.contrib.data.padded_batch_and_drop_remainder`.
    """
    return lambda dataset: dataset.padded_batch(
        batch_size, padded_shapes, padding_values, drop_remainder=True
    )
