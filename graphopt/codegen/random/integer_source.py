"""The text of the kernels of random integers: NumPy's, bit for bit.

A random word times the number of integers is one of them and a fraction; what makes some
of them more likely than others is drawn again (Lemire, Fast Random Integer Generation in an
Interval, 2019). Up to 2**32 of them the words have 32 bits, the lower half of 64 first. What
is drawn again is rare, but one worker fills the array, as with normal numbers.
"""

from __future__ import annotations

from typing import Final

from graphopt.codegen.random.normal_source import REFILL
from graphopt.dtypes import DType
from graphopt.graph.status import Status
from graphopt.ops.blocks import BLOCK

__all__ = ["integer_source"]

_HALF: Final = (1 << 32) - 1


def integer_source(dtype: DType) -> str:
    """Writes what follows the head that kernels of random numbers share.

    Its further arguments are the addresses of both bounds, of the status words, and the
    number of the operation in an error.

    Args:
      dtype: int32 or int64.
    """
    return f"""    low = int64(pointer_{dtype.name}(args[6])[0])
    high = int64(pointer_{dtype.name}(args[7])[0])
    if low >= high:
        report_status(args[8], {Status.BOUNDS}, args[9], low, high)
        return
    # How many there are, and one less; numbers without a sign.
    many = words_difference(high, low)
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
            y[k] = low
    while i < n:
{REFILL}        word = words[at]
        if is_wide:
            at += 1
            if words_less(words_product(word, many), unfair):
                continue
            y[i] = words_sum(low, words_high_product(word, many))
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
            y[i] = words_sum(low, word)
        i += 1
"""
