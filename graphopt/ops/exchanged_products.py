"""The op that computes a matrix product and exchanges it with other ranks meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType, float32, int64
from graphopt.graph.body import TypedValue
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.region import Instruction, Region
from graphopt.graph.shape import TensorShape
from graphopt.ops.collectives import explain, places_in_bucket
from graphopt.ops.fused import FUSED_PRODUCT
from graphopt.ops.matmul import MATMUL

__all__ = ["ALL_REDUCE_PRODUCT_START"]


def _bucket_size(body: Region) -> int:
    dtype = body.made_by(body.outputs[0]).dtype
    return places_in_bucket([TypedValue(TensorShape(body.shape), dtype)])[1]


def _infer(*inputs: Any, body: Region, **attrs: Any) -> list[tuple[Any, DType]]:
    dtype = body.made_by(body.outputs[0]).dtype
    return [(TensorShape([_bucket_size(body)]), dtype), (TensorShape([1]), int64)]


def _compute(*arrays: NDArray[Any], body: Region, **attrs: Any) -> Any:
    (product,), _ = body.evaluate(arrays)
    bucket = np.zeros(_bucket_size(body), product.dtype)
    bucket[: product.size] = product.ravel()
    return bucket, np.ones(1, np.int64)


def _samples() -> list[Sample]:
    flags = {"transpose_a": True, "transpose_b": False}
    product = Instruction(MATMUL, (0, 1), float32, flags, "product")
    attrs = {
        "body": Region((4, 3), 2, (product,), (2,), ()),
        **{"part": 6, "reduction": "sum", "group": 0, "size": 1},
    }
    a = np.arange(8, dtype=np.float32).reshape(2, 4)
    return [Sample((a, np.ones((2, 3), np.float32)), attrs)]


ALL_REDUCE_PRODUCT_START: OpSpec = register(
    OpSpec(
        "AllReduceMatMulStart",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Family("all_reduce_product_start"),
        _samples,
        types=("any",),
        effect=Effect.COLLECTIVE,
        outputs=-1,
        explain=explain,
        flops=FUSED_PRODUCT.flops,
        parts=FUSED_PRODUCT.parts,
    )
)
"""Begins to reduce a product that it computes: (*inputs) -> (bucket, ticket).

`body` is that of a `FusedMatMul`, perhaps the product alone; its rows are exchanged as soon
as there are `part` elements."""
