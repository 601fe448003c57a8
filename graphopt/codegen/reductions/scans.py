"""Kernels that walk along an axis: running sums and products, recurrences, argmax.

Where the axis is the last one, a kernel goes through row after row. Else it goes through
the axis with 256 columns side by side, which keep their state in scratch memory: that
reads memory in order, and the columns vectorize.
"""

from __future__ import annotations

import math
from typing import Any, Final

from graphopt.codegen.kernel import Kernel, KernelTemplate, element_type
from graphopt.codegen.reductions.reduction_kernels import wide_type
from graphopt.graph.dimensions import dims_of
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Call, Lowered

_COLUMNS: Final = 256
# The elements of a row, from either end.
_BY_ROWS: Final = """
    for row in range(lo, hi):
        at = row * n
        step = 1
        if reverse != 0:
            at += n - 1
            step = -1
        {walk}
"""
_BLOCK: Final = """\
outer = piece // blocks
first = (piece - outer * blocks) * {columns}
last = min(first + {columns}, inner)
at = outer * n * inner
state = outer * inner
"""
_BY_COLUMNS: Final = """
    for piece in range(lo, hi):
        {block}
        step = inner
        if reverse != 0:
            at += (n - 1) * inner
            step = -inner
        {walk}
"""
_AXIS: Final = "n, inner, blocks"
_SCAN_ROWS: Final = KernelTemplate(
    "scan", "x: input {t}, y: output {t}, n, exclusive, reverse", _BY_ROWS
)
_WALK_SCAN: Final = """\
total = {wide}({neutral})
for k in range(n):
    before = total
    total = {wide}(total {sign} {wide}(x[at]))
    y[at] = {t}(before) if exclusive != 0 else {t}(total)
    at += step
"""
_SCAN_COLUMNS: Final = KernelTemplate(
    "scan",
    f"x: input {{t}}, y: output {{t}}, total: scratch {{wide}}, {_AXIS}, exclusive, reverse",
    _BY_COLUMNS,
)
_WALK_SCAN_COLUMNS: Final = """\
for c in range(first, last):
    total[state + c] = {wide}({neutral})
for k in range(n):
    if exclusive != 0:
        for c in range(first, last):
            value = {wide}(x[at + c])
            y[at + c] = {t}(total[state + c])
            total[state + c] = {wide}(total[state + c] {sign} value)
    else:
        for c in range(first, last):
            value = {wide}(total[state + c] {sign} {wide}(x[at + c]))
            total[state + c] = value
            y[at + c] = {t}(value)
    at += step
"""
_OPERANDS: Final = "factors: input {t}, x: input {t}, y: output {t}"
_RECUR_ROWS: Final = KernelTemplate(
    "recurrence", f"{_OPERANDS}, n, previous, reverse", _BY_ROWS
)
_WALK_RECURRENCE: Final = """\
state = {wide}(x[at])
y[at] = {t}(state)
for k in range(1, n):
    factor = at if previous != 0 else at + step
    at += step
    state = {wide}(x[at]) + {wide}(factors[factor]) * state
    y[at] = {t}(state)
"""
_RECUR_COLUMNS: Final = KernelTemplate(
    "recurrence",
    f"{_OPERANDS}, total: scratch {{wide}}, {_AXIS}, previous, reverse",
    _BY_COLUMNS,
)
_WALK_RECURRENCE_COLUMNS: Final = """\
for i in range(first, last):
    value = {wide}(x[at + i])
    total[state + i] = value
    y[at + i] = {t}(value)
for k in range(1, n):
    factor = at if previous != 0 else at + step
    at += step
    for i in range(first, last):
        value = {wide}(x[at + i]) + {wide}(factors[factor + i]) * total[state + i]
        total[state + i] = value
        y[at + i] = {t}(value)
"""
# NumPy's rule: the first of equal elements, and the first NaN before everything.
_ARG_COLUMNS: Final = KernelTemplate(
    "arg",
    f"x: input {{t}}, y: output {{result}}, best: scratch {{t}}, {_AXIS}",
    """
    for piece in range(lo, hi):
        {block}
        for c in range(first, last):
            best[state + c] = x[at + c]
            y[state + c] = {result}(0)
        for k in range(1, n):
            at += inner
            for c in range(first, last):
                value = x[at + c]
                old = best[state + c]
                better = (value {sign} old) | ((value != value) & (old == old))
                best[state + c] = value if better else old
                y[state + c] = {result}(k) if better else y[state + c]
""",
)
_ARG_ROWS: Final = KernelTemplate(
    "arg",
    "x: input {t}, y: output {result}, n",
    """
    for row in range(lo, hi):
        at = row * n
        end = at + n
        {starts}
        j = at
        while j + 8 <= end:
            {loads}
            j += 8
        while j < end:
            a0 = {better}(x[j], a0)
            j += 1
        {tree}
        chosen = at
        if a0 != a0:
            while x[chosen] == x[chosen]:
                chosen += 1
        else:
            while x[chosen] != a0:
                chosen += 1
        y[row] = {result}(chosen - at)
""",
)


