"""The text of the kernels of random integers: NumPy's, bit for bit.

A random word times the number of integers is one of them and a fraction; what makes some
of them more likely than others is drawn again (Lemire, Fast Random Integer Generation in an
Interval, 2019). Up to 2**32 of them the words have 32 bits, the lower half of 64 first. What
is drawn again is rare, but one worker fills the array, as with normal numbers.
"""

from __future__ import annotations

from typing import Final

from graphopt.graph.status import Status
from graphopt.ops.blocks import BLOCK

__all__ = ["DRAW_INTEGERS"]

_HALF: Final = (1 << 32) - 1

DRAW_INTEGERS: Final = f"""\
least = int64(low[0])
most = int64(high[0])
if least >= most:
    report_status(status, {Status.BOUNDS:d}, operation, least, most)
    return
# How many there are, and one less; numbers without a sign.
many = words_difference(most, least)
span = words_difference(many, 1)
is_wide = (span < 0) | (span > {_HALF})
unfair = words_remainder(words_difference(-1, span), many)
if not is_wide:
    unfair = ({_HALF} - span) % many
block = 0
at = {BLOCK}
is_second = False
i = 0
if span == 0:
    i = n
    for k in range(n):
        y[k] = least
while i < n:
    {{refill}}
    word = words[at]
    if is_wide:
        at += 1
        if words_less(words_product(word, many), unfair):
            continue
        y[i] = words_sum(least, words_high_product(word, many))
    else:
        if is_second:
            word >>= 32
            at += 1
        is_second = not is_second
        word &= {_HALF}
        if span != {_HALF}:
            word = words_product(word, many)
            if (word & {_HALF}) < unfair:
                continue
            word = (word >> 32) & {_HALF}
        y[i] = words_sum(least, word)
    i += 1
"""
"""Lines that draw integers of the dtype of `y` from `low[0]` on, to below `high[0]`."""
