"""Kernels that notice NaN and infinities, and those that keep a copy of what they read.

A step that is watched runs the same kernels, plus a look at what each has computed while
it is still in the cache. In an elementwise loop the look is part of the loop, for values
that never leave it matter too: exp(x) may overflow where 1 / (1 + exp(x)) is 0.
"""

from __future__ import annotations

import math

from graphopt.dtypes import DType, float32, float64
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

_LOOK = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    bad = int32(0)
    for i in range(lo, hi):
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(args[1], {code}, args[2], 0, 0)
"""
_KEEP = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    bad = int32(0)
    for i in range(lo, hi):
        y[i] = x[i]
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(args[2], {code}, args[3], 0, 0)
"""
_COPY = """def kernel(args, lo, hi):
    x = pointer_uint8(args[0])
    y = pointer_uint8(args[1])
    for i in range(lo, hi):
        y[i] = x[i]
"""


def lower_check_numerics(op: Operation) -> Lowered:
    """Returns the call that copies a tensor and stops where it is not finite."""
    return Lowered(
        tuple(keep_copy(op.inputs[0], op.index, True, Status.CHECK)), checks=True
    )


def look_at(tensor: GraphTensor, where: Word, operation: int) -> list[Call]:
    """Returns the call that looks at a tensor; none where it has no floats."""
    count = _count(tensor)
    if not _can_look(tensor.dtype) or not count:
        return []
    source = _LOOK.format(t=tensor.dtype.name, code=Status.NOT_FINITE)
    arguments: tuple[Argument, ...] = (where, Word("status"), operation)
    return [Call(KernelRequest("finite", source), arguments, count)]


def keep_copy(
    tensor: GraphTensor, operation: int, look: bool, code: Status = Status.NOT_FINITE
) -> list[Call]:
    """Returns the call that copies input 0 to output 0.

    Args:
      tensor: What has the dtype and shape.
      operation: The number to report.
      look: Whether the elements have to be finite.
      code: What to report where they are not.
    """
    count = _count(tensor)
    if not count:
        return []
    if look and _can_look(tensor.dtype):
        source = _KEEP.format(t=tensor.dtype.name, code=code)
        arguments: tuple[Argument, ...] = (
            Word("input", 0),
            Word("output", 0),
            Word("status"),
            operation,
        )
        return [Call(KernelRequest("finite", source), arguments, count)]
    arguments = (Word("input", 0), Word("output", 0))
    size = count * tensor.dtype.size
    return [Call(KernelRequest("finite", _COPY), arguments, size)]


def _can_look(dtype: DType) -> bool:
    """float16 has no kernels; where it appears the host computes, and looks."""
    return dtype in (float32, float64)


def _count(tensor: GraphTensor) -> int:
    return math.prod(int(dim) for dim in tensor.shape if dim is not None)
