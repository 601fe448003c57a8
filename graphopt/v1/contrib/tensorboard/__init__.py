"""`tf.contrib.tensorboard`."""

from graphopt.v1.contrib.tensorboard import plugins as plugins
