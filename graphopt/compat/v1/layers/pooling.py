"""`tf.layers`: poolings of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1 import nn
from graphopt.compat.v1.layers.base import InputSpec, Layer, channel_axis
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.volumes import numbers_of

_FORMATS = {3: ("NWC", "NCW"), 4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}


def layout_of(data_format: str, rank: int) -> str:
    """Returns the layout as ops of `tf.nn` spell it."""
    return _FORMATS[rank][channel_axis(data_format) == 1]


def read_padding(padding: Any, also: tuple[str, ...] = ()) -> str:
    """Reads "valid" or "same".

    Raises:
      ValueError: It is something else.
    """
    if isinstance(padding, str) and padding.lower() in ("valid", "same", *also):
        return padding.lower()
    raise fail(
        ValueError,
        "The `padding` argument must be a list/tuple or one of 'valid', 'same'",
        got=repr(padding),
        expected="'valid' or 'same'",
        site=str(user_site()),
    )


class _Pooling(Layer):
    """A pooling; subclasses say which and of how many dimensions."""

    function: str
    rank: int

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        strides = pool_size if strides is None else strides
        self.pool_size = tuple(numbers_of(pool_size, self.rank, "pool_size"))
        self.strides = tuple(numbers_of(strides, self.rank, "strides"))
        self.padding, self.data_format = read_padding(padding), data_format
        self.layout = layout_of(data_format, self.rank + 2)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        """Returns the pooled windows."""
        return getattr(nn, self.function)(
            inputs,
            list(self.pool_size),
            list(self.strides),
            self.padding.upper(),
            self.layout,
        )


class MaxPooling1D(_Pooling):
    """The largest element of each window of sequences, `[batch, width, channels]`.

    Source: `tf.compat.v1.layers.MaxPooling1D`.
    """

    function, rank = "max_pool1d", 1


class MaxPooling2D(_Pooling):
    """The largest element of each window of images.

    Source: `tf.compat.v1.layers.MaxPooling2D`.
    """

    function, rank = "max_pool2d", 2


class MaxPooling3D(_Pooling):
    """The largest element of each window of volumes.

    Source: `tf.compat.v1.layers.MaxPooling3D`.
    """

    function, rank = "max_pool3d", 3


class AveragePooling1D(_Pooling):
    """The mean of each window of sequences, `[batch, width, channels]`.

    Source: `tf.compat.v1.layers.AveragePooling1D`.
    """

    function, rank = "avg_pool1d", 1


class AveragePooling2D(_Pooling):
    """The mean of each window of images.

    Source: `tf.compat.v1.layers.AveragePooling2D`.
    """

    function, rank = "avg_pool2d", 2


class AveragePooling3D(_Pooling):
    """The mean of each window of volumes.

    Source: `tf.compat.v1.layers.AveragePooling3D`.
    """

    function, rank = "avg_pool3d", 3


def max_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of sequences; as `max_pooling2d`.

    Source: `tf.compat.v1.layers.max_pooling1d`.
    """
    return MaxPooling1D(pool_size, strides, padding, data_format, name)(inputs)


def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of images.

    Args:
      inputs: `[batch, height, width, channels]`.
      pool_size: The size of the windows, a number or two.
      strides: From one window to the next, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: Name of the scope.

    Source: `tf.compat.v1.layers.max_pooling2d`.
    """
    return MaxPooling2D(pool_size, strides, padding, data_format, name)(inputs)


def max_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of volumes; as `max_pooling2d`.

    Source: `tf.compat.v1.layers.max_pooling3d`.
    """
    return MaxPooling3D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of sequences; as `max_pooling2d`.

    Source: `tf.compat.v1.layers.average_pooling1d`.
    """
    return AveragePooling1D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of images; as `max_pooling2d`.

    Source: `tf.compat.v1.layers.average_pooling2d`.
    """
    return AveragePooling2D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of volumes; as `max_pooling2d`.

    Source: `tf.compat.v1.layers.average_pooling3d`.
    """
    return AveragePooling3D(pool_size, strides, padding, data_format, name)(inputs)
