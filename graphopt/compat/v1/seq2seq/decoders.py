"""`BasicDecoder` and `dynamic_decode` of `tf.contrib.seq2seq`."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphopt.compat.v1.rnn.base import assert_cell, map_sizes, static_size
from graphopt.compat.v1.rnn.loops import called_again, time_first, with_lengths
from graphopt.compat.v1.seq2seq.helpers import Helper
from graphopt.dtypes import int32
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.creation import constant_value, zeros, zeros_like
from graphopt.ops.elementwise import logical_and, logical_or, minimum, where
from graphopt.ops.reduction import reduce_all
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop


class Decoder:
    """What `dynamic_decode` runs.

    Subclasses define `batch_size`, `output_size`, `output_dtype`, `initialize` and `step`.

    Source: `tf.contrib.seq2seq.Decoder`.
    """

    most_steps: Any = None
    takes_all_steps = False

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        raise NotImplementedError

    @property
    def output_size(self) -> Any:
        """A nest of sizes."""
        raise NotImplementedError

    @property
    def output_dtype(self) -> Any:
        """A nest of dtypes."""
        raise NotImplementedError

    def initialize(self, name: str | None = None) -> Any:
        """Returns (finished, first inputs, first state)."""
        raise NotImplementedError

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """Returns (outputs, next state, next inputs, finished)."""
        raise NotImplementedError

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """Returns what `dynamic_decode` returns for all outputs and the last state."""
        return outputs, final_state

    @property
    def tracks_own_finished(self) -> bool:
        """Whether what is finished may go on again."""
        return False


class BasicDecoderOutput(NamedTuple):
    """The outputs of a `BasicDecoder`.

    Source: `tf.contrib.seq2seq.BasicDecoderOutput`.
    """

    rnn_output: Any
    sample_id: Any


class BasicDecoder(Decoder):
    """Runs a cell on inputs that a helper gives.

    Args:
      cell: An `RNNCell`.
      helper: A `Helper`.
      initial_state: A nest as `cell.state_size`.
      output_layer: A layer of the outputs, as `tf.layers.Dense`.

    Source: `tf.contrib.seq2seq.BasicDecoder`.
    """

    def __init__(
        self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None
    ) -> None:
        assert_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise TypeError(f"helper must be a Helper, received: {type(helper)}")
        if output_layer is not None and not callable(output_layer):
            raise TypeError(f"output_layer must be a Layer, received: {output_layer}")
        self._cell, self._helper = cell, helper
        self._initial_state, self._output_layer = initial_state, output_layer
        self.most_steps = helper.most_steps
        self.takes_all_steps = helper.takes_all_steps

    @property
    def batch_size(self) -> Any:
        """That of the helper."""
        return self._helper.batch_size

    @property
    def output_size(self) -> Any:
        """The sizes of output and sample."""
        size = self._cell.output_size
        if self._output_layer is not None:
            units = getattr(self._output_layer, "units", None)
            if units is None:
                shape = self._output_layer.compute_output_shape(
                    TensorShape([None, *TensorShape(size)])
                )
                units = TensorShape(shape)[1:]
            size = units
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> Any:
        """The dtypes of output and sample."""
        dtype = nest.flatten(self._initial_state)[0].dtype
        return BasicDecoderOutput(dtype, self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> Any:
        """Returns what the helper begins with, and the initial state."""
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """Runs the cell once."""
        output, state = self._cell(inputs, state)
        if self._output_layer is not None:
            output = self._output_layer(output)
        samples = self._helper.sample(time=time, outputs=output, state=state)
        finished, inputs, state = self._helper.next_inputs(
            time=time, outputs=output, state=state, sample_ids=samples
        )
        return BasicDecoderOutput(output, samples), state, inputs, finished


def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> Any:
    """Runs a decoder until all sequences are finished.

    How many steps that takes only the run knows, unless lengths are constants.

    Args:
      decoder: A `Decoder`.
      output_time_major: Whether time comes before the batch in the outputs.
      impute_finished: Whether states of finished sequences are copied through, and their
        outputs are 0.
      maximum_iterations: The most steps, an integer or scalar tensor.
      parallel_iterations: Accepted for compatibility.
      swap_memory: Accepted for compatibility.
      scope: The scope of the variables, `decoder` by default.

    Returns:
      The outputs, the state at the end, and the length of each sequence.

    Source: `tf.contrib.seq2seq.dynamic_decode`.
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(
            f"Expected decoder to be type Decoder, but saw: {type(decoder)}"
        )
    with variable_scope(scope, default_name="decoder"):
        finished, inputs, state = decoder.initialize()
        inputs = nest.map_structure(hooks.convert, inputs)
        state = nest.map_structure(_as_state, state)
        finished = hooks.convert(finished)
        bound = _bind(decoder, maximum_iterations)
        if bound is not None:
            finished = logical_or(finished, bound <= 0)
        batch = decoder.batch_size
        empty = map_sizes(
            lambda size, dtype: zeros([batch, *TensorShape(size)], dtype),
            decoder.output_size,
            decoder.output_dtype,
        )
        arrays = nest.map_structure(lambda e: _array(e, bound), empty)
        lengths = zeros_like(finished, dtype=int32)

        def body(
            t: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any
        ) -> Any:
            outputs, new, next_inputs, done = decoder.step(t, inputs, state)
            new = nest.pack_as(state, nest.flatten(new))
            if not decoder.tracks_own_finished:
                done = logical_or(done, finished)
            lengths = where(finished, lengths, t + 1)
            if impute_finished:
                outputs = with_lengths(finished, outputs, empty)
                new = with_lengths(finished, new, state)
            written = nest.map_structure(lambda a, o: a.write(t, o), arrays, outputs)
            return t + 1, written, new, next_inputs, done, lengths

        def goes_on(t: Any, _arrays: Any, _s: Any, _i: Any, done: Any, _l: Any) -> Any:
            left = ~reduce_all(done)
            return left if bound is None else logical_and(left, t < bound)

        start = (hooks.convert(0), arrays, state, inputs, finished, lengths)
        steps, arrays, state, _, _, lengths = while_loop(
            goes_on, called_again(body), start
        )
        outputs = nest.map_structure(lambda array: array.stack(), arrays)
        if bound is not None and not decoder.takes_all_steps:
            outputs = nest.map_structure(lambda o: o[:steps], outputs)
        outputs, state = _finalize(decoder, outputs, state, lengths)
        if not output_time_major:
            outputs = nest.map_structure(time_first, outputs)
    return outputs, state, lengths


