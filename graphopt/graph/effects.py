"""Which variables an op reads and writes.

A variable is a `VarHandleOp` whose `variable` attribute is the key of its storage.
Reads and writes take that op's output as their first input, so that data edges alone
say who touches what; a fused op lists what it writes in its body.
"""

from __future__ import annotations

from typing import Any

from graphopt.graph.body import Body
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Effect
from graphopt.graph.tensor import GraphTensor


def variable_of(handle: GraphTensor) -> Any:
    """Returns the key of the variable behind a handle tensor."""
    return handle.op.attrs["variable"]


def is_handle(tensor: GraphTensor) -> bool:
    """Returns whether a tensor is the handle of a variable."""
    return tensor.op.spec.is_handle


def variable_behind(tensor: GraphTensor) -> Any | None:
    """Returns the variable whose memory a tensor is, None if it has memory of its own."""
    while isinstance(tensor.op.spec.kernel, Alias) and tensor.op.inputs:
        if tensor.op.attrs.get("copy"):
            return None
        tensor = tensor.op.inputs[tensor.index]
    return variable_of(tensor) if is_handle(tensor) else None


def variable_read(op: Operation) -> Any | None:
    """Returns the variable that a read op reads, or None for any other op."""
    return variable_of(op.inputs[0]) if op.spec.effect is Effect.READ else None


def handles_written(op: Operation) -> tuple[GraphTensor, ...]:
    """Returns the handle tensors that an op writes through."""
    if op.spec.effect is Effect.WRITE:
        return (op.inputs[0],)
    if op.spec.receives:
        return tuple(tensor for tensor in op.inputs if is_handle(tensor))
    if op.spec.parts is not None:
        return tuple(op.inputs[index] for index in op.attrs["body"].stored_inputs)
    return ()


def variables_written(op: Operation) -> tuple[Any, ...]:
    """Returns the variables that an op writes."""
    return tuple(variable_of(handle) for handle in handles_written(op))


def calls_python(op: Operation) -> bool:
    """Returns whether an op runs the user's Python, inside of its bodies too."""
    return op.spec.effect is Effect.HOST or any(
        isinstance(value, Body) and value.calls_host for value in op.attrs.values()
    )


def exchanges(op: Operation) -> bool:
    """Returns whether an op exchanges values with other processes, or a body of it does."""
    return op.spec.effect is Effect.COLLECTIVE or any(
        exchanges(inner)
        for value in op.attrs.values()
        if isinstance(value, Body)
        for inner in value.operations
    )


def has_side_effect(op: Operation) -> bool:
    """Returns whether an op must run even if nobody uses its outputs."""
    return op.spec.effect in _KEPT or bool(handles_written(op))


# What other processes wait for has to run as well.
_KEPT = (Effect.WRITE, Effect.HOST, Effect.COLLECTIVE)
