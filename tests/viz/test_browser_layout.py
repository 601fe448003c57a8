"""The browser lays graphs out as Python does, and moves little when something changes."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.viz.html.page import make_page
from graphopt.viz.layout import Direction, lay_out
from graphopt.viz.svg import draw_parts
from tests.viz.browser import Browser
from tests.viz.conftest import build_network
from tests.viz.test_browser import after, box_named, quiet
from tests.viz.test_layout import DIRECTIONS, chain, drawn, random_graph
from tests.viz.test_page import Elements

Numbers = list[tuple[float, ...]]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def network(layers: int) -> tuple[Any, Any]:
    graph, train_op = build_network(layers)
    return graph, [train_op]


def loop() -> tuple[Any, Any]:
    """A trained loop with a branch in it: bodies within bodies."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [4, 3], name="x")
        w = tf.Variable(np.ones((3, 3), np.float32), name="w")

        def body(i: Any, y: Any) -> Any:
            y = tf.cond(i < 1, lambda: tf.exp(y), lambda: tf.matmul(y, w))
            return i + 1, tf.tanh(y)

        _, y = tf.while_loop(lambda i, _: i < 3, body, (0, x))
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(tf.reduce_sum(y))
    return graph, [train_op]


GRAPHS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "network of one": lambda: network(1),
    "network of three": lambda: network(3),
    "deep network": lambda: network(20),
    "loop": loop,
    "chain": lambda: (chain(28), ()),
    "long chain": lambda: (chain(300), ()),
    **{f"random {seed}": lambda s=seed: (random_graph(s), ()) for seed in range(4)},
}


def numbers_of(elements: list[tuple[str, dict[str, str]]]) -> tuple[Numbers, Numbers]:
    """Places of rectangles, and the coordinates of lines."""
    rectangles, lines = [], []
    for tag, found in elements:
        if tag == "rect":
            sides = (found[name] for name in ("x", "y", "width", "height"))
            rectangles.append(tuple(map(float, sides)))
        elif re.match("(edge|level)", found.get("class", "")):
            lines.append(tuple(map(float, _NUMBER.findall(found["d"]))))
    return sorted(rectangles), sorted(lines)


def drawn_by_python(graph: Any, targets: Any, depth: Any, direction: Direction) -> Any:
    layout = lay_out(drawn(graph, targets, depth), direction)
    root = ElementTree.fromstring(f"<g>{''.join(draw_parts(layout))}</g>")
    return numbers_of([(element.tag, dict(element.attrib)) for element in root.iter()])


def drawn_by_browser(browser: Browser) -> Any:
    found = browser.evaluate(
        "[...document.querySelectorAll('#world rect:not(.grip), #world path')].map("
        "(e) => [e.tagName, Object.fromEntries("
        "[...e.attributes].map((a) => [a.name, a.value]))])"
    )
    return numbers_of([tuple(each) for each in found])


def assert_near(ours: Numbers, theirs: Numbers) -> None:
    assert len(ours) == len(theirs)
    left = list(theirs)
    for one in ours:
        near = [
            other
            for other in left
            if len(one) == len(other)
            and all(abs(a - b) < 1.0 for a, b in zip(one, other, strict=True))
        ]
        assert near, one
        left.remove(near[0])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("depth", [None, 2, 50])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_browser_and_python_agree(
    browser: Browser, tmp_path: Path, name: str, depth: int | None, direction: Direction
) -> None:
    graph, targets = GRAPHS[name]()
    page = tmp_path / "page.html"
    page.write_text(make_page(graph, targets, depth=depth), encoding="utf-8")
    browser.open(page, "#right=1" if direction == "right" else "")
    rectangles, lines = drawn_by_python(graph, targets, depth, direction)
    their_rectangles, their_lines = drawn_by_browser(browser)
    assert_near(rectangles, their_rectangles)
    assert_near(lines, their_lines)
    quiet(browser, page)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph, train_op = build_network(3)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(make_page(graph, [train_op]), encoding="utf-8")
    return path


def places(browser: Browser) -> dict[str, list[float]]:
    """Where the closed boxes are, from the first one."""
    return dict(
        browser.evaluate(
            "[...document.querySelectorAll('.box.closed')].map((box) => "
            "{ const b = box.querySelector('.body'); return [box.dataset.box, "
            "['x', 'y'].map((name) => Number(b.getAttribute(name)))]; })"
        )
    )


def test_a_scope_that_opens_and_closes_leaves_nothing_behind(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    before = places(browser)
    scope = box_named(browser, "update of")
    after(browser, lambda: browser.click(f"{scope} text"))
    assert places(browser) != before
    after(browser, lambda: browser.click(f"{scope} .title"))
    assert places(browser) == before


def test_what_a_pass_left_changes_places_with_nobody(
    browser: Browser, page: Path
) -> None:
    boxes = Elements(page.read_text(encoding="utf-8")).data["boxes"]
    browser.open(page)
    for _ in range(int(browser.evaluate("document.querySelector('#stage').max"))):
        before = places(browser)
        after(browser, lambda: browser.press("]"))
        now = places(browser)
        both = [box for box in before if box in now]
        assert len(both) > 0.6 * len(before)
        for one, two in itertools.combinations(both, 2):
            if boxes[int(one)][0] != boxes[int(two)][0]:
                continue
            for axis in (0, 1):
                was = before[one][axis] - before[two][axis]
                # A row apart, and side by side in a row, they stay on their sides.
                if abs(was) > 60:
                    assert (now[one][axis] - now[two][axis]) * was > 0, (one, two)
    quiet(browser, page)
