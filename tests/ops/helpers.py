"""Running a public function in every mode."""

from __future__ import annotations

import numpy as np

import graphopt as tf
from graphopt.config import config


def run_everywhere(function, *arrays):
    """Returns the eager result after checking that graphs, whatever runs them, agree."""
    eager = np.asarray(function(*map(tf.constant, arrays)))
    for jit in ("never", "always"):
        got = run_in_graph(function, *arrays, jit=jit)
        assert got.dtype == eager.dtype
        assert got.shape == eager.shape
        np.testing.assert_allclose(got, eager, rtol=2e-6, atol=2e-6)
    return eager


def run_in_graph(function, *arrays, jit=None, shapes=None):
    """Runs a function of placeholders, of unknown leading dimension if there is one."""
    with tf.Graph().as_default(), config(jit=jit):
        arrays = [np.asarray(array) for array in arrays]
        if shapes is None:
            shapes = [[None, *a.shape[1:]] if a.ndim else [] for a in arrays]
        feeds = {
            tf.compat.v1.placeholder(tf.as_dtype(a.dtype), shape): a
            for a, shape in zip(arrays, shapes, strict=True)
        }
        result = function(*feeds)
        with tf.compat.v1.Session() as session:
            return np.asarray(session.run(result, feed_dict=feeds))


def gradient_of(function, *arrays):
    """Returns the eager gradients of the sum of a function by its inputs."""
    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = function(*tensors)
    return [None if g is None else g.numpy() for g in tape.gradient(result, tensors)]
