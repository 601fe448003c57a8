"""TensorFlow 1's optimizers: what is around the equations, names and errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
train = v1.train


def test_minimize_without_and_with_a_global_step():
    with tf.Graph().as_default() as graph, v1.Session() as session:
        w, i = tf.Variable(2.0, name="w"), tf.Variable(1, name="i")
        unused = tf.Variable(1.0, trainable=False)
        step = train.get_or_create_global_step()
        opt = train.GradientDescentOptimizer(0.1)
        plain = opt.minimize(w * w * tf.cast(i, tf.float32) + unused)
        counted = opt.minimize(w * w, global_step=step, name="train/it")
        assert (plain.name, plain.type) == ("GradientDescent", "NoOp")
        assert (counted.name, counted.type) == ("train/it", "AssignAddVariableOp")
        assert not plain.outputs
        assert not counted.outputs
        assert graph.get_collection("train_op") == [plain, counted]
        session.run(v1.global_variables_initializer())
        session.run(plain)
        assert train.global_step(session, step) == 0
        session.run(counted)
        assert train.global_step(session, step) == 1
        np.testing.assert_allclose(session.run([w, unused]), [1.28, 1.0], rtol=1e-6)


def test_a_function_as_loss_names_the_variables_in_a_graph_too():
    with tf.Graph().as_default(), v1.Session() as session:
        used, unused = tf.Variable(2.0), tf.Variable(1.0)
        opt = train.GradientDescentOptimizer(0.25)
        pairs = opt.compute_gradients(lambda: used * used)
        assert [var for _, var in pairs] == [used]
        listed = opt.compute_gradients(lambda: used * used, var_list=[unused, used])
        assert [grad is None for grad, _ in listed] == [True, False]
        update = opt.minimize(lambda: used * used, var_list=used)
        session.run(v1.global_variables_initializer())
        session.run(update)
        assert session.run([used, unused]) == [1.0, 1.0]


def test_gradients_may_be_changed_between_the_two_halves():
    with tf.Graph().as_default(), v1.Session() as session:
        w, b = tf.Variable([3.0, 4.0]), tf.Variable(1.0)
        opt = train.GradientDescentOptimizer(1.0)
        pairs = opt.compute_gradients(
            tf.reduce_sum(w * w), gate_gradients=opt.GATE_GRAPH, grad_loss=0.5
        )
        assert [var for _, var in pairs] == [w, b]
        assert pairs[1][0] is None
        clipped = [(tf.clip_by_norm(g, 1.0), v) for g, v in pairs if g is not None]
        update = opt.apply_gradients(clipped)
        session.run(v1.global_variables_initializer())
        session.run(update)
        np.testing.assert_allclose(session.run(w), [2.4, 3.2], rtol=1e-6)


def test_rate_can_be_fed_by_name_and_a_callable_is_asked_in_each_run():
    rates = iter([1.0, 1.0, 10.0, 100.0])
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(0.0)
        one = tf.constant(1.0)
        fixed = train.GradientDescentOptimizer(0.5).apply_gradients([(one, w)])
        asked = train.GradientDescentOptimizer(lambda: next(rates))
        update = asked.apply_gradients([(one, w)])
        session.run(v1.global_variables_initializer())
        session.run(fixed)
        session.run(fixed, {"GradientDescent/learning_rate:0": 4.0})
        assert session.run(w) == -4.5
        session.run(update)
        first = session.run(w)
        session.run(update)
        assert first - session.run(w) == 10.0 * (-4.5 - first)


def test_names_follow_variable_scopes_and_optimizers_share_no_state():
    with tf.Graph().as_default():
        with v1.variable_scope("net"):
            w = v1.get_variable("w", [2])
        loss = tf.reduce_sum(w * w)
        first, second = train.AdamOptimizer(), train.AdamOptimizer(name="Other")
        first.minimize(loss)
        with tf.name_scope("outer"):
            op = second.minimize(loss)
        assert op.name == "outer/Other"
        assert [v.name for v in first.variables()] == [
            "beta1_power:0",
            "beta2_power:0",
            "net/w/Adam:0",
            "net/w/Adam_1:0",
        ]
        assert [v.name for v in second.variables()] == [
            "net/w/Other:0",
            "net/w/Other_1:0",
            "outer/beta1_power:0",
            "outer/beta2_power:0",
        ]
        assert v1.trainable_variables() == [w]
        assert (second.get_name(), repr(second)) == (
            "Other",
            "<graphopt AdamOptimizer 'Other'>",
        )
        third = train.AdamOptimizer()
        with v1.variable_scope("again"):
            third.minimize(loss)
        assert "again/net/w/Adam:0" in [v.name for v in third.variables()]


def test_one_optimizer_in_two_graphs():
    opt = train.AdamOptimizer(0.1)
    for _ in range(2):
        with tf.Graph().as_default(), v1.Session() as session:
            w = tf.Variable(1.0, name="w")
            update = opt.minimize(w * w)
            session.run(v1.global_variables_initializer())
            session.run(update)
            np.testing.assert_allclose(session.run(w), 0.9, rtol=1e-6)
            assert len(opt.variables()) == 4
    assert opt.variables() == []


def test_constraints_hold_after_dense_and_sparse_steps():
    w = tf.Variable([[1.0], [2.0]], constraint=lambda x: tf.maximum(x, 0.5))
    opt = train.GradientDescentOptimizer(1.0)
    opt.apply_gradients([(tf.constant([[1.0], [1.0]]), w)])
    assert w.numpy().tolist() == [[0.5], [1.0]]
    opt.apply_gradients([(tf.IndexedSlices([[3.0]], [1]), w)])
    assert w.numpy().tolist() == [[0.5], [0.5]]


def test_two_train_ops_in_one_run_apply_one_after_the_other():
    with tf.Graph().as_default(), v1.Session() as session:
        w, one = tf.Variable(1.0), tf.constant(1.0)
        opt = train.AdamOptimizer(0.1)
        first = opt.apply_gradients([(one, w)])
        second = opt.apply_gradients([(one, w)])
        session.run(v1.global_variables_initializer())
        session.run([second, first])
        np.testing.assert_allclose(session.run(w), 0.8, rtol=1e-5)
        (power,) = [v for v in opt.variables() if v.name == "beta1_power:0"]
        np.testing.assert_allclose(session.run(power), 0.9**3, rtol=1e-6)


class Halving(train.Optimizer):
    """What users write: TensorFlow's hooks."""

    def __init__(self):
        super().__init__(False, "Halving")
        self.calls = []

    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "seen", self._name)
            self._get_or_make_slot(var, tf.constant(7.0), "seven", "Seven")

    def _prepare(self):
        self.calls.append("prepare")
        self._half = tf.constant(0.5)

    def _resource_apply_dense(self, grad, handle):
        seen = self.get_slot(handle, "seen").assign_add(grad)
        return tf.group(seen, handle.assign(handle * self._half))

    def _resource_apply_sparse(self, grad, handle, indices):
        self.calls.append(indices.shape.as_list() if indices.shape else None)
        return handle.scatter_sub(tf.IndexedSlices(grad, indices))

    def _finish(self, update_ops, name_scope):
        self.calls.append("finish")
        return super()._finish(update_ops, name_scope)


