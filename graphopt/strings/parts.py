"""Functions of `tf.strings` that cut strings into rows of parts, and join such rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import fail
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.strings import string_array
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.sequences import range as sequence
from graphopt.ops.sequences import size
from graphopt.ops.shaping import reshape, stack
from graphopt.ops.string_parts import (
    BYTES_SPLIT,
    CHARACTERS,
    DECODE,
    ENCODE,
    FORMAT,
    NGRAMS,
    SPARSE_SPLIT,
    SPLIT,
    TRANSCODE,
    check_errors,
    find_encoding,
)
from graphopt.ops.strings import as_strings
from graphopt.ragged import RaggedTensor
from graphopt.sparse.tensor import SparseTensor


def _as_rows(
    input: Any, of_vector: Callable[[Any], Any], name: str | None = None
) -> Any:
    """Applies an op on vectors to strings of any shape.

    Args:
      input: Strings of any rank, or a `RaggedTensor`.
      of_vector: Returns the `RaggedTensor` of a vector of strings.
      name: Unused, as in TensorFlow for what is no single op.

    Returns:
      A vector for a single string, else a `RaggedTensor` with one dimension more.
    """
    if isinstance(input, RaggedTensor):
        return input.with_values(_as_rows(input.values, of_vector))
    x = as_strings(input)
    rank = x.shape.rank
    if rank is None:
        raise fail(
            ValueError,
            "Strings are cut into rows of parts only where their rank is known",
            got="a tensor of unknown rank",
            expected="a tensor of known rank",
            op=getattr(x, "op", None),
            site=str(user_site()),
            remedy="set_shape, or tf.reshape",
        )
    if rank == 0:
        return of_vector(reshape(x, [1])).values
    if rank == 1:
        return of_vector(x)
    found = of_vector(reshape(x, [-1]))
    sizes = shape_of(x, out_type=dtypes.int64)
    count: Any = sizes[0]
    counts = [count]
    for axis in range(1, rank):
        count = count * sizes[axis]
        counts.append(count)
    for axis in range(rank - 1, 0, -1):
        step = sizes[axis]
        ends = sequence(counts[axis - 1] + 1, dtype=dtypes.int64) * step
        found = RaggedTensor(found, ends)
    return found


def _parts(spec: OpSpec, **attrs: Any) -> Callable[[Any], Any]:
    return lambda x: RaggedTensor(*call_all(spec, x, **attrs))


def split(
    input: Any, sep: str | None = None, maxsplit: int = -1, name: str | None = None
) -> Any:
    """Cuts strings at a separator, as Python's `str.split`.

    Args:
      input: Strings.
      sep: The separator; white space of any length by default.
      maxsplit: How often to cut at most; -1 for no limit.
      name: Name of the op.

    Returns:
      The parts of a single string as a vector, else a `RaggedTensor`.

    >>> import graphopt as tf
    >>> tf.strings.split(["hello world", "a b c"]).to_list()
    [[b'hello', b'world'], [b'a', b'b', b'c']]
    >>> tf.strings.split("a,b,,c", ",").numpy()
    array([b'a', b'b', b'', b'c'], dtype=object)

    Source: `tf.strings.split`.
    """
    options = {"sep": (sep or "").encode(), "maxsplit": maxsplit}
    return _as_rows(input, _parts(SPLIT, **options), name)


def bytes_split(input: Any, name: str | None = None) -> Any:
    """Cuts strings into their bytes.

    Returns:
      The bytes of a single string as a vector, else a `RaggedTensor`.

    >>> import graphopt as tf
    >>> tf.strings.bytes_split("hey").numpy()
    array([b'h', b'e', b'y'], dtype=object)

    Source: `tf.strings.bytes_split`.
    """
    return _as_rows(input, _parts(BYTES_SPLIT), name)


def sparse_split(
    input: Any,
    sep: str,
    maxsplit: int = -1,
    every_byte: bool = False,
    skip_empty: bool = True,
    name: str | None = None,
) -> SparseTensor:
    """Cuts strings; the parts are the elements of a sparse matrix.

    Args:
      input: A vector of strings.
      sep: The separator.
      maxsplit: How often to cut at most.
      every_byte: Whether each byte of `sep` separates.
      skip_empty: Whether empty parts are left out, where each byte separates.
      name: Name of the op.

    Source: `tf.compat.v1.string_split`, `tf.compat.v1.strings.split`.
    """
    options = {"maxsplit": maxsplit, "every_byte": every_byte, "skip_empty": skip_empty}
    x = as_strings(input)
    return SparseTensor(
        *call_all(SPARSE_SPLIT, x, name=name, sep=sep.encode(), **options)
    )


def _characters(
    spec: OpSpec,
    input: Any,
    encoding: str,
    errors: str,
    replacement: int,
    controls: Any,
) -> tuple[Any, Any]:
    check_errors(errors)
    how: dict[str, Any] = {
        "encoding": find_encoding(encoding),
        "errors": errors,
        "replacement": replacement,
        "controls": bool(controls),
    }
    starts = []

    def of_vector(x: Any) -> RaggedTensor:
        values, offsets, ends = call_all(spec, x, **how)
        starts.append(offsets)
        return RaggedTensor(values, ends)

    found = _as_rows(input, of_vector)
    offsets = starts[0]
    if not isinstance(found, RaggedTensor):
        return found, offsets
    return found, found.with_flat_values(offsets)


def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the code points of strings, int32.

    Args:
      input: Strings.
      input_encoding: `UTF-8`, `UTF-16-BE`, `UTF-32-BE`, `US-ASCII` or `ISO-8859-1`.
      errors: What happens with bytes that are no text: `strict` (an error), `replace`
        or `ignore`.
      replacement_char: The code point that replaces them.
      replace_control_characters: Whether it replaces control characters too.
      name: Name of the op.

    Raises:
      ValueError: The encoding is unknown.
      InvalidArgumentError: With `strict`, when the op runs.

    >>> import graphopt as tf
    >>> tf.strings.unicode_decode(["G\\xf6\\xf6dnight"], "UTF-8").to_list()
    [[71, 246, 246, 100, 110, 105, 103, 104, 116]]

    Source: `tf.strings.unicode_decode`.
    """
    how = (input_encoding, errors, replacement_char, replace_control_characters)
    return _characters(DECODE, input, *how)[0]


