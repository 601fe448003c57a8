"""What variables of converted statements may be, with errors that name them."""

from __future__ import annotations

from typing import Any

import numpy as np
from malt.operators.variables import Undefined, UndefinedReturnValue

from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import zeros
from graphopt.ops.shaping import reshape

PLAIN = (bool, int, float, str, np.ndarray, np.generic)
LEGAL = "Tensor, int, float, bool or a list, tuple or dict thereof"


def is_tensor(value: Any) -> bool:
    """Whether something is a tensor, or a variable."""
    return isinstance(value, Tensor) or hasattr(value, "_as_tensor")


def is_staged(value: Any) -> bool:
    """Whether a statement about a value becomes part of a graph."""
    return is_tensor(value) and building_graph() is not None


def is_missing(value: Any) -> bool:
    """Whether a variable has no value, or none that a loop can have."""
    return value is None or isinstance(value, (Undefined, UndefinedReturnValue))


def as_condition(value: Any, what: str) -> Any:
    """Converts a condition to a scalar of bool.

    Raises:
      ValueError: It is something else.
    """
    value = hooks.convert(value)
    rank = value.shape.rank
    is_single = rank is None or all(d in (1, None) for d in value.shape)
    if value.dtype.name != "bool" or not is_single:
        raise ValueError(
            f"condition of {what} expected to be `tf.bool` scalar, got {value!r}; to use "
            "as boolean Tensor, use `tf.cast`; to check for None, use `is not None`"
        )
    return value if rank == 0 else reshape(value, [])


def as_tensor_if_plain(value: Any) -> Any:
    """Converts numbers, and leaves everything else."""
    return hooks.convert(value) if isinstance(value, PLAIN) else value


def same_structure(a: Any, b: Any) -> bool:
    """Whether two nests have the same structure, whatever the leaves are."""
    if nest.is_nested(a) != nest.is_nested(b):
        return False
    if not nest.is_nested(a):
        return True
    if isinstance(a, dict) or isinstance(b, dict):
        if not (isinstance(a, dict) and isinstance(b, dict)) or sorted(a) != sorted(b):
            return False
        return all(same_structure(a[key], b[key]) for key in a)
    if type(a) is not type(b) or len(a) != len(b):
        return False
    return all(same_structure(x, y) for x, y in zip(a, b, strict=True))


def check_branch_values(main: Any, other: Any, names: Any) -> None:
    """Checks that the branches of a condition agree.

    Raises:
      TypeError: A variable has another structure or dtype in the other branch.
      ValueError: It is None in one of them.
    """
    for name, one, two in zip(names, main, other, strict=True):
        if not same_structure(one, two):
            raise TypeError(
                f"'{name}' must have the same nested structure in the main and else "
                f"branches:\n\ngot {_describe(one)} and {_describe(two)}"
            )
        pairs = zip(nest.flatten(one), nest.flatten(two), strict=True)
        for a, b in pairs:
            for value, which in ((a, "main"), (b, "else")):
                if value is None:
                    raise ValueError(
                        f"'{name}' is None at the end of the {which} branch."
                    )
            a, b = as_tensor_if_plain(a), as_tensor_if_plain(b)
            if _differ(a, b):
                raise TypeError(
                    f"'{name}' has dtype {a.dtype.name} in the main branch, but dtype "
                    f"{b.dtype.name} in the else branch"
                )


def _differ(a: Any, b: Any) -> bool:
    return is_tensor(a) and is_tensor(b) and a.dtype is not b.dtype


def _describe(value: Any) -> str:
    return type(value).__name__ if nest.is_nested(value) else "no nest"


def check_before_loop(values: Any, names: Any, hint: str | None = None) -> None:
    """Checks that all variables of a loop have values when it begins.

    Raises:
      ValueError: One has none.
    """
    for name, value in zip(names, values, strict=True):
        message = None
        if value is None:
            message = f"'{name}' is not allowed to be None before the loop"
        elif isinstance(value, UndefinedReturnValue):
            message = f"the return value from a TensorFlow loop may only be a {LEGAL}"
        elif isinstance(value, Undefined):
            message = f"'{name}' must be defined before the loop"
        if message is not None:
            raise ValueError(f"{message}\n{hint}" if hint else message)


