"""Recurrent networks of `compat.v1`: what TensorFlow computes, and what they are made of."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import graphopt as tf
from graphopt import nest
from graphopt.config import config
from tests.golden import record_rnn_v1 as recorded

v1 = tf.compat.v1
cells = v1.nn.rnn_cell
GOLDEN = pathlib.Path(recorded.__file__).parent
NAMES = json.loads((GOLDEN / "rnn_v1.json").read_text())
JIT = pytest.mark.parametrize("jit", ["never", "always"])
COMPILED = ("lstm_all/dynamic", "stack/both", "gru/whole", "basic_lstm/static")
CASES = [(key, "never") for key in NAMES] + [(key, "always") for key in COMPILED]


@pytest.fixture(scope="module")
def arrays():
    with np.load(GOLDEN / "rnn_v1.npz") as file:
        return dict(file)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize(("key", "jit"), CASES)
def test_values_derivatives_and_names_are_those_of_tensorflow(key, jit, arrays, graph):
    kind, way = key.split("/")
    network = recorded.networks(v1.nn, recorded.CELLS[kind])[way]
    x, n, variables, fetches = recorded.results(v1, nest.flatten, network)
    assert [v.name for v in variables] == NAMES[key]
    feed = {x: recorded.inputs(), n: recorded.LENGTHS}
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for v in variables:
            v.load(recorded.value_of(v.name, v.shape), session)
        plan = session.plan(fetches, feed)
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
        found = session.run(fetches, feed)
    assert f"{key}/{len(found)}" not in arrays
    for i, value in enumerate(found):
        want = arrays[f"{key}/{i}"]
        np.testing.assert_allclose(value, want, rtol=1e-9, atol=1e-12, err_msg=str(i))


def test_a_training_step_is_compiled_in_one_piece(graph):
    x = v1.placeholder(tf.float32, [None, None, 3])
    n = v1.placeholder(tf.int32, [None])
    cell = cells.MultiRNNCell(
        [
            cells.DropoutWrapper(cells.BasicLSTMCell(4), 0.9, 0.8, 0.9, seed=3),
            cells.GRUCell(5),
        ]
    )
    outputs, _ = v1.nn.dynamic_rnn(cell, x, n, dtype=tf.float32)
    loss = tf.reduce_mean((tf.reduce_sum(outputs, [1, 2]) - 1.0) ** 2)
    train = v1.train.AdamOptimizer(0.05).minimize(loss)
    feed = {x: np.ones((4, 6, 3)), n: [3, 6, 1, 6]}
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        plan = session.plan([loss, train], feed)
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
        losses = [session.run([loss, train], feed)[0] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_no_product_is_computed_twice(graph):
    x = tf.ones([64, 6, 56])
    outputs, _ = v1.nn.dynamic_rnn(cells.BasicRNNCell(200), x, dtype=tf.float32)
    gradients = tf.gradients(tf.reduce_sum(outputs**2), v1.trainable_variables())
    with v1.Session() as session:
        plan = session.plan(gradients)
        steps = session._runners
        (schedule,) = [p.schedule for r in steps.values() for p in r.plans.values()]
    # The product of the round, those of its derivative, and what is prepared for them.
    products = [s for s in schedule.steps if s.kernel == "gemm"]
    assert len(products) == 5 and len(schedule.stacks) == 1
    inside = schedule.labels[0]
    prepared = [
        s for s in products if len(s.outputs[0:1]) and s.outputs[0].tensor is None
    ]
    assert len(prepared) == 2 and inside >= 0 and not plan.interpreted
    # The gradient of the kernel is added up where it is.
    (added,) = [s for s in products if s.op.type == "AddMatMul"]
    assert added.outputs[0] is added.inputs[0]


@JIT
def test_dropout_in_a_loop_draws_anew_in_each_step(graph, jit):
    x = tf.ones([2, 50, 3])

    def outputs_of(**keywords):
        cell = cells.DropoutWrapper(cells.BasicRNNCell(8), **keywords)
        return v1.nn.dynamic_rnn(cell, x, dtype=tf.float32)[0]

    with v1.variable_scope("a"):
        each = outputs_of(output_keep_prob=0.5)
    with v1.variable_scope("b"):
        same = outputs_of(
            output_keep_prob=0.5, variational_recurrent=True, dtype=tf.float32
        )
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        each, same = session.run([each, same])
    assert 0.35 < np.mean(each != 0) < 0.65
    assert len({tuple(row) for row in each[0] != 0}) > 20
    # One mask for all steps and examples.
    assert len({tuple(row) for row in (same != 0).reshape(-1, 8)}) == 1


def test_dropout_spares_the_cells_of_lstms(graph):
    cell = cells.DropoutWrapper(cells.BasicLSTMCell(200), state_keep_prob=0.5)
    state = cells.LSTMStateTuple(tf.ones([1, 200]), tf.ones([1, 200]))
    _, new = cell(tf.ones([1, 3]), state)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        new = session.run(new)
    assert np.all(new.c != 0)
    assert 0.3 < np.mean(new.h == 0) < 0.7
    assert isinstance(new, cells.LSTMStateTuple)


def test_cells_share_variables_when_called_again(graph):
    cell = cells.LSTMCell(4)
    state = cell.zero_state(2, tf.float32)
    assert state.c.shape == (2, 4)
    with v1.variable_scope("net"):
        for _ in range(3):
            output, state = cell(tf.ones([2, 3]), state)
    assert [v.name for v in v1.global_variables()] == [
        "net/lstm_cell/kernel:0",
        "net/lstm_cell/bias:0",
    ]
    assert cell.variables == v1.global_variables() == cell.trainable_weights
    assert cell.name == "lstm_cell" and cell.scope_name == "net/lstm_cell"
    assert output.shape == (2, 4)
    with v1.variable_scope("net", reuse=True):
        again = cells.LSTMCell(4)
        again(tf.ones([2, 3]), state)
    assert again.variables == cell.variables


def test_a_second_network_needs_a_scope(graph):
    x = tf.ones([2, 3, 3])
    v1.nn.dynamic_rnn(cells.GRUCell(4), x, dtype=tf.float32)
    with pytest.raises(ValueError, match="rnn/gru_cell/gates/kernel already exists"):
        v1.nn.dynamic_rnn(cells.GRUCell(4), x, dtype=tf.float32)
    v1.nn.dynamic_rnn(cells.GRUCell(4), x, dtype=tf.float32, scope="second")
    assert "second/gru_cell/gates/kernel:0" in [v.name for v in v1.global_variables()]


class OwnCell(cells.RNNCell):
    """As programs write them, without the constructor of the base class."""

    def __init__(self, units):
        self._units = units

    @property
    def state_size(self):
        return self._units

    @property
    def output_size(self):
        return 1

    def __call__(self, inputs, state, scope=None):
        with v1.variable_scope(scope or type(self).__name__):
            w = v1.get_variable("w", [inputs.shape[1] + self._units, self._units])
            new = tf.tanh(tf.matmul(tf.concat([inputs, state], 1), w))
        return tf.reduce_sum(new, 1, keepdims=True), new


class CallCell(OwnCell):
    __call__ = cells.RNNCell.__call__

    def call(self, inputs, state):
        return OwnCell.__call__(self, inputs, state, "inner")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(OwnCell, "rnn/OwnCell/w:0"), (CallCell, "rnn/call_cell/inner/w:0")],
)
def test_cells_of_users(graph, kind, name):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    outputs, state = v1.nn.dynamic_rnn(kind(5), tf.constant(x), dtype=tf.float32)
    (w,) = v1.global_variables()
    assert w.name == name and outputs.shape == (2, 4, 1)
    with v1.Session() as session:
        session.run(w.initializer)
        got, last, weights = session.run([outputs, state, w])
    h = np.zeros((2, 5), np.float32)
    for t in range(4):
        h = np.tanh(np.concatenate([x[:, t], h], 1) @ weights)
        np.testing.assert_allclose(got[:, t, 0], h.sum(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last, h, rtol=1e-4)


@JIT
def test_time_major_and_initial_states(graph, jit):
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    h = np.random.default_rng(1).normal(size=(2, 5))
    with v1.variable_scope("net", reuse=v1.AUTO_REUSE):
        first = v1.nn.dynamic_rnn(
            cells.GRUCell(5), tf.constant(x), initial_state=h, time_major=True
        )
        second = v1.nn.dynamic_rnn(
            cells.GRUCell(5), x.transpose(1, 0, 2), initial_state=tf.constant(h)
        )
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        (a, s), (b, t) = session.run([first, second])
    np.testing.assert_allclose(a, b.transpose(1, 0, 2), rtol=1e-10)
    np.testing.assert_allclose(s, t, rtol=1e-10)


@JIT
def test_raw_rnn_does_what_dynamic_rnn_does(graph, jit):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    lengths = tf.constant([2, 4])
    inputs = tf.TensorArray(tf.float32, 4).unstack(x.transpose(1, 0, 2))
    cell = cells.GRUCell(5)

    def loop_fn(time, output, state, _):
        emit = output
        if output is None:
            state = cell.zero_state(2, tf.float32)
        finished = time >= lengths
        read = tf.cond(
            tf.reduce_all(finished),
            lambda: tf.zeros([2, 3]),
            lambda: inputs.read(time),
        )
        return finished, read, state, emit, None

    emitted, state, loop_state = v1.nn.raw_rnn(cell, loop_fn)
    assert loop_state is None
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        outputs, last = v1.nn.dynamic_rnn(
            cells.GRUCell(5), x, lengths, dtype=tf.float32
        )
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        got = session.run([emitted.stack(), state, outputs, last])
    np.testing.assert_allclose(got[0].transpose(1, 0, 2), got[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], got[3], rtol=1e-5)


@JIT
@pytest.mark.parametrize("shape", [[3, 5, 2], [None, None, 2]])
def test_reverse_sequence(graph, jit, shape):
    value = np.arange(30.0).reshape(3, 5, 2)
    lengths = [2, 5, 0]
    x = v1.placeholder(tf.float64, shape)
    turned = v1.reverse_sequence(x, lengths, seq_dim=1, batch_dim=0)
    first = tf.reverse_sequence(tf.transpose(x, [1, 0, 2]), lengths, 0, 1)
    (slope,) = tf.gradients(turned * value, [x])
    with config(jit=jit), v1.Session() as session:
        got, other, slope = session.run([turned, first, slope], {x: value})
    want = value.copy()
    for i, n in enumerate(lengths):
        want[i, :n] = value[i, :n][::-1]
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(other, want.transpose(1, 0, 2))
    np.testing.assert_array_equal(slope, want)


def test_errors(graph):
    x = tf.ones([2, 3, 3])
    with pytest.raises(TypeError, match="is not an RNNCell"):
        v1.nn.dynamic_rnn(lambda x, s: (x, s), x, dtype=tf.float32)
    with pytest.raises(ValueError, match="you must give a dtype"):
        v1.nn.dynamic_rnn(cells.GRUCell(4), x)
    with pytest.raises(ValueError, match="at least two dimensions"):
        v1.nn.dynamic_rnn(cells.GRUCell(4), x[0, 0], dtype=tf.float32)
    with pytest.raises(ValueError, match="vector of length batch_size"):
        v1.nn.dynamic_rnn(cells.GRUCell(4), x, [1, 2, 3], dtype=tf.float32)
    with pytest.raises(TypeError, match="must be a sequence"):
        v1.nn.static_rnn(cells.GRUCell(4), x, dtype=tf.float32)
    with pytest.raises(ValueError, match="must not be empty"):
        v1.nn.static_rnn(cells.GRUCell(4), [], dtype=tf.float32)
    with pytest.raises(ValueError, match="between 0 and 1"):
        cells.DropoutWrapper(cells.GRUCell(4), 1.5)
    with pytest.raises(ValueError, match="input_size must be provided"):
        cells.DropoutWrapper(
            cells.GRUCell(4), 0.5, variational_recurrent=True, dtype=tf.float32
        )
    with pytest.raises(ValueError, match="at least one cell"):
        cells.MultiRNNCell([])
    with pytest.raises(ValueError, match=r"inputs.shape\[-1\] to be known"):
        cells.GRUCell(4)(v1.placeholder(tf.float32, [2, None]), tf.ones([2, 4]))


def test_a_chance_whose_shape_is_not_known(graph):
    keep = v1.placeholder(tf.float32)
    layers = [
        cells.DropoutWrapper(cells.BasicLSTMCell(4), keep, keep, keep) for _ in range(2)
    ]
    x = tf.ones([2, 3, 5])
    outputs, _ = v1.nn.dynamic_rnn(cells.MultiRNNCell(layers), x, dtype=tf.float32)
    assert outputs.shape == (2, 3, 4)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert np.all(session.run(outputs, {keep: 1.0}) != 0)
        assert np.any(session.run(outputs, {keep: 0.5}) == 0)
