"""What a step should compute, by NumPy, and how far a kernel may be from it.

Integers and truth values have to be equal, NaN and infinities in the same places. A
single op on floats may be `ULPS` units in the last place away (those with `near_zero_ulps` more). What a loop of several
ops may be away follows from how errors grow: each value carries a bound; to find that of
the next one, its op is computed again with each input moved by its bound, and `ULPS` are
added. So exp(x) - 1 near 0 may be as wrong as exp(x) makes it, and x * 2 may not.

Sums and products of matrices depend on the order of their terms. Their bound comes from
moving all inputs by `ULPS` at random (always by the same random numbers): what that
changes in the result, times `SLACK`, is what another order may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import OpError
from graphopt.graph.opspec import Elementwise, OpSpec
from graphopt.graph.region import Instruction, Region
from graphopt.runtime.numerics import flush_denormals

Array = NDArray[Any]
ULPS = 8
SLACK = 8.0


class Bounded(NamedTuple):
    """An array and how far each of its elements may be off."""

    value: Array
    bound: Any


class Difference(NamedTuple):
    """Where two arrays differ more than they may, at the first such element."""

    place: tuple[int, ...]
    got: Any
    expected: Any
    allowed: float
    wrong: int
    size: int


def evaluate_instructions(body: Region, arrays: Sequence[Array]) -> list[Bounded]:
    """Computes all values of a loop with their bounds, the inputs first."""
    values = [Bounded(flush_denormals(np.asarray(array)), 0.0) for array in arrays]
    for instruction in body.instructions:
        inputs = [values[i] for i in instruction.arguments]
        values.append(evaluate_instruction(instruction, inputs))
    return values


def evaluate_instruction(
    instruction: Instruction, inputs: Sequence[Bounded]
) -> Bounded:
    """Computes one op on inputs that may be off."""
    if not isinstance(instruction.spec.kernel, Elementwise):
        # The product in front of a loop; what it is given is exact.
        arrays = [each.value for each in inputs]
        return evaluate_spec(instruction.spec, instruction.attrs, arrays)[0]
    kind = instruction.dtype.numpy

    def compute(arrays: Sequence[Array]) -> Array:
        result = instruction.spec.compute(*arrays, **instruction.attrs)
        return flush_denormals(np.asarray(result, kind))

    given = [each.value for each in inputs]
    value = compute(given)
    bound: Any = _units(value)
    if instruction.spec.near_zero_ulps:
        largest = np.maximum(np.abs(value), value.dtype.type(1))
        bound = instruction.spec.near_zero_ulps / ULPS * _units(largest)
    for i, (array, off) in enumerate(inputs):
        if not np.any(off):
            continue
        most: Any = 0.0
        for sign in (1, -1):
            moved = [*given[:i], _move(array, off, sign), *given[i + 1 :]]
            most = np.maximum(most, _distance(compute(moved), value))
        bound = bound + most
    return Bounded(value, bound)


def _units(value: Array) -> Any:
    """The bound of an op whose inputs are exact."""
    if value.dtype.kind != "f":
        return 0.0
    finite = np.where(np.isfinite(value), value, value.dtype.type(1))
    tiny = np.finfo(value.dtype).tiny
    return ULPS * np.spacing(np.abs(finite)).astype(np.float64) + float(tiny)


def _move(array: Array, off: Any, sign: int) -> Array:
    """Returns values as far away as they may be; the other one of truth values."""
    if array.dtype.kind == "b":
        return np.where(off > 0, ~array, array)
    limited: Any = np.where(np.isfinite(off), off, 0.0)
    if array.dtype.kind != "f":
        limited = np.ceil(limited)
    moved: Array = (array + sign * limited).astype(array.dtype)
    return moved


def _distance(a: Array, b: Array) -> Any:
    """How far apart two arrays are; infinitely where only one is a number."""
    same = (a == b) | ((a != a) & (b != b))
    with np.errstate(all="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def evaluate_spec(
    spec: OpSpec, attrs: dict[str, Any], arrays: Sequence[Array]
) -> list[Bounded]:
    """Computes an op that is no loop over elements, with the bounds of its outputs."""
    given = [flush_denormals(np.asarray(array)) for array in arrays]
    values = _outputs(spec.compute(*given, **attrs))
    worst = [0.0] * len(values)
    random = np.random.default_rng(0)
    for _ in range(2):
        moved = [_shaken(array, random) for array in given]
        try:
            again = _outputs(spec.compute(*moved, **attrs))
        except OpError:
            # An op that checks its inputs; moved, the largest numbers are infinite.
            continue
        for i, (a, b) in enumerate(zip(again, values, strict=True)):
            if b.dtype.kind == "f" and b.size:
                apart = _distance(a, b)
                known = apart[np.isfinite(apart)]
                worst[i] = max(worst[i], float(known.max(initial=0.0)))
    return [
        Bounded(value, _units(value) + SLACK * most)
        for value, most in zip(values, worst, strict=True)
    ]


def evaluate_wide(
    spec: OpSpec, attrs: dict[str, Any], arrays: Sequence[Array]
) -> list[Array] | None:
    """Computes an op in float64, rounded at the end; None if it cannot be.

    Kernels add up in float64, so they are right where NumPy's float32 overflows.
    """
    if not any(array.dtype == np.float32 for array in arrays):
        return None
    wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
    try:
        found = _outputs(spec.compute(*wide, **attrs))
    except (TypeError, ValueError):
        return None
    return [a.astype(np.float32) if a.dtype == np.float64 else a for a in found]


def _outputs(results: Any) -> list[Array]:
    found = results if isinstance(results, tuple) else (results,)
    return [np.asarray(array) for array in found]


def _shaken(array: Array, random: np.random.Generator) -> Array:
    if array.dtype.kind != "f":
        return array
    signs = random.choice([-1.0, 1.0], array.shape)
    step = ULPS * float(np.finfo(array.dtype).eps)
    return (array * (1.0 + signs * step)).astype(array.dtype)


def find_difference(got: Array, expected: Bounded) -> Difference | None:
    """Returns where a result is further away than it may be."""
    value, bound = expected
    value = np.broadcast_to(value, got.shape)
    bound = np.broadcast_to(bound, got.shape)
    apart = _distance(got, value)
    wrong = apart > bound
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Difference(
        place,
        got[place],
        value[place],
        float(bound[place]),
        int(wrong.sum()),
        got.size,
    )
