"""Images in graphs: sizes of the run, derivatives, draws, files and errors."""

import io
import sys

import numpy as np
import pytest

import graphopt as tf

GENERATOR = np.random.default_rng(3)
IMAGE = GENERATOR.uniform(0, 1, (4, 6, 3)).astype(np.float32)
PIXELS = GENERATOR.integers(0, 256, (5, 4, 3)).astype(np.uint8)


# ---- sizes that only a run knows


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(7, 9), (2, 3), (4, 6)])
def test_resize_of_a_size_of_the_run(method, size):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, None, 3])
        wanted = tf.compat.v1.placeholder(tf.int32, [2])
        y = tf.image.resize(x, wanted, method=method)
        z = tf.image.resize(x, size, method=method)
        with tf.compat.v1.Session() as session:
            found = session.run([y, z], {x: IMAGE, wanted: size})
    expected = tf.image.resize(IMAGE, size, method=method).numpy()
    for array in found:
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)


def test_resize_of_a_size_of_the_run_says_which_methods_there_are():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, None, 3])
        with pytest.raises(NotImplementedError, match="bilinear and nearest do not"):
            tf.image.resize(x, [3, 3], method="area")


def test_crops_of_sizes_of_the_run():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, None, 3])
        assert tf.image.resize(x, [7, 9]).shape.as_list() == [7, 9, 3]
        assert tf.image.resize_with_pad(x, 7, 9).shape.as_list() == [7, 9, 3]
        made = [
            tf.image.resize_with_pad(x, 7, 9),
            tf.image.resize_with_pad(x, 3, 5, "nearest"),
            tf.image.resize_with_crop_or_pad(x, 5, 5),
            tf.image.central_crop(x, 0.5),
            tf.image.per_image_standardization(x),
            tf.image.flip_left_right(x),
        ]
        with tf.compat.v1.Session() as session:
            found = session.run(made, {x: IMAGE})
    expected = [
        tf.image.resize_with_pad(IMAGE, 7, 9),
        tf.image.resize_with_pad(IMAGE, 3, 5, "nearest"),
        tf.image.resize_with_crop_or_pad(IMAGE, 5, 5),
        tf.image.central_crop(IMAGE, 0.5),
        tf.image.per_image_standardization(IMAGE),
        tf.image.flip_left_right(IMAGE),
    ]
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, other.numpy(), rtol=1e-4, atol=1e-5)


# ---- derivatives


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.image.resize(x, (7, 5)),
        lambda x: tf.image.resize(x, (3, 3), "bicubic"),
        lambda x: tf.image.resize(x, (2, 3), "area"),
        lambda x: tf.image.resize(x, (2, 3), "lanczos3", antialias=True),
        lambda x: tf.image.adjust_contrast(x, 1.5),
        lambda x: tf.image.rgb_to_hsv(x),
        lambda x: tf.image.sobel_edges(x[None]),
        lambda x: tf.image.crop_and_resize(
            x[None], [[0.1, 0.2, 0.8, 0.9]], [0], (3, 3)
        ),
        lambda x: tf.image.total_variation(x),
    ],
)
def test_derivative_is_that_of_differences(function):
    weights = None

    def loss(x):
        nonlocal weights
        y = function(x)
        if weights is None:
            weights = np.cos(np.arange(np.prod(y.shape))).reshape(y.shape)
        return tf.reduce_sum(y * weights.astype(np.float32))

    x = tf.constant(IMAGE)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    found = tape.gradient(value, x).numpy()
    direction = GENERATOR.normal(size=IMAGE.shape).astype(np.float32)
    step = 1e-3
    ahead, behind = (loss(tf.constant(IMAGE + s * step * direction)) for s in (1, -1))
    expected = (ahead.numpy() - behind.numpy()) / (2 * step)
    np.testing.assert_allclose(
        (found * direction).sum(), expected, rtol=0.02, atol=0.02
    )


def test_augmentation_compiles_in_one_piece():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [4, 6, 3])
        y = tf.image.resize(tf.image.adjust_brightness(x, 0.1), (8, 8))
        y = tf.image.per_image_standardization(tf.image.flip_up_down(y))
        with tf.compat.v1.Session() as session:
            plan = session.plan(y, {x: IMAGE})
            assert not [step for step in plan.steps if step.kernel == "host"]


# ---- draws


def test_random_flips_are_fair_and_flip_each_image():
    images = np.arange(2 * 400, dtype=np.float32).reshape(400, 1, 2, 1)
    tf.random.set_seed(5)
    found = tf.image.random_flip_left_right(images).numpy()
    flipped = found[:, 0, 0, 0] > found[:, 0, 1, 0]
    assert 140 < flipped.sum() < 260
    np.testing.assert_array_equal(np.sort(found, 2), images)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("random_brightness", (0.3,)),
        ("random_contrast", (0.5, 1.5)),
        ("random_saturation", (0.5, 1.5)),
        ("random_hue", (0.2,)),
        ("random_flip_up_down", ()),
        ("random_crop", ([2, 3, 3],)),
    ],
)
def test_stateless_draws_are_those_of_their_seed(name, args):
    function = getattr(tf.image, f"stateless_{name}")
    one, other = (function(IMAGE, *args, seed=(1, 2)).numpy() for _ in range(2))
    np.testing.assert_array_equal(one, other)
    many = {function(IMAGE, *args, seed=(k, 2)).numpy().tobytes() for k in range(8)}
    assert len(many) > 1
    assert getattr(tf.image, name)(IMAGE, *args).shape == one.shape


