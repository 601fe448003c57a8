"""Helpers of `tf.contrib.seq2seq`: where a decoder gets its inputs from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.rnn.base import static_size
from graphopt.compat.v1.rnn.loops import time_first
from graphopt.dtypes import as_dtype, int32
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import SCALAR, TensorShape
from graphopt.ops.creation import FILL, FILL_DIMS, constant_value, fill, zeros_like
from graphopt.ops.elementwise import CAST, cast, equal, minimum, where
from graphopt.ops.indexing import embedding_lookup
from graphopt.ops.random_stateful import categorical, uniform
from graphopt.ops.reduction import reduce_all
from graphopt.ops.selecting import argmax
from graphopt.ops.shaping import IDENTITY, expand_dims, reshape
from graphopt.ops.tensor_array import TensorArray


class Helper:
    """What a decoder asks for its inputs.

    Subclasses define `batch_size`, `sample_ids_shape`, `sample_ids_dtype`, `initialize`,
    `sample` and `next_inputs`.

    Source: `tf.contrib.seq2seq.Helper`.
    """

    # The most steps that it has inputs for, and whether decoding always takes so many.
    most_steps: Any = None
    takes_all_steps = False

    @property
    def batch_size(self) -> Any:
        """The number of sequences, a scalar tensor."""
        raise NotImplementedError("batch_size has not been implemented")

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of a sample."""
        raise NotImplementedError("sample_ids_shape has not been implemented")

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of a sample."""
        raise NotImplementedError("sample_ids_dtype has not been implemented")

    def initialize(self, name: str | None = None) -> Any:
        """Returns which sequences are finished from the start, and the first inputs."""
        raise NotImplementedError

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Returns the samples of a step."""
        raise NotImplementedError

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any,
        name: str | None = None,
    ) -> Any:
        """Returns which sequences are finished, the next inputs and the state."""
        raise NotImplementedError


