"""A perceptron with tf.layers, tf.losses and tf.metrics."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(2)
data = random.randn(120, 8).astype(np.float32)
labels = (np.sin(data[:, 0] * 2) + data[:, 1] > 0).astype(np.int64)


def normal(shape):
    return tf.constant_initializer(random.randn(*shape).astype(np.float32) * 0.4)


x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.int64, [None])
with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
    h = tf.layers.dense(
        x, 16, activation=tf.nn.relu, kernel_initializer=normal([8, 16]), name="one"
    )
    h = tf.layers.dense(
        h,
        12,
        tf.nn.tanh,
        kernel_initializer=normal([16, 12]),
        kernel_regularizer=tf.keras.regularizers.l2(0.01),
        name="two",
    )
    logits = tf.layers.dense(h, 2, kernel_initializer=normal([12, 2]), name="out")
tf.losses.sparse_softmax_cross_entropy(labels=y, logits=logits)
loss = tf.losses.get_total_loss()
step = tf.train.AdamOptimizer(learning_rate=0.01)
grads = [(tf.clip_by_norm(g, 1.0), v) for g, v in step.compute_gradients(loss)]
train = step.apply_gradients(grads)
accuracy, update = tf.metrics.accuracy(y, tf.argmax(logits, 1), name="acc")

with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    for i in range(60):
        at = (i * 30) % 120
        sess.run(train, {x: data[at : at + 30], y: labels[at : at + 30]})
    for at in range(0, 120, 30):
        sess.run(update, {x: data[at : at + 30], y: labels[at : at + 30]})
    print("loss %.5f" % sess.run(loss, {x: data, y: labels}))
    print("accuracy %.4f" % sess.run(accuracy))
    print(" ".join(v.name for v in tf.trainable_variables()))
    print("norm %.4f" % sess.run(tf.global_norm(tf.trainable_variables())))
