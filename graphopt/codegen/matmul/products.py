"""Matrix products -> calls of the packed GEMM, a pair for each product of two matrices."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from graphopt.codegen.elementwise.elementwise import plan_loop
from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    PANEL_VECTORS,
    RESULT_BYTES,
    Following,
    GemmLayout,
    find_shape,
    gemm_layout,
    multiply_arguments,
    pack_arguments,
)
from graphopt.codegen.movement.moves import lower_copy
from graphopt.dtypes import DType
from graphopt.graph.body import TypedValue
from graphopt.graph.graph import Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.build import nbytes_of
from graphopt.schedule.steps import Call, KernelRequest, Lowered, Prepared, Word

# Nanoseconds for each byte that a loop moves, about.
NS_PER_BYTE = 0.1


def lower_matmul(op: Operation) -> Lowered:
    """Returns the calls that multiply two matrices, or two batches of them."""
    (a, b), out = op.inputs, op.outputs[0]
    if not out.dtype.is_floating:
        return Lowered(host="integer products have no kernel")
    dims = [int(dim) for dim in out.shape if dim is not None]
    m, n = dims[-2:]
    if 0 in dims:
        return Lowered()
    flags = op.attrs["transpose_a"], op.attrs["transpose_b"]
    layout = _layout_of(a, (m, n), out.dtype, flags)
    k = layout.k
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
    prepared = None
    if len(dims) == 2 and layout.kernel == "multiply":
        prepared = _prepare_second(op, flags)
    scratch_bytes = (max(layout.scratch_bytes, 8),)
    return Lowered(tuple(calls), scratch_bytes, prepared=prepared)


def _prepare_second(op: Operation, flags: Any) -> Prepared:
    """Returns the calls for a second matrix that stays while the first one changes."""
    (a, _), out = op.inputs, op.outputs[0]
    m, n = (int(dim or 0) for dim in out.shape)
    name = out.dtype.name
    layout = _layout_of(a, (m, n), out.dtype, flags, by_rows=True)
    pack = KernelRequest("gemm", f"pack {name}")
    at_b: Any = Word("input", 0)
    packed: Any = Word("output", 0)
    before = layout_call(pack, pack_arguments(layout, 0, at_b, packed), layout)
    at_a: Any = Word("input", 0)
    at_c: Any = Word("output", 0)
    ready: Any = Word("input", 1)
    code: Any = Word("kernel", kernel=pack)
    words = multiply_arguments(layout, at_a, 0, at_c, ready, code)
    multiply = KernelRequest("gemm", f"multiply {name}")
    each = layout_call(multiply, words, layout)
    return Prepared(1, (before,), max(layout.scratch_bytes, 8), (each,))


def lower_sum_of_products(op: Operation) -> Lowered:
    """Returns the calls of products that add to one buffer (`accumulate_products`)."""
    out = op.outputs[0]
    m, n = (int(dim or 0) for dim in out.shape)
    name = out.dtype.name
    pack = KernelRequest("gemm", f"pack {name}")
    multiply = KernelRequest("gemm", f"multiply {name}")
    code: Any = Word("kernel", kernel=pack)
    scratch: Any = Word("scratch", 0)
    at_c: Any = Word("output", 0)
    calls, largest = [], 8
    for i, flags in enumerate(op.attrs["transposes"]):
        layout = _layout_of(op.inputs[2 * i], (m, n), out.dtype, flags, adds=True)
        at_a: Any = Word("input", 2 * i)
        at_b: Any = Word("input", 2 * i + 1)
        largest = max(largest, layout.scratch_bytes)
        packing = pack_arguments(layout, at_a, at_b, scratch)
        calls.append(layout_call(pack, packing, layout))
        words = multiply_arguments(layout, at_a, at_b, at_c, scratch, code, adds=i > 0)
        calls.append(layout_call(multiply, words, layout))
    return Lowered(tuple(calls), (largest,))


def lower_add_product(op: Operation) -> Lowered:
    """Returns the calls that add a product to a matrix."""
    out = op.outputs[0]
    m, n = (int(dim or 0) for dim in out.shape)
    name = out.dtype.name
    if not m * n:
        return Lowered()
    flags = op.attrs["transpose_a"], op.attrs["transpose_b"]
    layout = _layout_of(op.inputs[1], (m, n), out.dtype, flags, adds=True)
    pack = KernelRequest("gemm", f"pack {name}")
    code: Any = Word("kernel", kernel=pack)
    at_a: Any = Word("input", 1)
    at_b: Any = Word("input", 2)
    at_c: Any = Word("output", 0)
    scratch: Any = Word("scratch", 0)
    packing = pack_arguments(layout, at_a, at_b, scratch)
    words = multiply_arguments(layout, at_a, at_b, at_c, scratch, code, adds=True)
    calls = (
        layout_call(pack, packing, layout),
        layout_call(KernelRequest("gemm", f"multiply {name}"), words, layout),
    )
    size = (max(layout.scratch_bytes, 8),)
    return Lowered((*lower_copy(op).calls, *calls), size, in_place=calls)


def lower_fused_product(op: Operation) -> Lowered:
    """Returns the calls of a product whose rows a loop uses up (`fuse_products`).

    Raises:
      ValueError: The loop cannot run on some rows of the product.
    """
    product, loop_body = op.attrs["body"].split_first()
    m, n = loop_body.shape
    a = op.inputs[product.arguments[0]]
    flags = product.attrs["transpose_a"], product.attrs["transpose_b"]
    name, size = product.dtype.name, product.dtype.size
    value = TypedValue(TensorShape((m, n)), product.dtype)
    loop = plan_loop(op, loop_body, [*op.inputs, value])
    if not loop.sizes or loop.sizes[0] not in (m, m * n):
        raise ValueError(f"{op.name} has a loop over {loop.sizes}, not over rows")
    layout = _layout_of(a, (m, n), product.dtype, flags, by_rows=True)
    place = loop.inputs.index(len(op.inputs))
    arguments = [0 if i == place else w for i, w in enumerate(loop.arguments)]
    following = Following(
        Word("kernel", kernel=loop.request),
        tuple(arguments),
        place,
        loop.sizes[0] // m,
    )
    pack = KernelRequest("gemm", f"pack {name}")
    at_a: Any = Word("input", product.arguments[0])
    at_b: Any = Word("input", product.arguments[1])
    scratch: Any = Word("scratch", 0)
    code: Any = Word("kernel", kernel=pack)
    words = multiply_arguments(
        layout, at_a, at_b, 0, scratch, code, following=following
    )
    calls = [layout_call(pack, pack_arguments(layout, at_a, at_b, scratch), layout)]
    call = layout_call(KernelRequest("gemm", f"multiply {name}"), words, layout)
    rows = max(1, RESULT_BYTES // (layout.shape.rows * n * size))
    moved = sum(nbytes_of(t) for t in (*op.inputs, *op.outputs))
    calls.append(
        replace(call, unit=min(call.unit, rows), cost=call.cost + moved * NS_PER_BYTE)
    )
    return Lowered(tuple(calls), (layout.scratch_bytes,))


def lower_fused_both(op: Operation) -> Lowered:
    """Returns the calls that read a matrix once for two products (`pair_products`).

    Raises:
      ValueError: The loop cannot run on some rows of the product.
    """
    product, body = op.attrs["body"].split_first()
    matrix = op.inputs[0]
    rows, depth = (int(size or 0) for size in matrix.shape)
    name, size = product.dtype.name, product.dtype.size
    loop = plan_loop(
        op, body, [*op.inputs, TypedValue(TensorShape(body.shape), product.dtype)]
    )
    if loop.sizes != (rows,):
        raise ValueError(f"{op.name} has a loop over {loop.sizes}, not over rows")
    place = loop.inputs.index(len(op.inputs))
    following: list[Any] = []
    for i, word in enumerate(loop.arguments):
        if i == place:
            word = Word("output", 0)
        elif isinstance(word, Word) and word.place == "output":
            # The product itself is the first output.
            word = replace(word, index=word.index + 1)
        following.append(word)
    blocks = -(-rows // DEPTH_BLOCK)
    panel = PANEL_VECTORS * find_shape(product.dtype.numpy, None).lanes
    count = len(op.outputs)
    partial: Any = Word("scratch", 0)
    both = (
        *(Word("input", 0), Word("input", 1), Word("output", 0)),
        *(Word("output", count - 2), partial, rows, depth),
        *(Word("kernel", kernel=loop.request), len(following), *following),
    )
    added = (partial, Word("output", count - 1), blocks, depth)
    moved = nbytes_of(matrix) * NS_PER_BYTE
    calls = (
        Call(KernelRequest("gemm", f"multiply_both {name}"), both, blocks, cost=moved),
        Call(KernelRequest("gemm", f"add_blocks {name}"), added, -(-depth // panel)),
    )
    return Lowered(calls, (blocks * depth * size,))


def _layout_of(
    a: GraphTensor, out: tuple[int, int], dtype: DType, flags: Any, **options: bool
) -> Any:
    """Returns how a product of `a`, transposed or not, is cut.

    Args:
      a: The first operand, of rank 2 or more.
      out: Rows and columns of the product.
      dtype: Its dtype.
      flags: Whether the first and the second operand are transposed.
      **options: As `gemm_layout` takes them.
    """
    (m, n), (transpose_a, transpose_b) = out, flags
    k = int(a.shape[-2 if transpose_a else -1] or 0)
    a_strides = (1, m) if transpose_a else (k, 1)
    b_strides = (1, k) if transpose_b else (n, 1)
    return gemm_layout(dtype.name, m, n, k, a_strides, b_strides, n, **options)


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
