"""Batches of images that are changed at random, from arrays, folders and frames."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator as Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras import backend
from graphopt.keras.messages import warn_user, write_line
from graphopt.keras.utils.data import Sequence
from graphopt.keras.utils.images import (
    COLOR_CHANNELS,
    array_to_img,
    img_to_array,
    load_img,
)

FORMATS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")


class Iterator(Sequence):
    """Batches by number, and endlessly by `next`; a base class.

    Args:
      n: How many examples there are.
      batch_size: How many a batch has.
      shuffle: Whether they come in any order.
      seed: That of the order and of the changes.

    Source: `tf.keras.preprocessing.image.Iterator`.
    """

    white_list_formats = FORMATS

    def __init__(
        self, n: int, batch_size: int, shuffle: bool, seed: int | None
    ) -> None:
        super().__init__()
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None
        self.index_generator = self._flow_index()

    def _set_index_array(self) -> None:
        self.index_array = np.arange(self.n)
        if self.shuffle:
            self.index_array = np.random.permutation(self.n)  # noqa: NPY002

    def _seed_batch(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)  # noqa: NPY002

    def __getitem__(self, index: int) -> Any:
        if index >= len(self):
            raise ValueError(
                f"Asked to retrieve element {index}, but the Sequence has length "
                f"{len(self)}"
            )
        self._seed_batch()
        self.total_batches_seen += 1
        if self.index_array is None:
            self._set_index_array()
        start = self.batch_size * index
        chosen = self.index_array[start : start + self.batch_size]
        return self._get_batches_of_transformed_samples(chosen)

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def on_epoch_end(self) -> None:
        """Mixes the examples anew."""
        self._set_index_array()

    def reset(self) -> None:
        """Lets `next` begin an epoch."""
        self.batch_index = 0

    def _flow_index(self) -> Generator[NDArray[Any]]:
        self.reset()
        while True:
            self._seed_batch()
            if self.batch_index == 0:
                self._set_index_array()
            current = self.batch_index * self.batch_size % self.n if self.n else 0
            is_last = self.n <= current + self.batch_size
            self.batch_index = 0 if is_last else self.batch_index + 1
            self.total_batches_seen += 1
            yield self.index_array[current : current + self.batch_size]

    def __iter__(self) -> Generator[Any]:
        return self

    def __next__(self) -> Any:
        with self.lock:
            chosen = next(self.index_generator)
        return self._get_batches_of_transformed_samples(chosen)

    def next(self) -> Any:
        """Returns the next batch; there is no last one."""
        return self.__next__()

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """Returns the batch of some examples."""
        raise NotImplementedError(f"{type(self).__name__} must make batches.")


class _Saves:
    """Writes the images of a batch, to look at them."""

    save_to_dir: Any
    save_prefix: str
    save_format: str
    data_format: str

    def _save_batch(self, batch: Any, index_array: Any) -> None:
        if not self.save_to_dir:
            return
        for image, index in zip(batch, index_array, strict=True):
            number = np.random.randint(10**7)  # noqa: NPY002
            name = f"{self.save_prefix}_{index}_{number}.{self.save_format}"
            made = array_to_img(image, self.data_format, scale=True)
            made.save(Path(self.save_to_dir) / name)


def _share_of(subset: str | None, share: float, what: Any = None) -> Any:
    """Which part of the examples a subset is, from 0 to 1; None for all."""
    if subset is None:
        return None
    if subset not in ("training", "validation"):
        raise ValueError(
            f'Invalid subset name: {subset}; expected "training" or "validation".'
        )
    return (0.0, share) if subset == "validation" else (share, 1.0)


class NumpyArrayIterator(_Saves, Iterator):
    """Batches of changed images from arrays; made by `ImageDataGenerator.flow`.

    Source: `tf.keras.preprocessing.image.NumpyArrayIterator`.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        self.dtype = dtype or backend.floatx()
        self.data_format = data_format or backend.image_data_format()
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix = save_to_dir, save_prefix
        self.save_format = save_format
        others: list[Any] = []
        if isinstance(x, (tuple, list)):
            x, more = x[0], x[1]
            others = [
                np.asarray(each)
                for each in (more if isinstance(more, list) else [more])
            ]
        for name, each in (("y", y), ("sample_weight", sample_weight)):
            if each is not None and len(x) != len(each):
                raise ValueError(
                    f"`x` (images tensor) and `{name}` should have the same length. "
                    f"Found: x.shape = {np.shape(x)}, {name}.shape = {np.shape(each)}"
                )
        if any(len(x) != len(each) for each in others):
            raise ValueError(
                "All of the arrays in `x` should have the same length. Found: "
                f"{[len(x), *map(len, others)]}"
            )
        chosen = slice(None)
        share = _share_of(subset, image_data_generator._validation_split)
        if share is not None:
            border = int(len(x) * image_data_generator._validation_split)
            if y is not None and not ignore_class_split:
                _check_same_classes(y, border)
            chosen = slice(border) if subset == "validation" else slice(border, None)
        self.x = np.asarray(x[chosen], self.dtype)
        self.x_misc = [each[chosen] for each in others]
        self.y = None if y is None else np.asarray(y)[chosen]
        weights = None if sample_weight is None else np.asarray(sample_weight)
        # The whole of them, as in Keras, where they are not split.
        self.sample_weight = None if weights is None else weights[chosen]
        if self.x.ndim != 4:
            raise ValueError(
                "Input data in `NumpyArrayIterator` should have rank 4. You passed an "
                f"array with shape {self.x.shape}"
            )
        check_channels(self.x, 3 if self.data_format == "channels_last" else 1)
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.x.shape[1:]), self.dtype)
        generator = self.image_data_generator
        for row, index in enumerate(index_array):
            image = self.x[index].astype(self.dtype)
            params = generator.get_random_transform(image.shape)
            batch[row] = generator.standardize(generator.apply_transform(image, params))
        self._save_batch(batch, index_array)
        others = [each[index_array] for each in self.x_misc]
        x: Any = [batch, *others] if others else batch
        if self.y is None:
            return x
        if self.sample_weight is None:
            return x, self.y[index_array]
        return x, self.y[index_array], self.sample_weight[index_array]


