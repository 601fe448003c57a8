"""`Session.profile`: the steps of real runs, and nothing changed by them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.compile.limits import measure_limits
from graphopt.config import config
from graphopt.runtime.profile import format_seconds

v1 = tf.compat.v1


def network():
    """A graph with its train op, loss, feeds and variables."""
    tf.random.set_seed(1)
    x = v1.placeholder(tf.float32, [None, 8], name="x")
    y = v1.placeholder(tf.int32, [None], name="y")
    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(4)]
    )
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x))
    loss = tf.reduce_mean(losses, name="loss")
    train = tf.keras.optimizers.Adam(0.01).minimize(loss, model.trainable_weights)
    feed = {x: np.ones((5, 8), np.float32), y: np.arange(5) % 4}
    return train, loss, feed, list(loss.graph.variables)


@pytest.mark.parametrize("jit", ["always", "never"])
def test_nothing_is_changed(jit):
    with config(jit=jit), tf.Graph().as_default(), v1.Session() as session:
        train, loss, feed, variables = network()
        noise = tf.random.normal([3])
        session.run(v1.global_variables_initializer())
        session.run([train, loss], feed)
        before = session.run([*variables])
        profile = session.profile([train, loss, noise], feed, runs=4)
        after = session.run([*variables])
        for a, b in zip(before, after, strict=True):
            assert a.tobytes() == b.tobytes()
        drawn = session.run(noise)
    with tf.Graph().as_default(), v1.Session() as session:
        network()
        assert session.run(tf.random.normal([3])).tobytes() == drawn.tobytes()
    assert profile.runs == 4
    assert profile.fastest <= profile.seconds <= profile.slowest


def test_steps_are_those_of_the_plan():
    with tf.Graph().as_default(), v1.Session() as session:
        train, _, feed, _ = network()
        session.run(v1.global_variables_initializer())
        plan = session.plan(train, feed)
        profile = session.profile(train, feed, runs=3)
    ran = [step for step in plan.steps if step.kernels or step.host]
    assert [step.name for step in profile.steps] == [step.name for step in ran]
    assert [step.kernels for step in profile.steps] == [step.kernels for step in ran]
    assert profile.arena_bytes == plan.arena_bytes
    first = profile.steps[0]
    assert (first.kernel, first.flops) == ("gemm", 2 * 5 * 8 * 16)
    assert first.nbytes == 4 * (5 * 8 + 8 * 16 + 5 * 16)
    assert first.site.startswith(__file__)
    fused = next(step for step in profile.steps if len(step.ops) > 10)
    # Adam's moments and the weights are read and written.
    assert fused.nbytes >= 4 * 2 * 3


def test_ops_of_a_loop_share_its_time():
    with tf.Graph().as_default(), v1.Session() as session:
        train, _, feed, _ = network()
        session.run(v1.global_variables_initializer())
        profile = session.profile(train, feed, runs=3)
    by_op = profile.by_op()
    assert sum(by_op.values()) == pytest.approx(profile.kernel_seconds)
    assert sum(profile.by_type().values()) == pytest.approx(profile.kernel_seconds)
    assert "Adam/Adam/update_kernel/AssignVariableOp" in by_op


def test_branches_and_loops_stay_in_one_piece():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [4], name="x")
        y = tf.exp(x, name="before")
        _, y = tf.while_loop(
            lambda i, a: i < 50, lambda i, a: (i + 1, a * 1.01), [0, y]
        )
        y = tf.cond(tf.reduce_sum(y) > 0.0, lambda: tf.sin(y) * 2.0, lambda: y)
        v = tf.Variable(np.zeros(4, np.float32))
        step = v.assign_add(y, read_value=False)
        session.run(v.initializer)
        feed = {x: np.ones(4, np.float32)}
        profile = session.profile([step, y], feed, runs=3)
        assert session.run(v).tolist() == [0.0] * 4
        expected = session.run(y, feed)
        session.run(step, feed)
        assert session.run(v).tobytes() == expected.tobytes()
    kinds = [step.kernel for step in profile.steps]
    assert "loop" in kinds and profile.interpreted == ""
    loop = profile.steps[kinds.index("loop")]
    assert (loop.flops, loop.nbytes, loop.limit) == (None, None, None)
    assert sum(kinds.count(kind) for kind in ("elementwise", "loop")) >= 2


def test_host_steps_are_timed():
    with tf.Graph().as_default(), v1.Session() as session:
        calls = []
        x = tf.numpy_function(
            lambda a: calls.append(1) or a, [tf.ones([3])], tf.float32
        )
        x.set_shape([3])
        v = tf.Variable(np.zeros(3, np.float32))
        step = v.assign(x * 2.0, read_value=False)
        session.run(v.initializer)
        profile = session.profile(step, runs=2)
    assert "HOST" in [step.kernel for step in profile.steps]
    # Two runs to warm up, each run once whole and once in pieces.
    assert len(calls) == 2 * (2 + 2)


def test_errors_leave_everything_as_it_was():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(np.zeros(3, np.float32))
        index = v1.placeholder(tf.int32, [1])
        step = v.assign(tf.gather(tf.ones([3]), index) + v, read_value=False)
        session.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.profile(step, {index: [7]})
        assert session.run(v).tolist() == [0.0] * 3
        session.run(step, {index: [1]})
        assert session.run(v).tolist() == [1.0] * 3
        with pytest.raises(ValueError, match="positive number of runs"):
            session.profile(step, {index: [1]}, runs=0)


def test_uninitialized_variables_are_named():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0, name="mine")
        with pytest.raises(tf.errors.FailedPreconditionError, match="mine"):
            session.profile(v.assign_add(1.0))


def test_text_html_json_and_trace():
    with tf.Graph().as_default(), v1.Session() as session:
        train, loss, feed, _ = network()
        session.run(v1.global_variables_initializer())
        profile = session.profile([loss, train], feed, runs=2)
    text = str(profile)
    assert text.startswith("profile of loss:0, Adam/Adam/AssignAddVariableOp: ")
    assert "gemm" in text and "GFLOP/s" in text
    page = profile.to_html()
    assert page.count("<tr") == 1 + len(profile.steps)
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    values = json.loads(json.dumps(profile.to_json(), allow_nan=False))
    assert (values["format"], values["version"]) == ("graphopt.profile", 1)
    assert len(values["steps"]) == len(profile.steps)
    trace = json.loads(json.dumps(profile.to_chrome_trace(), allow_nan=False))
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(spans) == 2 * len(profile.steps)
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in spans)
    times = profile.step_times()
    assert set(times) == {step.name for step in profile.steps}


def test_run_metadata():
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0)
        step = v.assign_add(2.0)
        session.run(v.initializer)
        metadata = v1.RunMetadata()
        assert session.run(step, options=options, run_metadata=metadata) == 3.0
        assert session.run(v) == 3.0
        (device,) = metadata.step_stats.dev_stats
        assert [stats.node_name for stats in device.node_stats]
        untraced = v1.RunMetadata()
        assert session.run(v, None, v1.RunOptions(), untraced) == 3.0
        assert untraced.step_stats.dev_stats == []
        with pytest.raises(TypeError, match="options must be a RunOptions"):
            session.run(v, options=3)
        with pytest.raises(TypeError, match="must be a RunMetadata"):
            session.run(v, options=options, run_metadata={})
        with pytest.raises(ValueError, match="place for the times"):
            session.run(v, options=options)
    with pytest.raises(NotImplementedError, match="no time limit"):
        v1.RunOptions(timeout_in_ms=5)


def test_limits_of_the_machine():
    limits = measure_limits()
    assert measure_limits() is limits
    assert 1e8 < limits.memory < 1e13
    assert limits.float32 > limits.float64 > 1e8
    assert limits.bandwidth(100) == limits.cache
    assert limits.bandwidth(1 << 40) == limits.memory


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.0, "12 s"), (1.5e-3, "1.50 ms"), (2.5e-7, "0.25 us"), (0.0, "0 us")],
)
def test_times_are_written_in_units_that_fit(seconds, text):
    assert format_seconds(seconds) == text


def test_threads_and_waits_are_seen():
    with config(threads=4), tf.Graph().as_default(), v1.Session() as session:
        # Workers that are there from before do not count.
        v = tf.Variable(np.ones((2000, 1000), np.float32))
        session.run(v.initializer)
        session.run(v.assign_add(v, read_value=False))
    with tf.Graph().as_default(), config(threads=2), v1.Session() as session:
        v = tf.Variable(np.ones((2000, 1000), np.float32))
        session.run(v.initializer)
        step = v.assign(tf.tanh(v) * 0.5 + tf.exp(-v), read_value=False)
        # Beside a busy process nothing may be handed out for a while.
        for _ in range(20):
            profile = session.profile(step, runs=10)
            if profile.threads == 2:
                break
    assert profile.threads == 2
    for event in profile.events:
        assert all(0 <= busy <= event.seconds for busy in event.busy)
    trace = profile.to_chrome_trace()["traceEvents"]
    named = [e["args"]["name"] for e in trace if e["name"] == "thread_name"]
    assert named == ["thread of the step", "worker 1"]
    assert {e["tid"] for e in trace if e["ph"] == "X"} == {1, 2}