def test_users_write_optimizers_with_the_hooks_of_tensorflow():
    opt, w, v = Halving(), tf.Variable([4.0, 2.0], name="w"), tf.Variable([1.0, 1.0])
    sparse = tf.IndexedSlices([1.0, 2.0, 4.0], [1, 1, 0])
    opt.apply_gradients([(tf.constant([1.0, 1.0]), w), (sparse, v)])
    assert w.numpy().tolist() == [2.0, 1.0]
    assert v.numpy().tolist() == [-3.0, -2.0]
    assert opt.calls == ["prepare", [2], "finish"]
    assert opt.get_slot(w, "seven").name == "w/Seven:0"
    assert opt.get_slot(w, "seen").numpy().tolist() == [1.0, 1.0]


def test_slots_that_are_not_there():
    w, other = tf.Variable(1.0), tf.Variable(1.0)
    opt = train.MomentumOptimizer(0.1, 0.9)
    assert opt.get_slot_names() == []
    opt.minimize(lambda: w * w)
    assert opt.get_slot(w, "unknown") is None
    assert opt.get_slot(other, "momentum") is None


def in_graph(function):
    with tf.Graph().as_default():
        return function()


def test_mistakes_in_minimize():
    w = tf.Variable([1.0, 2.0], name="w")
    opt = train.GradientDescentOptimizer(0.1)
    with pytest.raises(RuntimeError, match="should be a function when eager"):
        opt.minimize(tf.reduce_sum(w * w))
    with pytest.raises(ValueError, match=r"No gradients provided.*'w:0'.*loss"):
        opt.minimize(lambda: tf.constant(1.0), var_list=[w])
    with pytest.raises(ValueError, match="No variables to optimize"):
        opt.minimize(lambda: tf.constant(1.0))
    with pytest.raises(ValueError, match="No variables to optimize"):
        in_graph(lambda: opt.minimize(tf.constant(1.0)))
    with pytest.raises(ValueError, match="No gradients provided"):
        in_graph(lambda: (tf.Variable(1.0), opt.minimize(tf.constant(1.0))))
    with pytest.raises(ValueError, match="loss must be floating-point"):
        in_graph(lambda: opt.minimize(tf.constant(1)))
    with pytest.raises(ValueError, match=r"gate_gradients must be one of.*got 5"):
        opt.minimize(lambda: tf.reduce_sum(w), gate_gradients=5)
    with pytest.raises(TypeError, match=r"var_list must hold variables.*item 1"):
        opt.minimize(lambda: tf.reduce_sum(w), var_list=[w, 1.0])
    with pytest.raises(TypeError, match="must return a tensor"):
        opt.minimize(lambda: 1.0, var_list=[w])
    with pytest.raises(TypeError, match="global_step must be a variable"):
        opt.minimize(lambda: tf.reduce_sum(w), global_step=3)
    assert w.numpy().tolist() == [1.0, 2.0]


