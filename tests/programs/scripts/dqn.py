"""Deep Q-learning on a small world, with a target network that is copied."""

import numpy as np
import tensorflow as tf

states, actions = 5, 2
random = np.random.RandomState(6)


def step(state, action):
    state = min(states - 1, state + 1) if action else max(0, state - 1)
    return state, 1.0 if state == states - 1 else -0.01, state == states - 1


def network(x, scope, kernels, trainable=True):
    with tf.variable_scope(scope):
        h = tf.layers.dense(
            x,
            10,
            tf.nn.relu,
            kernel_initializer=tf.constant_initializer(kernels[0]),
            trainable=trainable,
            name="h",
        )
        return tf.layers.dense(
            h,
            actions,
            kernel_initializer=tf.constant_initializer(kernels[1]),
            trainable=trainable,
            name="q",
        )


kernels = [random.randn(states, 10) * 0.3, random.randn(10, actions) * 0.3]
s = tf.placeholder(tf.float32, [None, states])
a = tf.placeholder(tf.int32, [None])
r = tf.placeholder(tf.float32, [None])
s_next = tf.placeholder(tf.float32, [None, states])
done = tf.placeholder(tf.float32, [None])
q = network(s, "online", kernels)
q_next = network(s_next, "target", kernels, trainable=False)
chosen = tf.reduce_sum(q * tf.one_hot(a, actions), axis=1)
target = r + 0.9 * (1.0 - done) * tf.reduce_max(q_next, axis=1)
loss = tf.reduce_mean(tf.losses.huber_loss(tf.stop_gradient(target), chosen))
online = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="online")
frozen = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope="target")
copy = [tf.assign(t, o) for t, o in zip(frozen, online)]
train = tf.train.RMSPropOptimizer(0.005, decay=0.95, momentum=0.1).minimize(
    loss, var_list=tf.trainable_variables("online")
)
eye = np.eye(states)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    memory, state, steps = [], 0, 0
    for t in range(120):
        greedy = int(np.argmax(sess.run(q, {s: eye[state : state + 1]})))
        action = greedy if random.rand() > 0.3 else random.randint(actions)
        after, reward, end = step(state, action)
        memory.append((state, action, reward, after, float(end)))
        state = 0 if end else after
        if len(memory) >= 16:
            rows = [memory[i] for i in random.randint(len(memory), size=16)]
            b = list(zip(*rows))
            feed = {
                s: eye[list(b[0])],
                a: b[1],
                r: b[2],
                s_next: eye[list(b[3])],
                done: b[4],
            }
            value, _ = sess.run([loss, train], feed)
        if t % 20 == 19:
            sess.run(copy)
    print("loss %.5f" % value)
    table = sess.run(q, {s: eye})
    print(" ".join("%.4f" % v for v in table.ravel()))
    print(table.argmax(1).tolist())
