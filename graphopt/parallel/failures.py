"""What a rank does about its own end, so that no other waits for it for ever."""

from __future__ import annotations

import sys

from graphopt.parallel.communicator import world

__all__ = ["leave"]


def leave(code: int, error: BaseException | None) -> None:
    """Leaves the other ranks at the end of the program.

    One that failed ends them: they may wait for it in a collective, and would in the
    end of MPI too.

    Args:
      code: The exit code.
      error: What ended the program, or None.
    """
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        world().mpi.COMM_WORLD.Abort(code)
