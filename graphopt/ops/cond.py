"""`cond`, `case` and `switch_case`: one of several bodies runs.

In eager mode Python itself decides; in a graph the branches are built once, and the op
chooses at run time. The derivative computes the chosen branch again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.errors import DtypeMismatchError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body, TypedValue
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call_all
from graphopt.graph.opspec import (
    Bodies,
    Effect,
    Host,
    Kernel,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.ops.bodies import (
    REASON,
    as_condition,
    assign_results,
    expand,
    final_values,
    finish_body,
    list_captures,
    pack_expanded,
    pull_back,
    split_results,
    trace,
    written_variables,
)
from graphopt.ops.elementwise import equal


def _cond_infer(pred: Any, *inputs: Any, then_body: Body, else_body: Body) -> Any:
    types = []
    pairs = zip(then_body.infer(inputs), else_body.infer(inputs), strict=True)
    for a, b in pairs:
        shape = a.shape
        if shape.rank is None or b.shape.rank != shape.rank:
            shape = UNKNOWN
        elif shape != b.shape:
            dims = zip(shape, b.shape, strict=True)
            shape = TensorShape(m if m == n else None for m, n in dims)
        types.append((shape, a.dtype))
    return types


def _cond_compute(
    pred: NDArray[Any], *inputs: Any, then_body: Body, else_body: Body
) -> Any:
    chosen = then_body if pred else else_body
    results = chosen.evaluate(inputs)
    return results[0] if len(results) == 1 else tuple(results)


def _cond_vjp(
    g: Any, y: Any, pred: Any, *inputs: Any, then_body: Body, else_body: Body
) -> tuple[Any, ...]:
    gs = list(g) if isinstance(y, tuple) else [g]
    at = [i for i, tensor in enumerate(inputs) if tensor.dtype.is_differentiable]

    def branch(body: Body) -> Callable[[], list[Any]]:
        return lambda: pull_back(body, inputs, at, gs)

    if not at:
        return (None, *(None for _ in inputs))
    found = iter(cond(pred, branch(then_body), branch(else_body)))
    return (None, *(next(found) if i in at else None for i in range(len(inputs))))


def _sample_body(function: Callable[..., Any], count: int) -> Body:
    types = [TypedValue(TensorShape((2,)), dtypes.float64)] * count
    with entered(None):
        graph, arguments, result = trace(function, types)
    return finish_body(graph, arguments, (), nest.flatten(result))


def _cond_samples() -> list[Sample]:
    bodies = {
        "then_body": _sample_body(lambda x, y: x * y + x, 2),
        "else_body": _sample_body(lambda x, y: y * y * y, 2),
    }
    arrays = np.array([0.5, -1.5]), np.array([2.0, 3.0])
    return [Sample((np.array(pred), *arrays), bodies) for pred in (True, False)]


def _register_cond(name: str, effect: Effect, kernel: Kernel) -> OpSpec:
    return register(
        OpSpec(
            name,
            _cond_infer,
            _cond_compute,
            _cond_vjp,
            kernel,
            _cond_samples,
            types=("bool", "any"),
            effect=effect,
            outputs=-1,
            holomorphic=False,
            strings=True,
        )
    )


STATELESS_IF = _register_cond("StatelessIf", Effect.NONE, Bodies("cond"))
# Something inside prints, asserts or calls Python.
IF = _register_cond("If", Effect.HOST, Host(REASON))


def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns what one of two functions returns.

    In a graph both functions are called once, to build their ops; only the ops of the
    chosen one run. Both must return the same structure, with the same dtypes.

    Args:
      pred: Scalar bool tensor, or a Python bool.
      true_fn: Called without arguments.
      false_fn: Called without arguments.
      name: Name of the op.

    Raises:
      TypeError: A function is missing, or the dtypes of the results differ.
      ValueError: The structures of the results differ, or `pred` is no scalar.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.compat.v1.placeholder(tf.float32, [])
    ...     y = tf.cond(x > 0, lambda: x * 2.0, lambda: x - 1.0)
    ...     with tf.compat.v1.Session() as session:
    ...         print(session.run(y, {x: 3.0}), session.run(y, {x: -3.0}))
    6.0 -4.0

    Source: `tf.cond`.
    """
    if not callable(true_fn) or not callable(false_fn):
        raise TypeError("tf.cond needs two functions, true_fn and false_fn.")
    outer = building_graph()
    if outer is None or isinstance(pred, (bool, np.bool_)):
        return true_fn() if bool(pred) else false_fn()
    pred = as_condition(pred)
    then_graph, _, then_result = trace(true_fn, ())
    else_graph, _, else_result = trace(false_fn, ())
    then_result = _with_memory(then_graph, then_result, else_result)
    else_result = _with_memory(else_graph, else_result, then_result)
    then_flat, else_flat = expand(then_result), expand(else_result)
    _check_alike(then_result, else_result, then_flat, else_flat)
    variables = written_variables(then_graph, else_graph)
    then_flat += final_values(then_graph, variables)
    else_flat += final_values(else_graph, variables)
    captures = list_captures(then_graph, else_graph)
    bodies = {
        "then_body": finish_body(then_graph, (), captures, then_flat),
        "else_body": finish_body(else_graph, (), captures, else_flat),
    }
    if not then_flat:
        return then_result
    spec = IF if any(body.calls_host for body in bodies.values()) else STATELESS_IF
    with outer.control_dependencies(
        then_graph.outer_controls + else_graph.outer_controls
    ):
        made = call_all(spec, pred, *captures, name=name or "cond", **bodies)
    results, values = split_results(made, len(then_flat) - len(variables))
    results = assign_results(outer, variables, values, results)
    return pack_expanded(then_result, results)


