"""Linear regression on files of comma-separated values, read by queues and threads."""

import os
import shutil
import tempfile

import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
rng = np.random.RandomState(0)
names = []
for part in range(3):
    names.append(os.path.join(folder, "part%d.csv" % part))
    with open(names[-1], "w") as f:
        f.write("a,b,target\n")
        for _ in range(20):
            a, b = rng.uniform(-1, 1, 2)
            f.write("%.4f,%.4f,%.4f\n" % (a, b, 3 * a - 2 * b + 0.5))

filename_queue = tf.train.string_input_producer(names, num_epochs=8, shuffle=False)
reader = tf.TextLineReader(skip_header_lines=1)
key, value = reader.read(filename_queue)
a, b, target = tf.decode_csv(value, record_defaults=[[0.0], [0.0], [0.0]])
features = tf.stack([a, b])
x, y = tf.train.batch(
    [features, target], batch_size=16, capacity=64, allow_smaller_final_batch=True
)

w = tf.Variable(tf.zeros([2, 1]), name="w")
bias = tf.Variable(tf.zeros([1]), name="bias")
predicted = tf.squeeze(tf.matmul(x, w) + bias, axis=1)
loss = tf.reduce_mean(tf.square(predicted - y))
train_op = tf.train.GradientDescentOptimizer(0.2).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    sess.run(tf.local_variables_initializer())
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    step = 0
    try:
        while not coord.should_stop():
            _, value_of_loss = sess.run([train_op, loss])
            if step % 10 == 0:
                print("step %d: loss %.4f" % (step, value_of_loss))
            step += 1
    except tf.errors.OutOfRangeError:
        print("done after %d steps" % step)
    finally:
        coord.request_stop()
    coord.join(threads)
    print("w", ["%.3f" % v for v in sess.run(w).ravel()], "bias %.3f" % sess.run(bias)[0])
shutil.rmtree(folder)
