"""Kernels for rows that indices name, some of them more than once."""

from __future__ import annotations

import math

from graphopt.codegen.movement.copies import moved_type
from graphopt.codegen.movement.slices import dims_of
from graphopt.graph.graph import Operation
from graphopt.graph.status import Status
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

_CHECKED = """def kernel(args, lo, hi):
    index = pointer_{i}(args[0])
    y = pointer_{i}(args[1])
    n = args[2]
    for k in range(lo, hi):
        taken = int64(index[k])
        if (taken < 0) | (taken >= n):
            report_status(args[3], {bad}, args[4], k, taken)
            return
        y[k] = index[k]
"""
# `seen` has a word for each row and is never cleared: what it says of a row counts only
# if the place that it names is an earlier one with that row.
_FIRST = """def kernel(args, lo, hi):
    index = pointer_{i}(args[0])
    y = pointer_int32(args[1])
    seen = pointer_int32(args[2])
    count = args[3]
    for k in range(count):
        row = int64(index[k])
        place = seen[row]
        if (place >= 0) & (place < k):
            if index[place] == index[k]:
                y[k] = place
                continue
        seen[row] = int32(k)
        y[k] = int32(k)
"""
# Cut by columns: additions to a row happen in the order of the places.
_SUM = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    first = pointer_int32(args[1])
    y = pointer_{t}(args[2])
    count = args[3]
    inner = args[4]
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
"""
# Writes rows of a variable; the indices were checked by an op of their own.
_SCATTER = """def kernel(args, lo, hi):
    y = pointer_{t}(args[0])
    index = pointer_{i}(args[1])
    x = pointer_{t}(args[2])
    count = args[3]
    inner = args[4]
    start = lo * {columns}
    stop = min(hi * {columns}, inner)
    for k in range(count):
        a = k * inner
        b = int64(index[k]) * inner
        for c in range(start, stop):
            y[b + c] = {value}
"""
COLUMNS = 1024
_VALUES = {
    "update": "x[a + c]",
    "add": "{t}(y[b + c] + x[a + c])",
    "sub": "{t}(y[b + c] - x[a + c])",
    "mul": "{t}(y[b + c] * x[a + c])",
    "div": "{t}(y[b + c] / x[a + c])",
    "min": "x[a + c] if (x[a + c] < y[b + c]) | (x[a + c] != x[a + c]) else y[b + c]",
    "max": "x[a + c] if (x[a + c] > y[b + c]) | (x[a + c] != x[a + c]) else y[b + c]",
}


def lower_checked_indices(op: Operation) -> Lowered:
    """Returns the call that copies indices and checks them."""
    count = math.prod(dims_of(op.inputs[0]))
    if not count:
        return Lowered()
    source = _CHECKED.format(i=op.inputs[0].dtype.name, bad=Status.INDEX)
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("output", 0),
        op.attrs["limit"],
        Word("status"),
        op.index,
    )
    call = Call(KernelRequest("indices", source), arguments, count)
    return Lowered((call,), checks=True)


def lower_first_occurrence(op: Operation) -> Lowered:
    """Returns the call that finds the first place with the same index."""
    count = math.prod(dims_of(op.inputs[0]))
    if not count:
        return Lowered()
    source = _FIRST.format(i=op.inputs[0].dtype.name)
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("output", 0),
        Word("scratch", 0),
        count,
    )
    call = Call(KernelRequest("indices", source), arguments, 1)
    return Lowered((call,), scratch=(4 * op.attrs["limit"],))


def lower_sum_duplicates(op: Operation) -> Lowered:
    """Returns the call that adds up rows with the same index."""
    dims = dims_of(op.inputs[0])
    inner = math.prod(dims[1:])
    if not dims[0] or not inner:
        return Lowered()
    source = _SUM.format(t=op.inputs[0].dtype.name, columns=COLUMNS)
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("input", 1),
        Word("output", 0),
        dims[0],
        inner,
    )
    return Lowered(
        (Call(KernelRequest("segments", source), arguments, -(-inner // COLUMNS)),)
    )


def lower_resource_scatter(op: Operation, option: str) -> Lowered:
    """Returns the call that changes rows of a variable in place."""
    handle, indices = op.inputs[:2]
    count = math.prod(dims_of(indices))
    inner = math.prod(dims_of(handle)[1:])
    if not count or not inner:
        return Lowered()
    name = handle.dtype.name
    if option == "update":
        name = moved_type(handle.dtype.size)
    source = _SCATTER.format(
        t=name,
        i=indices.dtype.name,
        columns=COLUMNS,
        value=_VALUES[option].format(t=name),
    )
    arguments: tuple[Argument, ...] = (
        Word("input", 0),
        Word("input", 1),
        Word("input", 2),
        count,
        inner,
    )
    return Lowered(
        (Call(KernelRequest("scatter", source), arguments, -(-inner // COLUMNS)),)
    )
