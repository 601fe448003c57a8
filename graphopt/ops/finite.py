"""Checks that numbers are finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, OpError, fail, locate
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.effects import is_handle
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.status import Report
from graphopt.ops.state import group

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


def _explain(report: Report) -> OpError:
    """Has NumPy look at what a kernel has stopped at, for the words of the error."""
    op = report.op
    try:
        op.spec.compute(report.read(op.inputs[0]), **op.attrs)
    except OpError as error:
        return locate(error, op)
    # Another thread has run the step since, with other numbers.
    words = f"{op.attrs['message']} : Tensor had values that are not finite"
    return fail(InvalidArgumentError, words, op=op)


_IN_GRADIENT = "Not a number (NaN) or infinity (Inf) values detected in gradient."
CHECK_NUMERICS: OpSpec = register(
    OpSpec(
        "CheckNumerics",
        lambda x, *, message: (x.shape, x.dtype),
        _check_numerics,
        lambda g, y, x, *, message: (
            call(CHECK_NUMERICS, g, message=f"{_IN_GRADIENT} {message}"),
        ),
        Family("check_numerics"),
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
        explain=_explain,
        cost=Cost.MOVE,
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


def add_check_numerics_ops() -> Any:
    """Adds a check to every tensor of floats in the current graph.

    The checks run in the order in which the tensors were made, so the first one that
    fails names the op at fault. `tf.debugging.enable_check_numerics()` finds the same
    without new ops, in the updates of variables as well.

    Returns:
      An op that runs all checks; make a training step depend on it, or run it beside.

    Raises:
      RuntimeError: In eager mode, where there is no graph.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
    ...     y = 1.0 / tf.math.log(x, name="log")
    ...     check = tf.compat.v1.add_check_numerics_ops()
    ...     print(session.run([y, check], {x: [2.0, 4.0]})[0].round(2))
    ...     try:
    ...         session.run([y, check], {x: [0.0, 4.0]})
    ...     except tf.errors.InvalidArgumentError as error:
    ...         print(str(error).split(";")[0])
    [1.44 0.72]
    log:0 : Tensor had Inf values

    Source: `tf.compat.v1.add_check_numerics_ops`.
    """
    graph = building_graph()
    if graph is None:
        raise fail(
            RuntimeError,
            "add_check_numerics_ops() is not compatible with eager execution",
            got="eager mode",
            expected="a graph",
            site=str(user_site()),
            remedy="tf.debugging.enable_check_numerics()",
        )
    last: list[Any] = []
    for op in list(graph.operations):
        for tensor in op.outputs:
            if tensor.dtype.is_floating and not is_handle(tensor):
                message = f"{op.name}:{tensor.index}"
                with graph.control_dependencies(last):
                    last = [check_numerics(tensor, message)]
    return group(*last)


def assert_all_finite(x: Any, message: str, name: str | None = None) -> Any:
    """Returns a tensor unchanged, or raises if it holds NaN or infinities.

    Source: `tf.debugging.assert_all_finite`.
    """
    return check_numerics(x, message, name=name)
