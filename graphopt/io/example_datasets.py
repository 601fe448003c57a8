"""Data sets of files of Examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.data.dataset import Dataset
from graphopt.data.files import TFRecordDataset, matching_files
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.io.examples import parse_example


def parse_example_dataset(
    features: Any, num_parallel_calls: int = 1, deterministic: bool | None = None
) -> Callable[[Dataset], Dataset]:
    """Parses batches of serialized Examples, for `Dataset.apply`.

    Args:
      features: As of `tf.io.parse_example`; dense ones.
      num_parallel_calls: Accepted for compatibility.
      deterministic: Accepted.

    Source: `tf.data.experimental.parse_example_dataset`.
    """
    return lambda dataset: dataset.map(lambda texts: parse_example(texts, features))


def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: int,
    features: Any,
    reader: Any = None,
    label_key: str | None = None,
    reader_args: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    reader_num_threads: int | None = None,
    parser_num_threads: int | None = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Any:
    """Returns batches of the Examples in files, as dicts of features.

    Args:
      file_pattern: A glob pattern, or several.
      batch_size: How many Examples.
      features: As of `tf.io.parse_example`; dense ones.
      reader: Makes the data set of a file; `TFRecordDataset` by default.
      label_key: A feature that is not in the dict, but beside it.
      reader_args: More arguments of the reader.
      num_epochs: How often the Examples come; for ever by default.
      shuffle: Whether in random order.
      shuffle_buffer_size: As of `Dataset.shuffle`.
      shuffle_seed: As of `Dataset.shuffle`.
      prefetch_buffer_size: As of `Dataset.prefetch`.
      reader_num_threads: How many files take turns.
      parser_num_threads: Accepted for compatibility.
      sloppy_ordering: Accepted: Examples come in order.
      drop_final_batch: Whether a last batch that is smaller is left out.

    Raises:
      ValueError: No file matches, or the label is no feature.

    Source: `tf.data.experimental.make_batched_features_dataset`.
    """
    names = matching_files(file_pattern)
    if not names:
        raise fail(
            ValueError,
            "No files match `file_pattern`",
            got=repr(file_pattern)[:120],
            site=str(user_site()),
        )
    if label_key is not None and label_key not in features:
        raise fail(
            ValueError,
            "The `label_key` provided must be one of the `features` keys",
            got=repr(label_key),
            expected=f"one of {sorted(features)}",
            site=str(user_site()),
        )
    open_file, more = reader or TFRecordDataset, list(reader_args or ())
    files = Dataset.from_tensor_slices(names)
    if shuffle:
        files = files.shuffle(len(names), shuffle_seed)
    dataset = files.interleave(
        lambda name: open_file(name, *more), cycle_length=reader_num_threads or 1
    )
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_final_batch or num_epochs is None)
    dataset = dataset.apply(parse_example_dataset(features))
    if label_key is not None:
        dataset = dataset.map(lambda found: (found, found.pop(label_key)))
    size = 1 if prefetch_buffer_size is None else prefetch_buffer_size
    return dataset.prefetch(size)
