"""Softmax and the cross entropies -> kernels over rows of logits."""

from __future__ import annotations

from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

# Code that a kernel writes to the status words when a label is no class.
STATUS_LABEL = 1

_HEAD = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    n = args[1]
"""
_EXPONENTIALS = """        at = row * n
        top = x[at]
        for j in range(at + 1, at + n):
            if (x[j] >= top) | (x[j] != x[j]):
                top = x[j]
        total = 0.0
        for j in range(at, at + n):
            power = exp_{t}(x[j] - top)
            y[j] = power
            total += float64(power)
"""
_SOURCES = {
    "softmax": _HEAD
    + """    y = pointer_{t}(args[2])
    for row in range(lo, hi):
"""
    + _EXPONENTIALS
    + """        scale = {t}(total)
        for j in range(at, at + n):
            y[j] = y[j] / scale
""",
    "log_softmax": _HEAD
    + """    y = pointer_{t}(args[2])
    for row in range(lo, hi):
"""
    + _EXPONENTIALS
    + """        shift = {t}(log_float64(total))
        for j in range(at, at + n):
            y[j] = (x[j] - top) - shift
""",
    "cross_entropy": _HEAD
    + """    loss = pointer_{t}(args[2])
    y = pointer_{t}(args[3])
    label = pointer_{t}(args[4])
    for row in range(lo, hi):
"""
    + _EXPONENTIALS
    + """        scale = {t}(total)
        shift = log_float64(total)
        taken = 0.0
        for j in range(at, at + n):
            if label[j] != {t}(0):
                taken += float64(label[j]) * (shift - float64(x[j] - top))
            y[j] = y[j] / scale - label[j]
        loss[row] = {t}(taken)
""",
    "sparse_cross_entropy": _HEAD
    + """    loss = pointer_{t}(args[2])
    y = pointer_{t}(args[3])
    label = pointer_{labels}(args[4])
    for row in range(lo, hi):
        right = int64(label[row])
        if (right < 0) | (right >= n):
            report_status(args[5], 1, args[6], row, right)
            return
"""
    + _EXPONENTIALS
    + """        scale = {t}(total)
        for j in range(at, at + n):
            y[j] = y[j] / scale
        y[at + right] = y[at + right] - {t}(1)
        loss[row] = {t}(log_float64(total) - float64(x[at + right] - top))
""",
}


def lower_rows(op: Operation, option: str, position: int) -> Lowered:
    """Returns the call of a kernel over the rows of a matrix of logits.

    Args:
      op: The operation.
      option: Which of the kernels.
      position: The number by which the kernel names the operation in an error.
    """
    logits = op.inputs[0]
    size = logits.shape.num_elements() or 0
    n = logits.shape[-1] or 0
    if not size:
        return Lowered(host="" if not _rows_of(op) else "rows without classes")
    labels = op.inputs[1].dtype.name if len(op.inputs) > 1 else ""
    source = _SOURCES[option].format(t=logits.dtype.name, labels=labels)
    arguments: list[Argument] = [Word("input", 0), n]
    arguments += [Word("output", i) for i in range(len(op.outputs))]
    arguments += [Word("input", i) for i in range(1, len(op.inputs))]
    checks = option.startswith("sparse")
    if checks:
        arguments += [Word("status"), position]
    call = Call(KernelRequest("rows", source), tuple(arguments), size // n)
    return Lowered((call,), checks=checks)


def _rows_of(op: Operation) -> int:
    return op.outputs[0].shape.num_elements() or 0
