"""Large products that are exchanged in parts while they are computed."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.graph.hooks import hooks
from graphopt.graph.program import Program
from graphopt.ops.collectives import ALL_REDUCE_START, ALL_REDUCE_WAIT, STEP_HEADER
from graphopt.ops.exchanged_products import ALL_REDUCE_PRODUCT_START
from graphopt.parallel.aggregation import Aggregation, aggregating, rows_of_step
from graphopt.rewrite import fuse_products
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.runtime.runner import lower_program
from graphopt.schedule.chunks import WORTH_WAKING, cost_of, is_worth_waking
from tests.parallel.ranks import run_ranks


class Machines:
    """What passes and lowering ask of a communicator whose ranks are on two machines."""

    bucket_bytes = 4096
    sends_parts = True
    terms = 1


@pytest.fixture(autouse=True)
def two_machines():
    before, hooks.communicator = hooks.communicator, lambda group: Machines()
    yield
    hooks.communicator = before


def layers(count, width, rows=8, weighed=False, off=()):
    """Returns a rewritten step of several layers, on one of two ranks."""
    with tf.Graph().as_default(), config(passes_off=off):
        x = h = tf.compat.v1.placeholder(tf.float32, [rows, width])
        own = tf.compat.v1.placeholder(tf.int32, [])
        variables = []
        for _ in range(count):
            kernel = np.eye(width, dtype=np.float32)
            variables += [tf.Variable(kernel), tf.Variable(np.zeros(width, np.float32))]
            h = tf.nn.relu(tf.matmul(h, variables[-2]) + variables[-1])
        optimizer = tf.keras.optimizers.Adam(0.1)
        examples = rows_of_step(own, 12) if weighed else contextlib.nullcontext()
        with aggregating(Aggregation(0, 2)), examples:
            train = optimizer.minimize(tf.reduce_mean(h * h), variables)
        shapes = tf.TensorShape([rows, width]), tf.TensorShape([])
        program = Program(train.graph, (x, own), (), (train,), shapes)
        return run_passes(program, PIPELINE)


def starts_of(program):
    """Returns the starts of products that are computed in parts, and the others."""
    ops = program.operations
    specs = ALL_REDUCE_PRODUCT_START, ALL_REDUCE_START
    return tuple([op for op in ops if op.spec is spec] for spec in specs)


def test_products_that_are_larger_than_a_bucket_travel_in_parts():
    program = layers(3, width=64)
    products, others = starts_of(program)
    assert len(products) == 3
    assert [len(op.inputs) for op in others] == [3]
    # 16 rows are a bucket, and parts are of whole tiles.
    assert {op.attrs["part"] for op in products} == {24 * 64}
    header = next(op for op in program.operations if op.spec is STEP_HEADER)
    counts = [job[2] for job in header.attrs["jobs"]]
    parts = [24 * 64, 24 * 64, 16 * 64]
    # Biases go together, when the last of them is there.
    assert counts in (parts * 3 + [3 * 64], parts * 2 + [3 * 64] + parts)
    schedule = lower_program(program)
    step = next(s for s in schedule.steps if s.op is products[-1])
    # Rows and posts by turns, behind the packing of an operand.
    words = [call.kernel.source for call in step.lowered.calls]
    assert [word == "post" for word in words[-6:]] == [False, True] * 3
    parts = [call for call in step.lowered.calls if call.begin]
    assert len(parts) == 2 and parts[0].begin < parts[0].extent == parts[1].begin


def test_parts_are_the_same_where_a_product_is_whole():
    def describe(program):
        header = next(op for op in program.operations if op.spec is STEP_HEADER)
        return header.attrs["jobs"], header.attrs["fingerprint"]

    apart = layers(2, width=64, off=("exchange_products",))
    assert not starts_of(apart)[0]
    assert describe(apart) == describe(layers(2, width=64))
    # The other rank has another number of rows.
    assert describe(layers(2, width=64, rows=1)) == describe(apart)
    start = starts_of(apart)[1][0]
    step = next(s for s in lower_program(apart).steps if s.op is start)
    assert [call.kernel.source for call in step.lowered.calls] == ["post"] * 3


def test_parts_are_between_machines_only(monkeypatch):
    monkeypatch.setattr(Machines, "sends_parts", False)
    products, others = starts_of(layers(3, width=64))
    assert not products
    # A matrix is larger than a bucket and ends it.
    assert sum(len(op.inputs) for op in others) == 6
    assert all(op.attrs["part"] == op.outputs[0].shape[0] for op in others)


def test_what_is_done_to_rows_is_done_to_each_part(monkeypatch):
    monkeypatch.setattr(fuse_products, "SMALLEST", 1)
    few = starts_of(layers(2, width=64, weighed=True))[0]
    # Operands that are larger than the product.
    many = starts_of(layers(2, width=64, rows=200, weighed=True))[0]
    assert len(few) == len(many) == 2
    for op in (*few, *many):
        assert len(op.attrs["body"].instructions) > 1


def test_the_thread_of_the_channel_is_woken_for_the_first_part(monkeypatch):
    monkeypatch.setattr(Machines, "bucket_bytes", 1 << 20)
    program = layers(2, width=2048, rows=512)
    schedule = lower_program(program)
    last = starts_of(program)[0][-1]
    (step,) = (step for step in schedule.steps if step.op is last)
    behind = iter(schedule.steps[schedule.steps.index(step) + 1 :])
    rest = itertools.takewhile(lambda s: s.op.spec is not ALL_REDUCE_WAIT, behind)
    spent = sum(cost_of(each, call) for each in rest for call in each.lowered.calls)
    # Nothing behind it is, but what it computes itself.
    assert spent < WORTH_WAKING
    assert is_worth_waking(schedule, step)


BITS = """
import numpy as np
import graphopt as tf
from graphopt.config import config
from graphopt.graph.dispatch import call
from graphopt.ops.collectives import ALL_REDUCE
from graphopt.parallel.communicator import world

