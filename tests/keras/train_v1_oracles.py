"""The equations of TensorFlow 1's optimizers on float64 arrays."""

from __future__ import annotations

import numpy as np

import graphopt as tf

L1, L2 = 0.03, 0.2
STRENGTHS = {"l1_regularization_strength": L1, "l2_regularization_strength": L2}


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


def make(name, arguments, global_step):
    """Makes an optimizer of an entry of `ORACLES`."""
    if name == "AdagradDA":
        arguments = {"global_step": global_step, **arguments}
    return getattr(tf.compat.v1.train, name + "Optimizer")(**arguments)
