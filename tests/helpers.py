"""Comparing arrays, and running one op in every way there is."""

from __future__ import annotations

import numpy as np

import graphopt as tf
from graphopt.config import config
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call


def as_tuple(result):
    """Makes a tuple of one result or several."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def assert_ulps(got, want, ulps, slack=0.0):
    """Compares within units in the last place of the larger value; NaN equals NaN."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"dtype {got.dtype}, expected {want.dtype}"
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    finite = np.isfinite(want)
    a, b = got[finite].astype(np.float64), want[finite].astype(np.float64)
    largest = np.maximum(np.abs(got[finite]), np.abs(want[finite]))
    unit = np.spacing(largest.astype(got.dtype)).astype(np.float64)
    # Denormal results may be flushed to zero.
    tiny = float(np.finfo(got.dtype).tiny)
    difference = np.abs(a - b)
    allowed = ulps * unit + tiny + slack
    worst = np.max(difference / allowed, initial=0.0)
    assert worst <= 1.0, f"off by {np.max(difference / unit, initial=0.0):.1f} ulp"


def run_eagerly(spec, sample):
    """Runs an op in eager mode."""
    assert building_graph() is None
    return [t.numpy() for t in as_tuple(call(spec, *sample.inputs, **sample.attrs))]


def run_in_graph(spec, sample, jit):
    """Runs an op on placeholders in a session, interpreted or compiled."""
    with tf.Graph().as_default(), config(jit=jit):
        feeds = {
            tf.compat.v1.placeholder(tf.as_dtype(a.dtype), a.shape): a
            for a in map(np.asarray, sample.inputs)
        }
        outputs = as_tuple(call(spec, *feeds, **sample.attrs))
        with tf.compat.v1.Session() as session:
            values = session.run(list(outputs), feed_dict=feeds)
            if jit == "always":
                (runner,) = session._runners.values()
                (plan,) = runner.plans.values()
                if plan.executable is None:
                    why = plan.schedule.interpreted
                    assert "only its data decide" in why or "complex" in why
        return [np.asarray(value) for value in values]


def run_everywhere(function, *arrays, shapes=None):
    """Calls a function of tensors eagerly, interpreted and compiled.

    Args:
      function: Takes a tensor for each array and returns a tensor or several.
      *arrays: The values.
      shapes: The shapes of the placeholders in the graphs; those of the arrays if None.

    Returns:
      The results of the three, each a list of arrays.
    """
    results = [[t.numpy() for t in as_tuple(function(*map(tf.constant, arrays)))]]
    shapes = shapes or [np.shape(array) for array in arrays]
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            feeds = {
                tf.compat.v1.placeholder(tf.as_dtype(np.asarray(a).dtype), s): a
                for a, s in zip(arrays, shapes, strict=True)
            }
            outputs = list(as_tuple(function(*feeds)))
            with tf.compat.v1.Session() as session:
                results.append(session.run(outputs, feed_dict=feeds))
    return results


def assert_everywhere(function, arrays, *wanted, shapes=None, rtol=0.0):
    """Compares the results of a function in all three modes with arrays."""
    for results in run_everywhere(function, *arrays, shapes=shapes):
        assert len(results) == len(wanted)
        for got, want in zip(results, wanted, strict=True):
            want = np.asarray(want)
            assert np.asarray(got).dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, strict=True)
