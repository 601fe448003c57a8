"""Loads the ops that are loaded when they are used, so that the registry has all of them."""

from graphopt.ops import encoded_bytes as encoded_bytes
from graphopt.ops import example_parsing as example_parsing
from graphopt.ops import incomplete as incomplete
from graphopt.ops import outside as outside
from graphopt.ops import partitions as partitions
from graphopt.ops import random_gamma as random_gamma
from graphopt.ops import string_parts as string_parts
from graphopt.ops import strings as strings
from graphopt.ops import tables as tables
