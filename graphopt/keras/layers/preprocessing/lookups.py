"""StringLookup, IntegerLookup and hashes: words and integers as numbers of categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype, int64, string
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.layers.preprocessing.base import PreprocessingLayer, as_tensor
from graphopt.keras.layers.preprocessing.encoding import (
    encode,
    infer_encoded_shape,
    read_mode,
)
from graphopt.lookup import KeyValueTensorInitializer, StaticHashTable
from graphopt.ops.assertions import Assert
from graphopt.ops.elementwise import (
    cast,
    equal,
    floormod,
    logical_and,
    not_equal,
    where,
)
from graphopt.ops.reduction import reduce_all
from graphopt.ops.strings import to_hash_bucket_fast
from graphopt.runtime.collections import control_dependencies

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


def plain_token(token: Any) -> Any:
    """Returns a word as text, an integer as an int."""
    if isinstance(token, bytes):
        return token.decode("utf-8", errors="surrogateescape")
    return token.item() if isinstance(token, np.generic) else token


def documents_of(data: Any) -> list[list[Any]]:
    """Returns lists of tokens, one for each document, of a tensor or ragged tensor."""
    if hasattr(data, "to_list"):
        rows = data.to_list()
    else:
        array = np.asarray(data.numpy())
        if array.ndim < 2:
            array = array.reshape(1, -1)
        rows = array.reshape(array.shape[0], -1).tolist()
    return [[plain_token(token) for token in _flat(row)] for row in rows]


def _flat(row: Any) -> Iterable[Any]:
    for item in row:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item


class _IndexLookup(PreprocessingLayer):
    """A table from tokens to numbers, or back: masked, unknown, then known tokens."""

    config_names: tuple[str, ...] = (
        "max_tokens",
        "num_oov_indices",
        "mask_token",
        "oov_token",
        "invert",
        "output_mode",
        "sparse",
        "pad_to_max_tokens",
    )
    mask_token: Any
    oov_token: Any
    _is_given: bool

    def set_lookup(
        self,
        token_dtype: Any,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        pad_to_max_tokens: bool,
    ) -> None:
        """Reads the arguments that lookups share, and makes the table."""
        for is_wrong, text, got in (
            (
                max_tokens is not None and max_tokens <= 1,
                "If set, `max_tokens` must be greater than 1",
                f"max_tokens={max_tokens}",
            ),
            (
                pad_to_max_tokens and max_tokens is None,
                "If pad_to_max_tokens is True, must set `max_tokens`",
                f"max_tokens={max_tokens}",
            ),
            (
                num_oov_indices < 0,
                "`num_oov_indices` must be greater than or equal to 0",
                f"num_oov_indices={num_oov_indices}",
            ),
            (
                invert and self.output_mode != "int",
                "`output_mode` must be `'int'` when `invert` is true",
                f"output_mode={self.output_mode!r}",
            ),
            (
                idf_weights is not None and self.output_mode != "tf_idf",
                "`idf_weights` should only be set if `output_mode` is `'tf_idf'`",
                f"output_mode={self.output_mode!r}",
            ),
        ):
            if is_wrong:
                raise fail(ValueError, text, got=got, site=str(user_site()))
        self.token_dtype = as_dtype(token_dtype)
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.pad_to_max_tokens = invert, pad_to_max_tokens
        # What another layer learned may be learned anew.
        self.input_vocabulary = vocabulary if self._is_given else None
        self.input_idf_weights = idf_weights
        self._state = _Learned()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    output_mode: str

    # ---- the vocabulary

    @property
    def _first_unknown(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_token(self) -> int:
        return self._first_unknown + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are, those of masked and unknown included."""
        return len(self._state.tokens) + self._first_token

    vocab_size = vocabulary_size

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the tokens in the order of their numbers.

        Args:
          include_special_tokens: Whether those for masked and unknown are among them.
        """
        special = [self.oov_token] * self.num_oov_indices
        if self._first_unknown:
            special = [self.mask_token, *special]
        return [*(special if include_special_tokens else []), *self._state.tokens]

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the tokens, in the order of their numbers.

        Args:
          vocabulary: A list or array; with those for masked and unknown in front, or
            without; or the name of a file with one in each line.
          idf_weights: For "tf_idf", what each counts.

        Raises:
          ValueError: It is empty, has a token twice, or more than `max_tokens`.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise fail(
                ValueError,
                "`idf_weights` must be set if and only if `output_mode` is `'tf_idf'`",
                got=f"output_mode={self.output_mode!r} and idf_weights={idf_weights}",
                site=str(user_site()),
            )
        tokens = self._read_tokens(vocabulary)
        given = len(tokens)
        special = self.get_vocabulary()[: self._first_token]
        has_special = bool(special) and tokens[: len(special)] == special
        if has_special:
            tokens = tokens[len(special) :]
        self._check_tokens(tokens, special)
        self._state.tokens = tokens
        self._state.table = None
        if idf_weights is not None:
            weights = np.asarray(hooks.convert(idf_weights).numpy(), np.float64)
            if weights.ndim != 1 or len(weights) != given:
                raise fail(
                    ValueError,
                    "`idf_weights` must be the same length as vocabulary",
                    got=f"{weights.shape} for {given} tokens",
                    site=str(user_site()),
                )
            if not has_special:
                front = np.full(self._first_token, weights.mean())
                weights = np.concatenate([front, weights])
            self._state.idf = self._padded(weights)

    def _read_tokens(self, vocabulary: Any) -> list[Any]:
        if isinstance(vocabulary, (str, Path)):
            path = Path(vocabulary)
            if not path.exists():
                raise fail(
                    ValueError,
                    f"Vocabulary file {vocabulary} does not exist",
                    got=str(vocabulary),
                    site=str(user_site()),
                )
            lines = path.read_text(encoding="utf-8").split("\n")
            lines = lines[:-1] if lines and not lines[-1] else lines
            return [int(x) for x in lines] if self.token_dtype.is_integer else lines
        if hasattr(vocabulary, "numpy"):
            vocabulary = vocabulary.numpy()
        return [plain_token(token) for token in np.asarray(vocabulary).tolist()]

    def _check_tokens(self, tokens: list[Any], special: list[Any]) -> None:
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        text = got = ""
        if not tokens:
            text, got = "Cannot set an empty vocabulary", "no tokens"
        elif repeated:
            text = "The passed vocabulary has at least one repeated term"
            got = ", ".join(map(repr, repeated[:5]))
        elif self.mask_token is not None and self.mask_token in tokens:
            text = "Found reserved mask token at unexpected location in `vocabulary`"
            got = f"{self.mask_token!r} at {tokens.index(self.mask_token)}"
        elif self.invert and self.oov_token in tokens:
            text = "Found reserved OOV token at unexpected location in `vocabulary`"
            got = f"{self.oov_token!r} at {tokens.index(self.oov_token)}"
        elif self.max_tokens is not None and (
            len(tokens) + self._first_token > self.max_tokens
        ):
            text = "Attempted to set a vocabulary larger than the maximum vocab size"
            got = f"{len(tokens) + self._first_token}, at most {self.max_tokens}"
        if text:
            raise fail(
                ValueError,
                text,
                got=got,
                expected=f"different tokens, {special} before them or not at all",
                site=str(user_site()),
            )

    def _padded(self, weights: NDArray[Any]) -> NDArray[Any]:
        if self.pad_to_max_tokens and self.max_tokens is not None:
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        return weights

    # ---- learning

    def reset_state(self) -> None:
        """Forgets what was counted."""
        if self.input_vocabulary is not None:
            raise fail(
                ValueError,
                f"Cannot adapt {type(self).__name__} layer after setting a static "
                "vocabulary via init argument or `set_vocabulary`",
                got=f"{self.vocabulary_size()} tokens",
                site=str(user_site()),
            )
        self._state.counts, self._state.documents = Counter(), Counter()
        self._state.number = 0

    def update_state(self, data: Any) -> None:
        """Counts tokens, and documents that have them."""
        rows = documents_of(data)
        for row in rows:
            self._state.counts.update(row)
            self._state.documents.update(set(row))
        self._state.number += len(rows)

    def finalize_state(self) -> None:
        """Makes the vocabulary of the tokens, the most frequent ones first."""
        state = self._state
        known = {
            token: count
            for token, count in state.counts.items()
            if token not in (self.mask_token, self.oov_token)
        }

        def order(token: Any) -> Any:
            name = (
                token.encode("utf-8", "surrogateescape")
                if isinstance(token, str)
                else token
            )
            return known[token], name

        tokens = sorted(known, key=order, reverse=True)
        if self.max_tokens:
            tokens = tokens[: max(self.max_tokens - self._first_token, 0)]
        state.tokens, state.table = tokens, None
        if self.output_mode == "tf_idf":
            having = np.array([state.documents[token] for token in tokens], np.float64)
            weights = np.log(1.0 + state.number / (1.0 + having))
            front = np.full(self._first_token, weights.mean() if len(tokens) else 0.0)
            state.idf = self._padded(np.concatenate([front, weights]))
        state.counts, state.documents = Counter(), Counter()

    def _adapt_build(self, batch: Any) -> None:
        self.built = True

    # ---- calls

    def _find_table(self) -> Any:
        """The table of the vocabulary, made when it is first needed."""
        state = self._state
        graph = building_graph()
        home = None if graph is None else graph.home
        in_graph = home is not None and home is graph
        if in_graph:
            # A graph of version 1 has tables of its own, which its program fills.
            return self._make_table()
        if state.table is None:
            if graph is None:
                state.table = self._make_table()
            else:
                with entered(None):
                    state.table = self._make_table()
        return state.table

    def _make_table(self) -> Any:
        tokens: Any = np.array(self._state.tokens, self.token_dtype.numpy)
        numbers = np.arange(len(tokens), dtype=np.int64) + self._first_token
        if self.token_dtype is string:
            tokens = np.array(
                [t.encode("utf-8", "surrogateescape") for t in self._state.tokens],
                object,
            )
        if self.invert:
            default = self.oov_token
            return StaticHashTable(
                KeyValueTensorInitializer(numbers, tokens, int64, self.token_dtype),
                default,
            )
        return StaticHashTable(
            KeyValueTensorInitializer(tokens, numbers, self.token_dtype, int64), -1
        )

    def call(self, inputs: Any) -> Any:
        """Returns numbers, or an encoding of them; with `invert`, tokens of numbers."""
        inputs = as_tensor(inputs)
        if not self._state.tokens and self.output_mode != "int":
            raise fail(
                RuntimeError,
                f"When using `output_mode={self.output_mode!r}`, you must set the layer's "
                f"vocabulary before calling it: {type(self).__name__} {self.name!r}",
                got="a layer without one",
                site=str(user_site()),
                remedy="layer.adapt(data), or vocabulary=[...]",
            )
        if hasattr(inputs, "flat_values"):
            found = inputs.with_flat_values(self._look_up(inputs.flat_values))
            if self.output_mode == "int":
                return found
            # No category has this number, so that what is filled in counts for none.
            found = found.to_tensor(default_value=self._depth())
        else:
            found = self._look_up(inputs)
        if self.output_mode == "int":
            return found
        return encode(
            found,
            self.output_mode,
            self._depth(),
            self.compute_dtype,
            idf=self._state.idf,
        )

    def _depth(self) -> int:
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        return self.vocabulary_size()

    def _look_up(self, inputs: Any) -> Any:
        if self.invert:
            inputs = cast(inputs, int64)
            found = self._find_table().lookup(inputs)
            if self.mask_token is None:
                return found
            return where(equal(inputs, 0), self.mask_token, found)
        if self.token_dtype.is_integer:
            inputs = cast(inputs, self.token_dtype)
        found = self._find_table().lookup(inputs)
        found = self._number_unknown(inputs, found)
        if self.mask_token is not None:
            # Masked tokens have number 0, and no place in an encoding.
            number = np.int64(
                0 if self.output_mode == "int" else np.iinfo(np.int32).max
            )
            found = where(equal(inputs, self.mask_token), number, found)
        return cast(found, self.compute_dtype) if self.output_mode == "int" else found

    def _number_unknown(self, inputs: Any, found: Any) -> Any:
        count, first = self.num_oov_indices, np.int64(self._first_unknown)
        is_unknown = equal(found, np.int64(-1))
        if count == 1:
            return where(is_unknown, first, found)
        if count > 1:
            if self.token_dtype.is_integer:
                bucket = floormod(cast(inputs, int64), np.int64(count))
            else:
                bucket = to_hash_bucket_fast(inputs, count)
            return where(is_unknown, bucket + first, found)
        if self.mask_token is not None:
            is_unknown = logical_and(is_unknown, not_equal(inputs, self.mask_token))
        text = "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values"
        advice = "consider setting `num_oov_indices=1`"
        if building_graph() is None:
            values = np.asarray(inputs.numpy())[np.asarray(is_unknown.numpy())]
            if values.size:
                shown = ", ".join(repr(plain_token(v)) for v in values.ravel()[:5])
                raise fail(
                    InvalidArgumentError,
                    f"{text} {shown}",
                    got=shown,
                    site=str(user_site()),
                    remedy=advice,
                )
            return found
        check = Assert(
            reduce_all(~is_unknown), [f"{text}; {advice}; inputs are", inputs]
        )
        with control_dependencies([check]):
            return found + np.int64(0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        depth = None if self.output_mode == "int" else self._depth()
        return infer_encoded_shape(input_shape, self.output_mode, depth)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, what was learned included."""
        config = super().get_config()
        tokens, idf = self.input_vocabulary, self._state.idf
        config["has_input_vocabulary"] = tokens is not None
        if not isinstance(tokens, (str, Path)):
            tokens = list(self._state.tokens) or None
            if idf is not None and tokens is not None:
                tokens = self.get_vocabulary()
                idf = idf[: len(tokens)]
        config["vocabulary"] = tokens if tokens is None else _as_plain(tokens)
        config["idf_weights"] = None if idf is None else idf.tolist()
        return config


