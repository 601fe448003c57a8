"""Slices that indices name -> kernels that read along them, each index checked where it is used.

A bad index is written to the status words and the tape leaves.
"""

from __future__ import annotations

import math
from typing import Any, Final

from graphopt.codegen.kernel import KernelTemplate, moved_type
from graphopt.codegen.movement.moves import copy_tensor
from graphopt.graph.dimensions import dims_of, strides_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.ops.indexing import split_dims
from graphopt.schedule.steps import Call, Lowered, Word

__all__ = [
    "FIND_SLICE",
    "REPORT_INDEX",
    "lower_checked_indices",
    "lower_gather",
    "lower_gather_nd",
    "lower_get_row",
    "lower_set_row",
]

# Lines of several kernels: `taken` is at `place` of the indices and out of range.
REPORT_INDEX: Final = f"""\
report_status(status, {Status.INDEX:d}, operation, {{place}}, taken)
return
"""
# `to` becomes where the slice begins that a row of `depth` indices names; the sizes of the
# dimensions and their strides are arguments.
FIND_SLICE: Final = """\
to = 0
for k in range(depth):
    taken = int64(index[row * depth + k])
    if (taken < 0) | (taken >= dims[k]):
        {report}
    to += taken * dims[depth + k]
"""
_GATHER: Final = KernelTemplate(
    "gather",
    "x: input {t}, index: input {i}, y: output {t}, outer, count, inner, n, status",
    """
    row = lo
    while row < hi:
        group = row // count
        first = (group // outer) * count
        start = row - group * count
        base = group * n * inner
        stop = min(count, start + hi - row)
        for position in range(start, stop):
            taken = int64(index[first + position])
            if (taken < 0) | (taken >= n):
                {report}
            {move}
            row += 1
""",
)
_MOVE_ONE: Final = "y[row] = x[base + taken]"
_MOVE_SLICE: Final = """\
a = base + taken * inner
b = row * inner
for c in range(inner):
    y[b + c] = x[a + c]
"""
_GATHER_ND: Final = KernelTemplate(
    "gather_nd",
    "x: input {t}, index: input {i}, y: output {t}, inner, depth, status, dims: words",
    """
    for row in range(lo, hi):
        {find}
        at = row * inner
        for c in range(inner):
            y[at + c] = x[to + c]
""",
)
_ROW: Final = KernelTemplate(
    "row_access",
    "x: input {t}, index: input {i}, y: output {t}, inner, n, status",
    """
    taken = int64(index[0])
    if (taken < 0) | (taken >= n):
        {report}
    at = taken * inner
    for c in range(lo, hi):
        {move}
""",
)
_CHECKED: Final = KernelTemplate(
    "indices",
    "index: input {i}, y: output {i}, n, status",
    """
    for k in range(lo, hi):
        taken = int64(index[k])
        if (taken < 0) | (taken >= n):
            {report}
        y[k] = index[k]
""",
)


def lower_gather(op: Operation) -> Lowered:
    """Returns the call that takes slices by their index along an axis."""
    params, indices = op.inputs
    batch, outer, count, n, inner = split_dims(
        dims_of(params), dims_of(indices), op.attrs["axis"], op.attrs["batch_dims"]
    )
    rows = batch * outer * count
    # Without columns nothing is moved, but the indices are checked all the same.
    if not rows:
        return Lowered()
    kernel = _GATHER.fill(
        move=_MOVE_ONE if inner == 1 else _MOVE_SLICE,
        **_names(params.dtype.size, indices, "first + position"),
    )
    call = kernel.call(rows, op, outer=outer, count=count, inner=inner, n=n)
    return Lowered((call,), checks=True)


def _names(size: int, indices: Any, place: str) -> dict[str, str]:
    names = {"t": moved_type(size), "i": indices.dtype.name}
    return {**names, "report": REPORT_INDEX, "place": place}


def lower_gather_nd(op: Operation) -> Lowered:
    """Returns the call that takes slices by several indices each."""
    params, indices = op.inputs
    sizes = dims_of(params)
    *batch, depth = dims_of(indices)
    rows = math.prod(batch)
    if not rows:
        return Lowered()
    names = _names(params.dtype.size, indices, "row * depth + k")
    call = _GATHER_ND.fill(find=FIND_SLICE, **names).call(
        rows,
        op,
        inner=math.prod(sizes[depth:]),
        depth=depth,
        dims=(*sizes[:depth], *strides_of(sizes)[:depth]),
    )
    return Lowered((call,), checks=True)


def lower_get_row(op: Operation) -> Lowered:
    """Returns the call that copies one row of a buffer."""
    return Lowered(_access_row(op, Word("input", 0), "y[c] = x[at + c]"), checks=True)


def lower_set_row(op: Operation) -> Lowered:
    """Returns the calls that copy a buffer and replace one row of it."""
    calls = _access_row(op, Word("input", 2), "y[at + c] = x[c]")
    copy = copy_tensor(op.outputs[0]).calls
    return Lowered((*copy, *calls), checks=True, in_place=calls)


def _access_row(op: Operation, source: Word, move: str) -> tuple[Call, ...]:
    buffer, index = op.inputs[:2]
    n, *row = dims_of(buffer)
    inner = math.prod(row)
    if not inner:
        return ()
    kernel = _ROW.fill(move=move, **_names(buffer.dtype.size, index, "0"))
    index_at = Word("input", 1)
    return (kernel.call(inner, op, x=source, index=index_at, inner=inner, n=n),)


def lower_checked_indices(op: Operation) -> Lowered:
    """Returns the call that copies indices and checks them."""
    (indices,) = op.inputs
    count = math.prod(dims_of(indices))
    if not count:
        return Lowered()
    kernel = _CHECKED.fill(i=indices.dtype.name, report=REPORT_INDEX, place="k")
    return Lowered((kernel.call(count, op, n=op.attrs["limit"]),), checks=True)
