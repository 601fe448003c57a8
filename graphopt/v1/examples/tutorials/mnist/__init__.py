"""`tf.examples.tutorials.mnist`: the digits that the tutorials learnt."""

from graphopt.v1.examples.tutorials.mnist import input_data as input_data
