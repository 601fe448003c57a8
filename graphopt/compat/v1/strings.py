"""`tf.compat.v1.strings`: `tf.strings` with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import Any

from graphopt import dtypes, strings
from graphopt.compat.v1.arguments import one_of
from graphopt.graph.tensor import Tensor
from graphopt.ops import encoded_bytes
from graphopt.strings import as_string as as_string
from graphopt.strings import bytes_split as bytes_split
from graphopt.strings import format as format
from graphopt.strings import join as join
from graphopt.strings import lower as lower
from graphopt.strings import ngrams as ngrams
from graphopt.strings import regex_full_match as regex_full_match
from graphopt.strings import regex_replace as regex_replace
from graphopt.strings import strip as strip
from graphopt.strings import to_hash_bucket_fast as to_hash_bucket_fast
from graphopt.strings import to_hash_bucket_strong as to_hash_bucket_strong
from graphopt.strings import unicode_decode as unicode_decode
from graphopt.strings import (
    unicode_decode_with_offsets as unicode_decode_with_offsets,
)
from graphopt.strings import unicode_encode as unicode_encode
from graphopt.strings import unicode_split as unicode_split
from graphopt.strings import unicode_split_with_offsets as unicode_split_with_offsets
from graphopt.strings import unicode_transcode as unicode_transcode
from graphopt.strings import unsorted_segment_join as unsorted_segment_join
from graphopt.strings import upper as upper
from graphopt.strings.parts import sparse_split


def length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """As `tf.strings.length`.

    Source: `tf.compat.v1.strings.length`.
    """
    return strings.length(input, unit, name)


def substr(
    input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE"
) -> Tensor:
    """As `tf.strings.substr`.

    Source: `tf.compat.v1.strings.substr`.
    """
    return strings.substr(input, pos, len, unit, name)


def to_number(
    string_tensor: Any = None,
    out_type: Any = dtypes.float32,
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """As `tf.strings.to_number`.

    Source: `tf.compat.v1.strings.to_number`.
    """
    value = one_of("input", input, "string_tensor", string_tensor)
    return strings.to_number(value, out_type, name)


def to_hash_bucket(
    string_tensor: Any = None,
    num_buckets: Any = None,
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """As `tf.strings.to_hash_bucket`.

    Source: `tf.compat.v1.strings.to_hash_bucket`.
    """
    value = one_of("input", input, "string_tensor", string_tensor)
    return strings.to_hash_bucket(value, num_buckets, name)


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """As `tf.strings.reduce_join`.

    Source: `tf.compat.v1.strings.reduce_join`.
    """
    axis = one_of("axis", axis, "reduction_indices", reduction_indices)
    keep = one_of("keepdims", keepdims, "keep_dims", keep_dims, False)
    return strings.reduce_join(inputs, axis, keep, separator, name)


def _check_result_type(result_type: str) -> bool:
    """Returns whether a sparse tensor is asked for.

    Raises:
      ValueError: There is no such type.
    """
    if result_type not in ("SparseTensor", "RaggedTensor"):
        raise ValueError(
            f"result_type must be 'RaggedTensor' or 'SparseTensor', got {result_type!r}."
        )
    return result_type == "SparseTensor"


def split(
    input: Any = None,
    sep: str | None = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """Cuts strings at a separator into a sparse matrix, or a `RaggedTensor`.

    Source: `tf.compat.v1.strings.split`.
    """
    value = one_of("input", input, "source", source)
    if not _check_result_type(result_type):
        return strings.split(value, sep, maxsplit, name)
    return sparse_split(value, sep or "", maxsplit, name=name)


def string_split(
    source: Any,
    sep: str | None = None,
    skip_empty: bool = True,
    delimiter: str | None = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """Cuts strings at each byte of a separator into a sparse matrix.

    Args:
      source: A vector of strings.
      sep: Bytes that separate; a space by default, every byte alone where empty.
      skip_empty: Whether empty parts are left out.
      delimiter: The name that `sep` had.
      result_type: `SparseTensor` or `RaggedTensor`.
      name: Name of the op.

    Source: `tf.compat.v1.string_split`.
    """
    sep = one_of("sep", sep, "delimiter", delimiter, " ")
    found = sparse_split(source, sep, every_byte=True, skip_empty=skip_empty, name=name)
    if _check_result_type(result_type):
        return found
    from graphopt.ragged import RaggedTensor

    return RaggedTensor.from_value_rowids(
        found.values, found.indices[:, 0], found.dense_shape[0]
    )


def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """As `tf.io.decode_raw`.

    Source: `tf.compat.v1.decode_raw`.
    """
    value = one_of("input_bytes", input_bytes, "bytes", bytes)
    return encoded_bytes.decode_raw(value, out_type, little_endian, None, name)


def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Any = None,
) -> Any:
    """As `tf.io.decode_csv`.

    Source: `tf.compat.v1.decode_csv`.
    """
    return encoded_bytes.decode_csv(
        records,
        record_defaults,
        field_delim,
        use_quote_delim,
        na_value,
        select_cols,
        name,
    )
