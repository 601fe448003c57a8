"""What a trace or a compiled step is known by: keys that differ where meaning differs.

Python's equality is too generous for that (True == 1 == 1.0, -0.0 == 0.0) and sometimes
too strict (NaN != NaN). An object that the code reads attributes of, a schedule or a
constraint, is known by its identity and by all that it holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def key_of_value(value: Any) -> Any:
    """Returns a key of a plain value: equal keys mean the same in every computation.

    >>> key_of_value(0.0) == key_of_value(-0.0), key_of_value(1) == key_of_value(True)
    (False, False)
    """
    kind = type(value)
    if isinstance(value, float):
        return (kind, value.hex())
    if isinstance(value, complex):
        return (kind, value.real.hex(), value.imag.hex())
    return (kind, value)


PLAIN = (bool, int, float, complex, str, bytes, type(None))


def key_of_state(thing: Any) -> Any:
    """Returns a key of an object and of what it holds, as far as that can change.

    Numbers, strings, lists, dicts and attributes count by their values; tensors,
    variables and functions, which do not change or are read in each step, by their
    identity; small arrays by their bytes.
    """
    return _key_of_state(thing, set())


def _key_of_state(thing: Any, seen: set[int]) -> Any:
    if isinstance(thing, PLAIN):
        return key_of_value(thing)
    if isinstance(thing, np.ndarray) and thing.dtype == object:
        return (id(thing), thing.shape, tuple(map(id, thing.ravel())))
    if isinstance(thing, (np.ndarray, np.generic)):
        return (id(thing), thing.dtype.str, thing.shape, thing.tobytes())
    if id(thing) in seen:
        return id(thing)
    seen.add(id(thing))
    if isinstance(thing, (list, tuple)):
        return (type(thing), *(_key_of_state(each, seen) for each in thing))
    if isinstance(thing, dict):
        return (dict, *((k, _key_of_state(v, seen)) for k, v in thing.items()))
    held = getattr(thing, "__dict__", None)
    if not held or not _is_read(thing):
        return id(thing)
    return (id(thing), *((k, _key_of_state(v, seen)) for k, v in held.items()))


def _is_read(thing: Any) -> bool:
    """Whether an object is one of settings: no function, type, tensor or variable."""
    return not (
        callable(getattr(thing, "__get__", None))
        or isinstance(thing, type)
        or hasattr(thing, "dtype")
    )
