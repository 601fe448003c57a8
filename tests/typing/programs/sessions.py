"""A program of TensorFlow 1: placeholders, a session, a saver."""

import tempfile
from pathlib import Path

import numpy as np

import graphopt.v1 as tf

x = tf.placeholder(tf.float32, [None, 2], name="x")
y = tf.placeholder(tf.float32, [None, 1], name="y")
hidden = tf.layers.dense(x, 4, activation=tf.nn.relu)
prediction = tf.layers.dense(hidden, 1)
loss = tf.reduce_mean(tf.square(prediction - y), reduction_indices=None)
step = tf.train.get_or_create_global_step()
rate = tf.train.exponential_decay(0.1, step, 100, 0.5)
train_op = tf.train.AdamOptimizer(rate).minimize(loss, global_step=step)
saver = tf.train.Saver()
feeds = {x: np.ones([3, 2], np.float32), y: np.zeros([3, 1], np.float32)}
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(3):
        _, value = session.run([train_op, loss], feed_dict=feeds)
    with tempfile.TemporaryDirectory() as folder:
        path: str = saver.save(session, str(Path(folder) / "model"))
    print(int(session.run(step)), prediction.shape.as_list(), loss.op.type, bool(path))
