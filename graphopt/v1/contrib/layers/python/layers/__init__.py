"""`tf.contrib.layers.python.layers`: `tf.contrib.layers` and the modules behind it."""

from graphopt.v1.contrib import layers as layers
from graphopt.v1.contrib.layers import *  # noqa: F403 (one list of the names)
from graphopt.v1.contrib.layers import embeddings as embedding_ops
from graphopt.v1.contrib.layers import embeddings as encoders
from graphopt.v1.contrib.layers import initializers as initializers
from graphopt.v1.contrib.layers import normalization as normalization
from graphopt.v1.contrib.layers import optimizing as optimizers
from graphopt.v1.contrib.layers import regularizers as regularizers
from graphopt.v1.contrib.layers import summarizing as summaries
from graphopt.v1.contrib.layers import utils as utils

__all__ = ["embedding_ops", "encoders", "optimizers", "summaries"]
