"""Records what TensorFlow reads from `tf.train.Example`s.

Run with a Python that has TensorFlow: python tests/golden/record_examples.py
"""

import json
from pathlib import Path

MESSAGES = [
    {"id": [7], "x": [1.5, 2.5], "words": [b"a", b"bc"]},
    {"id": [8], "x": [3.5, 4.5], "words": []},
    {"id": [9], "x": [5.5, 6.5], "words": [b"d"], "more": [1, 2, 3, 4]},
]


def make_message(tf, values):
    """A serialized Example of lists of integers, floats and bytes."""
    features = {}
    for key, value in values.items():
        if value and isinstance(value[0], int):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        elif value and isinstance(value[0], float):
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=value))
        else:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        features[key] = feature
    whole = tf.train.Features(feature=features)
    return tf.train.Example(features=whole).SerializeToString()


def make_sequence(tf):
    """A serialized SequenceExample of three steps."""

    def integers(*values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    steps = {
        "tokens": tf.train.FeatureList(feature=[integers(1), integers(2), integers(3)]),
        "tags": tf.train.FeatureList(feature=[integers(1, 2), integers(), integers(5)]),
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={"length": integers(3)}),
        feature_lists=tf.train.FeatureLists(feature_list=steps),
    ).SerializeToString()


def cases(tf):
    """Names and features of `parse_example`."""
    fixed = tf.io.FixedLenFeature
    return {
        "fixed": {"id": fixed([], tf.int64), "x": fixed([2], tf.float32)},
        "matrix": {"x": fixed([1, 2], tf.float32)},
        "default": {"more": fixed([4], tf.int64, [0, 0, 0, 9])},
        "text": {"words": tf.io.VarLenFeature(tf.string)},
        "several": {
            "words": tf.io.VarLenFeature(tf.string),
            "id": fixed([1], tf.int64),
            "more": tf.io.VarLenFeature(tf.int64),
        },
        "padded": {
            "more": tf.io.FixedLenSequenceFeature([2], tf.int64, allow_missing=True),
            "words": tf.io.FixedLenSequenceFeature(
                [], tf.string, allow_missing=True, default_value="-"
            ),
        },
        "ragged": {"words": tf.io.RaggedFeature(tf.string)},
        "sparse": {"s": tf.io.SparseFeature("more", "more", tf.int64, 9)},
    }


def plain(value):
    """What JSON holds of tensors of any kind, and of what a session returns for them."""
    if hasattr(value, "dense_shape"):
        return [
            plain(each) for each in (value.indices, value.values, value.dense_shape)
        ]
    if hasattr(value, "to_list"):
        return plain(value.to_list())
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "numpy"):
        return plain(value.numpy())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value.decode() if isinstance(value, bytes) else value


def read_all(tf):
    """What each case gives, for all messages and for the last one."""
    messages = [make_message(tf, values) for values in MESSAGES]
    found = {}
    for name, features in cases(tf).items():
        if name != "sparse":
            found[name] = tf.io.parse_example(messages, features)
        found[name + " single"] = tf.io.parse_single_example(messages[2], features)
    found["sequence"] = tf.io.parse_single_sequence_example(
        make_sequence(tf),
        {"length": tf.io.FixedLenFeature([], tf.int64)},
        {
            "tokens": tf.io.FixedLenSequenceFeature([], tf.int64),
            "tags": tf.io.VarLenFeature(tf.int64),
        },
    )
    return found


if __name__ == "__main__":
    import tensorflow as tf

    target = Path(__file__).with_name("examples.json")
    target.write_text(json.dumps(plain(read_all(tf)), indent=0) + "\n")
