"""JAX: one jitted function of the whole step, weights donated, optax's Adam."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from peers.workloads import Array, Workload


def build(
    w: Workload, params: list[Array], data: list[Array]
) -> tuple[Callable[[], Any], Callable[[], list[Array]]]:
    """Returns what takes a step, and what returns the results."""
    jax.config.update("jax_enable_x64", w.dtype == "float64")
    d = [jnp.asarray(x) for x in data]
    loss = functools.partial(loss_of, w, d=d)
    if w.optimizer == "none":
        both = jax.jit(jax.value_and_grad(loss))
        weights = [jnp.asarray(p) for p in params]
        left: list[Any] = []

        def evaluate() -> None:
            left[:] = both(weights)
            jax.block_until_ready(left)

        return evaluate, lambda: [np.asarray(g) for g in left[1]]
    optimizer = (
        optax.sgd(w.rate) if w.optimizer == "sgd" else optax.adam(w.rate, eps=1e-7)
    )

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(weights: Any, state: Any) -> Any:
        change, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, change), state

    weights = [jnp.asarray(p) for p in params]
    held = [weights, optimizer.init(weights)]

    def step() -> None:
        held[:] = update(*held)
        jax.block_until_ready(held[0])

    return step, lambda: [np.asarray(p) for p in held[0]]


def loss_of(w: Workload, p: Any, d: Any) -> Any:
    """Returns the loss."""
    if w.model == "quadratic":
        return 3 * p[0] * p[0] + 2 * p[1] * p[1]
    if w.model == "chain":
        x = p[0]
        y = jnp.tanh(x) * jax.nn.sigmoid(2.0 * x + 1.0)
        return jnp.mean(y + jnp.exp(-x * x) * (x * x + 0.5) - 0.1 * x)
    h = d[0]
    for i in range(0, len(p), 2):
        h = h @ p[i] + p[i + 1]
        if i + 2 < len(p):
            h = jax.nn.relu(h)
    if w.loss == "entropy":
        losses = optax.softmax_cross_entropy_with_integer_labels(h, d[1])
        return jnp.mean(losses)
    return jnp.mean((h - d[1]) ** 2)
