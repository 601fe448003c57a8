"""The kernels of matrix products, as texts around the tiles of `tile`.

All compute C[m, n] = A[m, k] @ B[k, n]; C is row-major, A and B have any strides. Every
element of C is a sum of blocks of `DEPTH_BLOCK` products, each added up in order, whatever
kernel and whatever tile it falls into. The numbers of the tile are in the texts, so a text
belongs to one width of vectors; sizes and strides are arguments.

`pack` copies the smaller operand into panels, as wide as a register tile and padded
with zeros, in which the tile's inner loop walks straight on. `multiply` packs the other
operand itself, a few panels and `DEPTH_BLOCK` of the depth at a time, on its stack,
where they stay in the cache until used; so any number of threads may run it. Its outer
range counts panels of rows of C, or of columns where C is wider than high. While a block is
multiplied by large tiles, the lines of the next one are brought near, one at each step of
the depth: 195 GFLOP/s for 162 at 64, 4096, 4096. Where only a fused region needs the
product, `multiply` keeps a few rows of C on its stack and calls the region's kernel on
them; the whole product is never stored. It can also add to what C holds.

`multiply_narrow` reads A where it lies. The last layer of a classifier has ten columns,
which is one panel, so that what `multiply` packs of A is used once: 6.1 us for 9.0 at
128, 256, 10.

`multiply_small` packs nothing: 64 x 64 weights and 32 rows stay in the nearest cache as they
are. The depth is one block at most, so a sum is never added to another one, and a tile at
an edge may lie over its neighbor and store the same elements again. Few columns, or a
transposed B, which has no vectors, are first copied to the stack in rows at least as wide
as a tile. 72 GFLOP/s for 60 at 32, 64, 64 (Zen 3, 102 at most).

`multiply_vector` has no tile and no packing, but the speed of memory: the matrix is read
once, in the order in which it lies. Where the elements of a sum are neighbors, four rows are
read side by side and every row has two vectors of partial sums, added at the end by a fixed
tree. Where the rows of the result are neighbors, a panel of them is kept in registers down
the depth, and put aside every `DEPTH_BLOCK` products.

`multiply_both` is a model of one layer: its data times the weights, and, transposed, times
what a fused region made of that, a few rows at a time, so that the matrix comes from memory
once. It leaves the sums of every `DEPTH_BLOCK` rows, which `add_blocks` adds up in their
order, so the bits are those of the separate products.

GFLOP/s on one core of a shared AVX-512 machine, ours / OpenBLAS (NumPy's, one thread),
interleaved, packing and the call from Python included; dW = X^T dY, dX = dY W^T:

    m, k, n           float32: X W      dW          dX          float64: X W   dW
    32, 64, 64        162 / 75    167 / 75    151 / 69         70 / 36    75 / 35
    128, 784, 512     197 / 114   228 / 115   211 / 114        82 / 49    97 / 53
    64, 4096, 4096    129 / 100   216 / 99    143 / 97         58 / 43    96 / 53
    4096, 64, 4096    217 / 100   129 / 98    140 / 82         86 / 50    56 / 42
    1000, 1000, 1000  212 / 113   205 / 112   211 / 113        95 / 53    93 / 51
    10000, 1000, 1    25 / 18     17 / 21     10 / 1.9         7.9 / 6.1  6.2 / 4.8
"""

from __future__ import annotations

import functools
from typing import Final

from graphopt.codegen.kernel import Kernel, KernelTemplate
from graphopt.codegen.machine import RESULT_BYTES, STRIP_BYTES
from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    MOST_WORDS,
    NARROW_VECTORS,
    PANEL_VECTORS,
    SMALL_COPY,
    KernelName,
    TileShape,
    group_size,
    narrow_rows,
)

__all__ = ["FAMILY", "make_kernel"]

FAMILY: Final = "gemm"

