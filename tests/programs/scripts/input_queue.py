"""Reads lines of files through queues of version 1: file names, a reader, batches."""

import os
import tempfile

import numpy as np
import tensorflow as tf

random = np.random.RandomState(2)
folder = tempfile.mkdtemp()
names = []
for k in range(3):
    names.append(os.path.join(folder, "part%d.csv" % k))
    with open(names[-1], "w") as file:
        for _ in range(8):
            a, b = random.uniform(-1, 1, 2)
            file.write("%.4f,%.4f,%.4f\n" % (a, b, 2 * a - b + 0.5))

queue = tf.train.string_input_producer(names, num_epochs=10, shuffle=False)
reader = tf.TextLineReader()
key, line = reader.read(queue)
a, b, y = tf.decode_csv(line, record_defaults=[[0.0], [0.0], [0.0]])
features, targets = tf.train.batch([tf.stack([a, b]), y], batch_size=6)
w = tf.get_variable("w", [2, 1], initializer=tf.zeros_initializer())
c = tf.get_variable("c", [], initializer=tf.zeros_initializer())
guess = tf.squeeze(tf.matmul(features, w), 1) + c
loss = tf.reduce_mean(tf.square(guess - targets))
train = tf.train.GradientDescentOptimizer(0.3).minimize(loss)

with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    steps = 0
    try:
        while not coord.should_stop():
            value, _ = sess.run([loss, train])
            if steps % 10 == 0:
                print("step %d loss %.5f" % (steps, value))
            steps += 1
    except tf.errors.OutOfRangeError:
        print("done after %d steps" % steps)
    finally:
        coord.request_stop()
    coord.join(threads)
    print("w %.3f %.3f c %.3f" % (*sess.run(w).ravel(), sess.run(c)))
