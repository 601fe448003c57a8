"""Random ops that draw new numbers each time they run, and what they repeat.

The numbers of a draw come from Philox, a generator without state: they are a function
of the stream's key and of how often it was drawn from before. Which stream an op has is
settled when it is made, as in TensorFlow by two seeds, that of the op and a global one
(the graph's own if it has one, else that of `tf.random.set_seed`):

- With an op seed s the key is (global seed, s); without a global seed, a fixed number
  stands for it.
- Without one, but with a global seed g, the key is (g, i) for the i-th such op since g
  was set: in a graph, ops are counted as they are made, in eager mode as they run.
- With neither, the key is new in each process, and each session begins somewhere else.

In a session the n-th run of an op is draw n of its stream, and a new session begins
anew; so do traced functions after `set_seed`. In eager mode there is no op to run again: a call with an op seed is the next draw
of that seed since `set_seed`, a call without one is draw 0 of a stream of its own.

So with the same seeds, the first run of a graph's random ops gives what the same calls
give in eager mode, in the same order; and the n-th run of an op with a seed gives what
the n-th eager call with that seed gives. The count is kept with the variables of the
session, not in the graph and not in a plan: interpreting, compiling, rewriting and
fetching something else beside it change nothing. A run that fails has not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Family,
    Kernel,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor, StandIn, Tensor
from graphopt.ops.creation import (
    FILL_DIMS,
    SHAPE,
    as_vector,
    constant_value,
    decided_by_run,
    static_dims,
)
from graphopt.ops.elementwise import floormod
from graphopt.ops.random import (
    ON_HOST,
    below_one,
    choose_classes,
    classes_shape,
    explain_bounds,
    integers_below,
    scalar_bounds,
    seeds,
    truncate,
)

# Stands for the global seed where only the op has one.
DEFAULT_SEED = 87654321
# Of several ranks, each draws numbers of its own from the streams that all of them have.
_RANK_SHIFT = 8
_KIND_BITS = (1 << _RANK_SHIFT) - 1


@dataclass(frozen=True, eq=False)
class RandomStream:
    """The key of a random op's numbers; each op has its own, compared by identity.

    Attributes:
      kind: How the key came about: 1 by counting ops, 2 by the op's seed, 3 by chance;
        above these bits is the rank of the process.
      first, second: The key.
    """

    kind: int
    first: int
    second: int

    @property
    def is_seeded(self) -> bool:
        """Whether it repeats in another session or process."""
        return self.kind & _KIND_BITS != 3

    def generator(self, draw: int) -> np.random.Generator:
        """Returns the generator of one draw, 2 ** 128 blocks of numbers long."""
        key = np.array([word & (1 << 64) - 1 for word in (self.first, self.second)])
        counter = np.array([0, 0, self.kind, draw], np.uint64)
        return np.random.Generator(
            np.random.Philox(key=key.astype(np.uint64), counter=counter)
        )

    def __str__(self) -> str:
        return f"({self.first}, {self.second})"


def new_stream(seed: int | None) -> dict[str, Any]:
    """Returns the attributes of a new random op: its stream and, if eager, the draw."""
    graph = building_graph()
    given = seeds.given
    if graph is not None and graph.seed is not None:
        given = graph.seed
    if seed is not None:
        first = DEFAULT_SEED if given is None else given
        stream = RandomStream(_kind(2), first, int(seed))
        if graph is not None:
            return {"stream": stream}
        return {"stream": stream, "draw": seeds.next_draw((first, int(seed)))}
    if graph is None:
        number = seeds.next_number()
    else:
        number = graph.attachments.get("random_ops", 0)
        graph.attachments["random_ops"] = number + 1
    if given is not None:
        stream = RandomStream(_kind(1), given, number)
    else:
        stream = RandomStream(_kind(3), *seeds.next())
    return {"stream": stream} if graph is not None else {"stream": stream, "draw": 0}


def _kind(kind: int) -> int:
    return kind + (seeds.rank << _RANK_SHIFT)


# ---- ops


def _shape_of(pattern: tuple[Any, ...], dims: Any) -> Any:
    return TensorShape(dims) if dims is not None else pattern[0].shape


def _infer(*pattern: Any, shape: Any, dtype: DType, **_: Any) -> Any:
    return _shape_of(pattern, shape), dtype


def _fill_by(fill: Any) -> Any:
    def compute(
        *pattern: Any, shape: Any, dtype: DType, stream: RandomStream, draw: int = 0
    ) -> NDArray[Any]:
        dims = pattern[0].shape if shape is None else shape
        values: NDArray[Any] = fill(stream.generator(draw), dims, dtype)
        return values

    return compute


_STREAM = RandomStream(2, 1, 2)


def _register(name: str, fill: Any, kernel: Kernel = ON_HOST) -> OpSpec:
    attrs = {"shape": (2, 3), "dtype": dtypes.float32, "stream": _STREAM}
    return register(
        OpSpec(
            name,
            _infer,
            _fill_by(fill),
            NOT_DIFFERENTIABLE,
            kernel,
            lambda: [Sample((), attrs)],
            types=("any",),
            effect=Effect.RANDOM,
        )
    )


UNIFORM = _register("RandomUniform", below_one, Family("random", "uniform"))
NORMAL = _register(
    "RandomStandardNormal",
    lambda g, dims, dtype: np.asarray(g.standard_normal(dims), dtype.numpy),
    Family("random", "normal"),
)
TRUNCATED = _register("TruncatedNormal", truncate, Family("random", "truncated"))


def _int_infer(
    low: Any, high: Any, *pattern: Any, shape: Any, dtype: DType, **_: Any
) -> Any:
    scalar_bounds(low, high)
    return _shape_of(pattern, shape), dtype


def _int_compute(
    low: Any,
    high: Any,
    *pattern: Any,
    shape: Any,
    dtype: DType,
    stream: RandomStream,
    draw: int = 0,
) -> NDArray[Any]:
    dims = pattern[0].shape if shape is None else shape
    values: NDArray[Any] = integers_below(
        stream.generator(draw), low, high, dims, dtype
    )
    return values


UNIFORM_INT = register(
    OpSpec(
        "RandomUniformInt",
        _int_infer,
        _int_compute,
        NOT_DIFFERENTIABLE,
        Family("random", "integers"),
        lambda: [
            Sample(
                (np.int32(0), np.int32(9)),
                {"shape": (2, 3), "dtype": dtypes.int32, "stream": _STREAM},
            )
        ],
        types=("any",),
        effect=Effect.RANDOM,
        explain=explain_bounds,
    )
)


def _classes(
    logits: Any, *, count: int, dtype: DType, stream: RandomStream, draw: int = 0
) -> NDArray[Any]:
    values: NDArray[Any] = choose_classes(stream.generator(draw), logits, count, dtype)
    return values


CATEGORICAL = register(
    OpSpec(
        "Multinomial",
        lambda logits, *, count, dtype, **_: (classes_shape(logits, count), dtype),
        _classes,
        NOT_DIFFERENTIABLE,
        ON_HOST,
        lambda: [
            Sample(
                (np.zeros((2, 3), np.float32),),
                {"count": 4, "dtype": dtypes.int64, "stream": _STREAM},
            )
        ],
        dtypes=dtypes.FLOATING,
        effect=Effect.RANDOM,
    )
)
SHUFFLE = register(
    OpSpec(
        "RandomShuffle",
        lambda x, **_: (x.shape, x.dtype),
        lambda x, *, stream, draw=0: np.ascontiguousarray(
            stream.generator(draw).permutation(x) if x.ndim else x
        ),
        NOT_DIFFERENTIABLE,
        ON_HOST,
        lambda: [Sample((np.arange(6).reshape(3, 2),), {"stream": _STREAM})],
        types=("any",),
        effect=Effect.RANDOM,
        strings=True,
    )
)


# ---- draws in bodies


DRAWS = register(
    OpSpec(
        "RandomDraws",
        lambda *, stream: (TensorShape(()), dtypes.int64),
        lambda *, stream, draw=0: np.int64(draw),
        NOT_DIFFERENTIABLE,
        Family("random", "draws"),
        lambda: [Sample((), {"stream": _STREAM})],
        effect=Effect.RANDOM,
    )
)


def _register_numbered(spec: OpSpec) -> OpSpec:
    """Makes the op that is given the number of the draw, and so is a pure function."""

    def compute(draw: NDArray[Any], *inputs: Any, **attrs: Any) -> Any:
        return spec.compute(*inputs, **attrs, draw=int(draw))

    return register(
        OpSpec(
            f"{spec.name}At",
            lambda draw, *inputs, **attrs: spec.infer(*inputs, **attrs),
            compute,
            NOT_DIFFERENTIABLE,
            spec.kernel,
            lambda: [
                Sample((np.int64(3), *sample.inputs), sample.attrs)
                for sample in spec.samples()
            ],
            types=("int64", *spec.types),
            dtypes=spec.dtypes,
            explain=spec.explain,
        )
    )


_NUMBERED: dict[OpSpec, OpSpec] = {}


def register_random(spec: OpSpec) -> OpSpec:
    """Registers what a random op is in bodies; returns the op."""
    _NUMBERED[spec] = _register_numbered(spec)
    return spec


for _spec in (UNIFORM, NORMAL, TRUNCATED, UNIFORM_INT, CATEGORICAL, SHUFFLE):
    register_random(_spec)
# How much room a run has for the rounds of a loop, and a round for those inside of it.
_ROUNDS, _INNER_ROUNDS = 1 << 32, 1 << 20


def add_random_op(spec: OpSpec, *inputs: Any, name: str | None, **attrs: Any) -> Any:
    """Adds a random op.

    In a body it is a function of the number of the draw, which follows from the number of
    the run and that of the round: computing the body again, as derivatives do, gives the
    same numbers.
    """
    graph = building_graph()
    if not isinstance(graph, BodyGraph) or graph.outermost is None:
        return call(spec, *inputs, name=name, **attrs)
    number, _ = _number_of_draw(graph, attrs["stream"])
    return call(_NUMBERED[spec], number, *inputs, name=name, **attrs)


def _number_of_draw(graph: Any, stream: RandomStream) -> tuple[Any, int]:
    """Returns the number of the draw in a graph, and in how many loops it is."""
    if not isinstance(graph, BodyGraph):
        with entered(graph):
            return call(DRAWS, stream=stream), 0
    number, depth = _number_of_draw(graph.outer, stream)
    if not graph.is_loop:
        return number, depth
    room = _INNER_ROUNDS if depth else _ROUNDS
    with entered(graph.outer):
        first = floormod(number, np.int64((1 << 63) // room)) * np.int64(room)
    with entered(graph):
        return first + graph.ask_round(), depth + 1


# ---- public functions


def draw_numbers(
    spec: OpSpec, shape: Any, dtype: Any, seed: Any, name: str | None
) -> Any:
    """Adds a stateful random op, or runs it in eager mode."""
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Random numbers of dtype {dtype.name}; use a float type.")
    pattern, dims = _pattern_or_dims(shape)
    attrs = {"shape": dims, "dtype": dtype, **new_stream(seed)}
    return add_random_op(spec, *pattern, name=name, **attrs)


def _pattern_or_dims(shape: Any) -> tuple[tuple[Any, ...], Any]:
    """A shape that only the run decides is that of the tensor it was taken from."""
    symbol = shape.symbol if isinstance(shape, StandIn) else shape
    if (
        isinstance(symbol, GraphTensor)
        and symbol.op.spec is SHAPE
        and constant_value(symbol) is None
    ):
        if symbol is not shape:
            return (call(FILL_DIMS, np.zeros((), np.int32), shape),), None
        return (symbol.op.inputs[0],), None
    if decided_by_run(shape):
        # Zeros that no kernel makes: only their shape is asked for.
        zero = np.zeros((), np.int32)
        return (call(FILL_DIMS, zero, as_vector(shape)),), None
    return (), static_dims(shape, "a random tensor")


def uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns uniform random numbers in [minval, maxval), new ones in each run.

    Args:
      shape: The shape, or `tf.shape(x)`.
      minval: The lower bound.
      maxval: The upper bound, which is never reached; 1 for floats by default.
      dtype: A float type, int32 or int64.
      seed: The op's seed.
      name: Name of the op.

    Raises:
      ValueError: Integers without `maxval`, or another dtype.
      InvalidArgumentError: Integers with minval >= maxval.

    >>> import graphopt as tf
    >>> tf.random.set_seed(1)
    >>> bool(tf.reduce_all(tf.random.uniform([100], 2.0, 3.0) < 3.0))
    True

    Source: `tf.random.uniform`.
    """
    dtype = as_dtype(dtype)
    if dtype.is_floating:
        drawn = draw_numbers(UNIFORM, shape, dtype, seed, name)
        high = 1 if maxval is None else maxval
        return (
            drawn
            if _is(minval, 0) and _is(high, 1)
            else (drawn * (high - minval) + minval)
        )
    if dtype not in (dtypes.int32, dtypes.int64):
        raise ValueError(f"Argument `dtype` got invalid value {dtype.name}.")
    if maxval is None:
        raise ValueError(f"Must specify maxval for integer dtype {dtype.name}.")
    low, high = (hooks.convert(value, dtype=dtype) for value in (minval, maxval))
    pattern, dims = _pattern_or_dims(shape)
    attrs = {"shape": dims, "dtype": dtype, **new_stream(seed)}
    return add_random_op(UNIFORM_INT, low, high, *pattern, name=name, **attrs)


