"""Which way a metric gets better, and where its value is: what several callbacks share."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.keras import backend
from graphopt.keras.messages import warn_user

MODES = ("auto", "min", "max")


def check_mode(mode: str, what: str) -> str:
    """Returns the mode; `"auto"`, with a warning, for one that is unknown."""
    if mode in MODES:
        return mode
    warn_user(
        f"{what} mode {mode} is unknown, fallback to auto mode. Try one of {MODES}."
    )
    return "auto"


def grows(monitor: str, mode: str, endings: tuple[str, ...] = ()) -> bool:
    """Whether a larger value is a better one.

    Args:
      monitor: The name of the metric.
      mode: For `"auto"` the name decides.
      endings: How names of such metrics end; by default those with `acc` in them are.
    """
    if mode != "auto":
        return mode == "max"
    if endings:
        return monitor.endswith(endings)
    return "acc" in monitor


def value_in(logs: Any, monitor: str, what: str) -> Any:
    """Returns the value of a metric, or None with a warning that says what there is."""
    value = (logs or {}).get(monitor)
    if value is None:
        names = ",".join(logs or {})
        remedy = ""
        if monitor.startswith("val_") and not any(
            name.startswith("val_") for name in logs or {}
        ):
            remedy = " Try fit(..., validation_data=...), or another `monitor`."
        warn_user(
            f"{what} conditioned on metric `{monitor}` which is not available. "
            f"Available metrics are: {names}.{remedy}"
        )
    return value


def learning_rate(model: Any) -> Any:
    """Returns the learning rate of a model's optimizer as a NumPy number.

    Raises:
      ValueError: The optimizer has none, or a schedule in its place.
    """
    return np.float32(backend.get_value(_rate_variable(model)))


def set_learning_rate(model: Any, value: Any) -> None:
    """Sets the learning rate of a model's optimizer; nothing is compiled anew."""
    _rate_variable(model)
    model.optimizer.lr = float(value)


def _rate_variable(model: Any) -> Any:
    optimizer: Any = getattr(model, "optimizer", None)
    if not hasattr(optimizer, "lr"):
        raise ValueError('Optimizer must have a "lr" attribute.')
    rate = optimizer.lr
    if callable(rate) and not hasattr(rate, "assign"):
        raise fail(
            ValueError,
            "A callback cannot set the learning rate of an optimizer that follows a "
            "schedule",
            got=f"learning_rate={rate!r}",
            expected="a number",
            site=str(user_site()),
            remedy="either the schedule or the callback",
        )
    return rate
