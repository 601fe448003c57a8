"""Transposes, concatenations and plain copies: kernels that move without computing."""

from __future__ import annotations

import math

from graphopt.graph.graph import Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

_ROWS = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    n = args[2]
    x_stride = args[3]
    y_stride = args[4]
    for row in range(lo, hi):
        a = row * x_stride
        b = row * y_stride
        for j in range(n):
            y[b + j] = x[a + j]
"""
# Tiles of 32 by 32 stay in the first-level cache, read along one side and written
# along the other.
_TILED = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    m = args[2]
    n = args[3]
    tiles = (m + 31) // 32
    for piece in range(lo, hi):
        batch = piece // tiles
        i0 = (piece - batch * tiles) * 32
        i1 = min(i0 + 32, m)
        at = batch * m * n
        for j0 in range(0, n, 32):
            j1 = min(j0 + 32, n)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    y[at + j * m + i] = x[at + i * n + j]
"""


def lower_copy(op: Operation) -> Lowered:
    """Returns the calls that copy an input to the output."""
    return copy_of(op.outputs[0])


def copy_of(tensor: GraphTensor) -> Lowered:
    """Returns the calls that copy an input to an output which is like a tensor."""
    count = tensor.shape.num_elements() or 0
    if not count:
        return Lowered()
    piece = 1 << 12
    whole, rest = divmod(count, piece)
    calls = []
    if whole:
        calls.append(_rows_call(tensor, whole, piece, piece, piece))
    if rest:
        offset = whole * piece * tensor.dtype.size
        calls.append(_rows_call(tensor, 1, rest, 0, 0, offset, offset))
    return Lowered(tuple(calls))


def lower_copy_all(op: Operation) -> Lowered:
    """Returns the calls that copy each output from the input of its number."""
    calls = []
    for i, tensor in enumerate(op.outputs):
        count = math.prod(_dims(tensor))
        if count:
            calls.append(_rows_call(tensor, 1, count, 0, 0, index=i, output=i))
    return Lowered(tuple(calls))


def _rows_call(
    like: GraphTensor,
    rows: int,
    length: int,
    x_stride: int,
    y_stride: int,
    x_offset: int = 0,
    y_offset: int = 0,
    index: int = 0,
    output: int = 0,
) -> Call:
    source = _ROWS.format(t=moved_type(like.dtype.size))
    arguments: tuple[Argument, ...] = (
        Word("input", index, x_offset),
        Word("output", output, y_offset),
        length,
        x_stride,
        y_stride,
    )
    return Call(KernelRequest("copy", source), arguments, rows)


def moved_type(size: int) -> str:
    """The integer type that moves elements of a size without looking at them."""
    return {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}[size]


def _dims(tensor: GraphTensor) -> list[int]:
    return [int(dim) for dim in tensor.shape if dim is not None]


def lower_concat(op: Operation, option: str) -> Lowered:
    """Returns one copy of rows for each input."""
    out = op.outputs[0]
    axis = op.attrs["axis"] % len(out.shape)
    outer = math.prod(_dims(out)[:axis])
    out_row = math.prod(_dims(out)[axis:])
    calls, offset = [], 0
    for index, x in enumerate(op.inputs):
        length = math.prod(_dims(x)[axis:])
        if outer and length:
            at = offset * out.dtype.size
            call = _rows_call(out, outer, length, length, out_row, 0, at, index)
            calls.append(call)
        offset += length
    return Lowered(tuple(calls))


def lower_split_like(op: Operation) -> Lowered:
    """Returns one copy of rows for each part of a concatenation."""
    g, *xs = op.inputs
    axis = op.attrs["axis"] % len(g.shape)
    outer = math.prod(_dims(g)[:axis])
    row = math.prod(_dims(g)[axis:])
    calls, offset = [], 0
    for index, x in enumerate(xs):
        length = math.prod(_dims(x)[axis:])
        if outer and length:
            at = offset * g.dtype.size
            call = _rows_call(g, outer, length, row, length, at, output=index)
            calls.append(call)
        offset += length
    return Lowered(tuple(calls))


def lower_transpose(op: Operation) -> Lowered:
    """Returns the call that permutes dimensions."""
    x = op.inputs[0]
    shape, perm = merge_permutation(_dims(x), op.attrs["perm"])
    if 0 in shape:
        return Lowered()
    if perm == list(range(len(perm))):
        return lower_copy(op)
    name = moved_type(x.dtype.size)
    arguments: list[Argument] = [Word("input", 0), Word("output", 0)]
    if perm in ([1, 0], [0, 2, 1]):
        m, n = shape[-2:]
        batches = shape[0] if len(shape) == 3 else 1
        request = KernelRequest("transpose", _TILED.format(t=name))
        extent = batches * -(-m // 32)
        return Lowered((Call(request, (*arguments, m, n), extent),))
    strides = [math.prod(shape[axis + 1 :]) for axis in perm]
    sizes = [shape[axis] for axis in perm]
    request = KernelRequest("transpose", _general_source(name, len(perm)))
    return Lowered((Call(request, (*arguments, *sizes, *strides), sizes[0]),))


def merge_permutation(
    shape: list[int], perm: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Drops dimensions of size 1 and merges those that stay neighbors.

    >>> merge_permutation([2, 3, 4, 1], (2, 0, 1, 3))
    ([6, 4], [1, 0])
    """
    order = [axis for axis in perm if shape[axis] != 1]
    runs: list[list[int]] = []
    for axis in order:
        between = range(runs[-1][-1] + 1, axis) if runs else ()
        if runs and axis > runs[-1][-1] and all(shape[k] == 1 for k in between):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    by_input = sorted(runs)
    merged = [math.prod(shape[axis] for axis in run) for run in by_input]
    return merged, [by_input.index(run) for run in runs]


def _general_source(name: str, rank: int) -> str:
    lines = ["def kernel(args, lo, hi):"]
    lines += [f"    x = pointer_{name}(args[0])", f"    y = pointer_{name}(args[1])"]
    lines += [f"    n{k} = args[{2 + k}]" for k in range(1, rank)]
    lines += [f"    s{k} = args[{2 + rank + k}]" for k in range(rank)]
    for k in range(rank):
        indent = "    " * (k + 1)
        extent = "lo, hi" if k == 0 else f"n{k}"
        lines.append(f"{indent}for i{k} in range({extent}):")
        a = f"a{k - 1} + " if k else ""
        b = f"b{k - 1} * n{k} + " if k else ""
        lines.append(f"{indent}    a{k} = {a}i{k} * s{k}")
        lines.append(f"{indent}    b{k} = {b}i{k}")
    lines.append("    " * (rank + 1) + f"y[b{rank - 1}] = x[a{rank - 1}]")
    return "\n".join(lines) + "\n"
