"""`tf.contrib.distribute`: earlier names of what is in `tf.distribute`."""

from __future__ import annotations

from typing import Any

from graphopt.distribute import CrossDeviceOps as CrossDeviceOps
from graphopt.distribute import OneDeviceStrategy as _OneDeviceStrategy
from graphopt.distribute import ParameterServerStrategy as ParameterServerStrategy
from graphopt.distribute import ReductionToOneDevice as ReductionToOneDevice
from graphopt.distribute import Strategy as DistributionStrategy
from graphopt.distribute import get_loss_reduction as get_loss_reduction
from graphopt.distribute import get_replica_context as get_replica_context
from graphopt.distribute import get_strategy as get_strategy
from graphopt.distribute import has_strategy as has_strategy
from graphopt.distribute import in_cross_replica_context as in_cross_replica_context
from graphopt.distribute import strategies as _strategies
from graphopt.parallel import mpi_strategy as _parallel

__all__ = [
    "AllReduceCrossDeviceOps",
    "CollectiveAllReduceStrategy",
    "CrossDeviceOps",
    "DistributionStrategy",
    "MirroredStrategy",
    "OneDeviceStrategy",
    "ParameterServerStrategy",
    "ReductionToOneDevice",
    "get_cross_replica_context",
    "get_distribution_strategy",
    "get_loss_reduction",
    "get_replica_context",
    "get_strategy",
    "has_distribution_strategy",
    "has_strategy",
    "in_cross_replica_context",
]

OneDeviceStrategy = _OneDeviceStrategy
get_distribution_strategy = get_strategy
has_distribution_strategy = has_strategy


def get_cross_replica_context() -> Any:
    """Returns the strategy in cross-replica context, else None."""
    return get_strategy() if in_cross_replica_context() else None


class MirroredStrategy(_parallel.MirroredStrategy):
    """One replica, in this process; see `tf.distribute.MirroredStrategy`.

    Args:
      devices: Accepted for compatibility.
      num_gpus: Accepted for compatibility.
      num_gpus_per_worker: Accepted for compatibility.
      cross_device_ops: Accepted for compatibility.
      auto_shard_dataset: Accepted for compatibility.
      cross_tower_ops: Accepted for compatibility.
    """

    def __init__(
        self,
        devices: Any = None,
        num_gpus: int | None = None,
        num_gpus_per_worker: int | None = None,
        cross_device_ops: Any = None,
        auto_shard_dataset: bool = False,
        cross_tower_ops: Any = None,
    ) -> None:
        super().__init__(devices, cross_device_ops)


class CollectiveAllReduceStrategy(_strategies.MultiWorkerMirroredStrategy):
    """See `tf.distribute.MultiWorkerMirroredStrategy`.

    Args:
      num_gpus_per_worker: Accepted for compatibility.
      communication: Accepted for compatibility.
    """

    def __init__(self, num_gpus_per_worker: int = 0, communication: Any = None) -> None:
        super().__init__()


class AllReduceCrossDeviceOps(CrossDeviceOps):
    """Accepted for compatibility."""

    def __init__(
        self,
        all_reduce_alg: str = "nccl",
        num_packs: int = 1,
        agg_small_grads_max_bytes: int = 0,
        agg_small_grads_max_group: int = 10,
    ) -> None:
        self.all_reduce_alg, self.num_packs = all_reduce_alg, num_packs
