"""Elements of files: records, lines, pieces of one length."""

from __future__ import annotations

import glob
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.blocks import Block
from graphopt.data.context import Context
from graphopt.data.dataset import Dataset
from graphopt.data.mixing import InterleaveCursor
from graphopt.data.node import Cursor, Node, node_of
from graphopt.data.sources import Arrays
from graphopt.errors import InvalidArgumentError, NoSuchFileError, fail
from graphopt.files.records import read_records
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec

# A file that is read whole; from its name.
Reader = Callable[[str], Iterator[bytes]]
# Files that take turns where the program leaves it to us.
_CYCLE = 4


def text_of(name: Any) -> str:
    """Returns a file name as text."""
    name = np.asarray(name)[()] if isinstance(name, np.ndarray) else name
    return name.decode() if isinstance(name, bytes) else str(name)


def matching_files(patterns: Any) -> list[bytes]:
    """Returns the names of the files that match glob patterns, sorted."""
    if hasattr(patterns, "numpy"):
        patterns = patterns.numpy()
    flat = np.asarray(patterns, object).reshape(-1).tolist()
    found = {name for p in flat for name in glob.glob(text_of(p))}  # noqa: PTH207
    return [name.encode() for name in sorted(found)]


def read_bytes(name: str, compression: str) -> bytes:
    """Returns what is in a file.

    Raises:
      NotFoundError: There is no such file.
      InvalidArgumentError: There is no such compression.
    """
    if compression not in ("", "GZIP", "ZLIB"):
        raise fail(
            InvalidArgumentError,
            "Unsupported compression_type",
            got=repr(compression),
            expected="'', 'GZIP' or 'ZLIB'",
            site=str(user_site()),
        )
    try:
        data = Path(name).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise fail(
            NoSuchFileError, f"{name}; No such file or directory", got=repr(name)
        ) from None
    if compression == "GZIP":
        return gzip.decompress(data)
    return zlib.decompress(data) if compression == "ZLIB" else data


def read_lines(name: str, compression: str = "") -> Iterator[bytes]:
    """Yields the lines of a file, without their ends."""
    data = read_bytes(name, compression)
    if not data:
        return
    lines = data.replace(b"\r", b"").split(b"\n")
    yield from lines if lines[-1] else lines[:-1]


def read_pieces(
    name: str, compression: str, size: int, header: int, footer: int, hop: int = 0
) -> Iterator[bytes]:
    """Yields the pieces of a file, which have one length.

    Raises:
      InvalidArgumentError: What is between header and footer is no multiple of it.
    """
    data = read_bytes(name, compression)
    body = data[header : len(data) - footer]
    if not hop and len(body) % size:
        raise fail(
            InvalidArgumentError,
            f"Excess bytes in {name}: the size of its body is no multiple of the length "
            "of a record",
            got=f"a body of {len(body)} bytes",
            expected=f"records of {size} bytes",
        )
    for start in range(0, len(body) - size + 1, hop or size):
        yield body[start : start + size]


class FileRecords(Node):
    """The records of files, one file after the other, or some in turns.

    Args:
      names: A data set of file names.
      reader: Yields the records of a file.
      parallel: How many files take turns; None for one after the other.
    """

    def __init__(self, names: Node, reader: Reader, parallel: int | None) -> None:
        super().__init__(TensorSpec((), dtypes.string), [names])
        self.reader = reader
        self.cycle = 1 if parallel is None else _CYCLE if parallel < 0 else parallel

    def cursor(self, context: Context) -> Cursor:
        """Opens the files when they are wanted."""
        names = self.inputs[0].cursor(context.child("names"))
        return InterleaveCursor(names, self, context, self.cycle, 1)

    def call(self, arrays: Sequence[Any]) -> list[Node]:
        """Returns the records of a file, as a function of its name."""
        return [_File(text_of(arrays[0]), self.reader)]


class _File(Node):
    def __init__(self, name: str, reader: Reader) -> None:
        super().__init__(TensorSpec((), dtypes.string))
        self.name, self.reader = name, reader

    def cursor(self, context: Context) -> Cursor:
        return RecordCursor(self.reader(self.name))


