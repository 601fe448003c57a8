"""Trains a multilayer perceptron on handwritten digits in eager mode.

A tape records the loss, the gradients are clipped by their global norm, and the
optimizer applies them.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

import graphopt as tf

EPOCHS, BATCH = 15, 64


def load_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images and labels, shuffled: 1437 to train on, 360 to test on."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.data[order] / 16.0).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def main() -> float:
    """Trains and returns the accuracy on the test set."""
    train_x, train_y, test_x, test_y = load_data()
    tf.random.set_seed(1)
    model = tf.keras.Sequential()
    model.add(tf.keras.layers.Dense(128, activation="relu"))
    model.add(tf.keras.layers.Dense(10))
    opt = tf.keras.optimizers.Adam(learning_rate=0.003)
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(train_x))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            with tf.GradientTape() as tape:
                logits = model(train_x[rows])
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(
                        train_y[rows], logits
                    )
                )
            gradients = tape.gradient(loss, model.trainable_weights)
            gradients, norm = tf.clip_by_global_norm(gradients, 1.0)
            opt.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        print(f"epoch {epoch + 1}: loss {loss:.4f}, gradient norm {norm:.3f}")
    answers = np.argmax(model(test_x), axis=1)
    accuracy = float(np.mean(answers == test_y))
    print(f"test accuracy: {100 * accuracy:.1f} %")
    return accuracy


if __name__ == "__main__":
    main()
