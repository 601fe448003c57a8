"""Names, scopes, collections, elements and control dependencies of graphs."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import pytest

import graphopt as tf
from graphopt.graph.verify import verify_graph, verify_types


def test_names_are_made_unique_and_follow_scopes():
    with tf.Graph().as_default() as graph:
        names = [tf.constant(1.0, name="x").name for _ in range(3)]
        with tf.name_scope("layer") as scope:
            assert scope == "layer/"
            inner = tf.constant(1.0, name="x")
        with tf.name_scope("layer"):
            second = tf.constant(1.0, name="x")
        with tf.name_scope("layer/"):
            again = tf.constant(1.0, name="x")
        with tf.name_scope("outer"), tf.name_scope(None):
            top = tf.constant(1.0, name="top")
        taken = tf.constant(1.0, name="x_1")
    assert names == ["x:0", "x_1:0", "x_2:0"]
    assert inner.name == "layer/x:0"
    assert second.name == "layer_1/x:0"
    assert again.name == "layer/x_1:0"
    assert top.name == "top:0"
    assert taken.name == "x_1_1:0"
    verify_graph(graph)


@pytest.mark.parametrize(
    "name", ["a b", "<script>", "é", "_x", "../x", "x\0", "\x1b[31m", "x" * 1_000_000]
)
def test_names_that_are_refused(name):
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="not a valid"):
            tf.constant(1.0, name=name)
        with pytest.raises(ValueError, match="not a valid"), tf.name_scope(name):
            pass


def test_elements_are_found_by_name():
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0, name="x")
        assert graph.get_tensor_by_name("x:0") is x
        assert graph.get_operation_by_name("x") is x.op
        assert graph.as_graph_element("x:0") is x
        assert graph.as_graph_element(x.op) is x.op
        v = tf.Variable(1.0, name="v")
        assert graph.as_graph_element(v).name == "v:0"
    with pytest.raises(KeyError, match="does not exist"):
        graph.get_tensor_by_name("nope:0")
    with pytest.raises(KeyError, match="has 1 outputs"):
        graph.get_tensor_by_name("x:1")
    with pytest.raises(ValueError, match="looks like that of an Operation"):
        graph.get_tensor_by_name("x")
    with pytest.raises(KeyError, match="not in the graph"):
        graph.get_operation_by_name("nope")
    with pytest.raises(TypeError, match="Can not convert a int into a Tensor"):
        graph.as_graph_element(3)


def test_operation_shows_what_it_is():
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        a = tf.constant([1.0, 2.0], name="a")
        b = tf.reduce_sum(a, axis=0, name="b")
    op = b.op
    assert op.type == "Sum"
    assert op.inputs == (a,)
    assert op.outputs == (b,)
    assert op.graph is graph
    assert op.device == "/gpu:0"
    assert op.get_attr("axis") == (0,)
    assert op.node_def["input"] == ["a:0"]
    assert a.consumers() == [op]
    assert "test_graph.py" in str(op.traceback[0])
    with pytest.raises(ValueError, match="no attr named 'nope'"):
        op.get_attr("nope")


def test_tensor_of_another_graph_is_refused_with_both_names():
    with tf.Graph().as_default():
        x = tf.constant(1.0, name="x")
    with tf.Graph().as_default():
        y = tf.constant(1.0)
        with pytest.raises(ValueError, match=r"'x:0'.*<tf.Graph.*<tf.Graph.*test_gr"):
            x + y


def test_variable_of_another_mode_is_refused():
    eager = tf.Variable(1.0, name="eager")
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match=r"'eager:0' was made eagerly.*test_gra"):
            eager * 2.0
        graph_variable = tf.Variable(1.0, name="inside")
    with pytest.raises(ValueError, match=r"'inside:0' was made in <tf.Graph"):
        graph_variable * 2.0


def test_collections():
    with tf.Graph().as_default() as graph:
        v = tf.Variable(1.0, name="a/v")
        w = tf.Variable(1.0, name="b/w", trainable=False)
        assert graph.get_collection("variables") == [v, w]
        assert tf.compat.v1.trainable_variables() == [v]
        assert tf.compat.v1.global_variables("b/") == [w]
        tf.compat.v1.add_to_collection("mine", 3)
        assert tf.compat.v1.get_collection("mine") == [3]
        graph.get_collection_ref("mine").append(4)
        assert graph.get_collection("mine") == [3, 4]
        assert "mine" in graph.get_all_collection_keys()
        graph.clear_collection("mine")
        assert graph.get_collection("mine") == []


def test_default_graph_is_a_stack_of_the_thread():
    outer, inner = tf.Graph(), tf.Graph()
    seen = []
    with outer.as_default():
        with inner.as_default():
            assert tf.compat.v1.get_default_graph() is inner
            thread = threading.Thread(
                target=lambda: seen.append(tf.executing_eagerly())
            )
            thread.start()
            thread.join()
        assert tf.compat.v1.get_default_graph() is outer
        with pytest.raises(AssertionError, match="reset_default_graph"):
            tf.compat.v1.reset_default_graph()
    assert seen == [True]
    assert tf.executing_eagerly()


def test_finalized_graph_takes_no_more_ops():
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0)
        graph.finalize()
        assert graph.finalized
        with pytest.raises(RuntimeError, match="finalized and cannot be modified"):
            x + 1.0
        with tf.compat.v1.Session() as session:
            assert session.run(x) == 1.0


def test_control_dependencies_nest_and_can_be_left():
    with tf.Graph().as_default() as graph:
        a, b = tf.no_op(name="a"), tf.no_op(name="b")
        with tf.control_dependencies([a]):
            with tf.control_dependencies([b]):
                both = tf.no_op()
            with graph.control_dependencies(None):
                none = tf.no_op()
            one = tf.no_op()
        done = tf.group(a, [b])
    assert both.control_inputs == (a, b)
    assert one.control_inputs == (a,)
    assert none.control_inputs == ()
    assert done.control_inputs == (a, b)


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (bool, tf.errors.OperatorNotAllowedInGraphError),
        (iter, tf.errors.OperatorNotAllowedInGraphError),
        (len, TypeError),
        (float, TypeError),
        (int, TypeError),
    ],
)
def test_symbolic_tensor_has_no_value(use, error):
    with tf.Graph().as_default():
        x = tf.constant([1.0], name="x")
        with pytest.raises(error, match=r"'x:0' gets its value when.*test_graph.py:"):
            use(x)


def test_listing_of_a_graph():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], name="x")
        with tf.control_dependencies([x.op]):
            tf.reduce_sum(x, axis=1, name="y")
    lines = str(graph).splitlines()
    assert lines[0].startswith("%0 = Placeholder")
    assert lines[1].startswith("%1 = Sum(%0, axis=(1,)")
    assert lines[1].endswith('"y" : float32[?] after %0')


def test_pickling_of_what_has_no_value_is_refused():
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0)
    for thing in (graph, x, tf.keras.Input([3])):
        with pytest.raises(TypeError, match="cannot be pickled"):
            thing.__reduce__()


def test_graphs_are_freed():
    def build():
        with tf.Graph().as_default() as graph:
            v = tf.Variable(1.0)
            tf.keras.optimizers.SGD(0.1).minimize(lambda: v * v, [v]).run()
            return weakref.ref(graph)

    reference = build()
    gc.collect()
    assert reference() is None


def test_a_long_chain_needs_no_recursion():
    limit = sys.getrecursionlimit()
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0)
        y = x
        sys.setrecursionlimit(200)
        try:
            for _ in range(3000):
                y = y + 1.0
            (gradient,) = tf.gradients(y, [x])
            with tf.compat.v1.Session() as session:
                assert session.run([y, gradient]) == [3001.0, 1.0]
            assert str(graph).count("\n") > 6000
            del y, gradient
        finally:
            sys.setrecursionlimit(limit)
    verify_types(graph)


def test_a_shape_is_a_leaf_of_nests():
    shapes = [tf.TensorShape([1, None]), (tf.TensorShape([2]), 3)]
    assert tf.nest.flatten(shapes) == [shapes[0], shapes[1][0], 3]
    ranks = tf.nest.map_structure(lambda s: getattr(s, "rank", None), shapes)
    assert ranks == [2, (1, None)]
    assert not tf.nest.is_nested(shapes[0])
