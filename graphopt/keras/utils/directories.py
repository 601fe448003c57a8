"""Datasets of files whose folders are their classes."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.errors import fail
from graphopt.files.file_system import isdir, listdir
from graphopt.graph.provenance import user_site
from graphopt.keras.messages import write_line
from graphopt.keras.utils.images import (
    COLOR_CHANNELS,
    check_interpolation,
    smart_resize,
)
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import one_hot
from graphopt.ops.shaping import expand_dims

if TYPE_CHECKING:
    from graphopt.data.dataset import Dataset

IMAGE_FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
TEXT_FORMATS = (".txt",)


def _tf(name: str) -> Any:
    """A part of `tf` that lies above this one, loaded when it is needed."""
    return importlib.import_module(f"graphopt.{name}")


def _check(
    labels: Any,
    label_mode: Any,
    class_names: Any,
    split: Any,
    subset: Any,
    shuffle: bool,
    seed: Any,
) -> None:
    if labels not in ("inferred", None) and not isinstance(labels, (list, tuple)):
        raise ValueError(
            "`labels` argument should be a list/tuple of integer labels, of the same "
            'size as the number of files in the target directory, "inferred" for the '
            f"names of the folders, or None for no labels. Received: labels={labels}"
        )
    if labels not in ("inferred", None) and class_names:
        raise ValueError(
            'You can only pass `class_names` if `labels="inferred"`. Received: labels='
            f"{labels}, and class_names={class_names}"
        )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or '
            f"None. Received: label_mode={label_mode}"
        )
    if split and not 0 < split < 1:
        raise ValueError(
            f"`validation_split` must be between 0 and 1, received: {split}"
        )
    if bool(split) != bool(subset):
        raise ValueError(
            "If `subset` is set, `validation_split` must be set, and inversely."
        )
    if subset not in ("training", "validation", "both", None):
        raise ValueError(
            '`subset` must be either "training", "validation" or "both", received: '
            f"{subset}"
        )
    if split and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a "
            "`seed` argument, to make sure that there is no overlap between the "
            "training and validation subset."
        )


def _files_of(folder: Path, formats: tuple[str, ...], follow_links: bool) -> list[Path]:
    found = []
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links)):
        found += [
            Path(root) / name
            for name in sorted(names)
            if name.lower().endswith(formats)
        ]
    return found


def index_directory(
    directory: Any,
    labels: Any,
    formats: tuple[str, ...],
    class_names: Any = None,
    shuffle: bool = True,
    seed: int | None = None,
    follow_links: bool = False,
) -> tuple[list[str], Any, list[Any]]:
    """Returns the files of a folder, their labels and the names of the classes.

    Args:
      directory: The folder.
      labels: `"inferred"` for the folders in it, a list, or None.
      formats: How names of the files end.
      class_names: The folders, in another order than that of the alphabet.
      shuffle: Whether the files are mixed.
      seed: That of the mixing.
      follow_links: Whether folders that are links are looked into.

    Raises:
      ValueError: Labels or class names do not fit what is there.
    """
    root = Path(os.fspath(directory))
    if not isdir(root):
        raise fail(
            ValueError,
            "The directory is not there, or is a file",
            got=str(directory),
            expected="a folder with one folder for each class",
            site=str(user_site()),
        )
    folders = [root]
    if labels == "inferred":
        names = sorted(
            name for name in listdir(root) if isdir(root / name) and name[0] != "."
        )
        if class_names and set(class_names) != set(names):
            raise ValueError(
                "The `class_names` passed did not match the names of the subdirectories "
                f"of the target directory. Expected: {names}, but received: "
                f"{class_names}"
            )
        class_names = list(class_names or names)
        folders = [root / name for name in names]
    paths: list[str] = []
    numbers: list[int] = []
    for folder in folders:
        files = _files_of(folder, formats, follow_links)
        paths += map(str, files)
        if labels == "inferred":
            numbers += [class_names.index(folder.name)] * len(files)
    if labels == "inferred":
        labels = np.array(numbers, np.int32)
    elif labels is not None:
        if len(labels) != len(paths):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the "
                f"target directory. len(labels) is {len(labels)} while we found "
                f"{len(paths)} files in directory {directory}."
            )
        class_names, labels = sorted(set(labels)), list(labels)
    of_classes = ""
    if labels is not None:
        of_classes = f" belonging to {len(class_names)} classes"
    write_line(f"Found {len(paths)} files{of_classes}.")
    if shuffle:
        seed = np.random.randint(10**6) if seed is None else seed  # noqa: NPY002
        for items in (paths, labels):
            if items is not None:
                # The same order for both; that of Keras.
                np.random.RandomState(seed).shuffle(items)
    return paths, labels, list(class_names or [""])


def _part(paths: Any, labels: Any, split: Any, subset: str) -> tuple[Any, Any]:
    count = int(split * len(paths))
    if subset == "training":
        write_line(f"Using {len(paths) - count} files for training.")
        chosen = slice(None, len(paths) - count)
    else:
        write_line(f"Using {count} files for validation.")
        chosen = slice(len(paths) - count, None)
    return paths[chosen], None if labels is None else labels[chosen]


def _make_dataset(
    paths: Any, labels: Any, load: Any, label_mode: Any, classes: int
) -> Any:
    dataset = _tf("data").Dataset
    files = dataset.from_tensor_slices(paths).map(load)
    if labels is None or label_mode is None:
        return files
    numbers = dataset.from_tensor_slices(np.asarray(labels))
    if label_mode == "binary":
        numbers = numbers.map(lambda x: expand_dims(cast(x, "float32"), -1))
    elif label_mode == "categorical":
        numbers = numbers.map(lambda x: one_hot(x, classes))
    return dataset.zip((files, numbers))


def _from_directory(
    what: str,
    formats: tuple[str, ...],
    load: Any,
    directory: Any,
    *,
    labels: Any,
    label_mode: Any,
    class_names: Any,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: str | None,
    follow_links: bool,
) -> Any:
    """What datasets of images and of texts share."""
    _check(labels, label_mode, class_names, validation_split, subset, shuffle, seed)
    if labels is None or label_mode is None:
        labels = label_mode = None
    seed = np.random.randint(10**6) if seed is None else seed  # noqa: NPY002
    paths, labels, names = index_directory(
        directory, labels, formats, class_names, shuffle, seed, follow_links
    )
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(
            'When passing `label_mode="binary"`, there must be exactly 2 class_names. '
            f"Received: class_names={names}"
        )
    parts = ("training", "validation") if subset == "both" else (subset,)
    made = []
    for part in parts:
        chosen = (paths, labels)
        if part is not None:
            chosen = _part(paths, labels, validation_split, part)
        if not chosen[0]:
            raise ValueError(
                f"No {f'{part} ' if part else ''}{what} found in directory {directory}. "
                f"Allowed formats: {formats}"
            )
        dataset = _make_dataset(*chosen, load, label_mode, len(names))
        if shuffle and not (subset == "both" and part == "validation"):
            # What is kept in memory until it is drawn are the files, read already.
            dataset = dataset.shuffle((batch_size or 128) * 8, seed=seed)
        if batch_size is not None:
            dataset = dataset.batch(batch_size)
        dataset = dataset.prefetch(_tf("data").AUTOTUNE)
        dataset.class_names, dataset.file_paths = names, chosen[0]
        made.append(dataset)
    return made if subset == "both" else made[0]


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    **kwargs: Any,
) -> Dataset:
    """Returns a dataset of the images of a folder.

    Args:
      directory: The folder; each folder in it is a class.
      labels: `"inferred"`, a list of labels in the order of the files, or None.
      label_mode: `"int"`, `"categorical"` for rows of 0 and 1, `"binary"` for 0.0 and
        1.0, or None.
      class_names: The folders, in another order than that of the alphabet.
      color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
      batch_size: None for single images.
      image_size: (height, width) that images are resized to.
      shuffle: Whether they are mixed.
      seed: That of the mixing; needed for a split.
      validation_split: The share of images that is for validation.
      subset: `"training"`, `"validation"`, or `"both"` for two datasets.
      interpolation: A method of `tf.image.resize`.
      follow_links: Whether folders that are links are looked into.
      crop_to_aspect_ratio: Whether images are cropped in place of distorted.
      **kwargs: `smart_resize`, the former name of that.

    Returns:
      A dataset of `[batch, height, width, channels]` float32 from 0 to 255, with labels;
      `class_names` and `file_paths` are attributes of it.

    Raises:
      ValueError: A bad option, or no images.

    Source: `tf.keras.utils.image_dataset_from_directory`.
    """
    crop = kwargs.pop("smart_resize", crop_to_aspect_ratio)
    if kwargs:
        raise TypeError(f"Unknown keywords argument(s): {tuple(kwargs)}")
    if color_mode not in COLOR_CHANNELS:
        raise ValueError(
            '`color_mode` must be one of {"rgb", "rgba", "grayscale"}. Received: '
            f"color_mode={color_mode}"
        )
    method, channels = check_interpolation(interpolation), COLOR_CHANNELS[color_mode]
    size, tf_image, tf_io = tuple(image_size), _tf("image"), _tf("io")

    def load(path: Any) -> Any:
        image = tf_image.decode_image(
            tf_io.read_file(path), channels=channels, expand_animations=False
        )
        if crop:
            image = smart_resize(image, size, method)
        else:
            image = tf_image.resize(image, size, method=method)
        image.set_shape((*size, channels))
        return image

    return _from_directory(
        "images",
        IMAGE_FORMATS,
        load,
        directory,
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
    )


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
) -> Dataset:
    """Returns a dataset of the texts (`.txt`) of a folder.

    Args:
      directory: The folder; each folder in it is a class.
      labels: `"inferred"`, a list of labels in the order of the files, or None.
      label_mode: `"int"`, `"categorical"`, `"binary"` or None.
      class_names: The folders, in another order than that of the alphabet.
      batch_size: None for single texts.
      max_length: After how many bytes texts are cut.
      shuffle: Whether they are mixed.
      seed: That of the mixing; needed for a split.
      validation_split: The share of texts that is for validation.
      subset: `"training"`, `"validation"`, or `"both"` for two datasets.
      follow_links: Whether folders that are links are looked into.

    Returns:
      A dataset of strings `[batch]`, with labels; `class_names` is an attribute of it.

    Raises:
      ValueError: A bad option, or no texts.

    Source: `tf.keras.utils.text_dataset_from_directory`.
    """
    tf_io, tf_strings = _tf("io"), _tf("strings")

    def load(path: Any) -> Any:
        text = tf_io.read_file(path)
        return text if max_length is None else tf_strings.substr(text, 0, max_length)

    return _from_directory(
        "text files",
        TEXT_FORMATS,
        load,
        directory,
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
    )