class RecordCursor(Cursor):
    """Gives what yields bytes as scalar strings."""

    def __init__(self, records: Iterator[bytes]) -> None:
        super().__init__()
        self.records = records
        self.error: Exception | None = None

    def pull(self, count: int) -> Block | None:
        """The next records."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        found: list[bytes] = []
        try:
            for record in self.records:
                found.append(record)
                if len(found) == count:
                    break
        except Exception as error:
            if not found:
                raise
            self.error = error
        if not found:
            return None
        column = np.empty(len(found), object)
        column[:] = found
        return Block(len(found), [column])


def names_node(filenames: Any) -> Node:
    """Returns the data set of file names that an argument stands for.

    Args:
      filenames: A name, several, a tensor or a data set of them.

    Raises:
      TypeError: Its elements are no scalar strings.
    """
    node = node_of(filenames)
    if node is not None:
        if node.element_spec != TensorSpec((), dtypes.string):
            raise fail(
                TypeError,
                "The `filenames` argument must contain `tf.string` elements",
                got=repr(node.element_spec),
                site=str(user_site()),
            )
        return node
    if isinstance(filenames, (str, bytes)) or hasattr(filenames, "__fspath__"):
        filenames = [filenames]
    if isinstance(filenames, (list, tuple)):
        filenames = [
            str(name) if hasattr(name, "__fspath__") else name for name in filenames
        ]
    if getattr(getattr(filenames, "shape", None), "rank", None) == 0:
        from graphopt.ops.shaping import reshape

        filenames = reshape(filenames, [-1])
    made = Arrays(filenames, by_rows=True)
    if len(made.leaves) and made.leaves[0].shape[0] == 0:
        return Arrays(np.empty(0, object), by_rows=True)
    return made


def compression_of(kind: Any) -> str:
    """Returns a kind of compression as text, "" for none."""
    return "" if kind is None else text_of(kind)


class TFRecordDataset(Dataset):
    """The records of TFRecord files, as scalar strings.

    Args:
      filenames: A name, several, or a data set of names.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.
      buffer_size: Accepted for compatibility.
      num_parallel_reads: How many files take turns; by default one follows the other.
      name: Accepted.

    Source: `tf.data.TFRecordDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: int | None = None,
        name: str | None = None,
    ) -> None:
        kind = compression_of(compression_type)
        names = names_node(filenames)
        super().__init__(
            FileRecords(names, lambda f: read_records(f, kind), num_parallel_reads)
        )


class TextLineDataset(Dataset):
    """The lines of files, as scalar strings.

    Args:
      filenames: A name, several, or a data set of names.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.
      buffer_size: Accepted for compatibility.
      num_parallel_reads: How many files take turns; by default one follows the other.
      name: Accepted.

    Source: `tf.data.TextLineDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: int | None = None,
        name: str | None = None,
    ) -> None:
        kind = compression_of(compression_type)
        names = names_node(filenames)
        super().__init__(
            FileRecords(names, lambda f: read_lines(f, kind), num_parallel_reads)
        )


class FixedLengthRecordDataset(Dataset):
    """Pieces of files, all of one length, as scalar strings.

    Args:
      filenames: A name, several, or a data set of names.
      record_bytes: The length of a piece.
      header_bytes: What is left out at the beginning of a file.
      footer_bytes: What is left out at its end.
      buffer_size: Accepted for compatibility.
      compression_type: `""`, `"GZIP"` or `"ZLIB"`.
      num_parallel_reads: How many files take turns; by default one follows the other.
      name: Accepted.

    Source: `tf.data.FixedLengthRecordDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: int | None = None,
        name: str | None = None,
    ) -> None:
        kind = compression_of(compression_type)
        sizes = int(record_bytes), int(header_bytes or 0), int(footer_bytes or 0)

        def read(file: str) -> Iterator[bytes]:
            return read_pieces(file, kind, *sizes)

        names = names_node(filenames)
        super().__init__(FileRecords(names, read, num_parallel_reads))
