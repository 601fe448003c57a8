"""PyTorch: eager, with the optimizer that updates all weights in one call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from peers.workloads import Array, Workload


def build(
    w: Workload, params: list[Array], data: list[Array]
) -> tuple[Callable[[], Any], Callable[[], list[Array]]]:
    """Returns what takes a step, and what returns the results."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    p = [torch.tensor(x, requires_grad=True) for x in params]
    d = [torch.tensor(x) for x in data]
    if w.optimizer == "none":

        def evaluate() -> None:
            p[0].grad = None
            loss_of(w, p, d).backward()

        return evaluate, lambda: [p[0].grad.numpy()]
    if w.optimizer == "sgd":
        optimizer: Any = torch.optim.SGD(p, lr=w.rate, fused=True)
    else:
        optimizer = torch.optim.Adam(p, lr=w.rate, eps=1e-7, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(w, p, d).backward()
        optimizer.step()

    return step, lambda: [x.detach().numpy() for x in p]


def loss_of(w: Workload, p: Any, d: Any) -> Any:
    """Returns the loss."""
    if w.model == "quadratic":
        return 3 * p[0] * p[0] + 2 * p[1] * p[1]
    if w.model == "chain":
        x = p[0]
        y = torch.tanh(x) * torch.sigmoid(2.0 * x + 1.0)
        return torch.mean(y + torch.exp(-x * x) * (x * x + 0.5) - 0.1 * x)
    h = d[0]
    for i in range(0, len(p), 2):
        h = torch.addmm(p[i + 1], h, p[i])
        if i + 2 < len(p):
            h = torch.relu(h)
    if w.loss == "entropy":
        return torch.nn.functional.cross_entropy(h, d[1])
    return torch.nn.functional.mse_loss(h, d[1])
