"""`tf.test`: a test case for programs with graphs and sessions."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock as mock

import numpy as np
from numpy.typing import NDArray

from graphopt.autodiff.gradients import gradients
from graphopt.errors import OpError
from graphopt.graph import nest
from graphopt.graph.context import (
    executing_eagerly,
    get_default_graph,
    reset_default_graph,
)
from graphopt.graph.tensor import EagerTensor, GraphTensor
from graphopt.ops.random import set_seed
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import Session
from graphopt.runtime.variable import Variable

# The seed of Python, NumPy and the graph at the start of each test.
SEED = 87654321


class TestCase(unittest.TestCase):
    """A `unittest.TestCase` with sessions, and assertions on arrays.

    Every test starts with an empty default graph and the same seeds.

    Source: `tf.test.TestCase`.
    """

    def setUp(self) -> None:
        """Starts from an empty graph and fixed seeds."""
        super().setUp()
        self._cached: Session | None = None
        random.seed(SEED)
        np.random.seed(SEED)  # noqa: NPY002 (what tests draw from)
        reset_default_graph()
        get_default_graph().seed = SEED if not executing_eagerly() else None
        if executing_eagerly():
            set_seed(SEED)

    def tearDown(self) -> None:
        """Closes the session that `cached_session` made."""
        if self._cached is not None:
            self._cached.close()
            self._cached = None
        super().tearDown()

    def get_temp_dir(self) -> str:
        """Returns a folder that is deleted after the test."""
        if not hasattr(self, "_folder"):
            self._folder = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    create_tempdir = get_temp_dir

    # ---- running

    @contextlib.contextmanager
    def session(
        self,
        graph: Any = None,
        config: Any = None,
        use_gpu: bool = True,
        force_gpu: bool = False,
    ) -> Iterator[Any]:
        """Gives a session for a block; None in eager mode."""
        if executing_eagerly():
            yield None
            return
        with Session(graph=graph, config=config) as session:
            yield session

    @contextlib.contextmanager
    def cached_session(
        self,
        graph: Any = None,
        config: Any = None,
        use_gpu: bool = True,
        force_gpu: bool = False,
    ) -> Iterator[Any]:
        """Gives the one session of the test for a block; None in eager mode."""
        if executing_eagerly():
            yield None
            return
        if self._cached is None:
            self._cached = Session(graph=graph, config=config)
        with self._cached.graph.as_default(), self._cached.as_default():
            yield self._cached

    def test_session(self, *arguments: Any, **keywords: Any) -> Any:
        """As `session` with a graph, else as `cached_session`."""
        if keywords.get("graph") is not None or arguments:
            return self.session(*arguments, **keywords)
        return self.cached_session(**keywords)

    test_session.__test__ = False  # type: ignore[attr-defined]

    def evaluate(self, tensors: Any) -> Any:
        """Returns the values of tensors in both modes."""
        if executing_eagerly():
            return nest.map_structure(_as_array, tensors)
        session = get_default_session() or self._cached
        if session is None:
            with self.cached_session() as made:
                return made.run(tensors)
        return session.run(tensors)

    def _value(self, a: Any) -> NDArray[Any]:
        if isinstance(a, (GraphTensor, Variable)) and not executing_eagerly():
            a = self.evaluate(a)
        return _as_array(a)

    # ---- assertions

    def assertAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None
    ) -> None:
        """Fails unless nests of arrays differ by at most `atol + rtol * |b|`."""
        if isinstance(a, dict):
            self.assertEqual(sorted(a), sorted(b), msg)
            for key in a:
                self.assertAllClose(a[key], b[key], rtol, atol, msg or key)
            return
        if isinstance(a, (list, tuple)) and _is_ragged(a):
            self.assertEqual(len(a), len(b), msg)
            for x, y in zip(a, b, strict=True):
                self.assertAllClose(x, y, rtol, atol, msg)
            return
        x, y = self._value(a), self._value(b)
        self.assertEqual(x.shape, y.shape, msg or "Shape mismatch")
        np.testing.assert_allclose(x, y, rtol, atol, err_msg=str(msg or ""))

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: Any = None,
    ) -> None:
        """As `assertAllClose`, with wider tolerances for shorter floats."""
        x, y = self._value(a), self._value(b)
        if np.float32 in (x.dtype, y.dtype) or np.complex64 in (x.dtype, y.dtype):
            rtol, atol = max(rtol, float_rtol), max(atol, float_atol)
        if np.float16 in (x.dtype, y.dtype):
            rtol, atol = max(rtol, half_rtol), max(atol, half_atol)
        self.assertAllClose(x, y, rtol, atol, msg)

    def assertNotAllClose(self, a: Any, b: Any, *more: Any, **named: Any) -> None:
        """Fails if arrays are close."""
        try:
            self.assertAllClose(a, b, *more, **named)
        except AssertionError:
            return
        raise self.failureException("The two values are close at all elements")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fails unless arrays have equal elements; NaN equals NaN."""
        x, y = self._value(a), self._value(b)
        self.assertEqual(x.shape, y.shape, msg or "Shape mismatch")
        np.testing.assert_array_equal(x, y, err_msg=str(msg or ""))

    def assertNotAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fails if arrays have equal elements."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise self.failureException(f"The two values are equal at all elements. {msg}")

    def assertArrayNear(
        self, farray1: Any, farray2: Any, err: float, msg: Any = None
    ) -> None:
        """Fails unless lists of numbers differ by at most `err`."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for x, y in zip(farray1, farray2, strict=True):
            self.assertNear(float(x), float(y), err, msg)

    def assertNear(self, f1: Any, f2: Any, err: float, msg: Any = None) -> None:
        """Fails unless two numbers differ by at most `err`."""
        if not (f1 == f2 or abs(f1 - f2) <= err):
            raise self.failureException(f"{f1} != {f2} +/- {err} {msg or ''}")

    def assertNDArrayNear(self, a: Any, b: Any, err: float, msg: Any = None) -> None:
        """Fails unless the norm of a difference is at most `err`."""
        norm = float(np.linalg.norm(self._value(a) - self._value(b)))
        if not norm < err:
            raise self.failureException(
                f"|a - b| = {norm}, expected < {err} {msg or ''}"
            )

    def assertShapeEqual(self, input_a: Any, input_b: Any, msg: Any = None) -> None:
        """Fails unless two have one shape."""
        self.assertEqual(tuple(input_a.shape), tuple(input_b.shape), msg)

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """Fails unless something has a dtype."""
        self.assertEqual(self._value(target).dtype, np.dtype(expected_dtype))

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """Fails unless all elements are greater."""
        self.assertGreater(self._value(a).min(), comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """Fails unless all elements are less."""
        self.assertLess(self._value(a).max(), comparison_target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """Fails unless no element is less."""
        self.assertGreaterEqual(self._value(a).min(), comparison_target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """Fails unless no element is greater."""
        self.assertLessEqual(self._value(a).max(), comparison_target)

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """Fails unless all elements are within bounds."""
        x = self._value(target)
        below = x <= lower_bound if open_lower_bound else x < lower_bound
        above = x >= upper_bound if open_upper_bound else x > upper_bound
        outside = below | above | np.isnan(x)
        if outside.any():
            raise self.failureException(
                f"{int(outside.sum())} elements are not within {lower_bound} and "
                f"{upper_bound}, the first is {x[outside][0]}"
            )

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """Fails unless all elements are in a set."""
        others = set(self._value(target).ravel().tolist()) - set(expected_set)
        if others:
            raise self.failureException(f"{sorted(others)} are not in {expected_set}")

    def assertStartsWith(
        self, actual: str, expected_start: str, msg: Any = None
    ) -> None:
        """Fails unless text starts with another one."""
        if not actual.startswith(expected_start):
            raise self.failureException(
                f"{actual!r} does not start with {expected_start!r}"
            )

    def assertEmpty(self, container: Any, msg: Any = None) -> None:
        """Fails unless there is nothing in it."""
        self.assertEqual(len(container), 0, msg)

    def assertNotEmpty(self, container: Any, msg: Any = None) -> None:
        """Fails if there is nothing in it."""
        self.assertNotEqual(len(container), 0, msg)

    def assertLen(self, container: Any, expected_len: int, msg: Any = None) -> None:
        """Fails unless there are so many in it."""
        self.assertEqual(len(container), expected_len, msg)

    @contextlib.contextmanager
    def assertRaisesWithPredicateMatch(
        self, exception_type: Any, expected_err_re_or_predicate: Any
    ) -> Iterator[None]:
        """Fails unless the block raises an error whose text matches."""
        wanted = expected_err_re_or_predicate
        try:
            yield
        except exception_type as error:
            matches = (
                wanted(error)
                if callable(wanted)
                else re.search(wanted, str(error)) is not None
            )
            if not matches:
                raise self.failureException(f"unexpected error: {error!r}") from error
            return
        raise self.failureException(f"{exception_type} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """Fails unless the block raises an `OpError` whose text matches."""
        return self.assertRaisesWithPredicateMatch(
            OpError, expected_err_re_or_predicate
        )

    def assertRaisesIncompatibleShapesError(
        self, exception_type: Any = None, pattern: Any = None
    ) -> Any:
        """Fails unless the block raises an error about shapes."""
        return self.assertRaises((OpError, ValueError, TypeError))


def _as_array(value: Any) -> NDArray[Any]:
    if isinstance(value, (EagerTensor, Variable)):
        return np.asarray(value.numpy())
    return np.asarray(value)


def _is_ragged(values: Any) -> bool:
    try:
        np.shape(values)
    except ValueError:
        return True
    return any(isinstance(each, (dict, GraphTensor, EagerTensor)) for each in values)


def main(argv: Any = None) -> None:
    """Runs the tests of the program.

    Source: `tf.test.main`.
    """
    unittest.main(argv=argv or sys.argv)


def get_temp_dir() -> str:
    """Returns a folder for temporary files."""
    return tempfile.gettempdir()


def test_src_dir_path(relative_path: str) -> str:
    """Returns a path as it is."""
    return relative_path


test_src_dir_path.__test__ = False  # type: ignore[attr-defined]


def is_built_with_cuda() -> bool:
    """Returns False."""
    return False


is_built_with_rocm = is_built_with_gpu_support = is_built_with_xla = is_built_with_cuda


def is_gpu_available(
    cuda_only: bool = False, min_cuda_compute_capability: Any = None
) -> bool:
    """Returns False: everything runs on the CPU."""
    return False


def gpu_device_name() -> str:
    """Returns an empty string: there is no GPU."""
    return ""


def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the derivative of a tensor by another one, and that by differences.

    Args:
      x: A tensor that can be fed.
      x_shape: Its shape.
      y: What depends on it.
      y_shape: Its shape.
      x_init_value: Where; by default a random place.
      delta: The difference.
      init_targets: Ops to run before.
      extra_feed_dict: Further feeds.

    Returns:
      Two matrices of shape [elements of x, elements of y].

    Source: `tf.compat.v1.test.compute_gradient`.
    """
    session = get_default_session()
    for target in init_targets or ():
        target.run()
    feeds = dict(extra_feed_dict or {})
    at = x_init_value
    if at is None:
        draws = np.random.random_sample(x_shape)  # noqa: NPY002
        at = draws.astype(x.dtype.as_numpy_dtype)
    at = np.asarray(at, x.dtype.as_numpy_dtype)
    size_x, size_y = int(np.prod(x_shape)), int(np.prod(y_shape))
    weights = np.zeros((size_y, *y_shape), y.dtype.as_numpy_dtype)
    weights.reshape(size_y, size_y)[...] = np.eye(size_y)
    theory = np.zeros((size_x, size_y), x.dtype.as_numpy_dtype)
    for index in range(size_y):
        (slope,) = gradients(y, x, weights[index])
        if slope is not None:
            theory[:, index] = session.run(slope, feeds | {x: at}).ravel()
    numeric = np.zeros_like(theory)
    for index in range(size_x):
        sides = []
        for sign in (1, -1):
            moved = at.copy()
            moved.ravel()[index] += sign * delta
            sides.append(session.run(y, feeds | {x: moved}))
        numeric[index] = (sides[0] - sides[1]).ravel() / (2 * delta)
    return theory, numeric


