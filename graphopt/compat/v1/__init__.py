"""`tf.compat.v1`: the names of TensorFlow 1 under TensorFlow 2.

Loading it leaves the mode alone; `disable_eager_execution` and `disable_v2_behavior` make
graphs the default. `graphopt.v1` is the namespace of a program of version 1. The names of
`graphopt` are here too.
"""

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import graphopt

if TYPE_CHECKING:
    from graphopt import *  # noqa: F403 (all of it, so that a new op is listed once)
from graphopt import executing_eagerly as executing_eagerly
from graphopt import keras as keras
from graphopt import nest as nest
from graphopt import signal as spectral
from graphopt.compat.v1 import initializers as initializers  # type: ignore[no-redef]
from graphopt.compat.v1 import math as math  # type: ignore[no-redef]
from graphopt.compat.v1 import nn as nn  # type: ignore[no-redef]
from graphopt.compat.v1.initializers import constant_initializer as constant_initializer
from graphopt.compat.v1.initializers import ones_initializer as ones_initializer
from graphopt.compat.v1.initializers import (
    random_normal_initializer as random_normal_initializer,
)
from graphopt.compat.v1.initializers import (
    random_uniform_initializer as random_uniform_initializer,
)
from graphopt.compat.v1.initializers import (
    truncated_normal_initializer as truncated_normal_initializer,
)
from graphopt.compat.v1.initializers import zeros_initializer as zeros_initializer
from graphopt.compat.v1.windows import batch_to_space as batch_to_space
from graphopt.compat.v1.windows import depth_to_space as depth_to_space
from graphopt.compat.v1.windows import extract_image_patches as extract_image_patches
from graphopt.compat.v1.windows import space_to_batch as space_to_batch
from graphopt.compat.v1.windows import space_to_depth as space_to_depth
from graphopt.graph.context import get_default_graph as get_default_graph
from graphopt.graph.context import reset_default_graph as reset_default_graph
from graphopt.graph.dimension import Dimension as Dimension
from graphopt.graph.dimension import dimension_at_index as dimension_at_index
from graphopt.graph.dimension import dimension_value as dimension_value
from graphopt.graph.dimension import enable_dimensions
from graphopt.graph.shape import TensorShape as TensorShape
from graphopt.keras.initializers import GlorotNormal as glorot_normal_initializer
from graphopt.keras.initializers import GlorotUniform as glorot_uniform_initializer
from graphopt.keras.initializers import Orthogonal as orthogonal_initializer
from graphopt.keras.initializers import VarianceScaling as variance_scaling_initializer
from graphopt.keras.variable_scopes import AUTO_REUSE as AUTO_REUSE
from graphopt.keras.variable_scopes import VariableScope as VariableScope
from graphopt.keras.variable_scopes import get_local_variable as get_local_variable
from graphopt.keras.variable_scopes import get_variable as get_variable
from graphopt.keras.variable_scopes import get_variable_scope as get_variable_scope
from graphopt.keras.variable_scopes import variable_scope as variable_scope
from graphopt.ops.assertions import assert_greater_equal as assert_greater_equal
from graphopt.ops.assertions import assert_less_equal as assert_less_equal
from graphopt.ops.assertions import assert_near as assert_near
from graphopt.ops.assertions import assert_negative as assert_negative
from graphopt.ops.assertions import assert_non_negative as assert_non_negative
from graphopt.ops.assertions import assert_non_positive as assert_non_positive
from graphopt.ops.assertions import assert_none_equal as assert_none_equal
from graphopt.ops.assertions import assert_positive as assert_positive
from graphopt.ops.complex_numbers import angle as angle
from graphopt.ops.complex_numbers import conj as conj
from graphopt.ops.complex_numbers import fft as fft
from graphopt.ops.complex_numbers import fft2d as fft2d
from graphopt.ops.complex_numbers import ifft as ifft
from graphopt.ops.complex_numbers import ifft2d as ifft2d
from graphopt.ops.complex_numbers import imag as imag
from graphopt.ops.complex_numbers import real as real
from graphopt.ops.creation import placeholder as placeholder
from graphopt.ops.decompositions import eigvalsh as self_adjoint_eigvals
from graphopt.ops.decompositions import lstsq as matrix_solve_ls
from graphopt.ops.decompositions import qr as qr
from graphopt.ops.decompositions import self_adjoint_eig as self_adjoint_eig
from graphopt.ops.decompositions import svd as svd
from graphopt.ops.diagonal import band_part as matrix_band_part
from graphopt.ops.diagonal import diag as matrix_diag
from graphopt.ops.diagonal import diag_part as matrix_diag_part
from graphopt.ops.diagonal import set_diag as matrix_set_diag
from graphopt.ops.diagonal import trace as trace
from graphopt.ops.elementwise import ceil as ceil
from graphopt.ops.elementwise import erf as erf
from graphopt.ops.elementwise import expm1 as expm1
from graphopt.ops.elementwise import floordiv as floordiv
from graphopt.ops.elementwise import floormod as floormod
from graphopt.ops.elementwise import floormod as mod
from graphopt.ops.elementwise import is_finite as is_finite
from graphopt.ops.elementwise import is_inf as is_inf
from graphopt.ops.elementwise import is_nan as is_nan
from graphopt.ops.elementwise import log as log
from graphopt.ops.elementwise import log1p as log1p
from graphopt.ops.elementwise import reciprocal as reciprocal
from graphopt.ops.elementwise import rsqrt as rsqrt
from graphopt.ops.elementwise import squared_difference as squared_difference
from graphopt.ops.finite import add_check_numerics_ops as add_check_numerics_ops
from graphopt.ops.finite import assert_all_finite as verify_tensor_all_finite
from graphopt.ops.finite import check_numerics as check_numerics
from graphopt.ops.host import py_func as py_func
from graphopt.ops.integers import bincount as bincount
from graphopt.ops.linear_systems import cholesky as cholesky
from graphopt.ops.linear_systems import cholesky_solve as cholesky_solve
from graphopt.ops.linear_systems import det as matrix_determinant
from graphopt.ops.linear_systems import inv as matrix_inverse
from graphopt.ops.linear_systems import matrix_transpose as matrix_transpose
from graphopt.ops.linear_systems import slogdet as log_matrix_determinant
from graphopt.ops.linear_systems import solve as matrix_solve
from graphopt.ops.linear_systems import triangular_solve as matrix_triangular_solve
from graphopt.ops.random import set_seed as set_random_seed
from graphopt.ops.random_stateful import categorical as multinomial
from graphopt.ops.random_stateful import normal as random_normal
from graphopt.ops.random_stateful import shuffle as random_shuffle
from graphopt.ops.random_stateful import truncated_normal as truncated_normal
from graphopt.ops.random_stateful import uniform as random_uniform
from graphopt.ops.shape_assertions import assert_integer as assert_integer
from graphopt.ops.shape_assertions import assert_rank_at_least as assert_rank_at_least
from graphopt.ops.shape_assertions import assert_rank_in as assert_rank_in
from graphopt.ops.shape_assertions import assert_scalar as assert_scalar
from graphopt.ops.shape_assertions import assert_type as assert_type
from graphopt.ops.shape_assertions import is_numeric_tensor as is_numeric_tensor
from graphopt.ops.shaping import identity as identity
from graphopt.ops.special import digamma as digamma
from graphopt.ops.special import erfc as erfc
from graphopt.ops.special import lgamma as lgamma
from graphopt.ops.special import log_sigmoid as log_sigmoid
from graphopt.ops.special import logical_xor as logical_xor
from graphopt.ops.special import polygamma as polygamma
from graphopt.ops.special import rint as rint
from graphopt.ops.special import zeta as zeta
from graphopt.ops.while_loop import while_loop as _while_loop
from graphopt.runtime.collections import GraphKeys as GraphKeys
from graphopt.runtime.collections import add_to_collection as add_to_collection
from graphopt.runtime.collections import (
    disable_eager_execution as disable_eager_execution,
)
from graphopt.runtime.collections import (
    enable_eager_execution as enable_eager_execution,
)
from graphopt.runtime.collections import get_collection as get_collection
from graphopt.runtime.collections import global_variables as global_variables
from graphopt.runtime.collections import (
    global_variables_initializer as global_variables_initializer,
)
from graphopt.runtime.collections import (
    is_variable_initialized as is_variable_initialized,
)
from graphopt.runtime.collections import local_variables as local_variables
from graphopt.runtime.collections import (
    local_variables_initializer as local_variables_initializer,
)
from graphopt.runtime.collections import model_variables as model_variables
from graphopt.runtime.collections import (
    moving_average_variables as moving_average_variables,
)
from graphopt.runtime.collections import (
    report_uninitialized_variables as report_uninitialized_variables,
)
from graphopt.runtime.collections import trainable_variables as trainable_variables
from graphopt.runtime.collections import variables_initializer as variables_initializer
from graphopt.runtime.names import get_default_session as get_default_session
from graphopt.runtime.run_options import RunMetadata as RunMetadata
from graphopt.runtime.run_options import RunOptions as RunOptions
from graphopt.runtime.session import InteractiveSession as InteractiveSession
from graphopt.runtime.session import Session as Session
from graphopt.runtime.variable import Variable as Variable

