"""Rows that indices name, some of them more than once -> kernels that write along them.

Changes of one row happen in the order of the indices, so a result has the same bits however
the range is cut: it is cut by columns, never by indices.
"""

from __future__ import annotations

import math
from typing import Final

from graphopt.codegen.kernel import KernelTemplate, moved_type
from graphopt.codegen.movement.gathers import FIND_SLICE, REPORT_INDEX
from graphopt.codegen.movement.moves import lower_copy
from graphopt.graph.dimensions import dims_of, strides_of
from graphopt.graph.graph import Operation
from graphopt.ops.indexing import split_dims
from graphopt.schedule.steps import Lowered, Word

_SEGMENT_COLUMNS: Final = 256
_SEGMENTS: Final = KernelTemplate(
    "segments",
    """x: input {t}, index: input {i}, y: output {t}, outer, count, inner, n, blocks, skip,
    status""",
    """
    start = {t}({start})
    for piece in range(lo, hi):
        group = piece // blocks
        first = (piece - group * blocks) * {columns}
        last = min(first + {columns}, inner)
        for row in range(group * n, group * n + n):
            for c in range(row * inner + first, row * inner + last):
                y[c] = start
        at = (group // outer) * count
        for k in range(count):
            taken = int64(index[at + k])
            if (taken < 0) & (skip != 0):
                continue
            if (taken < 0) | (taken >= n):
                {report}
            a = (group * count + k) * inner
            to = (group * n + taken) * inner
            for c in range(first, last):
                y[to + c] = {value}
""",
)
_SCATTER_ND: Final = KernelTemplate(
    "scatter_nd",
    """index: input {i}, x: input {t}, y: output {t}, inner, depth, status, rows,
    dims: words""",
    """
    for row in range(rows):
        {find}
        a = row * inner
        for c in range(lo, hi):
            y[to + c] = {value}
""",
)
_COLUMNS: Final = 1024
# Writes rows of a variable; the indices were checked by an op of their own.
_SCATTER: Final = KernelTemplate(
    "scatter",
    "y: input {t}, index: input {i}, x: input {t}, count, inner",
    """
    start = lo * {columns}
    stop = min(hi * {columns}, inner)
    for k in range(count):
        a = k * inner
        to = int64(index[k]) * inner
        for c in range(start, stop):
            y[to + c] = {value}
""",
)
# `seen` has a word for each row and is never cleared: what it says of a row counts only
# if the place that it names is an earlier one with that row.
_FIRST: Final = KernelTemplate(
    "indices",
    "index: input {i}, y: output int32, seen: scratch int32, count",
    """
    for k in range(count):
        row = int64(index[k])
        place = seen[row]
        if (place >= 0) & (place < k):
            if index[place] == index[k]:
                y[k] = place
                continue
        seen[row] = int32(k)
        y[k] = int32(k)
""",
)
_SUM: Final = KernelTemplate(
    "segments",
    "x: input {t}, first: input int32, y: output {t}, count, inner",
    """
    start = lo * {columns}
    stop = min(hi * {columns}, inner)
    for k in range(count):
        a = k * inner
        if first[k] == k:
            for c in range(start, stop):
                y[a + c] = x[a + c]
        else:
            b = int64(first[k]) * inner
            for c in range(start, stop):
                y[b + c] = y[b + c] + x[a + c]
    for k in range(count):
        if first[k] != k:
            a = k * inner
            b = int64(first[k]) * inner
            for c in range(start, stop):
                y[a + c] = y[b + c]
""",
)
# What becomes of an element of the output and one of the update.
_VALUES: Final = {
    "update": "x[a + c]",
    **{
        name: f"{{t}}(y[to + c] {sign} x[a + c])"
        for name, sign in (("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/"))
    },
    "max": "larger(x[a + c], y[to + c])",
    "min": "smaller(x[a + c], y[to + c])",
}


def lower_gather_grad(op: Operation) -> Lowered:
    """Returns the call that adds slices up at their index along an axis."""
    dims, indices = dims_of(op.outputs[0]), dims_of(op.inputs[1])
    sizes = split_dims(dims, indices, op.attrs["axis"], op.attrs["batch_dims"])
    return _lower_segments(op, "sum", sizes, skip=False)


