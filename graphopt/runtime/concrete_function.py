"""One trace of a `tf.function`: a graph on the eager variables that runs as one op.

A tape sees the call as one op. Its first derivative runs on what the call has kept: the
forward run fetches, beside the results, the tensors that the derivative reads. Where
somebody may differentiate the derivative itself (two tapes, or a persistent one), the call
keeps what it cannot compute again (the variables as it read them, random numbers, results
of Python). From these and the inputs everything else follows, so the derivative is then
one more function of them, with a derivative of its own, to any order.

Eager tensors of floating point that the function uses without getting them as arguments
are inputs too (captures), so that tapes on both sides see them.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.autodiff.cotangents import walk_cotangents
from graphopt.autodiff.tape import EagerRecord
from graphopt.errors import DtypeMismatchError, InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body
from graphopt.graph.context import entered, modes
from graphopt.graph.effects import has_side_effect
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.opspec import Effect, Host, OpSpec, Source
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import EagerTensor, GraphTensor
from graphopt.lazy import cached_property
from graphopt.ops.creation import PLACEHOLDER, placeholder
from graphopt.ops.random import seeds
from graphopt.ops.shaping import identity
from graphopt.ops.state import VAR_HANDLE
from graphopt.runtime.fetches import Composite
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import EAGER_STORE

if TYPE_CHECKING:
    from graphopt.runtime.function import Call
    from graphopt.runtime.variable import Variable


# As in TensorFlow, where the state of the ops is made anew.
seeds.listeners.append(EAGER_STORE.draws.clear)


class FunctionGraph(Graph):
    """The graph of a traced function: it works on the eager variables.

    Attributes:
      handles: For each variable that is used, by its key, a weak reference and its handle.
      captures: The eager tensors that are used, by their ids, and their placeholders.
      questions: The unknown sizes that the user's code asked for, where that matters.
      may_create: Whether variables may be made.
      may_capture: Whether captures may come: what is fed is not settled yet.
      created: Whether one was.
      arguments: What the placeholders of the arguments stand for in the call that the
        trace is made for, with which initial values are computed.
    """

    def __init__(
        self, name: str, *, may_create: bool = True, is_relaxed: bool = False
    ) -> None:
        super().__init__()
        self.function_name = name
        self.handles: dict[Any, tuple[weakref.ref[Variable], GraphTensor]] = {}
        self.captures: dict[int, tuple[EagerTensor, GraphTensor]] = {}
        self.questions: list[str] | None = [] if is_relaxed else None
        self.may_create = may_create
        self.may_capture = True
        self.created = False
        self.arguments: list[tuple[GraphTensor, EagerTensor]] = []

    @property
    def home(self) -> Graph | None:
        """None: eager variables."""
        return None

    @property
    def building_function(self) -> bool:
        """True."""
        return True

    @property
    def variables_used(self) -> list[Variable]:
        """The variables that are used and still there."""
        found = [reference() for reference, _ in self.handles.values()]
        return [variable for variable in found if variable is not None]

    def handle_of(self, variable: Variable) -> GraphTensor:
        """Returns what stands for an eager variable, made when first asked for."""
        key = variable.key
        if key not in self.handles:
            attrs = {"variable": key, "dtype": key.dtype, "shape": key.shape}
            with self.control_dependencies(None):
                op = self.add_operation(VAR_HANDLE, (), attrs, _plain(key.name))
            self.handles[key] = (weakref.ref(variable), op.outputs[0])
        return self.handles[key][1]

    def capture(self, tensor: EagerTensor) -> GraphTensor | None:
        """Returns the placeholder of an eager tensor; None if it is to be a constant.

        Only a floating-point tensor has derivatives; the value of any other may decide
        about shapes, and is the same in every call.
        """
        if not tensor.dtype.is_differentiable or not self.may_capture:
            return None
        found = self.captures.get(id(tensor))
        if found is None:
            attrs = {"dtype": tensor.dtype, "shape": tensor.shape}
            op = self.add_operation(
                PLACEHOLDER, (), attrs, "capture", control_inputs=()
            )
            found = self.captures[id(tensor)] = (tensor, op.outputs[0])
        return found[1]

    def allow_variable(self) -> None:
        """Notes that a variable is made.

        Raises:
          ValueError: It would be made again in every call.
        """
        if not self.may_create:
            raise fail(
                ValueError,
                f"tf.function only supports singleton tf.Variables created on the first "
                f"call; {self.function_name!r} tried to create one on a later call",
                got="a new tf.Variable",
                expected="variables that exist, or are made once and kept",
                site=str(user_site()),
                remedy="making it outside, or `if self.v is None: self.v = tf.Variable(...)`",
            )
        self.created = True

    def evaluate_initial(self, tensor: GraphTensor) -> Any:
        """Computes the initial value of a variable from the arguments of this call."""
        pairs = [*self.arguments, *((p, t) for t, p in self.captures.values())]
        runner = Runner(
            self, (tensor,), (), tuple(place for place, _ in pairs), EAGER_STORE
        )
        return runner.run([_contiguous(given) for _, given in pairs])[0]


def _plain(name: str) -> str:
    return name.rpartition("/")[2]


def _contiguous(tensor: EagerTensor) -> Any:
    return np.ascontiguousarray(tensor.array).reshape(tensor.array.shape)


def _tensors(arrays: Sequence[Any]) -> list[EagerTensor]:
    return [EagerTensor(to_array(array)) for array in arrays]


class ConcreteFunction:
    """One trace of a function.

    Attributes:
      graph: Its graph.
      inputs: Placeholders, one for each tensor argument.
      outputs: The tensors that the function returned.
      structured_outputs: What it returned, with numbers of `outputs` in place of
        tensors.
      targets: The operations that do something besides computing.
      fed: What a run is fed: the arguments, then the captures.

    Source: `tf.ConcreteFunction`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        call: Call,
        shapes: Sequence[TensorShape],
        *,
        may_create: bool = True,
        is_relaxed: bool = False,
    ) -> None:
        self.name = getattr(function, "__name__", "function")
        self.graph = graph = FunctionGraph(
            self.name, may_create=may_create, is_relaxed=is_relaxed
        )
        # Tapes see the call, not what is traced.
        tapes, modes.tapes = modes.tapes, ()
        try:
            with entered(graph):
                self.inputs = [
                    placeholder(t.dtype, shape, name=f"argument_{i}")
                    for i, (t, shape) in enumerate(
                        zip(call.tensors, shapes, strict=True)
                    )
                ]
                graph.arguments = list(zip(self.inputs, call.tensors, strict=True))
                result = call.with_tensors(function, self.inputs)
                self.outputs: list[GraphTensor] = []
                self.structured_outputs = nest.map_structure(self._add_output, result)
        finally:
            modes.tapes = tapes
            graph.arguments = []
            graph.may_capture = False
        self.traced_ops = len(graph)
        self.targets = tuple(op for op in graph.operations if has_side_effect(op))
        self.captured = [tensor for tensor, _ in graph.captures.values()]
        self.fed = [*self.inputs, *(place for _, place in graph.captures.values())]
        self._handles = [handle for _, handle in graph.handles.values()]
        self._eager_handles = [v.handle for v in graph.variables_used]
        self._runner = _make_runner(graph, self.outputs, self.targets, self.fed)
        self._derivative: _Derivative | None = None

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes that it takes."""
        return [tensor.shape for tensor in self.inputs]

    @property
    def variables(self) -> list[Variable]:
        """The variables that it uses."""
        return self.graph.variables_used

    def _add_output(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Operation):
            raise TypeError(
                f"The function {self.name!r} returned the operation {value.name!r}; "
                "a tf.function returns tensors, or None."
            )
        if isinstance(value, Composite):
            places = [self._add_output(part) for part in value.list_parts()]
            return _Whole(value, places)
        tensor: Any = identity(hooks.convert(value))
        self.outputs.append(tensor)
        return len(self.outputs) - 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the trace on tensors, in the order of `inputs`.

        Raises:
          TypeError: There are more or fewer tensors, or one has another dtype.
          InvalidArgumentError: (also a ValueError) A shape does not fit.
        """
        values = [*args, *kwargs.values()]
        if len(values) != len(self.inputs):
            values = nest.flatten((args, kwargs))
        if len(values) != len(self.inputs):
            raise fail(
                TypeError,
                f"The function {self.name!r} was called with another number of tensors",
                got=f"{len(values)}",
                expected=f"{len(self.inputs)}",
                site=str(user_site()),
            )
        pairs = zip(self.inputs, values, strict=True)
        return self.run([fit_argument(self.name, t, v) for t, v in pairs])

    def run(self, tensors: Sequence[EagerTensor]) -> Any:
        """Runs the trace on eager tensors."""
        if hooks.on_function_run is not None:
            hooks.on_function_run(self.graph)
        given = [*tensors, *self.captured] if self.captured else tensors
        arrays = [_contiguous(t) for t in given]
        if modes.tapes:
            results = self._run_recorded(given, arrays)
        else:
            results = _tensors(self._runner.run(arrays))

        def put_together(place: Any) -> Any:
            if type(place) is _Whole:
                return place.value.with_parts([results[i] for i in place.places])
            return None if place is None else results[place]

        return nest.map_structure(put_together, self.structured_outputs)

    def _run_recorded(
        self, given: Sequence[EagerTensor], arrays: Any
    ) -> list[EagerTensor]:
        """Runs with a tape watching: what the derivative needs is kept."""
        if self._derivative is None:
            self._derivative = _Derivative(self)
        tapes = modes.tapes
        again = len(tapes) > 1 or any(tape.is_persistent for tape in tapes)
        outputs = self._derivative.run_forward(arrays, again)
        spec = self._derivative.spec(again)
        inputs = (*given, *self._eager_handles)
        record = EagerRecord(spec, inputs, tuple(outputs), {}, user_site())
        for tape in tapes:
            for variable in self.variables:
                tape.variable_accessed(variable)
            tape.record(record)
        return outputs[: len(self.outputs)]

    def _repr_html_(self) -> str:
        """The page that notebooks show, in a frame of its own."""
        return str(hooks.draw_html(self))

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.name} {self.shapes}>"


