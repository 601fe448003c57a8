"""Named arrays in one safetensors file, of which nothing is believed unchecked.

The format is a header in JSON and the plain numbers, which the `safetensors` package
reads and writes: it refuses headers whose sizes do not add up to the size of the file,
before memory is taken for anything. Added here are a limit on the header, limits on
shapes, and a CRC-32 of each array in the header's metadata: without it, a bit that fell
over in the numbers would go unnoticed. Files of other programs have no checksums and can
be read too.
"""

from __future__ import annotations

import math
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import (
    DataLossError,
    InvalidArgumentError,
    NoSuchFileError,
    NotFoundError,
    fail,
    storage_error,
)

if TYPE_CHECKING:
    from typing import Self

Array = NDArray[Any]
CHECKSUMS: Final = "graphopt.crc32"
# 30,000 variables have room in it; to refuse it takes little time and memory.
MAX_HEADER_BYTES: Final = 6 << 20
_MAX_RANK: Final = 32
_MAX_BYTES: Final = 1 << 62

_DTYPES: Final = {
    "F16": dtypes.float16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "U8": dtypes.uint8,
    "BOOL": dtypes.bool_,
}


def pack(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Returns the content of a file.

    Args:
      arrays: Contiguous arrays by name.
      metadata: Texts by name.

    Raises:
      InvalidArgumentError: There are so many that the file could not be read again.
      NotImplementedError: One is complex or of strings, which the format does not have in all sizes.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if array.dtype.kind == "c":
            raise NotImplementedError(
                f"{name!r} of dtype {array.dtype} cannot be saved in a checkpoint; save "
                "tf.math.real(v) and tf.math.imag(v) as two variables."
            )
        if array.dtype.kind == "O":
            raise NotImplementedError(
                f"{name!r} of dtype string cannot be saved in a checkpoint, which holds "
                "numbers; save a variable of numbers, or write a file of text."
            )
    checksums = "".join(_checksum(arrays[name]) for name in sorted(arrays))
    packed: bytes = save(dict(arrays), {**metadata, CHECKSUMS: checksums})
    header = int.from_bytes(packed[:8], "little")
    if header > MAX_HEADER_BYTES:
        raise fail(
            InvalidArgumentError,
            f"{len(arrays)} variables are too many for one checkpoint",
            got=f"{header} bytes of names and shapes",
            expected=f"at most {MAX_HEADER_BYTES}",
            remedy="several checkpoints, or shorter names",
        )
    return packed


class TensorFile:
    """A file of named arrays, opened and checked; to be used in a `with` block.

    Args:
      path: Where it is.

    Attributes:
      shapes: By name, sorted.
      metadata: Texts by name.

    Raises:
      NotFoundError: (a FileNotFoundError) There is no such file.
      DataLossError: It is damaged, cut short, or no safetensors file.
    """

    def __init__(self, path: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            _check_header(path)
            # Read into memory: a mapped file that another program cuts short kills the
            # process.
            file: Any = safe_open(path, framework="np", backend="pread")
            self._file = file
            self.metadata: dict[str, str] = file.metadata() or {}
            names = sorted(file.keys())
            self._slices = {name: file.get_slice(name) for name in names}
        except FileNotFoundError as error:
            raise fail(
                NoSuchFileError,
                "Reading a checkpoint failed: there is no such file",
                got=path,
                remedy="tf.train.latest_checkpoint(folder) for the newest there is",
            ) from error
        except SafetensorError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise storage_error(error, "Reading a checkpoint failed", path) from error
        self.shapes = {name: self._check_shape(name) for name in names}
        self._checksums = self._read_checksums(names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; safetensors does so when nothing refers to it."""
        self._slices = {}
        self._file = None

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def _damaged(self, why: str) -> DataLossError:
        return fail(
            DataLossError,
            f"The checkpoint {self.path} is damaged",
            got=why[:200],
            expected="a complete safetensors file",
            remedy="an older checkpoint, or a fresh copy of this one",
        )

    def _check_shape(self, name: str) -> tuple[int, ...]:
        shape = tuple(self._slices[name].get_shape())
        # An empty array may declare any size in its other dimensions.
        volume = math.prod(size for size in shape[: _MAX_RANK + 1] if size)
        if len(shape) > _MAX_RANK or 16 * volume > _MAX_BYTES:
            raise self._damaged(f"{name[:80]!r} of shape {str(shape)[:80]}")
        return shape

    def _read_checksums(self, names: list[str]) -> dict[str, str]:
        text = self.metadata.get(CHECKSUMS)
        if text is None:
            return {}
        every = [text[i : i + 8] for i in range(0, len(text), 8)]
        if len(every) != len(names):
            raise self._damaged("checksums that do not belong to it")
        return dict(zip(names, every, strict=True))

    def require(self, name: str) -> None:
        """Refuses names that are not in the file.

        Raises:
          NotFoundError: It is none of them.
        """
        if name not in self.shapes:
            raise fail(
                NotFoundError,
                f"Key {name} not found in checkpoint",
                got=f"{self.path}, with {len(self.shapes)} keys",
                expected=f"one of {list(self.shapes)[:8]}",
                remedy="tf.train.list_variables(path) for all of them",
            )

    def dtype(self, name: str) -> DType:
        """Returns the dtype of an array.

        Raises:
          InvalidArgumentError: graphopt has none that could hold its numbers.
        """
        written = self._slices[name].get_dtype()
        found = _DTYPES.get(written)
        if found is None:
            raise fail(
                InvalidArgumentError,
                f"Key {name} in the checkpoint {self.path} cannot be read",
                got=f"dtype {written}",
                expected=f"one of {', '.join(_DTYPES)}",
                remedy="converting it with the program that wrote it",
            )
        return found

    def read(self, name: str) -> Array:
        """Returns an array, compared with its checksum.

        Raises:
          NotFoundError: There is none of that name.
          DataLossError: It is not what was written.
          InvalidArgumentError: graphopt has no dtype for it.
        """
        from safetensors import SafetensorError

        self.require(name)
        dtype = self.dtype(name)
        try:
            array: Array = self._file.get_tensor(name)
        except SafetensorError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            what = "Reading a checkpoint failed"
            raise storage_error(error, what, self.path) from error
        if name in self._checksums and _checksum(array) != self._checksums[name]:
            raise self._damaged(f"{name!r} with another checksum than was written")
        if dtype is dtypes.bool_ and np.any(array.view(np.uint8) > 1):
            raise self._damaged(f"{name!r}, of dtype bool, with other values")
        return array


def _checksum(array: Array) -> str:
    return f"{zlib.crc32(array.data):08x}"


def _check_header(path: str) -> None:
    """Refuses what is no regular file, and headers that cost much to read."""
    # Looked at before it is opened, for to open a pipe is to wait for its writer.
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("it is not a regular file")
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = os.read(file, 8)
    finally:
        os.close(file)
    if int.from_bytes(first, "little") > MAX_HEADER_BYTES:
        raise fail(
            DataLossError,
            f"The checkpoint {path} is damaged",
            got=f"a header of {int.from_bytes(first, 'little')} bytes",
            expected=f"a safetensors file with at most {MAX_HEADER_BYTES} of them",
            remedy="an older checkpoint, or a fresh copy of this one",
        )
