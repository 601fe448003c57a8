"""`tf.TensorArray`: in eager mode, in graphs, in loops and in traced functions."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
JIT = pytest.mark.parametrize("jit", ["never", "always"])
X = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)


def recurrence(x, w, size, **keywords):
    """States of a small recurrent network, kept in an array."""
    inputs = tf.TensorArray(tf.float32, size=size).unstack(x)
    states = tf.TensorArray(tf.float32, size=size, **keywords)

    def body(t, h, inputs, states):
        h = tf.tanh(tf.matmul(inputs.read(t) + h, w))
        return t + 1, h, inputs, states.write(t, h)

    start = (0, tf.zeros_like(x[0]), inputs, states)
    *_, states = tf.while_loop(lambda t, *_: t < size, body, start)
    return states.stack()


def eager_result():
    x, w = tf.constant(X), tf.constant(W)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        loss = tf.reduce_sum(recurrence(x, w, 6) ** 2)
    return [t.numpy() for t in (loss, *tape.gradient(loss, [x, w]))]


@JIT
@pytest.mark.parametrize("batch", [2, None])
@pytest.mark.parametrize("steps", [6, None])
def test_a_loop_writes_rows_and_has_derivatives(jit, batch, steps):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x = v1.placeholder(tf.float32, [steps, batch, 3])
        w = v1.placeholder(tf.float32, [3, 3])
        size = 6 if steps else tf.shape(x)[0]
        loss = tf.reduce_sum(recurrence(x, w, size) ** 2)
        fetches = [loss, *tf.gradients(loss, [x, w])]
        plan = session.plan(fetches, {x: X, w: W})
        assert not plan.interpreted
        assert not any(step.kernel == "HOST" for step in plan.steps)
        found = session.run(fetches, {x: X, w: W})
    for got, want in zip(found, eager_result(), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


def moved_in_rounds(build, steps):
    """The bytes that the largest step inside of the loops of a plan writes."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [steps, 2, 3])
        loss = tf.reduce_sum(build(x, steps))
        fetches = [loss, *tf.gradients(loss, [x])]
        plan = session.plan(fetches, {x: np.zeros((steps, 2, 3))})
        schedule = next(iter(session._runners.values())).plans
        (schedule,) = [p.schedule for p in schedule.values()]
    assert not plan.interpreted
    places = sorted(schedule.labels)
    inside = []
    # A loop ends where a step jumps back to a label in front of it.
    for i, step in enumerate(schedule.steps):
        for call in step.lowered.calls:
            for argument in call.arguments:
                if getattr(argument, "place", "") == "label":
                    begin = schedule.labels[argument.index]
                    if begin < i:
                        inside.append((begin, i))
    assert inside and places
    # What is written in place moves a row; everything else all that it writes.
    sizes = [
        out.nbytes
        for begin, end in inside
        for step in schedule.steps[begin:end]
        for out in step.outputs
        if not any(out is given for given in step.inputs)
    ]
    return max(sizes)


def by_index(x, steps):
    """The same with gather and scatter of a plain tensor."""
    w = tf.constant(W)

    def body(t, h, out):
        h = tf.tanh(tf.matmul(tf.gather(x, t) + h, w))
        out = tf.tensor_scatter_nd_update(out, [[t]], h[None])
        return t + 1, h, out

    start = (0, tf.zeros([2, 3]), tf.zeros([steps, 2, 3]))
    return tf.while_loop(lambda t, *_: t < steps, body, start)[2]


@pytest.mark.parametrize(
    "build", [lambda x, steps: recurrence(x, tf.constant(W), steps), by_index]
)
def test_no_round_touches_more_than_its_row(build):
    # Of a longer sequence a round copies and computes no more.
    assert moved_in_rounds(build, 50) == moved_in_rounds(build, 200)


