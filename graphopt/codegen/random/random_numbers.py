"""Random numbers: those of NumPy's Philox generator, bit for bit.

The generator has no state but a count: four numbers are a function of the key and of the
number of their block. So uniform numbers can be filled into any part of an array by anyone,
in any order; normal ones (`normal_source`) and integers (`integer_source`) reject some words
and are filled by one worker. The kernel counts blocks as NumPy does (the first one is block
1), takes the upper 53 bits of each word and rounds to the dtype at hand; what rounding
would make 1 is the number before.

A stream counts its draws in a cell of the session (`graph.draws`), which belongs to the
counter of a block. The kernel reads the cell, and a second one adds 1 to it when all
numbers are there. So a step with dropout is one native call, and steps can be repeated in
one: 3.4 ns a float32 for 7.0 of NumPy, and 4.15 ms a step of a perceptron with two dropouts
that took 4.8. A normal float32 takes 5.9 ns for 13.3 (Zen 3, one core).

The words of a block are those of `philox`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from graphopt.codegen.random.integer_source import integer_source
from graphopt.codegen.random.normal_source import normal_source
from graphopt.dtypes import DType, float32
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect
from graphopt.ops.blocks import BLOCK
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

__all__ = ["lower_random"]

# The numbers of a block, and blocks in a buffer on the stack (`block_buffer`).
_BLOCK: Final = 4
_BLOCKS: Final = BLOCK // _BLOCK
_NANOSECONDS: Final = 2.5
_SERIAL_NANOSECONDS: Final = 4.5


def lower_random(op: Operation, option: str) -> Lowered:
    """Returns the calls that fill an array with random numbers.

    Args:
      op: The operation.
      option: `uniform` in [0, 1), `normal`, `truncated` normal ones within 2, or `integers`
        between the first two inputs.
    """
    if option == "draws":
        cells = (Word("output", 0), Word("draws"))
        return Lowered((Call(KernelRequest("random", _COUNT), cells, 1),))
    out = op.outputs[0]
    count = out.shape.num_elements() or 0
    stream = op.attrs.get("stream")
    # Those in bodies are given the number of the draw.
    is_numbered = op.spec.effect is not Effect.RANDOM and stream is not None
    first = int(is_numbered)
    draw: Argument
    if stream is None:
        key, kind, draw = op.attrs["seed"], 0, 0
    else:
        key, kind = (stream.first, stream.second), stream.kind
        draw = Word("input", 0) if is_numbered else Word("draws")
    words = (_signed(key[0]), _signed(key[1]), kind, draw)
    arguments: list[Argument] = [Word("output", 0), count, *words]
    source = _head(out.dtype, isinstance(draw, Word))
    scratch: tuple[int, ...] = ()
    if option == "uniform":
        source += _uniform(out.dtype)
        blocks, cost = -(-count // _BLOCK), _NANOSECONDS * count
    else:
        # By one worker, from the front to the end.
        blocks, cost = min(count, 1), _SERIAL_NANOSECONDS * count
        if option == "integers":
            source += integer_source(out.dtype)
            arguments += [Word("input", first), Word("input", first + 1)]
            arguments += [Word("status"), op.index]
        else:
            source += normal_source(out.dtype, option == "truncated")
        if option == "truncated":
            scratch = (8 * count,)
            arguments.append(Word("scratch", 0))
    request = KernelRequest("random", source)
    calls = [Call(request, tuple(arguments), blocks, cost=cost)]
    if isinstance(draw, Word) and not is_numbered:
        # Another call, for the numbers may be shared out to several workers.
        calls.append(Call(KernelRequest("random", _ADVANCE), (draw,), 1))
    return Lowered(tuple(calls), scratch, checks=option == "integers")


def _signed(word: Any) -> int:
    """The same 64 bits as a signed number, as the arguments of kernels are."""
    return (int(word) + (1 << 63)) % (1 << 64) - (1 << 63)


_COUNT: Final = """def kernel(args, lo, hi):
    y = pointer_int64(args[0])
    draws = pointer_int64(args[1])
    y[0] = draws[0]
    draws[0] += 1
"""
_ADVANCE: Final = """def kernel(args, lo, hi):
    draws = pointer_int64(args[0])
    draws[0] += 1
"""


def _head(dtype: DType, is_counted: bool) -> str:
    draw = "pointer_int64(args[5])[0]" if is_counted else "args[5]"
    return f"""def kernel(args, lo, hi):
    y = pointer_{dtype.name}(args[0])
    n = args[1]
    first = args[2]
    second = args[3]
    kind = args[4]
    draw = {draw}
    words = pointer_int64(block_buffer())
"""


def _uniform(dtype: DType) -> str:
    stored = "x"
    if dtype is float32:
        largest = float(np.nextafter(np.float32(1), np.float32(0)))
        stored = f"(x if x < float32(1) else float32({largest!r}))"
    return f"""    while lo < hi:
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
