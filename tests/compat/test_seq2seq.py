"""`tf.contrib.seq2seq`: losses, helpers, decoders and attention."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.compat.v1.seq2seq import attention, decoders, helpers
from graphopt.compat.v1.seq2seq.loss import sequence_loss
from graphopt.config import config

v1 = tf.compat.v1
cells = v1.nn.rnn_cell
JIT = pytest.mark.parametrize("jit", ["never", "always"])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 3))
LENGTHS = [2, 4]


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feed=None, jit="never"):
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for i, v in enumerate(v1.global_variables()):
            value = 0.7 * np.random.default_rng(i).normal(size=tuple(v.shape))
            v.load(value, session)
        return session.run(fetches, feed)


LOGITS = RNG.normal(size=(2, 3, 4))
TARGETS = np.array([[0, 3, 1], [2, 2, 0]])
WEIGHTS = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])


def entropies():
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    return -np.log(np.take_along_axis(p, TARGETS[..., None], -1))[..., 0] * WEIGHTS


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ((True, True, False, False), lambda c: c.sum() / WEIGHTS.sum()),
        ((False, False, True, True), lambda c: c.sum() / 5),
        ((True, False, False, False), lambda c: c.sum(1) / WEIGHTS.sum(1)),
        ((False, True, False, False), lambda c: c.sum(0) / WEIGHTS.sum(0)),
        ((False, False, False, False), lambda c: c),
    ],
)
def test_sequence_loss(flags, want):
    loss = sequence_loss(LOGITS, TARGETS, WEIGHTS, *flags)
    np.testing.assert_allclose(loss.numpy(), want(entropies()), rtol=1e-12)


def test_sequence_loss_checks_its_arguments():
    with pytest.raises(ValueError, match="Logits must be"):
        sequence_loss(LOGITS[0], TARGETS, WEIGHTS)
    with pytest.raises(ValueError, match="at the same time"):
        sequence_loss(LOGITS, TARGETS, WEIGHTS, sum_over_batch=True)
    own = sequence_loss(
        LOGITS,
        TARGETS,
        WEIGHTS,
        softmax_loss_function=lambda labels, logits: tf.cast(labels, tf.float64),
    )
    np.testing.assert_allclose(own, (TARGETS * WEIGHTS).sum() / WEIGHTS.sum())
    nothing = sequence_loss(LOGITS, TARGETS, 0 * WEIGHTS)
    assert nothing.numpy() == 0


@JIT
@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("constant", [False, True])
def test_training_decoder_is_dynamic_rnn(graph, jit, impute, constant):
    x = v1.placeholder(tf.float64, [None, 4, 3])
    n = tf.constant(LENGTHS) if constant else v1.placeholder(tf.int32, [None])
    cell = cells.GRUCell(5)
    layer = v1.layers.Dense(7, name="projection")
    decoder = decoders.BasicDecoder(
        cell,
        helpers.TrainingHelper(x, n),
        cell.zero_state(tf.shape(x)[0], tf.float64),
        layer,
    )
    outputs, state, lengths = decoders.dynamic_decode(decoder, impute_finished=impute)
    assert [v.name for v in v1.global_variables()] == [
        f"decoder/{name}:0"
        for name in (
            "gru_cell/gates/kernel",
            "gru_cell/gates/bias",
            "gru_cell/candidate/kernel",
            "gru_cell/candidate/bias",
            "projection/kernel",
            "projection/bias",
        )
    ]
    with v1.variable_scope("decoder", reuse=True) as scope:
        again, last = v1.nn.dynamic_rnn(
            cells.GRUCell(5), x, n, dtype=tf.float64, scope=scope
        )
    kernel, bias = v1.global_variables()[4:]
    wanted = tf.tensordot(again, kernel, 1) + bias
    loss = tf.reduce_sum(outputs.rnn_output[:, 0] ** 2)
    other = tf.reduce_sum(wanted[:, 0] ** 2)
    variables = v1.trainable_variables()
    grads = tf.gradients(loss, variables), tf.gradients(other, variables)
    feed = {x: X} if constant else {x: X, n: LENGTHS}
    fetches = [outputs, state, lengths, wanted, last, *grads]
    if constant:
        with v1.Session() as session:
            plan = session.plan(fetches, feed)
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
    found, state, lengths, wanted, last, got, want = run(fetches, feed, jit)
    np.testing.assert_array_equal(lengths, LENGTHS)
    for b, end in enumerate(LENGTHS):
        mine = found.rnn_output[b, :end]
        np.testing.assert_allclose(mine, wanted[b, :end], rtol=1e-9)
        np.testing.assert_array_equal(found.sample_id[b, :end], mine.argmax(-1))
    if impute:
        np.testing.assert_allclose(state, last, rtol=1e-9)
        assert not found.rnn_output[0, 2:].any()
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_one_length_for_all_is_known_whatever_the_batch(graph):
    x = v1.placeholder(tf.float32, [None, 4, 3])
    lengths = tf.fill([tf.shape(x)[0]], 4)
    cell = cells.GRUCell(5)
    start = cell.zero_state(tf.shape(x)[0], tf.float32)
    decoder = decoders.BasicDecoder(cell, helpers.TrainingHelper(x, lengths), start)
    outputs, _, _ = decoders.dynamic_decode(decoder)
    with v1.Session() as session:
        plan = session.plan(outputs.rnn_output, {x: np.zeros((2, 4, 3))})
    assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)


@JIT
def test_outputs_end_with_the_longest_sequence(graph, jit):
    n = v1.placeholder(tf.int32, [2])
    cell = cells.BasicRNNCell(3)
    decoder = decoders.BasicDecoder(
        cell, helpers.TrainingHelper(X, n), cell.zero_state(2, tf.float64)
    )
    outputs, _, lengths = decoders.dynamic_decode(decoder, output_time_major=True)
    found, got = run([outputs.rnn_output, lengths], {n: [3, 1]}, jit)
    assert found.shape == (3, 2, 3)
    np.testing.assert_array_equal(got, [3, 1])


def greedy(table, weights, start, end, steps):
    """A decoder whose output is the embedding of its input, mapped."""
    found = []
    token = np.array(start)
    finished = np.zeros(len(start), bool)
    for _ in range(steps):
        token = (table[token] @ weights).argmax(1)
        found.append(token)
        finished |= token == end
        if finished.all():
            break
    return np.array(found).T


class EchoCell(cells.RNNCell):
    """Its output is its input; the state counts steps."""

    state_size = 1
    output_size = 3

    def call(self, inputs, state):
        return inputs, state + 1


@JIT
@pytest.mark.parametrize("limit", [None, 6, "tensor"])
def test_greedy_decoding(graph, jit, limit):
    table = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    weights = np.random.default_rng(4).normal(size=(3, 5)).astype(np.float32)
    start = [1, 2]
    ids = greedy(table, weights, start, -1, 6)
    end = int(ids[0, 3])
    bound = 20 if limit is None else 6
    wanted = greedy(table, weights, start, end, bound)
    helper = helpers.GreedyEmbeddingHelper(tf.constant(table), start, end)
    layer = v1.layers.Dense(5, use_bias=False)
    cell = EchoCell()
    decoder = decoders.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32), layer)
    maximum = tf.constant(bound) if limit == "tensor" else bound
    outputs, _, lengths = decoders.dynamic_decode(decoder, maximum_iterations=maximum)
    with config(jit=jit), v1.Session() as session:
        layer.kernel.load(weights, session)
        found, lengths = session.run([outputs, lengths])
    np.testing.assert_array_equal(found.sample_id, wanted)
    for row, length in zip(wanted, lengths, strict=True):
        ends = np.flatnonzero(row == end)
        assert length == (ends[0] + 1 if len(ends) else wanted.shape[1])


@JIT
def test_decoding_without_a_bound(graph, jit):
    table = np.eye(4, dtype=np.float32)

    def initialize():
        return tf.constant([False]), tf.constant([[1.0]])

    def sample(time, outputs, state):
        return tf.fill([1], time)

    def next_inputs(time, outputs, state, sample_ids):
        return tf.equal(sample_ids, 4), tf.fill([1, 1], 2.0), state

    helper = helpers.CustomHelper(initialize, sample, next_inputs)
    cell = EchoCell()
    cell.output_size = 1
    decoder = decoders.BasicDecoder(cell, helper, cell.zero_state(1, tf.float32))
    outputs, state, lengths = decoders.dynamic_decode(decoder)
    found, state, lengths = run([outputs, state, lengths], jit=jit)
    np.testing.assert_array_equal(found.sample_id, [[0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(found.rnn_output[0, :, 0], [1, 2, 2, 2, 2])
    assert state == 5 and lengths == [5] and table.shape == (4, 4)


@JIT
def test_sampling_and_scheduled_helpers(graph, jit):
    table = tf.constant(np.eye(3, dtype=np.float32))
    cell = EchoCell()
    sampler = helpers.SampleEmbeddingHelper(table, [0, 1], 2, 0.1, seed=3)
    logits = v1.layers.Dense(3, kernel_initializer=lambda *_, **__: 20 * np.eye(3))
    decoder = decoders.BasicDecoder(
        cell, sampler, cell.zero_state(2, tf.float32), logits
    )
    drawn, *_ = decoders.dynamic_decode(decoder, maximum_iterations=4)
    given = np.random.default_rng(0).normal(size=(2, 30, 3)).astype(np.float32)
    scheduled = helpers.ScheduledEmbeddingTrainingHelper(
        given, [30, 30], table, 0.5, seed=1
    )
    decoder = decoders.BasicDecoder(cell, scheduled, cell.zero_state(2, tf.float32))
    mixed, *_ = decoders.dynamic_decode(decoder, scope="second")
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        drawn, mixed = session.run([drawn, mixed])
    np.testing.assert_array_equal(drawn.sample_id, [[0] * 4, [1] * 4])
    taken = mixed.sample_id[:, :-1] >= 0
    assert 0.2 < taken.mean() < 0.8
    inputs = mixed.rnn_output[:, 1:]
    np.testing.assert_array_equal(inputs[~taken], given[:, 1:][~taken])
    np.testing.assert_array_equal(
        inputs[taken].argmax(-1), mixed.sample_id[:, :-1][taken]
    )


def test_inference_helper(graph):
    helper = helpers.InferenceHelper(
        lambda outputs: outputs * 2,
        [3],
        tf.float32,
        tf.ones([2, 3]),
        lambda samples: tf.reduce_sum(samples, 1) > 20,
    )
    cell = EchoCell()
    decoder = decoders.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    outputs, _, lengths = decoders.dynamic_decode(decoder, maximum_iterations=9)
    outputs, lengths = run([outputs, lengths])
    np.testing.assert_array_equal(outputs.sample_id[0, :, 0], [2, 4, 8])
    np.testing.assert_array_equal(lengths, [3, 3])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


MEMORY = RNG.normal(size=(2, 5, 4))


def make(kind, **keywords):
    mechanism = getattr(attention, f"{kind}Attention")
    units = 3 if kind == "Luong" else 6
    return mechanism(units, tf.constant(MEMORY), [3, 5], dtype=tf.float64, **keywords)


@JIT
@pytest.mark.parametrize("kind", ["Luong", "Bahdanau"])
@pytest.mark.parametrize("option", [False, True])
def test_attention(graph, jit, kind, option):
    keyword = {"Luong": "scale", "Bahdanau": "normalize"}[kind]
    mechanism = make(kind, **{keyword: option})
    cell = attention.AttentionWrapper(
        cells.GRUCell(3), mechanism, attention_layer_size=2, dtype=tf.float64
    )
    outputs, state = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float64)
    gradient = tf.gradients(tf.reduce_sum(outputs**2), v1.trainable_variables())
    scope = f"rnn/attention_wrapper/{kind.lower()}_attention"
    wanted = {
        "memory_layer/kernel:0",
        *(
            f"rnn/attention_wrapper/gru_cell/{n}:0"
            for n in (
                "gates/kernel",
                "gates/bias",
                "candidate/kernel",
                "candidate/bias",
            )
        ),
        "rnn/attention_wrapper/attention_layer/kernel:0",
    }
    if kind == "Bahdanau":
        wanted |= {f"{scope}/query_layer/kernel:0", f"{scope}/attention_v:0"}
        if option:
            wanted |= {f"{scope}/attention_g:0", f"{scope}/attention_b:0"}
    elif option:
        wanted.add(f"{scope}/attention_g:0")
    variables = {v.name: v for v in v1.global_variables()}
    assert set(variables) == wanted
    found, state, values, gradient = run([outputs, state, variables, gradient], jit=jit)
    assert state.time == 4 and state.alignment_history == ()
    assert all(np.abs(g).max() > 0 for g in gradient)
    # The last step, in NumPy.
    memory = MEMORY * (np.arange(5)[None, :, None] < np.array([3, 5])[:, None, None])
    keys = memory @ values["memory_layer/kernel:0"]
    h = state.cell_state
    if kind == "Luong":
        scores = np.einsum("btd,bd->bt", keys, h)
        if option:
            scores = scores * values[f"{scope}/attention_g:0"]
    else:
        v = values[f"{scope}/attention_v:0"]
        hidden = keys + (h @ values[f"{scope}/query_layer/kernel:0"])[:, None]
        if option:
            hidden = hidden + values[f"{scope}/attention_b:0"]
            v = values[f"{scope}/attention_g:0"] * v / np.sqrt((v * v).sum())
        scores = np.tanh(hidden) @ v
    scores[0, 3:] = -np.inf
    alignments = softmax(scores)
    np.testing.assert_allclose(state.alignments, alignments, rtol=1e-7, atol=1e-12)
    context = np.einsum("bt,btd->bd", alignments, memory)
    layer = values["rnn/attention_wrapper/attention_layer/kernel:0"]
    want = np.concatenate([h, context], 1) @ layer
    np.testing.assert_allclose(found[:, -1], want, rtol=1e-7)


def test_attention_to_several_memories_with_a_history(graph):
    mechanisms = [make("Bahdanau"), make("Luong")]
    cell = attention.AttentionWrapper(
        cells.GRUCell(3), mechanisms, alignment_history=True, output_attention=False
    )
    assert cell.output_size == 3 and cell.state_size.attention == 8
    helper = helpers.TrainingHelper(X, [4, 4])
    start = cell.zero_state(2, tf.float64).clone(cell_state=tf.ones([2, 3], tf.float64))
    decoder = decoders.BasicDecoder(cell, helper, start)
    outputs, state, _ = decoders.dynamic_decode(decoder)
    history = [each.stack() for each in state.alignment_history]
    outputs, history, last = run([outputs.rnn_output, history, state.alignments])
    assert outputs.shape == (2, 4, 3) and history[0].shape == (4, 2, 5)
    np.testing.assert_allclose(history[1][-1], last[1])
    np.testing.assert_allclose(history[0].sum(-1), 1)
    with pytest.raises(ValueError, match="another shape"):
        start.clone(cell_state=tf.ones([2, 4], tf.float64))


def test_tile_batch_and_hardmax():
    x = np.arange(6.0).reshape(3, 2)
    tiled = attention.tile_batch({"a": x, "b": x[:, 0]}, 2)
    np.testing.assert_array_equal(tiled["a"].numpy(), x.repeat(2, 0))
    np.testing.assert_array_equal(tiled["b"].numpy(), x[:, 0].repeat(2))
    hard = attention.hardmax(tf.constant([[0.1, 3.0, 2.0]]))
    np.testing.assert_array_equal(hard.numpy(), [[0, 1, 0]])


def test_errors(graph):
    with pytest.raises(TypeError, match="helper must be a Helper"):
        decoders.BasicDecoder(cells.GRUCell(3), 1, None)
    with pytest.raises(TypeError, match="to be type Decoder"):
        decoders.dynamic_decode(3)
    with pytest.raises(ValueError, match="to be a vector"):
        helpers.TrainingHelper(X, 3)
    with pytest.raises(ValueError, match="start_tokens must be a vector"):
        helpers.GreedyEmbeddingHelper(tf.ones([2, 2]), 1, 0)
    with pytest.raises(TypeError, match="must be an AttentionMechanism"):
        attention.AttentionWrapper(cells.GRUCell(3), 3)
    with pytest.raises(ValueError, match="Only one of attention_layer_size"):
        attention.AttentionWrapper(
            cells.GRUCell(3), make("Luong"), 3, attention_layer=v1.layers.Dense(3)
        )
    with pytest.raises(ValueError, match="per attention_mechanism"):
        attention.AttentionWrapper(cells.GRUCell(3), make("Luong"), [3, 4])
