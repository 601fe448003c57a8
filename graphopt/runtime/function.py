"""`tf.function`: a Python function that becomes a graph at its first call.

The first call with arguments of a kind traces the function: it runs once with symbolic
arguments, and its ops become a graph. Later calls run that graph on the eager variables,
in one native call. Python side effects happen while tracing only.

The kind of an argument is its dtype and rank for a tensor, its value for anything else.
The first trace has the very shapes of the call; when other shapes arrive, a second one
has None for every dimension that differed, so that a last batch of another size, or
sequences of many lengths, do not trace again and again.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.autodiff.cotangents import walk_cotangents
from graphopt.autodiff.tape import EagerRecord
from graphopt.dtypes import as_dtype, from_numpy
from graphopt.errors import GraphoptWarning, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered, modes
from graphopt.graph.effects import has_side_effect
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Host, OpSpec, Source
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor, GraphTensor
from graphopt.ops.creation import placeholder
from graphopt.ops.shaping import identity
from graphopt.ops.state import VAR_HANDLE
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import EAGER_STORE
from graphopt.runtime.variable import Variable

# So many traces of one function mean that something changes with every call.
MANY_TRACES = 10


class TensorSpec:
    """The shape and dtype that a tensor argument must have.

    Args:
      shape: None where a dimension may be anything.
      dtype: The element type.
      name: Its name.

    Source: `tf.TensorSpec`.
    """

    def __init__(self, shape: Any, dtype: Any = "float32", name: str | None = None):
        self.shape = TensorShape(shape)
        self.dtype = as_dtype(dtype)
        self.name = name

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r})"


class FunctionGraph(Graph):
    """The graph of a traced function: it works on the eager variables."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function_name = name
        self.handles: dict[Any, tuple[Variable, GraphTensor]] = {}

    @property
    def home(self) -> Graph | None:
        """None: eager variables."""
        return None

    @property
    def building_function(self) -> bool:
        """True."""
        return True

    def handle_of(self, variable: Variable) -> GraphTensor:
        """Returns what stands for an eager variable, made when first asked for."""
        key = variable.key
        if key not in self.handles:
            attrs = {"variable": key, "dtype": key.dtype, "shape": key.shape}
            with self.control_dependencies(None):
                op = self.add_operation(VAR_HANDLE, (), attrs, _plain(key.name))
            self.handles[key] = (variable, op.outputs[0])
        return self.handles[key][1]


def _plain(name: str) -> str:
    return name.rpartition("/")[2]


