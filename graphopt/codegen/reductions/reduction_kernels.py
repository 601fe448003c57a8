"""The kernels that reduce rows and columns.

What is reduced lies in memory, or is computed by lines that come from a fused region
(`fused_reduce`). The order of adding is the same, and so are the bits.

In what is computed, several rounds of lanes or several rows are written out one after
the other: then an accumulator is loaded and stored once for all of them, and LLVM makes
vectors of the rest. What is left of a block of a row, or all of it if nothing is written
out, is computed into a buffer and read from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from graphopt.codegen.kernel import (
    Kernel,
    Parameter,
    element_type,
    fill_template,
    input_of,
    output_of,
    size_of,
)
from graphopt.dtypes import DType, float64, int64
from graphopt.ops.blocks import BLOCK, LANES

# Columns whose accumulators a kernel has at a time, in few pieces and in many.
FEW_COLUMNS: Final = 512
MANY_COLUMNS: Final = 1024


@dataclass(frozen=True)
class Computed:
    """Lines of a fused region that compute what is reduced, not indented.

    Attributes:
      parameters: Those of the kernel that the lines read.
      begin: What is done first.
      block: What is done before a block of a row.
      several: Computes the elements of several rounds or rows; rounds may be none.
      values: Their names, in the order in which they are taken.
      single: Computes an element: of rows, in a loop from `j` to `end` into a buffer that
        `x` points to then; of columns, the element of one row.
      value: Its name, for columns.
    """

    parameters: tuple[Parameter, ...]
    begin: str
    block: str
    several: str
    values: tuple[str, ...]
    single: str
    value: str = ""


class _Kind(NamedTuple):
    """How a reduction starts and combines, and what `accumulators` has for it."""

    start: str
    combine: str
    accumulator: str = ""


_SUM: Final = _Kind("{t}(0)", "{a} + {x}", "sum")
_KINDS: Final = {
    "sum": _SUM,
    "mean": _SUM,
    "prod": _Kind("{t}(1)", "{a} * {x}"),
    "max": _Kind("{t}({lowest})", "maximum({x}, {a})", "max"),
    "min": _Kind("{t}({highest})", "minimum({x}, {a})", "min"),
    "any": _Kind("{t}(0)", "{a} | {x}"),
    "all": _Kind("{t}(1)", "{a} & {x}"),
}


def wide_type(dtype: DType) -> DType:
    """The type to combine in: float64 for floats, int64 for integers."""
    if dtype.is_floating:
        return float64
    return dtype if dtype.is_bool else int64


class _Terms:
    """What the text of a reduction names: its type, its start, how it combines."""

    def __init__(self, option: str, source: DType, result: DType) -> None:
        self.kind, self.option = _KINDS[option], option
        wide = wide_type(source)
        self.t, self.result = element_type(wide), element_type(result)
        limits: tuple[object, object] = (0, 1)
        if source.is_floating:
            limits = ("-1e999", "1e999")
        elif source.is_integer:
            limits = (int(source.min), int(source.max))
        elif wide is not int64:
            limits = (0, 0)
        names = dict(zip(("lowest", "highest"), limits, strict=True))
        self.start = self.kind.start.format(t=self.t, **names)
        self.accumulator = self.kind.accumulator if wide is float64 else ""

    def combine(self, a: str, x: str) -> str:
        """Writes the combination of two values."""
        return f"{self.t}({self.kind.combine.format(a=a, x=x)})"

    def take(self, cell: str, values: Sequence[str]) -> str:
        """Writes what combines an accumulator with values, one after the other."""
        lines = [f"sofar = {cell}"]
        for value in values:
            lines.append(f"taken = {self.t}({value})")
            lines.append(f"sofar = {self.combine('sofar', 'taken')}")
        return "\n".join([*lines, f"{cell} = sofar"])

    def finish(self, total: str) -> str:
        """Writes the value to be stored; only means are divided."""
        is_mean = self.option == "mean"
        return f"{self.result}({total}{' / float64(divisor)' if is_mean else ''})"


_ROWS: Final = """\
    {begin}
    lanes = pointer_{t}(lane_buffer())
    for row in range(lo, hi):
        begin = row * n
        stop = min(begin + n, size)
        total = {start}
        lost = 0.0
        while begin < stop:
            end = min(begin + {block_size}, stop)
            {block}
            {starts}
            j = begin
            {several}
            if end - begin >= {two_rounds}:
                {long_row}
            while j + 8 <= end:
                {loads}
                j += 8
            while j < end:
                a0 = {combine_one}
                j += 1
            {tree}
            block = a0
            {add_block}
            begin = end
        {finish}
        y[row] = {result}
