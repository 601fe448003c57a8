"""A language model of characters: two LSTM layers, dynamic_rnn, clipped gradients."""

import numpy as np
import tensorflow as tf

text = "the quick brown fox jumps over the lazy dog and runs away from it. " * 3
chars = sorted(set(text))
ids = np.array([chars.index(c) for c in text], np.int32)
batch, steps, hidden, classes = 3, 10, 12, len(chars)
random = np.random.RandomState(5)


def uniform(*shape):
    return random.uniform(-0.3, 0.3, shape).astype(np.float32)


inputs = tf.placeholder(tf.int32, [batch, None], name="inputs")
targets = tf.placeholder(tf.int32, [batch, None], name="targets")
lengths = tf.placeholder(tf.int32, [batch], name="lengths")
embedding = tf.get_variable("embedding", initializer=uniform(classes, hidden))
cells = [tf.nn.rnn_cell.BasicLSTMCell(hidden, forget_bias=1.0) for _ in range(2)]
cell = tf.nn.rnn_cell.MultiRNNCell(cells, state_is_tuple=True)
start = cell.zero_state(batch, tf.float32)
outputs, last = tf.nn.dynamic_rnn(
    cell,
    tf.nn.embedding_lookup(embedding, inputs),
    sequence_length=lengths,
    initial_state=start,
    scope="rnn",
)
flat = tf.reshape(outputs, [-1, hidden])
logits = tf.matmul(flat, tf.get_variable("w", initializer=uniform(hidden, classes)))
losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
    labels=tf.reshape(targets, [-1]), logits=logits
)
cost = tf.reduce_mean(losses)
variables = tf.trainable_variables()
grads, norm = tf.clip_by_global_norm(tf.gradients(cost, variables), 1.0)
optimizer = tf.train.AdamOptimizer(0.02)
train = optimizer.apply_gradients(zip(grads, variables))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    # The same start for whoever draws other random numbers.
    for v in variables:
        if "lstm" in v.name:
            v.load(uniform(*v.get_shape().as_list()), sess)
    state = sess.run(start)
    for i in range(25):
        at = (i * 7) % (len(ids) - batch * (steps + 1))
        block = ids[at : at + batch * (steps + 1)].reshape(batch, steps + 1)
        feed = {inputs: block[:, :-1], targets: block[:, 1:], lengths: [steps, 7, 9]}
        for (c, h), (cv, hv) in zip(start, state):
            feed[c], feed[h] = cv, hv
        value, state, _, size = sess.run([cost, last, train, norm], feed)
        if i % 8 == 0:
            print("step %d cost %.4f norm %.4f" % (i, value, size))
    print("state %.4f" % np.abs(state[1].h).sum())
    print(" ".join(v.name for v in variables))
