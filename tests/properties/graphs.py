"""Random graphs made of what the registry has, and every way to run them.

A recipe is a list of choices; building it gives the same ops in any mode and dtype. The
recipe is made while values are at hand, so that it stays away from overflow and from the
edges of the functions' domains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphopt as tf
from graphopt.config import config
from graphopt.dtypes import float32
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import NOT_DIFFERENTIABLE, REGISTRY, Elementwise

LARGEST = 1e4
# Elementwise ops of one or two inputs of one dtype, that give such a value again.
UNARY = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Elementwise)
    and spec.types == ("T*",)
    and spec.outputs == 1
    and float32 in spec.dtypes
    and all(len(s.inputs) == 1 and not s.attrs for s in spec.samples())
    and spec.vjp is not NOT_DIFFERENTIABLE
]
BINARY = [
    spec
    for spec in REGISTRY.values()
    if isinstance(spec.kernel, Elementwise)
    and spec.types == ("T*",)
    and spec.outputs == 1
    and float32 in spec.dtypes
    and spec.effect.name == "NONE"
    and all(len(s.inputs) == 2 and not s.attrs for s in spec.samples())
    and spec.vjp is not NOT_DIFFERENTIABLE
]


@dataclass
class Recipe:
    """Choices of a random graph.

    Attributes:
      inputs: Arrays that are fed.
      steps: Functions from the values so far to the next one.
      names: What each step is, to read a failure by.
      outputs: The values that are fetched.
    """

    inputs: list[np.ndarray]
    steps: list[Callable[[Sequence[Any]], Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def build(self, inputs: Sequence[Any]) -> list[Any]:
        """Returns the outputs for inputs of any mode and dtype."""
        values = list(inputs)
        for step in self.steps:
            values.append(step(values))
        return [values[i] for i in self.outputs]

    def __repr__(self) -> str:
        shapes = [a.shape for a in self.inputs]
        return f"Recipe(inputs={shapes}, steps={self.names}, outputs={self.outputs})"


def make_recipe(draw: Callable[[int, int], int], size: int) -> Recipe:
    """Makes a recipe from a source of choices.

    Args:
      draw: Returns an integer from the first to the second argument, both included.
      size: The number of steps to try.
    """
    rng = np.random.default_rng(draw(0, 1 << 30))
    dims = [(1, 2, 3, 5, 0, 17)[draw(0, 5)] for _ in range(3)]
    shapes = [(), (dims[0],), (dims[0], dims[1]), (dims[2], dims[0], dims[1])]
    inputs = [
        rng.uniform(-2.0, 2.0, shapes[draw(0, 3)]).astype(np.float32) for _ in range(3)
    ]
    recipe = Recipe(inputs)
    values: list[Any] = [tf.constant(x) for x in inputs]
    for _ in range(size):
        name, step = _next_step(draw, values)
        try:
            value = step(values)
        except (ValueError, TypeError, NotImplementedError):
            continue
        array = value.numpy()
        if value.dtype is not float32 or array.size > 4000:
            continue
        if not np.all(np.isfinite(array)) or np.any(np.abs(array) > LARGEST):
            continue
        recipe.steps.append(step)
        recipe.names.append(name)
        values.append(value)
    last = len(values) - 1
    recipe.outputs = sorted({last, draw(0, last), draw(0, last)})
    return recipe


def _next_step(draw: Any, values: list[Any]) -> tuple[str, Callable[..., Any]]:
    a = draw(max(0, len(values) - 6), len(values) - 1)
    b = draw(0, len(values) - 1)
    kind = draw(0, 11)
    if kind <= 3:
        spec = UNARY[draw(0, len(UNARY) - 1)]
        return f"{spec.name}({a})", lambda v: call(spec, v[a])
    if kind <= 6:
        spec = BINARY[draw(0, len(BINARY) - 1)]
        return f"{spec.name}({a}, {b})", lambda v: call(spec, v[a], v[b])
    rank = len(values[a].shape)
    axis = draw(-rank, rank - 1) if rank else None
    keep = bool(draw(0, 1))
    if kind == 7:
        reduce = (tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min)[
            draw(0, 3)
        ]
        return (
            f"{reduce.__name__}({a}, {axis}, {keep})",
            lambda v: reduce(v[a], axis=axis, keepdims=keep),
        )
    if kind == 8:
        perm = list(range(rank))[::-1] if keep else [*range(1, rank), 0][:rank]
        return f"transpose({a}, {perm})", lambda v: tf.transpose(v[a], perm)
    if kind == 9:
        return f"matmul({a}, {b})", lambda v: tf.matmul(v[a], v[b], transpose_b=keep)
    if kind == 10:
        return f"concat({a}, {b}, {axis})", lambda v: tf.concat([v[a], v[b]], axis or 0)
    return (
        f"where({a} > {b})",
        lambda v: tf.where(v[a] > v[b], v[a] * 0.5, v[b]),
    )


def run_in_graph(recipe: Recipe, jit: Any, gradients: bool = False) -> list[np.ndarray]:
    """Runs a recipe in a session."""
    with tf.Graph().as_default(), config(jit=jit):
        # Half of the dimensions are known when the graph is built.
        feeds = [
            tf.compat.v1.placeholder(
                tf.float32, [None if i % 2 else d for d in x.shape]
            )
            for i, x in enumerate(recipe.inputs)
        ]
        outputs = recipe.build(feeds)
        if gradients:
            outputs = [g for g in tf.gradients(outputs, feeds) if g is not None]
        if not outputs:
            return []
        with tf.compat.v1.Session() as session:
            feed = dict(zip(feeds, recipe.inputs, strict=True))
            return [np.asarray(x) for x in session.run(outputs, feed)]


def run_eagerly(recipe: Recipe, dtype: Any = np.float32) -> list[np.ndarray]:
    """Runs a recipe at once, in a dtype."""
    inputs = [tf.constant(x.astype(dtype)) for x in recipe.inputs]
    return [t.numpy() for t in recipe.build(inputs)]


def largest_value(recipe: Recipe) -> float:
    """The largest intermediate value."""
    inputs = [tf.constant(x) for x in recipe.inputs]
    values = list(inputs)
    for step in recipe.steps:
        values.append(step(values))
    return max(float(np.max(np.abs(v.numpy()), initial=0.0)) for v in values)
