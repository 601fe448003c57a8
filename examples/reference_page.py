"""The three examples of TensorFlow's page on `tf.keras.optimizers.Optimizer`, run.

The first one in a graph and eagerly, the other two eagerly; what the page leaves open
(data, sizes, a loss, `process_gradient`, `MyCapper`) is filled in.
"""

from __future__ import annotations

import numpy as np

import graphopt as tf


def minimize_in_a_graph() -> tuple[float, float]:
    """`minimize` returns an op, and running it takes one step."""
    with tf.Graph().as_default():
        var1, var2 = tf.Variable(2.0), tf.Variable(5.0)
        # Create an optimizer with the desired parameters.
        opt = tf.keras.optimizers.SGD(learning_rate=0.1)
        # `loss` is a callable that takes no argument and returns the value
        # to minimize.
        loss = lambda: 3 * var1 * var1 + 2 * var2 * var2
        # In graph mode, returns op that minimizes the loss by updating the listed
        # variables.
        opt_op = opt.minimize(loss, var_list=[var1, var2])
        opt_op.run()
        return float(var1.eval()), float(var2.eval())


def minimize_eagerly() -> tuple[float, float]:
    """`minimize` takes one step."""
    var1, var2 = tf.Variable(2.0), tf.Variable(5.0)
    opt = tf.keras.optimizers.SGD(learning_rate=0.1)
    loss = lambda: 3 * var1 * var1 + 2 * var2 * var2
    # In eager mode, simply call minimize to update the list of variables.
    opt.minimize(loss, var_list=[var1, var2])
    return float(var1), float(var2)


def train_a_model() -> list[float]:
    """A model makes its variables when it is first called, so `var_list` is a function."""
    num_hidden, num_classes = 16, 3
    random = np.random.default_rng(0)
    inputs = random.normal(size=(20, 8, 4)).astype(np.float32)
    data = [(x, np.eye(3, dtype=np.float32)[x[:, :3].argmax(1)]) for x in inputs] * 20
    tf.random.set_seed(0)

    opt = tf.keras.optimizers.SGD(learning_rate=0.1)
    model = tf.keras.Sequential()
    model.add(tf.keras.layers.Dense(num_hidden, activation="relu"))
    model.add(tf.keras.layers.Dense(num_classes, activation="sigmoid"))
    loss_fn = lambda: tf.keras.losses.mse(model(input), output)
    var_list_fn = lambda: model.trainable_weights
    losses = []
    for input, output in data:
        opt.minimize(loss_fn, var_list_fn)
        losses.append(float(tf.reduce_mean(loss_fn())))
    return losses


def process_gradients() -> np.ndarray:
    """Gradients from a tape, halved, then cut off at 1 before they are applied."""
    weights = tf.Variable([3.0, -0.5])
    var_list = [weights]

    def process_gradient(gradient: tf.Tensor) -> tf.Tensor:
        return gradient / 2.0

    def MyCapper(gradient: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(gradient, -1.0, 1.0)

    # Create an optimizer.
    opt = tf.keras.optimizers.SGD(learning_rate=0.1)

    # Compute the gradients for a list of variables.
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weights * weights)
    vars = [weights]
    grads = tape.gradient(loss, vars)
    processed_grads = [process_gradient(g) for g in grads]
    grads_and_vars = zip(processed_grads, var_list)

    # grads_and_vars is a list of tuples (gradient, variable).  Do whatever you
    # need to the 'gradient' part, for example cap them, etc.
    capped_grads_and_vars = [(MyCapper(gv[0]), gv[1]) for gv in grads_and_vars]

    # Ask the optimizer to apply the capped gradients.
    opt.apply_gradients(capped_grads_and_vars)
    return weights.numpy()


def main() -> None:
    """Runs the examples and prints what they did."""
    print("in a graph:", minimize_in_a_graph())
    print("eagerly:   ", minimize_eagerly())
    losses = train_a_model()
    print(f"model:      loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    print("capped:    ", process_gradients())


if __name__ == "__main__":
    main()
