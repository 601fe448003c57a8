"""graphopt: TensorFlow's graph mode and its optimizers, compiled for the CPU.

`import graphopt as tf` and go on as with TensorFlow: eager by default, graphs and
sessions where asked for. The names here are TensorFlow's; each is documented where it is
defined.
"""

import builtins
import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from graphopt import bitwise as bitwise
from graphopt import compat as compat
from graphopt import config as config
from graphopt import debugging as debugging
from graphopt import dtypes as dtypes
from graphopt import errors as errors
from graphopt import keras as keras
from graphopt import linalg as linalg
from graphopt import math as math
from graphopt import nest as nest
from graphopt import nn as nn
from graphopt import random as random
from graphopt import signal as signal
from graphopt.autodiff.gradients import UnconnectedGradients as UnconnectedGradients
from graphopt.autodiff.gradients import gradients as gradients
from graphopt.autodiff.python_functions import py_function as py_function
from graphopt.autodiff.tape import GradientTape as GradientTape
from graphopt.dtypes import DType as DType
from graphopt.dtypes import as_dtype as as_dtype
from graphopt.dtypes import bool_ as _bool
from graphopt.dtypes import complex64 as complex64
from graphopt.dtypes import complex128 as complex128
from graphopt.dtypes import float16 as float16
from graphopt.dtypes import float32 as float32
from graphopt.dtypes import float64 as float64
from graphopt.dtypes import int8 as int8
from graphopt.dtypes import int16 as int16
from graphopt.dtypes import int32 as int32
from graphopt.dtypes import int64 as int64
from graphopt.dtypes import string as string
from graphopt.dtypes import uint8 as uint8
from graphopt.graph.context import executing_eagerly as executing_eagerly
from graphopt.graph.graph import Graph as Graph
from graphopt.graph.graph import Operation as Operation
from graphopt.graph.hooks import hooks as _hooks
from graphopt.graph.indexed_slices import IndexedSlices as IndexedSlices
from graphopt.graph.shape import TensorShape as TensorShape
from graphopt.graph.tensor import Tensor as Tensor
from graphopt.keras import initializers as initializers
from graphopt.keras import optimizers as optimizers
from graphopt.keras.initializers import Constant as _Constant
from graphopt.keras.initializers import Ones as _Ones
from graphopt.keras.initializers import RandomNormal as _RandomNormal
from graphopt.keras.initializers import RandomUniform as _RandomUniform
from graphopt.keras.initializers import Zeros as _Zeros
from graphopt.ops import subscripts as _subscripts
from graphopt.ops.assertions import Assert as Assert
from graphopt.ops.assertions import assert_equal as assert_equal
from graphopt.ops.assertions import assert_greater as assert_greater
from graphopt.ops.assertions import assert_less as assert_less
from graphopt.ops.clipping import clip_by_global_norm as clip_by_global_norm
from graphopt.ops.clipping import clip_by_norm as clip_by_norm
from graphopt.ops.clipping import clip_by_value as clip_by_value
from graphopt.ops.complex_numbers import complex as complex
from graphopt.ops.cond import case as case
from graphopt.ops.cond import cond as cond
from graphopt.ops.cond import switch_case as switch_case
from graphopt.ops.creation import constant as constant
from graphopt.ops.creation import convert_to_tensor as convert_to_tensor
from graphopt.ops.creation import fill as fill
from graphopt.ops.creation import ones as ones
from graphopt.ops.creation import ones_like as ones_like
from graphopt.ops.creation import shape as shape
from graphopt.ops.creation import zeros as zeros
from graphopt.ops.creation import zeros_like as zeros_like
from graphopt.ops.custom import custom_gradient as custom_gradient
from graphopt.ops.diagonal import eye as eye
from graphopt.ops.einsum import einsum as einsum
from graphopt.ops.einsum import norm as norm
from graphopt.ops.einsum import tensordot as tensordot
from graphopt.ops.elementwise import abs as abs
from graphopt.ops.elementwise import add as add
from graphopt.ops.elementwise import cast as cast
from graphopt.ops.elementwise import cos as cos
from graphopt.ops.elementwise import divide as divide
from graphopt.ops.elementwise import equal as equal
from graphopt.ops.elementwise import exp as exp
from graphopt.ops.elementwise import floor as floor
from graphopt.ops.elementwise import greater as greater
from graphopt.ops.elementwise import greater_equal as greater_equal
from graphopt.ops.elementwise import less as less
from graphopt.ops.elementwise import less_equal as less_equal
from graphopt.ops.elementwise import logical_and as logical_and
from graphopt.ops.elementwise import logical_not as logical_not
from graphopt.ops.elementwise import logical_or as logical_or
from graphopt.ops.elementwise import maximum as maximum
from graphopt.ops.elementwise import minimum as minimum
from graphopt.ops.elementwise import multiply as multiply
from graphopt.ops.elementwise import negative as negative
from graphopt.ops.elementwise import not_equal as not_equal
from graphopt.ops.elementwise import pow as pow
from graphopt.ops.elementwise import round as round
from graphopt.ops.elementwise import sigmoid as sigmoid
from graphopt.ops.elementwise import sign as sign
from graphopt.ops.elementwise import sin as sin
from graphopt.ops.elementwise import sqrt as sqrt
from graphopt.ops.elementwise import square as square
from graphopt.ops.elementwise import subtract as subtract
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.elementwise import where as where
from graphopt.ops.host import numpy_function as numpy_function
from graphopt.ops.indexing import gather as gather
from graphopt.ops.indexing import one_hot as one_hot
from graphopt.ops.integers import truncatediv as truncatediv
from graphopt.ops.integers import truncatemod as truncatemod
from graphopt.ops.masks import boolean_mask as boolean_mask
from graphopt.ops.masks import unique as unique
from graphopt.ops.matmul import matmul as matmul
from graphopt.ops.padding import pad as pad
from graphopt.ops.padding import reverse as reverse
from graphopt.ops.padding import roll as roll
from graphopt.ops.padding import tile as tile
from graphopt.ops.printing import print as print
from graphopt.ops.reduction import broadcast_to as broadcast_to
from graphopt.ops.reduction import reduce_all as reduce_all
from graphopt.ops.reduction import reduce_any as reduce_any
from graphopt.ops.reduction import reduce_max as reduce_max
from graphopt.ops.reduction import reduce_mean as reduce_mean
from graphopt.ops.reduction import reduce_min as reduce_min
from graphopt.ops.reduction import reduce_prod as reduce_prod
from graphopt.ops.reduction import reduce_sum as reduce_sum
from graphopt.ops.repeating import repeat as repeat
from graphopt.ops.repeating import sequence_mask as sequence_mask
from graphopt.ops.scan import cumsum as cumsum
from graphopt.ops.scatter import gather_nd as gather_nd
from graphopt.ops.scatter import scatter_nd as scatter_nd
from graphopt.ops.scatter import tensor_scatter_nd_add as tensor_scatter_nd_add
from graphopt.ops.scatter import tensor_scatter_nd_max as tensor_scatter_nd_max
from graphopt.ops.scatter import tensor_scatter_nd_min as tensor_scatter_nd_min
from graphopt.ops.scatter import tensor_scatter_nd_sub as tensor_scatter_nd_sub
from graphopt.ops.scatter import tensor_scatter_nd_update as tensor_scatter_nd_update
from graphopt.ops.selecting import argmax as argmax
from graphopt.ops.selecting import argmin as argmin
from graphopt.ops.selecting import argsort as argsort
from graphopt.ops.selecting import sort as sort
from graphopt.ops.sequences import broadcast_static_shape as broadcast_static_shape
from graphopt.ops.sequences import linspace as linspace
from graphopt.ops.sequences import meshgrid as meshgrid
from graphopt.ops.sequences import range as range
from graphopt.ops.sequences import rank as rank
from graphopt.ops.sequences import size as size
from graphopt.ops.shape_assertions import assert_rank as assert_rank
from graphopt.ops.shaping import concat as concat
from graphopt.ops.shaping import expand_dims as expand_dims
from graphopt.ops.shaping import identity as identity
from graphopt.ops.shaping import reshape as reshape
from graphopt.ops.shaping import squeeze as squeeze
from graphopt.ops.shaping import stack as stack
from graphopt.ops.shaping import stop_gradient as stop_gradient
from graphopt.ops.shaping import transpose as transpose
from graphopt.ops.slicing import slice as slice
from graphopt.ops.slicing import strided_slice as strided_slice
from graphopt.ops.splitting import split as split
from graphopt.ops.splitting import unstack as unstack
from graphopt.ops.state import group as group
from graphopt.ops.state import no_op as no_op
from graphopt.ops.statistics import reduce_logsumexp as reduce_logsumexp
from graphopt.ops.sums import add_n as add_n
from graphopt.ops.tensor_array import TensorArray as TensorArray
from graphopt.ops.trig import acos as acos
from graphopt.ops.trig import acosh as acosh
from graphopt.ops.trig import asin as asin
from graphopt.ops.trig import asinh as asinh
from graphopt.ops.trig import atan as atan
from graphopt.ops.trig import atan2 as atan2
from graphopt.ops.trig import atanh as atanh
from graphopt.ops.trig import cosh as cosh
from graphopt.ops.trig import sinh as sinh
from graphopt.ops.trig import tan as tan
from graphopt.ops.while_loop import while_loop as while_loop
from graphopt.runtime import eager as _eager
from graphopt.runtime.collections import control_dependencies as control_dependencies
from graphopt.runtime.collections import device as device
from graphopt.runtime.function import TensorSpec as TensorSpec
from graphopt.runtime.function import function as function
from graphopt.runtime.function import init_scope as init_scope
from graphopt.runtime.names import name_scope as name_scope
from graphopt.runtime.variable import Variable as Variable

