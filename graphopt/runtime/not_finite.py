"""The errors for numbers that are not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.graph import Operation

Array = NDArray[Any]
_EXPECTED = "finite numbers, for check_numerics is enabled"


def is_finite(array: Array) -> bool:
    """Returns whether an array holds neither NaN nor infinities."""
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def kinds_of(array: Array) -> str:
    """Says what is not finite: `Inf`, `NaN` or both."""
    kinds = ["Inf"] if np.isinf(array).any() else []
    kinds += ["NaN"] if np.isnan(array).any() else []
    return " and ".join(kinds)


def _describe(array: Array, inputs: Sequence[Any]) -> str:
    bad = ~np.isfinite(array)
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    value = array[place]
    text = f"{value} at {list(place)}, {int(bad.sum())} of {array.size} elements"
    shown = [
        _range_of(np.asarray(x)) for x in inputs if np.asarray(x).dtype.kind == "f"
    ]
    return f"{text}, from inputs {' and '.join(shown)}" if shown else text


def _range_of(array: Array) -> str:
    kind = f"{array.dtype}{list(array.shape)}"
    if not array.size:
        return kind
    return f"{kind} in [{array.min():.6g}, {array.max():.6g}]"


def bad_output(
    op: Operation, index: int, array: Array, inputs: Sequence[Any]
) -> InvalidArgumentError:
    """Makes the error for an op that made the first number that is not finite."""
    return fail(
        InvalidArgumentError,
        f'Detected Infinity or NaN in output {index} of graph op "{op.type}" '
        f"(# of outputs: {len(op.outputs)}) : Tensor had {kinds_of(array)} values",
        got=_describe(array, inputs),
        expected=_EXPECTED,
        op=op,
    )


def bad_write(
    op: Operation, variable: str, array: Array, inputs: Sequence[Any]
) -> InvalidArgumentError:
    """Makes the error for a new value of a variable."""
    return fail(
        InvalidArgumentError,
        f"Detected Infinity or NaN in the new value of variable {variable!r} : "
        f"Tensor had {kinds_of(array)} values",
        got=_describe(array, inputs),
        expected=_EXPECTED,
        op=op,
    )


def bad_source(what: str, array: Array, op: Operation) -> InvalidArgumentError:
    """Makes the error for a value that was not finite when the step began."""
    return fail(
        InvalidArgumentError,
        f"Detected Infinity or NaN in {what} : Tensor had {kinds_of(array)} values",
        got=_describe(array, ()),
        expected=_EXPECTED,
        op=op,
    )


def bad_eager(
    name: str, index: int, count: int, array: Array, inputs: Sequence[Any], site: str
) -> InvalidArgumentError:
    """Makes the error for an op of eager mode."""
    given = [x for x in inputs if not is_finite(np.asarray(x))]
    return fail(
        InvalidArgumentError,
        f"Detected Infinity or NaN in output {index} of eagerly-executing op "
        f'"{name}" (# of outputs: {count}) : Tensor had {kinds_of(array)} values',
        got=_describe(array, inputs) + (", which are not finite" if given else ""),
        expected=_EXPECTED,
        site=site,
    )


def fail_unexplained(op: Operation | None) -> InvalidArgumentError:
    """Makes the error for what a kernel made and the replay with NumPy did not."""
    names = ""
    if op is not None and op.spec.parts is not None:
        made = op.attrs["body"].instructions
        names = ", one of " + ", ".join(f"{i.name} ({i.site_text})" for i in made)
    outputs = describe_shapes(*op.outputs) if op is not None else ""
    return fail(
        InvalidArgumentError,
        f"Detected Infinity or NaN in a compiled step{names}, where NumPy, which "
        "rounds in another order, gets finite numbers",
        got=f"a number that is not finite among {outputs or 'the values written'}",
        expected=_EXPECTED,
        op=op,
        remedy="smaller numbers; they are close to the largest that the dtype holds. "
        "Session(debug=True) compares the kernels with NumPy",
    )


def bad_eager_write(
    name: str, variable: str, array: Array, inputs: Sequence[Any], site: str
) -> InvalidArgumentError:
    """Makes the error for a new value of an eager variable."""
    return fail(
        InvalidArgumentError,
        f"Detected Infinity or NaN in the new value of variable {variable!r}, made by "
        f"eagerly-executing op {name!r} : Tensor had {kinds_of(array)} values",
        got=_describe(array, inputs),
        expected=_EXPECTED,
        site=site,
    )
