"""TensorFlow 1's optimizers: equations in NumPy, modes, dtypes, names and errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config

v1 = tf.compat.v1
train = v1.train

L1, L2 = 0.03, 0.2
STRENGTHS = {"l1_regularization_strength": L1, "l2_regularization_strength": L2}
STEPS = 6


def shrink(u, rate):
    return np.sign(u) * np.maximum(np.abs(u) - rate * L1, 0.0) / (1.0 + rate * L2)


# Each equation on float64 arrays: (step from 1, w, g, slots) -> w; it changes the slots.


def gradient_descent(t, w, g, s):
    return w - 0.1 * g


def momentum(t, w, g, s):
    s["momentum"] = 0.9 * s["momentum"] + g
    return w - 0.1 * s["momentum"]


def nesterov(t, w, g, s):
    s["momentum"] = 0.9 * s["momentum"] + g
    return w - 0.1 * (g + 0.9 * s["momentum"])


def adam(t, w, g, s):
    s["m"] = 0.8 * s["m"] + 0.2 * g
    s["v"] = 0.95 * s["v"] + 0.05 * g**2
    rate = 0.1 * np.sqrt(1.0 - 0.95**t) / (1.0 - 0.8**t)
    return w - rate * s["m"] / (np.sqrt(s["v"]) + 1e-8)


def adagrad(t, w, g, s):
    s["accumulator"] = s["accumulator"] + g**2
    return w - 0.3 * g / np.sqrt(s["accumulator"])


def adagrad_da(t, w, g, s):
    s["gradient_accumulator"] = a = s["gradient_accumulator"] + g
    s["gradient_squared_accumulator"] = n = s["gradient_squared_accumulator"] + g**2
    kept = np.maximum(np.abs(a) - L1 * t, 0.0)
    return -np.sign(a) * 0.2 * kept / (L2 * t * 0.2 + np.sqrt(n))


def adadelta(t, w, g, s):
    s["accum"] = 0.8 * s["accum"] + 0.2 * g**2
    u = np.sqrt(s["accum_update"] + 1e-3) / np.sqrt(s["accum"] + 1e-3) * g
    s["accum_update"] = 0.8 * s["accum_update"] + 0.2 * u**2
    return w - 1.0 * u


def rmsprop(t, w, g, s):
    s["rms"] = 0.8 * s["rms"] + 0.2 * g**2
    s["momentum"] = 0.7 * s["momentum"] + 0.01 * g / np.sqrt(s["rms"] + 1e-10)
    return w - s["momentum"]


def centered(t, w, g, s):
    s["rms"] = 0.8 * s["rms"] + 0.2 * g**2
    s["mg"] = 0.8 * s["mg"] + 0.2 * g
    root = np.sqrt(s["rms"] - s["mg"] ** 2 + 1e-10)
    s["momentum"] = 0.7 * s["momentum"] + 0.01 * g / root
    return w - s["momentum"]


def ftrl(t, w, g, s):
    n = s["accum"] + g**2
    power = n**0.7
    sigma = (power - s["accum"] ** 0.7) / 0.3
    z = s["linear"] + g + 2.0 * 0.1 * w - sigma * w
    s["accum"], s["linear"] = n, z
    l2 = L2 + 0.5 / (2.0 * 0.3)
    solved = (np.sign(z) * L1 - z) / (power / 0.3 + 2.0 * l2)
    return np.where(np.abs(z) > L1, solved, 0.0)


def proximal_gradient_descent(t, w, g, s):
    return shrink(w - 0.1 * g, 0.1)


def proximal_adagrad(t, w, g, s):
    s["accumulator"] = s["accumulator"] + g**2
    rate = 0.3 / np.sqrt(s["accumulator"])
    return shrink(w - rate * g, rate)


RMS = {"learning_rate": 0.01, "decay": 0.8, "momentum": 0.7}
FTRL = {
    "learning_rate": 0.3,
    "learning_rate_power": -0.7,
    "l2_shrinkage_regularization_strength": 0.1,
    "beta": 0.5,
    **STRENGTHS,
}
# equation, class, arguments, what slots start with
ORACLES = [
    (gradient_descent, "GradientDescent", {"learning_rate": 0.1}, {}),
    (
        momentum,
        "Momentum",
        {"learning_rate": 0.1, "momentum": 0.9},
        {"momentum": 0.0},
    ),
    (
        nesterov,
        "Momentum",
        {"learning_rate": 0.1, "momentum": 0.9, "use_nesterov": True},
        {"momentum": 0.0},
    ),
    (
        adam,
        "Adam",
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95},
        {"m": 0.0, "v": 0.0},
    ),
    (adagrad, "Adagrad", {"learning_rate": 0.3}, {"accumulator": 0.1}),
    (
        adagrad_da,
        "AdagradDA",
        {"learning_rate": 0.2, **STRENGTHS},
        {"gradient_accumulator": 0.0, "gradient_squared_accumulator": 0.1},
    ),
    (
        adadelta,
        "Adadelta",
        {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-3},
        {"accum": 0.0, "accum_update": 0.0},
    ),
    (rmsprop, "RMSProp", RMS, {"rms": 1.0, "momentum": 0.0}),
    (
        centered,
        "RMSProp",
        {**RMS, "centered": True},
        {"rms": 1.0, "mg": 0.0, "momentum": 0.0},
    ),
    (ftrl, "Ftrl", FTRL, {"accum": 0.1, "linear": 0.0}),
    (
        proximal_gradient_descent,
        "ProximalGradientDescent",
        {"learning_rate": 0.1, **STRENGTHS},
        {},
    ),
    (
        proximal_adagrad,
        "ProximalAdagrad",
        {"learning_rate": 0.3, **STRENGTHS},
        {"accumulator": 0.1},
    ),
]
each_oracle = pytest.mark.parametrize("oracle", ORACLES, ids=lambda o: o[0].__name__)
each_class = pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, arguments) for _, name, arguments, _ in ORACLES],
    ids=[o[0].__name__ for o in ORACLES],
)


def make(name, arguments, global_step):
    if name == "AdagradDA":
        arguments = {"global_step": global_step, **arguments}
    return getattr(train, name + "Optimizer")(**arguments)


def draw(shape):
    return np.random.default_rng(5).standard_normal((STEPS + 1, *shape))


@each_oracle
@pytest.mark.parametrize(
    ("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-5), ("float16", 0.05)]
)
def test_dense_steps_follow_the_equation(oracle, dtype, rtol):
    equation, name, arguments, starts = oracle
    # So that float16, whose epsilons are zero, stays away from roots of zero.
    start, *grads = draw((3, 2)).astype(dtype).astype(np.float64)
    w, step = tf.Variable(start.astype(dtype)), tf.Variable(0, dtype=tf.int64)
    opt = make(name, arguments, step)
    want, slots = start, {s: np.full_like(start, v) for s, v in starts.items()}
    for t, g in enumerate(grads, 1):
        opt.apply_gradients([(tf.constant(g.astype(dtype)), w)], global_step=step)
        want = equation(t, want, g, slots)
        np.testing.assert_allclose(w.numpy(), want, rtol=rtol, atol=rtol)
    assert w.numpy().dtype == dtype
    assert opt.get_slot_names() == sorted(starts)
    for slot, value in slots.items():
        np.testing.assert_allclose(
            opt.get_slot(w, slot).numpy(), value, rtol=rtol, atol=rtol
        )


@each_oracle
@pytest.mark.parametrize("jit", ["never", "always"])
def test_sparse_steps_follow_the_equation_on_the_rows_named(oracle, jit):
    equation, name, arguments, starts = oracle
    start, *values = draw((5, 2))
    indices = [np.array([t % 6, 3, t % 6, 0, (t + 1) % 6]) for t in range(STEPS)]
    start = np.concatenate([start, start[:1]])
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w, step = tf.Variable(start), train.get_or_create_global_step()
        opt = make(name, arguments, step)
        rows, which = v1.placeholder(tf.float64, [5, 2]), v1.placeholder(tf.int64, [5])
        op = opt.apply_gradients([(tf.IndexedSlices(rows, which), w)], step)
        session.run(v1.global_variables_initializer())
        want, slots = start, {s: np.full_like(start, v) for s, v in starts.items()}
        for t, (g, i) in enumerate(zip(values, indices, strict=True), 1):
            session.run(op, {rows: g, which: i})
            dense = np.zeros_like(start)
            np.add.at(dense, i, g)
            touched = slice(None) if name == "Adam" else np.unique(i)
            part = {s: v[touched] for s, v in slots.items()}
            want = want.copy()
            want[touched] = equation(t, want[touched], dense[touched], part)
            for slot, value in part.items():
                slots[slot][touched] = value
            np.testing.assert_allclose(session.run(w), want, rtol=1e-12, atol=1e-12)
        for slot, value in slots.items():
            got = session.run(opt.get_slot(w, slot))
            np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12)


@each_class
def test_nothing_is_compiled_for_a_second_step_or_another_rate(name, arguments):
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        step = train.get_or_create_global_step()
        fed, variable = v1.placeholder(tf.float32, []), tf.Variable(0.5)
        x = v1.placeholder(tf.float32, [None, 3])
        ops = []
        for rate in (fed, variable, train.exponential_decay(0.1, step, 2, 0.5)):
            w = tf.Variable(tf.ones([3, 2]))
            opt = make(name, {**arguments, "learning_rate": rate}, step)
            loss = tf.reduce_mean(tf.matmul(x, w) ** 2.0)
            ops.append(opt.minimize(loss, step, var_list=[w]))
        session.run(v1.global_variables_initializer())
        batch = np.ones((4, 3), np.float32)
        session.run(ops, {x: batch, fed: 0.1})
        before = record.kernels
        session.run(variable.assign(0.25))
        assigned = record.kernels - before
        for rows, rate in ((4, 0.1), (4, 0.2), (7, 0.3)):
            session.run(ops, {x: np.ones((rows, 3)), fed: rate})
        assert record.kernels - before == assigned


@each_class
@pytest.mark.parametrize("kind", ["number", "tensor", "variable", "callable"])
def test_kinds_of_learning_rates_are_equal(name, arguments, kind):
    def steps(rate):
        w, count = tf.Variable([1.0, -2.0]), tf.Variable(0, dtype=tf.int64)
        opt = make(name, {**arguments, "learning_rate": rate}, count)
        for _ in range(3):
            opt.minimize(lambda: tf.reduce_sum(w * w), global_step=count)
        return w.numpy()

    rates = {
        "number": 0.3,
        "tensor": tf.constant(0.3),
        "variable": tf.Variable(0.3, trainable=False),
        "callable": lambda: 0.3,
    }
    np.testing.assert_array_equal(steps(rates[kind]), steps(0.3))


@each_class
def test_a_traced_function_steps_like_eager_mode(name, arguments):
    def build():
        w, count = tf.Variable([1.0, -2.0], name="w"), tf.Variable(0, dtype=tf.int64)
        opt = make(name, arguments, count)

        def step():
            opt.minimize(lambda: tf.reduce_sum(w * w), global_step=count)
            return tf.reduce_sum(w)

        return w, count, opt, step

    w, _, opt, step = build()
    v, count, traced_opt, other = build()
    traced = tf.function(other)
    for _ in range(4):
        step()
        traced()
    np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-6)
    assert int(count) == 4
    names = [slot.name for slot in opt.variables()]
    assert [slot.name for slot in traced_opt.variables()] == names


def test_minimize_without_and_with_a_global_step():
    with tf.Graph().as_default() as graph, v1.Session() as session:
        w, i = tf.Variable(2.0, name="w"), tf.Variable(1, name="i")
        unused = tf.Variable(1.0, trainable=False)
        step = train.get_or_create_global_step()
        opt = train.GradientDescentOptimizer(0.1)
        plain = opt.minimize(w * w * tf.cast(i, tf.float32) + unused)
        counted = opt.minimize(w * w, global_step=step, name="train/it")
        assert (plain.name, plain.type) == ("GradientDescent", "NoOp")
        assert (counted.name, counted.type) == ("train/it", "AssignAddVariableOp")
        assert not plain.outputs
        assert not counted.outputs
        assert graph.get_collection("train_op") == [plain, counted]
        session.run(v1.global_variables_initializer())
        session.run(plain)
        assert train.global_step(session, step) == 0
        session.run(counted)
        assert train.global_step(session, step) == 1
        np.testing.assert_allclose(session.run([w, unused]), [1.28, 1.0], rtol=1e-6)


def test_gradients_may_be_changed_between_the_two_halves():
    with tf.Graph().as_default(), v1.Session() as session:
        w, b = tf.Variable([3.0, 4.0]), tf.Variable(1.0)
        opt = train.GradientDescentOptimizer(1.0)
        pairs = opt.compute_gradients(
            tf.reduce_sum(w * w), gate_gradients=opt.GATE_GRAPH, grad_loss=0.5
        )
        assert [var for _, var in pairs] == [w, b]
        assert pairs[1][0] is None
        clipped = [(tf.clip_by_norm(g, 1.0), v) for g, v in pairs if g is not None]
        update = opt.apply_gradients(clipped)
        session.run(v1.global_variables_initializer())
        session.run(update)
        np.testing.assert_allclose(session.run(w), [2.4, 3.2], rtol=1e-6)


def test_rate_can_be_fed_by_name_and_a_callable_is_asked_in_each_run():
    rates = iter([1.0, 1.0, 10.0, 100.0])
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(0.0)
        one = tf.constant(1.0)
        fixed = train.GradientDescentOptimizer(0.5).apply_gradients([(one, w)])
        asked = train.GradientDescentOptimizer(lambda: next(rates))
        update = asked.apply_gradients([(one, w)])
        session.run(v1.global_variables_initializer())
        session.run(fixed)
        session.run(fixed, {"GradientDescent/learning_rate:0": 4.0})
        assert session.run(w) == -4.5
        session.run(update)
        first = session.run(w)
        session.run(update)
        assert first - session.run(w) == 10.0 * (-4.5 - first)


def test_names_follow_variable_scopes_and_optimizers_share_no_state():
    with tf.Graph().as_default():
        with v1.variable_scope("net"):
            w = v1.get_variable("w", [2])
        loss = tf.reduce_sum(w * w)
        first, second = train.AdamOptimizer(), train.AdamOptimizer(name="Other")
        first.minimize(loss)
        with tf.name_scope("outer"):
            op = second.minimize(loss)
        assert op.name == "outer/Other"
        assert [v.name for v in first.variables()] == [
            "beta1_power:0",
            "beta2_power:0",
            "net/w/Adam:0",
            "net/w/Adam_1:0",
        ]
        assert [v.name for v in second.variables()] == [
            "net/w/Other:0",
            "net/w/Other_1:0",
            "outer/beta1_power:0",
            "outer/beta2_power:0",
        ]
        assert v1.trainable_variables() == [w]
        assert (second.get_name(), repr(second)) == (
            "Other",
            "<graphopt AdamOptimizer 'Other'>",
        )
        third = train.AdamOptimizer()
        with v1.variable_scope("again"):
            third.minimize(loss)
        assert "again/net/w/Adam:0" in [v.name for v in third.variables()]


def test_one_optimizer_in_two_graphs():
    opt = train.AdamOptimizer(0.1)
    for _ in range(2):
        with tf.Graph().as_default(), v1.Session() as session:
            w = tf.Variable(1.0, name="w")
            update = opt.minimize(w * w)
            session.run(v1.global_variables_initializer())
            session.run(update)
            np.testing.assert_allclose(session.run(w), 0.9, rtol=1e-6)
            assert len(opt.variables()) == 4
    assert opt.variables() == []


def test_constraints_hold_after_dense_and_sparse_steps():
    w = tf.Variable([[1.0], [2.0]], constraint=lambda x: tf.maximum(x, 0.5))
    opt = train.GradientDescentOptimizer(1.0)
    opt.apply_gradients([(tf.constant([[1.0], [1.0]]), w)])
    assert w.numpy().tolist() == [[0.5], [1.0]]
    opt.apply_gradients([(tf.IndexedSlices([[3.0]], [1]), w)])
    assert w.numpy().tolist() == [[0.5], [0.5]]


def test_two_train_ops_in_one_run_apply_one_after_the_other():
    with tf.Graph().as_default(), v1.Session() as session:
        w, one = tf.Variable(1.0), tf.constant(1.0)
        opt = train.AdamOptimizer(0.1)
        first = opt.apply_gradients([(one, w)])
        second = opt.apply_gradients([(one, w)])
        session.run(v1.global_variables_initializer())
        session.run([second, first])
        np.testing.assert_allclose(session.run(w), 0.8, rtol=1e-5)
        (power,) = [v for v in opt.variables() if v.name == "beta1_power:0"]
        np.testing.assert_allclose(session.run(power), 0.9**3, rtol=1e-6)


class Halving(train.Optimizer):
    """What users write: TensorFlow's hooks."""

    def __init__(self):
        super().__init__(False, "Halving")
        self.calls = []

    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "seen", self._name)
            self._get_or_make_slot(var, tf.constant(7.0), "seven", "Seven")

    def _prepare(self):
        self.calls.append("prepare")
        self._half = tf.constant(0.5)

    def _resource_apply_dense(self, grad, handle):
        seen = self.get_slot(handle, "seen").assign_add(grad)
        return tf.group(seen, handle.assign(handle * self._half))

    def _resource_apply_sparse(self, grad, handle, indices):
        self.calls.append(indices.shape.as_list() if indices.shape else None)
        return handle.scatter_sub(tf.IndexedSlices(grad, indices))

    def _finish(self, update_ops, name_scope):
        self.calls.append("finish")
        return super()._finish(update_ops, name_scope)


