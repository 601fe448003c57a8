"""`tf.compat.v1`: the names of TensorFlow 1 under TensorFlow 2.

Loading it leaves the mode alone; `disable_eager_execution` and `disable_v2_behavior` make
graphs the default. `graphopt.v1` is the namespace of a program of version 1. The names of
`graphopt` are here too.
"""

import importlib
from typing import TYPE_CHECKING, Any

import graphopt
from graphopt import executing_eagerly as executing_eagerly
from graphopt import keras as keras
from graphopt import nest as nest
from graphopt import signal as _signal
from graphopt.compat.v1 import initializers as initializers
from graphopt.compat.v1 import math as math
from graphopt.compat.v1 import nn as nn
from graphopt.compat.v1.arguments import arg_max as arg_max
from graphopt.compat.v1.arguments import arg_min as arg_min
from graphopt.compat.v1.arguments import assign as assign
from graphopt.compat.v1.arguments import assign_add as assign_add
from graphopt.compat.v1.arguments import assign_sub as assign_sub
from graphopt.compat.v1.arguments import boolean_mask as boolean_mask
from graphopt.compat.v1.arguments import case as case
from graphopt.compat.v1.arguments import cond as cond
from graphopt.compat.v1.arguments import constant as constant
from graphopt.compat.v1.arguments import convert_to_tensor as convert_to_tensor
from graphopt.compat.v1.arguments import count_nonzero as count_nonzero
from graphopt.compat.v1.arguments import expand_dims as expand_dims
from graphopt.compat.v1.arguments import gather as gather
from graphopt.compat.v1.arguments import gather_nd as gather_nd
from graphopt.compat.v1.arguments import matmul as matmul
from graphopt.compat.v1.arguments import multinomial as multinomial
from graphopt.compat.v1.arguments import name_scope as name_scope
from graphopt.compat.v1.arguments import norm as norm
from graphopt.compat.v1.arguments import ones_like as ones_like
from graphopt.compat.v1.arguments import op_scope as op_scope
from graphopt.compat.v1.arguments import pad as pad
from graphopt.compat.v1.arguments import (
    placeholder_with_default as placeholder_with_default,
)
from graphopt.compat.v1.arguments import shape as shape
from graphopt.compat.v1.arguments import shape_n as shape_n
from graphopt.compat.v1.arguments import size as size
from graphopt.compat.v1.arguments import squeeze as squeeze
from graphopt.compat.v1.arguments import transpose as transpose
from graphopt.compat.v1.arguments import where as where
from graphopt.compat.v1.arguments import while_loop as while_loop
from graphopt.compat.v1.arguments import zeros_like as zeros_like
from graphopt.compat.v1.assertions import assert_equal as assert_equal
from graphopt.compat.v1.assertions import assert_greater as assert_greater
from graphopt.compat.v1.assertions import assert_greater_equal as assert_greater_equal
from graphopt.compat.v1.assertions import assert_less as assert_less
from graphopt.compat.v1.assertions import assert_less_equal as assert_less_equal
from graphopt.compat.v1.assertions import assert_near as assert_near
from graphopt.compat.v1.assertions import assert_negative as assert_negative
from graphopt.compat.v1.assertions import assert_non_negative as assert_non_negative
from graphopt.compat.v1.assertions import assert_non_positive as assert_non_positive
from graphopt.compat.v1.assertions import assert_none_equal as assert_none_equal
from graphopt.compat.v1.assertions import assert_positive as assert_positive
from graphopt.compat.v1.assertions import (
    assert_proper_iterable as assert_proper_iterable,
)
from graphopt.compat.v1.assertions import assert_rank as assert_rank
from graphopt.compat.v1.assertions import assert_rank_at_least as assert_rank_at_least
from graphopt.compat.v1.assertions import assert_rank_in as assert_rank_in
from graphopt.compat.v1.assertions import (
    assert_same_float_dtype as assert_same_float_dtype,
)
from graphopt.compat.v1.assertions import assert_scalar as assert_scalar
from graphopt.compat.v1.assertions import (
    verify_tensor_all_finite as verify_tensor_all_finite,
)
from graphopt.compat.v1.deprecated import AggregationMethod as AggregationMethod
from graphopt.compat.v1.deprecated import NoGradient as NoGradient
from graphopt.compat.v1.deprecated import NotDifferentiable as NotDifferentiable
from graphopt.compat.v1.deprecated import Print as Print
from graphopt.compat.v1.deprecated import add_to_collections as add_to_collections
from graphopt.compat.v1.deprecated import all_variables as all_variables
from graphopt.compat.v1.deprecated import (
    assert_variables_initialized as assert_variables_initialized,
)
from graphopt.compat.v1.deprecated import batch_gather as batch_gather
from graphopt.compat.v1.deprecated import (
    broadcast_dynamic_shape as broadcast_dynamic_shape,
)
from graphopt.compat.v1.deprecated import clip_by_average_norm as clip_by_average_norm
from graphopt.compat.v1.deprecated import colocate_with as colocate_with
from graphopt.compat.v1.deprecated import container as container
from graphopt.compat.v1.deprecated import (
    control_flow_v2_enabled as control_flow_v2_enabled,
)
from graphopt.compat.v1.deprecated import diag as diag
from graphopt.compat.v1.deprecated import diag_part as diag_part
from graphopt.compat.v1.deprecated import (
    disable_control_flow_v2 as disable_control_flow_v2,
)
from graphopt.compat.v1.deprecated import (
    disable_resource_variables as disable_resource_variables,
)
from graphopt.compat.v1.deprecated import div as div
from graphopt.compat.v1.deprecated import (
    enable_control_flow_v2 as enable_control_flow_v2,
)
from graphopt.compat.v1.deprecated import (
    enable_resource_variables as enable_resource_variables,
)
from graphopt.compat.v1.deprecated import ensure_shape as ensure_shape
from graphopt.compat.v1.deprecated import (
    executing_eagerly_outside_functions as executing_eagerly_outside_functions,
)
from graphopt.compat.v1.deprecated import (
    fixed_size_partitioner as fixed_size_partitioner,
)
from graphopt.compat.v1.deprecated import floor_div as floor_div
from graphopt.compat.v1.deprecated import get_collection_ref as get_collection_ref
from graphopt.compat.v1.deprecated import get_seed as get_seed
from graphopt.compat.v1.deprecated import get_static_value as get_static_value
from graphopt.compat.v1.deprecated import guarantee_const as guarantee_const
from graphopt.compat.v1.deprecated import identity_n as identity_n
from graphopt.compat.v1.deprecated import initialize_all_tables as initialize_all_tables
from graphopt.compat.v1.deprecated import (
    initialize_all_variables as initialize_all_variables,
)
from graphopt.compat.v1.deprecated import (
    initialize_local_variables as initialize_local_variables,
)
from graphopt.compat.v1.deprecated import initialize_variables as initialize_variables
from graphopt.compat.v1.deprecated import is_non_decreasing as is_non_decreasing
from graphopt.compat.v1.deprecated import (
    is_strictly_increasing as is_strictly_increasing,
)
from graphopt.compat.v1.deprecated import is_symbolic_tensor as is_symbolic_tensor
from graphopt.compat.v1.deprecated import lbeta as lbeta
from graphopt.compat.v1.deprecated import make_template as make_template
from graphopt.compat.v1.deprecated import no_gradient as no_gradient
from graphopt.compat.v1.deprecated import no_regularizer as no_regularizer
from graphopt.compat.v1.deprecated import parallel_stack as parallel_stack
from graphopt.compat.v1.deprecated import realdiv as realdiv
from graphopt.compat.v1.deprecated import (
    resource_variables_enabled as resource_variables_enabled,
)
from graphopt.compat.v1.deprecated import reverse_v2 as reverse_v2
from graphopt.compat.v1.deprecated import scalar_mul as scalar_mul
from graphopt.compat.v1.deprecated import tables_initializer as tables_initializer
from graphopt.compat.v1.deprecated import to_complex64 as to_complex64
from graphopt.compat.v1.deprecated import to_complex128 as to_complex128
from graphopt.compat.v1.deprecated import to_double as to_double
from graphopt.compat.v1.deprecated import to_float as to_float
from graphopt.compat.v1.deprecated import to_int32 as to_int32
from graphopt.compat.v1.deprecated import to_int64 as to_int64
from graphopt.compat.v1.deprecated import tuple as tuple
from graphopt.compat.v1.deprecated import (
    uniform_unit_scaling_initializer as uniform_unit_scaling_initializer,
)
from graphopt.compat.v1.deprecated import variable_op_scope as variable_op_scope
from graphopt.compat.v1.initializers import constant_initializer as constant_initializer
from graphopt.compat.v1.initializers import (
    glorot_normal_initializer as glorot_normal_initializer,
)
from graphopt.compat.v1.initializers import (
    glorot_uniform_initializer as glorot_uniform_initializer,
)
from graphopt.compat.v1.initializers import ones_initializer as ones_initializer
from graphopt.compat.v1.initializers import (
    orthogonal_initializer as orthogonal_initializer,
)
from graphopt.compat.v1.initializers import (
    random_normal_initializer as random_normal_initializer,
)
from graphopt.compat.v1.initializers import (
    random_uniform_initializer as random_uniform_initializer,
)
from graphopt.compat.v1.initializers import (
    truncated_normal_initializer as truncated_normal_initializer,
)
from graphopt.compat.v1.initializers import (
    variance_scaling_initializer as variance_scaling_initializer,
)
from graphopt.compat.v1.initializers import zeros_initializer as zeros_initializer
from graphopt.compat.v1.options import ConfigProto as ConfigProto
from graphopt.compat.v1.options import GPUOptions as GPUOptions
from graphopt.compat.v1.options import GraphOptions as GraphOptions
from graphopt.compat.v1.options import OptimizerOptions as OptimizerOptions
from graphopt.compat.v1.reductions import argmax as argmax
from graphopt.compat.v1.reductions import argmin as argmin
from graphopt.compat.v1.reductions import reduce_all as reduce_all
from graphopt.compat.v1.reductions import reduce_any as reduce_any
from graphopt.compat.v1.reductions import reduce_logsumexp as reduce_logsumexp
from graphopt.compat.v1.reductions import reduce_max as reduce_max
from graphopt.compat.v1.reductions import reduce_mean as reduce_mean
from graphopt.compat.v1.reductions import reduce_min as reduce_min
from graphopt.compat.v1.reductions import reduce_prod as reduce_prod
from graphopt.compat.v1.reductions import reduce_sum as reduce_sum
from graphopt.compat.v1.windows import batch_to_space as batch_to_space
from graphopt.compat.v1.windows import depth_to_space as depth_to_space
from graphopt.compat.v1.windows import extract_image_patches as extract_image_patches
from graphopt.compat.v1.windows import space_to_batch as space_to_batch
from graphopt.compat.v1.windows import space_to_depth as space_to_depth
from graphopt.errors import OpError as OpError
from graphopt.graph.context import get_default_graph as get_default_graph
from graphopt.graph.context import reset_default_graph as reset_default_graph
from graphopt.graph.dimension import Dimension as Dimension
from graphopt.graph.dimension import dimension_at_index as dimension_at_index
from graphopt.graph.dimension import dimension_value as dimension_value
from graphopt.graph.dimension import enable_dimensions
from graphopt.graph.shape import TensorShape as TensorShape
from graphopt.keras.variable_scopes import AUTO_REUSE as AUTO_REUSE
from graphopt.keras.variable_scopes import VariableScope as VariableScope
from graphopt.keras.variable_scopes import get_local_variable as get_local_variable
from graphopt.keras.variable_scopes import get_variable as get_variable
from graphopt.keras.variable_scopes import get_variable_scope as get_variable_scope
from graphopt.keras.variable_scopes import variable_scope as variable_scope
from graphopt.ops.clipping import global_norm as global_norm
from graphopt.ops.complex_numbers import angle as angle
from graphopt.ops.complex_numbers import conj as conj
from graphopt.ops.complex_numbers import fft as fft
from graphopt.ops.complex_numbers import fft2d as fft2d
from graphopt.ops.complex_numbers import ifft as ifft
from graphopt.ops.complex_numbers import ifft2d as ifft2d
from graphopt.ops.complex_numbers import imag as imag
from graphopt.ops.complex_numbers import real as real
from graphopt.ops.creation import placeholder as placeholder
from graphopt.ops.decompositions import eigvalsh as _eigvalsh
from graphopt.ops.decompositions import lstsq as _lstsq
from graphopt.ops.decompositions import qr as qr
from graphopt.ops.decompositions import self_adjoint_eig as self_adjoint_eig
from graphopt.ops.decompositions import svd as svd
from graphopt.ops.diagonal import band_part as _band_part
from graphopt.ops.diagonal import diag as _diag
from graphopt.ops.diagonal import diag_part as _diag_part
from graphopt.ops.diagonal import set_diag as _set_diag
from graphopt.ops.diagonal import trace as trace
from graphopt.ops.elementwise import ceil as ceil
from graphopt.ops.elementwise import erf as erf
from graphopt.ops.elementwise import expm1 as expm1
from graphopt.ops.elementwise import floordiv as floordiv
from graphopt.ops.elementwise import floormod as floormod
from graphopt.ops.elementwise import is_finite as is_finite
from graphopt.ops.elementwise import is_inf as is_inf
from graphopt.ops.elementwise import is_nan as is_nan
from graphopt.ops.elementwise import log as log
from graphopt.ops.elementwise import log1p as log1p
from graphopt.ops.elementwise import reciprocal as reciprocal
from graphopt.ops.elementwise import rsqrt as rsqrt
from graphopt.ops.elementwise import squared_difference as squared_difference
from graphopt.ops.elementwise import where as _where
from graphopt.ops.finite import add_check_numerics_ops as add_check_numerics_ops
from graphopt.ops.finite import check_numerics as check_numerics
from graphopt.ops.host import py_func as py_func
from graphopt.ops.integers import bincount as bincount
from graphopt.ops.linear_systems import cholesky as cholesky
from graphopt.ops.linear_systems import cholesky_solve as cholesky_solve
from graphopt.ops.linear_systems import det as _det
from graphopt.ops.linear_systems import inv as _inv
from graphopt.ops.linear_systems import matrix_transpose as matrix_transpose
from graphopt.ops.linear_systems import slogdet as _slogdet
from graphopt.ops.linear_systems import solve as _solve
from graphopt.ops.linear_systems import triangular_solve as _triangular_solve
from graphopt.ops.masks import setdiff1d as setdiff1d
from graphopt.ops.random import set_seed as _set_seed
from graphopt.ops.random_stateful import normal as _normal
from graphopt.ops.random_stateful import shuffle as _shuffle
from graphopt.ops.random_stateful import truncated_normal as truncated_normal
from graphopt.ops.random_stateful import uniform as _uniform
from graphopt.ops.scan import cumprod as cumprod
from graphopt.ops.scatter import tensor_scatter_nd_add as _tensor_scatter_nd_add
from graphopt.ops.scatter import tensor_scatter_nd_sub as _tensor_scatter_nd_sub
from graphopt.ops.scatter import tensor_scatter_nd_update as _tensor_scatter_nd_update
from graphopt.ops.segments import segment_max as segment_max
from graphopt.ops.segments import segment_mean as segment_mean
from graphopt.ops.segments import segment_min as segment_min
from graphopt.ops.segments import segment_sum as segment_sum
from graphopt.ops.segments import unsorted_segment_max as unsorted_segment_max
from graphopt.ops.segments import unsorted_segment_mean as unsorted_segment_mean
from graphopt.ops.segments import unsorted_segment_min as unsorted_segment_min
from graphopt.ops.segments import unsorted_segment_sum as unsorted_segment_sum
from graphopt.ops.sequences import linspace as _linspace
from graphopt.ops.shape_assertions import assert_integer as assert_integer
from graphopt.ops.shape_assertions import assert_type as assert_type
from graphopt.ops.shape_assertions import is_numeric_tensor as is_numeric_tensor
from graphopt.ops.shaping import identity as identity
from graphopt.ops.special import digamma as digamma
from graphopt.ops.special import divide_no_nan as _divide_no_nan
from graphopt.ops.special import erfc as erfc
from graphopt.ops.special import lgamma as lgamma
from graphopt.ops.special import log_sigmoid as log_sigmoid
from graphopt.ops.special import logical_xor as logical_xor
from graphopt.ops.special import polygamma as polygamma
from graphopt.ops.special import rint as rint
from graphopt.ops.special import zeta as zeta
from graphopt.ops.sums import accumulate_n as accumulate_n
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

