"""Vector code for the neighbors of an image: channels of a pixel, pixels of a row.

These loops are short, 16 channels or 28 pixels. LLVM makes vectors of loops only where
several vectors go into one round, and leaves what is shorter to a loop over scalars: at
16 channels of float32 that is everything. So these intrinsics write vectors themselves,
with a mask for the last one, and keep what a window adds up to in registers.

Addresses are bytes; indices, steps and counts are elements; all are int64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from graphopt.codegen.compile.native import cgutils, make_intrinsic, types
from graphopt.codegen.machine import get_machine
from graphopt.codegen.matmul.layout import TileShape, find_shape
from graphopt.codegen.matmul.tile import Emitter

__all__ = ["Lanes", "Load", "Store", "make_channel_functions"]

_I64 = ir.IntType(64)
Load = Callable[[Any], Any]
Store = Callable[[Any, Any], None]
Body = Callable[[Any, Any, Load, Store], None]
_GROUP = 4


class Lanes(Emitter):
    """Vectors of one dtype, as wide as the machine has them."""

    def __init__(self, dtype: np.dtype[Any], vectors: int = 1) -> None:
        self.dtype = dtype
        self.is_float = dtype.kind == "f"
        self.is_signed = dtype.kind == "i"
        bits = 8 * dtype.itemsize
        scalar: ir.Type = ir.IntType(bits)
        if self.is_float:
            scalar = ir.FloatType() if bits == 32 else ir.DoubleType()
        lanes = vectors * get_machine().vector_bits // bits
        fused = self.is_float and find_shape(dtype, None).fused
        shape = TileShape(lanes, rows=1, vectors=1, fused=fused)
        super().__init__(scalar, dtype.itemsize, shape)

    def place(self, builder: Any, address: Any, index: Any) -> Any:
        """Returns the address of an element."""
        return builder.add(address, builder.mul(index, _I64(self.item_bytes)))

    def for_vectors(
        self, builder: Any, count: Any, body: Body, grouped: bool = True
    ) -> None:
        """Emits `body` for groups of vectors, for whole ones and, masked, for the rest.

        Args:
          builder: LLVM's builder.
          count: Elements.
          body: Takes the emitter of its vectors, the index of their first element, a
            function that loads from an address and one that stores a value to it.
          grouped: Whether there are groups.
        """
        # Vectors of a group do not wait for each other's comparisons.
        group = Lanes(self.dtype, _GROUP)
        lanes, many = _I64(self.shape.lanes), _I64(group.shape.lanes)
        groups = _I64(0)
        if grouped:
            groups = builder.mul(builder.sdiv(count, many), many)
            whole_groups = (builder, _I64(0), groups, many, _I64)
            with cgutils.for_range_slice(*whole_groups) as (at, _):
                body(group, at, *group._plain(builder))
        with cgutils.for_range_slice(builder, groups, count, lanes, _I64) as (at, _):
            left = builder.sub(count, at)
            is_whole = builder.icmp_signed(">=", left, lanes)
            with builder.if_else(is_whole) as (whole, part):
                with whole:
                    body(self, at, *self._plain(builder))
                with part:
                    body(self, at, *self._masked(builder, left))

    def _plain(self, builder: Any) -> tuple[Load, Store]:
        return (
            lambda at: self.load(builder, at, 0, self.vector),
            lambda value, at: self.store(builder, value, at, 0),
        )

    def _masked(self, builder: Any, count: Any) -> tuple[Load, Store]:
        mask = self.mask(builder, count)

        def load(at: Any) -> Any:
            return self.masked_load(builder, self.at(builder, at, 0, self.vector), mask)

        def store(value: Any, at: Any) -> None:
            pointer = self.at(builder, at, 0, self.vector)
            self.masked_store(builder, value, pointer, mask)

        return load, store

    def choose_larger(self, builder: Any, new: Any, old: Any) -> Any:
        """Takes what is larger, or the first NaN."""
        if not self.is_float:
            compare = builder.icmp_signed if self.is_signed else builder.icmp_unsigned
            return builder.select(compare(">", new, old), new, old)
        # Unordered: also where one of them is NaN; then it must not be the old one.
        is_larger = builder.and_(
            builder.fcmp_unordered(">", new, old),
            builder.fcmp_ordered("ord", old, old),
        )
        return builder.select(is_larger, new, old)


@contextmanager
def _for_window(
    emit: Lanes, builder: Any, start: Any, across: Any, down: Any, sizes: Any
) -> Iterator[Any]:
    """Emits loops over a window; yields the address of the pixel's channels."""
    rows, columns = sizes
    with cgutils.for_range(builder, rows) as row:
        line = emit.place(builder, start, builder.mul(row.index, down))
        with cgutils.for_range(builder, columns) as column:
            yield emit.place(builder, line, builder.mul(column.index, across))


