"""`ClusterSpec`, `Server`, `replica_device_setter`: a cluster of one process.

Programs for several machines run here as one worker. What needs another process raises
NotImplementedError.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class ClusterSpec:
    """Names of jobs and the addresses of their tasks.

    Args:
      cluster: A dict from jobs to lists, or dicts, of addresses.

    >>> spec = ClusterSpec({"worker": ["a:1", "b:1"], "ps": ["c:1"]})
    >>> spec.jobs, spec.num_tasks("worker"), spec.task_address("ps", 0)
    (['ps', 'worker'], 2, 'c:1')

    Source: `tf.train.ClusterSpec`.
    """

    def __init__(self, cluster: Any) -> None:
        jobs = cluster._jobs if isinstance(cluster, ClusterSpec) else cluster
        self._jobs: dict[str, dict[int, str]] = {}
        for job, tasks in jobs.items():
            pairs = tasks.items() if isinstance(tasks, dict) else enumerate(tasks)
            self._jobs[job] = {int(index): address for index, address in pairs}

    def as_dict(self) -> dict[str, list[str]]:
        """Returns lists of addresses by job."""
        return {job: [t[i] for i in sorted(t)] for job, t in self._jobs.items()}

    @property
    def jobs(self) -> list[str]:
        """The names of jobs."""
        return sorted(self._jobs)

    def _tasks(self, job_name: str) -> dict[int, str]:
        if job_name not in self._jobs:
            raise ValueError(f"No such job in cluster: {job_name!r}")
        return self._jobs[job_name]

    def num_tasks(self, job_name: str) -> int:
        """Returns the number of tasks of a job."""
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """Returns the numbers of the tasks of a job."""
        return sorted(self._tasks(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """Returns the address of a task."""
        tasks = self._tasks(job_name)
        if task_index not in tasks:
            raise ValueError(f"No task with index {task_index} in job {job_name!r}")
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list[str]:
        """Returns the addresses of a job."""
        tasks = self._tasks(job_name)
        return [tasks[index] for index in sorted(tasks)]

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ClusterSpec({self.as_dict()!r})"


class Server:
    """The server of the one process.

    Args:
      server_or_cluster_def: A cluster; of several workers raises NotImplementedError.
      job_name: The job of this process.
      task_index: Its number.
      protocol: Accepted for compatibility.
      config: Accepted for compatibility.
      start: Accepted for compatibility.

    Source: `tf.distribute.Server`.
    """

    def __init__(
        self,
        server_or_cluster_def: Any,
        job_name: str | None = None,
        task_index: int | None = None,
        protocol: str | None = None,
        config: Any = None,
        start: bool = True,
    ) -> None:
        self.server_def = ClusterSpec(server_or_cluster_def)
        tasks = sum(len(each) for each in self.server_def.as_dict().values())
        if tasks > 1:
            raise NotImplementedError(
                f"tf.train.Server of {tasks} tasks: graphopt runs in one process; start "
                "the program with one task."
            )
        self.target = ""
        self._joined = threading.Event()

    @staticmethod
    def create_local_server(config: Any = None, start: bool = True) -> Server:
        """Returns the server of the one process."""
        return Server({"local": ["localhost:0"]})

    def start(self) -> None:
        """Does nothing: it runs."""

    def join(self) -> None:
        """Waits for ever, as a server does."""
        self._joined.wait()


def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Any = None,
    ps_strategy: Any = None,
) -> Callable[[Any], str] | None:
    """Returns what puts ops on devices: all on the CPU of this process.

    Source: `tf.compat.v1.train.replica_device_setter`.
    """
    return lambda op: worker_device
