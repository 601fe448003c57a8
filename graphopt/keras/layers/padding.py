"""Layers that pad, crop and enlarge sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.image.resizing import resize
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import OptionLayer, read_data_format, read_numbers
from graphopt.ops.layouts import to_channels_first, to_channels_last
from graphopt.ops.padding import pad
from graphopt.ops.repeating import repeat

Pair = tuple[int, int]


def _read_pairs(value: Any, rank: int, name: str) -> tuple[Pair, ...]:
    """Reads a number, one for each dimension, or two for each, before and after."""

    def numbers(given: Any) -> Pair:
        first, last = read_numbers(given, 2, name, allow_zero=True)
        return first, last

    if rank == 1:
        return (numbers(value),)
    if isinstance(value, int):
        return (numbers(value),) * rank
    if hasattr(value, "__len__") and len(value) == rank:
        return tuple(numbers(each) for each in value)
    raise fail(
        ValueError,
        f"`{name}` should have {rank} elements",
        got=repr(value),
        expected=f"an integer, {rank} integers, or {rank} pairs of them",
        site=str(user_site()),
    )


class _Spatial(OptionLayer):
    """A layer that changes the sizes of the spatial dimensions."""

    rank: int

    def set_format(self, data_format: str | None) -> None:
        """Reads where the channels are."""
        default = "channels_last" if self.rank == 1 else None
        self.data_format = read_data_format(data_format, default)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def first_axis(self) -> int:
        """The first spatial dimension."""
        return 1 if self.data_format == "channels_last" else 2

    def changed_size(self, i: int, size: int) -> int:
        """Returns the new size of a spatial dimension."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        sizes = list(TensorShape(input_shape))
        for i in range(self.rank):
            size = sizes[self.first_axis + i]
            if size is not None:
                sizes[self.first_axis + i] = self.changed_size(i, size)
        return TensorShape(sizes)