"""
_CLEAR_LANES: Final = """\
for k in range({lanes}):
    lanes[k] = {start}
"""
_TAKE_ROUNDS: Final = """\
while j + {lanes} <= end:
    for k in range({lanes}):
        lanes[k] = {combine_lane}
    j += {lanes}
"""
# Eight at a time, in the order of the lanes.
_FOLD_LANES: Final = """\
for m in range({lanes} // 8):
    k = 8 * m
    {folds}
"""
_ACCUMULATE: Final = """\
j = accumulate_{accumulator}(x, j, end, lanes)
{starts_of_lanes}
"""
_SEVERAL_ROUNDS: Final = """\
if j + {two_rounds} <= end:
    {clear}
    while j + {step} <= end:
        for k in range({lanes}):
            {compute}
            {take}
        j += {step}
{single}
"""
_ADD_COMPENSATED: Final = """\
new = total + block
if abs(total) >= abs(block):
    lost += (total - new) + block
else:
    lost += (block - new) + total
total = new
"""
_ADD_LOST: Final = """\
if lost - lost == 0.0:
    total += lost
"""


def write_rows(
    option: str, source: DType, result: DType, computed: Computed | None = None
) -> Kernel:
    """Writes the kernel that reduces rows.

    Its arguments besides what is reduced are `y`, the length of a row `n`, the elements of
    all rows `size`, of which the last may have fewer, and `divisor`.

    Args:
      option: Which reduction.
      source: The dtype of what is reduced.
      result: The dtype of what is stored.
      computed: What computes it, if it does not lie in memory.
    """
    terms = _Terms(option, source, result)
    t, combine = terms.t, terms.combine
    is_compensated = terms.accumulator == "sum"
    eight = range(8)
    names: dict[str, object] = {
        "begin": "",
        "block": "",
        "several": "",
        "t": t,
        "start": terms.start,
        "lanes": LANES,
        "two_rounds": 2 * LANES,
        "block_size": BLOCK,
        "accumulator": terms.accumulator,
        "clear": _CLEAR_LANES,
        "long_row": _CLEAR_LANES + _TAKE_ROUNDS + _FOLD_LANES,
        "starts": "\n".join(f"a{i} = {terms.start}" for i in eight),
        "starts_of_lanes": "\n".join(f"a{i} = lanes[{i}]" for i in eight),
        "loads": "\n".join(
            f"a{i} = {combine(f'a{i}', f'{t}(x[j + {i}])')}" for i in eight
        ),
        "folds": "\n".join(
            f"a{i} = {combine(f'a{i}', f'lanes[k + {i}]')}" for i in eight
        ),
        "combine_lane": combine("lanes[k]", f"{t}(x[j + k])"),
        "combine_one": combine("a0", f"{t}(x[j])"),
        # Statements, for an expression of expressions names each of them several times.
        "tree": "\n".join(
            f"a{i} = {combine(f'a{i}', f'a{i + step}')}"
            for step in (1, 2, 4)
            for i in range(0, 8, 2 * step)
        ),
        "add_block": _ADD_COMPENSATED
        if is_compensated
        else f"total = {combine('total', 'block')}",
        "finish": _ADD_LOST if is_compensated else "",
        "result": terms.finish("total"),
    }
    parameters: tuple[Parameter, ...] = (input_of("x", element_type(source)),)
    if computed is not None:
        parameters = computed.parameters
        names |= {"begin": computed.begin, "block": computed.block}
        names |= {"single": computed.single, "several": computed.single}
        if computed.values:
            names["several"] = _SEVERAL_ROUNDS
            names["long_row"] = _TAKE_ROUNDS + _FOLD_LANES
            names["compute"] = computed.several
            names["take"] = terms.take("lanes[k]", computed.values)
            names["step"] = LANES * len(computed.values)
    elif terms.accumulator:
        names["long_row"] = _ACCUMULATE
    y = output_of("y", terms.result)
    parameters = (*parameters, y, *size_of("n", "size", "divisor"))
    family = "reduce" if computed is None else "fused_reduce"
    return Kernel(family, parameters, fill_template(_ROWS, **names))


_COLUMNS: Final = """\
    {begin}
    part = pointer_{t}(block_buffer())
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
                part[c] = {combine_groups}
        to = part_of * inner + first
        for c in range(count):
            y[to + c] = {result}
"""
_TAKE_ROWS: Final = """\
while row < end:
    wide = min(group, end - row) * count
    for c in range(wide):
        part[c] = {combine_cell}
    row += group
    at += group * inner
"""
# Groups of rows, then the rows that make no group; one call for both, for its code is
# most of the kernel.
_ACCUMULATE_ROWS: Final = """\
rounds = (end - row) // group
wide = width
for _ in range(2):
    rows_{accumulator}(x, at, group * inner, rounds, part, wide)
    row += rounds * group
    at += rounds * group * inner
    rounds = 1
    wide = (end - row) * count
"""
_COMPUTE_ROWS: Final = """\
while row + {step} <= end:
    for o0 in range(at, at + count):
        {compute}
        {take}
    row += {step}
    at += {step} * inner
"""


def write_columns(
    option: str, source: DType, result: DType, computed: Computed | None = None
) -> Kernel:
    """Writes the kernel that reduces columns.

    Its arguments besides what is reduced are `y`, the rows of a matrix `n`, its columns
    `inner`, the rows that lie side by side in the lanes `group`, the rows of a piece
    `height`, the `pieces` of a matrix, the `blocks` of columns of a piece, their width
    `span`, and `divisor`.

    Args:
      option: Which reduction.
      source: The dtype of what is reduced.
      result: The dtype of what is stored.
      computed: What computes it, if it does not lie in memory; then `group` is 1.
    """
    terms = _Terms(option, source, result)
    combine = terms.combine
    parameters: tuple[Parameter, ...] = (input_of("x", element_type(source)),)
    names: dict[str, object] = {
        "begin": "",
        "t": terms.t,
        "start": terms.start,
        "accumulator": terms.accumulator,
        "add_rows": _ACCUMULATE_ROWS if terms.accumulator else _TAKE_ROWS,
        "combine_cell": combine("part[c]", f"{terms.t}(x[at + c])"),
        "combine_groups": combine("part[c]", "part[k * count + c]"),
        "result": terms.finish("part[c]"),
    }
    if computed is not None:
        parameters = computed.parameters
        names["begin"] = computed.begin
        many = len(computed.values)
        written = [(many, computed.several, computed.values)]
        if many > 1:
            written.append((1, computed.single, (computed.value,)))
        names["add_rows"] = "".join(
            fill_template(
                _COMPUTE_ROWS,
                step=step,
                compute=lines,
                take=terms.take("part[o0 - at]", values),
            )
            for step, lines, values in written
        )
    y = output_of("y", terms.result)
    sizes = size_of(
        "n", "inner", "group", "height", "pieces", "blocks", "span", "divisor"
    )
    family = "reduce" if computed is None else "fused_reduce"
    text = fill_template(_COLUMNS, **names)
    return Kernel(family, (*parameters, y, *sizes), text)