_PACK: Final = KernelTemplate(
    FAMILY,
    "source: input, target: scratch, length, depth, stride, depth_stride, width",
    """
    step = stride * {item}
    depth_step = depth_stride * {item}
    to_step = width * {item}
    zero = stack_64()
    zeros = pointer_{t}(zero)
    for i in range({lanes}):
        zeros[i] = 0
    whole = lo
    if (step == {item}) & (width == {columns}):
        whole = max(lo, min(hi, length // width))
        at = source + lo * width * {item}
        to = target + lo * to_step * depth
        copy_panels_{v}_1x{vectors}(at, depth_step, to, to_step * depth, depth, whole - lo)
    for panel in range(whole, hi):
        # Blocks of depth, so that lines read in part are still in the cache when the rest
        # of them is wanted.
        for begin in range(0, depth, 64):
            count = min(64, depth - begin)
            first = panel * width
            valid = min(length, first + width)
            to = target + (first * depth + begin * width) * {item}
            last = to + to_step
            while to < last:
                at = source + first * step + begin * depth_step
                size = 1
                if (step == {item}) & (first + {lanes} <= valid):
                    copy_blocks_{v}(at, depth_step, to, to_step, count)
                    size = {lanes}
                elif (step == {item}) & (first + {quad} <= valid):
                    copy_blocks_{t}x{quad}(at, depth_step, to, to_step, count)
                    size = {quad}
                elif (depth_step == {item}) & (first + {quad} <= valid):
                    done = transpose_{v}_{quad}x1(at, step, to, to_step, count)
                    for i in range({quad}):
                        x = at + i * step + done * {item}
                        y = to + i * {item} + done * to_step
                        copy_blocks_{t}x1(x, {item}, y, to_step, count - done)
                    size = {quad}
                elif (first >= valid) & (to + {lanes} * {item} <= last):
                    copy_blocks_{v}(zero, 0, to, to_step, count)
                    size = {lanes}
                elif first < valid:
                    copy_blocks_{t}x1(at, depth_step, to, to_step, count)
                else:
                    copy_blocks_{t}x1(zero, 0, to, to_step, count)
                first += size
                to += size * {item}
""",
)
_WORDS: Final = {each.name: i for i, each in enumerate(_PACK.parameters)}

_MULTIPLY: Final = KernelTemplate(
    FAMILY,
    "by_columns, source: address, packed: address, c: address, m, n, k, stride,"
    "depth_stride, c_stride, pack: address, adds, follow: address, unit, place, count,"
    "following: words",
    """
    private = stack_{packed_bytes}()
    words_at = stack_64()
    words = pointer_int64(words_at)
    own_result = stack_{result_bytes}()
    copied_at = stack_{words_bytes}()
    copied = pointer_int64(copied_at)
    # What it packs is a part of the other operand, for the same pack kernel.
    width = {rows}
    extent = m
    group = {row_group}
    if by_columns != 0:
        width = {columns}
        extent = n
        group = {column_group}
    if follow != 0:
        group = max(1, min(group, {result_bytes} // ({rows} * n * {item})))
        for i in range(count):
            copied[i] = following[i]
    words[{at_target}] = private
    words[{at_stride}] = stride
    words[{at_depth_stride}] = depth_stride
    words[{at_width}] = width
    # The lines of what is packed next, which the tiles of one panel share: runs of
    # neighbors along the depth, or single ones across it.
    line_step = 0
    shift = 0
    part = 0
    parts = 1
    if depth_stride == 1:
        line_step = stride * {item}
        shift = {run_shift}
        part = {runs} * line_step
        parts = {depth_parts}
    elif stride == 1:
        line_step = depth_stride * {item}
        part = 64
        parts = {across_parts}
    # Not `range`, which raises for a step of 0.
    start = lo
    while start < hi:
        stop = min(start + group, hi)
        i_start = start
        i_stop = stop
        j_start = 0
        j_stop = (n + {columns} - 1) // {columns}
        if by_columns != 0:
            j_start = start
            j_stop = stop
            i_start = 0
            i_stop = (m + {rows} - 1) // {rows}
        result = c
        if follow != 0:
            # Its own rows, under the indices of the whole.
            result = own_result - start * {rows} * c_stride * {item}
        begin = 0
        while True:
            depth = min({depth_block}, k - begin)
            at = start * width * stride + begin * depth_stride
            words[{at_source}] = source + at * {item}
            words[{at_length}] = extent - start * width
            words[{at_depth}] = depth
            call_kernel(pack, words_at, 0, stop - start)
            # Where nothing comes next, lines that are near already.
            next_block = private
            panel_step = 0
            ahead_step = 0
            ahead_part = 0
            if (begin + depth < k) | (stop < hi):
                at = stop * width * stride
                if begin + depth < k:
                    at = start * width * stride + (begin + depth) * depth_stride
                next_block = source + at * {item}
                panel_step = width * stride * {item}
                ahead_step = line_step
                ahead_part = part
            for j in range(j_start, j_stop):
                for i in range(i_start, i_stop):
                    if by_columns != 0:
                        a = packed + (i * k + begin) * {rows} * {item}
                        b = private + (j - start) * depth * {columns} * {item}
                        panel = j - start
                        turn = i
                    else:
                        a = private + (i - start) * depth * {rows} * {item}
                        b = packed + (j * k + begin) * {columns} * {item}
                        panel = i - start
                        turn = j
                    ahead = next_block + panel * panel_step
                    ahead += (turn & (parts - 1)) * ahead_part
                    at = result + (i * {rows} * c_stride + j * {columns}) * {item}
                    multiply_panels_{v}_{rows}x{vectors}(
                        a, b, at, c_stride, depth, begin + adds,
                        m - i * {rows}, n - j * {columns}, ahead, ahead_step, shift,
                    )
            begin += depth
            if begin >= k:
                break
        if follow != 0:
            copied[place] = result
            end = min(stop * {rows}, m)
            call_kernel(follow, copied_at, start * {rows} * unit, end * unit)
        start = stop
""",
)

