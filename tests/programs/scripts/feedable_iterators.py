"""Training and validation data behind one `get_next`, chosen by a string handle."""

import numpy as np
import tensorflow as tf

rng = np.random.RandomState(2)
x_train = rng.randn(96, 3).astype(np.float32)
y_train = (x_train.dot([1.0, -2.0, 0.5]) > 0).astype(np.float32)
x_valid = rng.randn(40, 3).astype(np.float32)
y_valid = (x_valid.dot([1.0, -2.0, 0.5]) > 0).astype(np.float32)

training = tf.data.Dataset.from_tensor_slices((x_train, y_train))
training = training.map(lambda x, y: (x * 0.5, y)).repeat().batch(32)
validation = tf.data.Dataset.from_tensor_slices({"x": x_valid, "y": y_valid})
validation = validation.map(lambda d: (d["x"] * 0.5, d["y"])).batch(25)

handle = tf.placeholder(tf.string, shape=[])
iterator = tf.data.Iterator.from_string_handle(
    handle, training.output_types, training.output_shapes
)
features, targets = iterator.get_next()
training_iterator = training.make_one_shot_iterator()
validation_iterator = validation.make_initializable_iterator()

w = tf.get_variable("w", [3, 1], initializer=tf.zeros_initializer())
logits = tf.reshape(tf.matmul(features, w), [-1])
loss = tf.reduce_mean(
    tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
)
train_op = tf.train.MomentumOptimizer(0.5, 0.9).minimize(loss)
right = tf.reduce_sum(tf.cast(tf.equal(logits > 0, targets > 0.5), tf.int32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    training_handle = sess.run(training_iterator.string_handle())
    validation_handle = sess.run(validation_iterator.string_handle())
    for epoch in range(3):
        for _ in range(5):
            value, _ = sess.run([loss, train_op], {handle: training_handle})
        sess.run(validation_iterator.initializer)
        total = 0
        while True:
            try:
                total += sess.run(right, {handle: validation_handle})
            except tf.errors.OutOfRangeError:
                break
        print("epoch %d: loss %.4f, %d of 40 right" % (epoch, value, total))
