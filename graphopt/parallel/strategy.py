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
import enum
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.collectives import ALL_GATHER, ALL_REDUCE, REDUCED
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast, divide, floordiv
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat, transpose
from graphopt.parallel.aggregation import (
    Aggregation,
    Collection,
    aggregating,
    collecting,
    sum_in_tree,
)
from graphopt.parallel.data import cut_rows
from graphopt.parallel.mpi import is_launched
from graphopt.parallel.ranks import (
    activate,
    is_writer,
    sharing_first_values,
)
from graphopt.runtime.function import Function, function

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = [
    "InputContext",
    "MPIStrategy",
    "MirroredStrategy",
    "OneDeviceStrategy",
    "PerReplica",
    "ReduceOp",
    "ReplicaContext",
    "Strategy",
    "StrategyExtended",
    "ValueContext",
    "entered_as",
    "find_task",
    "gather_rows",
    "get_replica_context",
    "get_strategy",
    "has_strategy",
    "in_cross_replica_context",
    "reduce_over_ranks",
]

_CPU = "/job:localhost/replica:0/task:0/device:CPU:0"


class ReduceOp(enum.Enum):
    """How the values of replicas become one.

    Source: `tf.distribute.ReduceOp`.
    """

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """Returns the reduction of a `tf.VariableAggregation`."""
        name = str(getattr(aggregation, "name", aggregation)).upper()
        return _reduction(name)


def _reduction(given: Any) -> ReduceOp:
    """Reads a reduction: an object or its name.

    Raises:
      ValueError: It is none.
    """
    name = given.value if isinstance(given, ReduceOp) else str(given).upper()
    if name in ("SUM", "MEAN"):
        return ReduceOp(name)
    raise fail(
        ValueError,
        "A reduction over replicas is none",
        got=repr(given),
        expected="tf.distribute.ReduceOp.SUM or ReduceOp.MEAN",
        site=str(user_site()),
    )


