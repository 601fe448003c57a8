"""`BeamSearchDecoder` of `tf.contrib.seq2seq`, and the trees that it leaves behind."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.compat.v1.rnn.base import assert_cell, static_size
from graphopt.compat.v1.seq2seq.decoders import Decoder
from graphopt.compat.v1.seq2seq.helpers import embedding_function
from graphopt.dtypes import float32, int32, int64
from graphopt.graph import nest
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import fill, zeros
from graphopt.ops.elementwise import (
    cast,
    equal,
    floordiv,
    floormod,
    logical_not,
    logical_or,
    where,
)
from graphopt.ops.elementwise import pow as pow_
from graphopt.ops.indexing import gather
from graphopt.ops.nn import log_softmax
from graphopt.ops.reduction import reduce_max
from graphopt.ops.selecting import top_k
from graphopt.ops.sequences import range as range_
from graphopt.ops.shaping import expand_dims, reshape


class BeamSearchDecoderState(NamedTuple):
    """What a `BeamSearchDecoder` knows between steps.

    Source: `tf.contrib.seq2seq.BeamSearchDecoderState`.
    """

    cell_state: Any
    log_probs: Any
    finished: Any
    lengths: Any
    accumulated_attention_probs: Any


class BeamSearchDecoderOutput(NamedTuple):
    """The outputs of a step, `[batch, beams]` each.

    Source: `tf.contrib.seq2seq.BeamSearchDecoderOutput`.
    """

    scores: Any
    predicted_ids: Any
    parent_ids: Any


class FinalBeamSearchDecoderOutput(NamedTuple):
    """The sequences found, best first, and the outputs of the steps.

    Source: `tf.contrib.seq2seq.FinalBeamSearchDecoderOutput`.
    """

    predicted_ids: Any
    beam_search_decoder_output: Any


def _tree(
    ids: NDArray[Any], parents: NDArray[Any], lengths: NDArray[Any], end: NDArray[Any]
) -> NDArray[Any]:
    steps, batch, beams = ids.shape
    found = np.full_like(ids, end)
    for b in range(batch):
        last = min(steps, int(lengths[b])) - 1
        at = np.arange(beams)
        for t in range(last, -1, -1):
            found[t, b] = ids[t, b, at]
            at = parents[t, b, at]
    # Behind its end a sequence has nothing else.
    ended = np.cumsum(found == end, 0) - (found == end) > 0
    return np.asarray(np.where(ended, end, found), ids.dtype)


GATHER_TREE = register(
    OpSpec(
        "GatherTree",
        lambda ids, *_: (ids.shape, ids.dtype),
        _tree,
        NOT_DIFFERENTIABLE,
        Host("NumPy follows the parents"),
        lambda: [
            Sample(
                (
                    np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.int32),
                    np.array([[[0, 0]], [[0, 0]], [[1, 0]]], np.int32),
                    np.array([3], np.int32),
                    np.int32(9),
                )
            )
        ],
        types=("any",),
    )
)


def gather_tree(
    step_ids: Any,
    parent_ids: Any,
    max_sequence_lengths: Any,
    end_token: Any,
    name: str | None = None,
) -> Any:
    """Returns the sequences that beams stand for, from the steps and their parents.

    Args:
      step_ids: `[time, batch, beams]`.
      parent_ids: `[time, batch, beams]`: the beam of the step before.
      max_sequence_lengths: `[batch]`.
      end_token: What fills a sequence behind its end.
      name: Name of the op.

    Returns:
      `[time, batch, beams]`.

    Source: `tf.contrib.seq2seq.gather_tree`.
    """
    inputs = (step_ids, parent_ids, max_sequence_lengths, end_token)
    return call(GATHER_TREE, *inputs, name=name)


class BeamSearchDecoder(Decoder):
    """Keeps the most likely beginnings of sequences, and goes on with each.

    Args:
      cell: An `RNNCell`.
      embedding: A table, or a function from numbers of classes to inputs.
      start_tokens: `[batch]`, int32.
      end_token: Scalar int32.
      initial_state: A nest as `cell.state_size`, each `[batch * beam_width, ...]`, as
        `tile_batch` makes it.
      beam_width: How many sequences are kept.
      output_layer: A layer of the outputs, as `tf.layers.Dense`.
      length_penalty_weight: How much longer sequences are preferred; 0 for not at all.
      coverage_penalty_weight: Must be 0.
      reorder_tensor_arrays: Accepted; states may hold no `TensorArray`.

    Source: `tf.contrib.seq2seq.BeamSearchDecoder`.
    """

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: float = 0.0,
        coverage_penalty_weight: float = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        assert_cell("cell", cell)
        if coverage_penalty_weight:
            raise NotImplementedError("BeamSearchDecoder with coverage_penalty_weight.")
        if any(hasattr(part, "_with_parts") for part in nest.flatten(initial_state)):
            raise NotImplementedError(
                "BeamSearchDecoder of a state with a TensorArray; leave out "
                "alignment_history=True."
            )
        self._cell, self._output_layer = cell, output_layer
        self._embed = embedding_function(embedding)
        self._start_tokens = hooks.convert(start_tokens, dtype_hint=int32)
        self._end_token = hooks.convert(end_token, dtype_hint=int32)
        if self._start_tokens.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end_token.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self._width = int(beam_width)
        self._penalty = length_penalty_weight
        self._batch = static_size(self._start_tokens, 0)
        self._initial_state = nest.map_structure(
            lambda part: self._split(hooks.convert(part)), initial_state
        )

    @property
    def batch_size(self) -> Any:
        """The number of examples."""
        return self._batch

    @property
    def tracks_own_finished(self) -> bool:
        """True: beams change places."""
        return True

    @property
    def output_size(self) -> Any:
        """The number of beams, of each output."""
        return BeamSearchDecoderOutput(*[TensorShape([self._width])] * 3)

    @property
    def output_dtype(self) -> Any:
        """float32 scores and int32 numbers."""
        return BeamSearchDecoderOutput(float32, int32, int32)

    def _split(self, part: Any) -> Any:
        """Makes batch and beams two dimensions."""
        if part.shape.rank == 0:
            return part
        rest = [static_size(part, i) for i in range(1, len(part.shape))]
        return reshape(part, [self._batch, self._width, *rest])

    def _merge(self, part: Any) -> Any:
        if part.shape.rank == 0:
            return part
        rest = [static_size(part, i) for i in range(2, len(part.shape))]
        return reshape(part, [-1, *rest])

    def initialize(self, name: str | None = None) -> Any:
        """Returns the start: one beam of each example, and the others without chance."""
        shape = [self._batch, self._width]
        finished = fill(shape, False)
        first = equal(expand_dims(range_(self._width), 0) + zeros(shape, int32), 0)
        log_probs = where(first, 0.0, -np.inf)
        tokens = expand_dims(self._start_tokens, 1) + zeros(shape, int32)
        state = BeamSearchDecoderState(
            self._initial_state, log_probs, finished, zeros(shape, int64), ()
        )
        return finished, self._embed(tokens), state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """Goes on with each beam and keeps the best."""
        merged = nest.map_structure(self._merge, state.cell_state)
        output, cell_state = self._cell(self._merge(inputs), merged)
        if self._output_layer is not None:
            output = self._output_layer(output)
        logits = self._split(output)
        classes = int(logits.shape[-1])
        ends = equal(range_(classes), self._end_token)
        chances = log_softmax(cast(logits, float32))
        # A finished beam has one way to go on, which costs nothing.
        stays = where(ends, 0.0, float(np.finfo(np.float32).min))
        done = expand_dims(state.finished, 2)
        chances = where(done, stays, chances)
        total = expand_dims(state.log_probs, 2) + chances
        grows = cast(logical_not(logical_or(done, ends)), int64)
        lengths = expand_dims(state.lengths, 2) + grows
        scores = total
        if self._penalty:
            scores = total / pow_((5.0 + cast(lengths, float32)) / 6.0, self._penalty)
        flat = [self._batch, self._width * classes]
        best, chosen = top_k(reshape(scores, flat), self._width)
        words = cast(floormod(chosen, classes), int32)
        parents = cast(floordiv(chosen, classes), int32)
        before = gather(state.finished, parents, axis=1, batch_dims=1)
        grown = cast(logical_not(before), int64)
        new = BeamSearchDecoderState(
            nest.map_structure(
                lambda part: self._follow(self._split(part), parents), cell_state
            ),
            gather(reshape(total, flat), chosen, axis=1, batch_dims=1),
            logical_or(before, equal(words, self._end_token)),
            gather(state.lengths, parents, axis=1, batch_dims=1) + grown,
            (),
        )
        outputs = BeamSearchDecoderOutput(best, words, parents)
        return outputs, new, self._embed(words), new.finished

    def _follow(self, part: Any, parents: Any) -> Any:
        if part.shape.rank == 0:
            return part
        return gather(part, parents, axis=1, batch_dims=1)

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """Returns the sequences, best first."""
        longest = cast(reduce_max(final_state.lengths, 1), int32)
        found = gather_tree(
            outputs.predicted_ids, outputs.parent_ids, longest, self._end_token
        )
        return FinalBeamSearchDecoderOutput(found, outputs), final_state
