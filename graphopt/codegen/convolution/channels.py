"""Vector code for the neighbors of an image: channels of a pixel, pixels of a row.

These loops are short, 16 channels or 28 pixels. LLVM makes vectors of loops only where
several vectors go into one round, and leaves what is shorter to a loop over scalars: at
16 channels of float32 that is everything. So these functions write vectors themselves,
with a mask for the last one, and keep what a window adds up to in registers.

Images are pointers; places in them, steps and counts are elements. The pixels of a window
are `across` apart in its rows, which are `down` apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import (
    FLOAT64,
    Code,
    Element,
    Pointer,
    Value,
    maximum,
    minimum,
    select,
)

__all__ = ["FUNCTIONS"]

# Vectors of a group do not wait for each other's comparisons.
_GROUP: Final = 4
_WINDOW: Final = (
    "x: pointer, at: word, across: word, down: word, rows: word, columns: word"
)


class _Vector(NamedTuple):
    """A vector of neighbors: the index of its first, how many, which of them exist."""

    first: Value
    lanes: int
    mask: Value | None

    def load(self, x: Pointer, at: Value) -> Value:
        """Returns those that begin so far behind a place."""
        return x.at(at).load(self.lanes, self.mask)

    def store(self, value: Value, x: Pointer, at: Value) -> None:
        """Stores them there."""
        x.at(at).store(value, self.mask)


def _for_vectors(
    code: Code,
    element: Element,
    count: Value,
    body: Callable[[_Vector], None],
    is_grouped: bool = True,
) -> None:
    """Writes `body` for groups of vectors, for whole ones and, masked, for the rest."""
    lanes = code.machine.count_lanes(element.nbytes)
    groups = code.word(0)
    if is_grouped:
        many = _GROUP * lanes
        groups = count // many * many
        with code.for_range(0, groups, many) as at:
            body(_Vector(at, many, None))
    with code.for_range(groups, count, lanes) as at:
        left = count - at
        code.if_else(
            left >= lanes,
            lambda: body(_Vector(at, lanes, None)),
            lambda: body(_Vector(at, lanes, code.mask(left, lanes))),
        )


@contextmanager
def _for_window(
    code: Code, at: Value, across: Value, down: Value, rows: Value, columns: Value
) -> Iterator[tuple[Value, Value]]:
    """Writes loops over a window; yields the place of a pixel and its number."""
    with code.for_range(rows) as i:
        line = at + i * down
        with code.for_range(columns) as j:
            yield line + j * across, i * columns + j


def _find_largest(
    code: Code, vector: _Vector, x: Pointer, at: Value, *window: Value
) -> Value:
    """Writes what finds the largest elements of a window, or the first NaN."""
    best = code.cell(vector.load(x, at))
    with _for_window(code, at, *window) as (place, _):
        best.set(maximum(best.get(), vector.load(x, place)))
    return best.get()


def _max_window(code: Code, x: Pointer, at: Value, *arguments: Any) -> None:
    """Stores the largest element of each channel of a window."""
    *window, y, to, count = arguments

    def body(vector: _Vector) -> None:
        largest = _find_largest(code, vector, x, at + vector.first, *window)
        vector.store(largest, y, to + vector.first)

    _for_vectors(code, x.element, count, body)


def _spread(adds: bool) -> Callable[..., None]:
    """Makes the function that gives gradients of maxima to the elements they are of.

    What is left of a gradient goes to the first element that is as large as the largest
    one. The gradient of the image, `dx`, has its layout.

    Args:
      adds: Whether windows overlap, so that gradients add up; else they are stored,
        and zeros beside them.
    """

    def spread_window(code: Code, x: Pointer, at: Value, *arguments: Any) -> None:
        *window, g, g_at, dx, count = arguments

        def body(vector: _Vector) -> None:
            zero = code.zeros(x.element, vector.lanes)
            start = at + vector.first
            largest = _find_largest(code, vector, x, start, *window)
            rest = code.cell(vector.load(g, g_at + vector.first))
            with _for_window(code, start, *window) as (place, _):
                value, left = vector.load(x, place), rest.get()
                is_it = value.equals(largest) | (value.is_nan() & largest.is_nan())
                share = select(is_it, left, zero)
                vector.store(
                    vector.load(dx, place) + share if adds else share, dx, place
                )
                rest.set(select(is_it, zero, left))

        _for_vectors(code, x.element, count, body)

    return spread_window


def _average_window(code: Code, x: Pointer, at: Value, *arguments: Any) -> None:
    """Stores the mean of each channel of a window, added up in float64."""
    *window, y, to, count = arguments
    area = (window[2] * window[3]).to(FLOAT64)

    def body(vector: _Vector) -> None:
        total = code.cell(code.zeros(FLOAT64, vector.lanes))
        with _for_window(code, at + vector.first, *window) as (place, _):
            total.set(total.get() + vector.load(x, place).to(FLOAT64))
        mean = total.get() / area.splat(vector.lanes)
        vector.store(mean.to(x.element), y, to + vector.first)

    _for_vectors(code, x.element, count, body)


def _weigh_window(code: Code, x: Pointer, at: Value, *arguments: Any) -> None:
    """Stores the sum of each channel of a window, each pixel times its weight."""
    *window, weights, y, to, count = arguments

    def body(vector: _Vector) -> None:
        total = code.cell(code.zeros(FLOAT64, vector.lanes))
        with _for_window(code, at + vector.first, *window) as (place, number):
            weight = weights.at(number).load().splat(vector.lanes)
            total.set(total.get() + vector.load(x, place).to(FLOAT64) * weight)
        vector.store(total.get().to(x.element), y, to + vector.first)

    _for_vectors(code, x.element, count, body)


def _copy_rows(code: Code, x: Pointer, *arguments: Any) -> None:
    """Copies rows of the image at a place, with zeros around it.

    The first one may lie before the image, which has `h` rows of length `w`. There are
    `left` zeros before them; the rows that are written have the length `line`.
    """
    at, first, count, h, w, left, y, to, line = arguments
    begin = minimum(left, line)
    inside = minimum(left + w, line) - begin
    with code.for_range(count) as row:
        target = to + row * line

        def clear(vector: _Vector) -> None:
            zero = code.zeros(x.element, vector.lanes)
            vector.store(zero, y, target + vector.first)

        _for_vectors(code, x.element, line, clear, is_grouped=False)
        number = first + row
        # Without a sign it is too large before the image, too.
        with code.if_(number.as_unsigned() < h):
            source, target_row = at + number * w, target + begin

            def copy(vector: _Vector) -> None:
                value = vector.load(x, source + vector.first)
                vector.store(value, y, target_row + vector.first)

            _for_vectors(code, x.element, inside, copy, is_grouped=False)


_RESULT: Final = "y: pointer, to: word, count: word"
_GRADIENT: Final = "g: pointer, g_at: word, dx: pointer, count: word"

FUNCTIONS: Final[dict[str, Any]] = {
    "max_window": intrinsic(f"{_WINDOW}, {_RESULT}")(_max_window),
    "average_window": intrinsic(f"{_WINDOW}, {_RESULT}")(_average_window),
    "weigh_window": intrinsic(f"{_WINDOW}, weights: pointer float64, {_RESULT}")(
        _weigh_window
    ),
    "spread_window": intrinsic(f"{_WINDOW}, {_GRADIENT}")(_spread(adds=True)),
    "fill_window": intrinsic(f"{_WINDOW}, {_GRADIENT}")(_spread(adds=False)),
    "copy_rows": intrinsic(
        "x: pointer, at: word, first: word, count: word, h: word, w: word, left: word, "
        "y: pointer, to: word, line: word"
    )(_copy_rows),
}
"""Functions for kernels, for images of any element type."""
