"""Elementwise ops at poles, huge and non-finite arguments: they return, alike everywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY, Effect, Elementwise
from graphopt.ops.special_values import zeta

v1 = tf.compat.v1
EXTREMES = [
    *(0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, -20.5, 171.0),
    *(1e10, -1e10, -1e10 + 0.5, 1e300, -1e300, 1e-300, -1e-300, 5e-324),
    *(np.inf, -np.inf, np.nan),
]
OPS = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Elementwise)
    and spec.effect is Effect.NONE
    and not spec.samples()[0].attrs
    and tf.float64 in spec.dtypes
    and all(spec.type_of_input(i) == "T" for i in range(len(spec.samples()[0].inputs)))
]


@pytest.mark.parametrize("spec", OPS, ids=lambda spec: spec.name)
def test_every_argument_has_a_result_at_once(spec):
    count = len(spec.samples()[0].inputs)
    values = EXTREMES if count < 3 else EXTREMES[::3]
    columns = [
        np.array(c) for c in zip(*itertools.product(values, repeat=count), strict=True)
    ]
    with np.errstate(all="ignore"):
        want = np.asarray(spec.compute(*columns))
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        fed = [v1.placeholder(tf.float64, c.shape) for c in columns]
        got = session.run(call(spec, *fed), dict(zip(fed, columns, strict=True)))
    # Kernels flush denormal numbers.
    tiny = np.finfo(np.float64).tiny
    usual = [(np.abs(c) >= tiny) | (c == 0) | np.isnan(c) for c in columns]
    usual = np.logical_and.reduce(usual)
    if want.dtype.kind == "f":
        usual &= ~(np.abs(want) < tiny)
    np.testing.assert_allclose(got[usual], want[usual], rtol=1e-9)


def test_zeta_below_zero_by_the_sum_itself():
    for s, q in itertools.product(
        (2.0, 3.0, 6.0), (-0.3, -19.7, -20.5, -37.25, -300.9)
    ):
        terms = (q + np.arange(200_000.0)) ** -s
        tail = (q + 200_000.0 - 0.5) ** (1 - s) / (s - 1)
        want = np.sum(np.sort_complex(terms).real) + tail
        got = zeta(np.array(s), np.array(q))
        np.testing.assert_allclose(got, want, rtol=1e-9)


def test_poles_of_polygamma():
    x = tf.constant([-1e10, -3.0, 0.0, -1e16], tf.float64)
    got = tf.math.polygamma(tf.ones_like(x), x).numpy()
    np.testing.assert_array_equal(got, [np.inf] * 4)
