"""graphopt: a train op that is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphopt as tf
from peers.formulas import loss_of
from peers.workloads import Array, Workload


def build(
    w: Workload, params: list[Array], data: list[Array]
) -> tuple[Callable[[], Any], Callable[[], list[Array]]]:
    """Returns what takes a step, and what returns the results."""
    with tf.Graph().as_default():
        variables = [tf.Variable(p) for p in params]
        loss = loss_of(tf, w, variables, [tf.constant(d) for d in data])
        session = tf.compat.v1.Session()
        if w.optimizer == "none":
            left = tf.Variable(params[0] * 0)
            value = tf.Variable(0.0)
            (gradient,) = tf.gradients(loss, variables)
            train = tf.group(left.assign(gradient), value.assign(loss))
            variables = [left]
        elif w.optimizer == "sgd":
            train = tf.keras.optimizers.SGD(w.rate).minimize(loss, variables)
        else:
            train = tf.keras.optimizers.Adam(w.rate).minimize(loss, variables)
        session.run(tf.compat.v1.global_variables_initializer())

    def step() -> None:
        session.run_operation(train)

    return step, lambda: [session.run(v) for v in variables]
