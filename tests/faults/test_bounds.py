"""Kernels stay within their operands: beside each of them lies a page nobody may touch.

Kernels work on addresses and nothing checks an index. So every buffer of a plan gets
pages of its own, and lies directly before a page without access, or directly behind one.
Whoever reads or writes one element too many ends the process, which is a child of this.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import REGISTRY, Effect, Family
from graphopt.rewrite import fuse_products, fuse_reductions, pair_products
from graphopt.runtime import runner
from graphopt.runtime.executable import Executable
from tests.helpers import as_tuple
from tests.soak import times

v1 = tf.compat.v1
PAGE = mmap.PAGESIZE
# Loops over elements come from one generator and have a test of their own.
SPECS = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Family) and spec.effect is Effect.NONE
]
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(nbytes, at_end):
    """Bytes before or behind a page without access."""
    inner = max(1, -(-nbytes // PAGE)) * PAGE
    # Owned by the array that is made of it.
    memory = mmap.mmap(-1, inner + 2 * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    start = whole.ctypes.data
    for page in (start, start + PAGE + inner):
        assert libc.mprotect(page, PAGE, 0) == 0, os.strerror(ctypes.get_errno())
    begin = PAGE + (inner - nbytes if at_end else 0)
    return whole[begin : begin + nbytes]


def guarded_copy(array, at_end):
    copy = guarded(array.nbytes, at_end).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class GuardedExecutable(Executable):
    """A plan whose buffers lie beside pages without access."""

    at_end = True

    def __init__(self, schedule, store):
        self._apart = {}
        for key, array in store.values.items():
            store.values[key] = guarded_copy(np.asarray(array), self.at_end)
        super().__init__(schedule, store)

    def _memory(self, buffer):
        if id(buffer) not in self._apart:
            if buffer.kind == "constant":
                array = np.ascontiguousarray(buffer.source)
                memory = guarded_copy(array, self.at_end)
            else:
                memory = guarded(buffer.nbytes, self.at_end)
            self._apart[id(buffer)] = memory
        return self._apart[id(buffer)]

    def _word(self, step, argument, position):
        place = getattr(argument, "place", "")
        groups = {"input": step.inputs, "output": step.outputs, "scratch": step.scratch}
        if place in groups:
            buffer = groups[place][argument.index]
            if buffer.kind in ("arena", "constant"):
                return int(self._memory(buffer).ctypes.data) + argument.offset
        return super()._word(step, argument, position)

    def _view(self, buffer, tensor, feeds):
        if buffer.kind != "arena":
            return super()._view(buffer, tensor, feeds)
        shape = tuple(int(dim) for dim in tensor.shape)
        return self._memory(buffer).view(tensor.dtype.numpy).reshape(shape)

    def run(self, feeds):
        return super().run([guarded_copy(feed, self.at_end) for feed in feeds])


def in_a_child(work):
    """Returns how a copy of this process ends that does some work."""
    pid = os.fork()
    if not pid:
        code = 3
        try:
            faulthandler.disable()
            signal.alarm(60)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def check(monkeypatch, compute):
    """Runs what a function computes between guards; it was all compiled before."""
    wanted = [np.asarray(each).tobytes() for each in compute()]
    for at_end in (True, False):
        monkeypatch.setattr(GuardedExecutable, "at_end", at_end)
        monkeypatch.setattr(runner, "Executable", GuardedExecutable)
        same = in_a_child(
            lambda: [np.asarray(each).tobytes() for each in compute()] == wanted
        )
        monkeypatch.undo()
        side = "behind" if at_end else "before"
        assert same != -signal.SIGSEGV, f"a kernel touched what lies {side} an operand"
        assert same == 0, f"another result, or an error: exit code {same}"


def compute_graph(build, arrays, steps=1, **options):
    """Builds a graph over placeholders and returns what a run of it returns."""
    options = {"jit": "always", "threads": 1, **options}
    with tf.Graph().as_default(), config(**options):
        feeds = {v1.placeholder(tf.as_dtype(a.dtype), a.shape): a for a in arrays}
        fetches = build(*feeds)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(steps):
                results = session.run(fetches, feeds)
            return [each for each in results if each is not None]


def test_the_guards_work(monkeypatch):
    def work():
        # The tests beside this one would be nothing without this.
        guarded(100, True).ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))[100]
        return True

    def before():
        guarded(100, False).ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))[-1]
        return True

    assert in_a_child(work) == -signal.SIGSEGV
    assert in_a_child(before) == -signal.SIGSEGV
    assert in_a_child(lambda: guarded(100, True).sum() == 0) == 0


@pytest.mark.parametrize("build", [tf.exp, tf.transpose, tf.cumsum, tf.nn.softmax])
def test_a_buffer_that_is_too_short_is_noticed(build, monkeypatch):
    class Short(GuardedExecutable):
        def _memory(self, buffer):
            return guarded(buffer.nbytes - 4, self.at_end)

    arrays = rng_arrays((33, 17))
    compute_graph(lambda x: [build(x)], arrays)
    monkeypatch.setattr(runner, "Executable", Short)
    work = in_a_child(lambda: compute_graph(lambda x: [build(x)], arrays))
    assert work == -signal.SIGSEGV


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_op(spec, monkeypatch):
    def compute():
        found = []
        samples = list(spec.samples())
        # Of the many of a reduction some, in CI.
        for sample in samples[:: max(1, len(samples) // times(12))]:
            arrays = [np.asarray(each) for each in sample.inputs]
            found += compute_graph(
                lambda *x, s=sample: list(as_tuple(call(spec, *x, **s.attrs))), arrays
            )
        return found

    check(monkeypatch, compute)


def rng_arrays(*shapes, dtype=np.float32):
    rng = np.random.default_rng(4)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_many_sizes(dtype, monkeypatch):
    sizes = [(1, 1, 1), (1, 9, 33), (33, 9, 1), (12, 256, 32), (13, 257, 35)]
    sizes += [(5, 3, 70), (70, 3, 5), (130, 65, 64), (64, 300, 130)]

    def compute():
        found = []
        for m, k, n in sizes:
            for ta, tb in ((False, False), (True, False), (False, True), (True, True)):
                a, b = (k, m) if ta else (m, k), (n, k) if tb else (k, n)
                found += compute_graph(
                    lambda x, y, ta=ta, tb=tb: [tf.matmul(x, y, ta, tb)],
                    rng_arrays(a, b, dtype=dtype),
                )
        return found

    check(monkeypatch, compute)


@pytest.mark.parametrize("size", [1, 7, 16, 63, 130, 1025, 20_000])
def test_loops_and_reductions_of_many_sizes(size, monkeypatch):
    def build(x, y):
        z = tf.where(x > 0, tf.exp(-x * x), tf.tanh(y)) + tf.math.log1p(tf.abs(y))
        return [z, tf.reduce_sum(z * x), tf.reduce_max(z), tf.cast(z, tf.int32)]

    check(monkeypatch, lambda: compute_graph(build, rng_arrays((size,), (size,))))


@pytest.mark.parametrize("shape", [(3, 5), (130, 7), (400, 16), (9, 600), (700, 33)])
def test_reductions_along_axes(shape, monkeypatch):
    def build(x):
        reductions = (tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min)
        return [reduce(x, axis) for reduce in reductions for axis in (0, 1)]

    check(monkeypatch, lambda: compute_graph(build, rng_arrays(shape)))


@pytest.mark.parametrize("channels", [1, 3, 16, 20])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions(channels, stride, monkeypatch):
    def build(x, f):
        y = tf.nn.relu(tf.nn.conv2d(x, f, stride, "SAME"))
        z = tf.nn.avg_pool2d(tf.nn.max_pool2d(y, 2, 2, "VALID"), 3, 1, "SAME")
        return [z, *tf.gradients(z, [x, f])]

    arrays = rng_arrays((2, 9, 10, channels), (3, 3, channels, 17))
    check(monkeypatch, lambda: compute_graph(build, arrays))


def test_training_steps(monkeypatch):
    """Layers, an embedding, a recurrent cell, norms, and products in the update."""
    for module in (fuse_products, pair_products):
        monkeypatch.setattr(module, "SMALLEST", 1)
    monkeypatch.setattr(fuse_reductions, "SMALLEST", 1)
    rng = np.random.default_rng(6)
    weights = [(11, 13), (13, 37), (37, 5), (20, 11)]
    values = [rng.standard_normal(shape).astype(np.float32) for shape in weights]

    def build(x, y):
        table, *layers = (tf.Variable(v) for v in (values[3], *values[:3]))
        h = x + tf.gather(table, tf.constant([3, 3, 0, 19, 7, 7, 1]))
        for layer in layers:
            h = tf.tanh(tf.matmul(h, layer))
        w = tf.Variable(np.ones(11, np.float32))
        z = tf.linalg.matvec(x, w)
        losses = tf.nn.softmax_cross_entropy_with_logits(y, h)
        loss = tf.reduce_mean(losses) + tf.reduce_sum(tf.square(z - y[:, 0]))
        variables = [table, *layers, w]
        grads = tf.gradients(loss, variables)
        clipped, norm = tf.clip_by_global_norm(grads, 0.5)
        steps = []
        for optimizer in (tf.keras.optimizers.Adam(), tf.keras.optimizers.Lamb()):
            with tf.control_dependencies(steps):
                pairs = zip(grads if steps else clipped, variables, strict=True)
                steps.append(optimizer.apply_gradients(list(pairs)))
        with tf.control_dependencies(steps):
            return [loss, norm, *(v.read_value() for v in variables)]

    arrays = rng_arrays((7, 11), (7, 5))
    check(monkeypatch, lambda: compute_graph(build, arrays, steps=3))
