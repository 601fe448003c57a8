"""Reductions -> kernels that add up in one fixed tree, whatever runs them.

An array that is reduced looks like [outer, n, inner] once neighboring dimensions of the
same kind are merged; several reduced blocks are taken one after the other, the last one
first. Floats are added up in float64 by 64 accumulators in blocks of 1024, and the
blocks are added with compensation, so a sum of 2^25 float32 is right to the last bit.
The tree depends on the shape alone: not on threads, not on how the range was cut.

What is combined in float64 keeps its accumulators in registers (`accumulators`): one core
sums 32 million float32 in 4.0 ms, which is the speed of its memory.

A long row is first reduced in pieces of 16384 to partial results, by the same kernel,
so that several workers can share even the sum of a whole array. So are long columns, in
pieces of 128 rows; of narrow rows several lie side by side in the lanes, which makes
rows of 16 twice as fast as one by one, rows of 10 four times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from graphopt.codegen.kernel import Kernel
from graphopt.codegen.reductions.reduction_kernels import (
    FEW_COLUMNS,
    MANY_COLUMNS,
    wide_type,
    write_columns,
    write_rows,
)
from graphopt.dtypes import DType
from graphopt.graph.dimensions import dims_of, merge_blocks
from graphopt.graph.graph import Operation
from graphopt.ops.blocks import LANES
from graphopt.schedule.steps import Call, Lowered, Word

PIECE = 1 << 14
ROWS_PER_BLOCK = 128
# Pieces of columns that are enough for several workers.
_MANY_PIECES = 16


def lower_reduce(op: Operation, option: str) -> Lowered:
    """Returns the calls that compute a reduction."""
    x, out = op.inputs[0], op.outputs[0]
    axis = op.attrs["axis"]
    shape = dims_of(x)
    kept = [axis is not None and i not in axis for i in range(len(shape))]
    return lower_blocks(option, x.dtype, out.dtype, merge_blocks(shape, kept))


def lower_tile_sum(op: Operation) -> Lowered:
    """Returns the calls that add up the copies that a tiling made."""
    out = op.outputs[0]
    shape: list[int] = []
    for times, size in zip(op.attrs["multiples"], dims_of(out), strict=True):
        shape += [times, size]
    blocks = merge_blocks(shape, [False, True] * len(dims_of(out)))
    return lower_blocks("sum", out.dtype, out.dtype, blocks)


def lower_blocks(
    option: str,
    source: DType,
    result: DType,
    blocks: list[tuple[int, bool]],
    at: Word = Word("input", 0),  # noqa: B008 (it is immutable)
    scratch: Sequence[int] = (),
) -> Lowered:
    """Returns the calls that reduce the blocks of a shape that are not kept.

    Args:
      option: Which reduction.
      source, result: The dtypes of what goes in and comes out.
      blocks: Sizes, and whether they are kept; from `merge_blocks`.
      at: What is reduced.
      scratch: The sizes of scratch buffers that there are already.
    """
    return Reduction(option, source, result, at=at, scratch=scratch).lower(blocks)


class Computation(Protocol):
    """A fused region that computes what is reduced.

    Attributes:
      words: What its kernel is called with besides what a reduction is, by name.
    """

    words: dict[str, Any]

    def write(self, by_rows: bool, option: str, result: DType) -> Kernel:
        """Returns the kernel that computes and reduces.

        Args:
          by_rows: Whether it reduces rows; else columns.
          option: Which reduction.
          result: The dtype of what is stored.
        """


class Reduction:
    """Collects the stages of one reduction.

    Args:
      option: Which reduction.
      source, result: The dtypes of what goes in and comes out.
      at: What is reduced, if there is no region.
      output: Where the result goes.
      scratch: The sizes of scratch buffers that there are already.
      region: What computes the elements to be reduced.
    """

    def __init__(
        self,
        option: str,
        source: DType,
        result: DType,
        *,
        at: Word = Word("input", 0),  # noqa: B008 (it is immutable)
        output: Word = Word("output", 0),  # noqa: B008
        scratch: Sequence[int] = (),
        region: Computation | None = None,
    ) -> None:
        self.option, self.dtype, self.result = option, source, result
        self.wide = wide_type(source)
        self.at, self.output, self.region = at, output, region
        self.divisor = 1
        self.calls: list[Call] = []
        self.scratch = list(scratch)

    def lower(self, blocks: list[tuple[int, bool]]) -> Lowered:
        """Reduces block after block, the last one first.

        Args:
          blocks: Sizes, and whether they are kept; from `merge_blocks`.
        """
        if math.prod(n for n, keep in blocks if keep) == 0:
            return Lowered()
        blocks = list(blocks)
        if self.option == "mean":
            self.divisor = math.prod(n for n, keep in blocks if not keep)
        reduced = [i for i, (_, keep) in enumerate(blocks) if not keep]
        if not reduced:
            blocks.append((1, False))
            reduced = [len(blocks) - 1]
        for position in reversed(reduced):
            outer = math.prod(n for n, _ in blocks[:position])
            n = blocks[position][0]
            inner = math.prod(n for n, _ in blocks[position + 1 :])
            final = position == reduced[0]
            if inner == 1:
                self._rows(outer, n, final)
            else:
                self._columns(outer, n, inner, final)
            del blocks[position]
        return Lowered(tuple(self.calls), tuple(self.scratch))

    def _rows(self, outer: int, n: int, final: bool) -> None:
        if outer == 1 and n > 2 * PIECE:
            pieces = -(-n // PIECE)
            self._call(True, pieces, False, pieces, {"n": PIECE, "size": n})
            n = pieces
        self._call(True, outer, final, outer, {"n": n, "size": outer * n})

    def _columns(self, outer: int, n: int, inner: int, final: bool) -> None:
        # Narrow rows are taken several at a time.
        group = max(1, LANES // inner)
        height = ROWS_PER_BLOCK * group
        pieces = -(-n // height)
        many = outer * pieces * -(-inner // MANY_COLUMNS)
        span = MANY_COLUMNS if many >= _MANY_PIECES else FEW_COLUMNS
        blocks = -(-inner // span)
        sizes = {"n": n, "inner": inner, "group": group, "blocks": blocks, "span": span}
        if pieces > 1:
            part = {**sizes, "height": height, "pieces": pieces}
            extent = outer * pieces * blocks
            self._call(False, outer * pieces * inner, False, extent, part)
            n = pieces
        whole = {**sizes, "n": n, "height": n, "pieces": 1}
        self._call(False, outer * inner, final, outer * blocks, whole)

    def _call(
        self, by_rows: bool, count: int, final: bool, extent: int, sizes: dict[str, int]
    ) -> None:
        """Adds a call that leaves `count` elements, which the next one reduces."""
        target, dtype = self.output, self.result
        if not final:
            self.scratch.append(count * 8)
            target, dtype = Word("scratch", len(self.scratch) - 1), self.wide
        words: dict[str, Any] = {"y": target, **sizes}
        words["divisor"] = self.divisor if final else 1
        if self.region is not None:
            kernel = self.region.write(by_rows, self.option, dtype)
            words |= self.region.words
        else:
            write = write_rows if by_rows else write_columns
            kernel = write(self.option, self.dtype, dtype)
            words["x"] = self.at
        self.calls.append(kernel.call(extent, **words))
        self.at, self.dtype, self.region = target, dtype, None
