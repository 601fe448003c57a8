"""The ops that read `tf.train.Example` and `SequenceExample` messages.

One op reads a whole batch: for each feature it knows where the numbers go, so messages are
taken apart once. `graphopt.io.examples` makes tensors of all kinds of what it gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DataLossError, InvalidArgumentError, fail
from graphopt.files import messages as m
from graphopt.graph.opspec import OpSpec, Sample
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import to_array
from graphopt.ops.strings import register_string_op

Array = NDArray[Any]
_LISTS = {
    "string": "bytes_list",
    "float32": "float_list",
    "int64": "int64_list",
}


class Wanted(NamedTuple):
    """What is wanted of one feature; as an attribute of an op a plain tuple.

    Attributes:
      key: Its name in the message.
      kind: `fixed`: as many numbers as the shape says; `padded`: any number of such
        parts, filled up to the longest of the batch; `rows`: any number of values, and
        where each message's end.
      dtype: int64, float32 or string.
      shape: Of one part.
      default: Where a message has none; None if it must have it.
    """

    key: str
    kind: str
    dtype: DType
    shape: tuple[int, ...] = ()
    default: Any = None


def parse_message(kind: Any, data: bytes, name: str) -> Any:
    """Reads a message.

    Raises:
      InvalidArgumentError: The bytes are none.
    """
    try:
        return kind.FromString(data)
    except DataLossError as error:
        raise fail(
            InvalidArgumentError,
            f"Could not parse example input as a {name}: {error}",
            got=f"{data!r:.60}",
            expected=f"a serialized tf.train.{name}",
        ) from None


def _values(feature: Any, wanted: Wanted) -> Array | None:
    """Returns the values of a feature as a vector; None if the message has none."""
    if feature is None:
        return None
    present = [name for name in _LISTS.values() if feature.HasField(name)]
    if not present:
        return None
    field = _LISTS.get(wanted.dtype.name)
    if field not in present:
        given = next(name for name, each in _LISTS.items() if each == present[0])
        raise fail(
            InvalidArgumentError,
            f"Key: {wanted.key}. Data types don't match",
            got=given,
            expected=wanted.dtype.name,
            remedy="the dtype with which the feature was written",
        )
    values = getattr(feature, field).value
    array = np.empty(len(values), wanted.dtype.numpy)
    array[:] = values
    return array


def _missing(wanted: Wanted) -> Exception:
    return fail(
        InvalidArgumentError,
        f"Feature: {wanted.key} (data type: {wanted.dtype.name}) is required but could "
        "not be found",
        got="a message without it",
        expected="a message with it",
        remedy="a default_value, or tf.io.VarLenFeature",
    )


def _fix(found: Sequence[Array | None], wanted: Wanted) -> tuple[Array]:
    count = int(np.prod(wanted.shape, dtype=np.int64))
    rows = np.empty((len(found), count), wanted.dtype.numpy)
    for row, values in zip(rows, found, strict=True):
        if values is None:
            if wanted.default is None:
                raise _missing(wanted)
            row[:] = np.ravel(wanted.default)
        elif len(values) != count:
            raise fail(
                InvalidArgumentError,
                f"Key: {wanted.key}. Number of {wanted.dtype.name} values != expected",
                got=f"{len(values)} values",
                expected=f"{count}, for the shape {list(wanted.shape)}",
            )
        else:
            row[:] = values
    return (rows.reshape(len(found), *wanted.shape),)


def _pad(found: Sequence[Array | None], wanted: Wanted) -> tuple[Array]:
    size = int(np.prod(wanted.shape, dtype=np.int64))
    longest = max((len(v) for v in found if v is not None), default=0)
    if any(v is not None and len(v) % size for v in found):
        raise fail(
            InvalidArgumentError,
            f"Key: {wanted.key}. Number of values is no multiple of the shape's",
            got=str([len(v) for v in found if v is not None])[:60],
            expected=f"multiples of {size}",
        )
    default = wanted.default
    if default is None:
        default = b"" if wanted.dtype.is_string else 0
    rows = np.empty((len(found), longest), wanted.dtype.numpy)
    rows[...] = default
    for row, values in zip(rows, found, strict=True):
        if values is not None:
            row[: len(values)] = values
    return (rows.reshape(len(found), longest // size, *wanted.shape),)


def _rows(found: Sequence[Array | None], wanted: Wanted) -> tuple[Array, Array]:
    parts = [v for v in found if v is not None]
    ends = np.cumsum([0, *(0 if v is None else len(v) for v in found)], dtype=np.int64)
    empty = np.empty(0, wanted.dtype.numpy)
    return np.concatenate([empty, *parts]), ends


_KINDS = {"fixed": _fix, "padded": _pad, "rows": _rows}


def gather_features(maps: Sequence[Any], wanted: Sequence[Wanted]) -> tuple[Array, ...]:
    """Returns the arrays of features, of messages' maps from names to features."""
    arrays: list[Array] = []
    for each in wanted:
        found = [_values(features.get(each.key), each) for features in maps]
        arrays += _KINDS[each.kind](found, each)
    return tuple(arrays)


