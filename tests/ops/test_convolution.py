"""Convolutions and poolings against plain loops; arguments that are refused."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.ops.helpers import gradient_of, run_everywhere, run_in_graph

RNG = np.random.default_rng(1)
IMAGE = RNG.standard_normal((2, 7, 6, 3))
FILTERS = RNG.standard_normal((3, 2, 3, 4))


def pads(size, window, stride, dilation, padding):
    """TensorFlow's padding of one dimension, and the number of windows."""
    reach = (window - 1) * dilation + 1
    if padding == "SAME":
        out = -(-size // stride)
        total = max((out - 1) * stride + reach - size, 0)
        return (total // 2, total - total // 2), out
    both = padding if padding != "VALID" else (0, 0)
    return both, (size + sum(both) - reach) // stride + 1


def windows(x, size, strides, dilations, padding, fill):
    """Yields (row, column, window) with the padding filled."""
    pairs = [padding] * 2 if isinstance(padding, str) else padding
    (rows, high), (columns, wide) = (
        pads(x.shape[1 + k], size[k], strides[k], dilations[k], pairs[k])
        for k in (0, 1)
    )
    x = np.pad(x, [(0, 0), rows, columns, (0, 0)], constant_values=fill)
    for r in range(high):
        for c in range(wide):
            a, b = r * strides[0], c * strides[1]
            yield (
                (r, c),
                x[
                    :,
                    a : a + (size[0] - 1) * dilations[0] + 1 : dilations[0],
                    b : b + (size[1] - 1) * dilations[1] + 1 : dilations[1],
                ],
            )


def collect(pairs):
    found = dict(pairs)
    high, wide = (1 + max(k[i] for k in found) for i in (0, 1))
    return np.stack(
        [np.stack([found[r, c] for c in range(wide)], 1) for r in range(high)], 1
    )


def convolve(x, filters, strides, dilations, padding):
    found = windows(x, filters.shape[:2], strides, dilations, padding, 0.0)
    return collect((k, np.einsum("nijc,ijco->no", w, filters)) for k, w in found)


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 2), (0, 3))])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 2)])
def test_conv2d(padding, strides, dilations):
    given = padding if isinstance(padding, str) else [(0, 0), *padding, (0, 0)]
    got = run_everywhere(
        lambda x, f: tf.nn.conv2d(x, f, strides, given, dilations=dilations),
        IMAGE,
        FILTERS,
    )
    expected = convolve(IMAGE, FILTERS, strides, dilations, padding)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "max_pool", "avg_pool"])
@pytest.mark.parametrize(("size", "strides"), [((2, 2), (2, 2)), ((3, 2), (1, 3))])
def test_pools(name, size, strides, padding):
    got = run_everywhere(
        lambda x: getattr(tf.nn, name)(x, size, strides, padding), IMAGE
    )
    fill, reduce = (-np.inf, np.max) if "max" in name else (np.nan, np.nanmean)
    found = windows(IMAGE, size, strides, (1, 1), padding, fill)
    expected = collect((k, reduce(w, axis=(1, 2))) for k, w in found)
    np.testing.assert_allclose(got, expected)


def test_the_first_maximum_takes_the_gradient():
    x = np.ones((1, 2, 2, 1))
    (grad,) = gradient_of(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), x)
    assert grad.ravel().tolist() == [1, 0, 0, 0]
    lowest = np.full((1, 2, 2, 1), -np.inf)
    (grad,) = gradient_of(lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"), lowest)
    assert grad.sum() == 4
    nan = np.array([1.0, np.nan, 5.0, 2.0]).reshape(1, 2, 2, 1)
    got = run_everywhere(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), nan)
    assert np.isnan(got).all()


