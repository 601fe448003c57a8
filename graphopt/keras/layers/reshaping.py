"""Layers that move elements: flattened, reshaped, permuted, repeated."""

from __future__ import annotations

import math
from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import OptionLayer, read_data_format
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.padding import tile
from graphopt.ops.shaping import expand_dims, reshape, transpose


class Flatten(OptionLayer):
    """All dimensions but the first into one.

    Args:
      data_format: "channels_first" moves the channels to the end first.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Flatten()(tf.zeros([2, 3, 4])).shape
    TensorShape([2, 12])

    Source: `tf.keras.layers.Flatten`.
    """

    config_names = ("data_format",)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = read_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """Returns `[batch, n]`."""
        rank = inputs.shape.rank
        if rank is not None and rank > 2 and self.data_format == "channels_first":
            inputs = transpose(inputs, [0, *range(2, rank), 1])
        if rank == 1:
            return expand_dims(inputs, 1)
        size = inputs.shape[1:].num_elements()
        if size is None:
            return reshape(inputs, [shape_of(inputs)[0], -1])
        # Of 0 elements a size of -1 is anything.
        return reshape(inputs, [-1, size] if size else [shape_of(inputs)[0], 0])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        if shape.rank == 1:
            return TensorShape([shape[0], 1])
        return TensorShape([shape[0], shape[1:].num_elements()])


class Reshape(OptionLayer):
    """The elements of each example in another shape.

    Args:
      target_shape: The shape without the batch; -1 stands for what is left over.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: The number of elements differs.

    >>> import graphopt as tf
    >>> tf.keras.layers.Reshape((3, -1))(tf.zeros([2, 12])).shape
    TensorShape([2, 3, 4])

    Source: `tf.keras.layers.Reshape`.
    """

    config_names = ("target_shape",)

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(int(size) for size in target_shape)

    def _sizes(self, input_shape: TensorShape) -> list[int | None]:
        """The target with the number that -1 stands for; None if that is unknown."""
        count = input_shape[1:].num_elements()
        target = self.target_shape
        known = math.prod(size for size in target if size != -1)
        is_open = target.count(-1)
        right = is_open < 2
        if count is not None:
            right = right and (
                count == known if not is_open else known > 0 and count % known == 0
            )
        if not right:
            raise fail(
                ValueError,
                "total size of new array must be unchanged",
                got=f"input_shape = {list(input_shape[1:])}, output_shape = {list(target)}",
                expected=f"{count} elements of each example",
                site=str(user_site()),
            )
        left = count // known if is_open and count is not None else None
        return [left if size == -1 else size for size in target]

    def call(self, inputs: Any) -> Any:
        """Returns `[batch, *target_shape]`."""
        sizes = self._sizes(inputs.shape)
        batch = inputs.shape[0]
        if batch is None:
            is_known = None not in sizes and 0 not in sizes
            batch = -1 if is_known else shape_of(inputs)[0]
        return reshape(inputs, [batch, *(-1 if s is None else s for s in sizes)])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        return TensorShape([shape[0], *self._sizes(shape)])


class Permute(OptionLayer):
    """The dimensions of each example in another order.

    Args:
      dims: The order, from 1; the batch is not counted.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Permute((2, 1))(tf.zeros([5, 10, 64])).shape
    TensorShape([5, 64, 10])

    Source: `tf.keras.layers.Permute`.
    """

    config_names = ("dims",)

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise fail(
                ValueError,
                "Invalid permutation argument `dims` for Permute Layer",
                got=repr(dims),
                expected="consecutive integers from 1 in any order",
                site=str(user_site()),
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        """Returns the permuted inputs."""
        return transpose(inputs, [0, *self.dims])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        return TensorShape([shape[0], *(shape[dim] for dim in self.dims)])


class RepeatVector(OptionLayer):
    """Each example n times: `[batch, n, features]` of `[batch, features]`.

    Args:
      n: How often.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RepeatVector`.
    """

    config_names = ("n",)

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(
                f"Expected an integer value for `n`, got {type(n)}; the number of "
                "repetitions."
            )
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """Returns the repeated inputs."""
        return tile(expand_dims(inputs, 1), [1, self.n, 1])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        return TensorShape([shape[0], self.n, shape[1]])
