"""New weights that are awaited in the next step: where, and with the same bits."""

from __future__ import annotations

import pytest

import graphopt as tf
from graphopt.graph.hooks import hooks
from graphopt.graph.program import Program
from graphopt.ops.collectives import (
    ALL_GATHER,
    REDUCE_SCATTER_START,
    REDUCE_SCATTER_WAIT,
)
from graphopt.ops.gathered import (
    ALL_GATHER_SETTLE,
    ALL_GATHER_START,
    ASSIGN_GATHERED,
)
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.runtime.runner import lower_program
from tests.parallel.ranks import run_ranks

# ---- the plan


class Group:
    """What passes and lowering ask of a communicator, of rank 0 of two."""

    bucket_bytes = 1 << 10
    terms = 2
    rank = 0
    defers = True


@pytest.fixture
def group(monkeypatch):
    found = Group()
    monkeypatch.setattr(hooks, "communicator", lambda number: found)
    return found


def layers(count=4, width=16, behind=None, name="Adam", **options):
    """A step of several layers on one of two ranks, which keep pieces of the slots."""
    x = tf.compat.v1.placeholder(tf.float32, [8, width])
    variables = [tf.Variable(tf.eye(width)) for _ in range(count)]
    h = x
    for v in variables:
        h = tf.nn.relu(tf.matmul(h, v))
    ranks = Aggregation(0, 2, bucket_bytes=1 << 10, shard_optimizer=True)
    with aggregating(ranks):
        optimizer = getattr(tf.keras.optimizers, name)(0.1, **options)
        train = optimizer.minimize(tf.reduce_mean(h * h), variables)
    fetches = ()
    if behind is not None:
        with tf.control_dependencies([train]):
            fetches = (behind(variables),)
    return Program(train.graph, (x,), fetches, (train,), (tf.TensorShape([8, width]),))


def places(ops, spec):
    return [i for i, op in enumerate(ops) if op.spec is spec]


@pytest.mark.parametrize("name", ["Adam", "Lamb"])
def test_what_is_gathered_is_awaited_by_its_first_reader_in_the_next_run(group, name):
    with tf.Graph().as_default():
        program = run_passes(layers(name=name), PIPELINE)
    ops = list(program.operations)
    settles, starts = places(ops, ALL_GATHER_SETTLE), places(ops, ALL_GATHER_START)
    assert not places(ops, ALL_GATHER) and not places(ops, ASSIGN_GATHERED)
    # Pieces travel in buckets, whole variables at once.
    assert len(settles) == len(starts) == (4 if name == "Adam" else 1)
    assert max(settles) < min(starts)
    products = [i for i, op in enumerate(ops) if op.type == "MatMul"]
    # The first layer's come first, and the others' are awaited between the layers.
    for settle, product in zip(settles, products, strict=False):
        assert settle < product
        assert name == "Lamb" or {t.op for t in ops[product].inputs} & {
            op for op in ops if ops[settle] in op.control_inputs
        }
    if name == "Adam":
        assert products[0] < settles[1] < products[1] < settles[2] < products[2]
    handles = [op.inputs[0] for op in (ops[i] for i in settles)]
    assert handles == [op.inputs[3] for op in (ops[i] for i in starts)]


def test_pieces_of_gradients_travel_while_others_are_computed(group):
    with tf.Graph().as_default():
        ops = list(run_passes(layers(), PIPELINE).operations)
    starts, waits = places(ops, REDUCE_SCATTER_START), places(ops, REDUCE_SCATTER_WAIT)
    products = [i for i, op in enumerate(ops) if op.type == "MatMul"]
    assert len(starts) == len(waits) == 4
    assert starts[0] < products[-3] and max(starts) < min(waits)


def test_nothing_else_is_where_values_arrive_and_no_check_comes_behind(group):
    with tf.Graph().as_default():
        schedule = lower_program(run_passes(layers(), PIPELINE))
    assert schedule.has_lasting and not schedule.fails_late
    lasting = [b for s in schedule.steps if s.lowered.lasting for b in s.outputs]
    assert len(lasting) == 4 * (2 + 1)
    for a in lasting:
        assert a.first == 0 and a.last == len(schedule.steps)
        for b in schedule.buffers:
            if b is a or b.kind != "arena" or b.parent is a:
                continue
            ends = a.offset + a.nbytes <= b.offset
            assert ends or b.offset + b.nbytes <= a.offset, (a, b)
    # The row is written where it is sent from.
    for step in schedule.steps:
        if step.op.spec is ALL_GATHER_START:
            assert len(step.lowered.calls) <= 2


def awaits_at_once(program):
    kinds = [op.spec for op in run_passes(program, PIPELINE).operations]
    return ALL_GATHER in kinds, ALL_GATHER_START in kinds


def test_who_reads_a_new_value_in_the_same_step_has_it_awaited_there(group):
    with tf.Graph().as_default():
        program = layers(behind=lambda variables: variables[1].read_value())
        assert awaits_at_once(program) == (True, True)
    with tf.Graph().as_default():
        program = layers(1, behind=lambda variables: variables[0].read_value())
        assert awaits_at_once(program) == (True, False)