def _check_same_classes(y: Any, border: int) -> None:
    y = np.asarray(y)
    if not np.array_equal(np.unique(y[:border]), np.unique(y[border:])):
        raise ValueError(
            "Training and validation subsets have different number of classes after the "
            "split. If your numpy arrays are sorted by the label, you might want to "
            "shuffle them."
        )


def check_channels(x: Any, axis: int) -> None:
    """Warns of images that have not 1, 3 or 4 channels."""
    if x.shape[axis] not in (1, 3, 4):
        warn_user(
            f"Expected images of 1, 3 or 4 channels on axis {axis}. However, it was "
            f"passed an array with shape {x.shape} ({x.shape[axis]} channels)."
        )


class FileIterator(_Saves, Iterator):
    """Batches of changed images from files; what folders and frames share."""

    modes: tuple[str | None, ...] = ()

    def _set_options(
        self,
        generator: Any,
        target_size: Any,
        color_mode: str,
        class_mode: str | None,
        data_format: str | None,
        dtype: Any,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool,
        saving: tuple[Any, str, str],
    ) -> None:
        if color_mode not in COLOR_CHANNELS:
            raise ValueError(
                f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or '
                '"grayscale".'
            )
        if class_mode not in self.modes:
            raise ValueError(
                f"Invalid class_mode: {class_mode}; expected one of: {self.modes}"
            )
        self.image_data_generator, self.target_size = generator, tuple(target_size)
        self.color_mode, self.class_mode = color_mode, class_mode
        self.data_format = data_format or backend.image_data_format()
        self.dtype = dtype or backend.floatx()
        channels, size = COLOR_CHANNELS[color_mode], self.target_size
        is_last = self.data_format == "channels_last"
        self.image_shape = (*size, channels) if is_last else (channels, *size)
        self.subset = subset
        share = generator._validation_split if generator is not None else 0.0
        self.split = _share_of(subset, share)
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        self.save_to_dir, self.save_prefix, self.save_format = saving
        self.filepaths: list[str] = []
        self.classes: Any = None
        self.class_indices: dict[Any, int] = {}
        self.targets: Any = None
        self.sample_weight: Any = None

    @property
    def labels(self) -> Any:
        """The labels of all files."""
        return self.classes if self.targets is None else self.targets

    def _load(self, path: str) -> Any:
        with load_img(
            path,
            color_mode=self.color_mode,
            target_size=self.target_size,
            interpolation=self.interpolation,
            keep_aspect_ratio=self.keep_aspect_ratio,
        ) as image:
            x = img_to_array(image, self.data_format)
        generator = self.image_data_generator
        if generator is None:
            return x
        params = generator.get_random_transform(x.shape)
        return generator.standardize(generator.apply_transform(x, params))

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.image_shape), self.dtype)
        for row, index in enumerate(index_array):
            batch[row] = self._load(self.filepaths[index])
        self._save_batch(batch, index_array)
        if self.class_mode is None:
            return batch
        labels = self._labels_of(batch, index_array)
        if self.sample_weight is None:
            return batch, labels
        return batch, labels, self.sample_weight[index_array]

    def _labels_of(self, batch: Any, index_array: Any) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[i] for i in index_array], self.dtype)
        if self.class_mode == "categorical":
            rows = np.zeros((len(batch), len(self.class_indices)), self.dtype)
            for row, index in enumerate(index_array):
                rows[row, self.classes[index]] = 1.0
            return rows
        if self.class_mode == "multi_output":
            return [each[index_array] for each in self.targets]
        return self.targets[index_array]


