"""`tf.lookup.experimental`: tables that grow."""

from graphopt.lookup.tables import DenseHashTable as DenseHashTable
from graphopt.lookup.tables import MutableHashTable as MutableHashTable

__all__ = ["DenseHashTable", "MutableHashTable"]
