"""Several things at once: threads, signal handlers, Python inside of runs, forks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import graphopt as tf
from graphopt.runtime import store as store_module

v1 = tf.compat.v1
unix = pytest.mark.skipif(os.name != "posix", reason="signals and forks are Unix's")


@contextlib.contextmanager
def signals(handler, seconds):
    """Calls a handler again and again, between any two instructions of Python."""
    inside = []

    def handle(*_):
        # A handler that takes longer than the timer would interrupt itself for ever.
        if not inside:
            inside.append(1)
            try:
                handler()
            finally:
                inside.clear()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def in_threads(*functions):
    """Runs functions at the same time; raises what one of them raised."""
    errors, start = [], threading.Barrier(len(functions))

    def run(function):
        start.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def run_python(program, *arguments, timeout=120, **options):
    """Runs a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        **options,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-2000:])
    return done.stdout


# ---- who frees or changes storage


@pytest.mark.parametrize("size", [4, 300_000])
def test_closing_waits_for_runs_of_other_threads(size):
    for _ in range(3):
        with tf.Graph().as_default():
            v = tf.Variable(np.zeros(size, np.float32))
            step = v.assign_add(tf.ones([size]), read_value=False)
            session = v1.Session()
            session.run(v.initializer)
            session.run(step)
            ended = []

            def train(session=session, step=step, ended=ended):
                try:
                    while True:
                        session.run(step)
                except RuntimeError as error:
                    ended.append(error)

            threads = [threading.Thread(target=train) for _ in range(2)]
            for thread in threads:
                thread.start()
            time.sleep(0.02)
            session.close()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
            assert all("closed Session" in str(error) for error in ended)
            assert len(ended) == 2


def test_loading_beside_runs_of_other_threads():
    with tf.Graph().as_default(), v1.Session() as session:
        a, b = (tf.Variable(np.zeros(1000, np.float32)) for _ in range(2))
        step = tf.group(a.assign_add(tf.ones([1000])), b.assign_add(tf.ones([1000])))
        session.run(v1.global_variables_initializer())

        def load():
            for k in range(200):
                a.load(np.full(1000, 1000.0 * k, np.float32), session)

        def train():
            for _ in range(400):
                session.run(step)

        in_threads(load, train)
        found, steps = session.run([a, b])
        assert (steps == 400.0).all()
        assert (found == found[0]).all()
        assert 199_000.0 <= found[0] <= 199_400.0


@pytest.mark.parametrize("action", ["close", "load", "run", "run_op"])
def test_python_inside_of_a_run_cannot_change_the_session(action):
    with tf.Graph().as_default():
        session = v1.Session()
        v = tf.Variable(np.ones(5, np.float32))
        other = v.assign_add(tf.ones([5]), read_value=False)
        actions = {
            "close": session.close,
            "load": lambda: v.load(np.zeros(5, np.float32), session),
            "run": lambda: session.run(v),
            "run_op": lambda: other.run(session=session),
        }

        def inside(x):
            with pytest.raises(RuntimeError, match=r"inside (of a|another) run"):
                actions[action]()
            return x

        seen = tf.py_function(inside, [v * 2.0], tf.float32)
        step = v.assign(seen, read_value=False)
        session.run(v.initializer)
        session.run(other)
        for k in range(4):
            session.run(step)
            np.testing.assert_array_equal(session.run(v), 2.0 ** (k + 2))
        session.close()


def test_a_learning_rate_function_cannot_assign():
    v = tf.Variable(1.0)

    def rate():
        return 0.5

    calls = []

    @tf.function
    def step():
        def inside(x):
            with pytest.raises(
                RuntimeError, match=r"'v:0' was assigned to inside of a run"
            ):
                named.assign(3.0)
            calls.append(float(named))
            return x

        return v.assign_add(tf.py_function(inside, [named * 1.0], tf.float32))

    named = tf.Variable(2.0, name="v")
    for _ in range(4):
        step()
    assert calls == [2.0] * 4
    assert float(v) == 9.0
    opt = tf.keras.optimizers.SGD(rate)
    opt.apply_gradients([(tf.constant(2.0), v)])
    assert float(v) == 8.0


def test_what_python_reads_inside_of_a_function_does_not_change():
    v = tf.Variable(np.zeros(4, np.float32))
    kept = []

    def look(x):
        kept.append((v.read_value(), v.numpy()))
        return x

    @tf.function
    def step():
        v.assign_add(tf.ones([4]))
        return v.assign_add(tf.py_function(look, [v * 1.0], tf.float32))

    for _ in range(4):
        step()
    starts = [0.0, 2.0, 6.0, 14.0]
    assert [float(t.numpy()[0]) for t, _ in kept] == starts
    assert [float(a[0]) for _, a in kept] == starts


