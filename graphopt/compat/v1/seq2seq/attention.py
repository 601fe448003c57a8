"""Attention of `tf.contrib.seq2seq`: mechanisms, and a cell that attends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from graphopt.compat.v1.layers.core import Dense
from graphopt.compat.v1.rnn.base import (
    RNNCell,
    assert_cell,
    default_scope,
    static_size,
)
from graphopt.dtypes import float32, int32
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.initializers import Constant
from graphopt.keras.variable_scopes import get_variable
from graphopt.ops.creation import ones, zeros
from graphopt.ops.elementwise import cast, rsqrt, tanh, where
from graphopt.ops.indexing import one_hot
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import softmax
from graphopt.ops.padding import tile
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.scan import cumsum
from graphopt.ops.selecting import argmax
from graphopt.ops.sequences import range as range_
from graphopt.ops.shaping import concat, expand_dims, reshape, squeeze
from graphopt.ops.tensor_array import TensorArray


class AttentionMechanism:
    """What tells how much each element of a memory matters.

    Source: `tf.contrib.seq2seq.AttentionMechanism`.
    """


class _Mechanism(AttentionMechanism):
    """Keys and values of a memory, and a layer for queries."""

    def __init__(
        self,
        query_layer: Any,
        memory_layer: Any,
        memory: Any,
        probability_fn: Callable[[Any, Any], Any],
        memory_sequence_length: Any,
        score_mask_value: Any,
        custom_key_value_fn: Any,
    ) -> None:
        self.query_layer, self.memory_layer = query_layer, memory_layer
        values = nest.map_structure(hooks.convert, memory)
        self._lengths = None
        if memory_sequence_length is not None:
            self._lengths = cast(hooks.convert(memory_sequence_length), int32)
            self._mask = _before(self._lengths, values)
            flags = reshape_to(self._mask, len(values.shape))
            values = values * cast(flags, values.dtype)
        self.values = values
        self.keys = values if memory_layer is None else memory_layer(values)
        if custom_key_value_fn is not None:
            self.keys, self.values = custom_key_value_fn(self.keys, self.values)
        self._score_mask_value = score_mask_value
        self._probability_fn = probability_fn
        self._batch_size = static_size(self.keys, 0)
        self._alignments_size = static_size(self.keys, 1)

    @property
    def batch_size(self) -> Any:
        """The number of memories."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """The number of elements of a memory."""
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        """That of the alignments."""
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """Returns zeros, `[batch, elements]`."""
        return zeros([batch_size, self._alignments_size], dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns what the state of the attention begins with."""
        return self.initial_alignments(batch_size, dtype)

    def _chances(self, score: Any, state: Any) -> Any:
        """Returns alignments: probabilities of the elements that there are."""
        if self._lengths is not None:
            masked = self._score_mask_value
            masked = -math.inf if masked is None else masked
            score = where(self._mask, score, masked)
        return self._probability_fn(score, state)


def _before(lengths: Any, memory: Any) -> Any:
    """Which elements of each memory there are, `[batch, elements]`."""
    if memory.shape.rank is None or memory.shape.rank < 2:
        raise fail(
            ValueError,
            "The memory of an attention needs at least two dimensions",
            got=f"shape {memory.shape}",
            expected="[batch, elements, ...]",
            site=str(user_site()),
        )
    if memory.shape[1] is None:
        # Counted, for the size is known in the run only.
        numbers = cumsum(ones([1, static_size(memory, 1)], int32), 1) - 1
    else:
        numbers = expand_dims(range_(memory.shape[1]), 0)
    return numbers < expand_dims(lengths, 1)


def reshape_to(flags: Any, rank: int) -> Any:
    """Gives a tensor more dimensions of size 1."""
    for _ in range(rank - len(flags.shape)):
        flags = expand_dims(flags, -1)
    return flags


def _dense(units: Any, name: str, dtype: Any) -> Any:
    return Dense(units, name=name, use_bias=False, dtype=dtype)


