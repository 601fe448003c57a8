"""Slices, splits, padding, tiling, rolling and diagonals -> blocks that move.

Each of these ops is a set of blocks, read along one set of strides and written along
another (`moves`); what is left over is filled first.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

from graphopt.codegen.kernel import KernelTemplate, moved_type
from graphopt.codegen.movement.moves import fill_output, lower_copy, move_block
from graphopt.graph.dimensions import dims_of, strides_of
from graphopt.graph.graph import Operation
from graphopt.ops.slicing import View, slice_view, view_of
from graphopt.ops.splitting import part_sizes
from graphopt.schedule.steps import Call, Lowered

_BAND: Final = KernelTemplate(
    "band",
    "x: input {t}, y: output {t}, m, n, lower, upper",
    """
    for row in range(lo, hi):
        i = row % m
        at = row * n
        for j in range(n):
            inside = ((lower < 0) | (i - j <= lower)) & ((upper < 0) | (j - i <= upper))
            y[at + j] = x[at + j] if inside else {t}(0)
""",
)

# ---- slices


def _view(op: Operation, dims: list[int]) -> View:
    if "key" in op.attrs:
        return view_of(dims, op.attrs["key"])
    return slice_view(dims, op.attrs["begin"], op.attrs["size"])


def _place(view: View, dims: list[int]) -> tuple[list[int], list[int], int]:
    """Returns the sizes, strides and offset of a slice in memory."""
    strides = strides_of(dims)
    offset = sum(s * start for s, start in zip(strides, view.starts, strict=True))
    steps = [s * step for s, step in zip(strides, view.steps, strict=True)]
    return [int(count or 0) for count in view.counts], steps, offset


def lower_slice(op: Operation) -> Lowered:
    """Returns the call that reads a slice."""
    x, out = op.inputs[0], op.outputs[0]
    sizes, strides, offset = _place(_view(op, dims_of(x)), dims_of(x))
    if 0 in sizes:
        return Lowered()
    return Lowered(
        move_block(out.dtype.size, sizes, strides, strides_of(sizes), offset)
    )


def lower_slice_grad(op: Operation) -> Lowered:
    """Returns the calls that put a slice back into zeros."""
    out = op.outputs[0]
    sizes, strides, offset = _place(_view(op, dims_of(out)), dims_of(out))
    calls = (
        ()
        if 0 in sizes
        else move_block(out.dtype.size, sizes, strides_of(sizes), strides, 0, offset)
    )
    return Lowered((*fill_output(out), *calls))


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
        calls += move_block(
            x.dtype.size,
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
        calls += move_block(
            x.dtype.size, part, apart, strides_of(part), at, target=target
        )
    return Lowered(tuple(calls))


# ---- padding, tiling, rolling


def lower_pad(op: Operation) -> Lowered:
    """Returns the calls that fill the output and put the input into its middle."""
    x, out = op.inputs[0], op.outputs[0]
    sizes, strides = dims_of(x), strides_of(dims_of(out))
    before = [pair[0] for pair in op.attrs["paddings"]]
    offset = sum(s * b for s, b in zip(strides, before, strict=True))
    calls = move_block(out.dtype.size, sizes, strides_of(sizes), strides, 0, offset)
    return Lowered((*fill_output(out, op.attrs["value"]), *calls))


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
    return Lowered(move_block(out.dtype.size, sizes, x_strides, strides_of(sizes)))


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
        calls += move_block(out.dtype.size, sizes, strides, strides, x_at, y_at)
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
    calls = move_block(out.dtype.size, sizes, strides_of(sizes), strides)
    return Lowered((*fill_output(out), *calls))


def lower_diag_part(op: Operation) -> Lowered:
    """Returns the call that reads diagonals."""
    sizes, strides = _diagonal(dims_of(op.inputs[0]))
    return Lowered(
        move_block(op.outputs[0].dtype.size, sizes, strides, strides_of(sizes))
    )


def lower_set_diag(op: Operation) -> Lowered:
    """Returns the calls that copy matrices and replace their diagonals."""
    out = op.outputs[0]
    sizes, strides = _diagonal(dims_of(out))
    calls = move_block(out.dtype.size, sizes, strides_of(sizes), strides, index=1)
    return Lowered((*lower_copy(op).calls, *calls))


def lower_band(op: Operation) -> Lowered:
    """Returns the call that keeps the elements near the diagonal."""
    out = op.outputs[0]
    *batch, m, n = dims_of(out)
    limits = {name: op.attrs[name] for name in ("lower", "upper")}
    rows = math.prod(batch) * m
    if not rows * n:
        return Lowered()
    kernel = _BAND.fill(t=moved_type(out.dtype.size))
    return Lowered((kernel.call(rows, m=m, n=n, **limits),))
