"""A small training program, as a user would write it."""

import sys

import numpy as np

import graphopt as tf

graph = tf.Graph()
with graph.as_default():
    x = tf.compat.v1.placeholder(tf.float32, [None, 8], name="x")
    labels = tf.compat.v1.placeholder(tf.float32, [None, 1], name="labels")
    with tf.name_scope("forward"):
        w = tf.Variable(np.ones((8, 1), np.float32), name="w")
        b = tf.Variable(np.zeros(1, np.float32), name="b")
        y = tf.add(tf.matmul(x, w), b, name="prediction")
    with tf.name_scope("loss"):
        error = y - labels
        loss = tf.reduce_mean(error * error, name="mean")
    train_op = tf.keras.optimizers.SGD(0.1).minimize(loss, [w, b])

sys.stdout.write(f"built with {sys.argv[1:]}\n")


def make_graph() -> tf.Graph:
    """Returns a graph: a factory."""
    return graph


if __name__ == "__main__" and "--train" in sys.argv:
    with graph.as_default(), tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        sys.stdout.write("trained\n")
