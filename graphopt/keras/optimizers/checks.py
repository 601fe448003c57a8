"""What optimizers refuse: numbers, variables, losses and gradients that cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.keras.messages import warn_user
from graphopt.runtime.variable import Variable

GradsAndVars = list[tuple[Any, Variable]]
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
# What the keyword `on_nonfinite` may be.
ON_NONFINITE = (None, "raise", "skip", "warn")
ALLOWED_KEYWORDS = (
    *CLIPS,
    "lr",
    "decay",
    "weight_decay",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "gradient_accumulation_steps",
    "loss_scale_factor",
    "learning_rate_factors",
    "on_nonfinite",
)


def nearest_keyword(key: str) -> str:
    """Returns words that name the keyword that may have been meant."""
    import difflib

    near = difflib.get_close_matches(key, (*ALLOWED_KEYWORDS, "learning_rate"), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def checked_number(name: str, value: Any) -> Any:
    """Refuses what can be no hyperparameter.

    A learning rate below 0 goes up where another goes down, and is no mistake.

    Raises:
      ValueError: It is not a number, not a scalar, or NaN.
    """
    try:
        number = np.asarray("None" if value is None else value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number; got {value!r}.") from None
    if number.ndim:
        raise ValueError(f"{name} must be a scalar; got shape {number.shape}.")
    if np.isnan(number):
        raise ValueError(f"{name} must not be NaN.")
    return value


def check_not_negative(name: str, value: Any) -> None:
    """Refuses numbers below zero.

    Raises:
      ValueError: It is one.
    """
    if isinstance(value, (int, float, np.number)) and value < 0:
        raise ValueError(f"Expected {name} >= 0, received: {value}")


def is_zero(value: Any) -> bool:
    """Whether a hyperparameter is a number, and 0."""
    return isinstance(value, (int, float, np.number)) and bool(value == 0)


def check_fraction(name: str, value: Any, upper_included: bool = True) -> None:
    """Refuses numbers outside of [0, 1].

    Raises:
      ValueError: The number is out of range.
    """
    if isinstance(value, (int, float, np.number)) and not (
        0 <= value <= 1 if upper_included else 0 <= value < 1
    ):
        bracket = "]" if upper_included else ")"
        raise ValueError(
            f"`{name}` must be between [0, 1{bracket}. Received: {name}={value} "
            f"(of type {type(value)})."
        )


def check_proper_fraction(name: str, value: Any) -> None:
    """Refuses numbers outside of [0, 1).

    Raises:
      ValueError: The number is out of range.
    """
    check_fraction(name, value, upper_included=False)


def check_variables(var_list: Any) -> list[Variable]:
    """Returns the variables of a nest.

    Raises:
      TypeError: Something in it is no variable.
      ValueError: A variable is not floating-point.
    """
    if var_list is None or isinstance(var_list, (str, np.ndarray)):
        raise TypeError(
            f"var_list must hold variables; got {type(var_list).__name__} {var_list!r}."
        )
    found = nest.flatten(as_structure(var_list))
    if not found:
        warn_user("var_list is empty: nothing is updated.")
    for index, var in enumerate(found):
        if not isinstance(var, Variable):
            raise TypeError(
                f"var_list must hold variables; item {index} is a "
                f"{type(var).__name__}: {var!r:.100}."
            )
        if not var.dtype.is_differentiable:
            raise fail(
                ValueError,
                f"Invalid dtype {var.dtype.name} for variable {var.name!r}",
                got=describe_shapes(var),
                expected="one of float16, float32, float64, complex64, complex128",
                site=str(var.key.site),
            )
    return found


def as_structure(var_list: Any) -> Any:
    """Returns what `nest` knows; an iterator or set becomes a list."""
    if isinstance(var_list, (Variable, Tensor)) or nest.is_nested(var_list):
        return var_list
    return list(var_list) if isinstance(var_list, Iterable) else var_list


def check_loss(value: Any, loss: Any) -> None:
    """Refuses what a loss function must not return.

    Raises:
      TypeError: It is no tensor.
      ValueError: It is not floating-point.
    """
    for item in nest.flatten(value):
        if not isinstance(item, Tensor):
            name = getattr(loss, "__qualname__", repr(loss))
            raise TypeError(
                f"The loss function {name} must return a tensor; got "
                f"{type(item).__name__} {item!r}. Compute it from variables with tf ops."
            )
        if not item.dtype.is_floating:
            raise fail(
                ValueError,
                "The loss must be floating-point",
                got=describe_shapes(item),
                op=getattr(item, "op", None),
                remedy="tf.cast(loss, tf.float32)",
            )


def check_any_gradient(
    grads: Sequence[Any], variables: Sequence[Variable], why: Callable[[Any], str]
) -> None:
    """Warns of variables without a gradient; with none at all it is an error."""
    missing = [var for grad, var in zip(grads, variables, strict=True) if grad is None]
    if not missing:
        return
    reasons = "; ".join(f"{var.name!r}: {why(var)}" for var in missing[:4])
    if len(missing) == len(variables):
        names = [var.name for var in variables]
        raise ValueError(
            f"No gradients provided for any variable: {names} ({reasons})."
        )
    names = [var.name for var in missing]
    warn_user(
        f"Gradients do not exist for variables {names} when minimizing the loss "
        f"({reasons})."
    )


def check_pairs(grads_and_vars: Iterable[tuple[Any, Variable]]) -> GradsAndVars:
    """Returns the pairs that have a gradient, converted to tensors."""
    given = converted_pairs(grads_and_vars)
    pairs = [(grad, var) for grad, var in given if grad is not None]
    if given and not pairs:
        names = [var.name for _, var in given]
        raise ValueError(f"No gradients provided for any variable: {names}.")
    if len(pairs) < len(given):
        names = [var.name for grad, var in given if grad is None]
        warn_user(f"Gradients do not exist for variables {names}.")
    return pairs


def converted_pairs(grads_and_vars: Iterable[tuple[Any, Variable]]) -> GradsAndVars:
    """Returns the pairs with their gradients converted to tensors, None left as it is.

    Raises:
      TypeError: Something is no pair, or no variable.
      NotImplementedError: A tensor stands where a variable is expected.
      InvalidArgumentError: A gradient has another shape or dtype than its variable.
    """
    try:
        given = [
            # A vector of two would unpack, and be no pair all the same.
            () if isinstance(pair, (Tensor, Variable)) else tuple(pair)
            for pair in grads_and_vars
        ]
    except TypeError:
        given = [()]
    if any(len(pair) != 2 for pair in given):
        raise TypeError(
            "apply_gradients expected (gradient, variable) pairs; got "
            f"{grads_and_vars!r:.200}."
        )
    pairs: GradsAndVars = []
    for grad, var in given:
        if not isinstance(var, Variable):
            if isinstance(var, Tensor):
                raise NotImplementedError(f"Trying to update a Tensor: {var!r}")
            raise TypeError(f"Expected a variable to update; got {var!r:.100}.")
        pairs.append((None if grad is None else _checked_gradient(grad, var), var))
    return pairs


def _checked_gradient(grad: Any, var: Variable) -> Any:
    if not isinstance(grad, (GraphTensor, EagerTensor, IndexedSlices)):
        grad = hooks.convert(grad, dtype_hint=var.dtype)
    # Of a sparse gradient the rows count; what it says of the whole is not always right.
    sparse = isinstance(grad, IndexedSlices)
    shape = grad.values.shape[1:] if sparse else grad.shape
    expected = var.shape[1:] if sparse else var.shape
    if grad.dtype is not var.dtype or not shape.is_compatible_with(expected):
        raise fail(
            InvalidArgumentError,
            f"The gradient of variable {var.name!r} does not fit it",
            got=describe_shapes(grad),
            expected=describe_shapes(var),
            op=getattr(grad, "op", None),
            site=str(var.key.site),
        )
    return grad
