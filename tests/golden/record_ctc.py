"""Records TensorFlow's CTC loss and its derivatives, for test_partitions.py.

Run with an interpreter that has TensorFlow: python tests/golden/record_ctc.py
"""

from __future__ import annotations

import pathlib

import numpy as np

LOGITS = np.random.default_rng(0).normal(size=(6, 4, 5)).astype(np.float32)
LABELS = np.array([[1, 2, 2], [3, 0, 0], [1, 1, 0], [0, 0, 0]], np.int32)
LABEL_LENGTH = np.array([3, 1, 2, 0], np.int32)
LOGIT_LENGTH = np.array([6, 4, 5, 3], np.int32)


def main():
    """Writes ctc.npz beside this file."""
    import tensorflow as tf

    arrays = {}
    for blank in (0, 4):
        x = tf.constant(LOGITS)
        with tf.GradientTape() as tape:
            tape.watch(x)
            labels = LABELS + (blank == 0) * (LABELS == 0)
            loss = tf.nn.ctc_loss(
                labels, x, LABEL_LENGTH, LOGIT_LENGTH, blank_index=blank
            )
        arrays[f"loss_{blank}"] = loss.numpy()
        arrays[f"gradient_{blank}"] = tape.gradient(loss, x).numpy()
    np.savez_compressed(pathlib.Path(__file__).parent / "ctc.npz", **arrays)


if __name__ == "__main__":
    main()
