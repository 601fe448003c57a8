"""Matrix products -> calls of kernels: one that packs, if any, and one that multiplies."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphopt.codegen.elementwise.elementwise import plan_loop
from graphopt.codegen.kernel import Kernel
from graphopt.codegen.machine import RESULT_BYTES
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    PANEL_VECTORS,
    GemmLayout,
    KernelName,
    find_shape,
    gemm_layout,
)
from graphopt.codegen.movement.moves import lower_copy
from graphopt.dtypes import DType
from graphopt.graph.body import TypedValue
from graphopt.graph.dimensions import dims_of
from graphopt.graph.graph import Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.build import nbytes_of
from graphopt.schedule.steps import Argument, Call, Lowered, Prepared, Word

# Nanoseconds for each byte that a fused region moves, about.
NS_PER_BYTE = 0.1
_SCRATCH = Word("scratch", 0)


# ---- one product


@dataclass(frozen=True)
class Following:
    """The kernel that uses up rows of a product, in the form "rows".

    Attributes:
      kernel: Its address.
      arguments: Its arguments, of which one is the address of the product.
      place: Which one that is; its value does not matter.
      unit: How much of the kernel's range belongs to a row of the product.
    """

    kernel: Word
    arguments: tuple[Argument, ...]
    place: int
    unit: int


def kernel_of(layout: GemmLayout, name: KernelName | None = None) -> Kernel:
    """Returns the main kernel of a product, or the one with a name."""
    return make_kernel(name or layout.kernel, layout.dtype, layout.shape)


def pack_arguments(
    layout: GemmLayout, a: Argument, b: Argument, scratch: Argument
) -> tuple[Argument, ...]:
    """Returns the arguments of the `pack` kernel.

    Args:
      layout: How the product is cut.
      a, b: Addresses of both operands.
      scratch: Address of the scratch buffer, `layout.scratch_bytes` long.
    """
    row, column = layout.packed_strides
    return kernel_of(layout, "pack").words(
        source=a if layout.packs_first else b,
        target=scratch,
        length=layout.m if layout.packs_first else layout.n,
        depth=layout.k,
        stride=row,
        depth_stride=column,
        width=layout.panel_width,
    )


def multiply_arguments(
    layout: GemmLayout,
    a: Argument,
    b: Argument,
    c: Argument,
    scratch: Argument,
    pack: Argument,
    *,
    adds: bool = False,
    following: Following | None = None,
) -> tuple[Argument, ...]:
    """Returns the arguments of the main kernel, `layout.kernel`.

    Args:
      layout: How the product is cut.
      a, b, c: Addresses of both operands and of the result.
      scratch: Address of the scratch buffer that `pack` has filled.
      pack: Address of the `pack` kernel of the same dtype and vector width.
      adds: Whether the product is added to C; for `multiply` only.
      following: What uses up the rows of the product, which is then not stored.

    Raises:
      ValueError: The layout's form does not do what is asked for.
    """
    if following is not None and layout.form != "rows":
        raise ValueError(f"nothing can follow a product in the form {layout.form!r}")
    if adds and layout.kernel != "multiply":
        raise ValueError(f"{layout.kernel} cannot add to what is there")
    (row, column), (b_row, b_column) = layout.a_strides, layout.b_strides
    (source, other), (stride, depth_stride) = (a, b), (row, column)
    if layout.packs_first:
        (source, other), (stride, depth_stride) = (b, a), (b_column, b_row)
    values: dict[str, Any] = {
        "by_columns": int(layout.form == "columns"),
        "a": a,
        "b": b,
        "c": c,
        "m": layout.m,
        "n": layout.n,
        "k": layout.k,
        "a_stride": row,
        "a_step": column,
        "b_stride": b_row,
        "b_step": b_column,
        "c_stride": layout.c_stride,
        # The operand that the kernel walks along, and the one that may be packed.
        "source": source,
        "packed": scratch if layout.pack_panels else other,
        "stride": stride,
        "depth_stride": depth_stride,
        "rows": layout.n if layout.packs_first else layout.m,
        "y_stride": 1 if layout.packs_first else layout.c_stride,
        "pack": pack,
        "adds": int(adds),
        "follow": following.kernel if following else 0,
        "unit": following.unit if following else 0,
        "place": following.place if following else 0,
        "count": len(following.arguments) if following else 0,
        "following": following.arguments if following else (),
    }
    kernel = kernel_of(layout)
    return kernel.words(**{each.name: values[each.name] for each in kernel.parameters})


def pack_call(
    layout: GemmLayout, a: Argument, b: Argument, scratch: Argument = _SCRATCH
) -> Call:
    """Returns the call that packs an operand."""
    words = pack_arguments(layout, a, b, scratch)
    kernel, cost = kernel_of(layout, "pack"), layout.scratch_bytes / 8
    return Call(kernel.request, words, layout.pack_panels, cost=cost)


def multiply_call(
    layout: GemmLayout,
    a: Argument,
    b: Argument,
    c: Argument,
    scratch: Argument = _SCRATCH,
    **options: Any,
) -> Call:
    """Returns the call that multiplies, with arguments as for `multiply_arguments`."""
    pack = Word("kernel", kernel=kernel_of(layout, "pack").request)
    words = multiply_arguments(layout, a, b, c, scratch, pack, **options)
    flops = 2.0 * layout.m * layout.n * layout.k
    # 32 operations for each lane of a vector and nanosecond, about what is measured.
    cost = flops / (8 * layout.shape.lanes)
    if layout.kernel == "multiply_vector":
        cost = flops / 4
    request, extent = kernel_of(layout).request, layout.multiply_panels
    return Call(request, words, extent, unit=layout.group, cost=cost)


def product_calls(
    layout: GemmLayout,
    a: Argument,
    b: Argument,
    c: Argument,
    scratch: Argument = _SCRATCH,
    **options: Any,
) -> list[Call]:
    """Returns the calls of a product, with arguments as for `multiply_call`."""
    packing = [pack_call(layout, a, b, scratch)] if layout.pack_panels else []
    return [*packing, multiply_call(layout, a, b, c, scratch, **options)]


# ---- operations


def lower_matmul(op: Operation) -> Lowered:
    """Returns the calls that multiply two matrices, or two batches of them."""
    (a, b), out = op.inputs, op.outputs[0]
    if not out.dtype.is_floating:
        return Lowered(host="integer products have no kernel")
    dims = dims_of(out)
    m, n = dims[-2:]
    if 0 in dims:
        return Lowered()
    flags = op.attrs["transpose_a"], op.attrs["transpose_b"]
    layout = _layout_of(a, (m, n), out.dtype, flags)
    k, size = layout.k, out.dtype.size
    calls: list[Call] = []
    for a_at, b_at, c_at in _batches(a.shape[:-2], b.shape[:-2], dims[:-2]):
        calls += product_calls(
            layout,
            Word("input", 0, a_at * m * k * size),
            Word("input", 1, b_at * k * n * size),
            Word("output", 0, c_at * m * n * size),
        )
    prepared = None
    if len(dims) == 2 and layout.kernel == "multiply":
        prepared = _prepare_second(op, flags)
    scratch = (max(layout.scratch_bytes, 8),)
    return Lowered(tuple(calls), scratch, prepared=prepared)


def _prepare_second(op: Operation, flags: Any) -> Prepared:
    """Returns the calls for a second matrix that stays while the first one changes."""
    (a, _), out = op.inputs, op.outputs[0]
    m, n = dims_of(out)
    layout = _layout_of(a, (m, n), out.dtype, flags, by_rows=True)
    first, second = Word("input", 0), Word("input", 1)
    before = pack_call(layout, 0, first, Word("output", 0))
    each = multiply_call(layout, first, 0, Word("output", 0), second)
    return Prepared(1, (before,), max(layout.scratch_bytes, 8), (each,))


def lower_sum_of_products(op: Operation) -> Lowered:
    """Returns the calls of products that add to one buffer (`accumulate_products`)."""
    out = op.outputs[0]
    m, n = dims_of(out)
    calls: list[Call] = []
    largest = 8
    for i, flags in enumerate(op.attrs["transposes"]):
        layout = _layout_of(op.inputs[2 * i], (m, n), out.dtype, flags, adds=True)
        largest = max(largest, layout.scratch_bytes)
        operands = (Word("input", 2 * i), Word("input", 2 * i + 1), Word("output", 0))
        calls += product_calls(layout, *operands, adds=i > 0)
    return Lowered(tuple(calls), (largest,))


def lower_add_product(op: Operation) -> Lowered:
    """Returns the calls that add a product to a matrix."""
    out = op.outputs[0]
    m, n = dims_of(out)
    if not m * n:
        return Lowered()
    flags = op.attrs["transpose_a"], op.attrs["transpose_b"]
    layout = _layout_of(op.inputs[1], (m, n), out.dtype, flags, adds=True)
    operands = (Word("input", 1), Word("input", 2), Word("output", 0))
    calls = tuple(product_calls(layout, *operands, adds=True))
    size = (max(layout.scratch_bytes, 8),)
    return Lowered((*lower_copy(op).calls, *calls), size, in_place=calls)


@dataclass(frozen=True)
class ProductRows:
    """A product that is computed by rows.

    Attributes:
      packing: The calls that come before.
      call: The one that computes all rows.
      tile_rows: The rows that belong to one number of its range.
      scratch_bytes: The memory that they need besides.
    """

    packing: tuple[Call, ...]
    call: Call
    tile_rows: int
    scratch_bytes: int

    def compute(self, begin: int, end: int) -> list[Call]:
        """Returns the call that computes some rows; those between tiles come early.

        The bits are the same however rows are cut, as where threads share them.
        """
        low, high = (-(-row // self.tile_rows) for row in (begin, end))
        if low == high:
            return []
        cost = self.call.cost * (high - low) / self.call.extent
        return [replace(self.call, begin=low, extent=high, cost=cost)]


def plan_rows(op: Operation) -> ProductRows:
    """Returns how a product is computed by rows, with what its region does to them.

    Args:
      op: Its `body` begins with the product; its first output gets the rows.

    Raises:
      ValueError: The region cannot run on some rows of the product.
    """
    product, body = op.attrs["body"].split_first()
    first = op.inputs[product.arguments[0]]
    flags = product.attrs["transpose_a"], product.attrs["transpose_b"]
    layout = _layout_of(first, body.shape, product.dtype, flags, by_rows=True)
    if body.instructions:
        calls = _follow_product(op, layout)
    else:
        a, b = (Word("input", i) for i in product.arguments)
        calls = product_calls(layout, a, b, Word("output", 0))
    *packing, call = calls
    size = max(layout.scratch_bytes, 8)
    return ProductRows(tuple(packing), call, layout.shape.rows, size)


def lower_fused_product(op: Operation) -> Lowered:
    """Returns the calls of a product whose rows a region uses up (`fuse_products`).

    Raises:
      ValueError: The region cannot run on some rows of the product.
    """
    rows = plan_rows(op)
    return Lowered((*rows.packing, rows.call), (rows.scratch_bytes,))


def _follow_product(op: Operation, layout: GemmLayout) -> list[Call]:
    """Returns the calls of a product and what its region does to its rows."""
    product, body = op.attrs["body"].split_first()
    m, n = body.shape
    a, b = (Word("input", i) for i in product.arguments)
    loop, place = _plan_following(op, product.dtype, body, (m, m * n))
    arguments = [0 if i == place else w for i, w in enumerate(loop.arguments)]
    following = Following(
        Word("kernel", kernel=loop.request),
        tuple(arguments),
        place,
        loop.sizes[0] // m,
    )
    *packing, call = product_calls(layout, a, b, 0, following=following)
    rows = max(1, RESULT_BYTES // (layout.shape.rows * n * product.dtype.size))
    moved = sum(nbytes_of(t) for t in (*op.inputs, *op.outputs))
    cost = call.cost + moved * NS_PER_BYTE
    return [*packing, replace(call, unit=min(call.unit, rows), cost=cost)]


def lower_fused_both(op: Operation) -> Lowered:
    """Returns the calls that read a matrix once for two products (`pair_products`).

    Raises:
      ValueError: The region cannot run on some rows of the product.
    """
    product, body = op.attrs["body"].split_first()
    matrix, dtype = op.inputs[0], product.dtype
    rows, depth = (int(size or 0) for size in matrix.shape)
    loop, place = _plan_following(op, dtype, body, (rows,), most=1)
    words: list[Argument] = []
    for i, word in enumerate(loop.arguments):
        if i == place:
            word = Word("output", 0)
        elif isinstance(word, Word) and word.place == "output":
            # The product itself is the first output.
            word = replace(word, index=word.index + 1)
        words.append(word)
    blocks, count = -(-rows // DEPTH_BLOCK), len(op.outputs)
    shape = find_shape(dtype.numpy, None)
    both, add_blocks = (
        make_kernel(name, dtype.name, shape) for name in ("multiply_both", "add_blocks")
    )
    calls = (
        both.call(
            blocks,
            cost=nbytes_of(matrix) * NS_PER_BYTE,
            g=Word("output", count - 2),
            rows=rows,
            depth=depth,
            follow=Word("kernel", kernel=loop.request),
            count=len(words),
            following=tuple(words),
        ),
        add_blocks.call(
            -(-depth // (PANEL_VECTORS * shape.lanes)),
            y=Word("output", count - 1),
            blocks=blocks,
            depth=depth,
        ),
    )
    return Lowered(calls, (blocks * depth * dtype.size,))


def _plan_following(
    op: Operation, dtype: DType, body: Any, extents: Sequence[int], most: int = 99
) -> tuple[Any, int]:
    """Returns the region that follows a product, and which argument the product is.

    Args:
      op: The operation.
      dtype: That of the product.
      body: The region.
      extents: What its outermost range may be.
      most: How many ranges it may have.
    """
    value = TypedValue(TensorShape(body.shape), dtype)
    loop = plan_loop(op, body, [*op.inputs, value])
    if not 1 <= len(loop.sizes) <= most or loop.sizes[0] not in extents:
        raise ValueError(f"{op.name} has a loop over {loop.sizes}, not over rows")
    return loop, loop.inputs.index(len(op.inputs))


def _layout_of(
    a: GraphTensor, out: tuple[int, int], dtype: DType, flags: Any, **options: bool
) -> GemmLayout:
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


def _batches(a: Any, b: Any, out: list[int]) -> list[tuple[int, int, int]]:
    """Returns which matrix of each operand goes into which matrix of the result."""
    found = []
    for c_at, index in enumerate(itertools.product(*map(range, out))):
        found.append((_position(index, a), _position(index, b), c_at))
    return found


def _position(index: tuple[int, ...], shape: Any) -> int:
    position = 0
    for i, dim in zip(index[len(index) - len(shape) :], shape, strict=True):
        position = position * dim + (i if dim != 1 else 0)
    return position
