"""Convolutions and poolings -> kernels over rows of images.

Each element of a result is one sum in a fixed order, whatever the range was cut into:
forward kernels and derivatives by the input gather what belongs to a row of their
result, the derivative by the filter what belongs to one element of a window. All sizes
are arguments; products are added in the tensor's own type where a window is summed, in
double precision where a whole batch is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.codegen.convolution.convolutions import Convolution
from graphopt.graph.graph import Operation
from graphopt.ops.windows import place_both
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

# Names of the sizes that follow the addresses in `args`, the same for all kernels.
_SIZES = (
    *("batch", "h", "w", "kh", "kw", "oh", "ow", "sh", "sw", "top", "left"),
    *("dh", "dw", "c", "out"),
)
_HEAD = "def kernel(args, lo, hi):\n"
# In a depthwise convolution `out` is how many channels each one is made into: a pixel
# of the result has WIDTH of them, those that belong to channel m begin at OFFSET.
_FORWARD = """    for row in range(lo, hi):
        n = row // oh
        first = (row - n * oh) * sh - top
        for column in range(ow):
            at = (row * ow + column) * WIDTH
            for k in range(WIDTH):
                y[at + k] = {t}(0)
            start = column * sw - left
            for i in range(kh):
                a = first + i * dh
                if (a < 0) | (a >= h):
                    continue
                for j in range(kw):
                    b = start + j * dw
                    if (b < 0) | (b >= w):
                        continue
                    pixel = ((n * h + a) * w + b) * c
                    cell = (i * kw + j) * c * out
                    for m in range(c):
                        value = x0[pixel + m]
                        base = cell + m * out
                        for k in range(out):
                            y[at + OFFSETk] += value * x1[base + k]
