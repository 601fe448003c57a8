"""Layers of images: rescaled, resized, cropped, and changed at random while training."""

from __future__ import annotations

import math
from typing import Any

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.image.colors import adjust_contrast
from graphopt.image.cropping import crop_to_bounding_box
from graphopt.image.drawn import random_flip_left_right, random_flip_up_down
from graphopt.image.resizing import resize
from graphopt.keras.layers.options import OptionLayer, choose, require
from graphopt.keras.layers.preprocessing.transforms import (
    check_modes,
    rotation,
    size_of,
    transform,
    translation,
    zoom,
)
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import gather
from graphopt.ops.random_stateful import uniform
from graphopt.ops.sequences import range as sequence
from graphopt.ops.shaping import expand_dims, reshape, squeeze


def smart_resize(images: Any, size: Any, interpolation: str = "bilinear") -> Any:
    """Returns images of another size; what does not fit its form is cut off.

    Args:
      images: `[..., height, width, channels]`, of a known size.
      size: The new height and width.
      interpolation: As `method` in `tf.image.resize`.

    Raises:
      NotImplementedError: The size of the images is unknown.
    """
    height, width = images.shape[-3], images.shape[-2]
    if height is None or width is None:
        raise NotImplementedError(
            f"Images of an unknown size that are cut to a form; got shape {images.shape}."
        )
    tall = min(height, int(width * size[0] / size[1]))
    wide = min(width, int(height * size[1] / size[0]))
    top, left = (height - tall) // 2, (width - wide) // 2
    if (tall, wide) != (height, width):
        images = crop_to_bounding_box(images, top, left, tall, wide)
    return resize(images, list(size), method=interpolation)


class _Images(OptionLayer):
    """A layer of images, `[..., height, width, channels]`, of any number dtype."""

    def floats(self, inputs: Any) -> Any:
        """Returns inputs in the dtype that the layer computes in."""
        return cast(inputs, as_dtype(self.compute_dtype))


