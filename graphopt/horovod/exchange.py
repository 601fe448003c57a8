"""Exchanging tensors and objects: ops in a graph, calls in eager mode."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1 import global_variables
from graphopt.compat.v1.train.session_hooks import SessionRunHook
from graphopt.dtypes import float16
from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.provenance import user_site
from graphopt.horovod.state import find_ranks
from graphopt.ops.collectives import BROADCAST, REDUCE_SCATTER
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims
from graphopt.ops.state import group
from graphopt.parallel import ranks
from graphopt.parallel.values import gather_rows, reduce_over_ranks


class Reduction(enum.Enum):
    """How the values of ranks become one: what `hvd.Average` and others are."""

    AVERAGE = "mean"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    PRODUCT = "prod"
    ADASUM = "adasum"


Average, Sum, Adasum = Reduction.AVERAGE, Reduction.SUM, Reduction.ADASUM
Min, Max, Product = Reduction.MIN, Reduction.MAX, Reduction.PRODUCT


class Compressor:
    """In which dtype floats travel.

    Args:
      dtype: float16; None for their own.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def compress(self, tensor: Any) -> tuple[Any, Any]:
        """Returns what travels, and what `decompress` needs."""
        if self.dtype is None or not tensor.dtype.is_floating:
            return tensor, None
        return cast(tensor, self.dtype), tensor.dtype

    def decompress(self, tensor: Any, ctx: Any) -> Any:
        """Returns what has travelled, in its own dtype."""
        return tensor if ctx is None else cast(tensor, ctx)


class Compression:
    """`hvd.Compression`: in which dtype gradients travel.

    Source: `horovod.tensorflow.Compression`.
    """

    none = Compressor(None)
    fp16 = Compressor(float16)


def kind_of(op: Any, average: bool | None = None) -> str:
    """Returns the reduction that arguments ask for.

    Raises:
      NotImplementedError: Adasum.
      ValueError: Both arguments are given, or the reduction is none.
    """
    if average is not None:
        if op is not None:
            raise ValueError(
                "The op parameter supersedes average. Please provide only one of them."
            )
        op = Average if average else Sum
    op = Average if op is None else op
    if op is Adasum:
        raise NotImplementedError("hvd.Adasum; use hvd.Average or hvd.Sum.")
    if not isinstance(op, Reduction):
        raise fail(
            ValueError,
            "A reduction is none of Horovod's",
            got=repr(op),
            expected="hvd.Average, Sum, Min, Max or Product",
            site=str(user_site()),
        )
    kind: str = op.value
    return kind


def allreduce(
    tensor: Any,
    average: bool | None = None,
    device_dense: str = "",
    device_sparse: str = "",
    compression: Compressor = Compression.none,
    op: Any = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    name: str | None = None,
    process_set: Any = None,
    **_options: Any,
) -> Any:
    """Returns the mean of the tensors of all ranks, or what `op` says.

    Args:
      tensor: Of equal shapes on all ranks; `IndexedSlices` are gathered.
      average: Whether it is the mean or the sum; in place of `op`.
      device_dense: Accepted for compatibility.
      device_sparse: Accepted for compatibility.
      compression: With `Compression.fp16` values travel as float16.
      op: `Average`, `Sum`, `Min`, `Max` or `Product`.
      prescale_factor: What the values are multiplied by before.
      postscale_factor: What the result is multiplied by.
      name: Accepted for compatibility.
      process_set: Accepted for compatibility.

    Returns:
      The same on all ranks.

    Source: `horovod.tensorflow.allreduce`.
    """
    kind = kind_of(op, average)
    found = find_ranks()
    if isinstance(tensor, IndexedSlices):
        return _reduce_rows(tensor, kind)
    value = hooks.convert(tensor)
    if prescale_factor != 1.0:
        value = value * cast(prescale_factor, value.dtype)
    if found is not None:
        small, ctx = compression.compress(value)
        if ctx is None or kind not in ("mean", "sum"):
            value = reduce_over_ranks(value, kind, found)
        else:
            # Sums of float16 are made in the dtype of the values.
            each = cast(gather_rows(expand_dims(small, 0), found), ctx)
            value = reduce_sum(each, 0)
            value = value / cast(found.size, ctx) if kind == "mean" else value
    if postscale_factor != 1.0:
        value = value * cast(postscale_factor, value.dtype)
    return value


