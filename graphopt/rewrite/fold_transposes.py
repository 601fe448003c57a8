"""Lets a product read a transposed operand as it lies, in place of a moved copy.

The kernels of MatMul take strides, so a transposed operand costs them nothing, while a
transpose of its own reads and writes the whole matrix. Each element of a product is
added up in an order that does not depend on the strides: the bits stay the same.

The transpose of a product is left alone: as a product of swapped operands it would be
added up in another order where one of them is a vector.
"""

from __future__ import annotations

from typing import Final

from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.matmul import MATMUL
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.node_rules import NodeRule, apply_rules, node_rule, replacement


@node_rule("MatMul")
def fold_transposed_operand(op: Operation) -> GraphTensor | None:
    """matmul(transpose(a), b) -> matmul(a, b, transpose_a=True), and b likewise."""
    inputs, attrs = list(op.inputs), dict(op.attrs)
    for index, flag in enumerate(("transpose_a", "transpose_b")):
        source = inputs[index].op
        if _swaps_last_two(source) and not source.control_inputs:
            inputs[index] = source.inputs[0]
            attrs[flag] = not attrs[flag]
    if inputs == list(op.inputs):
        return None
    return replacement(op, MATMUL, inputs, attrs)


def _swaps_last_two(op: Operation) -> bool:
    if op.type != "Transpose":
        return False
    perm = list(op.attrs["perm"])
    rank = len(perm)
    return rank >= 2 and perm == [*range(rank - 2), rank - 1, rank - 2]


RULES: Final[tuple[NodeRule, ...]] = (fold_transposed_operand,)


@graph_pass(preserves="bits")
def fold_transposes(program: Program) -> Program:
    """Makes transposes that feed products attributes of the products."""
    return apply_rules(program, RULES)
