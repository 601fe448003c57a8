"""Loops and branches can be opened, and their kernels lead to the ops in them."""

from __future__ import annotations

import graphopt as tf
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.html.page import make_page
from graphopt.viz.model import make_drawing
from graphopt.viz.plan import plan_fetch
from graphopt.viz.svg import draw_svg
from graphopt.viz.text import format_rows, tree_rows
from tests.viz.test_page import Elements


def build_loop():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 4], name="x")
        # The same name outside and inside.
        start = tf.matmul(x, x, name="product")

        def body(i, h):
            h = tf.tanh(tf.matmul(h, x, name="product"), name="squash")
            h = tf.cond(tf.reduce_sum(h) > 3.0, lambda: h * 0.5, lambda: h + 1.0)
            return i + 1, h

        _, out = tf.while_loop(lambda i, h: i < 3, body, [0, start], name="loop")
        out = tf.identity(out, name="out")
    return graph, out


def test_the_tree_shows_what_is_inside():
    graph, out = build_loop()
    drawing = make_drawing(graph, [out.op])
    fold(drawing)
    open_scopes(drawing, 9)
    text = format_rows(tree_rows(drawing, "loop"))
    assert text.index("body") < text.index("squash  Tanh") < text.index("then")
    # What a round is given is called what it begins with, or is, outside.
    assert "product  MatMul  [product, x]" in text
    assert len(set(drawing.inner.values())) == len(drawing.inner)


def test_the_picture_shows_what_is_inside():
    graph, out = build_loop()
    svg = draw_svg(graph, (out.op,), depth=9)
    assert "squash (Tanh)" in svg and ">body<" in svg and ">Mul<" in svg


def test_steps_inside_have_names_of_their_own():
    graph, out = build_loop()
    schedule = plan_fetch(graph, [], [out]).schedule
    names = [step.name for step in schedule.steps]
    assert "product" in names
    assert any(name.startswith("loop/body/product") for name in names)
    assert any("/then/" in name for name in names)


def test_kernels_of_a_loop_lead_to_ops_in_the_page():
    graph, out = build_loop()
    data = Elements(make_page(graph, (), [out])).data
    names = [op["n"] for op in data["ops"]]
    assert len(set(names)) == len(names)
    inside = [step for step in data["steps"] if step["n"].startswith("loop/body/")]
    assert inside
    for step in inside:
        if step["kernels"] and step["k"] not in ("jump", "move"):
            assert step["ops"], step
            assert all(names[i].startswith("loop/body/") for i in step["ops"])


def test_a_profile_tells_ops_inside_from_those_outside():
    graph, out = build_loop()
    with tf.compat.v1.Session(graph=graph) as session:
        profile = session.profile(out, {"x:0": [[0.1] * 4] * 4}, runs=2)
    covered = {name for step in profile.steps for name in step.ops}
    assert "product" in covered and "loop/body/product" in covered