def test_a_thread_that_a_run_waits_for_gets_an_error(monkeypatch):
    monkeypatch.setattr(store_module, "PATIENCE", 0.5)
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0)
        update = v.assign_add(1.0, read_value=False)
        found = []

        def other():
            try:
                session.run(update)
            except Exception as error:
                found.append(error)

        def inside(x):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            return x

        step = v.assign(tf.py_function(inside, [v * 2.0], tf.float32), read_value=False)
        session.run(v.initializer)
        for _ in range(3):
            session.run(step)
        assert session.run(v) == 8.0
        assert [type(e) for e in found] == [tf.errors.DeadlineExceededError] * 3
        assert isinstance(found[0], TimeoutError)
        assert "Python function that may be waiting" in str(found[0])


# ---- signal handlers


@unix
@pytest.mark.parametrize("kind", ["session", "function"])
def test_a_handler_that_saves_gets_a_whole_state(tmp_path, kind):
    paths = []
    if kind == "session":
        graph = tf.Graph()
        with graph.as_default():
            a, b = (tf.Variable(np.zeros(2000, np.float32), name=n) for n in "ab")
            seen = tf.py_function(lambda x: x, [a + 1.0], tf.float32)
            seen.set_shape([2000])
            with tf.control_dependencies([a.assign(seen, read_value=False)]):
                late = tf.py_function(lambda x: x, [b + 1.0], tf.float32)
                late.set_shape([2000])
            step = tf.group(b.assign(late))
            saver = v1.train.Saver(max_to_keep=1000)
            session = v1.Session()
            session.run(v1.global_variables_initializer())

        def run():
            session.run(step)

        def save():
            with graph.as_default():
                paths.append(saver.save(session, str(tmp_path / "s"), len(paths)))
    else:
        a, b = (tf.Variable(np.zeros(2000, np.float32)) for _ in range(2))
        checkpoint = tf.train.Checkpoint(a=a, b=b)
        manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), 1000)

        @tf.function
        def run():
            a.assign_add(tf.ones([2000]))
            ones = tf.py_function(lambda x: x / x, [a * 1.0], tf.float32)
            ones.set_shape([2000])
            b.assign_add(ones)

        def save():
            paths.append(manager.save())

    for _ in range(4):
        run()
    with signals(save, 0.01):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            run()
    assert len(set(paths)) == len(paths) > 3
    for path in paths[:40]:
        if kind == "session":
            with graph.as_default():
                saver.restore(session, path)
            x, y = session.run([a, b])
        else:
            checkpoint.restore(path)
            x, y = a.numpy(), b.numpy()
        assert (x == x[0]).all()
        assert (y == x[0]).all()


@unix
def test_steps_of_a_handler_are_not_lost():
    with tf.Graph().as_default(), v1.Session() as session:
        v, w = tf.Variable(0.0), tf.Variable(0.0)
        step = v.assign_add(1.0).op
        other = tf.group(v.assign_add(1000.0), w.assign_add(1.0))
        session.run(v1.global_variables_initializer())
        done, refused = [0], [0]

        def handle():
            try:
                with session.graph.as_default():
                    other.run(session=session)
                done[0] += 1
            except RuntimeError as error:
                assert "inside another run" in str(error)
                refused[0] += 1

        steps = 0
        with signals(handle, 0.001):
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                step.run(session=session)
                steps += 1
        assert done[0] > 10
        assert session.run([v, w]) == [steps + 1000.0 * done[0], done[0]]


@unix
def test_eager_assignments_of_a_handler_are_not_lost():
    v = tf.Variable(0, dtype=tf.int64)
    done, refused = [0], [0]

    @tf.function
    def step():
        return v.assign_add(1)

    def handle():
        try:
            v.assign_add(1_000_000)
            done[0] += 1
        except RuntimeError:
            refused[0] += 1

    # Traced before: what a handler does in a trace becomes part of the function.
    step()
    steps = 1
    with signals(handle, 0.001):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            v.assign_add(1)
            step()
            steps += 2
    assert done[0] > 10
    assert int(v) == steps + 1_000_000 * done[0]


# ---- the first use


def test_a_layer_is_built_once():
    for _ in range(5):
        layer, seen = tf.keras.layers.Dense(3), []
        x = tf.ones([2, 4])
        in_threads(*[lambda: seen.append(layer(x).numpy())] * 8)
        assert len(layer.weights) == 2
        for y in seen:
            np.testing.assert_array_equal(y, seen[0])


def test_a_function_is_traced_once():
    traces = []

    @tf.function
    def f(x):
        traces.append(1)
        time.sleep(0.01)
        return x * 2.0

    in_threads(*[lambda: f(tf.constant(1.0))] * 8)
    assert len(traces) == 1


def test_slots_are_made_once():
    v = tf.Variable([1.0, 2.0])
    opt = tf.keras.optimizers.Adam(0.1)
    grad = tf.constant([1.0, 1.0])
    in_threads(*[lambda: opt.apply_gradients([(grad, v)])] * 8)
    assert len(opt.weights) == 3
    assert int(opt.iterations) == 8


