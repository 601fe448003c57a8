"""A line through noisy points, with flags, summaries and a saver."""

import os
import tempfile

import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_float("learning_rate", 0.1, "Step size.")
flags.DEFINE_integer("steps", 60, "How many steps.")
flags.DEFINE_string("logdir", "", "Where summaries go.")
FLAGS = flags.FLAGS


class Model(object):
    def __init__(self):
        self.x = tf.placeholder(tf.float32, shape=[None, 1], name="x")
        self.y = tf.placeholder(tf.float32, shape=[None, 1], name="y")
        with tf.variable_scope("line"):
            self.w = tf.get_variable(
                "w", [1, 1], initializer=tf.constant_initializer(0.5)
            )
            self.b = tf.get_variable("b", [1], initializer=tf.zeros_initializer())
        prediction = tf.nn.xw_plus_b(self.x, self.w, self.b)
        self.loss = tf.losses.mean_squared_error(self.y, predictions=prediction)
        self.step = tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(FLAGS.learning_rate, self.step, 20, 0.9)
        optimizer = tf.train.GradientDescentOptimizer(rate)
        self.train = optimizer.minimize(self.loss, global_step=self.step)
        tf.summary.scalar("loss", self.loss)
        tf.summary.histogram("w", self.w)
        self.summary = tf.summary.merge_all()


def main(_):
    random = np.random.RandomState(0)
    xs = random.uniform(-1, 1, (100, 1))
    ys = 3 * xs + 1 + 0.1 * random.randn(100, 1)
    model = Model()
    saver = tf.train.Saver(max_to_keep=2)
    logdir = FLAGS.logdir or tempfile.mkdtemp()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(logdir, sess.graph)
        for i in range(FLAGS.steps):
            feed = {model.x: xs[i % 4 :: 4], model.y: ys[i % 4 :: 4]}
            _, loss, summary = sess.run([model.train, model.loss, model.summary], feed)
            writer.add_summary(summary, global_step=i)
            if i % 20 == 0:
                print("step %d loss %.5f" % (i, loss))
        path = saver.save(sess, os.path.join(logdir, "model"), global_step=model.step)
        writer.close()
        sess.run(model.w.assign([[0.0]]))
        saver.restore(sess, path)
        w, b, step = sess.run([model.w, model.b, model.step])
        print("w %.5f b %.5f steps %d" % (w[0, 0], b[0], step))


if __name__ == "__main__":
    tf.app.run()
