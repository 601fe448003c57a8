"""Augments a few images and trains a small net on them, from PNG files."""

import os
import tempfile

import numpy as np
import tensorflow as tf

random = np.random.RandomState(8)
folder = tempfile.mkdtemp()
labels = np.array([0, 1] * 8, np.int32)
for i, label in enumerate(labels):
    image = random.randint(0, 90, (12, 10, 3))
    # The second class is bright in the middle.
    image[3:9, 2:8] += 120 * label
    data = tf.io.encode_png(tf.constant(image.astype(np.uint8)))
    tf.io.write_file(os.path.join(folder, "%02d.png" % i), data)


def load(name):
    image = tf.image.decode_png(tf.io.read_file(name), channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.resize_with_crop_or_pad(image, 12, 12)
    image = tf.image.resize(image, [8, 8])
    return tf.image.per_image_standardization(tf.image.rgb_to_grayscale(image))


names = sorted(os.listdir(folder))
images = tf.stack([load(os.path.join(folder, name)) for name in names])
print("images", images.shape, "sum %.3f" % tf.reduce_sum(tf.abs(images)).numpy())
kernel = tf.Variable(random.uniform(-0.3, 0.3, (3, 3, 1, 4)).astype(np.float32))
dense = tf.Variable(random.uniform(-0.3, 0.3, (64, 2)).astype(np.float32))
optimizer = tf.keras.optimizers.SGD(0.1)


@tf.function
def train(images, labels, flip):
    if flip:
        images = tf.image.flip_left_right(images)
    images = tf.image.adjust_contrast(images, 1.2)
    with tf.GradientTape() as tape:
        hidden = tf.nn.relu(tf.nn.conv2d(images, kernel, 2, "SAME"))
        logits = tf.reshape(hidden, [-1, 64]) @ dense
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
    variables = [kernel, dense]
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


for i in range(21):
    loss = train(images, tf.constant(labels), tf.constant(i % 2 == 1))
    if i % 5 == 0:
        print("step %d loss %.4f" % (i, loss.numpy()))
