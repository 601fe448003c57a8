"""Branches and loops as jumps of a compiled step."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.lower import lower_operation
from graphopt.config import config
from graphopt.graph.program import Program
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.schedule.build import build_schedule

v1 = tf.compat.v1


@pytest.fixture(params=["never", "always"], autouse=True)
def session(request):
    with tf.Graph().as_default(), config(jit=request.param), v1.Session() as session:
        yield session


def schedule_of(*fetches):
    graph = fetches[0].op.graph
    feeds = [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]
    shapes = tuple(tensor.shape for tensor in feeds)
    program = Program(graph, tuple(feeds), fetches, (), shapes)
    return build_schedule(run_passes(program, PIPELINE), lower_operation)


def host_steps(*fetches):
    schedule = schedule_of(*fetches)
    assert not schedule.interpreted
    return [step.lowered.host for step in schedule.steps if step.lowered.host]


def test_only_the_chosen_branch_runs(session):
    x = v1.placeholder(tf.float32, [4])
    table = tf.constant([1.0, 2.0, 3.0])
    index = tf.cast(x[0], tf.int32)
    # Out of range where the condition does not hold.
    y = tf.cond(
        index < 3,
        lambda: tf.gather(table, index) * x,
        lambda: tf.exp(-x) + 1.0,
    )
    a, b = np.float32([1, 2, 3, 4]), np.float32([7, 2, 3, 4])
    np.testing.assert_allclose(session.run(y, {x: a}), 2.0 * a)
    np.testing.assert_allclose(session.run(y, {x: b}), np.exp(-b) + 1.0, rtol=1e-6)
    assert host_steps(y) == []


def test_outputs_that_are_inputs_constants_or_twice_the_same(session):
    p = v1.placeholder(tf.bool, [])
    x, y = tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])
    square = v1.placeholder(tf.float32, [2])
    a, b, c = tf.cond(
        p,
        lambda: (x, square * square, tf.constant([5.0, 6.0])),
        lambda: [square + 1.0] * 3,
    )
    fetches = [a, b, c, x + y]
    one = session.run(fetches, {p: True, square: [2.0, 3.0]})
    two = session.run(fetches, {p: False, square: [2.0, 3.0]})
    assert [r.tolist() for r in one[:3]] == [[1.0, 2.0], [4.0, 9.0], [5.0, 6.0]]
    assert [r.tolist() for r in two[:3]] == [[3.0, 4.0]] * 3
    assert one[3].tolist() == two[3].tolist() == [4.0, 6.0]


def test_loop_variables_move_all_at_once(session):
    start = (tf.constant(0), tf.constant(0.0), tf.constant(1.0), tf.constant([1.0]))
    _, a, b, c = tf.while_loop(
        lambda i, a, b, c: i < 10, lambda i, a, b, c: (i + 1, b, a + b, c), start
    )
    assert session.run([a, b, c]) == [55.0, 89.0, np.float32([1.0])]
    x, y, z = tf.while_loop(
        lambda x, y, z: x + y + z < 1000, lambda x, y, z: (z * 2, x, y), (1, 2, 3)
    )
    expected = 1, 2, 3
    while sum(expected) < 1000:
        expected = expected[2] * 2, expected[0], expected[1]
    assert tuple(session.run([x, y, z])) == expected
    assert host_steps(a, b, c, x, y, z) == []


@pytest.mark.parametrize("limit", [0, 1, 5, 100])
def test_the_largest_number_of_rounds(session, limit):
    (i,) = tf.while_loop(
        lambda i: i < 20, lambda i: i + 1, [tf.constant(0)], maximum_iterations=limit
    )
    for _ in range(2):
        assert session.run(i) == min(limit, 20)


def test_a_loop_over_products(session):
    m = v1.placeholder(tf.float64, [5, 5])
    _, z = tf.while_loop(
        lambda i, z: i < 30, lambda i, z: (i + 1, tf.tanh(z @ m) + m), (0, m)
    )
    value = np.random.default_rng(1).standard_normal((5, 5))
    expected = value
    for _ in range(30):
        expected = np.tanh(expected @ value) + value
    np.testing.assert_allclose(session.run(z, {m: value}), expected, rtol=1e-11)
    assert host_steps(z) == []


def test_nested(session):
    n = v1.placeholder(tf.int32, [])

    def outer(i, total):
        _, inner = tf.while_loop(
            lambda j, t: j < i,
            lambda j, t: (j + 1, t + tf.cond(j < 3, lambda: j * 10, lambda: -j)),
            (0, total),
        )
        return i + 1, inner

    _, total = tf.while_loop(lambda i, t: i < n, outer, (0, 0))
    for count in (0, 1, 7):
        inner = [j * 10 if j < 3 else -j for i in range(count) for j in range(i)]
        assert session.run(total, {n: count}) == sum(inner)
    assert host_steps(total) == []


def test_what_is_read_in_a_loop_outlives_it(session):
    # Everything that could lie where `x` and `scale` lie is made inside of the loop.
    x = v1.placeholder(tf.float32, [64])
    scale = tf.exp(x)

    def body(i, z):
        a = tf.reduce_sum(z) * 0.01
        b = tf.cumsum(z)
        c = tf.reverse(b, [0]) * scale
        return i + 1, z * 0.5 + c * 1e-3 + a * 1e-3

    _, z = tf.while_loop(lambda i, z: i < 9, body, (0, x * 2.0))
    after = z + scale
    value = np.linspace(-1, 1, 64).astype(np.float32)
    expected = value * 2
    for _ in range(9):
        c = np.cumsum(expected)[::-1] * np.exp(value)
        expected = expected * 0.5 + c * 1e-3 + expected.sum() * 1e-5
    np.testing.assert_allclose(
        session.run(after, {x: value}), expected + np.exp(value), rtol=1e-4
    )


def test_training_through_a_branch(session):
    v = tf.Variable([3.0, -2.0])
    optimizer = tf.keras.optimizers.SGD(0.1)
    loss = tf.cond(
        tf.reduce_sum(v) > 0.0,
        lambda: tf.reduce_sum(v * v),
        lambda: tf.reduce_sum(tf.abs(v)),
    )
    train = optimizer.minimize(loss, [v])
    session.run(v1.global_variables_initializer())
    expected = np.float32([3.0, -2.0])
    for _ in range(20):
        grad = 2 * expected if expected.sum() > 0 else np.sign(expected)
        expected = expected - np.float32(0.1) * grad
    session.run_steps(train, 20)
    np.testing.assert_allclose(session.run(v), expected, rtol=1e-5, atol=1e-6)


def test_assignments_inside(session):
    v = tf.Variable(1.0)
    x = v1.placeholder(tf.float32, [])
    done = tf.cond(x > 0, lambda: v.assign_add(x), lambda: v.assign(v * 2.0))
    session.run(v.initializer)
    assert [session.run(done, {x: n}) for n in (1.0, -1.0, 3.0)] == [2.0, 4.0, 7.0]


def test_an_error_inside_names_the_op_and_changes_nothing(session):
    table = tf.constant([1.0, 2.0, 3.0])
    v = tf.Variable(0.0)
    n = v1.placeholder(tf.int32, [])
    _, total = tf.while_loop(
        lambda i, t: i < n,
        lambda i, t: (i + 1, t + tf.gather(table, i, name="the_gather")),
        (0, 0.0),
    )
    add = v.assign_add(total)
    session.run(v.initializer)
    assert session.run(add, {n: 3}) == 6.0
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(add, {n: 5})
    assert "the_gather" in str(caught.value)
    assert "test_control_flow.py" in str(caught.value)
    assert session.run(v) == 6.0
    assert session.run(add, {n: 2}) == 9.0


def test_a_loop_that_never_ends_can_be_interrupted(session):
    v = tf.Variable(1.0)
    (endless,) = tf.while_loop(lambda i: i >= 0, lambda i: i * 0, [tf.constant(0)])
    with tf.control_dependencies([endless]):
        add = v.assign_add(1.0)
    session.run(v.initializer)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            session.run(add)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 60
    assert session.run(v) == 1.0
    assert session.run(v.assign_add(1.0)) == 2.0


def test_many_rounds_are_paused_and_go_on(session):
    n = 30_000
    _, total = tf.while_loop(
        lambda i, t: i < n,
        lambda i, t: (i + 1, t + tf.cast(i, tf.int64)),
        (tf.constant(0), tf.constant(0, tf.int64)),
    )
    assert session.run(total) == n * (n - 1) // 2


def test_what_has_no_kernel_runs_on_the_host(session):
    x = v1.placeholder(tf.float32, [5])
    y = tf.cond(x[0] > 0, lambda: tf.sort(x), lambda: x)
    value = np.float32([3, 1, 2, -5, 0])
    np.testing.assert_array_equal(session.run(y, {x: value}), np.sort(value))
    (grown,) = tf.while_loop(
        lambda z: tf.shape(z)[0] < 40,
        lambda z: tf.concat([z, z], 0),
        [x],
        shape_invariants=[tf.TensorShape([None])],
    )
    assert session.run(grown, {x: value}).shape == (40,)


def loop_gradient(x, w, n):
    """The gradients of a recurrence, by the loop and by a Python loop in the graph."""

    def step(z):
        return tf.tanh(tf.matmul(z, w)) + 0.1 * z

    _, z = tf.while_loop(lambda i, z: i < n, lambda i, z: (i + 1, step(z)), (0, x))
    return tf.gradients(tf.reduce_sum(z * z), [x, w])


def test_the_gradient_of_a_loop(session):
    x = v1.placeholder(tf.float64, [3, 4])
    w = v1.placeholder(tf.float64, [4, 4])
    n = v1.placeholder(tf.int32, [])
    grads = loop_gradient(x, w, n)
    rng = np.random.default_rng(0)
    values = {x: rng.standard_normal((3, 4)), w: rng.standard_normal((4, 4)) * 0.5}
    # More rounds than the stack has room for at first, then fewer.
    for rounds in (0, 1, 5, 100, 3):
        z = x
        for _ in range(rounds):
            z = tf.tanh(tf.matmul(z, w)) + 0.1 * z
        wanted = tf.gradients(tf.reduce_sum(z * z), [x, w])
        got = session.run(grads, {**values, n: rounds})
        expected = session.run([g for g in wanted if g is not None], values)
        for a, b in zip(got, expected, strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        if rounds == 0:
            np.testing.assert_array_equal(got[1], np.zeros((4, 4)))
    assert host_steps(*grads) == []


def test_training_through_a_loop(session):
    rng = np.random.default_rng(1)
    x = tf.constant(rng.standard_normal((8, 3)).astype(np.float32))
    w = tf.Variable(rng.standard_normal((3, 3)).astype(np.float32) * 0.3)
    v = tf.Variable(w.initialized_value())

    def loss_of(variable, loop):
        if loop:
            _, z = tf.while_loop(
                lambda i, z: i < 7,
                lambda i, z: (i + 1, tf.tanh(tf.matmul(z, variable))),
                (0, x),
                maximum_iterations=20,
            )
        else:
            z = x
            for _ in range(7):
                z = tf.tanh(tf.matmul(z, variable))
        return tf.reduce_mean(tf.square(z - 0.3))

    one, two = tf.keras.optimizers.Adam(0.01), tf.keras.optimizers.Adam(0.01)
    looped = one.minimize(loss_of(w, True), [w])
    unrolled = two.minimize(loss_of(v, False), [v])
    session.run(v1.global_variables_initializer())
    session.run_steps(looped, 30)
    session.run_steps(unrolled, 30)
    np.testing.assert_allclose(session.run(w), session.run(v), rtol=2e-4, atol=2e-5)
    assert np.abs(session.run(w) - session.run(w.initialized_value())).max() >= 0


def test_the_gradient_of_a_loop_with_variables_that_are_not_floats(session):
    x = v1.placeholder(tf.float32, [5])
    scale = v1.placeholder(tf.float32, [])

    def body(i, flag, z, unused):
        return i + 1, tf.logical_not(flag), tf.where(flag, z * scale, z + 1.0), unused

    start = (0, tf.constant(True), x, tf.constant([1, 2, 3]))
    z = tf.while_loop(lambda i, *_: i < 6, body, start)[2]
    dx, ds = tf.gradients(tf.reduce_sum(z), [x, scale])
    value = np.arange(5, dtype=np.float32)
    got = session.run([dx, ds], {x: value, scale: 2.0})
    np.testing.assert_allclose(got[0], np.full(5, 8.0))
    s, eps = 2.0, 1e-3

    def run(s):
        z = value.astype(np.float64)
        for i in range(6):
            z = z * s if i % 2 == 0 else z + 1.0
        return z.sum()

    np.testing.assert_allclose(got[1], (run(s + eps) - run(s - eps)) / (2 * eps), 1e-4)
    assert host_steps(dx, ds) == []
