"""Control flow: `cond`, `case` and `while_loop`, as ops with bodies.

In eager mode Python itself decides; in a graph the branches and the rounds are built
once, as bodies, and the op chooses at run time. Derivatives compute a branch, or a
round, again instead of keeping what it made: `while_loop` keeps its loop variables of
each round and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.errors import DtypeMismatchError, InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body, BodyGraph, TypedValue
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, UNKNOWN, TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.elementwise import equal
from graphopt.ops.shaping import identity, stop_gradient

_REASON = "Python chooses the body"


# ---- bodies


def trace(
    function: Callable[..., Any], types: Sequence[Any]
) -> tuple[BodyGraph, list[GraphTensor], Any]:
    """Builds a body of a function on placeholders.

    Args:
      function: From tensors to a nest of tensors.
      types: What has the shape and dtype of each argument.

    Returns:
      The graph, its arguments and what the function returned, converted to tensors.
    """
    graph = BodyGraph(building_graph())
    with entered(graph):
        arguments = [graph.add_input(t.dtype, t.shape, "argument") for t in types]
        result = function(*arguments)
        result = nest.map_structure(_as_output, result) if result is not None else []
    return graph, arguments, result


def _as_output(value: Any) -> Any:
    graph = building_graph()
    assert graph is not None
    if isinstance(value, Operation) or value is None:
        # What an op does is kept by the body; as a value it has none.
        return hooks.convert(0) if value is None else _after(value)
    tensor = hooks.convert(value)
    return graph.adopt(tensor)


def _after(op: Operation) -> Any:
    with op.graph.control_dependencies([op]):
        return identity(hooks.convert(0))


def inline(body: Body, inputs: Sequence[Any]) -> list[Any]:
    """Adds the ops of a body to the current graph, or runs them eagerly."""
    values = dict(zip(body.inputs, inputs, strict=True))
    for op in body.operations:
        if op.spec.effect is Effect.RANDOM:
            raise NotImplementedError(
                f"The derivative of control flow around {op.type} (made at "
                f"{op.site_text}), which would draw other numbers; draw them before."
            )
        if op.spec.effect is Effect.HOST and not op.outputs:
            continue
        results = call(op.spec, *[values[t] for t in op.inputs], **op.attrs)
        if len(op.outputs) == 1:
            results = (results,)
        values.update(zip(op.outputs, results, strict=True))
    return [values[tensor] for tensor in body.outputs]


def _finish(
    graph: BodyGraph,
    arguments: Sequence[GraphTensor],
    captures: Sequence[GraphTensor],
    outputs: Sequence[GraphTensor],
) -> Body:
    """Makes a body whose inputs are its arguments and these captures."""
    adopted = [graph.adopt(tensor) for tensor in captures]
    return Body(graph, (*arguments, *adopted), tuple(outputs))


def _captured(*graphs: BodyGraph) -> list[GraphTensor]:
    return list(dict.fromkeys(tensor for graph in graphs for tensor in graph.captures))


def _written(*graphs: BodyGraph) -> dict[Any, Any]:
    """The variables that bodies assign to, by key."""
    return {key: v for graph in graphs for key, (v, _) in graph.state.items()}


def _final_values(graph: BodyGraph, variables: dict[Any, Any]) -> list[GraphTensor]:
    with entered(graph):
        return [graph.adopt(v.read_value()) for v in variables.values()]


def _assign_results(
    outer: Graph, variables: dict[Any, Any], values: Sequence[Any], results: list[Any]
) -> list[Any]:
    """Assigns what bodies assigned, and lets the results wait for that."""
    if not variables:
        return results
    done = [
        variable.assign(value, read_value=False)
        for variable, value in zip(variables.values(), values, strict=True)
    ]
    with outer.control_dependencies(done):
        return [identity(result) for result in results]


# ---- cond


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
    at = [i for i, tensor in enumerate(inputs) if tensor.dtype.is_floating]

    def branch(body: Body) -> Callable[[], list[Any]]:
        return lambda: _pull(body, inputs, at, gs)

    if not at:
        return (None, *(None for _ in inputs))
    found = iter(cond(pred, branch(then_body), branch(else_body)))
    return (None, *(next(found) if i in at else None for i in range(len(inputs))))


def _pull(body: Body, inputs: Sequence[Any], at: Sequence[int], gs: Any) -> list[Any]:
    """The cotangents of the floating-point inputs of a body, in the current graph."""
    graph = building_graph()
    local = list(inputs)
    if graph is not None:
        local = [graph.adopt(tensor) for tensor in inputs]
        gs = [None if g is None else graph.adopt(g) for g in gs]

    def function(*floats: Any) -> list[Any]:
        for i, value in zip(at, floats, strict=True):
            local[i] = value
        return inline(body, local)

    found: list[Any] = hooks.pullback(function, [local[i] for i in at], gs)
    return found


def _sample_body(function: Callable[..., Any], count: int) -> Body:
    types = [TypedValue(TensorShape((2,)), dtypes.float64)] * count
    with entered(None):
        graph, arguments, result = trace(function, types)
    return _finish(graph, arguments, (), nest.flatten(result))


def _cond_samples() -> list[Sample]:
    bodies = {
        "then_body": _sample_body(lambda x, y: x * y + x, 2),
        "else_body": _sample_body(lambda x, y: y * y * y, 2),
    }
    arrays = np.array([0.5, -1.5]), np.array([2.0, 3.0])
    return [Sample((np.array(pred), *arrays), bodies) for pred in (True, False)]


def _register_cond(name: str, effect: Effect) -> OpSpec:
    return register(
        OpSpec(
            name,
            _cond_infer,
            _cond_compute,
            _cond_vjp,
            Host(_REASON),
            _cond_samples,
            types=("bool", "any"),
            effect=effect,
            outputs=-1,
        )
    )


STATELESS_IF = _register_cond("StatelessIf", Effect.NONE)
# Something inside prints, asserts or calls Python.
IF = _register_cond("If", Effect.HOST)


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
    pred = _as_condition(pred)
    then_graph, _, then_result = trace(true_fn, ())
    else_graph, _, else_result = trace(false_fn, ())
    then_flat, else_flat = nest.flatten(then_result), nest.flatten(else_result)
    _check_alike(then_result, else_result, then_flat, else_flat)
    variables = _written(then_graph, else_graph)
    then_flat += _final_values(then_graph, variables)
    else_flat += _final_values(else_graph, variables)
    captures = _captured(then_graph, else_graph)
    bodies = {
        "then_body": _finish(then_graph, (), captures, then_flat),
        "else_body": _finish(else_graph, (), captures, else_flat),
    }
    if not then_flat:
        return then_result
    spec = IF if any(body.calls_host for body in bodies.values()) else STATELESS_IF
    with outer.control_dependencies(
        then_graph.outer_controls + else_graph.outer_controls
    ):
        made = call_all(spec, pred, *captures, name=name or "cond", **bodies)
    results, values = _split(made, len(then_flat) - len(variables))
    results = _assign_results(outer, variables, values, results)
    return nest.pack_as(then_result, results)


def _split(made: Sequence[Any], count: int) -> tuple[list[Any], list[Any]]:
    return list(made[:count]), list(made[count:])


def _as_condition(pred: Any) -> Any:
    pred = hooks.convert(pred)
    if pred.dtype is not dtypes.bool_:
        raise fail(
            DtypeMismatchError,
            "The condition must be a bool",
            got=f"{pred.dtype.name}",
            expected="bool",
            op=getattr(pred, "op", None),
            remedy="a comparison, as `x > 0`",
        )
    if not pred.shape.is_compatible_with(SCALAR):
        raise fail(
            InvalidArgumentError,
            "The condition must be a scalar",
            got=f"shape {pred.shape}",
            op=getattr(pred, "op", None),
            remedy="tf.reduce_all or tf.reduce_any",
        )
    return pred


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


# ---- while_loop


def _loop(
    values: list[Any],
    captures: Sequence[Any],
    cond: Body,
    body: Body,
    limit: int | None,
) -> list[list[Any]]:
    """Runs a loop and returns the loop variables before each round and at the end."""
    history = [values]
    while limit is None or len(history) <= limit:
        (go_on,) = cond.evaluate([*history[-1], *captures])
        if not go_on:
            break
        history.append(body.evaluate([*history[-1], *captures]))
    return history


def _while_infer(*inputs: Any, count: int, body: Body, **_attrs: Any) -> Any:
    types = [TypedValue(t.shape, t.dtype) for t in inputs[:count]]
    after = body.infer([*types, *inputs[count:]])
    # A dimension that a round changes is not known.
    return [
        (t.shape if t.shape == a.shape else _common(t.shape, a.shape), t.dtype)
        for t, a in zip(types, after, strict=True)
    ]


def _common(a: TensorShape, b: TensorShape) -> TensorShape:
    if a.rank is None or a.rank != b.rank:
        return UNKNOWN
    return TensorShape(m if m == n else None for m, n in zip(a, b, strict=True))


def _while_compute(
    *inputs: Any,
    count: int,
    cond: Body,
    body: Body,
    limit: int | None,
) -> Any:
    captures = inputs[count:]
    values = list(inputs[:count])
    rounds = 0
    while limit is None or rounds < limit:
        (go_on,) = cond.evaluate([*values, *captures])
        if not go_on:
            break
        values = body.evaluate([*values, *captures])
        rounds += 1
    return values[0] if count == 1 else tuple(values)


def _float_positions(inputs: Sequence[Any], count: int) -> tuple[list[int], list[int]]:
    at = [i for i, tensor in enumerate(inputs) if tensor.dtype.is_floating]
    return [i for i in at if i < count], [i for i in at if i >= count]


def _while_vjp(
    g: Any, y: Any, *inputs: Any, count: int, cond: Body, body: Body, limit: int | None
) -> tuple[Any, ...]:
    in_loop, outside = _float_positions(inputs, count)
    gs = list(g) if isinstance(y, tuple) else [g]
    outputs = list(y) if isinstance(y, tuple) else [y]
    seeds = [outputs[i] * 0 if gs[i] is None else gs[i] for i in in_loop]
    types = [*inputs, *(outputs[i] for i in in_loop)]

    def round_back(*arguments: Any) -> list[Any]:
        local, cotangents = arguments[: len(inputs)], arguments[len(inputs) :]
        full: list[Any] = [None] * count
        for i, cotangent in zip(in_loop, cotangents, strict=True):
            full[i] = cotangent
        return _pull(body, local, in_loop + outside, full)

    graph, arguments, result = trace(round_back, types)
    backward = _finish(graph, arguments, (), result)
    found = call_all(
        WHILE_GRAD,
        *seeds,
        *inputs,
        count=count,
        seeds=len(seeds),
        cond=cond,
        body=body,
        backward=backward,
        limit=limit,
    )
    parts = dict(
        zip(
            in_loop + outside,
            found,
            strict=True,
        )
    )
    return tuple(parts.get(i) for i in range(len(inputs)))


def _while_samples() -> list[Sample]:
    types = [
        TypedValue(SCALAR, dtypes.int32),
        *[TypedValue(TensorShape((2,)), dtypes.float64)] * 2,
    ]

    def body_of(function: Callable[..., Any]) -> Body:
        with entered(None):
            graph, arguments, result = trace(function, types)
        return _finish(graph, arguments, (), nest.flatten(result))

    attrs = {
        "count": 2,
        "cond": body_of(lambda i, x, c: i < 3),
        "body": body_of(lambda i, x, c: [i + 1, x * c + x * x]),
        "limit": None,
    }
    inputs = np.array(0, np.int32), np.array([0.2, -0.1]), np.array([0.5, 0.7])
    return [Sample(inputs, attrs), Sample(inputs, {**attrs, "limit": 1})]


def _register_while(name: str, effect: Effect) -> OpSpec:
    return register(
        OpSpec(
            name,
            _while_infer,
            _while_compute,
            _while_vjp,
            Host(_REASON),
            _while_samples,
            types=("any",),
            effect=effect,
            outputs=-1,
        )
    )


STATELESS_WHILE = _register_while("StatelessWhile", Effect.NONE)
WHILE = _register_while("While", Effect.HOST)


def _while_grad_infer(*inputs: Any, count: int, seeds: int, **_attrs: Any) -> Any:
    given = inputs[seeds:]
    in_loop, outside = _float_positions(given, count)
    return [(given[i].shape, given[i].dtype) for i in in_loop + outside]


def _while_grad_compute(
    *inputs: Any,
    count: int,
    seeds: int,
    cond: Body,
    body: Body,
    backward: Body,
    limit: int | None,
) -> Any:
    cotangents, given = list(inputs[:seeds]), inputs[seeds:]
    captures = given[count:]
    totals = [
        np.zeros_like(given[i])
        for i in range(count, len(given))
        if given[i].dtype.kind == "f"
    ]
    history = _loop(list(given[:count]), captures, cond, body, limit)
    for values in reversed(history[:-1]):
        parts = backward.evaluate([*values, *captures, *cotangents])
        cotangents = parts[:seeds]
        totals = [a + b for a, b in zip(totals, parts[seeds:], strict=True)]
    found = (*cotangents, *totals)
    return found[0] if len(found) == 1 else found


def _while_grad_vjp(*_args: Any, **_attrs: Any) -> Any:
    raise NotImplementedError(
        "The second derivative of tf.while_loop; a Python loop in the graph has one."
    )


def _while_grad_samples() -> list[Sample]:
    sample = _while_samples()[0]
    types = [
        TypedValue(TensorShape(np.shape(x)), dtypes.as_dtype(x.dtype))
        for x in sample.inputs
    ]
    attrs = sample.attrs

    def round_back(i: Any, x: Any, c: Any, g: Any) -> list[Any]:
        return [g * c + 2.0 * x * g, g * x]

    with entered(None):
        graph, arguments, result = trace(round_back, [*types, types[1]])
    backward = _finish(graph, arguments, (), result)
    attrs = {**attrs, "seeds": 1, "backward": backward}
    return [Sample((np.array([1.0, 2.0]), *sample.inputs), attrs)]


WHILE_GRAD = register(
    OpSpec(
        "WhileGrad",
        _while_grad_infer,
        _while_grad_compute,
        _while_grad_vjp,
        Host(_REASON),
        _while_grad_samples,
        types=("any",),
        outputs=-1,
    )
)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    name: str | None = None,
) -> Any:
    """Repeats `body` while `cond` is true.

    Args:
      cond: From the loop variables to a scalar bool.
      body: From the loop variables to their next values.
      loop_vars: A nest of tensors: what the loop starts with.
      shape_invariants: Shapes of the loop variables, None where a round may change one.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives.
      swap_memory: Accepted for compatibility.
      maximum_iterations: The largest number of rounds.
      name: Name of the op.

    Returns:
      The loop variables at the end.

    Raises:
      ValueError: The body returns another structure or other shapes.
      TypeError: The body returns other dtypes.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     i, power = tf.while_loop(
    ...         lambda i, p: i < 5, lambda i, p: (i + 1, p * 2.0), (0, 1.0)
    ...     )
    ...     with tf.compat.v1.Session() as session:
    ...         print(session.run(power))
    32.0

    Source: `tf.while_loop`.
    """
    if not callable(cond) or not callable(body):
        raise TypeError("tf.while_loop needs two functions, cond and body.")
    limit = None if maximum_iterations is None else int(maximum_iterations)
    nested = nest.is_nested(loop_vars)
    values = loop_vars if nested else (loop_vars,)
    values = nest.map_structure(hooks.convert, values)
    if not nest.flatten(values):
        raise ValueError("No loop variables provided.")
    if building_graph() is None:
        result = _run_eagerly(cond, body, values, limit)
    else:
        result = _build_loop(cond, body, values, shape_invariants, limit, name)
    if not back_prop:
        result = nest.map_structure(stop_gradient, result)
    return result if nested else nest.flatten(result)[0]


def _run_eagerly(cond: Any, body: Any, values: Any, limit: int | None) -> Any:
    rounds = 0
    while (limit is None or rounds < limit) and bool(cond(*values)):
        result = body(*values)
        values = nest.map_structure(hooks.convert, _as_structure(result, values))
        rounds += 1
    return values


def _as_structure(result: Any, values: Any) -> Any:
    """A body of one loop variable may return it without a list around."""
    if len(nest.flatten(values)) == 1 and not nest.is_nested(result):
        result = [result]
    flat = nest.flatten(result)
    if len(flat) != len(nest.flatten(values)):
        raise fail(
            ValueError,
            "The body of tf.while_loop must return as many values as there are loop "
            "variables",
            got=str(len(flat)),
            expected=str(len(nest.flatten(values))),
            site=str(user_site()),
        )
    return nest.pack_as(values, flat)


def _build_loop(
    cond: Any, body: Any, values: Any, invariants: Any, limit: int | None, name: Any
) -> Any:
    outer = building_graph()
    assert outer is not None
    flat = nest.flatten(values)
    types = [TypedValue(t.shape, t.dtype) for t in flat]
    if invariants is not None:
        shapes = [TensorShape(s) for s in _flat_shapes(invariants, values)]
        types = [TypedValue(s, t.dtype) for s, t in zip(shapes, flat, strict=True)]
    # A first trace finds out which variables a round assigns to.
    probe, _, _ = trace(_unpacked(body, values), types)
    variables = _written(probe)
    start = [*flat, *(v.read_value(in_order=True) for v in variables.values())]
    types += [TypedValue(v.shape, v.dtype) for v in variables.values()]

    body_graph, body_arguments, result = trace(
        _unpacked(body, values, variables), types
    )
    cond_graph, cond_arguments, go_on = trace(_unpacked(cond, values, variables), types)
    with entered(cond_graph):
        go_on = _as_condition(go_on)
    after = nest.flatten(_as_structure(result, values))
    _check_invariant(types, after)
    after += _final_values(body_graph, variables)
    captures = _captured(body_graph, cond_graph)
    condition = _finish(cond_graph, cond_arguments, captures, [go_on])
    rounds = _finish(body_graph, body_arguments, captures, after)
    attrs = {"count": len(start), "cond": condition, "body": rounds, "limit": limit}
    spec = WHILE if condition.calls_host or rounds.calls_host else STATELESS_WHILE
    with outer.control_dependencies(body_graph.outer_controls):
        made = call_all(spec, *start, *captures, name=name or "while", **attrs)
    results, finals = _split(made, len(flat))
    results = _assign_results(outer, variables, finals, results)
    return nest.pack_as(values, results)


def _flat_shapes(invariants: Any, values: Any) -> list[Any]:
    """Shapes are lists themselves, so that only the structure of values counts."""
    if len(nest.flatten(values)) == 1:
        item = invariants[0] if isinstance(invariants, (list, tuple)) else invariants
        return [item]
    return list(invariants)


def _unpacked(
    function: Any, values: Any, variables: dict[Any, Any] | None = None
) -> Callable[..., Any]:
    """Calls a function with the loop variables in their structure.

    Variables that a round assigns to are loop variables as well, after the others.
    """
    count = len(nest.flatten(values))

    def traced(*arguments: Any) -> Any:
        graph = building_graph()
        assert isinstance(graph, BodyGraph)
        extra = arguments[count:]
        for (key, variable), value in zip(
            (variables or {}).items(), extra, strict=True
        ):
            graph.state[key] = (variable, value)
        return function(*nest.pack_as(values, list(arguments[:count])))

    return traced


def _check_invariant(types: Sequence[TypedValue], after: Sequence[Any]) -> None:
    for i, (before, now) in enumerate(zip(types, after, strict=False)):
        if before.dtype is not now.dtype:
            raise fail(
                DtypeMismatchError,
                f"Loop variable #{i} enters the loop with another dtype than it has "
                "after one round",
                got=now.dtype.name,
                expected=before.dtype.name,
                site=str(user_site()),
                remedy="tf.cast at the end of the body",
            )
        if not _keeps(before.shape, now.shape):
            raise fail(
                ValueError,
                f"Loop variable #{i} enters the loop with another shape than it has "
                "after one round",
                got=str(now.shape),
                expected=str(before.shape),
                site=str(user_site()),
                remedy="shape_invariants with None where the shape varies",
            )


def _keeps(before: TensorShape, after: TensorShape) -> bool:
    if before.rank is None:
        return True
    if after.rank != before.rank:
        return False
    return all(b is None or a == b for a, b in zip(after, before, strict=True))
