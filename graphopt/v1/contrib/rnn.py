"""`tf.contrib.rnn`: cells and networks."""

from graphopt.compat.v1.rnn import static_bidirectional_rnn as static_bidirectional_rnn
from graphopt.compat.v1.rnn import static_rnn as static_rnn
from graphopt.compat.v1.rnn.contrib_cells import (
    AttentionCellWrapper as AttentionCellWrapper,
)
from graphopt.compat.v1.rnn.contrib_cells import EmbeddingWrapper as EmbeddingWrapper
from graphopt.compat.v1.rnn.contrib_cells import (
    InputProjectionWrapper as InputProjectionWrapper,
)
from graphopt.compat.v1.rnn.contrib_cells import (
    LayerNormBasicLSTMCell as LayerNormBasicLSTMCell,
)
from graphopt.compat.v1.rnn.contrib_cells import LSTMBlockCell as LSTMBlockCell
from graphopt.compat.v1.rnn.contrib_cells import NASCell as NASCell
from graphopt.compat.v1.rnn.contrib_cells import (
    OutputProjectionWrapper as OutputProjectionWrapper,
)
from graphopt.compat.v1.rnn.stacked import (
    stack_bidirectional_dynamic_rnn as stack_bidirectional_dynamic_rnn,
)
from graphopt.compat.v1.rnn.stacked import (
    stack_bidirectional_rnn as stack_bidirectional_rnn,
)
from graphopt.compat.v1.rnn_cell import BasicLSTMCell as BasicLSTMCell
from graphopt.compat.v1.rnn_cell import BasicRNNCell as BasicRNNCell
from graphopt.compat.v1.rnn_cell import DeviceWrapper as DeviceWrapper
from graphopt.compat.v1.rnn_cell import DropoutWrapper as DropoutWrapper
from graphopt.compat.v1.rnn_cell import GRUCell as GRUCell
from graphopt.compat.v1.rnn_cell import LSTMCell as LSTMCell
from graphopt.compat.v1.rnn_cell import LSTMStateTuple as LSTMStateTuple
from graphopt.compat.v1.rnn_cell import MultiRNNCell as MultiRNNCell
from graphopt.compat.v1.rnn_cell import ResidualWrapper as ResidualWrapper
from graphopt.compat.v1.rnn_cell import RNNCell as RNNCell

# The same numbers; how an op is written makes no difference here.
GRUBlockCell = GRUBlockCellV2 = GRUCell
