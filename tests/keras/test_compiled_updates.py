"""Eager updates as one compiled step."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config

optimizers = tf.keras.optimizers


@pytest.fixture(autouse=True)
def compiled():
    with config(jit=None):
        yield


def grads_for(variables, seed=0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.standard_normal(v.shape), v.dtype) for v in variables]


def count_calls(monkeypatch):
    """A list that grows whenever Adam computes the scalars of its equation."""
    calls = []
    coefficients = optimizers.Adam.coefficients

    def counting(self, dtype, learning_rate):
        calls.append(dtype)
        return coefficients(self, dtype, learning_rate)

    monkeypatch.setattr(optimizers.Adam, "coefficients", counting)
    return calls


def test_the_equation_is_traced_once(monkeypatch):
    calls = count_calls(monkeypatch)
    a, b = tf.Variable([1.0, 2.0]), tf.Variable(np.ones((3, 2)), dtype="float64")
    opt = optimizers.Adam(0.1)
    for i in range(5):
        opt.apply_gradients(zip(grads_for([a, b], i), [a, b], strict=True))
        opt.learning_rate = 0.1 / (i + 1)
    assert len(calls) == 2  # One for each dtype.
    assert int(opt.iterations) == 5


def test_a_second_step_compiles_nothing():
    table, w = tf.Variable(np.ones((9, 4), np.float32)), tf.Variable([1.0])
    opt = optimizers.Adagrad(0.1)

    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, ids) ** 2.0) * w[0]
        opt.apply_gradients(
            zip(tape.gradient(loss, [table, w]), [table, w], strict=True)
        )

    step([1, 2, 2])
    before = record.kernels + record.loaded
    step([1, 2, 5])
    step([0, 0, 7, 8, 3])
    opt.learning_rate = 0.5
    step([4])
    assert record.kernels + record.loaded == before


def test_a_tensor_keeps_the_value_it_had():
    v = tf.Variable([1.0, 2.0])
    opt = optimizers.SGD(1.0)
    opt.apply_gradients([([1.0, 1.0], v)])
    before, view = v.read_value(), v.numpy()
    opt.apply_gradients([([1.0, 1.0], v)])
    assert before.numpy().tolist() == view.tolist() == [0.0, 1.0]
    assert v.numpy().tolist() == [-1.0, 0.0]


def test_a_step_that_fails_changes_nothing():
    table, w = tf.Variable(np.ones((3, 2), np.float32)), tf.Variable([1.0])
    opt = optimizers.Adam(0.1)
    good = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), [3, 2])
    bad = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([3]), [3, 2])
    opt.apply_gradients([(tf.constant([1.0]), w), (good, table)])
    before = [w.numpy(), table.numpy(), *opt.get_weights()]
    with pytest.raises(tf.errors.InvalidArgumentError, match="3"):
        opt.apply_gradients([(tf.constant([1.0]), w), (bad, table)])
    for old, new in zip(
        before, [w.numpy(), table.numpy(), *opt.get_weights()], strict=True
    ):
        np.testing.assert_array_equal(old, new)
    opt.apply_gradients([(tf.constant([1.0]), w), (good, table)])
    assert int(opt.iterations) == 2


def test_python_in_hyperparameters_runs_in_every_step():
    rates = iter([1.0, 0.5, 0.25])
    v = tf.Variable(10.0)
    opt = optimizers.SGD(learning_rate=lambda: next(rates))
    seen = []
    for _ in range(3):
        opt.apply_gradients([(tf.constant(1.0), v)])
        seen.append(float(v))
    assert seen == [9.0, 8.5, 8.25]


def test_a_schedule_of_the_user_runs_in_every_step():
    class Halves(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            # Python on values, which no graph could hold.
            return 1.0 if int(step) < 2 else 0.5

    v = tf.Variable(10.0)
    opt = optimizers.SGD(Halves())
    seen = []
    for _ in range(3):
        opt.apply_gradients([(tf.constant(1.0), v)])
        seen.append(float(v))
    assert seen == [9.0, 8.0, 7.5]


def test_a_subclass_runs_as_it_is_written():
    class Counting(optimizers.SGD):
        calls = 0

        def _resource_apply_dense(self, grad, handle, apply_state=None):
            Counting.calls += 1
            handle.assign_sub(float(Counting.calls) * grad)

    v = tf.Variable(10.0)
    opt = Counting()
    for _ in range(3):
        opt.apply_gradients([(tf.constant(1.0), v)])
    assert Counting.calls == 3
    assert float(v) == 4.0


def test_options_changed_later_count():
    v = tf.Variable([3.0, 4.0])
    opt = optimizers.SGD(1.0)
    opt.apply_gradients([([3.0, 4.0], v)])
    assert v.numpy().tolist() == [0.0, 0.0]
    opt.clipnorm = 1.0
    opt.apply_gradients([([3.0, 4.0], v)])
    np.testing.assert_allclose(v.numpy(), [-0.6, -0.8], rtol=1e-6)


def test_transformers_and_constraints():
    v = tf.Variable([1.0, -1.0], constraint=lambda w: tf.maximum(w, 0.0))
    doubled = []

    def double(pairs):
        doubled.append(len(pairs))
        return [(2.0 * g, var) for g, var in pairs]

    opt = optimizers.SGD(0.25, gradient_transformers=[double])
    for _ in range(2):
        opt.apply_gradients([([1.0, 1.0], v)])
    assert v.numpy().tolist() == [0.0, 0.0]
    assert doubled == [1, 1]


def test_variables_added_later_leave_the_others_alone():
    a, b = tf.Variable([1.0]), tf.Variable([1.0])
    opt = optimizers.Adam(0.1)
    opt.apply_gradients([([1.0], a)])
    slot = opt.get_slot(a, "m").numpy()
    opt.apply_gradients([([1.0], b)])
    np.testing.assert_array_equal(opt.get_slot(a, "m").numpy(), slot)
    opt.apply_gradients([([1.0], b), ([1.0], a)])
    assert int(opt.iterations) == 3
