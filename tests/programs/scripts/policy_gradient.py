"""REINFORCE with a baseline: actions are drawn by NumPy from the network's policy."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(7)
weights = (random.randn(4, 8) * 0.5).astype(np.float32)
head = (random.randn(8, 3) * 0.5).astype(np.float32)

observations = tf.placeholder(tf.float32, [None, 4])
actions = tf.placeholder(tf.int32, [None])
advantages = tf.placeholder(tf.float32, [None])
w1 = tf.get_variable("w1", initializer=weights)
w2 = tf.get_variable("w2", initializer=head)
logits = tf.matmul(tf.tanh(tf.matmul(observations, w1)), w2)
policy = tf.nn.softmax(logits)
log_policy = tf.nn.log_softmax(logits)
entropy = -tf.reduce_mean(tf.reduce_sum(policy * log_policy, 1))
indices = tf.range(0, tf.shape(logits)[0]) * tf.shape(logits)[1] + actions
taken = tf.gather(tf.reshape(log_policy, [-1]), indices)
loss = -tf.reduce_mean(taken * advantages) - 0.01 * entropy
tvars = tf.trainable_variables()
buffers = [tf.Variable(tf.zeros_like(v), trainable=False) for v in tvars]
zero = [b.assign(tf.zeros_like(b)) for b in buffers]
collect = [b.assign_add(g) for b, g in zip(buffers, tf.gradients(loss, tvars))]
apply = tf.train.AdamOptimizer(0.05).apply_gradients(zip(buffers, tvars))

goal = random.randn(4)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    history = []
    for episode in range(40):
        seen = random.randn(12, 4)
        chances = sess.run(policy, {observations: seen})
        drawn = [random.choice(3, p=p / p.sum()) for p in chances.astype(np.float64)]
        right = np.digitize(seen @ goal, [-0.7, 0.7])
        reward = (np.array(drawn) == right).astype(np.float64)
        history.append(reward.mean())
        centered = reward - reward.mean()
        sess.run(collect, {observations: seen, actions: drawn, advantages: centered})
        if episode % 2:
            sess.run(apply)
            sess.run(zero)
    print("reward %.4f %.4f" % (np.mean(history[:10]), np.mean(history[-10:])))
    print("entropy %.4f" % sess.run(entropy, {observations: seen}))
    print(" ".join("%.4f" % v for v in sess.run(w2)[0]))
