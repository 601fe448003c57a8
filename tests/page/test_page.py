"""The code of TensorFlow's page on `tf.keras.optimizers.Optimizer`, line by line."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

MINIMIZE = """
# Create an optimizer with the desired parameters.
opt = tf.keras.optimizers.SGD(learning_rate=0.1)
# `loss` is a callable that takes no argument and returns the value
# to minimize.
loss = lambda: 3 * var1 * var1 + 2 * var2 * var2
"""
IN_A_GRAPH = """
# In graph mode, returns op that minimizes the loss by updating the listed
# variables.
opt_op = opt.minimize(loss, var_list=[var1, var2])
opt_op.run()
"""
EAGERLY = """
# In eager mode, simply call minimize to update the list of variables.
opt.minimize(loss, var_list=[var1, var2])
"""
WITH_A_MODEL = """
opt = tf.keras.optimizers.SGD(learning_rate=0.1)
model = tf.keras.Sequential()
model.add(tf.keras.layers.Dense(num_hidden, activation='relu'))
model.add(tf.keras.layers.Dense(num_classes, activation='sigmoid'))
loss_fn = lambda: tf.keras.losses.mse(model(input), output)
var_list_fn = lambda: model.trainable_weights
for input, output in data:
  opt.minimize(loss_fn, var_list_fn)
"""
WITH_A_TAPE = """
# Create an optimizer.
opt = tf.keras.optimizers.SGD(learning_rate=0.1)

# Compute the gradients for a list of variables.
with tf.GradientTape() as tape:
  loss = <call_loss_function>
vars = <list_of_variables>
grads = tape.gradient(loss, vars)
processed_grads = [process_gradient(g) for g in grads]
grads_and_vars = zip(processed_grads, var_list)

# grads_and_vars is a list of tuples (gradient, variable).  Do whatever you
# need to the 'gradient' part, for example cap them, etc.
capped_grads_and_vars = [(MyCapper(gv[0]), gv[1]) for gv in grads_and_vars]

# Ask the optimizer to apply the capped gradients.
opt.apply_gradients(capped_grads_and_vars)
"""


def execute(code, names):
    """Runs a block of the page; its names are global, as in a script."""
    exec(code, names)


def test_minimize_in_a_graph():
    with tf.Graph().as_default():
        names = {"tf": tf, "var1": tf.Variable(2.0), "var2": tf.Variable(5.0)}
        execute(MINIMIZE + IN_A_GRAPH, names)
        assert names["var1"].eval() == pytest.approx(0.8)
        assert names["var2"].eval() == pytest.approx(3.0)


def test_minimize_eagerly():
    names = {"tf": tf, "var1": tf.Variable(2.0), "var2": tf.Variable(5.0)}
    execute(MINIMIZE + EAGERLY, names)
    assert float(names["var1"]) == pytest.approx(0.8)
    assert float(names["var2"]) == pytest.approx(3.0)


def test_model_with_callable_var_list():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 8, 4)).astype(np.float32)
    data = [(x, np.eye(3, dtype=np.float32)[x[:, :3].argmax(1)]) for x in inputs] * 5
    tf.random.set_seed(0)
    names = {"tf": tf, "num_hidden": 16, "num_classes": 3, "data": data}
    execute(WITH_A_MODEL, names)
    model = names["model"]
    assert [tuple(w.shape) for w in model.trainable_weights] == [
        (4, 16),
        (16,),
        (16, 3),
        (3,),
    ]
    assert int(names["opt"].iterations) == len(data)
    answers = np.argmax(model(inputs.reshape(-1, 4)), 1)
    assert np.mean(answers == inputs.reshape(-1, 4)[:, :3].argmax(1)) > 0.6


def test_processed_gradients():
    weights = tf.Variable([3.0, -0.5])
    code = WITH_A_TAPE.replace("<call_loss_function>", "call_loss_function()")
    code = code.replace("<list_of_variables>", "list_of_variables")
    names = {
        "tf": tf,
        "call_loss_function": lambda: tf.reduce_sum(weights * weights),
        "list_of_variables": [weights],
        "var_list": [weights],
        "process_gradient": lambda g: g / 2.0,
        "MyCapper": lambda g: tf.clip_by_value(g, -1.0, 1.0),
    }
    execute(code, names)
    np.testing.assert_allclose(weights.numpy(), [2.9, -0.45], rtol=1e-6)
