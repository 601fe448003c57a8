"""Fetches, feeds, default sessions and what they refuse."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.errors import GraphoptWarning
from graphopt.runtime import session as session_module

v1 = tf.compat.v1
JIT = pytest.mark.parametrize("jit", ["never", "always"])


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_structures_of_fetches(graph):
    x = tf.constant([1.0, 2.0], name="x")
    v = tf.Variable(3.0, name="v")
    Pair = namedtuple("Pair", "first second")
    with v1.Session() as session:
        session.run(v.initializer)
        got = session.run({"a": [x, (x, v)], "b": Pair("x:0", v.initializer), "c": []})
        assert list(got) == ["a", "b", "c"]
        np.testing.assert_array_equal(got["a"][0], [1.0, 2.0])
        assert got["a"][1][1] == 3.0
        assert isinstance(got["b"], Pair)
        assert got["b"].second is None
        assert session.run("x") is None
        assert session.run("v:0") == 3.0
        assert session.run([]) == []
        assert isinstance(session.run(v), np.float32)


def test_fetched_arrays_are_fresh(graph):
    x = v1.placeholder(tf.float32, [2])
    v = tf.Variable([1.0, 2.0])
    with v1.Session() as session:
        session.run(v.initializer)
        fed = np.array([5.0, 6.0], np.float32)
        for _ in range(4):
            got_x, got_v = session.run([tf_identity(x), v], {x: fed})
            assert not np.shares_memory(got_x, fed)
            got_x[:] = got_v[:] = 0
        np.testing.assert_array_equal(session.run(v), [1.0, 2.0])
        np.testing.assert_array_equal(fed, [5.0, 6.0])


_identities = {}


def tf_identity(x):
    """One identity op for each tensor."""
    return _identities.setdefault(x, tf.identity(x))


@pytest.mark.parametrize(
    ("fetch", "error"),
    [
        (None, TypeError),
        (3, TypeError),
        ("nope:0", ValueError),
        ([None], TypeError),
        ({1, 2}, TypeError),
        (np.ones(2), TypeError),
    ],
)
def test_bad_fetches(graph, fetch, error):
    tf.constant(1.0)
    with v1.Session() as session, pytest.raises(error, match="Fetch argument"):
        session.run(fetch)


def test_fetch_of_another_graph(graph):
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with v1.Session() as session, pytest.raises(ValueError, match="Fetch argument"):
        session.run(other)


@JIT
def test_any_tensor_can_be_fed(graph, jit):
    a = tf.constant(2.0, name="a")
    b = a * 3.0
    c = b + 1.0
    v = tf.Variable(5.0, name="v")
    d = v * 2.0
    with config(jit=jit), v1.Session() as session:
        session.run(v.initializer)
        assert session.run(c, {b: 10.0}) == 11.0
        assert session.run(c, {"a:0": 10}) == 31.0
        assert session.run(d, {v: 7.0}) == 14.0
        assert session.run(v) == 5.0
        assert session.run([b, c], {b: 1.5}) == [1.5, 2.5]


class Matrix(np.ndarray):
    """A subclass of ndarray."""


FEEDS = {
    "list": [[1, 2], [3, 4]],
    "big-endian": np.array([[1, 2], [3, 4]], ">f4"),
    "wide": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "integers": np.array([[1, 2], [3, 4]]),
    "transposed": np.array([[1.0, 3.0], [2.0, 4.0]], np.float32).T,
    "reversed": np.array([[4.0, 3.0], [2.0, 1.0]], np.float32)[::-1, ::-1],
    "strided": np.arange(1.0, 9.0, dtype=np.float32).reshape(2, 4)[:, :2],
    "subclass": np.array([[1, 2], [3, 4]], np.float32).view(Matrix),
    "eager tensor": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
}
FEEDS["strided"] = np.array([[1.0, 9.0, 2.0], [3.0, 9.0, 4.0]], np.float32)[:, ::2]


@JIT
@pytest.mark.parametrize("kind", FEEDS)
def test_feeds_that_work(graph, jit, kind):
    x = v1.placeholder(tf.float32, [None, 2])
    y = x * 1.0
    value = FEEDS[kind]
    with config(jit=jit), v1.Session() as session:
        np.testing.assert_array_equal(
            session.run(y, {x: value}), [[1.0, 2.0], [3.0, 4.0]]
        )


def test_read_only_and_unaligned_feeds(graph):
    x = v1.placeholder(tf.float32, [2])
    y = x * 1.0
    raw = np.zeros(9, np.uint8)
    raw[1:9] = np.array([1.0, 2.0], np.float32).view(np.uint8)
    unaligned = raw[1:9].view(np.float32)
    fixed = np.array([1.0, 2.0], np.float32)
    fixed.flags.writeable = False
    with config(jit="always"), v1.Session() as session:
        for value in (unaligned, fixed):
            np.testing.assert_array_equal(session.run(y, {x: value}), [1.0, 2.0])


def test_zero_size_and_scalar_feeds(graph):
    x = v1.placeholder(tf.float32, [None, 2])
    s = v1.placeholder(tf.float32, [])
    y = tf.reduce_sum(x) + s
    with config(jit="always"), v1.Session() as session:
        assert session.run(y, {x: np.zeros((0, 2)), s: 3}) == 3.0
        assert session.run(y, {x: [[1, 2]], s: np.float64(3)}) == 6.0


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([1.0, 2.0, 3.0], ValueError, r"Cannot feed value of shape \(3,\).*'x:0'"),
        ([[1.0, 2.0]], ValueError, "Cannot feed value of shape"),
        ("text", ValueError, "could not convert string"),
        ([[1.0], [2.0, 3.0]], ValueError, "x:0"),
        (None, ValueError, "None"),
        (1j, (TypeError, ValueError), "x:0"),
        (np.array([object(), 1]), TypeError, "x:0"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), TypeError, "masked"),
    ],
)
def test_bad_feeds(graph, value, error, words):
    x = v1.placeholder(tf.float32, [2], name="x")
    with v1.Session() as session:
        with pytest.raises(error, match=words):
            session.run(x * 1.0, {x: value})
        np.testing.assert_array_equal(session.run(x, {x: [1, 2]}), [1.0, 2.0])


@pytest.mark.parametrize("value", [1.5, 2**40, [1.5]])
def test_numbers_that_an_integer_cannot_hold(graph, value):
    n = v1.placeholder(tf.int32, name="n")
    with v1.Session() as session, pytest.raises((TypeError, ValueError), match="n:0"):
        session.run(n * 2, {n: value})


def test_bad_keys(graph):
    x = v1.placeholder(tf.float32, name="x")
    with v1.Session() as session:
        for key in ("nope:0", "x", 3):
            with pytest.raises(TypeError, match="Cannot interpret feed_dict key"):
                session.run(x, {key: 1.0})
        with pytest.raises(TypeError, match="cannot be a symbolic tensor"):
            session.run(x, {x: tf.constant(1.0)})


@JIT
def test_missing_feed_names_the_placeholder(graph, jit):
    x = v1.placeholder(tf.float32, [None, 3], name="x")
    words = r"feed a value for placeholder tensor 'x'.*float32 and shape \[\?, 3\].*test_session"
    refused = pytest.raises(tf.errors.InvalidArgumentError, match=words)
    with config(jit=jit), v1.Session() as session, refused:
        session.run(x * 2.0)


@JIT
def test_uninitialized_variable_is_named(graph, jit):
    v = tf.Variable(1.0, name="scope/v")
    with config(jit=jit), v1.Session() as session:
        with pytest.raises(
            tf.errors.FailedPreconditionError,
            match=r"uninitialized value scope/v.*test_session.py.*initializer",
        ):
            session.run(v + 1.0)
        with pytest.raises(RuntimeError):
            session.run(v.assign_add(1.0))


def test_variables_live_in_sessions(graph):
    v = tf.Variable(1.0)
    add = v.assign_add(1.0)
    first, second = v1.Session(), v1.Session()
    for session in (first, second):
        session.run(v.initializer)
    first.run(add)
    assert first.run(v) == 2.0
    assert second.run(v) == 1.0
    first.close()
    with pytest.raises(RuntimeError, match="closed Session"):
        first.run(v)
    assert second.run(add) == 2.0


def test_default_sessions(graph):
    v = tf.Variable(1.0)
    with config(strict=True):
        with pytest.raises(ValueError, match="No default session is registered"):
            v.initializer.run()
        with v1.Session() as session:
            v.initializer.run()
            assert v.eval() == 1.0
            assert v1.get_default_session() is session
        session = v1.Session()
        with session.as_default():
            v.initializer.run()
        assert v.eval(session=session) == 1.0
        interactive = v1.InteractiveSession()
        v.initializer.run()
        assert v.eval() == 1.0
        interactive.close()
        with pytest.raises(ValueError, match="No default session"):
            v.eval()


def test_session_of_another_graph_is_refused(graph):
    x = tf.constant(1.0)
    with tf.Graph().as_default(), v1.Session(), pytest.raises(ValueError, match="diff"):
        x.eval()


def test_implicit_session_initializes_what_never_was(graph):
    a = tf.Variable(2.0)
    assert a.assign_add(1.0).eval() == 3.0
    b = tf.Variable(10.0)
    assert (a + b).eval() == 13.0


def test_make_callable(graph):
    x = v1.placeholder(tf.float32, [])
    v = tf.Variable(1.0)
    add = v.assign_add(x)
    with v1.Session() as session:
        session.run(v.initializer)
        call = session.make_callable([add, v.initializer], [x])
        assert session.run(v) == 1.0
        assert call(2.0)[1] is None
        with pytest.raises(ValueError, match="takes 1 values, got 0"):
            call()
        with pytest.raises(NotImplementedError):
            session.make_callable(add, [x], accept_options=True)
        bump = session.make_callable(v.assign_add(5.0).op)
        bump()
        before = session.run(v)
        bump()
        assert session.run(v) == before + 5.0


def test_run_inside_a_run_is_refused(graph):
    v = tf.Variable(1.0)
    with v1.Session() as session:
        session.run(v.initializer)

        def rate():
            return float(session.run(v)) if trained else 0.1

        trained = []
        opt = tf.keras.optimizers.SGD(rate)
        train = opt.minimize(lambda: v * v, [v])
        session.run(v1.global_variables_initializer())
        trained.append(True)
        with pytest.raises(RuntimeError, match="inside another run"):
            train.run()
        trained.clear()
        train.run()


def test_loop_that_builds_ops_is_warned_of(graph, monkeypatch):
    monkeypatch.setattr(session_module, "GROWTH_RUNS", 5)
    x = tf.constant(1.0)
    warned = pytest.warns(GraphoptWarning, match=r"graph has grown.*test_session")
    with v1.Session() as session, warned:
        for _ in range(7):
            session.run(x + 1.0)


def test_remote_targets_and_partial_runs_are_refused(graph):
    with pytest.raises(NotImplementedError, match="remote"):
        v1.Session("grpc://localhost:2222")
    with v1.Session() as session, pytest.raises(NotImplementedError, match="one sess"):
        session.partial_run_setup([])


def test_strict_compat_module_is_only_switched_by_its_import():
    assert tf.compat.v1.Session is v1.Session
    assert tf.executing_eagerly()
