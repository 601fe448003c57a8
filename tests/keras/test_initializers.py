"""Initializers: moments, shapes, configs, and orthogonal matrices."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
initializers = tf.keras.initializers

# Standard deviation of the values, for a [200, 300] matrix.
DEVIATIONS = {
    "RandomNormal": 0.05,
    "RandomUniform": 0.1 / 12**0.5,
    "TruncatedNormal": 0.05 * 0.87962566,
    "GlorotUniform": (2 / 500) ** 0.5,
    "GlorotNormal": (2 / 500) ** 0.5,
    "HeUniform": (2 / 200) ** 0.5,
    "HeNormal": (2 / 200) ** 0.5,
    "LecunUniform": (1 / 200) ** 0.5,
    "LecunNormal": (1 / 200) ** 0.5,
    "VarianceScaling": (1 / 200) ** 0.5,
    "Orthogonal": (1 / 300) ** 0.5,
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_moments_seeds_and_configs(name):
    made = getattr(initializers, name)(seed=3)
    value = made([200, 300]).numpy()
    assert value.dtype == np.float32
    np.testing.assert_allclose(value.std(), DEVIATIONS[name], rtol=0.02)
    np.testing.assert_allclose(value.mean(), 0.0, atol=DEVIATIONS[name] / 50)
    plain = initializers.serialize(made)
    assert plain["class_name"] == name and plain["config"]["seed"] == 3
    again = initializers.deserialize(plain)
    np.testing.assert_array_equal(again([200, 300]), value)
    with tf.Graph().as_default(), v1.Session() as session:
        np.testing.assert_array_equal(session.run(made([200, 300])), value)
    assert not np.array_equal(getattr(initializers, name)(seed=4)([200, 300]), value)


@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant", "Identity"])
def test_fixed_values(name):
    made = getattr(initializers, name)()
    want = {
        "Zeros": np.zeros((3, 3)),
        "Ones": np.ones((3, 3)),
        "Constant": np.zeros((3, 3)),
        "Identity": np.eye(3),
    }[name]
    for dtype in (tf.float16, tf.float32, tf.float64):
        value = made([3, 3], dtype=dtype)
        assert value.dtype == dtype
        np.testing.assert_array_equal(value, want)
    plain = initializers.serialize(made)
    assert initializers.serialize(initializers.get(plain)) == plain


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7), (3, 3, 2, 5), (2, 2, 40)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_orthogonal(shape, dtype):
    value = initializers.Orthogonal(gain=2.0, seed=1)(shape, dtype=dtype).numpy()
    assert value.shape == shape and value.dtype == dtype
    matrix = value.reshape(-1, shape[-1]).astype(np.float64) / 2.0
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=2e-7)


def test_orthogonal_matrices_are_uniformly_distributed():
    # Without the sign of R's diagonal the first element would never be positive.
    corners = [
        initializers.Orthogonal(seed=i)([2, 2]).numpy()[0, 0] for i in range(200)
    ]
    assert 60 < sum(corner > 0 for corner in corners) < 140


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.Orthogonal()([3]), "at least two-dimensional"),
        (lambda: initializers.Identity()([3]), "only be used for 2D"),
        (lambda: initializers.Identity()([3, 3], tf.int32), "got dtype int32"),
        (lambda: initializers.Orthogonal()([3, 3], tf.int32), "got dtype int32"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_layer_with_orthogonal_weights_in_a_graph():
    with tf.Graph().as_default(), v1.Session() as session:
        layer = tf.keras.layers.Dense(3, kernel_initializer="orthogonal")
        layer(tf.ones([1, 3]))
        session.run(v1.global_variables_initializer())
        kernel = session.run(layer.kernel)
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=1e-6)


def test_lists_of_constants():
    made = tf.constant_initializer([1.0, 2.0, 3.0, 4.0])
    assert made([2, 2]).numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert made([4], dtype=tf.float64).dtype == tf.float64
    with pytest.raises(ValueError, match="reshape"):
        made([3])


def test_defaults_of_tensorflow_1():
    size = [300, 300]
    normal = v1.random_normal_initializer(seed=1)(size).numpy()
    uniform = v1.random_uniform_initializer(seed=1, dtype=tf.float64)(size).numpy()
    truncated = v1.truncated_normal_initializer(seed=1)(size).numpy()
    np.testing.assert_allclose(normal.std(), 1.0, rtol=0.02)
    np.testing.assert_allclose(truncated.std(), 0.8796, rtol=0.02)
    assert uniform.dtype == np.float64 and 0.0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1.0
    assert tf.random_normal_initializer(seed=1)(size).numpy().std() < 0.06
    assert v1.zeros_initializer(tf.int32)([2]).dtype == tf.int32
    assert v1.ones_initializer()([2], tf.float16).dtype == tf.float16
    made = v1.constant_initializer(3.0, dtype=tf.float64)
    assert made.get_config() == {"value": 3.0, "dtype": "float64"}
    assert made([1]).dtype == tf.float64
    with pytest.raises(NotImplementedError, match="verify_shape"):
        v1.constant_initializer(3.0, verify_shape=True)


def test_get_variable_takes_them():
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", [2], initializer=v1.constant_initializer([5.0, 6.0]))
        q = v1.get_variable("q", [3, 3], initializer=v1.orthogonal_initializer())
        session.run(v1.global_variables_initializer())
        assert session.run(w).tolist() == [5.0, 6.0]
        q = session.run(q)
        np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-6)
