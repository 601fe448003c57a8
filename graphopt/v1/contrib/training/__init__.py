"""`tf.contrib.training`: hyperparameters and training steps."""

from typing import Any

from graphopt.v1.contrib.below import look_below
from graphopt.v1.contrib.training.hparams import HParams as HParams
from graphopt.v1.contrib.training.hparams import parse_values as parse_values
from graphopt.v1.contrib.training.steps import (
    add_gradients_summaries as add_gradients_summaries,
)
from graphopt.v1.contrib.training.steps import (
    clip_gradient_norms as clip_gradient_norms,
)
from graphopt.v1.contrib.training.steps import (
    clip_gradient_norms_fn as clip_gradient_norms_fn,
)
from graphopt.v1.contrib.training.steps import create_train_op as create_train_op
from graphopt.v1.contrib.training.steps import multiply_gradients as multiply_gradients
from graphopt.v1.contrib.training.steps import train_loop

train = train_loop


def __getattr__(name: str) -> Any:
    return look_below("training", name)
