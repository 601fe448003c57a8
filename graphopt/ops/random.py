"""Random numbers that depend on a seed alone: the same in eager mode and in graphs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import new_lock
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Family,
    Host,
    Kernel,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.status import Report
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, static_dims
from graphopt.ops.deferred import deferrable, shape_of_sizes

Seed = tuple[int, int]
REASON = "these random numbers are drawn by NumPy"
ON_HOST = Host(REASON)


def _infer(*, shape: Any, dtype: DType, seed: Seed) -> tuple[TensorShape, DType]:
    return TensorShape(shape), dtype


def _generator(seed: Seed) -> np.random.Generator:
    words = [part & (1 << 64) - 1 for part in seed]
    return np.random.Generator(np.random.Philox(key=np.array(words, np.uint64)))


def below_one(generator: np.random.Generator, shape: Any, dtype: DType) -> Any:
    """Draws from [0, 1): what rounding would make 1 becomes the number before it."""
    values = np.asarray(generator.random(shape), dtype.numpy)
    largest = np.nextafter(dtype.numpy.type(1), dtype.numpy.type(0))
    return np.asarray(np.minimum(values, largest))


def truncate(generator: np.random.Generator, shape: Any, dtype: DType) -> Any:
    """Draws again whatever lies more than two standard deviations out."""
    values = generator.standard_normal(math.prod(shape))
    while True:
        far = np.flatnonzero(np.abs(values) > 2.0)
        if not len(far):
            return values.reshape(shape).astype(dtype.numpy)
        values[far] = generator.standard_normal(len(far))


def choose_classes(
    generator: np.random.Generator, logits: Any, count: int, dtype: DType
) -> Any:
    """Draws classes of each row by inverting the sums of their probabilities."""
    rows = len(logits)
    if not logits.size:
        if rows and count:
            raise fail(
                InvalidArgumentError,
                "num_classes should be positive",
                got=f"logits of shape {list(logits.shape)}",
                site=str(user_site()),
            )
        return np.zeros((rows, count), dtype.numpy)
    wide = logits.astype(np.float64)
    powers = np.exp(wide - np.max(wide, axis=1, keepdims=True))
    sums = np.cumsum(powers, axis=1)
    drawn = generator.random((rows, count)) * sums[:, -1:]
    chosen = [np.searchsorted(s, d, "right") for s, d in zip(sums, drawn, strict=True)]
    return np.asarray(chosen, dtype.numpy).reshape(rows, count)


def _uniform(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    return below_one(_generator(seed), shape, dtype)


def _normal(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    return np.asarray(_generator(seed).standard_normal(shape), dtype.numpy)


def _truncate(*, shape: Any, dtype: DType, seed: Seed) -> Any:
    return truncate(_generator(seed), shape, dtype)


def _register(name: str, compute: Any, kernel: Kernel = ON_HOST) -> OpSpec:
    attrs = {"shape": (2, 3), "dtype": dtypes.float32, "seed": (1, 2)}
    return register(
        OpSpec(
            name,
            _infer,
            compute,
            NOT_DIFFERENTIABLE,
            kernel,
            lambda: [Sample((), attrs)],
        )
    )


UNIFORM = _register("StatelessRandomUniformV2", _uniform, Family("random", "uniform"))
NORMAL = _register("StatelessRandomNormalV2", _normal, Family("random", "normal"))
TRUNCATED = _register(
    "StatelessTruncatedNormalV2", _truncate, Family("random", "truncated")
)


def integers_below(
    generator: np.random.Generator, low: Any, high: Any, shape: Any, dtype: DType
) -> Any:
    """Draws integers from [low, high)."""
    if low >= high:
        raise bounds_error(low, high)
    return np.asarray(generator.integers(low, high, shape, dtype.numpy))


def bounds_error(low: Any, high: Any, op: Any = None) -> InvalidArgumentError:
    """Makes the error for bounds of random integers without an integer between them.

    Args:
      low, high: The bounds.
      op: The operation, where there is one.
    """
    return fail(
        InvalidArgumentError,
        f"Need minval < maxval, got {low} >= {high}",
        got=f"minval {low} and maxval {high}",
        op=op,
        site=None if op is not None else str(user_site()),
    )


def explain_bounds(report: Report) -> InvalidArgumentError:
    """Makes the error that a kernel of random integers has reported."""
    return bounds_error(report.index, report.value, report.op)


def scalar_bounds(low: Any, high: Any) -> None:
    """Refuses bounds of random integers that are no scalars.

    Raises:
      InvalidArgumentError: One is none.
    """
    if low.shape.rank not in (0, None) or high.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            "minval and maxval of random integers must be scalars",
            got=describe_shapes(low, high),
            site=str(user_site()),
        )


def classes_shape(logits: Any, count: int) -> TensorShape:
    """Returns the shape of classes drawn for each row of logits.

    Raises:
      InvalidArgumentError: The logits are no matrix.
    """
    if logits.shape.rank not in (2, None):
        raise fail(
            InvalidArgumentError,
            "logits must be a matrix, [batch, classes]",
            got=describe_shapes(logits),
            site=str(user_site()),
        )
    return TensorShape([None if logits.shape.unknown_rank else logits.shape[0], count])


def _int_infer(low: Any, high: Any, *, shape: Any, dtype: DType, seed: Seed) -> Any:
    scalar_bounds(low, high)
    return TensorShape(shape), dtype


UNIFORM_INT = register(
    OpSpec(
        "StatelessRandomUniformIntV2",
        _int_infer,
        lambda low, high, *, shape, dtype, seed: integers_below(
            _generator(seed), low, high, shape, dtype
        ),
        NOT_DIFFERENTIABLE,
        Family("random", "integers"),
        lambda: [
            Sample(
                (np.int32(-3), np.int32(9)),
                {"shape": (2, 3), "dtype": dtypes.int32, "seed": (1, 2)},
            )
        ],
        errors=lambda: [
            BadInput(
                (np.int32(3), np.int32(3)),
                {"shape": (2,), "dtype": dtypes.int32, "seed": (1, 2)},
                InvalidArgumentError,
                "Need minval < maxval",
            )
        ],
        types=("any",),
        explain=explain_bounds,
    )
)
CATEGORICAL = register(
    OpSpec(
        "StatelessMultinomial",
        lambda logits, *, count, dtype, seed: (classes_shape(logits, count), dtype),
        lambda logits, *, count, dtype, seed: choose_classes(
            _generator(seed), logits, count, dtype
        ),
        NOT_DIFFERENTIABLE,
        ON_HOST,
        lambda: [
            Sample(
                (np.zeros((rows, 3), np.float32),),
                {"count": 4, "dtype": dtypes.int64, "seed": (1, 2)},
            )
            for rows in (2, 0)
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3, np.float32),),
                {"count": 4, "dtype": dtypes.int64, "seed": (1, 2)},
                InvalidArgumentError,
                "must be a matrix",
            )
        ],
        dtypes=dtypes.FLOATING,
    )
)


class _Seeds:
    """The seed of the process and what was derived from it.

    Attributes:
      given: The seed that was set; None if there is none.
      rank: The number of this process among those that train one model: each draws other
        numbers from the streams of random ops.
    """

    rank = 0

    def __init__(self) -> None:
        self.lock = new_lock()
        # What else begins anew when a seed is set: the streams of traced functions.
        self.listeners: list[Callable[[], None]] = []
        self.set(None)

    def set(self, seed: int | None) -> None:
        """Sets the seed and begins all counts anew."""
        self.given = None if seed is None else int(seed)
        self.base = int.from_bytes(os.urandom(8)) >> 1 if seed is None else int(seed)
        self.count = self.numbers = 0
        self.draws: dict[Seed, int] = {}
        for listener in self.listeners:
            listener()

    def share(self, base: int, rank: int) -> None:
        """Makes this process one of several.

        Args:
          base: What stands for a seed on all of them where none was set.
          rank: The number of this one.
        """
        with self.lock:
            if self.given is None:
                self.base = base
            self.rank = rank

    def next(self) -> Seed:
        """Returns a seed that no other call gets."""
        with self.lock:
            self.count += 1
            return self.base, self.count

    def next_number(self) -> int:
        """Counts the random ops without a seed that ran in eager mode."""
        with self.lock:
            self.numbers += 1
            return self.numbers - 1

    def next_draw(self, key: Seed) -> int:
        """Counts the draws in eager mode from the stream of an op's seed."""
        with self.lock:
            draw = self.draws.get(key, 0)
            self.draws[key] = draw + 1
            return draw


