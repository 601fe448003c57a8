"""Kernels that walk along an axis: running sums and products, argmax and argmin.

Where the axis is the last one, a kernel goes through row after row. Else it goes through
the axis with 256 columns side by side, which keep their state in scratch memory: that
reads memory in order, and the columns vectorize.
"""

from __future__ import annotations

import math

from graphopt.codegen.reduction_kernels import wide_type
from graphopt.codegen.slices import dims_of
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

COLUMNS = 256
_SCAN_ROWS = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    n = args[2]
    exclusive = args[3]
    reverse = args[4]
    for row in range(lo, hi):
        at = row * n
        step = 1
        if reverse != 0:
            at += n - 1
            step = -1
        total = {wide}({neutral})
        for k in range(n):
            before = total
            total = {wide}(total {sign} {wide}(x[at]))
            y[at] = {t}(before) if exclusive != 0 else {t}(total)
            at += step
"""
_COLUMNS = """    for piece in range(lo, hi):
        outer = piece // blocks
        first = (piece - outer * blocks) * 256
        last = min(first + 256, inner)
        at = outer * n * inner
        state = outer * inner
"""
_SCAN_COLUMNS = (
    """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    total = pointer_{wide}(args[2])
    n = args[3]
    inner = args[4]
    blocks = args[5]
    exclusive = args[6]
    reverse = args[7]
"""
    + _COLUMNS
    + """        step = inner
        if reverse != 0:
            at += (n - 1) * inner
            step = -inner
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
)
_RECUR_ROWS = """def kernel(args, lo, hi):
    c = pointer_{t}(args[0])
    x = pointer_{t}(args[1])
    y = pointer_{t}(args[2])
    n = args[3]
    previous = args[4]
    reverse = args[5]
    for row in range(lo, hi):
        at = row * n
        step = 1
        if reverse != 0:
            at += n - 1
            step = -1
        state = {wide}(x[at])
        y[at] = {t}(state)
        for k in range(1, n):
            factor = at if previous != 0 else at + step
            at += step
            state = {wide}(x[at]) + {wide}(c[factor]) * state
            y[at] = {t}(state)
"""
_RECUR_COLUMNS = (
    """def kernel(args, lo, hi):
    c = pointer_{t}(args[0])
    x = pointer_{t}(args[1])
    y = pointer_{t}(args[2])
    state_of = pointer_{wide}(args[3])
    n = args[4]
    inner = args[5]
    blocks = args[6]
    previous = args[7]
    reverse = args[8]
"""
    + _COLUMNS
    + """        step = inner
        if reverse != 0:
            at += (n - 1) * inner
            step = -inner
        for i in range(first, last):
            value = {wide}(x[at + i])
            state_of[state + i] = value
            y[at + i] = {t}(value)
        for k in range(1, n):
            factor = at if previous != 0 else at + step
            at += step
            for i in range(first, last):
                value = {wide}(x[at + i]) + {wide}(c[factor + i]) * state_of[state + i]
                state_of[state + i] = value
                y[at + i] = {t}(value)
"""
)
# NumPy's rule: the first of equal elements, and the first NaN before everything.
_ARG_COLUMNS = (
    """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{result}(args[1])
    best = pointer_{t}(args[2])
    n = args[3]
    inner = args[4]
    blocks = args[5]
"""
    + _COLUMNS
    + """        for c in range(first, last):
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
"""
)
_ARG_ROWS = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{result}(args[1])
    n = args[2]
    for row in range(lo, hi):
        at = row * n
        end = at + n
{starts}
        j = at
        while j + 8 <= end:
{loads}
            j += 8
        while j < end:
            a0 = {tail}
            j += 1
        best = {tree}
        chosen = at
        if best != best:
            while x[chosen] == x[chosen]:
                chosen += 1
        else:
            while x[chosen] != best:
                chosen += 1
        y[row] = {result}(chosen - at)
