"""Reading `tf.train.Example`s: which features, and what tensors become of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.dtypes import int32, int64
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.dispatch import call_all
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import as_array
from graphopt.ops.elementwise import cast
from graphopt.ops.example_parsing import (
    PARSE_EXAMPLE,
    PARSE_SEQUENCE,
    Wanted,
    check_dtype,
)
from graphopt.ops.indexing import gather
from graphopt.ops.reduction import reduce_max
from graphopt.ops.sequences import range as sequence
from graphopt.ops.sequences import size
from graphopt.ops.shaping import concat, reshape, squeeze, stack
from graphopt.ops.strings import as_strings
from graphopt.ragged import RaggedTensor
from graphopt.sparse.tensor import SparseTensor


class FixedLenFeature(NamedTuple):
    """A feature that is a tensor of one shape in every message.

    Source: `tf.io.FixedLenFeature`.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """A feature of any number of values: a `SparseTensor`.

    Source: `tf.io.VarLenFeature`.
    """

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """A feature of any number of parts of one shape, filled up to the longest.

    Source: `tf.io.FixedLenSequenceFeature`.
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class RaggedFeature:
    """A feature of any number of values: a `RaggedTensor`.

    Args:
      dtype: Of the values.
      value_key: The name of the feature in the message, if it is another one.
      partitions: Must be empty: further partitions are not in this version.
      row_splits_dtype, validate: Accepted for compatibility.

    Source: `tf.io.RaggedFeature`.
    """

    def __init__(
        self,
        dtype: Any,
        value_key: str | None = None,
        partitions: Sequence[Any] = (),
        row_splits_dtype: Any = int32,
        validate: bool = False,
    ) -> None:
        if partitions:
            raise NotImplementedError(
                "RaggedFeature with partitions; read the features of the partitions, and "
                "make a tf.RaggedTensor of them."
            )
        self.dtype = dtype
        self.value_key = value_key


class SparseFeature(NamedTuple):
    """A `SparseTensor` whose places are one feature and whose values another one.

    Source: `tf.io.SparseFeature`.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


def _wanted(key: str, feature: Any) -> list[Wanted]:
    """Returns what of a message a feature needs.

    Raises:
      TypeError: It is no feature.
    """
    if isinstance(feature, FixedLenFeature):
        dtype = check_dtype(feature.dtype)
        shape = tuple(int(n) for n in np.ravel(np.asarray(feature.shape, np.int64)))
        default = feature.default_value
        if default is not None:
            default = as_array(default, dtype)
        return [Wanted(key, "fixed", dtype, shape, default)]
    if isinstance(feature, FixedLenSequenceFeature):
        dtype = check_dtype(feature.dtype)
        shape = tuple(int(n) for n in np.ravel(np.asarray(feature.shape, np.int64)))
        default = feature.default_value
        default = None if default is None else as_array(default, dtype)
        return [Wanted(key, "padded", dtype, shape, default)]
    if isinstance(feature, VarLenFeature):
        return [Wanted(key, "rows", check_dtype(feature.dtype))]
    if isinstance(feature, RaggedFeature):
        dtype = check_dtype(feature.dtype)
        return [Wanted(feature.value_key or key, "rows", dtype)]
    if isinstance(feature, SparseFeature):
        keys = feature.index_key
        if not isinstance(keys, str):
            if len(keys) != 1:
                raise NotImplementedError(
                    "SparseFeature with several index keys; read them as VarLenFeature."
                )
            (keys,) = keys
        return [
            Wanted(keys, "rows", int64),
            Wanted(feature.value_key, "rows", check_dtype(feature.dtype)),
        ]
    raise fail(
        TypeError,
        f"Unsupported feature {key!r}",
        got=repr(feature)[:80],
        expected="tf.io.FixedLenFeature, VarLenFeature or another one of tf.io",
        site=str(user_site()),
    )


def _as_sparse(values: Any, ends: Any) -> SparseTensor:
    """Makes a matrix whose row i has the values of message i."""
    rows = RaggedTensor(values, ends)
    ids = rows.value_rowids()
    starts = rows.row_starts()
    places = sequence(size(values, int64), dtype=int64) - gather(starts, ids)
    lengths = rows.row_lengths()
    longest = reduce_max(concat([lengths, np.zeros(1, np.int64)], 0))
    shape = stack([size(lengths, int64), longest])
    return SparseTensor(stack([ids, places], 1), values, shape)


def _build(feature: Any, parts: list[Any], size: Any = None) -> Any:
    """Returns the value of a feature of the outputs of the op."""
    if isinstance(feature, VarLenFeature):
        return _as_sparse(*parts)
    if isinstance(feature, RaggedFeature):
        return RaggedTensor(*parts)
    if isinstance(feature, SparseFeature):
        indices, ends, values, _ = parts
        ids = RaggedTensor(indices, ends).value_rowids()
        columns = np.int64(np.ravel(np.asarray(feature.size))[0])
        count = ends.shape[0]
        rows = (
            cast(reduce_max(ids), int64) + 1 if count is None else np.int64(count - 1)
        )
        return SparseTensor(stack([ids, indices], 1), values, stack([rows, columns]))
    return parts[0]