# Functions that are loaded when they are used: those of `graphopt`, and others.
_LATER = {
    **graphopt._LATER,
    "batch_to_space_nd": "graphopt.ops.patches",
    "betainc": "graphopt.ops.incomplete",
    "hessians": "graphopt.compat.v1.functions",
    "igamma": "graphopt.ops.incomplete",
    "igammac": "graphopt.ops.incomplete",
    "random_gamma": "graphopt.ops.random_gamma",
    "random_poisson": "graphopt.compat.v1.functions",
    "space_to_batch_nd": "graphopt.ops.patches",
}
# What version 2 has and is not here by another definition.
for _name in set(dir(graphopt)) & set(vars(graphopt)) - set(globals()):
    globals()[_name] = getattr(graphopt, _name)

# Families are loaded when they are used.
_MODULES = (
    "app",
    "distributions",
    "flags",
    "gfile",
    "layers",
    "logging",
    "losses",
    "metrics",
    "python_io",
    "resource_loader",
    "summary",
    "test",
    "train",
)
if TYPE_CHECKING:
    from graphopt import raw_ops as raw_ops
    from graphopt.compat.v1 import layers as layers
    from graphopt.compat.v1 import losses as losses  # type: ignore[no-redef]
    from graphopt.compat.v1 import metrics as metrics
    from graphopt.compat.v1 import train as train  # type: ignore[no-redef]