class _Whole:
    """A value of several tensors among what a function returned.

    Attributes:
      value: It, of symbolic tensors.
      places: The numbers of its tensors among the outputs.
    """

    def __init__(self, value: Composite, places: list[int]) -> None:
        self.value = value
        self.places = places


def _make_runner(graph: Graph, fetches: Any, targets: Any, feeds: Any) -> Runner:
    return Runner(
        graph,
        tuple(fetches),
        tuple(targets),
        tuple(feeds),
        EAGER_STORE,
        at_once=True,
    )


def fit_argument(name: str, expected: Any, value: Any) -> Any:
    """Converts a value to the dtype that a trace takes, and checks it.

    Args:
      name: Of the function.
      expected: What has the shape and the dtype.
      value: A tensor of the current mode, or what can become one.

    Raises:
      DtypeMismatchError: (also a TypeError) It has another dtype.
      InvalidArgumentError: (also a ValueError) It has another shape.
    """
    tensor = hooks.convert(value, dtype_hint=expected.dtype)
    if tensor.dtype is not expected.dtype:
        raise fail(
            DtypeMismatchError,
            f"cannot compute {name!r} as an argument was expected to be a "
            f"{expected.dtype.name} tensor but is a {tensor.dtype.name} tensor",
            got=f"{tensor.dtype.name}{list(tensor.shape)}",
            expected=f"{expected.dtype.name}{expected.shape}",
            site=str(user_site()),
            remedy=f"tf.cast(x, tf.{expected.dtype.name})",
        )
    if not expected.shape.is_compatible_with(tensor.shape):
        raise fail(
            InvalidArgumentError,
            f"cannot compute {name!r} with an argument of another shape",
            got=f"{tensor.dtype.name}{list(tensor.shape)}",
            expected=f"{expected.dtype.name}{expected.shape}",
            site=str(user_site()),
            remedy="the function itself, which is traced for new shapes",
        )
    return tensor


