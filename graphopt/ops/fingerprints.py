"""Numbers that stand for strings: the three hashes whose buckets programs rely on.

A program that was trained with `to_hash_bucket_fast` has its embeddings in the rows that
FarmHash gave the words, so the numbers have to be the same ones.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F


def _rotate(value: int, bits: int) -> int:
    """Rotates 64 bits to the right."""
    value &= _MASK
    return ((value >> bits) | (value << (64 - bits))) & _MASK


def _mix(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _both(first: int, second: int, factor: int) -> int:
    low = _mix((first ^ second) * factor)
    return (_mix((second ^ low) * factor) * factor) & _MASK


def _short(data: bytes) -> int:
    count = len(data)
    factor = _K2 + 2 * count
    if count >= 8:
        a, b = _word(data, 0) + _K2, _word(data, count - 8)
        c = _rotate(b, 37) * factor + a
        d = (_rotate(a, 25) + b) * factor
        return _both(c & _MASK, d & _MASK, factor)
    if count >= 4:
        first = count + (_word(data, 0, 4) << 3)
        return _both(first, _word(data, count - 4, 4), factor)
    if count:
        y = data[0] + (data[count >> 1] << 8)
        z = count + (data[-1] << 2)
        return (_mix((y * _K2) ^ (z * _K0)) * _K2) & _MASK
    return _K2


def _middle(data: bytes) -> int:
    """17 to 64 bytes."""
    count = len(data)
    factor = _K2 + 2 * count
    a = _word(data, 0) * (_K1 if count <= 32 else _K2)
    b = _word(data, 8)
    c = _word(data, count - 8) * factor
    d = _word(data, count - 16) * _K2
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    z = _both(y, (a + _rotate(b + _K2, 18) + c) & _MASK, factor)
    if count <= 32:
        return z
    e, f = _word(data, 16) * factor, _word(data, 24)
    g = (y + _word(data, count - 32)) * factor
    h = (z + _word(data, count - 24)) * factor
    first = (_rotate(e + f, 43) + _rotate(g, 30) + h) & _MASK
    return _both(first, (e + _rotate(f + a, 18) + g) & _MASK, factor)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(data, at + 8 * i) for i in range(4))
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    b += _rotate(a, 44)
    return (a + z) & _MASK, (b + c) & _MASK


def fingerprint64(data: bytes) -> int:
    """Returns FarmHash's fingerprint of 64 bits.

    Source: https://github.com/google/farmhash, `farmhashna::Hash64`.
    """
    count = len(data)
    if count <= 16:
        return _short(data)
    if count <= 64:
        return _middle(data)
    x, y = 81, (81 * _K1 + 113) & _MASK
    z = (_mix(y * _K2 + 113) * _K2) & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(data, 0)) & _MASK
    end = (count - 1) // 64 * 64
    rest = (count - 1) & 63
    for at in [*range(0, end, 64), end + rest - 63]:
        is_last = at == end + rest - 63
        factor, scale = (_K1, 1)
        if is_last:
            factor, scale = _K1 + ((z & 0xFF) << 1), 9
            w = (w[0] + rest, w[1])
            v = (v[0] + w[0], v[1])
            w = (w[0] + v[0], w[1])
        x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * factor
        y = _rotate(y + v[1] + _word(data, at + 48), 42) * factor
        x ^= w[1] * scale
        y += v[0] * scale + _word(data, at + 40)
        z = (_rotate(z + w[0], 33) * factor) & _MASK
        v = _weak(data, at, v[1] * factor, x + w[0])
        w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
        z, x = x & _MASK, z
        y &= _MASK
        if is_last:
            first = _both(v[0], w[0], factor) + _mix(y) * _K0 + z
            second = _both(v[1], w[1], factor) + x
            return _both(first & _MASK, second & _MASK, factor)
    raise AssertionError("The last block returns.")


def hash64(data: bytes) -> int:
    """Returns the 64 bits of MurmurHash64A with the seed that TensorFlow uses.

    Source: https://github.com/aappleby/smhasher, `MurmurHash64A`.
    """
    factor, count = 0xC6A4A7935BD1E995, len(data)
    value = 0xDECAFCAFFE ^ ((count * factor) & _MASK)
    whole = count - count % 8
    for at in range(0, whole, 8):
        word = _mix(_word(data, at) * factor) * factor
        value = ((value ^ (word & _MASK)) * factor) & _MASK
    if whole < count:
        value = ((value ^ _word(data, whole)) * factor) & _MASK
    return _mix(_mix(value) * factor)


def keyed_hash(data: bytes, key: tuple[int, int]) -> int:
    """Returns SipHash-2-4 with a key of two words.

    Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
    """
    first, second = key[0] & _MASK, key[1] & _MASK
    state = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]

    def stir(rounds: int) -> None:
        v0, v1, v2, v3 = state
        for _ in range(rounds):
            v0 = (v0 + v1) & _MASK
            v1 = _rotate(v1, 51) ^ v0
            v0 = _rotate(v0, 32)
            v2 = (v2 + v3) & _MASK
            v3 = _rotate(v3, 48) ^ v2
            v0 = (v0 + v3) & _MASK
            v3 = _rotate(v3, 43) ^ v0
            v2 = (v2 + v1) & _MASK
            v1 = _rotate(v1, 47) ^ v2
            v2 = _rotate(v2, 32)
        state[:] = [v0, v1, v2, v3]

    count = len(data)
    whole = count - count % 8
    last = _word(data, whole) | (count & 0xFF) << 56
    for word in [*(_word(data, at) for at in range(0, whole, 8)), last]:
        state[3] ^= word
        stir(2)
        state[0] ^= word
    state[2] ^= 0xFF
    stir(4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]
