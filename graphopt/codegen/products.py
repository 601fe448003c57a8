"""Matrix products -> calls of the packed GEMM, one pair for each matrix of a batch."""

from __future__ import annotations

import itertools
from typing import Any

from graphopt.codegen.gemm_layout import (
    GemmLayout,
    gemm_layout,
    multiply_arguments,
    pack_arguments,
)
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Call, KernelRequest, Lowered, Word


def lower_matmul(op: Operation) -> Lowered:
    """Returns the calls that multiply two matrices, or two batches of them."""
    (a, b), out = op.inputs, op.outputs[0]
    if not out.dtype.is_floating:
        return Lowered(host="integer products have no kernel")
    dims = [int(dim) for dim in out.shape if dim is not None]
    m, n = dims[-2:]
    if 0 in dims:
        return Lowered()
    transpose_a, transpose_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    k = int(a.shape[-2 if transpose_a else -1] or 0)
    layout: Any = gemm_layout(
        out.dtype.name,
        m,
        n,
        k,
        (1, m) if transpose_a else (k, 1),
        (1, k) if transpose_b else (n, 1),
        n,
    )
    name = out.dtype.name
    pack = KernelRequest("gemm", f"pack {name}")
    multiply = KernelRequest("gemm", f"{layout.kernel} {name}")
    size = out.dtype.size
    calls = []
    for a_at, b_at, c_at in _batches(a.shape[:-2], b.shape[:-2], dims[:-2]):
        at_a: Any = Word("input", 0, a_at * m * k * size)
        at_b: Any = Word("input", 1, b_at * k * n * size)
        at_c: Any = Word("output", 0, c_at * m * n * size)
        scratch: Any = Word("scratch", 0)
        code: Any = Word("kernel", kernel=pack)
        if layout.pack_panels:
            packing = pack_arguments(layout, at_a, at_b, scratch)
            calls.append(layout_call(pack, packing, layout))
        words = multiply_arguments(layout, at_a, at_b, at_c, scratch, code)
        calls.append(layout_call(multiply, words, layout))
    return Lowered(tuple(calls), (max(layout.scratch_bytes, 8),))


def layout_call(
    kernel: KernelRequest, words: tuple[Any, ...], layout: GemmLayout
) -> Call:
    """Returns the call that packs or multiplies, with what is known of its cost.

    Args:
      kernel: `pack` or the main kernel.
      words: Its arguments.
      layout: How the product is cut.
    """
    if kernel.source.startswith("pack"):
        return Call(kernel, words, layout.pack_panels, cost=layout.scratch_bytes / 8)
    flops = 2.0 * layout.m * layout.n * layout.k
    # 32 operations for each lane of a vector and nanosecond, about what is measured.
    cost = flops / (8 * layout.shape.lanes)
    if layout.kernel == "multiply_vector":
        cost = flops / 4
    return Call(kernel, words, layout.multiply_panels, unit=layout.group, cost=cost)


def _batches(a: Any, b: Any, out: list[int]) -> list[tuple[int, int, int]]:
    """Which matrix of each operand goes into which matrix of the result."""
    found = []
    for c_at, index in enumerate(itertools.product(*map(range, out))):
        found.append((_position(index, a), _position(index, b), c_at))
    return found


def _position(index: tuple[int, ...], shape: Any) -> int:
    position = 0
    for i, dim in zip(index[len(index) - len(shape) :], shape, strict=True):
        position = position * dim + (i if dim != 1 else 0)
    return position
