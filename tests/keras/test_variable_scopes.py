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


@pytest.mark.parametrize(
    "initializer",
    [
        lambda shape, dtype, partition_info: tf.ones(shape, dtype),
        lambda shape, dtype=tf.float32, partition_info=None: tf.ones(shape, dtype),
        lambda shape, kind: tf.ones(shape, kind),
        lambda shape, **options: tf.ones(shape, options["dtype"]),
        lambda shape, name=None: tf.ones(shape, tf.float64, name=name),
        lambda: tf.ones([2, 3], tf.float64),
        v1.ones_initializer,
        v1.ones_initializer(),
        "ones",
    ],
)
def test_initializers_are_functions_of_many_kinds(initializer):
    with v1.Session() as session:
        v = v1.get_variable("v", [2, 3], tf.float64, initializer)
        session.run(v.initializer)
        assert session.run(v).tolist() == [[1.0] * 3] * 2


def test_an_error_of_an_initializer_is_its_own():
    def initialize(shape, dtype):
        raise TypeError("too large")

    with pytest.raises(TypeError, match="too large"):
        v1.get_variable("v", [2], initializer=initialize)


def test_custom_getters():
    def rename(getter, name, *args, **options):
        return getter(f"{name}_mine", *args, **options)

    def frozen(getter, *args, **options):
        return getter(*args, **{**options, "trainable": False})

    with v1.variable_scope("a", custom_getter=rename):
        v = v1.get_variable("v", [2])
        with v1.variable_scope("b", custom_getter=frozen) as inner:
            w = v1.get_variable("w", [2])
        assert v1.get_variable("own", [2], custom_getter=frozen).trainable is False
    assert (v.name, w.name) == ("a/v_mine:0", "a/b/w_mine:0")
    assert v1.trainable_variables() == [v]
    with v1.variable_scope(inner, reuse=True):
        assert v1.get_variable("w") is w
    with pytest.raises(NotImplementedError, match="Partitioned"):
        v1.get_variable("p", [2], partitioner=lambda **_: [2])


def test_scopes_are_numbered_and_reuse_is_inherited():
    names = []
    for _ in range(2):
        with v1.variable_scope("outer", reuse=v1.AUTO_REUSE):
            for _ in range(2):
                with v1.variable_scope(None, "inner"):
                    names.append(v1.get_variable("v", [1]).name)
    assert names == ["outer/inner/v:0", "outer/inner_1/v:0"] * 2
    with v1.variable_scope("outer", reuse=True) as outer:
        assert outer.trainable_variables() == v1.trainable_variables()
        with v1.variable_scope("inner", reuse=False):
            assert v1.get_variable("v").name == "outer/inner/v:0"
    with (
        pytest.raises(ValueError, match="without a name"),
        v1.variable_scope(None, "x", reuse=True),
    ):
        pass
    with v1.variable_scope("plain", auxiliary_name_scope=False):
        assert (v1.get_variable("v", [1]) * 2.0).op.name == "mul"
    limit = lambda w: tf.minimum(w, 1.0)  # noqa: E731
    with v1.variable_scope("limited", constraint=limit, dtype=tf.float64):
        v = v1.get_variable("v", [1])
    assert v.constraint is limit
    assert v.dtype is tf.float64
