"""Finds out whether a pass changes what a program means.

A random program is run twice with NumPy: as it was asked for, and rewritten, the second
time in another order that its edges allow. Every fetch and every variable must have the
same bits. The values are those at which algebra goes wrong (NaN, infinities, -0.0,
denormals, ties, overflow), and reads and writes of a variable are ordered at random.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphopt as tf
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.graph.verify import verify_program
from graphopt.rewrite.driver import run_passes
from graphopt.rewrite.pipeline import MEANING
from graphopt.runtime.interpreter import interpret
from graphopt.runtime.store import VariableStore

SPECIAL = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    -0.0,
    1e-40,
    -1e-40,
    3e38,
    16777217.0,
    1.0,
]
UNARY = [
    tf.exp,
    tf.math.log,
    tf.negative,
    tf.math.reciprocal,
    tf.sqrt,
    tf.abs,
    tf.tanh,
    tf.square,
    tf.sigmoid,
    tf.identity,
    tf.stop_gradient,
]
ARITHMETIC = [tf.add, tf.subtract, tf.multiply, tf.divide, tf.pow]
BINARY = [*ARITHMETIC, tf.maximum, tf.minimum]
FEEDS = 5
NUMBERS = [0.0, -0.0, 1.0, 2.0, 0.5, -0.25]
SHAPES = [(), (4,), (3, 4), (1, 4), (0, 4)]


@dataclass
class Case:
    """A program with the values that it runs on."""

    program: Program
    feeds: list[np.ndarray]
    variables: dict[Any, np.ndarray]

    def store(self) -> VariableStore:
        """Returns a fresh store with the variables' values."""
        store = VariableStore()
        store.values = {key: value.copy() for key, value in self.variables.items()}
        return store


def make_case(seed: int, size: int = 40) -> Case:
    """Returns a random program."""
    draw = random.Random(seed)
    rng = np.random.default_rng(seed)
    with tf.Graph().as_default() as graph, np.errstate(all="ignore"):
        graph.seed = seed
        builder = _Builder(draw, rng)
        for _ in range(size):
            builder.step()
        builder.read_and_write()
        used = {tensor for op in graph.operations for tensor in op.inputs}
        made = [t for t in builder.made if t not in used or draw.random() < 0.05]
        program = Program(
            graph,
            tuple(builder.feeds),
            tuple(made),
            tuple(builder.targets),
            tuple(TensorShape(a.shape) for a in builder.feeds.values()),
        )
        variables = {
            op.attrs["variable"]: rng.standard_normal(tuple(op.outputs[0].shape))
            for op in graph.operations
            if op.spec.is_handle
        }
    return Case(
        program,
        list(builder.feeds.values()),
        {key: value.astype(np.float32) for key, value in variables.items()},
    )