def _as_plain(tokens: Any) -> Any:
    return str(tokens) if isinstance(tokens, (str, Path)) else list(tokens)


class _Learned:
    """What a lookup has learned; no part of its weights.

    Attributes:
      tokens: The known tokens, in the order of their numbers.
      table: The table of them, None before it is needed.
      idf: What each number counts for "tf_idf".
    """

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.table: Any = None
        self.idf: NDArray[Any] | None = None
        self.counts: Counter[Any] = Counter()
        self.documents: Counter[Any] = Counter()
        self.number = 0


class StringLookup(_IndexLookup):
    """Words as numbers, or an encoding of them; or numbers as words.

    Numbers begin with that of the mask, if there is one, then come those of unknown words,
    then known words.

    Args:
      max_tokens: How many numbers there are at most; None for any.
      num_oov_indices: How many of them unknown words share.
      mask_token: A word that stands for padding, number 0; None for none.
      oov_token: What an unknown number is called with `invert`.
      vocabulary: The known words, or the name of a file with one in each line; by default
        `adapt` learns them.
      idf_weights: For "tf_idf", what each word counts.
      encoding: Accepted for compatibility: words are UTF-8.
      invert: Whether numbers come in and words go out.
      output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
      sparse: Must be False.
      pad_to_max_tokens: Whether encodings have `max_tokens` places in any case.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.StringLookup(vocabulary=["a", "b"])
    >>> layer(tf.constant([["b", "z", "a"]])).numpy().tolist()
    [[2, 0, 1]]

    Source: `tf.keras.layers.StringLookup`.
    """

    config_names = (*_IndexLookup.config_names, "encoding")

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        encoding: str = "utf-8",
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **kwargs: Any,
    ) -> None:
        self.output_mode = _begin(self, kwargs, output_mode, sparse)
        super().__init__(autocast=False, **kwargs)
        self.sparse, self.encoding = sparse, encoding
        self.set_lookup(
            string,
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            pad_to_max_tokens,
        )


