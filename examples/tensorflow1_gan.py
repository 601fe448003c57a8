"""A TensorFlow 1 program: two networks against each other, each with its optimizer.

Nothing in it knows of graphopt. A generator learns to make points on a ring:

    graphopt run examples/tensorflow1_gan.py
"""

import numpy as np
import tensorflow as tf

NOISE, BATCH, STEPS = 4, 128, 2000


def generator(noise):
    """Returns points from noise."""
    with tf.variable_scope("generator"):
        h = tf.layers.dense(noise, 32, activation=tf.nn.leaky_relu)
        h = tf.layers.dense(h, 32, activation=tf.nn.leaky_relu)
        return tf.layers.dense(h, 2)


def discriminator(points, reuse=False):
    """Returns how real points look, as logits."""
    with tf.variable_scope("discriminator", reuse=reuse):
        h = tf.layers.dense(points, 32, activation=tf.nn.leaky_relu)
        h = tf.layers.dense(h, 32, activation=tf.nn.leaky_relu)
        return tf.layers.dense(h, 1)


def draw_ring(random, count):
    """Returns points near the unit circle."""
    angles = random.uniform(0, 2 * np.pi, count)
    radii = 1 + 0.05 * random.randn(count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def main():
    """Trains both networks in turn, and prints where the points lie."""
    tf.set_random_seed(3)
    random = np.random.RandomState(3)
    noise = tf.placeholder(tf.float32, [None, NOISE])
    real = tf.placeholder(tf.float32, [None, 2])
    fake = generator(noise)
    on_real, on_fake = discriminator(real), discriminator(fake, reuse=True)

    cross_entropy = tf.losses.sigmoid_cross_entropy
    d_loss = cross_entropy(tf.ones_like(on_real), on_real, label_smoothing=0.1)
    d_loss += cross_entropy(tf.zeros_like(on_fake), on_fake)
    g_loss = cross_entropy(tf.ones_like(on_fake), on_fake)
    d_vars = tf.trainable_variables("discriminator")
    g_vars = tf.trainable_variables("generator")
    d_step = tf.train.AdamOptimizer(1e-3, beta1=0.5).minimize(d_loss, var_list=d_vars)
    g_step = tf.train.AdamOptimizer(1e-3, beta1=0.5).minimize(g_loss, var_list=g_vars)

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in range(STEPS):
            points, seeds = draw_ring(random, BATCH), random.randn(BATCH, NOISE)
            _, d_value = session.run([d_step, d_loss], {real: points, noise: seeds})
            _, g_value = session.run(
                [g_step, g_loss], {noise: random.randn(BATCH, NOISE)}
            )
            if step % 500 == 499:
                print("step %d: losses %.2f and %.2f" % (step + 1, d_value, g_value))
        made = session.run(fake, {noise: random.randn(1000, NOISE)})
        print("mean radius %.2f" % np.linalg.norm(made, axis=1).mean())


if __name__ == "__main__":
    main()
