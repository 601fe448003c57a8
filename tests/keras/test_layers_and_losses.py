"""Layers, models, initializers and losses."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

keras = tf.keras


def test_sequential_makes_its_weights_at_the_first_call():
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"have not yet been created.*as a function"):
        _ = model.trainable_weights
    assert model(np.ones((4, 5), np.float32)).shape == (4, 2)
    assert [tuple(w.shape) for w in model.trainable_weights] == [
        (5, 3),
        (3,),
        (3, 2),
        (2,),
    ]
    weights = model.trainable_weights
    model(np.ones((7, 5), np.float32))
    assert all(a is b for a, b in zip(weights, model.trainable_weights, strict=True))


def test_dense_is_a_product_and_a_sum():
    layer = keras.layers.Dense(2, activation="relu")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    layer(x)
    kernel = np.arange(8, dtype=np.float32).reshape(4, 2) - 4.0
    layer.set_weights([kernel, np.array([0.5, -0.5], np.float32)])
    want = np.maximum(x @ kernel + np.array([0.5, -0.5]), 0.0)
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-5)
    with pytest.raises(ValueError, match="incompatible"):
        layer(np.ones((3, 5), np.float32))
    with pytest.raises(ValueError, match="positive number of units"):
        keras.layers.Dense(0)


def test_model_subclass_finds_the_layers_that_it_keeps():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(4, activation="tanh")
            self.out = keras.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    net = Net()
    net(np.ones((2, 3), np.float32))
    assert len(net.trainable_weights) == 4
    assert net.layers == [net.hidden, net.out]


def test_flatten():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(keras.layers.Flatten()(x).numpy(), x.reshape(2, 12))


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("glorot_uniform", np.sqrt(2 / 500)),
        ("glorot_normal", np.sqrt(2 / 500)),
        ("he_uniform", np.sqrt(2 / 300)),
        ("he_normal", np.sqrt(2 / 300)),
        ("lecun_normal", np.sqrt(1 / 300)),
        ("random_normal", 0.05),
        ("random_uniform", 0.1 / np.sqrt(12)),
    ],
)
def test_initializers_have_their_spread(name, scale):
    tf.random.set_seed(3)
    values = keras.initializers.get(name)((300, 200)).numpy()
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 * scale
    assert values.std() == pytest.approx(scale, rel=0.02)


def test_seeded_initializers_repeat():
    make = keras.initializers.GlorotUniform
    np.testing.assert_array_equal(make(seed=3)((2, 3)), make(seed=3)((2, 3)))
    assert np.any(make(seed=3)((2, 3)) != make(seed=4)((2, 3)))


def test_same_seed_gives_the_same_model_in_both_modes():
    x = np.ones((2, 3), np.float32)
    tf.random.set_seed(7)
    eager = keras.Sequential([keras.layers.Dense(2)])(x).numpy()
    tf.random.set_seed(7)
    with tf.Graph().as_default():
        y = keras.Sequential([keras.layers.Dense(2)])(tf.constant(x))
        np.testing.assert_allclose(y.eval(), eager, rtol=1e-6)


Y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
P = np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]], np.float32)


@pytest.mark.parametrize(
    ("loss", "want"),
    [
        (lambda: keras.losses.mse(Y, P), ((Y - P) ** 2).mean(1)),
        (lambda: keras.losses.mean_absolute_error(Y, P), np.abs(Y - P).mean(1)),
        (lambda: keras.losses.categorical_crossentropy(Y, P), -np.log([0.5, 0.7])),
        (
            lambda: keras.losses.categorical_crossentropy(Y, np.log(P), True),
            -np.log([0.5, 0.7]),
        ),
        (
            lambda: keras.losses.sparse_categorical_crossentropy([1, 0], P),
            -np.log([0.5, 0.7]),
        ),
        (
            lambda: keras.losses.sparse_categorical_crossentropy(
                [1, 0], np.log(P), True
            ),
            -np.log([0.5, 0.7]),
        ),
        (
            lambda: keras.losses.binary_crossentropy(Y, P),
            -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean(1),
        ),
        (
            lambda: keras.losses.binary_crossentropy(Y, np.log(P / (1 - P)), True),
            -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean(1),
        ),
    ],
)
def test_losses(loss, want):
    np.testing.assert_allclose(loss().numpy(), want, rtol=2e-5)


def test_label_smoothing():
    smooth = Y * 0.9 + 0.1 / 3
    want = -(smooth * np.log(P)).sum(1)
    got = keras.losses.categorical_crossentropy(Y, P, label_smoothing=0.1)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5)


def test_loss_objects_reduce():
    each = keras.losses.mse(Y, P).numpy()
    loss = keras.losses.MeanSquaredError
    assert float(loss()(Y, P)) == pytest.approx(each.mean())
    assert float(loss(reduction="sum")(Y, P)) == pytest.approx(each.sum())
    np.testing.assert_allclose(loss(reduction="none")(Y, P), each)
    weighted = loss(reduction="sum")(Y, P, sample_weight=[1.0, 10.0])
    assert float(weighted) == pytest.approx(each[0] + 10 * each[1])
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(logits([1, 0], np.log(P))) == pytest.approx(-np.log([0.5, 0.7]).mean())
    with pytest.raises(ValueError, match="Reduction"):
        loss(reduction="average")


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_input_makes_the_weights_at_once(mode):
    def check():
        for model in (
            keras.Sequential([keras.Input(4), keras.layers.Dense(3)]),
            keras.Sequential([keras.layers.Dense(3, input_shape=(4,))]),
            keras.Sequential([keras.layers.Dense(3, input_dim=4)]),
        ):
            assert [tuple(w.shape) for w in model.trainable_weights] == [(4, 3), (3,)]

    if mode == "eager":
        check()
    else:
        with tf.Graph().as_default():
            check()


def test_functional_models_share_layers():
    a, b = keras.Input([4]), keras.Input([4])
    shared = keras.layers.Dense(3, activation="tanh")
    out = keras.layers.Dense(1)(shared(a))
    model = keras.Model([a, b], [out, shared(b)])
    assert len(model.trainable_weights) == 4
    x, y = np.ones((2, 4), np.float32), np.zeros((5, 4), np.float32)
    one, two = model([x, y])
    assert (one.shape, two.shape) == ((2, 1), (5, 3))
    np.testing.assert_array_equal(two.numpy(), shared(y).numpy())
    with pytest.raises(ValueError, match="not among its inputs"):
        keras.Model(b, out)
    with pytest.raises(TypeError, match="has no value"):
        np.asarray(out)
    doubled = keras.Model([a], tf.tanh(out) * 2.0 + a[:, :1])
    np.testing.assert_allclose(doubled(x), np.tanh(one) * 2.0 + x[:, :1], 1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "elu",
        "selu",
        "gelu",
        "swish",
        "relu6",
        "leaky_relu",
        "softsign",
        "mish",
        "hard_sigmoid",
        "softplus",
        "exponential",
        "log_softmax",
        "linear",
    ],
)
def test_activations_by_name(name):
    x = np.linspace(-3, 3, 8).astype(np.float32).reshape(2, 4)
    layer = keras.layers.Activation(name)
    want = keras.activations.get(name)(tf.constant(x))
    np.testing.assert_array_equal(layer(x), want)
    with pytest.raises(ValueError, match="Unknown activation"):
        keras.layers.Dense(2, activation="nope")
