"""Neighboring dimensions that loops need not tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def dims_of(tensor: Any) -> list[int]:
    """Returns the shape of a tensor in which every dimension is known."""
    return [int(dim) for dim in tensor.shape if dim is not None]


def strides_of(dims: Sequence[int]) -> list[int]:
    """Returns how far apart neighbors along each dimension lie, in elements.

    >>> strides_of([2, 3, 4])
    [12, 4, 1]
    """
    return [math.prod(dims[axis + 1 :]) for axis in range(len(dims))]


def merge_dimensions(
    shape: Sequence[int], operands: Sequence[Sequence[int]]
) -> tuple[list[int], list[tuple[bool, ...]]]:
    """Merges neighboring dimensions in which every operand does the same.

    Args:
      shape: The shape of the loop.
      operands: Shapes that broadcast to it.

    Returns:
      The sizes of the merged dimensions, and for each operand whether it moves in each.

    >>> merge_dimensions((2, 3, 4), [(2, 3, 4), (3, 4), ()])
    ([2, 12], [(True, True), (False, True), (False, False)])
    """
    rank = len(shape)
    padded = [(1,) * (rank - len(dims)) + tuple(dims) for dims in operands]
    sizes: list[int] = []
    patterns: list[tuple[bool, ...]] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        moves = tuple(dims[axis] != 1 for dims in padded)
        if patterns and patterns[-1] == moves:
            sizes[-1] *= size
        else:
            sizes.append(size)
            patterns.append(moves)
    return sizes, [tuple(p[i] for p in patterns) for i in range(len(operands))]


def merge_blocks(shape: list[int], kept: list[bool]) -> list[tuple[int, bool]]:
    """Merges neighboring dimensions that are all kept or all reduced.

    >>> merge_blocks([2, 3, 4, 5], [True, True, False, True])
    [(6, True), (4, False), (5, True)]
    """
    blocks: list[tuple[int, bool]] = []
    for size, keep in zip(shape, kept, strict=True):
        if size == 1:
            continue
        if blocks and blocks[-1][1] == keep:
            blocks[-1] = (blocks[-1][0] * size, keep)
        else:
            blocks.append((size, keep))
    return blocks
