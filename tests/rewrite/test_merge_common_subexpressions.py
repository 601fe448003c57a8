"""Equal pure ops become one; whatever has an effect, or might differ, does not."""

from __future__ import annotations

import time

import numpy as np
import pytest

import graphopt as tf
from graphopt.dtypes import float32, float64
from graphopt.graph.shape import TensorShape
from graphopt.rewrite.merge_common_subexpressions import (
    attribute_key,
    merge_common_subexpressions,
)
from tests.rewrite.helpers import (
    NEW,
    assert_same_bits,
    build_program,
    op_types,
    rewritten,
    run,
    specials,
)

X = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def test_equal_ops_become_one():
    def build(x):
        return [tf.exp(x) + tf.tanh(x), tf.exp(x) + tf.tanh(x), tf.exp(x)]

    assert op_types(rewritten(build, X)) == ["Exp", "Tanh", "AddV2"]
    assert_same_bits(run(build, specials()), run(build, specials(), off=NEW))


def test_the_first_keeps_its_name_and_line():
    def build(x):
        return [tf.exp(x, name="first"), tf.exp(x, name="second")]

    source, program = build_program(build, X), rewritten(build, X)
    assert program.fetches[0] is program.fetches[1]
    assert program.fetches[0].op.name == "first"
    assert str(program.fetches[0].op.site) == str(source.fetches[0].op.site)


def test_ops_with_several_outputs():
    def build(x):
        a, b = tf.split(x, 2), tf.split(x, 2)
        return [a[0] + b[1], a[0], b[0]]

    assert op_types(rewritten(build, X)) == ["SplitV", "AddV2"]
    assert_same_bits(run(build, X), run(build, X, off=NEW))


