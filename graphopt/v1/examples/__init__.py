"""`tf.examples` of TensorFlow 1: what its tutorials imported."""

from graphopt.v1.examples import tutorials as tutorials
