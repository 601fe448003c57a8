"""Slices, padding, tiling and diagonals -> kernels that move blocks between strides.

Every one of these ops is a set of blocks, each read along one set of strides and
written along another; what is left over is filled first. So there are two kernels: a
fill, and a loop nest whose strides are arguments and may be negative or 0. Dimensions
that lie behind one another in both operands are merged before, so most slices are
copies of rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.codegen.movement.copies import lower_copy, moved_type
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.dtypes import DType
from graphopt.graph.dimensions import merge_blocks
from graphopt.graph.graph import Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.slicing import View, slice_view, view_of
from graphopt.ops.splitting import part_sizes
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

FILL_PIECE = 1 << 12
_FILL = """def kernel(args, lo, hi):
    y = pointer_{t}(args[0])
    value = {t}(args[1])
    n = args[2]
    for piece in range(lo, hi):
        first = piece * 4096
        for i in range(first, min(first + 4096, n)):
            y[i] = value
"""
_BAND = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    m = args[2]
    n = args[3]
    lower = args[4]
    upper = args[5]
    for row in range(lo, hi):
        i = row % m
        at = row * n
        for j in range(n):
            inside = ((lower < 0) | (i - j <= lower)) & ((upper < 0) | (j - i <= upper))
            y[at + j] = x[at + j] if inside else {t}(0)
"""


def dims_of(tensor: GraphTensor) -> list[int]:
    """Returns a shape in which every dimension is known."""
    return [int(dim) for dim in tensor.shape if dim is not None]


def strides_of(dims: Sequence[int]) -> list[int]:
    """Returns how far apart neighbors along each dimension lie, in elements.

    >>> strides_of([2, 3, 4])
    [12, 4, 1]
    """
    return [math.prod(dims[axis + 1 :]) for axis in range(len(dims))]


def move_calls(
    dtype: DType,
    sizes: Sequence[int],
    x_strides: Sequence[int],
    y_strides: Sequence[int],
    x_offset: int = 0,
    y_offset: int = 0,
    index: int = 0,
    target: int = 0,
) -> tuple[Call, ...]:
    """Returns the call that moves one block; none if it is empty.

    Args:
      dtype: The type of the elements.
      sizes: The size of the block.
      x_strides, y_strides: Where it is read and written, in elements.
      x_offset, y_offset: Where its first element is, in elements.
      index: Which input it is read from.
      target: Which output it is written to.
    """
    if 0 in sizes:
        return ()
    sizes, x_strides, y_strides = merge_strides(sizes, x_strides, y_strides)
    together = x_strides[-1] == y_strides[-1] == 1
    name, rank = moved_type(dtype.size), len(sizes)
    request = KernelRequest("move", _move_source(name, rank, together))
    arguments: tuple[Argument, ...] = (
        Word("input", index, x_offset * dtype.size),
        Word("output", target, y_offset * dtype.size),
        *sizes,
        *x_strides,
        *y_strides,
    )
    return (Call(request, arguments, sizes[0]),)


