"""`tf.losses` of version 1."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat import programs_losses
from tests.compat.golden import compare, host_steps

v1 = tf.compat.v1


def test_values_gradients_and_collections_are_those_of_tensorflow():
    compare("losses", programs_losses.record(v1))


def test_a_loss_is_one_number_and_kept_once():
    with tf.Graph().as_default():
        loss = v1.losses.mean_squared_error(np.ones((3, 2)), np.zeros((3, 2)))
        assert loss.shape == ()
        assert v1.losses.get_losses() == [loss]
        assert loss.dtype is tf.float32
        none = v1.losses.absolute_difference(
            [1.0], [2.0], loss_collection=None, reduction=v1.losses.Reduction.NONE
        )
        assert none.shape == (1,)
        assert len(v1.get_collection(v1.GraphKeys.LOSSES)) == 1
    assert float(v1.losses.huber_loss([0.0], [3.0])) == 2.5


def test_mistakes():
    losses = v1.losses
    with pytest.raises(ValueError, match="labels must not be None"):
        losses.log_loss(None, [1.0])
    with pytest.raises(ValueError, match="Invalid ReductionKey mean"):
        losses.compute_weighted_loss([1.0], reduction="mean")
    with pytest.raises(ValueError, match="incompatible"):
        losses.mean_squared_error(np.ones((2, 3)), np.ones((3, 2)))
    for weights in (np.ones(3), np.ones((2, 1)), np.ones((1, 3, 1))):
        with pytest.raises(ValueError, match="weights can not be broadcast"):
            losses.mean_squared_error(np.ones((3, 3)), np.ones((3, 3)), weights)
    with pytest.raises(ValueError, match="You must specify 'axis'"):
        losses.cosine_distance([1.0], [1.0])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no losses"):
        losses.get_total_loss()


def test_weights_that_only_the_run_shows_to_be_wrong():
    with tf.Graph().as_default(), v1.Session() as session:
        weights = v1.placeholder(tf.float32, [None, 1])
        values = v1.placeholder(tf.float32, [None, 1])
        loss = v1.losses.compute_weighted_loss(values, weights)

        def run(n, m):
            return session.run(
                loss, {weights: np.ones((n, 1)), values: np.ones((m, 1))}
            )

        assert run(3, 3) == run(1, 3) == 1.0
        with pytest.raises(ValueError, match=r"[Bb]roadcast"):
            run(3, 1)


def test_a_training_step_is_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        w = v1.get_variable("w", [3, 2])
        loss = v1.losses.sparse_softmax_cross_entropy([0, 1, 1], tf.matmul(x, w))
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(v1.global_variables_initializer())
        assert not host_steps(session, [step, loss], {x: np.ones((3, 3))})