class DirectoryIterator(FileIterator):
    """Batches of changed images from a folder with one folder for each class.

    Made by `ImageDataGenerator.flow_from_directory`.

    Source: `tf.keras.preprocessing.image.DirectoryIterator`.
    """

    modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        self._set_options(
            image_data_generator,
            target_size,
            color_mode,
            class_mode,
            data_format,
            dtype,
            subset,
            interpolation,
            keep_aspect_ratio,
            (save_to_dir, save_prefix, save_format),
        )
        root = Path(os.fspath(directory))
        self.directory = str(root)
        names = list(classes or sorted(p.name for p in root.iterdir() if p.is_dir()))
        self.num_classes = len(names)
        self.class_indices = {name: i for i, name in enumerate(names)}
        numbers: list[int] = []
        self.filenames: list[str] = []
        for name in names:
            found = self._files_of(root / name, follow_links)
            self.filenames += [str(path.relative_to(root)) for path in found]
            numbers += [self.class_indices[name]] * len(found)
        self.samples = len(self.filenames)
        self.classes = np.array(numbers, np.int32)
        self.filepaths = [str(root / name) for name in self.filenames]
        write_line(
            f"Found {self.samples} images belonging to {self.num_classes} classes."
        )
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _files_of(self, folder: Path, follow_links: bool) -> list[Path]:
        found = []
        for root, _, names in sorted(os.walk(folder, followlinks=follow_links)):
            right = [name for name in sorted(names) if name.lower().endswith(FORMATS)]
            found += [Path(root) / name for name in right]
        if self.split is None:
            return found
        start, stop = (int(share * len(found)) for share in self.split)
        return found[start:stop]


