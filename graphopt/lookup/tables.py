"""Tables: static ones, those that grow, and vocabularies with buckets for the rest."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype, int64, string
from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.graph import Graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.lookup.initializers import Initializer
from graphopt.ops.elementwise import cast
from graphopt.ops.fingerprints import fingerprint64
from graphopt.ops.strings import as_string
from graphopt.ops.tables import (
    EXPORT,
    FIND,
    INITIALIZE,
    INSERT,
    REMOVE,
    SIZE,
    Entries,
)
from graphopt.ragged import RaggedTensor
from graphopt.runtime.collections import GraphKeys
from graphopt.sparse.tensor import SparseTensor


class Lookup:
    """What all tables have: keys and values of fixed dtypes, and looking up."""

    def __init__(self, entries: Entries, default_value: Any) -> None:
        self._entries = entries
        self.default_value = hooks.convert(default_value, dtype=entries.value_dtype)

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._entries.name

    @property
    def key_dtype(self) -> DType:
        """The dtype of keys."""
        return self._entries.key_dtype

    @property
    def value_dtype(self) -> DType:
        """The dtype of values."""
        return self._entries.value_dtype

    @property
    def resource_handle(self) -> Any:
        """The entries, which Python keeps."""
        return self._entries

    def size(self, name: str | None = None) -> Any:
        """Returns how many entries there are, int64."""
        return call(SIZE, name=name, table=self._entries)

    def export(self, name: str | None = None) -> tuple[Any, Any]:
        """Returns all keys and all values."""
        keys, values = call_all(EXPORT, name=name, table=self._entries)
        return keys, values

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """Returns the values of keys, the default where there is none.

        Args:
          keys: A tensor, sparse tensor or ragged tensor.
          name: Name of the op.

        Raises:
          TypeError: The keys have another dtype.
          FailedPreconditionError: When it runs: the table was not initialized.
        """
        if isinstance(keys, SparseTensor):
            found = self.lookup(keys.values, name)
            return SparseTensor(keys.indices, found, keys.dense_shape)
        if isinstance(keys, RaggedTensor):
            return keys.with_values(self.lookup(keys.values, name))
        tensor = hooks.convert(keys, dtype_hint=self._asked_dtype)
        if tensor.dtype is not self._asked_dtype:
            raise fail(
                TypeError,
                f"Dtype of argument `keys` must be {self._asked_dtype.name}",
                got=tensor.dtype.name,
                expected=self._asked_dtype.name,
                site=str(user_site()),
                remedy="tf.cast",
            )
        return self._find(tensor, name)

    @property
    def _asked_dtype(self) -> DType:
        return self.key_dtype

    def _find(self, keys: Any, name: Any) -> Any:
        return call(
            FIND, keys, self.default_value, name=name, table=self._entries, buckets=None
        )

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)

    def _fill(self, keys: Any, values: Any) -> Any:
        return call(INITIALIZE, keys, values, table=self._entries)


def _note_initializer(initializer: Any) -> None:
    graph = building_graph()
    if isinstance(graph, Graph) and initializer is not None:
        graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, initializer)


class StaticHashTable(Lookup):
    """A table that is filled once.

    Args:
      initializer: Where its entries come from.
      default_value: What keys have that are not in it.
      name: Of the table.
      experimental_is_anonymous: Accepted for compatibility.

    >>> import graphopt as tf
    >>> entries = tf.lookup.KeyValueTensorInitializer(["a", "b"], [7, 8])
    >>> table = tf.lookup.StaticHashTable(entries, default_value=-1)
    >>> table.lookup(["b", "z"]).numpy()
    array([ 8, -1])

    Source: `tf.lookup.StaticHashTable`.
    """

    def __init__(
        self,
        initializer: Initializer,
        default_value: Any,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        types = initializer.key_dtype, initializer.value_dtype
        entries = Entries(name or initializer.name, *types, is_static=True)
        super().__init__(entries, default_value)
        self.initializer = initializer.initialize(self)
        _note_initializer(self.initializer)

    @property
    def init(self) -> Any:
        """The op that fills the table; None in eager mode.

        Source: `tf.contrib.lookup.HashTable.init`.
        """
        return self.initializer


def _choose_bucket(count: int, key: Any, size: int) -> int:
    """The number of a word that is not among the `size` words of a vocabulary."""
    text = key if isinstance(key, bytes) else str(key).encode()
    return size + fingerprint64(text) % count


class StaticVocabularyTable(Lookup):
    """Numbers of words; those that are not in the vocabulary share some more numbers.

    Args:
      initializer: The vocabulary: from strings or integers to int64. None for buckets
        only.
      num_oov_buckets: How many numbers there are for what is not in it. Which one a word
        gets is TensorFlow's choice: its fingerprint, modulo that many.
      lookup_key_dtype: The dtype of keys that are asked for; integers are looked up as
        their digits in a vocabulary of strings.
      name: Of the table.
      experimental_is_anonymous: Accepted for compatibility.

    Raises:
      ValueError: There are no buckets.
      TypeError: The values are no int64.

    >>> import graphopt as tf
    >>> words = tf.constant(["emerson", "lake", "palmer"])
    >>> entries = tf.lookup.KeyValueTensorInitializer(words, [0, 1, 2])
    >>> table = tf.lookup.StaticVocabularyTable(entries, num_oov_buckets=3)
    >>> table.lookup(["lake", "king", "crimson"]).numpy().tolist()
    [1, 4, 3]

    Source: `tf.lookup.StaticVocabularyTable`.
    """

    def __init__(
        self,
        initializer: Initializer | None,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        if num_oov_buckets <= 0:
            raise fail(
                ValueError,
                "`num_oov_buckets` must be > 0",
                got=str(num_oov_buckets),
                expected="at least one",
                site=str(user_site()),
                remedy="tf.lookup.StaticHashTable for a table without buckets",
            )
        key_dtype = string if initializer is None else initializer.key_dtype
        if initializer is not None and initializer.value_dtype is not int64:
            raise fail(
                TypeError,
                "Invalid `value_dtype` of a vocabulary",
                got=initializer.value_dtype.name,
                expected="int64",
                site=str(user_site()),
            )
        entries = Entries(
            name or "vocabulary", key_dtype, int64, initializer is not None
        )
        super().__init__(entries, np.int64(-1))
        wanted = None if lookup_key_dtype is None else as_dtype(lookup_key_dtype)
        self._lookup_dtype = wanted or key_dtype
        self._count = int(num_oov_buckets)
        self._bucket = functools.partial(_choose_bucket, self._count)
        self.initializer = None
        if initializer is not None:
            self.initializer = initializer.initialize(self)
            _note_initializer(self.initializer)

    @property
    def _asked_dtype(self) -> DType:
        return self._lookup_dtype

    def size(self, name: str | None = None) -> Any:
        """Returns how many numbers there are, those of the buckets among them, int64."""
        return super().size(name) + np.int64(self._count)

    def _find(self, keys: Any, name: Any) -> Any:
        if keys.dtype.is_integer and self.key_dtype.is_string:
            keys = as_string(keys)
        elif keys.dtype.is_integer:
            keys = cast(keys, self.key_dtype)
        options = {"table": self._entries, "buckets": self._bucket}
        return call(FIND, keys, self.default_value, name=name, **options)


class MutableHashTable(Lookup):
    """A table that grows.

    Args:
      key_dtype, value_dtype: Of keys and values.
      default_value: What keys have that are not in it; its shape is that of all values.
      name: Of the table.
      checkpoint, experimental_is_anonymous: Accepted for compatibility; checkpoints
        hold no tables.

    >>> import graphopt as tf
    >>> table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    >>> table.insert(["a"], [5])
    >>> table.lookup(["a", "b"]).numpy(), table.size().numpy()
    (array([ 5, -1]), np.int64(1))

    Source: `tf.lookup.experimental.MutableHashTable`.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        types = as_dtype(key_dtype), as_dtype(value_dtype)
        super().__init__(Entries(name, *types, is_static=False), default_value)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Sets the values of keys."""
        key = hooks.convert(keys, dtype=self.key_dtype)
        value = hooks.convert(values, dtype=self.value_dtype)
        return call(INSERT, key, value, name=name, table=self._entries) or None

    def remove(self, keys: Any, name: str | None = None) -> Any:
        """Drops keys; those that are not in the table are passed over."""
        key = hooks.convert(keys, dtype=self.key_dtype)
        return call(REMOVE, key, name=name, table=self._entries) or None

    erase = remove


class DenseHashTable(MutableHashTable):
    """A table that grows, with the arguments that TensorFlow's other one has.

    Args:
      key_dtype, value_dtype, default_value: As in `MutableHashTable`.
      empty_key, deleted_key, initial_num_buckets: Of no meaning here.
      name, checkpoint, experimental_is_anonymous: As in `MutableHashTable`.

    Source: `tf.lookup.experimental.DenseHashTable`.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        super().__init__(key_dtype, value_dtype, default_value, name)
