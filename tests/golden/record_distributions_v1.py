"""Records what TensorFlow's `compat.v1.distributions` compute, for test_distributions.py.

Run with an interpreter that has TensorFlow and tf_keras:

    TF_USE_LEGACY_KERAS=1 python tests/golden/record_distributions_v1.py
"""

from __future__ import annotations

import json
import pathlib

import numpy as np

LOC, SCALE = np.array([0.5, -1.0, 3.0]), np.array([1.0, 0.3, 2.5])
REAL = np.array([[0.1, -1.2, 7.0], [-20.0, -0.9, 2.9], [6.0, -5.0, 30.0]])
POSITIVE = np.array([[0.1, 1.2, 7.0], [2.0, 0.3, 2.9]])
# TensorFlow's incomplete beta function does not broadcast.
TWO = np.tile(SCALE, (2, 1))
CHANCE = np.array([[0.1, 0.5, 0.97], [0.3, 0.01, 0.6]])
LOGITS = np.array([[0.1, -1.2, 2.0], [0.3, 0.4, -5.0]])
# Kind, arguments, those of another one, values.
CASES = {
    "normal": ("Normal", [LOC, SCALE], [SCALE, LOC**2 + 0.5], REAL),
    "uniform": ("Uniform", [LOC, LOC + SCALE], [LOC - 1, LOC + SCALE + 2], REAL),
    "gamma": ("Gamma", [SCALE, SCALE[::-1]], [SCALE * 2, SCALE], POSITIVE),
    "gamma_large": ("Gamma", [SCALE + 1, SCALE], [SCALE, SCALE], POSITIVE),
    "exponential": ("Exponential", [SCALE], [SCALE[::-1]], POSITIVE),
    "beta": ("Beta", [TWO, TWO[:, ::-1] + 1], [TWO + 1, TWO], CHANCE),
    "beta_large": ("Beta", [TWO + 1, TWO + 2], [TWO, TWO], CHANCE),
    "laplace": ("Laplace", [LOC, SCALE], [SCALE, SCALE[::-1]], REAL),
    "student_t": ("StudentT", [SCALE * 2, LOC, SCALE], None, REAL[0]),
    "student_t_far": ("StudentT", [SCALE * 4, LOC, SCALE], None, REAL[2]),
    "bernoulli": ("Bernoulli", [LOGITS], [LOGITS[::-1]], [[0, 1, 1], [1, 0, 1]]),
    "bernoulli_probs": ("Bernoulli", [None, CHANCE], None, [[0, 1, 1], [1, 0, 1]]),
    "categorical": ("Categorical", [LOGITS], [LOGITS[::-1]], [[2, 0], [1, 1]]),
    "categorical_probs": (
        "Categorical",
        [None, [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]],
        None,
        [2, 0],
    ),
    "multinomial": (
        "Multinomial",
        [np.array([4.0, 3.0]), LOGITS],
        None,
        [[1.0, 1, 2], [3, 0, 0]],
    ),
    "dirichlet": (
        "Dirichlet",
        [SCALE + 1],
        [SCALE[::-1]],
        [[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]],
    ),
}
OF_VALUES = (
    "log_prob",
    "prob",
    "cdf",
    "log_cdf",
    "survival_function",
    "log_survival_function",
)
STATISTICS = ("entropy", "mean", "variance", "stddev", "mode")


def results(module, kind, arguments, others, values):
    """What one distribution tells: tensors by name, without what it does not have."""
    make = getattr(module, kind)
    distribution = make(*arguments)
    calls = {name: (name, [np.asarray(values)]) for name in OF_VALUES}
    calls |= {name: (name, []) for name in STATISTICS}
    calls["quantile"] = ("quantile", [CHANCE])
    found = {}
    if others is not None:
        other = make(*others)
        calls |= {n: (n, [other]) for n in ("cross_entropy", "kl_divergence")}
    for key, (name, given) in calls.items():
        try:
            found[key] = getattr(distribution, name)(*given)
        except (NotImplementedError, TypeError):
            # A TypeError is TensorFlow's: of a few methods in float64.
            continue
    return distribution, found


def main():
    """Writes distributions_v1.npz and distributions_v1.json beside this file."""
    import tensorflow

    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()
    arrays, shapes = {}, {}
    for key, (kind, *rest) in CASES.items():
        with tf.Graph().as_default(), tf.Session() as session:
            made, found = results(tf.distributions, kind, *rest)
            shapes[key] = [
                made.batch_shape.as_list(),
                made.event_shape.as_list(),
                made.dtype.name,
            ]
            for name, value in session.run(found).items():
                arrays[f"{key}/{name}"] = value
    here = pathlib.Path(__file__).parent
    np.savez_compressed(here / "distributions_v1.npz", **arrays)
    (here / "distributions_v1.json").write_text(json.dumps(shapes, indent=1) + "\n")


if __name__ == "__main__":
    main()
