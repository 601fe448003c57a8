"""`tf.keras.preprocessing.text`: texts as numbers of words."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras.messages import warn_user

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """Returns the words of a text.

    Args:
      text: The text.
      filters: Characters that are no part of words.
      lower: Whether words are made lowercase.
      split: What stands between words.

    >>> text_to_word_sequence("This, then, is it!")
    ['this', 'then', 'is', 'it']

    Source: `tf.keras.preprocessing.text.text_to_word_sequence`.
    """
    text = text.lower() if lower else text
    text = text.translate({ord(each): split for each in filters})
    return [word for word in text.split(split) if word]


def one_hot(
    text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Returns a number below n for each word, by Python's `hash`.

    That differs from process to process: `hashing_trick(..., hash_function="md5")` does
    not.

    Source: `tf.keras.preprocessing.text.one_hot`.
    """
    return hashing_trick(text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Returns a number from 1 to n - 1 for each word.

    Args:
      text: The text.
      n: How many numbers there are.
      hash_function: `"md5"`, or a function from a word to an integer; by default `hash`.
      filters: Characters that are no part of words.
      lower: Whether words are made lowercase.
      split: What stands between words.
      analyzer: From a text to words, in place of the three before.

    >>> hashing_trick("the cat and the dog", 50, "md5")
    [43, 32, 14, 43, 2]

    Source: `tf.keras.preprocessing.text.hashing_trick`.
    """
    if hash_function == "md5":
        number: Any = _md5
    else:
        number = hash if hash_function is None else hash_function
    if analyzer is None:
        words: Iterable[str] = text_to_word_sequence(text, filters, lower, split)
    else:
        words = analyzer(text)
    return [number(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    digest = hashlib.md5(word.encode(), usedforsecurity=False)
    return int(digest.hexdigest(), 16)


class Tokenizer:
    """Numbers words by how frequent they are, from 1 on.

    Args:
      num_words: Only words below this number are kept.
      filters: Characters that are no part of words.
      lower: Whether words are made lowercase.
      split: What stands between words.
      char_level: Whether each character is a word.
      oov_token: A word, with number 1, for all that are not kept.
      analyzer: From a text to words, in place of filters, lower and split.
      **kwargs: `document_count`, and `nb_words`, the former name of `num_words`.

    >>> words = Tokenizer(oov_token="?")
    >>> words.fit_on_texts(["the cat", "the dog"])
    >>> words.texts_to_sequences(["the bird"]), words.word_index
    ([[2, 1]], {'?': 1, 'the': 2, 'cat': 3, 'dog': 4})

    Source: `tf.keras.preprocessing.text.Tokenizer`.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Iterable[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warn_user("Tokenizer: `nb_words` has been renamed `num_words`.")
            num_words = kwargs.pop("nb_words")
        self.document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.num_words, self.filters, self.lower = num_words, filters, lower
        self.split, self.char_level, self.oov_token = split, char_level, oov_token
        self.analyzer = analyzer
        self.word_counts: dict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> Any:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return text
            lowered = [each.lower() for each in text]
            return lowered if isinstance(text, list) else text.lower()
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts words, and numbers them anew.

        Args:
          texts: Strings, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        # Words that are as frequent stay in the order in which they came.
        counts = sorted(self.word_counts.items(), key=lambda item: -item[1])
        found = [] if self.oov_token is None else [self.oov_token]
        found += [word for word, _ in counts]
        self.word_index = {word: i for i, word in enumerate(found, 1)}
        self.index_word = {i: word for word, i in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Any) -> None:
        """Counts in how many sequences numbers are, for `sequences_to_matrix`."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Returns the numbers of the words of each text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """Yields what `texts_to_sequences` returns."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token else None
        for text in texts:
            numbers = [self.word_index.get(word) for word in self._words(text)]
            kept = [number if self._is_kept(number) else unknown for number in numbers]
            yield [number for number in kept if number is not None]

    def _is_kept(self, number: int | None) -> bool:
        return number is not None and not (self.num_words and number >= self.num_words)

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Returns the words of numbers, with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(
        self, sequences: Iterable[Iterable[int]]
    ) -> Iterator[str]:
        """Yields what `sequences_to_texts` returns."""
        for sequence in sequences:
            found = [
                self.index_word.get(number) if self._is_kept(number) else self.oov_token
                for number in sequence
            ]
            words = [self.oov_token if word is None else word for word in found]
            yield " ".join(word for word in words if word is not None)

    def texts_to_matrix(
        self, texts: Iterable[Any], mode: str = "binary"
    ) -> NDArray[Any]:
        """Returns a row for each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> NDArray[Any]:
        """Returns a row for each sequence and a column for each word.

        Args:
          sequences: Lists of numbers of words.
          mode: `"binary"` for whether a word is there, `"count"`, `"freq"` or `"tfidf"`.

        Raises:
          ValueError: Another mode, or the number of words is not known.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Unknown vectorization mode: {mode}")
        if not self.num_words and not self.word_index:
            raise ValueError(
                "Specify a dimension (`num_words` argument), or fit on some text data "
                "first."
            )
        columns = self.num_words or len(self.word_index) + 1
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in enumerate(sequences):
            counts: dict[int, int] = defaultdict(int)
            for number in sequence:
                if number < columns:
                    counts[number] += 1
            for number, count in counts.items():
                matrix[row, number] = self._entry(number, count, len(sequence), mode)
        return matrix

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            documents = 1 + self.index_docs.get(number, 0)
            rare = float(np.log(1 + self.document_count / documents))
            return (1 + float(np.log(count))) * rare
        return {"count": count, "freq": count / length, "binary": 1.0}[mode]

    def get_config(self) -> dict[str, Any]:
        """Returns its options and counts, those as JSON."""
        tables = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        options = (
            "num_words",
            "filters",
            "lower",
            "split",
            "char_level",
            "oov_token",
            "document_count",
        )
        config = {name: getattr(self, name) for name in options}
        return config | {name: json.dumps(getattr(self, name)) for name in tables}

    def to_json(self, **kwargs: Any) -> str:
        """Returns the config as JSON, for `tokenizer_from_json`."""
        config = {"class_name": type(self).__name__, "config": self.get_config()}
        return json.dumps(config, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Makes a tokenizer of what `to_json` returned.

    Source: `tf.keras.preprocessing.text.tokenizer_from_json`.
    """
    config = json.loads(json_string)["config"]
    names = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
    tables = {name: json.loads(config.pop(name)) for name in names}
    made = Tokenizer(**config)
    made.word_counts = OrderedDict(tables["word_counts"])
    made.word_docs = defaultdict(int, tables["word_docs"])
    counts = {int(key): value for key, value in tables["index_docs"].items()}
    made.index_docs = defaultdict(int, counts)
    made.word_index = tables["word_index"]
    made.index_word = {int(key): word for key, word in tables["index_word"].items()}
    return made
