"""Random numbers that depend on a seed alone: the same in eager mode and in graphs."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import static_dims

Seed = tuple[int, int]
_REASON = "random numbers come from NumPy's Philox generator"


def _infer(*, shape: Any, dtype: DType, seed: Seed) -> tuple[TensorShape, DType]:
    return TensorShape(shape), dtype


def _generator(seed: Seed) -> np.random.Generator:
    words = [part & (1 << 64) - 1 for part in seed]
    return np.random.Generator(np.random.Philox(key=np.array(words, np.uint64)))


def _uniform(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    return _generator(seed).random(shape).astype(dtype.numpy)


def _normal(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    return _generator(seed).standard_normal(shape).astype(dtype.numpy)


def _truncated(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    """Draws again whatever lies more than two standard deviations out."""
    generator = _generator(seed)
    values = generator.standard_normal(math.prod(shape))
    while True:
        far = np.flatnonzero(np.abs(values) > 2.0)
        if not len(far):
            return values.reshape(shape).astype(dtype.numpy)
        values[far] = generator.standard_normal(len(far))


def _register(name: str, compute: Any) -> OpSpec:
    attrs = {"shape": (2, 3), "dtype": dtypes.float32, "seed": (1, 2)}
    return register(
        OpSpec(
            name,
            _infer,
            compute,
            NOT_DIFFERENTIABLE,
            Host(_REASON),
            lambda: [Sample((), attrs)],
        )
    )


UNIFORM = _register("StatelessRandomUniformV2", _uniform)
NORMAL = _register("StatelessRandomNormalV2", _normal)
TRUNCATED = _register("StatelessTruncatedNormalV2", _truncated)


class _Seeds:
    """The seed of the process and how many were derived from it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.set(None)

    def set(self, seed: int | None) -> None:
        entropy = np.random.SeedSequence().entropy
        assert isinstance(entropy, int)
        self.base = entropy & (1 << 63) - 1 if seed is None else int(seed)
        self.count = 0

    def next(self) -> Seed:
        with self.lock:
            self.count += 1
            return self.base, self.count


_seeds = _Seeds()


def set_seed(seed: int | None) -> None:
    """Makes everything random from here on repeatable.

    Source: `tf.random.set_seed`.
    """
    graph = building_graph()
    if graph is not None:
        graph.seed = seed
    _seeds.set(seed)


def next_seed(seed: int | None = None) -> Seed:
    """Returns a seed that no other call gets; a given one stands for itself."""
    return (int(seed), 0) if seed is not None else _seeds.next()


def stateless_uniform(
    shape: Any,
    seed: Seed,
    minval: Any = 0,
    maxval: Any = 1,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Returns uniform random numbers in [minval, maxval) that depend on the seed alone.

    Source: `tf.random.stateless_uniform`.
    """
    drawn = _draw(UNIFORM, shape, seed, dtype, name)
    return drawn * (maxval - minval) + minval


def stateless_normal(
    shape: Any,
    seed: Seed,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Returns normal random numbers that depend on the seed alone.

    Source: `tf.random.stateless_normal`.
    """
    return _draw(NORMAL, shape, seed, dtype, name) * stddev + mean


def stateless_truncated_normal(
    shape: Any,
    seed: Seed,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Returns normal random numbers within two standard deviations of the mean.

    Source: `tf.random.stateless_truncated_normal`.
    """
    return _draw(TRUNCATED, shape, seed, dtype, name) * stddev + mean


def _draw(spec: OpSpec, shape: Any, seed: Any, dtype: Any, name: str | None) -> Any:
    first, second = (int(part) for part in seed)
    return call(
        spec,
        name=name,
        shape=static_dims(shape, "a random tensor"),
        dtype=as_dtype(dtype),
        seed=(first, second),
    )
