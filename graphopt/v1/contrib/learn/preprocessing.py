"""`tf.contrib.learn.preprocessing`: documents as rows of word numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE)


def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """Yields the words of each text."""
    for text in iterator:
        yield _WORD.findall(text)


class CategoricalVocabulary:
    """Numbers of words, in the order in which they came; 0 for those without.

    Source: `tf.contrib.learn.preprocessing.CategoricalVocabulary`.
    """

    def __init__(
        self, unknown_token: str = "<UNK>", support_reverse: bool = True
    ) -> None:
        self._unknown = unknown_token
        self._mapping = {unknown_token: 0}
        self._reverse = [unknown_token]
        self._counts: dict[str, int] = {}
        self._frozen = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Chooses whether new words stay without a number."""
        self._frozen = freeze

    def get(self, category: str) -> int:
        """Returns the number of a word."""
        if category not in self._mapping:
            if self._frozen:
                return 0
            self._mapping[category] = len(self._mapping)
            self._reverse.append(category)
        return self._mapping[category]

    def add(self, category: str, count: int = 1) -> None:
        """Counts a word."""
        if self.get(category) > 0:
            self._counts[category] = self._counts.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Leaves out words that are rarer, or more frequent; others get new numbers."""
        ordered = sorted(self._counts.items(), key=lambda pair: pair[0])
        ordered.sort(key=lambda pair: pair[1], reverse=True)
        kept = [
            word
            for word, count in ordered
            if count > min_frequency and (max_frequency <= 0 or count < max_frequency)
        ]
        self._reverse = [self._unknown, *kept]
        self._mapping = {word: index for index, word in enumerate(self._reverse)}
        self._counts = {word: self._counts[word] for word in kept}

    def reverse(self, class_id: int) -> str:
        """Returns the word of a number."""
        return self._reverse[class_id]


class VocabularyProcessor:
    """Turns documents into rows of word numbers of one length.

    Args:
      max_document_length: The length; longer documents are cut, 0 fills shorter ones.
      min_frequency: Words that are not more frequent get no number.
      vocabulary: Numbers to begin with.
      tokenizer_fn: From texts to lists of words.

    >>> processor = VocabularyProcessor(4)
    >>> [row.tolist() for row in processor.fit_transform(["a b a", "c b"])]
    [[1, 2, 1, 0], [3, 2, 0, 0]]

    Source: `tf.contrib.learn.preprocessing.VocabularyProcessor`.
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: Callable[[Iterable[str]], Iterator[list[str]]] | None = None,
    ) -> None:
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenize = tokenizer_fn or tokenizer

    def fit(
        self, raw_documents: Iterable[str], unused_y: Any = None
    ) -> VocabularyProcessor:
        """Gives the words of documents numbers."""
        for words in self._tokenize(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def transform(self, raw_documents: Iterable[str]) -> Iterator[NDArray[Any]]:
        """Yields a row, int64, for each document."""
        for words in self._tokenize(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for index, word in enumerate(words[: self.max_document_length]):
                row[index] = self.vocabulary_.get(word)
            yield row

    def fit_transform(
        self, raw_documents: Iterable[str], unused_y: Any = None
    ) -> Iterator[NDArray[Any]]:
        """Gives words numbers, and yields the rows."""
        documents = list(raw_documents)
        self.fit(documents)
        return self.transform(documents)

    def reverse(self, documents: Iterable[Any]) -> Iterator[str]:
        """Yields the texts of rows."""
        for row in documents:
            yield " ".join(self.vocabulary_.reverse(int(index)) for index in row)

    def save(self, filename: Any) -> None:
        """Writes the words into a text file, one a line.

        TensorFlow pickles the processor; a pickle runs what is in it when it is read.
        """
        lines = [str(self.max_document_length), str(self.min_frequency)]
        words = [self.vocabulary_.reverse(i) for i in range(len(self.vocabulary_))]
        Path(filename).write_text("\n".join([*lines, *words]) + "\n", encoding="utf-8")

    @classmethod
    def restore(cls, filename: Any) -> VocabularyProcessor:
        """Reads what `save` wrote."""
        length, frequency, unknown, *words = (
            Path(filename).read_text(encoding="utf-8").splitlines()
        )
        vocabulary = CategoricalVocabulary(unknown)
        for word in words:
            vocabulary.get(word)
        vocabulary.freeze()
        return cls(int(length), int(frequency), vocabulary)
