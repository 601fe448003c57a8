"""Two graphs side by side: one tree, what differs marked, laid out together or apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.viz.html.data import StepTime
from graphopt.viz.html.page import make_page
from graphopt.viz.model import make_drawing
from graphopt.viz.target import Target
from graphopt.viz.union import compare_histories, unite
from tests.viz.browser import Browser
from tests.viz.test_browser import count, quiet, text
from tests.viz.test_page import Elements


def network(layers: int, activation: Any, *, norm: bool = False) -> Target:
    """A small network; with `norm` there is a scope more in its first layer."""
    with tf.Graph().as_default() as graph:
        hidden = tf.compat.v1.placeholder(tf.float32, [8, 4], name="x")
        for layer in range(layers):
            with tf.name_scope(f"dense_{layer}"):
                w = tf.Variable(np.ones((4, 4), np.float32), name="w")
                hidden = activation(tf.matmul(hidden, w), name="out")
                if norm and layer == 0:
                    with tf.name_scope("norm"):
                        hidden -= tf.reduce_mean(hidden)
        loss = tf.reduce_sum(hidden, name="loss")
    return Target(graph, tensors=(loss,), name=f"{layers} layers")


def test_what_only_the_second_has_gets_its_scope() -> None:
    one, two = network(2, tf.tanh), network(3, tf.tanh, norm=True)
    drawing = make_drawing(one.graph, one.wanted)
    other = make_drawing(two.graph, two.wanted)
    count_before = len(drawing.links)
    unite(drawing, other)
    labels = [child.label for child in drawing.root.children]
    assert labels == ["x", "dense_0", "dense_1", "loss", "dense_2"]
    inside = [child.label for child in drawing.root.children[1].children]
    assert inside == ["MatMul", "out", "norm"]
    assert len(drawing.links) > count_before
    assert len({leaf.op for leaf in drawing.root.leaves()}) == 10


def test_an_op_is_changed_if_its_line_is() -> None:
    one, two = network(2, tf.tanh), network(2, tf.sigmoid)
    drawings = [make_drawing(each.graph, each.wanted) for each in (one, two)]
    histories = compare_histories(*drawings)
    changed = [n for n, history in histories.items() if len(history.versions) > 1]
    assert changed == ["dense_0/out", "dense_1/out"]
    assert all(history.died < 0 for history in histories.values())


def test_the_data_of_two_graphs() -> None:
    one, two = network(2, tf.tanh), network(3, tf.tanh)
    page = make_page(one.graph, (), one.tensors, title="small", other=two)
    data = Elements(page).data
    assert data["title"] == "small and 3 layers"
    assert data["compared"]["titles"] == ["small", "3 layers"]
    rows = {row[0]: row[1:] for row in data["compared"]["rows"]}
    assert rows["variables"] == ["2", "3"]
    assert set(rows) >= {"ops", "steps", "kernels", "arena"}
    assert not data["compared"]["apart"]
    assert data["steps"] == [] and len(data["passes"]) == 1


def test_times_are_not_shown_of_two_graphs() -> None:
    one = network(2, tf.tanh)
    with pytest.raises(ValueError, match="shown of one graph, not of two"):
        make_page(one.graph, (), one.tensors, other=one, times={"x": StepTime(1.0)})


def test_two_graphs_stand_side_by_side(browser: Browser, tmp_path: Path) -> None:
    one, two = network(2, tf.tanh), network(3, tf.sigmoid, norm=True)
    path = tmp_path / "page.html"
    path.write_text(
        make_page(one.graph, (), one.tensors, title="small", other=two, depth=9),
        encoding="utf-8",
    )
    browser.open(path)
    assert text(browser, "#side-before") == "small"
    assert text(browser, "#side-after") == "3 layers"
    assert "variables23" in text(browser, "#panel")
    assert count(browser, "#earlier-world .box.closed") == 6
    assert count(browser, "#world .box.closed") == 10
    assert count(browser, "#world .box.added") == 4
    assert count(browser, "#world .box.changed") >= 3
    browser.click("[data-tab=passes]")
    assert "+ dense_2/MatMul" in text(browser, "#diff")
    browser.press("b")
    assert count(browser, "#world .box.closed") == 10
    quiet(browser, path)


def test_graphs_with_little_in_common_are_laid_out_apart(
    browser: Browser, tmp_path: Path
) -> None:
    one = network(2, tf.tanh)
    with tf.Graph().as_default() as graph:
        y = tf.compat.v1.placeholder(tf.float32, [3], name="y")
        other = tf.exp(y, name="z")
    path = tmp_path / "page.html"
    two = Target(graph, tensors=(other,), name="another")
    path.write_text(make_page(one.graph, (), one.tensors, other=two, depth=9))
    browser.open(path)
    tops = browser.evaluate(
        "['#earlier-world', '#world'].map((id) => Math.min(...[...document."
        "querySelectorAll(`${id} .box.closed .body`)].map((e) => "
        "Number(e.getAttribute('y')))))"
    )
    assert tops[0] == tops[1]
    assert count(browser, ".box.added, .box.removed") == 0
    assert count(browser, "#world .box.closed") == 2
    quiet(browser, path)


def test_a_graph_with_gradients_beside_one_without(
    browser: Browser, tmp_path: Path
) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 2], name="x")
        w = tf.Variable(np.ones((2, 1), np.float32), name="w")
        loss = tf.reduce_mean(tf.matmul(x, w))
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(loss)
    alone = network(2, tf.tanh)
    trained = Target(graph, (train_op,), name="trained")
    path = tmp_path / "page.html"
    for one, two in ((alone, trained), (trained, alone)):
        page = make_page(one.graph, one.operations, one.tensors, other=two, depth=9)
        path.write_text(page, encoding="utf-8")
        browser.open(path)
        assert count(browser, "#world .box.closed") > 3
        assert count(browser, "#earlier-world .box.closed") > 3
        browser.press("r")
        browser.press("b")
        quiet(browser, path)
