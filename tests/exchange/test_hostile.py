"""Files from strangers: damaged, impossible, or made to do harm."""

from __future__ import annotations

import copy
import json
import random
import resource
import sys
import time
from typing import Any

import pytest

import graphopt as tf
from graphopt.errors import DataLossError, InvalidArgumentError
from graphopt.exchange.graph_def import format_graph_def
from graphopt.exchange.graph_def_reader import parse_graph_def, parse_text
from graphopt.exchange.json_text import parse_json
from graphopt.exchange.node_link import graph_to_json
from graphopt.exchange.reader import (
    _known_attributes,
    graph_from_json,
    read_graph,
)
from graphopt.graph.opspec import REGISTRY
from graphopt.viz.loading import load_target
from tests.exchange.test_round_trip import control_flow
from tests.viz.conftest import SCRIPT

REFUSED = (DataLossError, InvalidArgumentError)
MUTATIONS = 3000
SLOWEST, LARGEST = 1.0, 100 << 20
EVENTS = {"exec", "import", "os.system", "subprocess.Popen", "ctypes.dlopen", "open"}

EVIL: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**62,
    2**64,
    2**4000,
    1.5,
    "",
    "../x",
    "a" * 20_000,
    "name\x1b[31m",
    "PyFunc",
    "EagerPyFunc",
    "Unpack",
    "SplitV",
    "While",
    [],
    {},
    {"python": "system"},
    {"tuple": [2**40] * 3},
    {"tuple": [{"tuple": [None, -1]}]},
    {"shape": [2**62]},
    {"shape": [2**20, 2**20, 2**20]},
    {"shape": None},
    {"dtype": "object"},
    {"array": {"dtype": "float32", "shape": [2**40], "data": ""}},
    {"array": {"dtype": "bool", "shape": [3], "data": "AgIC"}},
    {"float": "__import__('os')"},
    {"body": {"nodes": [], "links": [], "inputs": [], "outputs": []}},
    {"stream": [1, 2, 3]},
    {"variable": "forward/w"},
    [["float32", [2**39, 2]]],
    [["float32", None]] * 3,
    "__import__('os').system('id')",
]

_armed = False
_heard: list[Any] = []


def _listen(event: str, arguments: Any) -> None:
    if _armed and event in EVENTS:
        _heard.append((event, arguments))


sys.addaudithook(_listen)


@pytest.fixture
def alarm():
    """Collects what runs, opens or imports anything while a file is read."""
    global _armed
    # The tables of attributes are made once, from the registry.
    for kind in REGISTRY:
        _known_attributes(kind)
    _heard.clear()
    _armed = True
    yield _heard
    _armed = False


def originals() -> list[dict[str, Any]]:
    """A training step, and a graph with branches, loops and random numbers."""
    target = load_target(str(SCRIPT)).target
    with tf.Graph().as_default() as graph:
        control_flow()
        parts = tf.unstack(tf.ones([3, 4]))
        image = tf.reshape(tf.stack(parts), [1, 3, 4, 1])
        tf.nn.conv2d(image, tf.ones([2, 2, 1, 1]), 1, "SAME")
        tf.pad(tf.transpose(parts[0][None]), [[1, 1], [0, 0]])
    return [graph_to_json(target.graph, target.operations), graph_to_json(graph)]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the path of everything in some JSON values."""
    found = [path]
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found


def at(values: Any, path: Any) -> Any:
    for key in path:
        values = values[key]
    return values


def mutate(values: Any, paths: list[tuple[Any, ...]], chance: random.Random) -> Any:
    """Changes one to three things."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        *parents, key = chance.choice(paths[1:])
        try:
            parent = at(values, parents)
            before = parent[key]
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change has taken it away.
        kind = chance.random()
        if kind < 0.5:
            parent[key] = copy.deepcopy(chance.choice(EVIL))
        elif kind < 0.6:
            del parent[key]
        elif kind < 0.75:
            try:
                parent[key] = copy.deepcopy(at(values, chance.choice(paths)))
            except (KeyError, IndexError, TypeError):
                continue
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(before))
        elif "type" in parent:
            parent["type"] = chance.choice(list(REGISTRY))
        elif type(before) is int:
            parent[key] = before + chance.choice([-1, 1, 2**33])
    return values


