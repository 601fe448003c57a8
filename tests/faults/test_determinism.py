"""The same bits in every process, for any hash seed and any state of the cache."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import hashlib
import numpy as np
import graphopt as tf

v1 = tf.compat.v1
rng = np.random.default_rng(0)
with tf.Graph().as_default() as graph, v1.Session() as session:
    v1.set_random_seed(7)
    x = tf.constant(rng.standard_normal((40, 30)), tf.float32)
    labels = tf.constant(rng.integers(0, 5, 40))
    w1, b1 = tf.Variable(v1.random_normal([30, 20])), tf.Variable(tf.zeros([20]))
    w2, b2 = tf.Variable(v1.random_normal([20, 5])), tf.Variable(tf.zeros([5]))
    h = tf.nn.dropout(tf.nn.relu(x @ w1 + b1), rate=0.3, seed=3)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=h @ w2 + b2))
    variables = {w1, b1, w2, b2}
    optimizer = tf.keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    train = optimizer.minimize(loss, [w1, b1, w2, b2])
    session.run(v1.global_variables_initializer())
    for _ in range(20):
        session.run(train)
    state = session.run([w1, b1, w2, b2, loss])
eager = tf.Variable(rng.standard_normal((7, 5)))
for _ in range(5):
    tf.keras.optimizers.RMSprop(0.1).minimize(
        lambda: tf.reduce_sum(tf.sin(eager) ** 2.0), [eager])
parts = [a.tobytes() for a in state] + [eager.numpy().tobytes()]
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""


def run(tmp_path, cache, seed):
    environment = {
        **os.environ,
        "GRAPHOPT_CACHE_DIR": str(tmp_path / cache),
        "PYTHONHASHSEED": seed,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_bits_are_the_same_in_every_process(tmp_path):
    kinds = [("a", "0"), ("a", "1"), ("a", "random"), ("b", "random")]
    digests = {run(tmp_path, cache, seed) for cache, seed in kinds}
    assert len(digests) == 1
