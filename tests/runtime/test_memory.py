"""Where memory begins."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.runtime.memory import LARGE, LARGE_PAGE, aligned_copy, aligned_zeros

v1 = tf.compat.v1


@pytest.mark.parametrize("nbytes", [1, 1000, LARGE - 1, LARGE, LARGE + 12345])
def test_zeros_begin_on_a_line_or_a_page(nbytes):
    zeros = aligned_zeros(nbytes)
    assert zeros.ctypes.data % (LARGE_PAGE if nbytes >= LARGE else 64) == 0
    assert zeros.nbytes == nbytes
    assert not zeros.any()


@pytest.mark.parametrize("shape", [(), (3, 4), (0, 2), (4100, 4100)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.bool_])
def test_copies_are_equal_and_their_own(shape, dtype):
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    turned = array.T
    copy = aligned_copy(turned, np.dtype(dtype))
    np.testing.assert_array_equal(copy, turned)
    assert copy.shape == turned.shape
    assert copy.dtype == dtype
    assert copy.flags.c_contiguous
    assert copy.flags.writeable
    assert not np.shares_memory(copy, array)
    if copy.nbytes >= LARGE:
        assert copy.ctypes.data % LARGE_PAGE == 0


def test_large_variables_begin_on_a_page():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(np.ones(LARGE // 4, np.float32))
        session.run(v1.global_variables_initializer())
        (array,) = session.store.values.values()
        assert array.ctypes.data % LARGE_PAGE == 0
        assert session.run(v).sum() == LARGE // 4
