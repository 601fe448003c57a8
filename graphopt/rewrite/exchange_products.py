"""Begins to exchange a product with other ranks while the rest of it is computed.

The gradient of a layer's weights is a product, and the one that the backward pass makes
last, the first layer's, has nothing behind it: what is exchanged of it when it is whole,
the step waits for. It is often one of the largest. Here a product that is larger than a
bucket, and what makes it go on its way, become one op: the first rows are computed in
their place in the bucket, are posted, and are on their way while the next ones are computed.
Only the last part is waited for.

The product is computed by the kernel that computes it otherwise, whose range is cut at the
rows where a part ends, as threads cut it: one operand is packed once, no bit changes, and
nothing is copied. How large parts are is `bucket_collectives`' to say, for both sides of an
exchange have to agree on it, and only between machines there are any.

The product must go into the exchange alone, directly or by way of a loop that
`fuse_products` has put behind it. The derivative of a convolution's filter is not cut: it is
summed over images, and no part of it is there before the end.
"""

from __future__ import annotations

from collections import Counter

from graphopt.graph.graph import Operation, infer_types
from graphopt.graph.program import Program, Rebuilder, join_pairs
from graphopt.graph.region import Instruction, Region
from graphopt.ops.collectives import ALL_REDUCE_START
from graphopt.ops.exchanged_products import ALL_REDUCE_PRODUCT_START
from graphopt.ops.fused import FUSED_PRODUCT
from graphopt.ops.matmul import MATMUL
from graphopt.rewrite.driver import graph_pass

__all__ = ["exchange_products"]


@graph_pass(preserves="bits")
def exchange_products(program: Program) -> Program:
    """Replaces a large product and the start of its exchange by one op."""
    return join_pairs(program, _choose(program), _add_exchanged)


def _choose(program: Program) -> dict[Operation, Operation]:
    """Returns the product of each start that takes one in."""
    starts = [op for op in program.operations if op.spec is ALL_REDUCE_START]
    if not starts:
        return {}
    uses = Counter(tensor for op in program.operations for tensor in op.inputs)
    uses.update(program.fetches)
    ordered = {control for op in program.operations for control in op.control_inputs}
    chosen: dict[Operation, Operation] = {}
    for start in starts:
        product = start.inputs[0].op
        if (
            len(start.inputs) == 1
            and uses[start.inputs[0]] == 1
            and product not in ordered
            and _body_of(product) is not None
            and start.attrs["part"] < (start.inputs[0].shape.num_elements() or 0)
        ):
            chosen[start] = product
    return chosen


def _body_of(product: Operation) -> Region | None:
    """Returns a product with what is done to its rows; None if it cannot be cut by them."""
    if product.spec is FUSED_PRODUCT:
        body: Region = product.attrs["body"]
        is_alone = len(body.outputs) == 1 and not body.stores
        return body if is_alone and body.outputs[0] >= body.input_count else None
    tensor = product.outputs[0]
    if product.spec is not MATMUL or not tensor.dtype.is_floating:
        return None
    shape = tuple(int(size or 0) for size in tensor.shape)
    # One row or column has kernels that add in another order.
    if len(shape) != 2 or min(shape) < 2:
        return None
    return Region(shape, 2, (Instruction.of(product, (0, 1)),), (2,))


def _add_exchanged(rebuilder: Rebuilder, start: Operation, product: Operation) -> None:
    """Adds the op that is both."""
    body = _body_of(product)
    attrs = {name: start.attrs[name] for name in ("part", "reduction", "group", "size")}
    attrs["body"] = body
    inputs = [rebuilder.tensors[tensor] for tensor in product.inputs]
    new = rebuilder.add(
        start,
        spec=ALL_REDUCE_PRODUCT_START,
        inputs=inputs,
        attrs=attrs,
        controls=list(dict.fromkeys((*product.control_inputs, *start.control_inputs))),
        output_types=infer_types(ALL_REDUCE_PRODUCT_START, inputs, attrs, start.site),
    )
    rebuilder.operations[product] = new
    rebuilder.tensors.update(zip(start.outputs, new.outputs, strict=True))
