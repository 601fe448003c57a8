"""Writes examples to a TFRecord file, reads and parses them, and trains."""

import os
import tempfile

import numpy as np
import tensorflow as tf

random = np.random.RandomState(4)
path = os.path.join(tempfile.mkdtemp(), "train.tfrecord")
with tf.python_io.TFRecordWriter(path) as writer:
    for i in range(40):
        x = random.uniform(-1, 1, 6).astype(np.float32)
        label = int(x.sum() > 0)
        feature = {
            "x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[x.tobytes()])),
            "scale": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5 + label])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            "name": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[b"row %d" % i])
            ),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writer.write(example.SerializeToString())


def parse(record):
    found = tf.parse_single_example(
        record,
        {
            "x": tf.FixedLenFeature([], tf.string),
            "scale": tf.FixedLenFeature([1], tf.float32),
            "label": tf.FixedLenFeature([], tf.int64),
            "name": tf.FixedLenFeature([], tf.string, default_value=""),
        },
    )
    x = tf.reshape(tf.decode_raw(found["x"], tf.float32), [6])
    return x, found["scale"], found["label"], found["name"]


data = tf.data.TFRecordDataset(path).map(parse).repeat(3).batch(10)
x, scale, label, name = tf.data.make_one_shot_iterator(data).get_next()
logits = tf.layers.dense(x, 2, kernel_initializer=tf.zeros_initializer(), name="logits")
loss = tf.losses.sparse_softmax_cross_entropy(label, logits)
train = tf.train.MomentumOptimizer(0.5, 0.9).minimize(loss)
print("examples", sum(1 for _ in tf.python_io.tf_record_iterator(path)))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(100):
        try:
            value, names, s, _ = sess.run([loss, name, scale, train])
        except tf.errors.OutOfRangeError:
            print("end after %d" % i)
            break
        if i % 4 == 0:
            print("loss %.4f scale %.1f" % (value, s.sum()), names[0].decode())
