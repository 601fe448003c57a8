"""A step that cannot be compiled says so, once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.errors import GraphoptWarning

v1 = tf.compat.v1


def complex_step():
    w = tf.Variable(np.ones(3, np.complex64), name="w")
    return w, w.assign_sub(w * 0.5, name="shrink")


def test_a_step_that_is_interpreted_warns_once():
    with tf.Graph().as_default(), v1.Session() as session:
        w, step = complex_step()
        session.run(w.initializer)
        with pytest.warns(GraphoptWarning, match="op by op with NumPy") as seen:
            session.run(step)
        assert "writes 'w'" in str(seen[0].message) and "complex" in str(
            seen[0].message
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            session.run(step)


def test_what_was_asked_to_be_interpreted_does_not_warn():
    with (
        tf.Graph().as_default(),
        config(jit="never"),
        v1.Session() as session,
    ):
        w, step = complex_step()
        session.run([w.initializer])
        session.run(step)
