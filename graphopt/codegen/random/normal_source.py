"""The text of the kernels of normal random numbers: NumPy's, bit for bit.

In most tries a word of the generator is a number: 8 bits choose a layer of the ziggurat
(`ziggurat_layers`), 52 a place in it, and nearly all of the layer lies under the curve. In
one try of a hundred more words decide. So nobody knows where the words of a later number
begin, and one worker fills the array from the front. What is won is not time for a number
but that a step with noise stays one native call, inside of loops and in `run_steps`.

The truncated ones are drawn like that; then those that lie more than two deviations out,
in their order, are drawn again until there is none.
"""

from __future__ import annotations

from typing import Final

from graphopt.dtypes import DType
from graphopt.ops.blocks import BLOCK

__all__ = ["DRAW_NORMAL", "REFILL", "name_normal"]

REFILL: Final = f"""\
if at == {BLOCK}:
    for k in range({BLOCK // 4}):
        block += 1
        philox(words, 4 * k, block, kind, draw, first, second)
    at = 0
"""
"""Text that computes the next words when all are used."""

# Where the tail begins, and one over it; NumPy has both as literals.
_TAIL: Final = 3.6541528853610087963519472518
_INVERSE: Final = 0.27366123732975827203338247596

# What the next word is for.
_TRY, _EDGE, _TAIL_PLACE, _TAIL_TEST = range(4)

_REDRAW: Final = """\
if again | (i == n):
    # What is too far out behind here, or else from the first number on.
    for _ in range(2):
        if i == n:
            again = True
            i = 0
        while i < n:
            if abs(v[i]) > 2.0:
                break
            i += 1
        if i < n:
            break
"""
_COPY: Final = """\
for i in range(n):
    y[i] = {t}(v[i])
"""
DRAW_NORMAL: Final = f"""\
v = {{into}}
inside = ziggurat_inside()
widths = ziggurat_widths()
heights = ziggurat_heights()
block = 0
at = {BLOCK}
step = {_TRY}
again = False
x = 0.0
tail = 0.0
layer = 0
place = 0
i = 0
while i < n:
    {{refill}}
    word = words[at]
    at += 1
    found = False
    if step == {_TRY}:
        layer = word & 255
        place = (word >> 9) & {(1 << 52) - 1}
        # The sign as a factor, for nobody could foresee which way a branch goes.
        x = float64(1 - ((word >> 7) & 2)) * (float64(place) * widths[layer])
        if place < inside[layer]:
            found = True
        elif layer == 0:
            step = {_TAIL_PLACE}
        else:
            step = {_EDGE}
    else:
        u = float64((word >> 11) & {(1 << 53) - 1}) * {2.0**-53!r}
        if step == {_EDGE}:
            step = {_TRY}
            height = (heights[layer - 1] - heights[layer]) * u + heights[layer]
            found = height < library_exp(-0.5 * x * x)
        elif step == {_TAIL_PLACE}:
            tail = -{_INVERSE!r} * library_log1p(-u)
            step = {_TAIL_TEST}
        else:
            step = {_TAIL_PLACE}
            u = -library_log1p(-u)
            if u + u > tail * tail:
                x = {_TAIL!r} + tail
                if place & 256:
                    x = -x
                found = True
                step = {_TRY}
    if found:
        v[i] = {{stored}}
        i += 1
        {{redraw}}
{{copy}}"""
"""Lines that draw normal numbers into `y`, or into `drawn` and copy them."""


def name_normal(dtype: DType, is_truncated: bool) -> dict[str, object]:
    """Returns what stands in `DRAW_NORMAL`.

    Args:
      dtype: The dtype of `y`.
      is_truncated: Whether there are to be no numbers further out than 2; then `drawn` has
        room for all of them in float64.
    """
    return {
        "into": "drawn" if is_truncated else "y",
        "stored": "x" if is_truncated else f"{dtype.name}(x)",
        "redraw": _REDRAW if is_truncated else "",
        "copy": _COPY if is_truncated else "",
    }
