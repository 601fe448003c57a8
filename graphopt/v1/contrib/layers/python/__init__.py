"""`tf.contrib.layers.python`, which programs import from."""

from graphopt.v1.contrib.layers.python import layers as layers
