"""What the base class does around the equations."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.errors import GraphoptWarning


def test_minimize_returns_the_step_count_eagerly():
    opt, w = tf.keras.optimizers.SGD(0.1), tf.Variable(1.0)
    steps = [int(opt.minimize(lambda: w * w, [w])) for _ in range(3)]
    assert steps == [1, 2, 3]
    result = opt.minimize(lambda: w * w, [w])
    with pytest.raises(AttributeError, match="in eager mode minimize"):
        result.run()


def test_train_op_is_an_operation_and_counts():
    with tf.Graph().as_default():
        opt, w = tf.keras.optimizers.SGD(0.1), tf.Variable(1.0)
        train = opt.minimize(lambda: w * w, [w])
        assert isinstance(train, tf.Operation)
        train.run()
        train.run()
        assert int(opt.iterations.eval()) == 2


def test_two_train_ops_in_one_run_apply_one_after_the_other():
    with tf.Graph().as_default():
        w = tf.Variable(1.0)
        opt = tf.keras.optimizers.SGD(1.0)
        first = opt.apply_gradients([(tf.constant(1.0), w)])
        second = opt.apply_gradients([(tf.constant(10.0), w)])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            session.run([second, first])
            assert session.run(w) == -10.0
            assert session.run(opt.iterations) == 2


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_clipping(mode):
    def step(gradients, **clip):
        variables = [tf.Variable(np.zeros_like(g)) for g in gradients]
        opt = tf.keras.optimizers.SGD(1.0, **clip)
        pairs = [(tf.constant(g), v) for g, v in zip(gradients, variables, strict=True)]
        train = opt.apply_gradients(pairs)
        if mode == "eager":
            return [-v.numpy() for v in variables]
        train.run()
        return [-v.eval() for v in variables]

    def run(gradients, **clip):
        if mode == "eager":
            return step(gradients, **clip)
        with tf.Graph().as_default():
            return step(gradients, **clip)

    a, b = np.array([3.0, 4.0], np.float32), np.array([0.0, 12.0], np.float32)
    np.testing.assert_allclose(run([a, b], clipvalue=3.5)[0], [3.0, 3.5])
    np.testing.assert_allclose(run([a, b], clipnorm=1.0)[0], a / 5, rtol=1e-6)
    np.testing.assert_allclose(run([a, b], clipnorm=1.0)[1], b / 12, rtol=1e-6)
    both = run([a, b], global_clipnorm=6.5)
    np.testing.assert_allclose(both[0], a / 2, rtol=1e-6)
    np.testing.assert_allclose(both[1], b / 2, rtol=1e-6)


def test_aggregator_runs_before_clipping_and_transformers_in_order():
    seen = []

    def watch(name):
        def function(pairs):
            seen.append((name, float(pairs[0][0])))
            return [(g * 2.0, v) for g, v in pairs]

        return function

    w = tf.Variable(0.0)
    opt = tf.keras.optimizers.SGD(1.0, gradient_aggregator=watch("a"), clipvalue=3.0)
    opt.apply_gradients([(tf.constant(2.0), w)])
    assert seen == [("a", 2.0)]
    assert float(w) == -3.0
    seen.clear()
    opt = tf.keras.optimizers.SGD(
        1.0,
        gradient_aggregator=watch("a"),
        gradient_transformers=[watch("b"), watch("c")],
    )
    opt.apply_gradients([(tf.constant(1.0), w)])
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 4.0)]
    opt.apply_gradients([(tf.constant(1.0), w)], experimental_aggregate_gradients=False)
    assert seen[3:] == [("b", 1.0), ("c", 2.0)]


def test_callable_rate_is_asked_before_each_run():
    rates = iter([1.0, 10.0, 100.0, 1000.0])
    with tf.Graph().as_default():
        w = tf.Variable(0.0)
        opt = tf.keras.optimizers.SGD(lambda: next(rates))
        train = opt.apply_gradients([(tf.constant(1.0), w)])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            values = []
            for _ in range(2):
                train.run()
                values.append(float(session.run(w)))
    # One value was taken while the graph was built.
    assert values == [-10.0, -110.0]


def test_learning_rate_is_an_attribute():
    opt, w = tf.keras.optimizers.SGD(0.5), tf.Variable(1.0)
    opt.minimize(lambda: w * w, [w])
    opt.lr = 0.25
    assert float(opt.learning_rate) == 0.25
    assert "lr" in dir(opt)
    assert "momentum" in dir(opt)
    with pytest.raises(AttributeError, match="no attribute 'momentun'"):
        _ = opt.momentun


def test_old_names_of_the_rate():
    with pytest.warns(UserWarning, match="deprecated"):
        opt = tf.keras.optimizers.SGD(lr=0.3)
    assert opt.get_config()["learning_rate"] == 0.3
    old = {"name": "SGD", "lr": 0.5}
    assert tf.keras.optimizers.SGD.from_config(old).get_config()["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"learning_rate": float("nan")}, ValueError, "NaN"),
        ({"learning_rate": "a"}, ValueError, "must be a number"),
        ({"learning_rate": None}, ValueError, "learning_rate"),
        ({"learning_rate": [0.1, 0.2]}, ValueError, "scalar"),
        ({"momentum": 2.0}, ValueError, "momentum"),
        ({"clipnorm": -1.0}, ValueError, "clipnorm >= 0"),
        ({"decay": -0.1}, ValueError, "decay"),
        ({"clipnorm": 1.0, "global_clipnorm": 1.0}, ValueError, "both"),
        ({"clipnom": 1.0}, TypeError, "did you mean 'clipnorm'"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        tf.keras.optimizers.SGD(**arguments)
    if "momentum" not in arguments:
        with pytest.raises(error, match=words):
            tf.keras.optimizers.Adam(**arguments)


def test_bad_betas_are_refused():
    with pytest.raises(ValueError, match="beta_1"):
        tf.keras.optimizers.Adam(beta_1=1.5)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_bad_calls_are_refused(mode):
    def check():
        opt = tf.keras.optimizers.SGD(0.1)
        w, unused = tf.Variable(1.0, name="w"), tf.Variable(1.0, name="unused")
        count = tf.Variable(3, name="count")
        with pytest.raises(ValueError, match="No gradients provided for any variable"):
            opt.minimize(lambda: w * w, [unused])
        with pytest.warns(GraphoptWarning, match=r"unused:0.*minimizing the loss"):
            opt.minimize(lambda: w * w, [w, unused])
        with pytest.raises(ValueError, match="No gradients provided"):
            opt.apply_gradients([(None, w)])
        with pytest.raises(ValueError, match=r"Invalid dtype int32.*count"):
            opt.minimize(lambda: w * w, [count])
        with pytest.raises(TypeError, match="must return a tensor"):
            opt.minimize(lambda: "loss", [w])
        with pytest.raises(TypeError, match="must return a tensor"):
            opt.minimize(lambda: None, [w])
        with pytest.raises(ValueError, match="floating-point"):
            opt.minimize(lambda: tf.constant(1), [w])
        with pytest.raises(TypeError, match="var_list must hold variables"):
            opt.minimize(lambda: w * w, [tf.constant(1.0)])
        with pytest.raises(TypeError, match="pairs"):
            opt.apply_gradients([1.0, 2.0])
        with pytest.raises(ValueError, match=r"gradient of variable 'w:0'.*test_opt"):
            opt.apply_gradients([(tf.constant([1.0, 2.0]), w)])
        with pytest.raises((TypeError, ValueError), match="w:0"):
            opt.apply_gradients([(tf.constant(1.0, tf.float64), w)])
        with pytest.warns(GraphoptWarning, match="nothing is updated"):
            opt.apply_gradients([])
        with pytest.raises(KeyError, match="no slot 'm'"):
            opt.get_slot(w, "m")

    if mode == "eager":
        check()
        opt, w = tf.keras.optimizers.SGD(0.1), tf.Variable(1.0)
        with pytest.raises(ValueError, match="`tape` is required"):
            opt.minimize(w * w, [w])
    else:
        with tf.Graph().as_default():
            check()


def test_wrong_weights_are_refused():
    opt, w = tf.keras.optimizers.Adam(0.1), tf.Variable([1.0, 2.0])
    opt.minimize(lambda: tf.reduce_sum(w * w), [w])
    before = opt.get_weights()
    with pytest.raises(ValueError, match="length 1"):
        opt.set_weights([1])
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        opt.set_weights([1, np.zeros(2), np.zeros(3)])
    for a, b in zip(opt.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_loss_that_is_no_scalar_counts_as_its_sum():
    opt, w = tf.keras.optimizers.SGD(1.0), tf.Variable([1.0, 2.0])
    opt.minimize(lambda: w * w, [w])
    np.testing.assert_array_equal(w.numpy(), [-1.0, -2.0])


def test_tensor_loss_with_its_tape():
    opt, w = tf.keras.optimizers.SGD(0.5), tf.Variable(3.0)
    with tf.GradientTape() as tape:
        loss = w * w
    opt.minimize(loss, [w], tape=tape)
    assert float(w) == 0.0


def test_custom_optimizer_of_one_method():
    class SignDescent(tf.keras.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, name="SignDescent", **kwargs):
            super().__init__(name, **kwargs)
            self._set_hyper("learning_rate", learning_rate)

        def update(self, w, g, *, lr_t):
            return w - lr_t * tf.sign(g), {}

    opt, w = SignDescent(0.5), tf.Variable([3.0, -2.0])
    opt.minimize(lambda: tf.reduce_sum(w * w), [w])
    np.testing.assert_array_equal(w.numpy(), [2.5, -1.5])
    assert opt.get_config() == {"name": "SignDescent", "learning_rate": 0.5}


def test_custom_optimizer_with_tensorflows_hooks():
    class Momentum(tf.keras.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, name="M", **kwargs):
            super().__init__(name, **kwargs)
            self._set_hyper("learning_rate", learning_rate)

        def _create_slots(self, var_list):
            for var in var_list:
                self.add_slot(var, "speed")

        def _resource_apply_dense(self, grad, handle, apply_state=None):
            speed = self.get_slot(handle, "speed")
            rate = self._decayed_lr(handle.dtype)
            speed.assign(0.5 * speed - rate * grad)
            return handle.assign_add(speed)

    opt, w = Momentum(1.0), tf.Variable(0.0)
    opt.apply_gradients([(tf.constant(1.0), w)])
    opt.apply_gradients([(tf.constant(1.0), w)])
    assert float(w) == -2.5


def test_variable_listed_twice_is_updated_twice():
    opt, w = tf.keras.optimizers.SGD(1.0), tf.Variable(0.0)
    opt.apply_gradients([(tf.constant(1.0), w), (tf.constant(2.0), w)])
    assert float(w) == -3.0


def test_failed_step_changes_nothing():
    with tf.Graph().as_default():
        labels = tf.compat.v1.placeholder(tf.int32, [None])
        w = tf.Variable(tf.zeros([4, 3]))
        x = tf.constant(np.eye(4, dtype=np.float32))
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.matmul(x, w))
        opt = tf.keras.optimizers.Adam(0.1)
        train = opt.minimize(loss, [w])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            train.run({labels: [0, 1, 2, 0]})
            before = session.run([w, *opt.weights])
            for _ in range(3):
                with pytest.raises(tf.errors.InvalidArgumentError, match="label"):
                    train.run({labels: [0, 1, 2, 3]})
            for a, b in zip(session.run([w, *opt.weights]), before, strict=True):
                np.testing.assert_array_equal(a, b)
            train.run({labels: [0, 1, 2, 0]})


@pytest.mark.parametrize("name", ["Adagrad", "Adadelta", "RMSprop"])
def test_weights_of_old_files_have_no_step_count(name):
    opt, w = getattr(tf.keras.optimizers, name)(0.1), tf.Variable([1.0, 2.0])
    opt.minimize(lambda: tf.reduce_sum(w * w), [w])
    slots = [np.full_like(x, 3.0) for x in opt.get_weights()[1:]]
    opt.set_weights(slots)
    assert int(opt.iterations) == 0
    np.testing.assert_array_equal(opt.get_weights()[1], [3.0, 3.0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "Nadam", "RMSprop"])
@pytest.mark.parametrize("with_state", [True, False])
def test_hooks_that_call_the_optimizer_itself(name, with_state):
    base = getattr(tf.keras.optimizers, name)

    class WithoutState(base):
        def _resource_apply_dense(self, grad, var):
            return super()._resource_apply_dense(2.0 * grad, var)

        def _resource_apply_sparse(self, grad, var, indices):
            return super()._resource_apply_sparse(2.0 * grad, var, indices)

    class WithState(base):
        def _resource_apply_dense(self, grad, var, apply_state=None):
            return super()._resource_apply_dense(2.0 * grad, var, apply_state)

        def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
            return super()._resource_apply_sparse(
                2.0 * grad, var, indices, apply_state=apply_state
            )

    results = []
    for cls, factor in [(WithState if with_state else WithoutState, 1.0), (base, 2.0)]:
        dense, rows = tf.Variable([1.0, 2.0]), tf.Variable([[1.0], [2.0], [3.0]])
        opt = cls(0.1)
        values = tf.constant([[1.0], [3.0], [-1.0]]) * factor
        # The shape of the whole, which says three rows of two, is not looked at.
        sparse = tf.IndexedSlices(values, tf.constant([0, 2, 0]), [3, 2])
        for _ in range(2):
            opt.apply_gradients([(tf.ones([2]) * factor, dense), (sparse, rows)])
        results.append((dense.numpy(), rows.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_what_eager_variables_answer_as_in_tensorflow():
    v = tf.compat.v1.Variable(1.0, use_resource=True)
    assert v.initializer is None
    with pytest.raises(
        ValueError, match=r"`momentum` must be between \[0, 1\]. Receiv"
    ):
        tf.keras.optimizers.SGD(momentum=2.5)


def test_ftrl_takes_a_root_for_the_usual_power():
    def run(opt, steps=3):
        w = tf.Variable(np.array([1.0, -2.0]))
        for _ in range(steps):
            opt.apply_gradients([(2.0 * w, w)])
        return w.numpy()

    ftrl = tf.keras.optimizers.Ftrl
    usual = run(ftrl(0.1))
    np.testing.assert_allclose(run(ftrl(0.1, tf.constant(-0.5))), usual, rtol=1e-6)
    other = ftrl(0.1)
    other.learning_rate_power = -0.4
    np.testing.assert_allclose(run(other), run(ftrl(0.1, -0.4)), rtol=1e-12)
    with tf.Graph().as_default():
        v = tf.Variable(1.0)
        opt = ftrl(0.1)
        opt.apply_gradients([(tf.constant(1.0), v)])
        opt.learning_rate_power = -0.5
        with pytest.raises(ValueError, match=r"learning_rate_power=-0\.3 after"):
            opt.learning_rate_power = -0.3
