"""A classifier of texts with `fit`: words become numbers, an LSTM reads them both ways.

    python examples/keras_text.py [--epochs 8] [--picture curve.png]

The texts are made here: reviews in which "not" turns the next word around, so that counting
words is not enough. Needs matplotlib for the picture (`pip install 'graphopt[plot]'`).
"""

import argparse

import numpy as np

import graphopt as tf

layers = tf.keras.layers

GOOD = ["good", "great", "lovely", "fine", "superb", "warm", "clever", "bright"]
BAD = ["bad", "awful", "dull", "poor", "weak", "cold", "silly", "dim"]
PLAIN = [
    "the",
    "a",
    "film",
    "plot",
    "end",
    "song",
    "scene",
    "part",
    "actor",
    "was",
    "it",
    "and",
    "with",
    "very",
    "so",
]


def make_reviews(count, seed):
    """Returns texts, and for each 1 if more in it is good than bad."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    while len(texts) < count:
        words, score = [], 0
        for _ in range(generator.integers(1, 12)):
            words += generator.choice(PLAIN, generator.integers(0, 3)).tolist()
            value = int(generator.integers(0, 2))
            negated = generator.random() < 0.4
            score += (2 * value - 1) * (-1 if negated else 1)
            words += ["not"] * negated + [str(generator.choice(GOOD if value else BAD))]
        if score:
            texts.append(" ".join(words))
            labels.append(int(score > 0))
    return np.array(texts), np.array(labels)


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
    """Trains, and prints the accuracy on reviews that were not trained on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--picture", default="")
    options = parser.parse_args()
    tf.keras.utils.set_random_seed(1)
    texts, labels = make_reviews(4000, 0)
    new_texts, new_labels = make_reviews(500, 1)
    to_numbers = layers.TextVectorization(output_sequence_length=40)
    to_numbers.adapt(texts)
    model = tf.keras.Sequential(
        [
            layers.Embedding(to_numbers.vocabulary_size(), 16, mask_zero=True),
            layers.Bidirectional(layers.LSTM(16)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    rate = tf.keras.optimizers.Adam(0.005)
    model.compile(rate, "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        to_numbers(texts),
        labels,
        epochs=options.epochs,
        validation_split=0.2,
        verbose=2,
    )
    _, accuracy = model.evaluate(to_numbers(new_texts), new_labels, verbose=0)
    print(f"test accuracy: {100 * accuracy:.1f} %")
    for text in ("a great film", "the film was not good", "the end was not bad"):
        score = float(model.predict(to_numbers(np.array([text])), verbose=0)[0, 0])
        print(f"{score:.2f}  {text}")
    if options.picture:
        draw_curve(history.history, options.picture)


if __name__ == "__main__":
    main()
