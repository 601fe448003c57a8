"""Learning rate schedules against their formulas, in both modes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config

schedules = tf.keras.optimizers.schedules
STEPS = [0, 1, 2, 3, 4, 5, 9, 10, 11, 19, 20, 21, 40, 1000]


def cosine(f):
    return 0.5 * (1.0 + np.cos(np.pi * f))


def piecewise(s):
    return 0.5 if s <= 3 else 0.2 if s <= 10 else 0.1


def polynomial(s, cycle):
    length = 10.0 * (max(1.0, np.ceil(s / 10.0)) if cycle else 1.0)
    return (0.5 - 0.01) * (1.0 - min(s, length) / length) ** 2 + 0.01


def cosine_warmup(s):
    if s < 5:
        return 0.1 + (0.5 - 0.1) * s / 5.0
    return 0.5 * ((1.0 - 0.2) * cosine(min(s - 5, 10) / 10.0) + 0.2)


def restarts(s):
    length, height = 5.0, 0.5
    while s >= length:
        s, length, height = s - length, 2.0 * length, 0.5 * height
    return (1.0 - 0.1) * height * cosine(s / length) + 0.5 * 0.1


def linear_cosine(s):
    f = min(s, 10) / 10.0
    return 0.5 * ((0.1 + 1.0 - f) * 0.5 * (1.0 + np.cos(np.pi * 3.0 * f)) + 0.01)


def one_cycle(s):
    part = min(s / 20.0, 1.0)
    if part < 0.25:
        return 0.5 + (0.05 - 0.5) * cosine(part / 0.25)
    return 5e-4 + (0.5 - 5e-4) * cosine((part - 0.25) / 0.75)


def exponential(s):
    return 0.5 * 0.9 ** (s / 4.0)


CASES = {
    "exponential": (schedules.ExponentialDecay(0.5, 4, 0.9), exponential),
    "staircase": (
        schedules.ExponentialDecay(0.5, 4, 0.9, staircase=True),
        lambda s: 0.5 * 0.9 ** (s // 4),
    ),
    "piecewise": (
        schedules.PiecewiseConstantDecay([3, 10], [0.5, 0.2, 0.1]),
        piecewise,
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.5, 10, 0.01, 2.0),
        lambda s: polynomial(s, False),
    ),
    "polynomial_cycle": (
        schedules.PolynomialDecay(0.5, 10, 0.01, 2.0, cycle=True),
        lambda s: polynomial(s, True),
    ),
    "inverse_time": (
        schedules.InverseTimeDecay(0.5, 4, 0.9),
        lambda s: 0.5 / (1.0 + 0.9 * s / 4.0),
    ),
    "cosine": (
        schedules.CosineDecay(0.5, 10, 0.2),
        lambda s: 0.5 * ((1.0 - 0.2) * cosine(min(s, 10) / 10.0) + 0.2),
    ),
    "cosine_warmup": (
        schedules.CosineDecay(0.1, 10, 0.2, warmup_target=0.5, warmup_steps=5),
        cosine_warmup,
    ),
    "restarts": (
        schedules.CosineDecayRestarts(0.5, 5, m_mul=0.5, alpha=0.1),
        restarts,
    ),
    "linear_cosine": (
        schedules.LinearCosineDecay(0.5, 10, 1.5, 0.1, 0.01),
        linear_cosine,
    ),
    "without_noise": (
        schedules.NoisyLinearCosineDecay(0.5, 10, 0.0, 0.5, 1.5, 0.1, 0.01),
        linear_cosine,
    ),
    "warmup_to_a_number": (
        schedules.LinearWarmup(0.5, 4, 0.1),
        lambda s: 0.1 + 0.4 * min(s / 4.0, 1.0),
    ),
    "warmup_to_a_schedule": (
        schedules.LinearWarmup(schedules.ExponentialDecay(0.5, 4, 0.9), 4),
        lambda s: 0.5 * s / 4.0 if s < 4 else exponential(s - 4),
    ),
    "one_cycle": (schedules.OneCycle(0.5, 20, 0.25, 10.0, 100.0), one_cycle),
    "joined": (
        schedules.Joined(
            [
                schedules.InverseTimeDecay(0.5, 4, 0.9),
                schedules.ExponentialDecay(0.5, 4, 0.9),
                schedules.LinearWarmup(0.3, 4),
            ],
            [3, 10],
        ),
        lambda s: (
            0.5 / (1.0 + 0.9 * s / 4.0)
            if s < 3
            else exponential(s - 3)
            if s < 10
            else 0.3 * min((s - 10) / 4.0, 1.0)
        ),
    ),
}
each_case = pytest.mark.parametrize(
    ("schedule", "formula"), CASES.values(), ids=CASES.keys()
)


@each_case
@pytest.mark.parametrize("jit", ["never", "always"])
def test_rates(schedule, formula, jit):
    want = [formula(s) for s in STEPS]
    eager = [float(schedule(s)) for s in STEPS]
    # At a restart float32 may be on either side of a jump.
    np.testing.assert_allclose(eager, want, rtol=2e-5, atol=1e-7)
    with tf.Graph().as_default(), config(jit=jit):
        step = tf.compat.v1.placeholder(tf.float64, [])
        rate = schedule(step)
        with tf.compat.v1.Session() as session:
            exact = [session.run(rate, {step: s}) for s in STEPS]
    np.testing.assert_allclose(exact, want, rtol=1e-12, atol=1e-14)


@each_case
def test_config(schedule, formula):
    made = json.loads(json.dumps(schedules.serialize(schedule)))
    again = schedules.deserialize(made)
    assert type(again) is type(schedule)
    assert schedules.serialize(again) == made
    assert float(again(7)) == float(schedule(7))
    opt = tf.keras.optimizers.SGD(schedule)
    same = type(opt).from_config(opt.get_config())
    assert same.get_config() == opt.get_config()


@each_case
def test_no_python_runs_in_a_step(schedule, formula):
    with tf.Graph().as_default(), config(jit="always"):
        w = tf.Variable(0.0)
        train = tf.keras.optimizers.SGD(schedule).apply_gradients(
            [(tf.constant(-1.0), w)]
        )
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert "HOST" not in str(session.plan(train))
            session.run(train)
            session.run_steps(train, 4)
            before = record.kernels
            session.run_steps(train, 7)
            assert record.kernels == before
            want = sum(formula(s) for s in range(12))
            np.testing.assert_allclose(session.run(w), want, rtol=1e-5)


def test_noise_is_drawn_anew():
    schedule = schedules.NoisyLinearCosineDecay(0.5, 10, 1.0, 0.5, seed=3)
    rates = [float(schedule(0)) for _ in range(4)]
    assert len(set(rates)) == 4


def test_bad_arguments():
    with pytest.raises(ValueError, match="one boundary less"):
        schedules.Joined([schedules.OneCycle(1.0, 2)], [3])
    with pytest.raises(ValueError, match="warmup_fraction"):
        schedules.OneCycle(1.0, 10, 1.5)
    with pytest.raises(ValueError, match="Unknown learning rate schedule"):
        schedules.deserialize({"class_name": "Nope", "config": {}})


def test_names_of_tensorflow():
    for name in (
        "CosineDecay",
        "CosineDecayRestarts",
        "LinearCosineDecay",
        "NoisyLinearCosineDecay",
    ):
        assert getattr(tf.keras.experimental, name) is getattr(schedules, name)
