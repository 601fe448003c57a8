"""DOT, GraphML and Mermaid: well-formed, inert, within limits."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

import graphopt as tf
from graphopt.cli import main
from graphopt.viz.changes import find_changes
from graphopt.viz.dot import draw_dot
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.graphml import draw_graphml
from graphopt.viz.mermaid import (
    MOST_CHARACTERS,
    MOST_EDGES,
    TooLargeError,
    draw_mermaid,
)
from graphopt.viz.model import make_drawing
from tests.viz.conftest import build_network
from tests.viz.test_svg import HOSTILE, hostile_graph

# What is between quotes in DOT, escapes included; the rest must be plain.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN = re.compile(r"[\w\s{}\[\]=,;>#.-]*\Z")
_MERMAID = re.compile(
    r"flowchart TB|subgraph n\d+\[\"[^\"\[\]<>`]*\"\]|end|n\d+\[\"[^\"\[\]<>`]*\"\]"
    r"|n\d+ (-->|-\.->)(\|\d+\|)? n\d+"
)


def drawing_of(layers):
    """The drawing of a deep network, folded and opened."""
    graph, train_op = build_network(layers)
    drawing = make_drawing(graph, [train_op])
    fold(drawing)
    open_scopes(drawing, None)
    return drawing


def test_dot_has_clusters_and_every_link():
    graph, train_op = build_network(2)
    drawing = make_drawing(graph, [train_op])
    text = draw_dot(drawing, "net")
    assert text.count("{") == text.count("}")
    assert 'label="dense_0"' in text and "subgraph cluster_0" in text
    assert text.count(" -> ") == len(drawing.links)
    names = re.findall(r'^ *("[^"]*") \[label', text, re.MULTILINE)
    assert len(set(names)) == len(names) == drawing.root.op_count
    assert '"dense_0/MatMul" -> "dense_0/add"' in text


def test_hostile_names_stay_text():
    graph = hostile_graph()
    drawing = make_drawing(graph)
    text = "".join(draw_dot(drawing, name) for name in HOSTILE)
    assert _PLAIN.match(_QUOTED.sub("", text)), text
    assert text.replace("\n", "").isprintable()
    ElementTree.fromstring(draw_graphml(make_drawing(graph)))
    open_scopes(drawing, 3)
    for line in draw_mermaid(drawing, fixed=True).splitlines():
        assert _MERMAID.fullmatch(line.strip()), line


def test_graphml_keeps_what_is_known():
    graph, train_op = build_network(1)
    drawing = make_drawing(graph, [train_op])
    root = ElementTree.fromstring(draw_graphml(drawing))
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    nodes = root.findall(".//g:node", space)
    assert len(nodes) == len(drawing.operations)
    assert "dense_0/MatMul" in {data.text for data in root.iter() if data.text}


def test_mermaid_fits_what_github_draws():
    for layers in (2, 60):
        text = draw_mermaid(drawing_of(layers))
        assert len(text) <= MOST_CHARACTERS
        assert text.count("--> n") + text.count("-.-> n") <= MOST_EDGES


def test_mermaid_closes_scopes_or_says_that_it_cannot():
    with tf.Graph().as_default() as graph:
        x = tf.zeros([2], name="start")
        for index in range(700):
            with tf.name_scope(f"part_{index % 7}/"):
                x = tf.exp(x) if index % 3 else tf.tanh(x)
    drawing = make_drawing(graph)
    open_scopes(drawing, 5)
    with pytest.raises(TooLargeError, match="--depth 0"):
        draw_mermaid(drawing, fixed=True)
    assert draw_mermaid(drawing).count("-->") < 50
    with tf.Graph().as_default() as graph:
        for index in range(501):
            tf.exp(tf.compat.v1.placeholder(tf.float32, [1], name=f"in_{index}"))
    with pytest.raises(TooLargeError, match="501 edges"):
        draw_mermaid(make_drawing(graph))


def test_changes_are_by_name():
    with tf.Graph().as_default() as first:
        tf.exp(tf.constant(1.0, name="x"), name="y")
    with tf.Graph().as_default() as second:
        tf.constant(7.0, name="new")
        tf.tanh(tf.constant(1.0, name="x"), name="y")
    changes = find_changes(first.operations, second.operations)
    assert (changes.added, changes.removed, changes.changed) == (("new",), (), ("y",))
    assert "-y = Exp(x) : float32[]" in changes.lines
    assert not find_changes(first.operations, first.operations)


def test_constants_of_any_kind_are_written(tmp_path, capsys):
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np, graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    words = tf.constant(['a', 'b', 'c', 'd', 'e', 'f', 'g'], name='words')\n"
        "    word = tf.strings.join([words, tf.constant(b'x\\xff')], name='joined')\n"
        "    flag = tf.cond(tf.constant(True), lambda: word, lambda: words)\n"
        "    z = tf.constant(np.ones(9, np.complex128)) * tf.constant(2j)\n"
        "    y = tf.constant(np.ones(9, bool), name='bools') & tf.constant(False)\n"
        "    out = tf.group(flag.op, z.op, y.op, name='out')\n"
    )
    other = tmp_path / "other.py"
    other.write_text(program.read_text().replace("'g'", "'h'"))
    for verb in (["show", "-v"], ["view", "--no-open", "-o", "-"], ["kernels"]):
        name, *options = verb
        assert main([name, str(program), "--fetch", "out", *options]) in (0, 2)
    assert main(["diff", str(program), str(other)]) == 1
    assert "b'a', b'b'" in capsys.readouterr().out
    assert main(["diff", str(program), "--fetch", "out", "--pass", "all"]) in (0, 1)