@JIT
def test_a_write_leaves_the_old_array_in_a_graph(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        first = tf.TensorArray(tf.float32, 2).write(0, [1.0, 2.0])
        second = first.write(0, [3.0, 4.0]).write(1, first.read(0) + 10.0)
        got = session.run([first.stack(), second.stack()])
    np.testing.assert_array_equal(got[0], [[1, 2], [0, 0]])
    np.testing.assert_array_equal(got[1], [[3, 4], [11, 12]])


@JIT
def test_reads_after_a_write_of_the_same_round_see_the_old_value(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        array = tf.TensorArray(tf.float32, 3).unstack([1.0, 2.0, 3.0])

        def body(t, array, total):
            changed = array.write(t, 10.0 * array.read(t))
            return t + 1, changed, total + array.read(t)

        _, array, total = tf.while_loop(lambda t, *_: t < 3, body, (0, array, 0.0))
        got = session.run([array.stack(), total])
    np.testing.assert_array_equal(got[0], [10, 20, 30])
    assert got[1] == 6


@JIT
def test_dynamic_size_in_a_loop_and_its_derivative(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        n, x = v1.placeholder(tf.int32, []), v1.placeholder(tf.float32, [2])
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True)

        def body(t, array):
            return t + 1, array.write(t, x * tf.cast(t + 1, tf.float32))

        _, array = tf.while_loop(lambda t, _: t < n, body, (0, array))
        stacked = array.stack()
        fetches = [stacked, array.size(), tf.gradients(stacked * stacked, [x])[0]]
        got = session.run(fetches, {n: 3, x: [1, 2]})
    np.testing.assert_array_equal(got[0], [[1, 2], [2, 4], [3, 6]])
    assert got[1] == 3
    np.testing.assert_array_equal(got[2], [2 * 14, 4 * 14])


@JIT
def test_branches_return_arrays(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        p = v1.placeholder(tf.bool, [])
        array = tf.TensorArray(tf.float32, 2)
        array = tf.cond(p, lambda: array.write(1, [5.0]), lambda: array)
        stacked = array.stack()
        assert session.run(stacked, {p: True}).tolist() == [[0], [5]]
        assert session.run(stacked, {p: False}).tolist() == [[0], [0]]


@JIT
def test_nested_loops_share_an_array(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:

        def outer(i, array):
            def inner(j, array):
                return j + 1, array.write(2 * i + j, tf.stack([i, j]))

            _, array = tf.while_loop(lambda j, _: j < 2, inner, (0, array))
            return i + 1, array

        array = tf.TensorArray(tf.int32, 4)
        _, array = tf.while_loop(lambda i, _: i < 2, outer, (0, array))
        got = session.run(array.stack())
    np.testing.assert_array_equal(got, [[0, 0], [0, 1], [1, 0], [1, 1]])


def methods(array_of):
    """What every method returns, eager or in a graph."""
    x = tf.constant(np.arange(12.0).reshape(3, 2, 2))
    out = {
        "stack": array_of(3).unstack(x).stack(),
        "concat": array_of(3).unstack(x).concat(),
        "gather": array_of(3).unstack(x).gather([2, 0]),
        "size": array_of(3).unstack(x).size(),
        "scatter": array_of(3).scatter([2, 0, 1], x).stack(),
        "split": array_of(2).split(tf.reshape(x, [6, 2]), [3, 3]).stack(),
        "identity": array_of(3).unstack(x).identity().read(1),
        "unwritten": array_of(2).write(1, x[0]).stack(),
    }
    array_of(1).close()
    return out


def test_methods_agree_in_both_modes():
    def array_of(size):
        return tf.TensorArray(tf.float64, size, clear_after_read=False)

    eager = {name: t.numpy() for name, t in methods(array_of).items()}
    with tf.Graph().as_default(), v1.Session() as session:
        graph = session.run(methods(array_of))
    for name, value in eager.items():
        np.testing.assert_array_equal(graph[name], value, err_msg=name)
    assert eager["concat"].shape == (6, 2) and eager["split"].shape == (2, 3, 2)
    np.testing.assert_array_equal(eager["scatter"][2].ravel(), [0, 1, 2, 3])


def test_traced_functions():
    @tf.function
    def squares(x):
        array = tf.TensorArray(tf.float32, 3)
        for i in range(3):
            array = array.write(i, x[i] ** 2)
        return array.stack()

    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = squares(x)
    np.testing.assert_array_equal(y.numpy(), [1, 4, 9])
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [2, 4, 6])


@JIT
def test_an_element_that_is_not_there(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        i = v1.placeholder(tf.int32, [])
        array = tf.TensorArray(tf.float32, 2).unstack([1.0, 2.0])
        with pytest.raises(tf.errors.OutOfRangeError, match="read from index 2 but"):
            session.run(array.read(i), {i: 2})
        with pytest.raises(IndexError, match="write to index -1 but array size is: 2"):
            session.run(array.write(i, 0.0).stack(), {i: -1})


def test_errors_in_eager_mode():
    array = tf.TensorArray(tf.float32, 2)
    with pytest.raises(IndexError, match="write to index 2 but array size is: 2"):
        array.write(2, 1.0)
    array = array.write(0, 1.0)
    assert array.read(0).numpy() == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="twice because it was"):
        array.read(0)
    with pytest.raises(ValueError, match="Inconsistent shapes"):
        array.write(1, [1.0, 2.0])
    with pytest.raises(TypeError, match="dtype is float32 but an element has"):
        array.write(1, tf.constant(1))
    with pytest.raises(ValueError, match="unstack 3 elements into a TensorArray"):
        tf.TensorArray(tf.float32, 2).unstack([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Size must be provided"):
        tf.TensorArray(tf.float32)
    grown = tf.TensorArray(tf.float32, 0, dynamic_size=True).write(2, 7.0)
    np.testing.assert_array_equal(grown.stack().numpy(), [0, 0, 7])


@JIT
@pytest.mark.parametrize("make", [tf.zeros, tf.ones, lambda s: tf.fill(s, 2.5)])
def test_sizes_that_follow_from_shapes_are_known_in_a_plan(jit, make):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None])
        n, m = tf.shape(x)[0], tf.shape(x)[1]
        y = make([n * 2, 3, m + 1]) + make(
            tf.concat([[1], [3], tf.shape(x)[1:] + 1], 0)
        )
        assert y.shape.as_list() == [None, 3, None]
        plan = session.plan(y, {x: np.zeros((2, 4))})
        assert not plan.interpreted and not any(s.kernel == "HOST" for s in plan.steps)
        got = session.run(y, {x: np.zeros((2, 4))})
        assert got.shape == (4, 3, 5)
        np.testing.assert_array_equal(got, 2 * make([4, 3, 5]).eval())


def test_sizes_that_only_data_decide():
    with tf.Graph().as_default(), v1.Session() as session:
        n = v1.placeholder(tf.int32, [])
        assert session.run(tf.zeros([n, 2]), {n: 3}).shape == (3, 2)


def test_a_range_up_to_a_size_is_known_in_a_plan():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        n = tf.shape(x)[0]
        last = tf.gather(tf.reshape(x, [-1]), tf.range(0, n) * 3 + 2)
        plan = session.plan(last, {x: np.zeros((2, 3))})
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
        got = session.run(last, {x: [[1, 2, 3], [4, 5, 6]]})
    np.testing.assert_array_equal(got, [3, 6])
