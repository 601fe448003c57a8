"""`tf.train`: checkpoints, and moving averages."""

from graphopt.checkpoint import Checkpoint as Checkpoint
from graphopt.checkpoint import CheckpointManager as CheckpointManager
from graphopt.checkpoint import checkpoint_exists as checkpoint_exists
from graphopt.checkpoint import get_checkpoint_state as get_checkpoint_state
from graphopt.checkpoint import latest_checkpoint as latest_checkpoint
from graphopt.checkpoint import list_variables as list_variables
from graphopt.checkpoint import load_checkpoint as load_checkpoint
from graphopt.checkpoint import load_variable as load_variable
from graphopt.compat.v1.train.moving_averages import (
    ExponentialMovingAverage as ExponentialMovingAverage,
)
