"""`tf.contrib.lookup`: tables of words and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype, int64, string
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.lookup import KeyValueTensorInitializer as KeyValueTensorInitializer
from graphopt.lookup import StaticHashTable as StaticHashTable
from graphopt.lookup import StaticVocabularyTable
from graphopt.lookup import TextFileIndex as TextFileIndex
from graphopt.lookup import TextFileInitializer as TextFileInitializer
from graphopt.lookup.experimental import DenseHashTable as MutableDenseHashTable
from graphopt.lookup.experimental import MutableHashTable as MutableHashTable
from graphopt.lookup.initializers import (
    TextFileIdTableInitializer as TextFileIdTableInitializer,
)
from graphopt.lookup.initializers import (
    TextFileStringTableInitializer as TextFileStringTableInitializer,
)
from graphopt.ops.creation import convert_to_tensor
from graphopt.ops.sequences import range as sequence
from graphopt.ops.sequences import size

HashTable = StaticHashTable
__all__ = [
    "HashTable",
    "KeyValueTensorInitializer",
    "MutableDenseHashTable",
    "MutableHashTable",
    "StaticHashTable",
    "TextFileIdTableInitializer",
    "TextFileIndex",
    "TextFileInitializer",
    "TextFileStringTableInitializer",
    "index_table_from_file",
    "index_table_from_tensor",
    "index_to_string",
    "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
    "string_to_index",
]


def _index_table(initializer: Any, buckets: int, default: int, dtype: Any) -> Any:
    if buckets < 0:
        raise fail(
            ValueError,
            "num_oov_buckets must be greater or equal than 0",
            got=str(buckets),
            site=str(user_site()),
        )
    if buckets:
        return StaticVocabularyTable(initializer, buckets, lookup_key_dtype=dtype)
    return StaticHashTable(initializer, default)


def index_table_from_tensor(
    mapping: Any = None,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = None,
    dtype: Any = string,
    name: str | None = None,
    vocabulary_list: Any = None,
) -> Any:
    """Returns a table from words to their places in a vector.

    Args:
      mapping: The words.
      num_oov_buckets: How many numbers there are for other words.
      default_value: Their number where there are none.
      hasher_spec: Accepted for compatibility: TensorFlow's fast hash is used.
      dtype: Of the words.
      name: Accepted for compatibility.
      vocabulary_list: Another name of `mapping`.

    Source: `tf.contrib.lookup.index_table_from_tensor`.
    """
    words = mapping if mapping is not None else vocabulary_list
    if words is None:
        raise ValueError("mapping must be specified.")
    keys = convert_to_tensor(words)
    if keys.dtype.is_integer:
        keys = convert_to_tensor(words, dtype=int64)
    numbers = sequence(size(keys, int64), dtype=int64)
    initializer = KeyValueTensorInitializer(keys, numbers)
    return _index_table(initializer, num_oov_buckets, default_value, keys.dtype)


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = None,
    key_dtype: Any = string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> Any:
    """Returns a table from the lines of a file to their numbers.

    Source: `tf.contrib.lookup.index_table_from_file`.
    """
    if not vocabulary_file:
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    initializer = TextFileIdTableInitializer(
        vocabulary_file,
        key_column_index,
        value_column_index,
        vocab_size,
        delimiter,
        key_dtype=as_dtype(key_dtype),
    )
    return _index_table(initializer, num_oov_buckets, default_value, key_dtype)


def index_to_string_table_from_tensor(
    mapping: Any = None,
    default_value: str = "UNK",
    name: str | None = None,
    vocabulary_list: Any = None,
) -> Any:
    """Returns a table from the places of words in a vector to the words.

    Source: `tf.contrib.lookup.index_to_string_table_from_tensor`.
    """
    words = mapping if mapping is not None else vocabulary_list
    if words is None:
        raise ValueError("mapping must be specified.")
    values = convert_to_tensor(words, dtype=string)
    numbers = sequence(size(values, int64), dtype=int64)
    return StaticHashTable(KeyValueTensorInitializer(numbers, values), default_value)


def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> Any:
    """Returns a table from the numbers of the lines of a file to the lines.

    Source: `tf.contrib.lookup.index_to_string_table_from_file`.
    """
    columns = key_column_index, value_column_index
    initializer = TextFileStringTableInitializer(
        vocabulary_file, *columns, vocab_size, delimiter
    )
    return StaticHashTable(initializer, default_value)


def string_to_index(tensor: Any, mapping: Any, default_value: int = -1) -> Any:
    """Returns the places of words in a vector.

    Source: `tf.contrib.lookup.string_to_index`.
    """
    table = index_table_from_tensor(mapping, default_value=default_value)
    return table.lookup(tensor)


def index_to_string(tensor: Any, mapping: Any, default_value: str = "UNK") -> Any:
    """Returns the words at places of a vector.

    Source: `tf.contrib.lookup.index_to_string`.
    """
    table = index_to_string_table_from_tensor(mapping, default_value)
    ids = convert_to_tensor(tensor, dtype_hint=np.int64)
    return table.lookup(ids)
