"""Layers: functions with weights that are made when the first input comes.

A layer is loaded when it is first named, so that `import graphopt` loads none.
"""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras.functional import Input as Input
from graphopt.keras.layers.base import InputSpec as InputSpec
from graphopt.keras.layers.base import Layer as Layer

if TYPE_CHECKING:
    from graphopt.keras.layers.core import Activation as Activation
    from graphopt.keras.layers.core import Dense as Dense
    from graphopt.keras.layers.core import Embedding as Embedding
    from graphopt.keras.layers.core import Identity as Identity
    from graphopt.keras.layers.core import Lambda as Lambda
    from graphopt.keras.layers.core import Masking as Masking
    from graphopt.keras.layers.merging import Add as Add
    from graphopt.keras.layers.merging import Average as Average
    from graphopt.keras.layers.merging import Concatenate as Concatenate
    from graphopt.keras.layers.merging import Dot as Dot
    from graphopt.keras.layers.merging import Maximum as Maximum
    from graphopt.keras.layers.merging import Minimum as Minimum
    from graphopt.keras.layers.merging import Multiply as Multiply
    from graphopt.keras.layers.merging import Subtract as Subtract
    from graphopt.keras.layers.merging import add as add
    from graphopt.keras.layers.merging import average as average
    from graphopt.keras.layers.merging import concatenate as concatenate
    from graphopt.keras.layers.merging import dot as dot
    from graphopt.keras.layers.merging import maximum as maximum
    from graphopt.keras.layers.merging import minimum as minimum
    from graphopt.keras.layers.merging import multiply as multiply
    from graphopt.keras.layers.merging import subtract as subtract
    from graphopt.keras.layers.regularization import (
        ActivityRegularization as ActivityRegularization,
    )
    from graphopt.keras.layers.regularization import AlphaDropout as AlphaDropout
    from graphopt.keras.layers.regularization import Dropout as Dropout
    from graphopt.keras.layers.regularization import GaussianDropout as GaussianDropout
    from graphopt.keras.layers.regularization import GaussianNoise as GaussianNoise
    from graphopt.keras.layers.regularization import (
        SpatialDropout1D as SpatialDropout1D,
    )
    from graphopt.keras.layers.regularization import (
        SpatialDropout2D as SpatialDropout2D,
    )
    from graphopt.keras.layers.regularization import (
        SpatialDropout3D as SpatialDropout3D,
    )
    from graphopt.keras.layers.reshaping import Flatten as Flatten
    from graphopt.keras.layers.reshaping import Permute as Permute
    from graphopt.keras.layers.reshaping import RepeatVector as RepeatVector
    from graphopt.keras.layers.reshaping import Reshape as Reshape

# From names to the files that they are in.
_LATER = {
    "Activation": "core",
    "Dense": "core",
    "Embedding": "core",
    "Identity": "core",
    "Lambda": "core",
    "Masking": "core",
    "Add": "merging",
    "Average": "merging",
    "Concatenate": "merging",
    "Dot": "merging",
    "Maximum": "merging",
    "Minimum": "merging",
    "Multiply": "merging",
    "Subtract": "merging",
    "add": "merging",
    "average": "merging",
    "concatenate": "merging",
    "dot": "merging",
    "maximum": "merging",
    "minimum": "merging",
    "multiply": "merging",
    "subtract": "merging",
    "ActivityRegularization": "regularization",
    "AlphaDropout": "regularization",
    "Dropout": "regularization",
    "GaussianDropout": "regularization",
    "GaussianNoise": "regularization",
    "SpatialDropout1D": "regularization",
    "SpatialDropout2D": "regularization",
    "SpatialDropout3D": "regularization",
    "Flatten": "reshaping",
    "Permute": "reshaping",
    "RepeatVector": "reshaping",
    "Reshape": "reshaping",
}
# Other names of some.
_SAME: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    own = _SAME.get(name, name)
    if own not in _LATER:
        raise AttributeError(f"module 'tf.keras.layers' has no attribute {name!r}")
    module = importlib.import_module(f"graphopt.keras.layers.{_LATER[own]}")
    return getattr(module, own)


def __dir__() -> list[str]:
    here = {n for n in globals() if not n.startswith("_")}
    return sorted((here | {*_LATER, *_SAME}) - {"Any", "TYPE_CHECKING", "importlib"})
