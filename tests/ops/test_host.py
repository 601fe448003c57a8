"""Python functions, printing and assertions, in eager mode and in graphs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

JITS = ["never", "always"]
v1 = tf.compat.v1


@pytest.fixture(params=JITS)
def session(request):
    """A session of a new graph, interpreted or compiled."""
    with tf.Graph().as_default(), config(jit=request.param), v1.Session() as session:
        yield session


# ---- functions


def test_numpy_function(session):
    x = v1.placeholder(tf.float32, [None])
    total, parts = tf.numpy_function(
        lambda a: (a.sum(), a[::-1]), [x], [tf.float32, tf.float32]
    )
    parts.set_shape([None])
    doubled = parts * 2
    for size in (3, 5):
        a = np.arange(size, dtype=np.float32)
        got = session.run([total, doubled], {x: a})
        assert got[0] == a.sum()
        np.testing.assert_array_equal(got[1], 2 * a[::-1])
    assert tf.gradients(doubled, x) == [None]


def test_a_function_cannot_change_what_it_is_given(session):
    x = v1.placeholder(tf.float32, [2])
    w = tf.Variable([1.0, 2.0])

    def spoil(a, b):
        a[:] = -1
        b[:] = -1
        return np.float32(0)

    session.run(v1.global_variables_initializer())
    fed = np.ones(2, np.float32)
    session.run(tf.numpy_function(spoil, [x, w], tf.float32), {x: fed})
    assert fed.tolist() == [1, 1]
    assert session.run(w).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("function", "types", "words", "error"),
    [
        (lambda: 1 / 0, tf.float32, "ZeroDivisionError: division", "InvalidArgument"),
        (lambda: np.ones(2), tf.float32, "float64, but expects float32", "Invalid"),
        (lambda: (1.0, 2.0), tf.float32, "something else than 1 values", "Invalid"),
        (lambda: 1.0, [tf.float32] * 2, "something else than 2 values", "Invalid"),
        (lambda: next(iter(())), tf.float32, "StopIteration", "OutOfRange"),
    ],
)
def test_errors_of_functions(session, function, types, words, error):
    results = tf.numpy_function(function, [], types, name="mine")
    with pytest.raises(tf.errors.OpError, match=words) as caught:
        session.run(results)
    assert type(caught.value).__name__.startswith(error)
    assert "'mine'" in str(caught.value)
    assert "test_host.py:" in str(caught.value)


def test_a_declared_shape_is_checked():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        y = tf.numpy_function(lambda: np.ones(3, np.float32), [], tf.float32)
        y.set_shape([2])
        with pytest.raises(ValueError, match="another shape than was declared"):
            session.run(y)


def test_functions_run_in_order_and_for_their_effect(session):
    seen = []
    x = v1.placeholder(tf.float32, [])
    first = tf.numpy_function(lambda a: seen.append(("first", float(a))), [x], [])
    with tf.control_dependencies([first]):
        second = v1.py_func(lambda a: seen.append(("second", float(a))), [x + 1], [])
    session.run(second, {x: 1.0})
    assert seen == [("first", 1.0), ("second", 2.0)]


def test_py_function_has_gradients_of_every_order(session):
    x = v1.placeholder(tf.float64, [3])
    y = tf.py_function(lambda a: tf.sin(a) * a, [x], tf.float64)
    (g,) = tf.gradients(y, x)
    (gg,) = tf.gradients(g, x)
    a = np.array([0.3, 1.0, -2.0])
    got = session.run([y, g, gg], {x: a})
    np.testing.assert_allclose(got[0], a * np.sin(a))
    np.testing.assert_allclose(got[1], np.sin(a) + a * np.cos(a))
    np.testing.assert_allclose(got[2], 2 * np.cos(a) - a * np.sin(a))


def test_py_function_of_several_tensors(session):
    x, n = v1.placeholder(tf.float32, []), v1.placeholder(tf.int32, [])
    a, b = tf.py_function(
        lambda x, n: [x * tf.cast(n, tf.float32), x * x], [x, n], [tf.float32] * 2
    )
    feeds = {x: 3.0, n: 4}
    assert session.run([a, b, *tf.gradients(a + b, x)], feeds) == [12, 9, 10]
    assert session.run(tf.gradients(b, x), feeds) == [6]


def test_functions_in_eager_mode():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.py_function(lambda v: v * v, [x], tf.float32)
    assert tape.gradient(y, x).numpy() == 6
    assert tf.py_function(lambda: None, [], []) is None
    assert tf.numpy_function(lambda: None, [], []) is None
    (z,) = tf.py_function(lambda v: [2.5], [x], [tf.float64])
    assert z.dtype == tf.float64
    with pytest.raises(tf.errors.InvalidArgumentError, match="expects int32"):
        tf.py_function(lambda v: v, [x], tf.int32)
    with pytest.raises(ValueError, match="expects float32"):
        tf.numpy_function(lambda v: v.astype(np.int32), [x], tf.float32)


# ---- printing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.arange(10), "[0 1 2 ... 7 8 9]"),
        (np.arange(6), "[0 1 2 3 4 5]"),
        (np.array([[1.5, 2.0], [-0.25, 1e20]]), "[[1.5 2]\n [-0.25 1e+20]]"),
        (np.zeros((2, 1, 2)), "[[[0 0]]\n\n [[0 0]]]"),
        (np.float32(1 / 3), "0.333333343"),
        (np.float32(0.1), "0.1"),
        (np.array([np.nan, np.inf, -np.inf]), "[nan inf -inf]"),
        (np.array([True, False]), "[1 0]"),
        (np.zeros(0), "[]"),
    ],
)
def test_how_tensors_are_printed(value, text, capsys):
    tf.print(tf.constant(value))
    assert capsys.readouterr().err == text + "\n"


def test_print_in_a_graph(session, capsys):
    x = v1.placeholder(tf.int32, [None])
    op = tf.print("x", x, [x, {"k": x}, "s"], 2.5, sep="|", end="!")
    unused = tf.print("never")
    with tf.control_dependencies([op]):
        y = x + 1
    assert capsys.readouterr().err == ""
    assert session.run(y, {x: [1, 2]}).tolist() == [2, 3]
    captured = capsys.readouterr()
    assert captured.err == "x|[1 2]|[[1 2], {'k': [1 2]}, 's']|2.5!"
    assert captured.out == ""
    assert session.run(op, {x: [3]}) is None
    assert capsys.readouterr().err.startswith("x|[3]")
    assert unused.type == "PrintV2"


def test_print_streams(capsys, tmp_path):
    tf.print("out", output_stream=sys.stdout)
    assert capsys.readouterr().out == "out\n"
    path = tmp_path / "lines"
    for i in range(2):
        tf.print(i, output_stream=f"file://{path}")
    assert path.read_text() == "0\n1\n"
    tf.print(np.arange(5), summarize=1)
    tf.print(np.arange(5), summarize=-1)
    assert capsys.readouterr().err == "[0 ... 4]\n[0 1 2 3 4]\n"
    with pytest.raises(ValueError, match="output_stream"):
        tf.print(1, output_stream="somewhere")


def test_print_after_an_update_sees_it(session, capsys):
    w = tf.Variable(1.0)
    update = w.assign_add(2.0)
    with tf.control_dependencies([update]):
        op = tf.print(w.read_value())
    session.run(v1.global_variables_initializer())
    session.run(op)
    assert capsys.readouterr().err == "3\n"


# ---- assertions

COMPARISONS = [
    ("assert_equal", [1, 2], [1, 2], [1, 3], "=="),
    ("assert_none_equal", [1, 2], [2, 1], [1, 3], "!="),
    ("assert_less", [1, 2], [2, 3], [2, 2], "<"),
    ("assert_less_equal", [1, 2], [1, 3], [0, 2], "<="),
    ("assert_greater", [1, 2], [0, 1], [1, 1], ">"),
    ("assert_greater_equal", [1, 2], [1, 1], [2, 2], ">="),
]


@pytest.mark.parametrize(("name", "x", "good", "bad", "sign"), COMPARISONS)
def test_comparisons(name, x, good, bad, sign, session):
    check = getattr(tf.debugging, name)
    words = f"hey: Condition x {sign} y did not hold"
    # Known while the graph is built.
    assert check(x, good).type == "NoOp"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        check(x, bad, message="hey")
    fed = v1.placeholder(tf.int32, [None])
    op = check(fed, bad, message="hey")
    with pytest.raises(tf.errors.InvalidArgumentError, match=words) as caught:
        session.run(op, {fed: x})
    assert "got x = [1 2] and y = " in str(caught.value)
    assert "test_host.py:" in str(caught.value)
    session.run(check(fed, good), {fed: x})


@pytest.mark.parametrize(("name", "x", "good", "bad", "sign"), COMPARISONS)
def test_comparisons_in_eager_mode(name, x, good, bad, sign):
    check = getattr(tf.debugging, name)
    assert check(x, good) is None
    with pytest.raises(tf.errors.InvalidArgumentError, match="hey: Condition x"):
        check(x, bad, message="hey")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("assert_positive", [1.0, 2.0], [0.0]),
        ("assert_negative", [-1.0], [0.0, -1.0]),
        ("assert_non_negative", [0.0, 1.0], [-1.0]),
        ("assert_non_positive", [0.0, -1.0], [1.0, 0.0]),
    ],
)
def test_signs(name, good, bad, session):
    check = getattr(tf.debugging, name)
    fed = v1.placeholder(tf.float32, [None])
    op = check(fed, message="sign")
    session.run(op, {fed: good})
    with pytest.raises(tf.errors.InvalidArgumentError, match="sign: Condition x"):
        session.run(op, {fed: bad})
    assert check(good).type == "NoOp"
    with pytest.raises(ValueError, match="Condition x"):
        check(bad)


def test_assert_near(session):
    fed = v1.placeholder(tf.float32, [2])
    op = tf.debugging.assert_near(fed, [1.0, 2.0])
    session.run(op, {fed: [1.0, 2.0000002]})
    with pytest.raises(ValueError, match="not equal to tolerance"):
        session.run(op, {fed: [1.0, 2.1]})
    tf.debugging.assert_near([1.0], [1.2], atol=0.3)
    with pytest.raises(ValueError, match="not equal to tolerance"):
        tf.debugging.assert_near([1.0], [1.2], rtol=0.1)
    tf.debugging.assert_near([3], [3])


def test_assert_guards_what_depends_on_it(session):
    x = v1.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.Assert(x > 0, ["x was", x])]):
        w = tf.Variable(1.0)
        update = w.assign_add(x)
    session.run(v1.global_variables_initializer(), {x: 1.0})
    with pytest.raises(ValueError, match="assertion failed: x was; got -2"):
        session.run(update, {x: -2.0})
    assert session.run(w, {x: 1.0}) == 1
    session.run(update, {x: 2.0})
    assert session.run(w, {x: 1.0}) == 3


def test_check_numerics(session):
    x = v1.placeholder(tf.float32, [2])
    y = tf.debugging.check_numerics(1 / x, "ratio", name="checked")
    (g,) = tf.gradients(tf.debugging.assert_all_finite(x, "x") * np.inf, x)
    np.testing.assert_array_equal(session.run(y, {x: [1, 2]}), [1, 0.5])
    words = r"ratio : Tensor had Inf values; got 1 of 2, the first at \[1\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words) as caught:
        session.run(y, {x: [1, 0]})
    assert caught.value.op.name == "checked"
    with pytest.raises(ValueError, match="Tensor had Inf and NaN values"):
        tf.debugging.check_numerics([np.nan, np.inf], "m")
        session.run(tf.debugging.check_numerics([np.nan, np.inf], "m"))
    with pytest.raises(ValueError, match="detected in gradient"):
        session.run(g, {x: [1, 1]})


# ---- ranks, shapes, dtypes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d: d.assert_rank(X, 1, "m"), ValueError, "m: Tensor must have rank 1"),
        (lambda d: d.assert_rank_at_least(X, 3), ValueError, "at least 3"),
        (lambda d: d.assert_rank_in(X, [0, 1]), ValueError, r"rank in \[0, 1\]"),
        (lambda d: d.assert_scalar(X), ValueError, "Expected scalar"),
        (lambda d: d.assert_type(X, tf.int32), TypeError, "must be of type int32"),
        (lambda d: d.assert_integer(X), TypeError, "to be integer"),
        (lambda d: d.assert_shapes([(X, (2, 4))]), ValueError, "is 3, not 4"),
        (lambda d: d.assert_shapes([(X, "nn")]), ValueError, "n is 2 elsewhere"),
        (lambda d: d.assert_shapes([(X, (2,))]), ValueError, "has rank 2, not 1"),
        (lambda d: d.assert_shapes([(X, (..., 1, 2, 3))]), ValueError, "at least 3"),
    ],
)
def test_wrong_shapes(call, error, words):
    with pytest.raises(error, match=words):
        call(tf.debugging)
    with tf.Graph().as_default(), pytest.raises(error, match=words):
        call(tf.debugging)


X = np.ones((2, 3), np.float32)


def test_right_shapes():
    d = tf.debugging
    d.assert_rank(X, 2)
    d.assert_rank_at_least(X, 1)
    d.assert_rank_in(X, (1, 2))
    assert d.assert_scalar(3.0).numpy() == 3
    d.assert_type(X, tf.float32)
    d.assert_integer(3)
    d.assert_shapes([(X, (2, None)), (X, ("n", ".")), (X, ("*", 3)), (X, "23")])
    d.assert_shapes([(X[0], ("m",)), (X, ("k", "m"))])
    assert d.is_numeric_tensor(tf.constant(1))
    assert not d.is_numeric_tensor(tf.constant(True))
    assert not d.is_numeric_tensor(1)


def test_shapes_that_only_the_run_knows(session):
    x = v1.placeholder(tf.float32)
    y = v1.placeholder(tf.float32, [None])
    ops = [
        tf.debugging.assert_rank(x, 1),
        tf.debugging.assert_shapes({x.ref(): ("n",), y.ref(): ("n",)}),
    ]
    session.run(ops, {x: [1.0], y: [2.0]})
    with pytest.raises(ValueError, match="n is 1 elsewhere"):
        session.run(ops[1], {x: [1.0], y: [2.0, 3.0]})
    with pytest.raises(ValueError, match="must have rank 1"):
        session.run(ops[0], {x: 1.0, y: [2.0]})
    with pytest.raises(NotImplementedError, match="unknown rank"):
        tf.debugging.assert_rank_in(x, [1])


def test_a_function_cannot_start_a_run_of_its_own_session():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        w = tf.Variable(1.0)
        session.run(w.initializer)
        op = tf.numpy_function(lambda: session.run(w), [], [])
        for _ in range(3):
            with pytest.raises(tf.errors.OpError, match="inside another run"):
                op.run()


@pytest.mark.parametrize("function", [tf.py_function, tf.numpy_function])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "2.5",
        b"2.5",
        True,
        1j,
        [1.0, 2.0],
        np.float64(2.0),
        np.ma.masked_array([1.0], [True]),
        object(),
        [[1.0], [2.0, 3.0]],
    ],
    ids=repr,
)
def test_what_is_no_promised_value_is_refused_alike(function, value):
    with pytest.raises(tf.errors.InvalidArgumentError, match="returned"):
        function(lambda: value, [], tf.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        result = function(lambda: value, [], tf.float32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="returned"):
            session.run(result)


@pytest.mark.parametrize("function", [tf.py_function, tf.numpy_function])
@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.array(2, ">f4"), [2.0]])
def test_what_can_be_the_promised_value(function, value):
    assert float(function(lambda: value, [], tf.float32)) == 2.0
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        result = function(lambda: value, [], tf.float32)
        assert session.run(result) == 2.0


def test_masked_arrays_are_refused_wherever_they_enter():
    masked = np.ma.masked_array(np.ones(2, np.float32), [False, True])
    for enter in (
        tf.constant,
        tf.Variable,
        tf.function(lambda x: x),
        tf.Variable([0.0, 0.0]).assign,
        lambda x: tf.add(x, 1.0),
    ):
        with pytest.raises(TypeError, match="masked"):
            enter(masked)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [2])
        with pytest.raises(TypeError, match="masked"):
            session.run(x * 2.0, {x: masked})
