"""tf.function: traces, variables, derivatives, arguments."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.errors import GraphoptWarning


def traced(function):
    """A tf.function that counts how often Python runs it."""
    shapes = []

    @tf.function
    def wrapped(*args, **kwargs):
        shapes.append([a.shape for a in args if isinstance(a, tf.Tensor)])
        return function(*args, **kwargs)

    return wrapped, shapes


def test_traces_once_for_a_kind_of_argument():
    f, shapes = traced(lambda x, n=2: x * n)
    assert float(f(tf.constant(3.0))) == 6.0
    assert float(f(tf.constant(4.0))) == 8.0
    assert len(shapes) == 1
    assert float(f(tf.constant(4.0), n=3)) == 12.0
    assert int(f(tf.constant(4))) == 8
    assert len(shapes) == 3
    assert f.experimental_get_tracing_count() == 3


def test_shapes_are_relaxed_at_the_second_one():
    f, shapes = traced(lambda x: tf.reduce_sum(x * x, axis=0))
    for rows in (2, 3, 5, 2, 7):
        x = np.ones((rows, 4), np.float32)
        np.testing.assert_array_equal(f(x).numpy(), [rows] * 4)
    assert [tuple(s[0]) for s in shapes] == [(2, 4), (None, 4)]


def test_structures_of_arguments_and_results():
    @tf.function
    def f(pair, scale):
        return {"sum": pair["a"] + pair["b"][0], "none": None, "n": [scale]}

    got = f({"a": tf.constant(1.0), "b": [tf.constant(2.0)]}, scale=3)
    assert float(got["sum"]) == 3.0
    assert got["none"] is None
    assert int(got["n"][0]) == 3


def test_variables_are_read_and_written_in_program_order():
    v = tf.Variable(1.0)

    @tf.function
    def f(x):
        before = v + 0.0
        v.assign_add(x)
        after = v * 10.0
        v.assign(v * 2.0)
        return before, after

    before, after = f(tf.constant(2.0))
    assert (float(before), float(after), float(v)) == (1.0, 30.0, 6.0)


def test_a_write_never_changes_what_was_read_before():
    v = tf.Variable([1.0, 2.0])
    bump = tf.function(lambda: v.assign_add([1.0, 1.0]))
    seen = [v.read_value()]
    for _ in range(3):
        bump()
        seen.append(v.read_value())
    np.testing.assert_array_equal([s.numpy()[0] for s in seen], [1.0, 2.0, 3.0, 4.0])


def test_gradients_flow_through_a_call():
    v, x = tf.Variable(2.0), tf.Variable(3.0)
    f = tf.function(lambda x: v * x * x)
    with tf.GradientTape() as tape:
        y = f(x.read_value()) * 10.0 + x
    assert [float(g) for g in tape.gradient(y, [x, v])] == [121.0, 90.0]


def test_gradient_uses_the_values_of_the_call():
    v = tf.Variable(2.0)

    @tf.function
    def f(x):
        y = x * v
        v.assign(100.0)
        return y

    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert float(v) == 100.0
    assert float(tape.gradient(y, x)) == 2.0


def test_second_derivatives_through_a_call():
    f = tf.function(lambda x: x * x * x)
    x = tf.constant(2.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = f(x)
        g = inner.gradient(y, x)
    assert float(outer.gradient(g, x)) == 12.0


def test_integer_results_and_unused_arguments_have_no_gradient():
    f = tf.function(lambda x, y: (x * 2.0, tf.cast(x, tf.int32)))
    x, y = tf.constant(2.0), tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        a, _ = f(x, y)
    gx, gy = tape.gradient(a, [x, y])
    assert float(gx) == 2.0
    assert gy is None


def test_training_step():
    w = tf.Variable(5.0)
    opt = tf.keras.optimizers.Adam(0.1)
    step = tf.function(lambda: opt.minimize(lambda: w * w, [w]))
    eager_w = tf.Variable(5.0)
    eager = tf.keras.optimizers.Adam(0.1)
    for i in range(5):
        assert int(step()) == i + 1
        eager.minimize(lambda: eager_w * eager_w, [eager_w])
    assert float(w) == pytest.approx(float(eager_w), rel=1e-6)
    opt.learning_rate = 0.0
    step()
    assert float(w) == pytest.approx(float(eager_w), rel=1e-6)


def test_variables_made_at_the_first_call():
    class Model:
        def __init__(self):
            self.v = None

        @tf.function
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(3.0)
            return self.v * x

    first, second = Model(), Model()
    assert [float(first(tf.constant(x))) for x in (2.0, 3.0)] == [6.0, 9.0]
    assert float(second(tf.constant(5.0))) == 15.0
    assert first.v is not second.v


def test_keras_model_inside_a_function():
    tf.random.set_seed(1)
    model = tf.keras.Sequential([tf.keras.layers.Dense(3), tf.keras.layers.Dense(1)])
    x = np.ones((4, 2), np.float32)
    call = tf.function(model)
    np.testing.assert_allclose(call(x).numpy(), model(x).numpy(), rtol=1e-6)


def test_control_flow_inside_a_function():
    v = tf.Variable(0.0)

    @tf.function
    def f(x):
        return tf.cond(x > 0, lambda: v.assign_add(x), lambda: v - x)

    assert float(f(tf.constant(2.0))) == 2.0
    assert float(f(tf.constant(-1.0))) == 3.0
    assert float(v) == 2.0


def test_functions_in_functions_and_in_graphs():
    inner = tf.function(lambda x: x * 2.0)
    outer = tf.function(lambda x: inner(x) + inner(x + 1.0))
    assert float(outer(tf.constant(1.0))) == 6.0
    with tf.Graph().as_default():
        assert outer(tf.constant(1.0)).eval() == 6.0


def test_input_signature():
    spec = tf.TensorSpec([None, 2], tf.float32)
    shapes = []

    @tf.function(input_signature=[spec])
    def f(x):
        shapes.append(tuple(x.shape))
        return tf.reduce_sum(x)

    assert float(f([[1.0, 2.0]])) == 3.0
    assert float(f(np.ones((3, 2), np.float32))) == 6.0
    assert shapes == [(None, 2)]
    with pytest.raises(TypeError, match=r"input_signature.*TensorSpec"):
        f(np.ones((3, 3), np.float32))
    with pytest.raises(TypeError, match="input_signature"):
        f(tf.constant([[1, 2]]))
    concrete = f.get_concrete_function()
    assert float(concrete(tf.constant([[5.0, 6.0]]))) == 11.0


def test_returning_an_operation_is_refused():
    v = tf.Variable(1.0)
    f = tf.function(lambda: v.assign(2.0, read_value=False))
    with pytest.raises(TypeError, match="returns tensors"):
        f()


def test_graph_variables_are_refused():
    with tf.Graph().as_default():
        v = tf.Variable(1.0, name="inside")
    with pytest.raises(ValueError, match=r"'inside:0' was made in <tf\.Graph"):
        tf.function(lambda: v * 2.0)()


def test_many_traces_are_warned_of():
    f = tf.function(lambda x, n: x * n)
    with pytest.warns(GraphoptWarning, match="traced 10 times"):
        for n in range(12):
            f(tf.constant(1.0), n)


def test_errors_leave_variables_as_they_were():
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def f(labels):
        v.assign_add([1.0, 1.0])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, tf.reshape(v, [1, 2])
        )

    f(tf.constant([1]))
    before = v.numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="label"):
        f(tf.constant([2]))
    np.testing.assert_array_equal(v.numpy(), before)


def test_init_scope_leaves_the_function():
    seen = []

    @tf.function
    def f(x):
        with tf.init_scope():
            seen.append(tf.executing_eagerly())
        seen.append(tf.executing_eagerly())
        return x

    f(tf.constant(1.0))
    assert seen == [True, False]


def test_equality_is_elementwise_as_in_eager_mode():
    @tf.function
    def signs(x):
        one = tf.cond(tf.reduce_all(x == x), lambda: x != 2, lambda: x == 2)
        return x == 2, one, tf.cast(x == tf.constant([1, 2, 3]), tf.int32)

    found = [t.numpy().tolist() for t in signs(tf.constant([1, 2, 2]))]
    assert found == [[False, True, True], [True, False, False], [1, 1, 0]]
