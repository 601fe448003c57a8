"""Building small graphs, rewriting them, and running them with a pass on and off."""

from __future__ import annotations

import numpy as np

import graphopt as tf
from graphopt.config import config
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.graph.verify import verify_program
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE

BEFORE_FUSION = tuple(p for p in PIPELINE if p.name != "fuse_elementwise")
NEW = ("simplify_algebra", "fold_transposes", "merge_common_subexpressions")
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 1e-30, 3e38, 16777217.0]


def specials(dtype=np.float32, shape=(2, 5)):
    return np.array(SPECIAL, dtype).reshape(shape)


def build_program(build, *arrays):
    """A program of what `build` makes of placeholders for arrays."""
    with tf.Graph().as_default() as graph:
        feeds = placeholders(arrays)
        fetches = build(*feeds)
        fetches = tuple(fetches) if isinstance(fetches, (list, tuple)) else (fetches,)
        shapes = tuple(TensorShape(a.shape) for a in arrays)
        targets = tuple(f for f in fetches if not hasattr(f, "dtype"))
        fetches = tuple(f for f in fetches if hasattr(f, "dtype"))
        return Program(graph, tuple(feeds), fetches, targets, shapes)


def placeholders(arrays):
    return [
        tf.compat.v1.placeholder(tf.as_dtype(a.dtype), a.shape, name=f"in_{i}")
        for i, a in enumerate(arrays)
    ]


def rewritten(build, *arrays, passes=BEFORE_FUSION):
    """The program after the passes, checked."""
    program = run_passes(build_program(build, *arrays), passes)
    verify_program(program)
    return program


def op_types(program):
    """Types of the ops, without constants and placeholders."""
    skipped = ("Const", "Placeholder", "VarHandleOp")
    return [op.type for op in program.operations if op.type not in skipped]


def run(build, *arrays, off=(), jit="always", times=1):
    """Fetches what `build` makes, in a session; the last of several runs."""
    with tf.Graph().as_default() as graph, config(jit=jit, passes_off=off):
        graph.seed = 3
        feeds = placeholders(arrays)
        fetches = build(*feeds)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for _ in range(times):
                got = session.run(fetches, dict(zip(feeds, arrays, strict=True)))
    return got


def assert_same_bits(a, b):
    """Compares fetches bit for bit; a NaN is a NaN."""
    pairs = zip(a, b, strict=True) if isinstance(a, (list, tuple)) else [(a, b)]
    for x, y in pairs:
        if x is None:
            assert y is None
            continue
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)
        if x.dtype.kind == "f":
            numbers = ~np.isnan(x)
            np.testing.assert_array_equal(
                np.signbit(x)[numbers], np.signbit(y)[numbers]
            )
