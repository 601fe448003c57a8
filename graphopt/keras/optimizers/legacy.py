"""`tf.keras.optimizers.legacy`: the same classes, for here they are OptimizerV2."""

from typing import Any

from graphopt.keras import optimizers


def __getattr__(name: str) -> Any:
    return getattr(optimizers, name)


def __dir__() -> list[str]:
    return [*(made.__name__ for made in optimizers.CLASSES.values()), "Optimizer"]
