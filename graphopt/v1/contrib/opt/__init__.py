"""`tf.contrib.opt`: more optimizers, in the manner of `tf.train`'s."""

from typing import Any

from graphopt.v1.contrib.below import look_below
from graphopt.v1.contrib.opt.adam_kind import AdaMaxOptimizer as AdaMaxOptimizer
from graphopt.v1.contrib.opt.adam_kind import LazyAdamOptimizer as LazyAdamOptimizer
from graphopt.v1.contrib.opt.adam_kind import NadamOptimizer as NadamOptimizer
from graphopt.v1.contrib.opt.averages import (
    MovingAverageOptimizer as MovingAverageOptimizer,
)
from graphopt.v1.contrib.opt.decay import AdamWOptimizer as AdamWOptimizer
from graphopt.v1.contrib.opt.decay import (
    DecoupledWeightDecayExtension as DecoupledWeightDecayExtension,
)
from graphopt.v1.contrib.opt.decay import MomentumWOptimizer as MomentumWOptimizer
from graphopt.v1.contrib.opt.decay import (
    extend_with_decoupled_weight_decay as extend_with_decoupled_weight_decay,
)
from graphopt.v1.contrib.opt.external import (
    ExternalOptimizerInterface as ExternalOptimizerInterface,
)
from graphopt.v1.contrib.opt.external import (
    ScipyOptimizerInterface as ScipyOptimizerInterface,
)
from graphopt.v1.contrib.opt.lars import LARSOptimizer as LARSOptimizer
from graphopt.v1.contrib.opt.sign_decays import (
    get_cosine_decay_fn as get_cosine_decay_fn,
)
from graphopt.v1.contrib.opt.sign_decays import (
    get_linear_decay_fn as get_linear_decay_fn,
)
from graphopt.v1.contrib.opt.sign_decays import (
    get_restart_decay_fn as get_restart_decay_fn,
)
from graphopt.v1.contrib.opt.signs import AddSignOptimizer as AddSignOptimizer
from graphopt.v1.contrib.opt.signs import PowerSignOptimizer as PowerSignOptimizer


def __getattr__(name: str) -> Any:
    return look_below("opt", name)
