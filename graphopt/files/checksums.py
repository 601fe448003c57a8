"""CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), with NumPy alone.

Long data are cut into equal lanes whose checksums are computed side by side, one
column of 8 bytes at a time, and then joined: a CRC is linear, so that of `a + b` is that
of `a` advanced by `len(b)` zero bytes, xor that of `b`.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

POLY = 0x82F63B78
MASK_DELTA = 0xA282EAD8


@functools.cache
def _byte_table() -> list[int]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (POLY if n & 1 else 0)
        table.append(n)
    return table


@functools.cache
def _tables8() -> list[list[int]]:
    t0 = _byte_table()
    tables = [t0]
    for _ in range(7):
        last = tables[-1]
        tables.append([t0[v & 255] ^ v >> 8 for v in last])
    return tables


@functools.cache
def _tables16() -> tuple[NDArray[Any], ...]:
    """Four tables of 65,536 words: two bytes at a time, for 8 bytes of a column."""
    t = [np.array(x, np.uint32) for x in _tables8()]
    low, high = np.arange(65536) & 255, np.arange(65536) >> 8
    return tuple(t[7 - 2 * i][low] ^ t[6 - 2 * i][high] for i in range(4))


def _short(data: bytes, crc: int) -> int:
    """State in, state out (not inverted), a byte at a time."""
    t = _byte_table()
    for byte in data:
        crc = t[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def _shift_matrix(nbytes: int) -> list[int]:
    """Columns of the 32 x 32 bit matrix that advances a state by zero bytes."""
    # one zero byte
    t = _byte_table()
    mat = [t[(1 << i) & 255] ^ (1 << i) >> 8 for i in range(32)]
    result = [1 << i for i in range(32)]
    while nbytes:
        if nbytes & 1:
            result = [_times(mat, v) for v in result]
        mat = [_times(mat, v) for v in mat]
        nbytes >>= 1
    return result


def _times(mat: list[int], vec: int) -> int:
    out, i = 0, 0
    while vec:
        if vec & 1:
            out ^= mat[i]
        vec >>= 1
        i += 1
    return out


@functools.cache
def _shift_tables(nbytes: int) -> list[list[int]]:
    mat = _shift_matrix(nbytes)
    return [[_times(mat, byte << 8 * k) for byte in range(256)] for k in range(4)]


_LANE = 64  # bytes

# x^6777 + x^484 + x^100 + 1 is a multiple of the CRC's polynomial (found by search), and
# so is each of its powers of two. In the 8th the exponents are whole bytes: 6,293 bytes
# at the front of the data can be xored into three later places, and are done with.
_FOLD, _NEAR, _MID = 6777, 6777 - 484, 6777 - 100


def _lanes(flat: NDArray[Any], state: int) -> int:
    """Checksum of whole lanes, side by side."""
    t0, t1, t2, t3 = _tables16()
    lanes = flat.size // _LANE
    words = flat.view("<u2").reshape(lanes, _LANE // 2)
    columns = np.ascontiguousarray(words.T)
    states = np.zeros(lanes, np.uint32)
    states[0] = state
    for i in range(0, columns.shape[0], 4):
        a = columns[i] ^ (states & 0xFFFF).astype(np.uint16)
        b = columns[i + 1] ^ (states >> 16).astype(np.uint16)
        states = t0[a] ^ t1[b] ^ t2[columns[i + 2]] ^ t3[columns[i + 3]]
    s0, s1, s2, s3 = _shift_tables(_LANE)
    total = 0
    for value in states.tolist():
        total = (
            s0[total & 255]
            ^ s1[total >> 8 & 255]
            ^ s2[total >> 16 & 255]
            ^ s3[total >> 24]
            ^ value
        )
    return total


def _fold(data: NDArray[Any], state: int, scale: int, heads: int) -> NDArray[Any]:
    """Shortens data, uint8, to less than `(heads + 2) * 6777 * scale` bytes.

    The state becomes part of what is returned, so go on with a state of zero.
    """
    fold, near, mid = _FOLD * scale, _NEAR * scale, _MID * scale
    segment = heads * near
    work = np.zeros(segment + fold, np.uint8)
    work[:4] = np.frombuffer(struct.pack("<I", state), np.uint8)
    done = 0
    while data.size - done >= segment + fold:
        work[:segment] ^= data[done : done + segment]
        for i in range(0, segment, near):
            head = work[i : i + near]
            for offset in (near, mid, fold):
                place = work[i + offset : i + offset + near]
                np.bitwise_xor(place, head, out=place)
        work[:fold] = work[segment:]
        work[fold:] = 0
        done += segment
    rest = data[done:].copy()
    rest[:fold] ^= work[:fold]
    return rest


def crc32c(data: Any, crc: int = 0) -> int:
    """Returns the checksum of bytes, a memoryview or a contiguous array.

    Args:
      data: The bytes.
      crc: That of what comes before, to go on with.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    view = memoryview(data)
    flat = np.frombuffer(view, np.uint8) if view.nbytes else np.zeros(0, np.uint8)
    state = crc ^ 0xFFFFFFFF
    # Large steps where there is much, small ones for what is left.
    for scale, heads in ((8, 12), (1, 4)):
        if flat.size >= scale * (heads + 2) * _FOLD:
            flat, state = _fold(flat, state, scale, heads), 0
    start = 0
    if flat.size >= 1 << 10:
        start = flat.size // _LANE * _LANE
        state = _lanes(flat[:start], state)
    return _short(flat[start:].tobytes(), state) ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    """Returns what TFRecords keep of a checksum, which is no checksum of itself."""
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def unmask(masked: int) -> int:
    """Undoes `mask`."""
    rot = (masked - MASK_DELTA) & 0xFFFFFFFF
    return (rot >> 17 | rot << 15) & 0xFFFFFFFF


def masked(data: Any, crc: int = 0) -> int:
    """Returns the masked checksum of bytes."""
    return mask(crc32c(data, crc))