# An import by another name is private to type checkers.
bool = _bool
half = float16
double = float64
constant_initializer = _Constant
ones_initializer = _Ones
random_normal_initializer = _RandomNormal
random_uniform_initializer = _RandomUniform
zeros_initializer = _Zeros
truediv = divide

if TYPE_CHECKING:
    from graphopt import autograph as autograph
    from graphopt import data as data
    from graphopt import distribute as distribute
    from graphopt import image as image
    from graphopt import io as io
    from graphopt import lookup as lookup
    from graphopt import queue as queue
    from graphopt import ragged as ragged
    from graphopt import raw_ops as raw_ops
    from graphopt import sparse as sparse
    from graphopt import strings as strings
    from graphopt import summary as summary
    from graphopt import train as train
    from graphopt import v1 as v1
    from graphopt import version as version
    from graphopt import viewer as viewer
    from graphopt.aliases import install_as_tensorflow as install_as_tensorflow
    from graphopt.autodiff.gradients import hessians as hessians
    from graphopt.compat.v1 import test as test
    from graphopt.compat.v1.deprecated import ensure_shape as ensure_shape
    from graphopt.compat.v1.logging import get_logger as get_logger
    from graphopt.keras import losses as losses
    from graphopt.keras import metrics as metrics
    from graphopt.ops.functional import foldl as foldl
    from graphopt.ops.functional import foldr as foldr
    from graphopt.ops.functional import map_fn as map_fn
    from graphopt.ops.functional import scan as scan
    from graphopt.ops.functional import vectorized_map as vectorized_map
    from graphopt.ops.partitions import dynamic_partition as dynamic_partition
    from graphopt.ops.partitions import dynamic_stitch as dynamic_stitch
    from graphopt.ops.partitions import edit_distance as edit_distance
    from graphopt.ops.partitions import histogram_fixed_width as histogram_fixed_width
    from graphopt.ops.partitions import (
        histogram_fixed_width_bins as histogram_fixed_width_bins,
    )
    from graphopt.ops.partitions import saturate_cast as saturate_cast
    from graphopt.ops.partitions import searchsorted as searchsorted
    from graphopt.ops.partitions import unique_with_counts as unique_with_counts
    from graphopt.ops.partitions import unravel_index as unravel_index
    from graphopt.ops.reversing import reverse_sequence as reverse_sequence
    from graphopt.ops.strings import as_string as as_string
    from graphopt.ragged import RaggedTensor as RaggedTensor
    from graphopt.runtime.module import Module as Module
    from graphopt.runtime.variable_options import (
        VariableAggregation as VariableAggregation,
    )
    from graphopt.runtime.variable_options import (
        VariableSynchronization as VariableSynchronization,
    )
    from graphopt.sparse import SparseTensor as SparseTensor