@pytest.mark.parametrize(
    ("shape", "size", "strides"),
    [
        ((2, 9, 7, 35), (3, 2), (1, 1)),
        ((1, 9, 8, 4), (2, 3), (3, 2)),
        ((1, 7, 7, 3), (4, 4), (2, 3)),
        # More windows over a pixel than the kernel has shares for.
        ((1, 36, 36, 1), (34, 34), (1, 1)),
    ],
)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_gradient_of_average_pools_compiled(shape, size, strides, padding):
    x = RNG.standard_normal(shape)

    def slope(x):
        y = tf.nn.avg_pool2d(x, size, strides, padding)
        return tf.gradients(tf.reduce_sum(y * y), x)[0]

    got, expected = (
        run_in_graph(slope, x, jit=jit, shapes=[shape]) for jit in ("always", "never")
    )
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_max_pool_of_integers():
    x = RNG.integers(-9, 9, (1, 4, 4, 2)).astype(np.int32)
    got = run_everywhere(lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"), x)
    np.testing.assert_array_equal(got, x.reshape(1, 2, 2, 2, 2, 2).max((2, 4)))


def test_conv2d_transpose_is_the_derivative():
    g = RNG.standard_normal((2, 4, 3, 4))

    def forward(x):
        return tf.reduce_sum(tf.nn.conv2d(x, FILTERS, 2, "SAME") * g)

    (expected,) = gradient_of(forward, IMAGE)
    got = run_everywhere(
        lambda g: tf.nn.conv2d_transpose(g, FILTERS, IMAGE.shape, 2), g
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)
    with pytest.raises(tf.errors.InvalidArgumentError, match="output_shape"):
        tf.nn.conv2d_transpose(g, FILTERS, [2, 9, 6, 3], 2)


def test_unknown_batch_trains():
    x = IMAGE.astype(np.float32)

    def loss(x):
        y = tf.nn.relu(tf.nn.conv2d(x, FILTERS.astype(np.float32), 1, "SAME"))
        return tf.gradients(tf.reduce_sum(tf.nn.max_pool2d(y, 2, 2, "SAME")), x)[0]

    results = [
        run_in_graph(loss, x, jit=jit, shapes=[[None, 7, None, 3]])
        for jit in ("never", "always")
    ]
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


def test_shapes_that_are_not_known():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32)
        assert tf.nn.conv2d(x, FILTERS.astype("f"), 1, "SAME").shape.rank == 4
        x = tf.compat.v1.placeholder(tf.float32, [None, 9, None, 3])
        y = tf.nn.conv2d(x, FILTERS.astype("f"), [1, 2, 2, 1], "VALID")
        assert y.shape == [None, 4, None, 4]
        assert tf.nn.avg_pool2d(x, 2, 2, "SAME").shape == [None, 5, None, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"data_format": "NWC"}, ValueError, "must be NHWC or NCHW"),
        ({"padding": "FULL"}, ValueError, "must be 'SAME', 'VALID'"),
        ({"strides": [1, 2, 3]}, ValueError, "strides must be one number"),
        ({"strides": [2, 1, 1, 1]}, NotImplementedError, "batch and channels"),
        ({"dilations": 0}, ValueError, "dilations must be one number"),
    ],
)
def test_arguments_are_checked(arguments, error, words):
    given = {"strides": 1, "padding": "SAME", **arguments}
    with pytest.raises(error, match=words):
        tf.nn.conv2d(IMAGE, FILTERS, **given)


def test_pools_refuse_padding_as_numbers():
    with pytest.raises(NotImplementedError, match=r"use tf\.pad"):
        tf.nn.max_pool2d(IMAGE, 2, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])


def test_cross_entropies():
    x, z = np.array([-80.0, -1.0, 0.5, 90.0]), np.array([0.0, 0.3, 1.0, 1.0])
    got = run_everywhere(
        lambda x, z: tf.nn.weighted_cross_entropy_with_logits(z, x, 3.0), x, z
    )
    log_p, log_q = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    np.testing.assert_allclose(got, -3 * z * log_p - (1 - z) * log_q, atol=1e-12)
    rates, counts = np.array([0.1, 1.0, -2.0]), np.array([0.0, 3.0, 1.0])
    plain = run_everywhere(lambda c, z: tf.nn.log_poisson_loss(z, c), rates, counts)
    np.testing.assert_allclose(plain, np.exp(rates) - rates * counts)
    full = run_everywhere(
        lambda c, z: tf.nn.log_poisson_loss(z, c, compute_full_loss=True), rates, counts
    )
    stirling = 3 * np.log(3) - 3 + 0.5 * np.log(6 * np.pi)
    np.testing.assert_allclose(full - plain, [0, stirling, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="same shape"):
        tf.nn.weighted_cross_entropy_with_logits([1.0], [1.0, 2.0], 1.0)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("dilations", [1, 2])
def test_depthwise_conv2d(padding, strides, dilations):
    got = run_everywhere(
        lambda x, f: tf.nn.depthwise_conv2d(
            x, f, [1, strides, strides, 1], padding, dilations=dilations
        ),
        IMAGE,
        FILTERS,
    )
    # A convolution whose filters are 0 between different channels is the same.
    dense = np.zeros((3, 2, 3, 12))
    for channel in range(3):
        dense[:, :, channel, 4 * channel : 4 * channel + 4] = FILTERS[:, :, channel]
    expected = tf.nn.conv2d(IMAGE, dense, strides, padding, dilations=dilations)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_separable_conv2d():
    points = RNG.standard_normal((1, 1, 12, 5))
    got = run_everywhere(
        lambda x: tf.nn.separable_conv2d(x, FILTERS, points, 1, "SAME"), IMAGE
    )
    deep = tf.nn.depthwise_conv2d(IMAGE, FILTERS, 1, "SAME").numpy()
    np.testing.assert_allclose(got, deep @ points[0, 0], atol=1e-12)
    with pytest.raises(ValueError, match="NHWC"):
        tf.nn.separable_conv2d(IMAGE, FILTERS, points, 1, "SAME", data_format="CHWN")