def test_mutated_graphs_are_refused_or_right(alarm):
    bases = originals()
    texts = [json.dumps(base) for base in bases]
    paths = [places(base) for base in bases]
    alarm.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for seed in range(MUTATIONS):
        chance = random.Random(seed)
        which = chance.randrange(len(bases))
        values = mutate(json.loads(texts[which]), paths[which], chance)
        start = time.perf_counter()
        try:
            graph_from_json(values)
        except REFUSED:
            refused += 1
        assert time.perf_counter() - start < SLOWEST, f"seed {seed}"
        assert not alarm, f"seed {seed}: {alarm[:3]}"
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < LARGEST
    # Some changes do no harm: another seed, another value of a constant.
    assert refused > 0.8 * MUTATIONS


def test_damaged_text_is_refused_or_right(alarm):
    target = load_target(str(SCRIPT)).target
    texts = [
        json.dumps(graph_to_json(target.graph)),
        format_graph_def(target.graph, target.operations),
    ]
    alarm.clear()
    refused = 0
    for seed in range(600):
        chance = random.Random(seed)
        which = seed % 2
        data = bytearray(texts[which].encode())
        for _ in range(chance.choice([1, 3, 10])):
            data[chance.randrange(len(data))] = chance.randrange(32, 127)
        text = data[: chance.randrange(len(data)) if seed % 3 == 0 else None].decode()
        try:
            graph_from_json(parse_graph_def(text) if which else parse_json(text))
        except REFUSED:
            refused += 1
    assert not alarm
    assert refused > 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ("{}", "another format"),
        ('{"format": "graphopt.graph", "version": 2}', "another version"),
        ('{"format": "graphopt.graph", "version": 1}', "what is to be run"),
    ],
)
def test_what_is_no_graph(text, words, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataLossError, match=words):
        read_graph(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "node",
        "node {",
        "}",
        'node { "a" }',
        "node: :",
        "node { name: { name: { } } } @",
        "a { " * 100_000,
        'node { name: "x" op: "Add" }',
        'node { name: "x" attr { key: "_graphopt" value { s: "{}" } } }',
    ],
)
def test_what_is_no_graph_def(text):
    with pytest.raises(DataLossError):
        parse_graph_def(text)


def test_text_is_read_as_protobuf_reads_it():
    text = "# comment\nnode < name: 'no' >"
    with pytest.raises(DataLossError):
        parse_text(text)
    assert parse_text('# comment\na { b: "\\101\\n\\"" c: -1 }') == {
        "a": [{"b": ['A\n"'], "c": ["-1"]}]
    }


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "graph.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataLossError, match="no text"):
        read_graph(str(path))
    with pytest.raises(FileNotFoundError):
        read_graph(str(tmp_path / "missing.json"))
    with pytest.raises(OSError, match="directory"):
        read_graph(str(tmp_path))


def change(**changes: Any) -> dict[str, Any]:
    """Returns a graph of two ops with something changed in the second one."""
    with tf.Graph().as_default() as graph:
        tf.reduce_sum(tf.ones([2], name="x"), name="y")
    values = graph_to_json(graph)
    values["nodes"][-1].update(changes)
    return json.loads(json.dumps(values))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "PyFunc"}, "calls Python"),
        ({"type": "FusedElementwise"}, "calls Python"),
        ({"type": "NoSuchOp"}, "registry"),
        ({"id": "../y"}, "no name"),
        ({"id": "x"}, "one name"),
        ({"attrs": {"axis": 7, "keepdims": False}}, "'y'"),
        ({"attrs": {"axis": "0); import os", "keepdims": False}}, "malformed"),
        ({"attrs": {"function": {"python": "f"}}}, "no attribute"),
        ({"attrs": {"axis": {"python": "f"}}}, "Python function"),
        ({"outputs": [["float64", []]]}, "dtype"),
        ({"outputs": [["float32", [3]]]}, "not compatible"),
        ({"outputs": [["float32", [1 << 30, 1 << 30]]]}, "too large"),
        ({"outputs": []}, "number of outputs"),
    ],
)
def test_what_cannot_be(changes, words):
    with pytest.raises(InvalidArgumentError, match=words):
        graph_from_json(change(**changes))


def test_arrays_are_checked_before_they_are_made():
    values = change()
    data = {"dtype": "float32", "shape": [1 << 36], "data": ""}
    values["nodes"][0]["attrs"]["value"] = {"array": data}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(InvalidArgumentError, match="as many bytes"):
        graph_from_json(values)
    assert time.perf_counter() - start < 0.05
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * 1024
