"""Computes once what is asked for several times.

Gradients and optimizers ask for the same things again and again: the same constant, the
same scaled rate, the same read. Ops of one type, with the same inputs, the same control
inputs and equal attributes give the same bits, so the first serves all.

Never merged: random ops (two draws are two draws), writes, host steps, placeholders and
handles. Reads of a variable are merged after `order_effects` only, which has put the
version that each sees into its control inputs, and whether it copies into its
attributes: equal ones see equal values. Arrays in attributes are compared by their
bytes, so 0.0 is not -0.0 and a NaN equals itself; what is no plain value (the body of a
loop, a function) equals only itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from graphopt.dtypes import DType
from graphopt.graph.effects import is_handle
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect, Source
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST, FILL
from graphopt.ops.reduction import BROADCAST_TO
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.prune_unfetched import prune_unfetched


@graph_pass(preserves="bits")
def merge_common_subexpressions(program: Program) -> Program:
    """Makes equal pure ops one."""
    rebuilder = Rebuilder(program)
    first: dict[Hashable, Operation] = {}
    # What stays apart although it is equal, so that its users can still be merged.
    equal: dict[GraphTensor, GraphTensor] = {}
    merged = False
    for op in program.operations:
        key = _key(op, rebuilder, equal)
        same = None if key is None else first.get(key)
        if same is not None and not _costs_nothing(op):
            merged = True
            rebuilder.operations[op] = same
            rebuilder.tensors.update(zip(op.outputs, same.outputs, strict=True))
            continue
        new = rebuilder.copy(op)
        if same is not None:
            equal[new.outputs[0]] = same.outputs[0]
        elif key is not None:
            first[key] = new
    if not merged:
        return program
    done = rebuilder.finish()
    return prune_unfetched.function(done) if equal else done


def _key(
    op: Operation, rebuilder: Rebuilder, equal: dict[GraphTensor, GraphTensor]
) -> Hashable:
    """Returns what is equal for equal ops, or None for an op that equals no other."""
    if not _is_mergeable(op):
        return None
    inputs = tuple(rebuilder.tensors[tensor] for tensor in op.inputs)
    inputs = tuple(equal.get(tensor, tensor) for tensor in inputs)
    controls = frozenset(rebuilder.operations[control] for control in op.control_inputs)
    return op.type, op.device, inputs, controls, attribute_key(op.attrs)


def _costs_nothing(op: Operation) -> bool:
    """Returns whether an op is better left to each loop that uses it.

    A fill inside a fused loop is a number in a register; one fill for two loops is an
    array that is written once and read twice.
    """
    return op.spec is FILL or op.spec is BROADCAST_TO


def _is_mergeable(op: Operation) -> bool:
    if op.spec.effect is Effect.READ:
        return True
    if op.spec.effect is not Effect.NONE or not op.outputs:
        return False
    if isinstance(op.spec.kernel, Source) and op.spec is not CONST:
        return False
    # A handle read by anything but a read: nobody has settled which version it sees.
    return not any(is_handle(tensor) for tensor in op.inputs)


# Two constants with more bytes are equal only if they are one array: to read all data of a
# training set would take longer than the rest of compiling.
LARGEST_COMPARED = 1 << 20


def attribute_key(value: Any) -> Hashable:
    """Returns what two attributes have in common only if they mean the same."""
    if value is None or isinstance(value, (str, bytes, DType)):
        return value
    # By type and bits: 1 == True == 1.0, 0.0 == -0.0 and nan != nan.
    if isinstance(value, int):
        return type(value), value
    if isinstance(value, (float, np.generic)):
        return type(value), np.asarray(value).tobytes()
    if isinstance(value, np.ndarray) and value.dtype != object:
        if value.nbytes > LARGEST_COMPARED:
            return np.ndarray, id(value)
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.ndarray) and value.nbytes <= LARGEST_COMPARED:
        return value.dtype.str, value.shape, tuple(value.ravel().tolist())
    if isinstance(value, TensorShape):
        if value.unknown_rank:
            return TensorShape, None
        return TensorShape, tuple(value)
    if isinstance(value, dict):
        return dict, tuple((name, attribute_key(part)) for name, part in value.items())
    if type(value) in (tuple, list):
        return type(value), tuple(map(attribute_key, value))
    if isinstance(value, slice):
        return slice, tuple(map(attribute_key, (value.start, value.stop, value.step)))
    return _Same(value)


class _Same:
    """Equals what holds the very same object, which it keeps alive."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)
