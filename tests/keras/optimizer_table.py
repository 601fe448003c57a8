"""All optimizers, and their equations on float64 arrays, written from the papers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import graphopt as tf

EPSILON = 1e-7


class Slots(dict):
    """Slots that start as zeros."""

    def __missing__(self, name):
        return 0.0


# Each equation: (step from 1, w, g, slots) -> w; it changes the slots.


def sgd(t, w, g, s):
    return w - 0.1 * g


def momentum(t, w, g, s):
    s["a"] = 0.9 * s["a"] - 0.1 * g
    return w + s["a"]


def nesterov(t, w, g, s):
    s["a"] = 0.9 * s["a"] - 0.1 * g
    return w + 0.9 * s["a"] - 0.1 * g


def moments(g, s, beta_1=0.9, beta_2=0.999):
    s["m"] = beta_1 * s["m"] + (1.0 - beta_1) * g
    s["v"] = beta_2 * s["v"] + (1.0 - beta_2) * g**2
    return s["m"], s["v"]


def adam_rate(t, beta_1=0.9, beta_2=0.999):
    return np.sqrt(1.0 - beta_2**t) / (1.0 - beta_1**t)


def adam(t, w, g, s):
    m, v = moments(g, s)
    return w - 0.1 * adam_rate(t) * m / (np.sqrt(v) + EPSILON)


def amsgrad(t, w, g, s):
    m, v = moments(g, s)
    s["vhat"] = np.maximum(s["vhat"], v)
    return w - 0.1 * adam_rate(t) * m / (np.sqrt(s["vhat"]) + 1e-3)


def adamw(t, w, g, s):
    return adam(t, w - 0.1 * 0.02 * w, g, s)


def adagrad(t, w, g, s):
    s["n"] = (s["n"] if t > 1 else 0.1) + g**2
    return w - 0.5 * g / (np.sqrt(s["n"]) + EPSILON)


def adadelta(t, w, g, s):
    s["n"] = 0.5 * s["n"] + 0.5 * g**2
    u = np.sqrt(s["d"] + EPSILON) / np.sqrt(s["n"] + EPSILON) * g
    s["d"] = 0.5 * s["d"] + 0.5 * u**2
    return w - 20.0 * u


def adamax(t, w, g, s):
    s["m"] = 0.9 * s["m"] + (1.0 - 0.9) * g
    s["v"] = np.maximum(0.999 * s["v"], np.abs(g))
    return w - 0.1 / (1.0 - 0.9**t) * s["m"] / (s["v"] + EPSILON)


def nadam(t, w, g, s):
    mu = [0.9 * (1.0 - 0.5 * 0.96 ** (0.004 * (t + i))) for i in (0, 1)]
    s["c"] = (s["c"] if t > 1 else 1.0) * mu[0]
    m, v = moments(g, s)
    c = s["c"]
    step = (1.0 - mu[0]) * g / (1.0 - c) + mu[1] * m / (1.0 - c * mu[1])
    return w - 0.1 * step / (np.sqrt(v / (1.0 - 0.999**t)) + EPSILON)


def rmsprop(t, w, g, s):
    s["r"] = 0.9 * s["r"] + (1.0 - 0.9) * g**2
    return w - 0.02 * g / (np.sqrt(s["r"]) + EPSILON)


def centered_rmsprop(t, w, g, s):
    s["r"] = 0.9 * s["r"] + (1.0 - 0.9) * g**2
    s["q"] = 0.9 * s["q"] + (1.0 - 0.9) * g
    s["p"] = 0.5 * s["p"] + 0.01 * g / np.sqrt(s["r"] - s["q"] ** 2 + EPSILON)
    return w - s["p"]


def ftrl(t, w, g, s):
    before = s["n"] if t > 1 else 0.1
    s["n"] = before + g**2
    s["z"] = s["z"] + g - (np.sqrt(s["n"]) - np.sqrt(before)) / 1.0 * w
    return -s["z"] / (np.sqrt(s["n"]) / 1.0)


def lion(t, w, g, s):
    w = w - 0.02 * np.sign(0.9 * s["m"] + (1.0 - 0.9) * g)
    s["m"] = 0.99 * s["m"] + (1.0 - 0.99) * g
    return w


def norm(x):
    return np.sqrt((x**2).sum())


def lamb(t, w, g, s):
    m, v = moments(g, s)
    u = m / (1.0 - 0.9**t) / (np.sqrt(v / (1.0 - 0.999**t)) + EPSILON)
    return w - 0.05 * norm(w) / norm(u) * u


def lars(t, w, g, s):
    rate = 0.1 * norm(w) / (norm(g) + 0.01 * norm(w))
    s["a"] = 0.5 * s["a"] + 1.0 * rate * (g + 0.01 * w)
    return w - s["a"]


def adafactor(t, w, g, s):
    rho, rest = min(0.3, t**-0.5), t**-0.8
    square = g**2 + 1e-30
    if w.ndim >= 2:
        s["r"] = (1.0 - rest) * s["r"] + rest * square.mean(-1)
        s["c"] = (1.0 - rest) * s["c"] + rest * square.mean(-2)
        share = s["r"] / s["r"].mean(-1, keepdims=True)
        v = share[..., None] * s["c"][..., None, :]
    else:
        s["v"] = v = (1.0 - rest) * s["v"] + rest * square
    u = g / np.sqrt(v)
    u = u / max(1.0, np.sqrt((u**2).mean()))
    return w - max(1e-3, np.sqrt((w**2).mean())) * rho * u


def muon(t, w, g, s):
    if w.ndim != 2:
        return adam(t, w - 0.1 * 0.004 * w, g, s)
    w = w - 0.1 * 0.004 * w
    s["m"] = 0.95 * s["m"] + g
    x = g + 0.95 * s["m"]
    x = x / (norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return w - 0.1 * 0.2 * np.sqrt(max(w.shape)) * x


def schedule_free(t, w, g, s):
    z = s["z"] if t > 1 else w
    x = s["x"] if t > 1 else w
    s["v"] = 0.999 * s["v"] + (1.0 - 0.999) * g**2
    s["z"] = z - 0.1 * g / (np.sqrt(s["v"] / (1.0 - 0.999**t)) + 1e-8)
    s["x"] = (1.0 - 1.0 / t) * x + s["z"] / t
    return (1.0 - 0.9) * s["z"] + 0.9 * s["x"]


def radam(t, w, g, s):
    m, v = moments(g, s)
    longest = 2.0 / (1.0 - 0.999) - 1.0
    rho = longest - 2.0 * t * 0.999**t / (1.0 - 0.999**t)
    u = m / (1.0 - 0.9**t)
    if rho <= 5.0:
        return w - 0.1 * u
    above = (rho - 4.0) * (rho - 2.0) * longest
    r = np.sqrt(above / ((longest - 4.0) * (longest - 2.0) * rho))
    return w - 0.1 * r * u * np.sqrt(1.0 - 0.999**t) / (np.sqrt(v) + EPSILON)


def adabelief(t, w, g, s):
    s["m"] = 0.9 * s["m"] + (1.0 - 0.9) * g
    s["s"] = 0.999 * s["s"] + (1.0 - 0.999) * (g - s["m"]) ** 2 + 1e-14
    root = np.sqrt(s["s"] / (1.0 - 0.999**t)) + 1e-14
    return w - 0.1 * s["m"] / (1.0 - 0.9**t) / root


def yogi(t, w, g, s):
    m, v = (s["m"], s["v"]) if t > 1 else (1e-6, 1e-6)
    s["m"] = 0.9 * m + (1.0 - 0.9) * g
    s["v"] = v - (1.0 - 0.999) * np.sign(v - g**2) * g**2
    return w - 0.1 * adam_rate(t) * s["m"] / (np.sqrt(s["v"]) + 1e-3)


def rprop(t, w, g, s):
    step = s["step"] if t > 1 else np.full_like(w, 0.05)
    c = g * s["previous"]
    step = np.where(c > 0, np.minimum(1.2 * step, 50.0), step)
    step = np.where(c < 0, np.maximum(0.5 * step, 1e-6), step)
    g = np.where(c < 0, 0.0, g)
    s["step"], s["previous"] = step, g
    return w - np.sign(g) * step


class Case(NamedTuple):
    """An optimizer, its arguments and its equation."""

    name: str
    arguments: dict
    equation: object

    @property
    def label(self):
        options = [
            key for key, value in self.arguments.items() if key != "learning_rate"
        ]
        return "-".join([self.name, *options])

    def make(self, **options):
        return getattr(tf.keras.optimizers, self.name)(**self.arguments, **options)


RATE = {"learning_rate": 0.1}
CASES = [
    Case("SGD", RATE, sgd),
    Case("SGD", {**RATE, "momentum": 0.9}, momentum),
    Case("SGD", {**RATE, "momentum": 0.9, "nesterov": True}, nesterov),
    Case("Adam", RATE, adam),
    Case("Adam", {**RATE, "amsgrad": True, "epsilon": 1e-3}, amsgrad),
    Case("Adagrad", {"learning_rate": 0.5}, adagrad),
    Case("Adadelta", {"learning_rate": 20.0, "rho": 0.5}, adadelta),
    Case("Adamax", RATE, adamax),
    Case("Nadam", RATE, nadam),
    Case("RMSprop", {"learning_rate": 0.02}, rmsprop),
    Case(
        "RMSprop",
        {"learning_rate": 0.01, "momentum": 0.5, "centered": True},
        centered_rmsprop,
    ),
    Case("Ftrl", {"learning_rate": 1.0}, ftrl),
    Case("AdamW", {**RATE, "weight_decay": 0.02}, adamw),
    Case("LazyAdam", RATE, adam),
    Case("Lion", {"learning_rate": 0.02}, lion),
    Case("Lamb", {"learning_rate": 0.05}, lamb),
    Case(
        "LARS",
        {
            "learning_rate": 1.0,
            "momentum": 0.5,
            "weight_decay": 0.01,
            "trust_coefficient": 0.1,
        },
        lars,
    ),
    Case("Adafactor", {"learning_rate": 0.3}, adafactor),
    Case("Muon", RATE, muon),
    Case("ScheduleFreeAdamW", RATE, schedule_free),
    Case("RAdam", RATE, radam),
    Case("AdaBelief", RATE, adabelief),
    Case("Yogi", RATE, yogi),
    Case("Rprop", {"learning_rate": 0.05}, rprop),
]
