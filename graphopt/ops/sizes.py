"""Sizes: what is known of integer tensors that are computed from shapes.

`tf.shape(x)[0]` is no number while a graph is built, but in a plan, where the shape of `x`
is known, it is one; so are sums and products of such sizes, and vectors of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.opspec import Alias, Effect, Elementwise, Family
from graphopt.graph.tensor import EagerTensor, GraphTensor, StandIn

# Larger vectors are no shapes.
_MOST: Final = 64
_DEEPEST: Final = 200


def known_sizes(tensor: Any) -> NDArray[Any] | None:
    """Returns the elements of an integer tensor, None for those that are not known.

    Args:
      tensor: A tensor of either mode, or what has only a shape and dtype.

    Returns:
      An array of objects; None if nothing is known of any element.
    """
    if isinstance(tensor, EagerTensor):
        return tensor.array.astype(object)
    if isinstance(tensor, StandIn):
        tensor = tensor.symbol
    if not isinstance(tensor, GraphTensor):
        return None
    found: dict[GraphTensor, NDArray[Any] | None] = {}
    stack = [tensor]
    while stack:
        top = stack[-1]
        rule = _RULES.get(top.op.type) or _exact_rule(top.op)
        if top in found:
            stack.pop()
        elif rule is None or len(stack) > _DEEPEST:
            found[top] = _unknown(top)
        elif top.op.type == "Shape":
            found[top] = _shape_of(top.op.inputs[0])
        else:
            missing = [t for t in top.op.inputs if t not in found]
            if missing:
                stack += missing
                continue
            parts = [found[t] for t in top.op.inputs]
            is_known = all(p is not None and p.size <= _MOST for p in parts)
            value = rule(top.op, *parts) if is_known else None
            found[top] = _unknown(top) if value is None else np.asarray(value, object)
    return found[tensor]


def _unknown(tensor: GraphTensor) -> NDArray[Any] | None:
    """None for each element, if it is known that there are a few."""
    count = tensor.shape.num_elements()
    if count is None or count > _MOST or not tensor.dtype.is_integer:
        return None
    return np.full([int(dim or 0) for dim in tensor.shape], None, object)


def _exact_rule(op: Any) -> Callable[..., Any] | None:
    """Returns a rule for an op of which all inputs have to be known, or None."""
    spec = op.spec
    computes = spec.effect is Effect.NONE and isinstance(
        spec.kernel, (Elementwise, Family, Alias)
    )
    if not computes or len(op.outputs) != 1 or not op.inputs:
        return None
    count = op.outputs[0].shape.num_elements()
    return _compute if count is not None and count <= _MOST else None


def _compute(op: Any, *parts: NDArray[Any]) -> Any:
    """Computes an op, in its own dtypes, if all elements of its inputs are known."""
    if any(element is None for part in parts for element in part.flat):
        return None
    pairs = zip(parts, op.inputs, strict=True)
    arrays = [part.astype(tensor.dtype.numpy) for part, tensor in pairs]
    with np.errstate(all="ignore"):
        return np.asarray(op.spec.compute(*arrays, **op.attrs)).astype(object)


def _shape_of(tensor: Any) -> NDArray[Any] | None:
    return None if tensor.shape.unknown_rank else np.array(tuple(tensor.shape), object)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(_op: Any, *parts: Any) -> Any:
        def one(*numbers: Any) -> Any:
            return None if None in numbers else function(*numbers)

        return np.frompyfunc(one, len(parts), 1)(*parts)

    return apply


def _slice(op: Any, x: Any) -> Any:
    key = tuple(slice(*k) if isinstance(k, tuple) else k for k in op.attrs["key"])
    return x[key]


def _product(op: Any, x: Any) -> Any:
    if op.attrs.get("axis") not in (None, (0,)) or None in x.ravel():
        return None if not op.attrs.get("keepdims") else [None]
    total = int(np.prod(x.ravel().astype(np.int64)))
    return [total] if op.attrs.get("keepdims") else total


_RULES: Final[dict[str, Callable[..., Any]]] = {
    "Const": lambda op: (
        op.attrs["value"].astype(object) if op.attrs["value"].size <= _MOST else None
    ),
    "Shape": lambda op: None,
    "StridedSlice": _slice,
    "Pack": lambda op, *parts: np.stack(parts, op.attrs.get("axis", 0)),
    "ConcatV2": lambda op, *parts: np.concatenate(parts, op.attrs["axis"]),
    "Cast": lambda op, x: x,
    "Identity": lambda op, x: x,
    "StopGradient": lambda op, x: x,
    "ExpandDims": lambda op, x: np.expand_dims(x, op.attrs["axis"]),
    "Squeeze": lambda op, x: np.squeeze(x, op.attrs.get("axis") or None),
    "Reshape": lambda op, x: x.reshape(op.attrs["shape"]),
    "AddV2": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "FloorDiv": _elementwise(lambda a, b: a // b if b else None),
    "Maximum": _elementwise(max),
    "Minimum": _elementwise(min),
    "Prod": _product,
}
