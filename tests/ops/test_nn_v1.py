"""`tf.compat.v1.nn`: the arguments of TensorFlow 1."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.ops.helpers import gradient_of

nn = tf.compat.v1.nn
IMAGE = np.arange(32.0).reshape(1, 4, 4, 2)
LABELS, LOGITS = np.array([[0.2, 0.8]]), np.array([[1.0, -1.0]])


def test_dropout_keeps_its_second_argument():
    tf.random.set_seed(1)
    kept = nn.dropout(np.ones(10_000), 0.9).numpy() != 0
    assert kept.mean() == pytest.approx(0.9, abs=0.02)
    kept = nn.dropout(np.ones(10_000), rate=0.9).numpy() != 0
    assert kept.mean() == pytest.approx(0.1, abs=0.02)
    for arguments in ({}, {"keep_prob": 0.5, "rate": 0.5}):
        with pytest.raises(ValueError, match="Exactly one of keep_prob and rate"):
            nn.dropout([1.0], **arguments)


def test_other_names_of_arguments():
    filters = np.ones((2, 2, 2, 1))
    window = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    for ours, theirs in (
        (
            tf.nn.conv2d(IMAGE, filters, 1, "SAME"),
            nn.conv2d(IMAGE, filter=filters, strides=[1, 1, 1, 1], padding="SAME"),
        ),
        (tf.nn.max_pool2d(IMAGE, 2, 2, "SAME"), nn.max_pool(value=IMAGE, **window)),
        (tf.nn.avg_pool2d(IMAGE, 2, 2, "SAME"), nn.avg_pool(input=IMAGE, **window)),
        (
            tf.nn.moments(IMAGE, [0, 1, 2], keepdims=True)[1],
            nn.moments(IMAGE, [0, 1, 2], keep_dims=True)[1],
        ),
        (tf.nn.l2_normalize(IMAGE, 1), nn.l2_normalize(IMAGE, dim=1)),
        (tf.nn.softmax(LOGITS), nn.softmax(LOGITS, dim=-1)),
        (tf.nn.log_softmax(LOGITS), nn.log_softmax(LOGITS)),
        (
            tf.nn.weighted_cross_entropy_with_logits(LABELS, LOGITS, 2.0),
            nn.weighted_cross_entropy_with_logits(
                targets=LABELS, logits=LOGITS, pos_weight=2.0
            ),
        ),
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_gradients_into_labels():
    for function, is_constant in (
        (nn.softmax_cross_entropy_with_logits, True),
        (nn.softmax_cross_entropy_with_logits_v2, False),
    ):
        to_labels, to_logits = gradient_of(
            lambda z, x: function(labels=z, logits=x), LABELS, LOGITS
        )
        assert (to_labels is None) == is_constant
        assert to_logits is not None


@pytest.mark.parametrize(
    "name",
    [
        "softmax_cross_entropy_with_logits",
        "sparse_softmax_cross_entropy_with_logits",
        "sigmoid_cross_entropy_with_logits",
    ],
)
def test_cross_entropies_take_named_arguments(name):
    with pytest.raises(ValueError, match="named arguments"):
        getattr(nn, name)(LABELS, LOGITS)
    labels = np.array([1]) if name.startswith("sparse") else LABELS
    got = getattr(nn, name)(labels=labels, logits=LOGITS)
    expected = getattr(tf.nn, name)(labels, LOGITS)
    np.testing.assert_array_equal(got.numpy(), expected.numpy())
