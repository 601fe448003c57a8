"""Numbers of categories as vectors: one-hot, multi-hot, counts, tf-idf."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.options import OptionLayer, require
from graphopt.keras.layers.preprocessing.base import as_tensor
from graphopt.ops.assertions import Assert
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import (
    cast,
    greater,
    greater_equal,
    less,
    logical_and,
    multiply,
)
from graphopt.ops.indexing import one_hot
from graphopt.ops.reduction import reduce_all
from graphopt.ops.scatter import tensor_scatter_nd_add
from graphopt.ops.sequences import range as sequence
from graphopt.ops.shaping import expand_dims, reshape, squeeze, stack
from graphopt.runtime.collections import control_dependencies


def read_mode(mode: Any, known: tuple[str, ...]) -> str:
    """Returns how categories are encoded.

    Raises:
      ValueError: It is none of those known.
    """
    mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    if mode not in known:
        raise fail(
            ValueError,
            "Unknown value for `output_mode`",
            got=repr(mode),
            expected="one of " + ", ".join(repr(each) for each in known),
            site=str(user_site()),
        )
    return str(mode)


def encode(
    inputs: Any, mode: str, depth: int, dtype: Any, weights: Any = None, idf: Any = None
) -> Any:
    """Returns vectors for numbers of categories.

    Args:
      inputs: Integers, `[]`, `[n]` or `[batch, n]`; for "one_hot" `[..., 1]` is as `[...]`.
      mode: "one_hot", or, of the n of an example together, "multi_hot", "count", "tf_idf".
      depth: The number of categories; others are left out.
      dtype: That of the outputs.
      weights: What each of the inputs counts, or None.
      idf: What a category counts, for "tf_idf".
    """
    dtype = as_dtype(dtype)
    if inputs.shape.rank == 0:
        inputs = expand_dims(inputs, -1)
        if mode == "one_hot":
            return one_hot(inputs[0], depth, dtype=dtype)
    elif mode == "one_hot":
        if inputs.shape[-1] == 1:
            inputs = squeeze(inputs, [-1])
        if inputs.shape.rank > 1:
            raise _too_deep(mode, inputs)
        return one_hot(inputs, depth, dtype=dtype)
    if inputs.shape.rank > 2:
        raise _too_deep(mode, inputs)
    is_vector = inputs.shape.rank == 1
    rows = expand_dims(inputs, 0) if is_vector else inputs
    counts = _count(rows, depth, dtype, weights)
    if mode == "multi_hot":
        counts = cast(greater(counts, cast(0, dtype)), dtype)
    if mode == "tf_idf":
        counts = multiply(counts, cast(idf, dtype))
    return counts[0] if is_vector else counts


def _count(rows: Any, depth: int, dtype: Any, weights: Any) -> Any:
    """How often each category is in each row, `[batch, depth]`.

    Each number adds to one place: a sum of one-hot vectors would be `[batch, n, depth]`.
    """
    batch = rows.shape[0] if rows.shape[0] is not None else shape_of(rows)[0]
    columns = cast(rows, "int32")
    is_known = logical_and(greater_equal(columns, 0), less(columns, depth))
    amounts = cast(is_known, dtype)
    if weights is not None:
        amounts = amounts * cast(reshape(weights, shape_of(rows)), dtype)
    numbers = expand_dims(sequence(batch), 1) + columns * 0
    # What is left out adds 0 somewhere.
    places = stack([numbers, columns * cast(is_known, "int32")], axis=-1)
    return tensor_scatter_nd_add(zeros([batch, depth], dtype), places, amounts)


def _too_deep(mode: str, inputs: Any) -> Exception:
    return fail(
        ValueError,
        "When output_mode is not `'int'`, maximum supported output rank is 2",
        got=f"output_mode {mode!r} and inputs of shape {inputs.shape}",
        site=str(user_site()),
    )


def infer_encoded_shape(input_shape: Any, mode: str, depth: int | None) -> TensorShape:
    """Returns the shape of what `encode` returns."""
    shape = TensorShape(input_shape)
    if mode == "int":
        return shape
    if not len(shape):
        return TensorShape([depth])
    if mode == "one_hot" and shape[-1] != 1:
        return TensorShape([*shape, depth])
    return TensorShape([*shape[:-1], depth])


class CategoryEncoding(OptionLayer):
    """Numbers of categories as vectors.

    Args:
      num_tokens: The number of categories; numbers are in `[0, num_tokens)`.
      output_mode: "multi_hot": 1 for each category that an example has; "one_hot": of one
        number each; "count": how often.
      sparse: Must be False.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")
    >>> layer([3, 0]).numpy().tolist()
    [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]

    Source: `tf.keras.layers.CategoryEncoding`.
    """

    config_names = ("num_tokens", "output_mode", "sparse")

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer: the number of categories."
            )
        require(num_tokens, num_tokens > 0, "num_tokens", "a positive integer")
        if sparse:
            raise NotImplementedError("Preprocessing layers with sparse=True.")
        self.num_tokens, self.sparse = num_tokens, sparse
        self.output_mode = read_mode(output_mode, ("one_hot", "multi_hot", "count"))

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        """Returns the vectors; `count_weights` says what each number counts."""
        inputs = as_tensor(inputs)
        if count_weights is not None:
            if self.output_mode != "count":
                raise fail(
                    ValueError,
                    "`count_weights` is not used when `output_mode` is not `'count'`",
                    got=f"output_mode={self.output_mode!r}",
                    site=str(user_site()),
                )
            count_weights = as_tensor(count_weights)
        if not as_dtype(inputs.dtype).is_integer:
            inputs = cast(inputs, "int64")
        right = reduce_all(
            logical_and(greater_equal(inputs, 0), less(inputs, self.num_tokens))
        )
        check = Assert(
            right,
            [
                "Input values must be in the range 0 <= values < num_tokens with "
                f"num_tokens={self.num_tokens}"
            ],
        )
        with control_dependencies([] if check is None else [check]):
            return encode(
                inputs,
                self.output_mode,
                self.num_tokens,
                self.compute_dtype,
                count_weights,
            )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return infer_encoded_shape(input_shape, self.output_mode, self.num_tokens)
