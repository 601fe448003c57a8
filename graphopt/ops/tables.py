"""Ops of lookup tables: dicts that Python keeps, read and filled between native parts.

A table belongs to the process, not to a session: static ones are filled with the same
entries whoever initializes them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import FailedPreconditionError, InvalidArgumentError, fail
from graphopt.files import file_system
from graphopt.graph.opspec import (
    Effect,
    OpSpec,
    Sample,
)
from graphopt.graph.shape import SCALAR, UNKNOWN, TensorShape
from graphopt.graph.strings import as_bytes, to_array
from graphopt.ops.strings import register_string_op

Array = NDArray[Any]
# What of a line of a file is wanted, where that is no column.
LINE_NUMBER = -1
WHOLE_LINE = -2


class Entries:
    """The entries of a table.

    Args:
      name: Of the table, for errors.
      key_dtype, value_dtype: Of keys and values.
      is_static: Whether it is filled once, and may not be read before.
    """

    def __init__(
        self, name: str, key_dtype: DType, value_dtype: DType, is_static: bool
    ) -> None:
        self.name = name
        self.key_dtype = key_dtype
        self.value_dtype = value_dtype
        self.is_static = is_static
        self.is_filled = not is_static
        self.found: dict[Any, Any] = {}
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<table {self.name}, {len(self.found)} entries>"

    def check(self) -> None:
        """Checks that the table can be read.

        Raises:
          FailedPreconditionError: It was never initialized.
        """
        if not self.is_filled:
            raise fail(
                FailedPreconditionError,
                f"Table {self.name!r} not initialized",
                got="a table without entries",
                expected="one that was initialized",
                remedy="session.run(tf.compat.v1.tables_initializer()) first",
            )


def _key_list(keys: Array) -> list[Any]:
    return list(keys.ravel().tolist())


def _fill(keys: Array, values: Array, *, table: Entries) -> tuple[()]:
    """Fills a static table, all of it or nothing."""
    if keys.shape != values.shape:
        raise fail(
            InvalidArgumentError,
            f"Keys and values of table {table.name!r} must have the same size",
            got=f"{list(keys.shape)} and {list(values.shape)}",
            expected="a value for each key",
        )
    entries: dict[Any, Any] = {}
    for key, value in zip(_key_list(keys), _key_list(values), strict=True):
        if entries.setdefault(key, value) != value:
            raise fail(
                InvalidArgumentError,
                f"HashTable {table.name!r} has different value for same key",
                got=f"key {key!r:.40} has {entries[key]!r:.40} and {value!r:.40}",
                expected="one value for each key",
            )
    with table.lock:
        table.found, table.is_filled = entries, True
    return ()


def _insert(keys: Array, values: Array, *, table: Entries) -> tuple[()]:
    rank = values.ndim - keys.ndim
    rows = values.reshape(keys.size, *values.shape[values.ndim - rank :])
    kept = [row.copy() if rank else row for row in rows]
    with table.lock:
        table.found.update(zip(_key_list(keys), kept, strict=True))
    return ()


def _remove(keys: Array, *, table: Entries) -> tuple[()]:
    with table.lock:
        for key in _key_list(keys):
            table.found.pop(key, None)
    return ()


def _find(
    keys: Array, default: Array, *, table: Entries, buckets: Callable[..., Any] | None
) -> Array:
    table.check()
    with table.lock:
        found = table.found
        if buckets is not None:
            values = [
                found[key] if key in found else buckets(key, len(found))
                for key in _key_list(keys)
            ]
        else:
            other = default if default.ndim else default.item()
            values = list(map(found.get, _key_list(keys), repeat(other)))
    if not default.ndim:
        flat = np.empty(len(values), table.value_dtype.numpy)
        flat[:] = values
        return flat.reshape(keys.shape)
    array = np.empty((len(values), *default.shape), table.value_dtype.numpy)
    for row, value in zip(array, values, strict=True):
        row[...] = value
    return array.reshape((*keys.shape, *default.shape))


def _find_infer(
    keys: Any, default: Any, *, table: Entries, buckets: Any
) -> tuple[TensorShape, DType]:
    if keys.shape.unknown_rank or default.shape.unknown_rank:
        return UNKNOWN, table.value_dtype
    return TensorShape([*keys.shape, *default.shape]), table.value_dtype


def _export(*, table: Entries) -> tuple[Array, Array]:
    table.check()
    with table.lock:
        pairs = list(table.found.items())
    keys = np.empty(len(pairs), table.key_dtype.numpy)
    keys[:] = [key for key, _ in pairs]
    rows = [np.asarray(value, table.value_dtype.numpy) for _, value in pairs]
    values = np.stack(rows) if rows else np.empty(0, table.value_dtype.numpy)
    return keys, values


def _size(*, table: Entries) -> Array:
    table.check()
    return np.array(len(table.found), np.int64)


def _register(
    name: str,
    compute: Callable[..., Any],
    infer: Callable[..., Any],
    inputs: int,
    outputs: int,
    more: dict[str, Any] | None = None,
) -> OpSpec:
    def samples() -> Sequence[Sample]:
        table = Entries("sample", dtypes.int64, dtypes.int64, False)
        arrays = (np.array([1, 2]), np.array([3, 4]) if outputs == 0 else np.array(0))
        return [Sample(arrays[:inputs], {"table": table, **(more or {})})]

    return register_string_op(
        name,
        compute,
        samples,
        types=("any",),
        infer=infer,
        outputs=outputs,
        effect=Effect.HOST,
        reason="tables are values of the host",
    )


def _nothing(*_inputs: Any, **_attrs: Any) -> list[Any]:
    return []


INITIALIZE = _register("InitializeTableV2", _fill, _nothing, 2, 0)
INSERT = _register("LookupTableInsertV2", _insert, _nothing, 2, 0)
REMOVE = _register("LookupTableRemoveV2", _remove, _nothing, 1, 0)
FIND = _register("LookupTableFindV2", _find, _find_infer, 2, 1, {"buckets": None})
EXPORT = _register(
    "LookupTableExportV2",
    _export,
    lambda *, table: [
        (TensorShape([None]), table.key_dtype),
        (UNKNOWN, table.value_dtype),
    ],
    0,
    2,
)
SIZE = _register(
    "LookupTableSizeV2", _size, lambda *, table: (SCALAR, dtypes.int64), 0, 1
)


# ---- files of entries


def _read_lines(
    x: Any, *, columns: Any, types: Any, delimiter: str, most: Any, offset: int
) -> Any:
    path = x.item().decode()
    with file_system.GFile(path, "rb") as file:
        lines = file.read().split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if most is not None and len(lines) < most:
        raise fail(
            InvalidArgumentError,
            f"Invalid vocab_size in {path}",
            got=f"{len(lines)} lines",
            expected=f"{most} lines",
        )
    lines = [line.rstrip(b"\r") for line in lines[:most]]
    found = []
    separator = delimiter.encode()
    for index, dtype in zip(columns, types, strict=True):
        if index == LINE_NUMBER:
            numbers = np.arange(len(lines), dtype=np.int64)
            found.append(numbers + offset if dtype is types[1] else numbers)
            continue
        column = np.empty(len(lines), dtype.numpy)
        for i, line in enumerate(lines):
            column[i] = _field(line, index, separator, dtype, path, i)
        found.append(column)
    return tuple(found)


def _field(
    line: bytes, index: int, separator: bytes, dtype: Any, path: str, i: int
) -> Any:
    parts = [line] if index == WHOLE_LINE else line.split(separator)
    place = 0 if index == WHOLE_LINE else index
    if place >= len(parts):
        raise fail(
            InvalidArgumentError,
            f"Invalid number of columns in {path} line {i}",
            got=f"{line!r:.60} with {len(parts)}",
            expected=f"more than {place}",
        )
    if dtype.is_string:
        return parts[place]
    try:
        return int(parts[place]) if dtype.is_integer else float(parts[place])
    except ValueError:
        raise fail(
            InvalidArgumentError,
            f"Field {place} in {path} line {i} is no {dtype.name}",
            got=f"{parts[place]!r:.40}",
            expected=dtype.name,
        ) from None


TABLE_LINES = register_string_op(
    "TextFileLines",
    _read_lines,
    lambda: [
        Sample(
            (to_array(as_bytes(__file__) or b""),),
            {
                "columns": (-1, -2),
                "types": (dtypes.int64, dtypes.string),
                "delimiter": "\t",
                "most": 1,
                "offset": 0,
            },
        )
    ],
    infer=lambda x, *, types, **_: [(TensorShape([None]), dtype) for dtype in types],
    outputs=2,
    effect=Effect.HOST,
    reason="it reads a file",
    untrusted="works on files",
)