# ---- derivatives


class _Pulled:
    """Cotangents in the order of what they belong to, and the tensors they are made of.

    A sparse one is two tensors, values and indices; there may be none at all.
    """

    def __init__(self, found: Sequence[Any]) -> None:
        tensors: dict[GraphTensor, int] = {}
        self._made: list[Any] = []
        for part in found:
            if part is None:
                self._made.append(None)
            elif isinstance(part, IndexedSlices):
                pair = [
                    tensors.setdefault(t, len(tensors))
                    for t in (part.values, part.indices)
                ]
                self._made.append((*pair, part.shape))
            else:
                self._made.append(tensors.setdefault(part, len(tensors)))
        self.tensors = list(tensors)

    def pack(self, values: Sequence[Any]) -> list[Any]:
        """Returns the cotangents with values in place of the tensors."""
        return [self._pack(made, values) for made in self._made]

    @staticmethod
    def _pack(made: Any, values: Sequence[Any]) -> Any:
        if made is None:
            return None
        if isinstance(made, int):
            return values[made]
        rows, indices, shape = made
        return IndexedSlices(values[rows], values[indices], shape)


def _is_source(op: Operation) -> bool:
    """Whether an op gives what cannot be computed again from the inputs.

    What waits for another op may wait for a write, which must not happen again.
    """
    bodies = [value for value in op.attrs.values() if isinstance(value, Body)]
    return (
        op.spec.effect in (Effect.READ, Effect.RANDOM, Effect.HOST)
        or bool(op.control_inputs)
        or any(body.calls_host for body in bodies)
    )


