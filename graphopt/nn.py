"""`tf.nn`: neural network functions."""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.ops.activations import crelu as crelu
from graphopt.ops.activations import elu as elu
from graphopt.ops.activations import gelu as gelu
from graphopt.ops.activations import leaky_relu as leaky_relu
from graphopt.ops.activations import relu6 as relu6
from graphopt.ops.activations import selu as selu
from graphopt.ops.activations import silu as silu
from graphopt.ops.activations import softsign as softsign
from graphopt.ops.activations import swish as swish
from graphopt.ops.candidates import all_candidate_sampler as all_candidate_sampler
from graphopt.ops.candidates import compute_accidental_hits as compute_accidental_hits
from graphopt.ops.candidates import (
    fixed_unigram_candidate_sampler as fixed_unigram_candidate_sampler,
)
from graphopt.ops.candidates import (
    learned_unigram_candidate_sampler as learned_unigram_candidate_sampler,
)
from graphopt.ops.convolution import conv2d as conv2d
from graphopt.ops.convolution import conv2d_transpose as conv2d_transpose
from graphopt.ops.depthwise import depthwise_conv2d as depthwise_conv2d
from graphopt.ops.depthwise import separable_conv2d as separable_conv2d
from graphopt.ops.dropout import dropout as dropout
from graphopt.ops.elementwise import relu as relu
from graphopt.ops.elementwise import sigmoid as sigmoid
from graphopt.ops.elementwise import softplus as softplus
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.indexing import embedding_lookup as embedding_lookup
from graphopt.ops.nn import bias_add as bias_add
from graphopt.ops.nn import l2_loss as l2_loss
from graphopt.ops.nn import log_poisson_loss as log_poisson_loss
from graphopt.ops.nn import log_softmax as log_softmax
from graphopt.ops.nn import (
    sigmoid_cross_entropy_with_logits as sigmoid_cross_entropy_with_logits,
)
from graphopt.ops.nn import softmax as softmax
from graphopt.ops.nn import (
    softmax_cross_entropy_with_logits as softmax_cross_entropy_with_logits,
)
from graphopt.ops.nn import (
    sparse_softmax_cross_entropy_with_logits as sparse_softmax_cross_entropy_with_logits,
)
from graphopt.ops.nn import (
    weighted_cross_entropy_with_logits as weighted_cross_entropy_with_logits,
)
from graphopt.ops.pooling import avg_pool2d as avg_pool2d
from graphopt.ops.pooling import max_pool2d as max_pool2d
from graphopt.ops.pooling import max_pool_with_argmax as max_pool_with_argmax
from graphopt.ops.selecting import in_top_k as in_top_k
from graphopt.ops.selecting import top_k as top_k
from graphopt.ops.statistics import batch_normalization as batch_normalization
from graphopt.ops.statistics import l2_normalize as l2_normalize
from graphopt.ops.statistics import moments as moments
from graphopt.ops.statistics import normalize_moments as normalize_moments
from graphopt.ops.statistics import sufficient_statistics as sufficient_statistics
from graphopt.ops.statistics import weighted_moments as weighted_moments
from graphopt.ops.sums import zero_fraction as zero_fraction

