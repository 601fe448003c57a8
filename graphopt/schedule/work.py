"""How much work ops are, where their shapes say so: operations, and what NumPy takes."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from graphopt.graph.body import Body
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Elementwise, Family, Source
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST
from graphopt.ops.elementwise import GREATER, GREATER_EQUAL, LESS, LESS_EQUAL

# Nanoseconds that NumPy takes about: for an op, a multiplication or addition of a product;
# `OpSpec.reference_ns` has those for an element. Measured on a Xeon of 2023; that they are
# right within a factor of 3 is enough, for what they decide between is farther apart.
_OP, _FLOP = 5_000.0, 0.03
# Nanoseconds that compiling takes about for an op, when no kernel is in the cache.
_COMPILED = 5e7
# Nanoseconds that a plan takes about for an op.
_PLANNED = 2e5
# Rounds of a loop whose condition does not say how many there are.
_ROUNDS = 100


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
    if op.spec.flops is not None:
        return op.spec.flops(op)
    if not op.outputs:
        return None
    match op.spec.kernel:
        case Elementwise():
            return op.outputs[0].shape.num_elements()
        case Family(name="reduce") if op.inputs:
            return op.inputs[0].shape.num_elements()
    return None


def is_worth_compiling(
    operations: Iterable[Operation], has_kernels: bool = False
) -> bool:
    """Returns whether NumPy would take longer for one run than compiling takes.

    Sizes decide and nothing else: no measured time, nor what is in the cache of kernels,
    so that a program gives the same bits each time.

    Args:
      operations: Those of a program whose shapes are known.
      has_kernels: Whether the same program was compiled for other shapes, with the same
        kernels: then what is left to do is a plan.
    """
    work, count = _interpret(operations)
    return work > (_PLANNED if has_kernels else _COMPILED) * max(count, 1)


def estimate_time(operations: Iterable[Operation]) -> float:
    """Returns the nanoseconds that NumPy would take about for one run, by the shapes."""
    return _interpret(operations)[0]


def _interpret(operations: Iterable[Operation]) -> tuple[float, int]:
    """Returns the nanoseconds that NumPy takes about, and how many ops compute."""
    work, count = 0.0, 0
    for op in operations:
        if isinstance(op.spec.kernel, (Source, Alias)):
            continue
        count += 1
        bodies = [value for value in op.attrs.values() if isinstance(value, Body)]
        if not bodies:
            work += _interpreted_op(op)
            continue
        rounds = _count_rounds(op) if "body" in op.attrs else 1
        for body in bodies:
            inner, more = _interpret(body.operations)
            work += rounds * inner
            count += more
    return work, count


def _interpreted_op(op: Operation) -> float:
    tensors = (*op.inputs, *op.outputs)
    if not all(tensor.shape.is_fully_defined() for tensor in tensors):
        return _OP
    out = sum(tensor.shape.num_elements() or 0 for tensor in op.outputs)
    return _OP + op.spec.reference_ns * out + _FLOP * (count_flops(op) or 0)


def _count_rounds(op: Operation) -> int:
    """Returns how often a loop runs about: what its condition counts up to, if it says."""
    limit = op.attrs.get("limit")
    condition: Body = op.attrs["cond"]
    last = condition.outputs[0].op
    if last.spec in (LESS, LESS_EQUAL, GREATER, GREATER_EQUAL):
        values = [_loop_constant(op, condition, tensor) for tensor in last.inputs]
        if None not in values:
            distance = abs(float(values[1]) - float(values[0]))
            if isfinite(distance):
                return int(distance if limit is None else min(distance, limit))
    return limit or _ROUNDS


def _loop_constant(op: Operation, condition: Body, tensor: GraphTensor) -> Any:
    """The value of a scalar of a condition: a constant, or what a loop begins with."""
    # By identity: in a function `==` of tensors is an op.
    places = {id(given): place for place, given in enumerate(condition.inputs)}
    if id(tensor) in places:
        tensor = op.inputs[places[id(tensor)]]
    value = tensor.op.attrs.get("value") if tensor.op.spec is CONST else None
    return value if value is not None and value.size == 1 else None