def check_round(before: Any, entry: Any, after: Any, names: Any, shapes: Any) -> None:
    """Checks that a round of a loop leaves its variables what they were.

    Args:
      before: The values before the loop.
      entry: What stands for them in the round.
      after: The values at the end of the round.
      names: Of the variables.
      shapes: For each, what its shape is allowed to be; None for that before the loop.

    Raises:
      TypeError: One has another structure or dtype.
      ValueError: One has another shape, or is None.
    """
    rows = zip(names, before, entry, after, shapes, strict=True)
    for name, first, start, end, shape in rows:
        if not same_structure(start, end):
            raise TypeError(
                f"'{name}' does not have the same nested structure after one iteration."
                f"\n\ngot {_describe(end)}, expected {_describe(start)}"
            )
        firsts = nest.flatten(first)
        invariants = [shape] * len(firsts) if not nest.is_nested(first) else None
        if invariants is None:
            invariants = [None] * len(firsts) if shape is None else list(shape)
        leaves = zip(
            firsts, nest.flatten(start), nest.flatten(end), invariants, strict=True
        )
        for leaf in leaves:
            _check_leaf(name, *leaf)


def _check_leaf(name: str, first: Any, start: Any, end: Any, shape: Any) -> None:
    if end is None:
        raise ValueError(f"'{name}' is None at the end of the iteration.")
    first, start, end = (as_tensor_if_plain(v) for v in (first, start, end))
    if not is_tensor(start) or not is_tensor(end):
        return
    if start.dtype is not end.dtype:
        raise TypeError(
            f"'{name}' has dtype {start.dtype.name} before the loop, but dtype "
            f"{end.dtype.name} after one iteration"
        )
    if shape is None:
        if not _fits(end.shape, start.shape):
            raise ValueError(
                f"'{name}' has shape {start.shape} before the loop, but shape {end.shape} "
                "after one iteration. Use tf.autograph.experimental.set_loop_options to "
                "set shape invariants."
            )
        return
    shape = TensorShape(shape)
    for found, when in (
        (first.shape, "before the loop"),
        (end.shape, "after one iteration"),
    ):
        if not _fits(found, shape):
            raise ValueError(
                f"'{name}' has shape {found} {when}, which does not conform with the "
                f"shape invariant {shape}."
            )


def _fits(narrow: TensorShape, wide: TensorShape) -> bool:
    if wide.rank is None:
        return True
    if narrow.rank != wide.rank:
        return False
    return all(w is None or n == w for n, w in zip(narrow, wide, strict=True))


def shapes_of(value: Any) -> Any:
    """Returns the shapes of the leaves of a nest, in its structure."""

    def shape_of(leaf: Any) -> Any:
        if hasattr(leaf, "_with_parts"):
            return TensorShape(())
        return hooks.convert(leaf).shape

    return nest.map_structure(shape_of, value)


def zero_like(value: Any, shape: Any = None) -> tuple[Any, Any]:
    """Returns zeros like a value of a round, and what its shape may be; None for its own."""
    if isinstance(value, (bool, int, float)):
        return type(value)(0), None
    if is_tensor(value):
        known = value.shape if shape is None else TensorShape(shape)
        if known.rank is None:
            return zeros([], value.dtype), known
        dims = [
            d if d is not None else (k or 0)
            for d, k in zip(value.shape, known, strict=True)
        ]
        is_open = any(d is None for d in value.shape)
        return zeros(dims, value.dtype), known if is_open else None
    if nest.is_nested(value):
        pairs = [zero_like(leaf, None) for leaf in nest.flatten(value)]
        kept = [invariant for _, invariant in pairs]
        made = nest.pack_as(value, [zero for zero, _ in pairs])
        if all(invariant is None for invariant in kept):
            return made, None
        return made, [
            shapes_of(zero) if invariant is None else invariant
            for zero, invariant in pairs
        ]
    raise TypeError(
        f"Found an unsupported type '{type(value).__name__}' while creating placeholder for "
        f"{value}. Supported types include {LEGAL}."
    )
