"""`tf.contrib.cudnn_rnn`: the cells that compute what cuDNN does."""

from graphopt.compat.v1.rnn.contrib_cells import (
    CudnnCompatibleGRUCell as CudnnCompatibleGRUCell,
)
from graphopt.compat.v1.rnn.contrib_cells import (
    CudnnCompatibleLSTMCell as CudnnCompatibleLSTMCell,
)
