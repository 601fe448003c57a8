"""What ranks exchange, against NumPy: every job, dtype and size, from Python and in steps."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.communication.terms import declare_terms
from graphopt.codegen.kernels import get_kernel
from graphopt.ops.collectives import (
    ALL_GATHER,
    ALL_REDUCE,
    BROADCAST,
    REDUCE_SCATTER,
    REDUCTIONS,
)
from tests.parallel.ranks import run_ranks

EXCHANGE = """
import numpy as np
from graphopt.parallel.communicator import world

group = world()
rank, size = group.rank, group.size
rng = np.random.default_rng(5)


def tree(function, terms):
    terms = list(terms)
    while len(terms) > 1:
        rest = terms[len(terms) & ~1:]
        terms = [function(a, b) for a, b in zip(terms[::2], terms[1::2])] + rest
    return terms[0]


functions = {"sum": np.add, "min": np.minimum, "max": np.maximum, "prod": np.multiply}
checked = 0
# Less than a cache line, just more than what is added by all, and several pieces.
for dtype in ("float32", "float64", "int32", "int64"):
    for count in (1, 7, 1023, 5000, 700001):
        values = (rng.standard_normal((size, count)) * 50).astype(dtype)
        for name, function in functions.items():
            if name == "prod" and count > 7:
                continue
            found = group.all_reduce(values[rank], name)
            assert (found == tree(function, values)).all(), (dtype, count, name)
            checked += 1
        assert (group.all_gather(values[rank]) == values.reshape(-1)).all()
        many = (rng.standard_normal((size, size * count)) * 50).astype(dtype)
        own = slice(rank * count, (rank + 1) * count)
        assert (group.reduce_scatter(many[rank]) == tree(np.add, many)[own]).all()
        for root in range(size):
            assert (group.broadcast(values[rank], root) == values[root]).all()
nan = group.all_reduce(np.array([np.nan if rank else 1.0, 2.0]), "min")
assert np.isnan(nan[0]) and nan[1] == 2.0
flags = group.all_gather(np.array([rank == 0, True]))
assert flags.tolist() == [i == 0 or j == 1 for i in range(size) for j in range(2)]
assert group.gather_objects({"rank": rank}) == [{"rank": i} for i in range(size)]
assert group.broadcast_object("x" if rank == 1 else None, 1) == "x"
report(checked)
"""


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_exchange_what_numpy_says(size):
    assert run_ranks(size, EXCHANGE) == [4 * (3 * 5 + 2)] * size


STEPS = """
import numpy as np
import graphopt as tf
from graphopt.graph.dispatch import call
from graphopt.ops import collectives as ops
from graphopt.parallel.communicator import world

group = world()
rank, size = group.rank, group.size
ranks = {"group": group.group, "size": size}
x = (np.arange(6 * size, dtype=np.float32) + rank).reshape(2 * size, 3)


def exchange(x):
    total = call(ops.ALL_REDUCE, x, reduction="sum", **ranks)
    both = call(ops.ALL_GATHER, x, **ranks)
    piece = call(ops.REDUCE_SCATTER, x, reduction="sum", **ranks)
    root = call(ops.BROADCAST, x, root=1, **ranks)
    return total, both, piece, root


found = []
for mode in ("eager", "function", "graph", "interpreted"):
    if mode == "eager":
        results = [t.numpy() for t in exchange(tf.constant(x))]
    elif mode == "function":
        results = [t.numpy() for t in tf.function(exchange)(tf.constant(x))]
    else:
        jit = "never" if mode == "interpreted" else "always"
        with tf.config.config(jit=jit), tf.Graph().as_default():
            with tf.compat.v1.Session() as session:
                fed = tf.compat.v1.placeholder(tf.float32, x.shape)
                results = session.run(exchange(fed), {fed: x})
    found.append(results)
for results in found[1:]:
    for a, b in zip(found[0], results):
        assert (a == b).all()
total, both, piece, root = found[0]
everyone = [(x - rank + i) for i in range(size)]
assert (total == sum(everyone)).all()
assert (both == np.concatenate(everyone)).all()
assert (piece == sum(everyone)[2 * rank:2 * rank + 2]).all()
assert (root == everyone[1]).all()

