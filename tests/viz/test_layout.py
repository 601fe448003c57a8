"""Lines never run behind boxes, what opens moves little, long chains are cut into bands."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import graphopt as tf
from graphopt.viz.bands import LONGEST_BAND
from graphopt.viz.columns import split_columns
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.layers import place
from graphopt.viz.layout import Direction, Layout, Route, lay_out
from graphopt.viz.model import Box, Drawing, make_drawing
from graphopt.viz.svg import STRAIGHT
from graphopt.viz.vertices import Edge, Vertex
from tests.viz.conftest import build_network
from tests.viz.test_svg import check_tidy

SAMPLES = 24
DIRECTIONS: list[Direction] = ["down", "right"]


def random_graph(seed: int, count: int = 60) -> Any:
    """Ops in nested scopes that use each other at random."""
    chosen = random.Random(seed)
    with tf.Graph().as_default() as graph:
        made = [tf.compat.v1.placeholder(tf.float32, [4], name="x")]
        for _ in range(count):
            scope = "/".join(chosen.choices("abc", k=chosen.randint(0, 3)))
            with tf.name_scope(f"{scope}/" if scope else ""):
                one, two = chosen.choices(made[-12:], k=2)
                made.append(tf.add(one, two) if chosen.random() < 0.6 else tf.exp(one))
    return graph


def chain(length: int) -> Any:
    """One op after the other."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [8], name="x")
        for _ in range(length):
            x = tf.exp(x)
    return graph


def drawn(
    graph: Any, targets: Any = (), depth: int | None = None, *, folded: bool = True
) -> Drawing:
    """A drawing as pictures have it."""
    drawing = make_drawing(graph, targets)
    if folded:
        fold(drawing)
        split_columns(drawing)
    open_scopes(drawing, depth)
    return drawing


def sample(route: Route) -> NDArray[np.float64]:
    """Points on a line, as it is drawn: `[points, 2]`."""
    starts, ends = np.array(route.points[:-1]), np.array(route.points[1:])
    is_curve = (np.abs(ends - starts) >= STRAIGHT).all(axis=1)[:, None]
    t = np.linspace(0.0, 1.0, SAMPLES)
    # A Bezier curve with its middle points at half of the way.
    slow, even = 3 * t * t * (1 - t) + t**3, 1.5 * t * (1 - t) + t**3
    across, down = (even, slow) if route.leaves_sideways else (slow, even)
    x = starts[:, :1] + (ends - starts)[:, :1] * np.where(is_curve, across, t)
    y = starts[:, 1:] + (ends - starts)[:, 1:] * np.where(is_curve, down, t)
    return np.stack([x.reshape(-1), y.reshape(-1)], axis=1)


def check_free(layout: Layout) -> None:
    """No line comes into a box but at its ends, and then not far."""
    closed = [(box, s) for box, s in layout.shapes.items() if not box.is_open]
    low = np.array([(s.x + s.body_x, s.y + s.body_y) for _, s in closed])
    high = np.array([(s.x + s.width, s.y + s.height) for _, s in closed])
    for route in layout.routes:
        points = sample(route)[:, None]
        inside = np.minimum(points - low, high - points).min(axis=2)
        deepest = inside.max(axis=0)
        assert deepest.max() < 0.5, (closed[deepest.argmax()][0].label, route.points)


def test_a_line_behind_a_box_is_found() -> None:
    layout = lay_out(drawn(chain(5)))
    check_free(layout)
    box, shape = next(iter(layout.shapes.items()))
    x, y = layout.routes[2].points[1]
    shape.x, shape.y = x - shape.width / 2, y - shape.height / 2
    with pytest.raises(AssertionError, match=box.label):
        check_free(layout)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("depth", [None, 1, 2, 50])
@pytest.mark.parametrize("layers", [2, 6])
def test_no_line_runs_behind_a_box_of_a_network(
    layers: int, depth: int | None, direction: Direction
) -> None:
    graph, train_op = build_network(layers)
    for targets in ([train_op], ()):
        drawing = drawn(graph, targets, depth)
        layout = lay_out(drawing, direction)
        check_free(layout)
        check_tidy(drawing, layout)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_no_line_runs_behind_a_box_of_a_random_graph(
    seed: int, direction: Direction
) -> None:
    graph = random_graph(seed)
    for depth in (None, 1, 2, 50):
        drawing = drawn(graph, (), depth, folded=seed % 2 == 0)
        layout = lay_out(drawing, direction)
        check_free(layout)
        check_tidy(drawing, layout)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("length", [5, 25, 29, 300])
def test_long_chains_are_cut_into_bands(length: int, direction: Direction) -> None:
    drawing = drawn(chain(length), (), 50)
    layout = lay_out(drawing, direction)
    check_free(layout)
    check_tidy(drawing, layout)
    assert layout.height <= 4 * LONGEST_BAND
    shape = layout.width / layout.height
    if length >= 25:
        assert 0.3 < shape < 3.5
    elif direction == "down":
        assert shape < 0.5


def test_a_line_goes_on_in_the_next_band() -> None:
    vertices = [Vertex(30, 30, 40) for _ in range(30)]
    edges = [Edge(*pair) for pair in itertools.pairwise(vertices)]
    rows = place(vertices, edges, aspect=1.5)
    assert rows.cuts and len(rows.tracks) == len(rows.cuts)
    for cut, tracks in zip(rows.cuts, rows.tracks, strict=True):
        (only,) = tracks
        assert edges[only[0]].target is vertices[cut - 1]
        before, after = edges[only[0]].ends[:2]
        assert before.x + before.right < only[1] < after.x - after.left
        assert after.y == vertices[0].y


def orders(layout: Layout, scope: Box) -> list[Box]:
    """The children of a scope as they are read: by row, then from left to right."""
    return sorted(
        scope.children, key=lambda box: (layout.shapes[box].y, layout.shapes[box].x)
    )


@pytest.mark.parametrize("seed", range(6))
def test_what_opens_changes_places_with_nobody(seed: int) -> None:
    drawing = drawn(random_graph(seed), folded=False)
    scopes = [scope for scope in drawing.scopes() if scope.parent]
    for scope in scopes:
        scope.is_open = False
    before = orders(lay_out(drawing), drawing.root)
    for scope in scopes:
        if scope.parent is drawing.root:
            scope.is_open = True
            assert orders(lay_out(drawing), drawing.root) == before


@pytest.mark.parametrize("layers", [1, 6])
def test_edges_that_run_right(layers: int) -> None:
    graph, train_op = build_network(layers)
    drawing = drawn(graph, [train_op])
    layout = lay_out(drawing, "right")
    forward, gradients, *_ = drawing.root.children
    places = [layout.shapes[box] for box in (forward, gradients)]
    assert places[0].y + places[0].height <= places[1].y
    first, *_, last = (layout.shapes[box] for box in forward.children)
    assert first.x < last.x
    first, *_, last = (layout.shapes[box] for box in gradients.children)
    assert first.x > last.x
