"""Floats to integers, the same on every machine.

C leaves open what a float becomes whose integer part does not fit, or which is no number,
and processors differ: x86 has one value for all of them, ARM takes the nearest integer.
Here it is defined, as NumPy has it on x86. A float is rounded towards zero to int32, or to
int64 where that is wanted; what is out of its range, NaN included, becomes its smallest
value; and of that int8, int16 and uint8 are the lowest bits. So 300.0 is 44 as int8 and
-1.0 is 255 as uint8, while 1e10 is 0 as both.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cast_array", "truncate"]

# In and out of every range, at places where NumPy has vectors and where it has none.
_PROBE = np.tile([np.nan, 1e30, -np.inf, 2.0**31, -3e9, 2.0**40 + 7, 300.7, -1.5], 9)


def truncate(x: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns floats as integers, by the definition above.

    >>> truncate(np.array([300.9, -1.9, 1e10, np.nan]), np.dtype(np.int8)).tolist()
    [44, -1, 0, 0]

    Args:
      x: Floats.
      dtype: An integer dtype.
    """
    wide = np.dtype(np.int64 if dtype.itemsize == 8 else np.int32)
    limit = 2.0 ** (8 * wide.itemsize - 1)
    # In float16 the limit would be infinity.
    values = np.asarray(x, np.promote_types(np.asarray(x).dtype, np.float32))
    fits = np.where(np.abs(values) < limit, values, values.dtype.type(-limit))
    return fits.astype(wide).astype(dtype)


@functools.cache
def _numpy_does(source: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    """Returns whether NumPy's conversion is the same here; it is much faster."""
    with np.errstate(all="ignore"):
        x = _PROBE.astype(source)
        return np.array_equal(x.astype(dtype), truncate(x, dtype))


def cast_array(x: Any, dtype: np.dtype[Any]) -> Any:
    """Returns an array in another dtype.

    Args:
      x: An array or a number of NumPy.
      dtype: What its elements become.
    """
    if x.dtype.kind == "f" and dtype.kind in "iu" and not _numpy_does(x.dtype, dtype):
        return truncate(x, dtype)
    return x.astype(dtype)
