"""String ops: recorded values of TensorFlow, in every mode."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.exchange.graph_def import format_graph_def
from graphopt.exchange.node_link import graph_to_json
from graphopt.exchange.reader import graph_from_json
from tests.golden.record_strings import EXPRESSIONS, plain

v1 = tf.compat.v1
GOLDEN = json.loads((Path(__file__).parent.parent / "golden/strings.json").read_text())


def as_json(value):
    return json.loads(json.dumps(plain(value)))


def test_every_expression_is_recorded():
    assert list(GOLDEN) == EXPRESSIONS


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_eager(text):
    assert as_json(eval(text)) == GOLDEN[text]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_graph(text):
    with tf.Graph().as_default(), v1.Session() as session:
        fetch = eval(text)
        for _ in range(3):  # interpreted, then compiled
            value = session.run(fetch)
            assert as_json(value) == GOLDEN[text]


def test_strings_are_values_of_every_kind(tmp_path):
    assert tf.as_dtype("string") is tf.string
    assert tf.constant("ä").numpy() == "ä".encode()
    assert tf.constant(tmp_path / "x").numpy() == str(tmp_path / "x").encode()
    assert tf.constant([b"a\x00"]).numpy().tolist() == [b"a\x00"]
    assert tf.constant(np.array(["ab", "c"])).dtype is tf.string
    with pytest.raises(TypeError, match="Cannot convert"):
        tf.constant(["a", 1])
    with pytest.raises(TypeError):
        tf.constant("a", tf.float32)
    with pytest.raises(TypeError):
        tf.constant(1.0, tf.string)
    with pytest.raises(TypeError, match="not defined for string"):
        tf.exp(tf.constant("a"))
    with pytest.raises(TypeError):
        tf.strings.length(3)


def test_variables_hold_strings():
    with tf.Graph().as_default(), v1.Session() as session:
        name = tf.Variable(["a", "b"])
        new = v1.placeholder(tf.string, [2])
        session.run(name.initializer)
        for i in range(4):
            session.run(name.assign(new), {new: [f"x{i}", b"\xff"]})
            assert session.run(name).tolist() == [f"x{i}".encode(), b"\xff"]
        with pytest.raises(ValueError, match="shape"):
            session.run(name.assign(new), {new: ["x"]})
        with pytest.raises(TypeError, match="no string"):
            session.run(name.assign(new), {new: [1, 2]})


def test_a_step_with_strings_is_cut_around_them():
    with tf.Graph().as_default(), v1.Session() as session:
        words = v1.placeholder(tf.string, [None])
        x = v1.placeholder(tf.float32, [None, 3])
        w = tf.Variable(np.ones((3, 2), np.float32))
        weights = tf.cast(tf.strings.length(words), tf.float32)
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(x @ w), 1) * weights)
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        feed = {words: ["a", "bcd"], x: [[1, 2, 3], [4, 5, 6]]}
        plan = session.plan([step, loss], feed)
        hosts = [s.type for s in plan.steps if s.kernel == "HOST"]
        assert hosts == ["StringLength"] and not plan.interpreted
        session.run(w.initializer)
        session.run(step, feed)
        expected = np.ones((3, 2)) - 0.1 * _gradient(feed[x], [1, 3])
        np.testing.assert_allclose(session.run(w), expected, rtol=1e-5)


def _gradient(x, weights):
    x = np.array(x, float)
    return x.T @ (2 * (x @ np.ones((3, 2))) * np.array(weights)[:, None]) / 2


def test_a_size_that_data_decide_cuts_the_step_and_no_more():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [8, 3])
        w = tf.Variable(np.ones((3, 2), np.float32))
        chosen = tf.boolean_mask(x, x[:, 0] > 0)
        loss = tf.reduce_sum(chosen) + tf.reduce_sum(x @ w)
        step = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(w.initializer)
        given = np.arange(24, dtype=np.float32).reshape(8, 3) - 9
        plan = session.plan([step, loss], {x: given})
        assert not plan.interpreted and "gemm" in {s.kernel for s in plan.steps}
        for _ in range(2):
            got = session.run([loss, step, chosen], {x: given})
        np.testing.assert_array_equal(got[2], given[given[:, 0] > 0])
        np.testing.assert_allclose(
            session.run(w), np.repeat(1 - given.sum(0)[:, None], 2, 1), rtol=1e-6
        )


def test_a_failing_step_with_strings_changes_nothing():
    with tf.Graph().as_default(), v1.Session() as session:
        text = v1.placeholder(tf.string, [])
        v = tf.Variable(1.0)
        with tf.control_dependencies([v.assign(5.0)]):
            number = tf.strings.to_number(text)
        session.run(v.initializer)
        assert session.run(number, {text: "2"}) == 2.0
        session.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="could not correctly"):
            session.run(number, {text: "two"})
        assert session.run(v) == 1.0


def test_functions_take_and_return_ragged_and_sparse_tensors():
    @tf.function
    def double(rows):
        return rows.with_values(rows.values * 2), tf.sparse.from_dense([[0, 3]])

    rows = tf.ragged.constant([[1, 2], [], [3]])
    again, sparse = double(rows)
    assert again.to_list() == [[2, 4], [], [6]]
    assert sparse.values.numpy().tolist() == [3]
    assert double(tf.ragged.constant([[5]]))[0].to_list() == [[10]]


def test_equal_constants_of_strings_are_merged_by_their_bytes():
    with tf.Graph().as_default(), v1.Session() as session:
        a = tf.strings.join([tf.constant("x"), tf.constant("y")])
        b = tf.strings.join([tf.constant("x"), tf.constant("z")])
        for _ in range(3):
            assert session.run([a, b]) == [b"xy", b"xz"]


def test_graphs_with_strings_are_written_and_read():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.constant(["a", b"\x00\xff"]), name="words")
    text = graph_to_json(graph)
    read = graph_from_json(json.loads(json.dumps(text))).graph
    with v1.Session(graph=read) as session:
        assert session.run("words:0").tolist() == [b"a", b"\x00\xff"]
    assert 'string_val: "a"' in format_graph_def(graph)


def test_malformed_arguments_are_named():
    with pytest.raises(ValueError, match="unit"):
        tf.strings.length("a", unit="WORD")
    with pytest.raises(ValueError, match="encoding"):
        tf.strings.unicode_decode("a", "KOI8")
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        tf.strings.substr("abc", 4, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid pattern"):
        tf.strings.regex_replace("a", "(", "")
    with pytest.raises(ValueError, match="placeholder"):
        tf.strings.format("{}", [1, 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expect 2 fields"):
        tf.io.decode_csv("1,2,3", [[0], [0]])
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.read_file("/no/such/file")


def test_files_are_read_and_written_when_the_op_runs(tmp_path):
    path = str(tmp_path / "sub" / "a.txt")
    with tf.Graph().as_default(), v1.Session() as session:
        name = v1.placeholder(tf.string, [])
        write = tf.io.write_file(name, "text")
        read = v1.read_file(name)
        session.run(write, {name: path})
        assert session.run(read, {name: path}) == b"text"
        found = session.run(tf.io.matching_files(str(tmp_path / "*" / "*.txt")))
        assert found.tolist() == [path.encode()]


def in_a_graph(build):
    with tf.Graph().as_default(), v1.Session() as session:
        fetch = build()
        session.run(v1.global_variables_initializer())
        return [session.run(fetch) for _ in range(3)][-1]


# Strings within what takes any tensors.
IN_CONTROL_FLOW = {
    "map_fn": (
        lambda: tf.map_fn(tf.strings.length, tf.constant(["a", "bb"]), tf.int32),
        [1, 2],
    ),
    "map_fn to strings": (
        lambda: tf.map_fn(tf.strings.as_string, tf.constant([1, 2]), tf.string),
        [b"1", b"2"],
    ),
    "cond": (
        lambda: tf.cond(
            tf.equal(tf.constant("a"), "a"),
            lambda: tf.constant("yes"),
            lambda: tf.constant("no"),
        ),
        b"yes",
    ),
    "while_loop": (
        lambda: tf.while_loop(
            lambda i, s: i < 3, lambda i, s: (i + 1, s + "z"), (0, tf.constant("a"))
        )[1],
        b"azzz",
    ),
    "TensorArray": (
        lambda: tf.TensorArray(tf.string, 3).write(0, "a").write(2, "b").stack(),
        [b"a", b"", b"b"],
    ),
    "py_func": (
        lambda: v1.py_func(lambda s: s.upper(), [tf.constant("abc")], tf.string),
        b"ABC",
    ),
    "py_func of a vector": (
        lambda: v1.py_func(
            lambda s: np.array([each.upper() for each in s]),
            [tf.constant(["a", "b"])],
            tf.string,
        ),
        [b"A", b"B"],
    ),
    "get_variable": (
        lambda: v1.get_variable("s", initializer=tf.constant("text")),
        b"text",
    ),
    "sparse": (
        lambda: tf.sparse.to_dense(
            tf.SparseTensor([[0, 1]], tf.constant(["x"]), [1, 2]), default_value="-"
        ),
        [[b"-", b"x"]],
    ),
    "unique_with_counts": (
        lambda: tf.unique_with_counts(tf.constant(["b", "a", "b"])).count,
        [2, 1],
    ),
}


@pytest.mark.parametrize("name", IN_CONTROL_FLOW)
def test_strings_in_control_flow(name):
    build, expected = IN_CONTROL_FLOW[name]
    found = in_a_graph(build)
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected


def test_strings_are_printed(capsys):
    tf.print("x:", tf.constant("a"), tf.constant(["b", "c"]), output_stream=sys.stdout)
    assert capsys.readouterr().out == 'x: a ["b" "c"]\n'


def test_a_value_gives_a_variable_its_dtype():
    with tf.Graph().as_default():
        assert v1.get_variable("n", initializer=tf.constant(3)).dtype is tf.int32
