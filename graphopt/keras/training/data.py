"""Where `fit` gets its batches from: arrays, data sets, generators, sequences.

`ArrayData` knows all examples: it shuffles by a permutation that depends on the seed of the
run and the number of the epoch alone, and hands out several batches at once, which run in
one native call. Everything else hands out one batch after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor, Tensor
from graphopt.keras.settings import Settings
from graphopt.runtime.variable import Variable

Array = NDArray[Any]

# So many bytes of batches are put together for one native call: they stay in the cache.
PIECE_BYTES = 1 << 22
MOST_STEPS = 4096


class Piece(NamedTuple):
    """Batches of one size that run in one native call.

    Attributes:
      steps: How many.
      data: The nest of what `train_step` takes.
      rows: Its leaves, `[count, batch, ...]`.
      shapes: What shapes a batch may have; None where only its size is open.
    """

    steps: int
    data: Any
    rows: list[Array]
    shapes: Sequence[TensorShape] | None = None


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Returns what a step takes: x, (x, y), or (x, y, sample_weight).

    Source: `tf.keras.utils.pack_x_y_sample_weight`.
    """
    if y is None and sample_weight is None:
        return x if not nest.is_nested(x) else (x,)
    if sample_weight is None:
        return (x, y)
    return (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Returns x, y and sample weights of what a step takes.

    Source: `tf.keras.utils.unpack_x_y_sample_weight`.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return (data, None, None)
    if len(data) > 3 or not data:
        raise fail(
            ValueError,
            "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, "
            "sample_weight)`",
            got=f"a tuple of {len(data)}",
            expected="1 to 3 parts",
            site=str(user_site()),
        )
    x, y, weight = (*data, None, None)[:3]
    return (x, y, weight)


def as_array(value: Any, what: str = "x") -> Array:
    """Returns a leaf of the data as an array; floats in the default dtype."""
    if isinstance(value, EagerTensor):
        return value.array
    if isinstance(value, Variable):
        return np.asarray(value.numpy())
    if isinstance(value, Tensor):
        raise fail(
            ValueError,
            f"The data of a model is symbolic: {value!r}",
            got="a tensor without a value",
            expected="arrays or eager tensors",
            site=str(user_site()),
        )
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    array = np.asarray(value)
    if array.dtype == object:
        if all(isinstance(item, (str, bytes)) for item in array.ravel()):
            return _as_strings(array)
        raise fail(
            ValueError,
            "Failed to convert a NumPy array to a Tensor (Unsupported object type "
            f"{type(array.ravel()[0]).__name__ if array.size else 'object'})",
            got=f"{what} of dtype object, shape {array.shape}",
            expected="numbers in rows of one length",
            site=str(user_site()),
            remedy="np.stack, or tf.keras.utils.pad_sequences for rows of many lengths",
        )
    if array.dtype.kind in "US":
        return _as_strings(array)
    if array.dtype.kind == "f":
        array = array.astype(Settings.floatx, copy=False)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def _as_strings(array: Array) -> Array:
    # Loaded by those who have strings.
    from graphopt.graph.strings import string_array

    found = string_array(array)
    assert found is not None
    return found


def _is_scalars(value: Any) -> bool:
    """Whether a list is one array of numbers rather than several inputs."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    first = value[0]
    if isinstance(first, (int, float, np.generic, str, bytes)):
        return True
    return isinstance(first, (list, tuple)) and _is_scalars(first)


def as_arrays(value: Any, what: str) -> Any:
    """Returns a nest of arrays; lists of numbers are one array, pandas frames too."""
    if value is None:
        return None
    if _is_frame(value):
        return as_array(value, what)
    if _is_scalars(value):
        return as_array(np.asarray(value), what)
    if isinstance(value, dict):
        return {key: as_arrays(part, what) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(as_arrays(part, what) for part in value)
    return as_array(value, what)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "to_numpy") and hasattr(value, "index")


class ArrayData:
    """All examples as arrays.

    Args:
      x: A nest of arrays.
      y: A nest of arrays, or None.
      sample_weight: A nest of arrays, or None.
      batch_size: The size of a batch.
      shuffle: Whether each epoch has an order of its own; `batch` shuffles batches.
      seed: What that depends on.
      steps: How many batches an epoch has; by default all.

    Raises:
      ValueError: The arrays differ in their first dimension.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = 32,
        shuffle: Any = False,
        seed: tuple[int, int] = (0, 0),
        steps: int | None = None,
    ) -> None:
        self._data = pack_x_y_sample_weight(x, y, sample_weight)
        self._leaves = [leaf for leaf in nest.flatten(self._data) if leaf is not None]
        self.examples = self._count((x, y, sample_weight))
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
        if batch_size is None and steps:
            batch_size = math.ceil(self.examples / steps)
        self.batch_size = min(batch_size or 32, max(self.examples, 1))
        self._shuffle, self._seed = shuffle, seed
        self.steps: int | None = math.ceil(self.examples / self.batch_size)
        if steps is not None:
            self.steps = min(steps, self.steps)
        self._buffers: list[Array] = []

    def _count(self, parts: Any) -> int:
        counts: dict[str, list[int]] = {}
        for name, part in zip(("x", "y", "sample_weight"), parts, strict=True):
            for leaf in nest.flatten(part) if part is not None else []:
                if leaf is not None:
                    counts.setdefault(name, []).append(
                        leaf.shape[0] if leaf.ndim else 0
                    )
                    if leaf.ndim == 0:
                        raise ValueError(
                            f"{name} has no first dimension of examples; got a scalar."
                        )
        together = {count for part in counts.values() for count in part}
        if len(together) != 1:
            raise fail(
                ValueError,
                "Data cardinality is ambiguous: all arrays need the same number of "
                "examples",
                got="; ".join(
                    f"{name} sizes: {', '.join(map(str, part))}"
                    for name, part in counts.items()
                ),
                expected="the same first dimension everywhere",
                site=str(user_site()),
                remedy="np.transpose, if examples are not the first dimension",
            )
        return together.pop()

    def epoch(
        self, number: int, one_by_one: bool = False, skip: int = 0
    ) -> Iterator[Piece]:
        """Yields the batches of an epoch.

        Args:
          number: Which epoch: what its order depends on.
          one_by_one: Whether every batch is a piece of its own.
          skip: How many batches were taken before.
        """
        order = self._order(number)
        size, steps = self.batch_size, self.steps
        assert steps is not None
        whole = min(steps, self.examples // size)
        row_bytes = sum(leaf.nbytes for leaf in self._leaves) // max(self.examples, 1)
        group = max(1, min(MOST_STEPS, PIECE_BYTES // max(1, row_bytes * size)))
        group = 1 if one_by_one else group
        done = skip
        while done < whole:
            count = min(group, whole - done)
            yield self._piece(order, done * size, count, size)
            done += count
        if done < steps:
            yield self._piece(order, done * size, 1, self.examples - done * size)

    def _order(self, number: int) -> Array | None:
        if not self._shuffle:
            return None
        seed = [*(part & (1 << 64) - 1 for part in self._seed), number]
        generator = np.random.Generator(np.random.PCG64(seed))
        if self._shuffle == "batch":
            whole = self.examples // self.batch_size
            starts = generator.permutation(whole) * self.batch_size
            order = (starts[:, None] + np.arange(self.batch_size)).reshape(-1)
            rest = np.arange(whole * self.batch_size, self.examples)
            return np.concatenate([order, rest])
        return generator.permutation(self.examples)

    def _piece(self, order: Array | None, start: int, count: int, size: int) -> Piece:
        rows: list[Array] = []
        stop = start + count * size
        for leaf in self._leaves:
            if order is None:
                part = np.ascontiguousarray(leaf[start:stop])
            else:
                part = np.take(leaf, order[start:stop], axis=0, mode="clip")
            rows.append(part.reshape(count, size, *leaf.shape[1:]))
        return Piece(count, self._data, rows)


class BatchData:
    """Batches that come one after the other.

    Args:
      start: Returns an iterator over nests of arrays: what a step takes.
      steps: How many batches an epoch has; None if that is not known.
      shapes: From a nest to what shapes its leaves may have, or None.
      lasts: Whether one iterator serves all epochs.
      what: What the data is, for messages.
      at_end: Called after each epoch.
    """

    def __init__(
        self,
        start: Any,
        steps: int | None = None,
        shapes: Sequence[TensorShape] | None = None,
        lasts: bool = False,
        what: str = "data",
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self._at_end = at_end
        self._start, self.steps, self._shapes = start, steps, shapes
        self._lasts, self.what = lasts, what
        self._current: Iterator[Any] | None = None
        self.ran_out = False

    def epoch(
        self, number: int, one_by_one: bool = False, skip: int = 0
    ) -> Iterator[Piece]:
        """Yields the batches of an epoch, but for those that were taken before."""
        if self._current is None or not self._lasts:
            self._current = iter(self._start())
        done = 0
        while self.steps is None or done < self.steps:
            try:
                data = next(self._current)
            except StopIteration:
                self._current = None
                if self._lasts or (self.steps is not None and done < self.steps):
                    self.ran_out = self.steps is not None
                break
            done += 1
            if done > skip:
                yield batch_piece(data, self._shapes)
        if self._at_end is not None:
            self._at_end()


def batch_piece(data: Any, shapes: Sequence[TensorShape] | None = None) -> Piece:
    """Returns one batch as a piece."""
    if isinstance(data, list) and len(data) <= 3:
        data = tuple(data)
    packed = as_arrays(data, "x")
    if isinstance(data, tuple):
        parts = unpack_x_y_sample_weight(data)
        names = ("x", "y", "sample_weight")
        packed = tuple(
            as_arrays(part, name)
            for part, name in zip(parts[: len(data)], names, strict=False)
        )
    leaves = [leaf for leaf in nest.flatten(packed) if leaf is not None]
    rows = [np.ascontiguousarray(leaf).reshape(1, *leaf.shape) for leaf in leaves]
    if shapes is not None and len(shapes) != len(rows):
        shapes = None
    return Piece(1, packed, rows, shapes)


def without_none(data: Any, leaves: Sequence[Any]) -> Any:
    """Returns a nest with leaves in place of what is not None in it."""
    values = iter(leaves)
    return nest.map_structure(lambda x: None if x is None else next(values), data)
