"""The one door through which every op goes: into the current graph, or run at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DtypeMismatchError, fail
from graphopt.graph.context import building_graph, modes
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor


def call(spec: OpSpec, *inputs: Any, name: str | None = None, **attrs: Any) -> Tensor:
    """Adds an op to the current graph, or computes it in eager mode.

    Args:
      spec: The kind of op.
      *inputs: Data: tensors, variables, NumPy arrays, Python numbers and lists.
      name: Name of the op in a graph.
      **attrs: Static attributes.

    Returns:
      The output tensor, which is what the type promises; the Operation of an op without
      outputs. Ops with several are called with `call_all`.
    """
    graph = building_graph()
    if graph is None:
        eager: Tensor = hooks.run_eagerly(spec, inputs, attrs)
        return eager
    tensors = as_inputs(spec, inputs, name)
    op = graph.add_operation(spec, tensors, attrs, name)
    for tape in modes.tapes:
        tape.record(op)
    if len(op.outputs) == 1:
        return op.outputs[0]
    several: Any = op.outputs or op
    found: Tensor = several
    return found


def call_all(
    spec: OpSpec, *inputs: Any, name: str | None = None, **attrs: Any
) -> tuple[Any, ...]:
    """As `call`, for ops whose number of outputs their attributes decide.

    Returns:
      The outputs, a tuple even of one.
    """
    found: Any = call(spec, *inputs, name=name, **attrs)
    return found if isinstance(found, tuple) else (found,)


def as_inputs(
    spec: OpSpec, values: Sequence[Any], name: str | None = None
) -> list[Any]:
    """Converts the inputs of an op to tensors that agree on their dtypes.

    Python numbers and NumPy arrays take the dtype of the tensors beside them; tensors
    of different dtypes are never converted silently.

    Raises:
      InvalidArgumentError: (also a TypeError) The dtypes of two tensors differ, or the
        op does not take the dtype.
    """
    common: DType | None = None
    for index, value in enumerate(values):
        if spec.type_of_input(index) == "T" and common is None:
            common = getattr(value, "dtype", None)
            if common is not None and not isinstance(common, DType):
                common = None
    tensors: list[Any] = []
    for index, value in enumerate(values):
        letter = spec.type_of_input(index)
        hint = common if letter == "T" else None
        if letter not in ("T", "any"):
            hint = as_dtype(letter)
        if isinstance(value, Tensor):
            tensor = hooks.convert(value)
        else:
            part = f"{name or spec.name}/{'xyz'[index] if index < 3 else index}"
            tensor = hooks.convert(value, dtype_hint=hint, name=part)
        if hint is None and letter == "T":
            common = tensor.dtype
        elif hint is not None and tensor.dtype is not hint:
            raise _dtype_error(spec, index, tensor, hint)
        tensors.append(tensor)
    if common is None:
        # What is no `T` may be any number but a complex one, which an op has to know of.
        dtypes = [tensor.dtype for tensor in tensors]
        common = next((d for d in dtypes if d.is_complex or d.is_string), None)
    if common is not None and not spec.accepts(common):
        raise fail(
            DtypeMismatchError,
            f"{spec.name} is not defined for {common.name}",
            got=f"an input of dtype {common.name}",
            expected=f"one of {', '.join(d.name for d in spec.dtypes)}",
            site=str(user_site()),
            remedy="tf.cast",
        )
    return tensors


def _dtype_error(spec: OpSpec, index: int, tensor: Any, hint: DType) -> Exception:
    return fail(
        DtypeMismatchError,
        f"cannot compute {spec.name} as input #{index} was expected to be a "
        f"{hint.name} tensor but is a {tensor.dtype.name} tensor",
        got=f"{tensor.dtype.name}{list(tensor.shape)}",
        expected=hint.name,
        op=getattr(tensor, "op", None),
        site=str(user_site()),
        remedy=f"tf.cast(x, tf.{hint.name})",
    )


def safe_cast(array: np.ndarray[Any, Any], dtype: DType) -> np.ndarray[Any, Any] | None:
    """Casts host data to `dtype`, or returns None where that would change its kind.

    Floats become any float or complex number, integers any number that holds them; a
    float never becomes an integer, a complex number no other, and nothing becomes bool
    but bool.
    """
    have, want = array.dtype, dtype.numpy
    if have == want:
        return array
    if want.kind == "O":
        return None
    if have.kind not in "biufc" or (have.kind == "b") != (want.kind == "b"):
        return None
    if want.kind == "c" or (want.kind == "f" and have.kind != "c"):
        return array.astype(want)
    if have.kind in "fc":
        return None
    if array.size and not np.can_cast(have, want):
        info = np.iinfo(want)
        if array.min() < info.min or array.max() > info.max:
            return None
    return array.astype(want)
