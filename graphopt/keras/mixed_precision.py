"""`tf.keras.mixed_precision`: computing in float16, keeping variables in float32.

A policy says so for a layer, or for all that are made after `set_global_policy`. Inputs are
cast when a layer is called, variables when it reads them; the loss is multiplied by a factor
before gradients are taken (`LossScaleOptimizer`), because small ones are 0 in float16.
"""

from graphopt.keras.optimizers.loss_scale import (
    LossScaleOptimizer as LossScaleOptimizer,
)
from graphopt.keras.policies import Policy as Policy
from graphopt.keras.policies import global_policy as global_policy
from graphopt.keras.policies import set_global_policy as set_global_policy