# Compositions of ops that most programs do not use are loaded when they are.
if TYPE_CHECKING:
    from graphopt.ops.normalizing import (
        batch_norm_with_global_normalization as batch_norm_with_global_normalization,
    )
    from graphopt.ops.normalizing import (
        local_response_normalization as local_response_normalization,
    )
    from graphopt.ops.patches import depth_to_space as depth_to_space
    from graphopt.ops.patches import dilation2d as dilation2d
    from graphopt.ops.patches import erosion2d as erosion2d
    from graphopt.ops.patches import space_to_depth as space_to_depth
    from graphopt.ops.volumes import atrous_conv2d as atrous_conv2d
    from graphopt.ops.volumes import atrous_conv2d_transpose as atrous_conv2d_transpose
    from graphopt.ops.volumes import avg_pool as avg_pool
    from graphopt.ops.volumes import avg_pool1d as avg_pool1d
    from graphopt.ops.volumes import avg_pool3d as avg_pool3d
    from graphopt.ops.volumes import conv1d as conv1d
    from graphopt.ops.volumes import conv1d_transpose as conv1d_transpose
    from graphopt.ops.volumes import conv3d as conv3d
    from graphopt.ops.volumes import conv3d_transpose as conv3d_transpose
    from graphopt.ops.volumes import conv_transpose as conv_transpose
    from graphopt.ops.volumes import convolution as convolution
    from graphopt.ops.volumes import max_pool as max_pool
    from graphopt.ops.volumes import max_pool1d as max_pool1d
    from graphopt.ops.volumes import max_pool3d as max_pool3d
    from graphopt.ops.volumes import pool as pool

    lrn = local_response_normalization
    from graphopt.ops.ctc import ctc_loss as ctc_loss
    from graphopt.ops.patches import batch_to_space_nd as _batch_to_space_nd
    from graphopt.ops.patches import space_to_batch_nd as _space_to_batch_nd
    from graphopt.ops.sampled_losses import nce_loss_v2 as _nce_loss_v2
    from graphopt.ops.sampled_losses import (
        sampled_softmax_loss_v2 as _sampled_softmax_loss_v2,
    )
    from graphopt.parallel.losses import compute_average_loss as compute_average_loss
    from graphopt.parallel.losses import (
        scale_regularization_loss as scale_regularization_loss,
    )
    from graphopt.sparse.lookup import (
        embedding_lookup_sparse as embedding_lookup_sparse,
    )

    batch_to_space = _batch_to_space_nd
    nce_loss = _nce_loss_v2
    sampled_softmax_loss = _sampled_softmax_loss_v2
    space_to_batch = _space_to_batch_nd

_LAZY = {
    "atrous_conv2d": ("volumes", "atrous_conv2d"),
    "atrous_conv2d_transpose": ("volumes", "atrous_conv2d_transpose"),
    "avg_pool": ("volumes", "avg_pool"),
    "avg_pool1d": ("volumes", "avg_pool1d"),
    "avg_pool3d": ("volumes", "avg_pool3d"),
    "batch_norm_with_global_normalization": (
        "normalizing",
        "batch_norm_with_global_normalization",
    ),
    "compute_average_loss": ("losses", "compute_average_loss"),
    "conv1d": ("volumes", "conv1d"),
    "conv1d_transpose": ("volumes", "conv1d_transpose"),
    "conv3d": ("volumes", "conv3d"),
    "conv3d_transpose": ("volumes", "conv3d_transpose"),
    "conv_transpose": ("volumes", "conv_transpose"),
    "convolution": ("volumes", "convolution"),
    "batch_to_space": ("patches", "batch_to_space_nd"),
    "depth_to_space": ("patches", "depth_to_space"),
    "dilation2d": ("patches", "dilation2d"),
    "embedding_lookup_sparse": ("lookup", "embedding_lookup_sparse"),
    "erosion2d": ("patches", "erosion2d"),
    "local_response_normalization": ("normalizing", "local_response_normalization"),
    "lrn": ("normalizing", "local_response_normalization"),
    "max_pool": ("volumes", "max_pool"),
    "max_pool1d": ("volumes", "max_pool1d"),
    "max_pool3d": ("volumes", "max_pool3d"),
    "ctc_loss": ("ctc", "ctc_loss"),
    "nce_loss": ("sampled_losses", "nce_loss_v2"),
    "pool": ("volumes", "pool"),
    "sampled_softmax_loss": ("sampled_losses", "sampled_softmax_loss_v2"),
    "scale_regularization_loss": ("losses", "scale_regularization_loss"),
    "space_to_batch": ("patches", "space_to_batch_nd"),
    "space_to_depth": ("patches", "space_to_depth"),
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'tf.nn' has no attribute {name!r}")
        module, own = _LAZY[name]
        folder = {"lookup": "sparse", "losses": "parallel"}.get(module, "ops")
        return getattr(importlib.import_module(f"graphopt.{folder}.{module}"), own)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY} - {"Any", "TYPE_CHECKING", "importlib"})
