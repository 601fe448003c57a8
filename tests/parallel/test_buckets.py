"""The passes that put reductions into buckets and let a step compute meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.graph.dispatch import call
from graphopt.graph.effects import handles_written
from graphopt.graph.hooks import hooks
from graphopt.graph.program import Program
from graphopt.ops.collectives import (
    ALL_GATHER,
    ALL_REDUCE,
    ALL_REDUCE_START,
    ALL_REDUCE_WAIT,
    STEP_HEADER,
)
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.runtime.runner import lower_program

TWO = {"group": 0, "size": 2}


class Group:
    """What passes and lowering ask of a communicator."""

    bucket_bytes = 4096
    sends_parts = False
    terms = 2


@pytest.fixture(autouse=True)
def two_ranks():
    before, hooks.communicator = hooks.communicator, lambda group: Group()
    yield
    hooks.communicator = before


def layers(count, width=32, **options):
    """A step of several layers on one of two ranks."""
    x = tf.compat.v1.placeholder(tf.float32, [8, width])
    variables = [tf.Variable(np.eye(width, dtype=np.float32)) for _ in range(count)]
    h = x
    for v in variables:
        h = tf.nn.relu(tf.matmul(h, v))
    with aggregating(Aggregation(0, 2, mean=True)):
        optimizer = tf.keras.optimizers.Adam(0.1, **options)
        train = optimizer.minimize(tf.reduce_mean(h * h), variables)
    return Program(train.graph, (x,), (), (train,), (tf.TensorShape([8, width]),))


def rewritten(program):
    return run_passes(program, PIPELINE)


def kinds(program):
    return [op.spec for op in program.operations]


def test_reductions_travel_in_buckets_and_are_begun_early():
    with tf.Graph().as_default():
        program = rewritten(layers(6))
    ops = list(program.operations)
    exchanged = [op for op in ops if "group" in op.attrs]
    assert exchanged[0].spec is STEP_HEADER
    assert ALL_REDUCE not in kinds(program)
    starts = [op for op in ops if op.spec is ALL_REDUCE_START]
    waits = [op for op in ops if op.spec is ALL_REDUCE_WAIT]
    # One matrix of 4 KiB fills a bucket, and the first one is no smaller than that.
    assert len(starts) == len(waits) == 6
    # The last layer's gradient is on its way while the others are computed.
    place = {op: i for i, op in enumerate(ops)}
    products = [i for i, op in enumerate(ops) if op.type == "MatMul"]
    assert place[starts[0]] < products[-1]
    for start in starts:
        behind = max(place[tensor.op] for tensor in start.inputs)
        between = ops[behind + 1 : place[start]]
        assert all(op.spec is ALL_REDUCE_START for op in between), between
    first_write = min(i for i, op in enumerate(ops) if handles_written(op))
    assert max(place[op] for op in waits) < first_write
    assert max(map(place.get, starts)) < min(map(place.get, waits))


def test_small_gradients_share_a_bucket():
    with tf.Graph().as_default():
        program = rewritten(layers(5, width=8))
    starts = [op for op in program.operations if op.spec is ALL_REDUCE_START]
    assert [len(op.inputs) for op in starts] == [4, 1]


def test_gradients_are_computed_where_they_travel():
    with tf.Graph().as_default():
        schedule = lower_program(rewritten(layers(3, width=8)))
    steps = [step for step in schedule.steps if step.op.spec is ALL_REDUCE_START]
    for step in steps:
        # No call copies: the only one posts the job.
        assert len(step.lowered.calls) == 1
        bucket = step.outputs[0]
        for buffer in step.inputs:
            assert buffer.parent is bucket
            assert bucket.offset <= buffer.offset
            assert buffer.offset + buffer.nbytes <= bucket.offset + bucket.nbytes
    assert not schedule.fails_late
    whole = [b for b in schedule.buffers if b.kind == "arena" and b.parent is None]
    for a in whole:
        for b in whole:
            if a is not b and a.first <= b.last and b.first <= a.last:
                apart = (
                    a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
                )
                assert apart, (a, b)


def test_what_is_needed_twice_is_copied_into_its_bucket():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [64])
        y = x * 2.0
        total = call(ALL_REDUCE, y, reduction="sum", **TWO)
        program = Program(x.graph, (x,), (y, total), (), (tf.TensorShape([64]),))
        schedule = lower_program(rewritten(program))
    (step,) = [s for s in schedule.steps if s.op.spec is ALL_REDUCE_START]
    assert len(step.lowered.calls) == 2


def test_reductions_that_need_each_other_are_exchanged_one_by_one():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [64])
        first = call(ALL_REDUCE, x * 2.0, reduction="sum", **TWO)
        second = call(ALL_REDUCE, first + 1.0, reduction="sum", **TWO)
        gathered = call(ALL_GATHER, second, **TWO)
        last = call(ALL_REDUCE, x * 3.0, reduction="sum", **TWO)
        program = Program(
            x.graph, (x,), (first, second, gathered, last), (), (tf.TensorShape([64]),)
        )
        ops = [op for op in rewritten(program).operations if "group" in op.attrs]
    order = [op.spec for op in ops if op.spec is not ALL_REDUCE_WAIT]
    assert order == [
        STEP_HEADER,
        ALL_REDUCE_START,
        ALL_REDUCE_START,
        ALL_GATHER,
        ALL_REDUCE_START,
    ]
    jobs = ops[0].attrs["jobs"]
    assert [job[0] for job in jobs] == ["all_reduce"] * 2 + ["all_gather", "all_reduce"]


def test_only_the_last_call_of_a_step_exchanges():
    with tf.Graph().as_default():
        program = rewritten(layers(2, gradient_accumulation_steps=4))
    starts = [op for op in program.operations if op.spec is ALL_REDUCE_START]
    assert starts and all(op.attrs["guarded"] for op in starts)
    assert all(op.inputs[-1].dtype == tf.bool for op in starts)


def test_fingerprints_tell_exchanges_and_updates_apart():
    def fingerprint(*args, **options):
        with tf.Graph().as_default():
            ops = rewritten(layers(*args, **options)).operations
        return next(op for op in ops if op.spec is STEP_HEADER).attrs["fingerprint"]

    found = [fingerprint(2), fingerprint(3), fingerprint(2, width=16)]
    found += [fingerprint(2, clipvalue=1.0), fingerprint(2, use_ema=True)]
    assert len(set(found)) == len(found) and 0 not in found
    assert fingerprint(2) == found[0]


def test_equal_collectives_are_two():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [4])
        both = [call(ALL_GATHER, x, **TWO) for _ in range(2)]
        program = Program(x.graph, (x,), tuple(both), (), (tf.TensorShape([4]),))
        assert kinds(rewritten(program)).count(ALL_GATHER) == 2
