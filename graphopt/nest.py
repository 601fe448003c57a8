"""`tf.nest`: structures of lists, tuples and dicts."""

from graphopt.graph.nest import flatten as flatten
from graphopt.graph.nest import is_nested as is_nested
from graphopt.graph.nest import map_structure as map_structure
