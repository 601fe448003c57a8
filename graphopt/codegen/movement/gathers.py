"""Gathers, scatters and sums over segments -> kernels that follow indices.

An index is checked where it is used; a bad one is written to the status words and the
tape leaves. Additions to one row happen in the order of the indices, so the result has
the same bits however the range is cut: it is cut by columns, never by indices.
"""

from __future__ import annotations

import math

from graphopt.codegen.movement.copies import lower_copy, moved_type
from graphopt.codegen.movement.slices import dims_of, strides_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.ops.indexing import split_dims
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

COLUMNS = 256

_GATHER = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    index = pointer_{i}(args[1])
    y = pointer_{t}(args[2])
    outer = args[3]
    count = args[4]
    inner = args[5]
    n = args[6]
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
                report_status(args[7], {bad}, args[8], first + position, taken)
                return
{move}
            row += 1
"""
_MOVE_ONE = "            y[row] = x[base + taken]"
_MOVE_ROW = """            a = base + taken * inner
            b = row * inner
            for c in range(inner):
                y[b + c] = x[a + c]"""
_SEGMENTS = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    index = pointer_{i}(args[1])
    y = pointer_{t}(args[2])
    outer = args[3]
    count = args[4]
    inner = args[5]
    n = args[6]
    blocks = args[7]
    skip = args[8]
    start = {t}({start})
    for piece in range(lo, hi):
        group = piece // blocks
        first = (piece - group * blocks) * 256
        last = min(first + 256, inner)
        for row in range(group * n, group * n + n):
            for c in range(row * inner + first, row * inner + last):
                y[c] = start
        at = (group // outer) * count
        for k in range(count):
            taken = int64(index[at + k])
            if (taken < 0) & (skip != 0):
                continue
            if (taken < 0) | (taken >= n):
                report_status(args[9], {bad}, args[10], at + k, taken)
                return
            a = (group * count + k) * inner
            b = (group * n + taken) * inner
            for c in range(first, last):
                y[b + c] = {t}({combine})
"""
_COMBINE = {
    "sum": "y[b + c] + x[a + c]",
    "max": "x[a + c] if (x[a + c] > y[b + c]) | (x[a + c] != x[a + c]) else y[b + c]",
    "min": "x[a + c] if (x[a + c] < y[b + c]) | (x[a + c] != x[a + c]) else y[b + c]",
}
# The position of a row from several indices: depth, sizes and strides are arguments.
_POSITION = """        to = 0
        for k in range(depth):
            taken = int64(index[row * depth + k])
            if (taken < 0) | (taken >= args[{first} + k]):
                report_status(args[{status}], {bad}, args[{status} + 1], row * depth + k, taken)
                return
            to += taken * args[{first} + depth + k]
"""
_GATHER_ND = (
    """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    index = pointer_{i}(args[1])
    y = pointer_{t}(args[2])
    inner = args[3]
    depth = args[4]
    for row in range(lo, hi):
"""
    + _POSITION.replace("{first}", "7").replace("{status}", "5")
    + """        at = row * inner
        for c in range(inner):
            y[at + c] = x[to + c]
"""
)
_SCATTER_ND = (
    """def kernel(args, lo, hi):
    index = pointer_{i}(args[0])
    x = pointer_{t}(args[1])
    y = pointer_{t}(args[2])
    inner = args[3]
    depth = args[4]
    rows = args[7]
    for row in range(rows):
"""
    + _POSITION.replace("{first}", "8").replace("{status}", "5")
    + """        at = row * inner
        for c in range(lo, hi):
            y[to + c] = {value}
"""
)


_SCATTERED = {
    "update": "x[at + c]",
    "add": "{t}(y[to + c] + x[at + c])",
    "max": (
        "x[at + c] if (x[at + c] > y[to + c]) | (x[at + c] != x[at + c]) else y[to + c]"
    ),
    "min": (
        "x[at + c] if (x[at + c] < y[to + c]) | (x[at + c] != x[at + c]) else y[to + c]"
    ),
}


