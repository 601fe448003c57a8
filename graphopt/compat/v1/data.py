"""`tf.compat.v1.data`: data sets, with the iterators of graphs."""

from typing import Any

from graphopt.data import AUTOTUNE as AUTOTUNE
from graphopt.data import INFINITE_CARDINALITY as INFINITE_CARDINALITY
from graphopt.data import UNKNOWN_CARDINALITY as UNKNOWN_CARDINALITY
from graphopt.data import Dataset as Dataset
from graphopt.data import DatasetSpec as DatasetSpec
from graphopt.data import FixedLengthRecordDataset as FixedLengthRecordDataset
from graphopt.data import Iterator as Iterator
from graphopt.data import NumpyIterator as NumpyIterator
from graphopt.data import Options as Options
from graphopt.data import TextLineDataset as TextLineDataset
from graphopt.data import TFRecordDataset as TFRecordDataset
from graphopt.data import ThreadingOptions as ThreadingOptions
from graphopt.data import experimental as experimental
from graphopt.data.graph_iterators import (
    make_initializable_iterator as make_initializable_iterator,
)
from graphopt.data.graph_iterators import (
    make_one_shot_iterator as make_one_shot_iterator,
)
from graphopt.data.iterators import get_output_classes as get_output_classes
from graphopt.data.iterators import get_output_shapes as get_output_shapes
from graphopt.data.iterators import get_output_types as get_output_types


def __dir__() -> list[str]:
    here: dict[str, Any] = globals()
    return [n for n in here if not n.startswith("_") and n != "Any"]
