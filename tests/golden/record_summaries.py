"""Records summaries of TensorFlow 1, with TensorFlow 2.21: python record_summaries.py."""

import base64
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


def arrays():
    random = np.random.RandomState(0)
    yield "normal", random.randn(50).astype(np.float32)
    yield "zeros", np.zeros(7, np.float32)
    yield "mixed", np.array([1.0, 2.0, -3.0, 0.0, 4.0, 1e-13, -1e25, 1e21], np.float64)
    yield "integers", np.arange(-3, 9, dtype=np.int64).reshape(3, 4)
    yield "one", np.float32(0.5)


def images():
    random = np.random.RandomState(1)
    yield "bytes", random.randint(0, 255, (4, 3, 5, 3)).astype(np.uint8)
    yield "positive", random.rand(2, 3, 2, 1).astype(np.float32) * 7
    yield "signed", random.randn(1, 4, 4, 3).astype(np.float32)
    yield "odd", np.array([np.nan, 1.0, np.inf, -1.0], np.float32).reshape(1, 2, 2, 1)


def main():
    out = {}
    for name, array in arrays():
        with tf.Graph().as_default(), tf1.Session() as session:
            with tf.name_scope("scope"):
                made = tf1.summary.histogram("a tag!", tf.constant(array), family="f")
            out[f"histogram {name}"] = session.run(made)
    for name, array in images():
        for most in (1, 3):
            with tf.Graph().as_default(), tf1.Session() as session:
                made = tf1.summary.image("im", tf.constant(array), max_outputs=most)
                out[f"image {name} {most}"] = session.run(made)
    with tf.Graph().as_default(), tf1.Session() as session:
        for _ in range(2):
            with tf.name_scope("a"):
                tf1.summary.scalar("loss", tf.constant(0.25))
        tf1.summary.scalar("n", tf.constant(3), family="counts")
        out["scalars"] = session.run(tf1.summary.merge_all())
    text = {name: base64.b64encode(data).decode() for name, data in out.items()}
    path = Path(__file__).with_name("summaries.json")
    path.write_text(json.dumps(text, indent=1) + "\n")


main()
