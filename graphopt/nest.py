"""`tf.nest`: structures of lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.graph.nest import flatten as flatten
from graphopt.graph.nest import is_nested as is_nested
from graphopt.graph.nest import map_structure as map_structure
from graphopt.graph.nest import pack_as

# Its name in TensorFlow 1.
is_sequence = is_nested


def pack_sequence_as(
    structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False
) -> Any:
    """Returns a structure with other leaves.

    Args:
      structure: A structure.
      flat_sequence: Its new leaves, as `flatten` orders them.
      expand_composites: Accepted for compatibility.

    Raises:
      ValueError: The number of leaves differs.

    >>> pack_sequence_as({"a": (1, 2), "b": 3}, [10, 20, 30])
    {'a': (10, 20), 'b': 30}

    Source: `tf.nest.pack_sequence_as`.
    """
    return pack_as(structure, list(flat_sequence))


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises unless two structures differ in their leaves only.

    Args:
      nest1: A structure.
      nest2: Another one.
      check_types: Whether lists, tuples and dicts must be of the same types.
      expand_composites: Accepted for compatibility.

    Raises:
      ValueError: They have other lengths or keys.
      TypeError: They have other types.

    Source: `tf.nest.assert_same_structure`.
    """
    if is_nested(nest1) != is_nested(nest2):
        raise ValueError(
            f"The two structures don't have the same nested structure: {nest1!r:.80} "
            f"and {nest2!r:.80}."
        )
    if not is_nested(nest1):
        return
    if check_types and type(nest1) is not type(nest2):
        raise TypeError(
            "The two structures don't have the same sequence type: "
            f"{type(nest1).__name__} and {type(nest2).__name__}."
        )
    if len(nest1) != len(nest2):
        raise ValueError(
            f"The two structures don't have the same number of elements: {len(nest1)} "
            f"and {len(nest2)}."
        )
    pairs: Any = zip(nest1, nest2, strict=True)
    if isinstance(nest1, dict):
        if set(nest1) != set(nest2):
            raise ValueError(
                f"The two dictionaries don't have the same set of keys: {list(nest1)} "
                f"and {list(nest2)}."
            )
        pairs = ((nest1[key], nest2[key]) for key in nest1)
    for first, second in pairs:
        assert_same_structure(first, second, check_types)