def _emit_largest(
    emit: Lanes, builder: Any, load: Load, start: Any, *window: Any
) -> Any:
    """Emits code for the largest elements of a window; returns them."""
    best = cgutils.alloca_once(builder, emit.vector)
    builder.store(load(start), best)
    with _for_window(emit, builder, start, *window) as at:
        largest = emit.choose_larger(builder, load(at), builder.load(best))
        builder.store(largest, best)
    return builder.load(best)


def _make_copy_row(emit: Lanes) -> Any:
    """Makes the intrinsic that copies `count` neighbors."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, target, count = values

        def body(emit: Lanes, first: Any, load: Load, store: Store) -> None:
            value = load(emit.place(builder, source, first))
            store(value, emit.place(builder, target, first))

        emit.for_vectors(builder, count, body)
        return context.get_dummy_value()

    def copy_row(typing_context: Any, source: Any, target: Any, count: Any) -> Any:
        return types.void(*[types.int64] * 3), generate

    return make_intrinsic(copy_row)


def _make_max_window(emit: Lanes) -> Any:
    """Makes the intrinsic that finds the largest element of each channel of a window.

    Pixels are `across` apart in a row of the window, rows are `down` apart.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, across, down, rows, columns, y, count = values

        def body(emit: Lanes, first: Any, load: Load, store: Store) -> None:
            start = emit.place(builder, x, first)
            window = (across, down, (rows, columns))
            largest = _emit_largest(emit, builder, load, start, *window)
            store(largest, emit.place(builder, y, first))

        emit.for_vectors(builder, count, body)
        return context.get_dummy_value()

    def max_window(
        typing_context: Any,
        x: Any,
        across: Any,
        down: Any,
        rows: Any,
        columns: Any,
        y: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 7), generate

    return make_intrinsic(max_window)


def _make_spread_window(emit: Lanes, adds: bool) -> Any:
    """Makes the intrinsic that gives gradients of maxima to the elements they are of.

    What is left of a gradient goes to the first element that is as large as the largest
    one. The gradient of the image, at `dx`, has its layout.

    Args:
        emit: Writes the vectors.
        adds: Whether windows overlap, so that gradients add up; else they are stored,
            and zeros beside them.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, across, down, rows, columns, g, dx, count = values
        distance = builder.sub(dx, x)

        def body(emit: Lanes, first: Any, load: Load, store: Store) -> None:
            zero = ir.Constant(emit.vector, None)
            start = emit.place(builder, x, first)
            window = (across, down, (rows, columns))
            largest = _emit_largest(emit, builder, load, start, *window)
            rest = cgutils.alloca_once(builder, emit.vector)
            builder.store(load(emit.place(builder, g, first)), rest)
            with _for_window(emit, builder, start, *window) as at:
                value, left = load(at), builder.load(rest)
                is_it = builder.or_(
                    builder.fcmp_ordered("==", value, largest),
                    builder.and_(
                        builder.fcmp_unordered("uno", value, value),
                        builder.fcmp_unordered("uno", largest, largest),
                    ),
                )
                to = builder.add(at, distance)
                given = builder.select(is_it, left, zero)
                store(builder.fadd(load(to), given) if adds else given, to)
                builder.store(builder.select(is_it, zero, left), rest)

        emit.for_vectors(builder, count, body)
        return context.get_dummy_value()

    def spread_window(
        typing_context: Any,
        x: Any,
        across: Any,
        down: Any,
        rows: Any,
        columns: Any,
        g: Any,
        dx: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 8), generate

    return make_intrinsic(spread_window)


def _make_average_window(emit: Lanes) -> Any:
    """Makes the intrinsic that finds the mean of each channel of a window.

    Its arguments are those of `max_window`. It adds up in float64.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, across, down, rows, columns, y, count = values
        area = builder.sitofp(builder.mul(rows, columns), ir.DoubleType())

        def body(emit: Lanes, first: Any, load: Load, store: Store) -> None:
            start = emit.place(builder, x, first)
            total = _make_total(emit, builder)
            with _for_window(emit, builder, start, across, down, (rows, columns)) as at:
                value = _widen(emit, builder, load(at))
                builder.store(builder.fadd(builder.load(total), value), total)
            mean = builder.fdiv(builder.load(total), emit.splat(builder, area))
            store(_narrow(emit, builder, mean), emit.place(builder, y, first))

        emit.for_vectors(builder, count, body)
        return context.get_dummy_value()

    def average_window(
        typing_context: Any,
        x: Any,
        across: Any,
        down: Any,
        rows: Any,
        columns: Any,
        y: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 7), generate

    return make_intrinsic(average_window)


