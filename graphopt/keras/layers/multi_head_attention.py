"""`MultiHeadAttention`: attention of several projections at once."""

from __future__ import annotations

import math
from typing import Any

from graphopt.dtypes import bool_
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.activation import Softmax
from graphopt.keras.layers.attention import both, causal_mask, count_steps
from graphopt.keras.layers.einsum_dense import EinsumDense
from graphopt.keras.layers.options import OptionLayer, require
from graphopt.keras.layers.regularization import Dropout
from graphopt.ops.einsum import einsum
from graphopt.ops.elementwise import cast
from graphopt.ops.shaping import expand_dims
from graphopt.runtime.names import name_scope

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class MultiHeadAttention(OptionLayer):
    """Queries, keys and values are projected for each head; the results are joined again.

    Args:
      num_heads: The number of heads.
      key_dim: The size of a projected query and key.
      value_dim: That of a projected value; `key_dim` by default.
      dropout: The part of the weights that is dropped while training.
      use_bias: Whether the projections have a bias.
      output_shape: The sizes of the outputs behind batch and time; by default that of the
        query.
      attention_axes: The axes that attention is along; by default all between batch and
        features.
      kernel_initializer, bias_initializer: For the projections.
      kernel_regularizer, bias_regularizer, activity_regularizer: As in `Dense`.
      kernel_constraint, bias_constraint: As in `Dense`.
      softmax_robust_masking: Accepted for compatibility.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.MultiHeadAttention(num_heads=2, key_dim=3)
    >>> x = tf.ones([4, 5, 8])
    >>> y, weights = layer(x, x, return_attention_scores=True)
    >>> y.shape, weights.shape
    (TensorShape([4, 5, 8]), TensorShape([4, 2, 5, 5]))

    Source: `tf.keras.layers.MultiHeadAttention`; Vaswani et al., 2017.
    """

    config_names = (
        "num_heads",
        "key_dim",
        "value_dim",
        "dropout",
        "use_bias",
        "output_shape",
        "attention_axes",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "softmax_robust_masking",
    )

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        softmax_robust_masking: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        require(num_heads, num_heads > 0, "num_heads", "a positive integer")
        require(key_dim, key_dim > 0, "key_dim", "a positive integer")
        self.num_heads, self.key_dim = num_heads, key_dim
        self.value_dim = value_dim or key_dim
        self.dropout, self.use_bias = dropout, use_bias
        sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
        self._sizes = None if sizes is None else tuple(sizes)
        self._given = output_shape
        self.softmax_robust_masking = softmax_robust_masking
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = None if axes is None else tuple(axes)
        self.supports_masking = True
        self.set_options(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self._query_dense: Any = None
        self._key_dense: Any = None
        self._value_dense: Any = None
        self._softmax: Any = None
        self._dropout_layer: Any = None
        self._output_dense: Any = None

    def __call__(self, query: Any, value: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Makes the weights, the first time, and computes the outputs."""
        if value is None:
            raise fail(
                ValueError,
                "MultiHeadAttention is called on a query and a value",
                got="a query only",
                site=str(user_site()),
                remedy="layer(x, x), for attention of a sequence to itself",
            )
        if not self.built:
            key = kwargs.get("key", args[0] if args else None)
            # The shapes of all three, which the base does not know of.
            self._given_shapes = [
                TensorShape(x.shape)
                for x in (query, value, value if key is None else key)
            ]
        return super().__call__(query, value, *args, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Makes the projections."""
        query, value, key = self._given_shapes
        rank = len(query)
        axes = self.attention_axes or tuple(range(1, rank - 1))
        self._axes = self.attention_axes = axes
        self._equations(rank + 1)
        heads = self.num_heads
        self._query_dense = self._project("query", query, [heads, self.key_dim])
        self._key_dense = self._project("key", key, [heads, self.key_dim])
        self._value_dense = self._project("value", value, [heads, self.value_dim])
        count = len(axes)
        self._softmax = Softmax(axis=tuple(range(-count, 0)), dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy)
        sizes = self._sizes or (query[-1],)
        after = TensorShape([*query[:-1], heads, self.value_dim])
        self._output_dense = self._project("attention_output", after, sizes, bound=2)
        self.built = True

    def _project(
        self, name: str, shape: TensorShape, sizes: Any, bound: int = 1
    ) -> Any:
        """A layer from the last dimensions of a shape to others."""
        free = len(shape) - bound
        inputs = _LETTERS[: free + bound]
        outputs = _LETTERS[free + bound : free + bound + len(sizes)]
        kernel = inputs[free:] + outputs
        layer = EinsumDense(
            f"{inputs},{kernel}->{inputs[:free]}{outputs}",
            [None] * (free - 1) + list(sizes),
            bias_axes=outputs if self.use_bias else None,
            kernel_initializer=_anew(self.kernel_initializer),
            bias_initializer=_anew(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            name=name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        with name_scope(name):
            layer.build(shape)
        return layer

    def _equations(self, rank: int) -> None:
        """Writes down which products the scores and the outputs are."""
        target = _LETTERS[:rank]
        batch = [i for i in range(rank) if i not in (*self._axes, rank - 1)]
        letters = iter(_LETTERS[rank:])
        is_free = {*batch, rank - 1}
        source = "".join(
            c if i in is_free else next(letters) for i, c in enumerate(target)
        )
        product = "".join(
            [target[i] for i in batch]
            + [target[i] for i in self._axes]
            + [source[i] for i in self._axes]
        )
        self._dot_equation = f"{source},{target}->{product}"
        self._combine_equation = f"{product},{source}->{target}"

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns the outputs, and the weights if asked for.

        Args:
          query: `[batch, queries, features]`.
          value: `[batch, keys, features]`.
          key: Likewise; the value by default.
          attention_mask: `[batch, queries, keys]`, false where nothing is to be seen.
          return_attention_scores: Whether the weights are returned, too.
          training: Whether weights are dropped.
          use_causal_mask: Whether a query sees keys up to its own place only.
        """
        mask = self._attention_mask(query, value, key, attention_mask, use_causal_mask)
        key = value if key is None else key
        q = self._query_dense(query) * (1.0 / math.sqrt(float(self.key_dim)))
        k, v = self._key_dense(key), self._value_dense(value)
        logits = einsum(self._dot_equation, k, q)
        if mask is not None:
            while mask.shape.rank < logits.shape.rank:
                mask = expand_dims(mask, -2 * len(self._axes) - 1)
        weights = self._softmax(logits, mask=mask)
        shares = self._dropout_layer(weights, training=training)
        outputs = self._output_dense(einsum(self._combine_equation, shares, v))
        return (outputs, weights) if return_attention_scores else outputs

    def _attention_mask(
        self, query: Any, value: Any, key: Any, given: Any, is_causal: bool
    ) -> Any:
        """Joins the masks of the inputs, that of places, and the one that was given."""
        found = None
        if given is not None:
            given = hooks.convert(given)
        for tensor, axis in ((query, -1), (value, 1), (key, 1)):
            mask = getattr(tensor, "_keras_mask", None)
            if mask is not None:
                found = both(found, expand_dims(cast(mask, bool_), axis))
        if is_causal:
            sizes = count_steps(query, 1), count_steps(value, 1)
            found = both(found, causal_mask(*sizes))
        if found is None:
            return given
        return found if given is None else both(cast(given, bool_), found)

    def compute_mask(self, query: Any, mask: Any = None) -> Any:
        """Returns the mask of the query."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> TensorShape:
        """Returns the shape of the outputs."""
        query = TensorShape(query_shape)
        value = query if value_shape is None else TensorShape(value_shape)
        key = value if key_shape is None else TensorShape(key_shape)
        if query[-1] != value[-1] or value[1:-1] != key[1:-1]:
            raise fail(
                ValueError,
                "The last dimension of `query_shape` and `value_shape` must be equal, and "
                "all dimensions of `value` and `key`, except the last one, must be equal",
                got=f"{query}, {value} and {key}",
                site=str(user_site()),
            )
        if self._sizes is None:
            return query
        return TensorShape([*query[:-1], *self._sizes])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = [name for name in self.config_names if name != "output_shape"]
        return {**self.config_of(names), "output_shape": self._given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer of its config; shapes that Keras writes down are not needed."""
        shapes = ("query_shape", "key_shape", "value_shape")
        return cls(**{key: v for key, v in config.items() if key not in shapes})


def _anew(initializer: Any) -> Any:
    """A copy of an initializer: one that has a seed would give the same numbers again."""
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer)(**initializer.get_config())
