"""`while_loop`: a body runs again and again.

The derivative keeps the loop variables of each round and the products of matrices in it,
and computes the rest of the rounds again, from the last to the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import DtypeMismatchError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body, BodyGraph, TypedValue
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    Bodies,
    Effect,
    Family,
    Host,
    Kernel,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, UNKNOWN, TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.bodies import (
    REASON,
    as_condition,
    as_leaf,
    assign_results,
    expand,
    final_values,
    finish_body,
    inline,
    list_captures,
    pack_expanded,
    pull_back,
    replace_tensors,
    split_results,
    trace,
    written_variables,
)
from graphopt.ops.creation import constant_value
from graphopt.ops.elementwise import logical_and
from graphopt.ops.shaping import stop_gradient


def _loop(
    values: list[Any],
    captures: Sequence[Any],
    cond: Body,
    body: Body,
    limit: int | None,
) -> list[tuple[list[Any], list[Any]]]:
    """Runs a loop and returns what each round began with, and what it kept."""
    history: list[tuple[list[Any], list[Any]]] = []
    while limit is None or len(history) < limit:
        (go_on,) = cond.evaluate([*values, *captures])
        if not go_on:
            break
        found = body.evaluate([*values, *captures])
        history.append((values, found[len(values) :]))
        values = found[: len(values)]
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
    at = [i for i, tensor in enumerate(inputs) if tensor.dtype.is_differentiable]
    return [i for i in at if i < count], [i for i in at if i >= count]


def _while_vjp(
    g: Any, y: Any, *inputs: Any, count: int, cond: Body, body: Body, limit: int | None
) -> tuple[Any, ...]:
    in_loop, outside = _float_positions(inputs, count)
    gs = list(g) if isinstance(y, tuple) else [g]
    outputs = list(y) if isinstance(y, tuple) else [y]
    seeds = [outputs[i] * 0 if gs[i] is None else gs[i] for i in in_loop]
    kept = [t for op in body.operations if _is_costly(op) for t in op.outputs]
    types = [*inputs, *(outputs[i] for i in in_loop), *(inputs[i] for i in outside)]
    types += [TypedValue(t.shape, t.dtype) for t in kept]
    computed: dict[Any, Any] = {}

    def round_back(*arguments: Any) -> list[Any]:
        local, rest = arguments[: len(inputs)], arguments[len(inputs) :]
        cotangents, totals = rest[: len(in_loop)], rest[len(in_loop) :]
        totals = totals[: len(outside)]
        full: list[Any] = [None] * count
        for i, cotangent in zip(in_loop, cotangents, strict=True):
            full[i] = cotangent
        found = pull_back(body, local, in_loop + outside, full, computed)
        parts = zip(totals, found[len(in_loop) :], strict=True)
        sums = (hooks.operators["add_cotangents"](*pair) for pair in parts)
        return [*found[: len(in_loop)], *sums]

    graph, arguments, result = trace(round_back, types)
    backward = finish_body(graph, arguments, (), result)
    places = arguments[len(arguments) - len(kept) :]
    pairs = {computed[t]: place for t, place in zip(kept, places, strict=True)}
    backward = replace_tensors(backward, pairs)
    body = Body(body.graph, body.inputs, (*body.outputs, *kept))
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


def _is_costly(op: Any) -> bool:
    """Whether a result is better kept than computed again."""
    kernel = op.spec.kernel
    return isinstance(kernel, Family) and kernel.name in ("matmul", "windows")


def _while_samples() -> list[Sample]:
    types = [
        TypedValue(SCALAR, dtypes.int32),
        *[TypedValue(TensorShape((2,)), dtypes.float64)] * 2,
    ]

    def body_of(function: Callable[..., Any]) -> Body:
        with entered(None):
            graph, arguments, result = trace(function, types)
        return finish_body(graph, arguments, (), nest.flatten(result))

    attrs = {
        "count": 2,
        "cond": body_of(lambda i, x, c: i < 3),
        "body": body_of(lambda i, x, c: [i + 1, x * c + x * x]),
        "limit": None,
    }
    inputs = np.array(0, np.int32), np.array([0.2, -0.1]), np.array([0.5, 0.7])
    return [Sample(inputs, attrs), Sample(inputs, {**attrs, "limit": 1})]


def _register_while(name: str, effect: Effect, kernel: Kernel) -> OpSpec:
    return register(
        OpSpec(
            name,
            _while_infer,
            _while_compute,
            _while_vjp,
            kernel,
            _while_samples,
            types=("any",),
            effect=effect,
            outputs=-1,
            holomorphic=False,
            strings=True,
        )
    )


STATELESS_WHILE = _register_while("StatelessWhile", Effect.NONE, Bodies("while"))
WHILE = _register_while("While", Effect.HOST, Host(REASON))


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
        if given[i].dtype.kind in "fc"
    ]
    history = _loop(list(given[:count]), captures, cond, body, limit)
    for values, kept in reversed(history):
        parts = backward.evaluate([*values, *captures, *cotangents, *totals, *kept])
        cotangents, totals = parts[:seeds], parts[seeds:]
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

    def round_back(i: Any, x: Any, c: Any, g: Any, total: Any) -> list[Any]:
        return [g * c + 2.0 * x * g, total + g * x]

    with entered(None):
        graph, arguments, result = trace(round_back, [*types, types[1], types[2]])
    backward = finish_body(graph, arguments, (), result)
    attrs = {**attrs, "seeds": 1, "backward": backward}
    return [Sample((np.array([1.0, 2.0]), *sample.inputs), attrs)]


WHILE_GRAD = register(
    OpSpec(
        "WhileGrad",
        _while_grad_infer,
        _while_grad_compute,
        _while_grad_vjp,
        Bodies("while_grad"),
        _while_grad_samples,
        types=("any",),
        outputs=-1,
        holomorphic=False,
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
    limit = _as_limit(maximum_iterations)
    if limit is not None and not isinstance(limit, int):
        return _count_loop(
            cond,
            body,
            loop_vars,
            limit,
            shape_invariants,
            back_prop=back_prop,
            name=name,
        )
    nested = nest.is_nested(loop_vars)
    values = loop_vars if nested else (loop_vars,)
    values = nest.map_structure(as_leaf, values)
    if not nest.flatten(values):
        raise ValueError("No loop variables provided.")
    if building_graph() is None:
        result = _run_eagerly(cond, body, values, limit)
    else:
        result = _build_loop(cond, body, values, shape_invariants, limit, name)
    if not back_prop:
        parts = [stop_gradient(part) for part in expand(result)]
        result = pack_expanded(result, parts)
    return result if nested else nest.flatten(result)[0]


def _as_limit(maximum: Any) -> Any:
    """Returns the largest number of rounds: an integer, or a tensor of a graph."""
    if isinstance(maximum, GraphTensor):
        known = constant_value(maximum)
        return maximum if known is None else int(known)
    return None if maximum is None else int(maximum)


def _count_loop(
    cond: Any, body: Any, loop_vars: Any, limit: Any, invariants: Any, **options: Any
) -> Any:
    """A loop of as many rounds as only the run decides, with the count as a variable."""
    nested = nest.is_nested(loop_vars)
    values = loop_vars if nested else (loop_vars,)
    shapes = None
    if invariants is not None:
        shapes = ((), invariants if nested else (invariants,))
    zero = hooks.convert(np.array(0, limit.dtype.numpy))
    _, result = while_loop(
        lambda n, given: logical_and(n < limit, cond(*given)),
        lambda n, given: (n + 1, _as_structure(body(*given), values)),
        (zero, values),
        shapes,
        **options,
    )
    return result if nested else result[0]


def _run_eagerly(cond: Any, body: Any, values: Any, limit: int | None) -> Any:
    rounds = 0
    while (limit is None or rounds < limit) and bool(cond(*values)):
        result = body(*values)
        values = nest.map_structure(as_leaf, _as_structure(result, values))
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
    shapes = None if invariants is None else _flat_shapes(invariants, values)
    # A first trace finds out which variables a round assigns to, and what it writes to
    # arrays that have no memory yet.
    values, variables, probe = _look_ahead(body, values, shapes)
    flat = expand(values)
    types = _types(values, shapes)
    start = [*flat, *(v.read_value() for v in variables.values())]
    types += [TypedValue(v.shape, v.dtype) for v in variables.values()]

    if probe is None:
        probe = trace(_unpack(body, values, variables), types, is_loop=True)
    body_graph, body_arguments, result = probe
    cond_graph, cond_arguments, go_on = trace(
        _unpack(cond, values, variables), types, is_loop=True
    )
    with entered(cond_graph):
        go_on = as_condition(go_on)
    structure = _as_structure(result, values)
    after = expand(structure)
    _check_invariant(types, after)
    after += final_values(body_graph, variables)
    if body_graph.round is not None or cond_graph.round is not None:
        # What draws random numbers asks which round it is.
        start.append(hooks.convert(np.int64(0)))
        cond_arguments.append(cond_graph.ask_round())
        body_arguments.append(body_graph.ask_round())
        with entered(body_graph):
            after.append(body_arguments[-1] + 1)
    captures = list_captures(body_graph, cond_graph)
    condition = finish_body(cond_graph, cond_arguments, captures, [go_on])
    rounds = finish_body(body_graph, body_arguments, captures, after)
    calls_host = condition.calls_host or rounds.calls_host
    changed = list(range(len(start)))
    if not calls_host:
        changed = _change(rounds, len(start))
        condition, rounds = (
            _with_constants(each, len(start), changed) for each in (condition, rounds)
        )
    constants = [start[i] for i in range(len(start)) if i not in changed]
    inputs = [*(start[i] for i in changed), *captures, *constants]
    attrs = {"count": len(changed), "cond": condition, "body": rounds, "limit": limit}
    spec = WHILE if calls_host else STATELESS_WHILE
    with outer.control_dependencies(body_graph.outer_controls):
        made = call_all(spec, *inputs, name=name or "while", **attrs)
    every = list(start)
    for i, value in zip(changed, made, strict=True):
        every[i] = value
    results, finals = split_results(every[: len(types)], len(flat))
    results = assign_results(outer, variables, finals, results)
    return pack_expanded(structure, results)


def _change(rounds: Body, count: int) -> list[int]:
    """The loop variables that a round does not simply hand on; the first if none is."""
    pairs = list(zip(rounds.inputs[:count], rounds.outputs, strict=True))
    return [i for i, (before, after) in enumerate(pairs) if before is not after] or [0]


def _with_constants(body: Body, count: int, changed: list[int]) -> Body:
    """Makes captures of the loop variables that do not change."""
    constants = [i for i in range(count) if i not in changed]
    order = [*changed, *range(count, len(body.inputs)), *constants]
    outputs = body.outputs
    if len(outputs) == count:
        outputs = tuple(outputs[i] for i in changed)
    return Body(body.graph, tuple(body.inputs[i] for i in order), outputs)


def _look_ahead(body: Any, values: Any, shapes: Any) -> tuple[Any, dict[Any, Any], Any]:
    """Looks at a round before the loop is built.

    Returns:
      The loop variables, with memory where a round writes, the variables that a round
      assigns to, and the round itself, if it is as it will be: loops in loops would take
      twice the time with each one around.
    """
    arrays = [v for v in nest.flatten(values) if hasattr(v, "_begin_looking")]
    empty = [array for array in arrays if not array._parts()]
    before = [array._begin_looking() for array in empty]
    samples: list[Any] = [None] * len(empty)
    try:
        probe, arguments, result = trace(
            _unpack(body, values), _types(values, shapes), is_loop=True
        )
    finally:
        samples = [array._stop_looking() for array in empty]
    made = {}
    for array, sample, outer in zip(empty, samples, before, strict=True):
        if sample is not None:
            sample = _first_round(probe, arguments, values, sample)
            made[id(array)] = array._with_memory(sample)
        array._look_further(outer, sample)
    values = nest.map_structure(lambda leaf: made.get(id(leaf), leaf), values)
    variables = written_variables(probe)
    is_final = not empty and not variables
    return values, variables, (probe, arguments, result) if is_final else None


def _first_round(probe: BodyGraph, arguments: Any, values: Any, sample: Any) -> Any:
    """Something of the shape of a tensor of a round, in the graph around the loop.

    It is what the first round would compute; of that only the shape is asked for, so that
    nothing of it runs in a plan.
    """
    if sample.shape.is_fully_defined():
        return sample
    captures = list_captures(probe)
    first = [] if probe.round is None else [hooks.convert(np.int64(0))]
    inputs = arguments if probe.round is None else [*arguments, probe.round]
    body = finish_body(probe, inputs, captures, [probe.adopt(sample)])
    return inline(body, [*expand(values), *first, *captures])[0]


def _types(values: Any, shapes: list[Any] | None) -> list[TypedValue]:
    types = []
    for i, leaf in enumerate(nest.flatten(values)):
        for part in expand(leaf):
            shape = part.shape
            if hasattr(leaf, "_with_parts"):
                if leaf.dynamic_size:
                    shape = TensorShape([None]) + shape[1:]
            elif shapes is not None:
                shape = TensorShape(shapes[i])
            types.append(TypedValue(shape, part.dtype))
    return types


def _flat_shapes(invariants: Any, values: Any) -> list[Any]:
    """Shapes are lists themselves, so that only the structure of values counts."""
    if not nest.is_nested(values):
        return [invariants]
    if len(nest.flatten(values)) == 1 and not isinstance(invariants, (list, tuple)):
        return [invariants]
    if isinstance(values, Mapping):
        keys = sorted(values)
        pairs = [(invariants[key], values[key]) for key in keys]
    else:
        pairs = list(zip(invariants, values, strict=True))
    return [shape for item, value in pairs for shape in _flat_shapes(item, value)]


def _unpack(
    function: Any, values: Any, variables: dict[Any, Any] | None = None
) -> Callable[..., Any]:
    """Calls a function with the loop variables in their structure.

    Variables that a round assigns to are loop variables as well, after the others.
    """
    count = len(expand(values))

    def traced(*arguments: Any) -> Any:
        graph = building_graph()
        assert isinstance(graph, BodyGraph)
        extra = arguments[count:]
        for (key, variable), value in zip(
            (variables or {}).items(), extra, strict=True
        ):
            graph.state[key] = (variable, value)
        return function(*pack_expanded(values, arguments[:count]))

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
