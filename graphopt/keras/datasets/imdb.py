"""`tf.keras.datasets.imdb`: 50,000 reviews of films as numbers of words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from graphopt.keras.datasets.reading import (
    Pair,
    find_file,
    prepare_words,
    read_arrays,
    without_long,
)

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_WORDS_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    cache_dir: Any = None,
) -> tuple[Pair, Pair]:
    """Returns reviews, lists of word numbers, and whether they are good.

    Args:
      path: The name of the file in the cache.
      num_words: Words from this number on, which are rarer, become `oov_char`.
      skip_top: Words below this number, which are more frequent, do too.
      maxlen: Reviews that are not shorter are left out.
      seed: Of the order.
      start_char: What stands at the start of each review; None for nothing.
      oov_char: What stands for words that are left out; None for nothing.
      index_from: What is added to the numbers of words.
      cache_dir: In place of `~/.keras`.

    Source: `tf.keras.datasets.imdb.load_data`.
    """
    arrays = read_arrays(find_file("imdb.npz", _HASH, path=path, cache_dir=cache_dir))
    random = np.random.RandomState(seed)
    parts = []
    for part in ("train", "test"):
        rows, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        order = np.arange(len(rows))
        random.shuffle(order)
        rows, labels = rows[order], labels[order]
        extra = 0 if start_char is None else 1
        longest = None if maxlen is None else maxlen - extra
        parts.append(without_long(longest, list(rows), labels))
    count = len(parts[0][0])
    labels = np.concatenate([labels for _, labels in parts])
    kept, labels = prepare_words(
        [*parts[0][0], *parts[1][0]],
        labels,
        num_words,
        skip_top,
        start_char,
        oov_char,
        index_from,
    )
    train = np.array(kept[:count], dtype=object), labels[:count]
    return train, (np.array(kept[count:], dtype=object), labels[count:])


def get_word_index(
    path: str = "imdb_word_index.json", cache_dir: Any = None
) -> dict[str, int]:
    """Returns the numbers of words, 1 for the most frequent.

    Source: `tf.keras.datasets.imdb.get_word_index`.
    """
    found = find_file(
        "imdb_word_index.json", _WORDS_HASH, path=path, cache_dir=cache_dir
    )
    words: dict[str, int] = json.loads(found.read_text())
    return words
