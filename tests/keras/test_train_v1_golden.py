"""What TensorFlow's `tf.compat.v1.train` does, recorded, followed in every mode.

`tests/golden/record_train_v1.py` says what was run: 20 steps on a dense and a sparse
gradient, compared after the steps 1, 5 and 20.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "train_v1.json").read_text())
ARRAYS = dict(np.load(GOLDEN / "train_v1.npz"))
STEPS, COMPARED = INDEX["steps"], INDEX["compared"]
each_case = pytest.mark.parametrize("case", INDEX["cases"], ids=lambda case: case["id"])


def given(name, dtype=None):
    array = ARRAYS[f"input/{name}"]
    return array if dtype is None else array.astype(dtype)


def call_decay(step, name, *arguments):
    function = getattr(v1.train, name)
    if name == "piecewise_constant":
        return function(step, *arguments)
    return function(arguments[0], step, *arguments[1:])


def build(case):
    """Returns the optimizer, its two variables and the global step."""
    a = tf.Variable(given("a0", case["dtype"]), name="a")
    e = tf.Variable(given("e0", case["dtype"]), name="e")
    step = v1.train.get_or_create_global_step()
    arguments = {}
    for name, value in case["arguments"].items():
        if value == "$global_step":
            value = step
        elif isinstance(value, dict):
            value = call_decay(step, *value["$decay"])
        arguments[name] = value
    make = getattr(v1.train, case["optimizer"] + "Optimizer")
    return make(**arguments), a, e, step


def build_graph(case):
    """Returns the train op, placeholders by name, and what is compared by name."""
    opt, a, e, step = build(case)
    dtype = tf.as_dtype(case["dtype"])
    feeds = {
        "a": v1.placeholder(dtype, [4, 3]),
        "e": v1.placeholder(dtype, [5, 2]),
        "i": v1.placeholder(tf.int32, [5]),
    }
    sparse = tf.IndexedSlices(feeds["e"], feeds["i"], [6, 2])
    train = opt.apply_gradients([(feeds["a"], a), (sparse, e)], global_step=step)
    return opt, train, feeds, {"a": a, "e": e, **{v.name: v for v in opt.variables()}}


def compare(case, at, values):
    """Compares with what TensorFlow had after the step of number `COMPARED[at]`."""
    wanted = [name for name in ARRAYS if name.startswith(case["id"] + "/")]
    assert sorted(wanted) == sorted(f"{case['id']}/{name}" for name in values)
    rtol = 1e-6 if at == 0 else 1e-5
    if case["dtype"] == "float64" and case["optimizer"] != "Adam":
        # Adam's powers are float32 in TensorFlow; all else is exact.
        rtol = 1e-11
    for name, value in values.items():
        want = ARRAYS[f"{case['id']}/{name}"][at]
        if not name.endswith("_power:0"):
            assert value.dtype == want.dtype
        # Where values of about 1 cancel, what is left has their rounding.
        np.testing.assert_allclose(
            value, want, rtol=rtol, atol=rtol * 0.1, err_msg=name
        )


@each_case
@pytest.mark.parametrize("jit", ["never", "always"])
def test_graph(case, jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        _, train, feeds, kept = build_graph(case)
        session.run(v1.global_variables_initializer())
        for step in range(STEPS):
            session.run(train, {feeds[name]: given(name)[step] for name in feeds})
            if step in COMPARED:
                compare(case, COMPARED.index(step), session.run(kept))


@each_case
def test_many_steps_in_one_call(case):
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        _, train, feeds, kept = build_graph(case)
        session.run(v1.global_variables_initializer())
        done = 0
        for at, last in enumerate(COMPARED):
            rows = {feeds[name]: given(name)[done : last + 1] for name in feeds}
            session.run_steps(train, last + 1 - done, feeds=rows)
            done = last + 1
            compare(case, at, session.run(kept))


@each_case
def test_eager(case):
    opt, a, e, count = build(case)
    for step in range(STEPS):
        dense = tf.constant(given("a", case["dtype"])[step])
        rows = tf.constant(given("e", case["dtype"])[step])
        sparse = tf.IndexedSlices(rows, tf.constant(given("i")[step]), [6, 2])
        done = opt.apply_gradients([(dense, a), (sparse, e)], global_step=count)
        assert done is None
        if step in COMPARED:
            kept = {"a": a, "e": e, **{v.name: v for v in opt.variables()}}
            values = {name: var.numpy() for name, var in kept.items()}
            compare(case, COMPARED.index(step), values)
    assert int(count) == STEPS


@each_case
def test_names(case):
    with tf.Graph().as_default():
        opt, train, _, kept = build_graph(case)
        assert [train.name, train.type] == case["op"]
        assert [v.name for v in opt.variables()] == case["variables"]
        assert opt.get_slot_names() == list(case["slots"])
        slots = {
            name: [opt.get_slot(kept[of], name).name for of in "ae"]
            for name in case["slots"]
        }
        assert slots == case["slots"]
        assert [v.name for v in v1.global_variables()] == case["global_variables"]


@pytest.mark.parametrize(
    "decay", INDEX["decays"], ids=lambda d: f"{d['function']}{d['arguments'][1:]}"
)
def test_decay(decay):
    wanted = np.float32(decay["values"])
    arguments = decay["function"], *decay["arguments"]
    step = tf.Variable(0, dtype=tf.int64)
    rate = call_decay(step, *arguments)
    got = [
        float(rate()) for number in INDEX["decay_steps"] if step.assign(number) is step
    ]
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-9)
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
            number = v1.placeholder(tf.int64, [])
            tensor = call_decay(number, *arguments)
            assert tensor.dtype is tf.float32
            got = [session.run(tensor, {number: n}) for n in INDEX["decay_steps"]]
            np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-9)


@pytest.mark.parametrize("case", INDEX["averages"], ids=lambda case: case["id"])
@pytest.mark.parametrize("jit", ["never", "always"])
def test_moving_average(case, jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w = tf.Variable(np.float32([1.0, -2.0]), name="w")
        tf.Variable(0.0, trainable=False, name="other")
        count = tf.Variable(0.0, trainable=False, name="count")
        ema = v1.train.ExponentialMovingAverage(
            **{k: count if v == "$count" else v for k, v in case["arguments"].items()}
        )
        x = tf.multiply(w, 3.0, name="x")
        names = [ema.average_name(w)]
        assert ema.average(w) is None
        update = ema.apply([w, x])
        session.run(v1.global_variables_initializer())
        for i in range(10):
            session.run(w.assign([i * 0.5, 3.0 - i]))
            session.run(count.assign(float(i)))
            session.run(update)
            for source, name in ((w, "w"), (x, "x")):
                want = ARRAYS[f"average/{case['id']}/{name}"][i]
                got = session.run(ema.average(source))
                np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
        names += [ema.average_name(w), ema.average_name(x)]
        assert names == case["names"]
        assert [update.name, update.type] == case["op"]
        restored = {k: v.name for k, v in ema.variables_to_restore().items()}
        assert restored == case["restore"]
        assert [v.name for v in v1.global_variables()] == case["global_variables"]
