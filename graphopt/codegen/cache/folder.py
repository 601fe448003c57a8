"""What is in the kernel cache, and the emptying of it: for people, not for programs."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from graphopt.codegen.cache import kernels as cache
from graphopt.codegen.cache.entry import (
    CAP_BYTES,
    ENTRY,
    PARTIAL,
    CacheError,
    check_folder,
)
from graphopt.config import settings

__all__ = ["CacheState", "clear_cache", "describe_cache"]


@dataclass(frozen=True)
class CacheState:
    """What is known of the cache.

    Attributes:
      folder: Where it is; empty if that cannot be known.
      is_on: Whether it is switched on.
      entries: How many kernels are in it.
      nbytes: Their size.
      cap_bytes: The size from which on the oldest are removed.
      problem: Why it cannot be used; empty if it can.
    """

    folder: str
    is_on: bool
    entries: int
    nbytes: int
    cap_bytes: int
    problem: str


def describe_cache() -> CacheState:
    """Looks at the cache without changing anything.

    Returns:
      What was found.
    """
    try:
        folder = cache.find_folder()
    except RuntimeError as error:
        return CacheState("", settings.cache, 0, 0, CAP_BYTES, str(error))
    sizes: list[int] = []
    problem = "" if settings.cache else "it is switched off"
    try:
        check_folder(folder)
        with os.scandir(folder) as found:
            for item in found:
                if ENTRY.fullmatch(item.name):
                    sizes.append(item.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:
        # It is made when the first kernel is stored.
        pass
    except (CacheError, OSError) as error:
        problem = problem or f"{folder}: {error}"
    return CacheState(
        str(folder), settings.cache, len(sizes), sum(sizes), CAP_BYTES, problem
    )


def clear_cache() -> int:
    """Removes all kernels, and what killed writers left.

    Only files with the names of entries are touched, whatever else is in the folder.

    Returns:
      How many files were removed.

    Raises:
      CacheError: If the folder may not be used.
      OSError: If a file cannot be removed.
    """
    folder = cache.find_folder()
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        check_folder(folder)
        for item in list(os.scandir(folder)):
            if ENTRY.fullmatch(item.name) or PARTIAL.fullmatch(item.name):
                # Another process may be quicker.
                with contextlib.suppress(FileNotFoundError):
                    Path(item.path).unlink()
                    removed += 1
    return removed
