"""`tf.test`: the test case tests itself."""

import unittest

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1


class GraphTests(v1.test.TestCase):
    def runTest(self):
        with tf.Graph().as_default():
            self.in_graph()

    def in_graph(self):
        with self.session() as session:
            x = v1.placeholder(tf.float32, [2, 3])
            y = tf.tanh(x) * 2.0
            error = v1.test.compute_gradient_error(x, [2, 3], y, [2, 3])
            self.assertLess(error, 1e-3)
            self.assertAllClose(session.run(y, {x: np.zeros((2, 3))}), np.zeros((2, 3)))
            theory, _ = v1.test.compute_gradient(x, [2, 3], y, [2, 3])
            self.assertEqual(theory.shape, (6, 6))
        with self.cached_session() as first:
            w = v1.Variable(3.0)
            first.run(w.initializer)
            self.assertAllEqual(w, 3.0)
            self.assertEqual(self.evaluate({"a": w})["a"], 3.0)
        with self.test_session() as again:
            self.assertIs(again, first)


def test_cases_run_in_graphs():
    result = unittest.TestResult()
    GraphTests().run(result)
    assert result.wasSuccessful(), result.failures + result.errors


@pytest.fixture
def case():
    made = GraphTests()
    made.setUp()
    yield made
    made.doCleanups()
    made.tearDown()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("assertAllClose", ([1.0], [1.0 + 1e-8]), ([1.0], [1.1])),
        ("assertAllClose", ({"a": [1.0]}, {"a": [1.0]}), ({"a": [1.0]}, {"a": [2.0]})),
        (
            "assertAllClose",
            ([[1.0], [1.0, 2.0]],) * 2,
            ([[1.0], [2.0, 3.0]], [[1.0], [2.0, 4.0]]),
        ),
        ("assertNotAllClose", ([1.0], [2.0]), ([1.0], [1.0])),
        ("assertAllEqual", ([1, 2], tf.constant([1, 2])), ([1, 2], [1, 3])),
        ("assertNotAllEqual", ([1], [2]), ([1], [1])),
        ("assertNear", (1.0, 1.1, 0.2), (1.0, 1.1, 0.01)),
        ("assertArrayNear", ([1.0], [1.1], 0.2), ([1.0], [1.1], 0.01)),
        ("assertNDArrayNear", ([1.0], [1.1], 0.2), ([1.0], [1.1], 0.01)),
        ("assertShapeEqual", (np.ones(2), tf.ones([2])), (np.ones(2), tf.ones([3]))),
        ("assertDTypeEqual", (tf.ones([2]), np.float32), (tf.ones([2]), np.float64)),
        ("assertAllGreater", ([2, 3], 1), ([2, 3], 2)),
        ("assertAllLess", ([2, 3], 4), ([2, 3], 3)),
        ("assertAllInRange", ([0.0, 1.0], 0, 1), ([np.nan], 0, 1)),
        ("assertAllInSet", ([1, 1, 2], [1, 2]), ([3], [1])),
        ("assertStartsWith", ("abc", "ab"), ("abc", "b")),
        ("assertLen", ([1], 1), ([1], 2)),
        ("assertEmpty", ([],), ([1],)),
        (
            "assertAllCloseAccordingToType",
            (np.float16([1.0]), np.float16([1.0009])),
            (np.float32([1.0]), np.float32([1.0009])),
        ),
    ],
)
def test_assertions(case, name, good, bad):
    getattr(case, name)(*good)
    with pytest.raises(AssertionError):
        getattr(case, name)(*bad)


def test_errors_are_expected(case):
    with case.assertRaisesOpError("Cannot"):
        raise tf.errors.InvalidArgumentError(None, None, "Cannot do it")
    with pytest.raises(AssertionError), case.assertRaisesOpError("other"):
        raise tf.errors.InvalidArgumentError(None, None, "Cannot do it")
    with pytest.raises(AssertionError), case.assertRaisesOpError("x"):
        pass


def test_seeds_and_folders(case):
    first = np.random.rand(), float(tf.random.uniform([]))  # noqa: NPY002
    folder = case.get_temp_dir()
    case.setUp()
    assert (np.random.rand(), float(tf.random.uniform([]))) == first  # noqa: NPY002
    assert case.get_temp_dir() == folder


def test_small_functions():
    assert v1.test.gpu_device_name() == "" and not v1.test.is_gpu_available()
    stubs = v1.test.StubOutForTesting()
    stubs.Set(tf.compat, "as_text", len)
    assert tf.compat.as_text("abc") == 3
    stubs.CleanUp()
    assert tf.compat.as_text("abc") == "abc"
