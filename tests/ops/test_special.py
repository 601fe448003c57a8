"""Trigonometric and special functions against SciPy, in eager mode and in graphs."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.helpers import assert_ulps
from tests.ops.helpers import gradient_of, run_everywhere, run_in_graph

special = pytest.importorskip("scipy.special")

REAL = np.linspace(-8, 8, 400)
UNIT = np.linspace(-0.999, 0.999, 401)
POSITIVE = np.geomspace(1e-3, 60, 400)
EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, -1e30])
FUNCTIONS = [
    ("tan", np.tan, REAL),
    ("asin", np.arcsin, UNIT),
    ("acos", np.arccos, UNIT),
    ("atan", np.arctan, REAL),
    ("sinh", np.sinh, REAL),
    ("cosh", np.cosh, REAL),
    ("asinh", np.arcsinh, REAL),
    ("acosh", np.arccosh, 1 + POSITIVE),
    ("atanh", np.arctanh, UNIT),
    ("erfc", special.erfc, REAL),
    ("erfinv", special.erfinv, UNIT),
    ("rint", np.rint, REAL),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "oracle", "domain"), FUNCTIONS)
def test_functions_are_exact(name, oracle, domain, dtype):
    x = np.concatenate([domain, EDGES]).astype(dtype)
    function = getattr(tf.math, name)
    with np.errstate(all="ignore"):
        exact = oracle(x.astype(np.float64)).astype(dtype)
    # SciPy's own erfc is some ulps off where it is nearly 0.
    ulps = 64 if name == "erfc" else 8
    assert_ulps(function(x).numpy(), exact, ulps)
    for jit in ("never", "always"):
        assert_ulps(run_in_graph(function, x, jit=jit), exact, ulps)


def test_tails_of_erfinv():
    x = 1 - np.geomspace(1e-16, 1e-3, 50)
    assert_ulps(tf.math.erfinv(x).numpy(), special.erfinv(x), 8)
    assert_ulps(run_in_graph(tf.math.erfinv, x, jit="always"), special.erfinv(x), 8)
    ends = np.array([1.0, -1.0, 1.5, np.nan])
    expected = [np.inf, -np.inf, np.nan, np.nan]
    for jit in ("never", "always"):
        np.testing.assert_array_equal(
            run_in_graph(tf.math.erfinv, ends, jit=jit), expected
        )


def test_lgamma_is_exact_at_its_zeros():
    near = np.array([1e-12, -1e-9, 1e-5, 0.01, -0.1])
    # The series of log(gamma(1 + z)) and log(gamma(2 + z)) around z = 0.
    by_one = -np.euler_gamma * near + np.pi**2 / 12 * near**2
    values = tf.math.lgamma(1 + near[:3]).numpy()
    np.testing.assert_allclose(values, by_one[:3], rtol=1e-4)
    for x in (1 + near, 2 + near, POSITIVE, REAL + 0.3):
        eager = tf.math.lgamma(x).numpy()
        compiled = run_in_graph(tf.math.lgamma, x, jit="always")
        np.testing.assert_allclose(eager, compiled, rtol=2e-15, atol=2e-14)
        np.testing.assert_allclose(eager, special.gammaln(x), rtol=1e-13, atol=1e-13)
    poles = np.array([0.0, -1.0, -5.0, np.inf, -np.inf, np.nan])
    expected = [np.inf] * 5 + [np.nan]
    for jit in ("never", "always"):
        values = run_in_graph(tf.math.lgamma, poles, jit=jit)
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("x", [POSITIVE, REAL + 0.3])
def test_digamma_and_polygamma(x):
    np.testing.assert_allclose(
        run_everywhere(tf.math.digamma, x), special.digamma(x), rtol=1e-12, atol=1e-12
    )
    if x is POSITIVE:
        for order in (0, 1, 2, 7):
            exact = special.polygamma(order, x)
            got = tf.math.polygamma(np.float64(order), x).numpy()
            np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-12)
    assert np.isnan(tf.math.digamma([0.0, -3.0]).numpy()).all()
    assert np.isnan(tf.math.polygamma(0.5, 1.0).numpy())


def test_zeta():
    x, q = np.meshgrid([1.5, 2.0, 4.5, 30.0], [0.1, 1.0, 7.5, 300.0])
    got = run_everywhere(lambda x, q: tf.math.zeta(x, q), x, q)
    np.testing.assert_allclose(got, special.zeta(x, q), rtol=1e-13)
    assert tf.math.zeta(1.0, 2.0).numpy() == np.inf
    assert np.isnan(tf.math.zeta(0.5, 2.0).numpy())


def test_derivative_of_lgamma_to_third_order():
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.math.lgamma(x)
            g = inner.gradient(y, x)
        return outer.gradient(g, x)

    x = np.array([0.7, 1.9, 6.0])
    np.testing.assert_allclose(second(tf.constant(x)), special.polygamma(1, x))
    (third,) = gradient_of(second, x)
    np.testing.assert_allclose(third, special.polygamma(2, x), rtol=1e-12)


def test_atan2_in_all_quadrants():
    y = np.array([1.0, 1.0, -1.0, -1.0, 0.0, -0.0, 2.0])
    x = np.array([1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 0.0])
    got = run_everywhere(tf.math.atan2, y, x)
    np.testing.assert_allclose(got, np.arctan2(y, x))


@pytest.mark.parametrize(
    ("name", "zero", "factor"),
    [
        ("xlogy", 0, np.log),
        ("xlog1py", 0, np.log1p),
        ("xdivy", 0, np.reciprocal),
        ("multiply_no_nan", 1, np.positive),
        ("divide_no_nan", 1, np.reciprocal),
    ],
)
def test_zero_wins(name, zero, factor):
    function = getattr(tf.math, name)
    zeros, others = np.zeros(4), np.array([0.0, np.inf, np.nan, -1.0])
    arguments = (zeros, others) if zero == 0 else (others, zeros)
    assert not run_everywhere(function, *arguments).any()
    a, b = np.array([2.0, -3.0]), np.array([0.5, 4.0])
    np.testing.assert_allclose(run_everywhere(function, a, b), a * factor(b))
    grads = gradient_of(function, *(np.zeros(2), np.ones(2))[:: 1 if zero == 0 else -1])
    assert np.isfinite(grads).all()


def test_logic_and_sums():
    x, y = np.array([True, True, False]), np.array([True, False, False])
    got = run_everywhere(tf.math.logical_xor, x, y)
    np.testing.assert_array_equal(got, x ^ y)
    assert tf.math.reciprocal_no_nan([0.0, 4.0]).numpy().tolist() == [0.0, 0.25]
    assert tf.math.mod(7, 4).numpy() == 3
    np.testing.assert_allclose(
        tf.math.log_sigmoid([-1000.0, 0.0]).numpy(), [-1000, -np.log(2)], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["add_n", "accumulate_n"])
def test_add_n(name):
    function = getattr(tf.math, name)
    a, b, c = np.arange(6.0).reshape(3, 2, 1)
    np.testing.assert_array_equal(
        run_everywhere(lambda *xs: function(list(xs)), a, b, c), a + b + c
    )
    for grad in gradient_of(lambda *xs: function(xs), a, b):
        np.testing.assert_array_equal(grad, np.ones_like(a))
    np.testing.assert_array_equal(function([a]).numpy(), a)
    with pytest.raises(ValueError, match="at least one"):
        function([])
    with pytest.raises(tf.errors.InvalidArgumentError, match="same size and shape"):
        function([np.ones(2), np.ones(3)])


def test_accumulate_n_checks_what_it_is_told():
    with pytest.raises(TypeError, match="tensor_dtype"):
        tf.math.accumulate_n([1.0], tensor_dtype=tf.int32)
    with pytest.raises(ValueError, match="shape"):
        tf.math.accumulate_n([1.0], shape=[2])


def test_polyval_and_zero_fraction():
    x = np.array([0.0, 1.0, 2.5])
    got = run_everywhere(lambda x: tf.math.polyval([3.0, 0.0, -1.0], x), x)
    np.testing.assert_allclose(got, np.polyval([3, 0, -1], x))
    assert not tf.math.polyval([], x).numpy().any()
    with pytest.raises(ValueError, match="must be list"):
        tf.math.polyval(3.0, x)
    assert tf.nn.zero_fraction(np.array([0, 1, 0], np.int32)).numpy() == pytest.approx(
        2 / 3
    )
    assert np.isnan(tf.nn.zero_fraction(np.zeros(0)).numpy())
