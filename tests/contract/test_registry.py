"""What every op must do, read from the registry: a new op adds no line here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import graphopt as tf
from graphopt.autodiff.cotangents import walk_cotangents
from graphopt.codegen.lower import lower_operation
from graphopt.dtypes import as_dtype, float64
from graphopt.errors import OpError
from graphopt.graph.body import TypedValue
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.graph import infer_types
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    REGISTRY,
    Effect,
    Elementwise,
    Family,
    OpSpec,
    Source,
    register,
)
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.fused import FUSED_ELEMENTWISE
from graphopt.ops.state import VAR_HANDLE
from graphopt.rewrite.resolve_shapes import resolve_shapes
from tests.helpers import as_tuple, assert_ulps, run_eagerly, run_in_graph

SPECS = list(REGISTRY.values())
# Runs on its own, without a variable or a session around it.
PURE = [
    spec
    for spec in SPECS
    if spec.effect is Effect.NONE and spec not in (PLACEHOLDER, VAR_HANDLE)
]
NATIVE = [
    s for s in PURE if not isinstance(s.kernel, Source) and s is not FUSED_ELEMENTWISE
]
# StopGradient and IdentityN are there to have another derivative than their value has;
# the derivative of the derivative of a loop is refused.
NO_DERIVATIVE = ("StopGradient", "IdentityN", "WhileGrad", FUSED_ELEMENTWISE.name)
# How far a kernel may be from NumPy; reductions and products in the bound of their sum.
ULPS = 8


def by_name(spec):
    """Names a test after the op."""
    return spec.name


def sum_slack(spec, sample):
    """The error bound of a product that adds up in its own dtype: k eps |A| |B|."""
    if isinstance(spec.kernel, Family) and spec.kernel.name == "rows":
        # The difference to the largest logit is rounded before its exponential.
        return 32 * np.finfo(np.asarray(sample.inputs[0]).dtype).eps
    if isinstance(spec.kernel, Family) and spec.kernel.name == "windows":
        # Sums over a window, or, for the derivative by a filter, over a batch.
        depth = max(np.size(x) // max(np.shape(x)[-1], 1) for x in sample.inputs)
        scale = np.prod([np.abs(x).max(initial=0) for x in sample.inputs[-2:]])
        is_float = sample.inputs[0].dtype.kind == "f"
        eps = np.finfo(sample.inputs[0].dtype).eps if is_float else 0.0
        return depth * eps * scale
    transposes = {
        "MatMul": lambda attrs: (attrs["transpose_a"],),
        "SumOfMatMuls": lambda attrs: [first for first, _ in attrs["transposes"]],
    }
    if spec.name not in transposes:
        return 0.0
    depth, total = 0, 0.0
    for i, is_turned in enumerate(transposes[spec.name](sample.attrs)):
        a, b = (np.abs(np.asarray(x, np.float64)) for x in sample.inputs[2 * i :][:2])
        terms = a.shape[-2 if is_turned else -1]
        depth += terms
        total += a.max(initial=0) * b.max(initial=0) * terms
    return depth * np.finfo(sample.inputs[0].dtype).eps * total


@pytest.mark.parametrize("spec", PURE, ids=by_name)
def test_shapes_follow_from_shapes_and_dtypes_alone(spec):
    """Inside of branches and loops a rule sees no tensors, only their types."""
    for sample in spec.samples():
        types = [
            TypedValue(TensorShape(np.shape(x)), as_dtype(np.asarray(x).dtype))
            for x in sample.inputs
        ]
        found = infer_types(spec, types, sample.attrs, None)
        results = as_tuple(spec.compute(*sample.inputs, **sample.attrs))
        for (shape, dtype), result in zip(found, results, strict=True):
            assert TensorShape(shape).is_compatible_with(np.shape(result))
            assert dtype is as_dtype(np.asarray(result).dtype)


@pytest.mark.parametrize("spec", PURE, ids=by_name)
def test_infer_tells_shape_and_dtype(spec):
    for sample in spec.samples():
        arrays = [np.asarray(array) for array in sample.inputs]
        results = as_tuple(spec.compute(*arrays, **sample.attrs))
        inputs = [tf.constant(array) for array in arrays]
        types = spec.infer(*inputs, **sample.attrs)
        types = types if isinstance(types, list) else [types]
        if spec.outputs == 0:
            results = ()
        assert len(types) == len(results)
        for (shape, dtype), array in zip(types, results, strict=True):
            if spec.types[0] == "string" and not TensorShape(shape).is_fully_defined():
                # How many words there are only the strings tell.
                assert TensorShape(shape).is_compatible_with(array.shape)
            else:
                assert TensorShape(shape) == array.shape
            assert dtype is as_dtype(array.dtype)


@pytest.mark.parametrize("spec", NATIVE, ids=by_name)
def test_eager_interpreted_and_compiled_agree(spec):
    for sample in spec.samples():
        eager = run_eagerly(spec, sample)
        interpreted = run_in_graph(spec, sample, jit="never")
        compiled = run_in_graph(spec, sample, jit="always")
        slack = sum_slack(spec, sample)
        for a, b, c in zip(eager, interpreted, compiled, strict=True):
            assert_ulps(b, a, 0)
            # The order of a product's factors is free; each one rounds once.
            factors = np.size(sample.inputs[0]) if spec.name == "Prod" else 0
            assert_ulps(c, a, ULPS + factors, slack)


@pytest.mark.parametrize(
    "spec",
    [
        s
        for s in PURE
        if s.vjp is not NOT_DIFFERENTIABLE and s.name not in NO_DERIVATIVE
    ],
    ids=by_name,
)
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_match_differences(spec, order):
    if spec.name == "StatelessWhile" and order == 2:
        sample = spec.samples()[0]
        with pytest.raises(
            NotImplementedError, match=r"second derivative of tf\.while"
        ):
            check_derivative(spec, sample, list(sample.inputs), order)
        return
    for sample in spec.samples():
        arrays = [np.asarray(array) for array in sample.inputs]
        if not any(a.dtype == np.float64 for a in arrays):
            continue
        if any(array.size > 200 for array in arrays):
            continue
        check_derivative(spec, sample, arrays, order)


def check_derivative(spec, sample, arrays, order):
    """Compares the directional derivative with a central difference."""
    rng = np.random.default_rng(order)
    wrt = [i for i, a in enumerate(arrays) if a.dtype == np.float64]
    outputs = as_tuple(call(spec, *arrays, **sample.attrs))
    weights = [
        rng.standard_normal(t.shape) if t.dtype is float64 else None for t in outputs
    ]
    if all(w is None for w in weights):
        return
    directions = {i: rng.standard_normal(arrays[i].shape) for i in wrt}
    if sample.symmetric:
        directions = {i: d + np.swapaxes(d, -1, -2) for i, d in directions.items()}

    def value(x):
        results = as_tuple(call(spec, *x, **sample.attrs))
        terms = [
            tf.reduce_sum(r * w)
            for r, w in zip(results, weights, strict=True)
            if w is not None
        ]
        return sum(terms[1:], terms[0])

    def slope(x):
        """The derivative of `value` along the directions."""
        tensors = [tf.constant(a) for a in x]
        with tf.GradientTape() as tape:
            tape.watch([tensors[i] for i in wrt])
            y = value(tensors)
        grads = tape.gradient(y, [tensors[i] for i in wrt])
        return tensors, wrt, grads

    def first(x):
        _, _, grads = slope(x)
        return sum(
            float(tf.reduce_sum(g * directions[i]))
            for i, g in zip(wrt, grads, strict=True)
            if g is not None
        )

    def second(x):
        tensors = [tf.constant(a) for a in x]
        watched = [tensors[i] for i in wrt]
        with tf.GradientTape() as outer:
            outer.watch(watched)
            with tf.GradientTape() as inner:
                inner.watch(watched)
                y = value(tensors)
            grads = inner.gradient(y, watched)
            total = [
                tf.reduce_sum(g * directions[i])
                for i, g in zip(wrt, grads, strict=True)
                if g is not None
            ]
            if not total:
                return 0.0
            total = sum(total[1:], total[0])
        grads = outer.gradient(total, watched)
        return sum(
            float(tf.reduce_sum(g * directions[i]))
            for i, g in zip(wrt, grads, strict=True)
            if g is not None
        )

    step = 1e-5

    def moved(sign):
        return [
            a + sign * step * directions[i] if i in directions else a
            for i, a in enumerate(arrays)
        ]

    f = (lambda x: float(value([tf.constant(a) for a in x]))) if order == 1 else first
    if not np.isfinite(f(arrays)):
        # The largest of no numbers is minus infinity; it has no derivative.
        return
    numeric = (f(moved(1)) - f(moved(-1))) / (2 * step)
    analytic = first(arrays) if order == 1 else second(arrays)
    scale = max(1.0, abs(numeric), abs(f(arrays)))
    assert abs(analytic - numeric) <= 2e-6 * scale, (analytic, numeric, sample)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.errors()], ids=by_name)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_bad_inputs_are_refused(spec, mode):
    for bad in spec.errors():
        with pytest.raises(bad.error, match=bad.match) as caught:
            if mode == "eager":
                call(spec, *bad.inputs, **bad.attrs)
            else:
                with tf.Graph().as_default():
                    constants = [tf.constant(x) for x in bad.inputs]
                    outputs = as_tuple(call(spec, *constants, **bad.attrs))
                    with tf.compat.v1.Session() as session:
                        session.run(list(outputs))
        assert "test_registry.py:" in str(caught.value), str(caught.value)
        assert "got " in str(caught.value)
        if issubclass(bad.error, OpError):
            assert isinstance(caught.value, (ValueError, TypeError, IndexError))


def test_a_check_inside_a_kernel_raises_the_same_error():
    spec = REGISTRY["SparseSoftmaxCrossEntropyWithLogits"]
    bad = spec.errors()[0]
    sample = dataclasses.make_dataclass("S", ["inputs", "attrs"])(bad.inputs, bad.attrs)
    messages = []
    for jit in ("never", "always"):
        with pytest.raises(bad.error, match=bad.match) as caught:
            run_in_graph(spec, sample, jit)
        messages.append(str(caught.value).partition("; op")[0])
    assert messages[0] == messages[1]


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_entries_are_complete(spec):
    assert spec.samples()
    assert callable(spec.infer)
    assert callable(spec.compute)
    if isinstance(spec.kernel, Elementwise):
        count = len(spec.samples()[0].inputs)
        assert spec.kernel.expression.format(*(["x"] * max(count, 2)))


@pytest.mark.parametrize(
    "spec",
    [
        s
        for s in SPECS
        if isinstance(s.kernel, (Elementwise, Family))
        and s.effect in (Effect.NONE, Effect.RANDOM)
        and s is not FUSED_ELEMENTWISE
    ],
    ids=by_name,
)
def test_what_a_kernel_reports_is_explained(spec):
    """A kernel that checks something, forgotten in `explain`, is an unknown code."""
    for sample in spec.samples():
        with tf.Graph().as_default() as graph:
            inputs = [
                tf.compat.v1.placeholder(tf.as_dtype(a.dtype), a.shape)
                for a in map(np.asarray, sample.inputs)
            ]
            outputs = as_tuple(call(spec, *inputs, **sample.attrs))
        program = Program(graph, tuple(inputs), outputs, ())
        for op in resolve_shapes.function(program).operations:
            tensors = (*op.inputs, *op.outputs)
            if isinstance(op.spec.kernel, Source) or any(
                t.dtype.is_string or not t.shape.is_fully_defined() for t in tensors
            ):
                continue
            lowered = lower_operation(op)
            reports = any("report_status(" in c.kernel.source for c in lowered.calls)
            assert reports <= lowered.checks, "what reports needs Lowered.checks"
            if lowered.checks:
                assert op.spec.explain is not None, f"{op.type} needs `explain`"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Exp"}, "registered twice"),
        ({"vjp": None}, "vjp must be"),
        ({"kernel": "exp"}, "kernel must be"),
        ({"kernel": Elementwise("system({0})")}, "unknown names"),
        ({"samples": None}, "need samples"),
    ],
)
def test_incomplete_entries_are_refused(change, words):
    spec = dataclasses.replace(REGISTRY["Exp"], **({"name": "Incomplete"} | change))
    with pytest.raises(ValueError, match=words):
        register(spec)
    assert "Incomplete" not in REGISTRY


def test_fused_body_computes_what_its_ops_do():
    (sample,) = FUSED_ELEMENTWISE.samples()
    (x,) = sample.inputs
    assert building_graph() is None
    assert isinstance(FUSED_ELEMENTWISE, OpSpec)
    result = FUSED_ELEMENTWISE.compute(x, **sample.attrs)
    np.testing.assert_array_equal(result, np.exp(x) * x)


def test_walk_gives_none_where_nothing_connects():
    x, y = tf.constant(1.0), tf.constant(2.0)
    assert walk_cotangents([], [x], [tf.constant(1.0)], [y]) == [None]
