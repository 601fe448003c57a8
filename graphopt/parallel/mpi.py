"""Whether this process is one of several, and the library through which it talks to them.

`import mpi4py.MPI` starts MPI, which takes 0.1 to 0.3 s and makes a process that nobody
launched a world of its own. So it happens when a strategy is made, not before.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

__all__ = [
    "EXPECTED_RANKS",
    "SETTINGS",
    "ends_with_python",
    "expected_ranks",
    "find_task",
    "is_launched",
    "launched_ranks",
    "load_mpi",
]

EXPECTED_RANKS: Final = "GRAPHOPT_EXPECTED_RANKS"
"""The variable in which `graphopt run` says how many processes it has started."""
# What launchers tell their processes: how many there are, where they say that.
_SIZES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
# And that there are any.
_MARKS: Final = (*_SIZES[:2], "PMIX_RANK", EXPECTED_RANKS)

SETTINGS: Final = {"OMPI_MCA_coll_libnbc_iallreduce_algorithm": "3"}
"""What Open MPI is told before it starts, where the user does not. Reductions that are begun and
not waited for are sums at one rank that are sent to all, unless it is told to have each rank add
a part (Rabenseifner's algorithm): 134 MB between two machines at 2 Gb/s take 1.2 and 0.6 s."""

_INSTALL: Final = 'pip install "graphopt[mpi]" brings mpi4py and Open MPI'


def is_launched() -> bool:
    """Returns whether a launcher has started this process as one of several."""
    return any(name in os.environ for name in _MARKS)


def expected_ranks() -> int | None:
    """Returns how many ranks `graphopt run` has started; None if it has not."""
    text = os.environ.get(EXPECTED_RANKS, "")
    return int(text) if text.isdigit() else None


def launched_ranks() -> int | None:
    """Returns how many ranks the launcher says that there are; None if it is silent."""
    for name in _SIZES[:2]:
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    return None


class _Loading:
    by_us = before_us = False


def ends_with_python() -> bool:
    """Returns whether mpi4py ends MPI when Python ends, which waits for all ranks.

    It does if the program has loaded it by itself, before there was a strategy.
    """
    return _Loading.before_us


def load_mpi() -> Any:
    """Loads and starts MPI.

    Returns:
      The module `mpi4py.MPI`.

    Raises:
      ImportError: mpi4py, or an MPI library for it, is not installed.
      RuntimeError: The launcher and the library are of two implementations: then each
        process would be alone, and train alone.
    """
    if not _Loading.by_us and "mpi4py.MPI" in sys.modules:
        _Loading.before_us = True
    _Loading.by_us = True
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        settings = importlib.import_module("mpi4py")
        settings.rc.thread_level = "multiple"
        # `failures` ends it, unless a rank is gone.
        settings.rc.finalize = False
        mpi = importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise ImportError(
            f"Several processes need mpi4py and an MPI library, of which one is missing "
            f"({error}); {_INSTALL}."
        ) from error
    size = mpi.COMM_WORLD.Get_size()
    wanted = expected_ranks() or launched_ranks()
    if wanted is not None and size != wanted:
        version = mpi.Get_library_version().split("\n")[0].split(",")[0].strip()
        raise RuntimeError(
            f"{wanted} ranks were started, but this one sees {size}: the launcher and the "
            f"MPI library ({version}) are of two implementations; got a world of {size}; "
            f"expected {wanted}; try `graphopt run -n {wanted}`, or the mpiexec that "
            "belongs to the library."
        )
    return mpi


def find_task() -> tuple[int, int]:
    """Returns the number of this process and how many there are, by the launcher."""
    for rank, size in (
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
        ("SLURM_PROCID", "SLURM_NTASKS"),
    ):
        if rank in os.environ and size in os.environ and is_launched():
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1
