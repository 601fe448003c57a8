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


def test_masked_moments_of_nothing_are_zero():
    layer = layers.BatchNormalization(scale=False, center=False)
    y = layer(tf.zeros([4, 5]), mask=tf.zeros([4]), training=True)
    np.testing.assert_array_equal(y.numpy(), np.zeros((4, 5), np.float32))


def test_batch_normalization_in_mixed_precision_keeps_its_state_in_float32():
    layer = layers.BatchNormalization(dtype="mixed_float16")
    x = np.random.default_rng(0).normal(size=(10, 4, 4, 3))
    y = tf.function(lambda x: layer(x, training=True))(tf.constant(x, tf.float32))
    assert y.dtype is tf.float16
    assert {w.dtype.name for w in layer.weights} == {"float32"}
    assert layer(np.arange(480).reshape(10, 4, 4, 3)).dtype is tf.float16


def test_frozen_batch_normalization_uses_its_averages():
    layer = layers.BatchNormalization()
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(20, 3)).astype(np.float32)
    layer(x)
    layer.trainable = False
    want = x / np.sqrt(1.001)
    np.testing.assert_allclose(layer(x, training=True).numpy(), want, rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3, np.float32))
    layer.trainable = True
    layer(x, training=True)
    assert np.abs(layer.moving_mean.numpy()).min() > 0.01


def test_images_of_several_batch_dimensions_may_have_unknown_sizes():
    layer = layers.Conv2D(3, 2)

    @tf.function(input_signature=[tf.TensorSpec([None, 2, None, 5, 4], tf.float32)])
    def call(x):
        return layer(x)

    x = np.random.default_rng(0).normal(size=(3, 2, 6, 5, 4)).astype(np.float32)
    want = layer(x.reshape(6, 6, 5, 4)).numpy().reshape(3, 2, 5, 4, 3)
    np.testing.assert_allclose(call(x).numpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "shape", "output_shape", "kernel", "want"),
    [
        ("bc...,cd->bd...", (2, 3, 4, 5), 6, (3, 6), (2, 6, 4, 5)),
        ("...bc,cd->...bd", (2, 3, 4, 5), [None, 6], (5, 6), (2, 3, 4, 6)),
        ("bc...,cde->bde...", (2, 3, 4), [5, 6], (3, 5, 6), (2, 5, 6, 4)),
    ],
)
def test_an_ellipsis_stands_for_any_dimensions(
    equation, shape, output_shape, kernel, want
):
    layer = layers.EinsumDense(equation, output_shape)
    assert layer(np.ones(shape, np.float32)).shape == want
    assert layer.kernel.shape == kernel
    assert layer.compute_output_shape((None, *shape[1:])) == (None, *want[1:])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.ReLU(-1.0), "max_value of a ReLU layer"),
        (lambda: layers.ReLU(threshold=None), "threshold of a ReLU layer"),
        (lambda: layers.LeakyReLU(None), "Leaky ReLU"),
        (lambda: layers.ELU(None), "ELU layer cannot be None"),
        (lambda: layers.ThresholdedReLU(-1.0), "should be >=0"),
        (lambda: layers.Conv2D(3, 9)(np.ones((1, 4, 4, 1), "f")), "output is <= 0"),
        (lambda: layers.Conv2D(16, 2, groups=3), "The number of filters"),
        (lambda: layers.Conv2D(4, 2, strides=2, dilation_rate=2), "strides > 1"),
        (lambda: layers.Conv2D(4, 2, padding="causal"), "padding"),
        (lambda: layers.Conv2D(4, (2, 2, 2)), "tuple of 2 integers"),
        (lambda: layers.Conv2DTranspose(4, 2, output_padding=1), "greater than output"),
        (lambda: layers.Cropping2D(None), "elements"),
        (lambda: layers.Cropping1D(3)(np.ones((1, 4, 1), "f")), "smaller"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "elements"),
        (lambda: layers.UpSampling2D(interpolation="cubic"), "interpolation"),
        (lambda: layers.GlobalMaxPooling1D()(np.ones((1, 0, 1), "f")), "dimension 0"),
        (lambda: layers.LayerNormalization([-1, -1])(X), "Duplicate axis"),
        (lambda: layers.LayerNormalization(3)(X), "Expected 0 <= axis"),
        (lambda: layers.UnitNormalization(3)(X), "axis"),
        (lambda: layers.GroupNormalization(4)(X), "multiple of the number of channels"),
        (lambda: layers.Attention()([X]), "list of length 2 or 3"),
        (lambda: layers.Attention(score_mode="sum"), "score_mode"),
        (lambda: layers.MultiHeadAttention(0, 2), "num_heads"),
        (lambda: layers.MultiHeadAttention(2, 2)(X), "query and a value"),
        (lambda: layers.EinsumDense("ab-bc", 3)(X), "Invalid einsum equation"),
        (lambda: layers.EinsumDense("ab,zd->ad", 3)(X), "cannot be determined"),
    ],
)
def test_more_bad_arguments_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