def _make_weigh_window(emit: Lanes) -> Any:
    """Makes the intrinsic that adds up the channels of a window times their weights.

    The weights, a float64 for each pixel of the window, lie at the sixth argument.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, across, down, rows, columns, weights, y, count = values
        double = ir.DoubleType()
        weights = builder.inttoptr(weights, double.as_pointer())

        def body(emit: Lanes, first: Any, load: Load, store: Store) -> None:
            start = emit.place(builder, x, first)
            total = _make_total(emit, builder)
            next_weight = cgutils.alloca_once(builder, weights.type)
            builder.store(weights, next_weight)
            with _for_window(emit, builder, start, across, down, (rows, columns)) as at:
                place = builder.load(next_weight)
                weight = emit.splat(builder, builder.load(place))
                builder.store(builder.gep(place, [_I64(1)]), next_weight)
                part = builder.fmul(_widen(emit, builder, load(at)), weight)
                builder.store(builder.fadd(builder.load(total), part), total)
            result = _narrow(emit, builder, builder.load(total))
            store(result, emit.place(builder, y, first))

        emit.for_vectors(builder, count, body)
        return context.get_dummy_value()

    def weigh_window(
        typing_context: Any,
        x: Any,
        across: Any,
        down: Any,
        rows: Any,
        columns: Any,
        weights: Any,
        y: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 8), generate

    return make_intrinsic(weigh_window)


def _make_total(emit: Lanes, builder: Any) -> Any:
    """Makes a float64 for each lane, which begins as zero."""
    wide = ir.VectorType(ir.DoubleType(), emit.shape.lanes)
    total = cgutils.alloca_once(builder, wide)
    builder.store(ir.Constant(wide, [0.0] * emit.shape.lanes), total)
    return total


def _widen(emit: Lanes, builder: Any, value: Any) -> Any:
    wide = ir.VectorType(ir.DoubleType(), emit.shape.lanes)
    return value if emit.item_bytes == 8 else builder.fpext(value, wide)


def _narrow(emit: Lanes, builder: Any, value: Any) -> Any:
    return value if emit.item_bytes == 8 else builder.fptrunc(value, emit.vector)


def make_channel_functions(kind: str) -> dict[str, Any]:
    """Returns the functions of this file for a dtype, under the names kernels call."""
    emit = Lanes(np.dtype(kind))
    made = {f"max_window_{kind}": _make_max_window(emit)}
    if emit.is_float:
        made[f"copy_row_{kind}"] = _make_copy_row(emit)
        made[f"average_window_{kind}"] = _make_average_window(emit)
        made[f"weigh_window_{kind}"] = _make_weigh_window(emit)
        made[f"spread_window_{kind}"] = _make_spread_window(emit, adds=True)
        made[f"fill_window_{kind}"] = _make_spread_window(emit, adds=False)
    return made
