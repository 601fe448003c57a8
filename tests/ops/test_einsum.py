"""Einsum, tensordot and norms against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import assert_everywhere

SIZES = {"a": 2, "b": 3, "c": 4, "d": 1, "e": 5}


def operands(equation, ellipses=()):
    """Makes an array for each term of an equation."""
    rng = np.random.default_rng(len(equation))
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    arrays = []
    for i, term in enumerate(terms):
        before, dots, after = term.partition("...")
        hidden = ellipses[i] if dots else ()
        shape = (*(SIZES[c] for c in before), *hidden, *(SIZES[c] for c in after))
        arrays.append(rng.standard_normal(shape))
    return arrays


@pytest.mark.parametrize(
    "equation",
    [
        "ab,bc->ac",
        "ab,bc",
        "ba,bc->ca",
        "cab,cbe->cae",
        "abc,cd->abd",
        "ab->ba",
        "ba",
        "ab->",
        "ab->b",
        "a,a->",
        "a,b->ab",
        "ab,ab->ab",
        "ab,ab->a",
        "ab,cd->ca",
        "abc,bce,ea->ce",
        "a,ab,abc->abc",
        ",ab->ab",
        "aceb,bd->ecda",
        "ab , bc -> ac",
    ],
)
def test_einsum(equation):
    arrays = operands(equation)
    want = np.einsum(equation, *arrays)
    assert_everywhere(lambda *x: tf.einsum(equation, *x), arrays, want, rtol=1e-12)


@pytest.mark.parametrize(
    ("equation", "hidden"),
    [
        ("...ab,...bc->...ac", [(2, 3), (2, 3)]),
        ("...ab,...bc->...ac", [(2, 1), (3,)]),
        ("...ab,bc->...ac", [(2, 2)]),
        ("a...->...a", [(2, 3)]),
        ("...a,...a->...", [(3, 1), (1, 2)]),
        ("...a", [(2,)]),
        ("...ab,...cb->c...a", [(2,), ()]),
    ],
)
def test_einsum_with_ellipsis(equation, hidden):
    arrays = operands(equation, hidden)
    want = np.einsum(equation, *arrays)
    assert_everywhere(lambda *x: tf.einsum(equation, *x), arrays, want, rtol=1e-12)


def test_einsum_with_unknown_dimensions():
    a, b = operands("cab,cbe->cae")
    assert_everywhere(
        lambda a, b: tf.einsum("cab,cbe->cae", a, b),
        [a, b],
        a @ b,
        shapes=[(None, None, 3), (None, 3, None)],
        rtol=1e-12,
    )
    assert_everywhere(
        lambda a, b: tf.einsum("cab,bd->cad", a, b),
        [a, b[0, :, :1]],
        a @ b[0, :, :1],
        shapes=[(None, 2, 3), (3, 1)],
        rtol=1e-12,
    )


def test_a_plain_product_is_one_matmul():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3])
        tf.einsum("ij,jk->ik", x, tf.ones([3, 2]))
        types = [op.type for op in graph.get_operations()]
    assert types.count("MatMul") == 1
    assert not {"Reshape", "Transpose", "Sum"} & set(types)


def test_derivatives_of_einsum():
    a, b = operands("abc,ce->eab")
    x, y = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as outer:
        outer.watch(y)
        with tf.GradientTape() as inner:
            inner.watch(x)
            z = tf.reduce_sum(tf.einsum("abc,ce->eab", x, y) ** 2.0)
        first = inner.gradient(z, x)
        total = tf.reduce_sum(first)
    product = np.einsum("abc,ce->abe", a, b)
    np.testing.assert_allclose(first, 2 * np.einsum("abe,ce->abc", product, b))
    second = 2 * np.einsum("abe,c->ce", product, np.ones(4))
    second += 2 * np.einsum("abc,e->ce", a, b.sum(0))
    np.testing.assert_allclose(outer.gradient(total, y), second)


@pytest.mark.parametrize(
    ("equation", "error", "words"),
    [
        ("ab,bc->ad", ValueError, "does not fit"),
        ("ab->ab", ValueError, "does not fit"),
        ("abc,bc->a", ValueError, "does not fit"),
        ("ab,b1->a1", ValueError, "does not fit"),
        ("ab,bc->aa", ValueError, "does not fit"),
        ("ab,ac->bc", ValueError, "Expected dimension 2"),
        ("aa,bc->abc", NotImplementedError, "twice in one operand"),
    ],
)
def test_einsum_refuses(equation, error, words):
    with pytest.raises(error, match=words):
        tf.einsum(equation, np.zeros((2, 3)), np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (1, ((2, 3), (3, 4))),
        (2, ((2, 3, 4), (3, 4, 5))),
        (0, ((2,), (3,))),
        ([[0, 1], [1, 0]], ((3, 4, 2), (4, 3, 5))),
        ([-1, 0], ((2, 3), (3, 2))),
        ([[1], [-1]], ((2, 3), (2, 3))),
    ],
)
def test_tensordot(axes, shapes):
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    want = np.tensordot(a, b, axes)
    assert_everywhere(lambda a, b: tf.tensordot(a, b, axes), [a, b], want, rtol=1e-12)


@pytest.mark.parametrize("axes", [3, [[0], [0, 1]], [[5], [0]], [[0, 0], [0, 1]]])
def test_tensordot_refuses(axes):
    with pytest.raises(tf.errors.InvalidArgumentError, match="tensordot"):
        tf.tensordot(np.zeros((2, 2)), np.zeros((2, 2)), axes)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("order", "axis"),
    [
        ("euclidean", None),
        ("euclidean", 1),
        ("euclidean", (0, 2)),
        ("fro", (0, 2)),
        (1, 0),
        (2, -1),
        (2.5, 1),
        (np.inf, 1),
        (1, (0, 1)),
        (np.inf, (2, 0)),
    ],
)
def test_norm(order, axis, keepdims):
    x = np.random.default_rng(6).standard_normal((2, 3, 4))
    if axis is None:
        want = np.sqrt(np.sum(x * x, keepdims=keepdims))
    else:
        kind = None if order == "euclidean" else order
        want = np.linalg.norm(x, kind, axis, keepdims)
    assert_everywhere(
        lambda x: tf.norm(x, order, axis, keepdims), [x], want, rtol=1e-12
    )


def test_norm_refuses():
    x = np.zeros((2, 2))
    for order, axis in (("fro", 0), (-1, 0), ("other", 0), (3, (0, 1))):
        with pytest.raises(ValueError, match="norm"):
            tf.norm(x, order, axis)


def test_einsum_of_integers():
    a = np.arange(6).reshape(2, 3)
    with config(jit="always"):
        assert_everywhere(lambda x: tf.einsum("ij,kj->ik", x, x), [a], a @ a.T)
