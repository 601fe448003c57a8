"""Lets a product read a transposed operand as it lies, in place of a moved copy.

The kernels of MatMul take strides, so a transposed operand costs them nothing, while a
transpose of its own reads and writes the whole matrix.

The bits stay the same. Each element of a product of matrices is added up in an order
that does not depend on the strides. With one row or one column it does (`multiply_vector` walks
along whatever is contiguous), so there the matrix keeps its transpose; the vector, for
which a transpose moves nothing, does not.

The transpose of a product is left alone: as a product of swapped operands it would read
both of them against their grain.
"""

from __future__ import annotations

from typing import Final

from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.matmul import MATMUL
from graphopt.ops.shaping import TRANSPOSE
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.node_rules import NodeRule, apply_rules, node_rule, replacement


@node_rule(MATMUL)
def fold_transposed_operand(op: Operation) -> GraphTensor | None:
    """matmul(transpose(a), b) -> matmul(a, b, transpose_a=True), and b likewise."""
    inputs, attrs = list(op.inputs), dict(op.attrs)
    rows_and_columns = tuple(op.outputs[0].shape)[-2:]
    is_matrix = None not in rows_and_columns and 1 not in rows_and_columns
    for index, flag in enumerate(("transpose_a", "transpose_b")):
        source = inputs[index].op
        is_vector = 1 in tuple(inputs[index].shape)[-2:]
        if _swaps_last_two(source) and (is_matrix or is_vector):
            inputs[index] = source.inputs[0]
            attrs[flag] = not attrs[flag]
    if inputs == list(op.inputs):
        return None
    return replacement(op, MATMUL, inputs, attrs)


def _swaps_last_two(op: Operation) -> bool:
    if op.spec is not TRANSPOSE or op.control_inputs:
        return False
    perm = list(op.attrs["perm"])
    rank = len(perm)
    return rank >= 2 and perm == [*range(rank - 2), rank - 1, rank - 2]


RULES: Final[tuple[NodeRule, ...]] = (fold_transposed_operand,)


@graph_pass(preserves="bits")
def fold_transposes(program: Program) -> Program:
    """Makes transposes that feed products attributes of the products."""
    if not any(op.spec is TRANSPOSE for op in program.operations):
        return program
    return apply_rules(program, RULES)