def _reduce_rows(rows: IndexedSlices, kind: str) -> IndexedSlices:
    found = find_ranks()
    if kind not in ("mean", "sum"):
        raise NotImplementedError(
            "hvd.allreduce of IndexedSlices but for sum and mean."
        )
    if found is None:
        return rows
    values = gather_rows(rows.values, found)
    if kind == "mean":
        values = values / cast(found.size, values.dtype)
    return rows.with_rows(values, gather_rows(rows.indices, found))


def grouped_allreduce(tensors: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Returns `allreduce` of each tensor of a list.

    Source: `horovod.tensorflow.grouped_allreduce`.
    """
    return [allreduce(tensor, *args, **kwargs) for tensor in tensors]


def allgather(
    tensor: Any,
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: Any = None,
) -> Any:
    """Returns the tensors of all ranks one behind the other.

    In eager mode the first dimensions may differ. In a graph they may not: an error says
    so when it runs.

    Args:
      tensor: `[d, ...]`.
      name: Accepted for compatibility.
      ignore_name_scope: Accepted for compatibility.
      process_set: Accepted for compatibility.

    Source: `horovod.tensorflow.allgather`.
    """
    return gather_rows(tensor, find_ranks())


def grouped_allgather(tensors: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Returns `allgather` of each tensor of a list.

    Source: `horovod.tensorflow.grouped_allgather`.
    """
    return [allgather(tensor, *args, **kwargs) for tensor in tensors]


def broadcast(
    tensor: Any,
    root_rank: int,
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: Any = None,
) -> Any:
    """Returns the tensor that one rank has.

    Args:
      tensor: Of equal shapes on all ranks.
      root_rank: Which rank.
      name: Accepted for compatibility.
      ignore_name_scope: Accepted for compatibility.
      process_set: Accepted for compatibility.

    Source: `horovod.tensorflow.broadcast`.
    """
    found = find_ranks()
    value = hooks.convert(tensor)
    if found is None:
        return value
    group_and_size: Any = {"group": found.group, "size": found.size}
    return call(BROADCAST, value, root=root_rank, **group_and_size)


def reducescatter(
    tensor: Any,
    device_dense: str = "",
    compression: Compressor = Compression.none,
    op: Any = None,
    name: str | None = None,
    process_set: Any = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> Any:
    """Returns the rows of this rank of the mean of all tensors, or what `op` says.

    Args:
      tensor: `[d, ...]`, of equal shapes on all ranks. Where they cannot share d rows
        evenly, the first ranks get one more.
      device_dense: Accepted for compatibility.
      compression: As in `allreduce`.
      op: `Average` or `Sum`.
      name: Accepted for compatibility.
      process_set: Accepted for compatibility.
      prescale_factor: What the values are multiplied by before.
      postscale_factor: What the result is multiplied by.

    Source: `horovod.tensorflow.reducescatter`.
    """
    kind = kind_of(op)
    if kind not in ("mean", "sum"):
        raise NotImplementedError("hvd.reducescatter but for hvd.Average and hvd.Sum.")
    found = find_ranks()
    value = hooks.convert(tensor)
    if found is None:
        return value * cast(prescale_factor * postscale_factor, value.dtype)
    rows = value.shape[0]
    if rows is not None and rows % found.size == 0 and compression.dtype is None:
        value = value * cast(prescale_factor, value.dtype)
        group_and_size: Any = {"group": found.group, "size": found.size}
        value = call(REDUCE_SCATTER, value, reduction="sum", **group_and_size)
        scale = postscale_factor / (found.size if kind == "mean" else 1)
        return value * cast(scale, value.dtype)
    if rows is None:
        raise NotImplementedError("hvd.reducescatter of an unknown number of rows.")
    whole = allreduce(
        value,
        compression=compression,
        op=op,
        prescale_factor=prescale_factor,
        postscale_factor=postscale_factor,
    )
    least, more = divmod(rows, found.size)
    start = found.rank * least + min(found.rank, more)
    return whole[start : start + least + (found.rank < more)]


def grouped_reducescatter(
    tensors: Sequence[Any], *args: Any, **kwargs: Any
) -> list[Any]:
    """Returns `reducescatter` of each tensor of a list.

    Source: `horovod.tensorflow.grouped_reducescatter`.
    """
    return [reducescatter(tensor, *args, **kwargs) for tensor in tensors]


def alltoall(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("hvd.alltoall; try hvd.allgather and a slice of it.")


# ---- variables


def broadcast_variables(
    variables: Any, root_rank: int, process_set: Any = None, inplace: bool = False
) -> Any:
    """Gives variables the values that they have on one rank.

    Args:
      variables: The same ones, in the same order, on all ranks.
      root_rank: Which rank.
      process_set: Accepted for compatibility.
      inplace: Accepted for compatibility.

    Returns:
      In a graph the op that does it.

    Source: `horovod.tensorflow.broadcast_variables`.
    """
    chosen = list(variables)
    found = find_ranks()
    if building_graph() is not None:
        return group(
            *(
                v.assign(broadcast(v.read_value(), root_rank), read_value=False)
                for v in chosen
            )
        )
    if found is not None:
        ranks.broadcast_variables(chosen, found, root_rank)
    return None


def broadcast_global_variables(root_rank: int) -> Any:
    """Returns the op that gives all variables of the graph the values of one rank.

    Raises:
      RuntimeError: In eager mode.

    Source: `horovod.tensorflow.broadcast_global_variables`.
    """
    if building_graph() is None:
        raise fail(
            RuntimeError,
            "hvd.broadcast_global_variables() does not support eager execution",
            got="a call in eager mode",
            expected="a graph",
            site=str(user_site()),
            remedy="hvd.broadcast_variables(model.variables, root_rank=0)",
        )
    return broadcast_variables(global_variables(), root_rank)


class BroadcastGlobalVariablesHook(SessionRunHook):
    """Gives all variables the values of one rank, when a session is made.

    Args:
      root_rank: Which rank.
      device: Accepted for compatibility.

    Source: `horovod.tensorflow.BroadcastGlobalVariablesHook`.
    """

    def __init__(self, root_rank: int, device: str = "") -> None:
        self.root_rank, self.device = root_rank, device
        self.bcast_op: Any = None

    def begin(self) -> None:
        """Makes the op."""
        self.bcast_op = broadcast_global_variables(self.root_rank)

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs the op."""
        session.run(self.bcast_op)


# ---- objects


def broadcast_object(
    obj: Any,
    root_rank: int = 0,
    session: Any = None,
    name: str | None = None,
    process_set: Any = None,
) -> Any:
    """Returns what one rank has; anything that can be pickled.

    Source: `horovod.tensorflow.broadcast_object`.
    """
    found = find_ranks()
    return obj if found is None else found.broadcast_object(obj, root_rank)


def broadcast_object_fn(
    root_rank: int = 0, session: Any = None, name: Any = None, process_set: Any = None
) -> Callable[[Any], Any]:
    """Returns a function that does `broadcast_object`.

    Source: `horovod.tensorflow.broadcast_object_fn`.
    """
    return lambda obj: broadcast_object(obj, root_rank)


def allgather_object(
    obj: Any, session: Any = None, name: str | None = None, process_set: Any = None
) -> list[Any]:
    """Returns what all ranks have, by rank.

    Source: `horovod.tensorflow.allgather_object`.
    """
    found = find_ranks()
    return [obj] if found is None else found.gather_objects(obj)
