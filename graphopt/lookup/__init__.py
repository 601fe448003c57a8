"""`tf.lookup`: tables from words to numbers and back.

A table is a dict that Python keeps. Looking up is a host step: words come in, numbers go
on into kernels. In a graph static tables are filled by `tf.compat.v1.tables_initializer`,
eagerly when they are made.
"""

from graphopt.lookup import experimental as experimental
from graphopt.lookup.initializers import (
    KeyValueTensorInitializer as KeyValueTensorInitializer,
)
from graphopt.lookup.initializers import TextFileIndex as TextFileIndex
from graphopt.lookup.initializers import TextFileInitializer as TextFileInitializer
from graphopt.lookup.tables import StaticHashTable as StaticHashTable
from graphopt.lookup.tables import StaticVocabularyTable as StaticVocabularyTable

__all__ = [
    "KeyValueTensorInitializer",
    "StaticHashTable",
    "StaticVocabularyTable",
    "TextFileIndex",
    "TextFileInitializer",
    "experimental",
]
