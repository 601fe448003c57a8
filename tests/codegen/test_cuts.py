"""A kernel may be cut anywhere along its range, and its pieces run in any order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.tape import tape
from graphopt.config import config
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY, Effect, Family
from tests.helpers import as_tuple

SPECS = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Family) and spec.effect is Effect.NONE
]


def cut(executable):
    """Replaces every instruction by pieces, the last one first."""
    rows = []
    for address, arguments, low, high in executable._rows:
        bounds = sorted({low, *(low + (high - low) * k // 5 for k in (1, 2, 4)), high})
        pieces = list(itertools.pairwise(bounds))
        rows += [(address, arguments, a, b) for a, b in reversed(pieces)]
    table = np.array(rows, np.int64).reshape(-1, 4)
    (block,) = executable._blocks
    block[tape.BLOCK_INSTRUCTIONS] = table.ctypes.data
    block[tape.BLOCK_COUNT] = len(table)
    return table


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_pieces_give_the_same_bits(spec):
    for sample in spec.samples():
        with tf.Graph().as_default(), config(jit="always"):
            feeds = {
                tf.compat.v1.placeholder(tf.as_dtype(a.dtype), a.shape): a
                for a in map(np.asarray, sample.inputs)
            }
            outputs = list(as_tuple(call(spec, *feeds, **sample.attrs)))
            with tf.compat.v1.Session() as session:
                whole = session.run(outputs, feed_dict=feeds)
                (runner,) = session._runners.values()
                (plan,) = runner.plans.values()
                if len(plan.executable._blocks) > 1:
                    continue  # a step on the host
                table = cut(plan.executable)
                pieces = session.run(outputs, feed_dict=feeds)
                # The last row is for repeating the step.
                assert len(table) >= len(plan.executable._rows) - 1
        for a, b in zip(whole, pieces, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