# The derivative of what all ranks have computed together, by what this one has.
v = tf.Variable(x)
with tf.GradientTape() as tape:
    total, both, piece, root = exchange(v)
    loss = sum(tf.reduce_sum(t * (rank + 1.0)) for t in (total, both, piece, root))
sums = size * (size + 1) / 2
gradient = tape.gradient(loss, v).numpy()
expected = np.full(x.shape, sums + sums, np.float32)
expected += np.repeat(np.arange(1, size + 1), 2)[:, None]
expected += sums if rank == 1 else 0.0
assert np.allclose(gradient, expected), (gradient, expected)
report("done")
"""


def test_steps_exchange_in_every_mode():
    assert run_ranks(2, STEPS) == ["done"] * 2


JOIN = """
import numpy as np
import graphopt as tf
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.parallel.communicator import world

group = world()
v = tf.Variable([1.0, 2.0])
optimizer = tf.keras.optimizers.SGD(0.5)
with aggregating(Aggregation(group.group, group.size)):
    for _ in range(2 + group.rank):
        optimizer.apply_gradients([(tf.constant([1.0, 2.0]), v)])
last = group.join()
report([v.numpy().tolist(), last])
"""


def test_ranks_without_data_follow_the_others():
    # Two steps with the gradients of three ranks, one with two, one with one.
    first, second, third = run_ranks(3, JOIN)
    assert [last for _, last in (first, second, third)] == [2, 2, 2]
    assert first[0] == [1.0 - 0.5 * 6, 2.0 - 0.5 * 12]
    assert second[0] == [1.0 - 0.5 * 8, 2.0 - 0.5 * 16]
    assert third[0] == [1.0 - 0.5 * 9, 2.0 - 0.5 * 18]


@pytest.mark.parametrize("count", [2, 3, 5, 8, 9, 12, 17])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_terms_are_reduced_in_a_tree(count, reduction):
    import ctypes

    rng = np.random.default_rng(count)
    terms = list(rng.standard_normal((count, 700)).astype(np.float32))
    kernel = get_kernel(declare_terms("float32", reduction, count).request)
    out, scratch = np.zeros(700, np.float32), np.zeros(256 * count, np.float32)
    words = [out.ctypes.data, scratch.ctypes.data, *(t.ctypes.data for t in terms)]
    arguments = np.array(words, np.int64)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    kind(kernel.address)(arguments.ctypes.data, 0, 700)
    name = {"sum": "add", "min": "minimum", "max": "maximum", "prod": "multiply"}
    function = getattr(np, name[reduction])
    while len(terms) > 1:
        rest = terms[len(terms) & ~1 :]
        pairs = zip(terms[::2], terms[1::2], strict=False)
        terms = [*(function(a, b) for a, b in pairs), *rest]
    assert (out == terms[0]).all()


def test_one_rank_needs_nobody():
    one = {"group": 0, "size": 1}
    x = tf.constant([[1.0, 2.0]])
    from graphopt.graph.dispatch import call

    for spec, attrs in (
        (ALL_REDUCE, {"reduction": "sum"}),
        (ALL_GATHER, {}),
        (REDUCE_SCATTER, {"reduction": "max"}),
        (BROADCAST, {"root": 0}),
    ):
        assert call(spec, x, **attrs, **one).numpy().tolist() == [[1.0, 2.0]]


THREADS = """
import os
import graphopt as tf
from graphopt.parallel.communicator import world
from graphopt.runtime.threads import available_threads, count_processors

mine = int(os.environ["OMPI_COMM_WORLD_RANK"])
processors = sorted(os.sched_getaffinity(0))
if os.environ.get("BIND") and len(processors) > 1:
    # The first rank alone, the others together.
    os.sched_setaffinity(0, processors[:1] if mine == 0 else processors[1:])
alone = available_threads()
world()
report([len(processors), count_processors(), alone, available_threads()])
"""


@pytest.mark.parametrize("bind", ["", "1"])
def test_ranks_share_the_processors_that_they_have_in_common(bind):
    found = run_ranks(3, THREADS, env={"GRAPHOPT_THREADS": "", "BIND": bind})
    for rank, (machine, processors, alone, threads) in enumerate(found):
        is_bound = bind and machine > 1
        sharers = 3 if not is_bound else 1 if rank == 0 else 2
        assert alone == processors
        assert threads == max(1, processors // sharers)
