"""Times one training step written in ways that should make no difference.

python tools/compare_steps.py [rounds]

The step is that of a network of two layers. The other ways have a placeholder without a
shape, sizes computed from `tf.shape`, a dropout rate that is fed, labels that are words of
a table, a batch from `tf.data`. Each is compared with the plain step of the same work, in
alternation; printed are medians, and the middle half of the ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import graphopt as tf
from graphopt.codegen.machine import get_machine

v1 = tf.compat.v1
BATCH, WIDTH, CLASSES = 128, 784, 10
STEPS = 50
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, WIDTH)).astype(np.float32)
NUMBERS = RNG.integers(0, CLASSES, BATCH)
WORDS = np.array([f"class {i}".encode() for i in NUMBERS], object)

Step = Callable[[], None]


def train(x: Any, labels: Any, rate: Any = None) -> Any:
    """Returns the op of a step."""
    with v1.variable_scope("net", reuse=v1.AUTO_REUSE):
        w1 = v1.get_variable("w1", [WIDTH, 256])
        w2 = v1.get_variable("w2", [256, CLASSES])
    hidden = tf.nn.relu(x @ w1)
    if rate is not None:
        hidden = tf.nn.dropout(hidden, rate=rate, seed=1)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=hidden @ w2
    )
    return v1.train.AdamOptimizer(1e-4).minimize(tf.reduce_mean(losses))


def in_session(build: Callable[[], tuple[Any, dict[Any, Any]]]) -> Step:
    """Returns a function that runs a step of a graph of its own."""
    session = v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        op, feeds = build()
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    return lambda: session.run(op, feeds)


def plain() -> tuple[Any, dict[Any, Any]]:
    """Sizes are known but for the batch."""
    x = v1.placeholder(tf.float32, [None, WIDTH])
    y = v1.placeholder(tf.int64, [None])
    return train(x, y), {x: X, y: NUMBERS}


def without_shape() -> tuple[Any, dict[Any, Any]]:
    """Nothing is known of what is fed."""
    x = v1.placeholder(tf.float32)
    y = v1.placeholder(tf.int64)
    return train(x, y), {x: X, y: NUMBERS}


def sizes_of_shapes() -> tuple[Any, dict[Any, Any]]:
    """Images are flattened and cut by sizes from their shape."""
    x = v1.placeholder(tf.float32, [None, 28, 28])
    y = v1.placeholder(tf.int64, [None])
    count = tf.shape(x)[0]
    flat = tf.reshape(x, [count, tf.shape(x)[1] * tf.shape(x)[2]])
    flat = flat[: count * 2 // 2]
    flat.set_shape([None, WIDTH])
    return train(flat, y), {x: X.reshape(-1, 28, 28), y: NUMBERS}


def fixed_rate() -> tuple[Any, dict[Any, Any]]:
    """With dropout."""
    x = v1.placeholder(tf.float32, [None, WIDTH])
    y = v1.placeholder(tf.int64, [None])
    return train(x, y, 0.25), {x: X, y: NUMBERS}


def fed_rate() -> tuple[Any, dict[Any, Any]]:
    """With dropout at a rate that is fed, without a shape."""
    x = v1.placeholder(tf.float32, [None, WIDTH])
    y = v1.placeholder(tf.int64, [None])
    rate = v1.placeholder(tf.float32)
    return train(x, y, rate), {x: X, y: NUMBERS, rate: 0.25}


def words() -> tuple[Any, dict[Any, Any]]:
    """Labels are words, looked up in a table."""
    x = v1.placeholder(tf.float32, [None, WIDTH])
    y = v1.placeholder(tf.string, [None])
    names = [f"class {i}" for i in range(CLASSES)]
    entries = tf.lookup.KeyValueTensorInitializer(names, np.arange(CLASSES))
    table = tf.lookup.StaticHashTable(entries, -1)
    return train(x, table.lookup(y)), {x: X, y: WORDS}


def pipeline() -> tuple[Any, dict[Any, Any]]:
    """Batches come from a data set."""
    many = np.tile(X, (40, 1)), np.tile(NUMBERS, 40)
    data = tf.data.Dataset.from_tensor_slices(many).shuffle(5000, seed=1).repeat()
    data = data.map(lambda a, b: (a * 0.5, b)).batch(BATCH, drop_remainder=True)
    x, y = v1.data.make_one_shot_iterator(data.prefetch(2)).get_next()
    return train(x, y), {}


PAIRS = (
    ("placeholder without a shape", plain, without_shape),
    ("sizes from tf.shape", plain, sizes_of_shapes),
    ("fed dropout rate", fixed_rate, fed_rate),
    ("labels by a table of words", plain, words),
    ("tf.data: shuffle, map, batch", plain, pipeline),
)


def milliseconds(step: Step) -> float:
    """The time of one step, over a few."""
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return 1e3 * (time.perf_counter() - start) / STEPS


def main() -> None:
    """Prints a row for each way."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    machine = get_machine()
    print(f"processor {machine.cpu}, vectors of {machine.vector_bits} bits")
    print(f"{'':30} {'plain, ms':>10} {'this, ms':>10}   ratio (middle half)")
    for name, *builds in PAIRS:
        steps = [in_session(build) for build in builds]
        for step in steps:
            milliseconds(step)
        times = [[milliseconds(step) for step in steps] for _ in range(rounds)]
        ratios = sorted(b / a for a, b in times)
        first, _, last = statistics.quantiles(ratios, n=4)
        a, b = (statistics.median(column) for column in zip(*times, strict=True))
        middle = statistics.median(ratios)
        print(f"{name:30} {a:10.3f} {b:10.3f}   {middle:.3f} ({first:.3f}-{last:.3f})")


if __name__ == "__main__":
    main()
