"""Runs the loop that uses up a product while the product is in the cache.

The gradient of a layer's weights is a product, and often the optimizer's update is all
that ever looks at it. Written out it costs its size in memory three times: the line is
fetched to be written, written, and read again. Here the product and the loop become one
op: each few rows of the product are computed into a buffer that stays in the cache, and
the loop takes them from there. A layer of 4096 by 4096 has 64 MiB of gradient that never
exist. The sums and the loop are the same, so the bits are.

The product must be needed by the loop alone: a norm over all gradients, a fetch, an
accumulator or a check of all gradients keeps it apart. Its operands live until the loop
runs, so they have to be smaller than what is saved, unless rows of what the loop makes are on
their way to other ranks while the next ones are computed (`exchange_products`). And what orders itself after the
product, as a write of a variable that the product reads, would now have to wait for the
loop; such products stay as they are.

Measured on one core, a layer of 4096 by 4096, batch 64: product and Adam together 17.0 ms
where apart they take 19.0, and the arena is 2.1 MiB and not 66. With 784 by 512, whose
gradient nearly fits into the cache, there is no difference.
"""

from __future__ import annotations

from collections import Counter

from graphopt.dtypes import float32, float64
from graphopt.graph.effects import variable_behind, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect
from graphopt.graph.program import Program, Rebuilder, join_pairs
from graphopt.graph.region import Instruction, Region, region_of
from graphopt.ops.collectives import ALL_REDUCE_START
from graphopt.ops.fused import FUSED_ELEMENTWISE, FUSED_PRODUCT
from graphopt.ops.matmul import MATMUL
from graphopt.rewrite.driver import graph_pass

SMALLEST = 1 << 18
"""Elements of a product; a smaller one stays in the cache anyway."""
LONGEST_ROW = 1 << 14
"""Bytes of a row of the product: the buffer takes a dozen rows."""
MOST_OPERANDS = 40


@graph_pass(preserves="bits")
def fuse_products(program: Program) -> Program:
    """Replaces a product and the loop that alone needs it by one op."""
    return join_pairs(program, _choose(program), _add_fused)


def _choose(program: Program) -> dict[Operation, Operation]:
    """Returns the product of each loop that takes one in."""
    uses = Counter(tensor for op in program.operations for tensor in op.inputs)
    uses.update(program.fetches)
    ordered = {control for op in program.operations for control in op.control_inputs}
    # What travels in parts.
    sent = {
        op.inputs[0]
        for op in program.operations
        if op.spec is ALL_REDUCE_START
        and op.attrs["part"] < (op.inputs[0].shape.num_elements() or 0)
    }
    chosen: dict[Operation, Operation] = {}
    for loop in program.operations:
        body = _body_of(loop)
        if body is None:
            continue
        is_sent = any(tensor in sent for tensor in loop.outputs)
        for tensor in loop.inputs:
            op = tensor.op
            if (
                op.spec is MATMUL
                and uses[tensor] == 1
                and op not in ordered
                and _fits(op, loop, body, is_sent)
            ):
                chosen[loop] = op
                break
    return chosen


def _body_of(op: Operation) -> Region | None:
    """Returns the loop of an elementwise op, if it is one that can follow a product."""
    if op.spec is not FUSED_ELEMENTWISE and op.spec.effect not in (
        Effect.NONE,
        Effect.WRITE,
    ):
        return None
    body = region_of(op)
    # What may be jumped over is a step of its own.
    return None if body is None or body.only_if is not None else body


def _fits(product: Operation, loop: Operation, body: Region, is_sent: bool) -> bool:
    (result,) = product.outputs
    shape = tuple(result.shape)
    if len(shape) != 2 or shape != body.shape or result.dtype not in (float32, float64):
        return False
    m, n = body.shape
    a = product.inputs[0].shape
    k = a[-2] if product.attrs["transpose_a"] else a[-1]
    if k is None or min(m, n) < 2 or m * n < SMALLEST:
        return False
    if n * result.dtype.size > LONGEST_ROW:
        return False
    if k * (m + n) > m * n and not is_sent:
        return False
    if len(loop.inputs) > MOST_OPERANDS or loop.inputs.count(result) != 1:
        return False
    written = {variable_of(loop.inputs[i]) for i, _ in body.stores}
    return not any(variable_behind(x) in written for x in product.inputs)


def _add_fused(rebuilder: Rebuilder, loop: Operation, product: Operation) -> None:
    """Adds the op that is both; its operands come first among the inputs."""
    body = _body_of(loop)
    assert body is not None
    position = loop.inputs.index(product.outputs[0])
    others = [t for i, t in enumerate(loop.inputs) if i != position]
    inputs = [*product.inputs, *others]
    count = len(inputs)
    numbers = [2 + i - (i > position) for i in range(len(loop.inputs))]
    # What the first instruction makes.
    numbers[position] = count
    fused = body.renumber(numbers, count, [Instruction.of(product, (0, 1))])
    controls = dict.fromkeys((*product.control_inputs, *loop.control_inputs))
    controls.pop(product, None)
    new = rebuilder.add(
        loop,
        spec=FUSED_PRODUCT,
        inputs=[rebuilder.tensors[tensor] for tensor in inputs],
        attrs={"body": fused},
        controls=list(controls),
        output_types=[(t.shape, t.dtype) for t in loop.outputs],
    )
    rebuilder.operations[product] = new
    rebuilder.tensors.update(zip(loop.outputs, new.outputs, strict=True))