class PerReplica:
    """The values of the parts of a batch that one rank has computed, in order.

    Source: `tf.distribute.DistributedValues`.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)

    def __repr__(self) -> str:
        return f"PerReplica({', '.join(map(repr, self.values))})"


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


# ---- values of several ranks


def reduce_over_ranks(
    value: Any, reduction: str, communicator: Communicator | None
) -> Any:
    """Returns the reduction of a tensor over the ranks.

    Args:
      value: A tensor, of equal shapes on all ranks.
      reduction: `"sum"`, `"min"`, `"max"`, or `"mean"`, which is rounded down for integers.
      communicator: The ranks; None for one.
    """
    tensor = hooks.convert(value)
    if communicator is None or communicator.size == 1:
        return tensor
    if tensor.dtype not in REDUCED:
        raise fail(
            InvalidArgumentError,
            "Ranks cannot reduce values of this type",
            got=tensor.dtype.name,
            expected=f"one of {', '.join(dtype.name for dtype in REDUCED)}",
            site=str(user_site()),
            remedy="tf.cast",
        )
    ranks: Any = {"group": communicator.group, "size": communicator.size}
    kind = "sum" if reduction == "mean" else reduction
    total = call(ALL_REDUCE, tensor, reduction=kind, **ranks)
    if reduction != "mean":
        return total
    size = cast(communicator.size, total.dtype)
    return divide(total, size) if total.dtype.is_floating else floordiv(total, size)


def gather_rows(value: Any, communicator: Communicator | None, axis: int = 0) -> Any:
    """Returns the tensors of all ranks one behind the other along an axis.

    In eager mode their sizes along it may differ. In a graph they may not: an error says
    so when it runs.

    Args:
      value: A tensor with dimensions.
      communicator: The ranks; None for one.
      axis: Along which axis.
    """
    tensor = hooks.convert(value)
    if tensor.shape.rank == 0:
        raise fail(
            InvalidArgumentError,
            "Values of several ranks are joined along an axis",
            got="a scalar",
            expected="a tensor with dimensions",
            site=str(user_site()),
            remedy="tf.expand_dims(value, 0)",
        )
    if communicator is None or communicator.size == 1:
        return tensor
    order = None
    if axis:
        order = list(range(tensor.shape.rank or 0))
        order[0], order[axis] = order[axis], order[0]
        tensor = transpose(tensor, order)
    found = _gather_first(tensor, communicator)
    return found if order is None else transpose(found, order)


def _gather_first(tensor: Any, communicator: Communicator) -> Any:
    ranks: Any = {"group": communicator.group, "size": communicator.size}
    if building_graph() is None:
        sizes = communicator.gather_objects(tensor.shape.as_list())
        if len({tuple(size[1:]) for size in sizes}) != 1:
            raise fail(
                InvalidArgumentError,
                "Ranks join tensors that differ in more than one dimension",
                got=", ".join(f"{size} on rank {i}" for i, size in enumerate(sizes)),
                expected="shapes that are equal but for that dimension",
                site=str(user_site()),
            )
        counts = [size[0] for size in sizes]
        most = max(counts)
        if min(counts) == most:
            return call(ALL_GATHER, tensor, **ranks)
        # As many rows on each; those that were added go again.
        filled = tensor
        if counts[communicator.rank] < most:
            missing = [most - counts[communicator.rank], *sizes[0][1:]]
            filled = concat([tensor, zeros(missing, tensor.dtype)], 0)
        found = call(ALL_GATHER, filled, **ranks)
        pieces = [found[i * most : i * most + n] for i, n in enumerate(counts)]
        return concat(pieces, 0)
    return call(ALL_GATHER, tensor, **ranks)


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
        return (_CPU,)

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
        reduction = _reduction(reduce_op)
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
        reduction = _reduction(reduce_op)
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
        return (
            divide(total, count) if total.dtype.is_floating else floordiv(total, count)
        )

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
        policy = _policy_of(dataset)
        if policy == "FILE":
            raise NotImplementedError(
                "AutoShardPolicy.FILE; use DATA, or share the files out with "
                "strategy.distribute_datasets_from_function and Dataset.shard."
            )
        if policy in ("OFF", "HINT"):
            make = type(dataset).from_tensors
            found = dataset.flat_map(lambda *e: self._cut_batch(make, e))
        else:
            found = _map_elements(
                dataset, lambda element: cut_rows(element, self.rank, self.size)
            )
        found.is_distributed = True
        return found

    def _cut_batch(self, make: Callable[[Any], Any], element: tuple[Any, ...]) -> Any:
        """Returns a data set of the parts of one batch."""
        found: Any = None
        for i in range(self.size):
            part = cut_rows(element, i, self.size)
            each = make(part if len(part) > 1 else part[0])
            found = each if found is None else found.concatenate(each)
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


class ValueContext:
    """What a function that makes the value of one replica knows of it.

    Source: `tf.distribute.experimental.ValueContext`.
    """

    def __init__(
        self, replica_id_in_sync_group: int = 0, num_replicas_in_sync: int = 1
    ) -> None:
        self.replica_id_in_sync_group = replica_id_in_sync_group
        self.num_replicas_in_sync = num_replicas_in_sync


def _policy_of(dataset: Any) -> str:
    options = dataset.options() if hasattr(dataset, "options") else None
    policy = getattr(
        getattr(options, "experimental_distribute", None), "auto_shard_policy", None
    )
    return str(getattr(policy, "name", policy or "AUTO")).upper()


def _map_elements(dataset: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a data set of changed elements; a tuple stays one, also of one part."""
    is_tuple = isinstance(dataset.element_spec, tuple)
    return dataset.map(
        lambda *element: change(element if is_tuple else element[0]),
    )


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
        return (_CPU,)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """Where variables of this process lie."""
        return (_CPU,)

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


class _DefaultStrategy(Strategy):
    """What holds where no scope is open."""


_default: list[Strategy] = []


def _default_strategy() -> Strategy:
    if not _default:
        _default.append(_DefaultStrategy())
    return _default[0]


class OneDeviceStrategy(Strategy):
    """One replica, in this process.

    Args:
      device: Accepted: there is the CPU.

    Source: `tf.distribute.OneDeviceStrategy`.
    """

    def __init__(self, device: Any) -> None:
        super().__init__()