class CustomHelper(Helper):
    """A helper made of three functions.

    Args:
      initialize_fn: Returns (finished, first inputs).
      sample_fn: From (time, outputs, state) to samples.
      next_inputs_fn: From (time, outputs, state, samples) to (finished, inputs, state).
      sample_ids_shape: The shape of a sample; a scalar by default.
      sample_ids_dtype: Its dtype, int32 by default.

    Source: `tf.contrib.seq2seq.CustomHelper`.
    """

    def __init__(
        self,
        initialize_fn: Callable[..., Any],
        sample_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any],
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn = initialize_fn, sample_fn
        self._next_inputs_fn = next_inputs_fn
        self._batch_size: Any = None
        self._shape = TensorShape(sample_ids_shape or [])
        self._dtype = as_dtype(sample_ids_dtype or int32)

    @property
    def batch_size(self) -> Any:
        """The number of sequences, known after `initialize`."""
        if self._batch_size is None:
            raise ValueError("batch_size accessed before initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._dtype

    def initialize(self, name: str | None = None) -> Any:
        """Calls `initialize_fn`."""
        finished, inputs = self._initialize_fn()
        self._batch_size = static_size(hooks.convert(finished), 0)
        return finished, inputs

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Calls `sample_fn`."""
        return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any,
        name: str | None = None,
    ) -> Any:
        """Calls `next_inputs_fn`."""
        return self._next_inputs_fn(
            time=time, outputs=outputs, state=state, sample_ids=sample_ids
        )


class TrainingHelper(Helper):
    """Reads the inputs from given sequences; samples are the largest outputs.

    Args:
      inputs: `[batch, time, ...]`, or a nest of such tensors.
      sequence_length: `[batch]`, integers.
      time_major: Whether time comes before the batch.
      name: Name of the op.

    Source: `tf.contrib.seq2seq.TrainingHelper`.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        time_major: bool = False,
        name: str | None = None,
    ) -> None:
        inputs = nest.map_structure(hooks.convert, inputs)
        if not time_major:
            inputs = nest.map_structure(time_first, inputs)
        self._inputs = inputs
        lengths = cast(hooks.convert(sequence_length), int32)
        if lengths.shape.rank != 1:
            raise ValueError(
                "Expected sequence_length to be a vector, but received shape: "
                f"{lengths.shape}"
            )
        self._sequence_length = lengths
        first = nest.flatten(inputs)[0]
        self.most_steps = static_size(first, 0)
        longest = _longest(hooks.convert(sequence_length))
        if longest is not None:
            self.most_steps = longest
            self.takes_all_steps = True
        self._last = static_size(first, 0) - 1
        self._arrays = [
            TensorArray(x.dtype, static_size(x, 0), clear_after_read=False).unstack(x)
            for x in nest.flatten(inputs)
        ]
        self._zero = nest.map_structure(lambda x: zeros_like(x[0]), inputs)
        self._batch_size = static_size(first, 1)

    @property
    def inputs(self) -> Any:
        """The sequences, `[time, batch, ...]`."""
        return self._inputs

    @property
    def sequence_length(self) -> Any:
        """As given."""
        return self._sequence_length

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """That of a scalar."""
        return SCALAR

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return int32

    def _read(self, time: Any) -> Any:
        # Behind the end of all sequences nobody looks at it.
        at = minimum(time, self._last)
        rows = [array.read(at) for array in self._arrays]
        for row, whole in zip(rows, nest.flatten(self._inputs), strict=True):
            row.shape = whole.shape[1:]
        return nest.pack_as(self._inputs, rows)

    def initialize(self, name: str | None = None) -> Any:
        """Returns which sequences are empty, and the inputs of the first step."""
        finished = equal(self._sequence_length, 0)
        none_left = reduce_all(finished)
        first = nest.map_structure(
            lambda row, zero: where(none_left, zero, row), self._read(0), self._zero
        )
        return finished, first

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Returns the numbers of the largest outputs."""
        return cast(argmax(outputs, -1), int32)

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any = None,
        name: str | None = None,
    ) -> Any:
        """Returns the inputs of the next step."""
        finished = (time + 1) >= self._sequence_length
        return finished, self._read(time + 1), state


def _longest(lengths: Any) -> int | None:
    """Returns the largest length, if it is known while the graph is built."""
    op = getattr(lengths, "op", None)
    while op is not None and op.spec in (CAST, IDENTITY):
        lengths = op.inputs[0]
        op = lengths.op
    if op is not None and op.spec in (FILL, FILL_DIMS):
        # `tf.fill([batch], n)`, whatever the batch.
        lengths = op.inputs[0]
    known = constant_value(lengths)
    return int(known.max()) if known is not None and known.size else None


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """Takes samples of the decoder in place of given inputs, now and then.

    Args:
      inputs: `[batch, time, width]`.
      sequence_length: `[batch]`, integers.
      embedding: A table, or a function from numbers of classes to inputs.
      sampling_probability: How likely a sample takes the place, a number or scalar tensor.
      time_major: Whether time comes before the batch.
      seed: The seed of the samples.
      scheduling_seed: The seed of whether to take them.
      name: Name of the op.

    Source: `tf.contrib.seq2seq.ScheduledEmbeddingTrainingHelper`.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(inputs, sequence_length, time_major, name)
        self._embed = embedding_function(embedding)
        self._probability = hooks.convert(sampling_probability)
        if self._probability.shape.rank not in (0, 1):
            raise ValueError(
                "sampling_probability must be either a scalar or a vector. saw shape: "
                f"{self._probability.shape}"
            )
        self._seed, self._scheduling_seed = seed, scheduling_seed

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Returns samples where they are taken, else -1."""
        drawn = categorical(outputs, 1, int32, self._seed)
        drawn = reshape(drawn, [-1])
        chance = uniform([1], seed=self._scheduling_seed)
        if drawn.shape[0] is not None:
            chance = uniform([drawn.shape[0]], seed=self._scheduling_seed)
        takes = chance < self._probability
        return where(takes, drawn, -1)

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any = None,
        name: str | None = None,
    ) -> Any:
        """Returns samples, embedded, where there are some, else the given inputs."""
        finished, given, state = super().next_inputs(time, outputs, state, sample_ids)
        taken = expand_dims(sample_ids >= 0, 1)
        embedded = self._embed(where(sample_ids >= 0, sample_ids, 0))
        return finished, where(taken, embedded, given), state


def embedding_function(embedding: Any) -> Callable[[Any], Any]:
    """Returns the function from numbers of classes to inputs."""
    if callable(embedding):
        return lambda ids: embedding(ids)
    return lambda ids: embedding_lookup(embedding, ids)


class GreedyEmbeddingHelper(Helper):
    """Feeds the class of the largest output back, until it is that of the end.

    Args:
      embedding: A table, or a function from numbers of classes to inputs.
      start_tokens: `[batch]`, int32: the class that each sequence begins with.
      end_token: Scalar int32: the class that ends a sequence.

    Source: `tf.contrib.seq2seq.GreedyEmbeddingHelper`.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embed = embedding_function(embedding)
        self._start_tokens = hooks.convert(start_tokens, dtype_hint=int32)
        self._end_token = hooks.convert(end_token, dtype_hint=int32)
        if self._start_tokens.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end_token.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self._batch_size = static_size(self._start_tokens, 0)
        self._start_inputs = self._embed(self._start_tokens)

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """That of a scalar."""
        return SCALAR

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return int32

    def initialize(self, name: str | None = None) -> Any:
        """Returns that nothing is finished, and the inputs of the start."""
        return fill([self._batch_size], False), self._start_inputs

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Returns the numbers of the largest outputs."""
        return cast(argmax(outputs, -1), int32)

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any,
        name: str | None = None,
    ) -> Any:
        """Returns the samples, embedded."""
        finished = equal(sample_ids, self._end_token)
        return finished, self._embed(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Draws a class by the outputs and feeds it back, until it is that of the end.

    Args:
      embedding: A table, or a function from numbers of classes to inputs.
      start_tokens: `[batch]`, int32.
      end_token: Scalar int32.
      softmax_temperature: What the outputs are divided by.
      seed: The seed.

    Source: `tf.contrib.seq2seq.SampleEmbeddingHelper`.
    """

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Draws the classes."""
        logits = outputs if self._temperature is None else outputs / self._temperature
        return reshape(categorical(logits, 1, int32, self._seed), [-1])


class InferenceHelper(Helper):
    """Feeds back what a function makes of the outputs.

    Args:
      sample_fn: From outputs to samples.
      sample_shape: The shape of a sample.
      sample_dtype: Its dtype.
      start_inputs: The first inputs.
      end_fn: From samples to whether each sequence ends.
      next_inputs_fn: From samples to the next inputs; the samples themselves by default.

    Source: `tf.contrib.seq2seq.InferenceHelper`.
    """

    def __init__(
        self,
        sample_fn: Callable[..., Any],
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any] | None = None,
    ) -> None:
        self._sample_fn, self._end_fn = sample_fn, end_fn
        self._shape, self._dtype = TensorShape(sample_shape), as_dtype(sample_dtype)
        self._next_inputs_fn = next_inputs_fn
        self._start_inputs = hooks.convert(start_inputs)
        self._batch_size = static_size(self._start_inputs, 0)

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._dtype

    def initialize(self, name: str | None = None) -> Any:
        """Returns that nothing is finished, and the inputs of the start."""
        return fill([self._batch_size], False), self._start_inputs

    def sample(
        self, time: Any, outputs: Any, state: Any, name: str | None = None
    ) -> Any:
        """Calls `sample_fn`."""
        return self._sample_fn(outputs)

    def next_inputs(
        self,
        time: Any,
        outputs: Any,
        state: Any,
        sample_ids: Any,
        name: str | None = None,
    ) -> Any:
        """Makes the next inputs of the samples."""
        make = self._next_inputs_fn
        inputs = sample_ids if make is None else make(sample_ids)
        return self._end_fn(sample_ids), inputs, state
