"""`tf.contrib.framework.python`, which programs import from."""

from graphopt.v1.contrib.framework.python import ops as ops
