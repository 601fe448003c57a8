"""Functions that the text of a kernel may call, by their names: `exp_float32`, ..."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any

import numba

from graphopt.codegen import maths
from graphopt.codegen.compile import primitives
from graphopt.codegen.convolution import channels
from graphopt.codegen.matmul import tile
from graphopt.codegen.random.philox import philox
from graphopt.codegen.random.random_functions import make_random_functions
from graphopt.codegen.reductions.accumulators import make_accumulators
from graphopt.codegen.reductions.row_vectors import make_row_functions
from graphopt.ops.blocks import BLOCK, LANES


class _Namespace(dict[str, Any]):
    """Names and what they stand for; those of tiles are made when they are asked for."""

    def __missing__(self, name: str) -> Any:
        function = tile.find_function(name)
        if function is None:
            raise KeyError(name)
        self[name] = function
        return function


@functools.cache
def make_namespace() -> dict[str, Any]:
    """Returns the global names of kernels: types, pointers and functions."""
    names = _Namespace()
    names |= {
        "boolean": numba.boolean,
        **primitives.FUNCTIONS,
        # One block of a reduction, of the widest elements.
        "block_buffer": tile.find_function(f"stack_{8 * BLOCK}"),
        "lane_buffer": tile.find_function(f"stack_{8 * LANES}"),
        **make_accumulators(),
        **make_row_functions(),
        **channels.FUNCTIONS,
        "philox": philox,
        **make_random_functions(),
    }
    for name in ("int8", "int16", "int32", "int64", "uint8", "float32", "float64"):
        names[name] = getattr(numba, name)
    for name, function in find_maths().items():
        names |= {f"{name}_{kind}": function for kind in ("float32", "float64")}
    return names


def find_maths() -> dict[str, Any]:
    """Returns the functions of float32 and float64 that the files of `maths` have."""
    functions: dict[str, Any] = {}
    for file in pkgutil.iter_modules(maths.__path__):
        module = importlib.import_module(f"{maths.__name__}.{file.name}")
        functions |= getattr(module, "FUNCTIONS", {})
    return functions
