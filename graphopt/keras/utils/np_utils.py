"""`keras.utils.np_utils`: functions on arrays, under the module's name of earlier versions."""

from graphopt.keras.utils.arrays import normalize as normalize
from graphopt.keras.utils.arrays import to_categorical as to_categorical