def test_users_write_optimizers_with_the_hooks_of_tensorflow():
    opt, w, v = Halving(), tf.Variable([4.0, 2.0], name="w"), tf.Variable([1.0, 1.0])
    sparse = tf.IndexedSlices([1.0, 2.0, 4.0], [1, 1, 0])
    opt.apply_gradients([(tf.constant([1.0, 1.0]), w), (sparse, v)])
    assert w.numpy().tolist() == [2.0, 1.0]
    assert v.numpy().tolist() == [-3.0, -2.0]
    assert opt.calls == ["prepare", [2], "finish"]
    assert opt.get_slot(w, "seven").name == "w/Seven:0"
    assert opt.get_slot(w, "seen").numpy().tolist() == [1.0, 1.0]


def test_slots_that_are_not_there():
    w, other = tf.Variable(1.0), tf.Variable(1.0)
    opt = train.MomentumOptimizer(0.1, 0.9)
    assert opt.get_slot_names() == []
    opt.minimize(lambda: w * w)
    assert opt.get_slot(w, "unknown") is None
    assert opt.get_slot(other, "momentum") is None


def in_graph(function):
    with tf.Graph().as_default():
        return function()


def test_mistakes_in_minimize():
    w = tf.Variable([1.0, 2.0], name="w")
    opt = train.GradientDescentOptimizer(0.1)
    with pytest.raises(RuntimeError, match="should be a function when eager"):
        opt.minimize(tf.reduce_sum(w * w))
    with pytest.raises(ValueError, match=r"No gradients provided.*'w:0'.*loss"):
        opt.minimize(lambda: tf.constant(1.0), var_list=[w])
    with pytest.raises(ValueError, match="No variables to optimize"):
        opt.minimize(lambda: tf.constant(1.0))
    with pytest.raises(ValueError, match="No variables to optimize"):
        in_graph(lambda: opt.minimize(tf.constant(1.0)))
    with pytest.raises(ValueError, match="No gradients provided"):
        in_graph(lambda: (tf.Variable(1.0), opt.minimize(tf.constant(1.0))))
    with pytest.raises(ValueError, match="loss must be floating-point"):
        in_graph(lambda: opt.minimize(tf.constant(1)))
    with pytest.raises(ValueError, match=r"gate_gradients must be one of.*got 5"):
        opt.minimize(lambda: tf.reduce_sum(w), gate_gradients=5)
    with pytest.raises(TypeError, match=r"var_list must hold variables.*item 1"):
        opt.minimize(lambda: tf.reduce_sum(w), var_list=[w, 1.0])
    with pytest.raises(TypeError, match="must return a tensor"):
        opt.minimize(lambda: 1.0, var_list=[w])
    with pytest.raises(TypeError, match="global_step must be a variable"):
        opt.minimize(lambda: tf.reduce_sum(w), global_step=3)
    assert w.numpy().tolist() == [1.0, 2.0]


