"""The wire format of protocol buffers: messages from bytes, and back.

A schema is text: one message a line, `Name: number[*] kind field, ...`. `*` repeats,
`kind` is a scalar kind, another message, or `map<Message>` for string keys. Fields that
a schema does not list are skipped, as protobuf does. Messages have the methods that
programs call on those of protobuf.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import DataLossError

DEEPEST = 100  # as protobuf's own limit
_VARINT = {"int32", "int64", "uint32", "uint64", "bool", "enum"}
_FIXED: dict[str, tuple[int, str, np.dtype[Any]]] = {
    "float": (5, "<f", np.dtype("<f4")),
    "double": (1, "<d", np.dtype("<f8")),
    "fixed32": (5, "<I", np.dtype("<u4")),
    "fixed64": (1, "<Q", np.dtype("<u8")),
}
_SIZE = {1: 8, 5: 4}
# A field: its name, kind, whether it repeats, and the message it is made of.
Field = tuple[str, str, bool, Any]


class Repeated(list[Any]):
    """A repeated field."""

    def __init__(self, values: Iterable[Any] = (), message: Any = None) -> None:
        super().__init__(values)
        self.message = message

    def add(self, **fields: Any) -> Any:
        """Appends a new message and returns it."""
        made = self.message(**fields)
        self.append(made)
        return made


class Map(dict[str, Any]):
    """A map field; a key that is asked for and not there gets an empty message."""

    def __init__(self, values: Any = (), message: Any = None) -> None:
        super().__init__(values)
        self.message = message

    def __missing__(self, key: str) -> Any:
        made = self[key] = "" if isinstance(self.message, str) else self.message()
        return made

    def get_or_create(self, key: str) -> Any:
        """Returns the message of a key, an empty one if there was none."""
        return self[key]


class Message:
    """A message; fields that are not there have their default.

    Args:
      **values: Fields by name.

    Raises:
      ValueError: It has no such field.
    """

    SPEC: ClassVar[dict[int, Field]] = {}
    FIELDS: ClassVar[dict[str, int]] = {}
    NAME: ClassVar[str] = ""
    # Fields that are written where they have their default, as those of a oneof.
    ONEOF: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        number = self.FIELDS.get(name)
        if number is None:
            raise ValueError(f'Protocol message {self.NAME} has no "{name}" field.')
        _, kind, repeated, sub = self.SPEC[number]
        if kind == "map":
            value = Map(value, sub)
        elif repeated and not isinstance(value, np.ndarray):
            value = Repeated(value, sub)
        elif kind == "bytes" and isinstance(value, str):
            value = value.encode()
        self.__dict__[name] = value

    def __getattr__(self, name: str) -> Any:
        number = self.FIELDS.get(name)
        if number is None:
            raise AttributeError(f"{self.NAME} has no field {name!r}")
        _, kind, repeated, sub = self.SPEC[number]
        if repeated:
            made: Any = Repeated((), sub)
        elif kind == "map":
            made = Map((), sub)
        elif kind == "message":
            made = sub()
        else:
            return _DEFAULTS.get(kind, 0)
        self.__dict__[name] = made
        return made

    def has(self, name: str) -> bool:
        """Returns whether a field is there."""
        value = self.__dict__.get(name)
        return value is not None and not (
            isinstance(value, Message) and value.is_empty()
        )

    HasField = has

    def is_empty(self) -> bool:
        """Returns whether no field is there."""
        return not any(
            len(value) if isinstance(value, (list, dict)) else self.has(name)
            for name, value in self.__dict__.items()
        )

    def SerializeToString(self) -> bytes:
        """Returns the message as bytes."""
        return serialize(self)

    @classmethod
    def FromString(cls, data: bytes) -> Any:
        """Returns the message of bytes.

        Raises:
          DataLossError: The bytes are no such message.
        """
        return parse(cls, bytes(data))

    def ParseFromString(self, data: bytes) -> int:
        """Replaces all fields by those of bytes, and returns their number."""
        self.__dict__.clear()
        return self.MergeFromString(data)

    def MergeFromString(self, data: bytes) -> int:
        """Adds the fields of bytes, and returns the number of bytes."""
        _merge(self, parse(type(self), bytes(data)))
        return len(data)

    def CopyFrom(self, other: Message) -> None:
        """Makes this message equal to another one."""
        self.ParseFromString(serialize(other))

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r:.60}" for k, v in self.__dict__.items())
        return f"{self.NAME}({inner})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and serialize(self) == serialize(other)

    __hash__ = None  # type: ignore[assignment]


_DEFAULTS: dict[str, Any] = {
    "string": "",
    "bytes": b"",
    "float": 0.0,
    "double": 0.0,
    "bool": False,
}


def compile_schema(text: str) -> dict[str, Any]:
    """Makes the classes of messages; see the docstring of this file for the text."""
    made: dict[str, Any] = {}
    listed = []
    for line in text.strip().splitlines():
        name, _, fields = line.partition(":")
        own = {"NAME": name.strip(), "SPEC": {}, "FIELDS": {}}
        made[name.strip()] = type(name.strip(), (Message,), own)
        listed.append((made[name.strip()], fields))
    for cls, fields in listed:
        for entry in filter(None, (f.strip() for f in fields.split(","))):
            number, kind, name = entry.split()
            sub = None
            if kind.startswith("map<"):
                sub, kind = made.get(kind[4:-1], kind[4:-1]), "map"
            elif kind not in _VARINT and kind not in _FIXED | _DEFAULTS:
                sub, kind = made[kind], "message"
            at = int(number.rstrip("*"))
            cls.SPEC[at] = (name, kind, number.endswith("*"), sub)
            cls.FIELDS[name] = at
    return made


# ---- reading


def varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """Returns a number of seven bits a byte, and where it ends."""
    shift = value = 0
    while True:
        if at >= end or shift > 63:
            raise DataLossError("a varint is cut off or too long")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7


def _number(kind: str, value: int) -> Any:
    if kind == "int64":
        return value - (1 << 64) if value >> 63 else value
    if kind in ("int32", "enum"):
        value &= 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value
    if kind == "bool":
        return value != 0
    if kind == "uint32":
        return value & 0xFFFFFFFF
    return value


def packed_varints(data: Any) -> NDArray[Any]:
    """Decodes varints side by side, as uint64."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if raw.size and (not ends.size or ends[-1] != raw.size - 1):
        raise DataLossError("a packed field is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    lengths = ends - starts + 1
    if ends.size and lengths.max() > 10:
        raise DataLossError("a varint is too long")
    out = np.zeros(ends.size, np.uint64)
    for k in range(int(lengths.max()) if ends.size else 0):
        more = lengths > k
        bits = (raw[starts[more] + k] & 127).astype(np.uint64)
        out[more] |= bits << np.uint64(7 * k)
    return out


def _pack_numbers(kind: str, data: Any) -> Any:
    if kind in _FIXED:
        dtype = _FIXED[kind][2]
        if len(data) % dtype.itemsize:
            raise DataLossError("a packed field has a part of a number")
        return np.frombuffer(data, dtype)
    out = packed_varints(data)
    if kind == "bool":
        return out != 0
    if kind in ("int32", "enum"):
        return out.astype(np.uint32).view(np.int32)
    return out.view(np.int64) if kind == "int64" else out


def _text(data: Any) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise DataLossError("a string is not UTF-8") from None


def parse(cls: type[Message], data: Any, depth: int = 0) -> Any:
    """Reads a message.

    Raises:
      DataLossError: The bytes are no such message.
    """
    if not isinstance(data, memoryview):
        data = memoryview(data)
    if depth > DEEPEST:
        raise DataLossError("messages are nested too deeply")
    message = cls()
    values = message.__dict__
    spec = cls.SPEC
    got: Any
    at, end = 0, len(data)
    while at < end:
        byte = data[at]
        if byte < 128:
            key, at = byte, at + 1
        else:
            key, at = varint(data, at, end)
        number, wire = key >> 3, key & 7
        field = spec.get(number)
        if wire == 2:
            size = data[at] if at < end else 0
            if at < end and size < 128:
                at += 1
            else:
                size, at = varint(data, at, end)
            if size > end - at:
                raise DataLossError(f"{cls.NAME}: a field is longer than what is left")
            piece = data[at : at + size]
            at += size
            if field is None:
                continue
            name, kind, repeated, sub = field
            if kind == "string":
                got = _text(piece)
            elif kind == "bytes":
                got = bytes(piece)
            elif kind == "message":
                got = parse(sub, piece, depth + 1)
                if not repeated and name in values:  # parts of one message
                    _merge(values[name], got)
                    continue
            elif kind == "map":
                entry_key, entry = _entry(sub, piece, depth + 1)
                values.setdefault(name, Map((), sub))[entry_key] = entry
                continue
            elif repeated:  # packed numbers
                old = values.get(name)
                new = _pack_numbers(kind, piece)
                values[name] = new if old is None else np.concatenate([old, new])
                continue
            else:
                raise DataLossError(f"{cls.NAME}.{name} has the wrong wire type")
        elif wire == 0:
            raw, at = varint(data, at, end)
            if field is None:
                continue
            name, kind, repeated, sub = field
            if kind not in _VARINT:
                raise DataLossError(f"{cls.NAME}.{name} has the wrong wire type")
            got = _number(kind, raw)
        elif wire in _SIZE:
            size = _SIZE[wire]
            if size > end - at:
                raise DataLossError(f"{cls.NAME}: it ends within a number")
            at += size
            if field is None:
                continue
            name, kind, repeated, sub = field
            if kind not in _FIXED or _FIXED[kind][0] != wire:
                raise DataLossError(f"{cls.NAME}.{name} has the wrong wire type")
            (got,) = struct.unpack_from(_FIXED[kind][1], data, at - size)
        else:
            raise DataLossError(f"{cls.NAME}: wire type {wire}")
        if number == 0:
            raise DataLossError(f"{cls.NAME}: a field has the number 0")
        if repeated:
            old = values.get(name)
            if old is None:
                values[name] = Repeated([got], sub)
            elif isinstance(old, np.ndarray):
                values[name] = np.append(old, got)
            else:
                old.append(got)
        else:
            values[name] = got
    return message


def _entry(sub: Any, data: memoryview, depth: int) -> tuple[str, Any]:
    entry = parse(_string_entry(sub), data, depth)
    return entry.key, entry.value


_ENTRIES: dict[Any, type[Message]] = {}


def _string_entry(sub: Any) -> type[Message]:
    if sub not in _ENTRIES:
        value: Field = ("value", "message", False, sub)
        if isinstance(sub, str):
            value = ("value", sub, False, None)
        own: dict[str, Any] = {"NAME": "Entry", "FIELDS": {"key": 1, "value": 2}}
        own["SPEC"] = {1: ("key", "string", False, None), 2: value}
        _ENTRIES[sub] = type("Entry", (Message,), own)
    return _ENTRIES[sub]


def _merge(old: Message, new: Message) -> None:
    for name, value in new.__dict__.items():
        before = old.__dict__.get(name)
        if isinstance(before, Message):
            _merge(before, value)
        elif isinstance(before, list):
            before.extend(value)
        elif isinstance(before, np.ndarray):
            old.__dict__[name] = np.concatenate([before, value])
        elif isinstance(before, dict):
            before.update(value)
        else:
            old.__dict__[name] = value


# ---- writing


def put_varint(value: int) -> bytes:
    """Returns a number in seven bits a byte."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def serialize(message: Message) -> bytes:
    """Writes a message: fields by number, maps by key, numbers packed; defaults left out."""
    parts: list[bytes] = []
    _write(message, parts)
    return b"".join(parts)


def _write(message: Message, parts: list[Any]) -> None:
    for number in sorted(message.SPEC):
        name, kind, repeated, sub = message.SPEC[number]
        if name not in message.__dict__:
            continue
        value = message.__dict__[name]
        if kind == "map":
            for key in sorted(value):
                _delimit(
                    number,
                    serialize(_string_entry(sub)(key=key, value=value[key])),
                    parts,
                )
        elif not repeated:
            _one(number, kind, value, parts, keep=name in message.ONEOF)
        elif kind in ("message", "string", "bytes"):
            for each in value:
                _one(number, kind, each, parts, keep=True)
        elif len(value):
            _delimit(number, _pack(kind, value), parts)


def _delimit(number: int, data: Any, parts: list[Any]) -> None:
    parts += (put_varint(number << 3 | 2), put_varint(len(data)), data)


def _one(number: int, kind: str, value: Any, parts: list[Any], keep: bool) -> None:
    if kind == "message":
        if keep or not value.is_empty():
            _delimit(number, serialize(value), parts)
    elif kind == "string":
        if value or keep:
            _delimit(number, value.encode(), parts)
    elif kind == "bytes":
        if len(value) or keep:
            _delimit(number, value if isinstance(value, bytes) else bytes(value), parts)
    elif not value and not keep:
        return
    elif kind in _FIXED:
        wire, form, _ = _FIXED[kind]
        parts += (put_varint(number << 3 | wire), struct.pack(form, value))
    else:
        parts += (put_varint(number << 3), put_varint(int(value)))


def _pack(kind: str, values: Any) -> bytes:
    if kind in _FIXED:
        return np.asarray(values, _FIXED[kind][2]).tobytes()
    return b"".join(put_varint(int(v)) for v in values)
