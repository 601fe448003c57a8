"""Poolings of sequences, images and volumes: of windows, and of all there is."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.convolutional import windows_along
from graphopt.keras.layers.options import OptionLayer, read_data_format, read_numbers
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import reduce_max, reduce_mean, reduce_sum
from graphopt.ops.shaping import expand_dims
from graphopt.ops.volumes import avg_pool, max_pool

_LETTERS = {1: "W", 2: "HW", 3: "DHW"}


class _Pooling(OptionLayer):
    """A pooling of windows; subclasses say which and of how many dimensions."""

    rank: int
    takes_largest: bool
    config_names = ("pool_size", "strides", "padding", "data_format")

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        strides = pool_size if strides is None else strides
        self.pool_size = read_numbers(pool_size, self.rank, "pool_size")
        self.strides = read_numbers(strides, self.rank, "strides")
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise fail(
                ValueError,
                "The `padding` argument must be one of 'valid', 'same'",
                got=repr(padding),
                site=str(user_site()),
            )
        default = "channels_last" if self.rank == 1 else None
        self.data_format = read_data_format(data_format, default)
        self.is_last = self.data_format == "channels_last"
        letters = _LETTERS[self.rank]
        self.layout = f"N{letters}C" if self.is_last else f"NC{letters}"
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        """Returns the pooled windows."""
        pool = max_pool if self.takes_largest else avg_pool
        return pool(
            inputs,
            list(self.pool_size),
            list(self.strides),
            self.padding.upper(),
            self.layout,
        )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        spatial = shape[1:-1] if self.is_last else shape[2:]
        windows = zip(spatial, self.pool_size, self.strides, strict=True)
        sizes = [windows_along(*window, 1, self.padding) for window in windows]
        if self.is_last:
            return TensorShape([shape[0], *sizes, shape[-1]])
        return TensorShape([shape[0], shape[1], *sizes])


class MaxPooling1D(_Pooling):
    """The largest element of each window of sequences, `[batch, steps, channels]`.

    Args:
      pool_size: The size of the windows.
      strides: From one window to the next; `pool_size` by default.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.MaxPooling1D`.
    """

    rank, takes_largest = 1, True


class MaxPooling2D(_Pooling):
    """The largest element of each window of images, `[batch, height, width, channels]`.

    Args:
      pool_size: The size of the windows: a number, or one for each dimension.
      strides: From one window to the next, likewise; `pool_size` by default.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.MaxPooling2D()(tf.ones([4, 28, 28, 3])).shape
    TensorShape([4, 14, 14, 3])

    Source: `tf.keras.layers.MaxPooling2D`.
    """

    rank, takes_largest = 2, True


class MaxPooling3D(_Pooling):
    """The largest element of each window of volumes.

    Args:
      pool_size, strides, padding, data_format, **kwargs: As in `MaxPooling2D`.

    Source: `tf.keras.layers.MaxPooling3D`.
    """

    rank, takes_largest = 3, True


class AveragePooling1D(_Pooling):
    """The mean of each window of sequences, `[batch, steps, channels]`.

    Args:
      pool_size, strides, padding, data_format, **kwargs: As in `MaxPooling1D`.

    Source: `tf.keras.layers.AveragePooling1D`.
    """

    rank, takes_largest = 1, False


class AveragePooling2D(_Pooling):
    """The mean of each window of images, padding not counted.

    Args:
      pool_size, strides, padding, data_format, **kwargs: As in `MaxPooling2D`.

    Source: `tf.keras.layers.AveragePooling2D`.
    """

    rank, takes_largest = 2, False


class AveragePooling3D(_Pooling):
    """The mean of each window of volumes, padding not counted.

    Args:
      pool_size, strides, padding, data_format, **kwargs: As in `MaxPooling2D`.

    Source: `tf.keras.layers.AveragePooling3D`.
    """

    rank, takes_largest = 3, False


class _GlobalPooling(OptionLayer):
    """A pooling of all steps, or of whole images or volumes."""

    rank: int
    takes_largest: bool
    config_names = ("data_format", "keepdims")

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        default = "channels_last" if self.rank == 1 else None
        self.data_format = read_data_format(data_format, default)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        first = 1 if self.data_format == "channels_last" else 2
        self.axes = list(range(first, first + self.rank))

    def build(self, input_shape: Any) -> None:
        """Checks that there is something to pool."""
        shape = TensorShape(input_shape)
        if any(shape[axis] == 0 for axis in self.axes):
            raise fail(
                ValueError,
                f"Incorrect input shape {shape} with dimension 0 at reduction axes "
                f"{self.axes} of layer {self.name!r}",
                got=f"shape {shape}",
                expected="sizes of at least 1",
                site=str(user_site()),
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns `[batch, channels]`, or with ones between if `keepdims`."""
        reduce = reduce_max if self.takes_largest else reduce_mean
        return reduce(inputs, self.axes, self.keepdims)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        sizes = [1 if i in self.axes else size for i, size in enumerate(shape)]
        if not self.keepdims:
            sizes = [size for i, size in enumerate(shape) if i not in self.axes]
        return TensorShape(sizes)


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest element of each channel of sequences.

    Args:
      data_format: "channels_last" or "channels_first".
      keepdims: Whether the dimension of steps stays, with size 1.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.GlobalMaxPooling1D`.
    """

    rank, takes_largest = 1, True


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest element of each channel of images.

    Args:
      data_format, keepdims, **kwargs: As in `GlobalMaxPooling1D`.

    Source: `tf.keras.layers.GlobalMaxPooling2D`.
    """

    rank, takes_largest = 2, True


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest element of each channel of volumes.

    Args:
      data_format, keepdims, **kwargs: As in `GlobalMaxPooling1D`.

    Source: `tf.keras.layers.GlobalMaxPooling3D`.
    """

    rank, takes_largest = 3, True


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of sequences; masked steps do not count.

    Args:
      data_format, keepdims, **kwargs: As in `GlobalMaxPooling1D`.

    Source: `tf.keras.layers.GlobalAveragePooling1D`.
    """

    rank, takes_largest = 1, False

    def __init__(
        self,
        data_format: str | None = "channels_last",
        keepdims: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the means; `mask` is `[batch, steps]`."""
        if mask is None:
            return super().call(inputs)
        axis = self.axes[0]
        weights = expand_dims(cast(mask, inputs.dtype), 3 - axis)
        total = reduce_sum(inputs * weights, axis, self.keepdims)
        return total / reduce_sum(weights, axis, self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns None: there are no steps left."""
        return None


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of images.

    Args:
      data_format, keepdims, **kwargs: As in `GlobalMaxPooling1D`.

    >>> import graphopt as tf
    >>> tf.keras.layers.GlobalAveragePooling2D()(tf.ones([4, 7, 7, 3])).shape
    TensorShape([4, 3])

    Source: `tf.keras.layers.GlobalAveragePooling2D`.
    """

    rank, takes_largest = 2, False


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel of volumes.

    Args:
      data_format, keepdims, **kwargs: As in `GlobalMaxPooling1D`.

    Source: `tf.keras.layers.GlobalAveragePooling3D`.
    """

    rank, takes_largest = 3, False
