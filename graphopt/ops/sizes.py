"""Sizes: what is known of integer tensors that are computed from shapes.

`tf.shape(x)[0]` is no number while a graph is built, but in a plan, where the shape of `x`
is known, it is one; so are sums and products of such sizes, and vectors of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.tensor import EagerTensor, GraphTensor

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
    if not isinstance(tensor, GraphTensor):
        return None
    found: dict[GraphTensor, NDArray[Any] | None] = {}
    stack = [tensor]
    while stack:
        top = stack[-1]
        rule = _RULES.get(top.op.type) if len(top.op.outputs) == 1 else None
        if top in found:
            stack.pop()
        elif rule is None or len(stack) > _DEEPEST:
            found[top] = None
        elif top.op.type == "Shape":
            found[top] = _shape_of(top.op.inputs[0])
        else:
            missing = [t for t in top.op.inputs if t not in found]
            if missing:
                stack += missing
                continue
            parts = [found[t] for t in top.op.inputs]
            is_known = all(p is not None and p.size <= _MOST for p in parts)
            found[top] = np.asarray(rule(top.op, *parts), object) if is_known else None
    return found[tensor]


def _shape_of(tensor: Any) -> NDArray[Any] | None:
    return None if tensor.shape.unknown_rank else np.array(tuple(tensor.shape), object)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(_op: Any, *parts: Any) -> Any:
        def one(*numbers: Any) -> Any:
            return None if None in numbers else function(*numbers)

        return np.frompyfunc(one, len(parts), 1)(*parts)

    return apply


def _sliced(op: Any, x: Any) -> Any:
    key = tuple(slice(*k) if isinstance(k, tuple) else k for k in op.attrs["key"])
    return x[key]


def _product(op: Any, x: Any) -> Any:
    if op.attrs.get("axis") not in (None, (0,)) or None in x.ravel():
        return None if not op.attrs.get("keepdims") else [None]
    total = int(np.prod(x.ravel().astype(np.int64)))
    return [total] if op.attrs.get("keepdims") else total


_RULES: Final[dict[str, Callable[..., Any]]] = {
    "Const": lambda op: op.attrs["value"].astype(object),
    "Shape": lambda op: None,
    "StridedSlice": _sliced,
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
