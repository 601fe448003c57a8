"""A graph of 100,000 ops, with a recursion limit of 200."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

import graphopt as tf
from graphopt.rewrite import driver


@pytest.mark.parametrize("kind", ["chain", "wide"])
def test_a_large_graph_is_built_differentiated_run_printed_and_freed(kind, monkeypatch):
    # Checking every pass is for small graphs.
    monkeypatch.setattr(driver, "verify_after_each_pass", False)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        with tf.Graph().as_default() as graph:
            x = tf.constant([1.0, 2.0])
            if kind == "chain":
                y = x
                for _ in range(34_000):
                    y = tf.sin(y)
            else:
                y = tf.reduce_sum(tf.stack([tf.sin(x) for _ in range(25_000)]), 0)
            (gradient,) = tf.gradients(y, [x])
            with tf.compat.v1.Session() as session:
                value, slope = session.run([y, gradient])
            assert len(graph) >= 100_000
            assert value.shape == slope.shape == (2,)
            assert str(graph).count("\n") >= 100_000 - 1
            freed = weakref.ref(graph)
        del graph, x, y, gradient, session
        gc.collect()
        assert freed() is None
    finally:
        sys.setrecursionlimit(limit)
