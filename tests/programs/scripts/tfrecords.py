"""Softmax regression on TFRecord files, with an initializable iterator for two of them."""

import os
import shutil
import tempfile

import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
rng = np.random.RandomState(1)
centers = np.array([[1.0, 0.0], [-1.0, 0.5], [0.0, -1.0]])
names = [b"one", b"two", b"three"]


def write(path, count):
    with tf.python_io.TFRecordWriter(path) as writer:
        for i in range(count):
            label = i % 3
            point = centers[label] + 0.3 * rng.randn(2)
            feature = {
                "point": tf.train.Feature(
                    float_list=tf.train.FloatList(value=point.tolist())
                ),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "name": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[names[label]])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


train_file = os.path.join(folder, "train.tfrecord")
test_file = os.path.join(folder, "test.tfrecord")
write(train_file, 90)
write(test_file, 30)


def parse(serialized):
    parsed = tf.parse_single_example(
        serialized,
        {
            "point": tf.FixedLenFeature([2], tf.float32),
            "label": tf.FixedLenFeature([], tf.int64),
            "name": tf.FixedLenFeature([], tf.string),
        },
    )
    return parsed["point"], parsed["label"], parsed["name"]


filenames = tf.placeholder(tf.string, shape=[None])
batch_size = tf.placeholder(tf.int64, shape=[])
dataset = tf.data.TFRecordDataset(filenames)
dataset = dataset.map(parse, num_parallel_calls=2).batch(batch_size).prefetch(1)
iterator = dataset.make_initializable_iterator()
points, labels, texts = iterator.get_next()

logits = tf.layers.dense(
    points, 3, kernel_initializer=tf.zeros_initializer(), name="softmax"
)
loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
train_op = tf.train.AdamOptimizer(0.1).minimize(loss)
correct = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.int32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(4):
        sess.run(iterator.initializer, {filenames: [train_file], batch_size: 16})
        losses = []
        while True:
            try:
                losses.append(sess.run([loss, train_op])[0])
            except tf.errors.OutOfRangeError:
                break
        sess.run(iterator.initializer, {filenames: [test_file], batch_size: 30})
        right, some = sess.run([correct, texts])
        print(
            "epoch %d: %d batches, loss %.4f, %d of 30 right, first %s"
            % (epoch, len(losses), np.mean(losses), right, some[0].decode())
        )
shutil.rmtree(folder)
