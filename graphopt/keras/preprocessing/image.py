"""`tf.keras.preprocessing.image`: images changed at random, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras import backend
from graphopt.keras.messages import warn_user
from graphopt.keras.preprocessing.affine import (
    apply_affine_transform as apply_affine_transform,
)
from graphopt.keras.preprocessing.affine import (
    apply_brightness_shift as apply_brightness_shift,
)
from graphopt.keras.preprocessing.affine import (
    apply_channel_shift as apply_channel_shift,
)
from graphopt.keras.preprocessing.affine import check_pair, flip_axis
from graphopt.keras.preprocessing.affine import random_brightness as random_brightness
from graphopt.keras.preprocessing.affine import (
    random_channel_shift as random_channel_shift,
)
from graphopt.keras.preprocessing.affine import random_rotation as random_rotation
from graphopt.keras.preprocessing.affine import random_shear as random_shear
from graphopt.keras.preprocessing.affine import random_shift as random_shift
from graphopt.keras.preprocessing.affine import random_zoom as random_zoom
from graphopt.keras.preprocessing.iterators import (
    DataFrameIterator as DataFrameIterator,
)
from graphopt.keras.preprocessing.iterators import (
    DirectoryIterator as DirectoryIterator,
)
from graphopt.keras.preprocessing.iterators import Iterator as Iterator
from graphopt.keras.preprocessing.iterators import (
    NumpyArrayIterator as NumpyArrayIterator,
)
from graphopt.keras.preprocessing.iterators import check_channels
from graphopt.keras.utils.images import array_to_img as array_to_img
from graphopt.keras.utils.images import img_to_array as img_to_array
from graphopt.keras.utils.images import load_img as load_img
from graphopt.keras.utils.images import save_img as save_img
from graphopt.keras.utils.images import smart_resize as smart_resize

Array = NDArray[Any]


class ImageDataGenerator:
    """Makes batches of images that are changed at random, each time anew.

    Args:
      featurewise_center: Whether the mean of the data, by `fit`, is subtracted.
      samplewise_center: Whether each image's mean is.
      featurewise_std_normalization: Whether images are divided by that of the data.
      samplewise_std_normalization: Whether they are by their own.
      zca_whitening: Whether images are whitened, by `fit`.
      zca_epsilon: What is added to singular values for that.
      rotation_range: By how many degrees images are turned at most.
      width_shift_range: By which share, or how many columns, they are moved at most; or a
        list of what to choose from.
      height_shift_range: The same for rows.
      brightness_range: What brightness is multiplied by, from and to.
      shear_range: By how many degrees they are sheared at most.
      zoom_range: How much of an image is seen, from and to; or by how much it differs
        from 1.
      channel_shift_range: What is added at most.
      fill_mode: What lies outside: `"nearest"`, `"constant"`, `"reflect"` or `"wrap"`.
      cval: The value of `"constant"`.
      horizontal_flip: Whether half of them are mirrored.
      vertical_flip: Whether half of them are turned upside down.
      rescale: What they are multiplied by.
      preprocessing_function: From an image to one of the same shape.
      data_format: `"channels_last"` or `"channels_first"`.
      validation_split: The share that `subset="validation"` of `flow` takes.
      interpolation_order: 0 for the nearest element, 1 for interpolation.
      dtype: That of the batches.

    Raises:
      ValueError: A bad argument.

    >>> images = np.arange(24.0).reshape(2, 2, 2, 3)
    >>> flow = ImageDataGenerator(rescale=0.5).flow(images, [0, 1], 2, shuffle=False)
    >>> x, y = next(flow)
    >>> x[1, 0, 0].tolist(), y.tolist()
    ([6.0, 6.5, 7.0], [0, 1])

    Source: `tf.keras.preprocessing.image.ImageDataGenerator`.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.interpolation_order = interpolation_order
        self.dtype = dtype or backend.floatx()
        self.data_format = data_format or backend.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                '`data_format` should be `"channels_last"` or `"channels_first"`. '
                f"Received: {data_format}"
            )
        is_last = self.data_format == "channels_last"
        self.channel_axis = 3 if is_last else 1
        self.row_axis, self.col_axis = (1, 2) if is_last else (2, 3)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                "`validation_split` must be strictly between 0 and 1. Received: "
                f"{validation_split}"
            )
        self._validation_split = validation_split
        if isinstance(zoom_range, (int, float)):
            zoom_range = [1 - zoom_range, 1 + zoom_range]
        self.zoom_range = list(check_pair(zoom_range, "zoom_range"))
        if brightness_range is not None:
            check_pair(brightness_range, "brightness_range")
        self.brightness_range = brightness_range
        self.mean: Any = None
        self.std: Any = None
        self.zca_whitening_matrix: Any = None
        self._settle()

    def _settle(self) -> None:
        """Options that bring others with them."""

        def needs(name: str, value: bool, why: str) -> None:
            if getattr(self, name) != value:
                setattr(self, name, value)
                warn_user(
                    f"This ImageDataGenerator specifies `{why}`, which overrides setting "
                    f"of `{name}`."
                )

        if self.zca_whitening:
            needs("featurewise_center", True, "zca_whitening")
            needs("featurewise_std_normalization", False, "zca_whitening")
        if self.featurewise_std_normalization:
            needs("featurewise_center", True, "featurewise_std_normalization")
        if self.samplewise_std_normalization:
            needs("samplewise_center", True, "samplewise_std_normalization")

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Returns batches of changed images of an array.

        Args:
          x: `[images, height, width, channels]`; or a pair of it and of other arrays that
            come along.
          y: Labels.
          batch_size: How many images a batch has.
          shuffle: Whether they come in any order.
          sample_weight: Weights of the images.
          seed: That of the order and of the changes.
          save_to_dir: A folder that the images are written to, to look at them.
          save_prefix: How names of the files there begin.
          save_format: How they end.
          ignore_class_split: Whether parts of a split may have different labels.
          subset: `"training"` or `"validation"`, of `validation_split`.
        """
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            ignore_class_split=ignore_class_split,
            subset=subset,
            dtype=self.dtype,
        )

    def flow_from_directory(self, directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns batches of changed images of a folder; see `DirectoryIterator`.

        Args:
          directory: The folder; each folder in it is a class.
          *args: Those of `DirectoryIterator`, from `target_size` on.
          **kwargs: Likewise.
        """
        names = (
            "target_size",
            "color_mode",
            "classes",
            "class_mode",
            "batch_size",
            "shuffle",
            "seed",
            "save_to_dir",
            "save_prefix",
            "save_format",
            "follow_links",
            "subset",
            "interpolation",
            "keep_aspect_ratio",
        )
        options = dict(zip(names, args, strict=False)) | kwargs
        options |= {"data_format": self.data_format, "dtype": self.dtype}
        return DirectoryIterator(directory, self, **options)

    def flow_from_dataframe(
        self, dataframe: Any, directory: Any = None, **kwargs: Any
    ) -> Any:
        """Returns batches of changed images named by a frame; see `DataFrameIterator`.

        Args:
          dataframe: A frame of pandas.
          directory: What names of the files are below.
          **kwargs: Those of `DataFrameIterator`.
        """
        for name in ("has_ext", "sort", "drop_duplicates"):
            if kwargs.pop(name, None) is not None:
                warn_user(f"flow_from_dataframe: `{name}` is deprecated, and ignored.")
        if kwargs.get("class_mode") == "other":
            warn_user('`class_mode` "other" is deprecated, use "raw".')
            kwargs["class_mode"] = "raw"
        options: dict[str, Any] = {
            "data_format": self.data_format,
            "dtype": self.dtype,
        }
        return DataFrameIterator(dataframe, directory, self, **kwargs, **options)

    def standardize(self, x: Array) -> Array:
        """Returns an image that is centered, divided and so on, as the options say."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x = x * self.rescale
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + 1e-6)
        if self.featurewise_center and self._is_fitted(self.mean, "featurewise_center"):
            x = x - self.mean
        if self.featurewise_std_normalization and self._is_fitted(
            self.std, "featurewise_std_normalization"
        ):
            x = x / (self.std + 1e-6)
        if self.zca_whitening and self._is_fitted(
            self.zca_whitening_matrix, "zca_whitening"
        ):
            flat = x.reshape(-1, int(np.prod(x.shape[-3:])))
            x = (flat @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    def _is_fitted(self, value: Any, why: str) -> bool:
        if value is None:
            warn_user(
                f"This ImageDataGenerator specifies `{why}`, but it hasn't been fit on "
                "any training data. Fit it first by calling `.fit(numpy_data)`."
            )
        return value is not None

    def get_random_transform(
        self, img_shape: tuple[int, ...], seed: int | None = None
    ) -> dict[str, Any]:
        """Draws how an image of a shape is changed; for `apply_transform`."""
        # The global generator of NumPy, drawn from in the order in which Keras does.
        rng: Any = np.random
        if seed is not None:
            rng.seed(seed)
        theta = 0.0
        if self.rotation_range:
            theta = rng.uniform(-self.rotation_range, self.rotation_range)
        tx = _draw_shift(self.height_shift_range, img_shape[self.row_axis - 1])
        ty = _draw_shift(self.width_shift_range, img_shape[self.col_axis - 1])
        shear = (
            rng.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        )
        zx, zy = 1, 1
        if not self.zoom_range[0] == self.zoom_range[1] == 1:
            zx, zy = rng.uniform(*self.zoom_range, 2)
        # Drawn also where nothing is flipped.
        horizontal = bool((rng.random() < 0.5) * self.horizontal_flip)
        vertical = bool((rng.random() < 0.5) * self.vertical_flip)
        shift, brightness = None, None
        if self.channel_shift_range:
            shift = rng.uniform(-self.channel_shift_range, self.channel_shift_range)
        if self.brightness_range is not None:
            brightness = rng.uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": horizontal,
            "flip_vertical": vertical,
            "channel_shift_intensity": shift,
            "brightness": brightness,
        }

    def apply_transform(self, x: Array, transform_parameters: dict[str, Any]) -> Array:
        """Returns an image changed by what `get_random_transform` drew."""
        get: Any = transform_parameters.get
        rows, columns = self.row_axis - 1, self.col_axis - 1
        x = apply_affine_transform(
            x,
            get("theta", 0),
            get("tx", 0),
            get("ty", 0),
            get("shear", 0),
            get("zx", 1),
            get("zy", 1),
            row_axis=rows,
            col_axis=columns,
            channel_axis=self.channel_axis - 1,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, get("channel_shift_intensity"))
        if get("flip_horizontal", False):
            x = flip_axis(x, columns)
        if get("flip_vertical", False):
            x = flip_axis(x, rows)
        if get("brightness") is not None:
            x = apply_brightness_shift(x, get("brightness"), False)
        return x

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """Returns an image changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(
        self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None
    ) -> None:
        """Takes mean, deviation and whitening from images.

        Args:
          x: `[images, height, width, channels]`.
          augment: Whether changed images are taken.
          rounds: How often each is, then.
          seed: That of the changes.

        Raises:
          ValueError: Another rank.
        """
        x = np.array(x, self.dtype)
        if x.ndim != 4:
            raise ValueError(
                f"Input to `.fit()` should have rank 4. Got array with shape: {x.shape}"
            )
        check_channels(x, self.channel_axis)
        if seed is not None:
            np.random.seed(seed)  # noqa: NPY002
        if self.rescale:
            x *= self.rescale
        if augment:
            changed = [
                self.random_transform(image) for _ in range(rounds) for image in x
            ]
            x = np.array(changed, self.dtype)
        axes = (0, self.row_axis, self.col_axis)
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = x.shape[self.channel_axis]
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes).reshape(shape)
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes).reshape(shape)
            x /= self.std + 1e-6
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
            self.zca_whitening_matrix = (
                u * (np.sqrt(len(x)) / (s + self.zca_epsilon))
            ) @ u.T


def _draw_shift(limit: Any, size: int) -> float:
    """By how many rows or columns an image is moved."""
    rng: Any = np.random
    if np.ndim(limit) == 0 and not limit:
        return 0.0
    try:
        # A list, or a whole number: one of the whole numbers below it.
        shift = rng.choice(limit) * rng.choice([-1, 1])
    except ValueError:
        shift = rng.uniform(-limit, limit)
    return float(shift * size if np.max(limit) < 1 else shift)
