"""`tf.math`: arithmetic, functions and reductions."""

import importlib as _importlib
from typing import TYPE_CHECKING
from typing import Any as _Any

from graphopt.ops.activations import softsign as softsign
from graphopt.ops.complex_numbers import angle as angle
from graphopt.ops.complex_numbers import conj as conj
from graphopt.ops.complex_numbers import imag as imag
from graphopt.ops.complex_numbers import real as real
from graphopt.ops.elementwise import abs as abs
from graphopt.ops.elementwise import add as add
from graphopt.ops.elementwise import ceil as ceil
from graphopt.ops.elementwise import cos as cos
from graphopt.ops.elementwise import divide as divide
from graphopt.ops.elementwise import equal as equal
from graphopt.ops.elementwise import erf as erf
from graphopt.ops.elementwise import exp as exp
from graphopt.ops.elementwise import expm1 as expm1
from graphopt.ops.elementwise import floor as floor
from graphopt.ops.elementwise import floordiv as floordiv
from graphopt.ops.elementwise import floormod as floormod
from graphopt.ops.elementwise import greater as greater
from graphopt.ops.elementwise import greater_equal as greater_equal
from graphopt.ops.elementwise import is_finite as is_finite
from graphopt.ops.elementwise import is_inf as is_inf
from graphopt.ops.elementwise import is_nan as is_nan
from graphopt.ops.elementwise import less as less
from graphopt.ops.elementwise import less_equal as less_equal
from graphopt.ops.elementwise import log as log
from graphopt.ops.elementwise import log1p as log1p
from graphopt.ops.elementwise import logical_and as logical_and
from graphopt.ops.elementwise import logical_not as logical_not
from graphopt.ops.elementwise import logical_or as logical_or
from graphopt.ops.elementwise import maximum as maximum
from graphopt.ops.elementwise import minimum as minimum
from graphopt.ops.elementwise import multiply as multiply
from graphopt.ops.elementwise import negative as negative
from graphopt.ops.elementwise import not_equal as not_equal
from graphopt.ops.elementwise import pow as pow
from graphopt.ops.elementwise import reciprocal as reciprocal
from graphopt.ops.elementwise import round as round
from graphopt.ops.elementwise import rsqrt as rsqrt
from graphopt.ops.elementwise import sigmoid as sigmoid
from graphopt.ops.elementwise import sign as sign
from graphopt.ops.elementwise import sin as sin
from graphopt.ops.elementwise import softplus as softplus
from graphopt.ops.elementwise import sqrt as sqrt
from graphopt.ops.elementwise import square as square
from graphopt.ops.elementwise import squared_difference as squared_difference
from graphopt.ops.elementwise import subtract as subtract
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.integers import bincount as bincount
from graphopt.ops.integers import truncatediv as truncatediv
from graphopt.ops.integers import truncatemod as truncatemod
from graphopt.ops.nn import log_softmax as log_softmax
from graphopt.ops.nn import softmax as softmax
from graphopt.ops.reduction import reduce_all as reduce_all
from graphopt.ops.reduction import reduce_any as reduce_any
from graphopt.ops.reduction import reduce_max as reduce_max
from graphopt.ops.reduction import reduce_mean as reduce_mean
from graphopt.ops.reduction import reduce_min as reduce_min
from graphopt.ops.reduction import reduce_prod as reduce_prod
from graphopt.ops.reduction import reduce_sum as reduce_sum
from graphopt.ops.scan import cumprod as cumprod
from graphopt.ops.scan import cumsum as cumsum
from graphopt.ops.segments import segment_max as segment_max
from graphopt.ops.segments import segment_mean as segment_mean
from graphopt.ops.segments import segment_min as segment_min
from graphopt.ops.segments import segment_sum as segment_sum
from graphopt.ops.segments import unsorted_segment_max as unsorted_segment_max
from graphopt.ops.segments import unsorted_segment_mean as unsorted_segment_mean
from graphopt.ops.segments import unsorted_segment_min as unsorted_segment_min
from graphopt.ops.segments import unsorted_segment_sum as unsorted_segment_sum
from graphopt.ops.selecting import argmax as argmax
from graphopt.ops.selecting import argmin as argmin
from graphopt.ops.selecting import in_top_k as in_top_k
from graphopt.ops.selecting import top_k as top_k
from graphopt.ops.special import digamma as digamma
from graphopt.ops.special import divide_no_nan as divide_no_nan
from graphopt.ops.special import erfc as erfc
from graphopt.ops.special import erfinv as erfinv
from graphopt.ops.special import lgamma as lgamma
from graphopt.ops.special import log_sigmoid as log_sigmoid
from graphopt.ops.special import logical_xor as logical_xor
from graphopt.ops.special import multiply_no_nan as multiply_no_nan
from graphopt.ops.special import polygamma as polygamma
from graphopt.ops.special import reciprocal_no_nan as reciprocal_no_nan
from graphopt.ops.special import rint as rint
from graphopt.ops.special import xdivy as xdivy
from graphopt.ops.special import xlog1py as xlog1py
from graphopt.ops.special import xlogy as xlogy
from graphopt.ops.special import zeta as zeta
from graphopt.ops.statistics import count_nonzero as count_nonzero
from graphopt.ops.statistics import l2_normalize as l2_normalize
from graphopt.ops.statistics import reduce_euclidean_norm as reduce_euclidean_norm
from graphopt.ops.statistics import reduce_logsumexp as reduce_logsumexp
from graphopt.ops.statistics import reduce_std as reduce_std
from graphopt.ops.statistics import reduce_variance as reduce_variance
from graphopt.ops.sums import accumulate_n as accumulate_n
from graphopt.ops.sums import add_n as add_n
from graphopt.ops.sums import polyval as polyval
from graphopt.ops.sums import zero_fraction as zero_fraction
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

if TYPE_CHECKING:
    from graphopt.ops.incomplete import betainc as betainc
    from graphopt.ops.incomplete import igamma as igamma
    from graphopt.ops.incomplete import igammac as igammac
    from graphopt.ops.partitions import confusion_matrix as confusion_matrix
    from graphopt.ops.partitions import invert_permutation as invert_permutation

# Functions that are loaded when they are used: name -> module.
_LATER = {
    "betainc": "graphopt.ops.incomplete",
    "confusion_matrix": "graphopt.ops.partitions",
    "igamma": "graphopt.ops.incomplete",
    "igammac": "graphopt.ops.incomplete",
    "invert_permutation": "graphopt.ops.partitions",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> _Any:
        if name in _LATER:
            return getattr(_importlib.import_module(_LATER[name]), name)
        raise AttributeError(f"module 'tf.math' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*(n for n in globals() if not n.startswith("_")), *_LATER]


mod = floormod
truediv = divide
