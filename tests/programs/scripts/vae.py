"""A variational autoencoder whose noise is fed."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(8)
pictures = (random.rand(64, 10) * random.rand(64, 1) > 0.3).astype(np.float32)


def init(*shape):
    return tf.constant((random.randn(*shape) / np.sqrt(shape[0])).astype(np.float32))


x = tf.placeholder(tf.float32, [None, 10])
noise = tf.placeholder(tf.float32, [None, 2])
names = {"h": (10, 7), "mu": (7, 2), "sigma": (7, 2), "back": (2, 7), "out": (7, 10)}
w = {name: tf.Variable(init(*shape), name=name) for name, shape in names.items()}
h = tf.nn.elu(tf.matmul(x, w["h"]))
mu, log_sigma = tf.matmul(h, w["mu"]), tf.matmul(h, w["sigma"])
z = tf.add(mu, tf.multiply(tf.exp(log_sigma), noise))
logits = tf.matmul(tf.nn.softplus(tf.matmul(z, w["back"])), w["out"])
cross = tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=x)
reconstruction = tf.reduce_sum(cross, 1)
kl = -0.5 * tf.reduce_sum(1 + 2 * log_sigma - tf.square(mu) - tf.exp(2 * log_sigma), 1)
loss = tf.reduce_mean(reconstruction + kl)
mean_kl = tf.reduce_mean(kl)
train = tf.train.AdamOptimizer(0.02).minimize(loss)
sample = tf.sigmoid(logits)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(50):
        at = (i * 16) % 64
        feed = {x: pictures[at : at + 16], noise: random.randn(16, 2)}
        value, divergence, _ = sess.run([loss, mean_kl, train], feed)
        if i % 20 == 0:
            print("step %d loss %.4f kl %.4f" % (i, value, divergence))
    made = sess.run(sample, {z: np.array([[0.0, 0.0], [1.0, -1.0]])})
    print(" ".join("%.4f" % v for v in made[1]))
