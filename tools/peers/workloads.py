"""What is trained: data, first weights and what they should become, for all frameworks.

Every framework gets the same arrays. The reference is plain NumPy in float64, written
from the formulas; results are compared after a few steps, where rounding has not grown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
CHECKED_STEPS: Final = 3


@dataclass(frozen=True)
class Workload:
    """A network of dense layers, or a formula, and how it is trained.

    Attributes:
      title: What the table says.
      model: `quadratic`, `perceptron` or `chain`.
      optimizer: `sgd`, `adam` or `none`, where only value and gradient are computed.
      sizes: The widths of the layers, or the number of elements.
      batch: The number of rows.
      loss: `entropy` or `squares`.
      rate: The learning rate.
      dtype: Of weights and data.
      tolerance: Largest relative difference from the reference.
    """

    title: str
    model: str
    optimizer: str
    sizes: tuple[int, ...] = ()
    batch: int = 0
    loss: str = "squares"
    rate: float = 1e-3
    dtype: str = "float32"
    tolerance: float = 1e-3


WORKLOADS: Final = {
    "two_scalars": Workload("two scalars, SGD", "quadratic", "sgd", rate=1e-4),
    "small_perceptron": Workload(
        "perceptron 64-32-10, batch 32, Adam",
        "perceptron",
        "adam",
        (64, 32, 10),
        32,
        "entropy",
    ),
    # Many gradients of the first layer are about as small as the epsilon, so that
    # float32 itself is 3e-3 away where the second moment is corrected first.
    "digits_perceptron": Workload(
        "perceptron 784-512-256-10, batch 128, Adam",
        "perceptron",
        "adam",
        (784, 512, 256, 10),
        128,
        "entropy",
        tolerance=5e-3,
    ),
    "deep_perceptron": Workload(
        "60 layers of 64, batch 32, Adam", "perceptron", "adam", (64,) * 61, 32
    ),
    "regression": Workload(
        "linear regression 442 x 10, float64, Adam",
        "perceptron",
        "adam",
        (10, 1),
        442,
        dtype="float64",
    ),
    "chain": Workload(
        "elementwise chain of 4 M, value and gradient", "chain", "none", (1 << 22,)
    ),
}


def make_arrays(w: Workload) -> tuple[list[Array], list[Array]]:
    """Returns the first weights, and the data: inputs and targets."""
    rng = np.random.default_rng(7)
    if w.model == "quadratic":
        return [np.array(2.0, w.dtype), np.array(5.0, w.dtype)], []
    if w.model == "chain":
        return [rng.standard_normal(w.sizes).astype(w.dtype)], []
    params: list[Array] = []
    for n, m in zip(w.sizes[:-1], w.sizes[1:], strict=True):
        params.append((rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(w.dtype))
        params.append(np.zeros(m, w.dtype))
    x = rng.standard_normal((w.batch, w.sizes[0])).astype(w.dtype)
    if w.loss == "entropy":
        return params, [x, rng.integers(0, w.sizes[-1], w.batch)]
    return params, [x, rng.standard_normal((w.batch, w.sizes[-1])).astype(w.dtype)]


def expected_results(w: Workload) -> list[list[Array]]:
    """Returns what may be left after `CHECKED_STEPS`: one list for each reading.

    Adam adds epsilon to the root of the corrected second moment (PyTorch, optax) or of
    the raw one (TensorFlow); both are right.
    """
    params, data = make_arrays(w)
    wide = [p.astype(np.float64) for p in params]
    if w.model == "chain":
        return [[_chain_gradient(wide[0])]]
    if w.optimizer == "sgd":
        for _ in range(CHECKED_STEPS):
            grads = _gradients(w, wide, data)
            wide = [p - w.rate * g for p, g in zip(wide, grads, strict=True)]
        return [wide]
    return [_adam(w, wide, data, corrected) for corrected in (False, True)]


def _adam(
    w: Workload, params: list[Array], data: list[Array], corrected: bool
) -> list[Array]:
    m, v = ([np.zeros_like(p) for p in params] for _ in range(2))
    for t in range(1, CHECKED_STEPS + 1):
        grads = _gradients(w, params, data)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads, strict=True)]
        one, two = 1 - 0.9**t, 1 - 0.999**t
        scale = 1.0 if corrected else np.sqrt(two)
        params = [
            p - w.rate * (a / one) / (np.sqrt(b / two) + 1e-7 / scale)
            for p, a, b in zip(params, m, v, strict=True)
        ]
    return params


def _gradients(w: Workload, params: list[Array], data: list[Array]) -> list[Array]:
    if w.model == "quadratic":
        return [6.0 * params[0], 4.0 * params[1]]
    x, y = data
    layers = len(params) // 2
    inputs: list[Array] = [x.astype(np.float64)]
    for i in range(layers):
        z = inputs[-1] @ params[2 * i] + params[2 * i + 1]
        inputs.append(np.maximum(z, 0) if i < layers - 1 else z)
    out = inputs.pop()
    if w.loss == "entropy":
        g = np.exp(out - out.max(1, keepdims=True))
        g /= g.sum(1, keepdims=True)
        g[np.arange(len(y)), y] -= 1
        g /= len(y)
    else:
        g = 2 * (out - y) / out.size
    grads: list[Array] = []
    for i in reversed(range(layers)):
        grads = [inputs[i].T @ g, g.sum(0), *grads]
        g = (g @ params[2 * i].T) * (inputs[i] > 0)
    return grads


def _chain_gradient(x: Array) -> Array:
    s = 1 / (1 + np.exp(-2 * x - 1))
    t, e = np.tanh(x), np.exp(-x * x)
    slope = (1 - t * t) * s + t * 2 * s * (1 - s) + e * (2 * x - 2 * x * (x * x + 0.5))
    return np.asarray((slope - 0.1) / x.size)


def error_of(w: Workload, got: list[Array]) -> float:
    """Returns how far results are from the nearest reading of the formulas.

    That is the length of the difference over that of the way from the first weights, for
    the array where it is largest. Single elements say less: where a gradient is close to
    zero, Adam makes a whole step of a rounding error.
    """
    start = [p.astype(np.float64) for p in make_arrays(w)[0]]
    if w.optimizer == "none":
        start = [p * 0 for p in start]

    def distance(want: list[Array]) -> float:
        return max(
            float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b - c)), 1e-30))
            for a, b, c in zip(got, want, start, strict=True)
        )

    return min(distance(want) for want in expected_results(w))
