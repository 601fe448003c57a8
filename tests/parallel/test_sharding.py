"""Optimizer state in pieces, and the same bits for any number of ranks."""

from __future__ import annotations

import inspect

import pytest

import graphopt as tf
from graphopt.graph.opspec import Alias, Elementwise, Source
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.updates import Step
from tests.parallel.ranks import run_ranks

PIECES = """
import contextlib
import hashlib
import numpy as np
import graphopt as tf
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.parallel.communicator import world

group = world()
rank, size = group.rank, group.size
rng = np.random.default_rng(0)
rows = 12
x = rng.standard_normal((rows, 13)).astype(np.float32)
t = rng.standard_normal((rows, 3)).astype(np.float32)
first = [0.3 * rng.standard_normal(s).astype(np.float32) for s in ((13, 7), (7,), (7, 3), (3,))]
cases = [
    ("SGD", {"momentum": 0.9}), ("Adam", {}), ("Adam", {"global_clipnorm": 0.5}),
    ("Adam", {"clipnorm": 0.1}), ("Adam", {"clipvalue": 0.01}),
    ("AdamW", {"weight_decay": 0.1, "use_ema": True}),
    ("Adam", {"gradient_accumulation_steps": 2}), ("Adam", {"on_nonfinite": "skip"}),
    ("Lamb", {"global_clipnorm": 0.5}), ("Muon", {}), ("Adafactor", {}), ("Ftrl", {}),
    ("RMSprop", {"centered": True}), ("LARS", {}), ("Lion", {}), ("Nadam", {}),
]


def train(aggregation, name, options, mode):
    variables = [tf.Variable(value) for value in first]
    optimizer = getattr(tf.keras.optimizers, name)(**options)
    own = slice(None)
    if aggregation is not None:
        part = rows // size
        own = slice(rank * part, (rank + 1) * part)

    def step():
        with tf.GradientTape() as tape:
            h = tf.nn.tanh(x[own] @ variables[0] + variables[1])
            loss = tf.reduce_mean((h @ variables[2] + variables[3] - t[own]) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    step = tf.function(step) if mode == "function" else step
    with aggregating(aggregation) if aggregation else contextlib.nullcontext():
        for _ in range(4):
            step()
    return [v.numpy() for v in variables], optimizer


def differ(a, b):
    return float(np.abs(a - b).max() / max(1.0, np.abs(a).max()))


found = {}
modes = ("function", "eager") if size == 2 else ("function",)
for name, options in cases[:: 1 if size == 2 else 3]:
    for mode in modes:
        expected, whole = train(None, name, options, mode)
        pieces = Aggregation(group.group, size, mean=True, shard_optimizer=True)
        values, optimizer = train(pieces, name, options, mode)
        error = max(differ(a, b) for a, b in zip(expected, values))
        bits = hashlib.sha256(b"".join(v.tobytes() for v in values)).hexdigest()
        assert len(set(group.gather_objects(bits))) == 1, (name, mode)
        # What is gathered for a file is what one rank would have.
        slots = zip(whole.get_weights(), optimizer.get_weights())
        error = max([error, *(differ(a, b) for a, b in slots if np.ndim(a))])
        found[f"{name} {options} {mode}"] = error
pieces = Aggregation(group.group, size, mean=True, shard_optimizer=True)
optimizer = train(pieces, "Nadam", {}, "function")[1]
held = sum(int(np.prod(w.shape)) for w in optimizer.weights if w.shape.rank)
report([found, held])
"""


@pytest.mark.parametrize("size", [2, 3])
def test_pieces_of_the_state_train_like_the_whole(size):
    for found, held in run_ranks(size, PIECES):
        assert len(found) == (32 if size == 2 else 6)
        wrong = {name: error for name, error in found.items() if not error < 5e-6}
        assert not wrong
        # Two slots of Nadam, of 13 x 7 + 7 + 7 x 3 + 3 = 122 elements.
        assert held <= 2 * (122 / size + 4)


FILES = """
import sys
import numpy as np
import graphopt as tf

folder, name, rounds = sys.argv[1:]
strategy = tf.distribute.MPIStrategy(shard_optimizer=True)
rank, size = strategy.rank, strategy.size
rng = np.random.default_rng(0)
x = rng.standard_normal((24, 13)).astype(np.float32)
part = 24 // size
with strategy.scope():
    variables = [tf.Variable(rng.standard_normal(s).astype(np.float32)) for s in ((13, 7), (7, 3))]
    optimizer = getattr(tf.keras.optimizers, name)(0.01)
    checkpoint = tf.train.Checkpoint(variables=variables, optimizer=optimizer)
    last = tf.train.latest_checkpoint(folder)
    if last:
        checkpoint.restore(last)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((tf.nn.tanh(x @ variables[0]) @ variables[1]) ** 2) / 24
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    found = []
    for _ in range(int(rounds)):
        for _ in range(3):
            strategy.run(step, args=(x[rank * part:(rank + 1) * part],))
        weights = [np.abs(w).sum() for w in optimizer.get_weights() if np.ndim(w)]
        values = [np.abs(v.numpy()).sum() for v in variables]
        found.append([int(optimizer.iterations), *map(float, [*weights, *values])])
    checkpoint.save(folder + "/model")
report(found)
"""


