"""A loop and the reduction of what it computes, in one sweep through memory.

The mean of a squared difference, or the norm of all gradients, costs what it reads if
nothing is stored in between. The kernels are those that reduce arrays, with the loop in
the place where they would read: the tree is the same, and so are the bits. Other values
of the loop, as the gradient beside the loss, are stored on the way.

Operands that are broadcast along rows or columns are read where they lie, where a block
of the reduction never crosses the end of a row.
"""

from __future__ import annotations

from graphopt.codegen.elementwise.elementwise import LoopWriter, indent, join_lines
from graphopt.codegen.kernel import Kernel, element_type
from graphopt.codegen.reductions.reduce import Reduction
from graphopt.codegen.reductions.reduction_kernels import (
    Computed,
    write_columns,
    write_rows,
)
from graphopt.dtypes import DType
from graphopt.graph.dimensions import merge_blocks
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Family
from graphopt.graph.region import Region
from graphopt.ops.blocks import LANES
from graphopt.schedule.steps import Lowered, Word

# Instructions that are written out four times.
_SHORT = 6
# Places that LLVM checks for overlap with the accumulators before a loop of vectors;
# with more of them it makes none.
_MOST_CHECKS = 8


def lower_fused_reduce(op: Operation) -> Lowered:
    """Returns the calls of a region whose last value is reduced."""
    body: Region = op.attrs["body"]
    kernel = op.attrs["reduction"].kernel
    assert isinstance(kernel, Family)
    axis = op.attrs["options"]["axis"]
    kept = [axis is not None and i not in axis for i in range(len(body.shape))]
    region = _ReducedRegion(op, body)
    reduction = Reduction(
        kernel.option,
        region.dtype,
        op.outputs[-1].dtype,
        output=Word("output", len(op.outputs) - 1),
        region=region,
    )
    return reduction.lower(merge_blocks(list(body.shape), kept))


class _ReducedRegion:
    """Writes a region into the kernels that reduce."""

    def __init__(self, op: Operation, body: Region) -> None:
        self.body, self.reduced = body, body.outputs[-1]
        self.dtype = body.made_by(self.reduced).dtype
        # The last output is reduced.
        stored = len(body.outputs) - 1
        self.loop = LoopWriter(op, body, op.inputs, outputs=stored)
        self.words = self.loop.words

    def write(self, by_rows: bool, option: str, result: DType) -> Kernel:
        """Returns the kernel that computes and reduces."""
        if by_rows:
            return write_rows(option, self.dtype, result, self._write_rows())
        return write_columns(option, self.dtype, result, self._write_columns())

    def _write_rows(self) -> Computed:
        loop = self.loop
        kind, size = element_type(self.dtype), self.dtype.size
        begin = [*loop.load(-1), "buffer = block_buffer()"]
        inner = loop.depth - 1
        block = []
        if inner:
            block = ["i0 = begin // n1", *loop.offsets(0), *loop.load(0)]
            block.append("row_begin = i0 * n1")
        whole = f"o{inner}"

        def compute(index: str, suffix: str = "") -> tuple[list[str], str]:
            lines = [f"{whole}{suffix} = {index}"]
            for i, operand in enumerate(loop.operands):
                if inner and operand.pattern == (False, True):
                    lines.append(f"o{i}_1{suffix} = {whole}{suffix} - row_begin")
            lines += [*loop.load(inner, suffix), *loop.compute(suffix)]
            return lines, loop.stored(self.reduced)

        rounds = [
            compute(f"j + k + {LANES * i}", suffix)
            for i, suffix in enumerate("abcd" if self._is_short() else "")
        ]
        lines, value = compute("at")
        single = [
            # So that the buffer has the indices of the whole.
            f"x = pointer_{kind}(buffer - j * {size})",
            "for at in range(j, end):",
            *indent([*lines, f"x[at] = {value}"], 1),
        ]
        return Computed(
            tuple(loop.parameters),
            join_lines(begin),
            join_lines(block),
            join_lines([line for lines, _ in rounds for line in lines]),
            tuple(value for _, value in rounds),
            join_lines(single),
        )

    def _write_columns(self) -> Computed:
        loop = self.loop
        begin = loop.load(-1)

        def compute(suffix: str) -> tuple[list[str], str]:
            lines = [*loop.load(0, suffix), *loop.compute(suffix)]
            return lines, loop.stored(self.reduced)

        several, values = [], []
        for row, suffix in enumerate("abcd"[: self._rows_together()]):
            lines, value = compute(suffix)
            several += [f"o0{suffix} = o0 + {row} * inner", *lines]
            values.append(value)
        single, value = compute("")
        return Computed(
            tuple(loop.parameters),
            join_lines(begin),
            "",
            join_lines(several),
            tuple(values),
            join_lines(single),
            value,
        )

    def _is_short(self) -> bool:
        """Returns whether it pays to write the loop out several times.

        float64 accumulators in a loop halve the vectors of its float32 arithmetic: a
        long loop goes through a buffer, in vectors of its own.
        """
        stored = len(self.body.outputs) - 1 + len(self.body.stores)
        return len(self.body.instructions) <= _SHORT and not stored

    def _rows_together(self) -> int:
        """Returns the rows for which LLVM can still tell all places apart."""
        moving = sum(any(operand.pattern) for operand in self.loop.operands)
        many = [n for n in (4, 2) if n * moving <= _MOST_CHECKS and self._is_short()]
        return max(many, default=1)
