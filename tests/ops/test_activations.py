"""Activations: values, kinks, integers, bad inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphopt as tf
from tests.ops.helpers import gradient_of, run_everywhere

X = np.array([-60.0, -2.5, -0.3, -1e-6, 0.0, 1e-6, 0.7, 3.0, 6.5])
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
ERF = np.vectorize(math.erf)
ORACLES = {
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "selu": lambda x: SCALE * np.where(x < 0, ALPHA * np.expm1(x), x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / np.sqrt(2))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ORACLES)
def test_values(name, dtype):
    got = run_everywhere(getattr(tf.nn, name), X.astype(dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, ORACLES[name](X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "x", "slopes"),
    [
        ("relu6", [-1.0, 0.0, 3.0, 6.0, 7.0], [0, 0, 1, 0, 0]),
        ("leaky_relu", [-1.0, 0.0, 1.0], [0.2, 0.2, 1]),
        ("elu", [0.0, 1.0], [1, 1]),
        ("selu", [0.0, 1.0], [SCALE, SCALE]),
        ("softsign", [0.0, 1.0, -3.0], [1, 0.25, 0.0625]),
    ],
)
def test_slopes_at_kinks(name, x, slopes):
    (grad,) = gradient_of(getattr(tf.nn, name), np.array(x))
    np.testing.assert_allclose(grad, slopes, rtol=1e-12)


def test_saturated_ends_have_finite_slopes():
    for name in ORACLES:
        (grad,) = gradient_of(getattr(tf.nn, name), np.array([-1e4, 1e4]))
        assert np.isfinite(grad).all(), name


def test_gelu_by_tanh():
    got = run_everywhere(lambda x: tf.nn.gelu(x, approximate=True), X)
    inner = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
    np.testing.assert_allclose(got, 0.5 * X * (1 + np.tanh(inner)), atol=1e-7)


def test_parameters():
    x = np.array([-2.0, 3.0], np.float32)
    assert tf.nn.leaky_relu(x, alpha=0.5).numpy().tolist() == [-1, 3]
    got = tf.nn.silu(x, beta=2.0).numpy()
    np.testing.assert_allclose(got, x / (1 + np.exp(-2 * x)), rtol=1e-6)
    assert tf.nn.crelu(x).numpy().tolist() == [0, 3, 2, 0]


def test_integers():
    whole = np.array([-7, 2, 9], np.int32)
    assert run_everywhere(tf.nn.relu6, whole).tolist() == [0, 2, 6]
    assert tf.nn.leaky_relu(whole).dtype == tf.float32
    for name in ("gelu", "silu"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="floating point"):
            getattr(tf.nn, name)(whole)
    with pytest.raises(TypeError, match="not defined for int32"):
        tf.nn.elu(whole)
