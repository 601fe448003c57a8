"""Reverses sequences: a GRU encoder, a decoder with additive attention, greedy decoding."""

import numpy as np
import tensorflow as tf

VOCABULARY, HIDDEN, LENGTH, BATCH = 8, 16, 5, 12
START, END = 0, 1
random = np.random.RandomState(3)


def weights(*shape):
    return tf.Variable(random.uniform(-0.4, 0.4, shape).astype(np.float32))


class GRU(tf.Module):
    def __init__(self, inputs):
        super().__init__()
        self.gates = weights(inputs + HIDDEN, 2 * HIDDEN)
        self.candidate = weights(inputs + HIDDEN, HIDDEN)

    def __call__(self, x, h):
        z, r = tf.split(tf.sigmoid(tf.concat([x, h], 1) @ self.gates), 2, axis=1)
        new = tf.tanh(tf.concat([x, r * h], 1) @ self.candidate)
        return z * h + (1.0 - z) * new


class Seq2Seq(tf.Module):
    def __init__(self):
        super().__init__()
        self.embedding = weights(VOCABULARY, HIDDEN)
        self.encoder = GRU(HIDDEN)
        self.decoder = GRU(2 * HIDDEN)
        self.query = weights(HIDDEN, HIDDEN)
        self.key = weights(HIDDEN, HIDDEN)
        self.score = weights(HIDDEN, 1)
        self.output = weights(2 * HIDDEN, VOCABULARY)

    def encode(self, source):
        embedded = tf.nn.embedding_lookup(self.embedding, source)
        h = tf.zeros([tf.shape(source)[0], HIDDEN])
        states = tf.TensorArray(tf.float32, size=LENGTH)
        for t in tf.range(LENGTH):
            h = self.encoder(embedded[:, t], h)
            states = states.write(t, h)
        return tf.transpose(states.stack(), [1, 0, 2]), h

    def attend(self, h, states):
        keys = tf.tensordot(states, self.key, [[2], [0]])
        energy = tf.tanh(tf.expand_dims(h @ self.query, 1) + keys)
        share = tf.nn.softmax(tf.tensordot(energy, self.score, [[2], [0]]), axis=1)
        return tf.reduce_sum(share * states, axis=1)

    def step(self, token, h, states):
        context = self.attend(h, states)
        embedded = tf.nn.embedding_lookup(self.embedding, token)
        h = self.decoder(tf.concat([embedded, context], 1), h)
        return tf.concat([h, context], 1) @ self.output, h

    def loss(self, source, target):
        states, h = self.encode(source)
        total = 0.0
        token = tf.fill([tf.shape(source)[0]], START)
        for t in tf.range(LENGTH + 1):
            logits, h = self.step(token, h, states)
            total += tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels=target[:, t], logits=logits
                )
            )
            token = target[:, t]
        return total / (LENGTH + 1.0)

    @tf.function
    def decode(self, source, most):
        states, h = self.encode(source)
        token = tf.fill([1], START)
        found = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[])
        for t in tf.range(most):
            logits, h = self.step(token, h, states)
            token = tf.argmax(logits, axis=1, output_type=tf.int32)
            if token[0] == END:
                break
            found = found.write(t, token[0])
        return found.stack()


model = Seq2Seq()
optimizer = tf.keras.optimizers.Adam(0.02)


@tf.function
def train(source, target):
    with tf.GradientTape() as tape:
        loss = model.loss(source, target)
    gradients = tape.gradient(loss, model.trainable_variables)
    gradients, norm = tf.clip_by_global_norm(gradients, 2.0)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss, norm


for i in range(61):
    source = random.randint(2, VOCABULARY, (BATCH, LENGTH)).astype(np.int32)
    end = np.full((BATCH, 1), END, np.int32)
    target = np.concatenate([source[:, ::-1], end], 1)
    loss, norm = train(tf.constant(source), tf.constant(target))
    if i % 20 == 0:
        print("step %d loss %.3f norm %.3f" % (i, loss.numpy(), norm.numpy()))
found = model.decode(tf.constant([[3, 5, 2, 6, 4]]), tf.constant(8))
print("decoded", found.numpy().tolist())
