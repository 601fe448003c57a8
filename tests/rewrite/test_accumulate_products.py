"""Products that are added up share one buffer, with the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.matmul.layout import DEPTH_BLOCK
from graphopt.config import config
from graphopt.rewrite import accumulate_products

v1 = tf.compat.v1
NAME = "accumulate_products"


def run(make, feeds, off=()):
    """Runs what `make` builds; returns the results and the plan."""
    with config(jit="always", passes_off=off), tf.Graph().as_default():
        fed = {v1.placeholder(tf.as_dtype(a.dtype), a.shape): a for a in feeds}
        fetches = make(*fed)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            return session.run(fetches, fed), session.plan(fetches, fed)


def products_of(plan):
    return [step for step in plan.steps if step.type == "SumOfMatMuls"]


def arrays(*shapes, dtype=np.float32):
    rng = np.random.default_rng(7)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def test_the_kernel_sums_as_much_as_the_pass_believes():
    assert accumulate_products.DEEPEST == DEPTH_BLOCK


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes", [(3, 4, 5), (13, 256, 33), (100, 7, 20), (8, 1, 90), (90, 70, 8)]
)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_sums_have_the_same_bits(count, sizes, dtype):
    m, k, n = sizes
    feeds = arrays(*[(m, k), (k, n)] * count, dtype=dtype)

    def make(*x):
        total = tf.matmul(x[0], x[1])
        for i in range(1, count):
            total = total + tf.matmul(x[2 * i], x[2 * i + 1])
        return tf.tanh(total)

    together, plan = run(make, feeds)
    apart, other = run(make, feeds, off=(NAME,))
    assert together.tobytes() == apart.tobytes()
    assert len(products_of(plan)) == 1
    assert not products_of(other)
    if n > 16:
        # Fewer columns are packed into less where nothing is added to.
        assert plan.peak_bytes <= other.peak_bytes


def test_transposed_operands():
    feeds = arrays((30, 20), (30, 25), (20, 40), (25, 40))

    def make(a, b, c, d):
        first = tf.matmul(a, b, transpose_a=True)
        return first + tf.matmul(c, d, transpose_b=True)

    together, plan = run(make, feeds)
    assert products_of(plan)
    a, b, c, d = (x.astype(np.float64) for x in feeds)
    np.testing.assert_allclose(together, a.T @ b + c @ d.T, rtol=1e-5, atol=1e-5)
    assert together.tobytes() == run(make, feeds, off=(NAME,))[0].tobytes()


def test_weights_of_a_sequence_have_one_buffer_for_their_gradient():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((8, 16, 32)).astype(np.float32)

    def make(x):
        w = tf.Variable(np.eye(32, dtype=np.float32) * 0.5)
        h = tf.zeros([16, 32])
        for i in range(8):
            h = tf.tanh(tf.matmul(h, w) + x[i])
        return tf.gradients(tf.reduce_sum(h), [w])[0]

    together, plan = run(make, [values])
    apart, other = run(make, [values], off=(NAME,))
    assert together.tobytes() == apart.tobytes()
    (step,) = products_of(plan)
    assert len(step.reads) >= 14
    assert not products_of(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b, c: [(p := tf.matmul(a, b)), p + tf.matmul(a, c)],
        lambda a, b, c: tf.matmul(a, b) + tf.matmul(a, c)[:1],
        lambda a, b, c: tf.exp(tf.matmul(a, b)) + tf.matmul(a, c),
        lambda a, b, c: tf.matmul(a, b) - tf.matmul(a, c),
    ],
    ids=["fetched", "broadcast", "not a product", "a difference"],
)
def test_what_is_no_sum_of_products_stays(make):
    feeds = arrays((4, 5), (5, 6), (5, 6))
    results, plan = run(make, feeds)
    others, _ = run(make, feeds, off=(NAME,))
    assert not products_of(plan)
    for a, b in zip(np.atleast_2d(results[-1]), np.atleast_2d(others[-1]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_deep_products_stay_apart():
    feeds = arrays((4, 257), (257, 6), (4, 3), (3, 6))
    _, plan = run(lambda a, b, c, d: tf.matmul(a, b) + tf.matmul(c, d), feeds)
    assert not products_of(plan)


def test_kernels_are_compared_with_numpy():
    (a, b, c, d) = arrays((4, 7), (7, 6), (4, 3), (3, 6))
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [4, 7])
        y = tf.matmul(x, b) + tf.matmul(tf.constant(c) * x[0, 0], d)
        found = session.run(y, {x: a})
    np.testing.assert_allclose(found, a @ b + (c * a[0, 0]) @ d, rtol=1e-4, atol=1e-5)