# Functions that few programs use are loaded when they are used: name -> module.
_LATER = {
    "as_string": "graphopt.ops.strings",
    "Module": "graphopt.runtime.module",
    "RaggedTensor": "graphopt.ragged",
    "SparseTensor": "graphopt.sparse",
    "VariableAggregation": "graphopt.runtime.variable_options",
    "VariableSynchronization": "graphopt.runtime.variable_options",
    "dynamic_partition": "graphopt.ops.partitions",
    "dynamic_stitch": "graphopt.ops.partitions",
    "edit_distance": "graphopt.ops.partitions",
    "ensure_shape": "graphopt.compat.v1.deprecated",
    "foldl": "graphopt.ops.functional",
    "foldr": "graphopt.ops.functional",
    "hessians": "graphopt.autodiff.gradients",
    "histogram_fixed_width": "graphopt.ops.partitions",
    "histogram_fixed_width_bins": "graphopt.ops.partitions",
    "losses": "graphopt.keras",
    "test": "graphopt.compat.v1",
    "map_fn": "graphopt.ops.functional",
    "metrics": "graphopt.keras",
    "reverse_sequence": "graphopt.ops.reversing",
    "saturate_cast": "graphopt.ops.partitions",
    "scan": "graphopt.ops.functional",
    "searchsorted": "graphopt.ops.partitions",
    "unique_with_counts": "graphopt.ops.partitions",
    "unravel_index": "graphopt.ops.partitions",
    "vectorized_map": "graphopt.ops.functional",
}


