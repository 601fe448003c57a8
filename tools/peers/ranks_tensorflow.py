"""TensorFlow: what Horovod does, between two runs of a graph: gradients, MPI, update.

Dense gradients travel as one array, rows of sparse ones by an all-gather.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from mpi4py import MPI

from peers.ranks import Array, Training, loss_of, make_data, make_weights


def build(
    training: Training,
) -> tuple[int, Callable[[], Any], Callable[[], list[Array]]]:
    """Returns the rank, what takes a step, and what returns the weights."""
    v1, comm = tf.compat.v1, MPI.COMM_WORLD
    rank, size = comm.Get_rank(), comm.Get_size()
    config = v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
    )
    data = make_data(training, rank, size)
    with tf.Graph().as_default():
        weights = [v1.Variable(w, use_resource=True) for w in make_weights(training)]
        loss = loss_of(tf, training, weights, [tf.constant(d) for d in data])
        grads = tf.gradients(loss, weights)
        sparse = [g for g in grads if isinstance(g, tf.IndexedSlices)]
        dense = [g for g in grads if not isinstance(g, tf.IndexedSlices)]
        rows = [part for g in sparse for part in (g.values, g.indices)]
        fed_rows = [v1.placeholder(part.dtype) for part in rows]
        fed = [v1.placeholder(g.dtype, g.shape) for g in dense]
        slices = iter(
            tf.IndexedSlices(fed_rows[i], fed_rows[i + 1])
            for i in range(0, len(fed_rows), 2)
        )
        arrays = iter(fed)
        given = [
            next(slices) if isinstance(g, tf.IndexedSlices) else next(arrays)
            for g in grads
        ]
        if training.is_sparse:
            optimizer: Any = v1.train.GradientDescentOptimizer(training.rate)
        else:
            optimizer = v1.train.AdamOptimizer(training.rate, epsilon=1e-7)
        train = optimizer.apply_gradients(list(zip(given, weights, strict=True)))
        session = v1.Session(config=config)
        session.run(v1.global_variables_initializer())
        compute = session.make_callable([*rows, *dense])
        update = session.make_callable(train, feed_list=[*fed_rows, *fed])
    shapes = [tuple(g.shape) for g in dense]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    flat = np.empty(ends[-1], np.float32)
    parts = [
        flat[a:b].reshape(shape)
        for a, b, shape in zip(ends[:-1], ends[1:], shapes, strict=True)
    ]

    def step() -> None:
        found = compute()
        gathered = []
        for part in found[: len(rows)]:
            every = np.empty((size * len(part), *part.shape[1:]), part.dtype)
            comm.Allgather(np.ascontiguousarray(part), every)
            if every.dtype == np.float32:
                every /= size
            gathered.append(every)
        for place, part in zip(parts, found[len(rows) :], strict=True):
            place[...] = part
        comm.Allreduce(MPI.IN_PLACE, flat)
        np.divide(flat, size, out=flat)
        update(*gathered, *parts)

    return rank, step, lambda: list(session.run(weights))
