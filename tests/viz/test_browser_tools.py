"""What one looks around with: comparison, tree, minimap, search, traces, measures."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.viz.html.page import make_page
from graphopt.viz.values import describe_values
from tests.viz.browser import Browser
from tests.viz.conftest import build_network
from tests.viz.test_browser import after, box_named, count, quiet, text

SIDES = "['#earlier-world', '#world'].map((id) => document.querySelector(id))"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers with Adam, profiled, and values of two variables in five steps."""
    graph, train_op = build_network(4)
    x = graph.get_tensor_by_name("x:0")
    with graph.as_default(), tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        value = np.ones((8, 16), np.float32)
        profile = session.profile(train_op, feed_dict={x: value}, runs=4)
    path = tmp_path_factory.mktemp("page") / "page.html"
    bad = np.array([np.nan, 1.0, 2.0])
    values: Any = {
        "dense_0/w": [describe_values(np.arange(9.0) * n, n) for n in range(5)],
        "tiny": [describe_values(np.array([-6.52e-10]), n) for n in range(2)],
        "dense_1/w": [describe_values(bad if n > 2 else bad[1:], n) for n in range(5)],
    }
    feeds = {x: tf.TensorShape([8, 16])}
    made = make_page(graph, [train_op], feeds=feeds, profile=profile, values=values)
    path.write_text(made, encoding="utf-8")
    return path


def select(browser: Browser, words: str) -> None:
    """Searches and takes the first that is found."""
    browser.evaluate("document.querySelector('#search').value = ''")
    browser.press("/")
    browser.type(words)
    browser.press("Enter")


def results(browser: Browser) -> list[str]:
    """What a search has found."""
    found = browser.evaluate(
        "[...document.querySelectorAll('#results [role=option]')]"
        ".map((e) => e.textContent)"
    )
    return list(found)


# ---- before and after


def test_before_and_after_a_pass_stand_side_by_side(
    browser: Browser, page: Path
) -> None:
    browser.open(page, "#pass=fuse_elementwise")
    after(browser, lambda: browser.press("a"))
    browser.press("b")
    assert text(browser, "#side-before").startswith("after ")
    assert text(browser, "#side-after") == "after fuse_elementwise"
    assert count(browser, "#earlier-world .box.removed") > 3
    assert count(browser, "#earlier-world .box.added") == 0
    assert count(browser, "#world .box.added") > 1
    assert count(browser, "#world .box.removed") == 0
    assert count(browser, "#world .route.added") > 0
    assert count(browser, "#earlier-world .route.removed") > 0
    places = browser.evaluate(
        SIDES + ".map((side) => Object.fromEntries([...side.querySelectorAll("
        "'.box.closed')].map((box) => { const b = box.querySelector('.body');"
        "return [box.dataset.box, ['x', 'y'].map((n) => b.getAttribute(n))]; })))"
    )
    both = places[0].keys() & places[1].keys()
    assert len(both) > 5
    assert all(places[0][box] == places[1][box] for box in both)
    views = browser.evaluate(SIDES + ".map((side) => side.getAttribute('transform'))")
    browser.press("+")
    zoomed = browser.evaluate(SIDES + ".map((side) => side.getAttribute('transform'))")
    assert zoomed[0] == zoomed[1] != views[0] == views[1]
    assert "compare=1" in browser.evaluate("location.hash")
    browser.press("b")
    assert browser.evaluate("document.querySelector('#earlier').hasAttribute('hidden')")
    quiet(browser, page)


