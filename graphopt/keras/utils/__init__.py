"""`tf.keras.utils`: helpers around models and data."""

from graphopt.files.downloads import get_file as get_file
from graphopt.keras.utils.arrays import normalize as normalize
from graphopt.keras.utils.arrays import to_categorical as to_categorical
