"""Readers of TensorFlow 1: records of files whose names come from a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.files import read_bytes, read_lines, read_pieces, text_of
from graphopt.data.queues import QueueBase
from graphopt.errors import OutOfRangeError
from graphopt.files.records import read_records
from graphopt.graph.hooks import hooks
from graphopt.ops.outside import READ, RESET, SIZE, add_outside

Record = tuple[bytes, bytes]


class _State:
    """What a reader is at in one session."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self.records: Iterator[Record] | None = None
        self.produced = self.completed = 0

    def cancel(self) -> None:
        """Nothing waits here; the queue does."""

    def next(self, queue: Any, open_file: Callable[[str], Iterator[Record]]) -> Record:
        """Returns the next record, of the next file where one has ended."""
        while True:
            if self.records is None:
                (name,) = queue.take(1)[0]
                self.records = open_file(text_of(name))
            record = next(self.records, None)
            if record is not None:
                self.produced += 1
                return record
            self.records = None
            self.completed += 1


class ReaderBase:
    """Reads records of files.

    Source: `tf.compat.v1.ReaderBase`.
    """

    supports_serialize = False

    def __init__(self, name: str | None = None) -> None:
        self._name = name or type(self).__name__

    def _open(self, name: str) -> Iterator[Record]:
        raise NotImplementedError

    def _state(self, store: Any) -> _State:
        state = store.resource(self, _State)
        assert isinstance(state, _State)
        return state

    @property
    def reader_ref(self) -> Any:
        """What stands for the reader."""
        return self

    def read(self, queue: QueueBase, name: str | None = None) -> Any:
        """Returns the next record of the files whose names are in a queue.

        Args:
          queue: A queue of scalar strings.
          name: Name of the op.

        Returns:
          Two scalar strings: a key that tells file and place, and the record.

        Raises:
          OutOfRangeError: When it runs: the queue is closed and empty.
        """

        def handler(store: Any) -> list[Any]:
            state = self._state(store)
            with state.lock:
                record = state.next(queue._state(store), self._open)
            return [np.array(part, object) for part in record]

        return _Pair(
            add_outside(
                READ,
                handler,
                (),
                [dtypes.string] * 2,
                [(), ()],
                name=name or self._name,
            )
        )

    def read_up_to(
        self, queue: QueueBase, num_records: Any, name: str | None = None
    ) -> Any:
        """Returns the next records, fewer only at the end of the last file.

        Args:
          queue: A queue of scalar strings.
          num_records: How many at most.
          name: Name of the op.

        Returns:
          Two vectors of strings: keys and records.
        """

        def handler(store: Any, wanted: Any) -> list[Any]:
            state = self._state(store)
            found: list[Record] = []
            with state.lock:
                while len(found) < int(wanted):
                    try:
                        found.append(state.next(queue._state(store), self._open))
                    except OutOfRangeError:
                        if not found:
                            raise
                        break
            return [_vector([r[i] for r in found]) for i in range(2)]

        count = hooks.convert(num_records, dtype_hint=dtypes.int64)
        made = add_outside(
            READ,
            handler,
            [count],
            [dtypes.string] * 2,
            [[None], [None]],
            name=name or self._name,
        )
        return _Pair(made)

    def num_records_produced(self, name: str | None = None) -> Any:
        """Returns how many records were read, an int64."""
        return self._ask(lambda state: state.produced, name)

    def num_work_units_completed(self, name: str | None = None) -> Any:
        """Returns how many files were read to their end, an int64."""
        return self._ask(lambda state: state.completed, name)

    def _ask(self, question: Callable[[_State], int], name: str | None) -> Any:
        (answer,) = add_outside(
            SIZE,
            lambda store: [np.array(question(self._state(store)), np.int64)],
            (),
            [dtypes.int64],
            [()],
            name=name,
        )
        return answer

    def reset(self, name: str | None = None) -> Any:
        """Returns an op that begins anew, with the next file of the queue."""

        def handler(store: Any) -> tuple[()]:
            state = self._state(store)
            with state.lock:
                state.reset()
            return ()

        return add_outside(RESET, handler, name=name)

    def serialize_state(self, name: str | None = None) -> Any:
        """Not available: a reader begins anew in each session."""
        raise NotImplementedError("The state of readers is not saved.")

    def restore_state(self, state: Any, name: str | None = None) -> Any:
        """Not available: a reader begins anew in each session."""
        raise NotImplementedError("The state of readers is not saved.")


class _Pair(tuple[Any, ...]):
    """A key and a value, by these names too."""

    __slots__ = ()

    @property
    def key(self) -> Any:
        """Which record it is."""
        return self[0]

    @property
    def value(self) -> Any:
        """The record."""
        return self[1]


def _vector(parts: list[bytes]) -> Any:
    out = np.empty(len(parts), object)
    out[:] = parts
    return out


class WholeFileReader(ReaderBase):
    """Each file is a record; its name is the key.

    Source: `tf.compat.v1.WholeFileReader`.
    """

    def _open(self, name: str) -> Iterator[Record]:
        yield name.encode(), read_bytes(name, "")


class IdentityReader(ReaderBase):
    """Each name is a record, and the key.

    Source: `tf.compat.v1.IdentityReader`.
    """

    def _open(self, name: str) -> Iterator[Record]:
        yield name.encode(), name.encode()


class TextLineReader(ReaderBase):
    """Each line is a record.

    Args:
      skip_header_lines: How many lines of each file are left out.
      name: Name of its ops.

    Source: `tf.compat.v1.TextLineReader`.
    """

    def __init__(self, skip_header_lines: int | None = None, name: Any = None) -> None:
        super().__init__(name)
        self._skip = skip_header_lines or 0

    def _open(self, name: str) -> Iterator[Record]:
        for number, line in enumerate(read_lines(name), 1):
            if number > self._skip:
                yield f"{name}:{number}".encode(), line


class TFRecordReader(ReaderBase):
    """Records of TFRecord files.

    Args:
      name: Name of its ops.
      options: A `TFRecordOptions` that names the compression.

    Source: `tf.compat.v1.TFRecordReader`.
    """

    def __init__(self, name: Any = None, options: Any = None) -> None:
        super().__init__(name)
        self._compression = getattr(options, "compression_type", options) or ""

    def _open(self, name: str) -> Iterator[Record]:
        place = 0
        for record in read_records(name, self._compression):
            yield f"{name}:{place}".encode(), record
            place += len(record) + 16


class FixedLengthRecordReader(ReaderBase):
    """Pieces of files, all of one length.

    Args:
      record_bytes: The length.
      header_bytes: What is left out at the beginning of a file.
      footer_bytes: What is left out at its end.
      hop_bytes: How far apart records begin; `record_bytes` by default.
      name: Name of its ops.
      encoding: Must be None or "".

    Source: `tf.compat.v1.FixedLengthRecordReader`.
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: Any = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(name)
        if encoding:
            raise NotImplementedError(f"encoding={encoding!r} of a reader.")
        self._sizes = record_bytes, header_bytes or 0, footer_bytes or 0, hop_bytes or 0

    def _open(self, name: str) -> Iterator[Record]:
        for number, piece in enumerate(read_pieces(name, "", *self._sizes)):
            yield f"{name}:{number}".encode(), piece
