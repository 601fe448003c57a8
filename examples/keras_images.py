"""A classifier of images with `fit`: digits, changed at random while it trains.

    python examples/keras_images.py [--epochs 40] [--picture curve.png]

Needs scikit-learn for the 1,797 digits (`pip install 'graphopt[data]'`), and matplotlib for
the picture of the learning curve (`graphopt[plot]`).
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits

import graphopt as tf

layers = tf.keras.layers


def make_model():
    """Returns convolutions over digits that are shifted, turned and scaled at random."""
    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomRotation(0.04, fill_mode="constant"),
            layers.RandomZoom(0.1, fill_mode="constant"),
            layers.Conv2D(32, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(64, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )


def draw_curve(history, path):
    """Draws loss and accuracy over the epochs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, name in ((left, "loss"), (right, "accuracy")):
        axis.plot(history[name], label="training")
        axis.plot(history[f"val_{name}"], label="validation")
        axis.set(xlabel="epoch", title=name)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)
    print(f"learning curve in {path}")


def main():
    """Trains, and prints the accuracy on digits that were not trained on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--picture", default="")
    options = parser.parse_args()
    tf.keras.utils.set_random_seed(1)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, :, :, None] / 16.0).astype("float32")
    classes = digits.target[order]
    model = make_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        images[:1400],
        classes[:1400],
        batch_size=64,
        epochs=options.epochs,
        validation_split=0.15,
        callbacks=[
            tf.keras.callbacks.ReduceLROnPlateau(patience=6, factor=0.3),
            tf.keras.callbacks.EarlyStopping(patience=15, restore_best_weights=True),
        ],
        verbose=2,
    )
    _, accuracy = model.evaluate(images[1400:], classes[1400:], verbose=0)
    print(f"test accuracy: {100 * accuracy:.1f} %")
    if options.picture:
        draw_curve(history.history, options.picture)


if __name__ == "__main__":
    main()
