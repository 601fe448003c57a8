"""A generative adversarial network: two optimizers, each for its own scope."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(9)


def normal(*shape):
    return tf.constant_initializer((random.randn(*shape) * 0.3).astype(np.float32))


def generator(z):
    with tf.variable_scope("generator"):
        h = tf.layers.dense(z, 8, tf.nn.leaky_relu, kernel_initializer=normal(3, 8))
        return tf.layers.dense(h, 2, kernel_initializer=normal(8, 2))


kernels = [normal(2, 8), normal(8, 1)]


def discriminator(x, reuse=None):
    with tf.variable_scope("discriminator", reuse=reuse):
        h = tf.layers.dense(x, 8, tf.nn.leaky_relu, kernel_initializer=kernels[0])
        return tf.layers.dense(h, 1, kernel_initializer=kernels[1])


z = tf.placeholder(tf.float32, [None, 3])
real = tf.placeholder(tf.float32, [None, 2])
fake = generator(z)
on_real = discriminator(real)
on_fake = discriminator(fake, reuse=True)
cross = tf.losses.sigmoid_cross_entropy
d_loss = cross(tf.ones_like(on_real), on_real, label_smoothing=0.1) + cross(
    tf.zeros_like(on_fake), on_fake
)
g_loss = cross(tf.ones_like(on_fake), on_fake)
variables = tf.trainable_variables()
d_vars = [v for v in variables if v.name.startswith("discriminator")]
g_vars = [v for v in variables if v.name.startswith("generator")]
d_step = tf.train.AdamOptimizer(0.01, beta1=0.5).minimize(d_loss, var_list=d_vars)
g_step = tf.train.AdamOptimizer(0.02, beta1=0.5).minimize(g_loss, var_list=g_vars)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(60):
        points = random.randn(16, 2) * 0.3 + [1.0, -1.0]
        _, d = sess.run([d_step, d_loss], {real: points, z: random.randn(16, 3)})
        _, g = sess.run([g_step, g_loss], {z: random.randn(16, 3)})
        if i % 20 == 19:
            print("step %d d %.4f g %.4f" % (i + 1, d, g))
    made = sess.run(fake, {z: random.randn(50, 3)})
    print("center %.4f %.4f" % tuple(made.mean(0)))
    print(len(d_vars), len(g_vars))
