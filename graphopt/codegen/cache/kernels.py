"""The cache of compiled kernels: a program that ran before compiles nothing.

A kernel is compiled once and its object code kept in one file, named after everything
that it depends on (`cache_key`), verified when it is read (`cache_file`) and loaded
with llvmlite alone (`object_code`), so that the second process needs no numba.

A cache must never be the reason that a program fails. Whatever is wrong with it, the
kernel is compiled as if it were not there, and the user hears of it once.

The files are in `GRAPHOPT_CACHE_DIR`, else `$XDG_CACHE_HOME/graphopt`, else
`~/.cache/graphopt`; `GRAPHOPT_CACHE=off` turns all this off.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from graphopt.codegen.cache.entry import CacheError, CacheFolder
from graphopt.codegen.cache.key import content_key, read_environment
from graphopt.codegen.cache.object_code import (
    NativeKernel,
    ObjectCodeError,
    load_object_code,
    rename_symbol,
)
from graphopt.config import settings
from graphopt.errors import GraphoptWarning

__all__ = ["find_folder", "forget_warning", "load_kernel", "store_kernel"]

# Object code is read as ELF, and owners are those of POSIX.
_SUPPORTED: Final = sys.platform == "linux" and sys.byteorder == "little"

_FAULTS = (
    CacheError,
    ObjectCodeError,
    OSError,
    # The home folder of a user without one.
    RuntimeError,
    # A path with a zero byte in it.
    ValueError,
)

_warned = False


def _warn(what: str, error: BaseException) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    warnings.warn(
        f"The kernel cache cannot {what}: {error}. Kernels are compiled instead; "
        "GRAPHOPT_CACHE_DIR names another folder, GRAPHOPT_CACHE=off turns it off.",
        GraphoptWarning,
        stacklevel=2,
    )


def forget_warning() -> None:
    """Forgets that the user was warned, for tests."""
    global _warned
    _warned = False


def find_folder() -> Path:
    """Finds out where the cache is.

    Returns:
      The folder, which may not exist.

    Raises:
      RuntimeError: If the user has no home folder.
    """
    if settings.cache_dir:
        return Path(settings.cache_dir)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The rules of XDG say to ignore relative paths.
    home = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return home / "graphopt"


@functools.cache
def _open_folder(path: Path) -> CacheFolder:
    return CacheFolder(path)


def _is_on() -> bool:
    return _SUPPORTED and settings.cache


def load_kernel(
    family: str,
    source: str,
    name: str,
    imports: Mapping[str, int] | None = None,
    exports: Sequence[str] = (),
) -> NativeKernel | None:
    """Loads a kernel that was compiled before.

    Args:
      family: Which generator makes it.
      source: Its text, or the words that choose it.
      name: The name it is known by.
      imports: Addresses of functions it may call besides those of the C library.
      exports: Other entries of its code whose addresses are wanted.

    Returns:
      The kernel, None if it has to be compiled.
    """
    if not _is_on():
        return None
    try:
        key = content_key(family, source, read_environment())
        code = _open_folder(find_folder()).read(key)
        if code is None:
            return None
        return load_object_code(code, f"k_{key}", name, imports, exports)
    except _FAULTS as error:
        _warn("load a kernel", error)
        return None


def store_kernel(family: str, source: str, kernel: NativeKernel) -> None:
    """Keeps the object code of a kernel for other processes.

    Args:
      family: Which generator made it.
      source: Its text, or the words that choose it.
      kernel: The kernel as it was compiled.
    """
    if not _is_on():
        return
    try:
        key = content_key(family, source, read_environment())
        code = rename_symbol(kernel.object_code, kernel.symbol, f"k_{key}")
        _open_folder(find_folder()).write(key, code)
    except _FAULTS as error:
        _warn("store a kernel", error)
