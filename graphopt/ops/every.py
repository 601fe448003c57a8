"""Loads the ops that are loaded when they are used, so that the registry has all of them."""

from graphopt.ops import incomplete as incomplete
from graphopt.ops import partitions as partitions
from graphopt.ops import random_gamma as random_gamma