class _Builder:
    """Adds random ops to the current graph."""

    def __init__(self, draw: random.Random, rng: np.random.Generator) -> None:
        self.draw = draw
        self.rng = rng
        self.feeds: dict[Any, np.ndarray] = {}
        self.made: list[Any] = []
        self.targets: list[Any] = []
        self.pool = [self.feed(self.values(draw.choice(SHAPES))) for _ in range(FEEDS)]
        # Products of small whole numbers are exact, in whatever order they are added.
        whole = [rng.integers(0, 9, (3, 3)).astype(np.float32) for _ in range(2)]
        self.matrices = [self.feed(matrix) for matrix in whole]

    def feed(self, value: np.ndarray) -> Any:
        tensor = tf.compat.v1.placeholder(tf.as_dtype(value.dtype), value.shape)
        self.feeds[tensor] = value
        return tensor

    def values(self, shape: tuple[int, ...]) -> np.ndarray:
        plain = self.rng.standard_normal(shape) * 10.0 ** self.rng.integers(-3, 3)
        special = self.rng.choice(SPECIAL, shape)
        mixed = np.where(self.rng.random(shape) < 0.4, special, plain)
        return mixed.astype(np.float32)

    def pick(self) -> Any:
        """A value: often the last one, or one that is fed and not all NaN yet."""
        chance = self.draw.random()
        if chance < 0.4:
            return self.pool[-1]
        return self.draw.choice(self.pool if chance < 0.6 else self.pool[:FEEDS])

    def other(self, x: Any) -> Any:
        """A second operand: the same, a number, or any that fits."""
        chance = self.draw.random()
        if chance < 0.15:
            return x
        if chance < 0.5:
            return tf.constant(self.draw.choice(NUMBERS), tf.float32)
        return self.pick()

    def step(self) -> None:
        """Adds an op or a short chain of them."""
        kinds = [self.unary, self.unary, self.binary, self.binary, self.binary]
        kinds += [self.cast, self.shape, self.select, self.reduce, self.matrix]
        kinds += [self.sum, self.random, self.with_number, self.with_number]
        try:
            self.draw.choice(kinds)()
        except (ValueError, TypeError):
            return

    def add(self, value: Any) -> None:
        self.made.append(value)
        if value.dtype is tf.float32:
            self.pool.append(value)

    def unary(self) -> None:
        x = self.pick()
        for _ in range(self.draw.randint(1, 3)):
            x = self.draw.choice(UNARY)(x)
            self.add(x)

    def binary(self) -> None:
        x = self.pick()
        operands = [x, self.other(x)]
        if self.draw.random() < 0.3:
            operands.reverse()
        self.add(self.draw.choice(BINARY)(*operands))

    def with_number(self) -> None:
        x = self.draw.choice(self.pool[:FEEDS])
        # NumPy's power takes a root where a scalar says 0.5, and not where an array does.
        shape = tuple(x.shape) if self.draw.random() < 0.5 else ()
        number = tf.constant(np.full(shape, self.draw.choice(NUMBERS), np.float32))
        operands = [x, number] if self.draw.random() < 0.6 else [number, x]
        self.add(self.draw.choice(ARITHMETIC)(*operands))

    def sum(self) -> None:
        x, y, z = self.pick(), self.pick(), self.pick()
        self.add(tf.add(tf.add(x, y), z))

    def cast(self) -> None:
        middle = self.draw.choice([tf.float16, tf.float64, tf.int32, tf.float32])
        x = self.pick()
        if middle is tf.int32:
            x = tf.clip_by_value(tf.where(tf.math.is_nan(x), 0.0, x), -9.0, 9.0)
        self.add(tf.cast(tf.cast(x, middle), tf.float32))

    def shape(self) -> None:
        x = self.pick()
        kind = self.draw.randrange(5)
        if kind == 0:
            self.add(tf.reshape(x, [-1]))
        elif kind == 1:
            self.add(tf.transpose(x))
        elif kind == 2:
            self.add(tf.concat([x, self.pick()], axis=0))
        elif kind == 3:
            self.add(tf.broadcast_to(x, (3, 4)))
        else:
            self.add(tf.squeeze(tf.expand_dims(x, 0), [0]))

    def select(self) -> None:
        x, y = self.pick(), self.pick()
        self.add(tf.where(tf.greater(x, self.pick()), x, y))

    def reduce(self) -> None:
        x = self.pick()
        kind = self.draw.randrange(4)
        if kind <= 1:
            # Often of a function's value, as an argmax of probabilities is.
            x = self.draw.choice(UNARY)(x) if self.draw.random() < 0.7 else x
            self.made.append((tf.argmin, tf.argmax)[kind](x, axis=-1))
        elif kind == 2:
            x = self.draw.choice(self.pool[:FEEDS])
            axis = self.draw.choice([None, [], [], -1])
            function = self.draw.choice([tf.reduce_max, tf.reduce_sum])
            self.add(function(x, axis=axis))
        else:
            self.add(tf.reduce_sum(tf.broadcast_to(x, (3, 4))))

    def matrix(self) -> None:
        a, b = self.draw.choices(self.matrices, k=2)
        if self.draw.random() < 0.4:
            self.matrices.append(tf.transpose(a))
            return
        flags = [self.draw.random() < 0.3 for _ in range(2)]
        self.made.append(tf.matmul(a, b, *flags))

    def random(self) -> None:
        if self.draw.random() < 0.3:
            self.add(tf.random.uniform((4,)))

    def read_and_write(self) -> None:
        """Adds reads and writes of a variable, each after the last or not."""
        variable = tf.Variable(np.zeros(4, np.float32), name="state")
        last = None
        for _ in range(self.draw.randint(2, 6)):
            waits_for = [last] if last is not None and self.draw.random() < 0.7 else []
            with tf.control_dependencies(waits_for):
                if self.draw.random() < 0.5:
                    last = variable.assign_add([1.0, 2.0, 3.0, 4.0], read_value=False)
                    self.targets.append(last)
                else:
                    value = variable.read_value()
                    self.made += [value, value * 2.0, value * 1.0]


def complaint(case: Case, passes: tuple[Any, ...], seed: int = 0) -> str | None:
    """Returns what passes did wrong to a program, or None."""
    with np.errstate(all="ignore"):
        meant = run_passes(case.program, MEANING)
        store, other_store = case.store(), case.store()
        expected = interpret(meant, case.feeds, store)
        try:
            program = run_passes(case.program, passes)
            verify_program(program)
            order = _shuffled(program, random.Random(seed))
            got = interpret(program, case.feeds, other_store, order)
        except (AssertionError, ValueError) as error:
            return f"the rewritten program fails: {error}"
    for tensor, a, b in zip(case.program.fetches, got, expected, strict=True):
        if difference := _difference(a, b):
            return f"{tensor.name}: {difference}"
    for key, value in store.values.items():
        if difference := _difference(other_store.values[key], value):
            return f"variable {key.name}: {difference}"
    return None


def _difference(got: np.ndarray, expected: np.ndarray) -> str | None:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"{got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
    same = got == expected
    if got.dtype.kind == "f":
        same = same & (np.signbit(got) == np.signbit(expected))
        same = same | (np.isnan(got) & np.isnan(expected))
    return None if np.all(same) else f"{got[~same][:4]}, not {expected[~same][:4]}"


def _shuffled(program: Program, draw: random.Random) -> list[Any]:
    """Returns the operations in a random order that respects all edges."""
    missing: dict[Any, int] = {}
    after: dict[Any, list[Any]] = {op: [] for op in program.operations}
    for op in program.operations:
        parents = {*(tensor.op for tensor in op.inputs), *op.control_inputs}
        missing[op] = len(parents)
        for parent in parents:
            after[parent].append(op)
    ready = [op for op, count in missing.items() if not count]
    order = []
    while ready:
        op = ready.pop(draw.randrange(len(ready)))
        order.append(op)
        for child in after[op]:
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return order