class _ZeroPadding(_Spatial):
    """Zeros around."""

    config_names: tuple[str, ...] = ("padding", "data_format")

    def __init__(
        self, padding: Any = 1, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_format(data_format)
        self.pairs = _read_pairs(padding, self.rank, "padding")
        self.padding = self.pairs if self.rank > 1 else self.pairs[0]

    def changed_size(self, i: int, size: int) -> int:
        """Returns the size with the padding."""
        return size + sum(self.pairs[i])

    def call(self, inputs: Any) -> Any:
        """Returns the padded inputs."""
        pads = [(0, 0)] * (self.rank + 2)
        pads[self.first_axis : self.first_axis + self.rank] = self.pairs
        return pad(inputs, pads)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after sequences, `[batch, steps, channels]`.

    Args:
      padding: How many steps, on either side or as (before, after).
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ZeroPadding1D`.
    """

    rank = 1
    config_names = ("padding",)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    Args:
      padding: A number; one for height and width; or ((top, bottom), (left, right)).
      data_format: "channels_last" or "channels_first".
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.ZeroPadding2D(((1, 0), (0, 2)))(tf.ones([1, 3, 3, 1])).shape
    TensorShape([1, 4, 5, 1])

    Source: `tf.keras.layers.ZeroPadding2D`.
    """

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes.

    Args:
      padding, data_format, **kwargs: As in `ZeroPadding2D`, of three dimensions.

    Source: `tf.keras.layers.ZeroPadding3D`.
    """

    rank = 3


# Stands for the default of a class.
_DEFAULT: Any = object()


class _Cropping(_Spatial):
    """Without the margins."""

    config_names: tuple[str, ...] = ("cropping", "data_format")
    default: Any = 1

    def __init__(
        self, cropping: Any = _DEFAULT, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_format(data_format)
        cropping = self.default if cropping is _DEFAULT else cropping
        self.pairs = _read_pairs(cropping, self.rank, "cropping")
        self.cropping = self.pairs if self.rank > 1 else self.pairs[0]

    def changed_size(self, i: int, size: int) -> int:
        """Returns the size without the margins."""
        return size - sum(self.pairs[i])

    def call(self, inputs: Any) -> Any:
        """Returns the cropped inputs."""
        for i, pair in enumerate(self.pairs):
            size = inputs.shape[self.first_axis + i]
            if size is not None and size <= sum(pair):
                raise fail(
                    ValueError,
                    f"`cropping` of layer {self.name!r} must be smaller than the inputs",
                    got=f"cropping={self.cropping} and shape {inputs.shape}",
                    site=str(user_site()),
                )
        margins = [slice(first, -last or None) for first, last in self.pairs]
        return inputs[(slice(None),) * self.first_axis + tuple(margins)]


class Cropping1D(_Cropping):
    """Sequences without their first and last steps.

    Args:
      cropping: How many steps, on either side or as (before, after).
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Cropping1D`.
    """

    rank = 1
    config_names = ("cropping",)


class Cropping2D(_Cropping):
    """Images without their margins.

    Args:
      cropping: A number; one for height and width; or ((top, bottom), (left, right)); 0 by
        default.
      data_format: "channels_last" or "channels_first".
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Cropping2D`.
    """

    rank, default = 2, 0


class Cropping3D(_Cropping):
    """Volumes without their margins.

    Args:
      cropping, data_format, **kwargs: As in `Cropping2D`; 1 by default.

    Source: `tf.keras.layers.Cropping3D`.
    """

    rank = 3


class _UpSampling(_Spatial):
    """Each element several times."""

    config_names: tuple[str, ...] = ("size", "data_format")
    interpolation = "nearest"

    def __init__(
        self, size: Any = 2, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_format(data_format)
        self.factors = read_numbers(size, self.rank, "size")
        self.size = self.factors if self.rank > 1 else self.factors[0]

    def changed_size(self, i: int, size: int) -> int:
        """Returns the larger size."""
        return size * self.factors[i]

    def call(self, inputs: Any) -> Any:
        """Returns the larger inputs."""
        for i, factor in enumerate(self.factors):
            if factor > 1:
                inputs = repeat(inputs, factor, self.first_axis + i)
        return inputs


class UpSampling1D(_UpSampling):
    """Each step of sequences several times.

    Args:
      size: How often.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.UpSampling1D`.
    """

    rank = 1
    config_names = ("size",)


class UpSampling2D(_UpSampling):
    """Images several times as large.

    Args:
      size: How many times: a number, or one for each dimension.
      data_format: "channels_last" or "channels_first".
      interpolation: "nearest" repeats elements; "bilinear", "bicubic", "area", "gaussian",
        "lanczos3", "lanczos5" and "mitchellcubic" are as in `tf.image.resize`.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.UpSampling2D()(tf.ones([1, 3, 3, 1])).shape
    TensorShape([1, 6, 6, 1])

    Source: `tf.keras.layers.UpSampling2D`.
    """

    rank = 2
    config_names = ("size", "data_format", "interpolation")
    known = (
        "nearest",
        "bilinear",
        "bicubic",
        "area",
        "gaussian",
        "lanczos3",
        "lanczos5",
        "mitchellcubic",
    )

    def __init__(
        self,
        size: Any = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in self.known:
            raise fail(
                ValueError,
                "`interpolation` argument should be one of "
                + ", ".join(repr(each) for each in self.known),
                got=repr(interpolation),
                site=str(user_site()),
            )

    def call(self, inputs: Any) -> Any:
        """Returns the larger images."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        is_last = self.data_format == "channels_last"
        x = inputs if is_last else to_channels_last(inputs, 4)
        if None in x.shape[1:3]:
            raise NotImplementedError(
                f"UpSampling2D with interpolation {self.interpolation!r} of images of an "
                f"unknown size; got shape {inputs.shape}."
            )
        sizes = [
            size * factor
            for size, factor in zip(x.shape[1:3], self.factors, strict=True)
        ]
        outputs = resize(x, sizes, method=self.interpolation)
        return outputs if is_last else to_channels_first(outputs, 4)


class UpSampling3D(_UpSampling):
    """Volumes several times as large, by elements that are repeated.

    Args:
      size: How many times: a number, or one for each dimension.
      data_format: "channels_last" or "channels_first".
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.UpSampling3D`.
    """

    rank = 3
