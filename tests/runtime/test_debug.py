"""`Session(debug=True)`: every kernel against NumPy, every pass against the one before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen import lower
from graphopt.codegen.kernel import KernelTemplate
from graphopt.codegen.movement import moves
from graphopt.codegen.reductions import reduction_kernels
from graphopt.config import config, settings
from graphopt.graph.effects import handles_written
from graphopt.graph.opspec import REGISTRY, Elementwise
from graphopt.graph.program import Rebuilder
from graphopt.rewrite import fold_constants, pipeline
from graphopt.rewrite.driver import Pass
from graphopt.rewrite.fuse_elementwise import fuse_elementwise
from graphopt.runtime import compare_passes, runner
from graphopt.schedule import build, memory

v1 = tf.compat.v1


def make_step(optimizer=None):
    """A train step of a small network, with what it is fed."""
    x = v1.placeholder(tf.float32, [None, 12], name="x")
    y = v1.placeholder(tf.int32, [None], name="y")
    layers = tf.keras.layers
    net = tf.keras.Sequential(
        [layers.Dense(16, "relu"), layers.Dense(9, "tanh"), layers.Dense(4)]
    )
    logits = net(tf.nn.dropout(x, rate=0.2, seed=5))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    weights = tf.reduce_sum(tf.square(net.trainable_variables[0]))
    loss = tf.add(tf.reduce_mean(losses), 1e-3 * weights, name="loss")
    optimizer = optimizer or tf.keras.optimizers.Adam(0.01)
    step = optimizer.minimize(loss, var_list=net.trainable_variables)
    rng = np.random.default_rng(1)
    feed = {
        x: rng.standard_normal((8, 12)).astype(np.float32),
        y: rng.integers(0, 4, 8).astype(np.int32),
    }
    return step, loss, feed


def values_of(session):
    return {key: array.copy() for key, array in session.store.values.items()}


def assert_untouched(session, before):
    for key, array in before.items():
        np.testing.assert_array_equal(session.store.values[key], array)


def test_a_clean_network_passes_and_trains_as_without():
    losses = []
    with tf.Graph().as_default():
        step, loss, feed = make_step()
        with v1.Session() as first:
            first.run(v1.global_variables_initializer())
            start = values_of(first)
        for debug in (True, False):
            with v1.Session(debug=debug) as session:
                session.store.commit(start)
                runs = [session.run([step, loss], feed)[1] for _ in range(6)]
                runs.append(session.run_steps([step, loss], 3, feed)[1])
                losses.append(runs)
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "name", ["SGD", "RMSprop", "Ftrl", "Nadam", "Adagrad", "Adamax"]
)
def test_optimizers_pass(name):
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        optimizer = getattr(tf.keras.optimizers, name)(0.01)
        step, loss, feed = make_step(optimizer)
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run([step, loss], feed)


def test_convolutions_and_others_pass():
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [2, 8, 8, 3])
        kernel = tf.Variable(rng.standard_normal((3, 3, 3, 5)).astype(np.float32))
        h = tf.nn.relu(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"))
        h = tf.nn.max_pool2d(h, 2, 2, "VALID")
        flat = tf.reshape(h, [2, -1])
        top = tf.argmax(flat, axis=1)
        picked = tf.gather(tf.sort(flat, axis=1), [0, 3, 3], axis=1)
        sums = tf.math.cumsum(picked, axis=1)
        total = tf.reduce_sum(sums * tf.cast(top, tf.float32)[:, None])
        total += tf.reduce_sum(tf.math.lgamma(tf.abs(flat) + 0.1))
        total += tf.reduce_sum(tf.floor(tf.exp(flat)) + tf.math.erf(flat) ** 3)
        grad = tf.gradients(total, [kernel, x])
        session.run(kernel.initializer)
        feed = {x: rng.standard_normal((2, 8, 8, 3)).astype(np.float32)}
        for _ in range(2):
            session.run([total, top, *grad], feed)


def test_special_values_pass():
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -3e38, 1.0, -2.5]
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [len(values)])
        y = tf.exp(x) - 1.0 / x + tf.math.log(x) * tf.sqrt(x)
        z = tf.where(x > 0.0, tf.tanh(x), tf.pow(x, 2.0)) + tf.reduce_max(x)
        session.run([y, z, tf.reduce_sum(y), tf.floor(x), tf.sign(x)], {x: values})


def wrong_kernel(monkeypatch, name, expression):
    monkeypatch.setitem(REGISTRY[name].__dict__, "kernel", Elementwise(expression))


def test_a_wrong_expression_in_a_fused_loop_is_named(monkeypatch):
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [5], name="x")
        v = tf.Variable(np.ones(5, np.float32), name="v")
        y = tf.tanh(x * 2.0, name="bend") + tf.exp(x)
        step = v.assign_add(y * 0.5)
        session.run(v.initializer)
        feed = {x: [0.0, 0.1, 0.2, 0.3, 0.4]}
        session.run(step, feed)
        before = values_of(session)
        wrong_kernel(monkeypatch, "Tanh", "(tanh({0}) * 1.001)")
        with v1.Session(debug=True) as other:
            other.run(v.initializer)
            start = values_of(other)
            with pytest.raises(tf.errors.InternalError) as caught:
                other.run(step, feed)
            assert_untouched(other, start)
        assert_untouched(session, before)
    error, text = caught.value, str(caught.value)
    assert error.error_code == 13
    assert isinstance(error, RuntimeError)
    assert error.op.name == "bend"
    assert "A kernel differs from NumPy: elementwise k_" in text
    assert "'bend' (Tanh)" in text
    assert "test_debug.py:" in text
    assert "at [1], 4 of 5 elements" in text
    assert "expected 0.197375" in text
    assert "GRAPHOPT_JIT=never" in text
    assert "session.plan(...).source('k_" in text


@pytest.mark.parametrize("name", ["Sum", "Transpose", "MatMul", "Cumsum"])
def test_a_wrong_family_is_named(name, monkeypatch):
    if name == "Sum":
        kinds = dict(reduction_kernels._KINDS)
        kinds["sum"] = kinds["sum"]._replace(start="{t}(1)")
        monkeypatch.setattr(reduction_kernels, "_KINDS", kinds)
    elif name == "Transpose":
        right = "y[at + j * m + i]"
        wrong = moves._TRANSPOSE.body.replace(right, "y[at + j * m + (i * i) % m]")
        template = KernelTemplate("transpose", moves._TRANSPOSE.signature, wrong)
        monkeypatch.setattr(moves, "_TRANSPOSE", template)
    else:
        family = {"MatMul": "matmul", "Cumsum": "scan"}[name]
        good = lower.FAMILIES[family]
        monkeypatch.setitem(
            lower.FAMILIES, family, lambda op, option: shortened(good(op, option))
        )
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [6, 7], name="x")
        y = {
            "Sum": lambda: tf.reduce_sum(x, axis=1, name="culprit"),
            "Transpose": lambda: tf.transpose(x, name="culprit") * 1.0,
            "MatMul": lambda: tf.matmul(x, x, transpose_b=True, name="culprit"),
            "Cumsum": lambda: tf.math.cumsum(x, axis=0, name="culprit"),
        }[name]()
        z = tf.exp(-y) + 1.0
        with pytest.raises(tf.errors.InternalError, match="kernel differs") as caught:
            session.run(z, {x: np.arange(42.0).reshape(6, 7) / 10})
    assert caught.value.op.name == "culprit"
    assert caught.value.op.type == name


def shortened(lowered):
    """A lowering that forgets the end of the range of its last call."""
    *calls, last = lowered.calls
    return replace(lowered, calls=(*calls, replace(last, extent=last.extent - 1)))


def wrong_pass(program):
    """Sees a sum where there is a difference."""
    rebuilder = Rebuilder(program)
    for op in program.operations:
        if op.type == "Sub":
            new = rebuilder.add(op, spec=REGISTRY["AddV2"])
            rebuilder.tensors[op.outputs[0]] = new.outputs[0]
        else:
            rebuilder.copy(op)
    return rebuilder.finish()


# Behind it there is no difference left to see.
FUSION = pipeline.PIPELINE.index(fuse_elementwise)


@pytest.mark.parametrize("place", range(1, FUSION + 1))
def test_a_wrong_pass_is_named(place, monkeypatch):
    passes = list(pipeline.PIPELINE)
    passes.insert(place, Pass("wrong_pass", wrong_pass, "bits"))
    monkeypatch.setattr(runner, "PIPELINE", tuple(passes))
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [5], name="x")
        v = tf.Variable(np.ones(5, np.float32), name="v")
        y = tf.subtract(tf.exp(x), v, name="y")
        step = v.assign(y * v)
        session.run(v.initializer)
        start = values_of(session)
        with pytest.raises(tf.errors.InternalError) as caught:
            session.run([step.op], {x: np.zeros(5)})
        assert_untouched(session, start)
        monkeypatch.setattr(settings, "passes_off", ("wrong_pass",))
        with v1.Session(debug=True) as other:
            other.run(v.initializer)
            other.run(step, {x: np.zeros(5)})
    text = str(caught.value)
    assert "The pass 'wrong_pass' changes the value of variable 'v'" in text
    assert "got 2.0 at [0], 5 of 5 elements" in text
    assert "expected 0.0, as before the pass" in text
    assert "test_debug.py:" in text
    assert "GRAPHOPT_PASSES_OFF=wrong_pass" in text


def test_a_real_pass_that_is_wrong_is_named(monkeypatch):
    def fold(program):
        done = fold_constants.fold_constants.function(program)
        for op in done.operations:
            if op.type == "Const" and op.attrs["value"].dtype == np.float32:
                op.attrs = {**op.attrs, "value": op.attrs["value"] + np.float32(1)}
        return done

    passes = [
        Pass("fold_constants", fold, "bits") if p.name == "fold_constants" else p
        for p in pipeline.PIPELINE
    ]
    monkeypatch.setattr(runner, "PIPELINE", tuple(passes))
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [2])
        y = x * (tf.constant(2.0) * 3.0)
        with pytest.raises(tf.errors.InternalError, match="pass 'fold_constants'"):
            session.run(y, {x: [1.0, 2.0]})


def test_memory_that_is_given_away_too_early_is_named(monkeypatch):
    place = memory.place_buffers

    def wrong(buffers):
        for buffer in buffers:
            if buffer.tensor is not None and buffer.tensor.name == "a:0":
                buffer.last = buffer.first
        return place(buffers)

    monkeypatch.setattr(build, "place_buffers", wrong)
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [4, 4])
        a = tf.matmul(x, x, name="a")
        b = tf.exp(x, name="b")
        c = tf.matmul(a, b, name="c")
        words = "memory of 'a:0' was overwritten before op 'c' has read it"
        with pytest.raises(tf.errors.InternalError, match=words) as caught:
            session.run(c, {x: np.arange(16.0).reshape(4, 4) / 8})
    assert "'a' (MatMul)" in str(caught.value)


def test_a_wrong_order_of_steps_is_named(monkeypatch):
    def wrong(operations):
        writes = [op for op in operations if handles_written(op)]
        sources = [op for op in operations if not op.inputs]
        rest = [op for op in operations if op.inputs and not handles_written(op)]
        return [*sources, *writes, *rest]

    monkeypatch.setattr(compare_passes, "order_operations", wrong)
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        v = tf.Variable([1.0, 2.0], name="v")
        w = tf.Variable([1.0, 2.0], name="w")
        session.run([v.initializer, w.initializer])
        fetches = [
            tf.reduce_sum(v.read_value(), name="sum"),
            v.assign_add([1.0, 1.0]).op,
        ]
        with pytest.raises(
            tf.errors.InternalError, match="order of the steps"
        ) as caught:
            session.run(fetches)
        assert (session.run(w) == [1.0, 2.0]).all()
    assert "got 5.0" in str(caught.value)
    assert "'sum' (Sum)" in str(caught.value)


@pytest.mark.parametrize("kind", ["sort", "python", "cond"])
def test_a_wrong_pass_before_a_host_step_is_named(kind, monkeypatch):
    at = [each.name for each in pipeline.PIPELINE].index("fuse_elementwise")
    wrong = Pass("wrong_pass", wrong_pass, "bits")
    passes = (*pipeline.PIPELINE[:at], wrong, *pipeline.PIPELINE[at:])
    monkeypatch.setattr(runner, "PIPELINE", passes)
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [3])
        y = tf.subtract(tf.exp(x), 1.0)
        if kind == "sort":
            z = tf.sort(y)
        elif kind == "python":
            z = tf.numpy_function(lambda a: a, [y], tf.float32)
            z.set_shape([3])
        else:
            z = tf.cond(x[0] > 0.0, lambda: y + 1.0, lambda: y)
        with pytest.raises(tf.errors.InternalError, match="'wrong_pass'"):
            session.run(z * 2.0, {x: [1.0, 2.0, 3.0]})


def test_random_numbers_and_python_run_once():
    calls = []

    def python(x):
        calls.append(1)
        return x

    draws = []
    for debug in (True, False):
        with tf.Graph().as_default() as graph, v1.Session(debug=debug) as session:
            graph.seed = 7
            noise = tf.random.normal([5])
            y = tf.numpy_function(python, [noise * 2.0], tf.float32)
            z = tf.reshape(y, [5]) + tf.random.uniform([5])
            with config(jit="always"):
                draws.append([session.run(z) for _ in range(3)])
            assert len(calls) == 3
            calls.clear()
    np.testing.assert_array_equal(draws[0], draws[1])


def test_checks_of_numbers_work_beside_it():
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [2])
        v = tf.Variable([1.0, 1.0])
        step = v.assign(v * tf.math.log(x, name="log"))
        session.run(v.initializer)
        raises = pytest.raises(tf.errors.InvalidArgumentError, match="'log'")
        with config(check_numerics=True), raises:
            session.run(step, {x: [0.0, 1.0]})
        assert (session.run(v) == 1.0).all()
        assert np.isneginf(session.run(step, {x: [0.0, 1.0]})[0])


def test_the_setting_reaches_sessions_and_functions(monkeypatch):
    wrong_kernel(monkeypatch, "Sinh", "(sinh({0}) + 1.0)")
    with config(debug=True):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [3])
            with pytest.raises(tf.errors.InternalError, match="Sinh"):
                session.run(tf.sinh(x), {x: [1.0, 2.0, 3.0]})

        @tf.function
        def function(x):
            return tf.sinh(x) * 2.0

        with pytest.raises(tf.errors.InternalError, match="Sinh"):
            function(tf.constant([1.0, 2.0]))
    assert not v1.Session().debug