# An import by another name is private to type checkers.
spectral = _signal
self_adjoint_eigvals = _eigvalsh
matrix_solve_ls = _lstsq
matrix_band_part = _band_part
matrix_diag = _diag
matrix_diag_part = _diag_part
matrix_set_diag = _set_diag
mod = floormod
where_v2 = _where
matrix_determinant = _det
matrix_inverse = _inv
log_matrix_determinant = _slogdet
matrix_solve = _solve
matrix_triangular_solve = _triangular_solve
set_random_seed = _set_seed
random_normal = _normal
random_shuffle = _shuffle
random_uniform = _uniform
tensor_scatter_add = _tensor_scatter_nd_add
tensor_scatter_sub = _tensor_scatter_nd_sub
tensor_scatter_update = _tensor_scatter_nd_update
lin_space = _linspace
div_no_nan = _divide_no_nan

# Functions that are loaded when they are used: those of `graphopt`, and others.
_LATER = {
    **graphopt._LATER,
    "batch_to_space_nd": "graphopt.ops.patches",
    "betainc": "graphopt.ops.incomplete",
    "confusion_matrix": "graphopt.compat.v1.functions",
    "scatter_add": "graphopt.compat.v1.functions",
    "scatter_div": "graphopt.compat.v1.functions",
    "scatter_max": "graphopt.compat.v1.functions",
    "scatter_min": "graphopt.compat.v1.functions",
    "scatter_mul": "graphopt.compat.v1.functions",
    "scatter_nd_add": "graphopt.compat.v1.functions",
    "scatter_nd_sub": "graphopt.compat.v1.functions",
    "scatter_nd_update": "graphopt.compat.v1.functions",
    "scatter_sub": "graphopt.compat.v1.functions",
    "scatter_update": "graphopt.compat.v1.functions",
    "cross": "graphopt.ops.partitions",
    "invert_permutation": "graphopt.ops.partitions",
    "random_crop": "graphopt.ops.cropping",
    "hessians": "graphopt.compat.v1.functions",
    "FIFOQueue": "graphopt.data.queues",
    "PaddingFIFOQueue": "graphopt.data.queues",
    "PriorityQueue": "graphopt.data.queues",
    "QueueBase": "graphopt.data.queues",
    "RandomShuffleQueue": "graphopt.data.queues",
    "FixedLengthRecordReader": "graphopt.data.readers",
    "IdentityReader": "graphopt.data.readers",
    "ReaderBase": "graphopt.data.readers",
    "TFRecordReader": "graphopt.data.readers",
    "TextLineReader": "graphopt.data.readers",
    "WholeFileReader": "graphopt.data.readers",
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
    "data",
    "distributions",
    "debugging",
    "flags",
    "gfile",
    "image",
    "layers",
    "logging",
    "lookup",
    "losses",
    "metrics",
    "python_io",
    "resource_loader",
    "sparse",
    "strings",
    "summary",
    "test",
    "train",
)
if TYPE_CHECKING:
    from graphopt import autograph as autograph
    from graphopt import distribute as distribute
    from graphopt import io as io
    from graphopt import raw_ops as raw_ops
    from graphopt.compat.v1 import app as app
    from graphopt.compat.v1 import data as data
    from graphopt.compat.v1 import debugging as debugging
    from graphopt.compat.v1 import distributions as distributions
    from graphopt.compat.v1 import flags as flags
    from graphopt.compat.v1 import gfile as gfile
    from graphopt.compat.v1 import image as image
    from graphopt.compat.v1 import layers as layers
    from graphopt.compat.v1 import logging as logging
    from graphopt.compat.v1 import lookup as lookup
    from graphopt.compat.v1 import losses as losses
    from graphopt.compat.v1 import metrics as metrics
    from graphopt.compat.v1 import python_io as python_io
    from graphopt.compat.v1 import resource_loader as resource_loader
    from graphopt.compat.v1 import sparse as sparse
    from graphopt.compat.v1 import strings as strings
    from graphopt.compat.v1 import summary as summary
    from graphopt.compat.v1 import test as test
    from graphopt.compat.v1 import train as train
    from graphopt.compat.v1.functions import confusion_matrix as confusion_matrix
    from graphopt.compat.v1.functions import random_poisson as random_poisson
    from graphopt.compat.v1.functions import scatter_add as scatter_add
    from graphopt.compat.v1.functions import scatter_div as scatter_div
    from graphopt.compat.v1.functions import scatter_max as scatter_max
    from graphopt.compat.v1.functions import scatter_min as scatter_min
    from graphopt.compat.v1.functions import scatter_mul as scatter_mul
    from graphopt.compat.v1.functions import scatter_nd_add as scatter_nd_add
    from graphopt.compat.v1.functions import scatter_nd_sub as scatter_nd_sub
    from graphopt.compat.v1.functions import scatter_nd_update as scatter_nd_update
    from graphopt.compat.v1.functions import scatter_sub as scatter_sub
    from graphopt.compat.v1.functions import scatter_update as scatter_update
    from graphopt.compat.v1.strings import decode_csv as decode_csv
    from graphopt.compat.v1.strings import decode_raw as decode_raw
    from graphopt.compat.v1.strings import reduce_join as reduce_join
    from graphopt.compat.v1.strings import string_split as string_split
    from graphopt.compat.v1.strings import substr as substr
    from graphopt.compat.v1.strings import to_hash_bucket as _to_hash_bucket
    from graphopt.compat.v1.strings import to_number as _to_number
    from graphopt.data.queues import FIFOQueue as FIFOQueue
    from graphopt.data.queues import PaddingFIFOQueue as PaddingFIFOQueue
    from graphopt.data.queues import PriorityQueue as PriorityQueue
    from graphopt.data.queues import QueueBase as QueueBase
    from graphopt.data.queues import RandomShuffleQueue as RandomShuffleQueue
    from graphopt.data.readers import FixedLengthRecordReader as FixedLengthRecordReader
    from graphopt.data.readers import IdentityReader as IdentityReader
    from graphopt.data.readers import ReaderBase as ReaderBase
    from graphopt.data.readers import TextLineReader as TextLineReader
    from graphopt.data.readers import TFRecordReader as TFRecordReader
    from graphopt.data.readers import WholeFileReader as WholeFileReader
    from graphopt.files.messages import AttrValue as AttrValue
    from graphopt.files.messages import Event as Event
    from graphopt.files.messages import GraphDef as GraphDef
    from graphopt.files.messages import Histogram as _Histogram
    from graphopt.files.messages import NodeDef as NodeDef
    from graphopt.files.messages import SessionLog as SessionLog
    from graphopt.files.messages import Summary as Summary
    from graphopt.files.messages import SummaryMetadata as SummaryMetadata
    from graphopt.io.examples import FixedLenFeature as FixedLenFeature
    from graphopt.io.examples import FixedLenSequenceFeature as FixedLenSequenceFeature
    from graphopt.io.examples import SparseFeature as SparseFeature
    from graphopt.io.examples import VarLenFeature as VarLenFeature
    from graphopt.io.examples import parse_example as parse_example
    from graphopt.io.examples import parse_single_example as parse_single_example
    from graphopt.io.examples import (
        parse_single_sequence_example as parse_single_sequence_example,
    )
    from graphopt.ops.cropping import random_crop as random_crop
    from graphopt.ops.encoded_bytes import decode_base64 as decode_base64
    from graphopt.ops.encoded_bytes import decode_compressed as decode_compressed
    from graphopt.ops.encoded_bytes import encode_base64 as encode_base64
    from graphopt.ops.encoded_bytes import matching_files as matching_files
    from graphopt.ops.encoded_bytes import parse_tensor as parse_tensor
    from graphopt.ops.encoded_bytes import read_file as read_file
    from graphopt.ops.encoded_bytes import serialize_tensor as serialize_tensor
    from graphopt.ops.encoded_bytes import write_file as write_file
    from graphopt.ops.incomplete import betainc as betainc
    from graphopt.ops.incomplete import igamma as igamma
    from graphopt.ops.incomplete import igammac as igammac
    from graphopt.ops.partitions import cross as cross
    from graphopt.ops.partitions import invert_permutation as invert_permutation
    from graphopt.ops.patches import batch_to_space_nd as batch_to_space_nd
    from graphopt.ops.patches import space_to_batch_nd as space_to_batch_nd
    from graphopt.ops.random_gamma import random_gamma as random_gamma
    from graphopt.ops.strings import join as _join
    from graphopt.ops.strings import regex_replace as regex_replace
    from graphopt.ops.strings import strip as _strip
    from graphopt.ops.strings import to_hash_bucket_fast as _to_hash_bucket_fast
    from graphopt.ops.strings import to_hash_bucket_strong as _to_hash_bucket_strong

    HistogramProto = _Histogram
    string_join = _join
    string_strip = _strip
    string_to_hash_bucket = _to_hash_bucket
    string_to_hash_bucket_fast = _to_hash_bucket_fast
    string_to_hash_bucket_strong = _to_hash_bucket_strong
    string_to_number = _to_number
    SparseTensorValue = sparse.SparseTensorValue
    sparse_add = sparse.add
    sparse_concat = sparse.concat
    sparse_fill_empty_rows = sparse.fill_empty_rows
    sparse_mask = sparse.mask
    sparse_placeholder = sparse.placeholder
    sparse_reduce_max = sparse.reduce_max
    sparse_reduce_sum = sparse.reduce_sum
    sparse_reorder = sparse.reorder
    sparse_reset_shape = sparse.reset_shape
    sparse_reshape = sparse.reshape
    sparse_retain = sparse.retain
    sparse_segment_mean = sparse.segment_mean
    sparse_segment_sqrt_n = sparse.segment_sqrt_n
    sparse_segment_sum = sparse.segment_sum
    sparse_slice = sparse.slice
    sparse_softmax = sparse.softmax
    sparse_split = sparse.split
    sparse_tensor_dense_matmul = sparse.sparse_dense_matmul
    sparse_tensor_to_dense = sparse.to_dense
    sparse_to_dense = sparse.sparse_to_dense
    sparse_to_indicator = sparse.to_indicator
    sparse_transpose = sparse.transpose
    from graphopt import Assert as Assert
    from graphopt import DType as DType
    from graphopt import GradientTape as GradientTape
    from graphopt import Graph as Graph
    from graphopt import IndexedSlices as IndexedSlices
    from graphopt import Module as Module
    from graphopt import Operation as Operation
    from graphopt import RaggedTensor as RaggedTensor
    from graphopt import SparseTensor as SparseTensor
    from graphopt import Tensor as Tensor
    from graphopt import TensorArray as TensorArray
    from graphopt import TensorSpec as TensorSpec
    from graphopt import UnconnectedGradients as UnconnectedGradients
    from graphopt import VariableAggregation as VariableAggregation
    from graphopt import VariableSynchronization as VariableSynchronization
    from graphopt import abs as abs
    from graphopt import acos as acos
    from graphopt import acosh as acosh
    from graphopt import add as add
    from graphopt import add_n as add_n
    from graphopt import argsort as argsort
    from graphopt import as_dtype as as_dtype
    from graphopt import as_string as as_string
    from graphopt import asin as asin
    from graphopt import asinh as asinh
    from graphopt import atan as atan
    from graphopt import atan2 as atan2
    from graphopt import atanh as atanh
    from graphopt import bool as bool
    from graphopt import broadcast_static_shape as broadcast_static_shape
    from graphopt import broadcast_to as broadcast_to
    from graphopt import cast as cast
    from graphopt import clip_by_global_norm as clip_by_global_norm
    from graphopt import clip_by_norm as clip_by_norm
    from graphopt import clip_by_value as clip_by_value
    from graphopt import complex as complex
    from graphopt import complex64 as complex64
    from graphopt import complex128 as complex128
    from graphopt import concat as concat
    from graphopt import control_dependencies as control_dependencies
    from graphopt import cos as cos
    from graphopt import cosh as cosh
    from graphopt import cumsum as cumsum
    from graphopt import custom_gradient as custom_gradient
    from graphopt import device as device
    from graphopt import divide as divide
    from graphopt import double as double
    from graphopt import dynamic_partition as dynamic_partition
    from graphopt import dynamic_stitch as dynamic_stitch
    from graphopt import edit_distance as edit_distance
    from graphopt import einsum as einsum
    from graphopt import equal as equal
    from graphopt import exp as exp
    from graphopt import eye as eye
    from graphopt import fill as fill
    from graphopt import float16 as float16
    from graphopt import float32 as float32
    from graphopt import float64 as float64
    from graphopt import floor as floor
    from graphopt import foldl as foldl
    from graphopt import foldr as foldr
    from graphopt import function as function
    from graphopt import get_logger as get_logger
    from graphopt import gradients as gradients
    from graphopt import greater as greater
    from graphopt import greater_equal as greater_equal
    from graphopt import group as group
    from graphopt import half as half
    from graphopt import histogram_fixed_width as histogram_fixed_width
    from graphopt import histogram_fixed_width_bins as histogram_fixed_width_bins
    from graphopt import init_scope as init_scope
    from graphopt import int8 as int8
    from graphopt import int16 as int16
    from graphopt import int32 as int32
    from graphopt import int64 as int64
    from graphopt import is_tensor as is_tensor
    from graphopt import less as less
    from graphopt import less_equal as less_equal
    from graphopt import linspace as linspace
    from graphopt import logical_and as logical_and
    from graphopt import logical_not as logical_not
    from graphopt import logical_or as logical_or
    from graphopt import map_fn as map_fn
    from graphopt import maximum as maximum
    from graphopt import meshgrid as meshgrid
    from graphopt import minimum as minimum
    from graphopt import multiply as multiply
    from graphopt import negative as negative
    from graphopt import newaxis as newaxis
    from graphopt import no_op as no_op
    from graphopt import not_equal as not_equal
    from graphopt import numpy_function as numpy_function
    from graphopt import one_hot as one_hot
    from graphopt import ones as ones
    from graphopt import pow as pow
    from graphopt import print as print
    from graphopt import py_function as py_function
    from graphopt import queue as queue
    from graphopt import ragged as ragged
    from graphopt import range as range
    from graphopt import rank as rank
    from graphopt import repeat as repeat
    from graphopt import reshape as reshape
    from graphopt import reverse as reverse
    from graphopt import reverse_sequence as reverse_sequence
    from graphopt import roll as roll
    from graphopt import round as round
    from graphopt import saturate_cast as saturate_cast
    from graphopt import scan as scan
    from graphopt import scatter_nd as scatter_nd
    from graphopt import searchsorted as searchsorted
    from graphopt import sequence_mask as sequence_mask
    from graphopt import sigmoid as sigmoid
    from graphopt import sign as sign
    from graphopt import sin as sin
    from graphopt import sinh as sinh
    from graphopt import slice as slice
    from graphopt import sort as sort
    from graphopt import split as split
    from graphopt import sqrt as sqrt
    from graphopt import square as square
    from graphopt import stack as stack
    from graphopt import stop_gradient as stop_gradient
    from graphopt import strided_slice as strided_slice
    from graphopt import string as string
    from graphopt import subtract as subtract
    from graphopt import switch_case as switch_case
    from graphopt import tan as tan
    from graphopt import tanh as tanh
    from graphopt import tensor_scatter_nd_add as tensor_scatter_nd_add
    from graphopt import tensor_scatter_nd_max as tensor_scatter_nd_max
    from graphopt import tensor_scatter_nd_min as tensor_scatter_nd_min
    from graphopt import tensor_scatter_nd_sub as tensor_scatter_nd_sub
    from graphopt import tensor_scatter_nd_update as tensor_scatter_nd_update
    from graphopt import tensordot as tensordot
    from graphopt import tile as tile
    from graphopt import truediv as truediv
    from graphopt import truncatediv as truncatediv
    from graphopt import truncatemod as truncatemod
    from graphopt import uint8 as uint8
    from graphopt import unique as unique
    from graphopt import unique_with_counts as unique_with_counts
    from graphopt import unravel_index as unravel_index
    from graphopt import unstack as unstack
    from graphopt import vectorized_map as vectorized_map
    from graphopt import version as version
    from graphopt import zeros as zeros
    from graphopt.compat.v1.functions import hessians as hessians
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


