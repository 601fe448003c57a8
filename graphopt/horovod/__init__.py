"""`import graphopt.horovod as hvd`: Horovod's functions, over MPI.

A program that Horovod runs says everything itself: which part of the data is a rank's,
which rank writes files, from whom the first weights come. What is here exchanges values
and gradients, and does nothing else. `tf.distribute` is the other way.

    import graphopt as tf
    import graphopt.horovod as hvd

    hvd.init()
    opt = hvd.DistributedOptimizer(tf.keras.optimizers.Adam(0.001 * hvd.size()))

`graphopt run` gives programs that `import horovod.tensorflow as hvd` this module, and
`graphopt.horovod.keras` for `horovod.keras` and `horovod.tensorflow.keras`. Without an MPI
launcher there is one rank, and no MPI library is loaded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.horovod.exchange import Adasum as Adasum
from graphopt.horovod.exchange import Average as Average
from graphopt.horovod.exchange import (
    BroadcastGlobalVariablesHook as BroadcastGlobalVariablesHook,
)
from graphopt.horovod.exchange import Compression as Compression
from graphopt.horovod.exchange import Max as Max
from graphopt.horovod.exchange import Min as Min
from graphopt.horovod.exchange import Product as Product
from graphopt.horovod.exchange import Sum as Sum
from graphopt.horovod.exchange import allgather as allgather
from graphopt.horovod.exchange import allgather_object as allgather_object
from graphopt.horovod.exchange import allreduce as allreduce
from graphopt.horovod.exchange import alltoall as alltoall
from graphopt.horovod.exchange import broadcast as broadcast
from graphopt.horovod.exchange import (
    broadcast_global_variables as broadcast_global_variables,
)
from graphopt.horovod.exchange import broadcast_object as broadcast_object
from graphopt.horovod.exchange import broadcast_object_fn as broadcast_object_fn
from graphopt.horovod.exchange import broadcast_variables as broadcast_variables
from graphopt.horovod.exchange import grouped_allgather as grouped_allgather
from graphopt.horovod.exchange import grouped_allreduce as grouped_allreduce
from graphopt.horovod.exchange import grouped_reducescatter as grouped_reducescatter
from graphopt.horovod.exchange import reducescatter as reducescatter
from graphopt.horovod.optimizers import (
    DistributedGradientTape as DistributedGradientTape,
)
from graphopt.horovod.optimizers import DistributedOptimizer as DistributedOptimizer
from graphopt.horovod.state import barrier as barrier
from graphopt.horovod.state import ccl_built as ccl_built
from graphopt.horovod.state import cross_rank as cross_rank
from graphopt.horovod.state import cross_size as cross_size
from graphopt.horovod.state import cuda_built as cuda_built
from graphopt.horovod.state import ddl_built as ddl_built
from graphopt.horovod.state import gloo_built as gloo_built
from graphopt.horovod.state import gloo_enabled as gloo_enabled
from graphopt.horovod.state import init as init
from graphopt.horovod.state import is_homogeneous as is_homogeneous
from graphopt.horovod.state import is_initialized as is_initialized
from graphopt.horovod.state import join as join
from graphopt.horovod.state import local_rank as local_rank
from graphopt.horovod.state import local_size as local_size
from graphopt.horovod.state import mpi_built as mpi_built
from graphopt.horovod.state import mpi_enabled as mpi_enabled
from graphopt.horovod.state import mpi_threads_supported as mpi_threads_supported
from graphopt.horovod.state import nccl_built as nccl_built
from graphopt.horovod.state import rank as rank
from graphopt.horovod.state import rocm_built as rocm_built
from graphopt.horovod.state import shutdown as shutdown
from graphopt.horovod.state import size as size

if TYPE_CHECKING:
    from graphopt.horovod import callbacks as callbacks
    from graphopt.horovod import keras as keras

# Loaded by those who use Keras.
_MODULES = ("callbacks", "keras")

_HIDDEN = frozenset(
    (
        "Any",
        "TYPE_CHECKING",
        "annotations",
        "importlib",
        "exchange",
        "optimizers",
        "state",
    )
)
__all__ = sorted(
    name for name in globals() if not name.startswith("_") and name not in _HIDDEN
)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"graphopt.horovod.{name}")
        raise AttributeError(f"module 'graphopt.horovod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
