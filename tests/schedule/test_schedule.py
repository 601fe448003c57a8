"""The order of steps and the places of buffers."""

from __future__ import annotations

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf
from graphopt.codegen.lower import lower_operation
from graphopt.graph.program import Program
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.schedule.build import build_schedule
from graphopt.schedule.memory import ALIGNMENT, place_buffers
from graphopt.schedule.order import order_operations, step_graph
from graphopt.schedule.steps import Buffer


def schedule_of(graph, fetches, targets=(), feeds=()):
    program = Program(
        graph,
        tuple(feeds),
        tuple(fetches),
        tuple(targets),
        tuple(f.shape for f in feeds),
    )
    return build_schedule(run_passes(program, PIPELINE), lower_operation)


def test_a_cycle_is_reported_with_the_names_of_its_ops():
    with tf.Graph().as_default() as graph:
        first = tf.no_op(name="first")
        with tf.control_dependencies([first]):
            second = tf.no_op(name="second")
        tf.no_op(name="innocent")
    # No public call can make one; a rewrite with a mistake could.
    first.control_inputs = (second,)
    words = r"cycle.*'first' -> 'second' -> 'first'|'second' -> 'first' -> 'second'"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words) as caught:
        order_operations(graph.operations)
    assert "test_schedule.py" in str(caught.value)
    assert "innocent" not in str(caught.value)


def test_order_is_topological_and_stable():
    with tf.Graph().as_default() as graph:
        a, b = tf.constant(1.0), tf.constant(2.0)
        c = a + b
        with tf.control_dependencies([c]):
            d = a * b
        tf.group(c, d)
    order = order_operations(graph.operations)
    assert order == list(graph.operations)
    edges = step_graph(graph.operations)
    assert networkx.is_directed_acyclic_graph(edges)
    assert edges.edges[c.op, d.op]["kind"] == "control"
    assert edges.edges[a.op, c.op]["kind"] == "data"


def test_the_arena_is_reused_along_a_chain():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [64, 64])
        y = x
        for _ in range(20):
            y = tf.matmul(y, x)
    schedule = schedule_of(graph, [y], feeds=[x])
    outputs = [
        b for b in schedule.buffers if b.kind == "arena" and b.tensor is not None
    ]
    assert len(outputs) == 20
    # Two products are alive at a time, beside the scratch of one.
    total = sum(b.nbytes for b in outputs)
    assert schedule.peak_bytes < total / 4


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(0, 5000)),
        max_size=40,
    )
)
def test_buffers_that_live_together_never_overlap(lives):
    buffers = [
        Buffer("arena", size, first=first, last=first + length)
        for first, length, size in lives
    ]
    top = place_buffers(buffers)
    for i, a in enumerate(buffers):
        assert a.offset % ALIGNMENT == 0
        assert a.offset + a.nbytes <= top
        for b in buffers[:i]:
            if a.first <= b.last and b.first <= a.last:
                apart = (
                    a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
                )
                assert apart or not a.nbytes or not b.nbytes


def looped(x):
    return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * 1.5), (0, x))[1]


def test_loops_come_before_what_writes():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        v = tf.Variable(2.0, name="v")
        count = tf.Variable(0.0, name="count")
        first = count.assign_add(1.0, read_value=False)
        loss = looped(v * 1.0)
        step = v.assign_sub(tf.gradients(loss, [v])[0], read_value=False)
        session.run(tf.compat.v1.global_variables_initializer())
        plan = session.plan([loss, step, first])
        assert not plan.interpreted
        kinds = [any("variable" in w for w in each.writes) for each in plan.steps]
        # All writes are behind the last jump.
        jumps = [i for i, each in enumerate(plan.steps) if each.kernel == "jump"]
        assert jumps and kinds.index(True) > jumps[-1]
        found, *_ = session.run([loss, step, first])
        assert found == 2.0 * 1.5**3
        assert session.run([v, count]) == [2.0 - 1.5**3, 1.0]
