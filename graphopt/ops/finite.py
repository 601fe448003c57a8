"""Checks that numbers are finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import BadInput, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site

Array = NDArray[Any]


def _check_numerics(x: Array, *, message: str) -> Array:
    kinds = [
        word
        for word, bad in (("Inf", np.isinf(x).any()), ("NaN", np.isnan(x).any()))
        if bad
    ]
    if kinds:
        bad = ~np.isfinite(x)
        raise fail(
            InvalidArgumentError,
            f"{message} : Tensor had {' and '.join(kinds)} values",
            got=f"{int(bad.sum())} of {x.size}, the first at "
            f"{[int(i) for i in np.argwhere(bad)[0]]}",
            expected="finite numbers",
            site=str(user_site()),
        )
    return x


_IN_GRADIENT = "Not a number (NaN) or infinity (Inf) values detected in gradient."
CHECK_NUMERICS: OpSpec = register(
    OpSpec(
        "CheckNumerics",
        lambda x, *, message: (x.shape, x.dtype),
        _check_numerics,
        lambda g, y, x, *, message: (
            call(CHECK_NUMERICS, g, message=f"{_IN_GRADIENT} {message}"),
        ),
        Host("it raises an error with the first bad element in it"),
        lambda: [
            Sample((np.arange(6.0).reshape(2, 3).astype(t),), {"message": "x"})
            for t in (np.float64, np.float32)
        ],
        errors=lambda: [
            BadInput(
                (np.array([1.0, value]),),
                {"message": "here"},
                InvalidArgumentError,
                f"here : Tensor had {word} values",
            )
            for value, word in ((np.nan, "NaN"), (np.inf, "Inf"))
        ],
        dtypes=dtypes.FLOATING,
    )
)


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Any:
    """Returns a tensor unchanged, or raises if it holds NaN or infinities.

    The gradient is checked too.

    Args:
      tensor: Floats.
      message: The first words of the error.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A number is not finite; the error names the op.

    Source: `tf.debugging.check_numerics`.
    """
    return call(CHECK_NUMERICS, tensor, name=name, message=str(message))


def assert_all_finite(x: Any, message: str, name: str | None = None) -> Any:
    """Returns a tensor unchanged, or raises if it holds NaN or infinities.

    Source: `tf.debugging.assert_all_finite`.
    """
    return check_numerics(x, message, name=name)
