"""From what a program passes to `fit` to the data that it runs over."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.keras.training.data import (
    ArrayData,
    BatchData,
    as_array,
    as_arrays,
    pack_x_y_sample_weight,
    unpack_x_y_sample_weight,
)

Data = ArrayData | BatchData


def make_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Any = None,
    seed: tuple[int, int] = (0, 0),
    epochs: int = 1,
) -> Data:
    """Returns the data of a run.

    Args:
      x: Arrays, tensors, a frame, a nest of such; a data set, a generator, a `Sequence`.
      y: Labels, for arrays.
      sample_weight: Weights of examples, for arrays.
      batch_size: The size of a batch, for arrays; 32 by default.
      steps: How many batches an epoch has.
      shuffle: Whether each epoch has an order of its own.
      class_weight: From classes to factors of the weights of their examples.
      seed: What the order of the examples depends on.
      epochs: How many epochs there will be.

    Raises:
      ValueError: Labels or weights beside data that has its own, or data without.
    """
    if x is None and y is None:
        raise fail(
            ValueError,
            "There is no data",
            got="x=None",
            expected="arrays, a tf.data.Dataset, a generator or a Sequence",
            site=str(user_site()),
        )
    kind = _kind_of(x)
    if kind == "arrays":
        return _from_arrays(
            x, y, sample_weight, batch_size, steps, shuffle, class_weight, seed
        )
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise fail(
                ValueError,
                f"`{name}` argument is not supported when using {kind} as input",
                got=f"{name}={type(value).__name__}",
                expected=f"{kind} of (x, y) or (x, y, sample_weight)",
                site=str(user_site()),
            )
    if batch_size is not None and kind == "dataset":
        raise fail(
            ValueError,
            "The `batch_size` argument must not be specified for a dataset",
            got=f"batch_size={batch_size}",
            expected="dataset.batch(n)",
            site=str(user_site()),
        )
    makers: dict[str, Callable[..., BatchData]] = {
        "dataset": _from_dataset,
        "keras.utils.Sequence": _from_sequence,
        "generator": _from_generator,
    }
    weigh = _weigher(class_weight)
    return makers[kind](x, steps, weigh, shuffle, seed)


def _kind_of(x: Any) -> str:
    if hasattr(x, "_node") and hasattr(x, "element_spec"):
        return "dataset"
    if (
        hasattr(x, "__getitem__")
        and hasattr(x, "on_epoch_end")
        and hasattr(x, "__len__")
    ):
        return "keras.utils.Sequence"
    if isinstance(x, types.GeneratorType) or (
        hasattr(x, "__next__") and hasattr(x, "__iter__")
    ):
        return "generator"
    if hasattr(x, "element_spec") and hasattr(x, "get_next"):
        return "generator"
    return "arrays"


# ---- arrays


def _from_arrays(
    x: Any,
    y: Any,
    sample_weight: Any,
    batch_size: int | None,
    steps: int | None,
    shuffle: Any,
    class_weight: Any,
    seed: tuple[int, int],
) -> ArrayData:
    x, y = as_arrays(x, "x"), as_arrays(y, "y")
    weights = as_arrays(sample_weight, "sample_weight")
    if class_weight is not None:
        if y is None or nest.is_nested(y):
            raise ValueError(
                "`class_weight` is only supported for Models with a single output."
            )
        factors = class_factors(class_weight, y)
        weights = _times(weights, factors)
    return ArrayData(x, y, weights, batch_size, shuffle, seed, steps)


def class_factors(class_weight: dict[int, float], y: NDArray[Any]) -> NDArray[Any]:
    """Returns the weight of each example's class.

    Args:
      class_weight: From classes 0, 1, ... to factors.
      y: `[n, ...]` or `[n, ..., 1]` classes, or `[n, ..., classes]` with a 1 for the class.

    Raises:
      ValueError: A class is missing.
    """
    if sorted(class_weight) != list(range(len(class_weight))):
        raise ValueError(
            "Expected `class_weight` to be a dict with keys from 0 to one less than the "
            f"number of classes, found {class_weight}."
        )
    table = np.array([class_weight[i] for i in range(len(class_weight))], np.float32)
    if y.ndim >= 2 and y.shape[-1] == 1:
        classes = y[..., 0].astype(np.int64)
    elif y.ndim >= 2 and (y.ndim == 2 or y.shape[-1] == len(table)):
        classes = y.argmax(axis=-1)
    else:
        classes = y.astype(np.int64)
    if classes.size and (classes.min() < 0 or classes.max() >= len(table)):
        raise ValueError(
            f"`class_weight` has the classes 0 to {len(table) - 1}, the labels are "
            f"{classes.min()} to {classes.max()}."
        )
    factors: NDArray[Any] = table[classes]
    return factors


def _times(weights: Any, factors: NDArray[Any]) -> NDArray[Any]:
    """Returns weights of examples times factors, which may be of single pixels."""
    if weights is None:
        return factors
    product: NDArray[Any] = (
        weights.reshape(weights.shape + (1,) * (factors.ndim - weights.ndim)) * factors
    )
    return product


def split_off(
    x: Any, y: Any, sample_weight: Any, fraction: float
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Splits the last examples off for validation, as Keras does.

    Raises:
      ValueError: It is no fraction, one part would be empty, or the data is no arrays.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"`validation_split` must be in (0, 1); got {fraction}.")
    kind = _kind_of(x)
    if kind != "arrays":
        raise fail(
            ValueError,
            "`validation_split` is only supported for Tensors or NumPy arrays",
            got=f"a {kind}",
            expected="arrays",
            site=str(user_site()),
            remedy="validation_data=dataset.take(n) and dataset.skip(n)",
        )
    parts = (
        as_arrays(x, "x"),
        as_arrays(y, "y"),
        as_arrays(sample_weight, "sample_weight"),
    )
    count = next(leaf.shape[0] for leaf in nest.flatten(parts) if leaf is not None)
    at = math.floor(count * (1.0 - fraction))
    if at in (0, count):
        raise ValueError(
            f"Training data contains {count} samples, which is not sufficient to split "
            f"it into a validation and training set as specified by "
            f"`validation_split={fraction}`. Either provide more data, or a different "
            "value for the `validation_split` argument."
        )

    def cut(first: bool) -> tuple[Any, Any, Any]:
        found = nest.map_structure(
            lambda a: None if a is None else (a[:at] if first else a[at:]), parts
        )
        return (found[0], found[1], found[2])

    return cut(True), cut(False)


# ---- batches


def _weigher(class_weight: Any) -> Callable[[Any], Any]:
    if class_weight is None:
        return _same

    def weigh(data: Any) -> Any:
        x, y, weight = unpack_x_y_sample_weight(data)
        factors = class_factors(class_weight, as_array(y, "y"))
        given = None if weight is None else as_array(weight)
        return pack_x_y_sample_weight(x, y, _times(given, factors))

    return weigh


def _same(data: Any) -> Any:
    return data


def _from_dataset(
    dataset: Any, steps: int | None, weigh: Any, _shuffle: Any, _seed: Any
) -> BatchData:
    # Loaded by those who have one.
    from graphopt.data.iterators import iterate_arrays

    spec = dataset.element_spec
    if any(getattr(leaf, "shape", None) is None for leaf in nest.flatten(spec)):
        raise NotImplementedError(
            "fit on a dataset of ragged or sparse tensors; map them to dense ones."
        )

    def start() -> Iterator[Any]:
        for arrays in iterate_arrays(dataset):
            yield weigh(nest.pack_as(spec, arrays))

    shapes = [leaf.shape for leaf in nest.flatten(spec)]
    if any(shape.rank == 0 for shape in shapes):
        raise fail(
            ValueError,
            "The elements of the dataset are no batches",
            got=str(spec),
            expected="elements with a first dimension of examples",
            site=str(user_site()),
            remedy="dataset.batch(32)",
        )
    size = int(dataset.cardinality())
    if steps is None and size >= 0:
        known = size
    else:
        known = steps if steps is not None else None  # type: ignore[assignment]
    if steps is None and size == -1:
        raise fail(
            ValueError,
            "When passing an infinitely repeating dataset, you must specify the number "
            "of steps to run",
            got="a dataset without an end",
            expected="steps_per_epoch=...",
            site=str(user_site()),
        )
    return BatchData(start, known, shapes, lasts=steps is not None, what="dataset")


def _from_generator(
    generator: Any, steps: int | None, weigh: Any, _shuffle: Any, _seed: Any
) -> BatchData:
    def start() -> Iterator[Any]:
        for data in generator:
            yield weigh(data)

    return BatchData(start, steps, lasts=True, what="generator")


def _from_sequence(
    sequence: Any, steps: int | None, weigh: Any, shuffle: Any, seed: tuple[int, int]
) -> BatchData:
    count = len(sequence)
    epochs = iter(range(1 << 62))

    def start() -> Iterator[Any]:
        number = next(epochs)
        order = np.arange(count)
        if shuffle:
            words = [*(part & (1 << 64) - 1 for part in seed), number]
            order = np.random.Generator(np.random.PCG64(words)).permutation(count)
        for index in order:
            yield weigh(sequence[int(index)])

    at_end = sequence.on_epoch_end
    return BatchData(start, steps or count, what="Sequence", at_end=at_end)
