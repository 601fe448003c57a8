"""Calls that wait for what only the run knows: a rank, or sizes computed from shapes.

`tf.tile(x, [tf.shape(x)[0], 1])` has no attributes while the graph is built, for they are
numbers and those come with the run. It becomes an op of type `Deferred`, which holds the
call: the function's name and its arguments. When a plan is made for the shapes of a run,
sizes are numbers, and `resolve_shapes` makes the call: what it builds takes the place of
the op, as if it had been built so from the start, with the same kernels and in the same
native part. Where only data decide (`tf.tile(x, [n, 1])` with `n` fed), the op is a host
step, which makes the call with the values there are.

A function takes part by one line, `deferrable`, and by raising `DecidedByRun` where it
meets what it has to know. Derivatives are calls too: of the function, then of its pullback.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import DecidedByRun
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered, modes
from graphopt.graph.dispatch import call_all
from graphopt.graph.graph import Graph, growing
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Host, OpSpec, Sample, register
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import (
    EagerTensor,
    StandIn,
    Tensor,
    is_symbolic,
)
from graphopt.ops.printing import Slot
from graphopt.ops.sizes import known_sizes

Function = TypeVar("Function", bound=Callable[..., Any])


class Deferrable(NamedTuple):
    """A function whose calls can wait.

    Attributes:
      function: It, without the decorator.
      dtypes: From the arguments by name to the dtypes of the results.
      shapes: Likewise to what is known of their shapes before the call is made.
    """

    function: Callable[..., Any]
    dtypes: Callable[..., Sequence[DType]]
    shapes: Callable[..., Sequence[TensorShape]] | None


FUNCTIONS: dict[str, Deferrable] = {}


def _dtype_of_first(**arguments: Any) -> list[DType]:
    return [hooks.convert(next(iter(arguments.values()))).dtype]


def shape_of_sizes(sizes: Any) -> TensorShape:
    """Returns the shape that sizes are, as far as they are known.

    Args:
      sizes: A number, a tensor of one or of several, or a list of such numbers.
    """
    if isinstance(sizes, TensorShape):
        return sizes
    parts = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
    found: list[int | None] = []
    for part in parts:
        tensor = hooks.convert(part) if isinstance(part, Tensor) else part
        if hasattr(part, "_as_tensor"):
            tensor = part._as_tensor()
        if not is_symbolic(tensor):
            array = tensor.array if isinstance(tensor, EagerTensor) else tensor
            found += [int(n) for n in np.ravel(np.asarray(array))]
            continue
        known = known_sizes(tensor)
        count = tensor.shape.num_elements()
        if known is not None:
            found += [None if n is None else int(n) for n in known.ravel()]
        elif count is None:
            return UNKNOWN
        else:
            found += [None] * count
    return TensorShape(found)


def deferrable(
    dtypes: Callable[..., Sequence[DType]] = _dtype_of_first,
    shapes: Callable[..., Sequence[TensorShape]] | None = None,
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Lets calls of a function wait until what it has to know is known.

    Args:
      dtypes: From the arguments by name to the dtypes of the results; by default one,
        that of the first argument.
      shapes: Likewise to their shapes as far as they are known.
      name: The name that files have for the function; its own by default.
    """

    def decorate(function: Function) -> Function:
        key = name or function.__name__
        FUNCTIONS[key] = Deferrable(function, dtypes, shapes)

        @functools.wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            graph = building_graph()
            if graph is None:
                try:
                    return function(*args, **keywords)
                except DecidedByRun:
                    if not _has_stand_in(args, keywords):
                        raise
                bound = inspect.signature(function).bind(*args, **keywords)
                return _defer(key, bound.arguments)
            # Nobody else may append what would be dropped with the rest.
            with growing:
                mark = len(graph)
                try:
                    return function(*args, **keywords)
                except DecidedByRun:
                    graph.forget_from(mark)
            bound = inspect.signature(function).bind(*args, **keywords)
            return _defer(key, bound.arguments)

        return wrapper  # type: ignore[return-value]

    return decorate


def _has_stand_in(*arguments: Any) -> bool:
    return any(isinstance(value, StandIn) for value in nest.flatten(arguments))


def _defer(key: str, arguments: Mapping[str, Any]) -> Any:
    inputs: list[Any] = []

    def take(value: Any) -> Any:
        if isinstance(value, Tensor) or hasattr(value, "_as_tensor"):
            inputs.append(hooks.convert(value))
            return Slot(len(inputs) - 1)
        if isinstance(value, (list, tuple)):
            return tuple(take(each) for each in value)
        return value

    given = dict(arguments)
    label = given.pop("name", None)
    rule = FUNCTIONS[key]
    types = tuple(rule.dtypes(**given))
    template = {k: take(value) for k, value in given.items()}
    outputs = call_all(
        DEFERRED,
        *inputs,
        name=label or key,
        function=key,
        template=template,
        types=types,
        level=0,
    )
    return outputs[0] if len(outputs) == 1 else list(outputs)


def _arguments(template: Mapping[str, Any], tensors: Sequence[Any]) -> dict[str, Any]:
    def fill(value: Any) -> Any:
        if isinstance(value, Slot):
            return tensors[value]
        return [fill(each) for each in value] if isinstance(value, tuple) else value

    return {key: fill(value) for key, value in template.items()}


