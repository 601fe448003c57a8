"""Which processes there are, in Horovod's words: `init`, `rank`, `size`, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.parallel.mpi import is_launched

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator


class _State:
    is_initialized = False
    communicator: Communicator | None = None


def init(comm: Any = None, process_sets: Any = None) -> None:
    """Finds the other processes; the first function to be called.

    Without an MPI launcher this process is alone, and MPI is not loaded.

    Args:
      comm: A communicator of mpi4py; by default all processes that were started.
      process_sets: None: all ranks exchange values with all.

    Raises:
      NotImplementedError: A list of ranks, or sets of processes.
      ImportError: There are several processes, and no MPI library.

    Source: `horovod.tensorflow.init`.
    """
    if process_sets:
        raise NotImplementedError(
            f"horovod.init(process_sets={process_sets!r}); all ranks exchange values with "
            "all."
        )
    if isinstance(comm, (list, tuple)) and comm:
        raise NotImplementedError(
            f"horovod.init(comm={comm!r}), a list of ranks; try a communicator of mpi4py, "
            "as MPI.COMM_WORLD.Split(...)."
        )
    if _State.is_initialized:
        return
    found = None
    if comm is not None or is_launched():
        # MPI is loaded by those who are several.
        from graphopt.parallel.communicator import Communicator, world

        found = Communicator(comm) if comm else world()
    _State.communicator = found
    _State.is_initialized = True


def shutdown() -> None:
    """Forgets the other processes; MPI itself goes on until the process ends.

    Source: `horovod.tensorflow.shutdown`.
    """
    _State.communicator, _State.is_initialized = None, False


def is_initialized() -> bool:
    """Returns whether `init` was called.

    Source: `horovod.tensorflow.is_initialized`.
    """
    return _State.is_initialized


def find_ranks() -> Communicator | None:
    """Returns through what ranks exchange values; None if this process is alone.

    Raises:
      ValueError: `init` was not called.
    """
    if not _State.is_initialized:
        raise fail(
            ValueError,
            "Horovod has not been initialized; use hvd.init()",
            got="a call before it",
            expected="hvd.init() at the beginning of the program",
            site=str(user_site()),
        )
    found = _State.communicator
    return None if found is None or found.size == 1 else found


def rank() -> int:
    """Returns the number of this process.

    Source: `horovod.tensorflow.rank`.
    """
    found = find_ranks()
    return 0 if found is None else found.rank


def size() -> int:
    """Returns how many processes there are.

    Source: `horovod.tensorflow.size`.
    """
    found = find_ranks()
    return 1 if found is None else found.size


def local_rank() -> int:
    """Returns the number of this process among those on this machine.

    Source: `horovod.tensorflow.local_rank`.
    """
    found = find_ranks()
    return 0 if found is None else found.local_rank


def local_size() -> int:
    """Returns how many processes there are on this machine.

    Source: `horovod.tensorflow.local_size`.
    """
    found = find_ranks()
    return 1 if found is None else found.local_size


def cross_rank() -> int:
    """Returns the number of this machine among those that have this `local_rank`.

    Source: `horovod.tensorflow.cross_rank`.
    """
    return _cross()[0]


def cross_size() -> int:
    """Returns how many machines have this `local_rank`.

    Source: `horovod.tensorflow.cross_size`.
    """
    return _cross()[1]


def _cross() -> tuple[int, int]:
    found = find_ranks()
    if found is None:
        return 0, 1
    # Local ranks by rank: those before this one that are equal are on other machines.
    everyone = found.gather_objects(found.local_rank)
    alike = [i for i, each in enumerate(everyone) if each == found.local_rank]
    return alike.index(found.rank), len(alike)


def is_homogeneous() -> bool:
    """Returns whether all machines have as many processes.

    Source: `horovod.tensorflow.is_homogeneous`.
    """
    found = find_ranks()
    return found is None or len(set(found.gather_objects(found.local_size))) == 1


def barrier(process_set: Any = None, name: str | None = None) -> None:
    """Returns when all processes have come.

    Source: `horovod.tensorflow.barrier`.
    """
    found = find_ranks()
    if found is not None:
        found.barrier()


def join() -> int:
    """Tells the others that this process has no more data; returns when nobody has.

    Returns:
      The number of the process that came last.

    Raises:
      NotImplementedError: The communicator cannot do without a rank.

    Source: `horovod.tensorflow.join`.
    """
    found = find_ranks()
    if found is None:
        return 0
    method = getattr(found, "join", None)
    if method is None:
        raise NotImplementedError(
            "horovod.join; try batches of equal number on all ranks, or Model.fit under "
            "tf.distribute.MultiWorkerMirroredStrategy, which goes on until all are done."
        )
    return int(method())


def _is_not_built() -> bool:
    """Returns False: values are exchanged by MPI.

    Source: `horovod.tensorflow.nccl_built` and others.
    """
    return False


nccl_built = cuda_built = rocm_built = ddl_built = ccl_built = _is_not_built
gloo_built = gloo_enabled = _is_not_built


def mpi_built() -> bool:
    """Returns True.

    Source: `horovod.tensorflow.mpi_built`.
    """
    return True


def mpi_enabled() -> bool:
    """Returns whether an MPI launcher has started this process.

    Source: `horovod.tensorflow.mpi_enabled`.
    """
    return is_launched()


def mpi_threads_supported() -> bool:
    """Returns True: MPI is started so that several threads may call it.

    Source: `horovod.tensorflow.mpi_threads_supported`.
    """
    find_ranks()
    return True
