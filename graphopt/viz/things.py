"""From a value of a program to what is to be shown of it: `target_of`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphopt.dtypes import float32
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.keras.models.model import Model
from graphopt.keras.training.steps import Steps
from graphopt.runtime.concrete_function import ConcreteFunction
from graphopt.runtime.function import Function, TensorSpec
from graphopt.runtime.plan import Plan
from graphopt.runtime.recording import Ran
from graphopt.schedule.work import estimate_time
from graphopt.viz.target import Target, TargetNotFoundError

EXPECTED = "a graph, operations, tensors of a graph, a plan, a traced function or a Keras model"


def target_of(thing: Any) -> Target:
    """Returns the graph of a value, and what is wanted of it.

    Args:
      thing: A graph; an operation, a tensor or a variable of one, or a list of them; a
        plan of a session; a `tf.function`, of whose traces the one that costs most is
        taken, or one trace; a Keras model, whose training step is taken if it has one,
        else its call.

    Raises:
      TargetNotFoundError: It is something else, or nothing was traced.
    """
    match thing:
        case Target():
            return thing
        case Ran():
            return of_run(thing)
        case Graph():
            return Target(thing)
        case Plan():
            program = thing.program
            feeds = dict(zip(program.feeds, program.feed_shapes, strict=True))
            return Target(program.graph, program.targets, program.fetches, feeds)
        case ConcreteFunction():
            return _of_trace(thing)
        case Function():
            return _of_function(thing)
        case Model():
            return _of_model(thing)
        case list() | tuple():
            return _of_elements(thing)
    return _of_elements([thing])


def of_run(ran: Ran) -> Target:
    """Returns what ran, with the shapes with which it ran."""
    runner = ran.runner
    return Target(ran.graph, runner.targets, runner.fetches, ran.feeds, ran.name)


def _of_elements(things: Sequence[Any]) -> Target:
    operations: list[Operation] = []
    tensors: list[GraphTensor] = []
    for thing in things:
        if hasattr(thing, "_as_graph_element") and getattr(thing, "graph", None):
            thing = thing.handle
        if isinstance(thing, Operation):
            operations.append(thing)
        elif isinstance(thing, GraphTensor):
            tensors.append(thing)
        else:
            raise TargetNotFoundError(
                f"a value of type {type(thing).__name__}; expected {EXPECTED}"
            )
    graphs = {t.op.graph for t in tensors} | {op.graph for op in operations}
    if len(graphs) != 1:
        raise TargetNotFoundError(
            f"elements of {len(graphs)} graphs; expected those of one"
        )
    return Target(graphs.pop(), tuple(operations), tuple(tensors))


def _of_trace(trace: ConcreteFunction) -> Target:
    feeds = {tensor: tensor.shape for tensor in trace.fed}
    outputs = tuple(dict.fromkeys(trace.outputs))
    return Target(trace.graph, trace.targets, outputs, feeds, trace.name)


def _costliest(traces: Iterable[ConcreteFunction]) -> ConcreteFunction:
    found = list(traces)
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda trace: estimate_time(trace.graph.operations))


def _of_function(function: Function[..., Any]) -> Target:
    traces = function._list_all_concrete_functions()
    if not traces and function.input_signature is not None:
        traces = [function.get_concrete_function()]
    if not traces:
        name = getattr(function, "__name__", "function")
        raise TargetNotFoundError(
            f"the function {name!r} has not been called, so it has no graph; call it, or "
            "give it an input_signature"
        )
    return _of_trace(_costliest(traces))


def _of_model(model: Model) -> Target:
    steps = model._training.steps.get("train")
    if isinstance(steps, Steps):
        traces = steps.list_traces()
        if traces:
            return _of_trace(_costliest(trace.concrete for trace in traces))
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise TargetNotFoundError(
            f"the model {model.name!r} has no graph yet; fit it, or build it on a "
            "tf.keras.Input"
        )
    specs = [
        TensorSpec(TensorShape(x.shape), getattr(x, "dtype", float32)) for x in inputs
    ]
    call: Function[..., Any] = Function(
        model if len(specs) == 1 else lambda *values: model(list(values))
    )
    return _of_trace(call.get_concrete_function(*specs))
