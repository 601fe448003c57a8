"""`tf.distributions` of TensorFlow 1."""

from graphopt.compat.v1.distributions.base import (
    FULLY_REPARAMETERIZED as FULLY_REPARAMETERIZED,
)
from graphopt.compat.v1.distributions.base import (
    NOT_REPARAMETERIZED as NOT_REPARAMETERIZED,
)
from graphopt.compat.v1.distributions.base import Distribution as Distribution
from graphopt.compat.v1.distributions.base import RegisterKL as RegisterKL
from graphopt.compat.v1.distributions.base import (
    ReparameterizationType as ReparameterizationType,
)
from graphopt.compat.v1.distributions.base import kl_divergence as kl_divergence
from graphopt.compat.v1.distributions.continuous import Beta as Beta
from graphopt.compat.v1.distributions.continuous import Exponential as Exponential
from graphopt.compat.v1.distributions.continuous import Gamma as Gamma
from graphopt.compat.v1.distributions.continuous import Normal as Normal
from graphopt.compat.v1.distributions.continuous import Uniform as Uniform
from graphopt.compat.v1.distributions.discrete import Bernoulli as Bernoulli
from graphopt.compat.v1.distributions.discrete import Categorical as Categorical
from graphopt.compat.v1.distributions.discrete import Dirichlet as Dirichlet
from graphopt.compat.v1.distributions.discrete import Multinomial as Multinomial
from graphopt.compat.v1.distributions.heavy_tails import Laplace as Laplace
from graphopt.compat.v1.distributions.heavy_tails import StudentT as StudentT
