"""Reductions -> kernels that add up in one fixed tree, whatever runs them.

An array that is reduced looks like [outer, n, inner] once neighboring dimensions of the
same kind are merged; several reduced blocks are taken one after the other, the last one
first. Floats are added up in float64 by 64 accumulators in blocks of 1024, and the
blocks are added with compensation, so a sum of 2^25 float32 is right to the last bit.
The tree depends on the shape alone: not on threads, not on how the range was cut.

One core of a shared machine, 32 million float32, before (eight scalars, for numba leaves
LLVM's SLP vectorizer off) and with `accumulators`: sum 8.6 to 4.0 ms, sum of squares 13.5
to 4.6, maximum 27 to 4.9; columns of 8192 by 4096 12.8 to 4.2.

A long row is first reduced in pieces of 16384 to partial results, by the same kernel,
so that several workers can share even the sum of a whole array. So are long columns, in
pieces of 128 rows; of narrow rows several lie side by side in the lanes: the sum of 50,176
rows of 16 takes 66 us where row by row it took 157, that of 100,000 rows of 10 84 us (316).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from graphopt.dtypes import DType, float64, int64
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

PIECE = 1 << 14
BLOCK = 1024
# Accumulators of a long row.
LANES = 64
ROWS_PER_BLOCK = 128
COLUMNS = 512


class _Kind(NamedTuple):
    """How a reduction starts, combines and ends."""

    start: str
    combine: str
    compensated: bool = False


_KINDS = {
    "sum": _Kind("{t}(0)", "{a} + {x}", True),
    "mean": _Kind("{t}(0)", "{a} + {x}", True),
    "prod": _Kind("{t}(1)", "{a} * {x}"),
    "max": _Kind("{lowest}", "({x} if ({x} >= {a}) | ({x} != {x}) else {a})"),
    "min": _Kind("{highest}", "({x} if ({x} <= {a}) | ({x} != {x}) else {a})"),
    "any": _Kind("{t}(0)", "{a} | {x}"),
    "all": _Kind("{t}(1)", "{a} & {x}"),
}


# Those of floats that `accumulators` has.
_IN_REGISTERS = {
    "sum": "sum",
    "mean": "sum",
    "max": "max",
    "min": "min",
}


def lower_reduce(op: Operation, option: str) -> Lowered:
    """Returns the calls that compute a reduction."""
    x, out = op.inputs[0], op.outputs[0]
    axis = op.attrs["axis"]
    shape = [int(dim) for dim in x.shape if dim is not None]
    kept = [axis is not None and i not in axis for i in range(len(shape))]
    return lower_blocks(option, x.dtype, out.dtype, merge_blocks(shape, kept))


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
    count = math.prod(n for n, keep in blocks if not keep)
    if math.prod(n for n, keep in blocks if keep) == 0:
        return Lowered()
    plan = _Plan(option, source, result, count)
    plan.at, plan.scratch = at, list(scratch)
    return plan.lower(blocks)


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


class _Plan:
    """Collects the stages of one reduction."""

    def __init__(self, option: str, source: DType, result: DType, count: int) -> None:
        self.option = option
        self.result = result
        self.wide = wide_type(source)
        self.divisor = count if option == "mean" else 1
        self.dtype = source
        self.at = Word("input", 0)
        self.calls: list[Call] = []
        self.scratch: list[int] = []

    def lower(self, blocks: list[tuple[int, bool]]) -> Lowered:
        """Reduces block after block, the last one first."""
        reduced = [i for i, (_, keep) in enumerate(blocks) if not keep]
        if not reduced:
            blocks = [*blocks, (1, False)]
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

    def _target(self, elements: int, final: bool) -> tuple[Word, DType]:
        if final:
            return Word("output", 0), self.result
        return self._new_scratch(elements), self.wide

    def _new_scratch(self, elements: int) -> Word:
        self.scratch.append(elements * 8)
        return Word("scratch", len(self.scratch) - 1)

    def _rows(self, outer: int, n: int, final: bool) -> None:
        if outer == 1 and n > 2 * PIECE:
            pieces = -(-n // PIECE)
            partial = self._new_scratch(pieces)
            self._call_rows(partial, self.wide, PIECE, n, pieces, 1)
            self.at, self.dtype, n = partial, self.wide, pieces
        target, dtype = self._target(outer, final)
        divisor = self.divisor if final else 1
        self._call_rows(target, dtype, n, outer * n, outer, divisor)
        self.at, self.dtype = target, dtype

    def _call_rows(
        self, target: Word, dtype: DType, n: int, total: int, rows: int, divisor: int
    ) -> None:
        source = rows_source(self.option, self.dtype, self.wide, dtype)
        arguments: tuple[Argument, ...] = (self.at, target, n, total, divisor)
        self.calls.append(Call(KernelRequest("reduce", source), arguments, rows))

    def _columns(self, outer: int, n: int, inner: int, final: bool) -> None:
        # Narrow rows are taken several at a time.
        group = max(1, LANES // inner)
        height = ROWS_PER_BLOCK * group
        pieces = -(-n // height)
        if pieces > 1:
            partial = self._new_scratch(outer * pieces * inner)
            sizes = (n, inner, group, height, pieces)
            self._call_columns(partial, self.wide, outer, sizes, 1)
            self.at, self.dtype, n = partial, self.wide, pieces
        target, dtype = self._target(outer * inner, final)
        divisor = self.divisor if final else 1
        self._call_columns(target, dtype, outer, (n, inner, group, n, 1), divisor)
        self.at, self.dtype = target, dtype

    def _call_columns(
        self,
        target: Word,
        dtype: DType,
        outer: int,
        sizes: tuple[int, int, int, int, int],
        divisor: int,
    ) -> None:
        n, inner, group, height, pieces = sizes
        blocks = -(-inner // COLUMNS)
        source = _columns_source(self.option, self.dtype, self.wide, dtype)
        arguments: tuple[Argument, ...] = (
            self.at,
            target,
            n,
            inner,
            group,
            height,
            pieces,
            blocks,
            divisor,
        )
        request = KernelRequest("reduce", source)
        self.calls.append(Call(request, arguments, outer * pieces * blocks))


def wide_type(dtype: DType) -> DType:
    """The type to combine in: float64 for floats, int64 for integers."""
    if dtype.is_floating:
        return float64
    return dtype if dtype.is_bool else int64


def _names(option: str, source: DType, wide: DType) -> dict[str, str]:
    kind = _KINDS[option]
    t = "uint8" if wide.is_bool else wide.name
    if source.is_floating:
        lowest, highest = f"{t}(-1e999)", f"{t}(1e999)"
    elif wide is int64:
        info = (int(source.min), int(source.max)) if source.is_integer else (0, 1)
        lowest, highest = f"{t}({info[0]})", f"{t}({info[1]})"
    else:
        lowest = highest = f"{t}(0)"
    start = kind.start.format(t=t, lowest=lowest, highest=highest)
    return {"t": t, "start": start}


def memory_type(dtype: DType) -> str:
    """The type in memory: truth values are bytes."""
    return "uint8" if dtype.is_bool else dtype.name


def _finish(total: str, wide: DType, result: DType, option: str) -> str:
    """Writes the value to be stored; only means are divided."""
    value = total
    if option == "mean":
        value = f"{total} / float64(divisor)"
    return f"{memory_type(result)}({value})"


_ROWS_HEAD = """    x = pointer_{source}(args[0])
    y = pointer_{result}(args[1])
    n = args[2]
    size = args[3]
    divisor = args[4]