def make_call(
    function: str, template: Mapping[str, Any], level: int, tensors: Sequence[Any]
) -> list[Any]:
    """Makes a call, or `level` times the pullback of it, on tensors of the current mode.

    Raises:
      DecidedByRun: What it has to know is still not known.
    """
    if level == 0:
        called = FUNCTIONS[function].function
        bound = inspect.signature(called).bind_partial()
        bound.arguments.update(_arguments(template, tensors))
        return nest.flatten(called(*bound.args, **bound.kwargs))
    count = _count_outputs(function, template, level - 1, tensors)
    inner, gs = list(tensors[: len(tensors) - count]), tensors[len(tensors) - count :]
    at = [i for i, tensor in enumerate(inner) if tensor.dtype.is_differentiable]

    # One tensor that is given twice has two cotangents.
    if building_graph() is not None and len(set(map(id, inner))) < len(inner):
        from graphopt.ops.shaping import identity

        inner = [identity(tensor) for tensor in inner]

    def below(*floats: Any) -> list[Any]:
        given = list(inner)
        for i, value in zip(at, floats, strict=True):
            given[i] = value
        return make_call(function, template, level - 1, given)

    found: list[Any] = hooks.pullback(below, [inner[i] for i in at], gs)
    return [hooks.convert(each) for each in found]


def _count_outputs(
    function: str, template: Mapping[str, Any], level: int, tensors: Sequence[Any]
) -> int:
    """How many outputs the call at a level has: the last tensors are as many."""
    used = 1 + max((int(p) for p in _places(template)), default=-1)
    inputs = list(tensors[:used])
    count = len(FUNCTIONS[function].dtypes(**_arguments(template, inputs)))
    for _ in range(level):
        inputs += tensors[len(inputs) : len(inputs) + count]
        before = inputs[: len(inputs) - count]
        count = sum(tensor.dtype.is_differentiable for tensor in before)
    return count


def _places(template: Any) -> Iterator[Slot]:
    stack = [template]
    while stack:
        value = stack.pop()
        if isinstance(value, Slot):
            yield value
        elif isinstance(value, tuple):
            stack += value
        elif isinstance(value, Mapping):
            stack += value.values()


def _infer(
    *inputs: Any, function: str, template: Any, types: tuple[DType, ...], level: int
) -> list[tuple[TensorShape, DType]]:
    """Makes the call in a graph of its own, to see which shapes come out."""
    from graphopt.ops.creation import CONST, PLACEHOLDER

    graph = Graph(is_rewritten=True)
    tapes, modes.tapes = modes.tapes, ()
    try:
        with entered(graph):
            stand_ins = []
            for tensor in inputs:
                value = _known_value(tensor)
                if value is not None:
                    op = graph.add_operation(CONST, (), {"value": value})
                else:
                    attrs = {"dtype": tensor.dtype, "shape": tensor.shape}
                    op = graph.add_operation(PLACEHOLDER, (), attrs)
                stand_ins.append(op.outputs[0])
            try:
                results = make_call(function, template, level, stand_ins)
                shapes: Sequence[TensorShape] = [result.shape for result in results]
            except DecidedByRun:
                shapes = _shapes_before(function, template, level, stand_ins, types)
    finally:
        modes.tapes = tapes
    return list(zip(shapes, types, strict=True))


def _shapes_before(
    function: str, template: Any, level: int, tensors: Sequence[Any], types: Any
) -> Sequence[TensorShape]:
    """What is known of the results before the call can be made."""
    if level:
        # Derivatives have the shapes of what they are derivatives by.
        floats = [t for t in tensors if t.dtype.is_differentiable]
        return [tensor.shape for tensor in floats[: len(types)]]
    rule = FUNCTIONS[function].shapes
    if rule is None:
        return [UNKNOWN] * len(types)
    return rule(**_arguments(template, tensors))


def _known_value(tensor: Any) -> Any:
    if not isinstance(tensor, Tensor) or not tensor.dtype.is_integer:
        return None
    sizes = known_sizes(tensor)
    if sizes is None or any(size is None for size in sizes.flat):
        return None
    return sizes.astype(tensor.dtype.numpy)


def _compute(*arrays: Any, function: str, template: Any, types: Any, level: int) -> Any:
    tapes, modes.tapes = modes.tapes, ()
    try:
        with entered(None):
            tensors = [EagerTensor(array) for array in arrays]
            results = make_call(function, template, level, tensors)
    finally:
        modes.tapes = tapes
    found = tuple(result.array for result in results)
    return found if len(found) > 1 else found[0]


def _vjp(
    g: Any, y: Any, *inputs: Any, function: str, template: Any, types: Any, level: int
) -> tuple[Any, ...]:
    outputs = y if isinstance(y, tuple) else (y,)
    gs = g if isinstance(y, tuple) else (g,)
    from graphopt.ops.creation import zeros_like

    filled = [
        zeros_like(out) if part is None else part
        for out, part in zip(outputs, gs, strict=True)
    ]
    floats = [t.dtype for t in inputs if t.dtype.is_differentiable]
    if not floats:
        return tuple(None for _ in inputs)
    found = iter(
        call_all(
            DEFERRED,
            *inputs,
            *filled,
            function=function,
            template=template,
            types=tuple(floats),
            level=level + 1,
        )
    )
    return tuple(next(found) if t.dtype.is_differentiable else None for t in inputs)


def _samples() -> list[Sample]:
    template = {"input": Slot(0), "multiples": (Slot(1), 1)}
    attrs = {"function": "tile", "template": template, "level": 0}
    arrays = (np.arange(6.0).reshape(2, 3), np.array(2, np.int32))
    return [Sample(arrays, {**attrs, "types": (dtypes.float64,)})]


DEFERRED: OpSpec = register(
    OpSpec(
        "Deferred",
        _infer,
        _compute,
        _vjp,
        Host("only the data decide its sizes"),
        _samples,
        types=("any",),
        outputs=-1,
        holomorphic=False,
        strings=True,
    )
)
