"""A TensorFlow 1 script as it was written then; only the import line is ours.

Fits a line to noisy points: placeholders, a name scope, a train op, a session.
"""

import numpy as np

import graphopt.v1 as tf

random = np.random.RandomState(0)
xs = random.uniform(-1, 1, 200).astype(np.float32)
ys = 3.0 * xs + 2.0 + 0.1 * random.randn(200).astype(np.float32)

x = tf.placeholder(tf.float32, shape=[None], name="x")
y = tf.placeholder(tf.float32, shape=[None], name="y")
with tf.name_scope("model"):
    slope = tf.Variable(0.0, name="slope")
    offset = tf.Variable(0.0, name="offset")
    prediction = slope * x + offset
loss = tf.reduce_mean(tf.square(prediction - y), name="loss")
global_step = tf.train.get_or_create_global_step()
rate = tf.train.exponential_decay(0.1, global_step, 100, 0.9)
train = tf.train.MomentumOptimizer(rate, 0.9).minimize(loss, global_step=global_step)

init = tf.global_variables_initializer()
with tf.Session() as sess:
    sess.run(init)
    for step in range(200):
        batch = random.randint(0, 200, 50)
        _, value = sess.run([train, loss], feed_dict={x: xs[batch], y: ys[batch]})
        if step % 50 == 49:
            print(f"step {step + 1}: loss {value:.4f}")
    print(f"slope {sess.run(slope):.2f}, offset {sess.run(offset):.2f}")
