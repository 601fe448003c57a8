"""Images that are changed at random, and the batches of them, against tf_keras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from tests.golden import record_keras_images as cases

keras = tf.keras
image = keras.preprocessing.image
FOLDER = Path(cases.__file__).parent
with np.load(FOLDER / "keras_images.npz") as _file:
    GOLDEN = dict(_file)
TEXTS = json.loads((FOLDER / "keras_texts.json").read_text())
AFFINE = [
    (name, mode, order)
    for name in cases.AFFINE
    for mode in cases.MODES
    for order in (0, 1)
]
X = cases.images()


@pytest.mark.parametrize(("name", "mode", "order"), AFFINE)
def test_affine_transform(name, mode, order):
    got = image.apply_affine_transform(
        cases.images(1)[0],
        **cases.AFFINE[name],
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode=mode,
        cval=3.0,
        order=order,
    )
    want = GOLDEN[f"affine/{name}/{mode}/{order}"]
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-3)


def test_affine_transform_of_other_axes():
    x = cases.images(1)[0]
    got = image.apply_affine_transform(x.transpose(2, 0, 1), theta=20.0, tx=1.0)
    np.testing.assert_allclose(got, GOLDEN["affine/first"], atol=1e-3)
    got = image.apply_affine_transform(
        x, theta=20.0, tx=1.0, row_axis=1, col_axis=0, channel_axis=2
    )
    np.testing.assert_allclose(got, GOLDEN["affine/columns"], atol=1e-3)


@pytest.mark.parametrize("name", sorted(cases.GENERATORS))
def test_batches_of_a_seed_are_those_of_keras(name):
    flowing, asked = cases.batches_of(image.ImageDataGenerator, name)
    # Whitening multiplies the last bits of singular values.
    atol = 0.02 if name == "zca" else 2e-3
    for i, (batch, labels) in enumerate(flowing):
        np.testing.assert_array_equal(labels, GOLDEN[f"labels/{name}/{i}"])
        assert batch.dtype == np.float32
        np.testing.assert_allclose(batch, GOLDEN[f"flow/{name}/{i}"], atol=atol)
    for i, (batch, _) in enumerate(asked):
        np.testing.assert_allclose(batch, GOLDEN[f"item/{name}/{i}"], atol=atol)


def test_texts_and_sequences():
    got = cases.texts(keras.preprocessing)
    for key, want in TEXTS.items():
        assert (
            got[key] == pytest.approx(want) if key == "table" else got[key] == want
        ), key


def test_fit_takes_a_generator_of_images():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Flatten(input_shape=(6, 5, 3)), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    flow = image.ImageDataGenerator(rescale=1e-3, horizontal_flip=True).flow(
        X, np.arange(7.0), batch_size=3, seed=1
    )
    history = model.fit(flow, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert int(model.optimizer.iterations) == 6


def test_other_arrays_and_weights_come_along():
    flow = image.ImageDataGenerator().flow(
        (X, [np.arange(7), np.arange(7) * 2]),
        np.arange(7),
        batch_size=4,
        shuffle=False,
        sample_weight=np.arange(7) + 10,
    )
    (x, a, b), y, weights = next(flow)
    assert x.shape == (4, 6, 5, 3) and a.tolist() == y.tolist() == [0, 1, 2, 3]
    assert b.tolist() == [0, 2, 4, 6] and weights.tolist() == [10, 11, 12, 13]


def test_parts_of_a_split():
    made = image.ImageDataGenerator(validation_split=0.3)
    y = np.array([0, 1, 0, 1, 0, 1, 0])
    parts = [made.flow(X, y, subset=part) for part in ("training", "validation")]
    assert [len(part.x) for part in parts] == [5, 2]
    with pytest.raises(ValueError, match="different number of classes"):
        made.flow(X, np.arange(7), subset="training")
    with pytest.raises(ValueError, match="Invalid subset name"):
        made.flow(X, y, subset="test")


@pytest.fixture
def folder(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i in range(4):
            keras.utils.save_img(tmp_path / name / f"{i}.png", X[i], scale=False)
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        ("categorical", [[1, 0], [0, 1]]),
        ("binary", [0, 1]),
        ("sparse", [0, 1]),
        ("input", None),
        (None, None),
    ],
)
def test_images_of_a_folder(folder, mode, want, capsys):
    flow = image.ImageDataGenerator().flow_from_directory(
        folder, target_size=(6, 5), class_mode=mode, batch_size=8, shuffle=False
    )
    assert "Found 8 images belonging to 2 classes." in capsys.readouterr().out
    assert flow.class_indices == {"cats": 0, "dogs": 1}
    assert flow.filenames[4].endswith("0.png")
    batch = next(flow)
    if mode is None:
        np.testing.assert_array_equal(batch[:4], X[:4])
        return
    x, y = batch
    np.testing.assert_array_equal(x[4:], X[:4])
    if mode == "input":
        np.testing.assert_array_equal(x, y)
    else:
        assert [y[0].tolist(), y[-1].tolist()] == want


def test_parts_colors_and_copies_of_a_folder(folder, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    made = image.ImageDataGenerator(validation_split=0.5)
    flow = made.flow_from_directory(
        folder,
        (3, 3),
        "grayscale",
        classes=["dogs"],
        subset="validation",
        batch_size=2,
        save_to_dir=saved,
        save_prefix="x",
    )
    x, y = next(flow)
    assert x.shape == (2, 3, 3, 1) and y.tolist() == [[1.0], [1.0]]
    assert len(list(saved.glob("x_*.png"))) == 2
    with pytest.raises(ValueError, match="Invalid color mode"):
        made.flow_from_directory(folder, color_mode="cmyk")
    with pytest.raises(ValueError, match="Invalid class_mode"):
        made.flow_from_directory(folder, class_mode="raw")


class Frame(dict):
    """As much of a frame as is looked at: columns by name."""


def flow_of(folder, frame, **options):
    options = {"target_size": (6, 5), "batch_size": 4, "shuffle": False, **options}
    return image.ImageDataGenerator().flow_from_dataframe(
        Frame(frame), folder, **options
    )


def test_images_of_a_frame(folder):
    frame = {
        "filename": ["cats/1.png", "dogs/0.png", "cats/none.png", "dogs/2.png"],
        "class": ["cat", "dog", "cat", "dog"],
        "size": np.array([1.0, 2.0, 3.0, 4.0]),
    }
    with pytest.warns(tf.errors.GraphoptWarning, match="1 invalid image filename"):
        flow = flow_of(folder, frame, class_mode="binary", weight_col="size")
    x, y, weights = next(flow)
    np.testing.assert_array_equal(x, X[[1, 0, 2]])
    assert y.tolist() == [0, 1, 1] and weights.tolist() == [1, 2, 4]
    del frame["filename"][2], frame["class"][2]
    frame["size"] = frame["size"][:3]
    _, y = next(flow_of(folder, frame, class_mode="raw", y_col="size"))
    assert y.tolist() == [1, 2, 3]
    _, y = next(
        flow_of(folder, frame, class_mode="multi_output", y_col=["size", "class"])
    )
    assert y[0].tolist() == [1, 2, 3] and y[1].tolist() == ["cat", "dog", "dog"]
    frame["class"] = [["cat"], ["dog", "cat"], ["bird"]]
    flow = flow_of(folder, frame, classes=["cat", "dog"])
    _, y = next(flow)
    assert y.tolist() == [[1, 0], [1, 1]] and len(flow.filenames) == 2


def test_frames_that_cannot_be_used(folder):
    frame = {"filename": ["cats/1.png"], "class": [3]}
    with pytest.raises(TypeError, match="must be type string"):
        flow_of(folder, frame)
    frame["class"] = ["cat"]
    with pytest.raises(ValueError, match="there must be 2 classes"):
        flow_of(folder, frame, class_mode="binary")
    with pytest.raises(TypeError, match="y_col must be a list"):
        flow_of(folder, frame, class_mode="multi_output")
    with pytest.raises(TypeError, match="must be strings"):
        flow_of(folder, {"filename": [1], "class": ["a"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zoom_range": (1, 2, 3)}, "zoom_range"),
        ({"brightness_range": 0.5}, "brightness_range"),
        ({"validation_split": 1.5}, "validation_split"),
        ({"data_format": "channels"}, "data_format"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        image.ImageDataGenerator(**options)


def test_bad_arrays():
    made = image.ImageDataGenerator(featurewise_center=True)
    with pytest.raises(ValueError, match="rank 4"):
        made.flow(X[0])
    with pytest.raises(ValueError, match="rank 4"):
        made.fit(X[0])
    with pytest.raises(ValueError, match="same length"):
        made.flow(X, np.arange(3))
    with pytest.warns(tf.errors.GraphoptWarning, match=r"calling `\.fit"):
        next(made.flow(X))
    with pytest.warns(tf.errors.GraphoptWarning, match="5 channels"):
        made.flow(np.zeros((2, 3, 3, 5)))
    with pytest.raises(ValueError, match="has length 1"):
        _ = image.ImageDataGenerator().flow(X)[3]
    with pytest.warns(tf.errors.GraphoptWarning, match="overrides"):
        image.ImageDataGenerator(zca_whitening=True)


def test_bad_transforms():
    x = X[0]
    with pytest.raises(ValueError, match="must be distinct"):
        image.apply_affine_transform(x, 1, row_axis=0)
    with pytest.raises(ValueError, match="Invalid axis"):
        image.apply_affine_transform(x, 1, channel_axis=3)
    with pytest.raises(ValueError, match="multi-channel"):
        image.apply_affine_transform(x[0], 1)
    with pytest.raises(ValueError, match="fill_mode"):
        image.apply_affine_transform(x, 1, fill_mode="mirror")
    with pytest.raises(NotImplementedError, match="order 3"):
        image.apply_affine_transform(x, 1, order=3)


def test_random_changes_repeat_with_a_seed():
    x = X[0].transpose(2, 0, 1)
    for change in (
        lambda: image.random_rotation(x, 30),
        lambda: image.random_shift(x, 0.2, 0.3),
        lambda: image.random_shear(x, 20),
        lambda: image.random_zoom(x, (0.5, 0.9)),
        lambda: image.random_channel_shift(x, 30),
        lambda: image.random_brightness(X[0], (0.5, 0.6)),
    ):
        keras.utils.set_random_seed(4)
        first = change()
        keras.utils.set_random_seed(4)
        np.testing.assert_array_equal(first, change())
        assert first.shape in (x.shape, X[0].shape)
        assert not np.array_equal(first, change())