def _status(op: Operation) -> tuple[Argument, Argument]:
    return Word("status"), op.index


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
    source = _GATHER.format(
        bad=Status.INDEX,
        t=moved_type(params.dtype.size),
        i=indices.dtype.name,
        move=_MOVE_ONE if inner == 1 else _MOVE_ROW,
    )
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("input", 1),
        Word("output", 0),
        outer,
        count,
        inner,
        n,
        *_status(op),
    )
    call = Call(KernelRequest("gather", source), arguments, rows)
    return Lowered((call,), checks=True)


def lower_gather_grad(op: Operation) -> Lowered:
    """Returns the call that adds slices up at their index along an axis."""
    out = op.outputs[0]
    return _segments(
        op,
        "sum",
        split_dims(
            dims_of(out),
            dims_of(op.inputs[1]),
            op.attrs["axis"],
            op.attrs["batch_dims"],
        ),
        skip=False,
    )


def lower_segments(op: Operation, option: str) -> Lowered:
    """Returns the call that combines the rows of each segment."""
    data, ids = op.inputs
    rank = len(ids.shape)
    count = math.prod(dims_of(ids))
    inner = math.prod(dims_of(data)[rank:])
    sizes = (1, 1, count, op.attrs["num_segments"], inner)
    return _segments(op, option, sizes, skip=True)


def _segments(
    op: Operation, option: str, sizes: tuple[int, int, int, int, int], skip: bool
) -> Lowered:
    batch, outer, count, n, inner = sizes
    dtype, ids = op.outputs[0].dtype, op.inputs[1]
    blocks = -(-inner // COLUMNS)
    if not (batch * outer * blocks):
        return Lowered()
    limits = ("-1e999", "1e999") if dtype.is_floating else (dtype.min, dtype.max)
    start = {"sum": 0, "max": limits[0], "min": limits[1]}[option]
    source = _SEGMENTS.format(
        bad=Status.INDEX,
        t=dtype.name,
        i=ids.dtype.name,
        start=start,
        combine=_COMBINE[option],
    )
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("input", 1),
        Word("output", 0),
        outer,
        count,
        inner,
        n,
        blocks,
        int(skip),
        *_status(op),
    )
    request = KernelRequest("segments", source)
    return Lowered((Call(request, arguments, batch * outer * blocks),), checks=True)


def lower_gather_nd(op: Operation) -> Lowered:
    """Returns the call that takes slices by several indices each."""
    params, indices = op.inputs
    sizes = dims_of(params)
    depth = dims_of(indices)[-1]
    rows = math.prod(dims_of(indices)[:-1])
    if not rows:
        return Lowered()
    source = _GATHER_ND.format(
        t=moved_type(params.dtype.size), i=indices.dtype.name, bad=Status.INDEX
    )
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("input", 1),
        Word("output", 0),
        math.prod(sizes[depth:]),
        depth,
        *_status(op),
        *sizes[:depth],
        *strides_of(sizes)[:depth],
    )
    call = Call(KernelRequest("gather_nd", source), arguments, rows)
    return Lowered((call,), checks=True)


def lower_scatter_nd(op: Operation, option: str) -> Lowered:
    """Returns the calls that copy a tensor and change slices of it, in order."""
    indices, out = op.inputs[1], op.outputs[0]
    sizes = dims_of(out)
    depth = dims_of(indices)[-1]
    rows = math.prod(dims_of(indices)[:-1])
    inner = math.prod(sizes[depth:])
    copy = lower_copy(op).calls
    if not rows or not inner:
        return Lowered(copy, in_place=())
    # Replacing elements moves bits; everything else looks at them.
    moves = option == "update"
    name = moved_type(out.dtype.size) if moves else out.dtype.name
    value = _SCATTERED[option].format(t=name)
    source = _SCATTER_ND.format(
        t=name, i=indices.dtype.name, value=value, bad=Status.INDEX
    )
    arguments: tuple[Argument, ...] = (
        Word("input", 1),
        Word("input", 2),
        Word("output", 0),
        inner,
        depth,
        *_status(op),
        rows,
        *sizes[:depth],
        *strides_of(sizes)[:depth],
    )
    call = Call(KernelRequest("scatter_nd", source), arguments, inner)
    return Lowered((*copy, call), checks=True, in_place=(call,))
