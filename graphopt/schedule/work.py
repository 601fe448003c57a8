"""How many floating-point operations an op stands for, where its shapes say so."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from graphopt.graph.effects import FUSED_BOTH, FUSED_PRODUCT, FUSED_TYPES
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Elementwise, Family

_WINDOWS = ("Conv2D", "DepthwiseConv2dNative")


def count_flops(op: Operation) -> int | None:
    """Counts multiplications and additions; one for each element of an elementwise op.

    Args:
      op: The operation.

    Returns:
      The number, or None where a size is not known or the op does no arithmetic.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     y = tf.matmul(tf.ones([2, 3]), tf.ones([3, 4]))
    >>> count_flops(y.op)
    48
    """
    tensors = (*op.inputs, *op.outputs)
    if not tensors or not all(t.shape.is_fully_defined() for t in tensors):
        return None
    if op.type in FUSED_TYPES:
        body = op.attrs["body"]
        flops = _count(body.shape) * len(body.instructions)
        if op.type == FUSED_PRODUCT:
            product = body.instructions[0]
            a = op.inputs[product.arguments[0]].shape
            depth = a[-2] if product.attrs["transpose_a"] else a[-1]
            flops += _count(body.shape) * (2 * _count([depth]) - 1)
        if op.type == FUSED_BOTH:
            flops += _count(body.shape) * (4 * _count([op.inputs[0].shape[1]]) - 1)
        return flops
    if not op.outputs:
        return None
    out = _count(op.outputs[0].shape)
    if op.type == "MatMul":
        a = op.inputs[0].shape
        return 2 * out * _count([a[-2] if op.attrs["transpose_a"] else a[-1]])
    if op.type == "SumOfMatMuls":
        depths = [
            op.inputs[2 * i].shape[0 if transpose_a else 1]
            for i, (transpose_a, _) in enumerate(op.attrs["transposes"])
        ]
        return 2 * out * _count([sum(depth or 0 for depth in depths)])
    if op.type.startswith(_WINDOWS):
        filters = op.inputs[1].shape
        # A depthwise filter gives each channel its own outputs.
        taps = _count(list(filters)[: 2 if op.type.startswith("Depth") else 3])
        results = out if len(op.inputs) == 2 else _count(op.inputs[2].shape)
        return 2 * results * taps
    match op.spec.kernel:
        case Elementwise():
            return out
        case Family(name="reduce") if op.inputs:
            return _count(op.inputs[0].shape)
    return None


def _count(sizes: Iterable[int | None]) -> int:
    return prod(size or 0 for size in sizes)
