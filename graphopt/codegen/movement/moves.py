"""Copies, transposes, concatenations, fills: elements move and nothing is computed.

Whatever moves elements reads a block along one set of strides and writes it along another,
so there is one loop nest, whose strides are arguments and may be negative or 0. Dimensions
that lie behind one another in both operands are merged, so most blocks are one run or rows
of runs. Elements move as integers of their size: float32 and int32 share a kernel. Only a
transposed matrix has a kernel of its own, in tiles of 32 by 32 that stay in the first-level
cache while they are read along one side and written along the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from graphopt.codegen.kernel import (
    Kernel,
    KernelTemplate,
    input_of,
    moved_type,
    output_of,
    size_of,
)
from graphopt.graph.dimensions import dims_of, strides_of
from graphopt.graph.graph import Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Call, Lowered, Word

_FILL_PIECE: Final = 1 << 12
_FILL: Final = KernelTemplate(
    "fill",
    "y: output {t}, bits, n",
    """
    value = {t}(bits)
    for piece in range(lo, hi):
        first = piece * {piece}
        for i in range(first, min(first + {piece}, n)):
            y[i] = value
""",
)
_TILE: Final = 32
_TRANSPOSE: Final = KernelTemplate(
    "transpose",
    "x: input {t}, y: output {t}, m, n",
    """
    tiles = (m + {tile} - 1) // {tile}
    for piece in range(lo, hi):
        batch = piece // tiles
        i0 = (piece - batch * tiles) * {tile}
        i1 = min(i0 + {tile}, m)
        at = batch * m * n
        for j0 in range(0, n, {tile}):
            j1 = min(j0 + {tile}, n)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    y[at + j * m + i] = x[at + i * n + j]
""",
)


def move_block(
    size: int,
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
      size: Bytes of an element.
      sizes: The size of the block.
      x_strides, y_strides: Where it is read and written, in elements.
      x_offset, y_offset: Where its first element is, in elements.
      index: Which input it is read from.
      target: Which output it is written to.
    """
    if 0 in sizes:
        return ()
    sizes, x_strides, y_strides = merge_strides(sizes, x_strides, y_strides)
    rank, is_run = len(sizes), x_strides[-1] == y_strides[-1] == 1
    strided = rank - 1 if is_run else rank
    words: dict[str, Any] = {f"n{k}": sizes[k] for k in range(1, rank)}
    words |= {f"u{k}": x_strides[k] for k in range(strided)}
    words |= {f"v{k}": y_strides[k] for k in range(strided)}
    x = Word("input", index, x_offset * size)
    y = Word("output", target, y_offset * size)
    kernel = _write_nest(moved_type(size), rank, strided)
    return (kernel.call(sizes[0], x=x, y=y, **words),)


@functools.cache
def _write_nest(dtype: str, rank: int, strided: int) -> Kernel:
    """Writes the loop nest over a block, of which the first strides are not 1."""
    lines = []
    for k in range(rank):
        indent = "    " * (k + 1)
        lines.append(f"{indent}for i{k} in range({f'n{k}' if k else 'lo, hi'}):")
        for at, stride in (("a", f" * u{k}"), ("b", f" * v{k}")):
            before = f"{at}{k - 1} + " if k else ""
            step = stride if k < strided else ""
            lines.append(f"{indent}    {at}{k} = {before}i{k}{step}")
    lines.append("    " * (rank + 1) + f"y[b{rank - 1}] = x[a{rank - 1}]")
    names = [f"n{k}" for k in range(1, rank)]
    names += [f"{letter}{k}" for letter in "uv" for k in range(strided)]
    parameters = (input_of("x", dtype), output_of("y", dtype), *size_of(*names))
    return Kernel("move", parameters, "\n".join(lines) + "\n")


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


def fill_output(tensor: GraphTensor, value: Any = 0) -> tuple[Call, ...]:
    """Returns the call that sets every element of an output to a value."""
    count = math.prod(dims_of(tensor))
    if not count:
        return ()
    size = tensor.dtype.size
    kind = f"{'u' if size == 1 else 'i'}{size}"
    bits = int(np.array(value, tensor.dtype.numpy).view(kind))
    kernel = _FILL.fill(t=moved_type(size), piece=_FILL_PIECE)
    return (kernel.call(-(-count // _FILL_PIECE), bits=bits, n=count),)


def copy_run(
    tensor: GraphTensor, x_offset: int = 0, index: int = 0, target: int = 0
) -> tuple[Call, ...]:
    """Returns the call that copies as many elements as a tensor has.

    Args:
      tensor: What has the dtype and the shape.
      x_offset: The first element that is read.
      index: Which input it is read from.
      target: Which output it is written to.
    """
    sizes = [math.prod(dims_of(tensor))]
    size = tensor.dtype.size
    return move_block(size, sizes, [1], [1], x_offset, 0, index, target)


def copy_tensor(tensor: GraphTensor) -> Lowered:
    """Returns the call that copies an input to an output which is like a tensor."""
    return Lowered(copy_run(tensor))


def lower_copy(op: Operation) -> Lowered:
    """Returns the call that copies the first input to the output."""
    return copy_tensor(op.outputs[0])


def lower_copy_all(op: Operation) -> Lowered:
    """Returns the calls that copy each output from the input of its number."""
    calls = [copy_run(x, 0, i, i) for i, x in enumerate(op.outputs)]
    return Lowered(tuple(call for each in calls for call in each))


def lower_concat(op: Operation) -> Lowered:
    """Returns the call that writes each input beside the one before it."""
    out = op.outputs[0]
    axis = op.attrs["axis"] % len(out.shape)
    outer, row = _rows_from(out, axis)
    calls: list[Call] = []
    offset = 0
    for index, x in enumerate(op.inputs):
        _, length = _rows_from(x, axis)
        strides = [length, 1], [row, 1]
        size = out.dtype.size
        calls += move_block(size, [outer, length], *strides, 0, offset, index)
        offset += length
    return Lowered(tuple(calls))


def lower_split_like(op: Operation) -> Lowered:
    """Returns the call that reads each part of a concatenation."""
    g, *xs = op.inputs
    axis = op.attrs["axis"] % len(g.shape)
    outer, row = _rows_from(g, axis)
    calls: list[Call] = []
    offset = 0
    for target, x in enumerate(xs):
        _, length = _rows_from(x, axis)
        strides = [row, 1], [length, 1]
        size = g.dtype.size
        calls += move_block(size, [outer, length], *strides, offset, target=target)
        offset += length
    return Lowered(tuple(calls))


def _rows_from(tensor: GraphTensor, axis: int) -> tuple[int, int]:
    """Returns the sizes of a tensor before an axis, and from it on."""
    dims = dims_of(tensor)
    return math.prod(dims[:axis]), math.prod(dims[axis:])


def lower_transpose(op: Operation) -> Lowered:
    """Returns the call that permutes dimensions."""
    x = op.inputs[0]
    shape, perm = merge_permutation(dims_of(x), op.attrs["perm"])
    if 0 in shape:
        return Lowered()
    size = x.dtype.size
    if perm in ([1, 0], [0, 2, 1]):
        m, n = shape[-2:]
        extent = math.prod(shape[:-2]) * -(-m // _TILE)
        kernel = _TRANSPOSE.fill(t=moved_type(size), tile=_TILE)
        return Lowered((kernel.call(extent, m=m, n=n),))
    strides, sizes = strides_of(shape), [shape[axis] for axis in perm]
    moved = [strides[axis] for axis in perm]
    return Lowered(move_block(size, sizes, moved, strides_of(sizes)))


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