def _draw_png(svg: str) -> bytes:
    # Loaded by those who draw.
    from graphopt.viz.png import draw_png

    return draw_png(svg)


def _draw_svg(graph: Graph) -> str:
    # The viewer takes a tenth of the time of the import and is wanted by notebooks only.
    from graphopt.viz.svg import draw_svg

    return draw_svg(graph)


def _draw_html(thing: object) -> str:
    from graphopt.viewer import view

    return view(thing)._repr_html_()


_hooks.draw_svg = _draw_svg
_hooks.draw_png = _draw_png
_hooks.draw_html = _draw_html
__version__ = "0.1.0"
newaxis = None


def is_tensor(x: object) -> builtins.bool:
    """Returns whether a value is a tensor or variable.

    Source: `tf.is_tensor`.
    """
    return isinstance(x, (Tensor, Variable))


# Families that are loaded when they are used: most programs use few of them.
_MODULES = (
    "autograph",
    "data",
    "distribute",
    "image",
    "io",
    "lookup",
    "queue",
    "ragged",
    "raw_ops",
    "sparse",
    "strings",
    "summary",
    "train",
    "v1",
    "version",
    "viewer",
)
# Folders and files of this package that are no names of TensorFlow.
_INTERNAL = frozenset(
    [
        "aliases",
        "autodiff",
        "checkpoint",
        "checks",
        "cli",
        "codegen",
        "commands",
        "exchange",
        "files",
        "graph",
        "horovod",
        "lazy",
        "ops",
        "parallel",
        "regular_files",
        "rewrite",
        "runtime",
        "schedule",
        "viz",
    ]
)


class _Namespace(types.ModuleType):
    """This module, without the folders that Python would make attributes of it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _INTERNAL:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Namespace
for _name in _INTERNAL:
    globals().pop(_name, None)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"graphopt.{name}")
        if name == "install_as_tensorflow":
            from graphopt.aliases import install_as_tensorflow as found

            return found
        if name == "get_logger":
            return importlib.import_module("graphopt.compat.v1.logging").get_logger
        if name == "__all__":
            return __dir__()
        if name.startswith("__"):
            raise AttributeError(f"module 'graphopt' has no attribute {name!r}")
        if name in _LATER:
            return getattr(importlib.import_module(_LATER[name]), name)
        from graphopt.aliases.missing import missing_name

        raise missing_name("graphopt", name)


_HIDDEN = {"TYPE_CHECKING", "Any", "builtins", "importlib", "sys", "types"}


def __dir__() -> list[str]:
    here = [n for n in globals() if not n.startswith("_") and n not in _HIDDEN]
    return sorted({*here, *_MODULES, *_LATER, "get_logger", "install_as_tensorflow"})