def test_mistakes_in_apply_gradients():
    w = tf.Variable([1.0, 2.0], name="w")
    grad = tf.constant([1.0, 1.0])
    opt = train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No variables provided"):
        opt.apply_gradients([])
    with pytest.raises(ValueError, match=r"No gradients provided.*'w:0'"):
        opt.apply_gradients([(None, w)])
    with pytest.raises(TypeError, match="pairs"):
        opt.apply_gradients([grad])
    with pytest.raises(TypeError, match="pairs"):
        opt.apply_gradients((grad, w))
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        opt.apply_gradients([(grad, grad)])
    with pytest.raises(ValueError, match=r"'w:0' does not fit.*float32\[1\]"):
        opt.apply_gradients([(tf.constant([1.0]), w)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"7 is not in \[0, 2"):
        opt.apply_gradients([(tf.IndexedSlices([1.0], [7]), w)])
    with pytest.raises(NotImplementedError, match="must define `update`"):
        train.Optimizer(False, "Base").apply_gradients([(grad, w)])


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: train.Optimizer(False, ""), "Must specify the optimizer name"),
        (lambda: train.GradientDescentOptimizer(-0.1), "learning_rate >= 0.*-0.1"),
        (lambda: train.GradientDescentOptimizer("fast"), "must be a number.*'fast'"),
        (lambda: train.MomentumOptimizer(0.1, [0.9]), "momentum must be a scalar"),
        (lambda: train.AdamOptimizer(float("nan")), "must not be NaN"),
        (
            lambda: train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
            "initial_accumulator_value must be positive: 0.0",
        ),
        (
            lambda: train.ProximalAdagradOptimizer(0.1, initial_accumulator_value=-1),
            "initial_accumulator_value must be positive: -1",
        ),
        (
            lambda: train.AdagradDAOptimizer(0.1, 0, 0.0),
            "initial_gradient_squared_accumulator_value must be positive: 0.0",
        ),
        (
            lambda: train.AdagradDAOptimizer(0.1, 0, l2_regularization_strength=-1.0),
            "l2_regularization_strength -1.0 needs to be positive or zero",
        ),
        (
            lambda: train.ProximalGradientDescentOptimizer(0.1, -1.0),
            "l1_regularization_strength -1.0 needs to be positive or zero",
        ),
        (
            lambda: train.FtrlOptimizer(0.1, learning_rate_power=0.5),
            "learning_rate_power 0.5 needs to be negative or zero",
        ),
        *[
            (
                lambda name=name: train.FtrlOptimizer(0.1, **{name: -1.0}),
                f"{name} -1.0 needs to be positive or zero",
            )
            for name in (
                "initial_accumulator_value",
                "l1_regularization_strength",
                "l2_regularization_strength",
                "l2_shrinkage_regularization_strength",
            )
        ],
    ],
)
def test_mistakes_in_constructors(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


def test_the_namespace_of_the_module():
    import graphopt.compat.names_v1 as names

    assert names.train is train
    assert train.AdamOptimizer is not tf.keras.optimizers.Adam
    assert not issubclass(train.AdamOptimizer, tf.keras.optimizers.Optimizer)
