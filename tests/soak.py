"""How much longer than usual tests run: `tools/soak.py` sets it."""

from __future__ import annotations

import os
import random

FACTOR = int(os.environ.get("GRAPHOPT_SOAK", "1"))


def times(count):
    """A number of repetitions, more of them in a soak."""
    return count * FACTOR


def first_seed():
    """The seed that a test starts from: the same every day, another in a soak."""
    given = os.environ.get("GRAPHOPT_SOAK_SEED")
    if given is not None:
        return int(given)
    return random.SystemRandom().randrange(1 << 30) if FACTOR > 1 else 0
