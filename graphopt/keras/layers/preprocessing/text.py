"""TextVectorization and Hashing: texts and words as numbers."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import as_dtype, int64, string
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.options import OptionLayer, require
from graphopt.keras.layers.preprocessing.base import PreprocessingLayer, as_tensor
from graphopt.keras.layers.preprocessing.encoding import (
    encode,
    infer_encoded_shape,
    read_mode,
)
from graphopt.keras.layers.preprocessing.lookups import StringLookup
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast, equal, where
from graphopt.ops.padding import pad
from graphopt.ops.shaping import squeeze
from graphopt.ops.strings import (
    as_string,
    lower,
    regex_replace,
    to_hash_bucket_fast,
    to_hash_bucket_strong,
)
from graphopt.strings.parts import ngrams as join_ngrams
from graphopt.strings.parts import split as split_words
from graphopt.strings.parts import unicode_split

# What "strip_punctuation" takes out.
PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""


class TextVectorization(PreprocessingLayer):
    """Texts as numbers of words, or an encoding of them.

    A text is standardized and split, n words at a time are joined, and words become
    numbers, as in `StringLookup`: 0 for padding, 1 for unknown words.

    Args:
      max_tokens: How many numbers there are at most, with those two; None for any.
      standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a
        function of tensors of strings.
      split: "whitespace", "character", None, or a function that returns a ragged tensor.
      ngrams: How many words are joined at most, or a tuple of how many; None for single
        words.
      output_mode: "int", "multi_hot", "count" or "tf_idf"; None for the words.
      output_sequence_length: For "int", the length that outputs are cut or padded to.
      pad_to_max_tokens: Whether encodings have `max_tokens` places in any case.
      vocabulary: The known words, or the name of a file with one in each line; by default
        `adapt` learns them.
      idf_weights: For "tf_idf", what each word counts.
      sparse: Must be False.
      ragged: Whether outputs of "int" are ragged.
      encoding: Accepted for compatibility: texts are UTF-8.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["the cat sat", "the dog"])
    >>> layer(["The dog!", "A cat"]).numpy().tolist()
    [[2, 4, 0, 0], [1, 5, 0, 0]]

    Source: `tf.keras.layers.TextVectorization`.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: Any = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **kwargs: Any,
    ) -> None:
        kwargs.pop("vocabulary_size", None)
        is_given = kwargs.pop("has_input_vocabulary", True)
        if kwargs.get("dtype") not in (None, "string", string):
            raise fail(
                ValueError,
                "`TextVectorization` may only have a dtype of string",
                got=repr(kwargs["dtype"]),
                site=str(user_site()),
            )
        kwargs["dtype"] = "string"
        modes = ("int", "count", "multi_hot", "tf_idf")
        mode = None if output_mode is None else read_mode(output_mode, modes)
        super().__init__(autocast=False, **kwargs)
        known = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
        for name, value, names in (
            ("standardize", standardize, known),
            ("split", split, ("whitespace", "character")),
        ):
            is_right = value is None or callable(value) or value in names
            expected = "a function, None or one of " + ", ".join(map(repr, names))
            require(value, is_right, name, expected)
        is_right = ngrams is None or isinstance(ngrams, (int, tuple, list))
        require(ngrams, is_right, "ngrams", "None, an integer, or a tuple of integers")
        if output_sequence_length is not None and (mode != "int" or ragged):
            raise fail(
                ValueError,
                "`output_sequence_length` must not be set if `output_mode` is not 'int', or "
                "if ragged is True",
                got=f"output_sequence_length={output_sequence_length}, "
                f"output_mode={mode!r}, ragged={ragged}",
                site=str(user_site()),
            )
        if ragged and mode != "int":
            raise ValueError(
                f"`ragged` must not be true unless `output_mode` is 'int'; got {mode!r}."
            )
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self.output_mode, self.ragged = mode, ragged
        self.output_sequence_length = output_sequence_length
        self.encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=mode or "int",
            sparse=sparse,
            has_input_vocabulary=is_given,
        )

    # ---- the vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the words in the order of their numbers."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the words, in the order of their numbers; as in `StringLookup`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._lookup_layer.reset_state()

    def update_state(self, data: Any) -> None:
        """Counts the words of texts."""
        self._lookup_layer.update_state(self._words(data))

    def finalize_state(self) -> None:
        """Makes the vocabulary of the words, the most frequent ones first."""
        self._lookup_layer.finalize_state()

    def _adapt_build(self, batch: Any) -> None:
        self.built = True

    # ---- calls

    def _words(self, inputs: Any) -> Any:
        inputs = as_tensor(inputs)
        if self.standardize in ("lower", "lower_and_strip_punctuation"):
            inputs = lower(inputs)
        if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            inputs = regex_replace(inputs, PUNCTUATION, "")
        if callable(self.standardize):
            inputs = self.standardize(inputs)
        if self.split is not None:
            inputs = self._split(inputs)
        if self.ngrams is not None:
            widths = self.ngrams
            if isinstance(widths, int):
                widths = tuple(range(1, widths + 1))
            inputs = join_ngrams(inputs, ngram_width=widths, separator=" ")
        return inputs

    def _split(self, inputs: Any) -> Any:
        if inputs.shape.rank > 1:
            if inputs.shape[-1] != 1:
                raise fail(
                    ValueError,
                    "When using `TextVectorization` to tokenize strings, the input rank "
                    "must be 1 or the last shape dimension must be 1",
                    got=f"shape {inputs.shape}",
                    site=str(user_site()),
                    remedy="split=None, for texts that are split already",
                )
            inputs = squeeze(inputs, [-1])
        if self.split == "whitespace":
            return split_words(inputs)
        if self.split == "character":
            return unicode_split(inputs, "UTF-8")
        return self.split(inputs)

    def call(self, inputs: Any) -> Any:
        """Returns numbers, an encoding of them, or words."""
        words = self._words(inputs)
        if self.output_mode is None:
            return words
        found = self._lookup_layer(words)
        if self.output_mode != "int" or self.ragged:
            return found
        length = self.output_sequence_length
        if hasattr(found, "flat_values"):
            shape = list(found.shape)
            shape[-1] = length
            return found.to_tensor(default_value=0, shape=shape)
        if length is None:
            return found
        return _cut_or_pad(found[..., :length], length)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        if self.output_mode == "int":
            return TensorShape([shape[0], self.output_sequence_length])
        if self.split is None:
            return TensorShape(self._lookup_layer.compute_output_shape(shape))
        depth = self._lookup_layer.compute_output_shape([shape[0], 2])[-1]
        return TensorShape([shape[0], depth])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, what was learned included."""
        lookup = self._lookup_layer.get_config()
        shared = (
            "max_tokens",
            "pad_to_max_tokens",
            "vocabulary",
            "idf_weights",
            "sparse",
            "has_input_vocabulary",
        )
        own = (
            "standardize",
            "split",
            "ngrams",
            "output_mode",
            "output_sequence_length",
        )
        return {
            **self.config_of((*own, "ragged", "encoding")),
            **{name: lookup[name] for name in shared},
        }


def _cut_or_pad(numbers: Any, length: int) -> Any:
    """Rows of a length, with zeros at the end."""
    have = numbers.shape[-1]
    if have is None:
        raise NotImplementedError(
            "TextVectorization(split=None, output_sequence_length=...) of rows of an "
            f"unknown length; got shape {numbers.shape}."
        )
    if have == length:
        return numbers
    pads = [[0, 0]] * (numbers.shape.rank - 1) + [[0, length - have]]
    return pad(numbers, pads)


class Hashing(OptionLayer):
    """Words or integers as numbers of bins, by a hash.

    Args:
      num_bins: How many bins there are.
      mask_value: What has bin 0 for itself; None for nothing.
      salt: An integer, or two, for another hash.
      output_mode: "int", "one_hot", "multi_hot" or "count".
      sparse: Must be False.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Hashing`.
    """

    config_names = ("num_bins", "mask_value", "salt", "output_mode", "sparse")

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                f"The `num_bins` for `Hashing` cannot be `None` or non-positive values; "
                f"got num_bins={num_bins}."
            )
        mode = read_mode(output_mode, ("int", "one_hot", "multi_hot", "count"))
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if mode == "int" else None
        super().__init__(autocast=False, **kwargs)
        if sparse:
            raise NotImplementedError("Hashing(sparse=True).")
        self.num_bins, self.mask_value, self.sparse = num_bins, mask_value, sparse
        self.output_mode = mode
        pair = [salt, salt] if isinstance(salt, int) else salt
        self.salt = None if pair is None else list(pair)

    def call(self, inputs: Any) -> Any:
        """Returns the numbers of bins, or an encoding of them."""
        inputs = as_tensor(inputs)
        words = inputs if inputs.dtype is string else as_string(cast(inputs, int64))
        count = self.num_bins - int(self.mask_value is not None and self.num_bins > 1)
        if self.salt is None:
            bins = to_hash_bucket_fast(words, count)
        else:
            bins = to_hash_bucket_strong(words, count, self.salt)
        if self.mask_value is not None:
            bins = where(equal(inputs, self.mask_value), zeros_like(bins), bins + 1)
        if self.output_mode == "int":
            return cast(bins, as_dtype(self.compute_dtype))
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return infer_encoded_shape(input_shape, self.output_mode, self.num_bins)
