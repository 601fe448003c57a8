"""`Session.plan`: what a run would do, and how much memory it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen import kernels

v1 = tf.compat.v1


def make_network(batch=256):
    """An MLP train step whose results and intermediate results are a few MB."""
    x = v1.placeholder(tf.float32, [None, 300], name="x")
    y = v1.placeholder(tf.int32, [None], name="y")
    layers = tf.keras.layers
    net = tf.keras.Sequential(
        [layers.Dense(512, "relu"), layers.Dense(256, "tanh"), layers.Dense(10)]
    )
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, net(x))
    loss = tf.reduce_mean(losses, name="loss")
    optimizer = tf.keras.optimizers.Adam()
    step = optimizer.minimize(loss, var_list=net.trainable_variables)
    feed = {
        x: np.ones((batch, 300), np.float32),
        y: np.arange(batch, dtype=np.int32) % 10,
    }
    return step, loss, feed


def allocated_by(function):
    """The most that a function has allocated at once, in bytes."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = function()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before, result


@pytest.mark.parametrize("batch", [64, 1024])
def test_peak_bytes_is_what_a_train_step_allocates(batch):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        step, loss, feed = make_network(batch)
        hidden = graph.get_tensor_by_name("sequential/dense/Relu:0")
        session.run(v1.global_variables_initializer())
        fetches = [step, loss, hidden]
        # Compiling allocates too; in a second session the kernels are there already.
        session.run(fetches, feed)
        with v1.Session() as other:
            other.run(v1.global_variables_initializer())
            plan = other.plan(fetches, feed)
            assert not plan.interpreted
            used, _ = allocated_by(lambda: other.run(fetches, feed))
    assert plan.peak_bytes > 1 << 20
    assert abs(used - plan.peak_bytes) < 0.05 * plan.peak_bytes


@pytest.mark.filterwarnings("ignore:The step")
def test_peak_bytes_of_an_interpreted_step():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(np.ones((400, 400), np.float32))
        session.run(v.initializer)
        checked = tf.random.normal([400, 400])
        with tf.control_dependencies([v.assign_add(v * 2.0)]):
            after = tf.exp(checked) + v.initialized_value()
        plan = session.plan(after)
        assert "only the run knows which variables have a value" in plan.interpreted
        session.run(after)
        used, _ = allocated_by(lambda: session.run(after))
    assert plan.arena_bytes == 0
    assert 0.5 * used < plan.peak_bytes < 1.5 * used


def test_peak_bytes_is_not_known_where_the_data_decide():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [4])
        plan = session.plan(tf.boolean_mask(x, x > 0.0), {x: np.zeros(4)})
    assert plan.peak_bytes is None
    assert not plan.interpreted
    assert [step.kernel == "HOST" for step in plan.steps] == [False, True, True, True]
    assert "only the data decide how large a tensor is" in str(plan)


def test_a_plan_runs_and_compiles_nothing():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0)
        session.run(v.initializer)
        # An expression that no other test has.
        step = v.assign(tf.sin(tf.cos(tf.tanh(v * 3.25) + 0.5) * v))
        compiled = kernels.record.kernels + kernels.record.loaded
        plan = session.plan(step)
        assert kernels.record.kernels + kernels.record.loaded == compiled
        assert session.run(v) == 1.0
        session.run(step)
        assert kernels.record.kernels + kernels.record.loaded > compiled
    assert len(plan.kernels) == 1
    assert "sin_float32" in plan.source(plan.kernels[0].name)


def test_the_text_names_steps_buffers_and_kernels():
    with tf.Graph().as_default(), v1.Session() as session:
        step, loss, feed = make_network(16)
        plan = session.plan([step, loss], feed)
    text = str(plan)
    assert text == repr(plan)
    assert "reads  feed x, variable dense/kernel" in text
    assert "writes" in text
    assert "loss" in text
    assert all(kernel.short_name in text for kernel in plan.kernels)
    assert all(buffer.name in text for buffer in plan.buffers)
    updates = [s for s in plan.steps if "variable dense/kernel" in s.writes]
    assert len(updates) == 1
    assert "test_plan.py" in updates[0].site
    assert {s.kernel for s in plan.steps} >= {"gemm", "elementwise", "rows", "reduce"}


def test_a_host_step_says_why():
    with tf.Graph().as_default(), v1.Session() as session:
        plan = session.plan(tf.sort(tf.random.uniform([4])) + 1.0)
    hosts = [step for step in plan.steps if step.kernel == "HOST"]
    assert hosts
    assert all(f"because {step.host}" in str(plan) for step in hosts)


def test_source_takes_the_beginning_of_a_name():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [4])
        plan = session.plan(tf.reduce_sum(tf.exp(x)), {x: np.zeros(4)})
    for kernel in plan.kernels:
        assert plan.source(kernel.short_name) == kernel.source
        assert plan.source(kernel.name).startswith("def kernel(args, lo, hi):")
    for name in ("", "k_", "nothing"):
        with pytest.raises(tf.errors.NotFoundError, match=plan.kernels[0].short_name):
            plan.source(name)


def test_a_placeholder_without_a_value_is_refused():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        with pytest.raises(tf.errors.InvalidArgumentError, match="must feed a value"):
            session.plan(x * 2.0)
