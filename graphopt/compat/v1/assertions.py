"""Assertions with the arguments that TensorFlow 1 had: `data` comes before `summarize`."""

from __future__ import annotations

from typing import Any

from graphopt import nest
from graphopt.compat.v1.arguments import one_of
from graphopt.ops import assertions, finite
from graphopt.ops import shape_assertions as shapes


def assert_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_equal`; `data` is not printed.

    Source: `tf.compat.v1.assert_equal`.
    """
    return assertions.assert_equal(x, y, message, summarize, name)


def assert_greater(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_greater`; `data` is not printed.

    Source: `tf.compat.v1.assert_greater`.
    """
    return assertions.assert_greater(x, y, message, summarize, name)


def assert_greater_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_greater_equal`; `data` is not printed.

    Source: `tf.compat.v1.assert_greater_equal`.
    """
    return assertions.assert_greater_equal(x, y, message, summarize, name)


def assert_less(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_less`; `data` is not printed.

    Source: `tf.compat.v1.assert_less`.
    """
    return assertions.assert_less(x, y, message, summarize, name)


def assert_less_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_less_equal`; `data` is not printed.

    Source: `tf.compat.v1.assert_less_equal`.
    """
    return assertions.assert_less_equal(x, y, message, summarize, name)


def assert_none_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_none_equal`; `data` is not printed.

    Source: `tf.compat.v1.assert_none_equal`.
    """
    return assertions.assert_none_equal(x, y, message, summarize, name)


def assert_negative(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_negative`; `data` is not printed.

    Source: `tf.compat.v1.assert_negative`.
    """
    return assertions.assert_negative(x, message, summarize, name)


def assert_non_negative(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_non_negative`; `data` is not printed.

    Source: `tf.compat.v1.assert_non_negative`.
    """
    return assertions.assert_non_negative(x, message, summarize, name)


def assert_non_positive(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_non_positive`; `data` is not printed.

    Source: `tf.compat.v1.assert_non_positive`.
    """
    return assertions.assert_non_positive(x, message, summarize, name)


def assert_positive(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_positive`; `data` is not printed.

    Source: `tf.compat.v1.assert_positive`.
    """
    return assertions.assert_positive(x, message, summarize, name)


def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_near`.

    Source: `tf.compat.v1.assert_near`.
    """
    named = {"rtol": rtol, "atol": atol}
    given = {key: value for key, value in named.items() if value is not None}
    return assertions.assert_near(
        x, y, message=message, summarize=summarize, name=name, **given
    )


def assert_rank(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_rank`.

    Source: `tf.compat.v1.assert_rank`.
    """
    return shapes.assert_rank(x, rank, message, name)


def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_rank_at_least`.

    Source: `tf.compat.v1.assert_rank_at_least`.
    """
    return shapes.assert_rank_at_least(x, rank, message, name)


def assert_rank_in(
    x: Any,
    ranks: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.debugging.assert_rank_in`.

    Source: `tf.compat.v1.assert_rank_in`.
    """
    return shapes.assert_rank_in(x, ranks, message, name)


def assert_scalar(
    tensor: Any, name: str | None = None, message: str | None = None
) -> Any:
    """As `tf.debugging.assert_scalar`.

    Source: `tf.compat.v1.assert_scalar`.
    """
    return shapes.assert_scalar(tensor, message, name)


def assert_proper_iterable(values: Any) -> None:
    """Raises unless a value can be iterated over and is no tensor.

    Raises:
      TypeError: It cannot, or is one.

    Source: `tf.compat.v1.assert_proper_iterable`.
    """
    if (
        hasattr(values, "dtype")
        or not hasattr(values, "__iter__")
        or isinstance(values, (str, bytes))
    ):
        raise TypeError(
            f"Expected argument to be iterable and no tensor, array or text, got "
            f"{type(values).__name__}"
        )


def assert_same_float_dtype(tensors: Any = None, dtype: Any = None) -> Any:
    """Raises unless tensors have one dtype, a float; returns it.

    Raises:
      ValueError: They have several, or others.

    Source: `tf.compat.v1.assert_same_float_dtype`.
    """
    from graphopt.dtypes import as_dtype, float32

    wanted = None if dtype is None else as_dtype(dtype)
    for each in nest.flatten(tensors or []):
        found = as_dtype(each.dtype)
        if wanted is not None and found is not wanted:
            raise ValueError(f"Expected {wanted.name}, got {found.name}: {each!r:.80}")
        wanted = found
    wanted = wanted or float32
    if not wanted.is_floating:
        raise ValueError(f"Expected floating point type, got {wanted.name}.")
    return wanted


def verify_tensor_all_finite(
    t: Any = None,
    msg: str | None = None,
    name: str | None = None,
    x: Any = None,
    message: str | None = None,
) -> Any:
    """As `tf.debugging.assert_all_finite`.

    Source: `tf.compat.v1.verify_tensor_all_finite`.
    """
    given = one_of("message", message, "msg", msg, "")
    return finite.assert_all_finite(one_of("x", x, "t", t), given, name)
