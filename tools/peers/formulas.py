"""The losses in TensorFlow's names, for every module that has them."""

from __future__ import annotations

from typing import Any

from peers.workloads import Workload


def loss_of(tf: Any, w: Workload, p: list[Any], d: list[Any]) -> Any:
    """Returns the loss.

    Args:
      tf: TensorFlow, or a module with its names.
      w: What is trained.
      p: The variables.
      d: The data, as tensors.
    """
    if w.model == "quadratic":
        return 3 * p[0] * p[0] + 2 * p[1] * p[1]
    if w.model == "chain":
        x = p[0]
        y = tf.tanh(x) * tf.sigmoid(2.0 * x + 1.0) + tf.exp(-x * x) * (x * x + 0.5)
        return tf.reduce_mean(y - 0.1 * x)
    h = d[0]
    for i in range(0, len(p), 2):
        h = tf.matmul(h, p[i]) + p[i + 1]
        if i + 2 < len(p):
            h = tf.nn.relu(h)
    if w.loss == "entropy":
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=d[1], logits=h)
        )
    return tf.reduce_mean(tf.math.squared_difference(h, d[1]))
