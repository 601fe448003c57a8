"""`tf.nn`: neural network functions."""

from graphopt.ops.elementwise import relu as relu
from graphopt.ops.elementwise import sigmoid as sigmoid
from graphopt.ops.elementwise import softplus as softplus
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.indexing import embedding_lookup as embedding_lookup
from graphopt.ops.nn import bias_add as bias_add
from graphopt.ops.nn import l2_loss as l2_loss
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
from graphopt.ops.selecting import in_top_k as in_top_k
from graphopt.ops.selecting import top_k as top_k
