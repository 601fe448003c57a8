"""`tf.distribute`: several processes that train one model.

The problem: a batch takes too long on one machine. With data parallel training each of
several processes computes the gradients of a part of the batch, and the sum of all is what
every one of them applies, so that their weights stay alike.

A *replica* is a process here, started by an MPI launcher or `graphopt run -n 4`; it uses
all cores it has. `MultiWorkerMirroredStrategy`, or `MPIStrategy` with more options, is of
all processes; `MirroredStrategy` and `OneDeviceStrategy` are of one. A program that nobody
launched is one replica with any of them, and no MPI library is loaded.

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = make_model()
        model.compile("adam", "mse")
    model.fit(x, y, batch_size=256)         # of all processes together

What it rests on is `graphopt.parallel`. There the values of replicas could have been
objects of their own, as in TensorFlow; a process has one value of each, which is a tensor.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.data import Dataset as _Dataset
from graphopt.data.iterators import Iterator as _Iterator
from graphopt.distribute import cluster_resolver as cluster_resolver
from graphopt.distribute import experimental as experimental
from graphopt.distribute.strategies import CrossDeviceOps as CrossDeviceOps
from graphopt.distribute.strategies import (
    HierarchicalCopyAllReduce as HierarchicalCopyAllReduce,
)
from graphopt.distribute.strategies import InputOptions as InputOptions
from graphopt.distribute.strategies import InputReplicationMode as InputReplicationMode
from graphopt.distribute.strategies import (
    MultiWorkerMirroredStrategy as MultiWorkerMirroredStrategy,
)
from graphopt.distribute.strategies import NcclAllReduce as NcclAllReduce
from graphopt.distribute.strategies import (
    ParameterServerStrategy as ParameterServerStrategy,
)
from graphopt.distribute.strategies import ReductionToOneDevice as ReductionToOneDevice
from graphopt.distribute.strategies import RunOptions as RunOptions
from graphopt.distribute.strategies import TPUStrategy as TPUStrategy
from graphopt.parallel.data import shard as shard
from graphopt.parallel.extended import InputContext as InputContext
from graphopt.parallel.extended import StrategyExtended as StrategyExtended
from graphopt.parallel.mpi_strategy import MirroredStrategy as MirroredStrategy
from graphopt.parallel.mpi_strategy import MPIStrategy as MPIStrategy
from graphopt.parallel.mpi_strategy import OneDeviceStrategy as OneDeviceStrategy
from graphopt.parallel.strategy import ReplicaContext as ReplicaContext
from graphopt.parallel.strategy import Strategy as Strategy
from graphopt.parallel.strategy import get_replica_context as get_replica_context
from graphopt.parallel.strategy import get_strategy as get_strategy
from graphopt.parallel.strategy import has_strategy as has_strategy
from graphopt.parallel.strategy import (
    in_cross_replica_context as in_cross_replica_context,
)
from graphopt.parallel.values import PerReplica as _PerReplica
from graphopt.parallel.values import ReduceOp as ReduceOp

if TYPE_CHECKING:
    from graphopt.compat.v1.train.cluster import Server as Server

# The part of a data set that is a rank's is a data set.
DistributedDataset = _Dataset
DistributedIterator = _Iterator
DistributedValues = _PerReplica


def get_loss_reduction() -> ReduceOp:
    """Returns that gradients of replicas are summed.

    Source: `tf.compat.v1.distribute.get_loss_reduction`.
    """
    return ReduceOp.SUM


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "Server":
            return importlib.import_module("graphopt.compat.v1.train.cluster").Server
        raise AttributeError(f"module 'tf.distribute' has no attribute {name!r}")


def __dir__() -> list[str]:
    hidden = {"Any", "TYPE_CHECKING", "importlib", "annotations", "strategies"}
    names = {name for name in globals() if not name.startswith("_")}
    return sorted({*names, "Server"} - hidden)