group = world()
group.bucket_bytes = 1 << 12
v1 = tf.compat.v1
# Rows and columns of the product, and its depth; flags of transposition.
SIZES = [(50, 33, 7), (100, 200, 300), (700, 20, 600), (61, 400, 70), (40, 64, 64)]
SIZES += [(3000, 2, 9), (13, 3000, 5), (97, 97, 1), (25, 2000, 30)]
wrong, types = [], set()
for dtype in ("float32", "float64"):
    for m, n, k in SIZES:
        for ta, tb in ((True, False), (False, False), (False, True)):
            rng = np.random.default_rng([m, n, k, group.rank])
            a = rng.standard_normal((k, m) if ta else (m, k)).astype(dtype)
            b = rng.standard_normal((n, k) if tb else (k, n)).astype(dtype)
            found = []
            for parts in (False, True):
                group.sends_parts = parts
                with tf.Graph().as_default(), v1.Session() as session:
                    x, y = v1.placeholder(dtype, a.shape), v1.placeholder(dtype, b.shape)
                    z = tf.matmul(x, y, transpose_a=ta, transpose_b=tb)
                    z = call(ALL_REDUCE, z, reduction="sum", group=0, size=group.size)
                    feeds = {x: a, y: b}
                    values = [session.run(z, feeds) for _ in range(2)]
                    kinds = {s.type for s in session.plan(z, feeds).steps}
                    if parts != ("AllReduceMatMulStart" in kinds):
                        wrong.append((dtype, m, n, k, ta, tb, sorted(kinds)))
                    found += [value.tobytes() for value in values]
            ours = (a.T if ta else a) @ (b.T if tb else b)
            total = group.all_reduce(ours)
            if len(set(found)) != 1 or not np.allclose(values[0], total, atol=1e-3):
                wrong.append((dtype, m, n, k, ta, tb))
report(wrong)
"""


@pytest.mark.parametrize("bits", ["128", "256", "512"])
def test_parts_have_the_bits_of_the_whole(bits):
    env = {"GRAPHOPT_VECTOR_BITS": bits, "GRAPHOPT_JIT": "always"}
    assert run_ranks(2, BITS, env=env) == [[], []]


TRAINING = """
import hashlib, sys
import numpy as np
import graphopt as tf
from graphopt.parallel.communicator import world
from graphopt.rewrite import fuse_products

fuse_products.SMALLEST = 1
hashes = []
for parts in (False, True):
    # One rank has no communicator, and the same bits.
    strategy = tf.distribute.MPIStrategy(bucket_bytes=1 << 14, **OPTIONS)
    if strategy.communicator is not None:
        strategy.communicator.sends_parts = parts
    tf.keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((44, 96), np.float32)
    y = rng.standard_normal((44, 1), np.float32)
    with strategy.scope():
        layers = [tf.keras.layers.Dense(96, "relu") for _ in range(3)]
        model = tf.keras.Sequential([*layers, tf.keras.layers.Dense(1)])
        model.compile("adam", "mse")
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    text = b"".join(w.tobytes() for w in model.get_weights())
    hashes.append(hashlib.sha256(text).hexdigest())
report(hashes)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_fit_gives_the_same_weights_with_and_without_parts(threads):
    text = TRAINING.replace("**OPTIONS", "")
    found = run_ranks(2, text, env={"GRAPHOPT_THREADS": threads})
    assert len({each for rank in found for each in rank}) == 1


def test_every_number_of_ranks_gives_the_same_bits_with_parts():
    text = TRAINING.replace("**OPTIONS", "shards=4")
    found = [run_ranks(ranks, text) for ranks in (1, 2, 4)]
    assert len({each for run in found for rank in run for each in rank}) == 1


JOINING = """
import numpy as np
import graphopt as tf
from graphopt.graph.dispatch import call
from graphopt.ops.collectives import ALL_REDUCE
from graphopt.parallel.communicator import world

group = world()
group.bucket_bytes, group.sends_parts = 1 << 12, True
v1 = tf.compat.v1
with tf.Graph().as_default(), v1.Session() as session:
    x = tf.constant(np.arange(8 * 64, dtype=np.float32).reshape(8, 64))
    z = tf.matmul(x, x, transpose_a=True)
    z = call(ALL_REDUCE, z, reduction="sum", group=0, size=2)
    both = session.run(z)
    if group.rank == 0:
        alone = session.run(z)
        assert (both == 2 * alone).all() and alone.any()
    group.join()
    report(True)
"""


def test_a_rank_that_has_joined_follows_all_parts():
    assert run_ranks(2, JOINING, env={"GRAPHOPT_JIT": "always"}) == [True, True]
