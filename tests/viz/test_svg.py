"""Pictures: well-formed, tidy, inert, quick."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import REGISTRY
from graphopt.viz.columns import split_columns
from graphopt.viz.folding import MOST_BOXES, fold, open_scopes
from graphopt.viz.layers import place
from graphopt.viz.layout import Layout, lay_out
from graphopt.viz.model import Box, Drawing, make_drawing
from graphopt.viz.shapes import BADGE_SIZE, BOLD, DETAIL_SIZE, TITLE_SIZE, Shape
from graphopt.viz.svg import draw_svg, kind_of
from graphopt.viz.vertices import Edge, Vertex
from graphopt.viz.words import clean_text, shorten, text_width
from tests.viz.conftest import build_network

PLAIN_TAGS = {"svg", "title", "desc", "style", "rect", "text", "g", "path"}

HOSTILE = [
    "<script>alert(1)</script>",
    "</text><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onclick='alert(1)",
    "]]><svg onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "&lt;b&gt;&#x3c;",
    "<!-- -->",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
    "javascript:alert(1)",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "nul\x00byte",
    "\u202egnp.exe",
    "\u2066isolated\u2069",
    "zero\u200bwidth",
    "line\u2028separator\u2029",
    "\ud800lone",
    "\ufffe\uffff",
    "a" * 3000,
    "deep/" * 500 + "leaf",
    "//",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600" * 20,
    "[bold red]markup[/]",
]


def laid_out(graph: Any, targets: Any = (), depth: int | None = None) -> Any:
    """Returns a drawing with its layout."""
    drawing = make_drawing(graph, targets)
    fold(drawing)
    open_scopes(drawing, depth)
    return drawing, lay_out(drawing)


def area(shape: Shape) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height


def contains(outer: tuple[float, ...], inner: tuple[float, ...]) -> bool:
    """Whether one rectangle lies in another, up to rounding."""
    return (
        outer[0] <= inner[0] + 0.01
        and outer[1] <= inner[1] + 0.01
        and outer[2] >= inner[2] - 0.01
        and outer[3] >= inner[3] - 0.01
    )


def check_tidy(drawing: Drawing, layout: Layout) -> None:
    """Children in parents, siblings apart, texts in boxes, all in the picture."""
    page = (0.0, 0.0, layout.width, layout.height)
    for box, shape in layout.shapes.items():
        assert box.parent is not None
        parent = layout.shapes.get(box.parent)
        assert contains(area(parent) if parent else page, area(shape)), box.label
        room = shape.width - shape.body_x
        assert text_width(shape.title, TITLE_SIZE) * BOLD <= room
        assert all(text_width(d, DETAIL_SIZE) <= room for d in shape.details)
        for tag in shape.tags:
            assert text_width(tag.badge.text, BADGE_SIZE) <= tag.width
            right, bottom = tag.x + tag.width, tag.y + 20
            assert tag.x >= -0.01 and right <= shape.width + 0.01
            assert right <= shape.body_x or bottom <= shape.body_y
            assert tag.y >= -0.01 and tag.y + 20 <= shape.height + 0.01
    scopes = [drawing.root, *(box for box in layout.shapes if box.is_open)]
    for scope in scopes:
        for one, two in combinations(scope.children, 2):
            a, b = area(layout.shapes[one]), area(layout.shapes[two])
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, (one.label, two.label)
    for route in layout.routes:
        for x, y in route.points:
            assert -20 <= x <= layout.width + 20
            assert -20 <= y <= layout.height + 20


@pytest.mark.parametrize("depth", [None, 0, 1, 2, 50])
@pytest.mark.parametrize("layers", [1, 2, 6])
def test_layout_is_tidy(layers: int, depth: int | None) -> None:
    graph, train_op = build_network(layers)
    check_tidy(*laid_out(graph, [train_op], depth))
    check_tidy(*laid_out(graph, (), depth))


@pytest.mark.parametrize("layers", [2, 20])
def test_few_boxes_show_at_first(layers: int) -> None:
    graph, train_op = build_network(layers)
    _, layout = laid_out(graph, [train_op])
    assert len([box for box in layout.shapes if not box.is_open]) <= MOST_BOXES


def titles(layout: Layout) -> list[str]:
    return [shape.title for shape in layout.shapes.values()]


def test_names_that_a_user_chose_are_kept() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
        for name in ("h", "s", "m", "y", "x", "exp", "Exp_3"):
            x = tf.exp(x, name=name)
        x = tf.add(x * x + x, x, name="add_v2")
        tf.matmul(tf.reshape(x, [1, 2]), tf.reshape(x, [2, 1]), name="my_matmul")
    found = titles(laid_out(graph)[1])
    for name in "hsmy":
        assert f"{name} (Exp)" in found
    assert found.count("Exp") == 2
    assert "Mul" in found and "my_matmul (MatMul)" in found


def test_a_placeholder_with_a_default_is_an_input() -> None:
    with tf.Graph().as_default() as graph:
        keep = tf.compat.v1.placeholder_with_default(1.0, [], name="keep")
        tf.exp(keep)
    drawing, layout = laid_out(graph)
    assert titles(layout) == ["keep", "Exp"]
    assert [kind_of(box) for box in drawing.root.children] == ["source", "plain"]


def test_the_model_opens_before_its_gradients() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 3], name="x")
        hidden = x
        for layer in range(3):
            with tf.name_scope(f"layer_{layer}"):
                w = tf.Variable(np.ones((3, 3), np.float32), name="w")
                hidden = tf.nn.relu(tf.matmul(hidden, w))
        loss = tf.reduce_mean(hidden)
        train_op = tf.keras.optimizers.Adam(0.01).minimize(loss, graph.variables)
    drawing = make_drawing(graph, [train_op])
    fold(drawing)
    split_columns(drawing)
    open_scopes(drawing, most=20)
    forward, gradients, *_ = drawing.root.children
    assert all(box.is_open for box in forward.children if box.is_scope)
    closed = [box.label for box in gradients.children if not box.is_open]
    assert "Mean_grad" in closed


def test_layers_of_a_network_are_a_series() -> None:
    graph, train_op = build_network(6)
    drawing, _ = laid_out(graph, [train_op])
    labels = [child.label for child in drawing.root.children]
    assert labels == ["x", "dense_0 .. dense_5 \u00d76", "loss", "Adam"]


def test_a_layer_of_another_kind_ends_a_series() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4], name="x")
        for layer in range(7):
            with tf.name_scope(f"layer_{layer}"):
                x = tf.exp(tf.tanh(x))
                if layer == 3:
                    x = tf.sin(x)
    drawing, _ = laid_out(graph)
    labels = [child.label for child in drawing.root.children]
    series = ["layer_0 .. layer_2 \u00d73", "layer_3", "layer_4 .. layer_6 \u00d73"]
    assert labels == ["x", *series]


def test_the_blocks_of_a_training_step_stand_below_each_other() -> None:
    graph, train_op = build_network(2)
    drawing, layout = laid_out(graph, [train_op])
    tops = [layout.shapes[child].y for child in drawing.root.children]
    assert tops == sorted(tops)
    assert layout.width < 1200


def test_svg_is_well_formed_and_inert() -> None:
    graph, train_op = build_network(2)
    text = draw_svg(graph, (train_op,), title="<title> & 'more'")
    root = ElementTree.fromstring(text)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == PLAIN_TAGS
    assert "prefers-color-scheme:dark" in text
    assert "<title> & 'more'" in [element.text for element in root.iter()]
    sizes = map(int, re.findall(r"font-size:(\d+)px", text))
    assert min(sizes) >= 12


def hostile_graph() -> Any:
    """A graph whose names the checks of the public functions would refuse."""
    graph = tf.Graph()
    add, const = REGISTRY["AddV2"], REGISTRY["Fill"]
    with graph.as_default():
        last = tf.constant(1.0)
    last = graph.add_operation(const, (last,), {"dims": ()}, "start").outputs[0]
    for name in HOSTILE:
        for full in (name, f"{name}/{name}", f"scope/{name}"):
            op = graph.add_operation(add, (last, last), {}, full, exact_name=True)
            last = op.outputs[0]
    return graph


@pytest.mark.parametrize("depth", [None, 1, 100])
def test_hostile_names_are_inert(depth: int | None) -> None:
    graph = hostile_graph()
    text = draw_svg(graph, title=HOSTILE[0], depth=depth)
    text.encode("utf-8")
    root = ElementTree.fromstring(text)
    for element in root.iter():
        assert element.tag.rpartition("}")[2] in PLAIN_TAGS
        assert not [name for name in element.attrib if name.startswith("on")]
        assert "href" not in element.attrib
    assert all(char.isprintable() or char == "\n" for char in text)
    check_tidy(*laid_out(graph, (), depth))


@pytest.mark.parametrize("name", HOSTILE)
def test_clean_text(name: str) -> None:
    assert clean_text(name).isprintable()
    assert len(shorten(name, 40)) <= 40


def test_an_empty_graph_has_a_picture() -> None:
    ElementTree.fromstring(draw_svg(tf.Graph()))


def test_only_variables_and_constants_are_drawn_if_there_is_nothing_else() -> None:
    with tf.Graph().as_default() as graph:
        tf.Variable(1.0, name="v")
        tf.constant(2.0, name="c")
    drawing, layout = laid_out(graph)
    assert layout.shapes
    assert len(drawing.variables) == 1


def test_hook_draws() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="one")
    assert hooks.draw_svg(graph) == draw_svg(graph) == graph._repr_svg_()


def test_cycles_between_scopes_are_drawn() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4], name="x")
        for name in ("a/", "b/", "a/", "b/", "a/"):
            with tf.name_scope(name):
                x = tf.exp(x)
    for depth in (None, 0, 1):
        check_tidy(*laid_out(graph, (), depth))


def test_edges_meet_at_the_borders_of_scopes() -> None:
    graph, train_op = build_network(3)
    _, layout = laid_out(graph, [train_op], 50)
    ends = {(round(x, 2), round(y, 2)) for r in layout.routes for x, y in r.points[:1]}
    for route in layout.routes:
        if not route.has_arrow:
            x, y = route.points[-1]
            assert (round(x, 2), round(y, 2)) in ends


def test_place_puts_sources_above_targets() -> None:
    vertices = [Vertex(20, 20, 30) for _ in range(5)]
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 1), (0, 4)]
    edges = [Edge(vertices[a], vertices[b]) for a, b in pairs]
    place(vertices, edges)
    assert [edge.is_reversed for edge in edges] == [False] * 4 + [True, False]
    for edge in edges:
        upper, lower, _, _ = edge.ends
        assert upper.y + upper.height < lower.y
        assert len(edge.path) == lower.layer - upper.layer + 1


def test_large_graphs_do_not_hang() -> None:
    graph, train_op = build_network(30)
    assert len(graph) > 2000
    start = time.perf_counter()
    draw_svg(graph, (train_op,))
    draw_svg(graph, (train_op,), depth=100)
    # A generous limit against hangs, no measure of speed.
    assert time.perf_counter() - start < 5


def test_long_chains_need_no_recursion() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4], name="x")
        for _ in range(3000):
            x = tf.exp(x)
    drawing, layout = laid_out(graph, (), 100)
    assert sum(1 for _ in drawing.root.leaves()) == 3001
    assert all(isinstance(box, Box) for box in layout.shapes)
