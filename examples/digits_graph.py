"""Trains a multilayer perceptron on scikit-learn's handwritten digits, in graph mode.

The optimizer's `minimize` gives a train op; `Session.run` feeds it batches, and
`opt_op.run()` runs it on the whole training set at the end.
"""

from __future__ import annotations

import numpy as np
from rich.progress import Progress
from sklearn.datasets import load_digits

import graphopt as tf

EPOCHS, BATCH = 30, 64


def load_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images and labels, shuffled: 1437 to train on, 360 to test on."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.data[order] / 16.0).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def main() -> float:
    """Trains and returns the accuracy on the test set."""
    train_x, train_y, test_x, test_y = load_data()
    tf.random.set_seed(1)
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 64], name="x")
        y = tf.compat.v1.placeholder(tf.int32, [None], name="y")
        model = tf.keras.Sequential()
        model.add(tf.keras.layers.Dense(128, activation="relu"))
        model.add(tf.keras.layers.Dense(10))
        logits = model(x)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
        loss = tf.reduce_mean(losses, name="loss")
        opt = tf.keras.optimizers.Adam(learning_rate=0.003)
        opt_op = opt.minimize(loss, var_list=model.trainable_weights)
        init = tf.compat.v1.global_variables_initializer()
        with tf.compat.v1.Session() as session, Progress() as progress:
            session.run(init)
            task = progress.add_task("training", total=EPOCHS)
            for epoch in range(EPOCHS):
                order = np.random.default_rng(epoch).permutation(len(train_x))
                for start in range(0, len(order), BATCH):
                    rows = order[start : start + BATCH]
                    feed = {x: train_x[rows], y: train_y[rows]}
                    _, value = session.run([opt_op, loss], feed_dict=feed)
                progress.update(task, advance=1, description=f"loss {value:.4f}")
            opt_op.run(feed_dict={x: train_x, y: train_y})
            answers = np.argmax(session.run(logits, {x: test_x}), axis=1)
    accuracy = float(np.mean(answers == test_y))
    print(f"test accuracy: {100 * accuracy:.1f} %")
    return accuracy


if __name__ == "__main__":
    main()