def lower_segments(op: Operation, option: str) -> Lowered:
    """Returns the call that combines the rows of each segment."""
    data, ids = op.inputs
    count = math.prod(dims_of(ids))
    inner = math.prod(dims_of(data)[len(ids.shape) :])
    sizes = (1, 1, count, op.attrs["num_segments"], inner)
    return _lower_segments(op, option, sizes, skip=True)


def _lower_segments(
    op: Operation, option: str, sizes: tuple[int, int, int, int, int], skip: bool
) -> Lowered:
    batch, outer, count, n, inner = sizes
    dtype = op.outputs[0].dtype
    blocks = -(-inner // _SEGMENT_COLUMNS)
    if not (batch * outer * blocks):
        return Lowered()
    limits = ("-1e999", "1e999") if dtype.is_floating else (dtype.min, dtype.max)
    kernel = _SEGMENTS.fill(
        t=dtype.name,
        i=op.inputs[1].dtype.name,
        start={"sum": 0, "max": limits[0], "min": limits[1]}[option],
        value=_VALUES["add" if option == "sum" else option],
        columns=_SEGMENT_COLUMNS,
        report=REPORT_INDEX,
        place="at + k",
    )
    call = kernel.call(
        batch * outer * blocks,
        op,
        outer=outer,
        count=count,
        inner=inner,
        n=n,
        blocks=blocks,
        skip=int(skip),
    )
    return Lowered((call,), checks=True)


def lower_scatter_nd(op: Operation, option: str) -> Lowered:
    """Returns the calls that copy a tensor and change slices of it, in order."""
    indices, out = op.inputs[1], op.outputs[0]
    sizes = dims_of(out)
    *batch, depth = dims_of(indices)
    rows, inner = math.prod(batch), math.prod(sizes[depth:])
    copy = lower_copy(op).calls
    if not rows or not inner:
        return Lowered(copy, in_place=())
    kernel = _SCATTER_ND.fill(
        # Replacing elements moves bits; everything else looks at them.
        t=moved_type(out.dtype.size) if option == "update" else out.dtype.name,
        i=indices.dtype.name,
        find=FIND_SLICE,
        report=REPORT_INDEX,
        place="row * depth + k",
        value=_VALUES[option],
    )
    call = kernel.call(
        inner,
        op,
        index=Word("input", 1),
        x=Word("input", 2),
        inner=inner,
        depth=depth,
        rows=rows,
        dims=(*sizes[:depth], *strides_of(sizes)[:depth]),
    )
    return Lowered((*copy, call), checks=True, in_place=(call,))


def lower_first_occurrence(op: Operation) -> Lowered:
    """Returns the call that finds the first place with the same index."""
    (indices,) = op.inputs
    count = math.prod(dims_of(indices))
    if not count:
        return Lowered()
    call = _FIRST.fill(i=indices.dtype.name).call(1, count=count)
    return Lowered((call,), scratch=(4 * op.attrs["limit"],))


def lower_sum_duplicates(op: Operation) -> Lowered:
    """Returns the call that adds up rows with the same index."""
    count, *row = dims_of(op.inputs[0])
    inner = math.prod(row)
    if not count or not inner:
        return Lowered()
    kernel = _SUM.fill(t=op.inputs[0].dtype.name, columns=_COLUMNS)
    return Lowered((kernel.call(-(-inner // _COLUMNS), count=count, inner=inner),))


def lower_resource_scatter(op: Operation, option: str) -> Lowered:
    """Returns the call that changes rows of a variable in place."""
    handle, indices = op.inputs[:2]
    count = math.prod(dims_of(indices))
    inner = math.prod(dims_of(handle)[1:])
    if not count or not inner:
        return Lowered()
    is_update = option == "update"
    kernel = _SCATTER.fill(
        t=moved_type(handle.dtype.size) if is_update else handle.dtype.name,
        i=indices.dtype.name,
        columns=_COLUMNS,
        value=_VALUES[option],
    )
    return Lowered((kernel.call(-(-inner // _COLUMNS), count=count, inner=inner),))
