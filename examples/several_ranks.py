"""Trains a perceptron on scikit-learn's digits in several processes, of one machine or more.

python examples/several_ranks.py                     one process
graphopt run -n 2 examples/several_ranks.py          two, with a core each if there are two
mpiexec -n 4 python examples/several_ranks.py        four, by a launcher of MPI

The program is that of TensorFlow: each process gets its rows of a batch, and what the
optimizer applies is the sum of their gradients. With `shards` a batch is always cut in four
parts, which are added in a fixed order, so one, two and four processes end with the same
weights, bit for bit: the same hash.
"""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.datasets import load_digits

import graphopt as tf

EPOCHS, BATCH, PARTS = 15, 64, 4


def load_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images and labels, shuffled: 1408 to train on, 389 to test on."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.data[order] / 16.0).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    return images[:1408], labels[:1408], images[1408:], labels[1408:]


def main() -> tuple[float, str]:
    """Trains; returns the accuracy on the test set and a hash of the weights."""
    train_x, train_y, test_x, test_y = load_data()
    tf.random.set_seed(1)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(shards=PARTS)
    with strategy.scope():
        model = tf.keras.Sequential(
            [
                tf.keras.layers.Dense(128, activation="relu", input_shape=[64]),
                tf.keras.layers.Dense(10),
            ]
        )
        optimizer = tf.keras.optimizers.Adam(learning_rate=0.003)

    @tf.function
    def train(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, model(images)
            )
            # The mean over the rows of all processes, of which these are some.
            loss = tf.nn.compute_average_loss(losses, global_batch_size=BATCH)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    data = tf.data.Dataset.from_tensor_slices((train_x, train_y))
    data = data.shuffle(len(train_x), seed=2).batch(BATCH)
    # The shuffled order has a seed, so all processes see the same batches, and take
    # different rows of each.
    batches = strategy.experimental_distribute_dataset(data)
    for epoch in range(EPOCHS):
        for images, labels in batches:
            losses = strategy.run(train, args=(images, labels))
        loss = float(strategy.reduce("SUM", losses, axis=None))
        if strategy.rank == 0 and epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {loss:.4f}")
    answers = np.argmax(model(test_x).numpy(), axis=1)
    accuracy = float(np.mean(answers == test_y))
    weights = b"".join(weight.numpy().tobytes() for weight in model.weights)
    digest = hashlib.sha256(weights).hexdigest()[:16]
    print(f"test accuracy: {100 * accuracy:.1f} %, weights {digest}")
    return accuracy, digest


if __name__ == "__main__":
    main()
