"""The tree, the listing, the plan and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.graph.hooks import hooks
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.model import Badge, make_drawing
from graphopt.viz.plan import format_plan, summarize_plan
from graphopt.viz.text import as_json, format_rows, listing, rich_tree, tree_rows
from graphopt.viz.words import format_bytes, plural
from tests.viz.conftest import build_network
from tests.viz.test_golden_show import without_arena
from tests.viz.test_svg import HOSTILE, hostile_graph

GOLDEN = Path(__file__).with_name("golden_show.txt")


def small_step():
    """A graph with one weight and plain descent, without the optimizers' details."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("forward"):
            w = tf.Variable(np.ones((3, 2), np.float32), name="w")
            y = tf.tanh(tf.matmul(x, w), name="y")
        with tf.name_scope("loss"):
            loss = tf.reduce_sum(y * y, name="sum")
        (slope,) = tf.gradients(loss, [w])
        with tf.name_scope("train"):
            step = w.assign_sub(slope * 0.1, read_value=False)
    return graph, step


def show(graph, targets, *, shapes=True, depth=None):
    """The text that `show` prints, without the command line."""
    drawing = make_drawing(graph, targets)
    fold(drawing)
    open_scopes(drawing, depth)
    parts = [format_rows(tree_rows(drawing, "graph", shapes=shapes)), listing(drawing)]
    if targets:
        parts.append("\n".join(format_plan(summarize_plan(graph, targets))))
    return "\n\n".join(parts) + "\n"


def test_text_of_a_small_training_step():
    graph, step = small_step()
    assert without_arena(show(graph, [step])) == GOLDEN.read_text(encoding="utf-8")


def test_text_is_the_same_each_time():
    first = show(*(lambda g, t: (g, [t]))(*build_network(3)))
    second = show(*(lambda g, t: (g, [t]))(*build_network(3)))
    assert first == second


def test_whole_graph_leaves_out_what_initializes_variables():
    graph, _ = small_step()
    tree = show(graph, ()).partition("\n\n")[0]
    assert "Initializer" not in tree
    assert "AssignSub" in tree
    assert "AssignVariableOp" not in tree


def test_an_initializer_that_is_asked_for_is_shown():
    graph, _ = small_step()
    init = graph.get_operation_by_name("forward/w/Assign")
    assert "AssignVariableOp" in show(graph, [init]).partition("\n\n")[0]


def test_depth_zero_shows_closed_scopes():
    graph, step = small_step()
    tree = show(graph, [step], depth=0).partition("\n\n")[0]
    assert tree.count("\n") == len(["x", "forward", "loss", "gradients", "train"])


def test_badges_say_what_an_op_uses():
    graph, step = small_step()
    leaves = {leaf.op: leaf for leaf in make_drawing(graph, [step]).root.leaves()}
    assert leaves[step].badges == [Badge("write", "forward/w", 24)]
    product = graph.get_operation_by_name("forward/MatMul")
    assert leaves[product].badges == [Badge("variable", "forward/w", 24)]
    scaled = graph.get_operation_by_name("train/mul")
    assert leaves[scaled].badges == [Badge("constant", "0.1", 4)]


def test_busy_inputs_become_badges():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [3], name="x")
        for _ in range(4):
            tf.exp(x)
    leaves = list(make_drawing(graph).root.leaves())
    assert [leaf.op.type for leaf in leaves] == ["Exp"] * 4
    assert all(leaf.badges == [Badge("input", "x", 12)] for leaf in leaves)


def test_reads_after_writes_are_shown():
    with tf.Graph().as_default() as graph:
        v = tf.Variable(1.0, name="v")
        with tf.control_dependencies([v.assign_add(1.0, read_value=False)]):
            tf.exp(v.read_value(), name="after")
    types = [leaf.op.type for leaf in make_drawing(graph).root.leaves()]
    assert types == ["AssignAddVariableOp", "ReadVariableOp", "Exp"]


def test_json_has_what_is_documented():
    graph, step = small_step()
    drawing = make_drawing(graph, [step])
    values = json.loads(json.dumps(as_json(drawing, summarize_plan(graph, [step]))))
    assert values["format"] == "graphopt.show"
    assert values["version"] == 1
    assert values["targets"] == [step.name]
    keys = {"index", "name", "type", "scope", "inputs", "controls", "outputs", "site"}
    assert all(set(op) == keys for op in values["ops"])
    assert values["variables"] == [
        {"name": "forward/w:0", "dtype": "float32", "shape": [3, 2], "bytes": 24}
    ]
    plan = {"passes", "steps", "arena_bytes", "assumed_size", "interpreted"}
    assert set(values["plan"]) == plan
    assert values["plan"]["assumed_size"] == 32
    assert values["ops"][0]["outputs"][0]["shape"] == [None, 3]
    assert as_json(make_drawing(graph), None)["plan"] is None


def test_plan_of_a_tensor():
    graph, _ = small_step()
    loss = graph.get_tensor_by_name("loss/sum:0")
    plan = summarize_plan(graph, (), [loss])
    assert plan.steps[-1].outputs == ("float32[]",)
    assert "seconds" not in "\n".join(format_plan(plan))


def test_plan_needs_known_ranks():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, None, name="x")
        y = tf.exp(x)
    with pytest.raises(ValueError, match="rank of x is not known"):
        summarize_plan(graph, (), [y])


def test_rich_tree_has_the_same_lines():
    from rich.console import Console

    graph, step = small_step()
    drawing = make_drawing(graph, [step])
    open_scopes(drawing)
    rows = tree_rows(drawing, "[bold]graph[/]")
    console = Console(width=500, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(rich_tree(rows))
    drawn = [line.lstrip("│├└─ ").rstrip() for line in capture.get().splitlines()]
    assert drawn == [line.lstrip("│├└─ ") for line in format_rows(rows).split("\n")]


def test_hostile_names_cannot_steer_a_terminal():
    text = show(hostile_graph(), (), depth=100)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert sum(text.count(char) for char in "\x1b\u202e\u2066\x00") == 0
    assert any("[31mred" in line for line in text.split("\n"))
    assert len(HOSTILE) >= 20


def test_deep_and_long_graphs_need_no_recursion():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
        for _ in range(3000):
            x = tf.exp(x)
    assert show(graph, (), depth=50).count("Exp") >= 3000


def test_graphs_draw_themselves():
    graph, _ = small_step()
    assert hooks.draw_svg(graph).startswith("<svg")


def test_words():
    assert [plural(n, "op") for n in (0, 1, 1000)] == ["0 ops", "1 op", "1,000 ops"]
    sizes = [0, 1023, 1024, 1 << 20, 3 << 40, 1 << 90]
    assert [format_bytes(size) for size in sizes[:4]] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.0 MiB",
    ]
    assert format_bytes(sizes[4]) == "3.0 TiB"
    assert format_bytes(sizes[5]).endswith("EiB")
