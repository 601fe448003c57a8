"""What each of two ranks runs: every optimizer on two ranks and on one, compared in ulps.

One rank with the whole batch has the sum of the gradients of both; here each rank knows
both, so the same process trains the two in turns and compares what comes out.
"""

from __future__ import annotations

import sys

import numpy as np
from mpi4py import MPI

import graphopt as tf
from tests.keras.optimizer_table import CASES

# Even: what is accumulated in between is each rank's own.
STEPS = 4
rank = MPI.COMM_WORLD.Get_rank()
strategy = tf.distribute.MPIStrategy()
SHAPES = [(5, 3), (4,), (6, 2)]
OPTIONS = {
    "plain": {},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.3},
    "global_clipnorm": {"global_clipnorm": 0.7},
    "accumulation": {"gradient_accumulation_steps": 2},
    "ema": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 2},
    "nonfinite": {"on_nonfinite": "skip"},
    "loss_scale": {},
}


def gradients(seed, step, option):
    """Returns the gradients of both ranks: two dense ones and the rows of a third."""
    found = []
    for each in range(2):
        rng = np.random.default_rng([seed, step, each])
        dense = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES[:2]]
        if option in ("nonfinite", "loss_scale") and step == 2 and each == 1:
            dense[1][0] = np.nan
        values = rng.normal(size=(3, 2)).astype(np.float32)
        rows = rng.integers(0, 6, 3).astype(np.int64)
        found.append((dense, values, rows))
    return found


def arrays_of_one(both):
    dense, values, rows = both[rank]
    return [*dense, (values, rows)]


def arrays_of_all(both):
    (d0, v0, r0), (d1, v1, r1) = both
    dense = [a + b for a, b in zip(d0, d1, strict=True)]
    return [*dense, (np.concatenate([v0, v1]), np.concatenate([r0, r1]))]


def tensors(arrays):
    *dense, rows = arrays
    return [*map(tf.constant, dense), tf.IndexedSlices(*rows, SHAPES[2])]


def of_one(both):
    return tensors(arrays_of_one(both))


def of_all(both):
    return tensors(arrays_of_all(both))


def variables(seed):
    rng = np.random.default_rng(seed)
    return [tf.Variable(rng.normal(size=s).astype(np.float32)) for s in SHAPES]


def make(case, option):
    optimizer = case.make(**OPTIONS[option])
    if option == "loss_scale":
        return tf.keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)
    return optimizer


def in_eager(case, option, seed):
    """Trains on both ranks and on one; returns all variables and slots of both ways."""
    with strategy.scope():
        own, optimizer = variables(seed), make(case, option)
    whole, reference = variables(seed), make(case, option)
    for step in range(STEPS):
        both = gradients(seed, step, option)
        optimizer.apply_gradients(zip(of_one(both), own, strict=True))
        reference.apply_gradients(zip(of_all(both), whole, strict=True))
    got, want = [*own, *optimizer.variables()], [*whole, *reference.variables()]
    return [v.numpy() for v in got], [v.numpy() for v in want]


def in_function(case, option, seed):
    """As `in_eager`, in a traced function that `run` calls."""
    with strategy.scope():
        own, optimizer = variables(seed), make(case, option)
    whole, reference = variables(seed), make(case, option)

    @tf.function
    def step_of_ranks(a, b, values, rows):
        def replica(a, b, values, rows):
            slices = tf.IndexedSlices(values, rows, SHAPES[2])
            optimizer.apply_gradients(zip([a, b, slices], own, strict=True))

        strategy.run(replica, args=(a, b, values, rows))

    for step in range(STEPS):
        both = gradients(seed, step, option)
        dense, values, rows = both[rank]
        step_of_ranks(*map(tf.constant, [*dense, values, rows]))
        reference.apply_gradients(zip(of_all(both), whole, strict=True))
    got, want = [*own, *optimizer.variables()], [*whole, *reference.variables()]
    return [v.numpy() for v in got], [v.numpy() for v in want]


def in_graph(case, option, seed):
    """As `in_eager`, in a graph, with `op.run()`."""

    def train(scope, make_feeds, aggregates):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), scope:
            own, optimizer = variables(seed), make(case, option)
            places = [v1.placeholder(tf.float32, s) for s in SHAPES[:2]]
            values = v1.placeholder(tf.float32, [None, 2])
            rows = v1.placeholder(tf.int64, [None])
            slices = tf.IndexedSlices(values, rows, SHAPES[2])
            train_op = optimizer.apply_gradients(
                zip([*places, slices], own, strict=True),
                experimental_aggregate_gradients=aggregates,
            )
            kept = [*own, *optimizer.variables()]
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                for step in range(STEPS):
                    *fed, of_rows = make_feeds(gradients(seed, step, option))
                    feeds = dict(zip(places, fed, strict=True))
                    feeds |= {values: of_rows[0], rows: of_rows[1]}
                    train_op.run(feed_dict=feeds)
                return session.run(kept)

    got = train(strategy.scope(), arrays_of_one, True)
    want = train(tf.name_scope("alone"), arrays_of_all, False)
    return got, want


def worst_ulps(got, want):
    assert len(got) == len(want)
    worst = 0.0
    for a, b in zip(got, want, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.isfinite(a).all() and np.isfinite(b).all()
        unit = np.spacing(np.maximum(np.abs(a), np.abs(b)).astype(np.float32))
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
        worst = max(worst, float(np.max(difference / unit, initial=0.0)))
    return worst


def main():
    """Returns the worst difference of each case; `few` of them if that is asked for."""
    found = {}
    for number, case in enumerate(CASES):
        if sys.argv[1] == "few" and case.label not in ("Adam", "SGD-momentum"):
            continue
        for option in OPTIONS:
            # Every optimizer, and every option with two of them.
            if option != "plain" and case.label not in ("Adam", "SGD-momentum"):
                continue
            if sys.argv[1] == "few" and option in (
                "clipnorm",
                "clipvalue",
                "nonfinite",
            ):
                continue
            for way in (in_eager, in_function, in_graph):
                try:
                    result = worst_ulps(*way(case, option, number))
                except NotImplementedError as error:
                    result = str(error)
                found[f"{case.label} {option} {way.__name__}"] = result
    return found
