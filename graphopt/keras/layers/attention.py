"""Attention: sums of values, weighted by how queries and keys agree."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.activation import mask_logits
from graphopt.keras.layers.options import OptionLayer, choose
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.dropout import dropout
from graphopt.ops.elementwise import cast, greater_equal, logical_and, tanh
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import softmax
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.sequences import range as sequence
from graphopt.ops.shaping import expand_dims


def causal_mask(queries: Any, keys: Any) -> Any:
    """Returns `[1, queries, keys]`: a query sees keys up to its own place.

    Args:
      queries, keys: How many there are: numbers, or scalar tensors.
    """
    rows = expand_dims(sequence(queries), 1)
    columns = expand_dims(sequence(keys), 0)
    return expand_dims(greater_equal(rows, columns), 0)


def count_steps(tensor: Any, axis: int) -> Any:
    """Returns a size as a number, or as a tensor where it is not known."""
    size = tensor.shape[axis]
    return shape_of(tensor)[axis] if size is None else size


def both(first: Any, second: Any) -> Any:
    """Returns where both of two masks are true; one of them may be None."""
    if first is None or second is None:
        return second if first is None else first
    return logical_and(first, second)


class _DotAttention(OptionLayer):
    """Attention of a list of query, value and, by default the value, key."""

    dropout: float
    causal: bool

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns `[batch, queries, keys]`."""
        raise NotImplementedError

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns `[batch, queries, dim]`, and the weights if asked for."""
        self._check(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        logits = self._calculate_scores(query, key)
        seen = None
        if value_mask is not None:
            seen = expand_dims(hooks.convert(value_mask), -2)
        if self.causal or use_causal_mask:
            seen = both(
                seen, causal_mask(count_steps(logits, -2), count_steps(logits, -1))
            )
        weights = softmax(logits if seen is None else mask_logits(logits, seen))
        shares = weights
        if self.dropout > 0:
            shares = choose(
                training, lambda: dropout(weights, self.dropout), lambda: weights
            )
        result = matmul(shares, value)
        if query_mask is not None:
            result = result * cast(expand_dims(query_mask, -1), result.dtype)
        return (result, weights) if return_attention_scores else result

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the query."""
        if not mask or mask[0] is None:
            return None
        return hooks.convert(mask[0])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the query, with the size of values."""
        query, value = TensorShape(input_shape[0]), TensorShape(input_shape[1])
        return TensorShape([*query[:-1], value[-1]])

    def _check(self, inputs: Any, mask: Any) -> None:
        name = type(self).__name__
        kinds = "namely [query, value] or [query, value, key]"
        if not isinstance(inputs, (list, tuple)):
            raise fail(
                ValueError,
                f"{name} layer must be called on a list of inputs, {kinds}",
                got=repr(inputs),
                site=str(user_site()),
            )
        if not 2 <= len(inputs) <= 3:
            raise fail(
                ValueError,
                f"{name} layer accepts inputs list of length 2 or 3, {kinds}",
                got=f"{len(inputs)} inputs",
                site=str(user_site()),
            )
        if mask is None:
            return
        is_list = isinstance(mask, (list, tuple))
        if not is_list or not 2 <= len(mask) <= len(inputs):
            raise fail(
                ValueError,
                f"{name} layer mask must be a list{' of length 2' if is_list else ''}, "
                "namely [query_mask, value_mask]",
                got=repr(mask),
                site=str(user_site()),
            )


class Attention(_DotAttention):
    """softmax(query @ key^T) @ value, of Luong.

    Args:
      use_scale: Whether the scores are multiplied by a weight.
      score_mode: "dot" for the product, "concat" for the sum of tanh(query + key).
      **kwargs: As in `Layer`; `dropout`, the part of the weights that is dropped while
        training, and `causal`, whether a query sees keys up to its own place only.

    >>> import graphopt as tf
    >>> q, v = tf.ones([2, 3, 4]), tf.ones([2, 5, 4])
    >>> tf.keras.layers.Attention()([q, v]).shape
    TensorShape([2, 3, 4])

    Source: `tf.keras.layers.Attention`; Luong et al., 2015.
    """

    config_names = ("use_scale", "score_mode", "dropout")

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", **kwargs: Any
    ) -> None:
        self.dropout = kwargs.pop("dropout", 0.0)
        self.causal = kwargs.pop("causal", False)
        super().__init__(**kwargs)
        self.use_scale, self.score_mode = use_scale, score_mode
        self.supports_masking = True
        if score_mode not in ("dot", "concat"):
            raise fail(
                ValueError,
                "Invalid value for argument score_mode",
                got=repr(score_mode),
                expected="'dot' or 'concat'",
                site=str(user_site()),
            )
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the weights, as far as they are wanted."""
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )
        self.built = True

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns `[batch, queries, keys]`."""
        if self.score_mode == "dot":
            found = matmul(query, key, transpose_b=True)
            return found if self.scale is None else found * self.scale
        pairs = expand_dims(query, -2) + expand_dims(key, -3)
        if self.scale is not None:
            pairs = pairs * self.scale
        return self.concat_score_weight * reduce_sum(tanh(pairs), -1)


class AdditiveAttention(_DotAttention):
    """Weights from the sum of tanh(query + key), of Bahdanau.

    Args:
      use_scale: Whether the features are multiplied by weights before the sum.
      **kwargs: As in `Attention`.

    Source: `tf.keras.layers.AdditiveAttention`; Bahdanau et al., 2015.
    """

    config_names = ("use_scale", "dropout")

    def __init__(self, use_scale: bool = True, **kwargs: Any) -> None:
        self.dropout = kwargs.pop("dropout", 0.0)
        self.causal = kwargs.pop("causal", False)
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.supports_masking = True
        self.scale: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the features."""
        if self.use_scale:
            value = TensorShape(input_shape[1])
            self.scale = self.add_weight(
                name="scale", shape=[value[-1]], initializer="glorot_uniform"
            )
        self.built = True

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns `[batch, queries, keys]`."""
        pairs = tanh(expand_dims(query, -2) + expand_dims(key, -3))
        return reduce_sum(pairs if self.scale is None else pairs * self.scale, -1)
