"""Ops by which several processes, the *ranks*, exchange values.

Each of them is an operation of every rank's graph: when it runs, all ranks run it, and it
ends when all have come. So none may be left out because its result is not needed here, two
with equal inputs are two, and all run in the order in which they were made: that is
`Effect.COLLECTIVE`.

What carries the values is not known here: `hooks.communicator` gives the communicator of a
group of ranks by its number. A group of one rank needs none, and its ops are the identity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import (
    DType,
    as_dtype,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint8,
)
from graphopt.errors import InvalidArgumentError, OpError, describe_shapes, fail
from graphopt.graph.body import TypedValue
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Effect,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.status import Report
from graphopt.ops.creation import zeros_like

Array = NDArray[Any]

REDUCTIONS: Final = ("sum", "min", "max", "prod")
"""How the values of several ranks become one."""
EXCHANGED: Final = (float32, float64, int32, int64, uint8, bool_, float16)
"""What can be gathered and broadcast."""
REDUCED: Final = (float32, float64, int32, int64)
"""What can be reduced."""


def explain(report: Report) -> OpError:
    """Makes the error of a collective that has failed."""
    error: OpError = hooks.communicator(report.op.attrs["group"]).explain(report.op)
    return error


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise fail(
            InvalidArgumentError,
            "A collective has a reduction that is none",
            got=repr(reduction),
            expected=f"one of {', '.join(REDUCTIONS)}",
            site=str(user_site()),
        )


# ---- all ranks get the reduction of what all have


def _infer_same(x: Any, **attrs: Any) -> tuple[TensorShape, DType]:
    _check_reduction(attrs.get("reduction", "sum"))
    return x.shape, x.dtype


def _compute_all_reduce(x: Array, *, reduction: str, group: int, size: int) -> Array:
    if size == 1:
        return x
    result: Array = hooks.communicator(group).all_reduce(x, reduction)
    return result


def _all_reduce_vjp(
    g: Any, y: Any, x: Any, *, reduction: str, group: int, size: int
) -> tuple[Any]:
    if reduction != "sum":
        raise fail(
            NotImplementedError,
            f"AllReduce with {reduction!r} has no derivative",
            expected="a sum",
            site=str(user_site()),
        )
    return (call(ALL_REDUCE, g, reduction="sum", group=group, size=size),)


_ONE: Final = {"group": 0, "size": 1}


def _samples(attrs: Mapping[str, Any], *others: Any) -> list[Sample]:
    """A matrix of each dtype, with other inputs behind it."""
    matrix = np.arange(6.0).reshape(2, 3)
    dtypes = np.float64, np.float32
    return [Sample((matrix.astype(t), *others), dict(attrs)) for t in dtypes]


ALL_REDUCE: OpSpec = register(
    OpSpec(
        "AllReduce",
        _infer_same,
        _compute_all_reduce,
        _all_reduce_vjp,
        Family("all_reduce"),
        lambda: _samples({"reduction": "sum", **_ONE}),
        errors=lambda: [
            BadInput(
                (np.zeros(3, np.float32),),
                {"reduction": "mode", **_ONE},
                InvalidArgumentError,
                "a reduction that is none",
            )
        ],
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)


def _infer_guarded(x: Any, only_if: Any, **attrs: Any) -> tuple[TensorShape, DType]:
    if only_if.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            "AllReduceIf has a condition that is no scalar",
            got=describe_shapes(only_if),
            expected="a bool scalar",
            site=str(user_site()),
        )
    return _infer_same(x, **attrs)


ALL_REDUCE_IF: OpSpec = register(
    OpSpec(
        "AllReduceIf",
        _infer_guarded,
        # The condition is the same on all ranks, so either all come or none.
        lambda x, only_if, **attrs: _compute_all_reduce(x, **attrs) if only_if else x,
        lambda g, y, x, only_if, **attrs: (
            call(ALL_REDUCE_IF, g, only_if, **attrs),
            None,
        ),
        Family("all_reduce"),
        lambda: [
            *_samples({"reduction": "sum", **_ONE}, np.bool_(True)),
            *_samples({"reduction": "sum", **_ONE}, np.bool_(False)),
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3, np.float32), np.array([True])),
                {"reduction": "sum", **_ONE},
                InvalidArgumentError,
                "a condition that is no scalar",
            )
        ],
        types=("T", "bool"),
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)


# ---- all ranks get what all have, one behind the other


def _infer_gathered(x: Any, *, group: int, size: int) -> tuple[TensorShape, DType]:
    if x.shape.rank == 0:
        raise fail(
            InvalidArgumentError,
            "AllGather joins values along their first axis",
            got="a scalar",
            expected="a tensor with dimensions",
            site=str(user_site()),
        )
    if x.shape.rank is None:
        return x.shape, x.dtype
    first, *rest = x.shape.as_list()
    return TensorShape([None if first is None else first * size, *rest]), x.dtype


def _compute_gather(x: Array, *, group: int, size: int) -> Array:
    if size == 1:
        return x
    result: Array = hooks.communicator(group).all_gather(x)
    return result


ALL_GATHER: OpSpec = register(
    OpSpec(
        "AllGather",
        _infer_gathered,
        _compute_gather,
        lambda g, y, x, *, group, size: (
            call(REDUCE_SCATTER, g, reduction="sum", group=group, size=size),
        ),
        Family("all_gather"),
        lambda: _samples(_ONE),
        errors=lambda: [
            BadInput((np.float32(1.0),), dict(_ONE), InvalidArgumentError, "a scalar")
        ],
        dtypes=EXCHANGED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)


# ---- each rank gets its own piece of the reduction


def _infer_scattered(
    x: Any, *, reduction: str, group: int, size: int
) -> tuple[TensorShape, DType]:
    _check_reduction(reduction)
    if x.shape.rank is None:
        return x.shape, x.dtype
    dims = x.shape.as_list()
    if not dims or (dims[0] is not None and dims[0] % size):
        raise fail(
            InvalidArgumentError,
            "ReduceScatter cuts values along their first axis",
            got=describe_shapes(x),
            expected=f"a first dimension that {size} ranks can share",
            site=str(user_site()),
        )
    first = None if dims[0] is None else dims[0] // size
    return TensorShape([first, *dims[1:]]), x.dtype


def _compute_scatter(x: Array, *, reduction: str, group: int, size: int) -> Array:
    if size == 1:
        return x
    result: Array = hooks.communicator(group).reduce_scatter(x, reduction)
    return result


def _scatter_vjp(
    g: Any, y: Any, x: Any, *, reduction: str, group: int, size: int
) -> tuple[Any]:
    if reduction != "sum":
        raise fail(
            NotImplementedError,
            f"ReduceScatter with {reduction!r} has no derivative",
            expected="a sum",
            site=str(user_site()),
        )
    return (call(ALL_GATHER, g, group=group, size=size),)


REDUCE_SCATTER: OpSpec = register(
    OpSpec(
        "ReduceScatter",
        _infer_scattered,
        _compute_scatter,
        _scatter_vjp,
        Family("reduce_scatter"),
        lambda: _samples({"reduction": "sum", **_ONE}),
        errors=lambda: [
            BadInput(
                (np.float32(1.0),),
                {"reduction": "sum", **_ONE},
                InvalidArgumentError,
                "cuts values along their first axis",
            )
        ],
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)


# ---- all ranks get what one of them has


def _infer_broadcast(
    x: Any, *, root: int, group: int, size: int
) -> tuple[TensorShape, DType]:
    if not 0 <= root < size:
        raise fail(
            InvalidArgumentError,
            "Broadcast has a root that is no rank",
            got=f"root rank {root}",
            expected=f"0 to {size - 1}",
            site=str(user_site()),
        )
    return x.shape, x.dtype


def _compute_broadcast(x: Array, *, root: int, group: int, size: int) -> Array:
    if size == 1:
        return x
    result: Array = hooks.communicator(group).broadcast(x, root)
    return result


def _broadcast_vjp(
    g: Any, y: Any, x: Any, *, root: int, group: int, size: int
) -> tuple[Any]:
    total = call(ALL_REDUCE, g, reduction="sum", group=group, size=size)
    is_root = size == 1 or hooks.communicator(group).rank == root
    return (total if is_root else zeros_like(total),)


BROADCAST: OpSpec = register(
    OpSpec(
        # `Broadcast` is what the ranks do; `BroadcastTo` is another op.
        "Broadcast",
        _infer_broadcast,
        _compute_broadcast,
        _broadcast_vjp,
        Family("broadcast_from"),
        lambda: _samples({"root": 0, **_ONE}),
        errors=lambda: [
            BadInput(
                (np.zeros(3, np.float32),),
                {"root": 3, **_ONE},
                InvalidArgumentError,
                "a root that is no rank",
            )
        ],
        dtypes=EXCHANGED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)


# ---- what passes make of them: values are exchanged while the step computes

PIECE_BYTES: Final = 64
"""What the place of a tensor in a bucket is a multiple of."""


def places_in_bucket(tensors: Sequence[Any]) -> tuple[list[int], int]:
    """Returns where tensors of one dtype lie in a bucket, and its size, in elements."""
    places: list[int] = []
    size = 0
    for tensor in tensors:
        places.append(size)
        unit = PIECE_BYTES // tensor.dtype.size
        size += -(-int(tensor.shape.num_elements() or 0) // unit) * unit
    return places, size


def parts_of_bucket(size: int, part: int) -> list[tuple[int, int]]:
    """Returns (begin, length) of the parts of a bucket that are exchanged at once.

    >>> parts_of_bucket(10, 4)
    [(0, 4), (4, 4), (8, 2)]
    """
    begins = range(0, max(size, 1), part)
    return [(begin, min(part, size - begin)) for begin in begins]


def _infer_start(*inputs: Any, guarded: bool, **attrs: Any) -> list[tuple[Any, DType]]:
    grads = inputs[:-1] if guarded else inputs
    _, size = places_in_bucket(grads)
    return [(TensorShape([size]), grads[0].dtype), (TensorShape([1]), int64)]


def _compute_start(*inputs: Array, guarded: bool, **attrs: Any) -> tuple[Array, Array]:
    grads = inputs[:-1] if guarded else inputs
    typed = [TypedValue(TensorShape(g.shape), as_dtype(g.dtype)) for g in grads]
    places, size = places_in_bucket(typed)
    bucket = np.zeros(size, grads[0].dtype)
    for place, grad in zip(places, grads, strict=True):
        bucket[place : place + grad.size] = grad.ravel()
    ticket = int(inputs[-1]) if guarded else 1
    return bucket, np.array([ticket], np.int64)


ALL_REDUCE_START: OpSpec = register(
    OpSpec(
        "AllReduceStart",
        _infer_start,
        _compute_start,
        NOT_DIFFERENTIABLE,
        Family("all_reduce_start"),
        lambda: [
            Sample(
                (np.ones((2, 3), np.float32), np.ones(4, np.float32)),
                {"guarded": False, "part": 32, "reduction": "sum", **_ONE},
            )
        ],
        types=("any*",),
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        outputs=-1,
        explain=explain,
    )
)
"""Begins to reduce several tensors at once: (*tensors[, only_if]) -> (bucket, ticket).