def merge_strides(
    sizes: Sequence[int], first: Sequence[int], second: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Merges dimensions that lie behind one another in both operands.

    >>> merge_strides([2, 3, 4], [24, 8, 1], [12, 4, 1])
    ([6, 4], [8, 1], [4, 1])
    """
    merged: list[list[int]] = []
    for size, a, b in zip(sizes, first, second, strict=True):
        if size == 1:
            continue
        if merged and merged[-1][1] == size * a and merged[-1][2] == size * b:
            merged[-1] = [merged[-1][0] * size, a, b]
        else:
            merged.append([size, a, b])
    merged = merged or [[1, 1, 1]]
    return [m[0] for m in merged], [m[1] for m in merged], [m[2] for m in merged]


def _move_source(name: str, rank: int, together: bool) -> str:
    """Writes the loop nest; the innermost stride is left out where both are 1."""
    lines = ["def kernel(args, lo, hi):"]
    lines += [f"    x = pointer_{name}(args[0])", f"    y = pointer_{name}(args[1])"]
    lines += [f"    n{k} = args[{2 + k}]" for k in range(1, rank)]
    strided = rank - 1 if together else rank
    lines += [f"    u{k} = args[{2 + rank + k}]" for k in range(strided)]
    lines += [f"    v{k} = args[{2 + 2 * rank + k}]" for k in range(strided)]
    for k in range(rank):
        indent = "    " * (k + 1)
        lines.append(f"{indent}for i{k} in range({'lo, hi' if k == 0 else f'n{k}'}):")
        u, v = ("", "") if k >= strided else (f" * u{k}", f" * v{k}")
        a, b = (f"a{k - 1} + ", f"b{k - 1} + ") if k else ("", "")
        lines.append(f"{indent}    a{k} = {a}i{k}{u}")
        lines.append(f"{indent}    b{k} = {b}i{k}{v}")
    lines.append("    " * (rank + 1) + f"y[b{rank - 1}] = x[a{rank - 1}]")
    return "\n".join(lines) + "\n"


def fill_calls(tensor: GraphTensor, value: Any = 0) -> tuple[Call, ...]:
    """Returns the call that sets every element of the output to a number."""
    count = tensor.shape.num_elements() or 0
    if not count:
        return ()
    size = tensor.dtype.size
    bits = np.array(value, tensor.dtype.numpy).view(
        f"{'u' if size == 1 else 'i'}{size}"
    )
    request = KernelRequest("fill", _FILL.format(t=moved_type(size)))
    arguments = (Word("output", 0), int(bits), count)
    return (Call(request, arguments, -(-count // FILL_PIECE)),)


# ---- slices


def _view(op: Operation, dims: list[int]) -> View:
    if "key" in op.attrs:
        return view_of(dims, op.attrs["key"])
    return slice_view(dims, op.attrs["begin"], op.attrs["size"])


def _placed(view: View, dims: list[int]) -> tuple[list[int], list[int], int]:
    """Returns the sizes, strides and offset of a slice in memory."""
    strides = strides_of(dims)
    offset = sum(s * start for s, start in zip(strides, view.starts, strict=True))
    steps = [s * step for s, step in zip(strides, view.steps, strict=True)]
    return [int(count or 0) for count in view.counts], steps, offset


def lower_slice(op: Operation) -> Lowered:
    """Returns the call that reads a slice."""
    x, out = op.inputs[0], op.outputs[0]
    sizes, strides, offset = _placed(_view(op, dims_of(x)), dims_of(x))
    if 0 in sizes:
        return Lowered()
    return Lowered(move_calls(out.dtype, sizes, strides, strides_of(sizes), offset))


def lower_slice_grad(op: Operation) -> Lowered:
    """Returns the calls that put a slice back into zeros."""
    out = op.outputs[0]
    sizes, strides, offset = _placed(_view(op, dims_of(out)), dims_of(out))
    calls = (
        ()
        if 0 in sizes
        else move_calls(out.dtype, sizes, strides_of(sizes), strides, 0, offset)
    )
    return Lowered((*fill_calls(out), *calls))


def lower_split(op: Operation) -> Lowered:
    """Returns one call for each part."""
    x = op.inputs[0]
    dims, strides = dims_of(x), strides_of(dims_of(x))
    axis = op.attrs["axis"] % len(dims)
    sizes = part_sizes(dims[axis], op.attrs["sizes"])
    calls: list[Call] = []
    start = 0
    for target, size in enumerate(int(part or 0) for part in sizes):
        part = [*dims[:axis], size, *dims[axis + 1 :]]
        calls += move_calls(
            x.dtype,
            part,
            strides,
            strides_of(part),
            start * strides[axis],
            target=target,
        )
        start += size
    return Lowered(tuple(calls))


def lower_unpack(op: Operation) -> Lowered:
    """Returns one call for each element along the axis."""
    x = op.inputs[0]
    dims, strides = dims_of(x), strides_of(dims_of(x))
    axis = op.attrs["axis"] % len(dims)
    part = dims[:axis] + dims[axis + 1 :]
    apart = strides[:axis] + strides[axis + 1 :]
    calls: list[Call] = []
    for target in range(len(op.outputs)):
        at = target * strides[axis]
        calls += move_calls(x.dtype, part, apart, strides_of(part), at, target=target)
    return Lowered(tuple(calls))


# ---- padding, tiling, rolling


def lower_pad(op: Operation) -> Lowered:
    """Returns the calls that fill the output and put the input into its middle."""
    x, out = op.inputs[0], op.outputs[0]
    sizes, strides = dims_of(x), strides_of(dims_of(out))
    before = [pair[0] for pair in op.attrs["paddings"]]
    offset = sum(s * b for s, b in zip(strides, before, strict=True))
    calls = move_calls(out.dtype, sizes, strides_of(sizes), strides, 0, offset)
    return Lowered((*fill_calls(out, op.attrs["value"]), *calls))


def lower_tile(op: Operation) -> Lowered:
    """Returns the call that reads the input again and again, with strides of 0."""
    x, out = op.inputs[0], op.outputs[0]
    sizes: list[int] = []
    x_strides: list[int] = []
    for times, size, stride in zip(
        op.attrs["multiples"], dims_of(x), strides_of(dims_of(x)), strict=True
    ):
        sizes += [times, size]
        x_strides += [0, stride]
    return Lowered(move_calls(out.dtype, sizes, x_strides, strides_of(sizes)))


def lower_tile_sum(op: Operation) -> Lowered:
    """Returns the calls that add up the copies that a tiling made."""
    out = op.outputs[0]
    shape: list[int] = []
    for times, size in zip(op.attrs["multiples"], dims_of(out), strict=True):
        shape += [times, size]
    blocks = merge_blocks(shape, [False, True] * len(dims_of(out)))
    return lower_blocks("sum", out.dtype, out.dtype, blocks)


def lower_roll(op: Operation) -> Lowered:
    """Returns one call for each block that stays in one piece."""
    out = op.outputs[0]
    dims, strides = dims_of(out), strides_of(dims_of(out))
    if 0 in dims:
        return Lowered()
    shifts = [0] * len(dims)
    for axis, shift in zip(op.attrs["axis"], op.attrs["shift"], strict=True):
        shifts[axis] = (shifts[axis] + shift) % dims[axis]
    # Along each dimension: (size, read from, write to) of the two parts.
    parts = [
        [(n - s, 0, s), (s, n - s, 0)] if s else [(n, 0, 0)]
        for n, s in zip(dims, shifts, strict=True)
    ]
    calls: list[Call] = []
    for block in itertools.product(*parts):
        sizes = [part[0] for part in block]
        x_at = sum(p[1] * s for p, s in zip(block, strides, strict=True))
        y_at = sum(p[2] * s for p, s in zip(block, strides, strict=True))
        calls += move_calls(out.dtype, sizes, strides, strides, x_at, y_at)
    return Lowered(tuple(calls))


# ---- diagonals


def _diagonal(dims: list[int]) -> tuple[list[int], list[int]]:
    """Returns the sizes and strides of the main diagonals of matrices."""
    m, n = dims[-2:]
    batch = math.prod(dims[:-2])
    return [batch, min(m, n)], [m * n, n + 1]


def lower_diag(op: Operation) -> Lowered:
    """Returns the calls that put diagonals into matrices of zeros."""
    out = op.outputs[0]
    sizes, strides = _diagonal(dims_of(out))
    calls = move_calls(out.dtype, sizes, strides_of(sizes), strides)
    return Lowered((*fill_calls(out), *calls))


def lower_diag_part(op: Operation) -> Lowered:
    """Returns the call that reads diagonals."""
    sizes, strides = _diagonal(dims_of(op.inputs[0]))
    return Lowered(move_calls(op.outputs[0].dtype, sizes, strides, strides_of(sizes)))


def lower_set_diag(op: Operation) -> Lowered:
    """Returns the calls that copy matrices and replace their diagonals."""
    out = op.outputs[0]
    sizes, strides = _diagonal(dims_of(out))
    calls = move_calls(out.dtype, sizes, strides_of(sizes), strides, index=1)
    return Lowered((*lower_copy(op).calls, *calls))


def lower_band(op: Operation) -> Lowered:
    """Returns the call that keeps the elements near the diagonal."""
    dims = dims_of(op.outputs[0])
    if 0 in dims:
        return Lowered()
    m, n = dims[-2:]
    request = KernelRequest(
        "band", _BAND.format(t=moved_type(op.outputs[0].dtype.size))
    )
    arguments = (
        Word("input", 0),
        Word("output", 0),
        m,
        n,
        op.attrs["lower"],
        op.attrs["upper"],
    )
    return Lowered((Call(request, arguments, math.prod(dims[:-1])),))
