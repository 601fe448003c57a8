"""Vectors of channels: every width of vectors, parts of them, nothing beyond."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from graphopt.codegen import functions
from graphopt.codegen.compile import native
from graphopt.codegen.machine import WIDTHS, assume, find_machine

CANARY = 77
COUNTS = [0, 1, 3, 4, 15, 16, 17, 63, 64, 65, 130]


@pytest.fixture(params=WIDTHS)
def bits(request):
    with assume(find_machine(request.param)):
        yield request.param


# The arguments that are images, each followed by a place in it.
IMAGES = {"copy_rows": (0, 7), "max_window": (0, 6), "spread_window": (0, 6)}


def compile_call(function, kind, words):
    """A kernel that calls one function with the words it is given."""
    name = f"call_{function}_{kind}"
    arguments = [f"args[{i}]" for i in range(words)]
    # The gradient of an image has its layout, so there is no place.
    for i in (*IMAGES[function], *((8,) if function == "spread_window" else ())):
        arguments[i] = f"pointer_{kind}({arguments[i]})"
    call = f"{function}({', '.join(arguments)})"
    source = f"def {name}(args, lo, hi):\n    {call}\n"
    kernel = native.compile_source(source, name, functions.make_namespace())
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    entry = signature(kernel.address)

    def call(*given):
        at = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in given]
        table = np.array(at, np.int64)
        entry(table.ctypes.data, 0, 1)

    # The kernel owns the code that is called.
    call.kernel = kernel
    return call


def image(kind, count):
    """Three rows of four pixels, of which a window takes 2 x 3."""
    generator = np.random.default_rng(count)
    x = generator.integers(0, 5, (3, 4, count)).astype(kind)
    if x.dtype.kind == "f":
        x[0, 1, ::3] = np.nan
        x[:, :, 1::7] = np.nan
    elif x.dtype.kind == "i":
        x -= 3
    else:
        x[1, 1] = 250
    return x


def largest(window):
    """NaN where there is one, else the largest, of each channel."""
    return window.reshape(6, -1).max(axis=0)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_rows_are_copied(kind, bits):
    call = compile_call("copy_rows", kind, 10)
    for count in COUNTS:
        x = np.arange(1.0, count + 1).astype(kind)
        y = np.full(count + 70, CANARY, kind)
        call(x, 0, 0, 1, 1, count, 0, y[1:], 0, count)
        np.testing.assert_array_equal(y[1 : 1 + count], x)
        assert y[0] == CANARY
        assert (y[1 + count :] == CANARY).all()


@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "int64", "uint8"])
def test_largest_of_a_window(kind, bits):
    call = compile_call("max_window", kind, 9)
    for count in COUNTS[1:]:
        x = image(kind, count)
        y = np.full(count + 140, CANARY, kind)
        call(x, 0, count, 4 * count, 2, 3, y, 0, count)
        np.testing.assert_array_equal(y[:count], largest(x[:2, :3]))
        assert (y[count:] == CANARY).all()


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_gradients_go_to_the_first_largest(kind, bits):
    call = compile_call("spread_window", kind, 10)
    for count in COUNTS[1:]:
        x = image(kind, count)
        g = np.arange(1.0, count + 1).astype(kind)
        dx = np.full((4, 4, count), CANARY, kind)
        call(x, 0, count, 4 * count, 2, 3, g, 0, dx, count)
        flat = x[:2, :3].reshape(6, -1)
        best = largest(x[:2, :3])
        is_it = (flat == best) | (np.isnan(flat) & np.isnan(best))
        want = np.full((4, 4, count), CANARY, kind)
        rows, columns = np.divmod(is_it.argmax(0), 3)
        want[rows, columns, np.arange(count)] += g
        np.testing.assert_array_equal(dx, want)
