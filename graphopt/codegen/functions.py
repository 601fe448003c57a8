"""Functions that generated kernels may call, one for each dtype: `exp_float32`, ..."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from graphopt.codegen.compile import native
from graphopt.codegen.compile.intrinsics import INTRINSICS
from graphopt.codegen.compile.truncation import truncate_int32, truncate_int64
from graphopt.codegen.convolution.channels import make_channel_functions
from graphopt.codegen.convolution.convolution_tiles import make_tile_functions
from graphopt.codegen.convolution.one_channel import make_one_channel_functions
from graphopt.codegen.maths import special_functions, vector_math
from graphopt.codegen.matmul import tile as gemm_tile
from graphopt.codegen.random.philox import philox
from graphopt.codegen.random.random_functions import make_random_functions
from graphopt.codegen.reductions.accumulators import make_accumulators
from graphopt.codegen.reductions.block_sizes import LANES
from graphopt.codegen.reductions.row_vectors import make_row_functions
from graphopt.ops.blocks import BLOCK

_VECTORIZED = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "erfc",
    "sin",
    "cos",
    "pow",
]


_INSTRUCTIONS = ("sqrt", "floor", "ceil", "rint")


def make_namespace() -> dict[str, Any]:
    """Returns the global names of generated kernels: types, pointers and functions."""
    names: dict[str, Any] = {
        "boolean": numba.boolean,
        **{name: native.make_instruction(name) for name in _INSTRUCTIONS},
        "report_status": native.report_status,
        "truncate_int32": truncate_int32,
        "truncate_int64": truncate_int64,
        **INTRINSICS,
        # One block of a reduction, of the widest elements.
        "block_buffer": gemm_tile.make_stack(8 * BLOCK),
        "lane_buffer": gemm_tile.make_stack(8 * LANES),
        **make_accumulators(),
        **make_row_functions(),
        **make_tile_functions(),
        "philox": philox,
        **make_random_functions(),
    }
    for name in ("int8", "int16", "int32", "int64", "uint8", "float32", "float64"):
        names[name] = getattr(numba, name)
        names[f"pointer_{name}"] = getattr(native, f"pointer_{name}")
        names.update(make_channel_functions(name))
    for kind in ("float32", "float64"):
        names.update(make_one_channel_functions(np.dtype(kind)))
        for name in _VECTORIZED:
            names[f"{name}_{kind}"] = getattr(vector_math, name)
        for name, function in special_functions.FUNCTIONS.items():
            names[f"{name}_{kind}"] = function
    return names
