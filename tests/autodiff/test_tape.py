"""GradientTape in both modes, and tf.gradients."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.errors import GraphoptWarning

v1 = tf.compat.v1


def test_gradient_of_a_nest():
    a, b = tf.Variable(2.0), tf.Variable([1.0, 3.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(a * b * b)
    grads = tape.gradient(y, {"a": a, "b": [b]})
    assert float(grads["a"]) == 10.0
    np.testing.assert_array_equal(grads["b"][0].numpy(), [4.0, 12.0])


def test_tape_is_used_once_unless_persistent():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)
    with tf.GradientTape(persistent=True) as tape:
        y = x * x
        z = y * x
    assert float(tape.gradient(y, x)) == 6.0
    assert float(tape.gradient(z, x)) == 27.0
    assert float(tape.gradient(z, y)) == 3.0


def test_constants_are_watched_on_request():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert float(tape.gradient(y, x)) == 6.0
    with tf.GradientTape() as tape:
        y = x * x
    assert tape.gradient(y, x) is None
    with tf.GradientTape() as tape, pytest.raises(ValueError, match="floating-point"):
        tape.watch(tf.constant(1))


def test_variables_are_watched_unless_told_otherwise():
    v, frozen = tf.Variable(1.0), tf.Variable(1.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * frozen
    assert tape.watched_variables() == (v,)
    assert tape.gradient(y, [v, frozen])[1] is None
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = v * frozen
    grads = tape.gradient(y, [v, frozen])
    assert grads[0] is None
    assert float(grads[1]) == 1.0


def test_unconnected_gradients():
    x, z = tf.Variable(1.0), tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = x * x
    zero = tf.UnconnectedGradients.ZERO
    grads = tape.gradient(y, [x, z], unconnected_gradients=zero)
    np.testing.assert_array_equal(grads[1].numpy(), [0.0, 0.0])


def test_stop_recording_and_reset():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * x
        with tape.stop_recording():
            factor = x * 2.0
        y = y * factor
    assert float(tape.gradient(y, x)) == 36.0
    with tf.GradientTape() as tape:
        x * x
        tape.reset()
        y = x + x
    assert float(tape.gradient(y, x)) == 2.0


def test_output_gradients():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = x * x
    grad = tape.gradient(y, x, output_gradients=[10.0, 100.0])
    np.testing.assert_array_equal(grad.numpy(), [20.0, 400.0])


def test_nested_tapes_give_higher_orders():
    x = tf.Variable(2.0)
    with tf.GradientTape() as third, tf.GradientTape() as second:
        with tf.GradientTape() as first:
            y = x**5.0
        dy = first.gradient(y, x)
        d2y = second.gradient(dy, x)
    assert float(third.gradient(d2y, x)) == pytest.approx(60.0 * 4.0)


def test_stop_gradient():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * tf.stop_gradient(x)
    assert float(tape.gradient(y, x)) == 3.0


def test_tape_in_a_graph_equals_gradients():
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.exp(x) * x)
        by_tape = tape.gradient(y, x)
        (by_name,) = tf.gradients(y, [x])
        with v1.Session() as session:
            a, b = session.run([by_tape, by_name])
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, np.exp([1.0, 2.0]) * [2.0, 3.0], rtol=1e-6)


def test_gradients_options():
    with tf.Graph().as_default():
        x, z = tf.constant([1.0, 2.0]), tf.constant(1.0)
        y = x * x
        w = y * y
        (stopped,) = tf.gradients(w + y, [x], stop_gradients=[y])
        (seeded,) = tf.gradients(y, [x], grad_ys=[[1.0, 10.0]])
        none, zero = (
            tf.gradients(y, [z], unconnected_gradients=how)[0]
            for how in ("none", "zero")
        )
        assert stopped is None
        assert none is None
        assert seeded.op.name.startswith("gradients_1/")
        with v1.Session() as session:
            np.testing.assert_array_equal(session.run(seeded), [2.0, 40.0])
            assert session.run(zero) == 0.0
        with pytest.raises(ValueError, match="different number"):
            tf.gradients(y, [x], grad_ys=[x, x])
        with pytest.raises(tf.errors.InvalidArgumentError, match="another shape"):
            tf.gradients(y, [x], grad_ys=[[1.0, 2.0, 3.0]])
    with pytest.raises(RuntimeError, match="GradientTape in eager mode"):
        tf.gradients(tf.constant(1.0), [tf.constant(1.0)])


def test_the_op_that_blocks_a_gradient_is_named():
    w, v = tf.Variable(1.5, name="w"), tf.Variable(1.0)
    opt = tf.keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match=r"blocked by 'Floor'.*test_tape.py:\d+"):
        opt.minimize(lambda: tf.floor(w), [w])
    with pytest.warns(GraphoptWarning, match=r"w:0.*StopGradient"):
        opt.minimize(lambda: v * tf.stop_gradient(w), [w, v])


def test_integers_carry_no_gradient():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.cast(tf.cast(x, tf.int32), tf.float32)
    assert tape.gradient(y, x) is None


def test_entering_a_tape_twice_is_refused():
    tape = tf.GradientTape()
    with tape, pytest.raises(ValueError, match="still recording"), tape:
        pass


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_jacobians(mode):
    value = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)

    def check():
        x = tf.constant(value)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x * x
            z = tf.matmul(x, x)
        return [tape.jacobian(z, x), tape.batch_jacobian(y, x)]

    if mode == "eager":
        full, batch = (t.numpy() for t in check())
    else:
        with tf.Graph().as_default(), v1.Session() as session:
            full, batch = session.run(check())
    eye = np.eye(2, dtype=np.float32)
    want = np.einsum("ik,jl->ijkl", eye, value.T) + np.einsum("ik,jl->ijkl", value, eye)
    np.testing.assert_allclose(full, want)
    rows = [np.diag(3.0 * row**2) for row in value]
    np.testing.assert_allclose(batch, rows)


def test_jacobian_of_what_does_not_connect():
    x, y = tf.Variable([1.0]), tf.Variable([2.0])
    with tf.GradientTape() as tape:
        z = x * x
    assert tape.jacobian(z, y) is None
    with tf.GradientTape() as tape:
        z = x * x
    with pytest.raises(ValueError, match="Need first dimension"):
        tape.batch_jacobian(z, tf.constant([[1.0], [2.0]]))
