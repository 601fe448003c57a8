"""Ops on strings, element by element: lengths, parts, case, numbers, patterns.

Strings are values of the host: an op here runs Python between the native parts of a step,
and what numbers it makes go on into kernels. Patterns are those of Python's `re`, which has
all of RE2's syntax that programs use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import string_array, to_array
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import static_ints
from graphopt.ops.elementwise_specs import broadcast_of
from graphopt.ops.fingerprints import fingerprint64, hash64, keyed_hash
from graphopt.ops.reduction import infer_reduction, normalize_axes

Array = NDArray[Any]
REASON = "strings are values of the host"
_UNITS = ("BYTE", "UTF8_CHAR")


def strings(*values: str) -> Array:
    """Returns an array of strings, for samples."""
    array = string_array(list(values))
    assert array is not None
    return array


def map_elements(function: Callable[..., Any], *arrays: Array) -> Array:
    """Calls a function with the elements of arrays, which are broadcast.

    Returns:
      An array of objects.
    """
    return to_array(np.frompyfunc(function, len(arrays), 1)(*arrays))


def register_string_op(
    name: str,
    compute: Callable[..., Any],
    samples: Callable[[], Sequence[Sample]],
    *,
    types: tuple[str, ...] = ("string",),
    result: DType | None = None,
    infer: Callable[..., Any] | None = None,
    outputs: int = 1,
    errors: Callable[[], Sequence[BadInput]] = tuple,
    effect: Effect = Effect.NONE,
    reason: str = REASON,
    untrusted: str = "",
) -> OpSpec:
    """Registers an op that runs on the host.

    Args:
      name: Its type.
      compute: `(*arrays, **attrs) -> array`.
      samples: As in `OpSpec`.
      types: As in `OpSpec`.
      result: The dtype of the result, strings by default.
      infer: The shape rule; by default that of elementwise ops.
      outputs: As in `OpSpec`.
      errors: As in `OpSpec`.
      effect: As in `OpSpec`.
      reason: Why it runs on the host.
      untrusted: As in `OpSpec`.
    """

    def same(*inputs: Any, **_attrs: Any) -> tuple[TensorShape, DType]:
        return broadcast_of(name, inputs), result or dtypes.string

    return register(
        OpSpec(
            name,
            infer or same,
            compute,
            NOT_DIFFERENTIABLE,
            Host(reason),
            samples,
            types=types,
            effect=effect,
            outputs=outputs,
            errors=errors,
            strings=True,
            untrusted=untrusted,
        )
    )


def as_strings(value: Any) -> Any:
    """Converts an argument to a tensor of strings.

    Raises:
      TypeError: It is one of something else.
    """
    return hooks.convert(value, dtype=dtypes.string)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _check_unit(unit: str) -> bool:
    """Returns whether a unit is characters.

    Raises:
      ValueError: There is no such unit.
    """
    if unit not in _UNITS:
        raise fail(
            ValueError,
            "There is no such unit of strings",
            got=repr(unit),
            expected=" or ".join(_UNITS),
            site=str(user_site()),
        )
    return unit == "UTF8_CHAR"


# ---- length, parts, case


def _length(x: Array, *, unit: str) -> Array:
    of = (lambda s: len(_text(s))) if unit == "UTF8_CHAR" else len
    return map_elements(of, x).astype(np.int32)


LENGTH = register_string_op(
    "StringLength",
    _length,
    lambda: [Sample((strings("a", "", "äb"),), {"unit": unit}) for unit in _UNITS],
    result=dtypes.int32,
)


def string_length(input: Any, unit: str = "BYTE", name: str | None = None) -> Tensor:
    """Returns how long each string is, int32, in bytes or characters.

    >>> import graphopt as tf
    >>> tf.strings.length(["a", "ä"]).numpy(), tf.strings.length("ä", "UTF8_CHAR").numpy()
    (array([1, 2], dtype=int32), np.int32(1))

    Source: `tf.strings.length`.
    """
    _check_unit(unit)
    return call(LENGTH, as_strings(input), name=name, unit=unit)


def _substr(x: Array, pos: Array, length: Array, *, unit: str) -> Array:
    def part(value: bytes, start: int, count: int) -> bytes:
        whole: Any = _text(value) if unit == "UTF8_CHAR" else value
        if not -len(whole) <= start <= len(whole):
            raise fail(
                InvalidArgumentError,
                f"pos {start} out of range for string",
                got=f"{value!r:.40}, which has {len(whole)}",
                expected="a position in each string",
            )
        start = max(len(whole) + start, 0) if start < 0 else start
        found = whole[start : start + max(count, 0)]
        return found.encode() if isinstance(found, str) else found

    return map_elements(part, x, pos, length)


SUBSTR = register_string_op(
    "Substr",
    _substr,
    lambda: [
        Sample((strings("Hello", "World"), np.array(1), np.array(3)), {"unit": unit})
        for unit in _UNITS
    ],
    types=("string", "any", "any"),
)


def substr(
    input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None
) -> Tensor:
    """Returns a part of each string.

    Args:
      input: Strings.
      pos: Where the part begins, from the end where negative; one or one for each.
      len: How long it is at most.
      unit: `BYTE` or `UTF8_CHAR`.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A position is outside of its string.

    >>> import graphopt as tf
    >>> tf.strings.substr(["Hello", "World"], 1, 3).numpy()
    array([b'ell', b'orl'], dtype=object)

    Source: `tf.strings.substr`.
    """
    _check_unit(unit)
    return call(SUBSTR, as_strings(input), pos, len, name=name, unit=unit)


def _register_case(name: str, change: Callable[[Any], Any]) -> OpSpec:
    def compute(x: Array, *, encoding: str) -> Array:
        if encoding:
            return map_elements(lambda s: change(_text(s)).encode(), x)
        return map_elements(change, x)

    return register_string_op(
        name,
        compute,
        lambda: [
            Sample((strings("Ab", "äÖ"),), {"encoding": e}) for e in ("", "utf-8")
        ],
    )


LOWER = _register_case("StringLower", lambda s: s.lower())
UPPER = _register_case("StringUpper", lambda s: s.upper())


def lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Returns strings in lower case, of ASCII letters only unless `encoding="utf-8"`.

    >>> import graphopt as tf
    >>> tf.strings.lower("CamelCase").numpy()
    b'camelcase'

    Source: `tf.strings.lower`.
    """
    return call(LOWER, as_strings(input), name=name, encoding=encoding)


def upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Returns strings in upper case, of ASCII letters only unless `encoding="utf-8"`.

    Source: `tf.strings.upper`.
    """
    return call(UPPER, as_strings(input), name=name, encoding=encoding)


STRIP = register_string_op(
    "StringStrip",
    lambda x: map_elements(bytes.strip, x),
    lambda: [Sample((strings(" a\n", "b"),))],
)


def strip(input: Any, name: str | None = None) -> Tensor:
    """Returns strings without white space at their ends.

    Source: `tf.strings.strip`.
    """
    return call(STRIP, as_strings(input), name=name)


# ---- joining


def _join(*arrays: Array, separator: bytes) -> Array:
    return map_elements(lambda *parts: separator.join(parts), *arrays)


JOIN = register_string_op(
    "StringJoin",
    _join,
    lambda: [Sample((strings("a", "b"), strings("c", "d")), {"separator": b"-"})],
    types=("string*",),
)


def join(inputs: Any, separator: str = "", name: str | None = None) -> Tensor:
    """Joins the strings of several tensors, element by element.

    Args:
      inputs: A list of tensors of one shape, or of single strings.
      separator: What stands between two parts.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.strings.join([["a", "b"], "x"], separator="-").numpy()
    array([b'a-x', b'b-x'], dtype=object)

    Source: `tf.strings.join`.
    """
    parts = [as_strings(each) for each in inputs]
    return call(JOIN, *parts, name=name, separator=separator.encode())


def _reduce_join_infer(x: Any, *, axis: Any, keepdims: bool, separator: bytes) -> Any:
    axes = None if axis is None else normalize_axes(axis, x.shape.rank, "ReduceJoin")
    return infer_reduction(x, axis=axes, keepdims=keepdims)


def _reduce_join(x: Array, *, axis: Any, keepdims: bool, separator: bytes) -> Array:
    # What is named first is joined first.
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in reversed(axis)]
    rest = [a for a in range(x.ndim) if a not in axes]
    moved = np.transpose(x, [*rest, *axes])
    rows = moved.reshape(*[x.shape[a] for a in rest], -1)
    joined = np.empty(rows.shape[:-1], object)
    for place in np.ndindex(joined.shape):
        joined[place] = separator.join(rows[place])
    if keepdims:
        return joined.reshape([1 if a in axes else n for a, n in enumerate(x.shape)])
    return joined


REDUCE_JOIN = register_string_op(
    "ReduceJoin",
    _reduce_join,
    lambda: [
        Sample(
            (strings("a", "b", "c", "d").reshape(2, 2),),
            {"axis": axis, "keepdims": keep, "separator": b" "},
        )
        for axis in (None, (0,), (1,), (1, 0))
        for keep in (False, True)
    ],
    infer=_reduce_join_infer,
)


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keepdims: bool = False,
    separator: str = "",
    name: str | None = None,
) -> Tensor:
    """Joins the strings along dimensions.

    Args:
      inputs: Strings.
      axis: Which dimensions, in the order in which they are joined; all by default.
      keepdims: Whether they stay, with the size 1.
      separator: What stands between two parts.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1).numpy()
    array([b'ab', b'cd'], dtype=object)

    Source: `tf.strings.reduce_join`.
    """
    x = as_strings(inputs)
    axes = None if axis is None else tuple(static_ints(axis, "tf.strings.reduce_join"))
    options = {"axis": axes, "keepdims": bool(keepdims)}
    return call(REDUCE_JOIN, x, name=name, separator=separator.encode(), **options)


def _segment_join_infer(x: Any, ids: Any, *, count: int, separator: bytes) -> Any:
    rank = ids.shape.rank
    if rank is None or x.shape.rank is None:
        return TensorShape(None), dtypes.string
    return TensorShape([count, *x.shape[rank:]]), dtypes.string


def _segment_join(x: Array, ids: Array, *, count: int, separator: bytes) -> Array:
    rest = x.shape[ids.ndim :]
    rows = x.reshape(ids.size, *rest)
    joined = np.empty((count, *rest), object)
    for segment in range(count):
        chosen = rows[ids.ravel() == segment]
        for place in np.ndindex(rest):
            joined[(segment, *place)] = separator.join(chosen[(slice(None), *place)])
    return joined


UNSORTED_SEGMENT_JOIN = register_string_op(
    "UnsortedSegmentJoin",
    _segment_join,
    lambda: [
        Sample(
            (strings("a", "b", "c"), np.array([1, 0, 1])),
            {"count": 3, "separator": b":"},
        )
    ],
    types=("string", "any"),
    infer=_segment_join_infer,
)


def unsorted_segment_join(
    inputs: Any,
    segment_ids: Any,
    num_segments: int,
    separator: str = "",
    name: str | None = None,
) -> Tensor:
    """Joins the strings of each segment.

    Source: `tf.strings.unsorted_segment_join`.
    """
    (count,) = static_ints(num_segments, "tf.strings.unsorted_segment_join")
    x, sep = as_strings(inputs), separator.encode()
    return call(
        UNSORTED_SEGMENT_JOIN, x, segment_ids, name=name, count=count, separator=sep
    )


# ---- numbers


def _to_number(x: Array, *, dtype: DType) -> Array:
    kind = float if dtype.is_floating else int

    def read(value: bytes) -> Any:
        try:
            text = value.strip()
            # What Python takes besides: 1_000.
            if b"_" in text:
                raise ValueError
            number = kind(text)
            if dtype.is_integer and not dtype.min <= number <= dtype.max:
                raise ValueError
            return number
        except ValueError:
            raise fail(
                InvalidArgumentError,
                f"StringToNumberOp could not correctly convert string: {value!r:.40}",
                got=f"{value!r:.40}",
                expected=f"a number that {dtype.name} holds",
            ) from None

    return map_elements(read, x).astype(dtype.numpy)


TO_NUMBER = register_string_op(
    "StringToNumber",
    _to_number,
    lambda: [
        Sample((strings("1", " -2 ", "30"),), {"dtype": dtype})
        for dtype in (dtypes.float32, dtypes.int64)
    ],
    infer=lambda x, *, dtype: (x.shape, dtype),
)


def to_number(
    input: Any, out_type: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """Reads numbers.

    Args:
      input: Strings.
      out_type: float32, float64, int32 or int64.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A string is no number, when the op runs.

    >>> import graphopt as tf
    >>> tf.strings.to_number(["1.5", "-3e2"]).numpy()
    array([   1.5, -300. ], dtype=float32)

    Source: `tf.strings.to_number`.
    """
    return call(TO_NUMBER, as_strings(input), name=name, dtype=as_dtype(out_type))


def _as_string(
    x: Array, *, precision: int, scientific: bool, shortest: bool, width: int, fill: str
) -> Array:
    flag = fill if fill in ("0", "-", "+", " ") else ""
    size = str(width) if width > -1 else ""
    kind = x.dtype.kind
    if kind == "O":
        return x

    def number(value: Any) -> str:
        if kind == "b":
            return "true" if value else "false"
        if kind in "iu":
            return f"%{flag}{size}d" % int(value)
        if kind == "c":
            return f"({number_of(value.real)},{number_of(value.imag)})"
        return number_of(value)

    def number_of(value: Any) -> str:
        letter = "e" if scientific else "g" if shortest else "f"
        digits = f".{precision}" if precision > -1 else ""
        return f"%{flag}{size}{digits}{letter}" % float(value)

    flat = np.empty(x.size, object)
    flat[:] = [number(value).encode() for value in x.ravel()]
    return flat.reshape(x.shape)


AS_STRING = register_string_op(
    "AsString",
    _as_string,
    lambda: [
        Sample(
            (array,),
            {
                "precision": -1,
                "scientific": False,
                "shortest": False,
                "width": -1,
                "fill": "",
            },
        )
        for array in (np.array([1.5, -2.0]), np.array([3, 4]), np.array([True]))
    ],
    types=("any",),
)


def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Any:
    """Writes numbers, as C's `printf` does.

    Args:
      input: Numbers or truth values.
      precision: Digits after the point of floats; six by default.
      scientific: Whether floats have an exponent.
      shortest: Whether floats are written as short as that or the plain way allows.
      width: How wide the text is at least.
      fill: What fills it: `0`, `-` (spaces behind) or nothing (spaces before).
      name: Name of the op.

    Raises:
      ValueError: `scientific` and `shortest` are both asked for.

    >>> import graphopt as tf
    >>> tf.strings.as_string([3, 25]).numpy(), tf.strings.as_string(3.14159, 2).numpy()
    (array([b'3', b'25'], dtype=object), b'3.14')

    Source: `tf.strings.as_string`.
    """
    if scientific and shortest:
        raise ValueError("Cannot select both scientific and shortest notation.")
    options: dict[str, Any] = {
        "precision": precision,
        "scientific": scientific,
        "shortest": shortest,
        "width": width,
        "fill": fill,
    }
    return call(AS_STRING, input, name=name, **options)


# ---- patterns


def _pattern(text: bytes, op: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text)
    except re.error as error:
        raise fail(
            InvalidArgumentError,
            f"Invalid pattern: {text!r:.60}, error: {error}",
            got=f"{text!r:.60}",
            expected=f"a regular expression for {op}",
            site=str(user_site()),
        ) from None


def _regex_replace(
    x: Array, pattern: Array, rewrite: Array, *, replace_global: bool
) -> Array:
    compiled = _pattern(pattern.item(), "regex_replace")
    # RE2's \0 is the whole match.
    template = rewrite.item().replace(b"\\0", b"\\g<0>")
    count = 0 if replace_global else 1
    return map_elements(lambda s: compiled.sub(template, s, count), x)


REGEX_REPLACE = register_string_op(
    "RegexReplace",
    _regex_replace,
    lambda: [
        Sample(
            (strings("abc", "b"), *map(to_array, (b"b(c?)", rb"[\1]"))),
            {"replace_global": True},
        )
    ],
    types=("string", "string", "string"),
    infer=lambda x, pattern, rewrite, **_: (x.shape, dtypes.string),
)


def regex_replace(
    input: Any,
    pattern: Any,
    rewrite: Any,
    replace_global: bool = True,
    name: str | None = None,
) -> Tensor:
    r"""Replaces what a regular expression matches.

    Args:
      input: Strings.
      pattern: The expression.
      rewrite: What takes its place; `\1` is the first group, `\0` all that matched.
      replace_global: Whether to replace every match or only the first.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The pattern is malformed.

    >>> import graphopt as tf
    >>> tf.strings.regex_replace("tensor<br />flow", "<[^>]+>", " ").numpy()
    b'tensor flow'

    Source: `tf.strings.regex_replace`.
    """
    return call(
        REGEX_REPLACE,
        as_strings(input),
        pattern,
        rewrite,
        name=name,
        replace_global=replace_global,
    )


def _full_match(x: Array, pattern: Array) -> Array:
    compiled = _pattern(pattern.item(), "regex_full_match")
    return map_elements(lambda s: compiled.fullmatch(s) is not None, x).astype(np.bool_)


FULL_MATCH = register_string_op(
    "RegexFullMatch",
    _full_match,
    lambda: [Sample((strings("abc", "b"), to_array(b"[a-c]")))],
    types=("string", "string"),
    infer=lambda x, pattern: (x.shape, dtypes.bool_),
)


def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Returns whether a regular expression matches the whole of each string.

    >>> import graphopt as tf
    >>> tf.strings.regex_full_match(["lib.py", "lib.c"], r".*[.]py").numpy()
    array([ True, False])

    Source: `tf.strings.regex_full_match`.
    """
    return call(FULL_MATCH, as_strings(input), pattern, name=name)


