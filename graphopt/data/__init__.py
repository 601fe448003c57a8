"""`tf.data`: input pipelines, from arrays, files and Python to batches.

A data set is a chain of nodes that describe what is to be done; iterating makes a chain of
cursors, each of which is asked for so many elements at most. Elements travel in blocks: one
array for each component with a dimension for the elements in front, or the numbers of rows
of an array that nobody has copied yet. So `from_tensor_slices(x).shuffle(n).batch(128)`
moves row numbers, and copies 128 rows with one call when the batch is wanted; a function of
`map` is traced once and runs over all rows of a block inside of one native call.

What is asked for, and when, decides about time alone. Where a Python function could tell
the difference (a generator, `py_function`, a variable that is read), elements are made one
by one when they are wanted. The order of a shuffle and the random numbers of a `map`
depend on the seeds and on the place in the pipeline, never on threads: `prefetch` runs
beside the training step, which does not hold Python's lock, and changes no element.

In a graph an iterator has a state in each session, and `get_next` is an op that takes its
element before the step runs: the step is planned and compiled as with a `feed_dict`.

TensorFlow's own way, a C++ iterator for each transformation and a thread pool that moves
single elements, takes 1 to 2 us an element on two cores, and 20 with a function; here
`range(n).batch(100)` takes 0.08, a function of an element 0.1 to 1. What is lost is the
parallel call of slow Python functions, which Python's lock would not allow anyway.
"""

from typing import TYPE_CHECKING, Any

from graphopt.data.dataset import Dataset as Dataset
from graphopt.data.files import FixedLengthRecordDataset as FixedLengthRecordDataset
from graphopt.data.files import TextLineDataset as TextLineDataset
from graphopt.data.files import TFRecordDataset as TFRecordDataset
from graphopt.data.iterators import Iterator as Iterator
from graphopt.data.iterators import NumpyIterator as NumpyIterator
from graphopt.data.node import INFINITE as _INFINITE
from graphopt.data.node import UNKNOWN as _UNKNOWN
from graphopt.data.options import Options as Options
from graphopt.data.options import ThreadingOptions as ThreadingOptions
from graphopt.data.structure import DatasetSpec as DatasetSpec

if TYPE_CHECKING:
    from graphopt.data import experimental as experimental

# An import by another name is private to type checkers.
INFINITE_CARDINALITY = _INFINITE
UNKNOWN_CARDINALITY = _UNKNOWN

# Leaves a number to us.
AUTOTUNE = -1

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "Dataset",
    "DatasetSpec",
    "FixedLengthRecordDataset",
    "Iterator",
    "NumpyIterator",
    "Options",
    "TFRecordDataset",
    "TextLineDataset",
    "ThreadingOptions",
    "experimental",
]


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "experimental":
            import importlib

            return importlib.import_module("graphopt.data.experimental")
        raise AttributeError(f"module 'tf.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
