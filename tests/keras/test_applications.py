"""Architectures against recorded layers and values of tf_keras."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import graphopt as tf
from tests.golden.keras_application_cases import (
    MODELS,
    describe,
    make_images,
    make_weights,
)

applications = tf.keras.applications
GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "keras_applications.json"
WANT = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_values_are_those_of_keras(name):
    function, options, has_values = MODELS[name]
    tf.keras.backend.clear_session()
    model = getattr(applications, function)(weights=None, **options)
    want = dict(WANT[name])
    values = want.pop("values", None)
    found = describe(model)
    for mine, keras in zip(found["layers"], want["layers"], strict=True):
        assert mine == keras
    assert found == want
    if has_values:
        model.set_weights(make_weights(want["weights"]))
        y = model(make_images(options["input_shape"]), training=False).numpy()
        np.testing.assert_allclose(y, values, rtol=2e-3, atol=1e-4)


def test_names_are_listed_and_found():
    for name in dir(applications):
        assert getattr(applications, name) is not None
    with pytest.raises(AttributeError, match="VGG17"):
        applications.VGG17  # noqa: B018


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_arrays_and_tensors_are_prepared_alike(mode, data_format):
    x = np.random.default_rng(0).integers(0, 255, (2, 3, 3, 3)).astype(np.float32)
    before = x.copy()
    prepare = applications.imagenet_utils.preprocess_input
    found = prepare(x, data_format, mode)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(
        prepare(tf.constant(x), data_format, mode).numpy(), found, rtol=1e-5, atol=1e-5
    )
    axis = -1 if data_format == "channels_last" else 1
    pixel = np.moveaxis(x, axis, -1)[0, 0, 0]
    want = {
        "caffe": pixel[::-1] - [103.939, 116.779, 123.68],
        "tf": pixel / 127.5 - 1.0,
        "torch": (pixel / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    }[mode]
    np.testing.assert_allclose(
        np.moveaxis(found, axis, -1)[0, 0, 0], want, rtol=1e-4, atol=1e-4
    )


def test_each_module_prepares_its_inputs():
    x = np.full((1, 1, 3), 255.0, np.float32)
    for name in ("mobilenet", "mobilenet_v2"):
        y = getattr(applications, name).preprocess_input(x)
        np.testing.assert_allclose(y, np.ones((1, 1, 3)))
    for name in ("vgg16", "vgg19", "resnet", "resnet50"):
        y = getattr(applications, name).preprocess_input(x)
        np.testing.assert_allclose(y[0, 0], [151.061, 138.221, 131.32], rtol=1e-5)


def test_classes_get_the_names_of_a_file(tmp_path, monkeypatch):
    decode = applications.vgg16.decode_predictions
    monkeypatch.setattr(pathlib.Path, "home", lambda: tmp_path)
    scores = np.zeros((1, 1000), np.float32)
    scores[0, [3, 7]] = 0.75, 0.25
    with pytest.raises(FileNotFoundError, match="imagenet_class_index"):
        decode(scores)
    folder = tmp_path / ".keras" / "models"
    folder.mkdir(parents=True)
    names = {str(i): [f"n{i}", f"thing_{i}"] for i in range(1000)}
    (folder / "imagenet_class_index.json").write_text(json.dumps(names))
    assert decode(scores, top=2) == [[("n3", "thing_3", 0.75), ("n7", "thing_7", 0.25)]]
    with pytest.raises(ValueError, match="shape"):
        decode(scores[:, :10])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, NotImplementedError, "weights=None"),
        ({"weights": "no such file"}, ValueError, "weights"),
        ({"weights": None, "input_shape": (16, 16, 3)}, ValueError, "at least 32x32"),
        ({"weights": None, "input_shape": (None, None, 3)}, ValueError, "static"),
        ({"weights": None, "input_shape": (32, 3)}, ValueError, "three integers"),
    ],
)
def test_bad_arguments_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        applications.MobileNetV2(**options)
