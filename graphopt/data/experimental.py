"""`tf.data.experimental`: transformations for `Dataset.apply`, and what else came first here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphopt import dtypes
from graphopt.data.context import as_parameter
from graphopt.data.dataset import Dataset
from graphopt.data.iterators import get_structure as get_structure
from graphopt.data.node import INFINITE as _INFINITE
from graphopt.data.node import UNKNOWN as _UNKNOWN
from graphopt.data.node import require_node
from graphopt.data.optional import Optional as Optional
from graphopt.data.optional import get_next_as_optional as get_next_as_optional
from graphopt.data.options import AutoShardPolicy as AutoShardPolicy
from graphopt.data.options import AutotuneOptions as AutotuneOptions
from graphopt.data.options import DistributeOptions as DistributeOptions
from graphopt.data.options import OptimizationOptions as OptimizationOptions
from graphopt.data.options import ThreadingOptions as ThreadingOptions
from graphopt.data.tables import CsvDataset as CsvDataset
from graphopt.data.tables import make_csv_dataset as make_csv_dataset
from graphopt.data.transforms import Same
from graphopt.files.records import RecordWriter
from graphopt.graph.hooks import hooks

if TYPE_CHECKING:
    from graphopt.io.example_datasets import (
        make_batched_features_dataset as make_batched_features_dataset,
    )
    from graphopt.io.example_datasets import (
        parse_example_dataset as parse_example_dataset,
    )

# An import by another name is private to type checkers.
INFINITE_CARDINALITY = _INFINITE
UNKNOWN_CARDINALITY = _UNKNOWN

AUTOTUNE = -1
Transformation = Callable[[Dataset], Dataset]

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "AutoShardPolicy",
    "AutotuneOptions",
    "Counter",
    "CsvDataset",
    "DistributeOptions",
    "OptimizationOptions",
    "Optional",
    "RandomDataset",
    "TFRecordWriter",
    "ThreadingOptions",
    "assert_cardinality",
    "bucket_by_sequence_length",
    "cardinality",
    "choose_from_datasets",
    "copy_to_device",
    "dense_to_ragged_batch",
    "enumerate_dataset",
    "from_list",
    "get_next_as_optional",
    "get_single_element",
    "get_structure",
    "group_by_window",
    "ignore_errors",
    "make_csv_dataset",
    "map_and_batch",
    "parallel_interleave",
    "prefetch_to_device",
    "rejection_resample",
    "sample_from_datasets",
    "scan",
    "shuffle_and_repeat",
    "snapshot",
    "take_while",
    "unbatch",
    "unique",
]

# What reads Examples lies to the right of this folder.
_READING = ("make_batched_features_dataset", "parse_example_dataset")


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _READING:
            module = importlib.import_module("graphopt.io.example_datasets")
            return getattr(module, name)
        raise AttributeError(f"module 'tf.data.experimental' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_READING]


def Counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64) -> Any:
    """Returns numbers without an end.

    Source: `tf.data.experimental.Counter`.
    """
    return Dataset.counter(start, step, dtype)


def RandomDataset(
    seed: Any = None, rerandomize_each_iteration: bool | None = None, name: Any = None
) -> Any:
    """Returns random numbers without an end.

    Source: `tf.data.experimental.RandomDataset`.
    """
    return Dataset.random(seed, rerandomize_each_iteration)


def from_list(elements: Sequence[Any], name: str | None = None) -> Any:
    """Returns a data set of the elements of a list, structures of one kind.

    Source: `tf.data.experimental.from_list`.
    """
    if not elements:
        raise ValueError("Invalid `elements`. `elements` should not be empty.")
    datasets = [Dataset.from_tensors(element) for element in elements]
    made = datasets[0]
    for dataset in datasets[1:]:
        made = made.concatenate(dataset)
    return made


def cardinality(dataset: Dataset) -> Any:
    """Returns the number of elements; see `Dataset.cardinality`.

    Source: `tf.data.experimental.cardinality`.
    """
    return dataset.cardinality()


def assert_cardinality(expected_cardinality: int) -> Transformation:
    """Says how many elements there are; iterating raises where that is wrong.

    Source: `tf.data.experimental.assert_cardinality`.
    """

    def apply(dataset: Dataset) -> Dataset:
        node = require_node(dataset, "The argument")
        return Dataset(Same(node, size=int(expected_cardinality)))

    return apply


def get_single_element(dataset: Dataset) -> Any:
    """Returns the only element; see `Dataset.get_single_element`.

    Source: `tf.data.experimental.get_single_element`.
    """
    return dataset.get_single_element()


def shuffle_and_repeat(
    buffer_size: Any, count: Any = None, seed: Any = None
) -> Transformation:
    """Shuffles, and repeats with another order in each round.

    Source: `tf.data.experimental.shuffle_and_repeat`.
    """
    return lambda dataset: dataset.shuffle(buffer_size, seed=seed).repeat(count)


def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: bool = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """Maps and makes batches.

    Source: `tf.data.experimental.map_and_batch`.
    """
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: bool = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """As `Dataset.interleave`; elements come in its order.

    Source: `tf.data.experimental.parallel_interleave`.
    """
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def unbatch() -> Transformation:
    """See `Dataset.unbatch`."""
    return lambda dataset: dataset.unbatch()


def unique() -> Transformation:
    """See `Dataset.unique`."""
    return lambda dataset: dataset.unique()


def take_while(predicate: Callable[..., Any]) -> Transformation:
    """See `Dataset.take_while`."""
    return lambda dataset: dataset.take_while(predicate)


def scan(initial_state: Any, scan_func: Callable[..., Any]) -> Transformation:
    """See `Dataset.scan`."""
    return lambda dataset: dataset.scan(initial_state, scan_func)


def enumerate_dataset(start: Any = 0) -> Transformation:
    """See `Dataset.enumerate`."""
    return lambda dataset: dataset.enumerate(start)


def ignore_errors(log_warning: bool = False) -> Transformation:
    """See `Dataset.ignore_errors`."""
    return lambda dataset: dataset.ignore_errors(log_warning)


def group_by_window(
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Transformation:
    """See `Dataset.group_by_window`."""
    given = (key_func, reduce_func, window_size, window_size_func)
    return lambda dataset: dataset.group_by_window(*given)


def bucket_by_sequence_length(
    element_length_func: Callable[..., Any],
    bucket_boundaries: Sequence[int],
    bucket_batch_sizes: Sequence[int],
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Transformation:
    """See `Dataset.bucket_by_sequence_length`."""
    return lambda dataset: dataset.bucket_by_sequence_length(
        element_length_func,
        bucket_boundaries,
        bucket_batch_sizes,
        padded_shapes,
        padding_values,
        pad_to_bucket_boundary,
        no_padding,
        drop_remainder,
    )


def sample_from_datasets(
    datasets: Sequence[Any],
    weights: Any = None,
    seed: Any = None,
    stop_on_empty_dataset: bool = False,
) -> Any:
    """See `Dataset.sample_from_datasets`."""
    return Dataset.sample_from_datasets(datasets, weights, seed, stop_on_empty_dataset)


def choose_from_datasets(
    datasets: Sequence[Any], choice_dataset: Any, stop_on_empty_dataset: bool = False
) -> Any:
    """See `Dataset.choose_from_datasets`."""
    return Dataset.choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)


def dense_to_ragged_batch(
    batch_size: Any, drop_remainder: bool = False, row_splits_dtype: Any = dtypes.int64
) -> Transformation:
    """Not available; see `Dataset.ragged_batch`."""
    return lambda dataset: dataset.ragged_batch(batch_size, drop_remainder)


def rejection_resample(
    class_func: Callable[..., Any],
    target_dist: Any,
    initial_dist: Any = None,
    seed: Any = None,
) -> Transformation:
    """Not available; see `Dataset.rejection_resample`."""
    return lambda dataset: dataset.rejection_resample(class_func, target_dist)


def snapshot(path: str, *_arguments: Any, **_keywords: Any) -> Transformation:
    """Not available; see `Dataset.snapshot`."""
    return lambda dataset: dataset.snapshot(path)


def prefetch_to_device(device: Any, buffer_size: Any = None) -> Transformation:
    """Makes elements before they are wanted; there is one device.

    Source: `tf.data.experimental.prefetch_to_device`.
    """
    size = AUTOTUNE if buffer_size is None else as_parameter(buffer_size)
    return lambda dataset: dataset.prefetch(size)


def copy_to_device(target_device: Any, source_device: Any = "/cpu:0") -> Transformation:
    """Does nothing: there is one device.

    Source: `tf.data.experimental.copy_to_device`.
    """
    return lambda dataset: dataset


class TFRecordWriter:
    """Writes a data set of scalar strings to a TFRecord file.

    Args:
      filename: The file, which is replaced.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.

    Source: `tf.data.experimental.TFRecordWriter`.
    """

    def __init__(self, filename: Any, compression_type: Any = None) -> None:
        self._filename, self._compression = filename, compression_type

    def write(self, dataset: Dataset) -> None:
        """Writes all elements.

        Raises:
          TypeError: They are no scalar strings.
        """
        spec = dataset.element_spec
        if getattr(spec, "dtype", None) is not dtypes.string or spec.shape.rank != 0:
            raise TypeError(
                f"TFRecordWriter writes datasets of scalar strings; got {spec!r}."
            )
        name = hooks.convert(self._filename).numpy()
        with RecordWriter(name.decode(), self._compression) as writer:
            for record in dataset.as_numpy_iterator():
                writer.write(record)
