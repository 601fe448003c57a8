"""A graph that went through a file is the same graph."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import graphopt as tf
from graphopt.errors import InvalidArgumentError
from graphopt.exchange.graph_def import format_graph_def
from graphopt.exchange.graph_def_reader import parse_graph_def, parse_text
from graphopt.exchange.json_text import parse_json
from graphopt.exchange.node_link import graph_to_json
from graphopt.exchange.reader import graph_from_json, read_graph
from graphopt.graph.opspec import REGISTRY, Effect
from graphopt.rewrite.merge_common_subexpressions import attribute_key
from graphopt.viz.loading import load_target
from tests.viz.conftest import SCRIPT


def through_json(graph, operations=(), tensors=()):
    """Writes a graph as JSON text and reads it."""
    values = graph_to_json(graph, operations, tensors)
    return graph_from_json(parse_json(json.dumps(values, allow_nan=False)))


def through_graph_def(graph, operations=(), tensors=()):
    """Writes a graph as a GraphDef and reads it."""
    text = format_graph_def(graph, operations, tensors)
    return graph_from_json(parse_graph_def(text))


WAYS = pytest.mark.parametrize("through", [through_json, through_graph_def])


@WAYS
def test_a_training_script_trains_alike(through):
    target = load_target(str(SCRIPT)).target
    loaded = through(target.graph, target.operations)
    assert str(loaded.graph) == str(target.graph)
    (step,) = loaded.operations
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    found = []
    for graph, op in ((target.graph, target.operations[0]), (loaded.graph, step)):
        with graph.as_default(), tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            feed = {"x:0": x, "labels:0": np.ones((5, 1))}
            for _ in range(3):
                session.run(op, feed)
            names = [variable.name for variable in graph.variables]
            found.append((names, session.run(list(graph.variables))))
    assert found[0][0] == found[1][0]
    for before, after in zip(found[0][1], found[1][1], strict=True):
        assert before.tobytes() == after.tobytes()
    assert [v.trainable for v in loaded.graph.variables] == [
        v.trainable for v in target.graph.variables
    ]


def control_flow():
    """Branches, loops, random numbers, slices."""
    tf.random.set_seed(3)
    start = tf.constant(np.arange(6.0, dtype=np.float32).reshape(2, 3), name="start")
    branch = tf.cond(tf.reduce_sum(start) > 3.0, lambda: start * 2, lambda: start - 1)
    _, loop = tf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, a + tf.random.normal([2, 3])),
        [0, branch],
    )
    parts = tf.split(loop, 3, 1)
    mixed = tf.concat([parts[2], tf.gather(loop, [1, 0])], 1)
    return [tf.nn.dropout(mixed, 0.5), mixed[::-1, None, 1:], tf.random.shuffle(mixed)]


@WAYS
def test_control_flow_and_random_numbers(through):
    with tf.Graph().as_default() as graph:
        tensors = control_flow()
    loaded = through(graph, (), tensors)
    with tf.compat.v1.Session(graph=graph) as session:
        before = [session.run(tensors) for _ in range(2)]
    with tf.compat.v1.Session(graph=loaded.graph) as session:
        after = [session.run(list(loaded.tensors)) for _ in range(2)]
    for first, second in zip(before, after, strict=True):
        for a, b in zip(first, second, strict=True):
            assert a.tobytes() == b.tobytes()


def sample_graph(spec: Any, sample: Any) -> Any:
    """Returns the graph of one sample of an op, and its outputs."""
    with tf.Graph().as_default() as graph:
        inputs = [tf.constant(np.asarray(value)) for value in sample.inputs]
        op = graph.add_operation(spec, inputs, dict(sample.attrs), "op")
    return graph, list(op.outputs)


PURE = [
    spec
    for spec in REGISTRY.values()
    if spec.effect in (Effect.NONE, Effect.RANDOM)
    and spec.parts is None
    and not spec.untrusted
    and spec.name not in ("Placeholder", "VarHandleOp", "NoOp", "IdentityN")
]


@pytest.mark.parametrize("spec", PURE, ids=lambda spec: spec.name)
def test_every_op_comes_back(spec):
    for sample in spec.samples():
        graph, tensors = sample_graph(spec, sample)
        for through in (through_json, through_graph_def):
            loaded = through(graph, (), tensors)
            assert str(loaded.graph) == str(graph)
        with tf.compat.v1.Session(graph=graph) as session:
            before = session.run(tensors)
        with tf.compat.v1.Session(graph=loaded.graph) as session:
            after = session.run(list(loaded.tensors))
        for a, b in zip(before, after, strict=True):
            assert attribute_key(np.asarray(a)) == attribute_key(np.asarray(b))


def loop_of_several_variables(x):
    def body(i, y, s, n):
        return i + 1, y * x, s + tf.reduce_sum(y), n * 2

    start = (tf.constant(0), x, tf.constant(0.0), tf.constant(1))
    return tf.while_loop(lambda i, *_: i < 3, body, start, maximum_iterations=9)[1:3]


def loop_of_one_variable(x):
    return [tf.while_loop(lambda y: tf.reduce_sum(y) < 30.0, lambda y: y * x, (x,))[0]]


def loop_in_a_loop(x):
    def body(i, y):
        _, z = tf.while_loop(
            lambda j, z: j < 2,
            lambda j, z: (j + 1, tf.cond(j > 0, lambda: z * x, lambda: z)),
            (0, y),
        )
        return i + 1, z

    return [tf.while_loop(lambda i, y: i < 3, body, (0, x))[1]]


def branch_in_a_loop(x):
    def body(i, y):
        return i + 1, tf.cond(i > 1, lambda: y * x, lambda: tf.sin(y) + x)

    return [tf.while_loop(lambda i, y: i < 3, body, (0, x))[1]]


def several_branches(x):
    return [
        tf.switch_case(tf.constant(1), [lambda k=k: x * float(k) for k in range(3)])
    ]


@WAYS
@pytest.mark.parametrize(
    "build",
    [
        loop_of_several_variables,
        loop_of_one_variable,
        loop_in_a_loop,
        branch_in_a_loop,
        several_branches,
    ],
)
def test_control_flow_comes_back_with_its_derivative(build, through):
    with tf.Graph().as_default() as graph:
        x = tf.constant([2.0, 1.5])
        outputs = build(x)
        tensors = [*outputs, *tf.gradients(outputs, [x])]
    loaded = through(graph, (), tensors)
    assert str(loaded.graph) == str(graph)
    with tf.compat.v1.Session(graph=graph) as session:
        before = session.run(tensors)
    with tf.compat.v1.Session(graph=loaded.graph) as session:
        after = session.run(list(loaded.tensors))
    for a, b in zip(before, after, strict=True):
        assert a.tobytes() == b.tobytes()


@WAYS
def test_prints_come_back(through, capsys):
    class Odd:
        def __repr__(self):
            return "odd <thing>"

    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 2.0])
        tf.print("x:", x, {"a": [x, 1, "b"], "o": Odd()}, Odd(), 2.5, None, (x,))
    op = graph.get_operations()[-1]
    loaded = through(graph, (op,), ())
    said = []
    for each, target in ((graph, op), (loaded.graph, loaded.operations[0])):
        with tf.compat.v1.Session(graph=each) as session:
            session.run(target)
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "{'a': [[1 2], 1, 'b'], 'o': odd <thing>} odd <thing> 2.5 None" in said[0]


@WAYS
def test_a_graph_that_prints_to_a_file_is_not_loaded(through, tmp_path):
    with tf.Graph().as_default() as graph:
        tf.print("x", output_stream=f"file://{tmp_path}/log")
    with pytest.raises(InvalidArgumentError, match="prints to a file"):
        through(graph, (graph.get_operations()[-1],), ())


def test_python_functions_are_written_and_not_read():
    with tf.Graph().as_default() as graph:
        tf.numpy_function(lambda x: x, [tf.constant(1.0)], tf.float32)
    values = graph_to_json(graph)
    assert values["nodes"][-1]["attrs"]["function"].keys() == {"python"}
    with pytest.raises(InvalidArgumentError, match="calls Python"):
        graph_from_json(values)


def test_a_custom_gradient_is_left_out():
    @tf.custom_gradient
    def half(x):
        return x * 0.5, lambda g: g

    with tf.Graph().as_default() as graph:
        y = half(tf.constant([2.0]))
    loaded = through_json(graph, (), [y])
    with tf.compat.v1.Session(graph=loaded.graph) as session:
        assert session.run(loaded.tensors[0]).tolist() == [1.0]
    with (
        loaded.graph.as_default(),
        pytest.raises(InvalidArgumentError, match="custom gradient"),
    ):
        tf.gradients(loaded.tensors[0], loaded.graph.operations[0].outputs)


def test_places_in_programs_are_kept_but_never_read():
    with tf.Graph().as_default() as graph:
        tf.constant(1.0)
    loaded = through_json(graph)
    (op,) = loaded.graph.operations
    assert op.site.file == f"<{__file__}>"
    assert op.site.snippet() == ""
    again = through_json(loaded.graph)
    assert again.graph.operations[0].site == op.site


def test_files(tmp_path):
    with tf.Graph().as_default() as graph:
        y = tf.exp(tf.ones([2]), name="y")
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph_to_json(graph, (), [y])), encoding="utf-8")
    assert [tensor.name for tensor in read_graph(str(path)).tensors] == ["y:0"]
    path = tmp_path / "graph.pbtxt"
    path.write_text(format_graph_def(graph, (), [y]), encoding="utf-8")
    assert [tensor.name for tensor in read_graph(str(path)).tensors] == ["y:0"]


def test_networkx_reads_the_json():
    import networkx

    with tf.Graph().as_default() as graph:
        x = tf.ones([2], name="x")
        tf.add(x, x, name="y")
    found = networkx.node_link_graph(graph_to_json(graph), edges="links")
    assert found.number_of_nodes() == len(graph)
    assert found.number_of_edges("x", "y") == 2


def test_graph_def_has_the_attributes_of_tensorflow():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        product = tf.matmul(x, tf.ones([3, 2]), name="product")
        tf.reduce_mean(product, axis=1, keepdims=True, name="mean")
    nodes = {n["name"][0]: n for n in parse_text(format_graph_def(graph))["node"]}
    attrs = {
        name: {a["key"][0]: a["value"][0] for a in node.get("attr", ())}
        for name, node in nodes.items()
    }
    assert attrs["x"]["dtype"] == {"type": ["DT_FLOAT"]}
    sizes = [dim["size"] for dim in attrs["x"]["shape"]["shape"][0]["dim"]]
    assert sizes == [["-1"], ["3"]]
    assert attrs["product"]["transpose_a"] == {"b": ["false"]}
    assert nodes["mean"]["input"] == ["product", "mean/reduction_indices"]
    assert nodes["mean/reduction_indices"]["op"] == ["Const"]
    assert attrs["mean"]["keep_dims"] == {"b": ["true"]}


def test_constants_of_a_graph_def_get_names_of_their_own():
    with tf.Graph().as_default() as graph:
        tf.constant(5, name="mean/reduction_indices")
        y = tf.reduce_mean(tf.ones([2, 3]), axis=0, name="mean")
    loaded = through_graph_def(graph, (), [y])
    assert str(loaded.graph) == str(graph)
