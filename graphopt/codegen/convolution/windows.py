"""Convolutions and poolings -> kernels over rows of images.

Each element of a result is one sum in a fixed order, whatever the range was cut into:
forward kernels and derivatives by the input gather what belongs to a row of their
result, the derivative by the filter what belongs to one element of a window. All sizes
are arguments; products are added in the tensor's own type where a window is summed, in
double precision where a whole batch is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from graphopt.codegen.convolution import convolutions
from graphopt.codegen.convolution.sizes import SIZES, Convolution
from graphopt.codegen.kernel import KernelTemplate
from graphopt.graph.dimensions import dims_of
from graphopt.graph.graph import Operation
from graphopt.ops.windows import place_both
from graphopt.schedule.steps import Lowered, Word


def _template(parameters: str, body: str) -> KernelTemplate:
    return KernelTemplate("windows", f"{parameters}, {SIZES}", body)


# In a depthwise convolution `out` is how many channels each one is made into: a pixel
# of the result has `wide` of them, those that belong to channel m begin at `first`.
_FORWARD = _template(
    "x: input {t}, filters: input {t}, y: output {t}",
    """
    for row in range(lo, hi):
        n = row // oh
        a0 = (row - n * oh) * sh - top
        for column in range(ow):
            at = (row * ow + column) * {wide}
            for k in range({wide}):
                y[at + k] = {t}(0)
            b0 = column * sw - left
            for i in range(kh):
                a = a0 + i * dh
                if (a < 0) | (a >= h):
                    continue
                for j in range(kw):
                    b = b0 + j * dw
                    if (b < 0) | (b >= w):
                        continue
                    pixel = ((n * h + a) * w + b) * c
                    cell = (i * kw + j) * c * out
                    for m in range(c):
                        value = x[pixel + m]
                        first = at + {first}
                        base = cell + m * out
                        for k in range(out):
                            y[first + k] += value * filters[base + k]
