"""`tf.contrib.seq2seq.BeamSearchDecoder`."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.compat.v1.seq2seq import attention, beam_search, decoders
from graphopt.config import config

v1 = tf.compat.v1
cells = v1.nn.rnn_cell
V, K, B, STEPS, END = 5, 3, 2, 6, 4


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def search(step, start, width, penalty):
    """Beam search of one example, with lists: the sequences and their scores."""
    beams = [([], 0.0, start, False, 0)]
    for _ in range(STEPS):
        found = []
        for at, (words, total, state, done, length) in enumerate(beams):
            if done:
                score = total / ((5 + length) / 6) ** penalty
                found.append((score, -at, ([*words, END], total, state, True, length)))
                continue
            chances, new = step(words[-1] if words else 0, state)
            for word, chance in enumerate(chances):
                is_end = word == END
                grown = length + (not is_end)
                score = (total + chance) / ((5 + grown) / 6) ** penalty
                entry = ([*words, word], total + chance, new, is_end, length + 1)
                found.append((score, -at, entry))
        found.sort(key=lambda f: -f[0])
        scores = [f[0] for f in found[:width]]
        beams = [f[2] for f in found[:width]]
        if all(b[3] for b in beams):
            break
    return [b[0] for b in beams], scores


@pytest.mark.parametrize("jit", ["never", "always"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_are_those_of_a_plain_search(graph, jit, penalty):
    rng = np.random.default_rng(1)
    table = rng.normal(size=(V, 3)).astype(np.float32)
    start = rng.normal(size=(B, 4)).astype(np.float32)
    cell, layer = cells.BasicRNNCell(4), v1.layers.Dense(V, use_bias=False)
    decoder = beam_search.BeamSearchDecoder(
        cell,
        tf.constant(table),
        [0] * B,
        END,
        attention.tile_batch(tf.constant(start), K),
        K,
        layer,
        length_penalty_weight=penalty,
    )
    outputs, state, lengths = decoders.dynamic_decode(decoder, maximum_iterations=STEPS)
    values = {
        v.name: 1.5 * np.random.default_rng(i).normal(size=tuple(v.shape))
        for i, v in enumerate(v1.global_variables())
    }
    with config(jit=jit), v1.Session() as session:
        for v in v1.global_variables():
            v.load(values[v.name].astype(np.float32), session)
        found, log_probs, lengths = session.run([outputs, state.log_probs, lengths])
    kernel, bias, last = values.values()

    def step(word, h):
        h = np.tanh(np.concatenate([table[word], h]) @ kernel + bias)
        logits = h @ last
        return logits - np.log(np.exp(logits).sum()), h

    assert found.predicted_ids.shape[0] == B and found.predicted_ids.shape[2] == K
    for b in range(B):
        sequences, scores = search(step, start[b], K, penalty)
        for k, words in enumerate(sequences):
            got = found.predicted_ids[b, : len(words), k]
            np.testing.assert_array_equal(got, words)
        steps = len(sequences[0])
        got = found.beam_search_decoder_output.scores[b, steps - 1]
        np.testing.assert_allclose(got, scores, rtol=1e-4)
    assert lengths.shape == (B, K) and log_probs.shape == (B, K)


def test_trees():
    ids = np.array([[[1, 2, 3]], [[4, 9, 6]], [[7, 8, 9]]], np.int32)
    parents = np.array([[[0, 0, 0]], [[0, 1, 1]], [[2, 1, 0]]], np.int32)
    found = beam_search.gather_tree(ids, parents, [3], 9).numpy()
    # What comes behind an end is the end again.
    np.testing.assert_array_equal(found[:, 0].T, [[2, 6, 7], [2, 9, 9], [1, 4, 9]])
    short = beam_search.gather_tree(ids, parents, [1], 9).numpy()
    np.testing.assert_array_equal(short[:, 0].T, [[1, 9, 9], [2, 9, 9], [3, 9, 9]])


def test_what_is_not_there(graph):
    cell = cells.GRUCell(3)
    state = cell.zero_state(4, tf.float32)
    make = beam_search.BeamSearchDecoder
    with pytest.raises(NotImplementedError, match="coverage_penalty_weight"):
        make(cell, tf.ones([V, 3]), [0, 0], 1, state, 2, coverage_penalty_weight=1.0)
    with pytest.raises(ValueError, match="start_tokens must be a vector"):
        make(cell, tf.ones([V, 3]), 0, 1, state, 2)
