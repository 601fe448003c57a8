"""`tf.compat.v2`: the names of TensorFlow 2."""

from graphopt import keras as keras
from graphopt import losses as losses
from graphopt import optimizers as optimizers