"""


def _axis_sizes(op: Operation) -> tuple[int, int, int]:
    """Returns (outer, n, inner) of the axis that an op walks along."""
    dims = dims_of(op.inputs[0])
    axis = op.attrs["axis"] % len(dims)
    return math.prod(dims[:axis]), dims[axis], math.prod(dims[axis + 1 :])


def lower_scan(op: Operation, option: str) -> Lowered:
    """Returns the call of a running sum or product."""
    outer, n, inner = _axis_sizes(op)
    if not outer * n * inner:
        return Lowered()
    dtype = op.outputs[0].dtype
    wide = wide_type(dtype)
    names = {"t": dtype.name, "wide": wide.name}
    names |= {"sign": "+", "neutral": "0"} if option == "sum" else {}
    names.setdefault("sign", "*")
    names.setdefault("neutral", "1")
    flags = (int(op.attrs["exclusive"]), int(op.attrs["reverse"]))
    if inner == 1:
        request = KernelRequest("scan", _SCAN_ROWS.format(**names))
        arguments = (Word("input", 0), Word("output", 0), n, *flags)
        return Lowered((Call(request, arguments, outer),))
    request = KernelRequest("scan", _SCAN_COLUMNS.format(**names))
    return _by_columns(request, outer, n, inner, wide.size, flags)


def lower_recurrence(op: Operation) -> Lowered:
    """Returns the call of a linear recurrence."""
    outer, n, inner = _axis_sizes(op)
    if not outer * n * inner:
        return Lowered()
    dtype = op.outputs[0].dtype
    wide = wide_type(dtype)
    names = {"t": dtype.name, "wide": wide.name}
    flags = (int(op.attrs["by_previous"]), int(op.attrs["reverse"]))
    operands = (Word("input", 0), Word("input", 1), Word("output", 0))
    if inner == 1:
        request = KernelRequest("recurrence", _RECUR_ROWS.format(**names))
        return Lowered((Call(request, (*operands, n, *flags), outer),))
    request = KernelRequest("recurrence", _RECUR_COLUMNS.format(**names))
    return _by_columns(request, outer, n, inner, wide.size, flags, operands)


def lower_arg_extreme(op: Operation, option: str) -> Lowered:
    """Returns the call that finds the place of an extreme."""
    outer, n, inner = _axis_sizes(op)
    if not outer * inner:
        return Lowered()
    dtype = op.inputs[0].dtype
    sign = ">" if option == "max" else "<"
    names = {
        "t": "uint8" if dtype.is_bool else dtype.name,
        "result": op.outputs[0].dtype.name,
    }
    if inner == 1:
        request = KernelRequest("arg", _arg_rows_source(sign, names))
        arguments = (Word("input", 0), Word("output", 0), n)
        return Lowered((Call(request, arguments, outer),))
    request = KernelRequest("arg", _ARG_COLUMNS.format(sign=sign, **names))
    return _by_columns(request, outer, n, inner, dtype.size)


def _by_columns(
    request: KernelRequest,
    outer: int,
    n: int,
    inner: int,
    size: int,
    flags: tuple[int, ...] = (),
    operands: tuple[Word, ...] = (Word("input", 0), Word("output", 0)),
) -> Lowered:
    blocks = -(-inner // COLUMNS)
    arguments: tuple[Argument, ...] = (
        *operands,
        Word("scratch", 0),
        n,
        inner,
        blocks,
        *flags,
    )
    call = Call(request, arguments, outer * blocks)
    return Lowered((call,), (outer * inner * size,))


def _arg_rows_source(sign: str, names: dict[str, str]) -> str:
    """Writes eight extremes side by side, then the search for the first equal one."""

    def better(old: str, new: str) -> str:
        return f"({new} if ({new} {sign} {old}) | ({new} != {new}) else {old})"

    tree = [f"a{i}" for i in range(8)]
    while len(tree) > 1:
        tree = [better(tree[i], tree[i + 1]) for i in range(0, len(tree), 2)]
    loads = (
        f"            b{i} = x[j + {i}]\n            a{i} = {better(f'a{i}', f'b{i}')}"
        for i in range(8)
    )
    return _ARG_ROWS.format(
        starts="\n".join(f"        a{i} = x[at]" for i in range(8)),
        loads="\n".join(loads),
        tail=better("a0", "x[j]"),
        tree=tree[0],
        **names,
    )
