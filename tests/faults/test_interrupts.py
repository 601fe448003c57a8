"""An interrupt leaves the state of some whole step, wherever it arrives."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.runtime.test_workers import large_step
from tests.soak import times

v1 = tf.compat.v1
SHOTS = times(12)


class Alarm:
    """Raises KeyboardInterrupt after a while, as Ctrl-C does.

    It is of CPU time, for the other clock is that of the limit on hanging tests.
    """

    def __enter__(self):
        self.before = signal.signal(signal.SIGPROF, signal.default_int_handler)
        return self

    def __exit__(self, *_exception):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self.before)

    def shoot(self, seconds):
        # Again after a second: Python drops an exception that arrives in a destructor.
        signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)

    def stop(self):
        signal.setitimer(signal.ITIMER_PROF, 0)


class Training:
    """A small network and what makes one step of it, in a graph or eagerly."""

    def __init__(self, kind):
        self.kind = kind
        rng = np.random.default_rng(0)
        x = tf.constant(rng.standard_normal((8, 6)), tf.float32)
        y = tf.constant(rng.standard_normal((8, 3)), tf.float32)
        self.w = tf.Variable(rng.standard_normal((6, 3)).astype(np.float32))
        self.b = tf.Variable(np.zeros(3, np.float32))
        self.optimizer = tf.keras.optimizers.Adam(1e-3, name=f"Adam_{kind}")

        def loss():
            error = tf.math.squared_difference(tf.matmul(x, self.w) + self.b, y)
            return tf.reduce_mean(error)

        self.variables = [self.w, self.b]
        if kind == "eager":
            self.step = lambda: self.optimizer.minimize(loss, self.variables)
        elif kind == "function":
            self.step = tf.function(
                lambda: self.optimizer.minimize(loss, self.variables)
            )
        else:
            self.train = self.optimizer.minimize(loss, self.variables)
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())
            self.step = lambda: self.session.run_operation(self.train)

    def state(self):
        everything = [*self.variables, *self.optimizer.weights]
        if self.kind in ("eager", "function"):
            return [v.numpy() for v in everything]
        return self.session.run(everything)

    def steps_done(self):
        iterations = self.optimizer.iterations
        if self.kind in ("eager", "function"):
            return int(iterations)
        return int(self.session.run(iterations))


def digest(state):
    return b"".join(np.ascontiguousarray(a).tobytes() for a in state)


# What arrives in a destructor is dropped, and the alarm rings again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("kind", "jit"),
    [
        ("graph", "always"),
        ("graph", "never"),
        ("run_steps", "always"),
        ("eager", "always"),
        ("function", "always"),
        ("function", "never"),
    ],
)
def test_state_is_that_of_a_whole_step(kind, jit):
    with config(jit=jit):
        if kind in ("graph", "run_steps"):
            with tf.Graph().as_default():
                shoot_at(Training(kind), Training(kind))
        else:
            shoot_at(Training(kind), Training(kind))


def shoot_at(victim, reference):
    seed = random.SystemRandom().randrange(1 << 30)
    rng = random.Random(seed)
    victim.step()
    reference.step()
    done = 1
    with Alarm() as alarm:
        for shot in range(SHOTS):
            try:
                alarm.shoot(rng.uniform(0.001, 0.02))
                if victim.kind == "run_steps":
                    while True:
                        victim.session.run_steps(victim.train, rng.randrange(1, 3000))
                for _ in range(10**9):
                    victim.step()
            except KeyboardInterrupt:
                alarm.stop()
            count = victim.steps_done()
            assert count >= done, shot
            for _ in range(count - done):
                reference.step()
            done = count
            assert digest(victim.state()) == digest(reference.state()), (seed, shot)


def test_an_exception_in_a_host_step_changes_nothing():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable([1.0, 2.0])
        fail = [False]

        def python(x):
            if fail[0]:
                raise MemoryError("no more")
            return x * 2.0

        g = tf.numpy_function(python, [v * 1.0], tf.float32)
        g.set_shape([2])
        optimizer = tf.keras.optimizers.Adam(0.1)
        train = optimizer.apply_gradients([(g, v)])
        session.run(v1.global_variables_initializer())
        session.run(train)
        before = session.run([v, *optimizer.weights])
        fail[0] = True
        with pytest.raises(MemoryError):
            session.run(train)
        after = session.run([v, *optimizer.weights])
        assert digest(before) == digest(after)
        fail[0] = False
        session.run(train)
        assert session.run(optimizer.iterations) == 2


def test_a_large_step_on_several_threads_is_done_or_not():
    """With products and updates that workers share, and a pause in between."""
    with tf.Graph().as_default(), config(threads=2):
        step, variables = large_step()
        bits = []
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(40 * SHOTS):
                found = session.run(variables)
                bits.append(b"".join(value.tobytes() for value in found))
                session.run(step)
        order = {each: i for i, each in enumerate(bits)}
        draw, last = random.Random(5), 0
        with v1.Session() as session, Alarm() as alarm:
            session.run(v1.global_variables_initializer())
            session.run(variables)
            # Planned before the first shot, which may come sooner than planning takes.
            session.run(step)
            for _ in range(SHOTS):
                try:
                    alarm.shoot(draw.uniform(0.0005, 0.01))
                    while True:
                        session.run(step)
                except KeyboardInterrupt:
                    alarm.stop()
                found = session.run(variables)
                place = order.get(b"".join(value.tobytes() for value in found))
                assert place is not None, "neither before nor after a step"
                assert place >= last
                last = place
        assert last > 1