class Rescaling(_Images):
    """inputs * scale + offset.

    Args:
      scale, offset: The numbers.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Rescaling(1 / 255)(tf.constant([0, 255])).numpy().tolist()
    [0.0, 1.0]

    Source: `tf.keras.layers.Rescaling`.
    """

    config_names = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Any) -> Any:
        """Returns the scaled inputs."""
        dtype = as_dtype(self.compute_dtype)
        return self.floats(inputs) * cast(self.scale, dtype) + cast(self.offset, dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


class _Sized(_Images):
    """A layer whose outputs have a size of their own."""

    height: int
    width: int

    def set_size(self, height: int, width: int) -> None:
        """Reads the size."""
        for name, size in ("height", height), ("width", width):
            require(size, size > 0, name, "a positive integer")
        self.height, self.width = int(height), int(width)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        return TensorShape([*shape[:-3], self.height, self.width, shape[-1]])


class Resizing(_Sized):
    """Images of another size.

    Args:
      height, width: The size.
      interpolation: As `method` in `tf.image.resize`.
      crop_to_aspect_ratio: Whether what does not fit the form is cut off, instead of
        images being stretched.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Resizing(8, 6)(tf.ones([2, 5, 5, 3])).shape
    TensorShape([2, 8, 6, 3])

    Source: `tf.keras.layers.Resizing`.
    """

    config_names = ("height", "width", "interpolation", "crop_to_aspect_ratio")

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_size(height, width)
        self.interpolation = _read_interpolation(interpolation)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio

    def call(self, inputs: Any) -> Any:
        """Returns the resized images."""
        if self.interpolation != "nearest":
            inputs = cast(inputs, "float32")
        size = [self.height, self.width]
        make = smart_resize if self.crop_to_aspect_ratio else resize
        return self.floats(make(inputs, size, self.interpolation))


_INTERPOLATIONS = (
    "bilinear",
    "nearest",
    "bicubic",
    "area",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "mitchellcubic",
)


def _read_interpolation(value: Any) -> str:
    found = str(value).lower()
    if found not in _INTERPOLATIONS:
        raise fail(
            NotImplementedError,
            "Value not recognized for `interpolation`",
            got=repr(value),
            expected="one of " + ", ".join(map(repr, _INTERPOLATIONS)),
            site=str(user_site()),
        )
    return found


def _known_size(layer: Any, inputs: Any) -> tuple[int, int]:
    height, width = inputs.shape[-3], inputs.shape[-2]
    if height is None or width is None:
        raise NotImplementedError(
            f"{type(layer).__name__} of images of an unknown size; got shape "
            f"{inputs.shape}."
        )
    return height, width


class CenterCrop(_Sized):
    """The middle of images; smaller ones are enlarged first.

    Args:
      height, width: The size of the outputs.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.CenterCrop`.
    """

    config_names = ("height", "width")

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_size(height, width)

    def call(self, inputs: Any) -> Any:
        """Returns the middles."""
        inputs = self.floats(inputs)
        height, width = _known_size(self, inputs)
        if height < self.height or width < self.width:
            return self.floats(smart_resize(inputs, [self.height, self.width]))
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return crop_to_bounding_box(inputs, top, left, self.height, self.width)


class RandomCrop(_Sized):
    """A part of images at a random place while training, their middle otherwise.

    Args:
      height, width: The size of the outputs.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomCrop`.
    """

    config_names = ("height", "width", "seed")

    def __init__(
        self, height: int, width: int, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_size(height, width)
        self.seed = seed

    def call(self, inputs: Any, training: Any = True) -> Any:
        """Returns the parts, the same of all images of a batch."""
        inputs = self.floats(inputs)
        height, width = _known_size(self, inputs)
        size = [self.height, self.width]
        if height < self.height or width < self.width:
            return self.floats(smart_resize(inputs, size))

        def crop() -> Any:
            most = height - self.height + 1, width - self.width + 1
            seeds = (self.seed, None if self.seed is None else self.seed + 1)
            top, left = (
                uniform([], 0, bound, dtype="int32", seed=seed)
                for bound, seed in zip(most, seeds, strict=True)
            )
            # Slices with bounds of the run would cut the step.
            rows = gather(inputs, top + sequence(self.height), axis=-3)
            return gather(rows, left + sequence(self.width), axis=-2)

        return choose(training, crop, lambda: self.floats(smart_resize(inputs, size)))


class _Drawn(_Images):
    """A layer that changes images while training, and returns them as they are otherwise."""

    seed: int | None

    def changed(self, images: Any) -> Any:
        """Returns other images of the same shape, `[batch, height, width, channels]`."""
        raise NotImplementedError

    def call(self, inputs: Any, training: Any = True) -> Any:
        """Returns the images, changed while training."""
        inputs = self.floats(inputs)
        rank = inputs.shape.rank
        if rank not in (3, 4):
            raise fail(
                ValueError,
                f"{type(self).__name__} is for images of 3 dimensions, or batches of them",
                got=f"shape {inputs.shape}",
                expected="[height, width, channels] or [batch, height, width, channels]",
                site=str(user_site()),
            )

        def change() -> Any:
            images = expand_dims(inputs, 0) if rank == 3 else inputs
            found = self.floats(self.changed(images))
            return squeeze(found, [0]) if rank == 3 else found

        return choose(training, change, lambda: inputs)

    def draw(self, images: Any, low: float, high: float, number: int = 0) -> Any:
        """Returns a number for each image; `number` counts the draws of a layer."""
        batch = images.shape[0] if images.shape[0] is not None else shape_of(images)[0]
        seed = None if self.seed is None else self.seed + number
        return uniform([batch], low, high, dtype="float32", seed=seed)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


class RandomFlip(_Drawn):
    """Each image mirrored with a chance of a half, while training.

    Args:
      mode: "horizontal", "vertical" or "horizontal_and_vertical".
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomFlip`.
    """

    config_names = ("mode", "seed")

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        known = ("horizontal", "vertical", "horizontal_and_vertical")
        require(mode, mode in known, "mode", "one of " + ", ".join(map(repr, known)))
        self.mode, self.seed = mode, seed

    def changed(self, images: Any) -> Any:
        """Returns the images, some mirrored."""
        if "horizontal" in self.mode:
            images = random_flip_left_right(images, self.seed)
        if "vertical" in self.mode:
            seed = None if self.seed is None else self.seed + 1
            images = random_flip_up_down(images, seed)
        return images


def _read_range(factor: Any, name: str, least: float | None = None) -> tuple[Any, Any]:
    """The bounds that a number, or a pair, stands for."""
    if isinstance(factor, (tuple, list)):
        low, high = factor
    else:
        low, high = -factor, factor
    if high < low or (least is not None and low < least):
        raise fail(
            ValueError,
            f"`{name}` must be a number, or a lower and an upper bound",
            got=repr(factor),
            expected="bounds in order"
            + ("" if least is None else f", none below {least}"),
            site=str(user_site()),
        )
    return low, high


class _Moved(_Drawn):
    """A layer that reads images at other places."""

    def set_modes(
        self, fill_mode: str, interpolation: str, seed: int | None, fill_value: float
    ) -> None:
        """Reads how places outside and between pixels are filled."""
        check_modes(fill_mode, interpolation)
        self.fill_mode, self.interpolation = fill_mode, interpolation
        self.seed, self.fill_value = seed, fill_value

    def places(self, images: Any, height: Any, width: Any) -> list[Any]:
        """Returns where outputs come from."""
        raise NotImplementedError

    def changed(self, images: Any) -> Any:
        """Returns the images, read at other places."""
        height, width = size_of(images, 1)[1], size_of(images, 2)[1]
        return transform(
            images,
            self.places(images, height, width),
            self.fill_mode,
            self.fill_value,
            self.interpolation,
        )


_MODES = ("fill_mode", "interpolation", "seed", "fill_value")


class RandomTranslation(_Moved):
    """Images that are moved, each by another distance, while training.

    Args:
      height_factor, width_factor: How far, as a part of the size: a number for either
        direction, or a lower and an upper bound.
      fill_mode: What is outside: "reflect", "wrap", "nearest" or "constant".
      interpolation: "bilinear" or "nearest".
      seed: The op's seed.
      fill_value: For "constant".
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomTranslation`.
    """

    config_names = ("height_factor", "width_factor", *_MODES)

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._tall = _read_range(height_factor, "height_factor", -1.0)
        self._wide = _read_range(width_factor, "width_factor", -1.0)
        self.set_modes(fill_mode, interpolation, seed, fill_value)

    def places(self, images: Any, height: Any, width: Any) -> list[Any]:
        """Returns where outputs come from."""
        down = self.draw(images, *self._tall) * height
        right = self.draw(images, *self._wide, 1) * width
        return translation(right, down)


class RandomRotation(_Moved):
    """Images that are turned, each by another angle, while training.

    Args:
      factor: How far, as a part of a whole turn: a number for either direction, or a lower
        and an upper bound; what is positive turns against the clock.
      fill_mode, interpolation, seed, fill_value: As in `RandomTranslation`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomRotation`.
    """

    config_names = ("factor", *_MODES)

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self._bounds = _read_range(factor, "factor")
        self.set_modes(fill_mode, interpolation, seed, fill_value)

    def places(self, images: Any, height: Any, width: Any) -> list[Any]:
        """Returns where outputs come from."""
        low, high = (bound * 2.0 * math.pi for bound in self._bounds)
        return rotation(self.draw(images, low, high), height, width)


class RandomZoom(_Moved):
    """Images that are enlarged or made smaller, each by another factor, while training.

    Args:
      height_factor: How much: a number for either direction, or bounds; what is negative
        enlarges.
      width_factor: Likewise; None for the same as the height, so that forms are kept.
      fill_mode, interpolation, seed, fill_value: As in `RandomTranslation`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomZoom`.
    """

    config_names = ("height_factor", "width_factor", *_MODES)

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._tall = _read_range(height_factor, "height_factor", -1.0)
        self._wide = None
        if width_factor is not None:
            self._wide = _read_range(width_factor, "width_factor", -1.0)
        self.set_modes(fill_mode, interpolation, seed, fill_value)

    def places(self, images: Any, height: Any, width: Any) -> list[Any]:
        """Returns where outputs come from."""
        low, high = self._tall
        along = across = self.draw(images, 1.0 + low, 1.0 + high)
        if self._wide is not None:
            low, high = self._wide
            across = self.draw(images, 1.0 + low, 1.0 + high, 1)
        return zoom(across, along, height, width)


class RandomContrast(_Drawn):
    """Images of another contrast while training, within 0 and 255.

    Args:
      factor: How much: x is (x - mean) * c + mean, where c is in
        `[1 - factor, 1 + factor]`; or what is taken from and added to 1.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomContrast`.
    """

    config_names = ("factor", "seed")

    def __init__(self, factor: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = factor if isinstance(factor, (tuple, list)) else (factor, factor)
        is_right = min(pair) >= 0.0 and pair[0] <= 1.0
        require(factor, is_right, "factor", "numbers that are not negative, up to 1")
        self.factor, self.seed, self._bounds = factor, seed, pair

    def changed(self, images: Any) -> Any:
        """Returns images of another contrast, the same for a batch."""
        low, high = self._bounds
        much = uniform([], 1.0 - low, 1.0 + high, dtype="float32", seed=self.seed)
        return clip_by_value(adjust_contrast(images, much), 0.0, 255.0)


class RandomBrightness(_Drawn):
    """Images that are brighter or darker, each by another amount, while training.

    Args:
      factor: How much, as a part of the range of values: a number for either direction,
        or a lower and an upper bound, in `[-1, 1]`.
      value_range: The least and the largest value.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomBrightness`.
    """

    config_names = ("factor", "value_range", "seed")

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        is_pair = isinstance(factor, (tuple, list))
        bounds = sorted(factor) if is_pair else [-abs(factor), abs(factor)]
        is_right = len(bounds) == 2 and bounds[0] >= -1.0 and bounds[1] <= 1.0
        require(factor, is_right, "factor", "numbers in [-1, 1]")
        is_range = len(value_range) == 2 and value_range[0] < value_range[1]
        require(value_range, is_range, "value_range", "two numbers in order")
        self.factor, self.seed, self._bounds = factor, seed, bounds
        self.value_range = list(value_range)

    def changed(self, images: Any) -> Any:
        """Returns brighter or darker images."""
        least, most = self.value_range
        much = self.draw(images, *self._bounds) * float(most - least)
        much = cast(reshape(much, [-1, 1, 1, 1]), images.dtype)
        return clip_by_value(images + much, float(least), float(most))


class _OtherSize(_Drawn):
    """Images of a random height or width, which the run decides, while training."""

    config_names = ("factor", "interpolation", "seed")
    axis: int

    def __init__(
        self,
        factor: Any,
        interpolation: str = "bilinear",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.factor, self.seed = factor, seed
        self._bounds = _read_range(factor, "factor", -1.0)
        self.interpolation = _read_interpolation(interpolation)

    def changed(self, images: Any) -> Any:
        """Returns images of another size."""
        low, high = (1.0 + bound for bound in self._bounds)
        much = uniform([], low, high, dtype="float32", seed=self.seed)
        sizes = [size_of(images, 1)[0], size_of(images, 2)[0]]
        own = size_of(images, self.axis)[1]
        sizes[self.axis - 1] = cast(much * own, "int32")
        return resize(images, sizes, method=self.interpolation)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the inputs, with a size that is not known."""
        sizes = list(TensorShape(input_shape))
        sizes[self.axis - 4] = None
        return TensorShape(sizes)


class RandomHeight(_OtherSize):
    """Images of a random height while training.

    Args:
      factor: How much more or less: a number, or a lower and an upper bound.
      interpolation: As `method` in `tf.image.resize`.
      seed: The op's seed.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.RandomHeight`.
    """

    axis = 1


class RandomWidth(_OtherSize):
    """Images of a random width while training.

    Args:
      factor, interpolation, seed, **kwargs: As in `RandomHeight`.

    Source: `tf.keras.layers.RandomWidth`.
    """

    axis = 2
