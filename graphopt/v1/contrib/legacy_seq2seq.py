"""`tf.contrib.legacy_seq2seq`: models unrolled over lists of inputs."""

from graphopt.compat.v1.seq2seq.legacy import attention_decoder as attention_decoder
from graphopt.compat.v1.seq2seq.legacy import basic_rnn_seq2seq as basic_rnn_seq2seq
from graphopt.compat.v1.seq2seq.legacy import (
    embedding_attention_decoder as embedding_attention_decoder,
)
from graphopt.compat.v1.seq2seq.legacy import (
    embedding_attention_seq2seq as embedding_attention_seq2seq,
)
from graphopt.compat.v1.seq2seq.legacy import (
    embedding_rnn_decoder as embedding_rnn_decoder,
)
from graphopt.compat.v1.seq2seq.legacy import (
    embedding_rnn_seq2seq as embedding_rnn_seq2seq,
)
from graphopt.compat.v1.seq2seq.legacy import (
    embedding_tied_rnn_seq2seq as embedding_tied_rnn_seq2seq,
)
from graphopt.compat.v1.seq2seq.legacy import model_with_buckets as model_with_buckets
from graphopt.compat.v1.seq2seq.legacy import rnn_decoder as rnn_decoder
from graphopt.compat.v1.seq2seq.legacy import sequence_loss as sequence_loss
from graphopt.compat.v1.seq2seq.legacy import (
    sequence_loss_by_example as sequence_loss_by_example,
)
from graphopt.compat.v1.seq2seq.legacy import tied_rnn_seq2seq as tied_rnn_seq2seq
