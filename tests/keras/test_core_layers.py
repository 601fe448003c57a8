"""Core, merging, reshaping and regularization layers: what is not in the golden data."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

layers = tf.keras.layers
X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dropout(0.4, seed=3),
        lambda: layers.GaussianDropout(0.4, seed=3),
        lambda: layers.GaussianNoise(0.4, seed=3),
        lambda: layers.AlphaDropout(0.4, seed=3),
    ],
)
def test_noise_is_drawn_only_while_training(layer):
    layer = layer()
    x = np.random.default_rng(1).normal(size=(50, 40)).astype(np.float32)
    np.testing.assert_array_equal(layer(x).numpy(), x)
    np.testing.assert_array_equal(layer(x, training=False).numpy(), x)
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert (first != x).any()
    assert (first != second).any()
    assert abs(first.mean() - x.mean()) < 0.1


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dropout(0.5),
        lambda: layers.GaussianDropout(0.5),
        lambda: layers.GaussianNoise(1.0),
        lambda: layers.AlphaDropout(0.5),
    ],
)
def test_noise_repeats_with_the_global_seed(layer):
    found = []
    for _ in range(2):
        tf.random.set_seed(11)
        found.append(layer()(X, training=True).numpy())
    np.testing.assert_array_equal(*found)


def test_training_may_be_a_tensor():
    layer = layers.Dropout(0.5)

    @tf.function
    def call(x, training):
        return layer(x, training=training)

    ones = tf.ones([100])
    np.testing.assert_array_equal(call(ones, tf.constant(False)).numpy(), ones.numpy())
    assert set(call(ones, tf.constant(True)).numpy().tolist()) == {0.0, 2.0}


def test_dropout_shares_noise_along_dimensions_of_one():
    x = np.ones((3, 5, 7), np.float32)
    y = layers.Dropout(0.5, noise_shape=(None, 1, None))(x, training=True).numpy()
    assert (y == y[:, :1]).all()
    assert (y != y[:, :, :1]).any()
    assert not layers.Dropout(1.0)(x, training=True).numpy().any()


@pytest.mark.parametrize(
    ("layer", "shape", "shared"),
    [
        (layers.SpatialDropout1D, (3, 5, 7), (1,)),
        (layers.SpatialDropout2D, (3, 5, 4, 7), (1, 2)),
        (layers.SpatialDropout3D, (3, 5, 4, 2, 7), (1, 2, 3)),
    ],
)
def test_spatial_dropout_drops_whole_channels(layer, shape, shared):
    y = layer(0.5)(np.ones(shape, np.float32), training=True).numpy()
    assert (y.max(shared) == y.min(shared)).all()
    assert set(np.unique(y)) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.Dropout(1.5), "between 0 and 1"),
        (lambda: layers.AlphaDropout(1.0), r"\[0, 1\)"),
        (lambda: layers.GaussianDropout(-0.1), r"\[0, 1\)"),
        (lambda: layers.Dense(0), "positive"),
        (lambda: layers.Embedding(0, 3), "input_dim"),
        (lambda: layers.Permute((1, 3)), "dims"),
        (lambda: layers.Flatten("first"), "data_format"),
        (lambda: layers.Dot(axes=(1, 2, 3)), "two integers"),
        (lambda: layers.Reshape((4, -1))(X), "total size of new array"),
        (lambda: layers.Reshape((-1, -1))(X), "total size of new array"),
        (lambda: layers.Add()(X), "list of inputs"),
        (lambda: layers.Subtract()([X, X, X]), "exactly 2 inputs"),
        (lambda: layers.Add()([X, X[:, :5]]), "incompatible shapes"),
        (lambda: layers.Concatenate()([X, X[:3]]), "matching shapes"),
        (lambda: layers.Dot(1)([X, X[:, :5]]), "axis values do not match"),
    ],
)
def test_bad_arguments_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.RepeatVector(2.5),
        lambda: layers.Lambda("square"),
        lambda: layers.Dot(axes="last"),
    ],
)
def test_arguments_of_wrong_types_are_refused(make):
    with pytest.raises(TypeError):
        make()


def test_reshaping_layers_work_on_sizes_that_the_run_decides():
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 4], tf.float32)],
    )
    def call(x):
        return layers.Flatten()(x), layers.Reshape((2, -1))(x)

    for size in (3, 5):
        x = np.arange(2 * size * 4, dtype=np.float32).reshape(2, size, 4)
        flat, pairs = call(x)
        np.testing.assert_array_equal(flat.numpy(), x.reshape(2, -1))
        np.testing.assert_array_equal(pairs.numpy(), x.reshape(2, 2, -1))


def test_lambda_passes_what_its_function_takes():
    layer = layers.Lambda(
        lambda x, training, scale: x * scale if training else x,
        arguments={"scale": 3.0},
    )
    np.testing.assert_allclose(layer(X, training=True).numpy(), X * 3.0)
    np.testing.assert_allclose(layer(X).numpy(), X)


def test_names_of_layers_are_listed_and_found():
    for name in dir(layers):
        assert getattr(layers, name) is not None
    with pytest.raises(AttributeError, match="Dens"):
        layers.Dens  # noqa: B018
