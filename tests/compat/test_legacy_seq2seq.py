"""`tf.contrib.legacy_seq2seq`: unrolled models and their losses."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.compat.v1.seq2seq import legacy

v1 = tf.compat.v1
cells = v1.nn.rnn_cell
ENCODER = [np.array([1, 2]), np.array([0, 3]), np.array([2, 2])]
DECODER = [np.array([0, 0]), np.array([4, 1])]
RNG = np.random.default_rng(0)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feed=None):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for i, v in enumerate(v1.global_variables()):
            v.load(0.7 * np.random.default_rng(i).normal(size=tuple(v.shape)), session)
        return session.run(fetches, feed)


def names():
    return [v.name[:-2] for v in v1.global_variables()]


def test_losses_are_those_of_the_steps(graph):
    logits = [RNG.normal(size=(2, 4)) for _ in range(3)]
    targets = [np.array([0, 3]), np.array([1, 1]), np.array([2, 0])]
    weights = [np.array([1.0, 1.0]), np.array([0.5, 1.0]), np.array([0.0, 1.0])]
    each = legacy.sequence_loss_by_example(logits, targets, weights)
    one = legacy.sequence_loss(logits, targets, weights)
    total = legacy.sequence_loss(logits, targets, weights, False, False)
    losses = np.zeros((3, 2))
    for t in range(3):
        p = np.exp(logits[t]) / np.exp(logits[t]).sum(1, keepdims=True)
        losses[t] = -np.log(p[[0, 1], targets[t]]) * weights[t]
    each, one, total = run([each, one, total])
    np.testing.assert_allclose(each, losses.sum(0) / np.sum(weights, 0), rtol=1e-9)
    np.testing.assert_allclose(one, each.mean(), rtol=1e-12)
    np.testing.assert_allclose(total, losses.sum(), rtol=1e-12)
    with pytest.raises(ValueError, match="must be the same"):
        legacy.sequence_loss_by_example(logits, targets[:1], weights)


def test_basic_and_tied_models(graph):
    inputs = [tf.constant(RNG.normal(size=(2, 3)).astype(np.float32)) for _ in range(2)]
    basic, _ = legacy.basic_rnn_seq2seq(inputs, inputs, cells.GRUCell(4))
    tied, last = legacy.tied_rnn_seq2seq(inputs, inputs, cells.BasicRNNCell(4))
    assert names()[::4] == [
        "basic_rnn_seq2seq/rnn/gru_cell/gates/kernel",
        "basic_rnn_seq2seq/rnn_decoder/gru_cell/gates/kernel",
        "combined_tied_rnn_seq2seq/tied_rnn_seq2seq/basic_rnn_cell/kernel",
    ]
    same, _ = v1.nn.static_rnn(
        cells.BasicRNNCell(4, reuse=True),
        inputs * 2,
        dtype=tf.float32,
        scope="combined_tied_rnn_seq2seq/tied_rnn_seq2seq",
    )
    _, tied, last, same = run([basic, tied, last, same])
    np.testing.assert_allclose(tied, same[2:], rtol=1e-6)
    np.testing.assert_allclose(last, same[-1], rtol=1e-6)


@pytest.mark.parametrize("feed_previous", [False, True])
def test_embedding_model(graph, feed_previous):
    outputs, _ = legacy.embedding_rnn_seq2seq(
        ENCODER, DECODER, cells.GRUCell(3), 4, 5, 2, feed_previous=feed_previous
    )
    scope = "embedding_rnn_seq2seq"
    decoder = f"{scope}/embedding_rnn_decoder"
    inner = f"{decoder}/rnn_decoder/output_projection_wrapper"
    assert names() == [
        f"{scope}/rnn/embedding_wrapper/embedding",
        *(
            f"{scope}/rnn/embedding_wrapper/gru_cell/{part}/{kind}"
            for part in ("gates", "candidate")
            for kind in ("kernel", "bias")
        ),
        f"{decoder}/embedding",
        *(
            f"{inner}/gru_cell/{part}/{kind}"
            for part in ("gates", "candidate")
            for kind in ("kernel", "bias")
        ),
        f"{inner}/kernel",
        f"{inner}/bias",
    ]
    table = v1.global_variables()[5]
    second = outputs[0], tf.gradients(outputs[1], table)[0]
    first, rows = run([second[0], tf.convert_to_tensor(second[1])])
    fed = set(first.argmax(1)) if feed_previous else set(DECODER[1])
    touched = set(np.flatnonzero(np.abs(rows).sum(1)))
    assert touched == {0} | fed


def test_which_inputs_may_be_decided_by_the_run(graph):
    feed = v1.placeholder(tf.bool, [])

    def build(feed_previous):
        return legacy.embedding_attention_seq2seq(
            ENCODER, DECODER, cells.GRUCell(3), 4, 5, 2, feed_previous=feed_previous
        )[0]

    chosen = build(feed)
    count = len(v1.global_variables())
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        given, largest = build(False), build(True)
    assert len(v1.global_variables()) == count
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for value, want in ((False, given), (True, largest)):
            got, want = session.run([chosen, want], {feed: value})
            np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("initial", [False, True])
def test_attention_decoder(graph, initial):
    inputs = [tf.constant(RNG.normal(size=(2, 3))) for _ in range(2)]
    states = RNG.normal(size=(2, 4, 5))
    start = RNG.normal(size=(2, 3))
    outputs, last = legacy.attention_decoder(
        inputs,
        tf.constant(start),
        tf.constant(states),
        cells.GRUCell(3),
        output_size=2,
        num_heads=2,
        dtype=tf.float64,
        initial_state_attention=initial,
    )
    scope = "attention_decoder"
    assert set(names()) == {
        *(
            f"{scope}/{name}"
            for name in (
                "AttnW_0",
                "AttnV_0",
                "AttnW_1",
                "AttnV_1",
                "kernel",
                "bias",
                "gru_cell/gates/kernel",
                "gru_cell/gates/bias",
                "gru_cell/candidate/kernel",
                "gru_cell/candidate/bias",
                "Attention_0/kernel",
                "Attention_0/bias",
                "Attention_1/kernel",
                "Attention_1/bias",
                "AttnOutputProjection/kernel",
                "AttnOutputProjection/bias",
            )
        ),
    }
    variables = dict(zip(names(), v1.global_variables(), strict=True))
    outputs, last, values = run([outputs, last, variables])
    v = {name.removeprefix(f"{scope}/"): value for name, value in values.items()}

    def attended(query, i):
        hidden = states @ v[f"AttnW_{i}"][0, 0]
        y = query @ v[f"Attention_{i}/kernel"] + v[f"Attention_{i}/bias"]
        scores = np.tanh(hidden + y[:, None]) @ v[f"AttnV_{i}"]
        e = np.exp(scores - scores.max(1, keepdims=True))
        return np.einsum("bt,btd->bd", e / e.sum(1, keepdims=True), states)

    # The last output, by the last state.
    parts = [last, attended(last, 0), attended(last, 1)]
    want = np.concatenate(parts, 1) @ v["AttnOutputProjection/kernel"]
    np.testing.assert_allclose(
        outputs[-1], want + v["AttnOutputProjection/bias"], rtol=1e-8
    )
    with pytest.raises(ValueError, match="at least 1 input"):
        legacy.attention_decoder([], None, None, None)


def test_buckets_share_variables(graph):
    def model(encoder, decoder):
        return legacy.embedding_tied_rnn_seq2seq(
            encoder, decoder, cells.BasicLSTMCell(3), 5, 2
        )

    weights = [np.ones(2, np.float32)] * 2
    outputs, losses = legacy.model_with_buckets(
        ENCODER, DECODER, DECODER, weights, [(2, 1), (3, 2)], model
    )
    assert [len(each) for each in outputs] == [1, 2]
    assert len(names()) == 5
    step = v1.train.AdamOptimizer(0.1).minimize(losses[1])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        found = [session.run([losses[1], step])[0] for _ in range(40)]
    assert found[-1] < 0.5 * found[0]
    with pytest.raises(ValueError, match="must be at least that of last bucket"):
        legacy.model_with_buckets(
            ENCODER[:1], DECODER, DECODER, weights, [(3, 2)], model
        )