def test_random_brightness_stays_within_its_bounds():
    tf.random.set_seed(1)
    moved = [
        (tf.image.random_brightness(IMAGE, 0.25) - IMAGE).numpy() for _ in range(20)
    ]
    assert all(np.ptp(m) < 1e-6 and np.abs(m).max() <= 0.2501 for m in moved)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tf.image.random_brightness(IMAGE, -1.0), "non-negative"),
        (lambda: tf.image.random_contrast(IMAGE, 2.0, 1.0), "upper must be > lower"),
        (lambda: tf.image.random_hue(IMAGE, 0.7), r"\[0, 0.5\]"),
        (lambda: tf.image.adjust_gamma(IMAGE, -1.0), "non-negative real"),
        (lambda: tf.image.central_crop(IMAGE, 1.5), "central_fraction"),
        (lambda: tf.image.crop_to_bounding_box(IMAGE, 0, 0, 9, 2), "height must be >="),
        (lambda: tf.image.pad_to_bounding_box(IMAGE, 0, 0, 2, 9), "height must be <="),
        (lambda: tf.image.resize(IMAGE, [3]), "new_height, new_width"),
        (lambda: tf.image.resize(IMAGE, [3, 3], "cubic"), "not implemented"),
        (lambda: tf.image.resize(IMAGE[0], [3, 3]), "3 or 4 dimensions"),
        (lambda: tf.image.rgb_to_hsv(IMAGE[..., :2]), "3 channels"),
        (lambda: tf.compat.v1.image.resize_bilinear(IMAGE, [2, 2]), "rank 4"),
        (lambda: tf.image.random_crop(IMAGE, [9, 2, 3]), "Need value.shape >= size"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_drawn_box_holds_enough_of_the_object():
    box = np.array([[[0.25, 0.25, 0.75, 0.75]]], np.float32)
    for seed in range(10):
        begin, size, found = tf.image.stateless_sample_distorted_bounding_box(
            [40, 60, 3], box, (seed, 1), min_object_covered=0.5
        )
        top, left, bottom, right = found.numpy().ravel()
        common = (min(bottom, 0.75) - max(top, 0.25)) * (
            min(right, 0.75) - max(left, 0.25)
        )
        assert common >= 0.5 * 0.25 - 1e-6
        part = tf.slice(tf.zeros([40, 60, 3]), begin, size)
        assert part.shape[2] == 3
        np.testing.assert_allclose([top * 40, left * 60], begin.numpy()[:2], atol=1e-4)


# ---- files


def test_png_keeps_every_pixel():
    assert np.array_equal(tf.io.decode_png(tf.io.encode_png(PIXELS)).numpy(), PIXELS)
    gray = tf.io.decode_png(tf.io.encode_png(PIXELS[..., :1]), channels=3)
    assert np.array_equal(gray.numpy(), np.repeat(PIXELS[..., :1], 3, 2))


def test_files_are_read_in_a_graph(tmp_path):
    file = tmp_path / "image.png"
    tf.io.write_file(str(file), tf.io.encode_png(PIXELS))
    with tf.Graph().as_default():
        name = tf.compat.v1.placeholder(tf.string, [])
        image = tf.image.decode_png(tf.io.read_file(name), channels=3)
        assert image.shape.as_list() == [None, None, 3]
        small = tf.image.resize(tf.image.convert_image_dtype(image, tf.float32), (2, 2))
        with tf.compat.v1.Session() as session:
            found = session.run(small, {name: str(file)})
    expected = tf.image.resize(PIXELS / np.float32(255), (2, 2)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gif_gives_its_frames():
    from PIL import Image

    frames = [Image.fromarray(np.full((2, 3), k, np.uint8)) for k in (0, 255)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    found = tf.io.decode_image(out.getvalue())
    assert found.shape.as_list() == [2, 2, 3, 3]
    assert found.numpy()[:, 0, 0, 0].tolist() == [0, 255]
    first = tf.io.decode_image(out.getvalue(), expand_animations=False, channels=3)
    assert first.shape.as_list() == [2, 3, 3]


def test_jpeg_quality_costs_detail():
    fine, coarse = (
        np.abs(
            tf.image.adjust_jpeg_quality(PIXELS, q).numpy().astype(int) - PIXELS
        ).mean()
        for q in (100, 5)
    )
    assert fine < coarse


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="no image"):
        tf.io.decode_png(b"not an image")
    with pytest.raises(TypeError, match="must be bytes"):
        tf.io.decode_png(tf.constant(3))


def test_missing_pillow_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"graphopt\[image\]"):
        tf.io.decode_png(b"")


def test_importing_graphopt_loads_no_images():
    import subprocess

    code = "import graphopt, sys; assert not any('image' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_both_versions():
    assert "resize_images" not in dir(tf.image)
    assert {"resize_images", "resize_bilinear", "decode_png"} <= set(
        dir(tf.compat.v1.image)
    )
    for module in (tf.image, tf.compat.v1.image):
        for name in dir(module):
            assert callable(getattr(module, name))
    assert tf.io.decode_png is tf.image.decode_png
