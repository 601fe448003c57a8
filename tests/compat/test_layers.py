"""`tf.layers` of version 1."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.compat import programs_layers
from tests.compat.golden import compare, host_steps
from tests.compat.programs_windows import numbers

v1 = tf.compat.v1


def test_values_names_and_collections_are_those_of_tensorflow():
    compare("layers", programs_layers.record(v1), rtol=5e-5, atol=1e-5)


def test_a_training_step_is_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 8, 8, 2])
        # Without a shape, as programs write it.
        training = v1.placeholder(tf.bool)
        logits = programs_layers.network(v1, images, training)
        loss = v1.losses.sparse_softmax_cross_entropy([0, 1, 2], logits)
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            step = v1.train.AdamOptimizer().minimize(loss)
        session.run(v1.global_variables_initializer())
        feeds = {images: numbers(3, 8, 8, 2), training: True}
        assert not host_steps(session, [step, loss], feeds)


def test_a_generator_with_an_unknown_batch_is_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        noise = v1.placeholder(tf.float32, [None, 5])
        x = tf.reshape(v1.layers.dense(noise, 4 * 4 * 3), [-1, 4, 4, 3])
        x = v1.layers.conv2d_transpose(x, 2, 3, 2, "same", activation=tf.nn.relu)
        x = v1.layers.batch_normalization(x, training=True)
        x = v1.layers.conv2d_transpose(x, 1, 3, 2, "same", activation=tf.tanh)
        assert x.shape == (None, 16, 16, 1)
        step = v1.train.AdamOptimizer().minimize(tf.reduce_mean(x))
        session.run(v1.global_variables_initializer())
        assert not host_steps(session, step, {noise: numbers(2, 5)})
        assert session.run(x, {noise: numbers(2, 5)}).shape == (2, 16, 16, 1)


def test_images_whose_sizes_the_run_decides():
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, [None, None, None, 3])
        x = v1.layers.conv2d(image, 4, 3, 2, "same", activation=tf.nn.relu)
        for padding in ("same", "valid"):
            x = v1.layers.conv2d_transpose(x, 2, 3, 2, padding)
        x = v1.layers.batch_normalization(x, training=True)
        flat = v1.layers.flatten(x)
        assert flat.shape == (None, None)
        step = v1.train.AdamOptimizer().minimize(tf.reduce_mean(flat))
        session.run(v1.global_variables_initializer())
        feeds = {image: numbers(2, 4, 6, 3)}
        assert not host_steps(session, [step, x], feeds)
        assert session.run(x, feeds).shape == (2, 9, 13, 2)
        assert session.run(flat, feeds).shape == (2, 9 * 13 * 2)


def test_channels_first_is_the_same_transposed():
    def run(first):
        form = "channels_first" if first else "channels_last"
        with tf.Graph().as_default(), v1.Session() as session:
            start = {"kernel_initializer": programs_layers.started(v1, 1)}
            x = tf.constant(numbers(2, 6, 7, 3))
            x = tf.transpose(x, [0, 3, 1, 2]) if first else x
            x = v1.layers.conv2d(x, 4, 3, 2, "same", form, **start)
            x = v1.layers.batch_normalization(x, 1 if first else -1, training=True)
            x = v1.layers.max_pooling2d(x, 2, 1, data_format=form)
            x = v1.layers.conv2d_transpose(x, 2, 3, 2, data_format=form, **start)
            x = v1.layers.separable_conv2d(
                x,
                2,
                2,
                data_format=form,
                depthwise_initializer=programs_layers.started(v1, 2),
                pointwise_initializer=programs_layers.started(v1, 3),
            )
            y = v1.layers.flatten(x, data_format=form)
            session.run(v1.global_variables_initializer())
            return session.run(y)

    np.testing.assert_allclose(run(True), run(False), 1e-4, 1e-5)


def test_dropout_drops_in_training_alone():
    with tf.Graph().as_default(), v1.Session() as session:
        training = v1.placeholder(tf.bool)
        x = tf.ones([2000])
        by_tensor = v1.layers.dropout(x, 0.25, training=training)
        always = v1.layers.dropout(x, 0.25, training=True)
        assert (session.run(by_tensor, {training: False}) == 1).all()
        for y in (by_tensor, always):
            kept = session.run(y, {training: True})
            assert (kept == 0).mean() == pytest.approx(0.25, abs=0.05)
            assert kept.max() == pytest.approx(1 / 0.75)
        shared = v1.layers.dropout(tf.ones([3, 50]), noise_shape=[1, 50], training=True)
        rows = session.run(shared)
        assert (rows[0] == rows[1]).all()


def test_layers_of_ones_own():
    class Scale(v1.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(
                "factor", [input_shape[-1]], initializer="ones"
            )
            self.count = self.add_variable("count", [], trainable=False)
            super().build(input_shape)

        def call(self, inputs, twice=False):
            self.add_loss(tf.reduce_sum(self.factor))
            self.add_update(self.count.assign_add(1.0, read_value=False))
            return inputs * self.factor * (2.0 if twice else 1.0)

    with tf.Graph().as_default(), v1.Session() as session:
        layer = Scale()
        y = layer(tf.ones([2, 3]), twice=True)
        assert [v.name for v in layer.variables] == ["scale/factor:0", "scale/count:0"]
        assert layer.trainable_variables == [layer.factor]
        assert v1.get_collection(v1.GraphKeys.UPDATE_OPS) == layer.updates
        assert v1.losses.get_regularization_losses() == layer.losses
        session.run(v1.global_variables_initializer())
        assert session.run(y).tolist() == [[2.0] * 3] * 2
        assert layer.dtype is tf.float32
        assert layer.count_params() == 4


def test_float64_and_float16():
    with tf.Graph().as_default():
        x = tf.constant(np.ones((2, 3)))
        assert v1.layers.dense(x, 2).dtype is tf.float64
        assert v1.trainable_variables()[0].dtype is tf.float64
        half = tf.constant(np.ones((2, 3), np.float16))
        y = v1.layers.batch_normalization(half, training=True)
        assert y.dtype is tf.float16
        assert v1.trainable_variables()[-1].dtype is tf.float32


def test_constraints_are_applied():
    with tf.Graph().as_default(), v1.Session() as session:
        y = v1.layers.dense(
            tf.ones([1, 2]),
            1,
            kernel_initializer=v1.zeros_initializer(),
            kernel_constraint=lambda w: tf.clip_by_value(w, 0.0, 0.1),
        )
        step = v1.train.GradientDescentOptimizer(1.0).minimize(-tf.reduce_sum(y))
        session.run(v1.global_variables_initializer())
        session.run(step)
        kernel = v1.trainable_variables()[0]
        np.testing.assert_allclose(session.run(kernel), 0.1)


def test_mistakes():
    layers = v1.layers
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="expected min_ndim=2, found ndim=1"):
            layers.dense(tf.ones([3]), 2)
        with pytest.raises(ValueError, match="expected ndim=4, found ndim=2"):
            layers.conv2d(tf.ones([3, 3]), 2, 1)
        with pytest.raises(TypeError, match="floating-point dtype"):
            layers.dense(tf.constant([[1, 2]]), 2)
        with pytest.raises(ValueError, match="last dimension of the inputs"):
            layers.dense(v1.placeholder(tf.float32, [2, None]), 2)
        with pytest.raises(ValueError, match="channel dimension"):
            layers.conv1d(v1.placeholder(tf.float32, [2, 3, None]), 2, 2)
        with pytest.raises(ValueError, match="`data_format` argument"):
            layers.flatten(tf.ones([2, 3]), data_format="NHWC")
        with pytest.raises(ValueError, match="`padding` argument"):
            layers.conv2d(tf.ones([1, 3, 3, 1]), 2, 2, padding="causal")
        with pytest.raises(ValueError, match="conjunction with `dilation_rate"):
            layers.conv2d(tf.ones([1, 3, 3, 1]), 2, 2, 2, dilation_rate=2)
        with pytest.raises(ValueError, match="units"):
            layers.Dense(0)
        with pytest.raises(ValueError, match="filters"):
            layers.Conv2D(-1, 2)
        with pytest.raises(ValueError, match="`rate`"):
            layers.Dropout(1.5)
        with pytest.raises(TypeError, match="Unexpected keyword arguments: size"):
            layers.Dense(2, size=3)
        for option in ({"renorm": True}, {"virtual_batch_size": 2}):
            with pytest.raises(NotImplementedError, match=next(iter(option))):
                layers.BatchNormalization(**option)
        layers.dense(tf.ones([1, 2]), 2, name="taken")
        with pytest.raises(ValueError, match="already exists"):
            layers.dense(tf.ones([1, 2]), 2, name="taken")
        with pytest.raises(ValueError, match="does not exist"):
            layers.dense(tf.ones([1, 2]), 2, name="missing", reuse=True)
        with pytest.raises(ValueError, match="has not been used yet"):
            _ = layers.Dense(2).scope_name
        with pytest.raises(ValueError, match="undefined `axis`"):
            layers.batch_normalization(v1.placeholder(tf.float32, [2, None]))


def test_eager_mode():
    layer = v1.layers.Dense(2, kernel_initializer=v1.ones_initializer())
    assert layer(np.ones((1, 3), np.float32)).numpy().tolist() == [[3.0, 3.0]]
    assert [v.shape for v in layer.variables] == [(3, 2), (2,)]
    normal = v1.layers.BatchNormalization(momentum=0.5)
    normal(np.array([[1.0], [3.0]], np.float32), training=True)
    assert normal.moving_mean.numpy().tolist() == [1.0]
