"""`tf.contrib.legacy_seq2seq`: decoders and models unrolled over lists of inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.rnn.base import static_size
from graphopt.compat.v1.rnn.contrib_cells import (
    EmbeddingWrapper,
    OutputProjectionWrapper,
)
from graphopt.compat.v1.rnn.linear import linear
from graphopt.compat.v1.rnn.unrolled import static_rnn
from graphopt.dtypes import float32
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.keras.variable_scopes import (
    get_variable,
    get_variable_scope,
    variable_scope,
)
from graphopt.ops.cond import cond
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast, tanh
from graphopt.ops.indexing import embedding_lookup
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import softmax, sparse_softmax_cross_entropy_with_logits
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.selecting import argmax
from graphopt.ops.shaping import concat, expand_dims, reshape, stop_gradient
from graphopt.ops.sums import add_n

LoopFunction = Callable[[Any, int], Any]


def _largest_embedded(
    embedding: Any, output_projection: Any = None, update_embedding: bool = True
) -> LoopFunction:
    """Returns the function that embeds the class of the largest output."""

    def loop_function(prev: Any, _: int) -> Any:
        if output_projection is not None:
            weights, bias = output_projection
            prev = matmul(prev, weights) + bias
        found = embedding_lookup(embedding, argmax(prev, 1))
        return found if update_embedding else stop_gradient(found)

    return loop_function


def rnn_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    cell: Any,
    loop_function: LoopFunction | None = None,
    scope: Any = None,
) -> Any:
    """Runs a cell over inputs, or over what a function makes of its outputs.

    Args:
      decoder_inputs: A list of tensors `[batch, width]`; with a `loop_function` only the
        first counts, and how many there are.
      initial_state: A nest as `cell.state_size`.
      cell: An `RNNCell`.
      loop_function: From an output and the number of the step to the next input.
      scope: The scope of the variables, `rnn_decoder` by default.

    Returns:
      The list of outputs, and the state at the end.

    Source: `tf.contrib.legacy_seq2seq.rnn_decoder`.
    """
    with variable_scope(scope or "rnn_decoder"):
        outputs: list[Any] = []
        state = initial_state
        for i, given in enumerate(decoder_inputs):
            x = given
            if loop_function is not None and outputs:
                with variable_scope("loop_function", reuse=True):
                    x = loop_function(outputs[-1], i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(x, state)
            outputs.append(output)
    return outputs, state


def basic_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    dtype: Any = float32,
    scope: Any = None,
) -> Any:
    """Encodes a sequence with one cell and decodes with another of the same kind.

    Source: `tf.contrib.legacy_seq2seq.basic_rnn_seq2seq`.
    """
    with variable_scope(scope or "basic_rnn_seq2seq"):
        encoder = copy.deepcopy(cell)
        _, state = static_rnn(encoder, encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    loop_function: LoopFunction | None = None,
    dtype: Any = float32,
    scope: Any = None,
) -> Any:
    """Encodes and decodes a sequence with one cell.

    Source: `tf.contrib.legacy_seq2seq.tied_rnn_seq2seq`.
    """
    with variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


def embedding_rnn_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> Any:
    """As `rnn_decoder`, of numbers of symbols.

    Args:
      decoder_inputs: A list of tensors `[batch]`, integers.
      initial_state: A nest as `cell.state_size`.
      cell: An `RNNCell`.
      num_symbols: How many symbols there are.
      embedding_size: The size of their embeddings.
      output_projection: Weights and biases that make scores of symbols of outputs.
      feed_previous: Whether the symbol of the largest output is the next input.
      update_embedding_for_previous: Whether embeddings of such symbols are trained.
      scope: The scope of the variables, `embedding_rnn_decoder` by default.

    Source: `tf.contrib.legacy_seq2seq.embedding_rnn_decoder`.
    """
    with variable_scope(scope or "embedding_rnn_decoder"):
        _check_projection(output_projection, num_symbols)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop_function = None
        if feed_previous:
            loop_function = _largest_embedded(
                embedding, output_projection, update_embedding_for_previous
            )
        inputs = [embedding_lookup(embedding, each) for each in decoder_inputs]
        return rnn_decoder(inputs, initial_state, cell, loop_function)


def _check_projection(projection: Any, num_symbols: int) -> None:
    if projection is None:
        return
    weights, bias = (hooks.convert(part) for part in projection)
    good = weights.shape.is_compatible_with([None, num_symbols])
    if not good or not bias.shape.is_compatible_with([num_symbols]):
        raise ValueError(
            "output_projection must be a pair of weights [size, num_symbols] and biases "
            f"[num_symbols]; got {weights.shape} and {bias.shape}."
        )


def _choose(decode: Callable[[bool], Any], feed_previous: Any) -> Any:
    """Builds one decoder, or both where only the run decides which."""
    if isinstance(feed_previous, bool):
        return decode(feed_previous)

    def branch(feeds: bool) -> Callable[[], Any]:
        def build() -> Any:
            reuse = None if feeds else True
            with variable_scope(get_variable_scope(), reuse=reuse):
                return decode(feeds)

        return build

    return cond(feed_previous, branch(True), branch(False))


def embedding_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> Any:
    """As `basic_rnn_seq2seq`, of numbers of symbols.

    Args:
      encoder_inputs, decoder_inputs: Lists of tensors `[batch]`, integers.
      cell: An `RNNCell`.
      num_encoder_symbols, num_decoder_symbols: How many symbols there are.
      embedding_size: The size of their embeddings.
      output_projection: Weights and biases that make scores of symbols of outputs; by
        default the outputs are scores, made by variables.
      feed_previous: Whether the symbol of the largest output is the next input; a bool or a
        scalar tensor.
      dtype: The dtype of the states, float32 by default.
      scope: The scope of the variables, `embedding_rnn_seq2seq` by default.

    Source: `tf.contrib.legacy_seq2seq.embedding_rnn_seq2seq`.
    """
    with variable_scope(scope or "embedding_rnn_seq2seq", dtype=dtype) as entered:
        encoder = EmbeddingWrapper(
            copy.deepcopy(cell), num_encoder_symbols, embedding_size
        )
        _, state = static_rnn(encoder, encoder_inputs, dtype=entered.dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        return _choose(
            lambda feeds: embedding_rnn_decoder(
                decoder_inputs,
                state,
                cell,
                num_decoder_symbols,
                embedding_size,
                output_projection,
                feeds,
                update_embedding_for_previous=isinstance(feed_previous, bool),
            ),
            feed_previous,
        )


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> Any:
    """As `embedding_rnn_seq2seq`, with one table and one cell for both parts.

    Source: `tf.contrib.legacy_seq2seq.embedding_tied_rnn_seq2seq`.
    """
    with variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as entered:
        _check_projection(output_projection, num_decoder_symbols or num_symbols)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        coded = [embedding_lookup(embedding, each) for each in encoder_inputs]
        given = [embedding_lookup(embedding, each) for each in decoder_inputs]
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols or num_symbols)

        def decode(feeds: bool) -> Any:
            loop_function = None
            if feeds:
                keeps = isinstance(feed_previous, bool)
                loop_function = _largest_embedded(embedding, output_projection, keeps)
            return tied_rnn_seq2seq(coded, given, cell, loop_function, entered.dtype)

        return _choose(decode, feed_previous)


def attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: LoopFunction | None = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Any:
    """As `rnn_decoder`, with attention to given states.

    Args:
      decoder_inputs: A list of tensors `[batch, width]`.
      initial_state: A nest as `cell.state_size`.
      attention_states: `[batch, elements, size]`.
      cell: An `RNNCell`.
      output_size: The size of the outputs; that of the cell by default.
      num_heads: How many times it attends.
      loop_function: As in `rnn_decoder`.
      dtype: The dtype of the variables.
      scope: The scope of the variables, `attention_decoder` by default.
      initial_state_attention: Whether the first step attends by the initial state.

    Raises:
      ValueError: There are no inputs, no heads, or sizes are not known.

    Source: `tf.contrib.legacy_seq2seq.attention_decoder`; https://arxiv.org/abs/1412.7449.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    if attention_states.shape[2] is None:
        raise ValueError(
            f"Shape[2] of attention_states must be known: {attention_states.shape}"
        )
    output_size = output_size or cell.output_size
    with variable_scope(scope or "attention_decoder", dtype=dtype) as entered:
        attend = _Heads(attention_states, num_heads)
        size = attention_states.shape[2]
        batch = static_size(decoder_inputs[0], 0)
        read = [zeros([batch, size], entered.dtype) for _ in range(num_heads)]
        if initial_state_attention:
            read = attend(initial_state)
        outputs: list[Any] = []
        state = initial_state
        for i, given in enumerate(decoder_inputs):
            x = given
            if i > 0:
                get_variable_scope().reuse_variables()
            if loop_function is not None and outputs:
                with variable_scope("loop_function", reuse=True):
                    x = loop_function(outputs[-1], i)
            if x.shape[1] is None:
                raise ValueError(f"Could not infer input size from input: {x.name}")
            output, state = cell(linear([x, *read], x.shape[1], True), state)
            again = True if i == 0 and initial_state_attention else None
            with variable_scope(get_variable_scope(), reuse=again):
                read = attend(state)
            with variable_scope("AttnOutputProjection"):
                outputs.append(linear([output, *read], output_size, True))
    return outputs, state


