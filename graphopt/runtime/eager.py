"""Eager mode: the same ops, computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.autodiff.tape import EagerRecord
from graphopt.errors import InvalidArgumentError, OpError, fail
from graphopt.graph.context import modes
from graphopt.graph.dispatch import as_inputs
from graphopt.graph.graph import infer_types
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Elementwise, OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import EagerTensor, StandIn


def run_eagerly(spec: OpSpec, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Computes an op and tells the tapes."""
    tensors = _tensors(spec, inputs)
    if tensors is None:
        return hooks.call_on_stand_ins(spec, inputs, attrs)
    try:
        if not isinstance(spec.kernel, Elementwise):
            infer_types(spec, tensors, attrs, None)
        results = spec.compute(*[tensor.array for tensor in tensors], **attrs)
    except (OpError, NotImplementedError):
        raise
    except Exception as error:
        # The shape rule explains what is wrong better than NumPy does.
        infer_types(spec, tensors, attrs, None)
        raise fail(
            InvalidArgumentError,
            f"{spec.name} failed: {error}",
            got=", ".join(f"{t.dtype.name}{list(t.shape)}" for t in tensors),
            site=str(user_site()),
        ) from error
    if not isinstance(results, tuple):
        output = EagerTensor(
            results if type(results) is np.ndarray else to_array(results)
        )
        if modes.tapes:
            _record(spec, tensors, (output,), attrs)
        return output
    outputs = tuple(EagerTensor(to_array(array)) for array in results)
    if modes.tapes:
        _record(spec, tensors, outputs, attrs)
    return outputs


def _record(
    spec: OpSpec, inputs: Sequence[Any], outputs: tuple[Any, ...], attrs: dict[str, Any]
) -> None:
    record = EagerRecord(spec, tuple(inputs), outputs, attrs, user_site())
    for tape in modes.tapes:
        tape.record(record)


def _tensors(spec: OpSpec, inputs: tuple[Any, ...]) -> Sequence[Any] | None:
    """Converts inputs; the common case, eager tensors of one dtype, costs no more.

    Returns:
      The tensors; None where one of them has no value yet.
    """
    dtype = None
    for value in inputs:
        if type(value) is not EagerTensor:
            tensors = as_inputs(spec, inputs)
            return None if any(isinstance(t, StandIn) for t in tensors) else tensors
        if dtype is None:
            dtype = value.dtype
        elif value.dtype is not dtype:
            return as_inputs(spec, inputs)
    return inputs if id(dtype) in spec.accepted_alike else as_inputs(spec, inputs)


hooks.run_eagerly = run_eagerly
