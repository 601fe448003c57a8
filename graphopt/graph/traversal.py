"""Walks over operations that do not recurse, for graphs of any depth."""

from __future__ import annotations

from collections.abc import Iterable

from graphopt.graph.graph import Operation

__all__ = ["find_ancestors", "sources_of"]


def sources_of(op: Operation) -> tuple[Operation, ...]:
    """Returns the operations that one waits for: of its inputs, and control inputs."""
    return (*(tensor.op for tensor in op.inputs), *op.control_inputs)


def find_ancestors(operations: Iterable[Operation]) -> set[Operation]:
    """Returns operations and all that they need, directly or not.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.constant(1.0, name="x")
    ...     y, z = tf.exp(x, name="y"), tf.sin(x, name="z")
    >>> sorted(op.name for op in find_ancestors([y.op]))
    ['x', 'y']
    """
    found = set(operations)
    stack = list(found)
    while stack:
        for source in sources_of(stack.pop()):
            if source not in found:
                found.add(source)
                stack.append(source)
    return found
