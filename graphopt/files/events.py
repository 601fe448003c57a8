"""TensorBoard's event files: records of `Event` messages."""

from __future__ import annotations

import functools
import os
import socket
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.files import messages as m
from graphopt.files.records import frame, read_records
from graphopt.files.wire import put_varint

# Seconds after which what was written is handed to the operating system.
FLUSH_SECONDS = 120.0
_numbering = threading.Lock()
_written = 0


def event_file_name(folder: str, suffix: str = "") -> Path:
    """Returns a name that TensorBoard reads: it contains `tfevents`.

    Args:
      folder: Where it lies.
      suffix: What the program wants at its end.
    """
    global _written
    with _numbering:
        count = _written
        _written += 1
    now = f"{int(time.time()):010d}"
    host, process = socket.gethostname(), os.getpid()
    return Path(folder) / f"events.out.tfevents.{now}.{host}.{process}.{count}{suffix}"


class EventFile:
    """An event file that is being written; threads may share it.

    Args:
      folder: Where it lies; made if it is not there.
      suffix: The end of its name.
      flush_seconds: After how many seconds what was added is flushed.
    """

    def __init__(
        self, folder: Any, suffix: str = "", flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self.folder, self.suffix = os.fspath(folder), suffix
        self._flush_seconds = flush_seconds
        self._lock = threading.Lock()
        self._file: Any = None
        self._flushed = time.monotonic()
        self.open()

    @property
    def is_open(self) -> bool:
        """Whether events can be added."""
        return self._file is not None

    def open(self) -> None:
        """Begins a file, another one after `close`."""
        with self._lock:
            if self._file is not None:
                return
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            self.path = event_file_name(self.folder, self.suffix)
            self._file = self.path.open("ab")
            # Programs drop writers without closing them.
            weakref.finalize(self, self._file.close)
        self.add(m.Event(file_version="brain.Event:2"))
        self.flush()

    def add(self, event: Any) -> None:
        """Adds an event, with the time of now if it has none.

        Raises:
          ValueError: The file is closed.
        """
        if not event.wall_time:
            event.wall_time = time.time()
        self._write(event.SerializeToString())

    def _write(self, event: bytes) -> None:
        data = frame(event)
        with self._lock:
            if self._file is None:
                raise ValueError(f"The event file in {self.folder!r} is closed.")
            self._file.write(data)
            if time.monotonic() - self._flushed > self._flush_seconds:
                self._file.flush()
                self._flushed = time.monotonic()

    def add_summary(self, summary: bytes, step: int | None) -> None:
        """Adds the bytes of a `Summary` as they are."""
        head = m.Event(wall_time=time.time())
        if step is not None:
            head.step = step
        # The fields of a message may stand in any order: the summary is the last one.
        size = put_varint(len(summary))
        self._write(b"".join((head.SerializeToString(), b"\x2a", size, summary)))

    def flush(self) -> None:
        """Hands what was added to the operating system."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                self._flushed = time.monotonic()

    def close(self) -> None:
        """Flushes and closes the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class NoEventFile(EventFile):
    """What stands for an event file where another process writes it."""

    def open(self) -> None:
        """Writes nothing."""
        self.path = event_file_name(self.folder, self.suffix)

    def add(self, event: Any) -> None:
        """Writes nothing."""

    def flush(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def read_events(path: Any) -> Iterator[Any]:
    """Yields the events of a file, also of one that is still being written.

    Source: `tf.compat.v1.train.summary_iterator`.
    """
    for record in read_records(os.fspath(path), "", partial_ok=True):
        yield m.Event.FromString(record)


@functools.cache
def _bucket_limits() -> NDArray[Any]:
    limits, value = [], 1e-12
    while value < 1e20:
        limits.append(value)
        value *= 1.1
    limits.append(np.finfo(np.float64).max)
    return np.array([*(-x for x in reversed(limits)), 0.0, *limits])


def histogram_bytes(values: Any) -> bytes:
    """Returns the `Histogram` message, as bytes, of the finite elements of an array.

    Buckets grow by a tenth from 1e-12 to 1e20, on both sides of 0; of a run of empty ones
    the last is kept. Source: tensorflow/core/lib/histogram/histogram.cc.
    """
    values = np.asarray(values, np.float64).ravel()
    if not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    limits = _bucket_limits()
    last = limits.size - 1
    ends: list[float] = [0.0, 0.0, 0.0, 0.0, 0.0]
    keep, counts = np.array([last]), np.zeros(1)
    if values.size:
        places = np.searchsorted(limits, values, "right")
        first = int(places.min())
        numbers = np.bincount(places - first)
        # A bucket is kept that is full, or before a full one, or the last of all.
        full = np.zeros(numbers.size + 2, np.bool_)
        full[1:-1] = numbers > 0
        kept = np.flatnonzero(full[:-1] | full[1:]) + (first - 1)
        counts = np.append(0.0, numbers)[kept - (first - 1)]
        if first == 0:
            kept, counts = kept[1:], counts[1:]
        keep = kept
        if keep[-1] != last:
            keep, counts = np.append(keep, last), np.append(counts, 0.0)
        total = float(values.sum())
        ends = [float(values.min()), float(values.max()), float(values.size), total]
        ends.append(float(np.dot(values, values)))
    parts = []
    for number, value in enumerate(ends, 1):
        if value:
            parts.append(struct.pack("<Bd", number << 3 | 1, value))
    for head, array in ((b"\x32", limits[keep]), (b"\x3a", counts)):
        parts += (head, put_varint(array.nbytes), array.astype("<f8").tobytes())
    return b"".join(parts)


def encode_png(image: NDArray[Any]) -> bytes:
    """Returns an image as a PNG file.

    Args:
      image: uint8 of shape (height, width, channels), 1 to 4 of them.

    Raises:
      ValueError: It has another number of channels.
    """
    height, width, channels = image.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}.get(channels)
    if kind is None:
        raise ValueError(f"An image has 1 to 4 channels, got {channels}.")
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = image.reshape(height, -1)

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows.tobytes()))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def bytes_of_image(image: NDArray[Any]) -> NDArray[Any]:
    """Returns an image as uint8, scaled as TensorFlow 1 does.

    Floats are scaled by their largest magnitude: to 0 to 255 where none is negative,
    else so that 0 becomes 127. What is not finite becomes red.
    """
    if image.dtype == np.uint8:
        return image
    image = image.astype(np.float32)
    finite = np.isfinite(image).all(-1)
    inner = image[finite]
    lowest = float(inner.min()) if inner.size else 0.0
    highest = float(inner.max()) if inner.size else 0.0
    if lowest < 0:
        largest = max(-lowest, highest)
        scale, offset = (0.0 if largest < 1e-6 else 127.0 / largest), 128.0
    else:
        scale, offset = (0.0 if highest < 1e-6 else 255.0 / highest), 0.0
    with np.errstate(invalid="ignore"):
        scaled = image * np.float32(scale) + np.float32(offset)
        scaled[~finite] = 0.0
    pixels = scaled.astype(np.uint8)
    bad = np.zeros(image.shape[-1], np.uint8)
    bad[0] = 255
    if image.shape[-1] == 4:
        bad[3] = 255
    pixels[~finite] = bad
    return pixels
