"""Several threads compute one step: the same bits, and nobody is held up."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.tape import pool_words
from graphopt.config import config
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY, Effect, Elementwise, Family
from graphopt.runtime.threads import available_threads, count_processors, pool
from graphopt.schedule import chunks
from tests.helpers import as_tuple

v1 = tf.compat.v1
SPECS = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, (Family, Elementwise)) and spec.effect is Effect.NONE
]
COUNTS = (1, 2, 8)


@pytest.fixture(autouse=True)
def no_threads_left():
    yield
    pool.stop()


@pytest.fixture
def cut_everything(monkeypatch):
    """Has every call handed out, in as many pieces as can be."""

    def cut(call, cost):
        return max(1, call.extent // 7) if not call.repeats else max(call.extent, 1)

    monkeypatch.setattr(chunks, "chunk_of", cut)
    monkeypatch.setattr(chunks, "WORTH_WAKING", 0.0)


def large_step(size=1 << 18, steps=3):
    """Makes a training step with products, sums and updates; returns it and variables."""
    rng = np.random.default_rng(1)
    x = tf.constant(rng.standard_normal((64, 512)), tf.float32)
    w = tf.Variable(rng.standard_normal((512, size // 512)).astype(np.float32))
    b = tf.Variable(np.zeros(size // 512, np.float32))
    optimizer = tf.keras.optimizers.Adam(1e-3, global_clipnorm=1.0)

    def loss():
        return tf.reduce_mean(tf.square(tf.tanh(tf.matmul(x, w) + b)))

    return optimizer.minimize(loss, [w, b]), [w, b]


def train(count, runs=3):
    """Runs a large step on so many threads; returns the bits of its variables."""
    with tf.Graph().as_default(), config(threads=count), v1.Session() as session:
        step, variables = large_step()
        session.run(v1.global_variables_initializer())
        for _ in range(runs):
            session.run(step)
        return b"".join(value.tobytes() for value in session.run(variables))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_op_has_the_same_bits_on_any_number_of_threads(spec, cut_everything):
    for sample in spec.samples():
        results = []
        for count in COUNTS:
            with (
                tf.Graph().as_default(),
                config(jit="always", threads=count),
                v1.Session() as session,
            ):
                feeds = {
                    v1.placeholder(tf.as_dtype(a.dtype), a.shape): a
                    for a in map(np.asarray, sample.inputs)
                }
                outputs = list(as_tuple(call(spec, *feeds, **sample.attrs)))
                for _ in range(3):
                    found = session.run(outputs, feed_dict=feeds)
                    results.append([np.asarray(value).tobytes() for value in found])
        assert all(result == results[0] for result in results)


def test_a_step_has_the_same_bits_on_any_number_of_threads(cut_everything):
    bits = [train(count) for count in COUNTS]
    assert bits[0] == bits[1] == bits[2]


def test_workers_do_take_part():
    """Who computes shows in where the time went."""
    with config(threads=2):
        assert train(2)
        assert pool.words[pool_words.WORKERS] == 1
        names = [thread.name for thread in threading.enumerate()]
        assert "graphopt-worker-0" in names
        # Generations: two for each instruction that was handed out.
        assert pool.words[pool_words.GENERATION] > 2


def test_a_clock_that_was_set_back_does_not_end_the_sharing():
    with config(threads=2):
        train(2, runs=1)
        # Until then nothing is handed out, if that is to be believed.
        pool.words[pool_words.ALONE] = 1 << 62
        before = int(pool.words[pool_words.GENERATION])
        train(2, runs=1)
        assert int(pool.words[pool_words.GENERATION]) > before


def test_one_thread_has_no_workers_and_no_more_than_one_processor():
    with config(threads=1):
        before = len(threading.enumerate())
        start, wall = time.process_time(), time.perf_counter()
        train(1, runs=20)
        spent = time.process_time() - start
        assert spent <= 1.1 * (time.perf_counter() - wall) + 0.05
        assert len(threading.enumerate()) == before


def test_idle_workers_take_no_time():
    with config(threads=4):
        train(4)
        time.sleep(0.05)
        start = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - start < 0.05


def test_the_number_can_change_at_any_time():
    with tf.Graph().as_default(), v1.Session() as session:
        step, variables = large_step()
        session.run(v1.global_variables_initializer())
        for count in (1, 3, 2, 5, 1):
            tf.config.threading.set_intra_op_parallelism_threads(count)
            assert tf.config.threading.get_intra_op_parallelism_threads() == count
            assert available_threads() == count
            session.run(step)
        assert pool.words[pool_words.LIMIT] == 1
        assert pool.words[pool_words.WORKERS] == 4
        tf.config.threading.set_intra_op_parallelism_threads(0)
        assert available_threads() == count_processors()
        assert np.isfinite(session.run(variables[0])).all()


@pytest.mark.parametrize("number", [-1, 1.5, "2"])
def test_numbers_that_are_none(number):
    with pytest.raises((ValueError, TypeError)):
        tf.config.threading.set_intra_op_parallelism_threads(number)


def test_a_session_has_a_limit_of_its_own():
    options = v1.ConfigProto(intra_op_parallelism_threads=1)
    with config(threads=2), tf.Graph().as_default(), v1.Session(config=options) as s:
        step, _ = large_step()
        s.run(v1.global_variables_initializer())
        generation = pool.words[pool_words.GENERATION]
        s.run(step)
        assert pool.words[pool_words.GENERATION] == generation


def test_steps_of_many_threads_share_one_pool(cut_everything):
    expected = train(1, runs=30)
    found, errors = [], []

    def work():
        try:
            with tf.Graph().as_default(), v1.Session() as session:
                step, variables = large_step()
                session.run(v1.global_variables_initializer())
                for _ in range(30):
                    session.run(step)
                values = session.run(variables)
                found.append(b"".join(value.tobytes() for value in values))
        except BaseException as error:
            errors.append(error)

    with config(threads=4):
        users = [threading.Thread(target=work) for _ in range(8)]
        for user in users:
            user.start()
        for user in users:
            user.join(120)
            assert not user.is_alive()
    assert not errors
    assert found == [expected] * 8


def test_errors_of_chunks_reach_the_user(cut_everything):
    with config(threads=4, jit="always"), tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [1000, 3])
        index = v1.placeholder(tf.int32, [5000])
        taken = tf.gather(x, index)
        values = np.zeros((1000, 3), np.float32)
        wanted = np.arange(5000, dtype=np.int32) % 1000
        with v1.Session() as session:
            assert session.run(taken, {x: values, index: wanted}).shape == (5000, 3)
            wanted[4321] = 1000
            with pytest.raises(tf.errors.InvalidArgumentError, match="1000"):
                session.run(taken, {x: values, index: wanted})
            wanted[4321] = 0
            assert session.run(taken, {x: values, index: wanted}).shape == (5000, 3)


def test_denormals_are_flushed_by_workers_too(cut_everything):
    tiny = np.full(1 << 16, 1e-38, np.float32)
    with config(threads=8, jit="always"), tf.Graph().as_default():
        x = v1.placeholder(tf.float32, tiny.shape)
        with v1.Session() as session:
            for _ in range(20):
                assert not session.run(x * 0.01, {x: tiny}).any()


def in_a_child(queue):
    queue.put((train(2), len(threading.enumerate())))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_children_make_their_own_workers(method):
    with config(threads=2):
        expected = train(2)
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        children = [context.Process(target=in_a_child, args=(queue,)) for _ in range(3)]
        for child in children:
            child.start()
        for _ in children:
            bits, _ = queue.get(timeout=60)
            assert bits == expected
        for child in children:
            child.join(20)
            assert child.exitcode == 0
        assert train(2) == expected


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork.")
def test_a_plan_from_before_a_fork_goes_on_in_the_child():
    with config(threads=2), tf.Graph().as_default(), v1.Session() as session:
        step, _ = large_step()
        session.run(v1.global_variables_initializer())
        session.run(step)
        child = os.fork()
        if not child:
            try:
                session.run(step)
                has_workers = pool.words[pool_words.WORKERS] == 1
                os._exit(0 if has_workers else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        session.run(step)


def test_the_process_ends_whatever_the_workers_do():
    script = (
        "import os, sys\n"
        "import graphopt as tf\n"
        "from tests.runtime.test_workers import train\n"
        "tf.config.threading.set_intra_op_parallelism_threads(4)\n"
        "train(4)\n"
        "print('done')\n"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_processors_are_counted_with_the_quota_of_a_container(tmp_path):
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    for text, expected in (
        ("max 100000", most),
        ("50000 100000", 1),
        ("150000 100000", min(2, most)),
        ("nonsense", most),
    ):
        path = tmp_path / "cpu.max"
        path.write_text(text)
        assert count_processors(path) == expected
    assert count_processors(tmp_path / "missing") == most


def test_chunks_depend_on_shapes_alone():
    def shares(count):
        with tf.Graph().as_default(), config(threads=count), v1.Session() as session:
            step, _ = large_step()
            session.run(v1.global_variables_initializer())
            session.run(step)
            plans = [p for r in session._runners.values() for p in r.plans.values()]
            (plan,) = (plan for plan in plans if not plan.is_initializer)
            return chunks.plan_shares(plan.schedule)

    assert shares(1) == shares(2) == shares(8)
    assert any(share.wakes for share in shares(2).values())


@pytest.mark.parametrize(
    ("extent", "unit", "cost", "chunk"),
    [
        (1000, 1, 1000.0, 1000),  # too short
        (1 << 20, 1, 2e6, 8192),  # at most 128, whole lines
        (16, 5, 1e6, 4),  # fewer groups than are good
        (100, 5, 1e6, 5),
        (1, 1, 1e9, 1),
        (0, 1, 0.0, 1),
    ],
)
def test_lengths_of_chunks(extent, unit, cost, chunk):
    request = chunks.Call(None, (), extent, unit=unit)
    assert chunks.chunk_of(request, cost) == chunk


def test_long_plans_stop_to_look_for_signals():
    with tf.Graph().as_default(), config(threads=1), v1.Session() as session:
        x = tf.constant(np.zeros((1024, 1024), np.float32))
        y = v1.placeholder(tf.float32, [1024, 1024])
        for _ in range(12):
            y = tf.matmul(y, x)
        placeholder = session.graph.get_operations()[1].outputs[0]
        w = tf.Variable(np.zeros((1024, 1024), np.float32))
        step = w.assign_add(y)
        session.run(v1.global_variables_initializer())
        session.run(step, {placeholder: np.zeros((1024, 1024), np.float32)})
        runner = next(r for r in session._runners.values() if r.feeds)
        (plan,) = runner.plans.values()
        assert len(plan.executable._parts) > 3
        # What is written is written in one piece.
        last = max(chunks.find_pauses(plan.schedule, 5e7))
        assert last < len(plan.schedule.steps) - 1
