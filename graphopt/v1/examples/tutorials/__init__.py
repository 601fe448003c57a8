"""`tf.examples.tutorials`."""

from graphopt.v1.examples.tutorials import mnist as mnist
