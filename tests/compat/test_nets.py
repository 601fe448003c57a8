"""`slim.nets`."""

from __future__ import annotations

import pytest

import graphopt as tf
from tests.compat import programs_nets
from tests.compat.golden import compare


def test_values_and_names_are_those_of_tensorflow(contrib):
    compare("nets", programs_nets.record(tf.compat.v1), rtol=1e-4, atol=1e-4)


def test_strides_that_cannot_be_reached(contrib):
    nets = contrib.slim.nets
    with tf.Graph().as_default():
        x = tf.ones([1, 9, 9, 3])
        blocks = [nets.resnet_v1.resnet_v1_block("one", 2, 1, 2)]
        with pytest.raises(ValueError, match="multiple of 4"):
            nets.resnet_v1.resnet_v1(x, blocks, output_stride=6, scope="a")
        with pytest.raises(ValueError, match="cannot be reached"):
            nets.resnet_v2.resnet_v2(x, blocks, output_stride=32, scope="b")