def test_an_implicit_session_is_initialized_once():
    for _ in range(5):
        with tf.Graph().as_default():
            v = tf.Variable(tf.zeros([3]))
            step = v.assign_add(tf.ones([3]), read_value=False)
            in_threads(*[step.run] * 8)
            np.testing.assert_array_equal(v.eval(), [8.0, 8.0, 8.0])


def test_every_save_of_several_threads_is_a_file(tmp_path):
    v = tf.Variable(1.0)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=v), str(tmp_path), 100)
    paths = []
    in_threads(*[lambda: paths.append(manager.save())] * 8)
    assert len(set(paths)) == 8
    assert sorted(manager.checkpoints) == sorted(paths)


def test_threads_that_build_one_graph():
    graph = tf.Graph()

    def build():
        with graph.as_default():
            for _ in range(200):
                tf.constant(1.0, name="c")

    in_threads(*[build] * 4)
    operations = graph.get_operations()
    assert [op.index for op in operations] == list(range(800))
    assert len({op.name for op in operations}) == 800


def test_a_buffer_that_is_filled_again():
    buffer = np.zeros(3, np.float32)

    def rows():
        for k in range(10):
            buffer[:] = k
            yield buffer

    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [3])
        v = tf.Variable(tf.zeros([3]))
        session.run(v.initializer)
        session.run_steps(v.assign_add(x), 10, feeds={x: rows()})
        np.testing.assert_array_equal(session.run(v), [45.0] * 3)


# ---- processes


@unix
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_busy_process_works():
    run_python(
        """
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        import numpy as np
        import graphopt as tf
        v1 = tf.compat.v1
        graph = tf.Graph()
        with graph.as_default():
            a, b = (tf.Variable(np.zeros(50_000, np.float32)) for _ in range(2))
            step = tf.group(a.assign_add(tf.ones([50_000])), b.assign_add(tf.ones([50_000])))
            session = v1.Session()
            session.run(v1.global_variables_initializer())
            session.run(step)
        e = tf.Variable(0.0)
        f = tf.function(lambda x: e.assign_add(x))
        f(tf.constant(1.0))
        stop = []
        def train():
            while not stop:
                session.run(step)
                step.run(session=session)
                f(tf.constant(1.0))
        def compile():
            n = 3
            while not stop:
                n += 1
                with tf.Graph().as_default(), v1.Session() as s:
                    x = tf.Variable(np.ones(n, np.float32))
                    y = x
                    for k in range(n % 7):
                        y = tf.sin(y) * float(k + n)
                    s.run(x.initializer)
                    s.make_callable(tf.reduce_sum(y))()
        threads = [threading.Thread(target=t, daemon=True) for t in (train, compile)]
        for t in threads: t.start()
        time.sleep(0.3)
        for k in range(8):
            pid = os.fork()
            if pid == 0:
                x, y = session.run([a, b])
                assert (x == x[0]).all() and (y == x[0]).all(), "torn"
                session.run(step)
                step.run(session=session)
                f(tf.constant(1.0)).numpy()
                g = tf.function(lambda x: tf.cos(x) * (100.0 + k))
                g(tf.constant([1.0, 2.0])).numpy()
                os._exit(0)
            end = time.monotonic() + 60
            while True:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    assert status == 0, status
                    break
                assert time.monotonic() < end, "the child hangs"
                time.sleep(0.01)
            time.sleep(0.02)
        stop.append(1)
        for t in threads: t.join(30)
        """,
        timeout=280,
    )


@unix
def test_without_threads_steps_run_on_one(tmp_path):
    out = run_python(
        """
        import resource, threading
        import numpy as np
        import graphopt as tf
        def refuse(self):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        tf.config.threading.set_intra_op_parallelism_threads(2)
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            v = tf.Variable(np.ones((1500, 1500), np.float32))
            step = v.assign(tf.matmul(v, v) * 1e-3, read_value=False)
            session.run(v.initializer)
            for _ in range(3):
                session.run(step)
            print(session.run(v)[0, 0])
        """,
        env={**os.environ, "GRAPHOPT_CACHE": "off"},
    )
    assert float(out) > 0


@unix
def test_steps_run_while_the_interpreter_ends():
    out = run_python(
        """
        import atexit
        # What is registered first comes last, when the workers are gone.
        atexit.register(lambda: last())
        import numpy as np
        import graphopt as tf
        v1 = tf.compat.v1
        graph = tf.Graph()
        with graph.as_default():
            v = tf.Variable(np.ones((600, 600), np.float32))
            step = v.assign(tf.matmul(v, v) * 1e-3, read_value=False)
            session = v1.Session()
        def last():
            session.run(v.initializer)
            session.run(step)
            print(session.run(v)[0, 0])
        """
    )
    np.testing.assert_allclose(float(out), 0.6, rtol=1e-5)
