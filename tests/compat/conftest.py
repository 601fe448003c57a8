"""`graphopt.v1` switches modes of the process when it is imported; tests switch back."""

from __future__ import annotations

import pytest

import graphopt as tf


@pytest.fixture(scope="session")
def contrib():
    """The module `tf.contrib`."""
    from graphopt.v1 import contrib

    tf.compat.v1.enable_v2_behavior()
    tf.config.strict_sessions(False)
    return contrib