class LuongAttention(_Mechanism):
    """Scores are products of query and keys.

    Args:
      num_units: The size of queries and keys.
      memory: `[batch, elements, ...]`.
      memory_sequence_length: `[batch]`: how many elements each memory has.
      scale: Whether scores are scaled by a variable.
      probability_fn: From scores to alignments; softmax by default.
      score_mask_value: The score of what is no element; -inf by default.
      dtype: The dtype of the layers.
      custom_key_value_fn: Changes keys and values.
      name: Accepted for compatibility.

    Source: `tf.contrib.seq2seq.LuongAttention`; https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Callable[[Any], Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "LuongAttention",
    ) -> None:
        function = probability_fn or softmax
        super().__init__(
            None,
            _dense(num_units, "memory_layer", dtype or float32),
            memory,
            lambda score, _: function(score),
            memory_sequence_length,
            score_mask_value,
            custom_key_value_fn,
        )
        self._num_units, self._scale = num_units, scale

    def __call__(self, query: Any, state: Any) -> Any:
        """Returns the alignments, and the state, which they are as well."""
        if not query.shape[1:].is_compatible_with(self.keys.shape[2:]):
            raise fail(
                ValueError,
                "Incompatible or unknown inner dimensions between query and keys",
                got=f"query of shape {query.shape}, keys of shape {self.keys.shape}",
                expected=f"num_units={query.shape[-1]}",
                site=str(user_site()),
            )
        with default_scope("luong_attention"):
            product = matmul(self.keys, expand_dims(query, 2))
            score = squeeze(product, [2])
            if self._scale:
                g = get_variable("attention_g", [], query.dtype, "ones")
                score = g * score
        alignments = self._chances(score, state)
        return alignments, alignments


class BahdanauAttention(_Mechanism):
    """Scores are those of a small network of query and keys.

    Args:
      num_units: The size of its hidden layer.
      memory: `[batch, elements, ...]`.
      memory_sequence_length: `[batch]`: how many elements each memory has.
      normalize: Whether the weights of the network are normalized.
      probability_fn: From scores to alignments; softmax by default.
      score_mask_value: The score of what is no element; -inf by default.
      dtype: The dtype of the layers.
      custom_key_value_fn: Changes keys and values.
      name: Accepted for compatibility.

    Source: `tf.contrib.seq2seq.BahdanauAttention`; https://arxiv.org/abs/1409.0473.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Callable[[Any], Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "BahdanauAttention",
    ) -> None:
        function = probability_fn or softmax
        dtype = dtype or float32
        super().__init__(
            _dense(num_units, "query_layer", dtype),
            _dense(num_units, "memory_layer", dtype),
            memory,
            lambda score, _: function(score),
            memory_sequence_length,
            score_mask_value,
            custom_key_value_fn,
        )
        self._num_units, self._normalize = num_units, normalize

    def __call__(self, query: Any, state: Any) -> Any:
        """Returns the alignments, and the state, which they are as well."""
        with default_scope("bahdanau_attention"):
            hidden = self.keys + expand_dims(self.query_layer(query), 1)
            n, dtype = self._num_units, query.dtype
            v = get_variable("attention_v", [n], dtype)
            weights: Any = v
            if self._normalize:
                start = math.sqrt(1.0 / n)
                g = get_variable("attention_g", [], dtype, Constant(start))
                b = get_variable("attention_b", [n], dtype, "zeros")
                weights = g * v * rsqrt(reduce_sum(v * v))
                hidden = hidden + b
            score = reduce_sum(weights * tanh(hidden), 2)
        alignments = self._chances(score, state)
        return alignments, alignments


class AttentionWrapperState(NamedTuple):
    """The state of an `AttentionWrapper`.

    Source: `tf.contrib.seq2seq.AttentionWrapperState`.
    """

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **kwargs: Any) -> AttentionWrapperState:
        """Returns the state with other parts.

        Raises:
          ValueError: A part has another shape than the old one.
        """
        for name, new in kwargs.items():
            old, now = nest.flatten(getattr(self, name)), nest.flatten(new)
            for a, b in zip(old, now, strict=False):
                before, after = getattr(a, "shape", None), getattr(b, "shape", None)
                if before is None or before.is_compatible_with(after):
                    continue
                raise fail(
                    ValueError,
                    f"The new {name} of an AttentionWrapperState has another shape",
                    got=str(after),
                    expected=str(before),
                    site=str(user_site()),
                )
        return self._replace(**kwargs)


def _compute_attention(
    mechanism: Any, cell_output: Any, attention_state: Any, attention_layer: Any
) -> Any:
    """Returns what is read from a memory, the alignments and the state."""
    alignments, state = mechanism(cell_output, state=attention_state)
    context = squeeze(matmul(expand_dims(alignments, 1), mechanism.values), [1])
    if attention_layer is None:
        return context, alignments, state
    return attention_layer(concat([cell_output, context], 1)), alignments, state


