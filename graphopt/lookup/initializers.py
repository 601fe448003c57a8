"""Where static tables get their entries from."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype, int64, string
from graphopt.errors import fail
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.encoded_bytes import static_string
from graphopt.ops.strings import as_strings
from graphopt.ops.tables import LINE_NUMBER as _LINE_NUMBER
from graphopt.ops.tables import TABLE_LINES
from graphopt.ops.tables import WHOLE_LINE as _WHOLE_LINE


class Initializer:
    """What gives a table its entries.

    Attributes:
      key_dtype, value_dtype: Of keys and values.
    """

    key_dtype: DType
    value_dtype: DType
    name = "table"

    def entries(self) -> tuple[Any, Any]:
        """Returns tensors of the keys and of their values."""
        raise NotImplementedError

    def initialize(self, table: Any) -> Any:
        """Fills a table; in a graph the op that does."""
        return table._fill(*self.entries())


class KeyValueTensorInitializer(Initializer):
    """Entries from two tensors.

    Args:
      keys: A vector.
      values: A vector of as many.
      key_dtype, value_dtype: What they are converted to; by default what they are.
      name: Of the op.

    Source: `tf.lookup.KeyValueTensorInitializer`.
    """

    def __init__(
        self,
        keys: Any,
        values: Any,
        key_dtype: Any = None,
        value_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        self.keys = _convert(keys, key_dtype)
        self.values = _convert(values, value_dtype)
        self.key_dtype = self.keys.dtype
        self.value_dtype = self.values.dtype
        self.name = name or "key_value_init"

    def entries(self) -> tuple[Any, Any]:
        """Returns the two tensors."""
        return hooks.convert(self.keys), hooks.convert(self.values)


def _convert(values: Any, dtype: Any) -> Any:
    if dtype is None and not hasattr(values, "dtype"):
        array = np.asarray(values)
        # Python's integers are numbers of 64 bits in tables, as in TensorFlow.
        dtype = int64 if array.dtype.kind in "iu" else None
    return hooks.convert(values, dtype=None if dtype is None else as_dtype(dtype))


class TextFileIndex:
    """What of a line of a text file is a key or a value, besides the number of a column.

    Source: `tf.lookup.TextFileIndex`.
    """

    WHOLE_LINE = _WHOLE_LINE
    LINE_NUMBER = _LINE_NUMBER


class TextFileInitializer(Initializer):
    r"""Entries from the lines of a text file.

    Args:
      filename: The file, a string or a tensor of one.
      key_dtype, value_dtype: int64, string, or another number's dtype.
      key_index, value_index: The number of a column, or of `TextFileIndex`.
      vocab_size: How many lines are read at most.
      delimiter: What stands between columns.
      name: Of the op.
      value_index_offset: What is added to line numbers.

    Raises:
      ValueError: A line number that is no int64, or a whole line that is no string.

    Source: `tf.lookup.TextFileInitializer`.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        for what, index, dtype in (
            ("key", key_index, self.key_dtype),
            ("value", value_index, self.value_dtype),
        ):
            if index < -2:
                raise ValueError(f"`{what}_index` must be >= -2, received: {index}.")
            wanted = {-1: int64, -2: string}.get(index, dtype)
            if dtype is not wanted and not (index == -2 and dtype.is_integer):
                raise fail(
                    ValueError,
                    f"`{what}_dtype` does not fit `{what}_index` {index}",
                    got=dtype.name,
                    expected=wanted.name,
                    site=str(user_site()),
                )
        self.filename = filename
        self.vocab_size = vocab_size
        self.options: dict[str, Any] = {
            "columns": (key_index, value_index),
            "types": (self.key_dtype, self.value_dtype),
            "delimiter": delimiter,
            "most": vocab_size,
            "offset": value_index_offset,
        }
        self.name = name or f"hash_table_{static_string(filename) or 'file'}"

    def entries(self) -> tuple[Any, Any]:
        """Returns what the file holds when it is read."""
        keys, values = call_all(TABLE_LINES, as_strings(self.filename), **self.options)
        return keys, values


class TextFileStringTableInitializer(TextFileInitializer):
    """From line numbers to lines.

    Source: `tf.contrib.lookup.TextFileStringTableInitializer`.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.LINE_NUMBER,
        value_column_index: int = TextFileIndex.WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ) -> None:
        columns = (int64, key_column_index, string, value_column_index)
        super().__init__(filename, *columns, vocab_size, delimiter, name)


class TextFileIdTableInitializer(TextFileInitializer):
    """From lines to their numbers.

    Source: `tf.contrib.lookup.TextFileIdTableInitializer`.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.WHOLE_LINE,
        value_column_index: int = TextFileIndex.LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_id_table_init",
        key_dtype: Any = string,
    ) -> None:
        columns = (key_dtype, key_column_index, int64, value_column_index)
        super().__init__(filename, *columns, vocab_size, delimiter, name)
