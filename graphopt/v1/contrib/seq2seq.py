"""`tf.contrib.seq2seq`: decoders, helpers, attention and the loss of sequences."""

from graphopt.compat.v1.seq2seq.attention import (
    AttentionMechanism as AttentionMechanism,
)
from graphopt.compat.v1.seq2seq.attention import AttentionWrapper as AttentionWrapper
from graphopt.compat.v1.seq2seq.attention import (
    AttentionWrapperState as AttentionWrapperState,
)
from graphopt.compat.v1.seq2seq.attention import BahdanauAttention as BahdanauAttention
from graphopt.compat.v1.seq2seq.attention import LuongAttention as LuongAttention
from graphopt.compat.v1.seq2seq.attention import hardmax as hardmax
from graphopt.compat.v1.seq2seq.attention import tile_batch as tile_batch
from graphopt.compat.v1.seq2seq.beam_search import (
    BeamSearchDecoder as BeamSearchDecoder,
)
from graphopt.compat.v1.seq2seq.beam_search import (
    BeamSearchDecoderOutput as BeamSearchDecoderOutput,
)
from graphopt.compat.v1.seq2seq.beam_search import (
    BeamSearchDecoderState as BeamSearchDecoderState,
)
from graphopt.compat.v1.seq2seq.beam_search import (
    FinalBeamSearchDecoderOutput as FinalBeamSearchDecoderOutput,
)
from graphopt.compat.v1.seq2seq.beam_search import gather_tree as gather_tree
from graphopt.compat.v1.seq2seq.decoders import BasicDecoder as BasicDecoder
from graphopt.compat.v1.seq2seq.decoders import BasicDecoderOutput as BasicDecoderOutput
from graphopt.compat.v1.seq2seq.decoders import Decoder as Decoder
from graphopt.compat.v1.seq2seq.decoders import dynamic_decode as dynamic_decode
from graphopt.compat.v1.seq2seq.helpers import CustomHelper as CustomHelper
from graphopt.compat.v1.seq2seq.helpers import (
    GreedyEmbeddingHelper as GreedyEmbeddingHelper,
)
from graphopt.compat.v1.seq2seq.helpers import Helper as Helper
from graphopt.compat.v1.seq2seq.helpers import InferenceHelper as InferenceHelper
from graphopt.compat.v1.seq2seq.helpers import (
    SampleEmbeddingHelper as SampleEmbeddingHelper,
)
from graphopt.compat.v1.seq2seq.helpers import (
    ScheduledEmbeddingTrainingHelper as ScheduledEmbeddingTrainingHelper,
)
from graphopt.compat.v1.seq2seq.helpers import TrainingHelper as TrainingHelper
from graphopt.compat.v1.seq2seq.loss import sequence_loss as sequence_loss
