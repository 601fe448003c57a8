"""Division of integers, compiled."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
DTYPES = ["int8", "int16", "int32", "int64", "uint8"]


def divide(x, y, jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        a = v1.placeholder(x.dtype, x.shape)
        b = v1.placeholder(y.dtype, y.shape)
        fetches = [a // b, a % b]
        got = session.run(fetches, {a: x, b: y})
        steps = session.plan(fetches, {a: x, b: y}).steps
        assert not [step for step in steps if step.host]
        return got


@pytest.mark.parametrize("jit", ["always", "never"])
@pytest.mark.parametrize("name", DTYPES)
def test_quotients_and_rests(name, jit):
    info = np.iinfo(name)
    rng = np.random.default_rng(len(name))
    x = rng.integers(info.min, info.max, (40, 30), name, endpoint=True)
    x[0, :4] = info.min, info.max, 0, 1
    y = rng.integers(max(info.min, -9), 9, (40, 30)).astype(name)
    y[y == 0] = 7
    y[:, 0] = info.max if info.min == 0 else -1
    for shape in ((40, 30), (30,), (40, 1), ()):
        d = y if shape == (40, 30) else np.resize(y[:, 0], shape).astype(name)
        with np.errstate(all="ignore"):
            expected = x // d, x % d
        for a, b in zip(divide(x, d, jit), expected, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == name


@pytest.mark.parametrize("jit", ["always", "never"])
def test_a_zero_is_an_error_before_anything_is_written(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        v = tf.Variable(np.int32([6, 7]))
        d = v1.placeholder(tf.int32, [2])
        add = v.assign_add(tf.math.floordiv(100, d, name="the_quotient"))
        session.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(add, {d: [5, 0]})
        assert "the_quotient" in str(caught.value)
        assert "test_integer_division.py" in str(caught.value)
        assert session.run(v).tolist() == [6, 7]
        assert session.run(add, {d: [5, 50]}).tolist() == [26, 9]


def test_in_a_loop():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        n = v1.placeholder(tf.int32, [])
        _, steps = tf.while_loop(
            lambda n, _: n > 1,
            lambda n, i: (
                tf.cond(tf.equal(n % 2, 0), lambda: n // 2, lambda: 3 * n + 1),
                i + 1,
            ),
            (n, 0),
        )
        assert session.run(steps, {n: 27}) == 111
        assert not [s for s in session.plan(steps, {n: 27}).steps if s.host]
