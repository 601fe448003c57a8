"""Learning rates that change with the step, as ops: no Python runs in a step.

A schedule is a function of the step count. In a step it is a few scalars, which are
computed with the coefficients of the equation, once, in one kernel for all scalars.
"""

from __future__ import annotations

from typing import Any

from graphopt.keras.optimizers.schedules.base import (
    LearningRateSchedule as LearningRateSchedule,
)
from graphopt.keras.optimizers.schedules.combined import Joined as Joined
from graphopt.keras.optimizers.schedules.combined import LinearWarmup as LinearWarmup
from graphopt.keras.optimizers.schedules.combined import OneCycle as OneCycle
from graphopt.keras.optimizers.schedules.decays import CosineDecay as CosineDecay
from graphopt.keras.optimizers.schedules.decays import (
    CosineDecayRestarts as CosineDecayRestarts,
)
from graphopt.keras.optimizers.schedules.decays import (
    ExponentialDecay as ExponentialDecay,
)
from graphopt.keras.optimizers.schedules.decays import (
    InverseTimeDecay as InverseTimeDecay,
)
from graphopt.keras.optimizers.schedules.decays import (
    PiecewiseConstantDecay as PiecewiseConstantDecay,
)
from graphopt.keras.optimizers.schedules.decays import (
    PolynomialDecay as PolynomialDecay,
)
from graphopt.keras.optimizers.schedules.linear_cosine import (
    LinearCosineDecay as LinearCosineDecay,
)
from graphopt.keras.optimizers.schedules.linear_cosine import (
    NoisyLinearCosineDecay as NoisyLinearCosineDecay,
)

CLASSES: dict[str, type[LearningRateSchedule]] = {
    made.__name__: made
    for made in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        Joined,
        LinearCosineDecay,
        LinearWarmup,
        NoisyLinearCosineDecay,
        OneCycle,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Returns class name and config as plain values.

    Source: `tf.keras.optimizers.schedules.serialize`.
    """
    config = learning_rate_schedule.get_config()
    return {
        "module": "keras.optimizers.schedules",
        "class_name": type(learning_rate_schedule).__name__,
        "config": {name: _serialized(value) for name, value in config.items()},
        "registered_name": None,
    }


def _serialized(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule):
        return serialize(value)
    return [_serialized(each) for each in value] if isinstance(value, list) else value


def deserialize(
    config: dict[str, Any], custom_objects: dict[str, Any] | None = None
) -> LearningRateSchedule:
    """Makes a schedule of what `serialize` returned.

    Args:
      config: With `class_name` and `config`.
      custom_objects: Further classes by name.

    Raises:
      ValueError: No schedule has that name.

    Source: `tf.keras.optimizers.schedules.deserialize`.
    """
    known = {**CLASSES, **(custom_objects or {})}
    name = config.get("class_name")
    if name not in known:
        raise ValueError(
            f"Unknown learning rate schedule {name!r}; expected one of {sorted(known)}."
        )

    def made(value: Any) -> Any:
        if isinstance(value, dict) and "class_name" in value:
            return deserialize(value, custom_objects)
        return [made(each) for each in value] if isinstance(value, list) else value

    arguments = {key: made(value) for key, value in config["config"].items()}
    schedule: LearningRateSchedule = known[name].from_config(arguments)
    return schedule
