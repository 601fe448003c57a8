"""Training steps that the tools measure: each makes an op that a session runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import graphopt as tf


def perceptron(batch: int = 128, sizes: tuple[int, ...] = (784, 512, 256, 10)) -> Any:
    """Layers with relu, cross entropy, Adam."""
    rng = np.random.default_rng(0)
    x = _held(rng.standard_normal((batch, sizes[0])))
    labels = tf.constant(rng.integers(0, sizes[-1], batch), tf.int32)
    weights = [
        _variable(rng.standard_normal(pair) / np.sqrt(pair[0]))
        for pair in itertools.pairwise(sizes)
    ]
    biases = [_variable(np.zeros(size)) for size in sizes[1:]]

    def loss() -> Any:
        h = x
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = tf.matmul(h, w) + b
            h = tf.nn.relu(h) if i < len(weights) - 1 else h
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=h)
        )

    optimizer = tf.keras.optimizers.Adam(1e-3)
    return optimizer.minimize(loss, [*weights, *biases])


def adam(size: int = 1 << 23) -> Any:
    """The update alone, of one large vector."""
    rng = np.random.default_rng(0)
    w = _variable(rng.standard_normal(size))
    gradient = _held(rng.standard_normal(size))
    optimizer = tf.keras.optimizers.Adam(1e-3)
    return optimizer.apply_gradients([(gradient.read_value(), w)])


def convolutions(batch: int = 64) -> Any:
    """Two convolutions with poolings and a product, cross entropy, Adam."""
    rng = np.random.default_rng(0)
    x = _held(rng.standard_normal((batch, 28, 28, 1)))
    labels = tf.constant(rng.integers(0, 10, batch), tf.int32)
    shapes = ((3, 3, 1, 16), (3, 3, 16, 32), (1568, 10))
    weights = [_variable(rng.standard_normal(shape) / 10) for shape in shapes]

    def loss() -> Any:
        h = x
        for w in weights[:2]:
            h = tf.nn.relu(tf.nn.conv2d(h, w, 1, "SAME"))
            h = tf.nn.max_pool2d(h, 2, 2, "VALID")
        h = tf.matmul(tf.reshape(h, [batch, -1]), weights[2])
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=h)
        )

    return tf.keras.optimizers.Adam(1e-3).minimize(loss, weights)


def chain(size: int = 1 << 22) -> Any:
    """Elementwise functions of one large vector, value and gradient."""
    x = _variable(np.random.default_rng(0).standard_normal(size))
    value = tf.reduce_mean(tf.tanh(x) * tf.sigmoid(x) + tf.exp(-x * x) * x)
    (slope,) = tf.gradients(value, [x])
    out = _variable(np.zeros(size))
    return out.assign(slope, read_value=False)


def _variable(array: Any) -> Any:
    return tf.Variable(np.asarray(array, np.float32))


def _held(array: Any) -> Any:
    """Data: in a variable, so that the graph does not hold a copy."""
    return tf.Variable(np.asarray(array, np.float32), trainable=False)


WORKLOADS: dict[str, Callable[[], Any]] = {
    each.__name__: each for each in (perceptron, adam, convolutions, chain)
}