def _finalize(decoder: Any, outputs: Any, state: Any, lengths: Any) -> Any:
    try:
        return decoder.finalize(outputs, state, lengths)
    except NotImplementedError:
        return outputs, state


def _as_state(value: Any) -> Any:
    return value if hasattr(value, "_with_parts") else hooks.convert(value)


def _bind(decoder: Any, maximum: Any) -> Any:
    """Returns the most steps that there can be, as a number if it is known."""
    if maximum is not None:
        if getattr(maximum, "shape", ()) not in ((), TensorShape(())):
            raise ValueError("maximum_iterations must be a scalar")
        known = constant_value(maximum) if isinstance(maximum, Tensor) else maximum
        maximum = maximum if known is None else int(known)
    steps = decoder.most_steps
    if steps is None or maximum is None:
        return maximum if steps is None else steps
    if isinstance(steps, int) and isinstance(maximum, int):
        return min(steps, maximum)
    return minimum(steps, maximum)


def _array(like: Any, bound: Any) -> TensorArray:
    if bound is None:
        return TensorArray(like.dtype, 0, dynamic_size=True, element_shape=like.shape)
    dims = [static_size(like, axis) for axis in range(len(like.shape))]
    return TensorArray(like.dtype, flow=zeros([bound, *dims], like.dtype))
