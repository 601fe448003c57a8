"""Argmax, sorting, masks and unique against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import assert_everywhere

X = np.random.default_rng(3).integers(-3, 4, (4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_place_of_the_extreme(axis, kind):
    want = getattr(np, kind)(X, axis or 0)
    function = getattr(tf, kind)
    assert_everywhere(lambda x: function(x, axis), [X], want)
    assert_everywhere(
        lambda x: getattr(tf.math, kind)(x, axis, output_type=tf.int32),
        [X],
        want.astype(np.int32),
    )


@pytest.mark.parametrize("n", [1, 7, 8, 9, 30, 300])
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_place_of_the_extreme_in_rows_of_any_length(n, kind):
    rng = np.random.default_rng(n)
    x = rng.integers(-9, 9, (40, n)).astype(np.float64)
    x[rng.random(x.shape) < 1 / n / 2] = np.nan
    x[x == 3] = np.inf
    x[x == -3] = -np.inf
    x[x == 0] *= rng.choice([-1.0, 1.0], np.count_nonzero(x == 0))
    for axis in (0, 1):
        want = getattr(np, kind)(x, axis)
        assert_everywhere(lambda x: getattr(tf, kind)(x, axis), [x], want)


def test_argmax_of_nothing():
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        tf.argmax(tf.zeros([2, 0]), axis=1)
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            x = tf.compat.v1.placeholder(tf.float32, [None])
            y = tf.argmax(x)
            with tf.compat.v1.Session() as session:
                assert session.run(y, {x: [1.0, 3.0]}) == 1
                with pytest.raises(tf.errors.InvalidArgumentError):
                    session.run(y, {x: np.zeros(0)})


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_sort(axis, direction):
    sign = 1 if direction == "ASCENDING" else -1
    order = np.argsort(sign * X, axis, kind="stable").astype(np.int32)
    assert_everywhere(lambda x: tf.argsort(x, axis, direction), [X], order)
    want = np.take_along_axis(X, order, axis)
    assert_everywhere(lambda x: tf.sort(x, axis, direction), [X], want)


def test_sort_passes_gradients_on():
    x = tf.constant([3.0, 1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.sort(x) * [1.0, 10.0, 100.0])
    assert tape.gradient(y, x).numpy().tolist() == [100.0, 1.0, 10.0]


def test_sort_refuses():
    with pytest.raises(ValueError, match="direction"):
        tf.sort([1, 2], direction="UP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        tf.sort([1, 2], axis=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one dimension"):
        tf.sort(3)


@pytest.mark.parametrize("k", [0, 1, 4])
def test_top_k(k):
    order = np.argsort(-X, -1, kind="stable")[..., :k].astype(np.int32)
    values = np.take_along_axis(X, order, -1)
    assert_everywhere(lambda x: tf.math.top_k(x, k), [X], values, order)
    assert_everywhere(
        lambda x: tf.nn.top_k(x, k, index_type=tf.int64).indices,
        [X],
        order.astype(np.int64),
    )


def test_in_top_k():
    x = np.array(
        [[1, 3, 3, 2], [1, 3, 3, 2], [9, 1, 0, 0], [np.nan, 1, 2, 3]], np.float32
    )
    for k, want in ((1, [1, 0, 0, 0]), (2, [1, 0, 1, 0]), (3, [1, 1, 1, 0])):
        targets = np.array([1, 3, 1, 3], np.int32)
        assert_everywhere(
            lambda t, p: tf.math.in_top_k(t, p, k), [targets, x], np.array(want, bool)
        )
    assert not tf.nn.in_top_k([4, -1], x[:2], 4).numpy().any()


def test_masks_whose_size_only_the_run_knows():
    mask = X > 1
    assert_everywhere(tf.boolean_mask, [X, mask], X[mask])
    assert_everywhere(lambda x, m: x[m], [X, mask], X[mask])
    rows = np.array([True, False, True, True])
    assert_everywhere(
        tf.boolean_mask, [X, rows], X[rows], shapes=[(None, 5, 6), (None,)]
    )
    columns = np.array([True, False, True, True, False])
    assert_everywhere(
        lambda x, m: tf.boolean_mask(x, m, axis=1), [X, columns], X[:, columns]
    )
    assert_everywhere(tf.where, [mask], np.argwhere(mask))
    assert_everywhere(lambda x: tf.where(x), [X], np.argwhere(X))


def test_the_plan_says_which_op_has_no_fixed_size():
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float32, [3])
        y = tf.reduce_sum(tf.where(x > 0, name="places"))
        with tf.compat.v1.Session() as session:
            assert session.run(y, {x: [1, -2, 3]}) == 2
            (runner,) = session._runners.values()
            (plan,) = runner.plans.values()
    hosts = {s.op.name: s.lowered.host for s in plan.schedule.steps if s.lowered.host}
    assert "only the data decide" in hosts["places"]
    assert not plan.schedule.interpreted


def test_a_constant_mask_has_a_known_size():
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float32, [3])
        y = tf.boolean_mask(x, [True, False, True])
        assert y.shape == (2,)
        with tf.compat.v1.Session() as session:
            assert session.run(y, {x: [1, 2, 3]}).tolist() == [1, 3]
            assert all(
                p.executable
                for r in session._runners.values()
                for p in r.plans.values()
            )


def test_a_step_through_a_mask_trains():
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            w = tf.Variable([1.0, 2.0, 3.0])
            m = tf.compat.v1.placeholder(tf.bool, [3])
            loss = tf.reduce_sum(tf.boolean_mask(w, m) ** 2.0)
            step = tf.optimizers.SGD(0.5).minimize(loss, [w])
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                session.run(step, {m: [True, False, True]})
                assert session.run(w).tolist() == [0.0, 2.0, 0.0]


def test_masks_refuse_other_shapes():
    for mask in (np.ones(3, np.bool_), np.ones(4), np.bool_(True)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="mask must be"):
            tf.boolean_mask(X, mask)
    with pytest.raises(ValueError, match="both be None"):
        tf.where([True], x=[1])


def test_unique():
    x = np.array([5, 1, 5, 2, 1], np.int64)
    y, idx = np.array([5, 1, 2]), np.array([0, 1, 0, 2, 1], np.int32)
    assert_everywhere(tf.unique, [x], y, idx)
    assert_everywhere(lambda x: tf.unique(x).y * 2, [x], y * 2)
    assert tf.unique([np.nan, 1.0, np.nan]).idx.numpy().tolist() == [0, 1, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="1D"):
        tf.unique([[1]])
