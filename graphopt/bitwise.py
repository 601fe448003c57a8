"""`tf.bitwise`: bits of integers."""

from graphopt.ops.integers import bitwise_and as bitwise_and
from graphopt.ops.integers import bitwise_or as bitwise_or
from graphopt.ops.integers import bitwise_xor as bitwise_xor
from graphopt.ops.integers import invert as invert
from graphopt.ops.integers import left_shift as left_shift
from graphopt.ops.integers import population_count as population_count
from graphopt.ops.integers import right_shift as right_shift
