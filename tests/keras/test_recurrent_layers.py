"""Recurrent layers: states, sizes that the run decides, dropout, cells of programs."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

layers = tf.keras.layers
KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]
X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32)


def of_cell(layer):
    """The same layer as a loop that knows nothing of its cell."""
    twin = layers.RNN(
        type(layer.cell).from_config(layer.cell.get_config()),
        return_sequences=layer.return_sequences,
        return_state=layer.return_state,
        go_backwards=layer.go_backwards,
    )
    twin(X)
    twin.set_weights(layer.get_weights())
    return twin


def run_with_slopes(layer, x, **options):
    x = tf.constant(x)

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(layer(x, **options))
            total = tf.add_n([tf.reduce_sum(tf.sin(y)) for y in outputs])
        return outputs, tape.gradient(total, [x, *layer.trainable_weights])

    outputs, slopes = run(x)
    return [y.numpy() for y in (*outputs, *slopes)]


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_loops_with_derivatives_by_hand_agree_with_the_loop_of_any_cell(
    kind, masked, activation
):
    layer = kind(5, activation, return_sequences=True, return_state=True)
    layer(X)
    rng = np.random.default_rng(1)
    layer.set_weights(
        [rng.normal(size=w.shape).astype(np.float32) * 0.3 for w in layer.weights]
    )
    options = {"mask": tf.constant(rng.random((3, 6)) < 0.7)} if masked else {}
    pairs = zip(
        run_with_slopes(layer, X, **options),
        run_with_slopes(of_cell(layer), X, **options),
        strict=True,
    )
    for found, want in pairs:
        np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_and_time_may_be_decided_by_the_run(kind):
    layer = kind(5, return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 4], tf.float32)])
    def run(x):
        with tf.GradientTape() as tape:
            y = layer(x)
            total = tf.reduce_sum(y * y)
        return y, tape.gradient(total, layer.trainable_weights)

    layer(X)
    for shape in ((2, 3, 4), (5, 6, 4), (1, 1, 4)):
        x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
        y, slopes = run(x)
        np.testing.assert_allclose(y.numpy(), layer(x).numpy(), rtol=1e-5, atol=1e-6)
        assert all(np.isfinite(g.numpy()).all() for g in slopes)


@pytest.mark.parametrize("kind", KINDS)
def test_stateful_layers_go_on_where_the_batch_before_ended(kind):
    layer = kind(
        5, stateful=True, return_sequences=True, batch_input_shape=(3, None, 4)
    )
    whole = layer(X).numpy()
    assert len(layer.weights) == 3
    layer.reset_states()
    parts = [layer(X[:, :2]).numpy(), layer(X[:, 2:]).numpy()]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-6)
    again = layer(X).numpy()
    assert np.abs(again - whole).max() > 1e-4
    layer.reset_states([np.zeros((3, 5), np.float32)] * len(layer.states))
    np.testing.assert_allclose(layer(X).numpy(), whole, rtol=1e-5, atol=1e-6)


def test_states_of_functions_that_were_traced_go_on_as_well():
    layer = layers.LSTM(5, stateful=True, batch_input_shape=(3, 6, 4))
    layer(X)
    layer.reset_states()
    call = tf.function(lambda x: layer(x))
    first, second = call(X).numpy(), call(X).numpy()
    layer.reset_states()
    np.testing.assert_allclose(layer(X).numpy(), first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(X).numpy(), second, rtol=1e-5, atol=1e-6)


def test_a_stateful_layer_needs_a_batch_size():
    layer = layers.LSTM(5, stateful=True)
    with pytest.raises(ValueError, match="batch size"):
        layer(tf.keras.Input([6, 4]))
    with pytest.raises(AttributeError, match="stateful"):
        layers.LSTM(5).reset_states()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_dropout_is_the_same_in_all_steps_and_only_while_training(kind, options):
    layer = kind(40, return_sequences=True, **options)
    x = np.ones((2, 5, 30), np.float32)
    still = layer(x).numpy()
    np.testing.assert_array_equal(layer(x, training=False).numpy(), still)
    assert np.abs(layer(x, training=True).numpy() - still).max() > 1e-3
    if "dropout" in options:
        # With the same inputs in each step, and no kernel of the state, so are outputs.
        weights = layer.get_weights()
        weights[1] = weights[1] * 0.0
        layer.set_weights(weights)
        if kind is layers.SimpleRNN:
            y = layer(x, training=True).numpy()
            np.testing.assert_allclose(y, np.repeat(y[:, :1], 5, 1), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_has_derivatives_for_the_same_masks(kind):
    layer = kind(3, dropout=0.4, recurrent_dropout=0.4)
    layer(X)

    @tf.function
    def loss(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x, training=True) ** 2)
        return y, tape.gradient(y, x)

    def at(x):
        tf.random.set_seed(5)
        fresh = tf.function(loss.python_function)
        return [v.numpy() for v in fresh(tf.constant(x))]

    _, slope = at(X)
    step = np.zeros_like(X)
    step[1, 2, 3] = 1e-2
    want = (at(X + step)[0] - at(X - step)[0]) / 2e-2
    assert slope[1, 2, 3] == pytest.approx(want, rel=0.02, abs=1e-4)


class OwnCell(layers.Layer):
    """A cell as a program writes one."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), name="kernel"
        )
        self.built = True

    def call(self, inputs, states):
        output = tf.matmul(inputs, self.kernel) + states[0]
        return output, [output]