class DataFrameIterator(FileIterator):
    """Batches of changed images whose names and labels are in a frame of pandas.

    Made by `ImageDataGenerator.flow_from_dataframe`.

    Source: `tf.keras.preprocessing.image.DataFrameIterator`.
    """

    modes = (
        "binary",
        "categorical",
        "input",
        "multi_output",
        "raw",
        "sparse",
        None,
    )

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
        validate_filenames: bool = True,
    ) -> None:
        self._set_options(
            image_data_generator,
            target_size,
            color_mode,
            class_mode,
            data_format,
            dtype,
            subset,
            interpolation,
            keep_aspect_ratio,
            (save_to_dir, save_prefix, save_format),
        )
        self.directory = os.fspath(directory or "")
        columns = {name: list(dataframe[name]) for name in _columns(x_col, y_col, self)}
        rows = self._valid_rows(columns[x_col], x_col, validate_filenames)
        of_classes = ""
        if class_mode in ("binary", "categorical", "sparse"):
            rows = self._number_classes(columns[y_col], rows, y_col, classes)
            of_classes = f" belonging to {len(self.class_indices)} classes"
        elif classes:
            warn_user(f'`classes` will be ignored given the class_mode="{class_mode}"')
        if self.split is not None:
            start, stop = (int(share * len(rows)) for share in self.split)
            rows = rows[start:stop]
        self.filenames = [columns[x_col][row] for row in rows]
        if of_classes:
            self.classes = [self._number_of(columns[y_col][row]) for row in rows]
        if class_mode == "multi_output":
            self.targets = [np.array([columns[c][r] for r in rows]) for c in y_col]
        elif class_mode == "raw":
            self.targets = np.asarray(dataframe[y_col])[rows]
        if weight_col:
            self.sample_weight = np.asarray(dataframe[weight_col])[rows]
            if self.sample_weight.dtype.kind not in "iuf":
                raise TypeError(f"Column weight_col={weight_col} must be numeric.")
        self.samples = len(self.filenames)
        root = Path(self.directory)
        self.filepaths = [str(root / name) for name in self.filenames]
        kind = "validated" if validate_filenames else "non-validated"
        write_line(f"Found {self.samples} {kind} image filenames{of_classes}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _valid_rows(self, names: Any, x_col: str, validate: bool) -> list[int]:
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"All values in column x_col={x_col} must be strings.")
        rows = list(range(len(names)))
        if not validate:
            return rows
        valid = [
            row
            for row in rows
            if names[row].lower().endswith(FORMATS)
            and Path(self.directory, names[row]).is_file()
        ]
        if len(valid) < len(rows):
            warn_user(
                f"Found {len(rows) - len(valid)} invalid image filename(s) in x_col="
                f'"{x_col}". These filename(s) will be ignored.'
            )
        return valid

    def _number_classes(
        self, labels: Any, rows: list[int], y_col: str, classes: Any
    ) -> list[int]:
        """Numbers the classes; returns the rows that have one of them."""
        several = self.class_mode == "categorical"
        kinds = (str, list, tuple) if several else (str,)
        if not all(isinstance(labels[row], kinds) for row in rows):
            allowed = "string, list or tuple" if several else "string"
            raise TypeError(
                f'If class_mode="{self.class_mode}", y_col="{y_col}" column values must '
                f"be type {allowed}."
            )
        found = {name for row in rows for name in _as_list(labels[row])}
        names = list(dict.fromkeys(classes)) if classes else sorted(found)
        if self.class_mode == "binary" and len(names) != 2:
            raise ValueError(
                f'If class_mode="binary" there must be 2 classes. Found {len(names)} '
                f"classes: {names}."
            )
        self.class_indices = {name: i for i, name in enumerate(names)}
        return [row for row in rows if any(n in names for n in _as_list(labels[row]))]

    def _number_of(self, label: Any) -> Any:
        if isinstance(label, str):
            return self.class_indices[label]
        return [self.class_indices[n] for n in label if n in self.class_indices]


def _columns(x_col: str, y_col: Any, iterator: DataFrameIterator) -> list[str]:
    mode = iterator.class_mode
    if mode == "multi_output" and not isinstance(y_col, list):
        raise TypeError(
            f'If class_mode="multi_output", y_col must be a list. Received '
            f"{type(y_col).__name__}."
        )
    if mode in ("input", None, "raw"):
        return [x_col]
    return [x_col, *y_col] if isinstance(y_col, list) else [x_col, y_col]


def _as_list(label: Any) -> Any:
    return [label] if isinstance(label, str) else label
