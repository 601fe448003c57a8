"""`tf.contrib.tensorboard.plugins`."""

from graphopt.v1.contrib.tensorboard.plugins import projector as projector