class MirroredStrategy(Strategy):
    """One replica, in this process: the CPU is one device, however many cores it has.

    Args:
      devices: Accepted for compatibility.
      cross_device_ops: Accepted for compatibility.

    >>> import graphopt as tf
    >>> tf.distribute.MirroredStrategy().num_replicas_in_sync
    1

    Source: `tf.distribute.MirroredStrategy`.
    """

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        super().__init__()


class MPIStrategy(Strategy):
    """One replica in each of several processes, which an MPI launcher has started.

    Every process runs the same program, on its part of the data. Gradients are summed, as
    TensorFlow does it, before anything is done to them: a loss is to be divided by the
    size of the batch of all ranks (`tf.nn.compute_average_loss`). Without a launcher the
    process is alone, and MPI is not loaded.

    Args:
      comm: A communicator of mpi4py; by default all processes that were started.
      bucket_bytes: About how many bytes of gradients are exchanged at once.
      shards: In how many parts each batch is cut, a power of two and a multiple of the
        number of ranks. Gradients are summed in the order of a fixed tree over them, so
        that every number of ranks gives the same bits.
      shard_optimizer: Whether each rank keeps and updates only its part of the slots.
      timeout: After how many seconds of waiting for another rank there is an error.
      check_replicas_every: After how many steps the variables of all ranks are compared;
        0 for never.
      on_failure: What happens when another rank fails: `"raise"` an error.

    Raises:
      ValueError: `shards` is no such number, or another option cannot be right.
      ImportError: There are several processes, and no MPI library.

    >>> import graphopt as tf
    >>> strategy = tf.distribute.MPIStrategy()
    >>> strategy.num_replicas_in_sync
    1
    """

    def __init__(
        self,
        comm: Any = None,
        *,
        bucket_bytes: int = 4 << 20,
        shards: int | None = None,
        shard_optimizer: bool = False,
        timeout: float = 60.0,
        check_replicas_every: int = 100,
        on_failure: str = "raise",
    ) -> None:
        super().__init__()
        _check_options(bucket_bytes, timeout, check_replicas_every, on_failure)
        self.timeout, self.on_failure = timeout, on_failure
        self.check_replicas_every = check_replicas_every
        if comm is not None or is_launched():
            # MPI is loaded by those who are several.
            from graphopt.parallel.communicator import Communicator, world

            self.communicator = world() if comm is None else Communicator(comm)
        if self.communicator is not None and self.communicator.size == 1:
            self.communicator = None
        size = self.size
        if shards is not None:
            _check_shards(shards, size)
            self.local_parts = shards // size
        if self.communicator is not None:
            self.communicator.watch.timeout = timeout
            self.aggregation = Aggregation(
                self.communicator.group,
                size,
                bucket_bytes=bucket_bytes,
                shards=shards,
                shard_optimizer=shard_optimizer,
            )
            self.communicator.watch.timeout = timeout
            self.communicator.check_every = check_replicas_every
            activate(self.communicator)
        elif shards is not None:
            self.aggregation = Aggregation(0, 1, shards=shards)


def _check_options(
    bucket_bytes: int, timeout: float, check_replicas_every: int, on_failure: str
) -> None:
    wrong = [
        f"{name}={value!r}"
        for name, value, is_right in (
            ("bucket_bytes", bucket_bytes, bucket_bytes > 0),
            ("timeout", timeout, timeout > 0),
            ("check_replicas_every", check_replicas_every, check_replicas_every >= 0),
            ("on_failure", on_failure, on_failure == "raise"),
        )
        if not is_right
    ]
    if wrong:
        raise fail(
            ValueError,
            "MPIStrategy has options that cannot be right",
            got=", ".join(wrong),
            expected="positive numbers, and on_failure='raise'",
            site=str(user_site()),
        )


def _check_shards(shards: int, size: int) -> None:
    if shards < 1 or shards & (shards - 1) or shards % size or size & (size - 1):
        raise fail(
            ValueError,
            "MPIStrategy cannot cut batches in this many shards",
            got=f"shards={shards} with {size} rank(s)",
            expected="a power of two that the number of ranks, one too, divides",
            site=str(user_site()),
        )


def find_task() -> tuple[int, int]:
    """Returns the number of this process and how many there are, by the launcher."""
    for rank, size in (
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
        ("SLURM_PROCID", "SLURM_NTASKS"),
    ):
        if rank in os.environ and size in os.environ and is_launched():
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1