class ConcreteFunction:
    """One trace of a function.

    Attributes:
      graph: Its graph.
      inputs: Placeholders, one for each tensor argument.
      outputs: The tensors that the function returned.
      structured_outputs: What it returned, with numbers of `outputs` in place of
        tensors.

    Source: `tf.ConcreteFunction`.
    """

    def __init__(
        self, function: Callable[..., Any], call: _Call, shapes: Sequence[TensorShape]
    ) -> None:
        self.name = getattr(function, "__name__", "function")
        self.graph = FunctionGraph(self.name)
        with entered(self.graph):
            self.inputs = [
                placeholder(t.dtype, shape, name=_argument_name(i))
                for i, (t, shape) in enumerate(zip(call.tensors, shapes, strict=True))
            ]
            result = call.with_tensors(function, self.inputs)
            self.outputs: list[GraphTensor] = []
            self.structured_outputs = nest.map_structure(self._add_output, result)
        self.traced_ops = len(self.graph)
        self.targets = tuple(op for op in self.graph.operations if has_side_effect(op))
        self.variables = [variable for variable, _ in self.graph.handles.values()]
        self._runner = self._make_runner(self.outputs, self.targets, self.inputs)
        self._with_derivative: tuple[Runner, OpSpec] | None = None

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes that it takes."""
        return [tensor.shape for tensor in self.inputs]

    def _add_output(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Operation):
            raise TypeError(
                f"The function {self.name!r} returned the operation {value.name!r}; "
                "a tf.function returns tensors, or None."
            )
        tensor = identity(hooks.convert(value))
        self.outputs.append(tensor)
        return len(self.outputs) - 1

    def _make_runner(self, fetches: Any, targets: Any, feeds: Any) -> Runner:
        return Runner(
            self.graph,
            tuple(fetches),
            tuple(targets),
            tuple(feeds),
            EAGER_STORE,
            at_once=True,
        )

    def __call__(self, *tensors: Any) -> Any:
        """Runs the trace on tensors, in the order of `inputs`."""
        values = [hooks.convert(t) for t in tensors]
        return self.run(values)

    def run(self, tensors: Sequence[EagerTensor]) -> Any:
        """Runs the trace on eager tensors."""
        arrays = [np.ascontiguousarray(t.array).reshape(t.array.shape) for t in tensors]
        if modes.tapes:
            results = self._run_recorded(tensors, arrays)
        else:
            results = [EagerTensor(np.asarray(a)) for a in self._runner.run(arrays)]
        return nest.map_structure(
            lambda place: None if place is None else results[place],
            self.structured_outputs,
        )

    def _run_recorded(self, tensors: Sequence[EagerTensor], arrays: Any) -> list[Any]:
        """Runs with one tape watching: what the derivative needs is kept."""
        if self._with_derivative is None:
            self._with_derivative = self._differentiate()
        runner, spec = self._with_derivative
        outputs = tuple(EagerTensor(np.asarray(a)) for a in runner.run(arrays))
        handles = tuple(variable.handle for variable in self.variables)
        record = EagerRecord(spec, (*tensors, *handles), outputs, {}, user_site())
        for tape in modes.tapes:
            for variable in self.variables:
                tape.variable_accessed(variable)
            tape.record(record)
        return list(outputs[: len(self.outputs)])

    def _differentiate(self) -> tuple[Runner, OpSpec]:
        """Builds the derivative in the same graph, to be run on kept values."""
        graph = self.graph
        sources = [*self.inputs, *(handle for _, handle in graph.handles.values())]
        floats = [t for t in sources if t.dtype.is_differentiable]
        traced = list(graph.operations)[: self.traced_ops]
        tapes, modes.tapes = modes.tapes, ()
        try:
            with entered(graph):
                seeds = [
                    placeholder(t.dtype, t.shape, name="cotangent")
                    if t.dtype.is_differentiable
                    else None
                    for t in self.outputs
                ]
                pairs = [
                    (t, s)
                    for t, s in zip(self.outputs, seeds, strict=True)
                    if s is not None
                ]
                found = walk_cotangents(
                    traced, [t for t, _ in pairs], [s for _, s in pairs], floats
                )
        finally:
            modes.tapes = tapes
        by_source = dict(zip(map(id, floats), found, strict=True))
        wanted = [by_source.get(id(source)) for source in sources]
        kept = self._boundary([g for g in wanted if g is not None])
        forward = self._make_runner([*self.outputs, *kept], self.targets, self.inputs)
        given = [s for s in seeds if s is not None]
        grads = list(dict.fromkeys(g for g in wanted if g is not None))
        backward = self._make_runner(grads, (), [*kept, *given])
        vjp = functools.partial(_pull, self, backward, wanted, grads)
        spec = OpSpec(
            f"Function {self.name}",
            _not_called,
            _not_called,
            vjp,
            Host("it is a graph of its own"),
            tuple,
            types=("any",),
            outputs=-1,
            holomorphic=False,
        )
        return forward, spec

    def _boundary(self, grads: Sequence[GraphTensor]) -> list[GraphTensor]:
        """The tensors of the traced ops that the derivative takes."""
        kept: dict[GraphTensor, None] = {}
        stack = [tensor.op for tensor in grads]
        seen = set(stack)
        while stack:
            op = stack.pop()
            if op.index < self.traced_ops:
                continue
            for tensor in op.inputs:
                source = tensor.op
                if source.index < self.traced_ops:
                    if not isinstance(source.spec.kernel, Source) or source.spec is (
                        self.inputs[0].op.spec if self.inputs else None
                    ):
                        kept[tensor] = None
                elif source not in seen:
                    seen.add(source)
                    stack.append(source)
        for tensor in grads:
            if tensor.op.index < self.traced_ops:
                kept[tensor] = None
        return list(kept)

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.name} {self.shapes}>"


def _not_called(*_args: Any, **_attrs: Any) -> Any:
    raise AssertionError("A traced function is run by its runners.")


def _pull(
    function: ConcreteFunction,
    backward: Runner,
    wanted: Sequence[GraphTensor | None],
    grads: Sequence[GraphTensor],
    g: Any,
    y: Any,
    *_inputs: Any,
) -> tuple[Any, ...]:
    """Runs the derivative on the values that the run kept."""
    outputs = y if isinstance(y, tuple) else (y,)
    gs = g if isinstance(y, tuple) else (g,)
    count = len(function.outputs)
    feeds = [tensor.array for tensor in outputs[count:]]
    for cotangent, output in zip(gs[:count], outputs[:count], strict=True):
        if output.dtype.is_differentiable:
            zeros = np.zeros(output.array.shape, output.array.dtype)
            feeds.append(zeros if cotangent is None else cotangent.array)
    arrays = backward.run([np.ascontiguousarray(a).reshape(a.shape) for a in feeds])
    found = {
        grad: EagerTensor(np.asarray(array))
        for grad, array in zip(grads, arrays, strict=True)
    }
    return tuple(None if grad is None else found[grad] for grad in wanted)


def _argument_name(index: int) -> str:
    return f"argument_{index}"


class _Call:
    """The arguments of one call, taken apart into tensors and everything else."""

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments
        leaves = nest.flatten(arguments)
        self.tensors: list[EagerTensor] = []
        self.places: list[int] = []
        kinds: list[Any] = []
        for place, leaf in enumerate(leaves):
            is_array = isinstance(leaf, (np.ndarray, np.generic)) and from_numpy(
                leaf.dtype.newbyteorder("=")
            )
            if isinstance(leaf, EagerTensor) or is_array:
                tensor = hooks.convert(leaf)
                self.places.append(place)
                self.tensors.append(tensor)
                kinds.append((tensor.dtype.name, tensor.array.ndim))
            else:
                kinds.append(_kind_of(leaf))
        self.leaves = leaves
        self.key = (_outline(arguments), tuple(kinds))

    def with_tensors(self, function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
        """Calls a function with other tensors in place of these."""
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        positional, keywords = nest.pack_as(self.arguments, leaves)
        return function(*positional, **keywords)


def _kind_of(leaf: Any) -> Any:
    if isinstance(leaf, (bool, int, float, str, bytes, type(None))):
        return (type(leaf), leaf)
    if isinstance(leaf, Variable):
        return (Variable, id(leaf.key))
    return (type(leaf), id(leaf))


def _outline(structure: Any) -> Any:
    """A hashable description of a structure."""
    if isinstance(structure, dict):
        return ("dict", tuple((k, _outline(v)) for k, v in structure.items()))
    if isinstance(structure, (list, tuple)):
        return (type(structure).__name__, tuple(map(_outline, structure)))
    return None


class Function:
    """A function that is traced; made by `tf.function`.

    Source: `tf.types.experimental.PolymorphicFunction`.
    """

    def __init__(
        self, function: Callable[..., Any], input_signature: Sequence[Any] | None = None
    ) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        self.input_signature = (
            None if input_signature is None else tuple(input_signature)
        )
        self._traces: dict[Any, list[ConcreteFunction]] = {}
        # Keeps what is known by its id alive as long as the traces for it.
        self._keep: list[Any] = []
        self._bound: weakref.WeakKeyDictionary[Any, Function] = (
            weakref.WeakKeyDictionary()
        )
        functools.update_wrapper(self, function)

    @property
    def python_function(self) -> Callable[..., Any]:
        """The function that is traced."""
        return self._function

    def experimental_get_tracing_count(self) -> int:
        """Returns how many times the function was traced."""
        return sum(len(found) for found in self._traces.values())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        try:
            found = self._bound.get(instance)
            if found is None:
                method = self._function.__get__(instance, owner)
                found = self._bound[instance] = Function(method, self.input_signature)
        except TypeError:
            # What cannot be a weak key is traced anew with each access.
            return Function(
                self._function.__get__(instance, owner), self.input_signature
            )
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Traces if need be, and runs."""
        # In a graph the ops join it. With two tapes one may differentiate the other's
        # result, which needs every op on the tape.
        if building_graph() is not None or len(modes.tapes) > 1:
            return self._function(*args, **kwargs)
        call = self._bind(args, kwargs)
        return self._trace_for(call).run(call.tensors)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Returns the trace for arguments, or for `TensorSpec`s in their place."""
        if not args and not kwargs and self.input_signature is not None:
            args = self.input_signature
        specs = [a for a in nest.flatten((args, kwargs)) if isinstance(a, TensorSpec)]
        if not specs:
            return self._trace_for(self._bind(args, kwargs))
        example = nest.map_structure(_example_of, (args, kwargs))
        call = self._bind(*example)
        made = ConcreteFunction(self._function, call, [s.shape for s in specs])
        self._traces.setdefault(call.key, []).append(made)
        return made

    def _bind(self, args: Any, kwargs: Any) -> _Call:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if self.input_signature is None:
            return _Call((tuple(bound.args), dict(bound.kwargs)))
        return _Call((self._fit_signature(bound.args), dict(bound.kwargs)))

    def _fit_signature(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """Converts arguments to what the signature says.

        Raises:
          TypeError: They do not match it.
        """
        assert self.input_signature is not None
        if len(arguments) != len(self.input_signature):
            raise fail(
                TypeError,
                "The arguments do not match the input_signature",
                got=f"{len(arguments)} arguments",
                expected=f"{len(self.input_signature)}",
                site=str(user_site()),
            )
        pairs = zip(self.input_signature, arguments, strict=True)
        return tuple(_fitted(spec, argument) for spec, argument in pairs)

    def _trace_for(self, call: _Call) -> ConcreteFunction:
        traces = self._traces.setdefault(call.key, [])
        shapes = [tensor.shape for tensor in call.tensors]
        for trace in traces:
            pairs = zip(trace.shapes, shapes, strict=True)
            if all(have.is_compatible_with(shape) for have, shape in pairs):
                return trace
        if self.input_signature is not None:
            wide = [spec.shape for spec in nest.flatten(self.input_signature)]
        elif traces:
            last = traces[-1].shapes
            wide = [_relaxed(a, b) for a, b in zip(last, shapes, strict=True)]
            # One trace for all shapes takes the place of the one that was too narrow.
            del traces[1:]
        else:
            wide = shapes
        self._warn_of_many()
        made = ConcreteFunction(self._function, call, wide)
        self._keep.append(call.leaves)
        traces.append(made)
        return made

    def _warn_of_many(self) -> None:
        count = self.experimental_get_tracing_count()
        if count and count % MANY_TRACES == 0:
            warnings.warn(
                f"The function {self.__name__!r} was traced {count} times; pass tensors "  # type: ignore[attr-defined]
                "in place of Python numbers that change from call to call.",
                GraphoptWarning,
                stacklevel=4,
            )

    def __repr__(self) -> str:
        return f"<tf.function {getattr(self, '__name__', '')}>"


def _fitted(spec: Any, argument: Any) -> Any:
    if nest.is_nested(spec):
        return nest.map_structure(_fitted, spec, argument)
    tensor = hooks.convert(argument, dtype_hint=spec.dtype)
    if tensor.dtype is spec.dtype and spec.shape.is_compatible_with(tensor.shape):
        return tensor
    raise fail(
        TypeError,
        "An argument does not match the input_signature",
        got=f"{tensor.dtype.name}{list(tensor.shape)}",
        expected=repr(spec),
        site=str(user_site()),
    )


def _relaxed(a: TensorShape, b: TensorShape) -> TensorShape:
    return TensorShape(m if m == n else None for m, n in zip(a, b, strict=True))


def _example_of(leaf: Any) -> Any:
    """A small tensor of a kind, where a specification was given."""
    if not isinstance(leaf, TensorSpec):
        return leaf
    dims = [1 if dim is None else dim for dim in leaf.shape]
    return EagerTensor(np.broadcast_to(leaf.dtype.numpy.type(0), dims))


def function(
    func: Callable[..., Any] | None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_relax_shapes: bool | None = None,
) -> Any:
    """Makes a function run as a compiled graph, traced at its first call.

    Python's `if` and `while` on tensors are not translated; use `tf.cond` and
    `tf.while_loop`.

    Args:
      func: The function; without it, a decorator is returned.
      input_signature: `TensorSpec`s of all arguments; then there is one trace.
      autograph: Accepted; there is no translation of Python either way.
      jit_compile: Accepted; every trace is compiled.
      reduce_retracing: Accepted; shapes are always relaxed.
      experimental_relax_shapes: Accepted, likewise.

    >>> import graphopt as tf
    >>> @tf.function
    ... def double(x):
    ...     print("tracing")
    ...     return x * 2.0
    >>> double(tf.constant(3.0)).numpy(), double(tf.constant(4.0)).numpy()
    tracing
    (np.float32(6.0), np.float32(8.0))

    Source: `tf.function`.
    """
    if func is None:
        return lambda decorated: Function(decorated, input_signature)
    return Function(func, input_signature)


def init_scope() -> Any:
    """Leaves the graphs of functions, branches and loops for a block.

    Source: `tf.init_scope`.
    """
    graph = building_graph()
    return entered(graph.home if graph is not None else None)