def test_cells_of_programs_run():
    layer = layers.RNN(OwnCell(5), return_sequences=True)
    y = layer(X).numpy()
    want = np.cumsum(X @ layer.cell.kernel.numpy(), 1)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    stack = layers.RNN([OwnCell(5), OwnCell(2)])
    assert stack(X).shape == (3, 2)


def test_constants_reach_the_cell():
    class WithConstants(OwnCell):
        def call(self, inputs, states, constants):
            output = tf.matmul(inputs, self.kernel) + states[0] + constants[0]
            return output, [output]

    layer = layers.RNN(WithConstants(5))
    c = np.ones((3, 5), np.float32)
    y = layer(X, constants=c).numpy()
    want = (X @ layer.cell.kernel.numpy()).sum(1) + 6.0
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)


def test_an_encoder_gives_its_states_to_a_decoder():
    source, target = tf.keras.Input([None, 4]), tf.keras.Input([None, 3])
    _, h, c = layers.LSTM(5, return_state=True)(source)
    outputs = layers.LSTM(5, return_sequences=True)(target, initial_state=[h, c])
    model = tf.keras.Model([source, target], layers.Dense(2)(outputs))
    y = model([X, X[:, :2, :3]])
    assert y.shape == (3, 2, 2)
    assert [len(layer.weights) for layer in model.layers] == [0, 0, 3, 3, 2]


def test_masks_of_an_embedding_reach_a_recurrent_layer():
    words = np.array([[1, 2, 0, 0], [3, 1, 2, 2]])
    embed = layers.Embedding(5, 4, mask_zero=True)
    layer = layers.GRU(5)
    y = layer(embed(words)).numpy()
    np.testing.assert_allclose(
        y[0], layer(embed(words[:1, :2])).numpy()[0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.LSTM(0), "units"),
        (lambda: layers.RNN(layers.Dense(3)), "state_size"),
        (lambda: layers.StackedRNNCells([layers.Dense(3)]), "state_size"),
        (lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="max"), "merge mode"),
        (lambda: layers.Bidirectional(3), "Layer"),
        (
            lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)),
            "go_backwards",
        ),
        (lambda: layers.LSTM(3)(X[0]), "expected ndim=3, found ndim=2"),
        (lambda: layers.LSTM(3)(X, initial_state=[X[:, 0]]), "2 states"),
        (lambda: layers.TimeDistributed(layers.Dense(3))(X[0]), "3 dimensions"),
    ],
)
def test_bad_arguments_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_bidirectional_layers_take_states_and_other_activations():
    layer = layers.Bidirectional(
        layers.LSTM(3, activation=lambda x: tf.tanh(x) * 0.5, return_state=True)
    )
    states = [np.full((3, 3), value, np.float32) for value in (0.1, 0.2, 0.3, 0.4)]
    found = layer(X, initial_state=states)
    assert len(found) == 5
    assert found[0].shape == (3, 6)
    first = layer.forward_layer(X, initial_state=states[:2])[0].numpy()
    np.testing.assert_allclose(found[0].numpy()[:, :3], first, rtol=1e-5, atol=1e-6)


def test_cells_of_programs_run_in_both_directions_with_constants():
    class Residual(OwnCell):
        def call(self, inputs, states, constants=None):
            output = tf.matmul(inputs, self.kernel) + states[0]
            return (output if constants is None else output + constants[0]), [output]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    layer = layers.Bidirectional(layers.RNN(Residual(5)))
    assert layer(X).shape == (3, 10)
    c = np.ones((3, 5), np.float32)
    layer = layers.Bidirectional(layers.RNN(Residual(5)), merge_mode="sum")
    first = layer(X, constants=c).numpy()
    np.testing.assert_allclose(layer([X, c]).numpy(), first, rtol=1e-5)
    np.testing.assert_allclose(layer(X).numpy(), first - 2.0, rtol=1e-4, atol=1e-4)


def test_cells_need_not_be_layers():
    class Plain:
        state_size = 4
        output_size = 4

        def call(self, inputs, states):
            return inputs + states[0], [inputs + states[0]]

    found = layers.RNN([Plain(), Plain()])(X).numpy()
    want = np.cumsum(np.cumsum(X, 1), 1)[:, -1]
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layers.RNN(Plain())(X).numpy(), X.sum(1), rtol=1e-4)


def test_eager_loops_are_compiled_once_for_all_sizes():
    layer = layers.LSTM(7)
    for steps in range(1, 16):
        x = np.ones((steps % 3 + 1, steps, 3), np.float32)
        assert np.isfinite(layer(x).numpy()).all()
