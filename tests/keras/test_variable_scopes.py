"""variable_scope, get_variable and what TensorFlow 1 scripts bring along."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_variables_are_shared_by_name():
    def layer(x):
        with v1.variable_scope("layer", reuse=v1.AUTO_REUSE):
            w = v1.get_variable("w", [2, 3])
            b = v1.get_variable("b", [3], initializer="zeros")
            return tf.matmul(x, w) + b

    x = tf.ones([1, 2])
    a, b = layer(x), layer(x)
    assert [v.name for v in v1.global_variables()] == ["layer/w:0", "layer/b:0"]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        one, two = session.run([a, b])
    np.testing.assert_array_equal(one, two)


def test_scopes_nest_and_are_entered_again():
    with v1.variable_scope("a") as outer:
        with v1.variable_scope("b", initializer=tf.keras.initializers.Ones()):
            v = v1.get_variable("v", [2])
            assert (v * 1.0).op.name.startswith("a/b/")
        w = v1.get_variable("w", initializer=np.float32(3.0))
    assert v.name == "a/b/v:0"
    assert w.name == "a/w:0"
    with v1.variable_scope(outer, reuse=True):
        assert v1.get_variable("w") is w
        assert v1.get_variable_scope().name == "a"
    with v1.variable_scope(outer) as again:
        again.reuse_variables()
        assert v1.get_variable("w") is w
    assert v1.get_variable_scope().name == ""
    assert v.eval().tolist() == [1.0, 1.0]
    assert w.eval() == 3.0


def test_unique_default_names():
    names = []
    for _ in range(2):
        with v1.variable_scope(None, default_name="block"):
            names.append(v1.get_variable("v", [1]).name)
    assert names == ["block/v:0", "block_1/v:0"]


def test_mistakes():
    v1.get_variable("v", [2])
    with pytest.raises(ValueError, match=r"v already exists.*test_variable_scopes\.py"):
        v1.get_variable("v", [2])
    refused = pytest.raises(ValueError, match="does not exist")
    with v1.variable_scope("", reuse=True), refused:
        v1.get_variable("w", [2])
    with pytest.raises(ValueError, match="needs its shape"):
        v1.get_variable("x")
    root = v1.get_variable_scope()
    root.reuse_variables()
    with pytest.raises(ValueError, match="another shape"):
        v1.get_variable("v", [3])


def test_regularizers_fill_a_collection():
    l2 = tf.keras.regularizers.L2(0.5)
    with v1.variable_scope("layer", regularizer=l2):
        w = v1.get_variable("w", initializer=[1.0, 2.0])
        v1.get_variable("b", initializer=[3.0], regularizer=tf.reduce_sum)
    with v1.variable_scope("layer", reuse=True, regularizer=l2):
        assert v1.get_variable("w") is w
    terms = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    assert terms[0].name.startswith("layer/w/Regularizer/")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(terms) == [2.5, 3.0]


def test_placeholder_with_default():
    x = v1.placeholder_with_default([1.0, 2.0], [None])
    y = tf.reduce_sum(x)
    with v1.Session(config=v1.ConfigProto(allow_soft_placement=True)) as session:
        assert session.run(y) == 3.0
        assert session.run(y, {x: [1, 2, 3]}) == 6.0
