"""PyTorch: DistributedDataParallel over gloo, with fused Adam."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from peers.ranks import CHECKED_STEPS, Array, Training, make_data, make_weights


class _Model(torch.nn.Module):
    def __init__(self, training: Training) -> None:
        super().__init__()
        self.training_of = training
        weights = make_weights(training)
        if training.model == "convolutions":
            # Height, width, in, out; here out comes first.
            weights[:2] = [w.transpose(3, 2, 0, 1).copy() for w in weights[:2]]
        self.p = torch.nn.ParameterList(torch.tensor(w) for w in weights)

    def forward(self, x: Any, y: Any) -> Any:
        p, model = list(self.p), self.training_of.model
        if model == "perceptron":
            for i in range(0, len(p), 2):
                x = torch.addmm(p[i + 1], x, p[i])
                x = torch.relu(x) if i + 2 < len(p) else x
        elif model == "convolutions":
            for w in p[:2]:
                x = functional.max_pool2d(
                    torch.relu(functional.conv2d(x, w, padding=1)), 2
                )
            # Channels last, as the rows of the weights are.
            x = x.permute(0, 2, 3, 1).reshape(len(y), -1) @ p[2]
        else:
            x = functional.embedding(x, p[0]).mean(1) @ p[1]
        return functional.cross_entropy(x, y)


def build(
    training: Training,
) -> tuple[int, Callable[[], Any], Callable[[], list[Array]]]:
    """Returns the rank, what takes a step, and what returns the weights."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    size = torch.distributed.get_world_size()
    x, y = map(torch.tensor, make_data(training, rank, size))
    if training.model == "convolutions":
        x = x.permute(0, 3, 1, 2).contiguous()
    module = _Model(training)
    model = torch.nn.parallel.DistributedDataParallel(module)
    if training.is_sparse:
        optimizer: Any = torch.optim.SGD(module.parameters(), training.rate, fused=True)
    else:
        optimizer = torch.optim.Adam(
            module.parameters(), training.rate, eps=1e-7, fused=True
        )

    steps = itertools.count(1)

    def step() -> None:
        done = next(steps)
        if done <= CHECKED_STEPS and not training.is_sparse:
            # Others add epsilon before they correct the second moment; so that these
            # steps can be compared, it is what makes the same of it.
            optimizer.param_groups[0]["eps"] = 1e-7 / math.sqrt(1 - 0.999**done)
        optimizer.zero_grad(set_to_none=True)
        model(x, y).backward()
        optimizer.step()

    def results() -> list[Array]:
        found = [w.detach().numpy() for w in module.p]
        if training.model == "convolutions":
            found[:2] = [w.transpose(2, 3, 1, 0) for w in found[:2]]
        return found

    return rank, step, results
