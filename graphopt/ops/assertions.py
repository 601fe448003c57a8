"""Assertions: ops that raise when a condition does not hold.

What can be decided while a graph is built is decided then: with constants a failed
assertion raises at once, and one that holds is a `no_op`. In eager mode assertions
return None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.ops import elementwise as math
from graphopt.ops.creation import constant_value
from graphopt.ops.elementwise import ADD
from graphopt.ops.printing import format_array
from graphopt.ops.reduction import reduce_all
from graphopt.ops.state import no_op

Array = NDArray[Any]


def _assert_infer(condition: Any, *data: Any, **_: Any) -> list[Any]:
    if condition.shape.rank not in (0, None):
        raise fail(
            InvalidArgumentError,
            "The condition of Assert should be a scalar",
            got=describe_shapes(condition),
            site=str(user_site()),
            remedy="tf.reduce_all",
        )
    return []


def _assert(
    condition: Array, *data: Array, words: str, names: tuple[str, ...], summarize: int
) -> tuple[()]:
    if condition:
        return ()
    shown = (
        f"{name} = {format_array(array, summarize)}" if name else format_array(array)
        for name, array in zip(names, data, strict=True)
    )
    raise fail(
        InvalidArgumentError,
        words,
        got=" and ".join(shown) or "False",
        site=str(user_site()),
    )


ASSERT = register(
    OpSpec(
        "Assert",
        _assert_infer,
        _assert,
        NOT_DIFFERENTIABLE,
        Host("it raises an error with values in it"),
        lambda: [
            Sample(
                (np.bool_(True), np.ones(2)),
                {"words": "assertion failed", "names": ("x",), "summarize": 3},
            )
        ],
        errors=lambda: [
            BadInput(
                (np.array([True]),),
                {"words": "", "names": (), "summarize": 3},
                InvalidArgumentError,
                "should be a scalar",
            )
        ],
        types=("bool", "any"),
        effect=Effect.HOST,
        outputs=0,
        strings=True,
    )
)


def Assert(
    condition: Any, data: Sequence[Any], summarize: Any = None, name: str | None = None
) -> Any:
    """Raises when a scalar is false.

    Args:
      condition: A scalar truth value.
      data: Tensors and strings to show in the message.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: The condition is false.

    Source: `tf.debugging.Assert`.
    """
    shown = [item for item in data if not isinstance(item, str)]
    text = " ".join(item for item in data if isinstance(item, str))
    return _check(
        hooks.convert(condition),
        f"assertion failed: {text}" if text else "assertion failed",
        [("", hooks.convert(item)) for item in shown],
        summarize,
        name,
    )


def _check(
    condition: Any,
    words: str,
    data: Sequence[tuple[str, Any]],
    summarize: int | None,
    name: str | None,
) -> Any:
    """Adds the op that checks a scalar, or checks it at once in eager mode."""
    attrs = {
        "words": words,
        "names": tuple(label for label, _ in data),
        "summarize": 3 if summarize is None else int(summarize),
    }
    done = call(ASSERT, condition, *(tensor for _, tensor in data), name=name, **attrs)
    return None if building_graph() is None else done


# ---- comparisons


def _words(message: str | None, text: str) -> str:
    return f"{message}: {text}" if message else text


def _compare(
    x: Any,
    y: Any,
    sign: str,
    test: Callable[[Any, Any], Any],
    numpy: Callable[[Array, Array], Any],
    message: str | None,
    summarize: int | None,
    name: str | None,
) -> Any:
    x, y = as_inputs(ADD if sign not in ("==", "!=") else math.EQUAL, (x, y), name)
    words = _words(message, f"Condition x {sign} y did not hold element-wise")
    return _decide(
        [("x", x), ("y", y)],
        lambda a, b: bool(np.all(numpy(a, b))),
        lambda: reduce_all(test(x, y)),
        words,
        summarize,
        name,
    )


def _decide(
    data: Sequence[tuple[str, Any]],
    holds: Callable[..., bool],
    build: Callable[[], Any],
    words: str,
    summarize: int | None,
    name: str | None,
) -> Any:
    """Decides by the values if they are known, else adds an op that will."""
    values = [constant_value(tensor) for _, tensor in data]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or building_graph() is None:
        return _check(build(), words, data, summarize, name)
    with np.errstate(all="ignore"):
        condition = np.asarray(holds(*known))
    names = tuple(label for label, _ in data)
    _assert(
        condition,
        *known,
        words=words,
        names=names,
        summarize=3 if summarize is None else int(summarize),
    )
    return no_op(name)


def _check_sign(
    x: Any,
    sign: str,
    test: Callable[[Any, Any], Any],
    numpy: Any,
    message: str | None,
    summarize: int | None,
    name: str,
) -> Any:
    x = hooks.convert(x)
    return _decide(
        [("x", x)],
        lambda a: bool(np.all(numpy(a, 0))),
        lambda: reduce_all(test(x, 0)),
        _words(message, f"Condition x {sign} 0 did not hold element-wise"),
        summarize,
        name,
    )


def assert_equal(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x == y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_equal`.
    """
    name = name or "assert_equal"
    return _compare(x, y, "==", math.equal, np.equal, message, summarize, name)


