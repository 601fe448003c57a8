"""A loop that uses up a product: the same bits, less memory, and only where it may."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.ops.fused import FUSED_PRODUCT
from graphopt.rewrite import fuse_products
from graphopt.schedule import chunks

v1 = tf.compat.v1
NAME = "fuse_products"
OPTIMIZERS = {
    "sgd": lambda: tf.keras.optimizers.SGD(0.1),
    "momentum": lambda: tf.keras.optimizers.SGD(0.1, 0.9, nesterov=True),
    "adam": lambda: tf.keras.optimizers.Adam(0.01),
    "adamw": lambda: tf.keras.optimizers.AdamW(0.01, weight_decay=0.1),
    # Here it is the sum of gradients that takes each one in.
    "accumulating": lambda: tf.keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "rmsprop": lambda: tf.keras.optimizers.RMSprop(0.01, centered=True),
}


@pytest.fixture
def small(monkeypatch):
    """Has small products joined too."""
    monkeypatch.setattr(fuse_products, "SMALLEST", 4)


def layer(sizes, make_optimizer, dtype, extra=None):
    """Makes a training step of one layer, and its variables."""
    batch, inputs, outputs = sizes
    rng = np.random.default_rng(0)

    def make(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x = tf.Variable(make(batch, inputs), trainable=False)
    y = tf.Variable(make(batch, outputs), trainable=False)
    w, b = tf.Variable(make(inputs, outputs)), tf.Variable(make(outputs))

    def loss():
        return tf.reduce_mean(tf.square(tf.tanh(tf.matmul(x, w)) + b - y))

    optimizer = make_optimizer()
    # Made before the update, so that both use the gradient of the same weights.
    others = extra(loss(), w) if extra is not None else []
    step = tf.group(optimizer.minimize(loss, [w, b]), *others)
    return step, [w, b, *optimizer.variables()]


def run(sizes, make_optimizer, dtype, off=(), extra=None, **settings):
    """Runs three steps; returns the bits of all variables, and the plan."""
    with config(passes_off=off, **settings), tf.Graph().as_default():
        step, variables = layer(sizes, make_optimizer, dtype, extra)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(3):
                session.run(step)
            values = session.run(variables)
            return b"".join(value.tobytes() for value in values), session.plan(step)


def is_joined(plan):
    return any(step.type == FUSED_PRODUCT.name for step in plan.steps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_takes_the_gradient_in_with_the_same_bits(name, dtype):
    sizes = (24, 520, 510)
    bits, plan = run(sizes, OPTIMIZERS[name], dtype)
    apart, other = run(sizes, OPTIMIZERS[name], dtype, off=(NAME,))
    assert bits == apart
    assert is_joined(plan)
    assert not is_joined(other)
    gradient = 520 * 510 * np.dtype(dtype).itemsize
    assert other.peak_bytes - plan.peak_bytes > 0.7 * gradient
    (step,) = (step for step in plan.steps if step.type == FUSED_PRODUCT.name)
    assert any("MatMul" in fused for fused in step.fused)
    assert len(step.fused) > 1


@pytest.mark.parametrize(
    "sizes",
    [(1, 2, 2), (3, 13, 33), (7, 12, 32), (5, 100, 31), (300, 900, 600), (9, 24, 64)],
)
def test_edges_of_tiles_and_deep_products(sizes, small):
    bits, plan = run(sizes, OPTIMIZERS["adam"], np.float32)
    assert is_joined(plan) == (sizes[0] * (sizes[1] + sizes[2]) <= sizes[1] * sizes[2])
    assert bits == run(sizes, OPTIMIZERS["adam"], np.float32, off=(NAME,))[0]


def test_any_number_of_threads_and_cuts(small, monkeypatch):
    monkeypatch.setattr(
        chunks, "chunk_of", lambda call, _: max(1, call.extent // 5) or 1
    )
    monkeypatch.setattr(chunks, "WORTH_WAKING", 0.0)
    sizes = (20, 250, 120)
    bits = {
        run(sizes, OPTIMIZERS["adam"], np.float32, threads=count)[0]
        for count in (1, 2, 8)
    }
    assert len(bits) == 1


def clipped(optimizer):
    def make():
        return optimizer(0.1, global_clipnorm=1.0)

    return make


@pytest.mark.parametrize(
    ("make_optimizer", "extra"),
    [
        (clipped(tf.keras.optimizers.SGD), None),
        (
            lambda: tf.keras.optimizers.SGD(0.1),
            lambda loss, w: [
                tf.Variable(tf.zeros([520, 510])).assign(tf.gradients(loss, [w])[0])
            ],
        ),
        (lambda: tf.keras.optimizers.SGD(0.1, on_nonfinite="skip"), None),
    ],
    ids=["clip", "second use", "on_nonfinite"],
)
def test_gradients_that_others_need_stay_whole(make_optimizer, extra):
    bits, plan = run((24, 520, 510), make_optimizer, np.float32, extra=extra)
    assert not is_joined(plan)
    assert np.isfinite(np.frombuffer(bits[:100], np.float32)).all()


def test_a_fetched_gradient_stays_whole():
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(np.ones((520, 510), np.float32))
        x = v1.placeholder(tf.float32, [4, 520])
        loss = tf.reduce_sum(tf.square(tf.matmul(x, w)))
        (gradient,) = tf.gradients(loss, [w])
        step = w.assign_sub(0.1 * gradient)
        session.run(v1.global_variables_initializer())
        value = np.ones((4, 520), np.float32)
        _, found = session.run([step, gradient], {x: value})
        np.testing.assert_allclose(found, np.full((520, 510), 2 * 4 * 520.0))
        assert not is_joined(session.plan([step, gradient], {x: value}))


def test_a_product_of_what_the_loop_writes_stays_apart():
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable((np.eye(520) * 2).astype(np.float32))
        x = tf.constant(np.eye(520, dtype=np.float32))
        step = w.assign_sub(tf.matmul(x, w) * 0.5)
        session.run(v1.global_variables_initializer())
        for _ in range(2):
            session.run(step)
        np.testing.assert_array_equal(session.run(w), np.eye(520) * 0.5)


@pytest.mark.parametrize("jit", ["always", "never"])
@pytest.mark.parametrize("transposed", [False, True])
def test_bias_and_activation_follow_a_product(jit, transposed):
    rng = np.random.default_rng(3)
    a = rng.standard_normal((40, 700) if transposed else (700, 40)).astype(np.float32)
    b = rng.standard_normal((40, 500)).astype(np.float32)
    bias = rng.standard_normal(500).astype(np.float32)
    results = []
    for off in ((), (NAME,)):
        with config(jit=jit, passes_off=off), tf.Graph().as_default():
            x = v1.placeholder(tf.float32, a.shape)
            y = tf.nn.relu(tf.matmul(x, b, transpose_a=transposed) + bias)
            with v1.Session() as session:
                results.append(session.run(y, {x: a}))
                joined = is_joined(session.plan(y, {x: a}))
                assert joined == (not off)
    expected = np.maximum((a.T if transposed else a).astype(np.float64) @ b + bias, 0)
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], expected, rtol=1e-4, atol=1e-4)


def test_kernels_are_compared_with_numpy():
    with tf.Graph().as_default(), config(jit="always"):
        step, variables = layer((24, 520, 510), OPTIMIZERS["adam"], np.float32)
        with v1.Session(debug=True) as session:
            session.run(v1.global_variables_initializer())
            session.run(step)
            assert np.isfinite(session.run(variables[0])).all()


def test_a_number_that_is_not_finite_is_found_inside():
    with tf.Graph().as_default(), config(jit="always", check_numerics=True):
        x = v1.placeholder(tf.float32, [4, 520])
        w = tf.Variable(np.zeros((520, 510), np.float32))
        y = tf.matmul(x, np.ones((4, 510), np.float32), transpose_a=True, name="large")
        # What leaves the loop is finite.
        step = w.assign_add(tf.minimum(y, 1.0))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            value = np.full((4, 520), 1e38, np.float32)
            with pytest.raises(tf.errors.InvalidArgumentError, match="large"):
                session.run(step, {x: value})
            assert not session.run(w).any()
            session.run(step, {x: value * 0})


def test_nothing_is_compiled_for_another_batch():
    from graphopt.codegen.kernels import record

    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 600])
        w = tf.Variable(np.ones((600, 512), np.float32))
        step = tf.keras.optimizers.Adam(0.01).minimize(
            lambda: tf.reduce_mean(tf.square(tf.matmul(x, w))), [w]
        )
        session.run(v1.global_variables_initializer())
        session.run(step, {x: np.ones((16, 600), np.float32)})
        session.run(step, {x: np.ones((700, 600), np.float32)})
        before = record.kernels + record.loaded
        for batch in (16, 17, 64, 700, 300):
            session.run(step, {x: np.ones((batch, 600), np.float32)})
        assert record.kernels + record.loaded == before
