"""The strategies of TensorFlow that are others than `MPIStrategy`, and their options."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from graphopt.distribute.cluster_resolver import (
    ClusterResolver,
    TFConfigClusterResolver,
    count_workers,
    read_tf_config,
)
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.parallel.mpi import is_launched
from graphopt.parallel.mpi_strategy import MPIStrategy
from graphopt.parallel.strategy import Strategy

__all__ = [
    "CentralStorageStrategy",
    "CommunicationImplementation",
    "CommunicationOptions",
    "CrossDeviceOps",
    "HierarchicalCopyAllReduce",
    "InputOptions",
    "InputReplicationMode",
    "MultiWorkerMirroredStrategy",
    "NcclAllReduce",
    "ParameterServerStrategy",
    "ReductionToOneDevice",
    "RunOptions",
    "TPUStrategy",
]


class CommunicationImplementation(enum.Enum):
    """By what values are exchanged; it is MPI, whatever is asked for.

    Source: `tf.distribute.experimental.CommunicationImplementation`.
    """

    AUTO = "AUTO"
    RING = "RING"
    NCCL = "NCCL"


class CommunicationOptions:
    """How values are exchanged.

    Args:
      bytes_per_pack: About how many bytes are exchanged at once; 0 for the default.
      timeout_seconds: After how long waiting for another process is an error.
      implementation: Accepted for compatibility.

    Source: `tf.distribute.experimental.CommunicationOptions`.
    """

    def __init__(
        self,
        bytes_per_pack: int = 0,
        timeout_seconds: float | None = None,
        implementation: Any = CommunicationImplementation.AUTO,
    ) -> None:
        if bytes_per_pack < 0:
            raise ValueError(
                f"bytes_per_pack should be a non-negative number; got {bytes_per_pack}."
            )
        self.bytes_per_pack = bytes_per_pack
        self.timeout_seconds = timeout_seconds
        self.implementation = implementation


class MultiWorkerMirroredStrategy(MPIStrategy):
    """`MPIStrategy` of all processes that were started.

    Args:
      cluster_resolver: Accepted: the MPI launcher says which processes there are.
      communication_options: `CommunicationOptions`.
      **options: Those of `MPIStrategy`.

    Raises:
      RuntimeError: The resolver, or `TF_CONFIG`, names several workers, and no MPI launcher
        has started this process, which would train alone.

    >>> import graphopt as tf
    >>> strategy = tf.distribute.MultiWorkerMirroredStrategy()
    >>> strategy.num_replicas_in_sync, strategy.cluster_resolver.task_id
    (1, 0)

    Source: `tf.distribute.MultiWorkerMirroredStrategy`.
    """

    def __init__(
        self,
        cluster_resolver: Any = None,
        communication_options: Any = None,
        **options: Any,
    ) -> None:
        given = cluster_resolver
        if given is None and read_tf_config().get("cluster"):
            given = TFConfigClusterResolver()
        if given is not None and not is_launched():
            _require_one_worker(given)
        hints = communication_options
        if isinstance(hints, CommunicationOptions):
            if hints.bytes_per_pack:
                options.setdefault("bucket_bytes", hints.bytes_per_pack)
            if hints.timeout_seconds is not None:
                options.setdefault("timeout", hints.timeout_seconds)
        super().__init__(**options)
        self._cluster_resolver = ClusterResolver() if is_launched() else given
        if self._cluster_resolver is None:
            self._cluster_resolver = ClusterResolver()


def _require_one_worker(resolver: Any) -> None:
    workers = count_workers(resolver)
    if workers > 1:
        raise fail(
            RuntimeError,
            f"TF_CONFIG or the cluster resolver names {workers} workers, and this process "
            "was not started by an MPI launcher, so it would train alone",
            got=str(resolver.cluster_spec().as_dict()),
            expected="processes that an MPI launcher has started",
            site=str(user_site()),
            remedy=f"mpiexec -n {workers} python program.py, without TF_CONFIG",
        )


class CentralStorageStrategy(Strategy):
    """One replica, in this process.

    Args:
      compute_devices: Accepted for compatibility.
      parameter_device: Accepted for compatibility.

    Source: `tf.distribute.experimental.CentralStorageStrategy`.
    """

    def __init__(
        self, compute_devices: Any = None, parameter_device: Any = None
    ) -> None:
        super().__init__()


class _Absent(Strategy):
    _why = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__}: {self._why}; try tf.distribute."
            "MultiWorkerMirroredStrategy."
        )


class TPUStrategy(_Absent):
    """Raises NotImplementedError: there are no TPUs."""

    _why = "graphopt runs on CPUs; there are no TPUs"


class ParameterServerStrategy(_Absent):
    """Raises NotImplementedError: all processes train in step."""

    _why = "there are no parameter servers; all processes train in step"


# ---- options that change nothing


class CrossDeviceOps:
    """How the devices of one process exchange values: there is one.

    Source: `tf.distribute.CrossDeviceOps`.
    """


class HierarchicalCopyAllReduce(CrossDeviceOps):
    """Accepted for compatibility.

    Source: `tf.distribute.HierarchicalCopyAllReduce`.
    """

    def __init__(self, num_packs: int = 1) -> None:
        self.num_packs = num_packs


class NcclAllReduce(CrossDeviceOps):
    """Accepted for compatibility.

    Source: `tf.distribute.NcclAllReduce`.
    """

    def __init__(self, num_packs: int = 1) -> None:
        self.num_packs = num_packs


class ReductionToOneDevice(CrossDeviceOps):
    """Accepted for compatibility.

    Source: `tf.distribute.ReductionToOneDevice`.
    """

    def __init__(
        self, reduce_to_device: Any = None, accumulation_fn: Any = None
    ) -> None:
        self.reduce_to_device, self.accumulation_fn = reduce_to_device, accumulation_fn


class InputReplicationMode(enum.Enum):
    """How many pipelines of data there are: one a process.

    Source: `tf.distribute.InputReplicationMode`.
    """

    PER_WORKER = "PER_WORKER"
    PER_REPLICA = "PER_REPLICA"


class InputOptions(NamedTuple):
    """Hints for data sets, which change nothing.

    Source: `tf.distribute.InputOptions`.
    """

    experimental_fetch_to_device: Any = None
    experimental_replication_mode: Any = InputReplicationMode.PER_WORKER
    experimental_place_dataset_on_device: bool = False
    experimental_per_replica_buffer_size: int = 1


class RunOptions(NamedTuple):
    """Hints for `Strategy.run`, which change nothing.

    Source: `tf.distribute.RunOptions`.
    """

    experimental_enable_dynamic_batch_size: bool = True
    experimental_bucketizing_dynamic_shape: bool = False
    experimental_xla_options: Any = None
