"""`tf.function`: a Python function that becomes a graph at its first call.

The first call with arguments of a kind traces the function: it runs once with symbolic
arguments, and its ops become a graph. Later calls run that graph on the eager variables,
in one native call. Python side effects happen while tracing only.

The kind of an argument is its dtype and rank for a tensor, its value for anything else.
The first trace has the very shapes of the call; when other shapes arrive, a second one
has None for every dimension that differed, so that a last batch of another size, or
sequences of many lengths, do not trace again and again. Where the Python code asks for
such a size, or cannot be run without it, that trace is thrown away: the dimensions are
pinned then, and each of their sizes has a trace of its own, as in TensorFlow.

Variables may be made by the first trace only. If it makes some, the function is traced
once more, and that trace, which finds them there, is the one that runs.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import numpy as np

from graphopt.autograph.calls import convert, do_not_convert
from graphopt.autograph.status import Feature, as_features
from graphopt.config import settings
from graphopt.dtypes import as_dtype, from_numpy
from graphopt.errors import GraphoptWarning, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import building
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor, Tensor
from graphopt.runtime.concrete_function import (
    ConcreteFunction,
    FunctionGraph,
    fit_argument,
)
from graphopt.runtime.fetches import Composite
from graphopt.runtime.keys import PLAIN, key_of_value
from graphopt.runtime.variable import Variable

__all__ = ["ConcreteFunction", "Function", "FunctionGraph", "TensorSpec", "function"]
P = ParamSpec("P")
# The parameters of a method after `self`.
Rest = ParamSpec("Rest")
R = TypeVar("R")

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

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """Returns the specification of a tensor."""
        return cls(tensor.shape, tensor.dtype, name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        """Returns a specification, under another name if one is given."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    def is_compatible_with(self, spec_or_tensor: Any) -> bool:
        """Returns whether a tensor may be one of this specification."""
        return self.dtype is spec_or_tensor.dtype and self.shape.is_compatible_with(
            spec_or_tensor.shape
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TensorSpec)
            and self.dtype is other.dtype
            and self.shape.rank == other.shape.rank
            and tuple(self.shape) == tuple(other.shape)
        )

    def __hash__(self) -> int:
        return hash((self.dtype.name, tuple(self.shape)))

    def __repr__(self) -> str:
        return (
            f"TensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"
        )


