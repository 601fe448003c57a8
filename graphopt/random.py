"""`tf.random`: seeds, and numbers that depend on a seed alone."""

from typing import TYPE_CHECKING, Any

from graphopt.ops.candidates import all_candidate_sampler as all_candidate_sampler
from graphopt.ops.candidates import (
    fixed_unigram_candidate_sampler as fixed_unigram_candidate_sampler,
)
from graphopt.ops.candidates import (
    learned_unigram_candidate_sampler as learned_unigram_candidate_sampler,
)
from graphopt.ops.candidates import (
    log_uniform_candidate_sampler as log_uniform_candidate_sampler,
)
from graphopt.ops.candidates import (
    uniform_candidate_sampler as uniform_candidate_sampler,
)
from graphopt.ops.random import set_seed as set_seed
from graphopt.ops.random import stateless_categorical as stateless_categorical
from graphopt.ops.random import stateless_normal as stateless_normal
from graphopt.ops.random import stateless_truncated_normal as stateless_truncated_normal
from graphopt.ops.random import stateless_uniform as stateless_uniform
from graphopt.ops.random_stateful import categorical as categorical
from graphopt.ops.random_stateful import normal as normal
from graphopt.ops.random_stateful import shuffle as shuffle
from graphopt.ops.random_stateful import truncated_normal as truncated_normal
from graphopt.ops.random_stateful import uniform as uniform

if TYPE_CHECKING:
    from graphopt.ops.random_gamma import random_gamma as _random_gamma
    from graphopt.ops.random_gamma import random_poisson as _random_poisson

    gamma = _random_gamma
    poisson = _random_poisson

# Functions that are loaded when they are used: name -> name in the module.
_LATER = {"gamma": "random_gamma", "poisson": "random_poisson"}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            from graphopt.ops import random_gamma

            return getattr(random_gamma, _LATER[name])
        raise AttributeError(f"module 'tf.random' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*(n for n in globals() if not n.startswith("_")), *_LATER]
