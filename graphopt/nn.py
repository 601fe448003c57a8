"""`tf.nn`: neural network functions."""

from graphopt.ops.activations import crelu as crelu
from graphopt.ops.activations import elu as elu
from graphopt.ops.activations import gelu as gelu
from graphopt.ops.activations import leaky_relu as leaky_relu
from graphopt.ops.activations import relu6 as relu6
from graphopt.ops.activations import selu as selu
from graphopt.ops.activations import silu as silu
from graphopt.ops.activations import softsign as softsign
from graphopt.ops.activations import swish as swish
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
from graphopt.ops.pooling import avg_pool as avg_pool
from graphopt.ops.pooling import avg_pool2d as avg_pool2d
from graphopt.ops.pooling import max_pool as max_pool
from graphopt.ops.pooling import max_pool2d as max_pool2d
from graphopt.ops.selecting import in_top_k as in_top_k
from graphopt.ops.selecting import top_k as top_k
from graphopt.ops.statistics import batch_normalization as batch_normalization
from graphopt.ops.statistics import l2_normalize as l2_normalize
from graphopt.ops.statistics import moments as moments
from graphopt.ops.statistics import normalize_moments as normalize_moments
from graphopt.ops.statistics import weighted_moments as weighted_moments
from graphopt.ops.sums import zero_fraction as zero_fraction
