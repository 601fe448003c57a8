"""Lists and items: `array.append(x)`, `array[i]` and `array[i] = x`, with `Feature.LISTS`."""

from __future__ import annotations

from typing import Any

from graphopt.autograph.checking import is_staged
from graphopt.graph.hooks import hooks
from graphopt.ops.scatter import tensor_scatter_nd_update
from graphopt.ops.shaping import expand_dims, reshape
from graphopt.ops.tensor_array import TensorArray

OPERATORS = (
    "get_item",
    "list_append",
    "list_pop",
    "list_stack",
    "new_list",
    "set_item",
)


def new_list(iterable: Any = None) -> list[Any]:
    """Returns a list."""
    return list(iterable or ())


def list_append(list_: Any, x: Any) -> Any:
    """Appends to a list, or writes behind the end of a `TensorArray`."""
    if isinstance(list_, TensorArray):
        return list_.write(list_.size(), x)
    list_.append(x)
    return list_


def list_pop(list_: Any, i: Any, opts: Any) -> Any:
    """Takes an element out of a list; returns the list and the element.

    Raises:
      ValueError: It is a `TensorArray`.
    """
    if isinstance(list_, TensorArray):
        raise ValueError("TensorArray does not support item removal")
    return list_, (list_.pop() if i is None else list_.pop(i))


def list_stack(list_: Any, opts: Any) -> Any:
    """Returns the elements of a `TensorArray` in one tensor."""
    if isinstance(list_, TensorArray):
        return list_.stack()
    return list_ if is_staged(list_) else opts.original_call(list_)


def get_item(target: Any, i: Any, opts: Any) -> Any:
    """Returns `target[i]`."""
    return target.read(i) if isinstance(target, TensorArray) else target[i]


def set_item(target: Any, i: Any, x: Any) -> Any:
    """Returns the target after `target[i] = x`; of a tensor, a new one."""
    if isinstance(target, TensorArray):
        return target.write(i, x)
    if not is_staged(target):
        target[i] = x
        return target
    index = reshape(hooks.convert(i), [1, 1])
    row = expand_dims(hooks.convert(x, dtype_hint=target.dtype), 0)
    return tensor_scatter_nd_update(target, index, row)
