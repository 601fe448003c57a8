"""`set_random_seed`: everything random, from here on, repeats."""

from __future__ import annotations

import random

import numpy as np

from graphopt.ops.random import set_seed


def set_random_seed(seed: int) -> None:
    """Sets the seeds of Python, NumPy and graphopt.

    Weights, dropout, shuffling and augmentation of a program that calls this first are
    the same each time.

    Args:
      seed: An integer.

    Raises:
      ValueError: It is none.

    >>> import graphopt as tf
    >>> tf.keras.utils.set_random_seed(3)
    >>> first = float(tf.random.normal([])), np.random.rand(), random.random()
    >>> tf.keras.utils.set_random_seed(3)
    >>> first == (float(tf.random.normal([])), np.random.rand(), random.random())
    True

    Source: `tf.keras.utils.set_random_seed`.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise ValueError(
            f"Expected `seed` argument to be an integer. Received: {seed!r}"
        )
    random.seed(int(seed))
    np.random.seed(int(seed) % 2**32)  # noqa: NPY002
    set_seed(int(seed))
