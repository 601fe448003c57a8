"""Softmax and the cross entropies -> kernels over rows of logits.

Of all they do the powers are the most, and a loop that also adds them up is not
vectorized. So some rows at a time, as many as stay in the nearest cache, are taken through
one loop after the other, with `row_vectors` for what belongs to a row. Of 262,144
elements in rows of 64 a core makes the softmax in 0.10 ms, in rows of 10 in 0.23; row by row
both take ten and five times as long.
"""

from __future__ import annotations

from typing import Final

from graphopt.codegen.kernel import KernelTemplate
from graphopt.graph.dimensions import dims_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.schedule.steps import Lowered

# Elements of several rows that one loop takes, as many as stay in the nearest cache.
_TOGETHER: Final = 1024
# The powers of some rows and their sums. First each element becomes what it is less than
# the largest of its row; then one loop runs over the elements of all the rows.
_ROWS: Final = """
    {check}
    totals = pointer_float64(block_buffer())
    group = max(1, {together} // n)
    first = lo
    while first < hi:
        last = min(first + group, hi)
        for row in range(first, last):
            at = row * n
            row_minus(x, y, at, n, row_top(x, at, n))
            {choose}
        for j in range(first * n, last * n):
            y[j] = exp_{t}(y[j])
        for row in range(first, last):
            totals[row - first] = row_total(y, row * n, n)
        {finish}
        first = last
"""
_DIVIDE: Final = """\
for row in range(first, last):
    row_over(y, y, row * n, n, {t}(totals[row - first]))
"""
_TAKE_LOGARITHMS: Final = """\
for k in range(last - first):
    totals[k] = log_float64(totals[k])
"""
_OUTPUT: Final = "x: input {t}, n, y: output {t}"
_LOSSES: Final = "x: input {t}, n, loss: output {t}, y: output {t}"
# Of each option: the parameters, what is done after the sums, and for labels that are
# numbers of classes what checks them and what is taken before the powers.
_OPTIONS: Final = {
    "softmax": (_OUTPUT, _DIVIDE),
    "log_softmax": (
        _OUTPUT,
        _TAKE_LOGARITHMS
        + """\
for row in range(first, last):
    at = row * n
    row_minus(x, y, at, n, row_top(x, at, n))
    row_minus(y, y, at, n, {t}(totals[row - first]))
""",
    ),
    "cross_entropy": (
        _LOSSES + ", label: input {t}",
        _DIVIDE
        + _TAKE_LOGARITHMS
        + """\
for row in range(first, last):
    at = row * n
    top = row_top(x, at, n)
    shift = totals[row - first]
    taken = 0.0
    for j in range(at, at + n):
        if label[j] != {t}(0):
            taken += float64(label[j]) * (shift - float64(x[j] - top))
    loss[row] = {t}(taken)
for j in range(first * n, last * n):
    y[j] = y[j] - label[j]
""",
    ),
    "sparse_cross_entropy": (
        _LOSSES + ", label: input {labels}, status",
        _DIVIDE
        + _TAKE_LOGARITHMS
        + """\
for row in range(first, last):
    right = row * n + int64(label[row])
    y[right] = y[right] - {t}(1)
    loss[row] = {t}(totals[row - first] - float64(loss[row]))
""",
    ),
}
_CHECK_LABELS: Final = f"""\
for row in range(lo, hi):
    right = int64(label[row])
    if (right < 0) | (right >= n):
        report_status(status, {Status.LABEL:d}, operation, row, right)
        return
"""
_CHOOSE: Final = "loss[row] = y[at + int64(label[row])]"
_KERNELS: Final = {
    name: KernelTemplate("rows", parameters, _ROWS)
    for name, (parameters, _) in _OPTIONS.items()
}


def lower_rows(op: Operation, option: str) -> Lowered:
    """Returns the call of a kernel over the rows of a matrix of logits.

    Args:
      op: The operation.
      option: Which of the kernels.
    """
    logits = op.inputs[0]
    size = logits.shape.num_elements() or 0
    if not size:
        is_empty = 0 in dims_of(op.outputs[0])
        return Lowered(host="" if is_empty else "rows without classes")
    n = dims_of(logits)[-1]
    checks = option.startswith("sparse")
    kernel = _KERNELS[option].fill(
        t=logits.dtype.name,
        labels=op.inputs[-1].dtype.name,
        check=_CHECK_LABELS if checks else "",
        choose=_CHOOSE if checks else "",
        finish=_OPTIONS[option][1],
        together=_TOGETHER,
    )
    return Lowered((kernel.call(size // n, op, n=n),), checks=checks)
