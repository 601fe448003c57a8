"""`tf.keras.optimizers.legacy`: the same classes, for here they are OptimizerV2."""

from typing import TYPE_CHECKING, Any

from graphopt.keras import optimizers

if TYPE_CHECKING:
    from graphopt.keras.optimizers.adabelief import AdaBelief as AdaBelief
    from graphopt.keras.optimizers.adadelta import Adadelta as Adadelta
    from graphopt.keras.optimizers.adafactor import Adafactor as Adafactor
    from graphopt.keras.optimizers.adagrad import Adagrad as Adagrad
    from graphopt.keras.optimizers.adam import Adam as Adam
    from graphopt.keras.optimizers.adamax import Adamax as Adamax
    from graphopt.keras.optimizers.adamw import AdamW as AdamW
    from graphopt.keras.optimizers.base import Optimizer as Optimizer
    from graphopt.keras.optimizers.ftrl import Ftrl as Ftrl
    from graphopt.keras.optimizers.lamb import Lamb as Lamb
    from graphopt.keras.optimizers.lars import LARS as LARS
    from graphopt.keras.optimizers.lazy_adam import LazyAdam as LazyAdam
    from graphopt.keras.optimizers.lion import Lion as Lion
    from graphopt.keras.optimizers.loss_scale import (
        LossScaleOptimizer as LossScaleOptimizer,
    )
    from graphopt.keras.optimizers.muon import Muon as Muon
    from graphopt.keras.optimizers.nadam import Nadam as Nadam
    from graphopt.keras.optimizers.radam import RAdam as RAdam
    from graphopt.keras.optimizers.rmsprop import RMSprop as RMSprop
    from graphopt.keras.optimizers.rprop import Rprop as Rprop
    from graphopt.keras.optimizers.schedule_free_adamw import (
        ScheduleFreeAdamW as ScheduleFreeAdamW,
    )
    from graphopt.keras.optimizers.sgd import SGD as SGD
    from graphopt.keras.optimizers.yogi import Yogi as Yogi


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        return getattr(optimizers, name)


def __dir__() -> list[str]:
    return [*(made.__name__ for made in optimizers.CLASSES.values()), "Optimizer"]
