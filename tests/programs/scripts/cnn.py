"""A small convolutional network with batch normalization and its update ops."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(3)
images = random.rand(48, 8, 8, 1).astype(np.float32)
labels = (images[:, :4].mean((1, 2, 3)) > images[:, 4:].mean((1, 2, 3))).astype(
    np.int32
)


def normal(*shape):
    return tf.constant_initializer(random.randn(*shape).astype(np.float32) * 0.3)


x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
y = tf.placeholder(tf.int32, [None], name="labels")
training = tf.placeholder_with_default(False, [], name="training")

net = tf.layers.conv2d(x, 4, 3, padding="same", kernel_initializer=normal(3, 3, 1, 4))
net = tf.layers.batch_normalization(net, training=training, momentum=0.9)
net = tf.nn.relu(net)
net = tf.layers.max_pooling2d(net, 2, 2)
net = tf.layers.conv2d(
    net, 6, [3, 3], activation=tf.nn.relu, kernel_initializer=normal(3, 3, 4, 6)
)
net = tf.layers.average_pooling2d(net, 2, 1)
net = tf.layers.flatten(net)
net = tf.layers.dropout(net, 0.0, training=training)
logits = tf.layers.dense(net, 2, kernel_initializer=normal(6, 2))
loss = tf.losses.softmax_cross_entropy(tf.one_hot(y, 2), logits)
update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
with tf.control_dependencies(update_ops):
    train = tf.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True).minimize(loss)

with tf.Session() as sess:
    tf.global_variables_initializer().run()
    for i in range(30):
        at = (i * 16) % 48
        feed = {x: images[at : at + 16], y: labels[at : at + 16], training: True}
        _, value = sess.run([train, loss], feed_dict=feed)
        if i % 10 == 9:
            print("step %d loss %.4f" % (i + 1, value))
    print("test %.4f" % loss.eval({x: images, y: labels}))
    for v in tf.global_variables():
        if "moving" in v.name:
            print(v.name, " ".join("%.4f" % e for e in v.eval()))
