"""`tf.version`: the version of TensorFlow whose names these are.

The version of this package is `graphopt.__version__`.
"""

VERSION = "2.15.1"
GIT_VERSION = "unknown"
COMPILER_VERSION = "numba"
GRAPH_DEF_VERSION = 1645
GRAPH_DEF_VERSION_MIN_CONSUMER = 0
GRAPH_DEF_VERSION_MIN_PRODUCER = 0
