"""Fetches that only read: compiled at once where NumPy would take longer than that."""

import graphopt as tf
from graphopt.schedule.work import is_worth_compiling

v1 = tf.compat.v1


def convolve(x):
    return tf.reduce_sum(tf.nn.conv2d(x, tf.ones([5, 5, 1, 32]), 1, "SAME"))


def repeat(rounds):
    def build(x):
        start = (0, x)
        return tf.while_loop(
            lambda i, a: i < rounds, lambda i, a: (i + 1, a * 0.5 + 1.0), start
        )[1]

    return build


def work_of(build, shape):
    with tf.Graph().as_default() as graph:
        build(tf.zeros(shape))
        return is_worth_compiling(graph.get_operations())


def test_sizes_decide():
    assert work_of(convolve, [1000, 28, 28, 1])
    assert not work_of(convolve, [1, 28, 28, 1])
    assert work_of(lambda x: tf.exp(x) @ tf.ones([4000, 4000]), [4000, 4000])
    assert not work_of(lambda x: tf.exp(x) @ tf.ones([40, 40]), [40, 40])


def test_rounds_of_loops_count():
    assert work_of(repeat(100_000), [])
    assert not work_of(repeat(100), [])


def test_loops_without_an_end_in_sight_are_counted_as_some_rounds():
    def until(bound):
        start = (1.0,)
        return lambda x: tf.while_loop(lambda a: a < bound, lambda a: a * 2.0, start)

    for bound in (float("inf"), float("nan")):
        assert not work_of(until(bound), [])


def test_a_heavy_fetch_is_compiled_at_its_first_run():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [])
        heavy, light = repeat(100_000)(x), repeat(10)(x)
        plans = []
        for fetch in (heavy, light):
            session.run(fetch, {x: 1.0})
            (runner,) = [r for r in session._runners.values() if fetch in r.fetches]
            plans += runner.plans.values()
        assert [plan.executable is not None for plan in plans] == [True, False]


def test_other_shapes_are_compiled_at_once_when_there_are_kernels():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        # Too little to compile for one run, but more than planning it again.
        y = tf.reduce_sum(tf.sin(x))
        for size in (400_000, 400_001, 400_002, 10):
            session.run(y, {x: [1.0] * size})
        (runner,) = [r for r in session._runners.values() if y in r.fetches]
        compiled = [plan.executable is not None for plan in runner.plans.values()]
        assert compiled == [False, False, True, False]
