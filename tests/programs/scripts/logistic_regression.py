"""Softmax regression as in the first tutorial, by batches."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(1)
centers = random.randn(4, 6)
labels = np.arange(200) % 4
images = centers[labels] + 0.7 * random.randn(200, 6)
one_hot = np.eye(4)[labels]

x = tf.placeholder("float", [None, 6])
y_ = tf.placeholder("float", [None, 4])
W = tf.Variable(tf.zeros([6, 4]))
b = tf.Variable(tf.zeros([4]))
y = tf.nn.softmax(tf.matmul(x, W) + b)
cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)
correct = tf.equal(tf.argmax(y, dimension=1), tf.argmax(y_, 1))
accuracy = tf.reduce_mean(tf.cast(correct, "float"))

sess = tf.InteractiveSession()
init = tf.initialize_all_variables()
sess.run(init)
for i in range(50):
    at = (i * 40) % 200
    sess.run(train_step, feed_dict={x: images[at : at + 40], y_: one_hot[at : at + 40]})
print("loss %.5f" % cross_entropy.eval({x: images, y_: one_hot}))
print("accuracy %.4f" % accuracy.eval(feed_dict={x: images, y_: one_hot}))
print("bias", " ".join("%.4f" % v for v in b.eval()))
