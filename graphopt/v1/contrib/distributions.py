"""`tf.contrib.distributions`: those of `tf.distributions`, and more."""

from graphopt.compat.v1.distributions import *  # noqa: F403 (all of it)
from graphopt.compat.v1.distributions import kl_divergence as kl_divergence
from graphopt.compat.v1.distributions.discrete import (
    OneHotCategorical as OneHotCategorical,
)
from graphopt.compat.v1.distributions.discrete import Poisson as Poisson
from graphopt.compat.v1.distributions.discrete import (
    RelaxedOneHotCategorical as RelaxedOneHotCategorical,
)
from graphopt.compat.v1.distributions.multivariate import Independent as Independent
from graphopt.compat.v1.distributions.multivariate import (
    MultivariateNormalDiag as MultivariateNormalDiag,
)