class IntegerLookup(_IndexLookup):
    """Integers as numbers from 0 on, or an encoding of them; or the other way round.

    Args:
      max_tokens, num_oov_indices: As in `StringLookup`.
      mask_token: An integer that stands for padding, number 0; None for none.
      oov_token: What an unknown number is called with `invert`.
      vocabulary: The known integers, or the name of a file with one in each line.
      vocabulary_dtype: Their dtype, "int64" or "int32".
      idf_weights, invert, output_mode, sparse, pad_to_max_tokens: As in `StringLookup`.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.IntegerLookup(vocabulary=[12, 36])
    >>> layer(tf.constant([[36, 5, 12]])).numpy().tolist()
    [[2, 0, 1]]

    Source: `tf.keras.layers.IntegerLookup`.
    """

    config_names = (*_IndexLookup.config_names, "vocabulary_dtype")

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **kwargs: Any,
    ) -> None:
        self.output_mode = _begin(self, kwargs, output_mode, sparse)
        super().__init__(autocast=False, **kwargs)
        self.sparse, self.vocabulary_dtype = sparse, as_dtype(vocabulary_dtype).name
        self.set_lookup(
            vocabulary_dtype,
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            pad_to_max_tokens,
        )


def _begin(layer: Any, kwargs: dict[str, Any], output_mode: Any, sparse: bool) -> str:
    """Reads what has to be known before the constructor of `Layer`."""
    mode = read_mode(output_mode, _MODES)
    if sparse:
        raise NotImplementedError(f"{type(layer).__name__}(sparse=True).")
    kwargs.pop("vocabulary_size", None)
    layer._is_given = bool(kwargs.pop("has_input_vocabulary", True))
    if kwargs.get("dtype") is None:
        kwargs["dtype"] = "int64" if mode == "int" else None
    return mode
