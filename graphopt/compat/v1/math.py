"""`tf.compat.v1.math`: `tf.math` with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt import math
from graphopt.compat.v1.arguments import count_nonzero as count_nonzero
from graphopt.compat.v1.deprecated import is_non_decreasing as is_non_decreasing
from graphopt.compat.v1.deprecated import (
    is_strictly_increasing as is_strictly_increasing,
)
from graphopt.compat.v1.deprecated import lbeta as lbeta
from graphopt.compat.v1.deprecated import scalar_mul as scalar_mul
from graphopt.compat.v1.nn import in_top_k as in_top_k
from graphopt.compat.v1.nn import l2_normalize as l2_normalize
from graphopt.compat.v1.nn import log_softmax as log_softmax
from graphopt.compat.v1.nn import softmax as softmax
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

if TYPE_CHECKING:
    from graphopt.math import abs as abs
    from graphopt.math import accumulate_n as accumulate_n
    from graphopt.math import acos as acos
    from graphopt.math import acosh as acosh
    from graphopt.math import add as add
    from graphopt.math import add_n as add_n
    from graphopt.math import angle as angle
    from graphopt.math import asin as asin
    from graphopt.math import asinh as asinh
    from graphopt.math import atan as atan
    from graphopt.math import atan2 as atan2
    from graphopt.math import atanh as atanh
    from graphopt.math import betainc as betainc
    from graphopt.math import bincount as bincount
    from graphopt.math import ceil as ceil
    from graphopt.math import conj as conj
    from graphopt.math import cos as cos
    from graphopt.math import cosh as cosh
    from graphopt.math import cumprod as cumprod
    from graphopt.math import cumsum as cumsum
    from graphopt.math import digamma as digamma
    from graphopt.math import divide as divide
    from graphopt.math import divide_no_nan as divide_no_nan
    from graphopt.math import equal as equal
    from graphopt.math import erf as erf
    from graphopt.math import erfc as erfc
    from graphopt.math import erfinv as erfinv
    from graphopt.math import exp as exp
    from graphopt.math import expm1 as expm1
    from graphopt.math import floor as floor
    from graphopt.math import floordiv as floordiv
    from graphopt.math import floormod as floormod
    from graphopt.math import greater as greater
    from graphopt.math import greater_equal as greater_equal
    from graphopt.math import igamma as igamma
    from graphopt.math import igammac as igammac
    from graphopt.math import imag as imag
    from graphopt.math import invert_permutation as invert_permutation
    from graphopt.math import is_finite as is_finite
    from graphopt.math import is_inf as is_inf
    from graphopt.math import is_nan as is_nan
    from graphopt.math import less as less
    from graphopt.math import less_equal as less_equal
    from graphopt.math import lgamma as lgamma
    from graphopt.math import log as log
    from graphopt.math import log1p as log1p
    from graphopt.math import log_sigmoid as log_sigmoid
    from graphopt.math import logical_and as logical_and
    from graphopt.math import logical_not as logical_not
    from graphopt.math import logical_or as logical_or
    from graphopt.math import logical_xor as logical_xor
    from graphopt.math import maximum as maximum
    from graphopt.math import minimum as minimum
    from graphopt.math import mod as mod
    from graphopt.math import multiply as multiply
    from graphopt.math import multiply_no_nan as multiply_no_nan
    from graphopt.math import negative as negative
    from graphopt.math import not_equal as not_equal
    from graphopt.math import polygamma as polygamma
    from graphopt.math import polyval as polyval
    from graphopt.math import pow as pow
    from graphopt.math import real as real
    from graphopt.math import reciprocal as reciprocal
    from graphopt.math import reciprocal_no_nan as reciprocal_no_nan
    from graphopt.math import reduce_euclidean_norm as reduce_euclidean_norm
    from graphopt.math import reduce_std as reduce_std
    from graphopt.math import reduce_variance as reduce_variance
    from graphopt.math import rint as rint
    from graphopt.math import round as round
    from graphopt.math import rsqrt as rsqrt
    from graphopt.math import segment_max as segment_max
    from graphopt.math import segment_mean as segment_mean
    from graphopt.math import segment_min as segment_min
    from graphopt.math import segment_sum as segment_sum
    from graphopt.math import sigmoid as sigmoid
    from graphopt.math import sign as sign
    from graphopt.math import sin as sin
    from graphopt.math import sinh as sinh
    from graphopt.math import softplus as softplus
    from graphopt.math import softsign as softsign
    from graphopt.math import sqrt as sqrt
    from graphopt.math import square as square
    from graphopt.math import squared_difference as squared_difference
    from graphopt.math import subtract as subtract
    from graphopt.math import tan as tan
    from graphopt.math import tanh as tanh
    from graphopt.math import top_k as top_k
    from graphopt.math import truediv as truediv
    from graphopt.math import truncatediv as truncatediv
    from graphopt.math import truncatemod as truncatemod
    from graphopt.math import unsorted_segment_max as unsorted_segment_max
    from graphopt.math import unsorted_segment_mean as unsorted_segment_mean
    from graphopt.math import unsorted_segment_min as unsorted_segment_min
    from graphopt.math import unsorted_segment_sum as unsorted_segment_sum
    from graphopt.math import xdivy as xdivy
    from graphopt.math import xlog1py as xlog1py
    from graphopt.math import xlogy as xlogy
    from graphopt.math import zero_fraction as zero_fraction
    from graphopt.math import zeta as zeta


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "confusion_matrix":
            from graphopt.compat.v1.functions import confusion_matrix

            return confusion_matrix
        # What is the same in both versions.
        return getattr(math, name)


def __dir__() -> list[str]:
    return sorted({*dir(math), *globals()})
