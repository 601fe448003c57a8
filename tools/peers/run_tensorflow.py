"""TensorFlow: a graph of version 1 and `make_callable`, its fastest way for small steps."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from peers.formulas import loss_of
from peers.workloads import Array, Workload


def build(
    w: Workload, params: list[Array], data: list[Array]
) -> tuple[Callable[[], Any], Callable[[], list[Array]]]:
    """Returns what takes a step, and what returns the results."""
    v1 = tf.compat.v1
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    config = v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
    )
    with tf.Graph().as_default():
        variables = [v1.Variable(p, use_resource=True) for p in params]
        loss = loss_of(tf, w, variables, [tf.constant(d) for d in data])
        if w.optimizer == "none":
            left = v1.Variable(params[0] * 0, use_resource=True)
            value = v1.Variable(0.0, use_resource=True)
            (gradient,) = tf.gradients(loss, variables)
            train = tf.group(left.assign(gradient).op, value.assign(loss).op)
            variables = [left]
        elif w.optimizer == "sgd":
            train = v1.train.GradientDescentOptimizer(w.rate).minimize(loss)
        else:
            optimizer = v1.train.AdamOptimizer(w.rate, epsilon=1e-7)
            train = optimizer.minimize(loss, var_list=variables)
        session = v1.Session(config=config)
        session.run(v1.global_variables_initializer())
        step = session.make_callable(train)
    return step, lambda: session.run(variables)