def compute_gradient_error(*arguments: Any, **keywords: Any) -> float:
    """Returns the largest difference of the two matrices of `compute_gradient`.

    Source: `tf.compat.v1.test.compute_gradient_error`.
    """
    theory, numeric = compute_gradient(*arguments, **keywords)
    return float(np.abs(theory - numeric).max(initial=0.0))


def assert_equal_graph_def(actual: Any, expected: Any) -> None:
    """Fails unless two graphs have equal ops.

    Source: `tf.compat.v1.test.assert_equal_graph_def`.
    """
    if {node.name: node for node in actual.node} != {n.name: n for n in expected.node}:
        raise AssertionError("The graphs have other ops.")


def create_local_cluster(*_: Any, **__: Any) -> Any:
    """Raises NotImplementedError: there is one process."""
    raise NotImplementedError("tf.test.create_local_cluster: there is one process.")


class StubOutForTesting:
    """Replaces attributes, and puts them back.

    Source: `tf.compat.v1.test.StubOutForTesting`.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:
        """Replaces an attribute."""
        before = getattr(parent, child_name)
        self._undo.append(lambda: setattr(parent, child_name, before))
        setattr(parent, child_name, new_child)

    SmartSet = Set

    def UnsetAll(self) -> None:
        """Puts all attributes back."""
        while self._undo:
            self._undo.pop()()

    CleanUp = SmartUnsetAll = UnsetAll


class Benchmark:
    """A base class whose subclasses measure; nothing collects them here.

    Source: `tf.test.Benchmark`.
    """

    def report_benchmark(self, **values: Any) -> None:
        """Prints values."""
        sys.stdout.write(f"{values}\n")
