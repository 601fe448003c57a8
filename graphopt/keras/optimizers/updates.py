"""One equation put to work on a variable and its slots, whatever the gradient is.

An equation is a function `update(w, g, **slots, **coefficients)` that returns the new
value and the new slots. It is written for whole tensors; here it is given rows where the
gradient is sparse, and what it returns is assigned. Optimizers of both generations of
TensorFlow share this file and nothing else of each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple

from graphopt.graph.context import building_graph
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.creation import ones_like
from graphopt.ops.duplicates import (
    checked_indices,
    first_occurrence,
    sum_duplicates,
)
from graphopt.ops.elementwise import equal, where
from graphopt.ops.indexing import gather
from graphopt.ops.masks import boolean_mask
from graphopt.ops.scan import cumsum
from graphopt.ops.segments import unsorted_segment_sum
from graphopt.ops.shaping import reshape
from graphopt.ops.state import group
from graphopt.runtime.variable import Variable

# The slot that holds the average of a variable.
AVERAGE = "average"


@dataclass(frozen=True)
class Step:
    """What one call of `apply_gradients` is, as it is handed from hook to hook.

    Attributes:
      only_if: Bool scalar: if it is false, everything keeps its value; None if the call
        updates in any case.
      rate_factor: What the learning rate of the variable at hand is multiplied by, None
        for nothing.
    """

    only_if: Any = None
    rate_factor: Any = None


class ApplyState(dict[Any, dict[str, Any]]):
    """The coefficients of a step by (device, dtype), as TensorFlow's hooks take them.

    Attributes:
      step: The step.
      named: By the same keys, which of the entries `coefficients` has returned.
    """

    def __init__(self, step: Step, entries: dict[Any, Any] | None = None) -> None:
        super().__init__(entries or {})
        self.step = step
        self.named: dict[Any, set[str]] = dict(getattr(entries, "named", {}))


def step_of(apply_state: Any) -> Step:
    """Returns the step of what a hook was called with; a plain one if it says none."""
    step: Step = getattr(apply_state, "step", Step())
    return step


class Rows(NamedTuple):
    """What of a variable an equation works on.

    Attributes:
      grad: The gradient of it.
      indices: The rows, of which some may be equal; all rows if None.
      touched: Which rows of the variable itself change, as booleans; all if None.
      slots_too: Whether that goes for the rows of the slots as well.
    """

    grad: Any
    indices: Any = None
    touched: Any = None
    slots_too: bool = False


def rows_of(grad: IndexedSlices, var: Variable, sparse_rows: str) -> Rows:
    """Returns what an equation works on for a sparse gradient.

    Args:
      grad: Its rows; those with equal indices are summed.
      var: The variable.
      sparse_rows: "all" rows, as if the gradient were dense; all rows of the slots but
        of the variable only those named ("all slots"); or only those ("touched").
    """
    count = int(var.shape[0] or 0)
    indices = checked_indices(grad.indices, count)
    if sparse_rows == "touched":
        return Rows(sum_duplicates(grad.values, indices, count), indices)
    return _as_dense(grad, var, indices, sparse_rows)


def all_rows(grad: IndexedSlices, var: Variable, sparse_rows: str) -> Rows:
    """Returns the same as `rows_of`, for an equation that also changes other rows."""
    indices = checked_indices(grad.indices, int(var.shape[0] or 0))
    return _as_dense(grad, var, indices, sparse_rows)


def _as_dense(
    grad: IndexedSlices, var: Variable, indices: Any, sparse_rows: str
) -> Rows:
    count = int(var.shape[0] or 0)
    dense = unsorted_segment_sum(grad.values, indices, count)
    if sparse_rows == "all":
        return Rows(dense)
    named = unsorted_segment_sum(ones_like(indices), indices, count) > 0
    touched = reshape(named, [count] + [1] * (len(var.shape) - 1))
    return Rows(dense, touched=touched, slots_too=sparse_rows == "touched")


def apply_equation(
    update: Callable[..., Any],
    var: Variable,
    slots: dict[str, Variable],
    rows: Rows,
    coefficients: dict[str, Any],
    only_if: Any = None,
    name: str = "",
) -> Any:
    """Computes the new value of a variable and of its slots and assigns them.

    Args:
      update: The equation.
      var: The variable.
      slots: Its slots, by their name in the equation.
      rows: What to work on.
      coefficients: Scalars, by their name in the equation.
      only_if: Bool scalar: if it is false, everything keeps its value.
      name: What the equation is called in errors; without one it may leave out slots,
        which keep their values.

    Returns:
      In a graph an op that is done when all are assigned; None in eager mode.

    Raises:
      TypeError: The equation does not return a value and all its slots.
    """
    indices = rows.indices

    def read(variable: Variable) -> Any:
        value = variable.read_value()
        return value if indices is None else gather(value, indices)

    def write(variable: Variable, value: Any) -> Any:
        if indices is None:
            return variable.assign(value, read_value=False)
        return variable.scatter_update(
            IndexedSlices(value, indices, variable.shape), read_value=False
        )

    w = read(var)
    before = {key: read(slot) for key, slot in slots.items()}
    result = update(w, rows.grad, **before, **coefficients)
    if name:
        _check_result(result, slots, name)
    new_value, new_slots = result
    done = []
    for key, value in new_slots.items():
        done.append(write(slots[key], chosen(only_if, value, before[key])))
    done.append(write(var, chosen(only_if, new_value, w)))
    return group(*done) if building_graph() is not None else None


def _check_result(result: Any, slots: dict[str, Variable], name: str) -> None:
    """Refuses what an equation must not return."""
    if not (
        isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
    ):
        raise TypeError(
            f"{name} must return the new value and a dict of the new slots, "
            f"`w, {{...}}`; got {result!r:.200}."
        )
    new = result[1]
    if new.keys() != slots.keys():
        raise TypeError(
            f"{name} must return a new value for each of its slots, "
            f"{sorted(slots) or 'of which there are none'}; got {sorted(new)}."
        )


def chosen(condition: Any, value: Any, otherwise: Any) -> Any:
    """Returns one of two values; the first if there is no condition."""
    return value if condition is None else where(condition, value, otherwise)


def on_touched_rows(update: Callable[..., Any], rows: Rows) -> Callable[..., Any]:
    """Returns an equation that changes only the rows with a gradient."""

    def changed(w: Any, g: Any, **rest: Any) -> tuple[Any, dict[str, Any]]:
        new, slots = update(w, g, **rest)
        if rows.slots_too:
            slots = {k: where(rows.touched, v, rest[k]) for k, v in slots.items()}
        return where(rows.touched, new, w), slots

    return update if rows.touched is None else changed


def with_weight_decay(
    update: Callable[..., Any], weight_decay: Any, learning_rate: Any
) -> Callable[..., Any]:
    """Returns an equation that first takes a part of the variable away.

        w <- w - w weight_decay learning_rate

    Source: Loshchilov and Hutter 2017; Keras 3.
    """

    def decayed(w: Any, g: Any, **rest: Any) -> tuple[Any, dict[str, Any]]:
        decayed_value = w - w * weight_decay * learning_rate
        new, slots = update(decayed_value, g, **rest)
        return new, slots

    return decayed


def with_average(
    update: Callable[..., Any], momentum: Any, replace: Any
) -> Callable[..., Any]:
    """Returns an equation that keeps an average of the variable.

        average <- momentum average + (1 - momentum) w

    Args:
      update: The equation.
      momentum: How much of the average is kept.
      replace: Bool scalar: whether the variable becomes the average; None if never.

    Source: Polyak and Juditsky 1992; Keras 3.
    """

    def averaged(
        w: Any, g: Any, average: Any, **rest: Any
    ) -> tuple[Any, dict[str, Any]]:
        new, slots = update(w, g, **rest)
        average = momentum * average + (1.0 - momentum) * new
        if replace is not None:
            new = where(replace, average, new)
        return new, {**slots, AVERAGE: average}

    return averaged


class _Parameters(NamedTuple):
    """What an equation takes besides `w` and `g`."""

    names: frozenset[str]
    required: frozenset[str]
    takes_all: bool


@functools.cache
def _parameters(function: Callable[..., Any], before: int) -> _Parameters:
    every = list(signature(function).parameters.values())
    named = [
        p for p in every[before:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    return _Parameters(
        frozenset(p.name for p in named),
        frozenset(p.name for p in named if p.default is p.empty),
        any(p.kind is p.VAR_KEYWORD for p in every),
    )


def match_arguments(
    equation: Callable[..., Any],
    slots: Iterable[str],
    coefficients: dict[str, Any],
    optional: Iterable[str] = (),
) -> dict[str, Any]:
    """Returns the coefficients that an equation is called with: all of them.

    Args:
      equation: `update(w, g, **slots, **coefficients)`, or a `partial` of one.
      slots: The names of its slots.
      coefficients: What was computed for it.
      optional: The coefficients that it need not take.

    Raises:
      TypeError: It has no argument for a slot or a coefficient, or has one of which
        nothing is known.
    """
    fixed = equation.keywords if isinstance(equation, functools.partial) else {}
    method = equation.func if isinstance(equation, functools.partial) else equation
    function = getattr(method, "__func__", method)
    # `self`, the variable's value and the gradient come first, whatever their names.
    before = 2 if function is method else 3
    names, required, takes_all = _parameters(function, before)
    what = getattr(method, "__qualname__", repr(method))
    given = {
        name: value
        for name, value in coefficients.items()
        if name in names or name not in optional
    }
    slots = set(slots)
    unknown = [] if takes_all else sorted({*slots, *given} - names)
    if unknown:
        raise TypeError(
            f"{what} takes no argument {unknown[0]!r}, which is "
            f"{'one of its slots' if unknown[0] in slots else 'a coefficient'}; "
            f"expected `update(w, g, {', '.join([*sorted(slots), '*', *given])})`, or "
            "`**_` for what it does not use."
        )
    missing = sorted(required - {*slots, *given, *fixed})
    if missing:
        raise TypeError(
            f"{what} needs an argument {missing[0]!r}, which is neither a slot "
            f"({', '.join(sorted(slots)) or 'there are none'}) nor a coefficient "
            f"({', '.join(coefficients) or 'there are none'}); declare it in `slots`, or "
            "return it from `coefficients`."
        )
    return given


def apply_constraint(var: Variable, done: Any, only_if: Any = None) -> Any:
    """Applies the constraint of a variable, if it has one, after an update of it."""
    if var.constraint is None:
        return done
    graph = building_graph()
    if graph is None:
        return var.assign(chosen(only_if, var.constraint(var), var))
    with graph.control_dependencies([done] if done is not None else []):
        value = var.read_value()
        kept = chosen(only_if, var.constraint(value), value)
        return var.assign(kept, read_value=False)


def unique_rows(values: Any, indices: Any, limit: int) -> tuple[Any, Any]:
    """Sums the rows with equal indices; how many are left depends on the data."""
    indices = checked_indices(indices, limit)
    first = first_occurrence(indices, limit)
    is_first = equal(first, cumsum(ones_like(first)) - 1)
    sums = sum_duplicates(values, indices, limit)
    return boolean_mask(sums, is_first), boolean_mask(indices, is_first)
