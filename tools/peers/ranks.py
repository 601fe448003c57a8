"""What several ranks train: first weights and the rows of each rank, for all frameworks.

A batch is that of all ranks; each has as many rows of it. Weights after some steps are
compared with those of one process that has the whole batch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
CHECKED_STEPS: Final = 3


@dataclass(frozen=True)
class Training:
    """A network and how it is trained.

    Attributes:
      title: What the table says.
      model: `perceptron`, `convolutions` or `words`.
      sizes: The widths of layers; of `words` the vocabulary, the width, and the classes.
      batch: The rows of all ranks.
      block: How many steps are timed at once.
      rate: The learning rate of Adam; of SGD for `words`, whose gradients are sparse.
      length: Words in a row.
    """

    title: str
    model: str
    sizes: tuple[int, ...]
    batch: int
    block: int
    rate: float = 1e-3
    length: int = 0

    @property
    def is_sparse(self) -> bool:
        """Whether the gradient of the first weights is one of rows."""
        return self.model == "words"


TRAININGS: Final = {
    "perceptron": Training(
        "perceptron 784-512-256-10, 128 rows, Adam",
        "perceptron",
        (784, 512, 256, 10),
        128,
        20,
    ),
    "small": Training(
        "perceptron 64-32-10, 32 rows, Adam", "perceptron", (64, 32, 10), 32, 300
    ),
    "convolutions": Training(
        "2 convolutions, 64 images of 28 x 28, Adam",
        "convolutions",
        (16, 32, 10),
        64,
        10,
    ),
    "words": Training(
        "20,000 words of 64, 128 rows of 32, SGD",
        "words",
        (20_000, 64, 10),
        128,
        50,
        # A step has to be more than a rounding of weights that are about 1.
        rate=1.0,
        length=32,
    ),
}


def make_weights(training: Training) -> list[Array]:
    """Returns the first weights, alike on all ranks."""
    rng = np.random.default_rng(7)
    sizes = training.sizes
    if training.model == "perceptron":
        found = []
        for n, m in itertools.pairwise(sizes):
            found.append(rng.standard_normal((n, m)) * np.sqrt(2 / n))
            found.append(np.zeros(m))
    elif training.model == "convolutions":
        a, b, classes = sizes
        shapes = ((3, 3, 1, a), (3, 3, a, b), (7 * 7 * b, classes))
        found = [rng.standard_normal(s) / np.sqrt(np.prod(s[:-1])) for s in shapes]
    else:
        words, width, classes = sizes
        found = [
            rng.standard_normal((words, width)),
            rng.standard_normal((width, classes)) / np.sqrt(width),
        ]
    return [each.astype(np.float32) for each in found]


def make_data(training: Training, rank: int, size: int) -> list[Array]:
    """Returns the inputs and labels of a rank."""
    rng = np.random.default_rng(8)
    rows, classes = training.batch, training.sizes[-1]
    if training.model == "perceptron":
        x: Array = rng.standard_normal((rows, training.sizes[0])).astype(np.float32)
    elif training.model == "convolutions":
        x = rng.standard_normal((rows, 28, 28, 1)).astype(np.float32)
    else:
        x = rng.integers(0, training.sizes[0], (rows, training.length))
    y = rng.integers(0, classes, rows)
    own = slice(rank * rows // size, (rank + 1) * rows // size)
    return [x[own], y[own]]


def loss_of(tf: Any, training: Training, p: list[Any], d: list[Any]) -> Any:
    """Returns the mean loss of rows, in TensorFlow's names."""
    x, y = d
    if training.model == "perceptron":
        for i in range(0, len(p), 2):
            x = tf.matmul(x, p[i]) + p[i + 1]
            x = tf.nn.relu(x) if i + 2 < len(p) else x
    elif training.model == "convolutions":
        for w in p[:2]:
            x = tf.nn.relu(tf.nn.conv2d(x, w, 1, "SAME"))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        x = tf.matmul(tf.reshape(x, [int(y.shape[0]), -1]), p[2])
    else:
        x = tf.matmul(tf.reduce_mean(tf.gather(p[0], x), 1), p[1])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)
    return tf.reduce_mean(losses)


def error_of(training: Training, got: list[Array], want: list[Array]) -> float:
    """Returns the distance of weights over the way from the first ones, the largest."""
    start = make_weights(training)
    return max(
        float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b - c)), 1e-30))
        for a, b, c in zip(got, want, start, strict=True)
    )
