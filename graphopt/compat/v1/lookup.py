"""`tf.compat.v1.lookup`: tables in graphs."""

from graphopt.lookup import KeyValueTensorInitializer as KeyValueTensorInitializer
from graphopt.lookup import StaticHashTable as StaticHashTable
from graphopt.lookup import StaticVocabularyTable as StaticVocabularyTable
from graphopt.lookup import TextFileIndex as TextFileIndex
from graphopt.lookup import TextFileInitializer as TextFileInitializer
from graphopt.lookup import experimental as experimental
