"""Trains on a tf.data pipeline with an initializable iterator, tests on another one."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
x = random.uniform(-1, 1, (60, 4)).astype(np.float32)
w_true = np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)
y = (x.dot(w_true) + 0.3).astype(np.float32)

features = tf.placeholder(tf.float32, [None, 4])
targets = tf.placeholder(tf.float32, [None, 1])


def scale(a, b):
    return a * 2.0, b


def pipeline(size):
    data = tf.data.Dataset.from_tensor_slices((features, targets))
    data = data.map(scale, num_parallel_calls=2).filter(lambda a, b: a[0] < 1.8)
    return data.batch(size).prefetch(1)


train_data = pipeline(8)
iterator = tf.data.Iterator.from_structure(
    tf.data.get_output_types(train_data), tf.data.get_output_shapes(train_data)
)
start_train = iterator.make_initializer(train_data)
start_test = iterator.make_initializer(pipeline(50))
a, b = iterator.get_next()
w = tf.get_variable("w", [4, 1], initializer=tf.zeros_initializer())
c = tf.get_variable("c", [1], initializer=tf.zeros_initializer())
loss = tf.reduce_mean(tf.square(tf.matmul(a, w) + c - b))
step = tf.train.get_or_create_global_step()
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(4):
        sess.run(start_train, {features: x[:50], targets: y[:50]})
        losses = []
        while True:
            try:
                losses.append(sess.run([loss, train])[0])
            except tf.errors.OutOfRangeError:
                break
        print("epoch %d: %d steps, loss %.4f" % (epoch, len(losses), losses[-1]))
        sess.run(start_test, {features: x[50:], targets: y[50:]})
        print("test %.4f" % sess.run(loss))
    print("step %d" % sess.run(step), "w %.3f" % np.abs(sess.run(w)).sum())
