"""Forward pass, gradients and updates side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.viz.columns import BESIDE, counterparts, split_columns
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.layout import Layout, lay_out
from graphopt.viz.model import Box, Drawing, make_drawing
from tests.viz.conftest import build_network
from tests.viz.test_svg import check_tidy

Optimizer = tf.compat.v1.train.GradientDescentOptimizer


def in_columns(
    graph: Any, targets: Any = (), depth: int | None = None
) -> tuple[Drawing, Layout]:
    """Returns a drawing in columns with its layout."""
    drawing = make_drawing(graph, targets)
    fold(drawing)
    split_columns(drawing)
    open_scopes(drawing, depth)
    return drawing, lay_out(drawing)


def labels(scope: Box) -> list[str]:
    return [child.label for child in scope.children]


@pytest.mark.parametrize("depth", [None, 1, 2, 50])
@pytest.mark.parametrize("layers", [1, 2, 6])
def test_columns_are_tidy(layers: int, depth: int | None) -> None:
    graph, train_op = build_network(layers)
    drawing, layout = in_columns(graph, [train_op], depth)
    check_tidy(drawing, layout)
    assert labels(drawing.root) == ["forward", "gradients", "Adam"]
    left = [layout.shapes[column].x for column in drawing.root.children]
    assert left == sorted(left)


def test_gradients_run_up_beside_what_they_belong_to() -> None:
    graph, train_op = build_network(2)
    drawing, layout = in_columns(graph, [train_op])
    forward, gradients, _ = drawing.root.children
    pairs = counterparts(forward, gradients)
    tops = {
        other.label: (layout.shapes[box].y, layout.shapes[other].y)
        for box, other in pairs.items()
    }
    assert set(tops) >= {"dense_0", "dense_1", "loss"}
    for own, other in tops.values():
        assert abs(own - other) < 200
    assert tops["dense_0"][0] < tops["dense_1"][0] < tops["loss"][0]


def test_lines_between_columns_are_level_and_bundled() -> None:
    graph, train_op = build_network(6)
    _, layout = in_columns(graph, [train_op])
    level = [route for route in layout.routes if route.is_level]
    assert level
    for route in level:
        assert route.points[0][0] < route.points[-1][0]
    ends = [(route.points[0], route.points[-1]) for route in level]
    assert len(ends) == len(set(ends))


def test_one_box_for_the_updates_of_all_variables() -> None:
    graph, train_op = build_network(6)
    _, layout = in_columns(graph, [train_op])
    titles = [shape.title for shape in layout.shapes.values()]
    assert "update of 12 variables" in titles


def test_gradients_at_the_top_level() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 2], name="x")
        w = tf.Variable(np.ones((2, 1), np.float32), name="w")
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)))
        train_op = Optimizer(0.1).minimize(loss)
    drawing, layout = in_columns(graph, [train_op])
    check_tidy(drawing, layout)
    assert labels(drawing.root)[:2] == ["forward", "gradients"]
    assert len(drawing.root.children) == 3
    assert "x" in labels(drawing.root.children[0])


def test_a_model_in_one_scope() -> None:
    with tf.Graph().as_default() as graph, tf.name_scope("model"):
        x = tf.compat.v1.placeholder(tf.float32, [4, 2], name="x")
        w = tf.Variable(np.ones((2, 1), np.float32), name="w")
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)))
        train_op = Optimizer(0.1).minimize(loss)
    drawing, layout = in_columns(graph, [train_op], 50)
    check_tidy(drawing, layout)
    assert labels(drawing.root)[:2] == ["forward", "gradients"]
    assert {"x", "MatMul"} <= set(labels(drawing.root.children[0]))


def test_other_graphs_have_no_columns() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4], name="x")
        with tf.name_scope("gradients_of_nothing"):
            tf.exp(x)
    drawing, layout = in_columns(graph)
    check_tidy(drawing, layout)
    assert not any(box.is_column for box in drawing.root.children)


def test_gradients_alone_have_no_columns() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4], name="x")
        (gradient,) = tf.gradients(tf.reduce_sum(x * x), [x])
    for targets in ([gradient.op], ()):
        check_tidy(*in_columns(graph, targets))


def test_loops_have_columns_too() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 3], name="x")
        w = tf.Variable(np.ones((3, 3), np.float32), name="w")
        _, y = tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w))), (0, x)
        )
        train_op = Optimizer(0.1).minimize(tf.reduce_sum(y))
    for depth in (None, 1, 50):
        drawing, layout = in_columns(graph, [train_op], depth)
        check_tidy(drawing, layout)
        assert labels(drawing.root)[:2] == ["forward", "gradients"]


def test_what_only_reports_is_one_box_beside_the_loss() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 2], name="x")
        w = tf.Variable(np.ones((2, 1), np.float32), name="w")
        hits = tf.Variable(0.0, name="hits")
        y = tf.matmul(x, w)
        train_op = Optimizer(0.1).minimize(tf.reduce_mean(tf.square(y)))
        right = tf.cast(tf.greater(tf.abs(y), 0.5), tf.float32)
        rate = tf.sqrt(tf.reduce_mean(right))
        count = hits.assign_add(rate, read_value=False)
    drawing, layout = in_columns(graph, [train_op, count])
    check_tidy(drawing, layout)
    (folded,) = (
        box for box in drawing.root.children[0].children if box.label == BESIDE
    )
    assert {leaf.op.type for leaf in folded.leaves() if leaf.op} == {
        *("Abs", "Greater", "Cast", "Mean", "Sqrt", "AssignAddVariableOp")
    }
