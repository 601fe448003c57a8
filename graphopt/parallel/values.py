"""Values of several replicas: how they are reduced and joined over ranks."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.collectives import ALL_GATHER, ALL_REDUCE, REDUCED
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast, divide, floordiv
from graphopt.ops.shaping import concat, transpose

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = [
    "PerReplica",
    "ReduceOp",
    "divide_by",
    "gather_rows",
    "read_reduction",
    "reduce_over_ranks",
]


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
        return read_reduction(name)


def read_reduction(given: Any) -> ReduceOp:
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
    return divide_by(total, cast(communicator.size, total.dtype))


def divide_by(total: Any, count: Any) -> Any:
    """Returns a mean: a sum divided by a count of its dtype; rounded down for integers."""
    return divide(total, count) if total.dtype.is_floating else floordiv(total, count)


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
