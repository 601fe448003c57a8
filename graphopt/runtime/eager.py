"""Eager mode: the same ops, computed at once."""

from __future__ import annotations

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
from graphopt.graph.tensor import EagerTensor


def run_eagerly(spec: OpSpec, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Computes an op and tells the tapes."""
    tensors = _tensors(spec, inputs)
    arrays = [tensor.array for tensor in tensors]
    try:
        if not isinstance(spec.kernel, Elementwise):
            infer_types(spec, tensors, attrs, None)
        results = spec.compute(*arrays, **attrs)
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
    single = spec.outputs == 1
    outputs = tuple(
        EagerTensor(np.asarray(array)) for array in ((results,) if single else results)
    )
    if modes.tapes:
        site = user_site()
        record = EagerRecord(spec, tuple(tensors), outputs, attrs, site)
        for tape in modes.tapes:
            tape.record(record)
    return outputs[0] if single else outputs


def _tensors(spec: OpSpec, inputs: tuple[Any, ...]) -> list[Any]:
    """Converts inputs; the common case, eager tensors of one dtype, costs no more."""
    if inputs and spec.types == ("T*",):
        first = inputs[0]
        if type(first) is EagerTensor and first.dtype in spec.dtypes:
            dtype = first.dtype
            for other in inputs:
                if type(other) is not EagerTensor or other.dtype is not dtype:
                    break
            else:
                return list(inputs)
    return as_inputs(spec, inputs)


hooks.run_eagerly = run_eagerly
