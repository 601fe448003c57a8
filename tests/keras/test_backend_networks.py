"""The functions of `tf.keras.backend` that layers were made of."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

K = tf.keras.backend
RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 1)


@pytest.mark.parametrize(
    ("x", "call"),
    [
        (numbers(2, 7, 3), lambda x, f: K.conv1d(x, KERNEL1, 2, "same", f)),
        (numbers(2, 7, 6, 3), lambda x, f: K.conv2d(x, KERNEL2, (2, 1), "valid", f)),
        (
            numbers(2, 7, 6, 3),
            lambda x, f: K.conv2d(x, KERNEL2, data_format=f, dilation_rate=(2, 2)),
        ),
        (numbers(1, 5, 4, 4, 3), lambda x, f: K.conv3d(x, KERNEL3, data_format=f)),
        (
            numbers(2, 7, 6, 3),
            lambda x, f: K.depthwise_conv2d(x, KERNEL2[..., :2], data_format=f),
        ),
        (
            numbers(2, 7, 6, 3),
            lambda x, f: K.separable_conv2d(
                x, KERNEL2[..., :2], POINT, (2, 2), "same", f
            ),
        ),
        (numbers(2, 7, 6, 3), lambda x, f: K.pool2d(x, (2, 3), (2, 2), "same", f)),
        (
            numbers(2, 7, 6, 3),
            lambda x, f: K.pool2d(x, (2, 2), data_format=f, pool_mode="avg"),
        ),
        (
            numbers(1, 4, 4, 4, 3),
            lambda x, f: K.pool3d(x, (2, 2, 2), (2, 2, 2), "valid", f),
        ),
        (
            numbers(2, 3, 4, 3),
            lambda x, f: K.spatial_2d_padding(x, ((1, 2), (0, 1)), f),
        ),
        (numbers(1, 3, 4, 2, 3), lambda x, f: K.spatial_3d_padding(x, data_format=f)),
        (numbers(2, 3, 4, 3), lambda x, f: K.resize_images(x, 2, 3, f)),
        (numbers(2, 3, 4, 3), lambda x, f: K.resize_images(x, 2, 3, f, "bilinear")),
        (numbers(1, 2, 3, 4, 3), lambda x, f: K.resize_volumes(x, 1, 2, 3, f)),
    ],
)
def test_channels_may_be_first_or_last(x, call):
    last = call(tf.constant(x), "channels_last").numpy()
    first = call(tf.constant(channels_first(x)), "channels_first").numpy()
    np.testing.assert_allclose(channels_first(last), first, rtol=1e-4, atol=1e-5)
    assert last.size


KERNEL1, KERNEL2, KERNEL3 = (
    numbers(3, 3, 4),
    numbers(3, 2, 3, 4),
    numbers(2, 2, 2, 3, 4),
)
POINT = numbers(1, 1, 6, 5)


def test_convolutions_are_those_of_tf_nn():
    x = numbers(2, 7, 6, 3)
    want = tf.nn.conv2d(x, KERNEL2, [2, 1], "VALID")
    np.testing.assert_allclose(K.conv2d(x, KERNEL2, (2, 1)), want)
    sequence = numbers(2, 7, 3)
    causal = K.conv1d(sequence, KERNEL1, padding="causal")
    padded = np.pad(sequence, ((0, 0), (2, 0), (0, 0)))
    np.testing.assert_allclose(
        causal, tf.nn.conv1d(padded, KERNEL1, 1, "VALID"), rtol=1e-5
    )
    back = K.conv2d_transpose(want, KERNEL2, (None, 7, 6, 3), (2, 1))
    assert back.shape == (2, 7, 6, 3)
    assert K.temporal_padding(sequence, (1, 2)).shape == (2, 10, 3)


def test_bad_options():
    x = numbers(1, 4, 4, 1)
    with pytest.raises(ValueError, match="Unknown data_format"):
        K.pool2d(x, (2, 2), data_format="last")
    with pytest.raises(ValueError, match="Invalid padding"):
        K.pool2d(x, (2, 2), padding="SAME")
    with pytest.raises(ValueError, match="Invalid pooling mode"):
        K.pool2d(x, (2, 2), pool_mode="min")
    with pytest.raises(AttributeError, match="conv4d"):
        _ = K.conv4d


@pytest.mark.parametrize(
    ("x", "y", "axes", "equation"),
    [
        ((5, 4), (5, 4), None, "bi,bi->b"),
        ((5, 3, 4), (5, 4, 6), None, "bij,bjk->bik"),
        ((5, 3, 4), (5, 4), None, "bij,bj->bi"),
        ((5, 3, 4), (5, 3, 6), 1, "bij,bik->bjk"),
        ((5, 4), (5, 2, 4, 3), (1, 2), "bi,bjik->bjk"),
        ((5, 2, 3, 4), (5, 4, 6), (3, 1), "bxij,bjk->bxik"),
        ((5, 3, 2, 4), (5, 6, 3), (1, -1), "bjxi,bkj->bxik"),
    ],
)
def test_batch_dot(x, y, axes, equation):
    x, y = numbers(*x), numbers(*y)
    want = np.einsum(equation, x, y)
    want = want[:, None] if want.ndim == 1 else want
    np.testing.assert_allclose(K.batch_dot(x, y, axes), want, rtol=1e-4, atol=1e-5)


def test_batch_dot_of_bad_shapes():
    for x, y, axes, message in (
        (numbers(3), numbers(3, 2), None, "rank < 2"),
        (numbers(3, 2), numbers(3, 4), None, "2 != 4"),
        (numbers(3, 2), numbers(3, 2), 0, "over axis 0"),
        (numbers(3, 2), numbers(3, 2), ([1], [1]), "Multiple target"),
    ):
        with pytest.raises(ValueError, match=message):
            K.batch_dot(x, y, axes)


def test_batch_normalization():
    x = numbers(4, 3, 2)
    gamma, beta = numbers(2), numbers(2)
    normed, mean, var = K.normalize_batch_in_training(x, gamma, beta, [0, 1])
    np.testing.assert_allclose(mean, x.mean((0, 1)), rtol=1e-4, atol=1e-6)
    want = (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + 1e-3) * gamma + beta
    np.testing.assert_allclose(normed, want, rtol=1e-4, atol=1e-5)
    same = K.batch_normalization(x, mean, var, beta, gamma)
    np.testing.assert_allclose(same, want, rtol=1e-4, atol=1e-5)
    axis1 = K.batch_normalization(
        numbers(2, 3, 4), np.zeros(3), np.ones(3), None, None, 1
    )
    assert axis1.shape == (2, 3, 4)
    average = K.variable(1.0)
    K.moving_average_update(average, 3.0, 0.75)
    assert float(average) == 1.5


def test_random_numbers_and_variables():
    tf.keras.utils.set_random_seed(1)
    ones = K.random_bernoulli((1000,), 0.3).numpy()
    assert set(ones) == {0.0, 1.0} and 0.2 < ones.mean() < 0.4
    assert K.random_uniform_variable((3,), 2.0, 3.0).numpy().min() >= 2.0
    assert K.random_normal_variable((3, 2), 0.0, 1.0).shape == (3, 2)
    np.testing.assert_array_equal(K.eye(3), np.eye(3))


def test_a_function_of_a_model():
    x = tf.keras.Input((2,))
    y = tf.keras.layers.Dense(1, kernel_initializer="ones")(x)
    assert K.function(x, y)(np.ones((1, 2))).tolist() == [[2.0]]
    found = K.function([x], [x, y])([np.ones((1, 2), np.float32)])
    assert [each.tolist() for each in found] == [[[1.0, 1.0]], [[2.0]]]
    with pytest.raises(ValueError, match="not supported during eager"):
        K.function(x, y, updates=[1])
    with tf.Graph().as_default(), tf.compat.v1.Session():
        a = tf.compat.v1.placeholder(tf.float32, [2])
        assert K.function([a], [a * 2.0])([[1.0, 2.0]])[0].tolist() == [2.0, 4.0]


def test_small_functions(capsys):
    assert K.backend() == "tensorflow"
    assert float(K.foldl(lambda a, b: a * 2 + b, tf.constant([1.0, 2.0, 3.0]))) == 11.0
    assert float(K.foldr(lambda a, b: a * 2 + b, tf.constant([1.0, 2.0, 3.0]))) == 17.0
    assert K.in_top_k(
        tf.constant([[0.1, 0.9]]), tf.constant([1]), 1
    ).numpy().tolist() == [True]
    assert K.print_tensor(tf.constant([1.0]), "value").numpy().tolist() == [1.0]
    assert "value [1]" in capsys.readouterr().out
    with K.learning_phase_scope(1):
        assert K.learning_phase() == 1
    assert not K.is_sparse(tf.constant(1.0)) and K.to_dense(3) == 3
    sparse = tf.SparseTensor([[0]], [2.0], [2])
    assert K.is_sparse(sparse) and K.to_dense(sparse).numpy().tolist() == [2.0, 0.0]
    K.reset_uids()


def test_ctc_batch_cost():
    rows = np.full((1, 3, 2), 0.5, np.float32)
    cost = K.ctc_batch_cost([[0]], rows, [[3]], [[1]])
    # Of the eight paths, six are one run of the label with blanks around it.
    np.testing.assert_allclose(cost, [[-np.log(6 / 8)]], rtol=1e-4)
