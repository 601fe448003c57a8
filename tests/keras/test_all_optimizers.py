"""One table of all optimizers: equations, convergence, configs, modes, compilation."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config
from graphopt.keras.optimizers import CLASSES
from tests.keras.optimizer_table import CASES, Slots

each_optimizer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
SHAPES = {"matrix": (3, 4), "tall": (5, 2), "vector": (4,), "scalar": ()}


def random_arrays(shape, count, seed=3):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape) for _ in range(count)]


def test_table_has_every_optimizer():
    named = {case.name.lower() for case in CASES}
    assert named == set(CLASSES) - {"lossscaleoptimizer"}


@each_optimizer
@pytest.mark.parametrize("jit", ["never", "always"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_float64_follows_the_paper(case, jit, shape):
    start, *grads = random_arrays(shape, 13)
    opt, w, slots, want = case.make(), tf.Variable(start), Slots(), start
    with config(jit=jit):
        for t, g in enumerate(grads, 1):
            opt.apply_gradients([(tf.constant(g), w)])
            want = case.equation(t, want, g, slots)
            np.testing.assert_allclose(w.numpy(), want, rtol=1e-12, atol=1e-12)


@each_optimizer
def test_float32_is_near_the_paper(case):
    start, *grads = random_arrays((3, 4), 13)
    opt, w, slots = case.make(), tf.Variable(start.astype(np.float32)), Slots()
    want = w.numpy().astype(np.float64)
    for t, g in enumerate(grads, 1):
        g = g.astype(np.float32)
        opt.apply_gradients([(tf.constant(g), w)])
        want = case.equation(t, want, g.astype(np.float64), slots)
    # Hyperparameters are rounded to float32, 1 - 0.999 by 1e-5 of itself.
    np.testing.assert_allclose(w.numpy(), want, rtol=1e-4, atol=1e-4)


@each_optimizer
def test_float16_steps(case):
    # What an optimizer adds to keep a root positive may vanish; a step is finite.
    opt, w = case.make(), tf.Variable(np.array([[0.5, -2.0]], np.float16))
    opt.apply_gradients([(tf.constant(np.array([[1.0, 0.5]], np.float16)), w)])
    assert w.numpy().dtype == np.float16
    assert np.isfinite(w.numpy()).all()
    assert (w.numpy() != [[0.5, -2.0]]).all()


def parabola(w):
    return tf.reduce_sum(w * w)


def rosenbrock(w):
    return (1.0 - w[0]) ** 2.0 + 10.0 * (w[1] - w[0] ** 2.0) ** 2.0


# Norms of whole variables make LARS and Lamb spiral, and Lion's steps never shrink.
REACHED = {"LARS": 0.5, "Lamb": 0.5, "Adafactor": 0.5, "Lion": 0.1}


@each_optimizer
def test_descends_on_a_parabola(case):
    opt, w = case.make(), tf.Variable([3.0, -2.0])
    for _ in range(300):
        opt.minimize(lambda: parabola(w), [w])
    assert np.abs(w.numpy()).max() < {"Lion": 0.5, "ScheduleFreeAdamW": 0.1}.get(
        case.name, 0.05
    )


@each_optimizer
def test_descends_on_rosenbrock(case):
    opt, w = case.make(), tf.Variable([-0.8, 1.0])
    if case.name in ("SGD", "RAdam"):
        # The first steps go where the gradient is 40 times as large as here.
        opt.learning_rate = opt.learning_rate * 0.1
    start = float(rosenbrock(w))
    for _ in range(600):
        opt.minimize(lambda: rosenbrock(w), [w])
    assert float(rosenbrock(w)) < REACHED.get(case.name, 0.1) * start


@each_optimizer
def test_config_makes_the_same_optimizer(case):
    opt = case.make()
    again = type(opt).from_config(opt.get_config())
    assert again.get_config() == opt.get_config()
    same = tf.keras.optimizers.deserialize(tf.keras.optimizers.serialize(opt))
    assert type(same) is type(opt)
    assert same.get_config() == opt.get_config()
    assert copy.deepcopy(opt).get_config() == opt.get_config()
    assert type(tf.keras.optimizers.get(case.name.upper())) is type(opt)


@each_optimizer
def test_weights_move_to_another_optimizer(case):
    v1, v2 = tf.Variable([[1.0, 2.0]]), tf.Variable([[1.0, 2.0]])
    first, second = case.make(), case.make()
    for _ in range(3):
        first.minimize(lambda: parabola(v1), [v1])
    second.minimize(lambda: parabola(v2), [v2])
    v2.assign(v1)
    second.set_weights(first.get_weights())
    first.minimize(lambda: parabola(v1), [v1])
    second.minimize(lambda: parabola(v2), [v2])
    np.testing.assert_array_equal(v1.numpy(), v2.numpy())


@each_optimizer
def test_nothing_is_compiled_for_a_new_rate_or_batch(case):
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float32, [None, 3])
        w = tf.Variable(tf.ones([3, 2]))
        opt = case.make()
        train = opt.minimize(tf.reduce_mean(tf.matmul(x, w) ** 2.0), [w])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            train.run({x: np.ones((4, 3))})
            before = record.kernels
            opt.learning_rate = 0.01
            train.run({x: np.ones((4, 3))})
            train.run({x: np.ones((7, 3))})
            assert record.kernels == before


@each_optimizer
@pytest.mark.parametrize("jit", ["never", "always"])
def test_eager_graph_and_many_steps_give_the_same_bits(case, jit):
    start = np.array([[0.3, -1.7, 2.5]], np.float32)

    def loss(w):
        return tf.reduce_sum(w * w * w)

    opt, w = case.make(), tf.Variable(start)
    with config(jit=jit):
        for _ in range(5):
            opt.minimize(lambda: loss(w), [w])
    for many in (False, True):
        with tf.Graph().as_default(), config(jit=jit):
            v = tf.Variable(start)
            train = case.make().minimize(lambda v=v: loss(v), [v])
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                if many:
                    session.run_steps(train, 5)
                for _ in range(0 if many else 5):
                    session.run(train)
                np.testing.assert_array_equal(session.run(v), w.numpy())


@each_optimizer
def test_sparse_gradient_of_all_rows_is_a_dense_one(case):
    start, *grads = random_arrays((4, 3), 5)
    rows = [2, 0, 3, 1, 2]
    dense, sparse = tf.Variable(start), tf.Variable(start)
    first, second = case.make(), case.make()
    for g in grads:
        # Row 2 comes in two parts.
        values = np.concatenate([g[[2, 0, 3, 1]] - 0.0, g[[2]]])
        values[0] *= 0.25
        values[4] *= 0.75
        pair = tf.IndexedSlices(tf.constant(values), tf.constant(rows), [4, 3])
        first.apply_gradients([(tf.constant(g), dense)])
        second.apply_gradients([(pair, sparse)])
    np.testing.assert_allclose(sparse.numpy(), dense.numpy(), rtol=1e-11, atol=1e-12)


@each_optimizer
def test_new_variable_leaves_the_others_alone(case):
    starts = [np.array([[1.0, -2.0]], np.float32), np.array([3.0], np.float32)]

    def run(with_second):
        opt, v, late = case.make(), tf.Variable(starts[0]), tf.Variable(starts[1])
        for step in range(6):
            pairs = [(2.0 * v, v)]
            if with_second and step >= 3:
                pairs.append((2.0 * late, late))
            opt.apply_gradients(pairs)
        return v.numpy(), late.numpy()

    alone, untouched = run(False)
    together, moved = run(True)
    np.testing.assert_array_equal(together, alone)
    assert untouched[0] == 3.0 != moved[0]


@each_optimizer
def test_bad_rates_are_refused(case):
    arguments = {**case.arguments, "learning_rate": float("nan")}
    with pytest.raises(ValueError, match="NaN"):
        case._replace(arguments=arguments).make()
    with pytest.raises(TypeError, match="Unexpected keyword argument"):
        case.make(rho_2=0.5)
