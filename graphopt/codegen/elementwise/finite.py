"""Kernels that notice NaN and infinities, and those that keep a copy of what they read.

A step that is watched runs the same kernels, plus a look at what each has computed while
it is still in the cache. In an elementwise loop the look is part of the loop, for values
that never leave it matter too: exp(x) may overflow where 1 / (1 + exp(x)) is 0.
"""

from __future__ import annotations

import math
from typing import Final

from graphopt.codegen.kernel import KernelTemplate
from graphopt.codegen.movement.moves import copy_run
from graphopt.dtypes import DType, float32, float64
from graphopt.graph.dimensions import dims_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Call, Lowered, Word

_LOOK: Final = KernelTemplate(
    "finite",
    "x: input {t}, status",
    """
    bad = int32(0)
    for i in range(lo, hi):
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(status, {code}, operation, 0, 0)
""",
)
_KEEP: Final = KernelTemplate(
    "finite",
    "x: input {t}, y: output {t}, status",
    """
    bad = int32(0)
    for i in range(lo, hi):
        y[i] = x[i]
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(status, {code}, operation, 0, 0)
""",
)


def lower_check_numerics(op: Operation) -> Lowered:
    """Returns the call that copies a tensor and stops where it is not finite."""
    calls = keep_copy(op.inputs[0], op.index, True, Status.CHECK)
    return Lowered(calls, checks=True)


def look_at(tensor: GraphTensor, where: Word, operation: int) -> tuple[Call, ...]:
    """Returns the call that looks at a tensor; none where it has no floats."""
    count = math.prod(dims_of(tensor))
    if not _can_look(tensor.dtype) or not count:
        return ()
    kernel = _LOOK.fill(t=tensor.dtype.name, code=int(Status.NOT_FINITE))
    return (kernel.call(count, operation, x=where),)


def keep_copy(
    tensor: GraphTensor, operation: int, look: bool, code: Status = Status.NOT_FINITE
) -> tuple[Call, ...]:
    """Returns the call that copies input 0 to output 0.

    Args:
      tensor: What has the dtype and shape.
      operation: The number to report.
      look: Whether the elements have to be finite.
      code: What to report where they are not.
    """
    count = math.prod(dims_of(tensor))
    if not count or not (look and _can_look(tensor.dtype)):
        return copy_run(tensor)
    kernel = _KEEP.fill(t=tensor.dtype.name, code=int(code))
    return (kernel.call(count, operation),)


def _can_look(dtype: DType) -> bool:
    """float16 has no kernels; where it appears the host computes, and looks."""
    return dtype in (float32, float64)