@pytest.mark.parametrize("name", ["Adam", "Lamb"])
def test_files_hold_whole_slots_for_any_number_of_ranks(name, tmp_path):
    several, alone = tmp_path / "several", tmp_path / "alone"
    several.mkdir()
    alone.mkdir()
    (rounds,) = run_ranks(1, FILES, alone, name, 3)
    for size, expected in zip((2, 3, 1), rounds, strict=True):
        for (found,) in run_ranks(size, FILES, several, name, 1):
            assert found == pytest.approx(expected, rel=1e-5)


FIT = """
import numpy as np
import graphopt as tf

tf.keras.backend.set_floatx("float64")
strategy = tf.distribute.MPIStrategy(shard_optimizer=True, bucket_bytes=1 << 10)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((50, 9)), rng.standard_normal((50, 2))
found = []
optimizers = tf.keras.optimizers
for make in (
    lambda: optimizers.Adam(0.01, clipnorm=0.5),
    lambda: optimizers.Lamb(0.01, global_clipnorm=0.5),
    lambda: optimizers.LossScaleOptimizer(optimizers.Lamb(0.01)),
):
    first = np.random.default_rng(3)
    with strategy.scope():
        model = tf.keras.Sequential([
            tf.keras.layers.Dense(17, "tanh", input_shape=(9,)),
            tf.keras.layers.Dense(2),
        ])
        model.set_weights([first.standard_normal(w.shape) for w in model.get_weights()])
        model.compile(make(), "mse")
    history = model.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False)
    slots = [w for w in model.optimizer.get_weights() if np.ndim(w)]
    found += [*history.history["loss"], *(float(np.abs(w).sum()) for w in slots)]
report(found)
"""


def test_fit_trains_in_pieces():
    (alone,) = run_ranks(1, FIT)
    # Float64 on all ranks: nothing on the way is narrower.
    for found in run_ranks(3, FIT):
        assert found == pytest.approx(alone, rel=1e-12)


BITS = """
import hashlib
import numpy as np
import graphopt as tf

strategy = tf.distribute.MPIStrategy(shards=4)
rank, size = strategy.rank, strategy.size
tf.random.set_seed(1)
rng = np.random.default_rng(0)
x = rng.standard_normal((64, 20)).astype(np.float32)
y = rng.integers(0, 5, 64)
words = rng.integers(0, 40, (64, 3))
losses = tf.keras.losses
found = {}


def note(name, variables):
    data = b"".join(v.numpy().tobytes() for v in variables)
    found[name] = hashlib.sha256(data).hexdigest()


for batch in (32, 30):
    with strategy.scope():
        model = tf.keras.Sequential([
            tf.keras.layers.Dense(32, activation="relu", input_shape=(20,)),
            tf.keras.layers.Dense(5),
        ])
        model.compile(
            tf.keras.optimizers.Adam(0.01, global_clipnorm=1.0),
            losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    history = model.fit(x, y, batch_size=batch, epochs=2, verbose=0, shuffle=False)
    note(f"fit {batch}", model.trainable_variables)
with strategy.scope():
    table = tf.Variable(rng.standard_normal((40, 8)).astype(np.float32))
    w = tf.Variable(rng.standard_normal((24, 5)).astype(np.float32))
    optimizer = tf.keras.optimizers.Adam(0.01)


def step(ids, labels):
    with tf.GradientTape() as tape:
        h = tf.reshape(tf.gather(table, ids), [-1, 24])
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=h @ w)
        loss = tf.nn.compute_average_loss(each, global_batch_size=32)
    gradients = tape.gradient(loss, [table, w])
    optimizer.apply_gradients(zip(gradients, [table, w]))
    return loss


@tf.function
def train(ids, labels):
    return strategy.reduce("SUM", strategy.run(step, args=(ids, labels)))


part = 32 // size
for i in range(4):
    own = slice((i % 2) * 32 + rank * part, (i % 2) * 32 + (rank + 1) * part)
    train(tf.constant(words[own]), tf.constant(y[own]))
note("rows", [table, w])
report(found)
"""


def test_shards_give_the_same_bits_on_any_number_of_ranks():
    found = [each for size in (1, 2, 4) for each in run_ranks(size, BITS)]
    assert all(each == found[0] for each in found)
    assert len(set(found[0].values())) == 3


def optimizers():
    names = vars(tf.keras.optimizers).values()
    classes = {c for c in names if inspect.isclass(c) and issubclass(c, Optimizer)}
    return sorted(
        (c for c in classes if c.is_elementwise is True), key=lambda c: c.__name__
    )


@pytest.mark.parametrize("kind", optimizers(), ids=lambda kind: kind.__name__)
def test_elementwise_equations_look_at_one_place_only(kind):
    with tf.Graph().as_default() as graph:
        optimizer, v = kind(), tf.Variable([1.0, 2.0, 3.0])
        state = optimizer._prepare
        optimizer.build([v])
        optimizer._begin_step(Step())
        before = len(graph.operations)
        names = list(optimizer._slots_of(v))
        w, g, *slots = [
            tf.compat.v1.placeholder(tf.float32, [3]) for _ in range(2 + len(names))
        ]
        given = state([v])[v.device, v.dtype]
        known = inspect.signature(optimizer.update).parameters
        rest = {k: value for k, value in given.items() if k in known}
        optimizer.update(w, g, **dict(zip(names, slots, strict=True)), **rest)
        for op in graph.operations[before:]:
            is_vector = any(t.shape.rank for t in (*op.inputs, *op.outputs))
            allowed = isinstance(op.spec.kernel, (Elementwise, Source, Alias))
            assert allowed or not is_vector, op
