"""The base class of learning rate schedules."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import float32
from graphopt.graph.hooks import hooks
from graphopt.keras.describing import describe_config
from graphopt.ops.elementwise import cast


class LearningRateSchedule:
    """A learning rate as a function of the step: subclasses define `__call__(step)`.

    Source: `tf.keras.optimizers.schedules.LearningRateSchedule`.
    """

    # The constructor's arguments, which `get_config` returns.
    arguments: tuple[str, ...] = ()

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step.

        Args:
          step: Scalar tensor or number; a float64 step gives a float64 rate.
        """
        raise NotImplementedError(
            "Learning rate schedule must override __call__(step)."
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        if not self.arguments:
            raise NotImplementedError(
                "Learning rate schedule must override get_config."
            )
        return {name: getattr(self, name) for name in self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Makes a schedule of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return describe_config(self)


def as_float(step: Any) -> Any:
    """The step as a float: its own type if it is one, else float32."""
    step = hooks.convert(step)
    return step if step.dtype.is_floating else cast(step, float32)
