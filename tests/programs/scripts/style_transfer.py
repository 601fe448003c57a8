"""Steps of style transfer: an image is trained so that its features fit two others."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(10)
content, style = (random.rand(1, 12, 12, 3).astype(np.float32) for _ in range(2))
filters = [
    tf.constant((random.randn(3, 3, 3, 6) * 0.3).astype(np.float32)),
    tf.constant((random.randn(3, 3, 6, 8) * 0.2).astype(np.float32)),
]


def features(image):
    layers = []
    for f in filters:
        image = tf.nn.relu(tf.nn.conv2d(image, f, [1, 1, 1, 1], "SAME"))
        layers.append(image)
        image = tf.nn.avg_pool(image, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    return layers


def gram(layer):
    _, height, width, channels = layer.get_shape()
    flat = tf.reshape(layer, (-1, channels.value))
    return tf.matmul(tf.transpose(flat), flat) / (height.value * width.value)


image = tf.Variable(content, name="image")
wanted = [tf.stop_gradient(layer) for layer in features(tf.constant(content))]
texture = [tf.stop_gradient(gram(layer)) for layer in features(tf.constant(style))]
now = features(image)
content_loss = (
    2 * tf.nn.l2_loss(now[1] - wanted[1]) / np.prod(wanted[1].get_shape().as_list())
)
style_loss = tf.add_n(
    [tf.nn.l2_loss(gram(layer) - t) for layer, t in zip(now, texture)]
)
rows = tf.nn.l2_loss(image[:, 1:, :, :] - image[:, :11, :, :])
columns = tf.nn.l2_loss(image[:, :, 1:, :] - image[:, :, :11, :])
loss = content_loss + 5.0 * style_loss + 0.01 * (rows + columns)
train = tf.train.AdamOptimizer(0.02).minimize(loss)
clip = tf.assign(image, tf.clip_by_value(image, 0.0, 1.0))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(30):
        sess.run(train)
        sess.run(clip)
        if i % 10 == 0:
            print(
                "step %d loss %.5f style %.5f"
                % ((i,) + tuple(sess.run([loss, style_loss])))
            )
    final = image.eval()
    print("mean %.5f moved %.5f" % (final.mean(), np.abs(final - content).mean()))