class Call:
    """The arguments of one call, taken apart into tensors and everything else.

    Attributes:
      tensors: The tensor arguments.
      key: What a trace for this call depends on, besides the shapes of the tensors.
    """

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments
        leaves = nest.flatten(arguments)
        self.tensors: list[EagerTensor] = []
        self.places: list[int] = []
        # Values of several tensors: the place, and which of the tensors.
        self.wholes: list[tuple[int, int, int]] = []
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
            elif isinstance(leaf, Composite) and building_graph() is None:
                parts = [hooks.convert(part) for part in leaf.list_parts()]
                self.wholes.append((place, len(self.tensors), len(parts)))
                self.places += [place] * len(parts)
                self.tensors += parts
                ranks = [(part.dtype.name, part.array.ndim) for part in parts]
                kinds.append((type(leaf), leaf.trace_key, *ranks))
            else:
                kinds.append(_kind_of(leaf))
        self.leaves = leaves
        self.key = (_outline(arguments), tuple(kinds))

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of the tensors."""
        return [tensor.shape for tensor in self.tensors]

    def known_by_identity(self) -> list[Any]:
        """The arguments of which the key has the identity only."""
        return [leaf for leaf in self.leaves if not _is_value(leaf)]

    def with_tensors(self, function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
        """Calls a function with other tensors in place of these."""
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        for place, first, count in self.wholes:
            parts = tensors[first : first + count]
            leaves[place] = self.leaves[place].with_parts(parts)
        positional, keywords = nest.pack_as(self.arguments, leaves)
        return function(*positional, **keywords)


_VALUES = (*PLAIN, np.generic, np.ndarray, EagerTensor, Composite)


def _is_value(leaf: Any) -> bool:
    """Whether two arguments that are equal mean the same."""
    return isinstance(leaf, _VALUES)


def _kind_of(leaf: Any) -> Any:
    if isinstance(leaf, PLAIN):
        return key_of_value(leaf)
    return (type(leaf), id(leaf.key if isinstance(leaf, Variable) else leaf))


def _outline(structure: Any) -> Any:
    """A hashable description of a structure."""
    if isinstance(structure, dict):
        outlines = tuple((k, _outline(v)) for k, v in structure.items())
        return (type(structure), outlines)
    if isinstance(structure, (list, tuple)):
        return (type(structure), tuple(map(_outline, structure)))
    return None


class _Traces:
    """The traces for the calls of one key.

    Attributes:
      found: The traces; no two are for the same shapes.
      pinned: The dimensions, as (tensor, axis), that no trace may leave open.
    """

    def __init__(self) -> None:
        self.found: list[ConcreteFunction] = []
        self.pinned: set[tuple[int, int]] = set()

    def find(self, shapes: Sequence[TensorShape]) -> ConcreteFunction | None:
        """Returns a trace that takes these shapes."""
        for trace in self.found:
            pairs = zip(trace.shapes, shapes, strict=True)
            if all(have.is_compatible_with(shape) for have, shape in pairs):
                return trace
        return None

    def relax(self, shapes: Sequence[TensorShape]) -> list[TensorShape]:
        """Returns these shapes, open where a trace that could be widened differs."""
        for trace in reversed(self.found):
            differing = {
                (i, axis)
                for i, (have, want) in enumerate(zip(trace.shapes, shapes, strict=True))
                for axis, (m, n) in enumerate(zip(have, want, strict=True))
                if m != n
            }
            if not differing & self.pinned:
                return [
                    TensorShape(
                        None if (i, axis) in differing else dim
                        for axis, dim in enumerate(shape)
                    )
                    for i, shape in enumerate(shapes)
                ]
        return list(shapes)

    def pin(self, shapes: Sequence[TensorShape]) -> None:
        """Notes that no trace can leave the open dimensions of these shapes open."""
        self.pinned |= {
            (i, axis)
            for i, shape in enumerate(shapes)
            for axis, dim in enumerate(shape)
            if dim is None
        }

    def add(self, trace: ConcreteFunction) -> None:
        """Adds a trace, in place of those that are for some of its shapes only."""
        self.found = [
            old
            for old in self.found
            if not all(
                _covers(new, shape)
                for new, shape in zip(trace.shapes, old.shapes, strict=True)
            )
        ]
        self.found.append(trace)


def _covers(wide: TensorShape, narrow: TensorShape) -> bool:
    return len(wide) == len(narrow) and all(
        a is None or a == b for a, b in zip(wide, narrow, strict=True)
    )


class _BoundMethod:
    """A method of an instance that does not keep the instance alive."""

    def __init__(self, function: Callable[..., Any], instance: Any, owner: Any) -> None:
        self._function = function
        self._instance = weakref.ref(instance)
        self._owner = owner
        functools.update_wrapper(self, function)
        self.__signature__ = inspect.signature(function.__get__(instance, owner))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        instance = self._instance()
        if instance is None:
            raise ReferenceError(f"The object of {self._function!r} is gone.")
        return self._function.__get__(instance, self._owner)(*args, **kwargs)


class Function(Generic[P, R]):
    """A function that is traced; made by `tf.function`. It takes what the user's takes.

    Args:
      function: The user's.
      input_signature: What its arguments must be.
      traced: What is called while it is traced: its converted form.

    Source: `tf.types.experimental.PolymorphicFunction`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        input_signature: Sequence[Any] | None = None,
        traced: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._traced = function if traced is None else traced
        self._signature = inspect.signature(function)
        self._positional = _count_positional(self._signature)
        self.input_signature = (
            None if input_signature is None else tuple(input_signature)
        )
        self._traces: dict[Any, _Traces] = {}
        # What is known by its id: its traces go when it goes.
        self._references: dict[Any, list[Any]] = {}
        # By the id of an instance: what tells that it is gone, and its function.
        self._bound: dict[int, tuple[Any, Function[..., Any]]] = {}
        # Whether the function has been traced, which only once may make variables.
        self._is_traced = False

    @property
    def python_function(self) -> Callable[..., Any]:
        """The function that is traced."""
        return self._function

    def experimental_get_tracing_count(self) -> int:
        """Returns how many times the function was traced."""
        return len(self._list_all_concrete_functions())

    def _list_all_concrete_functions(self) -> list[ConcreteFunction]:
        """Returns the traces, in the order in which they were made.

        Source: `tf.types.experimental.PolymorphicFunction`, which has it by this name.
        """
        return [trace for each in self._traces.values() for trace in each.found]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Function[P, R]: ...
    @overload
    def __get__(
        self: Function[Concatenate[Any, Rest], R], instance: object, owner: Any = None
    ) -> Function[Rest, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        key = id(instance)
        found = self._bound.get(key)
        if found is None:
            with building:
                found = self._bound.get(key)
                if found is None:
                    found = self._bound[key] = self._bind_to(instance, owner)
        return found[1]

    def _bind_to(self, instance: Any, owner: Any) -> tuple[Any, Function[..., Any]]:
        bound = self._bound
        key = id(instance)
        try:
            reference: Any = weakref.ref(instance, lambda _: bound.pop(key, None))
        except TypeError:
            # Without weak references it has to live as long as its traces.
            method = self._function.__get__(instance, owner)
            traced = self._traced.__get__(instance, owner)
            return instance, Function(method, self.input_signature, traced)
        method, traced = (
            _BoundMethod(function, instance, owner)
            for function in (self._function, self._traced)
        )
        return reference, Function(method, self.input_signature, traced)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Traces if need be, and runs; in a graph the ops join it."""
        results: Any
        if building_graph() is not None or settings.functions_run_eagerly:
            given: Any = args, kwargs
            if self.input_signature is not None:
                given = self._arguments(args, kwargs)
            results = self._traced(*given[0], **given[1])
        else:
            call = self._bind(args, kwargs)
            results = self._trace_for(call).run(call.tensors)
        found: R = results
        return found

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Returns the trace for arguments, or for `TensorSpec`s in their place."""
        if not args and not kwargs and self.input_signature is not None:
            args = self.input_signature
        specs = [a for a in nest.flatten((args, kwargs)) if isinstance(a, TensorSpec)]
        if not specs:
            return self._trace_for(self._bind(args, kwargs))
        example = nest.map_structure(_example_of, (args, kwargs))
        call = self._bind(*example)
        leaves = nest.flatten((args, kwargs))
        shapes = [a.shape for a in leaves if isinstance(a, (TensorSpec, Tensor))]
        if len(shapes) != len(call.tensors):
            shapes = [s.shape for s in specs]
        with building:
            traces = self._traces.setdefault(call.key, _Traces())
            for trace in traces.found:
                if trace.shapes == shapes:
                    return trace
            made = self._trace(call, shapes)
            self._remember(call)
            traces.found.append(made)
            return made

    def _arguments(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Returns all arguments, defaults included, as the signature wants them."""
        if not kwargs and len(args) == self._positional:
            # As it is bound below, which takes 10 us.
            if self.input_signature is None:
                return args, kwargs
            return self._fit_signature(args), kwargs
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if self.input_signature is None:
            return tuple(bound.args), dict(bound.kwargs)
        return self._fit_signature(bound.args), dict(bound.kwargs)

    def _bind(self, args: Any, kwargs: Any) -> Call:
        return Call(self._arguments(args, kwargs))

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
        return tuple(_fit(spec, argument) for spec, argument in pairs)

    # ---- tracing

    def _trace_for(self, call: Call) -> ConcreteFunction:
        shapes = call.shapes
        traces = self._traces.get(call.key)
        found = traces.find(shapes) if traces is not None else None
        if found is not None:
            return found
        # Many threads may call at once; one traces.
        with building:
            traces = self._traces.setdefault(call.key, _Traces())
            found = traces.find(shapes)
            if found is None:
                self._warn_of_many()
                found = self._trace_new(call, traces, shapes)
                self._remember(call)
                traces.add(found)
        return found

    def _trace_new(
        self, call: Call, traces: _Traces, shapes: list[TensorShape]
    ) -> ConcreteFunction:
        if self.input_signature is not None:
            return self._trace(
                call, [spec.shape for spec in nest.flatten(self.input_signature)]
            )
        wide = traces.relax(shapes)
        while wide != shapes:
            try:
                made = self._trace(call, wide, is_relaxed=True)
            except Exception:
                # What is wrong with the function, the trace for these shapes will say.
                made = None
            if made is not None and not made.graph.questions:
                return made
            traces.pin(wide)
            wide = traces.relax(shapes)
        return self._trace(call, shapes)

    def _trace(
        self, call: Call, shapes: Sequence[TensorShape], is_relaxed: bool = False
    ) -> ConcreteFunction:
        def trace(may_create: bool) -> ConcreteFunction:
            return ConcreteFunction(
                self._traced,
                call,
                shapes,
                may_create=may_create,
                is_relaxed=is_relaxed,
            )

        made = trace(may_create=not self._is_traced)
        self._is_traced = True
        return trace(may_create=False) if made.graph.created else made

    def _remember(self, call: Call) -> None:
        """Lets the traces of a call live as long as what its key has the id of."""
        if call.key in self._references:
            return
        traces, references = self._traces, self._references
        key = call.key

        def forget(_reference: Any) -> None:
            traces.pop(key, None)
            references.pop(key, None)

        kept: list[Any] = []
        for leaf in call.known_by_identity():
            try:
                kept.append(weakref.ref(leaf, forget))
            except TypeError:
                kept.append(leaf)
        references[key] = kept

    def _warn_of_many(self) -> None:
        count = self.experimental_get_tracing_count()
        if count and count % MANY_TRACES == 0:
            warnings.warn(
                f"The function {self.__name__!r} was traced {count} times; pass tensors "  # type: ignore[attr-defined]
                "in place of Python numbers that change from call to call, and "
                "tf.shape(x) in place of x.shape where sizes change.",
                GraphoptWarning,
                stacklevel=5,
            )

    def _repr_html_(self) -> str | None:
        """The page that notebooks show once there is a trace."""
        traced = self._list_all_concrete_functions()
        return str(hooks.draw_html(self)) if traced else None

    def __repr__(self) -> str:
        return f"<tf.function {getattr(self, '__name__', '')}>"


def _count_positional(signature: inspect.Signature) -> int:
    """How many arguments make a complete call by position; -1 if that is not all."""
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    plain = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    return len(kinds) if all(kind in plain for kind in kinds) else -1


def _fit(spec: Any, argument: Any) -> Any:
    if nest.is_nested(spec):
        return nest.map_structure(_fit, spec, argument)
    try:
        return fit_argument("input_signature", spec, argument)
    except (TypeError, ValueError) as error:
        tensor = hooks.convert(argument, dtype_hint=spec.dtype)
        raise fail(
            TypeError,
            "An argument does not match the input_signature",
            got=f"{tensor.dtype.name}{list(tensor.shape)}",
            expected=repr(spec),
            site=str(user_site()),
        ) from error


def _example_of(leaf: Any) -> Any:
    """A small tensor of a kind, where a specification was given."""
    if not isinstance(leaf, TensorSpec):
        return leaf
    dims = [1 if dim is None else dim for dim in leaf.shape]
    return EagerTensor(np.broadcast_to(leaf.dtype.numpy.type(0), dims))


@overload
def function(
    func: Callable[P, R],
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Feature | tuple[Feature, ...] | None = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Function[P, R]: ...
@overload
def function(
    func: None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Feature | tuple[Feature, ...] | None = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def function(
    func: Callable[..., Any] | None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Feature | tuple[Feature, ...] | None = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:
    """Makes a function run as a compiled graph, traced at its first call.

    Python's `if`, `while`, `for`, `and`, `or`, `not` and conditional expressions on tensors
    become part of the graph; on other values they are Python's.

    Args:
      func: The function; without it, a decorator is returned.
      input_signature: `TensorSpec`s of all arguments; then there is one trace.
      autograph: Whether control flow on tensors is converted.
      jit_compile: Accepted; every trace is compiled.
      reduce_retracing: Accepted; shapes are always relaxed.
      experimental_implements: Accepted.
      experimental_autograph_options: What else is converted, of
        `tf.autograph.experimental.Feature`.
      experimental_attributes: Accepted.
      experimental_relax_shapes: Accepted, as `reduce_retracing`.
      experimental_compile: Accepted, as `jit_compile`.
      experimental_follow_type_hints: Accepted.

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
    features = as_features(experimental_autograph_options)

    def decorated(user: Callable[P, R]) -> Function[P, R]:
        if autograph:
            traced = convert(user, features, user_requested=True)
        else:
            traced = do_not_convert(user)
        return Function(user, input_signature, traced)

    return decorated if func is None else decorated(func)


def init_scope() -> Any:
    """Leaves the graphs of functions, branches and loops for a block.

    Source: `tf.init_scope`.
    """
    graph = building_graph()
    return entered(graph.home if graph is not None else None)
