"""TensorFlow 1's optimizers against equations in NumPy, in every mode and dtype."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config
from tests.keras.train_v1_oracles import ORACLES, make

v1 = tf.compat.v1
train = v1.train

STEPS = 6
each_oracle = pytest.mark.parametrize("oracle", ORACLES, ids=lambda o: o[0].__name__)
each_class = pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, arguments) for _, name, arguments, _ in ORACLES],
    ids=[o[0].__name__ for o in ORACLES],
)


def draw(shape):
    return np.random.default_rng(5).standard_normal((STEPS + 1, *shape))


@each_oracle
@pytest.mark.parametrize(
    ("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-5), ("float16", 0.05)]
)
def test_dense_steps_follow_the_equation(oracle, dtype, rtol):
    equation, name, arguments, starts = oracle
    # Both begin with the same numbers, rounded to the dtype.
    start, *grads = draw((3, 2)).astype(dtype).astype(np.float64)
    w, step = tf.Variable(start.astype(dtype)), tf.Variable(0, dtype=tf.int64)
    opt = make(name, arguments, step)
    want, slots = start, {s: np.full_like(start, v) for s, v in starts.items()}
    for t, g in enumerate(grads, 1):
        opt.apply_gradients([(tf.constant(g.astype(dtype)), w)], global_step=step)
        want = equation(t, want, g, slots)
        np.testing.assert_allclose(w.numpy(), want, rtol=rtol, atol=rtol)
    assert w.numpy().dtype == dtype
    assert opt.get_slot_names() == sorted(starts)
    for slot, value in slots.items():
        np.testing.assert_allclose(
            opt.get_slot(w, slot).numpy(), value, rtol=rtol, atol=rtol
        )


@each_oracle
@pytest.mark.parametrize("jit", ["never", "always"])
def test_sparse_steps_follow_the_equation_on_the_rows_named(oracle, jit):
    equation, name, arguments, starts = oracle
    start, *values = draw((5, 2))
    indices = [np.array([t % 6, 3, t % 6, 0, (t + 1) % 6]) for t in range(STEPS)]
    start = np.concatenate([start, start[:1]])
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w, step = tf.Variable(start), train.get_or_create_global_step()
        opt = make(name, arguments, step)
        rows, which = v1.placeholder(tf.float64, [5, 2]), v1.placeholder(tf.int64, [5])
        op = opt.apply_gradients([(tf.IndexedSlices(rows, which), w)], step)
        session.run(v1.global_variables_initializer())
        want, slots = start, {s: np.full_like(start, v) for s, v in starts.items()}
        for t, (g, i) in enumerate(zip(values, indices, strict=True), 1):
            session.run(op, {rows: g, which: i})
            dense = np.zeros_like(start)
            np.add.at(dense, i, g)
            touched = slice(None) if name == "Adam" else np.unique(i)
            part = {s: v[touched] for s, v in slots.items()}
            want = want.copy()
            want[touched] = equation(t, want[touched], dense[touched], part)
            for slot, value in part.items():
                slots[slot][touched] = value
            np.testing.assert_allclose(session.run(w), want, rtol=1e-12, atol=1e-12)
        for slot, value in slots.items():
            got = session.run(opt.get_slot(w, slot))
            np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12)


@each_class
def test_nothing_is_compiled_for_a_second_step_or_another_rate(name, arguments):
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        step = train.get_or_create_global_step()
        fed, variable = v1.placeholder(tf.float32, []), tf.Variable(0.5)
        x = v1.placeholder(tf.float32, [None, 3])
        ops = []
        for rate in (fed, variable, train.exponential_decay(0.1, step, 2, 0.5)):
            w = tf.Variable(tf.ones([3, 2]))
            opt = make(name, {**arguments, "learning_rate": rate}, step)
            loss = tf.reduce_mean(tf.matmul(x, w) ** 2.0)
            ops.append(opt.minimize(loss, step, var_list=[w]))
        session.run(v1.global_variables_initializer())
        batch = np.ones((4, 3), np.float32)
        session.run(ops, {x: batch, fed: 0.1})
        before = record.kernels
        session.run(variable.assign(0.25))
        assigned = record.kernels - before
        for rows, rate in ((4, 0.1), (4, 0.2), (7, 0.3)):
            session.run(ops, {x: np.ones((rows, 3)), fed: rate})
        assert record.kernels - before == assigned


@each_class
@pytest.mark.parametrize("kind", ["number", "tensor", "variable", "callable"])
def test_kinds_of_learning_rates_are_equal(name, arguments, kind):
    def steps(rate):
        w, count = tf.Variable([1.0, -2.0]), tf.Variable(0, dtype=tf.int64)
        opt = make(name, {**arguments, "learning_rate": rate}, count)
        for _ in range(3):
            opt.minimize(lambda: tf.reduce_sum(w * w), global_step=count)
        return w.numpy()

    rates = {
        "number": 0.3,
        "tensor": tf.constant(0.3),
        "variable": tf.Variable(0.3, trainable=False),
        "callable": lambda: 0.3,
    }
    np.testing.assert_array_equal(steps(rates[kind]), steps(0.3))


@each_class
def test_a_traced_function_steps_like_eager_mode(name, arguments):
    def build():
        w, count = tf.Variable([1.0, -2.0], name="w"), tf.Variable(0, dtype=tf.int64)
        opt = make(name, arguments, count)

        def step():
            opt.minimize(lambda: tf.reduce_sum(w * w), global_step=count)
            return tf.reduce_sum(w)

        return w, count, opt, step

    w, _, opt, step = build()
    v, count, traced_opt, other = build()
    traced = tf.function(other)
    for _ in range(4):
        step()
        traced()
    np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-6)
    assert int(count) == 4
    names = [slot.name for slot in opt.variables()]
    assert [slot.name for slot in traced_opt.variables()] == names