def _axis_sizes(op: Operation) -> tuple[int, int, int]:
    """Returns (outer, n, inner) of the axis that an op walks along."""
    dims = dims_of(op.inputs[0])
    axis = op.attrs["axis"] % len(dims)
    return math.prod(dims[:axis]), dims[axis], math.prod(dims[axis + 1 :])


def lower_scan(op: Operation, option: str) -> Lowered:
    """Returns the call of a running sum or product."""
    sign, neutral = ("+", 0) if option == "sum" else ("*", 1)
    flags = {"exclusive": op.attrs["exclusive"], "reverse": op.attrs["reverse"]}
    names = {"sign": sign, "neutral": neutral}
    return _lower_walk(
        op,
        (_SCAN_ROWS, _WALK_SCAN),
        (_SCAN_COLUMNS, _WALK_SCAN_COLUMNS),
        names,
        flags,
    )


def lower_recurrence(op: Operation) -> Lowered:
    """Returns the call of a linear recurrence."""
    flags = {"previous": op.attrs["by_previous"], "reverse": op.attrs["reverse"]}
    return _lower_walk(
        op,
        (_RECUR_ROWS, _WALK_RECURRENCE),
        (_RECUR_COLUMNS, _WALK_RECURRENCE_COLUMNS),
        {},
        flags,
    )


def _lower_walk(
    op: Operation,
    rows: tuple[KernelTemplate, str],
    columns: tuple[KernelTemplate, str],
    names: dict[str, Any],
    flags: dict[str, bool],
) -> Lowered:
    outer, n, inner = _axis_sizes(op)
    if not outer * n * inner:
        return Lowered()
    dtype = op.outputs[0].dtype
    wide = wide_type(dtype)
    template, walk = rows if inner == 1 else columns
    names = {**names, "t": dtype.name, "wide": wide.name, "walk": walk}
    words: dict[str, Any] = {name: int(flag) for name, flag in flags.items()}
    if inner == 1:
        return Lowered((template.fill(**names).call(outer, n=n, **words),))
    return _call_columns(template, names, (outer, n, inner), wide.size, words)


def lower_arg_extreme(op: Operation, option: str) -> Lowered:
    """Returns the call that finds the place of an extreme."""
    outer, n, inner = _axis_sizes(op)
    if not outer * inner:
        return Lowered()
    dtype = op.inputs[0].dtype
    is_max = option == "max"
    names = {"t": element_type(dtype), "result": op.outputs[0].dtype.name}
    if inner == 1:
        kernel = _write_arg_rows("larger" if is_max else "smaller", names)
        return Lowered((kernel.call(outer, n=n),))
    names["sign"] = ">" if is_max else "<"
    return _call_columns(_ARG_COLUMNS, names, (outer, n, inner), dtype.size, {})


def _call_columns(
    template: KernelTemplate,
    names: dict[str, Any],
    sizes: tuple[int, int, int],
    item: int,
    words: dict[str, Any],
) -> Lowered:
    outer, n, inner = sizes
    blocks = -(-inner // _COLUMNS)
    kernel: Kernel = template.fill(block=_BLOCK, columns=_COLUMNS, **names)
    call: Call = kernel.call(outer * blocks, n=n, inner=inner, blocks=blocks, **words)
    return Lowered((call,), (outer * inner * item,))


def _write_arg_rows(better: str, names: dict[str, str]) -> Kernel:
    """Writes eight extremes side by side, then the search for the first equal one."""
    loads = [f"a{i} = {better}(x[j + {i}], a{i})" for i in range(8)]
    tree = [
        f"a{i} = {better}(a{i + step}, a{i})"
        for step in (1, 2, 4)
        for i in range(0, 8, 2 * step)
    ]
    return _ARG_ROWS.fill(
        starts="\n".join(f"a{i} = x[at]" for i in range(8)),
        loads="\n".join(loads),
        tree="\n".join(tree),
        better=better,
        **names,
    )
