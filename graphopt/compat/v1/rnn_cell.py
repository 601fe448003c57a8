"""`tf.nn.rnn_cell` of TensorFlow 1."""

from graphopt.compat.v1.rnn.base import RNNCell as RNNCell
from graphopt.compat.v1.rnn.cells import BasicLSTMCell as BasicLSTMCell
from graphopt.compat.v1.rnn.cells import BasicRNNCell as BasicRNNCell
from graphopt.compat.v1.rnn.cells import GRUCell as GRUCell
from graphopt.compat.v1.rnn.cells import LSTMCell as LSTMCell
from graphopt.compat.v1.rnn.cells import LSTMStateTuple as LSTMStateTuple
from graphopt.compat.v1.rnn.linear import linear as _linear  # noqa: F401 (as programs do)
from graphopt.compat.v1.rnn.wrappers import DeviceWrapper as DeviceWrapper
from graphopt.compat.v1.rnn.wrappers import DropoutWrapper as DropoutWrapper
from graphopt.compat.v1.rnn.wrappers import MultiRNNCell as MultiRNNCell
from graphopt.compat.v1.rnn.wrappers import ResidualWrapper as ResidualWrapper
