"""Strategies: how the processes of a program train one model together.

TensorFlow has two kinds of replicas, those of one process, on its devices, and those of
several. Here a process is one replica, which uses all of its cores, and a strategy of
several replicas is one of several processes, `MPIStrategy`. So the value of a replica is
an ordinary value, and `run` calls the function.

Two contexts have names in TensorFlow. In the scope of a strategy a program is in *cross-
replica context*; in a function that `run` calls it is in *replica context*, and has a
`ReplicaContext`. Optimizers add up the gradients of all ranks in both.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat
from graphopt.parallel.aggregation import (
    Aggregation,
    Collection,
    aggregating,
    collecting,
    sum_in_tree,
)
from graphopt.parallel.data import cut_rows, distribute_dataset
from graphopt.parallel.extended import (
    CPU,
    InputContext,
    StrategyExtended,
    ValueContext,
)
from graphopt.parallel.ranks import sharing_first_values
from graphopt.parallel.values import (
    PerReplica,
    ReduceOp,
    divide_by,
    gather_rows,
    read_reduction,
    reduce_over_ranks,
)
from graphopt.runtime.function import Function, function

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = [
    "ReplicaContext",
    "Strategy",
    "entered_as",
    "get_replica_context",
    "get_strategy",
    "has_strategy",
    "in_cross_replica_context",
]


# ---- where a thread is


class _Local(threading.local):
    def __init__(self) -> None:
        # The strategies whose scopes are open, each with the replica that it runs as.
        self.entered: list[tuple[Strategy, ReplicaContext | None]] = []


_local = _Local()


def get_strategy() -> Strategy:
    """Returns the strategy whose scope is open, or the one of a single replica.

    >>> get_strategy().num_replicas_in_sync, has_strategy()
    (1, False)

    Source: `tf.distribute.get_strategy`.
    """
    return _local.entered[-1][0] if _local.entered else _default_strategy()


def has_strategy() -> bool:
    """Returns whether the scope of a strategy is open.

    Source: `tf.distribute.has_strategy`.
    """
    return bool(_local.entered)


def in_cross_replica_context() -> bool:
    """Returns whether a scope is open and no function of `run` is being called.

    Source: `tf.distribute.in_cross_replica_context`.
    """
    return bool(_local.entered) and _local.entered[-1][1] is None


def get_replica_context() -> ReplicaContext | None:
    """Returns the replica that this is; None in cross-replica context.

    Source: `tf.distribute.get_replica_context`.
    """
    if not _local.entered:
        return ReplicaContext(_default_strategy(), 0)
    return _local.entered[-1][1]


@contextlib.contextmanager
def entered_as(strategy: Strategy, replica: ReplicaContext | None) -> Iterator[None]:
    """Makes a strategy that of a block.

    Args:
      strategy: The strategy.
      replica: The replica that calls; None for cross-replica context.
    """
    communicator = strategy.communicator
    _local.entered.append((strategy, replica))
    try:
        with (
            aggregating(strategy.aggregation),
            sharing_first_values(communicator),
        ):
            yield
    finally:
        _local.entered.pop()


# ---- replica context


class ReplicaContext:
    """What a function that `Strategy.run` calls knows of its replica.

    Source: `tf.distribute.ReplicaContext`.
    """

    def __init__(self, strategy: Strategy, replica_id: int) -> None:
        self._strategy = strategy
        self.replica_id_in_sync_group = replica_id

    @property
    def strategy(self) -> Strategy:
        """The strategy."""
        return self._strategy

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._strategy.num_replicas_in_sync

    @property
    def devices(self) -> tuple[str, ...]:
        """The CPU."""
        return (CPU,)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Returns the sum or mean of the values of all replicas, on each of them.

        Args:
          reduce_op: `ReduceOp.SUM` or `ReduceOp.MEAN`, or its name.
          value: A tensor or a nest of them, of equal shapes on all replicas.
          options: Accepted for compatibility.

        Returns:
          The nest of the results, which have derivatives.

        Raises:
          NotImplementedError: A rank computes several parts of a batch.
        """
        reduction = read_reduction(reduce_op)
        self._refuse_parts("all_reduce")
        communicator = self._strategy.communicator
        return nest.map_structure(
            lambda leaf: reduce_over_ranks(leaf, reduction.value.lower(), communicator),
            value,
        )

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """Returns the values of all replicas one behind the other, on each of them.

        Args:
          value: A tensor or a nest of them.
          axis: Along which axis; in eager mode their sizes along it may differ.
          options: Accepted for compatibility.

        Raises:
          NotImplementedError: A rank computes several parts of a batch.
        """
        self._refuse_parts("all_gather")
        communicator = self._strategy.communicator
        return nest.map_structure(
            lambda leaf: gather_rows(leaf, communicator, axis), value
        )

    def merge_call(
        self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Calls a function in cross-replica context.

        Args:
          merge_fn: Takes the strategy and the arguments.
          args: Positional arguments.
          kwargs: Keyword arguments.

        Raises:
          NotImplementedError: A rank computes several parts of a batch.
        """
        self._refuse_parts("merge_call")
        if not _local.entered:
            return merge_fn(self._strategy, *args, **(kwargs or {}))
        with entered_as(self._strategy, None):
            return merge_fn(self._strategy, *args, **(kwargs or {}))

    def _refuse_parts(self, what: str) -> None:
        if self._strategy.local_parts > 1:
            raise NotImplementedError(
                f"ReplicaContext.{what} with shards={self._strategy.num_replicas_in_sync} "
                f"on {self._strategy.size} rank(s), of which each computes "
                f"{self._strategy.local_parts} parts one after the other."
            )

    def __enter__(self) -> ReplicaContext:
        _local.entered.append((self._strategy, self))
        return self

    def __exit__(self, *exception: object) -> None:
        _local.entered.pop()

    def __repr__(self) -> str:
        return (
            f"<tf.distribute.ReplicaContext {self.replica_id_in_sync_group} of "
            f"{self.num_replicas_in_sync}>"
        )


# ---- strategies


class Strategy:
    """How replicas train one model: the base class, with one replica.

    >>> import graphopt as tf
    >>> strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    >>> with strategy.scope():
    ...     w = tf.Variable(2.0)
    >>> float(strategy.run(lambda x: w * x, args=(tf.constant(3.0),)))
    6.0

    Source: `tf.distribute.Strategy`.
    """

    # Who exchanges values; None where one process is alone.
    communicator: Communicator | None = None
    # What becomes of gradients; None where one process computes the whole batch.
    aggregation: Aggregation | None = None
    # Into how many parts this rank cuts its part of a batch.
    local_parts = 1
    _cluster_resolver: Any = None

    def __init__(self, extended: Any = None) -> None:
        self._extended = StrategyExtended(self)
        # Functions of several parts, by the traced functions that programs pass to `run`.
        self._of_parts: weakref.WeakKeyDictionary[Any, Any] = (
            weakref.WeakKeyDictionary()
        )

    # ---- who takes part

    @property
    def rank(self) -> int:
        """The number of this process among those of the strategy."""
        return 0 if self.communicator is None else self.communicator.rank

    @property
    def size(self) -> int:
        """How many processes there are."""
        return 1 if self.communicator is None else self.communicator.size

    @property
    def num_replicas_in_sync(self) -> int:
        """Over how many replicas gradients are summed: ranks, or shards of a batch."""
        return self.size * self.local_parts

    @property
    def cluster_resolver(self) -> Any:
        """What the strategy was given to find the processes by, or None."""
        return self._cluster_resolver

    @property
    def extended(self) -> StrategyExtended:
        """The rarer methods."""
        return self._extended

    # ---- scopes and calls

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Makes this the strategy of a block.

        Variables that are made in it begin with the values of rank 0, optimizers and
        models that are made in it keep to the strategy. All ranks make the same variables
        in the same order.
        """
        with entered_as(self, None):
            yield self

    def run(
        self,
        fn: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        options: Any = None,
    ) -> Any:
        """Calls a function in replica context.

        Args:
          fn: The function.
          args: Its arguments: those of this rank.
          kwargs: Its keyword arguments.
          options: Accepted for compatibility.

        Returns:
          What it returns. Where a rank computes several parts of a batch, as `shards`
          says, the function is called for each: tensors and arrays among the arguments
          are cut along their first axis, and the results are `PerReplica`.
        """
        given = (tuple(args), dict(kwargs or {}))
        if self.local_parts > 1:
            found = self._run_parts(fn, *given)
        else:
            with entered_as(self, ReplicaContext(self, self.rank)):
                found = fn(*given[0], **given[1])
        return found

    experimental_run_v2 = run
    experimental_run = run

    def _run_parts(self, fn: Any, args: Any, kwargs: Any) -> Any:
        if isinstance(fn, Function) and building_graph() is None:
            # All parts are one step, so they are traced together.
            together = self._of_parts.get(fn)
            if together is None:
                python = fn.python_function

                def run_together(*args: Any, **kwargs: Any) -> Any:
                    return self._call_parts(python, args, kwargs)

                together = self._of_parts[fn] = function(run_together)
            found = together(*args, **kwargs)
        else:
            found = self._call_parts(fn, args, kwargs)
        first = found[0]
        if not nest.is_nested(first):
            return PerReplica(found)
        leaves = zip(*(nest.flatten(each) for each in found), strict=True)
        return nest.pack_as(first, [PerReplica(leaf) for leaf in leaves])

    def _call_parts(self, fn: Any, args: Any, kwargs: Any) -> list[Any]:
        parts, found = self.local_parts, []
        collection = Collection(list(range(parts)))
        for part in range(parts):
            own_args, own_kwargs = cut_rows((args, kwargs), part, parts)
            replica = ReplicaContext(self, self.rank * parts + part)
            with entered_as(self, replica), collecting(collection, part):
                found.append(fn(*own_args, **own_kwargs))
        return found

    # ---- values

    def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
        """Returns the sum or mean of what `run` returned on all replicas.

        Args:
          reduce_op: `ReduceOp.SUM` or `ReduceOp.MEAN`, or its name.
          value: A tensor or a nest of them.
          axis: An axis of the values to reduce too; a mean is then over the elements of
            all replicas along it, however many each has.
        """
        reduction = read_reduction(reduce_op)
        return nest.map_structure(
            lambda leaf: self._reduce_leaf(reduction, leaf, axis), value
        )

    def _reduce_leaf(self, reduction: ReduceOp, value: Any, axis: int | None) -> Any:
        values = value.values if isinstance(value, PerReplica) else (value,)
        tensors = [hooks.convert(each) for each in values]
        is_mean = reduction is ReduceOp.MEAN
        count: Any = cast(len(tensors), tensors[0].dtype)
        if axis is not None:
            sizes = [cast(shape_of(t)[axis], t.dtype) for t in tensors]
            count = sum_in_tree(sizes)
            tensors = [reduce_sum(t, axis) for t in tensors]
        total = reduce_over_ranks(sum_in_tree(tensors), "sum", self.communicator)
        if not is_mean:
            return total
        count = reduce_over_ranks(count, "sum", self.communicator)
        return divide_by(total, count)

    def gather(self, value: Any, axis: int) -> Any:
        """Returns the values of all replicas one behind the other.

        Args:
          value: A tensor or a nest of them.
          axis: Along which axis; in eager mode their sizes along it may differ.
        """

        def gather_leaf(leaf: Any) -> Any:
            if isinstance(leaf, PerReplica):
                leaf = concat(list(leaf.values), axis)
            return gather_rows(leaf, self.communicator, axis)

        return nest.map_structure(gather_leaf, value)

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """Returns the values of the replicas of this process, a tuple."""
        if isinstance(value, PerReplica):
            return value.values
        return (value,)

    unwrap = experimental_local_results

    # ---- data

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Returns the part of a data set that is this rank's.

        A batch is the batch of all ranks together, of which each takes its rows. So all
        ranks have to have the same elements: a data set that is shuffled without a seed
        is shuffled alike on all of them. With `auto_shard_policy` `OFF` among the options
        of the data set, its elements are those of this rank already, and each batch is
        cut in as many as there are ranks, which come one after the other.

        Args:
          dataset: A `tf.data.Dataset` of batches.
          options: Accepted for compatibility.

        Raises:
          NotImplementedError: The policy is to share out files.
        """
        if self.size == 1:
            return dataset
        found = distribute_dataset(dataset, self.rank, self.size)
        found.is_distributed = True
        return found

    def distribute_datasets_from_function(
        self, dataset_fn: Callable[[InputContext], Any], options: Any = None
    ) -> Any:
        """Returns the data set that a function makes for this rank.

        Args:
          dataset_fn: Takes an `InputContext`.
          options: Accepted for compatibility.
        """
        found = dataset_fn(self._input_context())
        with contextlib.suppress(AttributeError):
            found.is_distributed = True
        return found

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def make_input_fn_iterator(
        self, input_fn: Callable[[InputContext], Any], replication_mode: Any = None
    ) -> Any:
        """Returns an iterator over the data that a function makes for this rank."""
        return self._iterate(self.distribute_datasets_from_function(input_fn))

    def make_dataset_iterator(self, dataset: Any) -> Any:
        """Returns an iterator over the part of a data set that is this rank's."""
        return self._iterate(self.experimental_distribute_dataset(dataset))

    def _iterate(self, dataset: Any) -> Any:
        if building_graph() is None:
            return iter(dataset)
        # Loaded by those who have a graph of data.
        make = getattr(dataset, "make_initializable_iterator", None)
        return make() if make is not None else iter(dataset)

    def experimental_distribute_values_from_function(
        self, value_fn: Callable[[Any], Any]
    ) -> Any:
        """Returns what a function makes for this replica."""
        return value_fn(
            ValueContext(self.rank * self.local_parts, self.num_replicas_in_sync)
        )

    def _input_context(self) -> InputContext:
        return InputContext(self.size, self.rank, self.num_replicas_in_sync)

    # ---- TensorFlow 1

    def update_config_proto(self, config_proto: Any) -> Any:
        """Returns a config as it is."""
        return config_proto

    def initialize(self) -> list[Any]:
        """Returns no ops: there is nothing to be initialized."""
        return []

    def finalize(self) -> list[Any]:
        """Returns no ops."""
        return []

    def __deepcopy__(self, memo: Any) -> Strategy:
        return self

    def __repr__(self) -> str:
        return f"<graphopt {type(self).__name__} of {self.size} process(es)>"


class _DefaultStrategy(Strategy):
    """What holds where no scope is open."""


_default: list[Strategy] = []


def _default_strategy() -> Strategy:
    if not _default:
        _default.append(_DefaultStrategy())
    return _default[0]