# B is one panel, as wide as a tile.
_NARROW: Final = KernelTemplate(
    FAMILY,
    "a: input, packed: scratch, c: output, m, n, k, a_stride, c_stride",
    """
    a_row = a_stride * {item}
    last = min(m, hi * {high})
    row = lo * {high}
    while row < last:
        at = a + row * a_row
        to = c + row * c_stride * {item}
        begin = 0
        while True:
            depth = min({depth_block}, k - begin)
            x = at + begin * {item}
            y = packed + begin * {wide} * {item}
            if row + {high} <= last:
                add_tile_{v}_{high}x{narrow}(
                    x, a_row, {item}, 0, y, {wide} * {item}, 0,
                    to, c_stride, depth, 1, begin, n,
                )
            else:
                add_tile_{v}_1x{narrow}(
                    x, a_row, {item}, 0, y, {wide} * {item}, 0,
                    to, c_stride, depth, 1, begin, n,
                )
            begin += depth
            if begin >= k:
                break
        row += {high} if row + {high} <= last else 1
""",
)

_SMALL: Final = KernelTemplate(
    FAMILY,
    "a: input, b: input, c: output, m, n, k, a_stride, a_step, b_stride, b_step, c_stride",
    """
    right = b
    b_row = b_stride * {item}
    if (b_step != 1) | (n < {wide}):
        width = max(n, {wide})
        right = stack_{copy_bytes}()
        copy = pointer_{t}(right)
        for i in range(k):
            # What is beside them is read, but nothing that comes of it is stored.
            for j in range(n):
                at = b + i * b_row + j * b_step * {item}
                copy[i * width + j] = pointer_{t}(at)[0]
        b_row = width * {item}
    for panel in range(lo, hi):
        row = min(panel * {high}, m - {high})
        at = a + row * a_stride * {item}
        to_row = c + row * c_stride * {item}
        first = 0
        while first < n:
            # The last tile may lie over the one before it.
            j = max(0, min(first, n - {wide}))
            add_tile_{v}_{high}x{narrow}(
                at, a_stride * {item}, a_step * {item}, 0, right + j * {item}, b_row, 0,
                to_row + j * {item}, c_stride, k, 1, 0, n - j,
            )
            first += {wide}
""",
)

# c[i] is the sum over d of source[i, d] * packed[d]; one of both strides of the matrix is 1.
_VECTOR: Final = KernelTemplate(
    FAMILY,
    "source: input, packed: input, c: output, rows, k, stride, depth_stride, y_stride",
    """
    step = stride * {item}
    depth_step = depth_stride * {item}
    y_step = y_stride * {item}
    sums = stack_{panel_bytes}()
    zero = stack_64()
    pointer_{t}(zero)[0] = 0
    for panel in range(lo, hi):
        first = panel * {panel}
        last = min(rows, first + {panel})
        at = source + first * step
        to = c + first * y_step
        if depth_step == {item}:
            while first + 4 <= last:
                dot_{v}_4x2(at, step, packed, to, y_step, k)
                at, to, first = at + 4 * step, to + 4 * y_step, first + 4
            while first < last:
                dot_{v}_1x2(at, step, packed, to, y_step, k)
                at, to, first = at + step, to + y_step, first + 1
        else:
            count = last - first
            copy_blocks_{t}x1(zero, 0, sums, {item}, {panel})
            for begin in range(0, k, {depth_block}):
                block = min({depth_block}, k - begin)
                x_at = packed + begin * {item}
                at = source + first * step + begin * depth_step
                if count == {panel}:
                    add_tile_{v}_1x{panel_vectors}(
                        x_at, 0, {item}, 0, at, depth_step, 0,
                        sums, 0, block, 1, 1, {panel},
                    )
                else:
                    add_tile_masked_{v}_1x{panel_vectors}(
                        x_at, 0, {item}, 0, at, depth_step, 0,
                        sums, 0, block, 1, 1, {panel}, count,
                    )
            copy_blocks_{t}x1(sums, {item}, to, y_step, count)
""",
)

