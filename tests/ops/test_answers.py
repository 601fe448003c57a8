"""Small things in which version 1 and 2 of TensorFlow differ, or take more than one kind."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.helpers import assert_everywhere
from tests.ops.helpers import gradient_of

v1 = tf.compat.v1


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3, None])
def test_softmax_along_any_axis(axis):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    want = softmax(x, -1 if axis is None else axis)
    assert_everywhere(lambda t: tf.nn.softmax(t, axis), [x], want, rtol=1e-12)
    assert_everywhere(
        lambda t: tf.nn.log_softmax(t, axis), [x], np.log(want), rtol=1e-12
    )
    weights = np.random.default_rng(1).normal(size=x.shape)
    (grad,) = gradient_of(lambda t: tf.nn.softmax(t, axis) * weights, x)
    total = (weights * want).sum(-1 if axis is None else axis, keepdims=True)
    np.testing.assert_allclose(grad, want * (weights - total), rtol=1e-10, atol=1e-14)


def test_softmax_of_version_1_takes_dim():
    x = np.random.default_rng(0).normal(size=(2, 3))
    got = v1.nn.softmax(x, dim=0).numpy()
    np.testing.assert_allclose(got, softmax(x, 0), rtol=1e-12)
    got = v1.math.softmax(x, dim=0).numpy()
    np.testing.assert_allclose(got, softmax(x, 0), rtol=1e-12)


@pytest.mark.parametrize("axis", [3, -4])
def test_softmax_without_such_an_axis(axis):
    with pytest.raises(ValueError, match=f"no dimension {axis}"):
        tf.nn.softmax(np.zeros((2, 3, 4)), axis)


def cross_entropy(labels, logits, axis=-1):
    logs = np.log(softmax(logits, axis))
    return -(labels * logs).sum(axis)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32])
def test_labels_of_any_dtype(dtype):
    logits = np.random.default_rng(3).normal(size=(4, 3))
    labels = np.eye(3, dtype=dtype)[[0, 2, 1, 1]]
    loss = tf.nn.softmax_cross_entropy_with_logits
    want = cross_entropy(labels.astype(np.float64), logits)
    assert_everywhere(loss, [labels, logits], want, rtol=1e-12)
    got = v1.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    got = loss(labels.tolist(), logits)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (4, 1), (1, 1)])
def test_labels_broadcast(shape):
    logits = np.random.default_rng(3).normal(size=(4, 3))
    labels = np.random.default_rng(4).random(shape)
    loss = tf.nn.softmax_cross_entropy_with_logits
    want = cross_entropy(np.broadcast_to(labels, logits.shape), logits)
    assert_everywhere(loss, [labels, logits], want, rtol=1e-12)
    (grad,) = gradient_of(lambda t: loss(t, logits), labels)
    assert grad.shape == shape


def test_one_row_of_labels_for_all_rows():
    logits = np.random.default_rng(3).normal(size=(2, 4, 3))
    labels = np.array([[[0.0, 1.0, 0.0]]])
    want = cross_entropy(labels, logits)
    loss = tf.nn.softmax_cross_entropy_with_logits
    assert_everywhere(loss, [labels, logits], want, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (4, 2), (2,), (4, 4, 3)])
def test_labels_that_do_not_broadcast(shape):
    with pytest.raises(ValueError, match=r"same size|hape"):
        tf.nn.softmax_cross_entropy_with_logits(np.zeros(shape), np.zeros((4, 3)))


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_cross_entropy_along_any_axis(axis):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(2, 4, 3))
    labels = softmax(rng.normal(size=logits.shape), axis)
    want = cross_entropy(labels, logits, axis)
    assert_everywhere(
        lambda a, b: tf.nn.softmax_cross_entropy_with_logits(a, b, axis),
        [labels, logits],
        want,
        rtol=1e-12,
    )


def test_in_top_k_of_both_versions():
    predictions = [[0.1, 0.9], [0.1, 0.9]]
    assert tf.nn.in_top_k([1, 0], predictions, 1).numpy().tolist() == [True, False]
    for module in (v1.nn, v1.math):
        got = module.in_top_k(predictions, [1, 0], 1)
        assert got.numpy().tolist() == [True, False]
        got = module.in_top_k(predictions=predictions, targets=[1, 0], k=1)
        assert got.numpy().tolist() == [True, False]


@pytest.mark.parametrize("start", [[0], (0,), 0])
def test_loop_of_one_variable(start):
    def build(loop, **options):
        return loop(lambda i: i < 5, lambda i: i + 2, start, **options)

    kind = type(start) if start != 0 else tf.Tensor
    with tf.Graph().as_default(), v1.Session() as session:
        one = build(v1.while_loop)
        assert isinstance(one, tf.Tensor)
        assert session.run(one) == 6
        assert isinstance(build(v1.while_loop, return_same_structure=True), kind)
        assert isinstance(build(tf.while_loop), kind)
    # In eager mode version 1 keeps the structure too.
    assert isinstance(build(v1.while_loop), kind)


def test_loop_of_version_1_has_its_order_of_arguments():
    with tf.Graph().as_default(), v1.Session() as session:
        i, j = v1.while_loop(
            lambda i, j: i < 9,
            lambda i, j: (i + 1, j * 2),
            [0, 1],
            None,
            10,
            True,
            False,
            "name",
            3,
        )
        assert session.run([i, j]) == [3, 8]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target", [np.int8, np.uint8, np.int32, np.int64])
def test_whole_numbers_may_be_fed_to_integers(dtype, target):
    info = np.iinfo(target)

    def as_float(number):
        with np.errstate(over="ignore"):
            return dtype(number)

    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(target, [None])
        y = x + 0

        def run(*values):
            return session.run(y, {x: np.array([as_float(v) for v in values])})

        assert run(1.0, 5.0, 100.0).tolist() == [1, 5, 100]
        assert run(1.0).dtype == target
        assert session.run(y, {x: np.zeros(0, dtype)}).tolist() == []
        low = float(info.min)
        if np.isfinite(as_float(low)):
            assert run(low).tolist() == [info.min]
        for bad in (1.5, np.nan, np.inf, -np.inf, 2.0 * info.max + 2, 2.0 * low - 2):
            with pytest.raises(TypeError, match="Cannot feed values"):
                run(0.0, bad)
        # The next float above the largest number, for int64 the rounded largest itself.
        above = float(info.max) if target is np.int64 else float(info.max) + 1.0
        if np.isfinite(as_float(above)) and as_float(above) > info.max - 1:
            with pytest.raises(TypeError, match="Cannot feed values"):
                run(above)


def test_leaky_relu_of_float64_has_the_number_that_was_given():
    x = np.array([-1.0, 3.0])
    for alpha in (0.2, 0.3):
        want = np.array([-alpha, 3.0])
        assert_everywhere(lambda t, a=alpha: tf.nn.leaky_relu(t, a), [x], want)
        (grad,) = gradient_of(lambda t, a=alpha: tf.nn.leaky_relu(t, a), x)
        assert grad.tolist() == [alpha, 1.0]
    assert_everywhere(tf.nn.leaky_relu, [x], np.array([-0.2, 3.0]))
    assert float(tf.nn.leaky_relu(x)[0]) == -0.2
