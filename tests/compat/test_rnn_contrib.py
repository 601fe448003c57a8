"""Cells of `tf.contrib.rnn`, and stacks of bidirectional networks."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.compat.v1.rnn import contrib_cells as cells
from graphopt.compat.v1.rnn import stacked
from graphopt.config import config

v1 = tf.compat.v1
plain = v1.nn.rnn_cell
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 3))


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_of(cell, width=3):
    """Runs a cell twice; returns inputs, states, outputs, variables by name."""
    x = tf.constant(X[:, 0, :width])
    state = cell.zero_state(2, tf.float64)
    with v1.variable_scope("net"):
        output, state = cell(x, state)
        output2, state2 = cell(tf.constant(X[:, 1, :width]), state)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for i, v in enumerate(v1.trainable_variables()):
            value = 0.5 * np.random.default_rng(i).normal(size=tuple(v.shape))
            v.load(value, session)
        values = {v.name: session.run(v) for v in v1.global_variables()}
        found = session.run([output, state, output2, state2])
    return values, found


def test_layer_norm_lstm(graph):
    values, (h, state, h2, _) = step_of(cells.LayerNormBasicLSTMCell(5))
    assert sorted(values) == sorted(
        ["net/layer_norm_basic_lstm_cell/kernel:0"]
        + [
            f"net/layer_norm_basic_lstm_cell/{part}/{name}:0"
            for part in ("input", "transform", "forget", "output", "state")
            for name in ("beta", "gamma")
        ]
    )

    def normalized(x, part):
        scale = {
            n: values[f"net/layer_norm_basic_lstm_cell/{part}/{n}:0"]
            for n in ("gamma", "beta")
        }
        mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / np.sqrt(var + 1e-12) * scale["gamma"] + scale["beta"]

    def step(x, c, h):
        parts = (
            np.concatenate([x, h], 1)
            @ values["net/layer_norm_basic_lstm_cell/kernel:0"]
        )
        i, j, f, o = (
            normalized(p, name)
            for p, name in zip(
                np.split(parts, 4, 1),
                ("input", "transform", "forget", "output"),
                strict=True,
            )
        )
        c = normalized(c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j), "state")
        return c, np.tanh(c) * sigmoid(o)

    c, want = step(X[:, 0], np.zeros((2, 5)), np.zeros((2, 5)))
    np.testing.assert_allclose(h, want, rtol=1e-6)
    np.testing.assert_allclose(state.c, c, rtol=1e-6)
    np.testing.assert_allclose(h2, step(X[:, 1], c, want)[1], rtol=1e-6)


def test_nas_cell(graph):
    values, (m, _, m2, _) = step_of(cells.NASCell(4, num_proj=2, use_bias=True))
    k, r, b, p = (
        values[f"net/nas_cell/{name}:0"]
        for name in ("kernel", "recurrent_kernel", "bias", "projection_weights")
    )
    relu, tanh = lambda x: np.maximum(x, 0), np.tanh

    def step(x, c, m):
        a, i = np.split(m @ r + b, 8, 1), np.split(x @ k, 8, 1)
        one = tanh(sigmoid(i[0] + a[0]) * relu(i[1] + a[1]))
        two = tanh(sigmoid(i[2] + a[2]) + relu(i[3] * a[3]))
        three = tanh(tanh(i[4] + a[4]) * sigmoid(i[5] + a[5]))
        four = sigmoid(tanh(i[6] + a[6]) + sigmoid(i[7] + a[7]))
        c = tanh(one + c) * two
        return c, tanh(c * tanh(three + four)) @ p

    c, want = step(X[:, 0], np.zeros((2, 4)), np.zeros((2, 2)))
    np.testing.assert_allclose(m, want, rtol=1e-9)
    np.testing.assert_allclose(m2, step(X[:, 1], c, want)[1], rtol=1e-9)


def test_block_cells_compute_what_the_plain_ones_do(graph):
    block = cells.LSTMBlockCell(4, use_peephole=True, cell_clip=0.2)
    same = plain.LSTMCell(4, use_peepholes=True, cell_clip=0.2)
    values, found = step_of(block)
    assert sorted(values) == [
        f"net/lstm_cell/{n}:0"
        for n in ("bias", "kernel", "w_f_diag", "w_i_diag", "w_o_diag")
    ]
    assert len(block.variables) == 5
    with tf.Graph().as_default():
        other, wanted = step_of(same)
    assert list(other) == list(values)
    np.testing.assert_allclose(found[2], wanted[2], rtol=1e-12)


def test_cudnn_gru(graph):
    values, (h, _, h2, _) = step_of(cells.CudnnCompatibleGRUCell(4))
    v = {name.rpartition("cell/")[2]: value for name, value in values.items()}

    def step(x, h):
        both = np.concatenate([x, h], 1)
        r, u = np.split(sigmoid(both @ v["gates/kernel:0"] + v["gates/bias:0"]), 2, 1)
        inner = h @ v["candidate/hidden_projection/kernel:0"]
        inner = inner + v["candidate/hidden_projection/bias:0"]
        new = x @ v["candidate/input_projection/kernel:0"]
        c = np.tanh(new + v["candidate/input_projection/bias:0"] + r * inner)
        return (1 - u) * c + u * h

    want = step(X[:, 0], np.zeros((2, 4)))
    np.testing.assert_allclose(h, want, rtol=1e-9)
    np.testing.assert_allclose(h2, step(X[:, 1], want), rtol=1e-9)
    assert cells.CudnnCompatibleLSTMCell(3).name == "cudnn_compatible_lstm_cell"


def test_projections(graph):
    inner = cells.InputProjectionWrapper(plain.BasicRNNCell(4), 2)
    cell = cells.OutputProjectionWrapper(inner, 5, activation=tf.nn.relu)
    values, (y, state, *_) = step_of(cell)
    names = [
        "",
        "input_projection_wrapper/",
        "input_projection_wrapper/basic_rnn_cell/",
    ]
    v = {}
    for name in names:
        for part in ("kernel", "bias"):
            v[name + part] = values[f"net/output_projection_wrapper/{name}{part}:0"]
    assert len(values) == 6
    x = X[:, 0] @ v["input_projection_wrapper/kernel"]
    x = np.concatenate([x + v["input_projection_wrapper/bias"], np.zeros((2, 4))], 1)
    h = np.tanh(x @ v[names[2] + "kernel"] + v[names[2] + "bias"])
    np.testing.assert_allclose(state, h, rtol=1e-9)
    np.testing.assert_allclose(y, np.maximum(h @ v["kernel"] + v["bias"], 0), rtol=1e-9)
    with pytest.raises(ValueError, match="output_size must be > 0"):
        cells.OutputProjectionWrapper(plain.GRUCell(3), 0)


@pytest.mark.parametrize("jit", ["never", "always"])
def test_embedding_in_a_loop(graph, jit):
    cell = cells.EmbeddingWrapper(plain.GRUCell(4), 7, 3)
    ids = np.array([[1, 6, 2], [0, 0, 5]])
    outputs, _ = v1.nn.dynamic_rnn(cell, tf.constant(ids[:, :, None]), dtype=tf.float32)
    names = [v.name for v in v1.global_variables()]
    assert names[0] == "rnn/embedding_wrapper/embedding:0"
    assert names[1] == "rnn/embedding_wrapper/gru_cell/gates/kernel:0"
    table = v1.global_variables()[0]
    with v1.variable_scope("rnn/embedding_wrapper", reuse=True):
        rows = tf.nn.embedding_lookup(table, ids)
        same, _ = v1.nn.static_rnn(
            plain.GRUCell(4),
            tf.unstack(rows, axis=1),
            dtype=tf.float32,
            scope=v1.get_variable_scope(),
        )
    grads = [tf.gradients(y, table)[0] for y in (outputs, same)]
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        a, b, ga, gb = session.run(
            [outputs, tf.stack(same, 1), *map(tf.convert_to_tensor, grads)]
        )
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ga, gb, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("is_tuple", [True, False])
def test_attention_cell(graph, is_tuple):
    inner = plain.GRUCell(4)
    cell = cells.AttentionCellWrapper(
        inner, 3, attn_vec_size=2, state_is_tuple=is_tuple
    )
    outputs, state = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float64)
    prefix = "rnn/attention_cell_wrapper"
    assert {v.name for v in v1.global_variables()} == {
        f"{prefix}/{name}:0"
        for name in (
            "kernel",
            "bias",
            "gru_cell/gates/kernel",
            "gru_cell/gates/bias",
            "gru_cell/candidate/kernel",
            "gru_cell/candidate/bias",
            "attention/attn_w",
            "attention/attn_v",
            "attention/kernel",
            "attention/bias",
            "attn_output_projection/kernel",
            "attn_output_projection/bias",
        )
    }
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        outputs, state = session.run([outputs, state])
    past = state[2] if is_tuple else state[:, 8:]
    # What it attends to are its last outputs.
    np.testing.assert_allclose(past.reshape(2, 3, 4), outputs[:, 1:], rtol=1e-9)
    with pytest.raises(ValueError, match="greater than zero"):
        cells.AttentionCellWrapper(inner, 0)


@pytest.mark.parametrize("static", [False, True])
def test_stacks_of_bidirectional_networks(graph, static):
    forward = [plain.GRUCell(4), plain.GRUCell(5)]
    backward = [plain.GRUCell(4), plain.GRUCell(5)]
    x, n = tf.constant(X), [4, 2]
    if static:
        outputs, fw, bw = stacked.stack_bidirectional_rnn(
            forward,
            backward,
            tf.unstack(x, axis=1),
            dtype=tf.float64,
            sequence_length=n,
        )
        outputs = tf.stack(outputs, 1)
        prefix = "stack_bidirectional_rnn/cell_1/fw"
    else:
        outputs, fw, bw = stacked.stack_bidirectional_dynamic_rnn(
            forward, backward, x, dtype=tf.float64, sequence_length=n
        )
        prefix = "stack_bidirectional_rnn/cell_1/bidirectional_rnn/fw"
    assert outputs.shape == (2, 4, 10) and len(fw) == len(bw) == 2
    names = [v.name for v in v1.global_variables()]
    assert f"{prefix}/gru_cell/gates/kernel:0" in names and len(names) == 16
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        outputs, fw, bw = session.run([outputs, fw, bw])
    assert not outputs[1, 2:].any()
    np.testing.assert_allclose(outputs[1, 1, :5], fw[1][1], rtol=1e-9)
    np.testing.assert_allclose(outputs[1, 0, 5:], bw[1][1], rtol=1e-9)
    with pytest.raises(ValueError, match="same depth"):
        stacked.stack_bidirectional_dynamic_rnn(forward, backward[:1], x)
