"""`tf.distribute.cluster_resolver`: who says which processes there are.

The MPI launcher says it; what is here tells programs what it said in TensorFlow's words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from graphopt.compat.v1.train.cluster import ClusterSpec
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.parallel.mpi import find_task

__all__ = [
    "ClusterResolver",
    "GCEClusterResolver",
    "KubernetesClusterResolver",
    "SimpleClusterResolver",
    "SlurmClusterResolver",
    "TFConfigClusterResolver",
    "TPUClusterResolver",
    "UnionResolver",
]


class ClusterResolver:
    """Tells which processes there are, and which one this is.

    By itself it describes those that an MPI launcher has started.

    >>> resolver = ClusterResolver()
    >>> resolver.task_type, resolver.task_id, resolver.cluster_spec().num_tasks("worker")
    ('worker', 0, 1)

    Source: `tf.distribute.cluster_resolver.ClusterResolver`.
    """

    environment = ""
    rpc_layer: str | None = "grpc"
    task_type: str | None
    task_id: int | None

    def __init__(self) -> None:
        rank, size = find_task()
        self.task_type, self.task_id = "worker", rank
        self._spec = ClusterSpec({"worker": [f"rank:{i}" for i in range(size)]})

    def cluster_spec(self) -> ClusterSpec:
        """Returns the processes."""
        return self._spec

    def master(
        self,
        task_type: str | None = None,
        task_id: int | None = None,
        rpc_layer: str | None = None,
    ) -> str:
        """Returns an empty string: sessions are in this process."""
        return ""

    def num_accelerators(
        self,
        task_type: str | None = None,
        task_id: int | None = None,
        config_proto: Any = None,
    ) -> dict[str, int]:
        """Returns that there are none."""
        return {}

    def get_task_type(self) -> str | None:
        """Returns `task_type`."""
        return self.task_type

    def get_task_id(self) -> int | None:
        """Returns `task_id`."""
        return self.task_id


class SimpleClusterResolver(ClusterResolver):
    """Processes that the program lists.

    Args:
      cluster_spec: A `tf.train.ClusterSpec`.
      master: Accepted for compatibility.
      task_type: The job of this process.
      task_id: Its number.
      environment: Accepted for compatibility.
      num_accelerators: Accepted for compatibility.
      rpc_layer: Accepted for compatibility.

    Source: `tf.distribute.cluster_resolver.SimpleClusterResolver`.
    """

    def __init__(
        self,
        cluster_spec: Any,
        master: str = "",
        task_type: str | None = None,
        task_id: int | None = None,
        environment: str = "",
        num_accelerators: Any = None,
        rpc_layer: str | None = None,
    ) -> None:
        self._spec = ClusterSpec(cluster_spec)
        self.task_type, self.task_id = task_type, task_id
        self.environment, self.rpc_layer = environment, rpc_layer


class TFConfigClusterResolver(ClusterResolver):
    """Processes that the variable `TF_CONFIG` of the environment lists.

    Args:
      task_type: The job of this process; by default what the variable says.
      task_id: Its number; by default what the variable says.
      rpc_layer: Accepted for compatibility.
      environment: Accepted for compatibility.

    Raises:
      ValueError: The variable is no JSON.

    Source: `tf.distribute.cluster_resolver.TFConfigClusterResolver`.
    """

    def __init__(
        self,
        task_type: str | None = None,
        task_id: int | None = None,
        rpc_layer: str | None = None,
        environment: str | None = None,
    ) -> None:
        config = read_tf_config()
        task = config.get("task", {})
        self._spec = ClusterSpec(config.get("cluster", {}))
        self.task_type = task_type if task_type is not None else task.get("type")
        index = task_id if task_id is not None else task.get("index")
        self.task_id = None if index is None else int(index)
        self.environment, self.rpc_layer = environment or "", rpc_layer or "grpc"


def read_tf_config() -> dict[str, Any]:
    """Returns what `TF_CONFIG` has; an empty dict if it is not set.

    Raises:
      ValueError: It is no JSON.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return {}
    try:
        found = json.loads(text)
        if isinstance(found, Mapping):
            return dict(found)
    except json.JSONDecodeError:
        pass
    raise fail(
        ValueError,
        "The variable TF_CONFIG of the environment cannot be read",
        got=f"{text:.80}",
        expected='JSON, as {"cluster": {"worker": ["a:1"]}, "task": {...}}',
        site=str(user_site()),
    )


def count_workers(resolver: ClusterResolver) -> int:
    """Returns how many processes that train a resolver names."""
    jobs = resolver.cluster_spec().as_dict()
    return sum(len(jobs.get(job, ())) for job in ("chief", "master", "worker"))


class UnionResolver(ClusterResolver):
    """Several resolvers, of which the first one speaks.

    Args:
      *args: The resolvers.
      **kwargs: `task_type`, `task_id` and `rpc_layer`, in place of theirs.

    Source: `tf.distribute.cluster_resolver.UnionResolver`.
    """

    def __init__(self, *args: ClusterResolver, **kwargs: Any) -> None:
        if not args:
            raise ValueError("At least one ClusterResolver is required.")
        first = args[0]
        jobs: dict[str, list[str]] = {}
        for each in args:
            for job, tasks in each.cluster_spec().as_dict().items():
                jobs.setdefault(job, []).extend(tasks)
        self._spec = ClusterSpec(jobs)
        self.task_type = kwargs.get("task_type", first.task_type)
        self.task_id = kwargs.get("task_id", first.task_id)
        self.rpc_layer = kwargs.get("rpc_layer", first.rpc_layer)


class SlurmClusterResolver(ClusterResolver):
    """The processes that `srun` has started: those of MPI.

    Args:
      jobs: Accepted for compatibility; all are workers.
      port_base: Accepted for compatibility.
      gpus_per_node: Accepted for compatibility.
      gpus_per_task: Accepted for compatibility.
      tasks_per_node: Accepted for compatibility.
      auto_set_gpu: Accepted for compatibility.
      rpc_layer: Accepted for compatibility.

    Source: `tf.distribute.cluster_resolver.SlurmClusterResolver`.
    """

    def __init__(
        self,
        jobs: Any = None,
        port_base: int = 8888,
        gpus_per_node: int | None = None,
        gpus_per_task: int | None = None,
        tasks_per_node: Any = None,
        auto_set_gpu: bool = True,
        rpc_layer: str = "grpc",
    ) -> None:
        super().__init__()


class _Elsewhere(ClusterResolver):
    """What asks a service for the processes."""

    _why = "an MPI launcher says which processes there are"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__}: {self._why}; try tf.distribute."
            "MultiWorkerMirroredStrategy() with `mpiexec -n 4 python program.py`."
        )


class TPUClusterResolver(_Elsewhere):
    """Raises NotImplementedError: there are no TPUs."""

    _why = "graphopt runs on CPUs; there are no TPUs"

    @staticmethod
    def connect(*args: Any, **kwargs: Any) -> Any:
        """Raises NotImplementedError: there are no TPUs."""
        return TPUClusterResolver(*args, **kwargs)


class GCEClusterResolver(_Elsewhere):
    """Raises NotImplementedError: no service is asked for processes."""


class KubernetesClusterResolver(_Elsewhere):
    """Raises NotImplementedError: no service is asked for processes."""
