"""A loop and the reduction of what it computes, in one sweep through memory.

The mean of a squared difference, or the norm of all gradients, costs what it reads if
nothing is stored in between. Blocks of 1024 elements are computed into a buffer on the
stack, which stays in the first-level cache, and are reduced from there by the very code
that reduces arrays: the tree is the same, and so are the bits. Other values of the loop,
as the gradient beside the loss, are stored on the way.
"""

from __future__ import annotations

import math

from graphopt.codegen.elementwise import (
    Operand,
    Writer,
    stores_in_place,
    values_read,
)
from graphopt.codegen.reduce import (
    PIECE,
    memory_type,
    merge_blocks,
    rows_source,
    wide_type,
)
from graphopt.dtypes import DType
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Family
from graphopt.ops.fused import FusedBody
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word


def lower_fused_reduce(op: Operation) -> Lowered:
    """Returns the calls of a loop whose last value is reduced."""
    body: FusedBody = op.attrs["body"]
    kernel = op.attrs["reduction"].kernel
    assert isinstance(kernel, Family)
    option, axis = kernel.option, op.attrs["options"]["axis"]
    kept = [axis is not None and i not in axis for i in range(len(body.shape))]
    blocks = merge_blocks(list(body.shape), kept)
    n = math.prod(size for size, keep in blocks if not keep)
    rows = math.prod(size for size, keep in blocks if keep)
    source = body.instructions[body.outputs[-1] - body.input_count].dtype
    result, wide = op.outputs[-1].dtype, wide_type(source)
    target: Word = Word("output", len(op.outputs) - 1)
    if rows > 1 or n <= 2 * PIECE:
        call = _call(op, body, option, source, result, target, (n, rows * n, n), rows)
        return Lowered((call,))
    pieces = -(-n // PIECE)
    partial = Word("scratch", 0)
    first = _call(op, body, option, source, wide, partial, (PIECE, n, 1), pieces)
    text = rows_source(option, wide, wide, result)
    arguments: tuple[Argument, ...] = (partial, target, pieces, pieces, n)
    second = Call(KernelRequest("reduce", text), arguments, 1)
    return Lowered((first, second), (pieces * 8,))


def _call(
    op: Operation,
    body: FusedBody,
    option: str,
    source: DType,
    result: DType,
    target: Word,
    sizes: tuple[int, int, int],
    extent: int,
) -> Call:
    """Returns the call that reduces each row of what the loop computes.

    Args:
      op: The operation.
      body: The loop.
      option: Which reduction.
      source: The dtype of what is reduced.
      result: The dtype of what is stored.
      target: Where it is stored.
      sizes: Elements of a row, of all rows, and the divisor of a mean.
      extent: The number of rows.
    """
    read = values_read(body)
    inputs = [i for i in range(body.input_count) if i in read]
    operands = tuple(
        Operand(i, op.inputs[i].dtype, (op.inputs[i].shape.num_elements() != 1,))
        for i in inputs
    )
    in_place = stores_in_place(op, body, operands)
    text = _source(body, operands, in_place, option, source, result)
    arguments: list[Argument] = [Word("input", i) for i in inputs]
    arguments += [Word("output", i) for i in range(len(body.outputs) - 1)]
    stores = enumerate(body.stores)
    arguments += [Word("input", i) for k, (i, _) in stores if k not in in_place]
    arguments += [target, *sizes]
    return Call(KernelRequest("fused_reduce", text), tuple(arguments), extent)


def _source(
    body: FusedBody,
    operands: tuple[Operand, ...],
    in_place: dict[int, int],
    option: str,
    source: DType,
    result: DType,
) -> str:
    loop = Writer(body, operands, depth=1, in_place=in_place, checked=False)
    last = f"y{len(body.outputs) - 1}"
    word = loop.pointers([target for target in loop.targets if target[1] != last])
    names = ("y", "n", "size", "divisor")
    for i, name in enumerate(names):
        text = f"args[{word + i}]"
        if name == "y":
            text = f"pointer_{memory_type(result)}({text})"
        loop.line(0, f"{name} = {text}")
    loop.line(0, "buffer = block_buffer()")
    loop.load(0, level=-1)
    head = loop.take()
    # So that the buffer has the indices of the whole.
    kind = memory_type(source)
    loop.line(2, f"p{last} = pointer_{kind}(buffer - begin * {source.size})")
    loop.line(2, "for o0 in range(begin, end):")
    loop.load(3, level=0)
    loop.compute(3)
    loop.line(2, f"x = p{last}")
    return rows_source(option, source, wide_type(source), result, head, loop.take())