def _with_memory(graph: Any, result: Any, other: Any) -> Any:
    """Gives the arrays of one branch memory where those of the other have some."""
    leaves, others = nest.flatten(result), nest.flatten(other)
    for i, (leaf, beside) in enumerate(zip(leaves, others, strict=False)):
        parts = beside._parts() if hasattr(beside, "_with_parts") else []
        if parts and hasattr(leaf, "_with_parts") and not leaf._parts():
            with entered(graph):
                leaves[i] = leaf._with_memory(None)
    return nest.pack_as(result, leaves)


def _check_alike(a: Any, b: Any, flat_a: list[Any], flat_b: list[Any]) -> None:
    if len(flat_a) != len(flat_b) or nest.is_nested(a) != nest.is_nested(b):
        raise fail(
            ValueError,
            "true_fn and false_fn must return the same structure",
            got=f"{len(flat_a)} and {len(flat_b)} tensors",
            site=str(user_site()),
        )
    for i, (x, y) in enumerate(zip(flat_a, flat_b, strict=True)):
        if x.dtype is not y.dtype:
            raise fail(
                DtypeMismatchError,
                f"true_fn and false_fn must return the same dtypes; result #{i} differs",
                got=f"{x.dtype.name} and {y.dtype.name}",
                site=str(user_site()),
                remedy="tf.cast in one of them",
            )


def case(
    pred_fn_pairs: Any,
    default: Callable[[], Any] | None = None,
    exclusive: bool = False,
    name: str | None = None,
) -> Any:
    """Returns what the function of the first true condition returns.

    Args:
      pred_fn_pairs: Pairs of a condition and a function.
      default: The function for when no condition is true; by default the last one.
      exclusive: Must be False.
      name: Name of the op.

    Source: `tf.case`.
    """
    if exclusive:
        raise NotImplementedError(
            "tf.case(exclusive=True); the first true one is taken."
        )
    pairs = list(pred_fn_pairs)
    if not pairs:
        raise ValueError("tf.case needs at least one pair.")
    function = default if default is not None else pairs.pop()[1]
    for pred, branch in reversed(pairs):
        function = _choice(pred, branch, function, name)
    return function()


def _choice(pred: Any, branch: Any, otherwise: Any, name: Any) -> Callable[[], Any]:
    return lambda: cond(pred, branch, otherwise, name)


def switch_case(
    branch_index: Any, branch_fns: Any, default: Any = None, name: str | None = None
) -> Any:
    """Returns what the function with an index returns; the last one if out of range.

    Source: `tf.switch_case`.
    """
    functions = list(branch_fns)
    pairs = [(equal(branch_index, i), f) for i, f in enumerate(functions)]
    return case(pairs, default or functions[-1], name=name)
