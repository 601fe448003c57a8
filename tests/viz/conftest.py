"""Graphs that the viewer's tests draw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from tests.viz.browser import CHROMIUM, Browser

MISSING = "Chromium is not installed; on Debian: apt-get install chromium"
SCRIPT = Path(__file__).with_name("train_script.py")


@pytest.fixture
def script() -> Path:
    """The training program."""
    return SCRIPT


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One window for the tests of a file."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def build_network(layers: int) -> tuple[Any, Any]:
    """Returns the graph of a deep network and its train op."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 16], name="x")
        hidden = x
        variables = []
        for index in range(layers):
            with tf.name_scope(f"dense_{index}"):
                w = tf.Variable(np.ones((16, 16), np.float32), name="w")
                b = tf.Variable(np.zeros(16, np.float32), name="b")
                hidden = tf.nn.relu(tf.matmul(hidden, w) + b)
                variables += [w, b]
        with tf.name_scope("loss"):
            loss = tf.reduce_sum(hidden * hidden)
        train_op = tf.keras.optimizers.Adam(0.01).minimize(loss, variables)
    return graph, train_op