A bucket of more than `part` elements is exchanged in parts of so many, one after the other.
"""


def _infer_wait(bucket: Any, ticket: Any, *, shapes: Any, **attrs: Any) -> list[Any]:
    return [(TensorShape(shape), bucket.dtype) for shape in shapes]


def _compute_wait(
    bucket: Array,
    ticket: Array,
    *,
    shapes: Sequence[Any],
    reduction: str,
    group: int,
    size: int,
) -> tuple[Array, ...]:
    if ticket[0] and size > 1:
        bucket = hooks.communicator(group).all_reduce(bucket, reduction)
    typed = [TypedValue(TensorShape(s), as_dtype(bucket.dtype)) for s in shapes]
    places, _ = places_in_bucket(typed)
    return tuple(
        bucket[place : place + math.prod(shape)].reshape(shape)
        for place, shape in zip(places, shapes, strict=True)
    )


ALL_REDUCE_WAIT: OpSpec = register(
    OpSpec(
        "AllReduceWait",
        _infer_wait,
        _compute_wait,
        NOT_DIFFERENTIABLE,
        Family("all_reduce_wait"),
        lambda: [
            Sample(
                (np.arange(32.0, dtype=np.float32), np.ones(1, np.int64)),
                {"shapes": ((2, 3), (4,)), "reduction": "sum", **_ONE},
            )
        ],
        types=("any", "int64"),
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        outputs=-1,
        explain=explain,
    )
)
"""Ends that: (bucket, ticket) -> the tensors, reduced, in the memory of the bucket."""

REDUCE_SCATTER_START: OpSpec = register(
    OpSpec(
        "ReduceScatterStart",
        lambda x, **attrs: [_infer_scattered(x, **attrs), (TensorShape([1]), int64)],
        lambda x, **attrs: (_compute_scatter(x, **attrs), np.ones(1, np.int64)),
        NOT_DIFFERENTIABLE,
        Family("reduce_scatter_start"),
        lambda: [Sample((np.ones((2, 3), np.float32),), {"reduction": "sum", **_ONE})],
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        outputs=-1,
        explain=explain,
    )
)
"""Begins to reduce a tensor of which this rank gets a piece: x -> (piece, ticket)."""

REDUCE_SCATTER_WAIT: OpSpec = register(
    OpSpec(
        "ReduceScatterWait",
        lambda piece, ticket, x, **_: (piece.shape, piece.dtype),
        lambda piece, ticket, x, **_: piece,
        NOT_DIFFERENTIABLE,
        Family("reduce_scatter_wait"),
        lambda: [
            Sample(
                (
                    np.ones((2, 3), np.float32),
                    np.ones(1, np.int64),
                    np.ones((2, 3), np.float32),
                ),
                {"reduction": "sum", **_ONE},
            )
        ],
        types=("any", "int64", "any"),
        dtypes=REDUCED,
        effect=Effect.COLLECTIVE,
        explain=explain,
    )
)
"""Ends that: (piece, ticket, x) -> the piece; until then x must stay as it is."""

STEP_HEADER: OpSpec = register(
    OpSpec(
        "StepHeader",
        lambda **_: [],
        lambda **_: (),
        NOT_DIFFERENTIABLE,
        Family("step_header"),
        lambda: [Sample((), {"fingerprint": 1, "exchanges": (), "jobs": (), **_ONE})],
        types=(),
        effect=Effect.COLLECTIVE,
        outputs=0,
        explain=explain,
    )
)
"""Tells the other ranks what this one is about to exchange, so that none of them waits for
something else: the op before all others of a step. `exchanges`: (what, site) of each, for
messages; `jobs`: what a rank has to do that only follows."""
