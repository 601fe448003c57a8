"""Ops between strings of bytes and numbers: raw numbers, CSV, base64, messages, files."""

from __future__ import annotations

import base64
import binascii
import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DataLossError, InvalidArgumentError, fail
from graphopt.files import file_system
from graphopt.files import messages as m
from graphopt.files.tensors import make_ndarray, make_tensor_proto
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    Effect,
    OpSpec,
    Sample,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, UNKNOWN, TensorShape
from graphopt.graph.strings import string_array, to_array
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value
from graphopt.ops.strings import as_strings, map_elements, register_string_op, strings

Array = NDArray[Any]


# ---- raw numbers


def _decode_raw(
    x: Array, *, dtype: DType, little_endian: bool, length: int | None
) -> Array:
    size = dtype.size
    count = length if length is not None else max(map(len, x.ravel()), default=0)
    if count % size:
        raise fail(
            InvalidArgumentError,
            "Input to DecodeRaw has a length that is no multiple of the size of "
            f"{dtype.name}",
            got=f"{count} bytes",
            expected=f"a multiple of {size}",
        )
    kind = dtype.numpy.newbyteorder("<" if little_endian else ">")
    rows = np.zeros((x.size, count // size), kind)
    for row, data in zip(rows, x.ravel(), strict=True):
        if length is None and len(data) != count:
            raise fail(
                InvalidArgumentError,
                "DecodeRaw requires input strings to all be the same size",
                got=f"{len(data)} bytes",
                expected=f"{count} bytes",
            )
        part = data[:count]
        row.view(np.uint8)[: len(part)] = np.frombuffer(part, np.uint8)
    return rows.astype(dtype.numpy).reshape(*x.shape, -1)


def _raw_infer(
    x: Any, *, dtype: DType, little_endian: bool, length: int | None
) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return UNKNOWN, dtype
    count = None if length is None else length // dtype.size
    return TensorShape([*x.shape, count]), dtype


DECODE_RAW = register_string_op(
    "DecodeRaw",
    _decode_raw,
    lambda: [
        Sample(
            (strings("abcd", "efgh"),),
            {"dtype": dtypes.int16, "little_endian": little, "length": 4},
        )
        for little in (True, False)
    ],
    infer=_raw_infer,
)


def decode_raw(
    input_bytes: Any,
    out_type: Any,
    little_endian: bool = True,
    fixed_length: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Reads the bytes of strings as numbers.

    Args:
      input_bytes: Strings of one length.
      out_type: What the numbers are.
      little_endian: The order of bytes in a number.
      fixed_length: How many bytes to read of each string, which is cut or filled with
        zeros; it makes the size of the result known before the run.
      name: Name of the op.

    Returns:
      Numbers of the shape of the strings with one dimension more.

    Raises:
      InvalidArgumentError: The lengths differ, or are no multiple of a number's size.

    >>> import graphopt as tf
    >>> tf.io.decode_raw(tf.constant([b"12", b"ab"]), tf.uint8).numpy().tolist()
    [[49, 50], [97, 98]]

    Source: `tf.io.decode_raw`.
    """
    return call(
        DECODE_RAW,
        as_strings(input_bytes),
        name=name,
        dtype=as_dtype(out_type),
        little_endian=little_endian,
        length=fixed_length,
    )


# ---- CSV


def _read_field(text: str, dtype: DType, default: Any, column: int) -> Any:
    if not text:
        if default is None:
            raise fail(
                InvalidArgumentError,
                f"Field {column} is required but missing in record",
                expected="a value, or a default in record_defaults",
            )
        return default
    if dtype.is_string:
        return text.encode("utf-8", "surrogateescape")
    try:
        return int(text) if dtype.is_integer else float(text)
    except ValueError:
        raise fail(
            InvalidArgumentError,
            f"Field {column} in record is not a valid {dtype.name}: {text:.40}",
            got=repr(text[:40]),
            expected=dtype.name,
        ) from None


def _decode_csv(
    records: Array,
    *defaults: Array,
    types: tuple[DType, ...],
    delimiter: str,
    quotes: bool,
    missing: str,
    columns: tuple[int, ...] | None,
) -> Any:
    given = [value.ravel()[0] if value.size else None for value in defaults]
    found: list[list[Any]] = [[] for _ in types]
    for record in records.ravel():
        text = record.decode("utf-8", "surrogateescape")
        reader = csv.reader(
            io.StringIO(text),
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            strict=quotes,
        )
        try:
            fields = next(reader, [""])
        except csv.Error as error:
            raise fail(
                InvalidArgumentError,
                f"A record of CSV is malformed: {error}",
                got=f"{text!r:.60}",
            ) from None
        if columns is not None:
            fields = [fields[i] for i in columns if i < len(fields)]
        if len(fields) != len(types):
            raise fail(
                InvalidArgumentError,
                f"Expect {len(types)} fields but have {len(fields)} in record",
                got=f"{text!r:.60}",
                expected=f"{len(types)} fields",
                remedy="a default for each field, or select_cols",
            )
        for i, (field, dtype, default) in enumerate(
            zip(fields, types, given, strict=True)
        ):
            value = _read_field("" if field == missing else field, dtype, default, i)
            found[i].append(value)
    arrays = []
    for values, dtype in zip(found, types, strict=True):
        array = np.empty(len(values), dtype.numpy)
        array[:] = values
        arrays.append(array.reshape(records.shape))
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


DECODE_CSV = register_string_op(
    "DecodeCSV",
    _decode_csv,
    lambda: [
        Sample(
            (strings("1,a", ",b"), np.array([7], np.int32), strings("z")),
            {
                "types": (dtypes.int32, dtypes.string),
                "delimiter": ",",
                "quotes": True,
                "missing": "",
                "columns": None,
            },
        )
    ],
    types=("string", "any"),
    infer=lambda x, *defaults, types, **_: [(x.shape, dtype) for dtype in types],
    outputs=-1,
)


def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    name: str | None = None,
) -> list[Any]:
    """Reads lines of comma-separated values.

    Args:
      records: Strings, one line each.
      record_defaults: For each column its value where it is missing, of the column's
        dtype; an empty list or a dtype where there must be one.
      field_delim: What stands between columns.
      use_quote_delim: Whether a column may stand in quotation marks.
      na_value: What counts as missing besides nothing.
      select_cols: The columns that are wanted, by number; all by default.
      name: Name of the op.

    Returns:
      A tensor for each column.

    Raises:
      InvalidArgumentError: A line has more or fewer columns, or one that is no number
        of its dtype.

    >>> import graphopt as tf
    >>> [column.numpy() for column in tf.io.decode_csv(["1,a", ",b"], [[7], ["-"]])]
    [array([1, 7], dtype=int32), array([b'a', b'b'], dtype=object)]

    Source: `tf.io.decode_csv`.
    """
    defaults = []
    for each in record_defaults:
        if isinstance(each, DType):
            each = np.empty(0, each.numpy)
        defaults.append(hooks.convert(each))
    return list(
        call_all(
            DECODE_CSV,
            as_strings(records),
            *defaults,
            name=name,
            types=tuple(value.dtype for value in defaults),
            delimiter=field_delim,
            quotes=use_quote_delim,
            missing=na_value,
            columns=None if select_cols is None else tuple(map(int, select_cols)),
        )
    )


# ---- base64, compression


def _encode_base64(x: Array, *, pad: bool) -> Array:
    def encode(value: bytes) -> bytes:
        text = base64.urlsafe_b64encode(value)
        return text if pad else text.rstrip(b"=")

    return map_elements(encode, x)


def _decode_base64(x: Array) -> Array:
    def decode(value: bytes) -> bytes:
        try:
            padded = value + b"=" * (-len(value) % 4)
            return base64.b64decode(padded, b"-_", validate=True)
        except binascii.Error:
            raise fail(
                InvalidArgumentError,
                "Invalid character found in base64",
                got=f"{value!r:.60}",
                expected="letters, digits, - and _",
            ) from None

    return map_elements(decode, x)


def _decompress(x: Array, *, compression: str) -> Array:
    def decode(value: bytes) -> bytes:
        try:
            if compression == "GZIP":
                return gzip.decompress(value)
            return zlib.decompress(value) if compression else value
        except (OSError, EOFError, zlib.error) as error:
            raise fail(
                DataLossError,
                f"Compressed data is damaged: {error}",
                got=f"{len(value)} bytes",
                expected=f"data of {compression}",
            ) from None

    return map_elements(decode, x)


ENCODE_BASE64 = register_string_op(
    "EncodeBase64",
    _encode_base64,
    lambda: [Sample((strings("ab", ""),), {"pad": pad}) for pad in (True, False)],
)
DECODE_BASE64 = register_string_op(
    "DecodeBase64", _decode_base64, lambda: [Sample((strings("YWI", ""),))]
)
DECODE_COMPRESSED = register_string_op(
    "DecodeCompressed",
    _decompress,
    lambda: [Sample((strings("ab"),), {"compression": ""})],
)


def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Tensor:
    """Writes strings in the base64 that file names and addresses may hold.

    Source: `tf.io.encode_base64`.
    """
    return call(ENCODE_BASE64, as_strings(input), name=name, pad=pad)


def decode_base64(input: Any, name: str | None = None) -> Tensor:
    """Reads strings in web-safe base64, with or without padding.

    Raises:
      InvalidArgumentError: One is none.

    Source: `tf.io.decode_base64`.
    """
    return call(DECODE_BASE64, as_strings(input), name=name)


def decode_compressed(
    bytes: Any, compression_type: str = "", name: str | None = None
) -> Tensor:
    """Unpacks strings: `compression_type` is `GZIP`, `ZLIB` or empty.

    Raises:
      ValueError: There is no such compression.
      DataLossError: The data are damaged.

    Source: `tf.io.decode_compressed`.
    """
    if compression_type not in ("", "GZIP", "ZLIB"):
        raise ValueError(f"Unsupported compression type: {compression_type!r}.")
    x = as_strings(bytes)
    return call(DECODE_COMPRESSED, x, name=name, compression=compression_type)


# ---- messages


def _parse_tensor(x: Array, *, dtype: DType) -> Array:
    try:
        array = make_ndarray(m.Tensor.FromString(x.item()))
    except DataLossError as error:
        raise fail(
            InvalidArgumentError,
            f"Could not parse serialized as TensorProto: {error}",
            got=f"{len(x.item())} bytes",
        ) from None
    if array.dtype.kind in "OSU":
        found = string_array(array)
        assert found is not None
        array = found
    if as_dtype(array.dtype) is not dtype:
        raise fail(
            InvalidArgumentError,
            "Type mismatch between parsed tensor and dtype",
            got=as_dtype(array.dtype).name,
            expected=dtype.name,
        )
    return array


def _serialized_sample() -> list[Sample]:
    message = make_tensor_proto(np.arange(3, dtype=np.int32)).SerializeToString()
    return [Sample((to_array(message),), {"dtype": dtypes.int32})]


SERIALIZE_TENSOR = register_string_op(
    "SerializeTensor",
    lambda x: to_array(make_tensor_proto(x).SerializeToString()),
    lambda: [Sample((np.array([1.0, 2.0]),))],
    types=("any",),
    infer=lambda x: (SCALAR, dtypes.string),
)
PARSE_TENSOR = register_string_op(
    "ParseTensor",
    _parse_tensor,
    _serialized_sample,
    infer=lambda x, *, dtype: (UNKNOWN, dtype),
)


def serialize_tensor(tensor: Any, name: str | None = None) -> Tensor:
    """Writes a tensor as the bytes of a TensorProto.

    Source: `tf.io.serialize_tensor`.
    """
    return call(SERIALIZE_TENSOR, tensor, name=name)


def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Any:
    """Reads a tensor that `serialize_tensor` wrote; its shape only the run knows.

    Raises:
      InvalidArgumentError: The bytes are none, or one of another dtype.

    >>> import graphopt as tf
    >>> tf.io.parse_tensor(tf.io.serialize_tensor([1.0, 2.0]), tf.float32).numpy()
    array([1., 2.], dtype=float32)

    Source: `tf.io.parse_tensor`.
    """
    x, dtype = as_strings(serialized), as_dtype(out_type)
    return call(PARSE_TENSOR, x, name=name, dtype=dtype)


# ---- files


def _read_file(x: Array) -> Array:
    with file_system.GFile(x.item().decode(), "rb") as file:
        return to_array(file.read())


def _write_file(name: Array, contents: Array) -> tuple[()]:
    path = name.item().decode()
    folder = path.rpartition("/")[0]
    if folder:
        file_system.makedirs(folder)
    with file_system.GFile(path, "wb") as file:
        file.write(contents.item())
    return ()


def _matching(x: Array) -> Array:
    found: set[str] = set()
    for pattern in x.ravel():
        found.update(file_system.glob(pattern.decode()))
    array = string_array(sorted(found)) if found else np.empty(0, object)
    assert array is not None
    return array


def _register_file_op(
    name: str, compute: Any, types: Any, infer: Any, outputs: int
) -> OpSpec:
    return register_string_op(
        name,
        compute,
        lambda: [Sample((), {})],
        types=types,
        infer=infer,
        outputs=outputs,
        effect=Effect.HOST,
        reason="it works on files",
        untrusted="works on files",
    )


READ_FILE = _register_file_op(
    "ReadFile", _read_file, ("string",), lambda x: (SCALAR, dtypes.string), 1
)
WRITE_FILE = _register_file_op(
    "WriteFile", _write_file, ("string", "string"), lambda name, contents: [], 0
)
MATCHING_FILES = _register_file_op(
    "MatchingFiles",
    _matching,
    ("string",),
    lambda x: (TensorShape([None]), dtypes.string),
    1,
)


def _one_name(value: Any, what: str) -> Any:
    name = as_strings(value)
    if name.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            f"{what} takes the name of one file",
            got=f"a tensor of shape {name.shape}",
            expected="a single string",
            site=str(user_site()),
            remedy="tf.map_fn for several",
        )
    return name


def read_file(filename: Any, name: str | None = None) -> Tensor:
    """Reads a file when it runs.

    Raises:
      NotFoundError: There is none, when it runs.

    Source: `tf.io.read_file`.
    """
    return call(READ_FILE, _one_name(filename, "tf.io.read_file"), name=name)


def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """Writes a string to a file when it runs; missing folders are made.

    Source: `tf.io.write_file`.
    """
    path = _one_name(filename, "tf.io.write_file")
    return call(WRITE_FILE, path, as_strings(contents), name=name)


def matching_files(pattern: Any, name: str | None = None) -> Any:
    """Returns the names of files that patterns match, sorted, when it runs.

    Source: `tf.io.matching_files`.
    """
    return call(MATCHING_FILES, as_strings(pattern), name=name)


def static_string(value: Any) -> str | None:
    """Returns a string that is known while the graph is built, or None."""
    if isinstance(value, Tensor):
        known = constant_value(value)
        value = None if known is None else known.item()
    return value.decode() if isinstance(value, bytes) else value