def test_mistakes_in_apply_gradients():
    w = tf.Variable([1.0, 2.0], name="w")
    grad = tf.constant([1.0, 1.0])
    opt = train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No variables provided"):
        opt.apply_gradients([])
    with pytest.raises(ValueError, match=r"No gradients provided.*'w:0'"):
        opt.apply_gradients([(None, w)])
    with pytest.raises(TypeError, match="pairs"):
        opt.apply_gradients([grad])
    with pytest.raises(TypeError, match="pairs"):
        opt.apply_gradients((grad, w))
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        opt.apply_gradients([(grad, grad)])
    with pytest.raises(ValueError, match=r"'w:0' does not fit.*float32\[1\]"):
        opt.apply_gradients([(tf.constant([1.0]), w)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"7 is not in \[0, 2"):
        opt.apply_gradients([(tf.IndexedSlices([1.0], [7]), w)])
    with pytest.raises(NotImplementedError, match="must define `update`"):
        train.Optimizer(False, "Base").apply_gradients([(grad, w)])


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: train.Optimizer(False, ""), "Must specify the optimizer name"),
        (lambda: train.GradientDescentOptimizer(float("nan")), "must not be NaN"),
        (lambda: train.GradientDescentOptimizer("fast"), "must be a number.*'fast'"),
        (lambda: train.MomentumOptimizer(0.1, [0.9]), "momentum must be a scalar"),
        (lambda: train.AdamOptimizer(float("nan")), "must not be NaN"),
        (
            lambda: train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
            "initial_accumulator_value must be positive: 0.0",
        ),
        (
            lambda: train.ProximalAdagradOptimizer(0.1, initial_accumulator_value=-1),
            "initial_accumulator_value must be positive: -1",
        ),
        (
            lambda: train.AdagradDAOptimizer(0.1, 0, 0.0),
            "initial_gradient_squared_accumulator_value must be positive: 0.0",
        ),
        (
            lambda: train.AdagradDAOptimizer(0.1, 0, l2_regularization_strength=-1.0),
            "l2_regularization_strength -1.0 needs to be positive or zero",
        ),
        (
            lambda: train.ProximalGradientDescentOptimizer(0.1, -1.0),
            "l1_regularization_strength -1.0 needs to be positive or zero",
        ),
        (
            lambda: train.FtrlOptimizer(0.1, learning_rate_power=0.5),
            "learning_rate_power 0.5 needs to be negative or zero",
        ),
        *[
            (
                lambda name=name: train.FtrlOptimizer(0.1, **{name: -1.0}),
                f"{name} -1.0 needs to be positive or zero",
            )
            for name in (
                "initial_accumulator_value",
                "l1_regularization_strength",
                "l2_regularization_strength",
                "l2_shrinkage_regularization_strength",
            )
        ],
    ],
)
def test_mistakes_in_constructors(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


def test_the_namespace_of_the_module():
    import graphopt.compat.v1 as names

    assert names.train is train
    assert train.AdamOptimizer is not tf.keras.optimizers.Adam
    assert not issubclass(train.AdamOptimizer, tf.keras.optimizers.Optimizer)


def test_negative_learning_rates_go_up():
    w = tf.Variable(1.0)
    train.GradientDescentOptimizer(-0.5).minimize(lambda: w * w, var_list=[w])
    assert float(w) == 2.0
