"""NaN and infinities are errors, when that is asked for, with the op that made them."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.graph.effects import handles_written, is_handle, variable_of
from graphopt.graph.opspec import REGISTRY, Elementwise

v1 = tf.compat.v1
MODES = ["never", "always"]


@pytest.fixture
def checks():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def line_of_caller():
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def make_network():
    """A train step with some thirty different ops forward, and what follows from them."""
    x = v1.placeholder(tf.float32, [4, 6], name="x")
    w1 = tf.Variable(np.full((6, 5), 0.1, np.float32), name="w1")
    w2 = tf.Variable(np.full((5, 3), 0.3, np.float32), name="w2")
    h = tf.matmul(x, w1) + 0.25
    a = tf.exp(h * 0.5)
    b = tf.math.log(a + 1.5)
    c = tf.sqrt(tf.square(b) + 0.25)
    d = tf.math.divide(c, tf.math.expm1(b) + 2.0)
    e = tf.math.softplus(d) - tf.sin(h)
    f = tf.math.rsqrt(tf.abs(e) + 1.0) * tf.tanh(a)
    g = tf.pow(f + 1.25, 1.75)
    k = tf.concat([g, tf.math.log1p(tf.nn.relu(e))], axis=1)
    k = tf.reshape(tf.transpose(k), [4, 10])[:, :5]
    z = tf.matmul(tf.math.cumsum(k, axis=1), w2)
    soft = tf.nn.softmax(z)
    entropy = -tf.reduce_sum(soft * tf.nn.log_softmax(z), axis=1)
    loss = tf.reduce_mean(entropy + tf.reduce_max(tf.math.reciprocal(z + 4.0), axis=1))
    loss += 0.01 * tf.reduce_sum(tf.cosh(w2)) + tf.norm(w1)
    optimizer = tf.keras.optimizers.Adam(0.01, amsgrad=True)
    step = optimizer.minimize(loss, var_list=[w1])
    return x, loss, step


def first_bad(operations, given, read):
    """The oracle: runs ops one by one, in their order, with nothing but their `compute`.

    Returns:
      The first op whose output, or new value of a variable, is not finite.
    """
    values, pending = dict(given), {}
    with np.errstate(all="ignore"):
        for op in operations:
            if all(t in given for t in op.outputs) and op.outputs:
                continue
            if (op.outputs and is_handle(op.outputs[0])) or op.type == "NoOp":
                continue
            if op.type == "Const":
                values[op.outputs[0]] = op.attrs["value"]
                continue
            arrays = [
                pending.get(variable_of(t), read(variable_of(t)))
                if is_handle(t)
                else values[t]
                for t in op.inputs
            ]
            results = op.spec.compute(*arrays, **op.attrs)
            for handle in handles_written(op):
                pending[variable_of(handle)] = results
            results = results if isinstance(results, tuple) else (results,)
            if not all(np.all(np.isfinite(r)) for r in results):
                return op
            if op.outputs:
                values.update(zip(op.outputs, results, strict=True))
                values.update(given)
    return None


# For no finite input do these give anything else.
BOUNDED = {
    *("Softplus", "Sin", "Cos", "Abs", "Tanh", "Relu", "Sigmoid", "Sign", "Neg"),
    *(
        "Softmax",
        "LogSoftmax",
        "Max",
        "Mean",
        "Maximum",
        "SelectV2",
        "Cast",
        "OnesLike",
    ),
    *(
        "ConcatV2",
        "Transpose",
        "Reshape",
        "StridedSlice",
        "StridedSliceGrad",
        "SplitLike",
    ),
    *("ReshapeLike", "ReshapeLikeReduced", "BroadcastLike", "ReducedCount"),
    # These pass on what was looked at before.
    *("Placeholder", "Const", "VarHandleOp", "ReadVariableOp", "AssignVariableOp"),
}


def candidates(op, rng):
    """Finite inputs of an op."""
    numbers = [3.3e38, -3.3e38, 0.0, -1.0, 1e3, 1e30, 1e-30, 1e20, -1e20, 90.0, 1.5]
    free = [t for t in op.inputs if t.dtype.is_floating and not is_handle(t)]
    for value in numbers if free else ():
        yield {t: np.full(tuple(t.shape), value, np.float32) for t in free}
    extremes = itertools.product(numbers[:3], repeat=min(len(free), 3))
    picked = [chosen for chosen in extremes if len(chosen) == len(free)]
    picked += [rng.choice(numbers, len(free)) for _ in range(60)]
    for chosen in picked if free else ():
        pairs = zip(free, chosen, strict=True)
        yield {t: np.full(tuple(t.shape), value, np.float32) for t, value in pairs}


def plant(op, operations, base, read, rng):
    """Returns finite feeds for which an op is the first to fail, or None.

    An op that fails before it, on the same inputs, is fed what it should have given.
    """
    for feeds in candidates(op, rng):
        given = {**base, **feeds}
        bad = first_bad(operations, given, read)
        while bad is not None and bad is not op and bad.outputs:
            if any(tensor in given for tensor in bad.outputs):
                break
            given |= {t: np.ones(tuple(t.shape), np.float32) for t in bad.outputs}
            bad = first_bad(operations, given, read)
        if bad is op:
            return given
    return None


@pytest.mark.parametrize("jit", MODES)
def test_each_op_of_a_network_is_named(jit, checks):
    """For each op: finite inputs for which exactly it is the first to fail."""
    rng = np.random.default_rng(0)
    with tf.Graph().as_default() as graph, v1.Session() as session, config(jit=jit):
        x, loss, step = make_network()
        session.run(v1.global_variables_initializer())
        base = {x: rng.standard_normal((4, 6)).astype(np.float32)}
        fetches = [step, loss]
        session.run(fetches, base)
        before = {k: a.copy() for k, a in session.store.values.items()}
        plan = session._runner(session._fetch(fetches), (x,)).plan(((4, 6),))
        assert (plan.checked is not None) == (jit == "always")
        needed = {op.name for op in plan.program.operations}
        operations = [op for op in graph.operations if op.name in needed]
        named = 0
        for op in operations:
            if op.outputs and not any(t.dtype.is_floating for t in op.outputs):
                continue
            given = plant(op, operations, base, session.store.read, rng)
            if given is None:
                is_integer = all(not t.dtype.is_floating for t in op.inputs)
                assert op.type in BOUNDED or is_integer, op
                continue
            with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                session.run(fetches, given)
            assert caught.value.op.name == op.name, op
            text = str(caught.value)
            assert " : Tensor had Inf" in text or " : Tensor had NaN" in text
            assert f"{op.name!r} ({op.type})" in text
            assert "test_check_numerics.py:" in op.site_text
            assert op.site_text in text
            for key, value in before.items():
                np.testing.assert_array_equal(session.store.values[key], value)
            named += 1
        # And then it goes on as if nothing had been.
        assert np.isfinite(session.run(fetches, base)[1])
    assert named >= 60, named


@pytest.mark.parametrize("jit", MODES)
def test_a_number_that_never_leaves_its_loop_is_found(jit, checks):
    with tf.Graph().as_default(), v1.Session() as session, config(jit=jit):
        x = v1.placeholder(tf.float32, [3], name="x")
        line = line_of_caller() + 1
        y = 1.0 / (1.0 + tf.exp(x, name="grows"))
        assert session.run(y, {x: [0.0, 1.0, 2.0]})[0] == 0.5
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="Inf values"
        ) as caught:
            session.run(y, {x: [0.0, 1000.0, 2.0]})
    text = str(caught.value)
    assert 'output 0 of graph op "Exp"' in text
    assert "inf at [1], 1 of 3 elements, from inputs float32[3] in [0, 1000]" in text
    assert f"'grows' (Exp); created at {__file__}:{line}" in text


@pytest.mark.parametrize("jit", MODES)
def test_what_is_not_finite_to_begin_with_is_named(jit, checks):
    with tf.Graph().as_default(), v1.Session() as session, config(jit=jit):
        x = v1.placeholder(tf.float32, [3], name="x")
        v = tf.Variable(np.ones(3, np.float32), name="weights")
        step = v.assign_sub(tf.maximum(x, 0.0) * v.read_value())
        session.run(v.initializer)
        session.run(step, {x: [1.0, 2.0, 3.0]})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"fed for 'x:0'.*NaN"):
            session.run(step, {x: [1.0, np.nan, 3.0]})
        # Something that hides it: the feed is still at fault.
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"fed for 'x:0'.*Inf"):
            session.run(step, {x: [-np.inf, 2.0, 3.0]})
        v.load([1.0, np.inf, 1.0], session)
        with pytest.raises(tf.errors.InvalidArgumentError, match="variable 'weights'"):
            session.run(step, {x: [0.0, 0.0, 0.0]})
        # Overwriting it is how to go on.
        session.run(v.assign(tf.ones(3)))
        session.run(step, {x: [0.0, 0.0, 0.0]})
        constant = tf.constant([1.0, -np.inf, 1.0], name="mask") + x
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"'mask' .Const"):
            session.run(constant, {x: [0.0, 0.0, 0.0]})


@pytest.mark.parametrize("jit", MODES)
def test_new_values_of_variables_and_slots(jit, checks):
    with tf.Graph().as_default(), v1.Session() as session, config(jit=jit):
        g = v1.placeholder(tf.float32, [2], name="g")
        a = tf.Variable([1.0, 2.0], name="a")
        b = tf.Variable([1.0, 2.0], name="b")
        optimizer = tf.keras.optimizers.SGD(0.5, momentum=0.9)
        step = optimizer.apply_gradients([(g, a), (g * 1e30, b)])
        session.run(v1.global_variables_initializer())
        session.run(step, {g: [1e-30, 1e-30]})
        before = {k: v.copy() for k, v in session.store.values.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match="Mul"):
            session.run(step, {g: [1.0, 1e20]})
        counter = tf.Variable([3.3e38, 1.0], name="counter")
        session.run(counter.initializer)
        add = counter.assign_add([3.3e38, 1.0])
        words = "new value of variable 'counter' : Tensor had Inf values"
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            session.run(add)
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            session.run_steps(add.op, 3)
        assert session.run(counter)[1] == 1.0
        for key, value in before.items():
            np.testing.assert_array_equal(session.store.values[key], value)


def test_a_write_before_the_bad_op_is_undone(checks):
    with tf.Graph().as_default(), v1.Session() as session, config(jit="always"):
        v = tf.Variable(np.ones(1000, np.float32))
        w = tf.Variable(np.arange(1000), dtype=tf.int64)
        x = v1.placeholder(tf.float32, [])
        with tf.control_dependencies([v.assign_add(v * 2.0), w.assign_add(w)]):
            after = v.assign(tf.math.log(v.read_value() * x))
        session.run([v.initializer, w.initializer])
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"-inf at \[0\]"):
            session.run(after, {x: 0.0})
        assert (session.run(v) == 1.0).all()
        assert (session.run(w) == np.arange(1000)).all()
        assert session.run(after, {x: 1.0})[0] == np.log(np.float32(3.0))


def test_denormals_are_zero_in_the_replay_too(checks):
    with tf.Graph().as_default(), v1.Session() as session, config(jit="always"):
        x = v1.placeholder(tf.float32, [1])
        y = tf.math.log(x * 1e-20, name="log")
        with pytest.raises(tf.errors.InvalidArgumentError, match="'log'"):
            session.run(y, {x: [1e-20]})


def test_host_steps_run_once_and_draw_the_same(checks, capsys):
    calls = []

    def python(x):
        calls.append(x)
        return x

    with tf.Graph().as_default(), v1.Session() as session, config(jit="always"):
        x = v1.placeholder(tf.float32, [4])
        draw = tf.random.uniform([4], seed=3) + 1.0
        y = tf.numpy_function(python, [draw * x], tf.float32)
        y = tf.reshape(y, [4]) - 1e9
        z = tf.sqrt(y, name="root")
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"'root'.*Sqrt"):
            session.run(z, {x: np.ones(4)})
        assert len(calls) == 1


def test_an_op_inside_a_loop_is_named(checks):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [])
        for jit in MODES:
            with config(jit=jit):
                line = line_of_caller() + 2
                out = tf.while_loop(
                    lambda i, a: i < 5, lambda i, a: [i + 1, tf.exp(a)], [0, x]
                )
                with pytest.raises(
                    tf.errors.InvalidArgumentError, match=f'"Exp".*:{line}'
                ):
                    session.run(out, {x: 3.0})


def test_eager_ops_and_functions(checks):
    line = line_of_caller() + 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN values") as caught:
        tf.sqrt(tf.constant([4.0, -1.0]))
    assert 'output 0 of eagerly-executing op "Sqrt" (# of outputs: 1)' in str(
        caught.value
    )
    assert f"{__file__}:{line}" in str(caught.value)
    v = tf.Variable([3e38, 1.0], name="v")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="new value of variable 'v'"
    ):
        v.assign_add([3e38, 0.0])
    np.testing.assert_array_equal(v.numpy(), np.array([3e38, 1.0], np.float32))

    @tf.function
    def update(x):
        v.assign_add(tf.math.log(x, name="inner"))
        return v * 2.0

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"'inner'.*Log"):
        update(tf.constant([0.0, 1.0]))
    np.testing.assert_array_equal(v.numpy(), np.array([3e38, 1.0], np.float32))
    with tf.GradientTape() as tape:
        root = tf.sqrt(tf.Variable([0.0]))
    assert root.numpy() == 0.0
    with tf.GradientTape() as tape:
        x = tf.Variable([0.0])
        y = tf.sqrt(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Inf"):
        tape.gradient(y, x)


def test_off_there_is_nothing_of_it():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2])
        v = tf.Variable([0.0, 0.0])
        step = v.assign(tf.exp(v + 1000.0), read_value=False)
        session.run(v.initializer)
        fetch = tf.math.log(x)
        with config(jit="always"):
            assert np.isneginf(session.run(fetch, {x: [0.0, 1.0]})[0])
            step.run(session=session)
            step.run(session=session)
            assert np.isinf(session.run(v)).all()
            assert session._shortcuts
            tf.debugging.enable_check_numerics()
            # The shortest way is closed as well.
            with pytest.raises(tf.errors.InvalidArgumentError, match="variable"):
                step.run(session=session)
            with pytest.raises(tf.errors.InvalidArgumentError, match="Log"):
                session.run(fetch, {x: [0.0, 1.0]})
            tf.debugging.disable_check_numerics()
            assert np.isneginf(session.run(fetch, {x: [0.0, 1.0]})[0])
            step.run(session=session)
        assert "report_status" not in str(session.plan(fetch, {x: [1, 2]}).kernels)
        raises = pytest.raises(tf.errors.InvalidArgumentError, match="Log")
        with config(check_numerics=True, jit="never"), raises:
            session.run(fetch, {x: [0.0, 1.0]})
        assert np.isneginf(session.run(fetch, {x: [0.0, 1.0]})[0])


def test_add_check_numerics_ops():
    with pytest.raises(RuntimeError, match="not compatible with eager"):
        v1.add_check_numerics_ops()
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2], name="x")
        v = tf.Variable([1.0, 2.0], name="v")
        count = tf.cast(x, tf.int32)
        loss = tf.reduce_sum(tf.sqrt(x, name="root") * v)
        check = v1.add_check_numerics_ops()
        with tf.control_dependencies([check]):
            step = v.assign_sub(x)
        session.run(v.initializer)
        for _ in range(4):
            session.run([step, loss, count], {x: [1.0, 4.0]})
            with pytest.raises(
                tf.errors.InvalidArgumentError, match="root:0 : Tensor had NaN values"
            ):
                session.run([step, loss], {x: [1.0, -4.0]})
        assert (session.run(v) == [-3.0, -14.0]).all()


def test_what_only_a_kernel_makes_is_said_to_be_so(checks, monkeypatch):
    kernel = Elementwise("({0} / ({0} - {0}))")
    monkeypatch.setitem(REGISTRY["Asinh"].__dict__, "kernel", kernel)
    with tf.Graph().as_default(), v1.Session() as session, config(jit="always"):
        x = v1.placeholder(tf.float32, [2])
        y = tf.asinh(x, name="culprit") + 1.0
        words = r"in a compiled step, one of culprit \(.*:\d+\).*Session\(debug=True\)"
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            session.run(y, {x: [1.0, 2.0]})
