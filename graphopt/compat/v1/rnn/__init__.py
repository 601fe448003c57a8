"""Recurrent networks of TensorFlow 1: cells, and what runs them over sequences."""

from graphopt.compat.v1.rnn.loops import (
    bidirectional_dynamic_rnn as bidirectional_dynamic_rnn,
)
from graphopt.compat.v1.rnn.loops import dynamic_rnn as dynamic_rnn
from graphopt.compat.v1.rnn.loops import raw_rnn as raw_rnn
from graphopt.compat.v1.rnn.unrolled import (
    static_bidirectional_rnn as static_bidirectional_rnn,
)
from graphopt.compat.v1.rnn.unrolled import static_rnn as static_rnn
