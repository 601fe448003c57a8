"""One folder of checked files: nothing is believed that was not verified.

An entry is a header (magic, version, length, key, SHA-256 of the rest) and a payload.
Every bit of it is compared with something: what is damaged, cut short, under a wrong
name or from another version is noticed. The checksum guards against corruption alone;
against other users there are the owner and the mode of the folder and of the file, both
read from the open descriptor, so that nothing can be exchanged in between.

An entry is written under a name that cannot be guessed and renamed when it is complete:
readers see all of it or nothing, and writers of the same entry do not disturb each
other. There is no index to go out of step with the files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["CacheError", "CacheFolder", "check_folder", "pack_entry", "unpack_entry"]

MAGIC: Final = b"\x89GraphO\n"
VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIQ32s32s")
MAX_ENTRY_BYTES: Final = 16 << 20
CAP_BYTES: Final = 256 << 20

ENTRY: Final = re.compile(r"[0-9a-f]{64}\.o")
PARTIAL: Final = re.compile(r"\.[0-9a-f]{32}\.partial")
_PARTIAL_AGE_S = 3600
_TOUCH_AGE_S = 3600


class CacheError(Exception):
    """The cache cannot be used, or one of its files cannot."""


def pack_entry(key: str, payload: bytes) -> bytes:
    """Writes an entry.

    Args:
      key: 64 hexadecimal digits.
      payload: What to keep.

    Returns:
      Header and payload.
    """
    digest = hashlib.sha256(payload).digest()
    header = _HEADER.pack(MAGIC, VERSION, len(payload), bytes.fromhex(key), digest)
    return header + payload


def unpack_entry(key: str, data: bytes) -> bytes:
    """Verifies an entry.

    Args:
      key: The key it should have.
      data: Header and payload.

    Returns:
      The payload.

    Raises:
      CacheError: If anything is not as `pack_entry` writes it.
    """
    if len(data) < _HEADER.size:
        raise CacheError("it is too short")
    magic, version, length, own_key, digest = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    if magic != MAGIC or version != VERSION:
        raise CacheError("it is of another format")
    if own_key != bytes.fromhex(key):
        raise CacheError("it is under another name than it was written for")
    if length != len(payload) or digest != hashlib.sha256(payload).digest():
        raise CacheError("it is damaged")
    return payload


def _check_owner(status: os.stat_result, what: str) -> None:
    if status.st_uid != os.geteuid():
        raise CacheError(f"{what} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(f"{what} can be written by other users")


def _check_parents(folder: Path) -> None:
    # Whoever may write to a parent can put another folder in the place of this one.
    for parent in Path(os.path.realpath(folder.parent), "x").parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise CacheError(f"{parent} can be written by all users")


def check_folder(path: Path) -> None:
    """Verifies the owner and the mode of a folder and of those it is in.

    Args:
      path: Where it is.

    Raises:
      CacheError: If others may change what is in it.
      OSError: If it cannot be looked at, or is not there.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(path, flags)
    try:
        _check_owner(os.fstat(folder), "the folder")
        _check_parents(path.absolute())
    finally:
        os.close(folder)


class CacheFolder:
    """A folder of entries.

    Args:
      path: Where it is; it is made when something is stored.
      cap_bytes: Size above which the entries not used for longest are removed.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path.absolute()
        self.cap_bytes = cap_bytes
        self._unswept = cap_bytes  # The first entry stored makes it look.

    @contextlib.contextmanager
    def _open(self, make: bool) -> Iterator[int]:
        """Gives the descriptor of the folder, verified anew each time."""
        if make:
            missing = [
                path for path in (self.path, *self.path.parents) if not path.exists()
            ]
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(self.path, flags)
        try:
            _check_owner(os.fstat(folder), "the folder")
            _check_parents(self.path)
            yield folder
        finally:
            os.close(folder)

    def read(self, key: str) -> bytes | None:
        """Reads an entry.

        Args:
          key: Its key.

        Returns:
          The verified payload, None if there is no such entry.

        Raises:
          CacheError: If there is one that may not be used.
          OSError: If it cannot be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            with self._open(make=False) as folder:
                file = os.open(f"{key}.o", flags, dir_fd=folder)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise CacheError("it is not a regular file")
            _check_owner(status, "it")
            if status.st_size > _HEADER.size + MAX_ENTRY_BYTES:
                raise CacheError("it is too long")
            payload = unpack_entry(key, _read_all(file, status.st_size))
            # Many systems write down a day late that a file was read, or never.
            now = time.time()
            if now - status.st_atime > _TOUCH_AGE_S:
                with contextlib.suppress(OSError):
                    os.utime(file, ns=(int(now * 1e9), status.st_mtime_ns))
            return payload
        finally:
            os.close(file)

    def write(self, key: str, payload: bytes) -> None:
        """Stores an entry, in place of what is there.

        Args:
          key: Its key.
          payload: What to keep; too long a one is not kept.

        Raises:
          CacheError: If the folder may not be used.
          OSError: If it cannot be written.
        """
        if len(payload) > MAX_ENTRY_BYTES:
            return
        data = pack_entry(key, payload)
        partial = f".{os.urandom(16).hex()}.partial"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._open(make=True) as folder:
            file = os.open(partial, flags, 0o600, dir_fd=folder)
            try:
                try:
                    _write_all(file, data)
                    os.fsync(file)
                finally:
                    os.close(file)
                os.replace(partial, f"{key}.o", src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(partial, dir_fd=folder)
                raise
            self._unswept += len(data)
            # Looking at all files takes time, so it is done once in a while.
            if self._unswept > self.cap_bytes // 16:
                self._unswept = 0
                self._sweep(folder)

    def _sweep(self, folder: int) -> None:
        """Removes what killed writers left, then old entries until all fit."""
        entries: list[tuple[float, str, int]] = []
        with os.scandir(folder) as found:
            for item in found:
                with contextlib.suppress(FileNotFoundError):
                    status = item.stat(follow_symlinks=False)
                    if ENTRY.fullmatch(item.name):
                        used = max(status.st_atime, status.st_mtime)
                        entries.append((used, item.name, status.st_size))
                    elif (
                        PARTIAL.fullmatch(item.name)
                        and time.time() - status.st_mtime > _PARTIAL_AGE_S
                    ):
                        os.unlink(item.name, dir_fd=folder)
        total = sum(size for _, _, size in entries)
        for _, name, size in sorted(entries):
            if total <= self.cap_bytes:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            total -= size


def _read_all(file: int, size: int) -> bytes:
    parts = []
    # One byte more than there should be shows a file that grew.
    left = size + 1
    while left > 0 and (part := os.read(file, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