seeds = _Seeds()


def set_seed(seed: int | None) -> None:
    """Makes everything random from here on repeatable.

    In a graph it is the seed of the ops that are made from here on; elsewhere that of
    eager calls, and of graphs that have no seed of their own.

    >>> import graphopt as tf
    >>> tf.random.set_seed(7)
    >>> first = tf.random.uniform([2])
    >>> tf.random.set_seed(7)
    >>> bool(tf.reduce_all(first == tf.random.uniform([2])))
    True

    Source: `tf.random.set_seed`.
    """
    graph = building_graph()
    if graph is not None:
        graph.seed = seed
        graph.attachments["random_ops"] = 0
    seeds.set(seed)


def next_seed(seed: int | None = None) -> Seed:
    """Returns a seed that no other call gets; a given one stands for itself."""
    return (int(seed), 0) if seed is not None else seeds.next()


def _dtype_asked(dtype: Any = dtypes.float32, **_: Any) -> list[DType]:
    return [as_dtype(dtype)]


def _shape_asked(shape: Any, **_: Any) -> list[TensorShape]:
    return [shape_of_sizes(shape)]


@deferrable(_dtype_asked, _shape_asked)
def stateless_uniform(
    shape: Any,
    seed: Seed,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Returns uniform random numbers in [minval, maxval) that depend on the seed alone.

    Args:
      shape: The shape.
      seed: Two integers.
      minval, maxval: The bounds; for floats 0 and 1 by default.
      dtype: A float type, int32 or int64.
      name: Name of the op.

    Raises:
      ValueError: Integers without `maxval`.
      InvalidArgumentError: Integers with minval >= maxval.

    Source: `tf.random.stateless_uniform`.
    """
    dtype = as_dtype(dtype)
    if dtype.is_floating:
        drawn = _draw(UNIFORM, shape, seed, dtype, name)
        return drawn * ((1 if maxval is None else maxval) - minval) + minval
    if maxval is None:
        raise ValueError(f"Must specify maxval for integer dtype {dtype.name}.")
    low, high = (hooks.convert(value, dtype=dtype) for value in (minval, maxval))
    return _draw(UNIFORM_INT, shape, seed, dtype, name, low, high)


def stateless_categorical(
    logits: Any,
    num_samples: Any,
    seed: Seed,
    dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Tensor:
    """Draws classes with the probabilities softmax(logits), by the seed alone.

    Args:
      logits: `[batch, classes]`.
      num_samples: How many to draw for each row.
      seed: Two integers.
      dtype: int32 or int64.
      name: Name of the op.

    Source: `tf.random.stateless_categorical`.
    """
    count = int(np.asarray(constant_value(num_samples)))
    attrs = {"count": count, "dtype": as_dtype(dtype), "seed": _seed_pair(seed)}
    return call(CATEGORICAL, logits, name=name, **attrs)


@deferrable(_dtype_asked, _shape_asked)
def stateless_normal(
    shape: Any,
    seed: Seed,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Returns normal random numbers that depend on the seed alone.

    Source: `tf.random.stateless_normal`.
    """
    return _draw(NORMAL, shape, seed, dtype, name) * stddev + mean


@deferrable(_dtype_asked, _shape_asked)
def stateless_truncated_normal(
    shape: Any,
    seed: Seed,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Returns normal random numbers within two standard deviations of the mean.

    Source: `tf.random.stateless_truncated_normal`.
    """
    return _draw(TRUNCATED, shape, seed, dtype, name) * stddev + mean


def _seed_pair(seed: Any) -> Seed:
    """Reads the seed of a stateless op.

    Raises:
      NotImplementedError: Only the run decides it.
      InvalidArgumentError: It is not two numbers.
    """
    value = constant_value(seed) if isinstance(seed, Tensor) else np.asarray(seed)
    if value is None:
        raise NotImplementedError(
            "A stateless random op whose seed only the run decides; give two integers."
        )
    if value.shape != (2,):
        raise fail(
            InvalidArgumentError,
            "seed must have shape [2]",
            got=f"shape {list(value.shape)}",
            site=str(user_site()),
        )
    return int(value[0]), int(value[1])


def _draw(
    spec: OpSpec, shape: Any, seed: Any, dtype: Any, name: str | None, *inputs: Any
) -> Any:
    return call(
        spec,
        *inputs,
        name=name,
        shape=static_dims(shape, "a random tensor"),
        dtype=as_dtype(dtype),
        seed=_seed_pair(seed),
    )
