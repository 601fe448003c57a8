"""Files of data sets: from a cache folder, or downloaded into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graphopt.errors import DataLossError, NotFoundError

# Seconds without an answer after which a download is given up.
TIMEOUT = 30.0


def cache_folder(cache_dir: Any = None, cache_subdir: Any = "datasets") -> Path:
    """Returns the folder that Keras keeps files in: `~/.keras/datasets` by default.

    Args:
      cache_dir: In place of `$KERAS_HOME`, or of `~/.keras` if that is not set.
      cache_subdir: The folder in it, or an absolute path.
    """
    home: Any = cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    found: Path = Path(home).expanduser() / os.fspath(cache_subdir)
    return found


def has_hash(path: Any, file_hash: str, algorithm: str = "auto") -> bool:
    """Returns whether a file has a hash: SHA-256 in 64 digits, or MD5 in 32."""
    is_sha = algorithm == "sha256" or (algorithm == "auto" and len(file_hash) == 64)
    digest = hashlib.sha256() if is_sha else hashlib.md5(usedforsecurity=False)
    with Path(path).open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest() == str(file_hash).lower()


def find_or_download(
    path: Path, origin: str, file_hash: str | None = None, algorithm: str = "auto"
) -> Path:
    """Returns the path of a file, downloaded if it is not there or has another hash.

    Args:
      path: Where it lies.
      origin: Its address.
      file_hash: What it must have.
      algorithm: `"sha256"`, `"md5"` or `"auto"`.

    Raises:
      NotFoundError: It is not there, and cannot be downloaded.
      DataLossError: What was downloaded has another hash.
    """
    there = "is not there"
    if path.is_file():
        if file_hash is None or has_hash(path, file_hash, algorithm):
            return path
        there = "has another hash than expected, so it is damaged or another version"
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"Downloading data from {origin}\n")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            try:
                with urllib.request.urlopen(origin, timeout=TIMEOUT) as answer:
                    shutil.copyfileobj(answer, file, 1 << 20)
            except OSError as error:
                raise NotFoundError(
                    f"The file {path} {there}, and downloading it from {origin} failed: "
                    f"{error}. Put the file there by hand, or set KERAS_HOME to the "
                    "folder whose `datasets` has it."
                ) from error
        if file_hash is not None and not has_hash(partial, file_hash, algorithm):
            raise DataLossError(
                f"What {origin} sent has another hash than {file_hash}; it was not kept."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: Any = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """Returns the path of a file in the cache, downloaded if it is not there.

    A download that is cut off leaves nothing behind.

    Args:
      fname: Its name in the cache, or an absolute path; by default that of `origin`.
      origin: Its address.
      untar: As `extract`, with the name of the folder in the archive as `fname`.
      md5_hash: As `file_hash`.
      file_hash: SHA-256 or MD5 that the file must have.
      cache_subdir: The folder in the cache, or an absolute path.
      hash_algorithm: `"sha256"`, `"md5"` or `"auto"`.
      extract: Whether an archive is unpacked beside it; files outside of that folder
        are refused.
      archive_format: `"tar"`, `"zip"`, `"auto"`, None, or a list of them.
      cache_dir: By default `$KERAS_HOME`, or else `~/.keras`.
      force_download: Whether to download a file that is there.

    Raises:
      ValueError: There is neither a name nor an origin.
      NotFoundError: It is not there and cannot be downloaded.
      DataLossError: It has another hash.

    Source: `tf.keras.utils.get_file`.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    name = os.fspath(fname) if fname else Path(urlsplit(origin).path).name
    if not name:
        raise ValueError(f"There is no file name in {origin!r}; give `fname`.")
    folder = cache_folder(cache_dir, cache_subdir)
    if untar:
        name = name.removesuffix(".tar.gz")
        path = folder / f"{name}.tar.gz"
    else:
        path = folder / name
    if force_download:
        path.unlink(missing_ok=True)
    is_new = not path.exists()
    find_or_download(path, origin, file_hash, hash_algorithm)
    if untar:
        if is_new or not (folder / name).exists():
            extract_archive(path, folder, "tar")
        return str(folder / name)
    if extract and archive_format:
        extract_archive(path, folder, archive_format)
    return str(path)


def extract_archive(path: Path, folder: Path, archive_format: Any = "auto") -> bool:
    """Unpacks an archive into a folder.

    Returns:
      Whether it is one of these formats.

    Raises:
      DataLossError: A file in it would land outside of the folder.
    """
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format
    formats = [formats] if isinstance(formats, str) else formats
    if "tar" in formats and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            try:
                tar.extractall(folder, filter="data")
            except tarfile.FilterError as error:
                raise DataLossError(f"{path}: {error}") from None
        return True
    if "zip" in formats and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = folder.resolve()
            for each in archive.namelist():
                if not (inside / each).resolve().is_relative_to(inside):
                    raise DataLossError(f"{path}: {each!r} would land outside {folder}")
            archive.extractall(folder)
        return True
    return False
