"""Casts: every pair of dtypes, numbers out of range, vectors and what is left of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt import dtypes
from graphopt.config import config
from graphopt.ops import truncation

EDGES = [
    *(0.0, -0.0, 0.5, -0.5, 1.9, -1.9, 99.99, 127.5, 128.0, -128.9, -129.0),
    *(255.5, 256.0, 300.7, -300.7, 32767.9, 32768.0, -32769.0, 65535.0, 70000.0),
    *(2.0**31 - 128, 2.0**31 - 1, 2.0**31, -(2.0**31), -(2.0**31) - 0.5),
    *(-(2.0**31) - 1, -(2.0**31) - 256, 3e9, -3e9, 2.0**33 + 5, 1e10, -1e10),
    *(2.0**53, 2.0**63 - 1024, 2.0**63, -(2.0**63), -(2.0**63) - 2048, 1e19),
    *(1e30, -1e30, 65504.0, np.inf, -np.inf, np.nan, -np.nan),
]
LIMITS = [0, 1, 2, 44, 127, 128, 200, 255, 256, 300, 32767, 32768, 40000, 2**31 - 1]
WHOLE = [*LIMITS, *(-x for x in LIMITS), -(2**31), 2**40 + 300, -(2**63), 2**63 - 1]
INTEGERS = [dtype for dtype in dtypes.ALL if dtype.is_integer]
PAIRS = list(itertools.permutations(dtypes.ALL, 2))


def define(value: float, dtype: dtypes.DType) -> int:
    """The definition in Python's integers."""
    bits = 64 if dtype.size == 8 else 32
    whole = int(value) if np.isfinite(value) else 2**bits
    if not -(2 ** (bits - 1)) <= whole < 2 ** (bits - 1):
        whole = -(2 ** (bits - 1))
    low = whole % 2 ** (8 * dtype.size)
    return low if dtype.is_unsigned or low <= dtype.max else low - 2 ** (8 * dtype.size)


def values_of(dtype: dtypes.DType) -> np.ndarray:
    with np.errstate(all="ignore"):
        if dtype.is_floating:
            return np.array(EDGES).astype(dtype.numpy)
        return np.array(WHOLE, np.int64).astype(dtype.numpy)


def cast_in_graph(x: np.ndarray, dtype: dtypes.DType, jit: str) -> list[np.ndarray]:
    """A cast alone, and one within a fused loop."""
    with tf.Graph().as_default(), config(jit=jit):
        fed = tf.compat.v1.placeholder(x.dtype, x.shape)
        fetches = [tf.cast(fed, dtype)]
        if fed.dtype.is_floating and dtype.is_integer:
            fetches.append(tf.cast(-(fed + 0), dtype) + tf.constant(1, dtype))
        with tf.compat.v1.Session() as session:
            return session.run(fetches, {fed: x})


@pytest.mark.parametrize(("source", "dtype"), PAIRS, ids=lambda dtype: dtype.name)
def test_every_way_to_cast_gives_the_same(source, dtype):
    x = values_of(source)
    eager = tf.cast(tf.constant(x), dtype).numpy()
    if source.is_floating and dtype.is_integer:
        assert eager.tolist() == [define(float(v), dtype) for v in x]
    # No vector, parts of one, several of every width, and a rest of each.
    for count in (1, 3, 7, 16, 33, 67, 131, 1024 + 29):
        long = np.resize(x, count)
        want = [np.resize(eager, count)]
        if source.is_floating and dtype.is_integer:
            negative = [define(-float(v), dtype) for v in x]
            with np.errstate(over="ignore"):
                more = np.array(negative, np.int64).astype(dtype.numpy)
                want.append(np.resize(more + dtype.numpy.type(1), count))
        for jit in ("never", "always"):
            got = cast_in_graph(long, dtype, jit)
            for a, b in zip(got, want, strict=True):
                assert a.dtype == dtype.numpy
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("source", dtypes.FLOATING, ids=lambda dtype: dtype.name)
def test_machines_whose_numpy_does_otherwise_get_the_same(source, dtype, monkeypatch):
    monkeypatch.setattr(truncation, "_numpy_does", lambda *_: False)
    x = values_of(source)
    got = tf.cast(tf.constant(x), dtype).numpy()
    assert got.tolist() == [define(float(v), dtype) for v in x]
    assert tf.cast(tf.constant(x[-1]), dtype).numpy() == define(float(x[-1]), dtype)


def test_a_numpy_that_saturates_is_noticed(monkeypatch):
    probe = truncation._PROBE

    class Saturating(np.ndarray):
        """Converts as 64-bit ARM does."""

        def astype(self, dtype, *args, **options):
            if np.dtype(dtype).kind not in "iu":
                return super().astype(dtype, *args, **options)
            limits = np.iinfo(dtype)
            plain = np.nan_to_num(np.asarray(self), nan=0.0)
            return np.clip(plain, limits.min, limits.max - 1).astype(dtype)

    ask = truncation._numpy_does.__wrapped__
    monkeypatch.setattr(truncation, "_PROBE", probe.view(Saturating))
    for dtype in (np.int8, np.uint8, np.int32):
        assert not ask(np.dtype(np.float64), np.dtype(dtype))
