"""Convolutions, direct and as products of patches: blocks, edges, what is compiled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf
from graphopt.codegen.convolution import convolutions, direct_convolution
from graphopt.codegen.kernels import record
from graphopt.config import config

# Images, filters, strides, dilations, padding.
CASES = {
    "same": ((3, 9, 8, 4), (3, 3, 4, 5), (1, 1), (1, 1), "SAME"),
    "one channel": ((2, 9, 8, 1), (3, 3, 1, 16), (1, 1), (1, 1), "SAME"),
    "one channel, long rows": ((2, 4, 75, 1), (2, 5, 1, 20), (1, 1), (1, 1), "SAME"),
    "one channel, padded": (
        (2, 3, 4, 1),
        (3, 5, 1, 2),
        (1, 2),
        (1, 1),
        ((0, 3), (6, 6)),
    ),
    "one channel, strides": ((2, 9, 8, 1), (3, 4, 1, 3), (2, 3), (1, 1), "SAME"),
    "one channel, dilated": ((2, 9, 9, 1), (3, 3, 1, 3), (1, 1), (2, 3), "SAME"),
    "one result": ((2, 9, 8, 3), (3, 3, 3, 1), (1, 1), (1, 1), "VALID"),
    "wide": ((1, 5, 6, 33), (3, 3, 33, 40), (1, 1), (1, 1), "SAME"),
    "strides": ((2, 11, 10, 3), (3, 2, 3, 4), (2, 3), (1, 1), "VALID"),
    "dilated": ((2, 11, 10, 3), (3, 2, 3, 4), (1, 1), (3, 2), "SAME"),
    "padded": ((2, 5, 5, 2), (3, 3, 2, 2), (2, 1), (1, 1), ((3, 1), (0, 4))),
    "product": ((3, 5, 4, 7), (1, 1, 7, 6), (1, 1), (1, 1), "VALID"),
    "pixels left out": ((3, 5, 4, 7), (1, 1, 7, 6), (2, 2), (1, 1), "VALID"),
    "window as image": ((2, 4, 4, 3), (4, 4, 3, 5), (1, 1), (1, 1), "VALID"),
    "rows of tiles": ((2, 4, 29, 5), (3, 3, 5, 40), (1, 1), (1, 1), "SAME"),
    "wide rows": ((1, 3, 70, 2), (3, 3, 2, 33), (1, 2), (1, 1), "VALID"),
    "deep": ((1, 4, 4, 150), (3, 2, 150, 6), (1, 1), (1, 1), "SAME"),
    "larger window": ((2, 3, 3, 2), (5, 5, 2, 3), (1, 1), (1, 1), "SAME"),
}


def arrays(case, dtype, batch=None):
    image, filters, *_ = CASES[case]
    generator = np.random.default_rng(5)
    image = (image[0] if batch is None else batch, *image[1:])
    return [generator.standard_normal(s).astype(dtype) for s in (image, filters)]


def results(case, x, filters, jit):
    """The convolution and both derivatives of a weighted sum of it."""
    *_, strides, dilations, padding = CASES[case]
    if not isinstance(padding, str):
        padding = [[0, 0], *map(list, padding), [0, 0]]
    with tf.Graph().as_default(), config(jit=jit):
        image = tf.compat.v1.placeholder(x.dtype, x.shape)
        weights = tf.compat.v1.placeholder(x.dtype, filters.shape)
        y = tf.nn.conv2d(image, weights, strides, padding, dilations=dilations)
        shape = [dim or 0 for dim in y.shape]
        g = np.cos(np.arange(np.prod(shape), dtype=np.float64)).reshape(shape)
        grads = tf.gradients(y, [image, weights], tf.constant(g.astype(x.dtype)))
        with tf.compat.v1.Session() as session:
            return session.run([y, *grads], {image: x, weights: filters})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("room", "block"),
    # All rows of an image at a time, or a few; patches of few windows, of more, of all.
    [(1 << 16, 1), (4000, 1), (0, 1), (0, 1000), (0, 1 << 19)],
)
@pytest.mark.parametrize("case", CASES)
def test_kernels_agree_with_numpy(case, dtype, room, block, monkeypatch):
    monkeypatch.setattr(convolutions, "BLOCK_BYTES", block)
    monkeypatch.setattr(direct_convolution, "IMAGE_BYTES", room)
    x, filters = arrays(case, dtype)
    got = results(case, x, filters, "always")
    wide = [a.astype(np.float64) for a in (x, filters)]
    want = results(case, *wide, "never")
    for a, b in zip(got, want, strict=True):
        tolerance = 2e-5 if dtype is np.float32 else 1e-13
        np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance * np.abs(b).max()
        )


@pytest.mark.parametrize("case", CASES)
def test_same_bits_for_any_number_of_threads(case, monkeypatch):
    x, filters = arrays(case, np.float32)
    first = results(case, x, filters, "always")
    monkeypatch.setenv("GRAPHOPT_THREADS", "3")
    monkeypatch.setattr(direct_convolution, "_cost", lambda convolution: 1e7)
    again = results(case, x, filters, "always")
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_long_batch_makes_a_short_plan(monkeypatch):
    monkeypatch.setattr(convolutions, "BLOCK_BYTES", 1)
    monkeypatch.setattr(direct_convolution, "IMAGE_BYTES", 0)
    x, filters = arrays("same", np.float32, 40)
    got = results("same", x, filters, "always")
    want = results("same", x.astype(np.float64), filters.astype(np.float64), "never")
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * np.abs(b).max())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        y = tf.nn.conv2d(tf.constant(x), tf.constant(filters), 1, "SAME")
        (step,) = session.plan(y).steps
        assert step.kernel.startswith("windows")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 2, *[st.integers(1, 9)] * 2),
    window=st.tuples(*[st.integers(1, 3)] * 2),
    strides=st.tuples(*[st.integers(1, 3)] * 2),
    out=st.one_of(st.integers(1, 6), st.integers(1, 40)),
    block=st.one_of(st.integers(1, 2000), st.integers(1, 1 << 14)),
    padding=st.sampled_from(["SAME", "VALID"]),
)
def test_blocks_may_differ_in_how_they_are_multiplied(
    sizes, window, strides, out, block, padding
):
    # A block of few rows may be too small to have anything packed, the next one not.
    batch, channels, height, width = sizes
    window = min(window[0], height), min(window[1], width)
    generator = np.random.default_rng(7)
    x = generator.standard_normal((batch, height, width, channels))
    filters = generator.standard_normal((*window, channels, out))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolutions, "BLOCK_BYTES", block)
        patch.setattr(direct_convolution, "IMAGE_BYTES", 0)
        patch.setitem(CASES, "random", (None, None, strides, (1, 1), padding))
        single = [a.astype(np.float32) for a in (x, filters)]
        got = results("random", *single, "always")
        want = results("random", *(a.astype(np.float64) for a in single), "never")
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * np.abs(b).max())


def test_nothing_is_compiled_for_another_batch():
    with tf.Graph().as_default(), config(jit="always"):
        image = tf.compat.v1.placeholder(tf.float32, [None, 9, 8, 4])
        g = tf.compat.v1.placeholder(tf.float32, [None, 9, 8, 5])
        weights = tf.Variable(np.ones((3, 3, 4, 5), np.float32))
        y = tf.nn.conv2d(image, weights, 1, "SAME")
        fetches = [y, *tf.gradients(y, [image, weights], g)]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())

            def run(batch):
                feed = {image: np.ones((batch, 9, 8, 4)), g: np.ones((batch, 9, 8, 5))}
                session.run(fetches, feed)

            run(3)
            before = record.kernels
            run(50)
            run(1)
            assert record.kernels == before


@pytest.mark.parametrize("jit", ["never", "always"])
def test_no_images(jit):
    x, filters = arrays("same", np.float32, 0)
    y, to_image, to_filter = results("same", x, filters, jit)
    assert y.shape == (0, 9, 8, 5)
    assert to_image.shape == x.shape
    np.testing.assert_array_equal(to_filter, np.zeros_like(filters))


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8])
# A part of a vector; whole vectors and a part; groups of vectors as well.
@pytest.mark.parametrize("channels", [1, 19, 101])
def test_largest_elements_of_many_channels(window, dtype, channels):
    generator = np.random.default_rng(2)
    x = generator.integers(-3, 4, (2, 7, 6, channels)).astype(dtype)
    is_float = np.issubdtype(dtype, np.floating)
    if is_float:
        x[0, 2, 3, ::3] = np.nan
        x[1, 0, 0, ::2] = -np.inf
        x[1, :2, :2, 0] = np.nan
    found = []
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            image = tf.compat.v1.placeholder(dtype, x.shape)
            y = tf.nn.max_pool2d(image, window, 2, "SAME")
            fetches = [y]
            if is_float:
                shape = [dim or 0 for dim in y.shape]
                g = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape).astype(dtype)
                fetches += tf.gradients(y, [image], tf.constant(g))
            with tf.compat.v1.Session() as session:
                found.append(session.run(fetches, {image: x}))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
