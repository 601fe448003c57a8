"""`tf.io.parse_example` and its kin, against recorded values of TensorFlow."""

import json
from pathlib import Path

import pytest

import graphopt as tf
from tests.golden.record_examples import MESSAGES, make_message, plain, read_all

v1 = tf.compat.v1
GOLDEN = json.loads((Path(__file__).parent.parent / "golden/examples.json").read_text())


def test_eager_and_in_a_graph():
    assert plain(read_all(tf)) == GOLDEN
    with tf.Graph().as_default(), v1.Session() as session:
        fetches = read_all(tf)
        for _ in range(3):
            assert plain(session.run(fetches)) == GOLDEN


def test_a_batch_that_is_fed():
    messages = [make_message(tf, values) for values in MESSAGES]
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.placeholder(tf.string, [None])
        features = {"x": tf.io.FixedLenFeature([2], tf.float32)}
        x = v1.parse_example(fed, features)["x"]
        assert x.shape.as_list() == [None, 2]
        assert session.run(x, {fed: messages[:2]}).tolist() == [[1.5, 2.5], [3.5, 4.5]]
        weights = tf.Variable([[1.0], [1.0]])
        loss = tf.reduce_sum(x @ weights)
        step = v1.train.GradientDescentOptimizer(1.0).minimize(loss)
        plan = session.plan(step, {fed: messages})
        hosts = [s.type for s in plan.steps if s.kernel == "HOST"]
        assert hosts == ["ParseExampleV2"] and not plan.interpreted


def test_what_does_not_fit_is_named():
    message = make_message(tf, MESSAGES[0])
    parse = tf.io.parse_single_example
    fixed = tf.io.FixedLenFeature
    for features, words in (
        ({"none": fixed([], tf.int64)}, "none .*required"),
        ({"x": fixed([3], tf.float32)}, "Key: x.*2 values"),
        ({"x": fixed([2], tf.int64)}, "Key: x. Data types don't match"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            parse(message, features)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse"):
        parse(b"\xff\xff", {"x": fixed([], tf.int64)})
    with pytest.raises(ValueError, match="dtype"):
        parse(message, {"x": fixed([], tf.int32)})
    with pytest.raises(ValueError, match="Missing"):
        parse(message, {})
    with pytest.raises(ValueError, match="allow_missing"):
        parse(message, {"x": tf.io.FixedLenSequenceFeature([], tf.float32)})
    with pytest.raises(TypeError, match="feature"):
        parse(message, {"x": tf.int64})
    with pytest.raises(NotImplementedError, match="partitions"):
        tf.io.RaggedFeature(tf.int64, partitions=[1])
