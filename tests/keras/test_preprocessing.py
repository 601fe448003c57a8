"""Preprocessing layers: recorded values of tf_keras, and what is drawn at random."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import graphopt as tf
from tests.golden.keras_preprocessing_cases import IMAGES, compute

layers = tf.keras.layers
GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "keras_preprocessing.json"
WANT = json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def found():
    return compute(layers)


def check(found, want):
    if isinstance(want, list):
        assert len(found) == len(want)
        for a, b in zip(found, want, strict=True):
            check(a, b)
    elif isinstance(want, float):
        assert found == pytest.approx(want, rel=2e-4, abs=2e-3)
    else:
        assert found == want


@pytest.mark.parametrize("name", sorted(WANT))
def test_values_are_those_of_keras(found, name):
    check(found[name], WANT[name])


DRAWN = {
    "crop": lambda **o: layers.RandomCrop(3, 3, **o),
    "flip": lambda **o: layers.RandomFlip(**o),
    "flip_horizontal": lambda **o: layers.RandomFlip("horizontal", **o),
    "translation": lambda **o: layers.RandomTranslation(0.4, 0.4, **o),
    "rotation": lambda **o: layers.RandomRotation(0.4, **o),
    "zoom": lambda **o: layers.RandomZoom(0.4, 0.2, **o),
    "zoom_same": lambda **o: layers.RandomZoom(0.4, **o),
    "contrast": lambda **o: layers.RandomContrast(0.4, **o),
    "brightness": lambda **o: layers.RandomBrightness(0.4, **o),
    "height": lambda **o: layers.RandomHeight(0.4, **o),
    "width": lambda **o: layers.RandomWidth(0.4, **o),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_images_are_changed_only_while_training(name, compiled):
    layer = DRAWN[name]()
    x = tf.constant(np.random.default_rng(0).random((8, 6, 5, 3), np.float32) * 200)
    call = tf.function(lambda x: layer(x, training=True)) if compiled else layer
    results = [call(x).numpy() for _ in range(6)]
    first = results[0]
    assert any(y.shape != first.shape or (y != first).any() for y in results)
    if name != "crop":
        np.testing.assert_allclose(layer(x, training=False).numpy(), x.numpy())


@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_repeats_what_is_drawn(name):
    found = []
    for _ in range(2):
        tf.random.set_seed(3)
        found.append(DRAWN[name](seed=5)(IMAGES, training=True).numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", DRAWN)
def test_configs_make_the_same_layer(name):
    layer = DRAWN[name](seed=5)
    config = json.loads(json.dumps(layer.get_config()))
    assert type(layer).from_config(config).get_config() == layer.get_config()


def test_an_image_alone_is_one_of_a_batch():
    for make in DRAWN.values():
        found = make()(IMAGES[0], training=True)
        assert found.shape.rank == 3


def test_flips_are_those_of_each_image():
    x = np.arange(2 * 3 * 40, dtype=np.float32).reshape(40, 2, 3, 1)
    y = layers.RandomFlip("horizontal")(x, training=True).numpy()
    is_turned = (y == x[:, :, ::-1]).all((1, 2, 3))
    assert (is_turned | (y == x).all((1, 2, 3))).all()
    assert 5 < is_turned.sum() < 35


def test_texts_are_vectorized_in_pipelines_and_models():
    layer = layers.TextVectorization(output_sequence_length=3)
    texts = tf.data.Dataset.from_tensor_slices(["the cat", "the dog ran", "cat"])
    layer.adapt(texts.batch(2))
    rows = next(iter(texts.batch(3).map(layer))).numpy()
    np.testing.assert_array_equal(
        rows, layer(["the cat", "the dog ran", "cat"]).numpy()
    )
    model = tf.keras.Sequential(
        [
            tf.keras.Input([1], dtype="string"),
            layer,
            layers.Embedding(layer.vocabulary_size(), 4),
            layers.GlobalAveragePooling1D(),
        ]
    )
    assert model(tf.constant([["the cat"], ["dog"]])).shape == (2, 4)
    twin = layers.TextVectorization.from_config(layer.get_config())
    assert twin.get_vocabulary() == layer.get_vocabulary()


def test_vocabularies_come_from_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("cat\ndog\n")
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer(np.array(["dog", "bird"])).numpy().tolist() == [2, 0]


def test_normalization_counts_the_batches_of_a_dataset():
    x = np.random.default_rng(3).normal(5.0, 2.0, size=(50, 4)).astype(np.float32)
    layer = layers.Normalization()
    layer.adapt(tf.data.Dataset.from_tensor_slices(x).batch(7))
    np.testing.assert_allclose(layer.adapt_mean.numpy(), x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.adapt_variance.numpy(), x.var(0), rtol=1e-5)
    assert int(layer.count.numpy()) == 50


def test_discretization_learns_quantiles():
    layer = layers.Discretization(num_bins=4)
    layer.adapt(np.arange(100.0))
    bins = layer(np.arange(100.0)).numpy()
    assert np.bincount(bins).tolist() == [24, 25, 25, 26]
    twin = layers.Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(twin(np.arange(100.0)).numpy(), bins)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), "repeated"),
        (lambda: layers.StringLookup(vocabulary=[]), "empty"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "larger"),
        (lambda: layers.StringLookup(max_tokens=1), "greater than 1"),
        (lambda: layers.StringLookup(pad_to_max_tokens=True), "max_tokens"),
        (lambda: layers.StringLookup(output_mode="three"), "output_mode"),
        (lambda: layers.StringLookup(invert=True, output_mode="count"), "invert"),
        (lambda: layers.StringLookup(vocabulary="no such file"), "does not exist"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), "static"),
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.CategoryEncoding(3)([[4]]), "0 <= values < num_tokens"),
        (lambda: layers.Discretization([1.0], num_bins=3), "should not be set"),
        (lambda: layers.Normalization(mean=1.0), "both `mean` and `variance`"),
        (lambda: layers.Hashing(0), "num_bins"),
        (lambda: layers.RandomFlip("sideways"), "mode"),
        (lambda: layers.RandomZoom((0.3, 0.1)), "height_factor"),
        (lambda: layers.RandomBrightness(3.0), "factor"),
        (lambda: layers.Resizing(0, 3), "height"),
        (lambda: layers.TextVectorization(split="words"), "split"),
        (
            lambda: layers.TextVectorization(
                output_mode="count", output_sequence_length=3
            ),
            "output_sequence_length",
        ),
        (
            lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]),
            "input rank must be 1",
        ),
        (
            lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]),
            "should be in vocabulary",
        ),
    ],
)
def test_bad_arguments_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_lookup_without_a_vocabulary_says_so():
    with pytest.raises(RuntimeError, match="must set the layer's vocabulary"):
        layers.StringLookup(output_mode="count")(["a"])
    # Numbers of unknown words need none.
    assert layers.StringLookup()(["a"]).numpy().tolist() == [0]


def test_what_was_learned_is_kept_in_configs_and_may_be_learned_anew():
    for make in (layers.StringLookup, layers.TextVectorization):
        layer = make()
        layer.adapt(np.array(["a", "b"]))
        twin = make.from_config(json.loads(json.dumps(layer.get_config())))
        assert twin.get_vocabulary() == layer.get_vocabulary()
        twin.adapt(np.array(["c"]))
        assert twin.get_vocabulary()[-1] == "c"
