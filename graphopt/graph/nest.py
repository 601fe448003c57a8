"""Nested structures: lists, tuples, named tuples and dicts, flattened and rebuilt.

Dicts are taken in the order of their sorted keys, as TensorFlow does, so that two dicts
with equal keys always correspond. Views of dicts, as `values()`, count as lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MappingView
from typing import Any

from graphopt.graph.shape import TensorShape


def is_nested(value: Any) -> bool:
    """Returns whether a value is a structure rather than a leaf."""
    if isinstance(value, TensorShape):
        return False
    return isinstance(value, (list, tuple, Mapping, MappingView))


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [value[key] for key in _sorted_keys(value)]
    return list(value)


def _sorted_keys(value: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        raise TypeError("The keys of a nested dict must be sortable.") from None


def flatten(structure: Any) -> list[Any]:
    """Returns the leaves, from left to right.

    >>> flatten({"b": [1, (2,)], "a": 3})
    [3, 1, 2]

    Source: `tf.nest.flatten`.
    """
    leaves: list[Any] = []
    stack = [structure]
    while stack:
        item = stack.pop()
        if is_nested(item):
            stack.extend(reversed(_children(item)))
        else:
            leaves.append(item)
    return leaves


def pack_as(structure: Any, leaves: list[Any]) -> Any:
    """Returns `structure` with its leaves replaced.

    Raises:
      ValueError: The number of leaves differs.

    Source: `tf.nest.pack_sequence_as`.
    """
    if not is_nested(structure):
        if len(leaves) != 1:
            raise ValueError(f"Expected one leaf, got {len(leaves)}.")
        return leaves[0]
    values = iter(leaves)
    try:
        packed = _pack(structure, values)
    except StopIteration:
        raise ValueError(f"Too few leaves: {len(leaves)}.") from None
    if next(values, values) is not values:
        raise ValueError(f"Too many leaves: {len(leaves)}.")
    return packed


def _pack(structure: Any, values: Any) -> Any:
    if isinstance(structure, Mapping):
        by_key = {key: _pack(structure[key], values) for key in _sorted_keys(structure)}
        made = {key: by_key[key] for key in structure}
        if type(structure) is dict:
            return made
        return type(structure)(made)  # type: ignore[call-arg]
    if isinstance(structure, MappingView):
        return [_pack(item, values) for item in _children(structure)]
    if isinstance(structure, (list, tuple)) and is_nested(structure):
        parts = [_pack(item, values) for item in structure]
        if hasattr(structure, "_fields"):
            return type(structure)(*parts)
        return type(structure)(parts)
    for value in values:
        return value
    raise StopIteration


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """Applies a function to corresponding leaves.

    Source: `tf.nest.map_structure`.
    """
    leaves = zip(*(flatten(structure) for structure in structures), strict=True)
    return pack_as(structures[0], [function(*group) for group in leaves])
