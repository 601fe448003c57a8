"""What programs ask a strategy for rarely: its extended methods, contexts of its data."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from graphopt.parallel.ranks import is_writer

if TYPE_CHECKING:
    from graphopt.parallel.strategy import Strategy

__all__ = ["CPU", "InputContext", "StrategyExtended", "ValueContext"]

CPU: Final = "/job:localhost/replica:0/task:0/device:CPU:0"
"""The device of every process."""


class InputContext:
    """What a function that makes the data of one rank knows of it.

    Source: `tf.distribute.InputContext`.
    """

    def __init__(
        self,
        num_input_pipelines: int = 1,
        input_pipeline_id: int = 0,
        num_replicas_in_sync: int = 1,
    ) -> None:
        self.num_input_pipelines = num_input_pipelines
        self.input_pipeline_id = input_pipeline_id
        self.num_replicas_in_sync = num_replicas_in_sync

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """Returns the size of the batch of one replica.

        Raises:
          ValueError: The replicas cannot share the batch evenly.
        """
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(
                f"The `global_batch_size` {global_batch_size} is not divisible by "
                f"`num_replicas_in_sync` {self.num_replicas_in_sync}"
            )
        return global_batch_size // self.num_replicas_in_sync

    def __repr__(self) -> str:
        return (
            f"tf.distribute.InputContext(input pipeline id {self.input_pipeline_id}, "
            f"total: {self.num_input_pipelines})"
        )


class ValueContext:
    """What a function that makes the value of one replica knows of it.

    Source: `tf.distribute.experimental.ValueContext`.
    """

    def __init__(
        self, replica_id_in_sync_group: int = 0, num_replicas_in_sync: int = 1
    ) -> None:
        self.replica_id_in_sync_group = replica_id_in_sync_group
        self.num_replicas_in_sync = num_replicas_in_sync


class StrategyExtended:
    """The rarer methods of a strategy.

    Source: `tf.distribute.StrategyExtended`.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = weakref.ref(strategy)

    def _owner(self) -> Strategy:
        found = self._strategy()
        assert found is not None
        return found

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """Where replicas of this process compute."""
        return (CPU,)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """Where variables of this process lie."""
        return (CPU,)

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process writes checkpoints."""
        return is_writer()

    @property
    def should_save_summary(self) -> bool:
        """Whether this process writes summaries."""
        return is_writer()

    @property
    def experimental_require_static_shapes(self) -> bool:
        """Always False."""
        return False

    @property
    def experimental_between_graph(self) -> bool:
        """Whether each process has a graph of its own."""
        return self._owner().size > 1

    @property
    def experimental_should_init(self) -> bool:
        """Whether this process initializes variables; each has its own."""
        return True

    def _in_multi_worker_mode(self) -> bool:
        return self._owner().size > 1

    @contextlib.contextmanager
    def colocate_vars_with(self, colocate_with_variable: Any) -> Iterator[None]:
        """Does nothing: all variables are in one place."""
        yield

    def call_for_each_replica(
        self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Calls a function in replica context; see `Strategy.run`."""
        return self._owner().run(fn, args, kwargs)

    def reduce_to(
        self, reduce_op: Any, value: Any, destinations: Any, options: Any = None
    ) -> Any:
        """Returns the sum or mean over all replicas; see `Strategy.reduce`."""
        return self._owner().reduce(reduce_op, value)

    def batch_reduce_to(
        self, reduce_op: Any, value_destination_pairs: Any, options: Any = None
    ) -> list[Any]:
        """Returns the sums or means of the values of pairs."""
        owner = self._owner()
        return [owner.reduce(reduce_op, value) for value, _ in value_destination_pairs]

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """Returns a tensor as it is: there is one replica in a process."""
        return tensor

    def update(
        self,
        var: Any,
        fn: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        group: bool = True,
    ) -> Any:
        """Calls a function that updates a variable."""
        found = fn(var, *args, **(kwargs or {}))
        return found if group else (found,)

    def update_non_slot(
        self,
        colocate_with: Any,
        fn: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        group: bool = True,
    ) -> Any:
        """Calls a function that updates what belongs to no variable."""
        found = fn(*args, **(kwargs or {}))
        return found if group else (found,)

    def value_container(self, value: Any) -> Any:
        """Returns a value as it is."""
        return value

    def variable_created_in_scope(self, v: Any) -> bool:
        """Returns True: variables of any scope are alike."""
        return True

    def read_var(self, var: Any) -> Any:
        """Returns the value of a variable."""
        return var.read_value()