def test_a_comparison_starts_where_something_changes(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.press("b")
    assert text(browser, "#stage-name") != "prune_unfetched"
    changed = ".box.added, .box.removed, .box.changed, .box.touched"
    assert count(browser, changed) > 0


# ---- tree, minimap, panel, direction


def test_the_tree_and_the_picture_open_together(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.evaluate("document.querySelector('#tree').hidden")
    browser.press("s")
    rows = count(browser, "#tree [role=treeitem]")
    closed = "#tree [aria-expanded=false]"
    number = browser.evaluate(f"document.querySelector('{closed}').dataset.row")
    after(browser, lambda: browser.click(f'[data-row="{number}"] .mark'))
    assert count(browser, "#tree [role=treeitem]") > rows
    assert count(browser, f'.box.open[data-box="{number}"]') == 1
    browser.evaluate(f"document.querySelector('[data-row=\"{number}\"]').focus()")
    after(browser, lambda: browser.press("ArrowLeft"))
    assert count(browser, f'.box.closed[data-box="{number}"]') == 1
    browser.press("ArrowDown")
    below = browser.evaluate("document.activeElement.dataset.row")
    assert below and below != number
    browser.press("Enter")
    assert browser.evaluate(
        "document.querySelector('#tree [aria-selected=true]').dataset.row"
    ) == str(below)
    assert "tree=1" in browser.evaluate("location.hash")
    quiet(browser, page)


def test_the_minimap_moves_the_picture(browser: Browser, page: Path) -> None:
    browser.open(page)
    for _ in range(6):
        browser.press("+")
    assert not browser.evaluate(
        "document.querySelector('#minimap').hasAttribute('hidden')"
    )
    view = "document.querySelector('#world').getAttribute('transform')"
    before = browser.evaluate(view)
    browser.click("#minimap")
    assert browser.evaluate(view) != before
    closed = count(browser, ".box.closed")
    assert count(browser, "#minimap rect") == closed + 1
    browser.press("0")
    assert browser.evaluate("document.querySelector('#minimap').hasAttribute('hidden')")
    quiet(browser, page)


def test_the_panel_is_as_wide_as_one_likes(browser: Browser, page: Path) -> None:
    browser.open(page)
    width = "document.querySelector('aside').getBoundingClientRect().width"
    before = browser.evaluate(width)
    grip = browser.evaluate(
        "(() => { const r = document.querySelector('#grip').getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + 200]; })()"
    )
    for kind, x in (("mousePressed", 0), ("mouseMoved", -150), ("mouseReleased", -150)):
        browser.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=grip[0] + x,
            y=grip[1],
            button="left",
            buttons=0 if kind == "mouseReleased" else 1,
            clickCount=1,
        )
    assert abs(browser.evaluate(width) - before - 150) < 8
    browser.evaluate("document.querySelector('#grip').focus()")
    browser.press("ArrowRight")
    assert abs(browser.evaluate(width) - before - 110) < 8
    browser.open(page, browser.evaluate("location.hash"))
    assert abs(browser.evaluate(width) - before - 110) < 8
    quiet(browser, page)


def test_edges_run_right(browser: Browser, page: Path) -> None:
    browser.open(page)
    boxes = "document.querySelector('#world').getBBox()"
    tall = browser.evaluate(f"{boxes}.height / {boxes}.width")
    after(browser, lambda: browser.press("r"))
    wide = browser.evaluate(f"{boxes}.height / {boxes}.width")
    assert wide < 0.7 < tall
    assert "right=1" in browser.evaluate("location.hash")
    quiet(browser, page)


def test_two_fingers_zoom(browser: Browser, page: Path) -> None:
    browser.open(page)
    scale = (
        "Number(document.querySelector('#world').getAttribute('transform')"
        ".match(/scale\\(([^)]*)/)[1])"
    )
    before = browser.evaluate(scale)
    for kind, distance in (("touchStart", 50), ("touchMove", 60), ("touchMove", 120)):
        points = [{"x": 400 + side * distance, "y": 400, "id": side} for side in (0, 1)]
        browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert browser.evaluate(scale) > 1.5 * before
    quiet(browser, page)


def test_pictures_of_edges_that_run_right_stand_below_each_other(
    browser: Browser, page: Path
) -> None:
    browser.open(page, "#right=1&compare=1&pass=fuse_elementwise")
    tops = browser.evaluate(
        "['#earlier', '#picture'].map((id) => "
        "document.querySelector(id).getBoundingClientRect().top)"
    )
    assert tops[1] > tops[0] + 200
    quiet(browser, page)


# ---- search


@pytest.mark.parametrize(
    ("query", "first", "most"),
    [
        ("dense_2/MatMul", "dense_2/MatMul MatMul", 50),
        ("type:MatMul scope:dense_2", "dense_2/MatMul MatMul", 3),
        ("type:MatMul shape:[16,16]", "Adam/gradients/dense_", 8),
        ("attr:transpose_b=True", "Adam/gradients/dense_", 8),
        ("/^dense_[12].Relu$/", "dense_1/Relu Relu", 2),
        ("scope:loss type:Sum", "loss/Sum", 2),
    ],
)
def test_a_query_finds(
    browser: Browser, page: Path, query: str, first: str, most: int
) -> None:
    browser.open(page)
    browser.press("/")
    browser.type(query)
    found = results(browser)
    assert found and found[0].startswith(first), found
    assert len(found) <= most
    assert count(browser, ".match") >= 1
    browser.press("Escape")
    assert count(browser, ".match") == 0
    quiet(browser, page)


def test_the_arrows_choose_among_what_was_found(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("/")
    browser.type("type:MatMul")
    found = results(browser)
    browser.press("ArrowDown")
    browser.press("ArrowDown")
    browser.press("ArrowUp")
    browser.press("Enter")
    assert f"{text(browser, '#op-name')} MatMul" == found[1]


def test_a_regular_expression_that_is_none(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("/")
    browser.type("/(/")
    assert "regular expression" in text(browser, "#results")
    quiet(browser, page)


# ---- traces and lines


def test_all_that_an_op_needs_and_all_that_needs_it(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    select(browser, "dense_1/MatMul")
    browser.press("u")
    up = int(text(browser, "#trace").split()[0].replace(",", ""))
    assert 5 <= up <= 20
    assert count(browser, ".box.faint") > 0 and count(browser, ".route.traced") > 0
    browser.press("d")
    down = int(text(browser, "#trace").split()[0].replace(",", ""))
    assert down > up
    address = browser.evaluate("location.hash")
    assert "trace=down" in address
    browser.open(page, address)
    assert text(browser, "#trace").startswith(f"{down} ")
    browser.press("Escape")
    assert count(browser, ".faint") == 0
    quiet(browser, page)


def test_the_path_between_two_ops(browser: Browser, page: Path) -> None:
    browser.open(page)
    select(browser, "dense_0/Relu")
    browser.press("p")
    select(browser, "dense_2/MatMul")
    # dense_0/Relu, three ops of dense_1, dense_2/MatMul.
    assert text(browser, "#trace").startswith("5 ops between it and dense_2/MatMul")
    quiet(browser, page)


def test_a_line_says_what_it_carries(browser: Browser, page: Path) -> None:
    browser.open(page)
    after(browser, lambda: browser.press("a"))
    browser.evaluate(
        "document.querySelector('.route .edge').dispatchEvent("
        "new MouseEvent('click', { bubbles: true }))"
    )
    assert "tensor" in text(browser, "#line-name")
    assert count(browser, "#panel .link") >= 2
    assert count(browser, ".route.traced") == 1
    quiet(browser, page)


def test_a_badge_leads_to_its_variable(browser: Browser, page: Path) -> None:
    browser.open(page)
    after(browser, lambda: browser.press("a"))
    browser.evaluate(
        "[...document.querySelectorAll('.box')].find((box) => box.querySelector('title')"
        ".textContent === 'dense_1/MatMul').querySelector('.tag rect')"
        ".dispatchEvent(new MouseEvent('click', { bubbles: true }))"
    )
    assert text(browser, "#op-name") == "dense_1/w"
    assert "VarHandleOp" in text(browser, "#panel")
    assert "Values over the steps" in text(browser, "#panel")
    quiet(browser, page)


# ---- measures


def test_heat_has_a_scale_and_numbers(browser: Browser, page: Path) -> None:
    browser.open(page)
    seen = []
    for _ in range(6):
        browser.press("t")
        if not browser.evaluate("document.querySelector('#heat').value"):
            break
        seen.append(text(browser, "#scale b"))
        assert count(browser, "#scale i") == 5
        assert count(browser, ".heat-text") >= 1
    assert seen[:4] == ["Time", "Bytes moved", "FLOPs", "GFLOP/s"]
    assert browser.evaluate("document.querySelector('#scale').hidden")
    quiet(browser, page)


def test_the_largest_number_is_the_end_of_the_scale(
    browser: Browser, page: Path
) -> None:
    browser.open(page, "#heat=flops")
    end = text(browser, "#scale span:last-child")
    labels = browser.evaluate(
        "[...document.querySelectorAll('.heat-text')].map((e) => e.textContent)"
    )
    assert end in labels


def test_a_loop_is_as_hot_as_its_pieces(browser: Browser, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [4, 4], name="x")
        _, y = tf.while_loop(
            lambda i, _: i < 30, lambda i, y: (i + 1, tf.matmul(tf.tanh(y), x)), (0, x)
        )
        profile = session.profile(y, feed_dict={x: np.ones((4, 4))}, runs=2)
    feeds = {x: tf.TensorShape([4, 4])}
    path = tmp_path / "page.html"
    path.write_text(make_page(graph, (), [y], feeds=feeds, profile=profile))
    browser.open(path, "#heat=time")
    end = text(browser, "#scale span:last-child")
    number, unit = end.split()
    seconds = float(number) * {"s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6}[unit]
    assert seconds <= 1.01 * sum(step.seconds for step in profile.steps)
    quiet(browser, path)


def test_a_saved_picture_has_plain_colors(browser: Browser, page: Path) -> None:
    browser.open(page, "#heat=time")
    browser.evaluate(
        "URL.createObjectURL = (blob) => { blob.text().then((t) => "
        "{ window.saved = t; }); return 'data:,'; };"
        "document.querySelector('#export').click()"
    )
    saved = browser.wait("window.saved")
    bodies = re.findall(r'class="body [^"]*"[^>]*style="fill: ([^;]*);"', saved)
    assert len(bodies) > 5
    assert all(re.fullmatch(r"rgb\(\d+, \d+, \d+\)", color) for color in bodies)
    assert len(set(bodies)) > 3
    assert 'near-line"' not in saved


def test_the_timeline_of_a_run(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("[data-tab=timeline]")
    steps = browser.evaluate("document.querySelectorAll('#timeline .bar').length")
    assert f"{steps} steps in " in text(browser, "#panel")
    assert count(browser, "#panel option") == 4
    browser.evaluate(
        "document.querySelector('#timeline .bar').dispatchEvent(new Event('click'))"
    )
    assert count(browser, "#timeline .bar.chosen") == 1
    assert count(browser, ".hull.chosen") == 1
    quiet(browser, page)


def test_memory_leads_to_ops_and_steps(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("[data-tab=memory]")
    browser.evaluate(
        "document.querySelectorAll('#memory .tick')[3].dispatchEvent(new Event('click'))"
    )
    assert "In use in step 3" in text(browser, "#panel")
    assert count(browser, "#memory .now") == 1
    browser.evaluate(
        "[...document.querySelectorAll('#memory .buffer')].find((e) => "
        "!e.textContent.startsWith('scratch')).dispatchEvent(new Event('click'))"
    )
    assert count(browser, ".box.selected") == 1
    assert count(browser, "#memory .buffer.chosen") >= 1
    quiet(browser, page)


def test_values_over_the_steps(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("[data-tab=values]")
    assert text(browser, "#value-name") == "dense_0/w"
    assert count(browser, "#histograms .cell") > 20
    assert count(browser, ".range .bad") == 2
    assert "-6.52e-10" in text(browser, "[data-value=tiny]")
    browser.evaluate("document.querySelector('[data-value=\"dense_1/w\"]').click()")
    assert "1 NaN and 0 Inf in step 3" in text(browser, "#panel")
    browser.click("#value-name .link")
    assert text(browser, "#op-name") == "dense_1/w"
    assert count(browser, "#panel .range") == 1
    quiet(browser, page)


def test_what_runs_in_python_is_said_above_the_picture(
    browser: Browser, tmp_path: Path
) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
        y = tf.numpy_function(lambda value: value, [x], tf.float32, name="mine")
        z = tf.exp(tf.compat.v1.ensure_shape(y, [2]))
    path = tmp_path / "page.html"
    path.write_text(make_page(graph, (), [z]), encoding="utf-8")
    browser.open(path)
    assert not browser.evaluate("document.querySelector('#banner').hidden")
    banner = text(browser, "#banner")
    assert "Runs in Python: mine" in banner or "without native code" in banner
    browser.click("#banner .link")
    assert "mine" in text(browser, "#panel h2")
    quiet(browser, path)


def test_a_scope_that_is_named_in_the_search(browser: Browser, page: Path) -> None:
    browser.open(page)
    select(browser, "dense_1")
    assert text(browser, "#panel h2") == "dense_1"
    assert box_named(browser, "dense_1")


# ---- everything, in any order

ACTIONS = {
    "box": ".box .body, .box .grip",
    "tree": "#tree [role=treeitem]",
    "tab": "[data-tab]",
    "panel": "#panel tr[tabindex], #panel .link",
    "line": ".route .near-line",
    "badge": ".tag rect",
}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_nothing_fails(
    browser: Browser, page: Path, seed: int
) -> None:
    browser.open(page)
    chosen = random.Random(seed)
    for _ in range(60):
        action = chosen.choice(["key", "key", *ACTIONS])
        if action == "key":
            browser.press(chosen.choice("[]]]brkt0ucdspa"))
        else:
            browser.evaluate(
                f"(() => {{ const all = [...document.querySelectorAll("
                f"{ACTIONS[action]!r})]; all[Math.floor({chosen.random()} * all.length)]"
                "?.dispatchEvent(new MouseEvent('click', { bubbles: true })); })()"
            )
        assert browser.problems == [], action
        assert not browser.evaluate(
            "[...document.querySelectorAll('svg *')].some((e) => "
            "[...e.attributes].some((a) => a.value.includes('NaN')))"
        ), action
        assert "failed" not in text(browser, "#notice"), action
    address = browser.evaluate("location.hash")
    browser.open(page, address)
    quiet(browser, page)