def _add_cotangents(
    graph: Graph, outputs: Sequence[GraphTensor], sources: Sequence[GraphTensor]
) -> tuple[list[GraphTensor | None], _Pulled]:
    """Adds the ops of a derivative to a graph.

    Returns:
      For each output what its cotangent is fed to, None for integers; and the cotangents
      of the sources.
    """
    before = list(graph.operations)
    tapes, modes.tapes = modes.tapes, ()
    try:
        with entered(graph):
            seeds = [
                placeholder(t.dtype, t.shape, name="cotangent")
                if t.dtype.is_differentiable
                else None
                for t in outputs
            ]
            pairs = [
                (t, s) for t, s in zip(outputs, seeds, strict=True) if s is not None
            ]
            floats = [t for t in sources if t.dtype.is_differentiable]
            found = walk_cotangents(
                before, [t for t, _ in pairs], [s for _, s in pairs], floats
            )
    finally:
        modes.tapes = tapes
    by_source = dict(zip(map(id, floats), found, strict=True))
    return seeds, _Pulled([by_source.get(id(source)) for source in sources])


class _Derivative:
    """The derivative of a trace, on kept values, and as a function of its own."""

    def __init__(self, function: ConcreteFunction) -> None:
        self.function = function
        graph, self.count = function.graph, len(function.outputs)
        traced = list(graph.operations)[: function.traced_ops]
        fed = function.fed
        self.seeds, self.pulled = _add_cotangents(
            graph, function.outputs, [*fed, *function._handles]
        )
        given = {t: i for i, t in enumerate(fed)}
        boundary = self._boundary()
        # Inputs are there already; the rest is fetched.
        self.from_inputs = [(t, given[t]) for t in boundary if t in given]
        self.kept = [t for t in boundary if t not in given]
        self.sources = [t for op in traced if _is_source(op) for t in op.outputs]
        # (Not `index`: in a function `==` of tensors is an op.)
        place = {handle: i for i, handle in enumerate(function._handles)}
        self.reads = [
            (i, place[t.op.inputs[0]])
            for i, t in enumerate(self.sources)
            if t.op.spec.effect is Effect.READ
        ]
        self.forward = _make_runner(
            graph, [*function.outputs, *self.kept], function.targets, fed
        )
        self.backward = _make_runner(
            graph,
            self.pulled.tensors,
            (),
            [
                *(t for t, _ in self.from_inputs),
                *self.kept,
                *(s for s in self.seeds if s is not None),
            ],
        )

    @cached_property
    def forward_with_sources(self) -> Runner:
        """Fetches what the derivative as a function needs, too."""
        function = self.function
        return _make_runner(
            function.graph,
            [*function.outputs, *self.kept, *self.sources],
            function.targets,
            function.fed,
        )

    @cached_property
    def as_function(self) -> _GraphCall:
        """The derivative as a function of the inputs, the sources and the cotangents."""
        function = self.function
        reads = [self.sources[i] for i, _ in self.reads]
        seeds, pulled = _add_cotangents(
            function.graph, function.outputs, [*function.fed, *reads]
        )
        inputs = [*function.fed, *self.sources, *(s for s in seeds if s is not None)]
        return _GraphCall(function.name, function.graph, inputs, pulled)

    def run_forward(self, arrays: Sequence[Any], again: bool) -> list[EagerTensor]:
        """Runs the trace; returns outputs, what is kept, and the sources if asked to."""
        runner = self.forward_with_sources if again else self.forward
        return _tensors(runner.run(arrays))

    def spec(self, again: bool) -> OpSpec:
        """What tapes know the call as."""
        return _call_spec(
            f"Function {self.function.name}", functools.partial(self._pull, again)
        )

    def _boundary(self) -> list[GraphTensor]:
        """The tensors of the traced ops that the derivative takes."""
        traced = self.function.traced_ops
        kept: dict[GraphTensor, None] = {}
        stack = [tensor.op for tensor in self.pulled.tensors]
        seen = set(stack)

        def needs(tensor: GraphTensor) -> bool:
            # Constants and handles are there anyway.
            spec = tensor.op.spec
            return not isinstance(spec.kernel, Source) or spec is PLACEHOLDER

        while stack:
            op = stack.pop()
            if op.index < traced:
                continue
            for tensor in op.inputs:
                source = tensor.op
                if source.index < traced:
                    if needs(tensor):
                        kept[tensor] = None
                elif source not in seen:
                    seen.add(source)
                    stack.append(source)
        for tensor in self.pulled.tensors:
            if tensor.op.index < traced and needs(tensor):
                kept[tensor] = None
        return list(kept)

    def _pull(self, again: bool, g: Any, y: Any, *inputs: Any) -> tuple[Any, ...]:
        """The cotangents of the inputs and of the variables' handles."""
        outputs = y if isinstance(y, tuple) else (y,)
        gs = g if isinstance(y, tuple) else (g,)
        seeds = [
            _dense_seed(cotangent, output)
            for cotangent, output in zip(
                gs[: self.count], outputs[: self.count], strict=True
            )
            if output.dtype.is_differentiable
        ]
        if modes.tapes and self.pulled.tensors:
            return self._pull_again(again, seeds, gs, outputs, inputs)
        arrays = [
            *(inputs[i].array for _, i in self.from_inputs),
            *(t.array for t in outputs[self.count : self.count + len(self.kept)]),
            *(seed.array for seed in seeds),
        ]
        found = self.backward.run(
            [np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
        )
        parts = self.pulled.pack(_tensors(found))
        return tuple(self._with_reads(parts, gs) if again else parts)

    def _pull_again(
        self,
        again: bool,
        seeds: list[Any],
        gs: tuple[Any, ...],
        outputs: tuple[Any, ...],
        inputs: tuple[Any, ...],
    ) -> tuple[Any, ...]:
        """As `_pull`, with a tape watching what is computed."""
        if self.sources and not again:
            raise fail(
                NotImplementedError,
                f"The derivative of {self.function.name!r} is itself to be "
                "differentiated, by a tape that was entered after the call",
                got="a call under one tape that is not persistent",
                expected="both tapes entered before the call, or a persistent one",
                site=str(user_site()),
            )
        fed = len(self.function.fed)
        sources = outputs[self.count + len(self.kept) :]
        parts = self.as_function.run([*inputs[:fed], *sources, *seeds])
        total: list[Any] = [*parts[:fed], *([None] * len(self.function._handles))]
        for (_, handle), part in zip(self.reads, parts[fed:], strict=True):
            _add_part(total, fed + handle, part)
        return tuple(self._with_reads(total, gs))

    def _with_reads(self, parts: list[Any], gs: tuple[Any, ...]) -> list[Any]:
        """Adds what came back to the values of variables that were kept."""
        given = gs[self.count + len(self.kept) :]
        parts = list(parts)
        for index, handle in self.reads:
            part = given[index] if index < len(given) else None
            _add_part(parts, len(self.function.fed) + handle, part)
        return parts


def _add_part(parts: list[Any], at: int, part: Any) -> None:
    if part is not None:
        before = parts[at]
        parts[at] = part if before is None else hooks.operators["add"](before, part)


def _dense_seed(cotangent: Any, output: Any) -> Any:
    if cotangent is None:
        return EagerTensor(np.zeros(output.array.shape, output.array.dtype))
    return hooks.convert(cotangent)


class _GraphCall:
    """Part of a trace's graph that runs as one op on the tape, and so on.

    Args:
      name: Of the function.
      graph: Its graph.
      inputs: The tensors that are fed; nothing else decides about the results.
      pulled: What is fetched, in its structure.
    """

    def __init__(
        self, name: str, graph: Graph, inputs: list[GraphTensor], pulled: _Pulled
    ) -> None:
        self.name = name
        self.graph = graph
        self.inputs = inputs
        self.pulled = pulled
        self.runner = _make_runner(graph, pulled.tensors, (), inputs)

    @cached_property
    def derivative(self) -> tuple[list[GraphTensor | None], _GraphCall]:
        """What cotangents are fed to, and the function of the inputs and of them."""
        seeds, pulled = _add_cotangents(self.graph, self.pulled.tensors, self.inputs)
        inputs = [*self.inputs, *(s for s in seeds if s is not None)]
        return seeds, _GraphCall(self.name, self.graph, inputs, pulled)

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """Runs on eager tensors and tells the tapes."""
        outputs = _tensors(self.runner.run([_contiguous(t) for t in tensors]))
        if modes.tapes and outputs:
            spec = _call_spec(f"Derivative of {self.name}", self._pull)
            record = EagerRecord(spec, tuple(tensors), tuple(outputs), {}, user_site())
            for tape in modes.tapes:
                tape.record(record)
        return self.pulled.pack(outputs)

    def _pull(self, g: Any, y: Any, *inputs: Any) -> tuple[Any, ...]:
        outputs = y if isinstance(y, tuple) else (y,)
        gs = g if isinstance(y, tuple) else (g,)
        _, derivative = self.derivative
        seeds = [
            _dense_seed(cotangent, output)
            for cotangent, output in zip(gs, outputs, strict=True)
            if output.dtype.is_differentiable
        ]
        return tuple(derivative.run([*inputs, *seeds]))


def _call_spec(name: str, vjp: Callable[..., Any]) -> OpSpec:
    return OpSpec(
        name,
        _not_called,
        _not_called,
        vjp,
        Host("it is a graph of its own"),
        tuple,
        types=("any",),
        outputs=-1,
        holomorphic=False,
    )


def _not_called(*_args: Any, **_attrs: Any) -> Any:
    raise AssertionError("A traced function is run by its runners.")
