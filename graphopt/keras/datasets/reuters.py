"""`tf.keras.datasets.reuters`: 11,228 newswires in 46 topics as numbers of words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from graphopt.keras.datasets.reading import (
    Pair,
    find_file,
    prepare_words,
    read_arrays,
    shuffle_together,
    without_long,
)

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_WORDS_HASH = "4d44cc38712099c9e383dc6e5f11a921"


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    cache_dir: Any = None,
) -> tuple[Pair, Pair]:
    """Returns newswires, lists of word numbers, and their topics.

    Args are those of `tf.keras.datasets.imdb.load_data`, and `test_split`, the share of
    the test part.

    Source: `tf.keras.datasets.reuters.load_data`.
    """
    found = find_file("reuters.npz", _HASH, path=path, cache_dir=cache_dir)
    arrays = read_arrays(found)
    rows, labels = shuffle_together(seed, arrays["x"], arrays["y"])
    longest = None if maxlen is None else maxlen - (start_char is not None)
    chosen = without_long(longest, list(rows), labels)
    kept, labels = prepare_words(
        *chosen, num_words, skip_top, start_char, oov_char, index_from
    )
    count = int(len(kept) * (1 - test_split))
    train = np.array(kept[:count], dtype=object), np.array(labels[:count])
    return train, (np.array(kept[count:], dtype=object), np.array(labels[count:]))


def get_word_index(
    path: str = "reuters_word_index.json", cache_dir: Any = None
) -> dict[str, int]:
    """Returns the numbers of words, 1 for the most frequent.

    Source: `tf.keras.datasets.reuters.get_word_index`.
    """
    found = find_file(
        "reuters_word_index.json", _WORDS_HASH, path=path, cache_dir=cache_dir
    )
    words: dict[str, int] = json.loads(found.read_text())
    return words
