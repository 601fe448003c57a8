"""`tf.contrib.opt`: each equation in NumPy, beside the optimizer."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat.golden import host_steps

v1 = tf.compat.v1
START = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]])
LR, BETA1, BETA2, EPSILON = 0.125, 0.75, 0.875, 2.0**-10


def adam(change):
    def run(w, gradients):
        m, v = np.zeros_like(w), np.zeros_like(w)
        for t, g in enumerate(gradients, 1):
            m = BETA1 * m + (1 - BETA1) * g
            w, v = change(w, g, m, v, t)
        return w

    return run


def nadam(w, g, m, v, t):
    v = BETA2 * v + (1 - BETA2) * g * g
    rate = LR * np.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    ahead = BETA1 * m + (1 - BETA1) * g
    return w - rate * ahead / (np.sqrt(v) + EPSILON), v


def adamax(w, g, m, v, t):
    v = np.maximum(BETA2 * v, np.abs(g))
    return w - LR / (1 - BETA1**t) * m / (v + EPSILON), v


def adamw(w, g, m, v, t):
    w = w - 0.25 * w
    v = BETA2 * v + (1 - BETA2) * g * g
    rate = LR * np.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    return w - rate * m / (np.sqrt(v) + EPSILON), v


def momentumw(w, gradients):
    a = np.zeros_like(w)
    for g in gradients:
        w = w - 0.25 * w
        a = 0.5 * a + g
        w = w - LR * a
    return w


def signs(change):
    def run(w, gradients):
        m = np.zeros_like(w)
        for g in gradients:
            m = BETA1 * m + (1 - BETA1) * g
            w = w - LR * change(np.sign(g) * np.sign(m)) * g
        return w

    return run


def lars(w, gradients):
    a = np.zeros_like(w)
    for g in gradients:
        size, slope = np.linalg.norm(w), np.linalg.norm(g)
        rate = LR * 0.5 * size / (slope + 0.25 * size + EPSILON)
        a = 0.5 * a + rate * (g + 0.25 * w)
        w = w - a
    return w


ADAM = {"learning_rate": LR, "beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON}
CASES = {
    "NadamOptimizer": (ADAM, adam(nadam)),
    "AdaMaxOptimizer": (ADAM, adam(adamax)),
    "AdamWOptimizer": ({"weight_decay": 0.25, **ADAM}, adam(adamw)),
    "MomentumWOptimizer": (
        {"weight_decay": 0.25, "learning_rate": LR, "momentum": 0.5},
        momentumw,
    ),
    "LARSOptimizer": (
        {
            "learning_rate": LR,
            "momentum": 0.5,
            "weight_decay": 0.25,
            "eeta": 0.5,
            "epsilon": EPSILON,
        },
        lars,
    ),
    "AddSignOptimizer": (
        {"learning_rate": LR, "alpha": 2.0, "beta": BETA1},
        signs(lambda s: 2.0 + s),
    ),
    "PowerSignOptimizer": (
        {"learning_rate": LR, "base": 3.0, "beta": BETA1},
        signs(lambda s: 3.0**s),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equations(contrib, name):
    options, equation = CASES[name]
    gradients = np.random.default_rng(4).standard_normal((4, 3, 2))
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(START, name="w")
        g = v1.placeholder(tf.float64, [3, 2])
        opt = getattr(contrib.opt, name)(**options)
        step = opt.apply_gradients([(g, w)])
        session.run(v1.global_variables_initializer())
        assert not host_steps(session, step, {g: gradients[0]})
        for value in gradients:
            session.run(step, {g: value})
        got = session.run(w)
    np.testing.assert_allclose(got, equation(START, gradients), 1e-6)


def test_lazy_adam_leaves_other_rows_alone(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        tables = [tf.Variable(START, name=name) for name in ("lazy", "all")]
        steps = []
        for table, make in zip(
            tables, (contrib.opt.LazyAdamOptimizer, v1.train.AdamOptimizer), strict=True
        ):
            opt = make(**ADAM)
            ids = v1.placeholder_with_default([0], [None])
            loss = tf.reduce_sum(tf.gather(table, ids) ** 2)
            steps.append((opt.minimize(loss, var_list=[table]), ids, opt))
        session.run(v1.global_variables_initializer())
        for rows in ([0], [1]):
            for step, ids, _ in steps:
                session.run(step, {ids: rows})
        lazy, every = session.run(tables)
        assert (lazy[2] == START[2]).all()
        assert lazy[0] != pytest.approx(every[0])
        assert steps[0][2].get_slot(tables[0], "m").name == "lazy/Adam:0"


def test_decay_of_some_variables_and_rows(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        a, b = tf.Variable([4.0, 2.0], name="a"), tf.Variable([4.0], name="b")
        table = tf.Variable([[4.0], [8.0]], name="table")
        loss = 0.0 * (tf.reduce_sum(a) + tf.reduce_sum(b))
        loss += 0.0 * tf.reduce_sum(tf.gather(table, [1, 1]))
        make = contrib.opt.extend_with_decoupled_weight_decay(
            v1.train.GradientDescentOptimizer
        )
        opt = make(0.5, learning_rate=0.1)
        step = opt.minimize(loss, decay_var_list=[a, table])
        session.run(v1.global_variables_initializer())
        session.run(step)
        got = session.run([a, b, table])
    assert [v.ravel().tolist() for v in got] == [[2.0, 1.0], [4.0], [4.0, 4.0]]


def test_averages_are_saved_in_place_of_variables(contrib, tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(2.0, name="w")
        opt = contrib.opt.MovingAverageOptimizer(
            v1.train.GradientDescentOptimizer(0.25), average_decay=0.5
        )
        with pytest.raises(RuntimeError, match="Must call apply_gradients"):
            opt.swapping_saver()
        step = opt.minimize(w * w)
        saver = opt.swapping_saver()
        session.run(v1.global_variables_initializer())
        session.run(step)
        path = saver.save(session, str(tmp_path / "model"))
        assert session.run(w) == 1.0
    assert v1.train.load_variable(path, "w") == 1.5
    assert v1.train.load_variable(path, "w/ExponentialMovingAverage") == 1.0


def test_scipy_minimizes(contrib):
    pytest.importorskip("scipy")
    interface = contrib.opt.ScipyOptimizerInterface
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.Variable([7.0, 7.0], name="x")
        y = tf.Variable([1.0], name="y")
        loss = tf.reduce_sum(x**2) + tf.reduce_sum((y - 3.0) ** 2)
        session.run(v1.global_variables_initializer())
        seen = []
        interface(loss, options={"maxiter": 50}).minimize(
            session, fetches=[loss], loss_callback=seen.append
        )
        np.testing.assert_allclose(session.run(x), [0, 0], atol=1e-4)
        np.testing.assert_allclose(session.run(y), [3], atol=1e-4)
        assert seen[-1] <= seen[0]
        session.run(x.assign([7.0, 7.0]))
        interface(loss, var_to_bounds={x: (1.0, np.inf)}).minimize(session)
        np.testing.assert_allclose(session.run(x), [1, 1], atol=1e-4)
        session.run(x.assign([7.0, 7.0]))
        interface(
            loss,
            var_list=[x],
            equalities=[x[1] - 2.0],
            inequalities=[x[0] - 1.0],
            method="SLSQP",
        ).minimize(session)
        np.testing.assert_allclose(session.run(x), [1, 2], atol=1e-4)
        with pytest.raises(ValueError, match="set automatically"):
            interface(loss, jac=None).minimize(session)


def test_without_scipy(contrib, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        contrib.opt.ScipyOptimizerInterface(None)


def test_external_optimizers_are_subclasses(contrib):
    class Halving(contrib.opt.ExternalOptimizerInterface):
        def _minimize(self, initial_val, loss_grad_func, **_):
            assert loss_grad_func(initial_val)[1].tolist() == [4.0]
            return initial_val / 2

    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable([2.0])
        session.run(v1.global_variables_initializer())
        Halving(tf.reduce_sum(w * w)).minimize(session)
        assert session.run(w).tolist() == [1.0]
        base = contrib.opt.ExternalOptimizerInterface(tf.reduce_sum(w))
        with pytest.raises(NotImplementedError, match="_minimize"):
            base.minimize(session)


def test_lars_leaves_variables_to_momentum(contrib):
    with tf.Graph().as_default(), v1.Session() as session:
        w, bias = tf.Variable([0.0], name="w"), tf.Variable([1.0], name="bias")
        opt = contrib.opt.LARSOptimizer(0.5, 0.0, skip_list=["bias"])
        step = opt.minimize(tf.reduce_sum(w + bias))
        session.run(v1.global_variables_initializer())
        session.run(step)
        # A weight of norm 0 has the plain rate.
        assert [v.tolist() for v in session.run([w, bias])] == [[-0.5], [0.5]]
        table = tf.Variable([[1.0]])
        step = opt.minimize(tf.reduce_sum(tf.gather(table, [0])), var_list=[table])
        session.run(v1.global_variables_initializer())
        session.run(step)
        assert session.run(table).tolist() == [[0.5]]
    with pytest.raises(ValueError, match="momentum should be"):
        contrib.opt.LARSOptimizer(0.5, -1.0)


def test_decays_of_signs(contrib):
    opt = contrib.opt
    steps = [0, 2, 4, 8, 12]
    cases = [
        (opt.get_linear_decay_fn(8), [1, 0.75, 0.5, 0, 0]),
        (opt.get_cosine_decay_fn(8), [1, 0.8535534, 0.5, 0, 0]),
        (opt.get_cosine_decay_fn(8, 2, zero_after=1), [1, 0, 0, 0, 0]),
        (opt.get_restart_decay_fn(8, 2), [1, 0.5, 1, 1, 1]),
    ]
    for decay, want in cases:
        np.testing.assert_allclose([float(decay(s)) for s in steps], want, atol=1e-6)
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable([1.0])
        step = v1.train.get_or_create_global_step()
        decaying = opt.AddSignOptimizer(0.1, sign_decay_fn=cases[0][0])
        train = decaying.minimize(tf.reduce_sum(w), global_step=step)
        session.run(v1.global_variables_initializer())
        for _ in range(2):
            session.run(train)
        np.testing.assert_allclose(session.run(w), 1 - 0.2 - 0.1 * 1.875, 1e-6)