DIFFERENT = {
    "input": lambda x: [tf.exp(x), tf.exp(x + x)],
    "order of inputs": lambda x: [x - tf.exp(x), tf.exp(x) - x],
    "type": lambda x: [tf.exp(x), tf.tanh(x)],
    "attributes": lambda x: [tf.reduce_max(x, axis=0), tf.reduce_max(x, axis=1)],
    "dtype of a cast": lambda x: [tf.cast(x, tf.float64), tf.cast(x, tf.int32)],
    "sign of zero": lambda x: [x * 0.0, x * -0.0],
    "dtype of a constant": lambda x: [
        tf.cast(x, tf.int32) * 2,
        tf.cast(x, tf.int64) * tf.constant(2, tf.int64),
    ],
    "shape of a constant": lambda x: [
        x * tf.constant([[2.0, 2.0]]),
        x * tf.constant([[2.0], [2.0]]),
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_ops_stay(name):
    build = DIFFERENT[name]
    got = run(build, X)
    assert_same_bits(got, run(build, X, off=NEW))
    program = rewritten(build, X)
    assert program.fetches[0] is not program.fetches[1]


def test_equal_constants_become_one_by_their_bits():
    def build(x):
        nan = np.float32(np.nan)
        return [x * nan, x + nan, x * np.float32(-0.0), x + np.float32(0.0)]

    program = rewritten(build, X)
    values = [op.attrs["value"] for op in program.operations if op.type == "Const"]
    assert len(values) == 3


def test_attribute_keys():
    same = [
        (np.array([np.nan]), np.array([np.nan])),
        (float("nan"), float("nan")),
        ((1, (2, None)), (1, (2, None))),
        (TensorShape([2, None]), TensorShape([2, None])),
        ({"a": [1]}, {"a": [1]}),
        (slice(1, None, 2), slice(1, None, 2)),
        (2**70, 2**70),
        (float32, float32),
    ]
    other = [
        (np.array([0.0]), np.array([-0.0])),
        (0.0, -0.0),
        (1, True),
        (1, 1.0),
        (np.float32(1), np.float64(1)),
        ((1, 2), [1, 2]),
        ((), None),
        (TensorShape([2]), TensorShape(None)),
        (TensorShape([]), TensorShape(None)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (np.zeros(2, np.int32), np.zeros(1, np.int64)),
        (float32, float64),
        (lambda: 1, lambda: 1),
        (object(), object()),
    ]
    for a, b in same:
        assert attribute_key(a) == attribute_key(b)
        assert hash(attribute_key(a)) == hash(attribute_key(b))
    for a, b in other:
        assert attribute_key(a) != attribute_key(b), (a, b)
    body = object()
    assert attribute_key({"body": body}) == attribute_key({"body": body})


def test_broadcasts_stay_apart_and_their_users_become_one():
    def build(x):
        return [tf.exp(tf.broadcast_to(x, (3, 2, 2))) for _ in range(2)]

    assert op_types(rewritten(build, X)) == ["BroadcastTo", "Exp"]

    def apart(x):
        total = tf.reduce_sum(tf.broadcast_to(x, (3, 2, 2)))
        return [total, total + tf.broadcast_to(x, (3, 2, 2))]

    assert op_types(rewritten(apart, X)).count("BroadcastTo") == 2
    assert_same_bits(run(apart, X), run(apart, X, off=NEW))


def test_random_ops_are_two_draws():
    def build():
        return [tf.random.uniform((3,), seed=5), tf.random.uniform((3,), seed=6)]

    first, second = run(build)
    assert not np.array_equal(first, second)
    assert op_types(rewritten(build)).count("RandomUniform") == 2

    def same_seed():
        return [tf.random.uniform((3,), seed=5), tf.random.uniform((3,), seed=5)]

    assert op_types(rewritten(same_seed)).count("RandomUniform") == 2
    assert_same_bits(run(build), run(build, off=NEW))


def test_host_steps_run_as_often_as_they_are_asked_for():
    calls = []

    def count(x):
        calls.append(1)
        return x

    def build(x):
        asked = [tf.py_function(count, [x], tf.float32) for _ in range(2)]
        return [asked[0] + 0.0, asked[1] + 0.0]

    run(build, X)
    assert len(calls) == 2


def variable():
    return tf.Variable(X, name="v")


def test_reads_of_one_version_become_one():
    def build():
        v = variable()
        return [v.read_value() * 2.0 + v.read_value()]

    assert op_types(rewritten(build)).count("ReadVariableOp") == 1


def test_reads_before_and_after_a_write_stay_two():
    def build():
        v = variable()
        before = v.read_value() * 2.0
        with tf.control_dependencies([v.assign_add(X, read_value=False)]):
            after = v.read_value() * 2.0
            again = v.read_value() * 2.0
        return [before, after, again]

    program = rewritten(build)
    assert op_types(program).count("ReadVariableOp") == 2
    assert program.fetches[1] is program.fetches[2]
    for times in (1, 2, 3):
        on, off = run(build, times=times), run(build, times=times, off=NEW)
        assert_same_bits(on, off)
        np.testing.assert_array_equal(on[1], on[0] + 2 * X)


def test_reads_that_copy_and_reads_that_do_not_stay_two():
    def build():
        v = variable()
        kept = v.read_value()
        used = tf.reduce_sum(v.read_value())
        return [kept, used, v.assign_add(X, read_value=False)]

    program = rewritten(build)
    reads = [op for op in program.operations if op.type == "ReadVariableOp"]
    assert sorted(op.attrs["copy"] for op in reads) == [False, True]
    for times in (1, 3):
        assert_same_bits(run(build, times=times), run(build, times=times, off=NEW))


def test_two_writes_stay_two():
    def build():
        v = variable()
        v_reads = [v.assign_add(X, read_value=False) for _ in range(2)]
        with tf.control_dependencies(v_reads):
            return v.read_value() * 1.0

    assert op_types(rewritten(build)).count("AssignAddVariableOp") == 2
    np.testing.assert_array_equal(run(build), 3 * X)


def test_control_inputs_are_part_of_an_op():
    def build(x):
        v = variable()
        write = v.assign_add(X, read_value=False)
        with tf.control_dependencies([write]):
            waits = tf.exp(x)
        return [tf.exp(x), waits]

    program = rewritten(build, X)
    assert op_types(program).count("Exp") == 2
    free, waits = (tensor.op for tensor in program.fetches)
    assert not free.control_inputs
    assert [op.type for op in waits.control_inputs] == ["AssignAddVariableOp"]


def test_those_who_wait_for_a_merged_op_wait_for_the_one_that_is_left():
    def build(x):
        tf.exp(x)
        twin = tf.exp(x)
        with tf.control_dependencies([twin]):
            return [tf.tanh(x), tf.exp(x)]

    program = rewritten(build, X)
    tanh = program.fetches[0].op
    assert [op.type for op in tanh.control_inputs] == ["Exp"]
    assert_same_bits(run(build, X), run(build, X, off=NEW))


def test_loops_with_bodies_of_their_own_stay_two():
    def build(x):
        return [
            tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * k), (0, x))[1]
            for k in (2.0, 3.0)
        ]

    assert_same_bits(run(build, X), [X * 8, X * 27])


def test_gradients_share_what_they_can():
    def build(x):
        y = tf.tanh(x) * tf.tanh(x)
        return [y, *tf.gradients(y, [x]), *tf.gradients(y, [x])]

    assert_same_bits(run(build, X), run(build, X, off=NEW))
    program = rewritten(build, X)
    assert program.fetches[1] is program.fetches[2]


def test_a_chain_of_many_ops_takes_no_square_of_the_time():
    count = 16_000

    def build(x):
        y = x
        for _ in range(count // 2):
            y = tf.tanh(y) + tf.tanh(y)
        return y

    program = build_program(build, X)
    start = time.perf_counter()
    after = merge_common_subexpressions.function(program)
    # It takes a quarter of a second; comparing all with all would take minutes.
    assert time.perf_counter() - start < 20
    assert len(after.operations) == 1 + 2 * (count // 2)
