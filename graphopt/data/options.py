"""`tf.data.Options`: hints about how elements are made, which change none of them."""

from __future__ import annotations

import enum
from typing import Any


class AutoShardPolicy(enum.IntEnum):
    """How a data set is shared out to the ranks of a strategy; see `tf.distribute`.

    Source: `tf.data.experimental.AutoShardPolicy`.
    """

    OFF = -1
    AUTO = 0
    FILE = 1
    DATA = 2
    HINT = 3


class _Hints:
    """Attributes that may be set to anything."""

    def __init__(self) -> None:
        self.__dict__["_given"] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__["_given"].get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_given"][name] = value

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return id(self)

    def merge(self, options: Any) -> Any:
        """Returns these options, with those of another object where it has some."""
        made = type(self)()
        made._given.update(self._given)
        made._given.update(options._given)
        return made


class ThreadingOptions(_Hints):
    """Hints about threads.

    Source: `tf.data.ThreadingOptions`.
    """


class OptimizationOptions(_Hints):
    """Hints about rewriting of pipelines.

    Source: `tf.data.experimental.OptimizationOptions`.
    """


class DistributeOptions(_Hints):
    """How elements are shared out to several ranks: `auto_shard_policy`.

    Source: `tf.data.experimental.DistributeOptions`.
    """


class AutotuneOptions(_Hints):
    """Hints about the sizes of buffers.

    Source: `tf.data.experimental.AutotuneOptions`.
    """


class Options(_Hints):
    """Hints for a data set. Elements are the same, in the same order, whatever they say.

    Source: `tf.data.Options`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given.update(
            autotune=AutotuneOptions(),
            threading=ThreadingOptions(),
            experimental_threading=ThreadingOptions(),
            experimental_optimization=OptimizationOptions(),
            experimental_distribute=DistributeOptions(),
        )