else:
    for _name in _MODULES:
        # That of TensorFlow 2, if somebody has loaded it.
        globals().pop(_name, None)


# Messages of TensorFlow's files, and which of ours they are.
_MESSAGES = {
    "AttrValue": "AttrValue",
    "Event": "Event",
    "GraphDef": "GraphDef",
    "HistogramProto": "Histogram",
    "NodeDef": "NodeDef",
    "SessionLog": "SessionLog",
    "Summary": "Summary",
    "SummaryMetadata": "SummaryMetadata",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.compat.v1.{name}")
    if name in _MESSAGES:
        messages = importlib.import_module("graphopt.files.messages")
        return getattr(messages, _MESSAGES[name])
    if name == "get_logger":
        return importlib.import_module("graphopt.compat.v1.logging").get_logger
    if name in ("io", "raw_ops", "version"):
        return importlib.import_module(f"graphopt.{name}")
    if name == "__all__":
        return __dir__()
    if name == "__version__":
        return importlib.import_module("graphopt.version").VERSION
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    from graphopt.aliases.missing import missing_name

    raise missing_name("graphopt.compat.v1", name)


_HIDDEN = {
    "graphopt",
    "TYPE_CHECKING",
    "Any",
    "SimpleNamespace",
    "importlib",
    "v1",
    "enable_dimensions",
    "install_as_tensorflow",
}


def __dir__() -> list[str]:
    here = [n for n in globals() if not n.startswith("_") and n not in _HIDDEN]
    return sorted(
        {
            *here,
            *_MODULES,
            *_LATER,
            *_MESSAGES,
            "get_logger",
            "io",
            "raw_ops",
            "version",
        }
    )


def assign(ref: Variable, value: object, name: str | None = None) -> object:
    """Sets a variable; as `ref.assign(value)`."""
    return ref.assign(value, name=name)


def assign_add(ref: Variable, value: object, name: str | None = None) -> object:
    """Adds to a variable; as `ref.assign_add(value)`."""
    return ref.assign_add(value, name=name)


def assign_sub(ref: Variable, value: object, name: str | None = None) -> object:
    """Subtracts from a variable; as `ref.assign_sub(value)`."""
    return ref.assign_sub(value, name=name)


def while_loop(  # type: ignore[no-redef]
    cond: Any,
    body: Any,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeats `body` while `cond` is true; as `tf.while_loop`.

    Args:
      cond: From the loop variables to a scalar bool.
      body: From the loop variables to their next values.
      loop_vars: A nest of tensors: what the loop starts with.
      shape_invariants: Shapes of the loop variables, None where a round may change one.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives.
      swap_memory: Accepted for compatibility.
      name: Name of the op.
      maximum_iterations: The largest number of rounds.
      return_same_structure: Whether a single loop variable comes back in the structure
        that it was given in, as it does in eager mode whatever this says.

    Returns:
      The loop variables at the end; of a single one, in a graph, the tensor itself.

    Source: `tf.compat.v1.while_loop`.
    """
    result = _while_loop(
        cond,
        body,
        loop_vars,
        shape_invariants,
        parallel_iterations,
        back_prop,
        swap_memory,
        maximum_iterations,
        name,
    )
    flat = nest.flatten(result)
    if len(flat) == 1 and not return_same_structure and not executing_eagerly():
        return flat[0]
    return result


def disable_v2_behavior() -> None:
    """Makes graphs the default mode of the process, and dimensions objects.

    Source: `tf.compat.v1.disable_v2_behavior`.
    """
    disable_eager_execution()
    disable_v2_tensorshape()


def enable_v2_behavior() -> None:
    """Makes eager execution the default mode of the process, and dimensions numbers.

    Source: `tf.compat.v1.enable_v2_behavior`.
    """
    enable_eager_execution()
    enable_v2_tensorshape()


def disable_v2_tensorshape() -> None:
    """Makes elements of shapes `Dimension` objects, which have a `value`.

    Source: `tf.compat.v1.disable_v2_tensorshape`.
    """
    enable_dimensions(True)


def enable_v2_tensorshape() -> None:
    """Makes elements of shapes numbers and None.

    Source: `tf.compat.v1.enable_v2_tensorshape`.
    """
    enable_dimensions(False)


def placeholder_with_default(
    input: object, shape: object, name: str | None = None
) -> object:
    """Returns a tensor that has a value unless it is fed another one.

    Source: `tf.compat.v1.placeholder_with_default`.
    """
    made = identity(input, name=name or "PlaceholderWithDefault")
    made.shape = TensorShape(shape)
    return made


class ConfigProto:
    """Options of a session.

    Args:
      intra_op_parallelism_threads: The most threads that compute a step of the session;
        0 for what `tf.config.threading` says.
      inter_op_parallelism_threads: Accepted; ops of a step run in order.
      gpu_options: Accepted; the one device is the CPU.
      **options: Accepted for compatibility, as `allow_soft_placement`.

    >>> config = ConfigProto(intra_op_parallelism_threads=1)
    >>> config.gpu_options.allow_growth = True
    >>> config.intra_op_parallelism_threads
    1

    Source: `tf.compat.v1.ConfigProto`.
    """

    def __init__(
        self,
        intra_op_parallelism_threads: int = 0,
        inter_op_parallelism_threads: int = 0,
        gpu_options: object = None,
        **options: object,
    ) -> None:
        self.intra_op_parallelism_threads = intra_op_parallelism_threads
        self.inter_op_parallelism_threads = inter_op_parallelism_threads
        self.gpu_options: Any = gpu_options or SimpleNamespace()
        self.__dict__.update(options)
