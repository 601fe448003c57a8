"""TFRecord files: length, its masked CRC-32C, data, their masked CRC-32C."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphopt.errors import DataLossError, NotFoundError
from graphopt.files.checksums import masked

_HEAD = struct.Struct("<QI")
# The largest record that is read.
MOST_BYTES = 1 << 31


def frame(data: bytes) -> bytes:
    """Returns a record of bytes."""
    size = struct.pack("<Q", len(data))
    sums = struct.pack("<I", masked(size)), struct.pack("<I", masked(data))
    return b"".join((size, sums[0], data, sums[1]))


def _open(path: str, compression: str | None) -> Any:
    """Opens a file; `compression` is None (looked at), "", "GZIP" or "ZLIB"."""
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(path)!r}.") from None
    if compression is None:
        head = file.peek(12)[:12]
        # A length may begin as such a file does; its checksum tells.
        plain = len(head) == 12 and masked(head[:8]) == _HEAD.unpack(head)[1]
        compression = ""
        if not plain and head:
            compression = {b"\x1f": "GZIP", b"\x78": "ZLIB"}.get(head[:1], "")
    if not compression:
        return file
    with file:
        if compression == "GZIP":
            return gzip.open(path)
        return io.BytesIO(zlib.decompress(file.read()))


def read_records(
    path: str, compression: str | None = None, *, partial_ok: bool = False
) -> Iterator[bytes]:
    """Yields the records of a file.

    Args:
      path: The file.
      compression: `""`, `"GZIP"`, `"ZLIB"`, or None to look.
      partial_ok: Whether to end without an error at a record that is cut off, as one
        that is still being written.

    Raises:
      DataLossError: A record is damaged or cut off.
      NotFoundError: There is no such file.
    """
    with _open(path, compression) as file:
        while head := file.read(12):
            if len(head) == 12:
                size, crc = _HEAD.unpack(head)
                if masked(head[:8]) != crc:
                    raise DataLossError(
                        f"{path}: the length of a record has another checksum; is it "
                        "a file of TFRecords?"
                    )
                if size > MOST_BYTES:
                    raise DataLossError(f"{path}: a record of {size} bytes")
                data = file.read(size)
                tail = file.read(4)
                if len(data) == size and len(tail) == 4:
                    if masked(data) != struct.unpack("<I", tail)[0]:
                        raise DataLossError(f"{path}: a record has another checksum")
                    yield data
                    continue
            if partial_ok:
                return
            raise DataLossError(f"{path} ends within a record")


class RecordWriter:
    """Writes a file of records.

    Args:
      path: The file, which is replaced.
      options: `"GZIP"`, `"ZLIB"`, None, or a `TFRecordOptions`.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        kind = getattr(options, "compression_type", options) or ""
        self._raw: Any = Path(path).open("wb")  # noqa: SIM115 (`close` closes it)
        self._file: Any = self._raw
        if kind == "GZIP":
            self._file = gzip.GzipFile(fileobj=self._raw, mode="wb")
        elif kind == "ZLIB":
            self._file = _ZlibFile(self._raw)
        elif kind:
            self._raw.close()
            raise ValueError(f"compression is {kind!r}, expected '', 'GZIP' or 'ZLIB'.")

    def write(self, record: bytes) -> None:
        """Writes one record."""
        self._file.write(frame(record))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not self._raw:
            self._file.close()
        self._raw.close()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _ZlibFile:
    def __init__(self, raw: Any) -> None:
        self._raw, self._zlib = raw, zlib.compressobj()

    def write(self, data: bytes) -> None:
        self._raw.write(self._zlib.compress(data))

    def flush(self) -> None:
        self._raw.flush()

    def close(self) -> None:
        self._raw.write(self._zlib.flush())