def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the code points of strings, and at which byte each one begins.

    Source: `tf.strings.unicode_decode_with_offsets`.
    """
    how = (input_encoding, errors, replacement_char, replace_control_characters)
    return _characters(DECODE, input, *how)


def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Cuts strings into their characters, each of them a string.

    Source: `tf.strings.unicode_split`.
    """
    how = (input_encoding, errors, replacement_char, False)
    return _characters(CHARACTERS, input, *how)[0]


def unicode_split_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Cuts strings into their characters, and says at which byte each one begins.

    Source: `tf.strings.unicode_split_with_offsets`.
    """
    how = (input_encoding, errors, replacement_char, False)
    return _characters(CHARACTERS, input, *how)


def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Tensor:
    """Makes strings of code points.

    Args:
      input: A vector of integers, a matrix or a `RaggedTensor`: a string for each row.
      output_encoding: `UTF-8`, `UTF-16-BE` or `UTF-32-BE`.
      errors: As in `unicode_decode`.
      replacement_char: As in `unicode_decode`.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.strings.unicode_encode([72, 101, 121], "UTF-8").numpy()
    b'Hey'

    Source: `tf.strings.unicode_encode`.
    """
    check_errors(errors)
    how = {
        "encoding": find_encoding(output_encoding),
        "errors": errors,
        "replacement": replacement_char,
    }
    if isinstance(input, RaggedTensor):
        if isinstance(input.values, RaggedTensor):
            inner = unicode_encode(
                input.values, output_encoding, errors, replacement_char
            )
            rows: Any = input.with_values(inner)
            return rows
        return call(ENCODE, input.values, input.row_splits, name=name, **how)
    x = hooks.convert(input)
    if x.shape.rank == 1:
        ends = stack([np.int64(0), size(x, dtypes.int64)])
        return reshape(call(ENCODE, x, ends, name=name, **how), [])
    rows = RaggedTensor.from_tensor(x)
    return unicode_encode(rows, output_encoding, errors, replacement_char, name)


def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    """Writes strings in another encoding; arguments as in `unicode_decode`.

    Source: `tf.strings.unicode_transcode`.
    """
    check_errors(errors)
    return call(
        TRANSCODE,
        as_strings(input),
        name=name,
        target=find_encoding(output_encoding),
        encoding=find_encoding(input_encoding),
        errors=errors,
        replacement=replacement_char,
        controls=bool(replace_control_characters),
    )


def ngrams(
    data: Any,
    ngram_width: int | Sequence[int],
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """Returns sequences of neighboring strings, joined.

    Args:
      data: A `RaggedTensor` of strings, or a tensor, of which the last dimension is a
        row.
      ngram_width: How many strings, or several such numbers.
      separator: What stands between them.
      pad_values: What stands before and behind a row: a string, or a pair of them.
      padding_width: How often; as often as `ngram_width` has a use for by default.
      preserve_short_sequences: Whether a row that is shorter becomes one sequence.
      name: Name of the op.

    Returns:
      A vector for a vector, else a `RaggedTensor`.

    >>> import graphopt as tf
    >>> tf.strings.ngrams(["a", "b", "c"], 2).numpy()
    array([b'a b', b'b c'], dtype=object)

    Source: `tf.strings.ngrams`.
    """
    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    pads = pad_values
    if isinstance(pads, (str, bytes)):
        pads = (pads, pads)
    encoded = None if pads is None else string_array(list(pads))
    options = {
        "widths": tuple(int(width) for width in widths),
        "separator": separator.encode(),
        "pads": None if encoded is None else tuple(encoded),
        "padding": padding_width,
        "short": preserve_short_sequences,
    }
    if isinstance(data, RaggedTensor):
        if isinstance(data.values, RaggedTensor):
            inner = (separator, pad_values, padding_width, preserve_short_sequences)
            return data.with_values(ngrams(data.values, ngram_width, *inner))
        return RaggedTensor(
            *call_all(NGRAMS, data.values, data.row_splits, name=name, **options)
        )
    x = as_strings(data)
    if x.shape.rank == 1:
        ends = stack([np.int64(0), size(x, dtypes.int64)])
        return call(NGRAMS, x, ends, name=name, **options)[0]
    rows = RaggedTensor.from_tensor(x)
    inner = (separator, pad_values, padding_width, preserve_short_sequences)
    return ngrams(rows, ngram_width, *inner, name=name)


def format(
    template: str,
    inputs: Any,
    placeholder: str = "{}",
    summarize: int = 3,
    name: str | None = None,
) -> Tensor:
    """Writes tensors into a text.

    Args:
      template: The text, with a placeholder for each tensor.
      inputs: A tensor or a list of them.
      placeholder: What stands for a tensor.
      summarize: How many elements from each end of a dimension; -1 for all.
      name: Name of the op.

    Raises:
      ValueError: There are more or fewer placeholders than tensors.

    >>> import graphopt as tf
    >>> tf.strings.format("x is {}, y {}", (tf.constant([1, 2]), 3.5)).numpy()
    b'x is [1 2], y 3.5'

    Source: `tf.strings.format`.
    """
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    parts = tuple(template.split(placeholder))
    if len(parts) != len(tensors) + 1:
        raise fail(
            ValueError,
            f"The template expects {len(parts) - 1} tensors, but the inputs only has "
            f"{len(tensors)}",
            got=f"{template!r:.60}",
            expected="a placeholder for each tensor",
            site=str(user_site()),
            remedy="another placeholder, or as many tensors",
        )
    return call(FORMAT, *tensors, name=name, parts=parts, summarize=summarize)
