"""Each rule: what is left of a small graph, and equal bits for every special value."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY
from graphopt.rewrite.simplify_algebra import RULES
from tests.rewrite.helpers import (
    NEW,
    assert_same_bits,
    build_program,
    op_types,
    rewritten,
    run,
    specials,
)

ONE = np.ones((2, 5), np.float32)


def number(x, value):
    return tf.constant(value, x.dtype)


def negated(x, times):
    for _ in range(times):
        x = tf.negative(x)
    return x


# rule -> (what is built from one float tensor, the op types that are left)
FLOATS = {
    "remove_multiply_by_one": (lambda x: x * 1.0, []),
    "remove_multiply_by_one, left": (lambda x: 1.0 * x, []),
    "remove_multiply_by_one, filled": (lambda x: x * tf.ones((2, 5), x.dtype), []),
    "remove_divide_by_one": (lambda x: x / 1.0, []),
    "multiply_by_exact_reciprocal": (lambda x: x / 8.0, ["Mul"]),
    "multiply_by_exact_reciprocal, negative": (lambda x: x / -0.25, ["Mul"]),
    "multiply_by_exact_reciprocal, row": (
        lambda x: x / tf.constant([1, 2, 4, 0.5, -2], x.dtype),
        ["Mul"],
    ),
    "remove_subtract_zero": (lambda x: x - 0.0, []),
    "remove_add_zero": (lambda x: x + number(x, -0.0), []),
    "remove_add_zero, left": (lambda x: number(x, -0.0) + x, []),
    "remove_power_of_one": (lambda x: x**1.0, []),
    "remove_double_negation": (lambda x: negated(x, 2), []),
    "remove_double_negation, four": (lambda x: negated(x, 4), []),
    "remove_double_negation, three": (lambda x: negated(x, 3), ["Neg"]),
    "remove_idempotent": (lambda x: tf.maximum(x, x), []),
    "remove_idempotent, minimum": (lambda x: tf.minimum(x, x), []),
    "remove_cast_to_same": (lambda x: call(REGISTRY["Cast"], x, dtype=x.dtype), []),
    "remove_same_shape": (lambda x: tf.identity(tf.stop_gradient(x)), []),
    "remove_same_shape, broadcast": (lambda x: tf.broadcast_to(x, (2, 5)), []),
    "remove_same_shape, reshape": (lambda x: tf.reshape(x, (2, 5)), []),
    "remove_reduction_over_nothing": (lambda x: tf.reduce_max(x, axis=[]), []),
    "join_reshapes": (lambda x: tf.reshape(tf.reshape(x, (10,)), (5, 2)), ["Reshape"]),
    "join_reshapes, back": (
        lambda x: tf.squeeze(tf.expand_dims(tf.reshape(x, (10,)), 0)),
        ["Reshape"],
    ),
    "join_reshapes, to nothing": (lambda x: tf.squeeze(tf.expand_dims(x, 1), [1]), []),
    "join_transposes": (lambda x: tf.transpose(tf.transpose(x)), []),
    "join_transposes, nothing moves": (lambda x: tf.transpose(x, [0, 1]), []),
}
BOOLS = {
    "remove_double_not": (lambda c: tf.logical_not(tf.logical_not(c)), []),
    "remove_idempotent, and": (lambda c: tf.logical_and(c, c), []),
    "remove_idempotent, or": (lambda c: tf.logical_or(c, c), []),
}
INTEGERS = {
    "remove_add_zero, integers": (lambda n: n + 0, []),
    "remove_multiply_by_one, integers": (lambda n: n * 1, []),
    "join_casts, integers": (
        lambda n: tf.cast(tf.cast(n, tf.int64), tf.float32),
        ["Cast"],
    ),
    "join_casts, there and back": (
        lambda n: tf.cast(tf.cast(n, tf.float64), tf.int32),
        [],
    ),
    "join_casts, wraps": (lambda n: tf.cast(tf.cast(n, tf.int64), tf.int8), ["Cast"]),
}


def cases():
    flags = np.array([True, False, True])
    whole = np.array([0, 1, -7, 2**31 - 1, -(2**31), 300], np.int32)
    yield from ((*rule, specials(np.float32)) for rule in FLOATS.items())
    yield from ((*rule, specials(np.float64)) for rule in FLOATS.items())
    yield from ((*rule, flags) for rule in BOOLS.items())
    yield from ((*rule, whole) for rule in INTEGERS.items())


def case_ids():
    return [f"{name}, {array.dtype.name}" for name, _, array in cases()]


@pytest.mark.parametrize(("name", "rule", "array"), list(cases()), ids=case_ids())
def test_rule(name, rule, array):
    build, left = rule
    assert op_types(rewritten(build, array)) == left
    assert_same_bits(run(build, array), run(build, array, off=NEW))
    assert_same_bits(run(build, array), run(build, array, jit="never"))


def test_every_rule_is_tested():
    tested = {name.split(",")[0] for name in (*FLOATS, *BOOLS, *INTEGERS)}
    apart = {"remove_equal_branches"}
    assert tested | apart == {rule.name for rule in RULES}


def test_where_with_equal_branches():
    def build(x, y):
        return tf.where(x > y, x, x)

    x, y = specials(), ONE
    assert op_types(rewritten(build, x, y)) == []
    assert_same_bits(run(build, x, y), run(build, x, y, off=NEW))


def test_denormals_are_those_of_the_interpreter_or_flushed():
    x = np.array([1e-40, -1e-42, 1e-38], np.float32)
    for build, _ in (FLOATS["remove_multiply_by_one"], FLOATS["remove_subtract_zero"]):
        interpreted = run(build, x, jit="never")
        for off in ((), NEW):
            got = run(build, x, off=off)
            assert np.all((got == interpreted) | (got == 0))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (), (1, 1)])
def test_empty_and_scalar(shape):
    def build(x):
        y = tf.reshape(negated(x, 2) * 1.0 - 0.0, shape)
        return tf.transpose(tf.transpose(y)) / 4.0

    x = np.full(shape, -0.0, np.float32)
    assert_same_bits(run(build, x), run(build, x, off=NEW))
    assert op_types(rewritten(build, x)) == ["Mul"]


UNTOUCHED = {
    "x + 0.0": lambda x: x + 0.0,
    "0.0 - x": lambda x: 0.0 - x,
    "x - -0.0": lambda x: x - tf.constant(-0.0),
    "x * 0": lambda x: x * 0.0,
    "x - x": lambda x: x - x,
    "x / x": lambda x: x / x,
    "x / 3": lambda x: x / 3.0,
    "x / 2**127": lambda x: x / 2.0**127,
    "x / 2**-149": lambda x: x / 2.0**-149,
    "x / 0": lambda x: x / 0.0,
    "1 / (1 / x)": lambda x: tf.math.reciprocal(tf.math.reciprocal(x)),
    "exp(log(x))": lambda x: tf.exp(tf.math.log(x)),
    "x ** 2": lambda x: x**2.0,
    "x ** 0.5": lambda x: x**0.5,
    "sum over nothing": lambda x: tf.reduce_sum(x, axis=[]),
    "through float16": lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32),
    "through int32": lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32),
    "a larger shape": lambda x: x * tf.ones((3, 2, 5)),
    "a larger one": lambda x: tf.broadcast_to(x, (3, 2, 5)),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_only_looks_the_same_stays(name):
    build = UNTOUCHED[name]
    program = build_program(build, ONE)
    before = [op.type for op in program.graph.operations]
    after = [op.type for op in rewritten(build, ONE).operations]
    kept = [t for t in before if t not in ("Const", "Placeholder", "Fill")]
    assert [t for t in after if t not in ("Const", "Placeholder", "Fill")] == kept


def test_float64_through_float32_stays():
    def build(x):
        return tf.cast(tf.cast(x, tf.float32), tf.float64)

    assert op_types(rewritten(build, specials(np.float64))) == ["Cast", "Cast"]


def test_names_and_lines_are_kept():
    def build(x):
        z = tf.divide(tf.multiply(x, 1.0, name="y"), 2.0, name="z")
        return tf.reshape(tf.reshape(z, [10], name="r"), [5, 2], name="w")

    source = build_program(build, ONE)
    program = rewritten(build, ONE)
    lines = {op.name: str(op.site) for op in source.graph.operations}
    for op in program.operations:
        assert str(op.site) == lines[op.name.removesuffix("/reciprocal")]
    assert [op.name for op in program.operations if op.inputs] == ["z", "w"]


def test_fetched_intermediates_are_right():
    def build(x):
        y = x * 1.0
        z = tf.identity(y) / 4.0
        return [y, z, tf.transpose(tf.transpose(z)), x, negated(x, 2)]

    assert_same_bits(run(build, specials()), run(build, specials(), off=NEW))


def test_control_dependencies_keep_an_op():
    def build(x):
        y = tf.exp(x)
        with tf.control_dependencies([y]):
            return x * 1.0

    assert op_types(rewritten(build, ONE)) == ["Exp", "Mul"]


def test_an_op_that_others_wait_for_hands_that_on():
    def build(x):
        y = tf.exp(x)
        same = y * 1.0
        with tf.control_dependencies([same]):
            return tf.tanh(x)

    program = rewritten(build, ONE)
    assert op_types(program) == ["Exp", "Tanh"]
    exp, tanh = (op for op in program.operations if op.type in ("Exp", "Tanh"))
    assert tanh.control_inputs == (exp,)


def test_side_effects_behind_a_dropped_condition_stay():
    calls = []

    def ask(x):
        calls.append(1)
        return x > 0

    def build(x):
        condition = tf.py_function(ask, [x], tf.bool)
        condition.set_shape(x.shape)
        return tf.where(condition, x, x)

    run(build, ONE)
    assert calls


def test_fetch_of_a_read_behind_an_identity_is_the_value_before_the_write():
    def build():
        v = tf.Variable(np.array([1.0, 2.0], np.float32))
        same = tf.identity(v.read_value()) * 1.0
        return [same, v.assign_add([10.0, 10.0], read_value=False)]

    for times in (1, 3):
        on, off = run(build, times=times), run(build, times=times, off=NEW)
        assert_same_bits(on, off)
        np.testing.assert_array_equal(on[0], np.array([1.0, 2.0]) + 10 * (times - 1))