""",
)
_TO_INPUT = _template(
    "filters: input {t}, g: input {t}, y: output {t}",
    """
    for row in range(lo, hi):
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
                    pixel = ((n * oh + a // sh) * ow + b // sw) * {wide}
                    cell = (i * kw + j) * c * out
                    for m in range(c):
                        first = pixel + {first}
                        base = cell + m * out
                        total = {t}(0)
                        for k in range(out):
                            total += g[first + k] * filters[base + k]
                        y[at + m] += total
""",
)
_TO_FILTER = _template(
    "x: input {t}, g: input {t}, y: output {t}, total: scratch float64",
    """
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
                    at = ((n * oh + r) * ow + column) * {wide}
                    for m in range(c):
                        value = float64(x[pixel + m])
                        first = at + {first}
                        base = begin + m * out
                        for k in range(out):
                            total[base + k] += value * float64(g[first + k])
        for k in range(begin, end):
            y[k] = {t}(total[k])
""",
)
# The first of equal maxima; a NaN is larger than any number.
_PICK = _template(
    "x: input {t}, chosen: input {t}, y: output {t}",
    """
    for row in range(lo, hi):
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
                best = ((n * h + a0) * w + b0) * c + m
                for a in range(a0, a1):
                    for b in range(b0, b1):
                        p = ((n * h + a) * w + b) * c + m
                        v = x[p]
                        if (v > x[best]) | ((v != v) & (x[best] == x[best])):
                            best = p
                y[at + m] = chosen[best]
""",
)
# Channels are innermost, where one instruction compares many.
_WINDOWS = """\
for row in range({begin}, {end}):
    n = row // oh
    first = (row - n * oh) * sh - top
    a0 = max(first, 0)
    rows = min(first + kh, h) - a0
    for column in range(ow):
        start = column * sw - left
        b0 = max(start, 0)
        columns = min(start + kw, w) - b0
        at = ((n * h + a0) * w + b0) * c
        to = (row * ow + column) * c
        {visit}
"""
_POOL = _template("x: input {t}, y: output {t}", "    {windows}\n")
# Windows may overlap, so a whole image is one piece of work.
_POOL_BACK = _template(
    "x: input {t}, g: input {t}, y: output {t}",
    """
    for image in range(lo, hi):
        {clear}
        {windows}
""",
)
_CLEAR = """\
for p in range(image * h * w * c, (image + 1) * h * w * c):
    y[p] = {t}(0)
"""
_ROWS: Final = {"windows": _WINDOWS, "begin": "lo", "end": "hi"}
_IMAGES: Final = {
    "windows": _WINDOWS,
    "begin": "image * oh",
    "end": "(image + 1) * oh",
}
# A pixel gets its share of the gradient of each window that it is in: the shares of
# windows inside of the image are all the same.
_SHARES = 1024
_AVERAGE_BACK = _template(
    "x: input {t}, y: output {t}",
    """
    shares = pointer_float64(block_buffer())
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
            at = ((n * oh + r0) * ow + c0) * c
            to = (row * w + column) * c
            weigh_window(x, at, c, ow * c, r1 - r0, c1 - c0, shares, y, to, c)
""",
)
_SAME: Final = {"wide": "out", "first": "0"}
_DEPTHWISE: Final = {"wide": "c * out", "first": "m * out"}
_MAX_WINDOW: Final = "max_window(x, at, c, w * c, {rows}, {columns}, y, to, c)"
_SPREAD_WINDOW: Final = (
    "{spread}_window(x, at, c, w * c, {rows}, {columns}, g, to, y, c)"
)
_AVERAGE_WINDOW: Final = "average_window(x, at, c, w * c, rows, columns, y, to, c)"
# The template of each kernel, and what stands for its names.
_TEMPLATES: Final[dict[str, tuple[KernelTemplate, dict[str, str]]]] = {
    "conv": (_FORWARD, _SAME),
    "conv_to_input": (_TO_INPUT, _SAME),
    "conv_to_filter": (_TO_FILTER, _SAME),
    "depthwise": (_FORWARD, _DEPTHWISE),
    "depthwise_to_input": (_TO_INPUT, _DEPTHWISE),
    "depthwise_to_filter": (_TO_FILTER, _DEPTHWISE),
    "max_pool": (_POOL, _ROWS | {"visit": _MAX_WINDOW}),
    "max_pool_pick": (_PICK, {}),
    "max_pool_back": (_POOL_BACK, _IMAGES | {"visit": _SPREAD_WINDOW}),
    "avg_pool": (_POOL, _ROWS | {"visit": _AVERAGE_WINDOW}),
    "avg_pool_back": (_AVERAGE_BACK, {}),
}
# Convolutions of images that are not empty are matrix products.
_PRODUCTS: Final[dict[str, Callable[[Convolution], Lowered]]] = {
    "conv": convolutions.forward,
    "conv_to_input": convolutions.to_input,
    "conv_to_filter": convolutions.to_filter,
}


def lower_windows(op: Operation, option: str) -> Lowered:
    """Returns the call that computes a convolution, a pooling or a derivative."""
    image = dims_of(op.inputs[0])
    is_conv = "pool" not in option
    filters = dims_of(op.inputs[1]) if is_conv else [*op.attrs["ksize"], 0, image[3]]
    result = dims_of(op.outputs[0])
    if not math.prod(result):
        return Lowered()
    rows, columns = place_both(image[1:3], filters[:2], op.attrs)
    dtype = op.outputs[0].dtype
    convolution = Convolution(dtype.name, image[0], image[3], filters[3], rows, columns)
    if option in _PRODUCTS and convolution.pixels and math.prod(filters):
        return _PRODUCTS[option](convolution)
    overlap = -(-filters[0] // rows.stride) * -(-filters[1] // columns.stride)
    if option == "avg_pool_back" and overlap > _SHARES:
        return Lowered(host=f"{overlap} windows overlap, more than {_SHARES}")
    # Windows that cover an image side by side: their size is in the text, so that the
    # compiler writes out their loops.
    is_apart = all(
        axis.window == axis.stride and axis.out * axis.window == axis.size
        for axis in (rows, columns)
    )
    sizes = {"rows": "rows", "columns": "columns", "spread": "spread", "clear": _CLEAR}
    if is_apart:
        sizes = {"rows": f"{rows.window}", "columns": f"{columns.window}"}
        sizes |= {"spread": "fill", "clear": ""}
    template, names = _TEMPLATES[option]
    kernel = template.fill(t=dtype.name, **sizes, **names)
    used = op.spec.kernel_inputs or range(len(op.inputs))
    inputs = [each.name for each in kernel.parameters if each.kind == "input"]
    operands: dict[str, Any] = {
        name: Word("input", i) for name, i in zip(inputs, used, strict=True)
    }
    extent = result[0] * result[1]
    if option == "max_pool_back":
        extent = image[0]
    call = convolution.call(kernel, extent, **operands)
    is_summed = option.endswith("to_filter")
    return Lowered((call,), (8 * math.prod(filters),) if is_summed else ())