def _parse(serialized: Any, features: Mapping[str, Any], name: Any) -> dict[str, Any]:
    if not features:
        raise fail(
            ValueError,
            "Missing: features was {}.",
            expected="a feature for each tensor that is wanted",
            site=str(user_site()),
        )
    for key, feature in features.items():
        if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
            raise fail(
                ValueError,
                f"Unsupported: FixedLenSequenceFeature requires allow_missing to be True "
                f"(feature {key!r})",
                site=str(user_site()),
                remedy="allow_missing=True",
            )
    wanted = {key: _wanted(key, feature) for key, feature in features.items()}
    flat = tuple(tuple(each) for group in wanted.values() for each in group)
    outputs = list(call_all(PARSE_EXAMPLE, serialized, name=name, wanted=flat))
    found = {}
    for key in features:
        count = sum(2 if each.kind == "rows" else 1 for each in wanted[key])
        found[key] = _build(features[key], outputs[:count])
        del outputs[:count]
    return found


def parse_example(
    serialized: Any,
    features: Mapping[str, Any],
    example_names: Any = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Reads a batch of `tf.train.Example`s.

    Args:
      serialized: A vector of strings.
      features: For each name a `tf.io.FixedLenFeature`, `VarLenFeature`,
        `FixedLenSequenceFeature`, `RaggedFeature` or `SparseFeature`.
      example_names: Accepted for compatibility.
      name: Name of the op.

    Returns:
      A dict from names to tensors, sparse or ragged ones where the feature is one.

    Raises:
      InvalidArgumentError: When it runs: a string is no Example, or lacks a feature that
        has no default, or has another number or type of values.

    >>> import graphopt as tf
    >>> ages = tf.train.Feature(int64_list=tf.train.Int64List(value=[29]))
    >>> example = tf.train.Example(features=tf.train.Features(feature={"age": ages}))
    >>> serialized = [example.SerializeToString()]
    >>> tf.io.parse_example(serialized, {"age": tf.io.FixedLenFeature([], tf.int64)})
    {'age': <tf.Tensor: shape=(1,), dtype=int64, numpy=array([29])>}

    Source: `tf.io.parse_example`.
    """
    x = as_strings(serialized)
    if x.shape.rank == 0:
        return parse_single_example(x, features, name=name)
    return _parse(x, features, name)


def parse_single_example(
    serialized: Any,
    features: Mapping[str, Any],
    example_names: Any = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Reads one `tf.train.Example`; as `parse_example`, without the dimension of a batch.

    Source: `tf.io.parse_single_example`.
    """
    x = as_strings(serialized)
    if x.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            "tf.io.parse_single_example reads one string",
            got=f"strings of shape {x.shape}",
            expected="a single string",
            site=str(user_site()),
            remedy="tf.io.parse_example for a batch",
        )
    batch = _parse(reshape(x, [1]), features, name)
    return {key: _without_batch(value) for key, value in batch.items()}


def _without_batch(value: Any) -> Any:
    if isinstance(value, SparseTensor):
        return SparseTensor(value.indices[:, 1:], value.values, value.dense_shape[1:])
    if isinstance(value, RaggedTensor):
        return value.values
    return squeeze(value, axis=[0])


def parse_single_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads one `tf.train.SequenceExample`.

    Args:
      serialized: A single string.
      context_features: As in `parse_example`: what there is once.
      sequence_features: What there is at each step: `FixedLenSequenceFeature`
        (`[steps, *shape]`), `VarLenFeature` (a matrix) or `RaggedFeature`.
      example_name: Accepted for compatibility.
      name: Name of the op.

    Returns:
      The context's dict and the sequences'.

    Source: `tf.io.parse_single_sequence_example`.
    """
    contexts, sequences = dict(context_features or {}), dict(sequence_features or {})
    if not contexts and not sequences:
        raise fail(
            ValueError,
            "Missing features: context_features and sequence_features are empty",
            site=str(user_site()),
        )
    context = {key: _wanted(key, feature) for key, feature in contexts.items()}
    steps = {}
    for key, feature in sequences.items():
        if isinstance(feature, FixedLenSequenceFeature):
            allowed = 0 if feature.allow_missing else None
            fixed = FixedLenFeature(feature.shape, feature.dtype)
            (one,) = _wanted(key, fixed)
            steps[key] = [one._replace(default=allowed)]
        else:
            steps[key] = _wanted(key, feature)
    outputs = list(
        call_all(
            PARSE_SEQUENCE,
            as_strings(serialized),
            name=name,
            context=tuple(tuple(each) for group in context.values() for each in group),
            steps=tuple(tuple(each) for group in steps.values() for each in group),
        )
    )
    found: list[dict[str, Any]] = []
    for features, groups in ((contexts, context), (sequences, steps)):
        part = {}
        for key, feature in features.items():
            count = sum(2 if each.kind == "rows" else 1 for each in groups[key])
            value = _build(feature, outputs[:count])
            part[key] = _without_batch(value) if features is contexts else value
            del outputs[:count]
        found.append(part)
    return found[0], found[1]
