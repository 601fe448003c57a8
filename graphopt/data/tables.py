"""Rows of tables: files of comma-separated values."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphopt.data.dataset import Dataset
from graphopt.data.files import (
    FileRecords,
    compression_of,
    matching_files,
    names_node,
    read_lines,
    text_of,
)
from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.ops.encoded_bytes import decode_csv


def _line_reader(compression: str, header: bool) -> Any:
    def read(name: str) -> Iterator[bytes]:
        lines = read_lines(name, compression)
        return itertools.islice(lines, 1, None) if header else lines

    return read


class CsvDataset(Dataset):
    """The rows of files of comma-separated values, as tuples of scalars.

    Args:
      filenames: A name, several, or a data set of names.
      record_defaults: For each column its value where it is missing, of the column's
        dtype; a dtype where there must be one.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.
      buffer_size: Accepted for compatibility.
      header: Whether the first line of each file is left out.
      field_delim: What stands between columns.
      use_quote_delim: Whether a column may stand in quotation marks.
      na_value: What counts as missing besides nothing.
      select_cols: The columns that are wanted, by number; all by default.
      exclude_cols: The columns that are not wanted.

    Raises:
      ValueError: The columns are not in increasing order.

    Source: `tf.data.experimental.CsvDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Sequence[Any],
        compression_type: Any = None,
        buffer_size: Any = None,
        header: bool = False,
        field_delim: str = ",",
        use_quote_delim: bool = True,
        na_value: str = "",
        select_cols: Sequence[int] | None = None,
        exclude_cols: Sequence[int] | None = None,
    ) -> None:
        if exclude_cols is not None:
            raise fail(
                NotImplementedError,
                "CsvDataset(exclude_cols=...) does not know how many columns there are",
                got=repr(exclude_cols),
                site=str(user_site()),
                remedy="select_cols, the columns that are wanted",
            )
        if select_cols is not None:
            select_cols = [int(column) for column in select_cols]
            pairs = itertools.pairwise(select_cols)
            if any(a >= b for a, b in pairs):
                raise fail(
                    ValueError,
                    "select_cols is not strictly increasing",
                    got=str(select_cols),
                    site=str(user_site()),
                )
        defaults = [_default(each) for each in record_defaults]
        reader = _line_reader(compression_of(compression_type), header)
        lines = Dataset(FileRecords(names_node(filenames), reader, None))
        given = (defaults, field_delim, use_quote_delim, na_value, select_cols)
        super().__init__(lines.map(lambda line: tuple(decode_csv(line, *given)))._node)


def _default(value: Any) -> Any:
    """A default as `decode_csv` takes it: an array, empty where there must be a value."""
    try:
        return np.empty(0, as_dtype(value).numpy)
    except (TypeError, NotImplementedError):
        return value


# What a column may be, the narrowest first.
_KINDS = ("int32", "int64", "float32", "float64", "string")


def _kind_of(text: str, kind: str) -> str:
    """Returns the narrowest kind, from one on, that a text can be."""
    for each in _KINDS[_KINDS.index(kind) :]:
        if each == "string":
            break
        try:
            number = int(text) if each.startswith("int") else float(text)
        except ValueError:
            continue
        if each == "int32" and not -(2**31) <= number < 2**31:
            continue
        if each == "int64" and not -(2**63) <= number < 2**63:
            continue
        if each == "float32" and abs(number) > 3.4028235e38:
            continue
        return each
    return "string"


def make_csv_dataset(
    file_pattern: Any,
    batch_size: int,
    column_names: Sequence[str] | None = None,
    column_defaults: Sequence[Any] | None = None,
    label_name: str | None = None,
    select_columns: Sequence[Any] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: Any = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
) -> Any:
    """Returns batches of rows of files, as dicts of columns.

    Args:
      file_pattern: A glob pattern, or several.
      batch_size: How many rows.
      column_names: The names of the columns; by default the first line has them.
      column_defaults: For each wanted column its value where it is missing, or its dtype;
        by default the rows tell what it is.
      label_name: A column that is not in the dict, but beside it.
      select_columns: The columns that are wanted, by name or number.
      field_delim: What stands between columns.
      use_quote_delim: Whether a column may stand in quotation marks.
      na_value: What counts as missing besides nothing.
      header: Whether the first line of each file is one of names.
      num_epochs: How often the rows come; for ever by default.
      shuffle: Whether in random order.
      shuffle_buffer_size: As of `Dataset.shuffle`.
      shuffle_seed: As of `Dataset.shuffle`.
      prefetch_buffer_size: As of `Dataset.prefetch`.
      num_parallel_reads: How many files take turns.
      sloppy: Accepted: rows come in order.
      num_rows_for_inference: How many rows tell what columns are; all if it is None.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.
      ignore_errors: Whether batches with errors are left out.
      encoding: Must be UTF-8.

    Raises:
      ValueError: No file matches, or a column is not there.

    Source: `tf.data.experimental.make_csv_dataset`.
    """
    names = [text_of(name) for name in matching_files(file_pattern)]
    if not names:
        raise fail(
            ValueError,
            "No files match `file_pattern`",
            got=repr(file_pattern)[:120],
            site=str(user_site()),
        )
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise NotImplementedError(f"make_csv_dataset(encoding={encoding!r})")
    compression = compression_of(compression_type)

    def rows(name: str) -> Iterator[list[str]]:
        quoting: Any = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
        lines = (line.decode() for line in read_lines(name, compression))
        return csv.reader(lines, delimiter=field_delim, quoting=quoting)

    columns = list(column_names or ())
    if not columns:
        if not header:
            raise ValueError("Must provide `column_names` without a `header`.")
        columns = next(rows(names[0]), [])
    chosen = _choose(columns, select_columns)
    if label_name is not None and label_name not in [columns[i] for i in chosen]:
        raise fail(
            ValueError,
            "`label_name` provided must be one of the columns",
            got=repr(label_name),
            expected=f"one of {[columns[i] for i in chosen]}",
            site=str(user_site()),
        )
    if column_defaults is None:
        every = (row for n in names for row in itertools.islice(rows(n), header, None))
        seen = itertools.islice(every, num_rows_for_inference)
        defaults: list[Any] = _infer(seen, chosen, na_value)
    else:
        defaults = [_default(each) for each in column_defaults]
    dataset = Dataset(
        FileRecords(
            names_node(names), _line_reader(compression, header), num_parallel_reads
        )
    )
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None)

    def parse(lines: Any) -> Any:
        found = decode_csv(
            lines, defaults, field_delim, use_quote_delim, na_value, chosen
        )
        features = dict(zip([columns[i] for i in chosen], found, strict=True))
        if label_name is None:
            return features
        label = features.pop(label_name)
        return features, label

    dataset = dataset.map(parse)
    if ignore_errors:
        dataset = dataset.ignore_errors()
    size = 1 if prefetch_buffer_size is None else prefetch_buffer_size
    return dataset.prefetch(size)


def _choose(columns: Sequence[str], wanted: Sequence[Any] | None) -> list[int]:
    if len(set(columns)) != len(columns):
        raise fail(
            ValueError,
            "Cannot have duplicate column names",
            got=str(list(columns)),
            site=str(user_site()),
        )
    if wanted is None:
        return list(range(len(columns)))
    found = []
    for each in wanted:
        if isinstance(each, str) and each not in columns:
            raise fail(
                ValueError,
                "A column of `select_columns` is not there",
                got=repr(each),
                expected=f"one of {list(columns)}",
                site=str(user_site()),
            )
        found.append(columns.index(each) if isinstance(each, str) else int(each))
    return sorted(found)


def _infer(rows: Any, chosen: Sequence[int], na_value: str) -> list[Any]:
    kinds = ["int32"] * len(chosen)
    for row in rows:
        for place, column in enumerate(chosen):
            text = row[column] if column < len(row) else ""
            if text not in ("", na_value):
                kinds[place] = _kind_of(text, kinds[place])
    return [
        [""] if kind == "string" else np.zeros(1, as_dtype(kind).numpy)
        for kind in kinds
    ]
