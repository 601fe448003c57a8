"""The global step, decays and moving averages of TensorFlow 1."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
train = v1.train


def test_global_step_of_a_graph():
    with tf.Graph().as_default() as graph:
        assert train.get_global_step() is None
        step = train.create_global_step()
        assert (step.name, step.dtype, step.trainable) == (
            "global_step:0",
            tf.int64,
            False,
        )
        assert train.get_global_step() is step
        assert train.get_or_create_global_step() is step
        assert graph.get_collection("global_step") == [step]
        assert v1.global_variables() == [step]
        with pytest.raises(ValueError, match='"global_step" already exists'):
            train.create_global_step()
    other = tf.Graph()
    assert train.get_global_step(other) is None
    made = train.create_global_step(other)
    assert made.graph is other
    assert train.get_or_create_global_step(other) is made


def test_global_step_found_by_name():
    with tf.Graph().as_default():
        step = tf.Variable(0, name="global_step", trainable=False)
        assert train.get_global_step() is step


def test_global_step_in_eager_mode():
    assert train.get_global_step() is None
    step = train.get_or_create_global_step()
    assert train.get_global_step() is step
    step.assign_add(3)
    assert train.global_step(None, step) == 3
    with pytest.raises(ValueError, match="already exists"):
        train.create_global_step()
    with tf.Graph().as_default():
        assert train.get_global_step() is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("step", "must be a Variable or Tensor: step"),
        (1, "must be a Variable or Tensor"),
        (tf.constant(1.0), "does not have integer type"),
        (tf.constant([1]), "is not scalar"),
    ],
)
def test_what_is_no_global_step(value, message):
    with pytest.raises(TypeError, match=message):
        train.assert_global_step(value)


def test_what_is_a_global_step():
    train.assert_global_step(tf.Variable(0))
    train.assert_global_step(tf.constant(0, tf.int64))


DECAYS = {
    "exponential_decay": (10, 0.5),
    "natural_exp_decay": (10, 0.5),
    "inverse_time_decay": (10, 0.5),
    "polynomial_decay": (10,),
    "cosine_decay": (10,),
    "cosine_decay_restarts": (10,),
    "linear_cosine_decay": (10,),
    "noisy_linear_cosine_decay": (10,),
}


@pytest.mark.parametrize("name", DECAYS)
def test_decays_need_a_step_and_keep_the_dtype_of_the_rate(name):
    function = getattr(train, name)
    with pytest.raises(ValueError, match="global_step is required"):
        function(0.1, None, *DECAYS[name])
    assert callable(function(0.1, 3, *DECAYS[name]))
    assert function(0.1, 3, *DECAYS[name])().dtype is tf.float32
    wide = function(tf.constant(0.1, tf.float64), 3, *DECAYS[name])()
    assert wide.dtype is tf.float64
    with tf.Graph().as_default():
        step = train.get_or_create_global_step()
        tensor = function(tf.constant(0.1), step, *map(tf.constant, DECAYS[name]))
        assert isinstance(tensor, tf.Tensor)
        assert np.isfinite(tensor.eval())
        scopes = {"cosine_decay_restarts": "SGDRDecay"}
        camel = "".join(word.title() for word in name.split("_"))
        assert tensor.name.startswith(scopes.get(name, camel) + "/")


def test_restarts_need_to_know_how_periods_grow():
    with pytest.raises(NotImplementedError, match="t_mul as a number"):
        train.cosine_decay_restarts(0.1, 3, 10, t_mul=tf.constant(2.0))


def test_noise_is_drawn_anew_in_each_step():
    with tf.Graph().as_default(), v1.Session() as session:
        rate = train.noisy_linear_cosine_decay(0.1, 3, 10)
        assert session.run(rate) != session.run(rate)


def test_piecewise_constant_mistakes_and_large_steps():
    step = tf.Variable(2**24 + 1, dtype=tf.int64)
    assert float(train.piecewise_constant(step, [2**24], [1.0, 0.5])()) == 0.5
    assert float(train.piecewise_constant_decay(0.1, [0.1], [1.0, 0.5])()) == 1.0
    assert train.piecewise_constant(3, [2], [10, 20])().dtype is tf.int32
    with pytest.raises(ValueError, match="should be 1 less than the length"):
        train.piecewise_constant(step, [1], [1.0])
    with pytest.raises(ValueError, match=r"same dtype as x .*int64.*got 2\.0"):
        train.piecewise_constant(step, [2.0], [1.0, 0.5])
    with pytest.raises(ValueError, match="all with the same dtype"):
        train.piecewise_constant(step, [2], [1.0, 5])


def test_a_decay_drives_an_optimizer_in_both_modes():
    w, step = tf.Variable(0.0), tf.Variable(0, dtype=tf.int64)
    opt = train.GradientDescentOptimizer(train.exponential_decay(1.0, step, 1, 0.5))
    for _ in range(3):
        opt.apply_gradients([(tf.constant(1.0), w)], global_step=step)
    assert float(w) == -1.75
    with tf.Graph().as_default(), v1.Session() as session:
        w, step = tf.Variable(0.0), train.get_or_create_global_step()
        opt = train.GradientDescentOptimizer(train.exponential_decay(1.0, step, 1, 0.5))
        update = opt.apply_gradients([(tf.constant(1.0), w)], global_step=step)
        session.run(v1.global_variables_initializer())
        session.run_steps(update, 3)
        assert session.run(w) == -1.75


# ---- moving averages


def test_averages_in_eager_mode():
    w = tf.Variable([1.0, 2.0], name="w")
    ema = train.ExponentialMovingAverage(0.75)
    assert ema.average(w) is None
    assert ema.average_name(w) == "w/ExponentialMovingAverage"
    assert ema.apply([w]) is None
    w.assign([5.0, 2.0])
    ema.apply([w])
    average = ema.average(w)
    assert average.numpy().tolist() == [2.0, 2.0]
    assert (average.name, average.trainable) == ("w/ExponentialMovingAverage:0", False)
    with pytest.raises(TypeError, match=r"got <tf.Tensor.*eager tensor"):
        ema.apply([tf.constant(1.0)])
    with pytest.raises(TypeError, match=r"got 3\.0"):
        ema.apply([3.0])
    with pytest.raises(TypeError, match="must be half, float, or double"):
        ema.apply([tf.Variable(1)])


def test_averages_after_a_step_and_the_names_to_restore():
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(4.0, name="w")
        kept = tf.Variable(0.0, name="kept", trainable=False)
        opt = train.MomentumOptimizer(0.25, 0.9)
        ema = train.ExponentialMovingAverage(0.5)
        with tf.control_dependencies([opt.minimize(w * w)]):
            update = ema.apply()
        assert (update.name, update.type) == ("ExponentialMovingAverage", "NoOp")
        session.run(v1.global_variables_initializer())
        session.run(update)
        assert session.run([w, ema.average(w)]) == [2.0, 3.0]
        assert v1.moving_average_variables() == [w]
        assert ema.variables_to_restore() == {
            "w/ExponentialMovingAverage": w,
            "kept": kept,
            "w/Momentum": opt.get_slot(w, "momentum"),
        }
        assert set(ema.variables_to_restore([])) == {
            "w",
            "kept",
            "w/Momentum",
            "w/ExponentialMovingAverage",
        }


def test_averages_of_float64_and_changing_decays():
    w, decay = tf.Variable(np.float64(1.0)), tf.Variable(0.5, trainable=False)
    exact, moving = (
        train.ExponentialMovingAverage(0.9),
        train.ExponentialMovingAverage(decay),
    )
    for value in (2.0, 3.0):
        exact.apply([w])
        moving.apply([w])
        decay.assign(0.25)
        w.assign(value)
    exact.apply([w])
    moving.apply([w])
    want = 0.9 * (0.9 * 1.0 + 0.1 * 2.0) + 0.1 * 3.0
    np.testing.assert_allclose(float(exact.average(w)), want, rtol=1e-15)
    want = 0.25 * (0.25 * 1.0 + 0.75 * 2.0) + 0.75 * 3.0
    np.testing.assert_allclose(float(moving.average(w)), want, rtol=1e-15)


def test_the_average_of_a_tensor_needs_its_shape():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        with pytest.raises(ValueError, match=r"needs its shape.*x:0"):
            train.ExponentialMovingAverage(0.9).apply([x])
