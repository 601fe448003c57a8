"""A loop and the reduction of what it computes, in one sweep through memory.

The mean of a squared difference, or the norm of all gradients, costs what it reads if
nothing is stored in between. The kernels are those that reduce arrays, with the loop in
the place where they would read: the tree is the same, and so are the bits. Other values
of the loop, as the gradient beside the loss, are stored on the way.

Operands that are broadcast along rows or columns are read where they lie, where a block
of the reduction never crosses the end of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.codegen.elementwise.elementwise import (
    Writer,
    find_operands,
    loop_addresses,
    stores_in_place,
)
from graphopt.codegen.reductions.reduce import Reduction
from graphopt.codegen.reductions.reduction_kernels import (
    COLUMNS_SIZES,
    ROWS_SIZES,
    Computed,
    columns_source,
    memory_type,
    rows_source,
    wide_type,
)
from graphopt.dtypes import DType
from graphopt.graph.dimensions import merge_blocks
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Family
from graphopt.ops.blocks import LANES
from graphopt.ops.fused import FusedBody
from graphopt.schedule.steps import Lowered, Word

# Instructions that are written out four times.
_SHORT = 6
# Places that LLVM checks for overlap with the accumulators before a loop of vectors;
# with more of them it makes none.
_MOST_CHECKS = 8


def lower_fused_reduce(op: Operation) -> Lowered:
    """Returns the calls of a loop whose last value is reduced."""
    body: FusedBody = op.attrs["body"]
    kernel = op.attrs["reduction"].kernel
    assert isinstance(kernel, Family)
    axis = op.attrs["options"]["axis"]
    kept = [axis is not None and i not in axis for i in range(len(body.shape))]
    loop = _Loop(op, body)
    reduction = Reduction(
        kernel.option,
        loop.dtype,
        op.outputs[-1].dtype,
        output=Word("output", len(op.outputs) - 1),
        loop=loop,
    )
    return reduction.lower(merge_blocks(list(body.shape), kept))


class _Loop:
    """Writes the loop into the kernels that reduce."""

    def __init__(self, op: Operation, body: FusedBody) -> None:
        self.body = body
        self.dtype = body.instructions[body.outputs[-1] - body.input_count].dtype
        self.sizes, self.operands = find_operands(body, op.inputs)
        self.in_place = stores_in_place(op, body, self.operands)
        stored = len(body.outputs) - 1
        addresses = loop_addresses(body, self.operands, self.in_place, stored)
        self.arguments = (*addresses, *self.sizes[1:])

    def write(self, layout: str, option: str, result: DType) -> str:
        """Writes the kernel that computes and reduces."""
        types = (self.dtype, wide_type(self.dtype), result)
        if layout == "rows":
            return rows_source(option, *types, self._write_rows(result))
        return columns_source(option, *types, self._write_columns(result))

    def _begin(self, sizes: Sequence[str], result: DType) -> Writer:
        """Returns a writer that has read the arguments."""
        depth = len(self.sizes)
        loop = Writer(self.body, self.operands, depth, self.in_place, checked=False)
        # The last one is reduced.
        del loop.targets[len(self.body.outputs) - 1]
        word = loop.pointers(loop.targets)
        for level in range(1, depth):
            loop.line(0, f"n{level} = args[{word + level - 1}]")
        word += depth - 1
        for i, name in enumerate(sizes):
            text = f"args[{word + i}]"
            if name == "y":
                text = f"pointer_{memory_type(result)}({text})"
            loop.line(0, f"{name} = {text}")
        loop.load(0, level=-1)
        return loop

    def _write_rows(self, result: DType) -> Computed:
        loop, reduced = self._begin(ROWS_SIZES, result), self.body.outputs[-1]
        kind, size = memory_type(self.dtype), self.dtype.size
        loop.line(0, "buffer = block_buffer()")
        head = loop.take()
        whole, inner = f"o{loop.depth - 1}", loop.depth - 1
        if inner:
            loop.line(2, "i0 = begin // n1")
            loop.offsets(0, 2)
            loop.load(2, level=0)
            loop.line(2, "row_begin = i0 * n1")
        block = loop.take()

        def element(indent: int, index: str, suffix: str = "") -> str:
            loop.line(indent, f"{whole}{suffix} = {index}")
            for i, operand in enumerate(loop.operands):
                if inner and operand.pattern == (False, True):
                    at = f"o{i}_1{suffix}"
                    loop.line(indent, f"{at} = {whole}{suffix} - row_begin")
            loop.load(indent, inner, suffix)
            loop.compute(indent, suffix)
            return loop.stored(reduced)

        values = tuple(
            element(5, f"j + k + {LANES * i}", suffix)
            for i, suffix in enumerate("abcd" if self._is_short() else "")
        )
        several = loop.take()
        # So that the buffer has the indices of the whole.
        loop.line(2, f"x = pointer_{kind}(buffer - j * {size})")
        loop.line(2, "for at in range(j, end):")
        loop.line(3, f"x[at] = {element(3, 'at')}")
        return Computed(head, block, several, values, loop.take())

    def _write_columns(self, result: DType) -> Computed:
        loop, reduced = self._begin(COLUMNS_SIZES, result), self.body.outputs[-1]
        head = loop.take()

        def element(suffix: str) -> str:
            loop.load(3, 0, suffix)
            loop.compute(3, suffix)
            return loop.stored(reduced)

        values = []
        for row, suffix in enumerate("abcd"[: self._rows_together()]):
            loop.line(3, f"o0{suffix} = o0 + {row} * inner")
            values.append(element(suffix))
        several = loop.take()
        value = element("")
        return Computed(head, "", several, tuple(values), loop.take(), value)

    def _is_short(self) -> bool:
        """Returns whether it pays to write the loop out several times.

        float64 accumulators in a loop halve the vectors of its float32 arithmetic: a
        long loop goes through a buffer, in vectors of its own.
        """
        stored = len(self.body.outputs) - 1 + len(self.body.stores)
        return len(self.body.instructions) <= _SHORT and not stored

    def _rows_together(self) -> int:
        """Returns the rows for which LLVM can still tell all places apart."""
        moving = sum(any(operand.pattern) for operand in self.operands)
        many = [n for n in (4, 2) if n * moving <= _MOST_CHECKS and self._is_short()]
        return max(many, default=1)