"""


def rows_source(
    option: str,
    source: DType,
    wide: DType,
    result: DType,
    head: str | None = None,
    fill: str = "",
) -> str:
    """Writes the kernel that reduces rows.

    Args:
      option: Which reduction.
      source: The dtype of what is reduced.
      wide: The dtype to combine in.
      result: The dtype of what is stored.
      head: What gives `x`, `y`, `n`, `size` and `divisor` their values, if that is not
        the arguments in this order.
      fill: What to do before a block of `x` from `begin` to `end` is read.
    """
    kind, names = _KINDS[option], _names(option, source, wide)
    t, start = names["t"], names["start"]

    def combine(a: str, x: str) -> str:
        return kind.combine.format(a=a, x=x)

    accumulator = _IN_REGISTERS.get(option)
    if accumulator and wide is float64:
        long_row = (
            f"                j = accumulate_{accumulator}(x, j, end, lanes)\n"
            + "\n".join(f"                a{i} = lanes[{i}]" for i in range(8))
        )
    else:
        # Eight at a time, in the order of the lanes.
        folds = "\n".join(
            f"                    a{i} = {t}({combine(f'a{i}', f'lanes[k + {i}]')})"
            for i in range(8)
        )
        long_row = f"""                for k in range({LANES}):
                    lanes[k] = {start}
                while j + {LANES} <= end:
                    for k in range({LANES}):
                        lanes[k] = {t}({combine("lanes[k]", f"{t}(x[j + k])")})
                    j += {LANES}
                for m in range({LANES // 8}):
                    k = 8 * m
{folds}"""
    loads = "\n".join(
        f"                a{i} = {t}({combine(f'a{i}', f'{t}(x[j + {i}])')})"
        for i in range(8)
    )
    starts = "\n".join(f"            a{i} = {start}" for i in range(8))
    # Statements, for an expression of expressions names each of them several times.
    tree = "\n".join(
        f"            a{i} = {t}({combine(f'a{i}', f'a{i + step}')})"
        for step in (1, 2, 4)
        for i in range(0, 8, 2 * step)
    )
    compensated = kind.compensated and wide is float64
    if compensated:
        add = """            new = total + block
            if abs(total) >= abs(block):
                lost += (total - new) + block
            else:
                lost += (block - new) + total
            total = new"""
        end = """        if lost - lost == 0.0:
            total += lost
"""
    else:
        add = f"            total = {t}({combine('total', 'block')})"
        end = ""
    if head is None:
        types = {"source": memory_type(source), "result": memory_type(result)}
        head = _ROWS_HEAD.format(**types)
    return f"""def kernel(args, lo, hi):
{head}    lanes = pointer_{t}(lane_buffer())
    for row in range(lo, hi):
        begin = row * n
        stop = min(begin + n, size)
        total = {start}
        lost = 0.0
        while begin < stop:
            end = min(begin + {BLOCK}, stop)
{fill}{starts}
            j = begin
            if j + {2 * LANES} <= end:
{long_row}
            while j + 8 <= end:
{loads}
                j += 8
            while j < end:
                a0 = {t}({combine("a0", f"{t}(x[j])")})
                j += 1
{tree}
            block = a0
{add}
            begin = end
{end}        y[row] = {_finish("total", wide, result, option)}
"""


def _columns_source(option: str, source: DType, wide: DType, result: DType) -> str:
    kind, names = _KINDS[option], _names(option, source, wide)
    t, start = names["t"], names["start"]

    def combine(a: str, x: str) -> str:
        return kind.combine.format(a=a, x=x)

    accumulator = _IN_REGISTERS.get(option)
    if accumulator and wide is float64:
        rows = f"rows_{accumulator}"
        add_rows = f"""        rounds = (end - row) // group
        {rows}(x, at, group * inner, rounds, part, width)
        row += rounds * group
        at += rounds * group * inner
        {rows}(x, at, inner, 1, part, (end - row) * count)"""
    else:
        into = f"{t}({combine('part[c]', f'{t}(x[at + c])')})"
        add_rows = f"""        while row < end:
            wide = min(group, end - row) * count
            for c in range(wide):
                part[c] = {into}
            row += group
            at += group * inner"""
    return f"""def kernel(args, lo, hi):
    x = pointer_{memory_type(source)}(args[0])
    y = pointer_{memory_type(result)}(args[1])
    n = args[2]
    inner = args[3]
    group = args[4]
    height = args[5]
    pieces = args[6]
    blocks = args[7]
    divisor = args[8]
    part = pointer_{t}(block_buffer())
    for piece in range(lo, hi):
        part_of = piece // blocks
        first = (piece - part_of * blocks) * {COLUMNS}
        count = min({COLUMNS}, inner - first)
        width = count * group
        outer = part_of // pieces
        row = (part_of - outer * pieces) * height
        end = min(row + height, n)
        for c in range(width):
            part[c] = {start}
        at = (outer * n + row) * inner + first
{add_rows}
        for k in range(1, group):
            for c in range(count):
                part[c] = {t}({combine("part[c]", "part[k * count + c]")})
        to = part_of * inner + first
        for c in range(count):
            y[to + c] = {_finish("part[c]", wide, result, option)}
"""