def assert_none_equal(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x != y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_none_equal`.
    """
    name = name or "assert_none_equal"
    return _compare(x, y, "!=", math.not_equal, np.not_equal, message, summarize, name)


def assert_less(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x < y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_less`.
    """
    name = name or "assert_less"
    return _compare(x, y, "<", math.less, np.less, message, summarize, name)


def assert_less_equal(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x <= y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_less_equal`.
    """
    name = name or "assert_less_equal"
    return _compare(
        x, y, "<=", math.less_equal, np.less_equal, message, summarize, name
    )


def assert_greater(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x > y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_greater`.
    """
    name = name or "assert_greater"
    return _compare(x, y, ">", math.greater, np.greater, message, summarize, name)


def assert_greater_equal(
    x: Any,
    y: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x >= y holds for all elements.

    Args:
      x, y: Tensors that broadcast.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Returns:
      The op; None in eager mode.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_greater_equal`.
    """
    name = name or "assert_greater_equal"
    return _compare(
        x, y, ">=", math.greater_equal, np.greater_equal, message, summarize, name
    )


def assert_positive(
    x: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x > 0 holds for all elements.

    Args:
      x: A tensor.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_positive`.
    """
    name = name or "assert_positive"
    return _check_sign(x, ">", math.greater, np.greater, message, summarize, name)


def assert_negative(
    x: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x < 0 holds for all elements.

    Args:
      x: A tensor.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_negative`.
    """
    name = name or "assert_negative"
    return _check_sign(x, "<", math.less, np.less, message, summarize, name)


def assert_non_negative(
    x: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x >= 0 holds for all elements.

    Args:
      x: A tensor.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_non_negative`.
    """
    name = name or "assert_non_negative"
    return _check_sign(
        x, ">=", math.greater_equal, np.greater_equal, message, summarize, name
    )


def assert_non_positive(
    x: Any,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless x <= 0 holds for all elements.

    Args:
      x: A tensor.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_non_positive`.
    """
    name = name or "assert_non_positive"
    return _check_sign(
        x, "<=", math.less_equal, np.less_equal, message, summarize, name
    )


def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    message: str | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless |x - y| <= atol + rtol * |y| holds for all elements.

    Args:
      x, y: Floats that broadcast.
      rtol, atol: By default ten times the spacing of the dtype at 1.
      message: The first words of the error.
      summarize: How many elements to show from each end of a dimension; 3 by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: It does not hold.

    Source: `tf.debugging.assert_near`.
    """
    x, y = as_inputs(ADD, (x, y), name)
    is_float = x.dtype.is_floating
    eps = float(10 * np.finfo(x.dtype.numpy).eps) if is_float else 0
    relative = eps if rtol is None else rtol
    absolute = eps if atol is None else atol
    return _decide(
        [("x", x), ("y", y)],
        lambda a, b: bool(
            np.all(np.absolute(a - b) <= absolute + relative * np.absolute(b))
        ),
        lambda: reduce_all(
            math.less_equal(math.abs(x - y), absolute + relative * math.abs(y))
        ),
        _words(message, "x and y not equal to tolerance"),
        summarize,
        name or "assert_near",
    )
