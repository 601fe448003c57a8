"""Trajectories of TensorFlow's optimizers, recorded, followed in both modes.

Each case has gradients for 13 steps; variables and weights are compared after the
steps 1, 5 and 13. The tolerances are those of the recording.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "optimizers.json").read_text())["cases"]
ARRAYS = dict(np.load(GOLDEN / "optimizers.npz"))
CONSTRAINTS = {
    None: None,
    "nonneg": lambda x: tf.maximum(x, tf.zeros_like(x)),
    "clip1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
}


def decode(config):
    """Makes schedules and callables of their descriptions."""
    if not isinstance(config, dict):
        return config
    if "$schedule" in config:
        schedule = getattr(tf.keras.optimizers.schedules, config["$schedule"])
        return schedule(**config["config"])
    if "$callable" in config:
        return lambda: config["$callable"]
    return {key: decode(value) for key, value in config.items()}


def make_optimizer(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        optimizer = getattr(tf.keras.optimizers, case["optimizer"])
        return optimizer(**decode(case["config"]))


def make_variables(case):
    return [
        tf.Variable(
            ARRAYS[f"{case['id']}/v{i}"],
            name=var["name"],
            constraint=CONSTRAINTS[var.get("constraint")],
        )
        for i, var in enumerate(case["vars"])
    ]


def gradient(case, index, step):
    """The recorded gradient of a variable: array, (values, indices) or None."""
    kind = case["vars"][index]["grad"]
    if kind is None:
        return None
    values = ARRAYS[f"{case['id']}/g{index}"][step]
    if kind == "dense":
        return values
    return values, ARRAYS[f"{case['id']}/i{index}"][step]


def as_gradient(parts, variable):
    """Makes tensors of recorded arrays."""
    if parts is None:
        return None
    if isinstance(parts, tuple):
        return tf.IndexedSlices(*map(tf.constant, parts), variable.shape)
    return tf.constant(parts)


def compare(case, at, variables, weights):
    """Compares with what TensorFlow had after the step of number `at`."""

    def check(kind, tolerance, got, alternative):
        for i, value in enumerate(got):
            want = ARRAYS[f"{case['id']}/{alternative}{kind}{i}"][at]
            assert value.dtype == want.dtype
            np.testing.assert_allclose(value, want, **case["tol"][tolerance])

    def check_all(alternative):
        check("xv", "vars", variables, alternative)
        check("xw", "slots", weights, alternative)

    try:
        check_all("")
    except AssertionError:
        # In float64 TensorFlow rounds hyperparameters to float32; both are accepted.
        if f"{case['id']}/alt_xv0" not in ARRAYS:
            raise
        check_all("alt_")


def events_before(case, step):
    return [e for e in case.get("events") or () if e["before_step"] == step]


def set_hyperparameters(optimizer, event):
    for name, value in event["set"].items():
        setattr(optimizer, name, value)


def with_names(case, optimizer):
    assert [w.name for w in optimizer.weights] == case["expect"]["weight_names"]
    assert optimizer.get_slot_names() == case["expect"]["slot_names"]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_eager_trajectory(case):
    optimizer, variables = make_optimizer(case), make_variables(case)

    def apply(target, step):
        grads = [
            as_gradient(gradient(case, i, step), v) for i, v in enumerate(variables)
        ]
        target.apply_gradients(list(zip(grads, variables, strict=True)))

    for step in range(case["steps"]):
        for event in events_before(case, step):
            if "set" in event:
                set_hyperparameters(optimizer, event)
                continue
            # Its state moves into an optimizer made from its config.
            weights = optimizer.get_weights()
            values = [v.numpy() for v in variables]
            optimizer = type(optimizer).from_config(optimizer.get_config())
            apply(optimizer, 0)
            optimizer.set_weights(weights)
            for var, value in zip(variables, values, strict=True):
                var.assign(value)
        apply(optimizer, step)
        if step in case["compared_steps"]:
            compare(
                case,
                case["compared_steps"].index(step),
                [v.numpy() for v in variables],
                [np.asarray(w) for w in optimizer.get_weights()],
            )
    with_names(case, optimizer)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(
    "case",
    [c for c in CASES if all("set" in e for e in c.get("events") or ())],
    ids=lambda case: case["id"],
)
def test_graph_trajectory(case):
    with tf.Graph().as_default():
        optimizer, variables = make_optimizer(case), make_variables(case)
        feeds, pairs = [], []

        def placeholder(array):
            return tf.compat.v1.placeholder(tf.as_dtype(array.dtype), array.shape)

        for i, var in enumerate(variables):
            g = gradient(case, i, 0)
            if g is None:
                pairs.append((None, var))
            elif isinstance(g, tuple):
                parts = [placeholder(part) for part in g]
                feeds += [(parts[0], i, 0), (parts[1], i, 1)]
                pairs.append((tf.IndexedSlices(*parts, var.shape), var))
            else:
                feeds.append((placeholder(g), i, None))
                pairs.append((feeds[-1][0], var))
        train = optimizer.apply_gradients(pairs)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for step in range(case["steps"]):
                for event in events_before(case, step):
                    set_hyperparameters(optimizer, event)
                feed = {}
                for tensor, i, part in feeds:
                    g = gradient(case, i, step)
                    feed[tensor] = g if part is None else g[part]
                train.run(feed)
                if step in case["compared_steps"]:
                    at = case["compared_steps"].index(step)
                    weights = session.run(list(optimizer.weights))
                    compare(case, at, session.run(variables), weights)
            with_names(case, optimizer)