# y = matrix * x for a strip of rows, then what follows makes g of y, then the sums get g
# times the rows: one row of sums for each block.
_BOTH: Final = KernelTemplate(
    FAMILY,
    "matrix: input, x: input, y: output, g: output, partial: scratch, rows, depth,"
    "follow: address, count, following: words",
    """
    copied_at = stack_{words_bytes}()
    copied = pointer_int64(copied_at)
    for i in range(count):
        copied[i] = following[i]
    step = depth * {item}
    # As many rows as stay in the cache until they are read again.
    strip = max(8, min({depth_block}, {strip_bytes} // step // 8 * 8))
    for block in range(lo, hi):
        sums = partial + block * step
        for i in range(depth):
            pointer_{t}(sums)[i] = 0
        last = min(rows, (block + 1) * {depth_block})
        start = block * {depth_block}
        while start < last:
            stop = min(start + strip, last)
            row = start
            while row + 4 <= stop:
                dot_{v}_4x2(
                    matrix + row * step, step, x, y + row * {item}, {item}, depth
                )
                row += 4
            while row < stop:
                dot_{v}_1x2(
                    matrix + row * step, step, x, y + row * {item}, {item}, depth
                )
                row += 1
            call_kernel(follow, copied_at, start, stop)
            row = start
            while row + 8 <= stop:
                add_rows_{v}_8x1(
                    matrix + row * step, step, g + row * {item}, sums, depth
                )
                row += 8
            while row < stop:
                add_rows_{v}(matrix + row * step, step, g + row * {item}, sums, depth)
                row += 1
            start = stop
""",
)
_ADD_BLOCKS: Final = KernelTemplate(
    FAMILY,
    "partial: scratch, y: output {t}, blocks, depth",
    """
    first = lo * {panel}
    last = min(hi * {panel}, depth)
    for i in range(first, last):
        y[i] = 0
    for block in range(blocks):
        sums = pointer_{t}(partial + block * depth * {item})
        for i in range(first, last):
            y[i] += sums[i]
""",
)
_TEMPLATES: Final[dict[KernelName, KernelTemplate]] = {
    "pack": _PACK,
    "multiply": _MULTIPLY,
    "multiply_narrow1": _NARROW,
    "multiply_narrow": _NARROW,
    "multiply_small": _SMALL,
    "multiply_vector": _VECTOR,
    "multiply_both": _BOTH,
    "add_blocks": _ADD_BLOCKS,
}


@functools.cache
def make_kernel(name: KernelName, dtype: str, shape: TileShape) -> Kernel:
    """Returns a kernel for a register tile.

    Args:
      name: Which one.
      dtype: `float32` or `float64`.
      shape: The tile.
    """
    item = {"float32": 4, "float64": 8}[dtype]
    rows, columns = shape.rows, shape.columns
    groups = group_size(rows, item), group_size(columns, item)
    width = max(groups[0] * rows, groups[1] * columns)
    # Lines that a tile brings near lie in runs along the depth.
    run_shift = (DEPTH_BLOCK * item // 64).bit_length() - 1
    runs = DEPTH_BLOCK >> run_shift
    narrow = 1 if name == "multiply_narrow1" else NARROW_VECTORS
    panel = PANEL_VECTORS * shape.lanes
    return _TEMPLATES[name].fill(
        t=dtype,
        v=f"{dtype}x{shape.lanes}",
        item=item,
        lanes=shape.lanes,
        rows=rows,
        vectors=shape.vectors,
        columns=columns,
        quad=min(4, shape.lanes),
        depth_block=DEPTH_BLOCK,
        row_group=groups[0],
        column_group=groups[1],
        packed_bytes=width * DEPTH_BLOCK * item,
        result_bytes=RESULT_BYTES,
        words_bytes=8 * MOST_WORDS,
        run_shift=run_shift,
        runs=runs,
        depth_parts=_power_of_two(columns, runs),
        across_parts=_power_of_two(columns * item, 64),
        high=narrow_rows(shape),
        narrow=narrow,
        wide=narrow * shape.lanes,
        copy_bytes=SMALL_COPY * item,
        panel=panel,
        panel_bytes=panel * item,
        panel_vectors=PANEL_VECTORS,
        strip_bytes=STRIP_BYTES,
        **{f"at_{word}": number for word, number in _WORDS.items()},
    )


def _power_of_two(total: int, part: int) -> int:
    """Returns the parts of a total, rounded up to a power of two."""
    return 1 << (-(-total // part) - 1).bit_length()
