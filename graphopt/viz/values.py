"""What the values of a tensor were in the steps of a run, in a few numbers each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 32


@dataclass(frozen=True)
class Statistics:
    """The values of a tensor in one step.

    Attributes:
      step: Which step, from 0 on.
      shape: The sizes that it had.
      dtype: The name of its dtype.
      count, nan, infinite, zero: How many elements there are, and how many of these kinds.
      minimum, maximum, mean, deviation: Of the finite elements; 0 where there are none.
      bins: How many finite elements lie in each of `BINS` equal parts from the minimum to
        the maximum.
    """

    step: int
    shape: tuple[int, ...]
    dtype: str
    count: int
    nan: int
    infinite: int
    zero: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    bins: tuple[int, ...]


# For the name of each tensor (`name:0`) or variable what it was, step by step.
Values = Mapping[str, Sequence[Statistics]]


def describe_values(values: NDArray[Any], step: int) -> Statistics:
    """Returns the statistics of a tensor of numbers or bools.

    >>> found = describe_values(np.array([0.0, 1.0, np.nan]), 3)
    >>> found.nan, found.zero, found.minimum, found.maximum, sum(found.bins)
    (1, 1, 0.0, 1.0, 2)
    """
    numbers = np.asarray(np.abs(values) if values.dtype.kind == "c" else values)
    numbers = numbers.astype(np.float64, copy=False).reshape(-1)
    finite = numbers[np.isfinite(numbers)]
    nan = int(np.isnan(numbers).sum())
    low = high = mean = deviation = 0.0
    bins = np.zeros(BINS, np.int64)
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = float(finite.mean()), float(finite.std())
            width = high - low
            places = (finite - low) / width * BINS if width > 0 else np.zeros(1)
        if np.isfinite(width):
            where = np.minimum(places.astype(np.int64), BINS - 1)
            bins = np.bincount(where, minlength=BINS)
            bins = bins if width > 0 else bins * finite.size
    return Statistics(
        step,
        tuple(values.shape),
        str(values.dtype),
        numbers.size,
        nan,
        numbers.size - finite.size - nan,
        int((finite == 0).sum()),
        low,
        high,
        mean,
        deviation,
        tuple(int(each) for each in bins),
    )
