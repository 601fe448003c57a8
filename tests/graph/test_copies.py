"""Tensors with values and variables are copied, pickled and plotted."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import graphopt as tf


def from_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


WAYS = [copy.copy, copy.deepcopy, from_pickle]
THINGS = {
    "float": lambda: tf.constant([1.5, 2.5]),
    "scalar": lambda: tf.constant(3, tf.int64),
    "empty": lambda: tf.zeros([0, 3]),
    "string": lambda: tf.constant(["a", "bc"]),
    "complex": lambda: tf.complex(1.0, 2.0),
    "ragged": lambda: tf.ragged.constant([[1], [2, 3]]),
    "sparse": lambda: tf.sparse.from_dense([[1, 0], [0, 2]]),
    "slices": lambda: tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([2])),
}


def parts(thing):
    """Returns the arrays that a tensor, or a composite of some, consists of."""
    names = ("values", "row_splits", "indices", "dense_shape")
    inner = [getattr(thing, name, None) for name in names]
    found = [part for part in inner if part is not None] or [thing]
    return [np.asarray(part) for part in found]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", THINGS)
def test_a_tensor_is_copied(name, way):
    thing = THINGS[name]()
    made = way(thing)
    assert type(made) is type(thing)
    assert made.dtype is thing.dtype
    for ours, theirs in zip(parts(made), parts(thing), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("way", WAYS[1:], ids=lambda way: way.__name__)
def test_a_copy_of_a_variable_is_a_variable_of_its_own(way):
    variable = tf.Variable([1.0, 2.0], name="v")
    made = way(variable)
    variable.assign([3.0, 4.0])
    assert made.numpy().tolist() == [1.0, 2.0]
    made.assign_add([1.0, 1.0])
    assert variable.numpy().tolist() == [3.0, 4.0]


def test_matplotlib_draws_tensors():
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, v = tf.linspace(0.0, 1.0, 5), tf.Variable(tf.ones([5]))
    (line,) = pyplot.plot(x, tf.square(x))
    assert np.asarray(line.get_ydata()).tolist() == [0.0, 0.0625, 0.25, 0.5625, 1.0]
    (line,) = pyplot.plot(v)
    assert np.asarray(line.get_ydata()).tolist() == [1.0] * 5
    pyplot.scatter(x, v)
    pyplot.hist(x)
    pyplot.imshow(tf.eye(3))
    pyplot.close("all")
