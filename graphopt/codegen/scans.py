"""Kernels that walk along an axis: running sums and products, argmax and argmin."""

from __future__ import annotations

import math

from graphopt.codegen.reduce import wide_type
from graphopt.codegen.slices import dims_of
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Call, KernelRequest, Lowered, Word

_SCAN = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    n = args[2]
    inner = args[3]
    exclusive = args[4]
    reverse = args[5]
    for column in range(lo, hi):
        outer = column // inner
        at = outer * n * inner + column - outer * inner
        step = inner
        if reverse != 0:
            at += (n - 1) * inner
            step = -inner
        total = {wide}({neutral})
        for k in range(n):
            before = total
            total = {wide}(total {sign} {wide}(x[at]))
            y[at] = {t}(before) if exclusive != 0 else {t}(total)
            at += step
"""
# NumPy's rule: the first of equal elements, and the first NaN before everything.
_ARG = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{result}(args[1])
    n = args[2]
    inner = args[3]
    for column in range(lo, hi):
        outer = column // inner
        at = outer * n * inner + column - outer * inner
        best = x[at]
        chosen = 0
        for k in range(1, n):
            value = x[at + k * inner]
            if (best == best) & ((value {sign} best) | (value != value)):
                best = value
                chosen = k
        y[column] = {result}(chosen)
"""


def _columns(op: Operation) -> tuple[int, int, int]:
    """Returns (outer, n, inner) of the axis that an op walks along."""
    dims = dims_of(op.inputs[0])
    axis = op.attrs["axis"] % len(dims)
    return math.prod(dims[:axis]), dims[axis], math.prod(dims[axis + 1 :])


def lower_scan(op: Operation, option: str) -> Lowered:
    """Returns the call of a running sum or product, split by columns."""
    outer, n, inner = _columns(op)
    if not outer * n * inner:
        return Lowered()
    dtype = op.outputs[0].dtype
    sign, neutral = ("+", 0) if option == "Cumsum" else ("*", 1)
    source = _SCAN.format(
        t=dtype.name, wide=wide_type(dtype).name, sign=sign, neutral=neutral
    )
    flags = (int(op.attrs["exclusive"]), int(op.attrs["reverse"]))
    arguments = (Word("input", 0), Word("output", 0), n, inner, *flags)
    return Lowered((Call(KernelRequest("scan", source), arguments, outer * inner),))


def lower_arg_extreme(op: Operation, option: str) -> Lowered:
    """Returns the call that finds the place of an extreme, split by columns."""
    outer, n, inner = _columns(op)
    if not outer * inner:
        return Lowered()
    dtype = op.inputs[0].dtype
    source = _ARG.format(
        t="uint8" if dtype.is_bool else dtype.name,
        result=op.outputs[0].dtype.name,
        sign=">" if option == "ArgMax" else "<",
    )
    arguments = (Word("input", 0), Word("output", 0), n, inner)
    return Lowered((Call(KernelRequest("arg", source), arguments, outer * inner),))
