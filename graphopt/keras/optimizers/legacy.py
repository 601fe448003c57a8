"""`tf.keras.optimizers.legacy`: the same classes, for here they are OptimizerV2."""

from graphopt.keras.optimizers.adam import Adam as Adam
from graphopt.keras.optimizers.base import Optimizer as Optimizer
from graphopt.keras.optimizers.sgd import SGD as SGD
