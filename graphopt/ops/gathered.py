"""Ops that put what ranks have gathered into variables, in their own step or in the next.

`AssignGathered` is what a program says: a variable becomes what all ranks together have. A
pass makes two ops of it and of the exchange before it where nobody needs the new value in
this step. `AllGatherStart` begins the exchange at its end, into memory that no other step
touches; `AllGatherSettle`, before the first who reads the variables, waits for what the run
before has begun, and puts it in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType, int64
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Cost,
    Effect,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.collectives import EXCHANGED, explain

__all__ = [
    "ALL_GATHER_SETTLE",
    "ALL_GATHER_START",
    "ASSIGN_GATHERED",
    "Pieces",
]

Array = NDArray[Any]
Pieces = tuple[tuple[int, int], ...]
"""Where the elements of a variable are in what was gathered: (begin, length) of each run of
them, in order."""


def _infer_assign(handle: Any, gathered: Any, *, pieces: Pieces) -> list[Any]:
    wanted, found = math.prod(handle.shape), sum(length for _, length in pieces)
    if wanted != found:
        raise fail(
            InvalidArgumentError,
            "The pieces that were gathered do not fill a variable",
            got=f"{found} elements for {describe_shapes(handle)}",
            expected=f"{wanted} elements",
            site=str(user_site()),
        )
    return []


def _compute_assign(value: Array, gathered: Array, *, pieces: Pieces) -> Array:
    found = [gathered[begin : begin + length] for begin, length in pieces]
    return np.concatenate([gathered[:0], *found]).reshape(value.shape)


ASSIGN_GATHERED: OpSpec = register(
    OpSpec(
        "AssignGathered",
        _infer_assign,
        _compute_assign,
        NOT_DIFFERENTIABLE,
        Family("assign_gathered"),
        lambda: [
            Sample(
                (np.zeros((2, 3), t), np.arange(10.0).astype(t)),
                {"pieces": ((5, 4), (0, 2))},
            )
            for t in (np.float64, np.float32)
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3, np.float32), np.zeros(4, np.float32)),
                {"pieces": ((0, 2),)},
                InvalidArgumentError,
                "do not fill a variable",
            )
        ],
        types=("T", "T"),
        dtypes=EXCHANGED,
        effect=Effect.WRITE,
        outputs=0,
        cost=Cost.MOVE,
    )
)
"""Gives a variable what several ranks have updated: (handle, gathered) -> nothing."""

_ONE: dict[str, Any] = {"group": 0, "size": 1}


def _infer_settle(*handles: Any, count: int, **_: Any) -> list[Any]:
    return [(TensorShape([count]), handles[0].dtype), (TensorShape([1]), int64)]


def _compute_settle(*values: Array, count: int, **_: Any) -> tuple[Array, Array]:
    return np.zeros(count, values[0].dtype), np.zeros(1, np.int64)


ALL_GATHER_SETTLE: OpSpec = register(
    OpSpec(
        "AllGatherSettle",
        _infer_settle,
        _compute_settle,
        NOT_DIFFERENTIABLE,
        Family("all_gather_settle"),
        lambda: [
            Sample(
                (np.zeros(4, np.float32),),
                {"count": 6, "pieces": (((2, 4),),), **_ONE},
            )
        ],
        dtypes=EXCHANGED,
        effect=Effect.COLLECTIVE,
        outputs=-1,
        explain=explain,
    )
)
"""Waits for what the run before has begun to gather, if there is any, and puts it into the
variables: (*handles) -> (memory for the next, ticket). `pieces`: for each variable."""


def _infer_start(row: Any, *_: Any, **_attrs: Any) -> tuple[TensorShape, DType]:
    return row.shape, row.dtype


def _compute_start(row: Array, *_: Array, **_attrs: Any) -> Array:
    return row


def _start_samples() -> Sequence[Sample]:
    row, gathered = np.arange(3, dtype=np.float32), np.zeros(3, np.float32)
    ticket = np.zeros(1, np.int64)
    return [Sample((row, gathered, ticket, np.zeros(3, np.float32)), dict(_ONE))]


ALL_GATHER_START: OpSpec = register(
    OpSpec(
        "AllGatherStart",
        _infer_start,
        _compute_start,
        NOT_DIFFERENTIABLE,
        Family("all_gather_start"),
        _start_samples,
        types=("any", "any", "int64", "any*"),
        dtypes=EXCHANGED,
        effect=Effect.COLLECTIVE,
        receives=True,
        explain=explain,
    )
)
"""Begins to gather the new values of variables: (row, memory, ticket, *handles) -> the row,
which stays as it is until all ranks have it."""
