"""Building the bodies of control flow, and running them in another place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphopt import dtypes
from graphopt.errors import DtypeMismatchError, InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body, BodyGraph
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.shape import SCALAR
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.shaping import identity

# Why the ops with bodies run on the host.
REASON = "Python chooses the body"


def trace(
    function: Callable[..., Any], types: Sequence[Any], is_loop: bool = False
) -> tuple[BodyGraph, list[GraphTensor], Any]:
    """Builds a body of a function on placeholders.

    Args:
      function: From tensors to a nest of tensors.
      types: What has the shape and dtype of each argument.
      is_loop: Whether it runs once in each round of a loop.

    Returns:
      The graph, its arguments and what the function returned, converted to tensors.
    """
    graph = BodyGraph(building_graph())
    graph.is_loop = is_loop
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
    if hasattr(value, "_with_parts"):
        return value._with_parts([graph.adopt(part) for part in value._parts()])
    return graph.adopt(hooks.convert(value))


def expand(structure: Any) -> list[Any]:
    """Returns the tensors of a nest, with those that stand for other values.

    A value that is made of tensors, as a `TensorArray`, has a method `_parts` that returns
    them and a method `_with_parts` that returns the value of other ones.
    """
    found: list[Any] = []
    for leaf in nest.flatten(structure):
        found += leaf._parts() if hasattr(leaf, "_with_parts") else [leaf]
    return found


def pack_expanded(structure: Any, tensors: Sequence[Any]) -> Any:
    """Returns a nest with its tensors replaced, as `expand` lists them."""
    left = iter(tensors)

    def made(leaf: Any) -> Any:
        if not hasattr(leaf, "_with_parts"):
            return next(left)
        return leaf._with_parts([next(left) for _ in leaf._parts()])

    return nest.map_structure(made, structure)


def as_leaf(value: Any) -> Any:
    """Converts a loop variable to a tensor; what is made of tensors stays."""
    return value if hasattr(value, "_with_parts") else hooks.convert(value)


def _after(op: Operation) -> Any:
    with op.graph.control_dependencies([op]):
        return identity(hooks.convert(0))


def inline(
    body: Body, inputs: Sequence[Any], found: dict[Any, Any] | None = None
) -> list[Any]:
    """Adds the ops of a body to the current graph, or runs them eagerly.

    Args:
      body: The body.
      inputs: What it is given.
      found: Is told what stands for each tensor of the body.
    """
    values = dict(zip(body.inputs, inputs, strict=True))
    for op in body.operations:
        if op.spec.effect is Effect.RANDOM:
            raise NotImplementedError(
                f"The derivative of control flow around {op.type} (made at "
                f"{op.site_text}), which would draw other numbers; draw them before."
            )
        if op.spec.effect is Effect.HOST and not op.outputs:
            continue
        results: Any = call(op.spec, *[values[t] for t in op.inputs], **op.attrs)
        if len(op.outputs) == 1:
            results = (results,)
        values.update(zip(op.outputs, results, strict=True))
    if found is not None:
        found.update(values)
    return [values[tensor] for tensor in body.outputs]


def finish_body(
    graph: BodyGraph,
    arguments: Sequence[GraphTensor],
    captures: Sequence[GraphTensor],
    outputs: Sequence[GraphTensor],
) -> Body:
    """Makes a body whose inputs are its arguments and these captures."""
    adopted = [graph.adopt(tensor) for tensor in captures]
    return Body(graph, (*arguments, *adopted), tuple(outputs))


def list_captures(*graphs: BodyGraph) -> list[GraphTensor]:
    """Returns the outer tensors that bodies use, each once."""
    return list(dict.fromkeys(tensor for graph in graphs for tensor in graph.captures))


def written_variables(*graphs: BodyGraph) -> dict[Any, Any]:
    """The variables that bodies assign to, by key."""
    return {key: v for graph in graphs for key, (v, _) in graph.state.items()}


def final_values(graph: BodyGraph, variables: dict[Any, Any]) -> list[GraphTensor]:
    """Returns what variables hold at the end of a body."""
    with entered(graph):
        return [graph.adopt(v.read_value()) for v in variables.values()]


def assign_results(
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


def pull_back(
    body: Body,
    inputs: Sequence[Any],
    at: Sequence[int],
    gs: Any,
    found: dict[Any, Any] | None = None,
) -> list[Any]:
    """The cotangents of the floating-point inputs of a body, in the current graph.

    Args:
      body: The body.
      inputs: What it is given.
      at: The positions of those that have cotangents.
      gs: The cotangents of its outputs, None for none.
      found: Is told what stands for each tensor of the body.

    Raises:
      NotImplementedError: The body takes elements of a data set, or from a queue, of which
        it would take others when it is computed again.
    """
    if body.takes_outside:
        taken = next(op for op in body.operations if op.spec.outside)
        raise fail(
            NotImplementedError,
            "The derivative of a branch or loop that takes elements from outside of the "
            "graph",
            got=f"a body with {taken.type}",
            expected="a body that can be computed again",
            op=taken,
            remedy="a GradientTape inside of the loop, or an element taken before it",
        )
    graph = building_graph()
    local = list(inputs)
    if graph is not None:
        local = [graph.adopt(tensor) for tensor in inputs]
        gs = [None if g is None else graph.adopt(g) for g in gs]

    def function(*floats: Any) -> list[Any]:
        for i, value in zip(at, floats, strict=True):
            local[i] = value
        return inline(body, local, found)

    cotangents: list[Any] = hooks.pullback(function, [local[i] for i in at], gs)
    return cotangents


def replace_tensors(body: Body, replacements: dict[Any, Any]) -> Body:
    """Returns a body in which inputs stand for tensors that it would compute.

    Args:
      body: The body.
      replacements: From tensors to inputs of the body.
    """
    rebuilder = Rebuilder(Program(body.graph, body.inputs, body.outputs, ()))
    for op in body.graph.operations:
        rebuilder.copy(op)
        for tensor in op.outputs:
            if tensor in replacements:
                new = rebuilder.tensors[replacements[tensor]]
                rebuilder.tensors[tensor] = new
    program = rebuilder.finish()
    return Body(program.graph, program.feeds, program.fetches)


def split_results(made: Sequence[Any], count: int) -> tuple[list[Any], list[Any]]:
    """Parts the results of a function from the values of variables."""
    return list(made[:count]), list(made[count:])


def as_condition(pred: Any) -> Any:
    """Converts a condition.

    Raises:
      TypeError, ValueError: It is no bool, or no scalar.
    """
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
