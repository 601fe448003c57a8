"""Several steps in one call."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1


@pytest.fixture(params=["never", "always"], autouse=True)
def session(request):
    with tf.Graph().as_default(), config(jit=request.param), v1.Session() as session:
        yield session


def test_equals_single_steps(session):
    w, v = tf.Variable([3.0, -1.0]), tf.Variable([3.0, -1.0])
    one, two = tf.keras.optimizers.Adam(0.1), tf.keras.optimizers.Adam(0.1)
    loss = tf.reduce_sum(w * w)
    many = one.minimize(loss, [w])
    single = two.minimize(lambda: tf.reduce_sum(v * v), [v])
    session.run(v1.global_variables_initializer())
    for n in (1, 2, 300):
        got = session.run_steps([loss, many], n)
        for _ in range(n):
            session.run(single)
        np.testing.assert_array_equal(session.run(w), session.run(v))
        assert got[1] is None
    assert session.run(one.iterations) == 303


def test_returns_what_the_last_step_returns(session):
    v = tf.Variable(0.0)
    add = v.assign_add(1.0)
    session.run(v.initializer)
    assert session.run_steps([v, add], 1000) == [999.0, 1000.0]


def test_rows_and_iterators(session):
    x = v1.placeholder(tf.float32, [None])
    scale = v1.placeholder(tf.float32, [])
    v = tf.Variable(0.0)
    step = v.assign_add(tf.reduce_sum(x) * scale)
    session.run(v.initializer)
    rows = np.arange(6.0).reshape(3, 2)
    assert session.run_steps(step, 3, {scale: 2.0}, {x: rows}) == 30.0
    batches = iter([[1.0], [1.0, 1.0], [3.0]])
    assert session.run_steps(step, 3, {scale: 1.0}, {x: batches}) == 36.0


def test_a_step_that_fails_leaves_those_before_it(session):
    count = tf.Variable(0)
    ids = tf.Variable([0.0, 1.0, 2.0])
    picked = tf.gather(ids, count)
    step = tf.group(count.assign_add(1, read_value=False), picked)
    session.run(v1.global_variables_initializer())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"3 is not in \[0, 3"):
        session.run_steps(step, 10)
    assert session.run(count) == 3


def test_mistakes(session):
    x = v1.placeholder(tf.float32, [])
    y = x * 2.0
    with pytest.raises(ValueError, match="positive number of steps"):
        session.run_steps(y, 0)
    with pytest.raises(ValueError, match=r"got 2 rows.*test_run_steps"):
        session.run_steps(y, 3, feeds={x: [1.0, 2.0]})


def test_host_steps_run_in_every_step(session):
    seen = []
    v = tf.Variable(1.0)
    y = tf.numpy_function(lambda a: seen.append(float(a)) or a, [v * 2.0], tf.float32)
    with tf.control_dependencies([y]):
        step = v.assign_add(1.0)
    session.run(v.initializer)
    session.run_steps(step, 3)
    assert seen == [2.0, 4.0, 6.0]


def test_every_step_is_fed_its_own_row(session):
    w = tf.Variable(tf.zeros([4, 3]))
    x = v1.placeholder(tf.float32, [None, 4])
    y = v1.placeholder(tf.float32, [None, 3])
    loss = tf.reduce_mean(tf.math.squared_difference(tf.matmul(x, w), y))
    train = tf.keras.optimizers.Adam(0.01).minimize(loss, [w])
    session.run(v1.global_variables_initializer())
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((100, 8, 4)).astype(np.float32)
    ys = rng.standard_normal((100, 8, 3)).astype(np.float32)
    start = session.run(w)
    for a, b in zip(xs, ys, strict=True):
        expected = session.run([loss, train, w], {x: a, y: b})
    w.load(start, session)
    # The optimizer's state goes on, so compare with a second pass of single steps.
    again = v1.Session(graph=session.graph)
    with again:
        again.run(v1.global_variables_initializer())
        got = again.run_steps([loss, train, w], 100, feeds={x: xs, y: ys})
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[2], expected[2])


def test_rows_that_are_no_contiguous_array(session):
    x = v1.placeholder(tf.float32, [None])
    v = tf.Variable(0.0)
    add = v.assign_add(tf.reduce_sum(x))
    session.run(v.initializer)
    table = np.arange(60, dtype=np.int64).reshape(6, 10)
    assert session.run_steps(add, 10, feeds={x: table.T}) == table.sum()
    assert session.run_steps(add, 5, feeds={x: table.T[::2]}) > table.sum()


def test_rows_of_an_iterator_may_change_their_shape(session):
    x = v1.placeholder(tf.float32, [None])
    v = tf.Variable(0.0)
    add = v.assign_add(tf.reduce_sum(x))
    session.run(v.initializer)
    rows = (np.ones(1 + i // 70, np.float32) for i in range(200))
    assert session.run_steps(add, 200, feeds={x: rows}) == 70 + 140 + 180
    with pytest.raises(ValueError, match="after 3 values"):
        session.run_steps(add, 4, feeds={x: iter([[1.0]] * 3)})


def test_a_step_of_scalars_is_one_kernel(session):
    a, b = tf.Variable(2.0), tf.Variable(5.0)
    optimizer = tf.keras.optimizers.SGD(0.1)
    train = optimizer.minimize(3 * a * a + 2 * b * b, [a, b])
    session.run(v1.global_variables_initializer())
    session.run_steps(train, 7)
    steps = optimizer.iterations
    values = np.float32([2.0, 5.0])
    for _ in range(7):
        values -= np.float32(0.1) * (np.float32([6.0, 4.0]) * values)
    assert session.run(steps) == 7
    np.testing.assert_allclose(session.run([a, b]), values, rtol=1e-6)
