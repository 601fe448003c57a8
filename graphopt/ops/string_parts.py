"""Ops that cut strings into parts: words, bytes, characters, n-grams.

The parts of several strings are rows of different lengths, so an op gives all parts behind
each other and where each row ends; `tf.strings` makes `RaggedTensor`s of that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.opspec import OpSpec, Sample
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import to_array
from graphopt.ops.printing import format_array
from graphopt.ops.strings import map_elements, register_string_op, strings

Array = NDArray[Any]
_ENCODINGS = {
    "UTF-8": "utf-8",
    "UTF-16-BE": "utf-16-be",
    "UTF-32-BE": "utf-32-be",
    "US-ASCII": "ascii",
    "ISO-8859-1": "latin-1",
}


def _rows_infer(kinds: Sequence[DType]) -> Callable[..., Any]:
    def infer(x: Any, **_attrs: Any) -> list[tuple[TensorShape, DType]]:
        rank = x.shape.rank
        count = x.shape[0] if rank else None
        ends = None if count is None else int(count) + 1
        found: list[Any] = [(TensorShape([None]), kind) for kind in kinds]
        return [*found, (TensorShape([ends]), dtypes.int64)]

    return infer


def _objects(values: Sequence[Any]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _ends(rows: Sequence[Sequence[Any]]) -> Array:
    return np.cumsum([0, *map(len, rows)], dtype=np.int64)


def _register_parts(
    name: str,
    cut: Callable[..., Sequence[Any]],
    samples: Callable[[], Sequence[Sample]],
    kind: DType = dtypes.string,
) -> OpSpec:
    """Registers an op that makes a row of parts of each string of a vector."""

    def compute(x: Array, **attrs: Any) -> tuple[Array, Array]:
        rows = [cut(value, **attrs) for value in x]
        values = _objects(list(itertools.chain.from_iterable(rows)))
        if not kind.is_string:
            values = values.astype(kind.numpy)
        return values, _ends(rows)

    return register_string_op(
        name, compute, samples, infer=_rows_infer([kind]), outputs=2
    )


# ---- words and bytes


def _split(value: bytes, *, sep: bytes, maxsplit: int) -> list[bytes]:
    return value.split(sep or None, maxsplit)


SPLIT = _register_parts(
    "StringSplitV2",
    _split,
    lambda: [
        Sample((strings("a b", "", " c"),), {"sep": sep, "maxsplit": -1})
        for sep in (b"", b" ")
    ],
)


def _bytes_split(value: bytes) -> list[bytes]:
    return [value[i : i + 1] for i in range(len(value))]


BYTES_SPLIT = _register_parts(
    "StringBytesSplit", _bytes_split, lambda: [Sample((strings("ab", "", "c"),))]
)


def _sparse_split(
    x: Array, *, sep: bytes, maxsplit: int, every_byte: bool, skip_empty: bool
) -> tuple[Array, Array, Array]:
    rows = []
    for value in x:
        if not every_byte:
            rows.append(_split(value, sep=sep, maxsplit=maxsplit))
            continue
        for byte in sep[1:]:
            value = value.replace(bytes([byte]), sep[:1])
        parts = value.split(sep[:1]) if sep else _bytes_split(value)
        rows.append([part for part in parts if part or not skip_empty])
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    widest = max(map(len, rows), default=0)
    return (
        np.array(places, np.int64).reshape(-1, 2),
        _objects([part for row in rows for part in row]),
        np.array([len(rows), widest], np.int64),
    )


SPARSE_SPLIT = register_string_op(
    "StringSplit",
    _sparse_split,
    lambda: [
        Sample(
            (strings("a b", "c"),),
            {"sep": b" ", "maxsplit": -1, "every_byte": each, "skip_empty": True},
        )
        for each in (False, True)
    ],
    infer=lambda x, **_: [
        (TensorShape([None, 2]), dtypes.int64),
        (TensorShape([None]), dtypes.string),
        (TensorShape([2]), dtypes.int64),
    ],
    outputs=3,
)


# ---- characters


def find_encoding(name: str) -> str:
    """Returns Python's name of an encoding.

    Raises:
      ValueError: There is no such one.
    """
    found = _ENCODINGS.get(name.upper())
    if found is None:
        raise fail(
            ValueError,
            "Unknown encoding of strings",
            got=repr(name),
            expected="one of " + ", ".join(_ENCODINGS),
            site=str(user_site()),
        )
    return found


def check_errors(errors: str) -> None:
    """Checks what is to happen with bytes that are no text.

    Raises:
      ValueError: There is no such way.
    """
    if errors not in ("strict", "replace", "ignore"):
        raise ValueError(
            f"errors must be 'strict', 'replace' or 'ignore', got {errors!r}."
        )


def _read_text(
    value: bytes, encoding: str, errors: str, replacement: int, controls: bool
) -> list[tuple[str, int]]:
    """Returns characters, and where each one begins."""
    text: list[tuple[str, int]] = []
    at = 0
    while at < len(value):
        try:
            good, bad = value[at:].decode(encoding), 0
        except UnicodeDecodeError as error:
            if errors == "strict":
                raise fail(
                    InvalidArgumentError,
                    "Invalid formatting on input string",
                    got=f"{value!r:.60}",
                    expected=f"text in {encoding}",
                ) from None
            good = value[at : at + error.start].decode(encoding)
            bad = max(error.end - error.start, 1)
        for char in good:
            text.append((char, at))
            at += len(char.encode(encoding))
        if bad and errors == "replace":
            text.append((chr(replacement), at))
        at += bad
    if controls:
        text = [(chr(replacement) if c < " " else c, i) for c, i in text]
    return text


def _register_characters(name: str, kind: DType) -> OpSpec:
    """Registers an op that gives characters, or their numbers, and where they begin."""

    def compute(x: Array, **how: Any) -> tuple[Array, Array, Array]:
        rows = [_read_text(value, **how) for value in x]
        flat = list(itertools.chain.from_iterable(rows))
        if kind.is_string:
            values = _objects([char.encode(how["encoding"]) for char, _ in flat])
        else:
            values = np.array([ord(char) for char, _ in flat], np.int32)
        starts = np.array([start for _, start in flat], np.int64)
        return values, starts, _ends(rows)

    return register_string_op(
        name,
        compute,
        lambda: [
            Sample(
                (strings("aä", "", "€"),),
                {
                    "encoding": "utf-8",
                    "errors": "replace",
                    "replacement": 65533,
                    "controls": False,
                },
            )
        ],
        infer=_rows_infer([kind, dtypes.int64]),
        outputs=3,
    )


DECODE = _register_characters("UnicodeDecodeWithOffsets", dtypes.int32)
CHARACTERS = _register_characters("UnicodeSplitWithOffsets", dtypes.string)


def _write_text(
    points: Iterable[int], encoding: str, errors: str, replacement: int
) -> bytes:
    text = []
    for point in points:
        is_good = 0 <= point < 0x110000 and not 0xD800 <= point < 0xE000
        if not is_good and errors == "strict":
            raise fail(
                InvalidArgumentError,
                "Code point is out of range for Unicode, or a noncharacter",
                got=str(int(point)),
                expected="a code point",
            )
        if is_good or errors == "replace":
            text.append(chr(point if is_good else replacement))
    return "".join(text).encode(encoding)


ENCODE = register_string_op(
    "UnicodeEncode",
    lambda x, ends, **how: _objects(
        [
            _write_text(x[start:end].tolist(), **how)
            for start, end in itertools.pairwise(ends.tolist())
        ]
    ),
    lambda: [
        Sample(
            (np.array([72, 228], np.int32), np.array([0, 1, 2])),
            {"encoding": "utf-8", "errors": "replace", "replacement": 65533},
        )
    ],
    types=("any", "any"),
    infer=lambda x, ends, **_: (
        TensorShape([None if not ends.shape.rank else _less_one(ends.shape[0])]),
        dtypes.string,
    ),
)


def _less_one(size: Any) -> int | None:
    return None if size is None else int(size) - 1


TRANSCODE = register_string_op(
    "UnicodeTranscode",
    lambda x, *, target, **how: map_elements(
        lambda s: "".join(c for c, _ in _read_text(s, **how)).encode(target, "replace"),
        x,
    ),
    lambda: [
        Sample(
            (strings("ä", "b"),),
            {
                "target": "utf-16-be",
                "encoding": "utf-8",
                "errors": "replace",
                "replacement": 65533,
                "controls": False,
            },
        )
    ],
)


# ---- n-grams, texts with values in them


def _row_ngrams(
    row: list[bytes],
    width: int,
    separator: bytes,
    pads: tuple[bytes, bytes] | None,
    padding: int | None,
    short: bool,
) -> list[bytes]:
    count = 0 if pads is None else width - 1 if padding is None else padding
    count = min(count, width - 1)
    left, right = pads or (b"", b"")
    padded = [*([left] * count), *row, *([right] * count)]
    found = [
        separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1)
    ]
    if not found and short and row:
        return [separator.join(padded)]
    return found


def _ngrams(x: Array, ends: Array, *, widths: Any, **how: Any) -> tuple[Array, Array]:
    rows = []
    for start, end in itertools.pairwise(ends.tolist()):
        row = x[start:end].tolist()
        rows.append([g for width in widths for g in _row_ngrams(row, width, **how)])
    return _objects([gram for row in rows for gram in row]), _ends(rows)


NGRAMS = register_string_op(
    "StringNGrams",
    _ngrams,
    lambda: [
        Sample(
            (strings("a", "b", "c"), np.array([0, 3])),
            {
                "widths": (2,),
                "separator": b" ",
                "pads": None,
                "padding": None,
                "short": False,
            },
        )
    ],
    types=("string", "any"),
    infer=lambda x, ends, **_: [
        (TensorShape([None]), dtypes.string),
        (ends.shape, dtypes.int64),
    ],
    outputs=2,
)


def _format(*arrays: Array, parts: tuple[str, ...], summarize: int) -> Array:
    text = parts[0]
    for array, part in zip(arrays, parts[1:], strict=True):
        text += format_array(array, summarize) + part
    return to_array(text.encode())


FORMAT = register_string_op(
    "StringFormat",
    _format,
    lambda: [
        Sample((np.array([1.0, 2.0]),), {"parts": ("x: ", "!"), "summarize": 3}),
    ],
    types=("any",),
    infer=lambda *inputs, **_: (TensorShape(()), dtypes.string),
)
