"""`tf.contrib.layers`: layers as functions, on variables of models.

They are the layers of `tf.layers` under other defaults (ReLU, Xavier's initializer) and
names: a getter of the layer's variable scope renames `kernel` to `weights` and `bias` to
`biases`, and puts the variables into the collection `MODEL_VARIABLES`. Arguments may come
from `arg_scope`, collections get variables and outputs by their names.
"""

import importlib
from typing import Any

from graphopt.v1.contrib.layers import utils as utils
from graphopt.v1.contrib.layers.connected import elu as elu
from graphopt.v1.contrib.layers.connected import fully_connected as fully_connected
from graphopt.v1.contrib.layers.connected import linear as linear
from graphopt.v1.contrib.layers.connected import relu as relu
from graphopt.v1.contrib.layers.connected import relu6 as relu6
from graphopt.v1.contrib.layers.connected import repeat as repeat
from graphopt.v1.contrib.layers.connected import stack as stack
from graphopt.v1.contrib.layers.convolutional import conv1d as conv1d
from graphopt.v1.contrib.layers.convolutional import conv2d as conv2d
from graphopt.v1.contrib.layers.convolutional import (
    conv2d_transpose as conv2d_transpose,
)
from graphopt.v1.contrib.layers.convolutional import conv3d as conv3d
from graphopt.v1.contrib.layers.convolutional import (
    conv3d_transpose as conv3d_transpose,
)
from graphopt.v1.contrib.layers.convolutional import convolution as convolution
from graphopt.v1.contrib.layers.convolutional import convolution1d as convolution1d
from graphopt.v1.contrib.layers.convolutional import convolution2d as convolution2d
from graphopt.v1.contrib.layers.convolutional import (
    convolution2d_transpose as convolution2d_transpose,
)
from graphopt.v1.contrib.layers.convolutional import convolution3d as convolution3d
from graphopt.v1.contrib.layers.convolutional import (
    convolution3d_transpose as convolution3d_transpose,
)
from graphopt.v1.contrib.layers.convolutional import (
    separable_conv2d as separable_conv2d,
)
from graphopt.v1.contrib.layers.convolutional import (
    separable_convolution2d as separable_convolution2d,
)
from graphopt.v1.contrib.layers.embeddings import bow_encoder as bow_encoder
from graphopt.v1.contrib.layers.embeddings import embed_sequence as embed_sequence
from graphopt.v1.contrib.layers.embeddings import (
    embedding_lookup_unique as embedding_lookup_unique,
)
from graphopt.v1.contrib.layers.initializers import (
    variance_scaling_initializer as variance_scaling_initializer,
)
from graphopt.v1.contrib.layers.initializers import (
    xavier_initializer as xavier_initializer,
)
from graphopt.v1.contrib.layers.initializers import (
    xavier_initializer_conv2d as xavier_initializer_conv2d,
)
from graphopt.v1.contrib.layers.normalization import batch_norm as batch_norm
from graphopt.v1.contrib.layers.normalization import group_norm as group_norm
from graphopt.v1.contrib.layers.normalization import instance_norm as instance_norm
from graphopt.v1.contrib.layers.normalization import layer_norm as layer_norm
from graphopt.v1.contrib.layers.optimizing import (
    OPTIMIZER_CLS_NAMES as OPTIMIZER_CLS_NAMES,
)
from graphopt.v1.contrib.layers.optimizing import (
    OPTIMIZER_SUMMARIES as OPTIMIZER_SUMMARIES,
)
from graphopt.v1.contrib.layers.optimizing import (
    adaptive_clipping_fn as adaptive_clipping_fn,
)
from graphopt.v1.contrib.layers.optimizing import optimize_loss as optimize_loss
from graphopt.v1.contrib.layers.regularizers import (
    apply_regularization as apply_regularization,
)
from graphopt.v1.contrib.layers.regularizers import (
    l1_l2_regularizer as l1_l2_regularizer,
)
from graphopt.v1.contrib.layers.regularizers import l1_regularizer as l1_regularizer
from graphopt.v1.contrib.layers.regularizers import l2_regularizer as l2_regularizer
from graphopt.v1.contrib.layers.regularizers import sum_regularizer as sum_regularizer
from graphopt.v1.contrib.layers.simple import avg_pool2d as avg_pool2d
from graphopt.v1.contrib.layers.simple import avg_pool3d as avg_pool3d
from graphopt.v1.contrib.layers.simple import bias_add as bias_add
from graphopt.v1.contrib.layers.simple import dropout as dropout
from graphopt.v1.contrib.layers.simple import flatten as flatten
from graphopt.v1.contrib.layers.simple import max_pool2d as max_pool2d
from graphopt.v1.contrib.layers.simple import max_pool3d as max_pool3d
from graphopt.v1.contrib.layers.simple import maxout as maxout
from graphopt.v1.contrib.layers.simple import one_hot_encoding as one_hot_encoding
from graphopt.v1.contrib.layers.simple import pool as pool
from graphopt.v1.contrib.layers.simple import scale_gradient as scale_gradient
from graphopt.v1.contrib.layers.simple import softmax as softmax
from graphopt.v1.contrib.layers.simple import spatial_softmax as spatial_softmax
from graphopt.v1.contrib.layers.simple import unit_norm as unit_norm
from graphopt.v1.contrib.layers.summarizing import (
    summarize_activation as summarize_activation,
)
from graphopt.v1.contrib.layers.summarizing import (
    summarize_activations as summarize_activations,
)
from graphopt.v1.contrib.layers.summarizing import summarize_biases as summarize_biases
from graphopt.v1.contrib.layers.summarizing import (
    summarize_collection as summarize_collection,
)
from graphopt.v1.contrib.layers.summarizing import summarize_tensor as summarize_tensor
from graphopt.v1.contrib.layers.summarizing import (
    summarize_tensors as summarize_tensors,
)
from graphopt.v1.contrib.layers.summarizing import (
    summarize_variables as summarize_variables,
)
from graphopt.v1.contrib.layers.summarizing import (
    summarize_weights as summarize_weights,
)

__all__ = [
    name
    for name in globals()
    if not name.startswith("_") and name not in ("Any", "importlib")
]


def __getattr__(name: str) -> Any:
    if name == "python":
        return importlib.import_module("graphopt.v1.contrib.layers.python")
    raise AttributeError(f"module 'tf.contrib.layers' has no attribute {name!r}")