def _is(value: Any, number: int) -> bool:
    return isinstance(value, (int, float)) and value == number


def normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns normal random numbers, new ones in each run.

    Source: `tf.random.normal`.
    """
    return draw_numbers(NORMAL, shape, dtype, seed, name) * stddev + mean


def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns normal random numbers within two standard deviations of the mean.

    Source: `tf.random.truncated_normal`.
    """
    return draw_numbers(TRUNCATED, shape, dtype, seed, name) * stddev + mean


def categorical(
    logits: Any,
    num_samples: Any,
    dtype: Any = dtypes.int64,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws classes with the probabilities softmax(logits), new ones in each run.

    Args:
      logits: `[batch, classes]`.
      num_samples: How many to draw for each row.
      dtype: int32 or int64.
      seed: The op's seed.
      name: Name of the op.

    Returns:
      `[batch, num_samples]`, numbers of classes.

    Source: `tf.random.categorical`.
    """
    dtype = as_dtype(dtype or dtypes.int64)
    count = int(np.asarray(constant_value(num_samples)))
    attrs = {"count": count, "dtype": dtype, **new_stream(seed)}
    return add_random_op(CATEGORICAL, logits, name=name, **attrs)


def shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """Permutes a tensor along its first dimension, anew in each run.

    Source: `tf.random.shuffle`.
    """
    return add_random_op(SHUFFLE, value, name=name, **new_stream(seed))
