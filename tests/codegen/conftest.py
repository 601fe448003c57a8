"""Helpers for running kernels without a plan."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_FUNCTIONS = """
    exp exp2 expm1 log log2 log10 log1p pow sqrt sin cos tan asin acos atan atan2 sinh
    cosh tanh asinh acosh atanh erf erfc lgamma tgamma fma fmod floor ceil rint trunc
    round ldexp sincos
"""
_NAMES = _FUNCTIONS.split()
_MEMORY = ["memcpy", "memset", "memmove"]
ALLOWED_SYMBOLS = frozenset(
    [*_NAMES, *(name + "f" for name in _NAMES), *_MEMORY, "_GLOBAL_OFFSET_TABLE_"]
)


def read_undefined_symbols(object_code: bytes) -> set[str]:
    """Read the names that a 64-bit little-endian ELF object expects from outside."""
    assert object_code[:6] == b"\x7fELF\x02\x01"
    (sections_at,) = struct.unpack_from("<Q", object_code, 0x28)
    size, count = struct.unpack_from("<HH", object_code, 0x3A)
    headers = [
        struct.unpack_from("<IIQQQQIIQQ", object_code, sections_at + i * size)
        for i in range(count)
    ]

    def names() -> Iterator[str]:
        for header in headers:
            if header[1] != 2:  # SHT_SYMTAB
                continue
            strings_at = headers[header[6]][4]
            for at in range(header[4] + 24, header[4] + header[5], 24):
                name_at, _, _, section = struct.unpack_from("<IBBH", object_code, at)
                if section == 0:
                    start = strings_at + name_at
                    stop = object_code.index(b"\0", start)
                    yield object_code[start:stop].decode()

    return set(names())
