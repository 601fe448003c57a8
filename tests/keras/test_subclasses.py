"""Subclasses of other packages, and the kernels that they call by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.keras.optimizers.resource_apply import KERNELS, OPS
from tests.keras import public_style as style

v1 = tf.compat.v1
START = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]])
GRADS = np.random.default_rng(2).normal(size=(7, 3, 2))

# Each beside an optimizer of graphopt's own, or an equation, that goes the same way.
MAKERS = {
    "rectified": (lambda: style.RectifiedAdam(0.1), lambda: tf.optimizers.RAdam(0.1)),
    "raw adam": (lambda: style.RawAdam(0.1), lambda: tf.optimizers.Adam(0.1)),
    "lazy rows": (lambda: style.LazyRows(0.1), lambda: tf.optimizers.Adam(0.1)),
    "average": (
        lambda: style.MovingAverage(tf.optimizers.Adam(0.1)),
        lambda: tf.optimizers.Adam(0.1),
    ),
    "sgdw": (
        lambda: style.SGDW(0.02, learning_rate=0.1, momentum=0.9),
        # There the decay is multiplied by the learning rate.
        lambda: tf.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.2),
    ),
    "warm": (
        lambda: style.WarmAdam(0.1, weight_decay_rate=0.2),
        lambda: tf.optimizers.AdamW(0.1, weight_decay=0.2),
    ),
}
each = pytest.mark.parametrize("made, like", MAKERS.values(), ids=MAKERS)


def walk_eagerly(optimizer, dtype=np.float64):
    w = tf.Variable(START.astype(dtype), name="w")
    for grad in GRADS.astype(dtype):
        optimizer.apply_gradients([(tf.constant(grad), w)])
    return w.numpy()


def walk_in_graph(make, jit, dtype=np.float64):
    with tf.Graph().as_default(), config(jit=jit):
        w = tf.Variable(START.astype(dtype), name="w")
        grad = v1.placeholder(dtype, [3, 2])
        step = make().apply_gradients([(grad, w)])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for value in GRADS.astype(dtype):
                session.run(step, {grad: value})
            return session.run(w)


def walk_in_function(optimizer, dtype=np.float64):
    w = tf.Variable(START.astype(dtype), name="w")
    step = tf.function(lambda g: optimizer.apply_gradients([(g, w)]))
    for grad in GRADS.astype(dtype):
        step(tf.constant(grad))
    return w.numpy()


@each
def test_subclasses_follow_their_equation(made, like):
    want = walk_eagerly(like())
    np.testing.assert_allclose(walk_eagerly(made()), want, rtol=1e-7)
    for jit in ("never", "always"):
        np.testing.assert_allclose(walk_in_graph(made, jit), want, rtol=1e-7)
    np.testing.assert_allclose(walk_in_function(made()), want, rtol=1e-7)


def lookahead_by_hand():
    w, slow = START.copy(), START.copy()
    for step, grad in enumerate(GRADS, 1):
        w = w - 0.1 * grad
        if step % 3 == 0:
            w = slow = slow + 0.3 * (w - slow)
    return w


def test_optimizer_around_another():
    def make():
        return style.Lookahead(tf.optimizers.SGD(0.1), slow_step_size=0.3)

    want = lookahead_by_hand()
    np.testing.assert_allclose(walk_eagerly(make()), want, rtol=1e-12)
    for jit in ("never", "always"):
        np.testing.assert_allclose(walk_in_graph(make, jit), want, rtol=1e-12)
    np.testing.assert_allclose(walk_in_function(make()), want, rtol=1e-12)


def test_weights_of_an_optimizer_around_another():
    optimizer = style.Lookahead(tf.optimizers.SGD(0.1, momentum=0.5))
    walk_eagerly(optimizer)
    assert [w.name.rpartition("/")[2] for w in optimizer.weights] == [
        "iter:0",
        "slow:0",
        "momentum:0",
    ]
    assert int(optimizer.iterations) == len(GRADS)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5


def test_weight_decay_of_a_subclass_is_its_own():
    plain = walk_eagerly(style.RectifiedAdam(0.1))
    optimizer = style.RectifiedAdam(0.1, weight_decay=0.3)
    decayed = walk_eagerly(optimizer)
    assert not np.allclose(plain, decayed)
    assert float(optimizer.weight_decay) == 0.3
    text = json.dumps(optimizer.get_config())
    again = style.RectifiedAdam.from_config(json.loads(text))
    np.testing.assert_array_equal(walk_eagerly(again), decayed)
    optimizer.weight_decay = 0.0
    assert float(optimizer.weight_decay) == 0.0


def test_sparse_gradients_of_subclasses():
    sparse = tf.IndexedSlices(
        tf.constant([[1.0, 2.0], [3.0, 4.0], [0.5, 0.5]]),
        tf.constant([2, 0, 2]),
        (3, 2),
    )
    dense = np.array([[3.0, 4.0], [0.0, 0.0], [1.5, 2.5]], np.float32)
    for make in (
        lambda: style.LazyRows(0.1),
        lambda: style.SGDW(0.0, learning_rate=0.1),
        lambda: style.RectifiedAdam(0.1),
    ):
        a, b = tf.Variable(START.astype(np.float32)), tf.Variable(START.astype("f"))
        make().apply_gradients([(sparse, a)])
        make().apply_gradients([(tf.constant(dense), b)])
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


# ---- kernels by name

SCALARS = {
    "lr": 0.1,
    "alpha": 0.2,
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.99,
    "beta1_power": 0.81,
    "beta2_power": 0.98,
    "beta": 0.7,
    "epsilon": 1e-3,
    "rho": 0.8,
    "l1": 0.05,
    "l2": 0.3,
    "l2_shrinkage": 0.4,
    "lr_power": -0.5,
    "global_step": 3.0,
    "sign_decay": 0.6,
    "logbase": 1.5,
}
SLOTS = {
    "accum": 0.3,
    "m": 0.1,
    "v": 0.2,
    "vhat": 0.5,
    "ms": 0.9,
    "mg": 0.1,
    "mom": 0.2,
}


def oracle(name, w, g, s, p, nesterov=False):
    """The kernels of TensorFlow in NumPy, from their C++; returns (w, slots)."""
    sqrt, sign = np.sqrt, np.sign
    if name == "GradientDescent":
        return w - p["alpha"] * g, {}
    if name == "Momentum":
        a = s["accum"] * p["momentum"] + g
        step = g * p["lr"] + a * p["momentum"] * p["lr"] if nesterov else p["lr"] * a
        return w - step, {"accum": a}
    if name == "KerasMomentum":
        a = s["accum"] * p["momentum"] - g * p["lr"]
        return w + (a * p["momentum"] - g * p["lr"] if nesterov else a), {"accum": a}
    if name in ("Adam", "AdamWithAmsgrad"):
        m = s["m"] + (g - s["m"]) * (1 - p["beta1"])
        v = s["v"] + (g * g - s["v"]) * (1 - p["beta2"])
        alpha = p["lr"] * sqrt(1 - p["beta2_power"]) / (1 - p["beta1_power"])
        slots = {"m": m, "v": v}
        if name != "Adam":
            v = slots["vhat"] = np.maximum(s["vhat"], v)
        if nesterov:
            m = g * (1 - p["beta1"]) + p["beta1"] * m
        return w - m * alpha / (p["epsilon"] + sqrt(v)), slots
    if name == "Adagrad":
        n = s["accum"] + g * g
        return w - g * p["lr"] / sqrt(n), {"accum": n}
    if name == "AdagradV2":
        n = s["accum"] + g * g
        return w - g * p["lr"] / (sqrt(n) + p["epsilon"]), {"accum": n}
    if name == "Adadelta":
        n = s["accum"] * p["rho"] + g * g * (1 - p["rho"])
        u = sqrt(s["accum_update"] + p["epsilon"]) / sqrt(n + p["epsilon"]) * g
        d = s["accum_update"] * p["rho"] + u * u * (1 - p["rho"])
        return w - u * p["lr"], {"accum": n, "accum_update": d}
    if name == "AdaMax":
        m = s["m"] + (g - s["m"]) * (1 - p["beta1"])
        v = np.maximum(p["beta2"] * s["v"], np.abs(g))
        return w - p["lr"] / (1 - p["beta1_power"]) * m / (v + p["epsilon"]), {
            "m": m,
            "v": v,
        }
    if name in ("RMSProp", "CenteredRMSProp"):
        r = s["ms"] + (g * g - s["ms"]) * (1 - p["rho"])
        slots, spread = {"ms": r}, r
        if name != "RMSProp":
            slots["mg"] = s["mg"] + (g - s["mg"]) * (1 - p["rho"])
            spread = r - slots["mg"] ** 2
        mom = s["mom"] * p["momentum"] + g * p["lr"] / sqrt(spread + p["epsilon"])
        return w - mom, {**slots, "mom": mom}
    if name in ("Ftrl", "FtrlV2"):
        n = s["accum"] + g * g
        power = -p["lr_power"]
        shrunk = g if name == "Ftrl" else g + 2 * p["l2_shrinkage"] * w
        z = s["linear"] + shrunk - (n**power - s["accum"] ** power) / p["lr"] * w
        quadratic = n**power / p["lr"] + 2 * p["l2"]
        new = np.where(np.abs(z) > p["l1"], (sign(z) * p["l1"] - z) / quadratic, 0.0)
        return new, {"accum": n, "linear": z}
    if name in ("ProximalGradientDescent", "ProximalAdagrad"):
        slots, rate = {}, p["alpha"]
        if name == "ProximalAdagrad":
            slots["accum"] = s["accum"] + g * g
            rate = p["lr"] / sqrt(slots["accum"])
        x = w - rate * g
        x = sign(x) * np.maximum(np.abs(x) - rate * p["l1"], 0.0)
        return x / (1 + p["l2"] * rate), slots
    if name == "AdagradDA":
        total = s["gradient_accumulator"] + g
        squares = s["gradient_squared_accumulator"] + g * g
        t = p["global_step"]
        x = sign(total) * np.maximum(np.abs(total) - p["l1"] * t, 0.0)
        return -p["lr"] * x / (p["l2"] * t * p["lr"] + sqrt(squares)), {
            "gradient_accumulator": total,
            "gradient_squared_accumulator": squares,
        }
    m = s["m"] * p["beta"] + g * (1 - p["beta"])
    agree = p["sign_decay"] * sign(g) * sign(m)
    factor = p["alpha"] + agree if name == "AddSign" else np.exp(p["logbase"] * agree)
    return w - p["lr"] * factor * g, {"m": m}


def slots_of(kernel):
    return {name: np.full((3, 2), SLOTS.get(name, 0.4)) for name in kernel.slots}


def check_kernel(name, sparse, nesterov, mode):
    kernel = KERNELS[name]
    starts = slots_of(kernel)
    indices = np.array([2, 0, 2])
    rows = GRADS[1]
    dense = GRADS[0]
    if sparse:
        dense = np.zeros((3, 2))
        np.add.at(dense, indices, rows)
    parameters = {n: SCALARS[n] for n in kernel.scalars}
    want, want_slots = oracle(name, START, dense, starts, SCALARS, nesterov)
    if sparse:
        want[1] = START[1]
        for slot, value in want_slots.items():
            value[1] = starts[slot][1]
    function = getattr(tf.raw_ops, f"Resource{'Sparse' if sparse else ''}Apply{name}")
    gradient = kernel.gradient
    if name == "ProximalGradientDescent" and sparse:
        gradient = "grad"

    def apply(w, slots, grad):
        arguments = {n: v.handle for n, v in slots.items()} | parameters
        arguments[gradient] = grad
        if sparse:
            arguments["indices"] = tf.constant(indices)
        if nesterov:
            arguments["use_nesterov"] = True
        return function(var=w.handle, **arguments)

    grad = rows if sparse else dense
    if mode == "eager":
        w = tf.Variable(START)
        slots = {n: tf.Variable(v) for n, v in starts.items()}
        assert apply(w, slots, tf.constant(grad)) is None
        got = [w.numpy(), *(v.numpy() for v in slots.values())]
    elif mode == "function":
        w = tf.Variable(START)
        slots = {n: tf.Variable(v) for n, v in starts.items()}

        @tf.function
        def step(g):
            apply(w, slots, g)
            return g

        step(tf.constant(grad))
        got = [w.numpy(), *(v.numpy() for v in slots.values())]
    else:
        with tf.Graph().as_default(), config(jit=mode), v1.Session() as session:
            w = tf.Variable(START)
            slots = {n: tf.Variable(v) for n, v in starts.items()}
            op = apply(w, slots, tf.constant(grad))
            session.run(v1.global_variables_initializer())
            session.run(op)
            got = session.run([w, *slots.values()])
    for value, expected in zip(
        got, [want, *(want_slots[n] for n in starts)], strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", ["eager", "function", "never", "always"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_by_name(name, mode):
    kernel = KERNELS[name]
    check_kernel(name, False, False, mode)
    if "use_nesterov" in kernel.options:
        check_kernel(name, False, True, mode)
    if kernel.sparse:
        check_kernel(name, True, False, mode)


def test_kernels_take_variables_and_update_slots():
    w, n = tf.Variable([2.0]), tf.Variable([1.0])
    tf.raw_ops.ResourceApplyAdagrad(
        var=w, accum=n, lr=0.5, grad=tf.constant([4.0]), update_slots=False
    )
    assert (float(w[0]), float(n[0])) == (0.0, 1.0)


def test_scatter_and_assign_by_name():
    w = tf.Variable([1.0, 2.0, 3.0])
    raw = tf.raw_ops
    rows = {"indices": [0, 2], "updates": [10.0, 20.0]}
    assert raw.ResourceScatterAdd(resource=w.handle, **rows) is None
    assert w.numpy().tolist() == [11.0, 2.0, 23.0]
    raw.ResourceScatterUpdate(resource=w.handle, **rows)
    assert w.numpy().tolist() == [10.0, 2.0, 20.0]
    raw.AssignSubVariableOp(resource=w.handle, value=[1.0, 1.0, 1.0])
    assert raw.ReadVariableOp(resource=w.handle, dtype=tf.float32).numpy()[0] == 9.0


def test_mistakes_with_kernels():
    w = tf.Variable([1.0])
    with pytest.raises(TypeError, match=r"ResourceApplyGradientDescent.*'delta'"):
        tf.raw_ops.ResourceApplyGradientDescent(var=w.handle, alpha=0.1)
    with pytest.raises(TypeError, match="handle of a variable"):
        tf.raw_ops.ResourceApplyGradientDescent(var=1.0, alpha=0.1, delta=[1.0])
    with pytest.raises(AttributeError, match="ResourceApplyNothing"):
        _ = tf.raw_ops.ResourceApplyNothing
    with pytest.raises(ValueError, match="shape"):
        tf.raw_ops.ResourceApplyGradientDescent(
            var=w.handle, alpha=0.1, delta=[1.0, 2.0]
        )
    assert set(dir(tf.raw_ops)) == set(OPS)


# ---- small things that programs do


@pytest.mark.parametrize("as_list", [dict.values, lambda d: iter(d.values()), set])
def test_var_list_may_be_any_iterable(as_list):
    variables = {"b": tf.Variable(1.0), "a": tf.Variable(2.0)}
    given = set(variables.values()) if as_list is set else as_list(variables)
    loss = lambda: variables["a"] * variables["b"]  # noqa: E731
    tf.optimizers.SGD(0.5).minimize(loss, var_list=given)
    assert [float(v) for v in variables.values()] == [0.0, 1.5]


@pytest.mark.parametrize("as_list", [dict.values, lambda d: iter(d.values())])
def test_var_list_of_version_1_may_be_any_iterable(as_list):
    variables = {"b": tf.Variable(1.0), "a": tf.Variable(2.0)}
    optimizer = v1.train.GradientDescentOptimizer(0.5)
    loss = lambda: variables["a"] * variables["b"]  # noqa: E731
    optimizer.minimize(loss, var_list=as_list(variables))
    assert [float(v) for v in variables.values()] == [0.0, 1.5]


def test_tape_takes_values_of_a_dict():
    variables = {"b": tf.Variable(1.0), "a": tf.Variable(2.0)}
    with tf.GradientTape() as tape:
        loss = variables["a"] * variables["b"]
    assert [float(g) for g in tape.gradient(loss, variables.values())] == [2.0, 1.0]


def test_assigning_eagerly_has_no_op():
    w = tf.Variable([1.0])
    for changed in (w.assign([2.0]), w.assign_add([1.0]), w.assign_sub([1.0])):
        assert changed.op is None
    assert w.op is None