"""
_TO_INPUT = """    for row in range(lo, hi):
        n = row // h
        r = row - n * h + top
        for column in range(w):
            at = (row * w + column) * c
            for m in range(c):
                y[at + m] = {t}(0)
            for i in range(kh):
                a = r - i * dh
                if (a < 0) | (a % sh != 0) | (a >= oh * sh):
                    continue
                for j in range(kw):
                    b = column + left - j * dw
                    if (b < 0) | (b % sw != 0) | (b >= ow * sw):
                        continue
                    pixel = ((n * oh + a // sh) * ow + b // sw) * WIDTH
                    cell = (i * kw + j) * c * out
                    for m in range(c):
                        base = cell + m * out
                        total = {t}(0)
                        for k in range(out):
                            total += x1[pixel + OFFSETk] * x0[base + k]
                        y[at + m] += total
"""
_TO_FILTER = """    total = pointer_float64(args[{scratch}])
    for cell in range(lo, hi):
        i = cell // kw
        j = cell - i * kw
        begin = cell * c * out
        end = begin + c * out
        for k in range(begin, end):
            total[k] = 0.0
        for n in range(batch):
            for r in range(oh):
                a = r * sh - top + i * dh
                if (a < 0) | (a >= h):
                    continue
                for column in range(ow):
                    b = column * sw - left + j * dw
                    if (b < 0) | (b >= w):
                        continue
                    pixel = ((n * h + a) * w + b) * c
                    at = ((n * oh + r) * ow + column) * WIDTH
                    for m in range(c):
                        value = float64(x0[pixel + m])
                        base = begin + m * out
                        for k in range(out):
                            total[base + k] += value * float64(x1[at + OFFSETk])
        for k in range(begin, end):
            y[k] = {t}(total[k])
"""
_WINDOW = """    for row in range(lo, hi):
        n = row // oh
        first = (row - n * oh) * sh - top
        a0 = max(first, 0)
        a1 = min(first + kh, h)
        for column in range(ow):
            start = column * sw - left
            b0 = max(start, 0)
            b1 = min(start + kw, w)
            at = (row * ow + column) * c
            for m in range(c):
"""
# The first of equal maxima; a NaN is larger than any number.
_LARGEST = """                best = ((n * h + a0) * w + b0) * c + m
                for a in range(a0, a1):
                    for b in range(b0, b1):
                        p = ((n * h + a) * w + b) * c + m
                        v = x0[p]
                        if (v > x0[best]) | ((v != v) & (x0[best] == x0[best])):
                            best = p
"""
# Channels are innermost, where one instruction compares many. A result begins with the
# first element of its window; only what is larger, or the first NaN, takes its place.
_ACROSS = """    for row in range(lo, hi):
        n = row // oh
        first = (row - n * oh) * sh - top
        a0 = max(first, 0)
        rows = min(first + kh, h) - a0
        for column in range(ow):
            start = column * sw - left
            b0 = max(start, 0)
            columns = min(start + kw, w) - b0
            at = (row * ow + column) * c * ITEM
            x = args[0] + ((n * h + a0) * w + b0) * c * ITEM
"""
_MAX = (
    _ACROSS
    + """            y_at = args[1] + at
            max_window_{t}(x, c, w * c, rows, columns, y_at, c)
"""
)
_PICK = _WINDOW + _LARGEST + "                y[at + m] = x1[best]\n"
_AVERAGE = (
    _ACROSS
    + """            y_at = args[1] + at
            average_window_{t}(x, c, w * c, rows, columns, y_at, c)
"""
)
# Windows overlap, so a whole image is one piece of work.
_CLEAR = """        for p in range(image * h * w * c, (image + 1) * h * w * c):
            y[p] = {t}(0)
"""
_MAX_BACK = (
    """    for image in range(lo, hi):
"""
    + _CLEAR
    + "".join("    " + line + "\n" for line in _ACROSS.splitlines()).replace(
        "range(lo, hi)", "range(image * oh, (image + 1) * oh)"
    )
    + """                g = args[1] + at
                dx = args[2] + (x - args[0])
                spread_window_{t}(x, c, w * c, rows, columns, g, dx, c)
"""
)
# Windows that cover an image side by side: their size is in the text, so that the
# compiler writes out their loops.
_MAX_APART = _MAX.replace("rows, columns,", "KH, KW,")
_MAX_BACK_APART = (
    _MAX_BACK.replace(_CLEAR, "")
    .replace("spread_", "fill_")
    .replace("rows, columns,", "KH, KW,")
)
# A pixel gets its share of the gradient of each window that it is in: the shares of
# windows inside of the image are all the same.
_SHARES = 1024
_AVERAGE_BACK = """    shares_at = block_buffer()
    shares = pointer_float64(shares_at)
    alike = 0
    for row in range(lo, hi):
        n = row // h
        a = row - n * h + top
        r0 = max((a - kh) // sh + 1, 0)
        r1 = min(a // sh + 1, oh)
        for column in range(w):
            b = column + left
            c0 = max((b - kw) // sw + 1, 0)
            c1 = min(b // sw + 1, ow)
            inside = (r0 * sh >= top) & ((r1 - 1) * sh - top + kh <= h)
            inside &= (c0 * sw >= left) & ((c1 - 1) * sw - left + kw <= w)
            if inside:
                while alike < (r1 - r0) * (c1 - c0):
                    shares[alike] = 1.0 / float64(kh * kw)
                    alike += 1
            else:
                alike = 0
                k = 0
                for r in range(r0, r1):
                    first = r * sh - top
                    rows = min(first + kh, h) - max(first, 0)
                    for q in range(c0, c1):
                        start = q * sw - left
                        columns = min(start + kw, w) - max(start, 0)
                        shares[k] = 1.0 / float64(rows * columns)
                        k += 1
            x = args[0] + ((n * oh + r0) * ow + c0) * c * ITEM
            y_at = args[1] + (row * w + column) * c * ITEM
            weigh_window_{t}(x, c, ow * c, r1 - r0, c1 - c0, shares_at, y_at, c)
"""
_SOURCES = {
    "conv": _FORWARD,
    "conv_to_input": _TO_INPUT,
    "conv_to_filter": _TO_FILTER,
    "depthwise": _FORWARD,
    "depthwise_to_input": _TO_INPUT,
    "depthwise_to_filter": _TO_FILTER,
    "max_pool": _MAX,
    "max_pool_pick": _PICK,
    "max_pool_back": _MAX_BACK,
    "max_pool_apart": _MAX_APART,
    "max_pool_back_apart": _MAX_BACK_APART,
    "avg_pool": _AVERAGE,
    "avg_pool_back": _AVERAGE_BACK,
}
# Convolutions of images that are not empty are matrix products.
_PRODUCTS: dict[str, Callable[[Convolution], Lowered]] = {
    "conv": Convolution.forward,
    "conv_to_input": Convolution.to_input,
    "conv_to_filter": Convolution.to_filter,
}


def lower_windows(op: Operation, option: str) -> Lowered:
    """Returns the call that computes a convolution, a pooling or a derivative."""
    image = _dims(op.inputs[0])
    is_conv = "pool" not in option
    filters = _dims(op.inputs[1]) if is_conv else [*op.attrs["ksize"], 0, image[3]]
    result = _dims(op.outputs[0])
    if not math.prod(result):
        return Lowered()
    rows, columns = place_both(image[1:3], filters[:2], op.attrs)
    pixels = image[0] * rows.out * columns.out
    if option in _PRODUCTS and pixels and math.prod(filters):
        made = Convolution(
            op.outputs[0].dtype.name, image[0], image[3], filters[3], rows, columns
        )
        return _PRODUCTS[option](made)
    sizes: list[Argument] = [image[0], image[1], image[2], *filters[:2]]
    sizes += [rows.out, columns.out, rows.stride, columns.stride]
    sizes += [rows.before, columns.before, rows.dilation, columns.dilation]
    sizes += [image[3], filters[3]]
    overlap = -(-filters[0] // rows.stride) * -(-filters[1] // columns.stride)
    if option == "avg_pool_back" and overlap > _SHARES:
        return Lowered(host=f"{overlap} windows overlap, more than {_SHARES}")
    used = op.spec.kernel_inputs or tuple(range(len(op.inputs)))
    arguments: list[Argument] = [Word("input", i) for i in used]
    arguments += [Word("output", 0), *sizes]
    scratch: tuple[int, ...] = ()
    if option.endswith("to_filter"):
        arguments.append(Word("scratch", 0))
        scratch = (8 * math.prod(filters),)
    if option in ("max_pool", "max_pool_back") and all(
        window == axis.stride and axis.out * window == size
        for window, axis, size in zip(
            filters[:2], (rows, columns), image[1:3], strict=True
        )
    ):
        option += "_apart"
    kind, last = op.outputs[0].dtype.name, len(arguments) - 1
    source = _write(option, len(used), kind, last, filters[:2])
    extent = result[0] * result[1]
    if option.startswith("max_pool_back"):
        extent = image[0]
    call = Call(KernelRequest("windows", source), tuple(arguments), extent)
    return Lowered((call,), scratch)


def _dims(tensor: Any) -> list[int]:
    return [int(dim) for dim in tensor.shape if dim is not None]


def _write(
    option: str, inputs: int, kind: str, last: int, window: Sequence[int]
) -> str:
    names = [f"x{i}" for i in range(inputs)] + ["y"]
    lines = [f"    {name} = pointer_{kind}(args[{i}])" for i, name in enumerate(names)]
    lines += [f"    {name} = args[{inputs + 1 + i}]" for i, name in enumerate(_SIZES)]
    is_deep = option.startswith("depthwise")
    width, offset = ("c * out", "m * out + ") if is_deep else ("out", "")
    body = _SOURCES[option].replace("WIDTH", width).replace("OFFSET", offset)
    body = body.replace("KH", str(window[0])).replace("KW", str(window[1]))
    body = body.replace("ITEM", str(np.dtype(kind).itemsize))
    body = body.format(t=kind, scratch=last)
    return _HEAD + "\n".join(lines) + "\n" + body
