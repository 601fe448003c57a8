"""The ops that stand for several ops run in one loop."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import float64
from graphopt.graph.body import TypedValue
from graphopt.graph.graph import Operation, infer_types
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    REGISTRY,
    Cost,
    Elementwise,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.region import Instruction, Region
from graphopt.graph.shape import TensorShape
from graphopt.ops.matmul import MATMUL
from graphopt.ops.quietly import quietly
from graphopt.ops.reduction import SUM


def _compute(*arrays: NDArray[Any], body: Region) -> Any:
    outputs, _ = body.evaluate(arrays)
    return outputs[0] if len(outputs) == 1 else outputs


def _infer(*inputs: Any, body: Region) -> Any:
    return [(body.shape, body.made_by(i).dtype) for i in body.outputs]


def _samples() -> list[Sample]:
    exp, mul = REGISTRY["Exp"], REGISTRY["Mul"]
    body = Region(
        (3,),
        1,
        (
            Instruction(exp, (0,), float64, {}, "exp"),
            Instruction(mul, (1, 0), float64, {}, "mul"),
        ),
        (2,),
        (),
    )
    return [Sample((np.arange(3.0),), {"body": body})]


def _parts(op: Operation) -> tuple[Instruction, ...]:
    instructions: tuple[Instruction, ...] = op.attrs["body"].instructions
    return instructions


def _flops(op: Operation) -> int:
    body: Region = op.attrs["body"]
    return prod(body.shape) * len(body.instructions)


FUSED_ELEMENTWISE = register(
    OpSpec(
        "FusedElementwise",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Elementwise("{0}"),
        _samples,
        types=("any",),
        outputs=-1,
        cost=Cost.UNRATED,
        flops=_flops,
        parts=_parts,
    )
)


def _reduce_infer(
    *inputs: Any, body: Region, reduction: OpSpec, options: dict[str, Any]
) -> Any:
    *kept, (shape, dtype) = _infer(*inputs, body=body)
    reduced = TypedValue(TensorShape(shape), dtype)
    return [*kept, *infer_types(reduction, [reduced], options, None)]


def reduce_last(
    outputs: tuple[NDArray[Any], ...], reduction: OpSpec, options: dict[str, Any]
) -> tuple[NDArray[Any], ...]:
    """Reduces the last output of a body, as `FusedReduce` does."""
    *kept, last = outputs
    return (*kept, reduction.compute(last, **options))


def _reduce_compute(
    *arrays: NDArray[Any], body: Region, reduction: OpSpec, options: dict[str, Any]
) -> Any:
    results = reduce_last(body.evaluate(arrays)[0], reduction, options)
    return results[0] if len(results) == 1 else results


def _reduce_samples() -> list[Sample]:
    exp, mul = REGISTRY["Exp"], REGISTRY["Mul"]
    body = Region(
        (4, 3),
        2,
        (
            Instruction(exp, (0,), float64, {}, "exp"),
            Instruction(mul, (2, 1), float64, {}, "mul"),
        ),
        (2, 3),
        (),
    )
    inputs = (np.arange(12.0).reshape(4, 3) / 5, np.array(0.5))
    return [
        Sample(
            inputs,
            {
                "body": body,
                "reduction": SUM,
                "options": {"axis": axis, "keepdims": False},
            },
        )
        for axis in (None, (1,))
    ]


def _reduce_parts(op: Operation) -> tuple[Any, ...]:
    return (*_parts(op), op.attrs["reduction"])


# A loop whose last output is reduced while it is in the cache; the others are stored.
FUSED_REDUCE = register(
    OpSpec(
        "FusedReduce",
        _reduce_infer,
        _reduce_compute,
        NOT_DIFFERENTIABLE,
        Family("fused_reduce"),
        _reduce_samples,
        types=("any",),
        outputs=-1,
        flops=_flops,
        parts=_reduce_parts,
    )
)


def _product_samples() -> list[Sample]:
    plain = {"transpose_a": False, "transpose_b": False}
    body = Region(
        (4, 3),
        3,
        (
            Instruction(MATMUL, (0, 1), float64, plain, "product"),
            Instruction(REGISTRY["AddV2"], (3, 2), float64, {}, "add"),
            Instruction(REGISTRY["Relu"], (4,), float64, {}, "relu"),
        ),
        (5,),
        (),
    )
    a = np.arange(8.0).reshape(4, 2) / 5 - 0.7
    b = np.arange(6.0).reshape(2, 3) / 3 - 0.5
    return [Sample((a, b, np.array([0.1, -0.2, 0.3])), {"body": body})]


def _product_flops(op: Operation) -> int:
    body: Region = op.attrs["body"]
    product = body.instructions[0]
    a = op.inputs[product.arguments[0]].shape
    depth = a[-2] if product.attrs["transpose_a"] else a[-1]
    return _flops(op) + prod(body.shape) * (2 * int(depth or 0) - 1)


# A loop that uses up a product, which is its first instruction, while it is in the cache.
FUSED_PRODUCT = register(
    OpSpec(
        "FusedMatMul",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Family("fused_product"),
        _product_samples,
        types=("any",),
        outputs=-1,
        flops=_product_flops,
        parts=_parts,
    )
)


def _both_infer(*inputs: Any, body: Region, second: Instruction) -> Any:
    product, loop = body.split_first()
    first = infer_types(MATMUL, list(inputs[:2]), product.attrs, None)
    rows = TypedValue(TensorShape(first[0][0]), product.dtype)
    others = [
        (body.shape, loop.instructions[i - loop.input_count].dtype)
        for i in loop.outputs
    ]
    last = infer_types(MATMUL, [inputs[0], rows], second.attrs, None)
    return [*first, *others, *last]


def _both_compute(
    *arrays: NDArray[Any], body: Region, second: Instruction
) -> tuple[NDArray[Any], ...]:
    product, loop = body.split_first()
    matrix = arrays[0]
    rows = MATMUL.compute(matrix, arrays[1], **product.attrs)
    outputs, _ = loop.evaluate((*arrays, rows.reshape(body.shape)))
    last = MATMUL.compute(matrix, outputs[-1].reshape(rows.shape), **second.attrs)
    return (rows, *outputs, last)


def _both_samples() -> list[Sample]:
    plain = {"transpose_a": False, "transpose_b": False}
    body = Region(
        (4,),
        3,
        (
            Instruction(MATMUL, (0, 1), float64, plain, "product"),
            Instruction(REGISTRY["Sub"], (3, 2), float64, {}, "sub"),
        ),
        (4,),
        (),
    )
    transposed = {"transpose_a": True, "transpose_b": False}
    second = Instruction(MATMUL, (0, 4), float64, transposed, "transposed")
    a = np.arange(12.0).reshape(4, 3) / 5 - 0.7
    b = np.arange(3.0).reshape(3, 1) / 3 - 0.5
    c = np.array([0.1, -0.2, 0.3, 0.0])
    return [Sample((a, b, c), {"body": body, "second": second})]


def _both_parts(op: Operation) -> tuple[Any, ...]:
    return (*_parts(op), op.attrs["second"])


def _both_flops(op: Operation) -> int:
    body: Region = op.attrs["body"]
    columns = int(op.inputs[0].shape[1] or 0)
    return _flops(op) + prod(body.shape) * (4 * columns - 1)


# A matrix times a vector, a loop over the rows, and the transposed matrix times the last
# output of that, in one walk over the matrix. The outputs are those of all three.
FUSED_BOTH = register(
    OpSpec(
        "FusedMatVecs",
        _both_infer,
        _both_compute,
        NOT_DIFFERENTIABLE,
        Family("fused_both"),
        _both_samples,
        types=("any",),
        outputs=-1,
        flops=_both_flops,
        parts=_both_parts,
    )
)


def _sum_infer(*inputs: Any, transposes: tuple[tuple[bool, bool], ...]) -> Any:
    first = dict(zip(("transpose_a", "transpose_b"), transposes[0], strict=True))
    return infer_types(MATMUL, list(inputs[:2]), first, None)


def _sum_compute(
    *arrays: NDArray[Any], transposes: tuple[tuple[bool, bool], ...]
) -> NDArray[Any]:
    total = None
    for a, b, (ta, tb) in zip(arrays[::2], arrays[1::2], transposes, strict=True):
        product = MATMUL.compute(a, b, transpose_a=ta, transpose_b=tb)
        total = product if total is None else quietly(np.add, total, product)
    assert total is not None
    return np.asarray(total)


def _sum_flops(op: Operation) -> int:
    depth = 0
    for i, (transpose_a, _) in enumerate(op.attrs["transposes"]):
        depth += int(op.inputs[2 * i].shape[0 if transpose_a else 1] or 0)
    return 2 * int(op.outputs[0].shape.num_elements() or 0) * depth


def _sum_samples() -> list[Sample]:
    rng = np.random.default_rng(8)
    transposes = ((False, False), (True, False), (False, True))
    shapes = ((4, 3), (3, 5)), ((2, 4), (2, 5)), ((4, 7), (5, 7))
    arrays = [rng.standard_normal(shape) for pair in shapes for shape in pair]
    return [Sample(tuple(arrays), {"transposes": transposes})]


# a @ b + c @ d + ..., in this order.
SUM_OF_PRODUCTS = register(
    OpSpec(
        "SumOfMatMuls",
        _sum_infer,
        _sum_compute,
        NOT_DIFFERENTIABLE,
        Family("sum_of_products"),
        _sum_samples,
        flops=_sum_flops,
    )
)

# c + a @ b, in the memory of c if nobody else needs it.
ADD_PRODUCT = register(
    OpSpec(
        "AddMatMul",
        lambda c, a, b, **_attrs: (c.shape, c.dtype),
        lambda c, a, b, *, transpose_a, transpose_b: (
            c + (a.T if transpose_a else a) @ (b.T if transpose_b else b)
        ),
        NOT_DIFFERENTIABLE,
        Family("add_product"),
        lambda: [
            Sample(
                (np.arange(6.0).reshape(2, 3), np.eye(2), np.ones((2, 3))),
                {"transpose_a": False, "transpose_b": False},
            ),
            Sample(
                (np.zeros((2, 3)), np.ones((4, 2)), np.arange(12.0).reshape(3, 4)),
                {"transpose_a": True, "transpose_b": True},
            ),
        ],
    )
)

FUSED_SPECS = (FUSED_ELEMENTWISE, FUSED_REDUCE, FUSED_PRODUCT)
