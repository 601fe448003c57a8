"""Schedules under the names that TensorFlow 2.0 has for them in `tf.keras.experimental`."""

from graphopt.keras.optimizers.schedules import CosineDecay as CosineDecay
from graphopt.keras.optimizers.schedules import (
    CosineDecayRestarts as CosineDecayRestarts,
)
from graphopt.keras.optimizers.schedules import LinearCosineDecay as LinearCosineDecay
from graphopt.keras.optimizers.schedules import (
    NoisyLinearCosineDecay as NoisyLinearCosineDecay,
)
