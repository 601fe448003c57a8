"""`tf.contrib.layers`: embeddings of sequences."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1 import nn
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.masks import unique
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.shaping import reshape
from graphopt.v1.contrib.framework.variables import model_variable


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Any:
    """Returns the rows of a table, which it makes, that ids name.

    Args:
      ids: `[batch, length]`, integers.
      vocab_size: How many rows the table has.
      embed_dim: Their length.
      unique: Whether each row is looked up once.
      initializer, regularizer, trainable: Of the table.
      scope: Name of the scope; `EmbedSequence`, numbered, by default.
      reuse: Whether the table exists.

    Returns:
      `[batch, length, embed_dim]`.

    Raises:
      ValueError: The sizes of a new table are missing.

    Source: `tf.contrib.layers.embed_sequence`.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise fail(
            ValueError,
            "Must specify vocab size and embedding dimension when not reusing",
            got=f"vocab_size={vocab_size} and embed_dim={embed_dim}",
            site=str(user_site()),
        )
    with variable_scope(scope, "EmbedSequence", reuse=reuse):
        shape = None if None in (vocab_size, embed_dim) else [vocab_size, embed_dim]
        table = model_variable(
            "embeddings",
            shape=shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if unique:
            return embedding_lookup_unique(table, ids)
        return nn.embedding_lookup(table, ids)


def embedding_lookup_unique(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None
) -> Any:
    """Looks each row up once, however often ids name it.

    Source: `tf.contrib.layers.embedding_lookup_unique`.
    """
    ids = hooks.convert(ids)
    values, places = unique(reshape(ids, [-1]))
    rows = nn.embedding_lookup(params, values, partition_strategy)
    found = nn.embedding_lookup(rows, places)
    sizes = [-1 if size is None else size for size in ids.shape]
    return reshape(found, [*sizes, *rows.shape[1:]], name=name)


def bow_encoder(
    ids: Any,
    vocab_size: int,
    embed_dim: int,
    sparse_lookup: bool = True,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Any:
    """Returns the mean of the embeddings of each example; `[batch, embed_dim]`.

    Args:
      ids: `[batch, length]`, integers.
      vocab_size, embed_dim, initializer, regularizer, trainable, scope, reuse: As in
        `embed_sequence`.
      sparse_lookup: Must be False.

    Source: `tf.contrib.layers.bow_encoder`.
    """
    if sparse_lookup:
        raise NotImplementedError("bow_encoder with sparse_lookup; set it to False.")
    if not vocab_size or not embed_dim:
        raise ValueError("Must specify vocab size and embedding dimension.")
    with variable_scope(scope, "bow_encoder", reuse=reuse):
        table = model_variable(
            "embeddings",
            shape=[vocab_size, embed_dim],
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        return reduce_mean(nn.embedding_lookup(table, ids), axis=1)
