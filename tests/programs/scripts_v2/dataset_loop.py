"""An epoch as one tf.function: `for` over a tf.data.Dataset, early stop, a test pass."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(7)
x = random.uniform(-1, 1, (96, 5)).astype(np.float32)
labels = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int32)


def weights(*shape):
    return tf.Variable(random.uniform(-0.5, 0.5, shape).astype(np.float32))


w1, b1, w2, b2 = weights(5, 16), weights(16), weights(16, 2), weights(2)
variables = [w1, b1, w2, b2]
optimizer = tf.keras.optimizers.Adam(0.02)
data = tf.data.Dataset.from_tensor_slices((x, labels))
train_data = data.take(80).batch(16)
test_data = data.skip(80).map(lambda a, b: (a if b > 0 else a + 0.0, b)).batch(16)


def model(a):
    return tf.nn.relu(a @ w1 + b1) @ w2 + b2


@tf.function
def train(data, enough):
    total = 0.0
    batches = 0
    for a, b in data:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=b, logits=model(a))
            )
        if loss < enough:
            break
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables))
        total += loss
        batches += 1
    return total, batches


@tf.function
def accuracy(data):
    right = 0
    for a, b in data:
        guess = tf.argmax(model(a), 1, output_type=tf.int32)
        right += tf.reduce_sum(tf.cast(guess == b, tf.int32))
    return right


for epoch in range(12):
    total, batches = train(train_data, tf.constant(0.25))
    if epoch % 3 == 0 or batches < 5:
        print("epoch %d: loss %.4f in %d" % (epoch, total.numpy(), batches.numpy()))
print("right", accuracy(test_data).numpy())