# ---- buckets


def _register_hash(name: str, function: Callable[..., int]) -> OpSpec:
    def compute(x: Array, *, buckets: int, key: Any) -> Array:
        more = () if key is None else (key,)
        found = map_elements(lambda s: function(s, *more) % buckets, x)
        return found.astype(np.int64)

    key = (7, 8) if name.endswith("Strong") else None
    return register_string_op(
        name,
        compute,
        lambda: [Sample((strings("a", "bc", ""),), {"buckets": 10, "key": key})],
        result=dtypes.int64,
    )


HASH = _register_hash("StringToHashBucket", hash64)
HASH_FAST = _register_hash("StringToHashBucketFast", fingerprint64)
HASH_STRONG = _register_hash("StringToHashBucketStrong", keyed_hash)


def _to_bucket(spec: OpSpec, input: Any, count: int, key: Any, name: Any) -> Any:
    if count < 1:
        raise fail(
            ValueError,
            "There must be a bucket to put strings into",
            got=f"num_buckets={count}",
            expected="at least 1",
            site=str(user_site()),
        )
    return call(spec, as_strings(input), name=name, buckets=int(count), key=key)


def to_hash_bucket(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """Returns a number from 0 to below `num_buckets` for each string, int64.

    Source: `tf.strings.to_hash_bucket`.
    """
    return _to_bucket(HASH, input, num_buckets, None, name)


def to_hash_bucket_fast(
    input: Any, num_buckets: int, name: str | None = None
) -> Tensor:
    """Returns a number from 0 to below `num_buckets` for each string, int64.

    The numbers are TensorFlow's: FarmHash's fingerprint of 64 bits.

    >>> import graphopt as tf
    >>> tf.strings.to_hash_bucket_fast(["Hello", "TensorFlow", "2.x"], 3).numpy()
    array([0, 2, 2])

    Source: `tf.strings.to_hash_bucket_fast`.
    """
    return _to_bucket(HASH_FAST, input, num_buckets, None, name)


def to_hash_bucket_strong(
    input: Any, num_buckets: int, key: Sequence[int], name: str | None = None
) -> Tensor:
    """Returns a number for each string that depends on a key: SipHash's.

    Args:
      input: Strings.
      num_buckets: How many numbers there are.
      key: Two integers.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.strings.to_hash_bucket_strong(["Hello", "TF"], 3, [1, 2]).numpy()
    array([2, 0])

    Source: `tf.strings.to_hash_bucket_strong`.
    """
    if len(key) != 2:
        raise ValueError(f"Key must have exactly two elements, got {len(key)}.")
    pair = int(key[0]), int(key[1])
    return _to_bucket(HASH_STRONG, input, num_buckets, pair, name)
