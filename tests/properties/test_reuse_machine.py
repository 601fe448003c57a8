"""Whatever is compiled and used again, beside the same things done op by op.

One optimizer, one traced function and one session go through random changes of dtypes,
shapes, index dtypes, captures, tapes, thread counts and hyperparameter objects, with
assignments, loads, saves and restores in between. After each rule everything is compared
with a twin that runs eagerly by NumPy and keeps nothing.
"""

from __future__ import annotations

import contextlib
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import graphopt as tf
from graphopt.config import config
from tests.soak import FACTOR

v1 = tf.compat.v1
schedules = tf.keras.optimizers.schedules
ROWS, COLUMNS = 5, 3
floats = st.integers(-8, 8).map(lambda n: n / 4.0)
dtypes = st.sampled_from([np.float32, np.float64, np.int32, np.int64])
index_dtypes = st.sampled_from([np.int32, np.int64])


def array(shape, seed, dtype=np.float32):
    """Small numbers of which sums are exact."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype) / 4


def traced(x, v, scale):
    """What the function computes: it asks for sizes, chooses by rank, reads a variable."""
    y = x * tf.cast(scale, x.dtype)
    if x.shape.rank == 2 and x.shape[-1] == 1:
        y = tf.squeeze(y, -1)
    total = tf.reduce_sum(tf.cast(y, tf.float32)) * tf.reduce_sum(v * v)
    return y, total / float(x.shape[0] or 1)


class Reuse(RuleBasedStateMachine):
    """Two of everything: one compiled, one by NumPy."""

    @initialize(adam=st.booleans())
    def start(self, adam):
        """Makes the pairs."""
        make = tf.keras.optimizers.Adam if adam else tf.keras.optimizers.SGD
        begin = array((ROWS, COLUMNS), 0)
        self.variables = [tf.Variable(begin), tf.Variable(begin)]
        self.constraints = [tf.keras.constraints.MaxNorm(50.0) for _ in range(2)]
        for variable, constraint in zip(self.variables, self.constraints, strict=True):
            variable.constraint = constraint
        self.optimizers = [make(0.125), make(0.125)]
        self.schedules = [None, None]
        self.scale = tf.constant(0.5)
        self.function = tf.function(
            lambda x, scale: traced(x, self.variables[0], scale)
        )
        self.captured = tf.Variable(1.0)
        self.folder = contextlib.ExitStack()
        self.path = self.folder.enter_context(tempfile.TemporaryDirectory())
        self.checkpoints = [
            tf.train.Checkpoint(v=v, optimizer=o)
            for v, o in zip(self.variables, self.optimizers, strict=True)
        ]
        self.saved = False
        self._start_session()

    def _start_session(self):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.w = tf.Variable(np.zeros(COLUMNS, np.float32))
            self.x = v1.placeholder(tf.float32, [None, COLUMNS])
            update = self.w.assign_add(tf.reduce_sum(self.x, 0), read_value=False)
            clip = self.w.assign(tf.clip_by_value(self.w, -6.0, 6.0), read_value=False)
            self.step = [update, clip, tf.reduce_sum(self.w)]
            self.session = v1.Session(graph=self.graph)
            self.session.run(self.w.initializer)
        self.value = np.zeros(COLUMNS, np.float32)

    def teardown(self):
        """Frees what was made."""
        if hasattr(self, "folder"):
            self.session.close()
            self.folder.close()
            tf.config.threading.set_intra_op_parallelism_threads(0)

    def _both(self, change):
        """Does something to each of the pair, compiled and op by op."""
        for which, jit in enumerate(("always", "never")):
            with config(jit=jit):
                change(which)

    # ---- the optimizer

    @rule(seed=st.integers(0, 99))
    def train_dense(self, seed):
        """Takes a step with a whole gradient."""
        grad = array((ROWS, COLUMNS), seed)
        self._both(
            lambda k: self.optimizers[k].apply_gradients(
                [(tf.constant(grad), self.variables[k])]
            )
        )

    @rule(seed=st.integers(0, 99), count=st.integers(1, 4), dtype=index_dtypes)
    def train_sparse(self, seed, count, dtype):
        """Takes a step with some rows, some of them twice."""
        indices = np.random.default_rng(seed).integers(0, ROWS, count).astype(dtype)
        rows = array((count, COLUMNS), seed)
        self._both(
            lambda k: self.optimizers[k].apply_gradients(
                [
                    (
                        tf.IndexedSlices(
                            tf.constant(rows), tf.constant(indices), [ROWS, COLUMNS]
                        ),
                        self.variables[k],
                    )
                ]
            )
        )

    @rule(rate=st.sampled_from([0.5, 0.25, 0.0, -0.125]))
    def set_rate(self, rate):
        """Sets the learning rate to a number."""
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate
        self.schedules = [None, None]

    @rule(rate=st.sampled_from([0.5, 0.25, 0.125]))
    def set_schedule(self, rate):
        """Sets the learning rate to a schedule."""
        self.schedules = [schedules.InverseTimeDecay(rate, 1, 0.5) for _ in range(2)]
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.learning_rate = schedule

    @rule(rate=st.sampled_from([0.5, 0.25, 0.125]))
    def change_schedule(self, rate):
        """Changes what the schedule holds."""
        for schedule in self.schedules:
            if schedule is not None:
                schedule.initial_learning_rate = rate

    @rule(most=st.sampled_from([1.0, 4.0, 50.0]))
    def change_constraint(self, most):
        """Changes what the constraint holds."""
        for constraint in self.constraints:
            constraint.max_value = most

    @rule(seed=st.integers(0, 99), add=st.booleans())
    def assign(self, seed, add):
        """Assigns to the variable."""
        value = array((ROWS, COLUMNS), seed)
        for variable in self.variables:
            (variable.assign_add if add else variable.assign)(value)

    @rule(count=st.integers(1, 3))
    def use_threads(self, count):
        """Changes the number of threads."""
        tf.config.threading.set_intra_op_parallelism_threads(count)

    # ---- checkpoints

    @rule()
    def save(self):
        """Saves both."""
        for k, checkpoint in enumerate(self.checkpoints):
            checkpoint.write(f"{self.path}/{k}")
        self.saved = True

    @rule()
    def restore(self):
        """Goes back to what was saved last."""
        if self.saved:
            for k, checkpoint in enumerate(self.checkpoints):
                checkpoint.read(f"{self.path}/{k}")

    # ---- the function

    @rule(
        shape=st.sampled_from([(2,), (3,), (2, 3), (2, 1), (4, 3), (3, 1), (1, 1)]),
        dtype=dtypes,
        seed=st.integers(0, 99),
        scale=st.sampled_from(["tensor", "number", "captured"]),
        tapes=st.integers(0, 2),
        persistent=st.booleans(),
    )
    def call(self, shape, dtype, seed, scale, tapes, persistent):
        """Calls the function, under tapes."""
        x = tf.constant(np.asarray(array(shape, seed) * 4, dtype))
        number = {"tensor": self.scale, "number": 2.0, "captured": self.captured}[scale]
        watched = tapes if x.dtype.is_floating else min(tapes, 1)
        results = []
        for k in range(2):
            function = self.function
            if k:

                def function(x, scale):
                    return traced(x, self.variables[1], scale)

            variable, scaled = self.variables[k], number
            with contextlib.ExitStack() as stack:
                open_tapes = [
                    stack.enter_context(tf.GradientTape(persistent=persistent))
                    for _ in range(watched)
                ]
                for tape in open_tapes:
                    if x.dtype.is_floating:
                        tape.watch(x)
                y, total = function(x, scaled)
                found = [y.numpy(), total.numpy()]
                for tape in reversed(open_tapes):
                    sources = [variable, x] if x.dtype.is_floating else [variable]
                    grads = tape.gradient(total, sources, unconnected_gradients="zero")
                    found += [g.numpy() for g in grads]
                    total = tf.reduce_sum(grads[0])
            results.append(found)
        for got, want in zip(*results, strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)

    @rule(value=floats)
    def replace_capture(self, value):
        """Gives the function another tensor, and the variable that it takes another value."""
        self.scale = tf.constant(value)
        self.captured.assign(value)

    # ---- the session

    @rule(rows=st.integers(1, 12), seed=st.integers(0, 99), steps=st.integers(1, 3))
    def run(self, rows, seed, steps):
        """Runs steps of a graph with a batch of some size."""
        batch = array((rows, COLUMNS), seed)
        for _ in range(steps):
            total = self.session.run(self.step, {self.x: batch})[2]
            self.value = np.clip(self.value + batch.sum(0), -6.0, 6.0)
            assert total == self.value.sum()

    @rule(seed=st.integers(0, 99))
    def load(self, seed):
        """Sets the variable of the session."""
        self.value = array(COLUMNS, seed)
        self.w.load(self.value, self.session)

    @rule()
    def begin_anew(self):
        """Closes the session and makes another one."""
        self.session.close()
        self._start_session()

    @invariant()
    def agree(self):
        """Compares the pairs."""
        if not hasattr(self, "folder"):
            return
        got, want = (v.numpy() for v in self.variables)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
        for a, b in zip(*(o.weights for o in self.optimizers), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=1e-6)
        np.testing.assert_array_equal(self.session.run(self.w), self.value)


Reuse.TestCase.settings = settings(
    max_examples=15 * FACTOR,
    stateful_step_count=35,
    deadline=None,
    derandomize=FACTOR == 1,
    suppress_health_check=list(HealthCheck),
)
# It is meant to be traced again and again.
TestReuse = pytest.mark.filterwarnings("ignore:.*was traced")(Reuse.TestCase)