def _parse(x: Array, *, wanted: tuple[Any, ...]) -> Any:
    wanted = tuple(Wanted(*each) for each in wanted)
    maps = [parse_message(m.Example, d, "Example").features.feature for d in x]
    arrays = gather_features(maps, wanted)
    return arrays if len(arrays) > 1 else arrays[0]


def _types(count: Any, wanted: Sequence[Any]) -> list[tuple[TensorShape, DType]]:
    found: list[tuple[TensorShape, DType]] = []
    for each in (Wanted(*each) for each in wanted):
        if each.kind == "fixed":
            found.append((TensorShape([count, *each.shape]), each.dtype))
        elif each.kind == "padded":
            found.append((TensorShape([count, None, *each.shape]), each.dtype))
        else:
            ends = None if count is None else int(count) + 1
            found.append((TensorShape([None]), each.dtype))
            found.append((TensorShape([ends]), dtypes.int64))
    return found


def _infer(x: Any, *, wanted: tuple[Any, ...]) -> Any:
    return _types(x.shape[0] if x.shape.rank else None, wanted)


def _sample() -> list[Sample]:
    feature = m.Feature(int64_list=m.Int64List(value=[1, 2]))
    message = m.Example(features=m.Features(feature={"a": feature}))
    data = to_array(message.SerializeToString()).reshape(1)
    both = (
        tuple(Wanted("a", "fixed", dtypes.int64, (2,))),
        tuple(Wanted("b", "fixed", dtypes.float32, (), 0.0)),
    )
    return [Sample((data,), {"wanted": both})]


PARSE_EXAMPLE: OpSpec = register_string_op(
    "ParseExampleV2", _parse, _sample, infer=_infer, outputs=-1
)


def _parse_sequence(
    x: Array, *, context: tuple[Any, ...], steps: tuple[Any, ...]
) -> Any:
    message = parse_message(m.SequenceExample, x.item(), "SequenceExample")
    arrays: list[Array] = []
    context = tuple(Wanted(*each) for each in context)
    arrays += gather_features([message.context.feature], context)
    lists = message.feature_lists.feature_list
    for each in (Wanted(*each) for each in steps):
        if each.key not in lists and each.kind == "fixed" and each.default is None:
            raise fail(
                InvalidArgumentError,
                f"Name: , Feature list '{each.key}' is required but could not be found",
                expected="a message with it, or allow_missing=True",
            )
        parts = lists[each.key].feature if each.key in lists else []
        found = [_values(part, each) for part in parts]
        arrays += _KINDS[each.kind](found, each._replace(default=None))
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _sequence_infer(x: Any, *, context: tuple[Any, ...], steps: tuple[Any, ...]) -> Any:
    return [*_types(1, context), *_types(None, steps)]


def _sequence_sample() -> list[Sample]:
    feature = m.Feature(int64_list=m.Int64List(value=[1]))
    lists = m.FeatureLists(feature_list={"b": m.FeatureList(feature=[feature])})
    message = m.SequenceExample(
        context=m.Features(feature={"a": feature}), feature_lists=lists
    )
    data = to_array(message.SerializeToString())
    wanted = {
        "context": (tuple(Wanted("a", "fixed", dtypes.int64)),),
        "steps": (tuple(Wanted("b", "fixed", dtypes.int64)),),
    }
    return [Sample((data,), wanted)]


PARSE_SEQUENCE: OpSpec = register_string_op(
    "ParseSequenceExample",
    _parse_sequence,
    _sequence_sample,
    infer=_sequence_infer,
    outputs=-1,
)


def check_dtype(dtype: Any) -> DType:
    """Returns the dtype of a feature.

    Raises:
      ValueError: Messages have no such values.
    """
    found = as_dtype(dtype)
    if found.name not in _LISTS:
        raise fail(
            ValueError,
            "A feature of an Example has another dtype",
            got=found.name,
            expected="int64, float32 or string",
            remedy="tf.cast after parsing",
        )
    return found
