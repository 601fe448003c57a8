"""`tf.viewer.view` and what notebooks show: of graphs, plans, functions and models."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.viz.conftest import build_network
from tests.viz.test_page import Elements


@tf.function
def train_step(x, w):
    with tf.GradientTape() as tape:
        tape.watch(w)
        loss = tf.reduce_sum(tf.matmul(x, w) ** 2.0)
    return w - 0.1 * tape.gradient(loss, w)


def test_a_traced_function_has_passes_a_plan_and_kernels():
    train_step(tf.ones([4, 3]), tf.ones([3, 2]))
    for thing in (
        train_step,
        train_step.get_concrete_function(tf.ones([4, 3]), tf.ones([3, 2])),
    ):
        data = Elements(tf.viewer.view(thing).to_html()).data
        assert data["title"] == "train_step"
        assert data["passes"] and data["kernels"] and not data["problem"]
        assert any(step["n"].startswith("gradient_tape/") for step in data["steps"])
        assert "srcdoc" in thing._repr_html_()


def test_of_several_traces_the_one_that_costs_most_is_taken():
    @tf.function
    def double(x):
        return x * 2.0

    double(tf.ones([2]))
    double(tf.ones([300, 300]))
    data = Elements(tf.viewer.view(double).to_html()).data
    assert "float32[300, 300]" in {
        out[0] for op in data["ops"] for out in op["v"][0][4]
    }


def test_a_function_that_was_not_called_is_refused_and_has_no_frame():
    @tf.function
    def never(x):
        return x

    with pytest.raises(ValueError, match="'never' has not been called"):
        tf.viewer.view(never)
    assert never._repr_html_() is None


def test_a_function_with_a_signature_need_not_be_called():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def norm(x):
        return tf.reduce_sum(x * x)

    data = Elements(tf.viewer.view(norm).to_html()).data
    assert data["assumed"] and data["steps"]


def test_a_plan_is_shown_with_the_sizes_that_were_fed():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, None, name="x")
        y = tf.exp(x, name="y")
        plan = session.plan(y, feed_dict={x: np.ones((7, 5), np.float32)})
        profile = session.profile(y, {x: np.ones((7, 5), np.float32)}, runs=2)
    data = Elements(tf.viewer.view(plan, profile=profile).to_html()).data
    assert not data["assumed"] and "float32[7, 5]" in data["steps"][0]["o"]
    assert data["measured"]["runs"] == 2
    assert "srcdoc" in plan._repr_html_()


def test_a_model_shows_its_call_and_once_fit_its_training_step():
    model = tf.keras.Sequential(
        [
            tf.keras.Input([3]),
            tf.keras.layers.Dense(4, "relu"),
            tf.keras.layers.Dense(1),
        ]
    )
    data = Elements(tf.viewer.view(model).to_html()).data
    assert not any(op["n"].startswith("Adam") for op in data["ops"])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)
    data = Elements(tf.viewer.view(model).to_html()).data
    assert any("Adam" in op["n"] for op in data["ops"]) and data["steps"]
    assert "srcdoc" in model._repr_html_()


def test_a_model_without_a_graph_says_what_to_do():
    class Own(tf.keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="has no graph yet; fit it"):
        tf.viewer.view(Own())
    assert Own()._repr_html_() is None


def test_files_by_suffix(tmp_path):
    graph, train_op = build_network(1)
    view = tf.viewer.view(train_op, title="one layer")
    assert view.save(tmp_path / "g.html").read_text().startswith("<!doctype html>")
    assert view.save(tmp_path / "g.svg").read_text().startswith("<svg")
    pytest.importorskip("resvg_py")
    assert view.save(str(tmp_path / "g.png")).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="does not say what to save"):
        view.save(tmp_path / "g.gif")
    assert "one layer" in repr(view) and "one layer" in view._repr_html_()
    assert Elements(tf.viewer.view(graph).to_html()).data["ops"]


@pytest.mark.parametrize("thing", [3, "train.py", [tf.constant(1.0)], []])
def test_other_values_are_refused(thing):
    with pytest.raises(ValueError, match="nothing to see"):
        tf.viewer.view(thing)


def test_elements_of_two_graphs_are_refused():
    elements = []
    for _ in range(2):
        with tf.Graph().as_default():
            elements.append(tf.exp(tf.zeros([2])))
    with pytest.raises(ValueError, match="2 graphs"):
        tf.viewer.view(elements)


def test_open(monkeypatch):
    opened = []
    monkeypatch.setattr("graphopt.viewer.webbrowser.open", opened.append)
    graph, _ = build_network(1)
    path = tf.viewer.view(graph).open()
    assert opened == [path.as_uri()]
