"""Bits, divisions towards zero, counts, repeating and masks of sequences."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.helpers import assert_everywhere
from tests.ops.helpers import gradient_of

v1 = tf.compat.v1
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits(dtype):
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype)
    x, y = rng.integers(info.min, info.max, (2, 64), endpoint=True, dtype=dtype)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        assert_everywhere(getattr(tf.bitwise, name), [x, y], getattr(np, name)(x, y))
    assert_everywhere(tf.bitwise.invert, [x], ~x)
    want = np.array([int(n).bit_count() for n in x.view(f"u{x.itemsize}")], np.uint8)
    assert_everywhere(tf.bitwise.population_count, [x], want)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts_are_defined_for_all_counts(dtype):
    bits = np.dtype(dtype).itemsize * 8
    info = np.iinfo(dtype)
    x = np.array([info.max, info.min, 1, 5, 0], dtype)
    for count in (0, 1, bits - 1, bits, min(bits + 3, info.max)):
        y = np.full(x.shape, count, dtype)
        left = [(int(n) << count) & (2**bits - 1) for n in x]
        right = [int(n) >> count for n in x]
        left = np.array(left, np.uint64).astype(dtype)
        assert_everywhere(tf.bitwise.left_shift, [x, y], left)
        assert_everywhere(tf.bitwise.right_shift, [x, y], np.array(right, dtype))


@pytest.mark.parametrize("dtype", [*INTEGERS, np.float32, np.float64])
def test_divisions_towards_zero(dtype):
    x, y = np.array([7, 7, 6, 1]), np.array([2, 3, 3, 5])
    if np.dtype(dtype).kind != "u":
        x, y = np.concatenate([x, -x, x, -x]), np.concatenate([y, y, -y, -y])
    quotient = np.array([int(a / b) for a, b in zip(x, y, strict=True)], dtype)
    x, y = x.astype(dtype), y.astype(dtype)
    assert_everywhere(tf.truncatediv, [x, y], quotient)
    assert_everywhere(tf.truncatemod, [x, y], (x - quotient * y).astype(dtype))


def test_division_by_zero_towards_zero_is_an_error():
    for function in (tf.math.truncatediv, tf.math.truncatemod):
        with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
            function([1, 2], [1, 0])


def test_bincount_counts():
    values = np.array([[3, 1], [1, 7]], np.int32)
    count = tf.math.bincount
    assert_everywhere(count, [values], np.bincount(values.ravel()).astype(np.int32))
    assert_everywhere(
        lambda v: count(v, minlength=10, dtype=tf.int64),
        [values],
        np.bincount(values.ravel(), minlength=10),
    )
    assert_everywhere(
        lambda v: count(v, maxlength=3), [values], np.array([0, 2, 0], np.int32)
    )
    assert_everywhere(
        lambda v: count(v, axis=-1, binary_output=True, minlength=2, maxlength=5),
        [values],
        np.array([[0, 1, 0, 1, 0], [0, 1, 0, 0, 0]], np.int32),
    )
    weights = np.array([[0.5, 2.0], [4.0, 1.0]], np.float32)
    want = np.bincount(values.ravel(), weights.ravel()).astype(np.float32)
    assert_everywhere(lambda v, w: count(v, w), [values, weights], want)
    assert v1.bincount([0, 1]).numpy().tolist() == [1, 1]


def test_derivative_of_weighted_counts():
    values = tf.constant([2, 0, 2, 9])
    scale = tf.constant([1.0, 10.0, 100.0])
    (grad,) = gradient_of(
        lambda w: tf.math.bincount(values, w, minlength=3, maxlength=3) * scale,
        np.array([1.0, 2.0, 3.0, 4.0], np.float32),
    )
    assert grad.tolist() == [100.0, 1.0, 100.0, 0.0]


def test_repeat_is_numpys():
    x = np.arange(6.0).reshape(2, 3)
    cases = [(2, None), (2, 0), (3, 1), ([1, 2], 0), ([0, 3, 1], -1), ([2], 1), (0, 0)]
    for repeats, axis in cases:
        want = np.repeat(x, repeats, axis)
        assert_everywhere(lambda t, r=repeats, a=axis: tf.repeat(t, r, a), [x], want)
        counts = np.asarray(repeats, np.int32)
        assert_everywhere(
            lambda t, r, a=axis: tf.repeat(t, r, a),
            [x, counts],
            want,
            shapes=[[None, 3], counts.shape],
        )


def test_repeat_of_known_counts_has_a_known_shape_and_a_derivative():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [2, 3])
        assert tf.repeat(x, [2, 4], axis=0).shape == [6, 3]
    for axis in (0, 1):
        weights = np.arange(12.0).reshape((4, 3) if axis == 0 else (2, 6))
        (grad,) = gradient_of(
            lambda t, a=axis, w=weights: tf.repeat(t, 2, axis=a) * w, np.ones((2, 3))
        )
        want = weights.reshape((2, 2, 3) if axis == 0 else (2, 3, 2))
        np.testing.assert_array_equal(grad, want.sum(1 if axis == 0 else 2))


def test_mistakes_with_repeat():
    with pytest.raises(ValueError, match="one number for each slice"):
        tf.repeat([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="must not be negative"):
        tf.repeat([1, 2], [1, -2])
    with pytest.raises(ValueError, match="no axis 3"):
        tf.repeat([1, 2], 2, axis=3)
    with pytest.raises(TypeError, match="must be integers"):
        tf.repeat([1, 2], 1.5)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_sequence_masks(dtype):
    lengths = np.array([[0, 2], [3, 1]], dtype)
    want = np.arange(3) < lengths[..., None]
    assert_everywhere(tf.sequence_mask, [lengths], want)
    assert_everywhere(
        lambda n: tf.sequence_mask(n, 5, tf.float32),
        [lengths],
        (np.arange(5) < lengths[..., None]).astype(np.float32),
    )
    assert_everywhere(
        lambda n, m: tf.sequence_mask(n, m),
        [lengths, np.int32(2)],
        np.arange(2) < lengths[..., None],
    )
    with pytest.raises(TypeError, match="lengths must be integers"):
        tf.sequence_mask([1.0])
