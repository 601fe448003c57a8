"""Options of sessions: most are accepted and change nothing.

There is one device and one way to run a step; the number of threads counts.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class _Options:
    """Fields by name, any of them."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = self.__dict__[name] = SimpleNamespace()
        return made

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({inner})"

    def HasField(self, name: str) -> bool:
        """Returns whether a field is set."""
        return name in self.__dict__

    def CopyFrom(self, other: Any) -> None:
        """Sets the fields of another one."""
        self.__dict__.update(vars(other))


class GPUOptions(_Options):
    """Options of a GPU, as `allow_growth`; accepted: there is none.

    Source: `tf.compat.v1.GPUOptions`.
    """


class OptimizerOptions(_Options):
    """Options of the optimizer of graphs; accepted: `graphopt show` says what is done.

    Source: `tf.compat.v1.OptimizerOptions`.
    """

    DEFAULT, L0, L1 = 0, -1, 0
    OFF, ON_1, ON_2 = -1, 1, 2


class GraphOptions(_Options):
    """Options of a graph; accepted.

    Source: `tf.compat.v1.GraphOptions`.
    """


class ConfigProto(_Options):
    """Options of a session.

    Args:
      intra_op_parallelism_threads: The most threads that compute a step of the session;
        0 for what `tf.config.threading` says.
      inter_op_parallelism_threads: Accepted; ops of a step run in order.
      gpu_options: Accepted; the one device is the CPU.
      **options: Accepted for compatibility, as `allow_soft_placement`.

    >>> config = ConfigProto(intra_op_parallelism_threads=1)
    >>> config.gpu_options.allow_growth = True
    >>> config.intra_op_parallelism_threads
    1

    Source: `tf.compat.v1.ConfigProto`.
    """

    def __init__(
        self,
        intra_op_parallelism_threads: int = 0,
        inter_op_parallelism_threads: int = 0,
        gpu_options: object = None,
        **options: object,
    ) -> None:
        self.intra_op_parallelism_threads = intra_op_parallelism_threads
        self.inter_op_parallelism_threads = inter_op_parallelism_threads
        self.gpu_options: Any = gpu_options or GPUOptions()
        super().__init__(**options)
