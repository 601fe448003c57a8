"""graphopt: a train op under `MPIStrategy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphopt as tf
from peers.ranks import Array, Training, loss_of, make_data, make_weights


def build(
    training: Training,
) -> tuple[int, Callable[[], Any], Callable[[], list[Array]]]:
    """Returns the rank, what takes a step, and what returns the weights."""
    strategy = tf.distribute.MPIStrategy(check_replicas_every=0)
    data = make_data(training, strategy.rank, strategy.size)
    with tf.Graph().as_default(), strategy.scope():
        weights = [tf.Variable(w) for w in make_weights(training)]
        loss = loss_of(tf, training, weights, [tf.constant(d) for d in data])
        # The optimizer sums over ranks, and the loss is the mean of one.
        loss = loss / float(strategy.size)
        rate = training.rate
        optimizers = tf.keras.optimizers
        optimizer = (
            optimizers.SGD(rate) if training.is_sparse else optimizers.Adam(rate)
        )
        train = optimizer.minimize(loss, weights)
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
    return (
        strategy.rank,
        lambda: session.run_operation(train),
        lambda: [session.run(w) for w in weights],
    )