class AttentionWrapper(RNNCell):
    """A cell that gets what it read from a memory, and reads by its output.

    Args:
      cell: The cell.
      attention_mechanism: A mechanism, or a list of them.
      attention_layer_size: The size of the attention, for each mechanism; by default it is
        what was read.
      alignment_history: Whether the state keeps all alignments.
      cell_input_fn: From inputs and attention to what the cell gets; both side by side by
        default.
      output_attention: Whether the output is the attention, not that of the cell.
      initial_cell_state: What `zero_state` begins with.
      name: The name of the scope.
      attention_layer: A layer, for each mechanism, in place of `attention_layer_size`.
      attention_fn: What computes the attention.
      dtype: The dtype of the attention layer.

    Source: `tf.contrib.seq2seq.AttentionWrapper`.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Callable[[Any, Any], Any] | None = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
        attention_fn: Callable[..., Any] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        assert_cell("cell", cell)
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        mechanisms = (
            list(attention_mechanism) if self._is_multi else [attention_mechanism]
        )
        for each in mechanisms:
            if not isinstance(each, AttentionMechanism):
                raise TypeError(
                    "attention_mechanism must be an AttentionMechanism or list of them; "
                    f"got {type(each).__name__}"
                )
        if attention_layer_size is not None and attention_layer is not None:
            raise ValueError(
                "Only one of attention_layer_size and attention_layer should be set"
            )
        self._cell, self._mechanisms = cell, mechanisms
        self._layers = self._make_layers(attention_layer_size, attention_layer, dtype)
        self._keeps_history = alignment_history
        self._cell_input_fn = cell_input_fn or (lambda x, a: concat([x, a], -1))
        self._output_attention = output_attention
        self._initial_cell_state = initial_cell_state
        self._attention_fn = attention_fn or _compute_attention
        widths: list[Any] = [
            getattr(layer, "units", None) if layer is not None else m.values.shape[-1]
            for layer, m in zip(self._layers, mechanisms, strict=True)
        ]
        self._attention_size = sum(map(int, widths))

    def _make_layers(self, sizes: Any, layers: Any, dtype: Any) -> list[Any]:
        count = len(self._mechanisms)
        if sizes is not None:
            sizes = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
            kind = dtype or float32
            layers = [_dense(size, "attention_layer", kind) for size in sizes]
        elif layers is not None:
            layers = list(layers) if isinstance(layers, (list, tuple)) else [layers]
        else:
            layers = [None] * count
        if len(layers) != count:
            raise ValueError(
                "If provided, attention_layer_size or attention_layer must contain exactly "
                f"one integer or layer per attention_mechanism, saw: {len(layers)} vs {count}"
            )
        return list(layers)

    def _item_or_tuple(self, items: list[Any]) -> Any:
        return tuple(items) if self._is_multi else items[0]

    @property
    def output_size(self) -> Any:
        """The size of the attention, or that of the cell."""
        return (
            self._attention_size if self._output_attention else self._cell.output_size
        )

    @property
    def state_size(self) -> Any:
        """A nest of sizes."""
        sizes = [m.alignments_size for m in self._mechanisms]
        history = [s if self._keeps_history else () for s in sizes]
        return AttentionWrapperState(
            self._cell.state_size,
            self._attention_size,
            TensorShape([]),
            self._item_or_tuple(sizes),
            self._item_or_tuple(history),
            self._item_or_tuple([m.state_size for m in self._mechanisms]),
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the state at the start."""
        cell_state = self._initial_cell_state
        if cell_state is None:
            cell_state = self._cell.zero_state(batch_size, dtype)
        alignments = [m.initial_alignments(batch_size, dtype) for m in self._mechanisms]
        history: list[Any] = [()] * len(alignments)
        if self._keeps_history:
            history = [
                TensorArray(dtype, 0, dynamic_size=True, element_shape=a.shape)
                for a in alignments
            ]
        return AttentionWrapperState(
            cell_state,
            zeros([batch_size, self._attention_size], dtype),
            zeros([], int32),
            self._item_or_tuple(alignments),
            self._item_or_tuple(history),
            self._item_or_tuple(
                [m.initial_state(batch_size, dtype) for m in self._mechanisms]
            ),
        )

    def call(self, inputs: Any, state: Any) -> Any:
        """Runs the cell and attends."""
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                "Expected state to be instance of AttentionWrapperState. Received type "
                f"{type(state)} instead."
            )
        x = self._cell_input_fn(inputs, state.attention)
        output, cell_state = self._cell(x, state.cell_state)

        def as_list(part: Any) -> list[Any]:
            return list(part) if self._is_multi else [part]

        found, history = [], []
        for mechanism, before, layer, past in zip(
            self._mechanisms,
            as_list(state.attention_state),
            self._layers,
            as_list(state.alignment_history),
            strict=True,
        ):
            parts = self._attention_fn(mechanism, output, before, layer)
            found.append(parts)
            if self._keeps_history:
                past = past.write(state.time, parts[1])
            history.append(past)
        attentions, alignments, states = (
            list(column) for column in zip(*found, strict=True)
        )
        attention = concat(attentions, 1) if len(attentions) > 1 else attentions[0]
        new = AttentionWrapperState(
            cell_state,
            attention,
            state.time + 1,
            self._item_or_tuple(alignments),
            self._item_or_tuple(history),
            self._item_or_tuple(states),
        )
        return (attention if self._output_attention else output), new


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Repeats each example of a batch, each directly behind itself.

    Args:
      t: A tensor `[batch, ...]`, or a nest of them.
      multiplier: How often.
      name: Name of the op.

    Source: `tf.contrib.seq2seq.tile_batch`.
    """

    def one(tensor: Any) -> Any:
        tensor = hooks.convert(tensor)
        if not tensor.shape.rank:
            raise ValueError("t must have statically known rank, at least 1")
        rest = [static_size(tensor, i) for i in range(1, len(tensor.shape))]
        multiples = [1, multiplier, *[1] * len(rest)]
        return reshape(tile(expand_dims(tensor, 1), multiples), [-1, *rest])

    return nest.map_structure(one, t)


def hardmax(logits: Any, name: str | None = None) -> Any:
    """Returns 1 where the largest element of each row is, else 0.

    Source: `tf.contrib.seq2seq.hardmax`.
    """
    logits = hooks.convert(logits)
    depth = logits.shape[-1]
    return one_hot(argmax(logits, -1), depth, dtype=logits.dtype, name=name)
