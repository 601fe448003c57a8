"""The strategies that a program can make: one process alone, or several over MPI."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.parallel.aggregation import Aggregation
from graphopt.parallel.mpi import is_launched
from graphopt.parallel.ranks import activate
from graphopt.parallel.strategy import Strategy

__all__ = ["MPIStrategy", "MirroredStrategy", "OneDeviceStrategy"]


class OneDeviceStrategy(Strategy):
    """One replica, in this process.

    Args:
      device: Accepted: there is the CPU.

    Source: `tf.distribute.OneDeviceStrategy`.
    """

    def __init__(self, device: Any) -> None:
        super().__init__()


class MirroredStrategy(Strategy):
    """One replica, in this process: the CPU is one device, however many cores it has.

    Args:
      devices: Accepted for compatibility.
      cross_device_ops: Accepted for compatibility.

    >>> import graphopt as tf
    >>> tf.distribute.MirroredStrategy().num_replicas_in_sync
    1

    Source: `tf.distribute.MirroredStrategy`.
    """

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        super().__init__()


class MPIStrategy(Strategy):
    """One replica in each of several processes, which an MPI launcher has started.

    Every process runs the same program, on its part of the data. Gradients are summed, as
    TensorFlow does it, before anything is done to them: a loss is to be divided by the
    size of the batch of all ranks (`tf.nn.compute_average_loss`). Without a launcher the
    process is alone, and MPI is not loaded.

    Args:
      comm: A communicator of mpi4py; by default all processes that were started.
      bucket_bytes: About how many bytes of gradients are exchanged at once.
      shards: In how many parts each batch is cut, a power of two and a multiple of the
        number of ranks. Gradients are summed in the order of a fixed tree over them, so
        that every number of ranks gives the same bits.
      shard_optimizer: Whether each rank keeps and updates only its part of the slots.
      timeout: After how many seconds of waiting for another rank there is an error.
      check_replicas_every: After how many steps the variables of all ranks are compared;
        0 for never.
      on_failure: What happens when another rank fails: `"raise"` an error.

    Raises:
      ValueError: `shards` is no such number, or another option cannot be right.
      ImportError: There are several processes, and no MPI library.

    >>> import graphopt as tf
    >>> strategy = tf.distribute.MPIStrategy()
    >>> strategy.num_replicas_in_sync
    1
    """

    def __init__(
        self,
        comm: Any = None,
        *,
        bucket_bytes: int = 4 << 20,
        shards: int | None = None,
        shard_optimizer: bool = False,
        timeout: float = 60.0,
        check_replicas_every: int = 100,
        on_failure: str = "raise",
    ) -> None:
        super().__init__()
        _check_options(bucket_bytes, timeout, check_replicas_every, on_failure)
        self.timeout, self.on_failure = timeout, on_failure
        self.check_replicas_every = check_replicas_every
        if comm is not None or is_launched():
            # MPI is loaded by those who are several.
            from graphopt.parallel.communicator import Communicator, world

            self.communicator = world() if comm is None else Communicator(comm)
        if self.communicator is not None and self.communicator.size == 1:
            self.communicator = None
        size = self.size
        if shards is not None:
            _check_shards(shards, size)
            self.local_parts = shards // size
        if self.communicator is not None:
            self.communicator.watch.timeout = timeout
            self.aggregation = Aggregation(
                self.communicator.group,
                size,
                bucket_bytes=bucket_bytes,
                shards=shards,
                shard_optimizer=shard_optimizer,
            )
            self.communicator.watch.timeout = timeout
            self.communicator.check_every = check_replicas_every
            activate(self.communicator)
        elif shards is not None:
            self.aggregation = Aggregation(0, 1, shards=shards)


def _check_options(
    bucket_bytes: int, timeout: float, check_replicas_every: int, on_failure: str
) -> None:
    wrong = [
        f"{name}={value!r}"
        for name, value, is_right in (
            ("bucket_bytes", bucket_bytes, bucket_bytes > 0),
            ("timeout", timeout, timeout > 0),
            ("check_replicas_every", check_replicas_every, check_replicas_every >= 0),
            ("on_failure", on_failure, on_failure == "raise"),
        )
        if not is_right
    ]
    if wrong:
        raise fail(
            ValueError,
            "MPIStrategy has options that cannot be right",
            got=", ".join(wrong),
            expected="positive numbers, and on_failure='raise'",
            site=str(user_site()),
        )


def _check_shards(shards: int, size: int) -> None:
    if shards < 1 or shards & (shards - 1) or shards % size or size & (size - 1):
        raise fail(
            ValueError,
            "MPIStrategy cannot cut batches in this many shards",
            got=f"shards={shards} with {size} rank(s)",
            expected="a power of two that the number of ranks, one too, divides",
            site=str(user_site()),
        )
