"""`tf.keras.preprocessing.sequence`: sequences of numbers as arrays."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence as Items
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras.utils.data import Sequence


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Returns sequences of different lengths as one array.

    Args:
      sequences: Sequences of numbers, or of arrays of one shape.
      maxlen: The length of all; by default that of the longest.
      dtype: That of the result.
      padding: Where the value is put, `"pre"` or `"post"`.
      truncating: From where longer ones are cut, likewise.
      value: What shorter ones are filled up with.

    Returns:
      `[sequences, maxlen, ...]`.

    Raises:
      ValueError: An item is no sequence, or has arrays of another shape.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2).tolist()
    [[0, 1], [3, 4]]

    Source: `tf.keras.utils.pad_sequences`.
    """
    for name, option in (("Truncating", truncating), ("Padding", padding)):
        if option not in ("pre", "post"):
            raise ValueError(f'{name} type "{option}" not understood')
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for item in sequences:
        if not hasattr(item, "__len__"):
            raise ValueError(
                "`sequences` must be a list of iterables. Found non-iterable: "
                f"{item!r}. Try [sequence] for a single one."
            )
    full = [item for item in sequences if len(item)]
    shape = np.asarray(full[0]).shape[1:] if full else ()
    if maxlen is None:
        maxlen = max((len(item) for item in sequences), default=0)
    is_text = np.issubdtype(dtype, np.str_)
    if isinstance(value, str) and dtype is not object and not is_text:
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\nYou "
            "should set `dtype=object` for variable length strings."
        )
    result = np.full((len(sequences), maxlen, *shape), value, dtype)
    for row, item in enumerate(sequences):
        if not len(item) or not maxlen:
            continue
        kept = item[-maxlen:] if truncating == "pre" else item[:maxlen]
        kept = np.asarray(kept, dtype)
        if kept.shape[1:] != shape:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {row} is "
                f"different from expected shape {shape}"
            )
        if padding == "post":
            result[row, : len(kept)] = kept
        else:
            result[row, -len(kept) :] = kept
    return result


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> NDArray[Any]:
    """Returns how likely each word is kept, the most frequent one first.

    Frequencies are those of Zipf's law; frequent words are kept less often.

    Args:
      size: How many words there are.
      sampling_factor: How often.

    Source: `tf.keras.preprocessing.sequence.make_sampling_table`; Mikolov et al. 2013.
    """
    rank = np.arange(size)
    rank[0] = 1
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    share: NDArray[Any] = np.minimum(1.0, np.sqrt(sampling_factor * inverse))
    return share


def skipgrams(
    sequence: Items[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[Any], list[Any]]:
    """Returns pairs of words, and whether they stand near each other.

    Args:
      sequence: Word numbers; 0 is none.
      vocabulary_size: One more than the largest word number.
      window_size: How far apart words of a pair are at most.
      negative_samples: How many pairs of a word and any other there are for each.
      shuffle: Whether the pairs are mixed.
      categorical: Whether labels are `[0, 1]` and `[1, 0]`, or 1 and 0.
      sampling_table: How likely each word is kept.
      seed: That of the mixing.

    Returns:
      The pairs and the labels.

    Source: `tf.keras.preprocessing.sequence.skipgrams`.
    """
    yes: Any = [0, 1] if categorical else 1
    no: Any = [1, 0] if categorical else 0
    pairs: list[Any] = []
    for i, word in enumerate(sequence):
        if not word:
            continue
        if sampling_table is not None and sampling_table[word] < random.random():
            continue
        around = range(max(0, i - window_size), i + window_size + 1)
        for other in around:
            if other != i and other < len(sequence) and sequence[other]:
                pairs.append([word, sequence[other]])
    labels = [yes] * len(pairs)
    if negative_samples > 0 and pairs:
        count = int(len(labels) * negative_samples)
        words = [pair[0] for pair in pairs]
        random.shuffle(words)
        pairs += [
            [words[i % len(words)], random.randint(1, vocabulary_size - 1)]
            for i in range(count)
        ]
        labels += [no] * count
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed
        for items in (pairs, labels):
            random.seed(seed)
            random.shuffle(items)
    return pairs, labels


class TimeseriesGenerator(Sequence):
    """Batches of windows of a series and what comes after each.

    Args:
      data: `[time, ...]`.
      targets: `[time, ...]`.
      length: How many steps a window is long.
      sampling_rate: Every how many steps of it are kept.
      stride: How many steps lie between two windows.
      start_index: The first step that is used.
      end_index: The last one; by default that of the data.
      shuffle: Whether windows come in any order.
      reverse: Whether time runs backwards in a window.
      batch_size: How many windows a batch has.

    Raises:
      ValueError: Data and targets differ in length, or there is no window.

    Source: `tf.keras.preprocessing.sequence.TimeseriesGenerator`.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        if len(data) != len(targets):
            raise ValueError(
                f"Data and targets have to be of same length. Data length is {len(data)} "
                f"while target length is {len(targets)}"
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride = sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` "
                "is disallowed, as no part of the sequence would be left to be used as "
                "current step."
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: int) -> Any:
        first, last = self.start_index, self.end_index + 1
        if self.shuffle:
            rows = np.random.randint(first, last, self.batch_size)  # noqa: NPY002
        else:
            begin = first + self.batch_size * self.stride * index
            end = min(begin + self.batch_size * self.stride, last)
            rows = np.arange(begin, end, self.stride)
        rate = self.sampling_rate
        samples = np.array([self.data[row - self.length : row : rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1, ...] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor, data as JSON."""
        return {
            "data": _as_json(self.data, "Data"),
            "targets": _as_json(self.targets, "Targets"),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """Returns the config as JSON; keywords are those of `json.dumps`."""
        config = {"class_name": type(self).__name__, "config": self.get_config()}
        return json.dumps(config, **kwargs)


def _as_json(data: Any, what: str) -> str:
    plain = data.tolist() if isinstance(data, np.ndarray) else data
    try:
        return json.dumps(plain)
    except TypeError as error:
        raise TypeError(f"{what} not JSON Serializable: {data}") from error
