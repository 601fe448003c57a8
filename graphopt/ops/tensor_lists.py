"""The ops of `tf.TensorArray`: one buffer, `[size, ...]`, of which rows are set and read.

A write gives a new buffer, as any op does; where nobody needs the old one any more, which
a plan knows, only the row is written. The derivative of a read is sparse, so in a loop it
costs one row a round too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.errors import (
    InvalidArgumentError,
    OutOfRangeError,
    describe_shapes,
    fail,
)
from graphopt.graph.dispatch import call
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.opspec import (
    Alias,
    BadInput,
    Family,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.strings import blank
from graphopt.ops.creation import constant_value, zeros_like
from graphopt.ops.indexing import element_error, explain_element, require_integers
from graphopt.ops.shaping import expand_dims, reshape


def _check_index(index: Any) -> None:
    require_integers(index, "The index of an element of a TensorArray")
    if index.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            "The index of an element of a TensorArray must be a scalar",
            got=describe_shapes(index),
            site=str(user_site()),
        )


def _get_infer(buffer: Any, index: Any) -> tuple[TensorShape, DType]:
    _check_index(index)
    shape = buffer.shape
    return UNKNOWN if shape.unknown_rank else shape[1:], buffer.dtype


def _get_numpy(buffer: NDArray[Any], index: NDArray[Any]) -> NDArray[Any]:
    if not 0 <= index < len(buffer):
        raise element_error("read from", int(index), len(buffer))
    return np.array(buffer[int(index)])


def _get_vjp(g: Any, y: Any, buffer: Any, index: Any) -> tuple[Any, None]:
    row = expand_dims(g, 0), reshape(index, [1])
    return IndexedSlices(*row, dense_like=buffer), None


def _samples() -> list[tuple[NDArray[Any], NDArray[Any]]]:
    x = np.arange(12.0).reshape(3, 2, 2)
    return [
        (x, np.array(2, np.int32)),
        (x[:, :, 0], np.array(0, np.int64)),
        (x[:, 0, 0].astype(np.float32), np.array(1, np.int32)),
        (x > 4, np.array(1, np.int32)),
    ]


def _bad(words: str, *value: Any) -> list[BadInput]:
    x = np.zeros((3, 2))
    return [
        BadInput((x, np.array(3), *value), {}, OutOfRangeError, f"{words} index 3"),
        BadInput((x, np.array(-1), *value), {}, OutOfRangeError, "index -1 but"),
        BadInput((x, np.array([1]), *value), {}, InvalidArgumentError, "be a scalar"),
        BadInput((x, np.array(0.5), *value), {}, InvalidArgumentError, "be integers"),
    ]


GET_ITEM: OpSpec = register(
    OpSpec(
        "TensorListGetItem",
        _get_infer,
        _get_numpy,
        _get_vjp,
        Family("get_row"),
        lambda: [Sample(pair) for pair in _samples()],
        errors=lambda: _bad("read from"),
        types=("any", "any"),
        host_dtypes=(),
        strings=True,
        explain=explain_element("read from"),
    )
)


def _set_infer(buffer: Any, index: Any, value: Any) -> tuple[TensorShape, DType]:
    _check_index(index)
    if buffer.shape.unknown_rank:
        return UNKNOWN, buffer.dtype
    row = buffer.shape[1:]
    if not row.is_compatible_with(value.shape):
        raise fail(
            InvalidArgumentError,
            "Inconsistent shapes: a TensorArray keeps elements of one shape",
            got=describe_shapes(value),
            expected=f"shape {row}",
            site=str(user_site()),
        )
    return buffer.shape[:1] + row.merge_with(value.shape), buffer.dtype


def _set_numpy(
    buffer: NDArray[Any], index: NDArray[Any], value: NDArray[Any]
) -> NDArray[Any]:
    if not 0 <= index < len(buffer):
        raise element_error("write to", int(index), len(buffer))
    out = buffer.copy()
    out[int(index)] = value
    return out


def _set_vjp(g: Any, y: Any, buffer: Any, index: Any, value: Any) -> tuple[Any, ...]:
    # Read before the row is cleared, so that clearing it needs no copy.
    row = call(GET_ITEM, g, index)
    return call(SET_ITEM, g, index, zeros_like(value)), None, row


def _set_samples() -> list[Sample]:
    return [Sample((x, i, x[(i + 1) % 3])) for x, i in _samples()]


SET_ITEM: OpSpec = register(
    OpSpec(
        "TensorListSetItem",
        _set_infer,
        _set_numpy,
        _set_vjp,
        Family("set_row"),
        _set_samples,
        errors=lambda: _bad("write to", np.zeros(2)),
        types=("T", "any", "T"),
        host_dtypes=(),
        strings=True,
        explain=explain_element("write to"),
    )
)


def _grow_infer(buffer: Any, index: Any, value: Any) -> tuple[TensorShape, DType]:
    shape, dtype = _set_infer(buffer, index, value)
    if shape.unknown_rank:
        return UNKNOWN, dtype
    known = constant_value(index)
    size = None
    if known is not None and shape[0] is not None:
        size = max(shape[0], int(known) + 1)
    return TensorShape([size]) + shape[1:], dtype


def _grow_numpy(
    buffer: NDArray[Any], index: NDArray[Any], value: NDArray[Any]
) -> NDArray[Any]:
    if index < 0:
        raise element_error("write to", int(index), len(buffer))
    missing = int(index) + 1 - len(buffer)
    if missing > 0:
        more = blank((missing, *value.shape), buffer.dtype)
        buffer = np.concatenate([buffer, more]) if len(buffer) else more
    return _set_numpy(buffer, index, value)


GROW_AND_SET: OpSpec = register(
    OpSpec(
        "TensorListGrowAndSetItem",
        _grow_infer,
        _grow_numpy,
        lambda g, y, buffer, index, value: (
            call(TAKE_FIRST, call(SET_ITEM, g, index, zeros_like(value)), buffer),
            None,
            call(GET_ITEM, g, index),
        ),
        Host("the size of the array is known once it runs"),
        lambda: [
            Sample((np.arange(6.0).reshape(3, 2), np.array(i, np.int32), np.ones(2)))
            for i in (1, 4)
        ],
        types=("T", "any", "T"),
        strings=True,
    )
)
TAKE_FIRST: OpSpec = register(
    OpSpec(
        "TensorListResizeLike",
        lambda x, like: (like.shape, x.dtype),
        lambda x, like: np.array(x[: len(like)]),
        lambda g, y, x, like: (call(EXTEND, g, x), None),
        Host("the size of the array is known once it runs"),
        lambda: [Sample((np.arange(6.0).reshape(3, 2), np.zeros((2, 2))))],
        types=("any", "any"),
        strings=True,
    )
)
EXTEND: OpSpec = register(
    OpSpec(
        "TensorListExtendLike",
        lambda x, like: (like.shape, x.dtype),
        lambda x, like: np.concatenate(
            [x, blank((len(like) - len(x), *x.shape[1:]), x.dtype)]
        ),
        lambda g, y, x, like: (call(TAKE_FIRST, g, x), None),
        Host("the size of the array is known once it runs"),
        lambda: [Sample((np.arange(4.0).reshape(2, 2), np.zeros((3, 2))))],
        types=("any", "any"),
        strings=True,
    )
)
# What was summed up by rows becomes one tensor here.
FROM_TENSOR: OpSpec = register(
    OpSpec(
        "TensorListFromTensor",
        lambda x: (x.shape, x.dtype),
        lambda x: x,
        lambda g, y, x: (g,),
        Alias(),
        lambda: [Sample((np.arange(6.0).reshape(3, 2),))],
        types=("any",),
        strings=True,
    )
)