class _Heads:
    """Reads given states, once for each head."""

    def __init__(self, states: Any, count: int) -> None:
        self.states, self.size = states, int(states.shape[2])
        self.heads = []
        length = static_size(states, 1)
        for i in range(count):
            shape = [1, 1, self.size, self.size]
            k = get_variable(f"AttnW_{i}", shape, states.dtype)
            weights = reshape(k.read_value(), shape[2:])
            flat = matmul(reshape(states, [-1, self.size]), weights)
            v = get_variable(f"AttnV_{i}", [self.size], states.dtype)
            self.heads.append((reshape(flat, [-1, length, self.size]), v))

    def __call__(self, query: Any) -> list[Any]:
        """Returns what each head reads, `[batch, size]`."""
        flat = nest.flatten(query)
        query = concat(flat, 1) if len(flat) > 1 else flat[0]
        found = []
        for i, (features, v) in enumerate(self.heads):
            with variable_scope(f"Attention_{i}"):
                y = expand_dims(linear(query, self.size, True), 1)
            chances = softmax(reduce_sum(v * tanh(features + y), 2))
            found.append(reduce_sum(expand_dims(chances, 2) * self.states, 1))
        return found


def embedding_attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Any:
    """As `attention_decoder`, of numbers of symbols.

    Source: `tf.contrib.legacy_seq2seq.embedding_attention_decoder`.
    """
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        if output_projection is not None:
            _check_projection(output_projection, num_symbols)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop_function = None
        if feed_previous:
            loop_function = _largest_embedded(
                embedding, output_projection, update_embedding_for_previous
            )
        return attention_decoder(
            [embedding_lookup(embedding, each) for each in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size or cell.output_size,
            num_heads,
            loop_function,
            initial_state_attention=initial_state_attention,
        )


def embedding_attention_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    encoder_cell: Any = None,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Any:
    """As `embedding_rnn_seq2seq`, with attention to the outputs of the encoder.

    Source: `tf.contrib.legacy_seq2seq.embedding_attention_seq2seq`.
    """
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as entered:
        encoder = EmbeddingWrapper(
            copy.deepcopy(cell) if encoder_cell is None else encoder_cell,
            num_encoder_symbols,
            embedding_size,
        )
        outputs, state = static_rnn(encoder, encoder_inputs, dtype=entered.dtype)
        states = concat([expand_dims(output, 1) for output in outputs], 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols
        return _choose(
            lambda feeds: embedding_attention_decoder(
                decoder_inputs,
                state,
                states,
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads,
                output_size,
                output_projection,
                feeds,
                isinstance(feed_previous, bool),
                initial_state_attention=initial_state_attention,
            ),
            feed_previous,
        )


def sequence_loss_by_example(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    softmax_loss_function: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns the weighted cross entropy of each example.

    Args:
      logits: A list of tensors `[batch, classes]`, one for each step.
      targets: A list of tensors `[batch]`, integers.
      weights: A list of tensors `[batch]`.
      average_across_timesteps: Whether to divide by the sum of the weights.
      softmax_loss_function: From `labels` and `logits` to the losses.
      name: Name of the op.

    Returns:
      `[batch]`.

    Raises:
      ValueError: The lists differ in length.

    Source: `tf.contrib.legacy_seq2seq.sequence_loss_by_example`.
    """
    if not len(targets) == len(logits) == len(weights):
        raise ValueError(
            "Lengths of logits, weights, and targets must be the same "
            f"{len(logits)}, {len(weights)}, {len(targets)}."
        )
    parts, sizes = [], []
    for logit, target, weight in zip(logits, targets, weights, strict=True):
        logit = hooks.convert(logit)
        weight = hooks.convert(weight, dtype_hint=logit.dtype)
        if softmax_loss_function is None:
            target = reshape(target, [-1])
            loss = sparse_softmax_cross_entropy_with_logits(target, logit)
        else:
            loss = softmax_loss_function(labels=target, logits=logit)
        parts.append(loss * weight)
        sizes.append(weight)
    total = add_n(parts)
    return total / (add_n(sizes) + 1e-12) if average_across_timesteps else total


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns the sum of `sequence_loss_by_example`, or its mean.

    Source: `tf.contrib.legacy_seq2seq.sequence_loss`.
    """
    losses = sequence_loss_by_example(
        logits, targets, weights, average_across_timesteps, softmax_loss_function
    )
    total = reduce_sum(losses)
    if not average_across_batch:
        return total
    return total / cast(static_size(hooks.convert(targets[0]), 0), losses.dtype)


def model_with_buckets(
    encoder_inputs: Any,
    decoder_inputs: Any,
    targets: Any,
    weights: Any,
    buckets: Any,
    seq2seq: Callable[[Any, Any], Any],
    softmax_loss_function: Callable[..., Any] | None = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> Any:
    """Builds a model for each of several pairs of lengths, with the same variables.

    Args:
      encoder_inputs, decoder_inputs, targets, weights: Lists of tensors, as long as the
        longest bucket.
      buckets: Pairs of lengths, of encoder and decoder.
      seq2seq: From encoder and decoder inputs to outputs and state.
      softmax_loss_function: As in `sequence_loss`.
      per_example_loss: Whether losses are those of each example.
      name: Name of the op.

    Returns:
      The outputs and the losses, lists with an entry for each bucket.

    Raises:
      ValueError: A list is shorter than the longest bucket.

    Source: `tf.contrib.legacy_seq2seq.model_with_buckets`.
    """
    longest = buckets[-1]
    for what, given, need in (
        ("encoder_inputs", encoder_inputs, longest[0]),
        ("targets", targets, longest[1]),
        ("weights", weights, longest[1]),
    ):
        if len(given) < need:
            raise ValueError(
                f"Length of {what} ({len(given)}) must be at least that of last bucket "
                f"({need})."
            )
    outputs, losses = [], []
    loss_of = sequence_loss_by_example if per_example_loss else sequence_loss
    for i, (first, second) in enumerate(buckets):
        with variable_scope(get_variable_scope(), reuse=True if i else None):
            found, _ = seq2seq(encoder_inputs[:first], decoder_inputs[:second])
            outputs.append(found)
            losses.append(
                loss_of(
                    found,
                    targets[:second],
                    weights[:second],
                    softmax_loss_function=softmax_loss_function,
                )
            )
    return outputs, losses