# Names of sparse tensors, and which of `tf.sparse` they are.
_SPARSE = {
    "SparseTensorValue": "SparseTensorValue",
    "sparse_add": "add",
    "sparse_concat": "concat",
    "sparse_fill_empty_rows": "fill_empty_rows",
    "sparse_mask": "mask",
    "sparse_placeholder": "placeholder",
    "sparse_reduce_max": "reduce_max",
    "sparse_reduce_sum": "reduce_sum",
    "sparse_reorder": "reorder",
    "sparse_reset_shape": "reset_shape",
    "sparse_reshape": "reshape",
    "sparse_retain": "retain",
    "sparse_segment_mean": "segment_mean",
    "sparse_segment_sqrt_n": "segment_sqrt_n",
    "sparse_segment_sum": "segment_sum",
    "sparse_slice": "slice",
    "sparse_softmax": "softmax",
    "sparse_split": "split",
    "sparse_tensor_dense_matmul": "sparse_dense_matmul",
    "sparse_tensor_to_dense": "to_dense",
    "sparse_to_dense": "sparse_to_dense",
    "sparse_to_indicator": "to_indicator",
    "sparse_transpose": "transpose",
}


# Names that stand elsewhere by another name, or in a module of version 1's arguments.
_ELSEWHERE = {
    "decode_csv": "graphopt.compat.v1.strings:decode_csv",
    "decode_raw": "graphopt.compat.v1.strings:decode_raw",
    "reduce_join": "graphopt.compat.v1.strings:reduce_join",
    "string_split": "graphopt.compat.v1.strings:string_split",
    "string_to_hash_bucket": "graphopt.compat.v1.strings:to_hash_bucket",
    "string_to_number": "graphopt.compat.v1.strings:to_number",
    "substr": "graphopt.compat.v1.strings:substr",
    "regex_replace": "graphopt.strings:regex_replace",
    "string_join": "graphopt.strings:join",
    "string_strip": "graphopt.strings:strip",
    "string_to_hash_bucket_fast": "graphopt.strings:to_hash_bucket_fast",
    "string_to_hash_bucket_strong": "graphopt.strings:to_hash_bucket_strong",
    **{
        name: f"graphopt.io:{name}"
        for name in (
            "FixedLenFeature",
            "FixedLenSequenceFeature",
            "SparseFeature",
            "VarLenFeature",
            "decode_base64",
            "decode_compressed",
            "encode_base64",
            "matching_files",
            "parse_example",
            "parse_single_example",
            "parse_single_sequence_example",
            "parse_tensor",
            "read_file",
            "serialize_tensor",
            "write_file",
        )
    },
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _ELSEWHERE:
            module, _, attribute = _ELSEWHERE[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        if name in _SPARSE:
            found = importlib.import_module("graphopt.compat.v1.sparse")
            return getattr(found, _SPARSE[name])
        if name in _MODULES:
            return importlib.import_module(f"graphopt.compat.v1.{name}")
        if name in _MESSAGES:
            messages = importlib.import_module("graphopt.files.messages")
            return getattr(messages, _MESSAGES[name])
        if name == "get_logger":
            return importlib.import_module("graphopt.compat.v1.logging").get_logger
        if name in (
            "autograph",
            "distribute",
            "io",
            "queue",
            "ragged",
            "raw_ops",
            "version",
        ):
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
            *_SPARSE,
            "autograph",
            "distribute",
            *_ELSEWHERE,
            "get_logger",
            "io",
            "queue",
            "ragged",
            "raw_ops",
            "version",
        }
    )


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