def test_on_one_machine_it_is_awaited_at_once(group):
    group.defers = False
    with tf.Graph().as_default():
        assert awaits_at_once(layers()) == (True, False)


def test_a_step_that_can_fail_behind_it_awaits_it(group):
    def look(variables):
        return tf.debugging.check_numerics(tf.constant(1.0) * variables[0].shape[0], "")

    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        program = layers(behind=look)
        (x,) = program.feeds
        plan = session.plan(
            [program.fetches[0], program.targets[0]], {x: [[0.0] * 16] * 8}
        )
        kinds = {step.type for step in plan.steps}
        assert graph and ("AllGather" in kinds) != ("AllGatherStart" in kinds)


# ---- the same bits

BITS = """
import hashlib
import sys
import numpy as np
import graphopt as tf
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.parallel.communicator import world
from graphopt.runtime.late_values import LateValues

group = world()
rank, size = group.rank, group.size
rng = np.random.default_rng(0)
x = rng.standard_normal((12, 13)).astype(np.float32)
t = rng.standard_normal((12, 3)).astype(np.float32)
first = [0.3 * rng.standard_normal(s).astype(np.float32) for s in ((13, 7), (7,), (7, 3), (3,))]
own = slice(rank * 12 // size, (rank + 1) * 12 // size)
ranks = Aggregation(group.group, size, mean=True, bucket_bytes=1 << 8, shard_optimizer=True)
taken = []
take_out = LateValues.take_out
LateValues.take_out = lambda self: (taken.append(self), take_out(self))[1]


def digest(arrays):
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest()


def loss_of(variables, x, t):
    h = tf.nn.tanh(x @ variables[0] + variables[1])
    return tf.reduce_mean((h @ variables[2] + variables[3] - t) ** 2)


def eager(make, wrap=lambda function: function):
    variables, optimizer = [tf.Variable(value) for value in first], make()

    @wrap
    def step(x, t):
        with tf.GradientTape() as tape:
            loss = loss_of(variables, x, t)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    losses = []
    for i in range(10):
        # Every third batch is a smaller one, with a plan of its own.
        few = slice(own.start, own.stop - (i % 3 == 2))
        losses.append(step(tf.constant(x[few]), tf.constant(t[few])).numpy())
    return digest(losses), digest([v.numpy() for v in variables])


def function(make):
    return eager(make, tf.function)


def graph(make):
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        variables = [tf.Variable(value) for value in first]
        inputs, targets = (v1.placeholder(tf.float32, [None, n]) for n in (13, 3))
        train = make().minimize(loss_of(variables, inputs, targets), variables)
        fixed = make().minimize(loss_of(variables, x[own], t[own]), variables)
        session = v1.Session()
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train, {inputs: x[own], targets: t[own]})
            fixed.run(session=session)
        session.run_steps(fixed, 4)
        found = digest(session.run(variables))
        session.close()
        return "", found


def fit(make):
    first = np.random.default_rng(3)
    strategy = tf.distribute.MPIStrategy(shard_optimizer=True, bucket_bytes=1 << 8)
    with strategy.scope():
        model = tf.keras.Sequential([
            tf.keras.layers.Dense(17, "tanh", input_shape=(13,)),
            tf.keras.layers.Dense(3),
        ])
        model.set_weights([first.standard_normal(w.shape) for w in model.get_weights()])
        model.compile(make(), "mse", metrics=["mae"])
    data = np.random.default_rng(4).standard_normal((50, 16)).astype(np.float32)
    history = model.fit(
        data[:, :13], data[:, 13:], batch_size=16, epochs=3, verbose=0, shuffle=False,
        validation_data=(x, t),
    )
    losses = digest(map(np.array, history.history.values()))
    return losses, digest(model.get_weights())


optimizers = tf.keras.optimizers
makes = {
    "Adam": lambda: optimizers.Adam(0.01),
    "Adam clipped": lambda: optimizers.Adam(0.01, global_clipnorm=0.5),
    "Adam averaged": lambda: optimizers.AdamW(0.01, weight_decay=0.1, use_ema=True),
    "Adam accumulated": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "Lamb": lambda: optimizers.Lamb(0.01),
    "Muon": lambda: optimizers.Muon(0.01),
}
found = {}
with aggregating(ranks):
    for name, make in makes.items():
        for way in (graph, function, eager, fit):
            group.defers = False
            before = way(make)
            assert not taken
            group.defers = True
            after = way(make)
            found[f"{name} {way.__name__}"] = [before == after, len(taken)]
            assert len(set(group.gather_objects(after[1]))) == 1
            taken.clear()
report(found)
"""


@pytest.mark.parametrize("size", [2, 3])
def test_late_values_are_the_same_bits(size):
    for found in run_ranks(size, BITS):
        assert len(found) == 24
        assert [name for name, (same, _) in found.items() if not same] == []
        assert [name for name, (_, taken) in found.items() if not taken] == []
