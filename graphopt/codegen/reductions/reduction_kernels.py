"""The text of the kernels that reduce rows and columns.

What is reduced lies in memory, or is computed by lines that come from a loop
(`fused_reduce`). The order of adding is the same, and so are the bits.

In what is computed, several rounds of lanes or several rows are written out one after
the other: then an accumulator is loaded and stored once for all of them, and LLVM makes
vectors of the rest. What is left of a block of a row, or all of it if nothing is written
out, is computed into a buffer and read from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from graphopt.dtypes import DType, float64, int64
from graphopt.ops.blocks import BLOCK, LANES

# Columns whose accumulators a kernel has at a time, in few pieces and in many.
FEW_COLUMNS: Final = 512
MANY_COLUMNS: Final = 1024


class Computed(NamedTuple):
    """Lines of a loop that compute what is reduced.

    Attributes:
      head: Gives values to all names that a kernel starts with.
      block: What is done before a block of a row.
      several: Computes the numbers of several rounds or rows; rounds may be none.
      values: Their names, in the order in which they are taken.
      single: Computes a number: of rows, in a loop from `j` to `end` into a buffer that
        `x` points to then; of columns, the number of one row.
      value: Its name, for columns.
    """

    head: str
    block: str
    several: str
    values: tuple[str, ...]
    single: str
    value: str = ""


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


def wide_type(dtype: DType) -> DType:
    """The type to combine in: float64 for floats, int64 for integers."""
    if dtype.is_floating:
        return float64
    return dtype if dtype.is_bool else int64


class _Terms:
    """What the text of a reduction names: its type, its start, how it combines."""

    def __init__(self, option: str, source: DType, wide: DType) -> None:
        self.kind = _KINDS[option]
        self.t = t = "uint8" if wide.is_bool else wide.name
        if source.is_floating:
            lowest, highest = f"{t}(-1e999)", f"{t}(1e999)"
        elif wide is int64:
            info = (int(source.min), int(source.max)) if source.is_integer else (0, 1)
            lowest, highest = f"{t}({info[0]})", f"{t}({info[1]})"
        else:
            lowest = highest = f"{t}(0)"
        self.start = self.kind.start.format(t=t, lowest=lowest, highest=highest)
        # What `accumulators` has for it.
        self.accumulator = _IN_REGISTERS.get(option) if wide is float64 else None
        self.is_compensated = self.kind.compensated and wide is float64

    def combine(self, a: str, x: str) -> str:
        """Writes the combination of two values."""
        return f"{self.t}({self.kind.combine.format(a=a, x=x)})"

    def take(self, cell: str, values: Sequence[str], indent: int) -> str:
        """Writes what combines an accumulator with values, one after the other."""
        lines = [f"sofar = {cell}"]
        for value in values:
            lines.append(f"taken = {self.t}({value})")
            lines.append(f"sofar = {self.combine('sofar', 'taken')}")
        lines.append(f"{cell} = sofar")
        return "".join(" " * indent + line + "\n" for line in lines)


def memory_type(dtype: DType) -> str:
    """The type in memory: truth values are bytes."""
    return "uint8" if dtype.is_bool else dtype.name


def _finish(total: str, result: DType, option: str) -> str:
    """Writes the value to be stored; only means are divided."""
    value = total
    if option == "mean":
        value = f"{total} / float64(divisor)"
    return f"{memory_type(result)}({value})"


# What the kernels are given besides what is reduced, in this order.
ROWS_SIZES: Final = ("y", "n", "size", "divisor")
COLUMNS_SIZES: Final = (
    "y",
    "n",
    "inner",
    "group",
    "height",
    "pieces",
    "blocks",
    "span",
    "divisor",
)


def _head(names: Sequence[str], source: DType, result: DType) -> str:
    types = {"x": memory_type(source), "y": memory_type(result)}
    lines = []
    for i, name in enumerate(("x", *names)):
        value = f"args[{i}]"
        if name in types:
            value = f"pointer_{types[name]}({value})"
        lines.append(f"    {name} = {value}\n")
    return "".join(lines)


def rows_source(
    option: str,
    source: DType,
    wide: DType,
    result: DType,
    computed: Computed | None = None,
) -> str:
    """Writes the kernel that reduces rows.

    Args:
      option: Which reduction.
      source: The dtype of what is reduced.
      wide: The dtype to combine in.
      result: The dtype of what is stored.
      computed: The loop that computes it, if it does not lie in memory.
    """
    terms = _Terms(option, source, wide)
    t, start, combine = terms.t, terms.start, terms.combine
    # Eight at a time, in the order of the lanes.
    folds = "\n".join(
        f"                    a{i} = {combine(f'a{i}', f'lanes[k + {i}]')}"
        for i in range(8)
    )
    fold = f"""                for m in range({LANES // 8}):
                    k = 8 * m
{folds}"""
    rounds = f"""                while j + {LANES} <= end:
                    for k in range({LANES}):
                        lanes[k] = {combine("lanes[k]", f"{t}(x[j + k])")}
                    j += {LANES}
"""
    clear = f"""                for k in range({LANES}):
                    lanes[k] = {start}
"""
    block = several = ""
    if computed is not None:
        block = computed.block
        several = computed.single
    if computed is not None and computed.values:
        step = LANES * len(computed.values)
        taken = terms.take("lanes[k]", computed.values, 24)
        several = f"""            if j + {2 * LANES} <= end:
{clear}                while j + {step} <= end:
                    for k in range({LANES}):
{computed.several}{taken}                    j += {step}
{computed.single}"""
        long_row = rounds + fold
    elif terms.accumulator:
        long_row = (
            f"                j = accumulate_{terms.accumulator}(x, j, end, lanes)\n"
            + "\n".join(f"                a{i} = lanes[{i}]" for i in range(8))
        )
    else:
        long_row = clear + rounds + fold
    loads = "\n".join(
        f"                a{i} = {combine(f'a{i}', f'{t}(x[j + {i}])')}"
        for i in range(8)
    )
    starts = "\n".join(f"            a{i} = {start}" for i in range(8))
    # Statements, for an expression of expressions names each of them several times.
    tree = "\n".join(
        f"            a{i} = {combine(f'a{i}', f'a{i + step}')}"
        for step in (1, 2, 4)
        for i in range(0, 8, 2 * step)
    )
    if terms.is_compensated:
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
        add = f"            total = {combine('total', 'block')}"
        end = ""
    head = _head(ROWS_SIZES, source, result) if computed is None else computed.head
    return f"""def kernel(args, lo, hi):
{head}    lanes = pointer_{t}(lane_buffer())
    for row in range(lo, hi):
        begin = row * n
        stop = min(begin + n, size)
        total = {start}
        lost = 0.0
        while begin < stop:
            end = min(begin + {BLOCK}, stop)
{block}{starts}
            j = begin
{several}            if end - begin >= {2 * LANES}:
{long_row}
            while j + 8 <= end:
{loads}
                j += 8
            while j < end:
                a0 = {combine("a0", f"{t}(x[j])")}
                j += 1
{tree}
            block = a0
{add}
            begin = end
{end}        y[row] = {_finish("total", result, option)}
"""


def columns_source(
    option: str,
    source: DType,
    wide: DType,
    result: DType,
    computed: Computed | None = None,
) -> str:
    """Writes the kernel that reduces columns.

    Args:
      option: Which reduction.
      source: The dtype of what is reduced.
      wide: The dtype to combine in.
      result: The dtype of what is stored.
      computed: The loop that computes it, if it does not lie in memory; then `group`
        is 1.
    """
    terms = _Terms(option, source, wide)
    t, start, combine = terms.t, terms.start, terms.combine
    if computed is not None:
        many = len(computed.values)
        written = [(many, computed.several, computed.values)]
        if many > 1:
            written.append((1, computed.single, (computed.value,)))
        add_rows = "\n".join(
            f"""        while row + {step} <= end:
            for o0 in range(at, at + count):
{lines}{terms.take("part[o0 - at]", values, 16)}            row += {step}
            at += {step} * inner"""
            for step, lines, values in written
        )
    elif terms.accumulator:
        # Groups of rows, then the rows that make no group; one call for both, for its
        # code is most of the kernel.
        add_rows = f"""        rounds = (end - row) // group
        wide = width
        for _ in range(2):
            rows_{terms.accumulator}(x, at, group * inner, rounds, part, wide)
            row += rounds * group
            at += rounds * group * inner
            rounds = 1
            wide = (end - row) * count"""
    else:
        into = f"{combine('part[c]', f'{t}(x[at + c])')}"
        add_rows = f"""        while row < end:
            wide = min(group, end - row) * count
            for c in range(wide):
                part[c] = {into}
            row += group
            at += group * inner"""
    head = _head(COLUMNS_SIZES, source, result) if computed is None else computed.head
    return f"""def kernel(args, lo, hi):
{head}    part = pointer_{t}(block_buffer())
    for piece in range(lo, hi):
        part_of = piece // blocks
        first = (piece - part_of * blocks) * span
        count = min(span, inner - first)
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
                part[c] = {combine("part[c]", "part[k * count + c]")}
        to = part_of * inner + first
        for c in range(count):
            y[to + c] = {_finish("part[c]", result, option)}
"""
