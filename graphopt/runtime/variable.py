"""`Variable`: a tensor that keeps its value between runs and can be assigned to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphopt.autodiff.tape import EagerRecord
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph, entered, get_default_graph, modes
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.effects import is_handle, variable_of
from graphopt.graph.graph import Graph, Operation, infer_types
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape, shape_for_user
from graphopt.graph.tensor import EagerTensor, GraphTensor, Operators, Reference
from graphopt.ops.duplicates import checked_indices
from graphopt.ops.elementwise import add, subtract
from graphopt.ops.indexing import gather
from graphopt.ops.quietly import quietly
from graphopt.ops.resource_scatter import SCATTER
from graphopt.ops.scatter import (
    tensor_scatter_nd_add,
    tensor_scatter_nd_sub,
    tensor_scatter_nd_update,
)
from graphopt.ops.shaping import expand_dims, identity
from graphopt.ops.state import (
    ASSIGN,
    ASSIGN_ADD,
    ASSIGN_SUB,
    INITIALIZED_VALUE,
    READ,
    VAR_HANDLE,
)
from graphopt.runtime.names import require_session, scoped_name
from graphopt.runtime.store import EAGER_STORE, VariableKey

GLOBAL_VARIABLES = "variables"
TRAINABLE_VARIABLES = "trainable_variables"


def home_of(graph: Graph | None) -> Graph | None:
    """Returns the graph whose variables can be used in a graph; None for eager ones."""
    return graph.home if graph is not None else None


def _known_initial(graph: Graph, value: Any) -> Any:
    """The initial value of an eager variable that a function makes, as an array."""
    if callable(value):
        with entered(None):
            value = value()
    return graph.evaluate_initial(value) if isinstance(value, GraphTensor) else value


class EagerHandle:
    """Stands for an eager variable in what tapes record."""

    __slots__ = ("__weakref__", "dtype", "key", "shape")

    def __init__(self, key: VariableKey) -> None:
        self.key = key
        self.dtype = key.dtype
        self.shape = key.shape


class Piece(NamedTuple):
    """What part of a whole a variable has, where several ranks keep one of each.

    Attributes:
      whole: The shape of the whole.
      begin: Where its elements begin there, if that is one vector.
      length: How many of its elements are part of the whole; the rest fills it up.
      group: The number of the ranks' communicator.
    """

    whole: tuple[int, ...]
    begin: int
    length: int
    group: int


class Variable(Operators):
    """A value that training changes.

    Made in eager mode, it has its value at once and keeps it. Made in a graph, it has a
    value in each session, from when its initializer ran there.

    Args:
      initial_value: A value, or a function that returns one.
      trainable: Whether optimizers and tapes take it by default.
      name: Its name; `Variable` by default.
      dtype: Its element type; by default that of the value.
      shape: Its shape; by default that of the value.
      constraint: A function applied to it after each update by an optimizer.
      collections: Graph collections to add it to; by default the global variables.
      use_resource: Accepted for compatibility; reads see what writes before them left.

    >>> import graphopt as tf
    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).numpy().tolist(), v.name, v.shape
    ([2.0, 3.0], 'v:0', TensorShape([2]))

    Source: `tf.Variable`.
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Callable[[Any], Any] | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        collections: Any = None,
        use_resource: bool | None = None,
    ) -> None:
        if initial_value is None:
            raise ValueError("initial_value must be specified; got None.")
        self.trainable = trainable is None or bool(trainable)
        self.constraint = constraint
        self.synchronization = synchronization
        self.aggregation = aggregation
        want = as_dtype(dtype) if dtype is not None else None
        graph = building_graph()
        home = home_of(graph)
        self._initializer: Any = None
        self._initial_value: Any = None
        if graph is not None and home is not graph and graph.get_name_scope():
            name = f"{graph.get_name_scope()}/{name or 'Variable'}"
        if graph is not None and home is None:
            graph.allow_variable()
            initial_value = _known_initial(graph, initial_value)
        with contextlib.nullcontext() if home is graph else entered(home):
            if home is None:
                self._make_eager(initial_value, want, name, shape)
            else:
                self._make_in(home, initial_value, want, name, shape, collections)

    def _make_eager(self, value: Any, dtype: Any, name: Any, shape: Any) -> None:
        value = value() if callable(value) else value
        tensor = hooks.convert(value, dtype=dtype)
        if hooks.first_value is not None:
            tensor = hooks.first_value(tensor)
        fixed = tensor.shape if shape is None else TensorShape(shape)
        full = scoped_name(name or "Variable")
        self.key = VariableKey(full, tensor.dtype, fixed, None, user_site())
        self.key.array = np.array(tensor.array, order="C")
        self._handle: Any = EagerHandle(self.key)

    def _make_in(
        self,
        graph: Graph,
        value: Any,
        dtype: Any,
        name: Any,
        shape: Any,
        collections: Any,
    ) -> None:
        site = user_site()
        with graph.control_dependencies(None):
            full = graph.unique_name(name or "Variable")
            with graph.name_scope(full + "/Initializer/"):
                value = value() if callable(value) else value
                initial = hooks.convert(value, dtype=dtype, name="initial_value")
                if hooks.first_value is not None:
                    initial = hooks.first_value(initial)
            fixed = initial.shape if shape is None else TensorShape(shape)
            self.key = VariableKey(full, initial.dtype, fixed, graph, site)
            attrs = {"variable": self.key, "dtype": initial.dtype, "shape": fixed}
            handle = graph.add_operation(VAR_HANDLE, (), attrs, full + "/", site=site)
            self._handle = handle.outputs[0]
            self._initial_value = initial
            self._initializer = graph.add_operation(
                ASSIGN,
                (self._handle, initial),
                {"initializer": True},
                full + "/Assign/",
                site=site,
            )
        graph.variables.append(self)
        names = [GLOBAL_VARIABLES] if collections is None else list(collections)
        if self.trainable and TRAINABLE_VARIABLES not in names:
            names.append(TRAINABLE_VARIABLES)
        graph.add_to_collections(names, self)

    # ---- what it is

    @property
    def name(self) -> str:
        """The name, with `:0`."""
        return self.key.name + ":0"

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.key.dtype

    @property
    def shape(self) -> TensorShape:
        """The shape."""
        return self.key.shape

    @property
    def graph(self) -> Graph | None:
        """The graph it was made in, None for an eager variable."""
        return self.key.graph

    @property
    def device(self) -> str:
        """Always the CPU."""
        return "/job:localhost/replica:0/task:0/device:CPU:0"

    @property
    def handle(self) -> Any:
        """What tapes and ops know the variable by: a tensor in a graph."""
        if self.key.graph is None:
            graph = building_graph()
            if graph is not None and graph.building_function:
                return graph.handle_of(self)
        return self._handle

    @property
    def op(self) -> Any:
        """The handle op, in a graph; None in eager mode, also of what assigning returns."""
        return self.handle.op if self.key.graph is not None else None

    @property
    def initializer(self) -> Any:
        """The op that gives the variable its initial value; None in eager mode."""
        return self._initializer if self.key.graph is not None else None

    @property
    def initial_value(self) -> Any:
        """The tensor that the initializer assigns, in a graph."""
        self._require_graph("initial_value")
        return self._initial_value

    @property
    def piece(self) -> Piece | None:
        """What it is a part of, where several ranks keep one each; None if it is whole."""
        found: Piece | None = self.key.piece
        return found

    @piece.setter
    def piece(self, piece: Piece) -> None:
        self.key.piece = piece

    def initialized_value(self) -> Any:
        """Returns a tensor to make other initial values of.

        In a graph it is the value that the variable has in the run, and what its
        initializer would assign where that never ran.

        >>> import graphopt as tf
        >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        ...     v = tf.Variable(tf.random.normal([2]))
        ...     z = tf.Variable(v.initialized_value() * 2.0)
        ...     session.run(v.initializer)
        ...     session.run(z.initializer)
        ...     print(session.run(tf.reduce_all(tf.equal(z, v * 2.0))))
        True
        """
        graph = building_graph()
        if graph is None or self._initial_value is None:
            return self.read_value()
        if self.key.graph is not home_of(graph):
            raise self._foreign(graph)
        if self._initial_value.op.graph is not graph:
            return self.read_value()
        # An initializer waits for nothing that happens to surround it.
        with graph.control_dependencies(None):
            return call(
                INITIALIZED_VALUE,
                self.handle,
                self._initial_value,
                name="initialized_value",
            )

    def _require_graph(self, what: str) -> None:
        if self.key.graph is None:
            raise RuntimeError(
                f"`{what}` is not available in eager mode: {self.name!r} has its value "
                "since it was made."
            )

    def get_shape(self) -> TensorShape:
        """Returns the shape."""
        return shape_for_user(self.shape)

    def ref(self) -> Reference:
        """Returns a hashable handle."""
        return Reference(self)

    # ---- reading

    def read_value(self) -> Any:
        """Returns the value as a tensor.

        In a graph it is the value after every assignment that was made before this
        read and takes part in the run, and before all that were made after it.
        """
        graph = building_graph()
        if self.key.graph is not home_of(graph):
            raise self._foreign(graph)
        for tape in modes.tapes:
            tape.variable_accessed(self)
        if isinstance(graph, BodyGraph):
            return self._read_in_body(graph)
        if graph is not None:
            return call(
                READ,
                self.handle,
                name=f"{self.key.name.rpartition('/')[2]}/Read/ReadVariableOp",
            )
        tensor = EagerTensor(self._read_now())
        self._record_read(tensor)
        return tensor

    def _read_now(self) -> NDArray[Any]:
        """The array of an eager variable, which no step will change any more."""
        store, key = EAGER_STORE, self.key
        with store.lock:
            if store.busy:
                # A step of this thread has begun, and may write where the array is.
                return store.peek(key).copy()
            array = key.array
            if array is None:
                array = store.read(key)
            key.shared = True
            return array

    def _record_read(self, tensor: Any) -> None:
        if modes.tapes:
            record = EagerRecord(READ, (self.handle,), (tensor,), {}, None)
            for tape in modes.tapes:
                tape.record(record)

    def _read_in_body(self, graph: BodyGraph) -> Any:
        """Inside of a branch or loop: what was assigned there, or a captured read."""
        if self.key in graph.state:
            # A tensor of its own, for a tape records one read for each.
            tensor = identity(graph.state[self.key][1])
        else:
            with entered(graph.outer):
                outer = self.read_value()
            tensor = graph.adopt(outer)
        self._record_read(tensor)
        return tensor

    def value(self) -> Any:
        """Returns the value as a tensor."""
        return self.read_value()

    def _as_tensor(self) -> Any:
        return self.read_value()

    def _as_graph_element(self) -> Any:
        if self.key.graph is None:
            raise self._foreign(get_default_graph())
        return self.handle

    def _foreign(self, graph: Graph | None) -> Exception:
        home = "eagerly" if self.key.graph is None else f"in {self.key.graph!r}"
        where = "in eager mode" if graph is None else f"in {graph!r}"
        return fail(
            ValueError,
            f"Variable {self.name!r} was made {home} and cannot be used {where}",
            got=f"a use at {user_site()}",
            expected="a use where it was made",
            site=str(self.key.site),
            remedy="making the variable inside the same `with graph.as_default():`",
        )

    def numpy(self) -> NDArray[Any]:
        """Returns a copy of the value, in eager mode.

        Raises:
          NotImplementedError: The variable lives in a graph.
        """
        if self.key.graph is not None:
            raise NotImplementedError(
                f"numpy() is only available in eager mode; {self.name!r} lives in a "
                "graph: use session.run(variable)."
            )
        with EAGER_STORE.lock:
            value: NDArray[Any] = EAGER_STORE.peek(self.key).copy()[()]
        return value

    def eval(self, session: Any = None) -> NDArray[Any]:
        """Returns the value in a session."""
        self._require_graph("eval")
        value: NDArray[Any] = self.handle.eval(session=session)
        return value

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.array(self.numpy(), dtype)

    def __array_ufunc__(
        self, function: Any, method: str, *inputs: Any, **keywords: Any
    ) -> Any:
        values = [x.read_value() if isinstance(x, Variable) else x for x in inputs]
        return getattr(function, method)(*values, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name == "run":
            raise AttributeError(
                "A variable has no run(); in eager mode minimize and apply_gradients "
                "have applied the update already, and return the iteration count."
            )
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __bool__(self) -> bool:
        return bool(self.read_value())

    def __float__(self) -> float:
        return float(self.read_value())

    def __int__(self) -> int:
        return int(self.read_value())

    def __len__(self) -> int:
        return len(self.read_value())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.read_value())

    def __eq__(self, other: object) -> Any:
        if self.key.graph is not None or other is None or isinstance(other, str):
            return self is other
        return hooks.operators["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        if self.key.graph is not None or other is None or isinstance(other, str):
            return self is not other
        return hooks.operators["not_equal"](self, other)

    def __hash__(self) -> int:
        return id(self)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError("Variables do not support item assignment; use assign.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        if self.key.graph is not None:
            raise NotImplementedError("deepcopy() is only available in eager mode.")
        copied = Variable(
            self.numpy(),
            trainable=self.trainable,
            dtype=self.dtype,
            constraint=self.constraint,
        )
        copied.key.name = self.key.name
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        text = f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}"
        if self.key.graph is None:
            text += f", numpy={EAGER_STORE.read(self.key)[()]!r}"
        return text + ">"

    # ---- writing

    def assign(
        self,
        value: Any,
        use_locking: Any = None,
        name: Any = None,
        read_value: Any = True,
    ) -> Any:
        """Sets the value.

        Returns:
          In eager mode the variable; in a graph a tensor with the new value, whose run
          assigns, or the op itself if `read_value` is False.

        Raises:
          InvalidArgumentError: (a ValueError) The shape differs.
        """
        return self._update(ASSIGN, value, name, read_value)

    def assign_add(
        self,
        delta: Any,
        use_locking: Any = None,
        name: Any = None,
        read_value: Any = True,
    ) -> Any:
        """Adds to the value; as `assign`."""
        return self._update(ASSIGN_ADD, delta, name, read_value)

    def assign_sub(
        self,
        delta: Any,
        use_locking: Any = None,
        name: Any = None,
        read_value: Any = True,
    ) -> Any:
        """Subtracts from the value; as `assign`."""
        return self._update(ASSIGN_SUB, delta, name, read_value)

    def _update(
        self, spec: OpSpec, value: Any, name: str | None, read_value: bool
    ) -> Any:
        graph = building_graph()
        if self.key.graph is not home_of(graph):
            raise self._foreign(graph)
        tensor = hooks.convert(value, dtype_hint=self.dtype)
        if tensor.dtype is not self.dtype:
            as_inputs(spec, (self.handle, tensor))
        if not tensor.shape.is_compatible_with(self.shape):
            raise fail(
                InvalidArgumentError,
                f"Cannot assign to variable {self.name!r} due to variable shape "
                f"{self.shape} and value shape {tensor.shape} being incompatible",
                got=describe_shapes(tensor),
                expected=describe_shapes(self),
                site=str(self.key.site),
            )
        return self._change(spec, (tensor,), name, read_value)

    def _change(
        self, spec: OpSpec, inputs: tuple[Any, ...], name: str | None, read_value: bool
    ) -> Any:
        """Changes the value by an op that takes the old one and these inputs."""
        graph = building_graph()
        if self.key.graph is not home_of(graph):
            raise self._foreign(graph)
        if isinstance(graph, BodyGraph):
            return self._change_in_body(graph, spec, inputs, read_value)
        if graph is not None:
            op: Any = call(spec, self.handle, *inputs, name=name)
            if not read_value:
                return op
            with graph.control_dependencies([op]):
                return self.read_value()
        infer_types(spec, (self._handle, *inputs), {}, None)
        with EAGER_STORE.held():
            EAGER_STORE.require_idle(f"Variable {self.name!r} was assigned to")
            arrays = [tensor.array for tensor in inputs]
            while True:
                old = EAGER_STORE.read(self.key)
                new = quietly(spec.compute, old, *arrays)
                if hooks.on_eager_write is not None:
                    hooks.on_eager_write(spec, self.key, (old, *arrays), new)
                fresh = np.array(new, order="C")
                EAGER_STORE.generation += 1
                # A signal handler may have changed the value since; no call is between
                # the question and the answer, so none comes there.
                if self.key.array is old:
                    self.key.array = fresh
                    self.key.shared = False
                    break
        return self

    def scatter_update(self, sparse_delta: Any, **options: Any) -> Any:
        """Sets rows.

        Args:
          sparse_delta: `IndexedSlices` with the rows and which they are.
          **options: `read_value`, as in `assign`.

        Raises:
          InvalidArgumentError: An index is out of range, or a shape does not fit.
        """
        return self._scatter("update", sparse_delta, **options)

    def scatter_add(self, sparse_delta: Any, **options: Any) -> Any:
        """Adds to rows; as `scatter_update`."""
        return self._scatter("add", sparse_delta, **options)

    def scatter_sub(self, sparse_delta: Any, **options: Any) -> Any:
        """Subtracts from rows; as `scatter_update`."""
        return self._scatter("sub", sparse_delta, **options)

    def scatter_mul(self, sparse_delta: Any, **options: Any) -> Any:
        """Multiplies rows; as `scatter_update`."""
        return self._scatter("mul", sparse_delta, **options)

    def scatter_div(self, sparse_delta: Any, **options: Any) -> Any:
        """Divides rows; as `scatter_update`."""
        return self._scatter("div", sparse_delta, **options)

    def scatter_min(self, sparse_delta: Any, **options: Any) -> Any:
        """Sets rows to the smaller of two values; as `scatter_update`."""
        return self._scatter("min", sparse_delta, **options)

    def scatter_max(self, sparse_delta: Any, **options: Any) -> Any:
        """Sets rows to the larger of two values; as `scatter_update`."""
        return self._scatter("max", sparse_delta, **options)

    def _scatter(
        self,
        option: str,
        sparse_delta: Any,
        use_locking: Any = None,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(f"sparse_delta is not IndexedSlices: {sparse_delta!r}.")
        if not self.shape.rank:
            raise ValueError(f"Variable {self.name!r} has no rows to scatter to.")
        limit = int(self.shape[0] or 0)
        indices = checked_indices(sparse_delta.indices, limit)
        updates = hooks.convert(sparse_delta.values, dtype_hint=self.dtype)
        return self._change(SCATTER[option], (indices, updates), name, read_value)

    def sparse_read(self, indices: Any, name: str | None = None) -> Any:
        """Returns rows.

        Source: `tf.Variable.sparse_read`.
        """
        return gather(self, indices, name=name)

    def _changed_value(self, spec: OpSpec, inputs: tuple[Any, ...], where: str) -> Any:
        """The value that an op would give the variable, as a tensor."""
        if spec is ASSIGN:
            return inputs[0]
        changed = _AS_TENSORS.get(spec)
        if changed is None:
            raise NotImplementedError(
                f"{spec.name} on {self.name!r} {where}; assign the whole variable."
            )
        return changed(self.read_value(), *inputs)

    def _change_in_body(
        self, graph: BodyGraph, spec: OpSpec, inputs: tuple[Any, ...], read_value: bool
    ) -> Any:
        """Inside of a branch or loop the new value leaves as one of its results."""
        where = "inside of tf.cond or tf.while_loop"
        new = identity(self._changed_value(spec, inputs, where))
        graph.state[self.key] = (self, new)
        return new if read_value else new.op

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value in a session at once."""
        if self.key.graph is None:
            self.assign(value)
            return
        session = session or require_session()
        session.load(self, value)

    def count_up_to(self, limit: int) -> NoReturn:
        """Not available; use assign_add and tf.cond."""
        raise NotImplementedError("count_up_to; use assign_add.")


def _make_scatter(function: Any) -> Callable[..., Any]:
    return lambda value, indices, updates: function(
        value, expand_dims(indices, -1), updates
    )


# What an op on a variable does, on tensors.
_AS_TENSORS: dict[OpSpec, Callable[..., Any]] = {
    ASSIGN_ADD: add,
    ASSIGN_SUB: subtract,
    SCATTER["update"]: _make_scatter(tensor_scatter_nd_update),
    SCATTER["add"]: _make_scatter(tensor_scatter_nd_add),
    SCATTER["sub"]: _make_scatter(tensor_scatter_nd_sub),
}


def variable_of_handle(handle: Any) -> Variable:
    """Returns a variable for its handle; a variable as it is.

    Raises:
      TypeError: It is the handle of no variable.
    """
    if isinstance(handle, Variable):
        return handle
    if isinstance(handle, EagerHandle):
        key = handle.key
    elif isinstance(handle, GraphTensor) and is_handle(handle):
        key = variable_of(handle)
    else:
        raise TypeError(
            f"Expected the handle of a variable, as `variable.handle`; got {handle!r:.100}."
        )
    found = Variable.__new__(Variable)
    found.trainable = True
    found.constraint = found.synchronization = found.aggregation = None
    found.key = key
    found._handle = handle if key.graph is _graph_of(handle) else EagerHandle(key)
    found._initializer = found._initial_value = None
    return found


def _graph_of(handle: Any) -> Graph | None:
    """Returns the graph that a handle is in; None for an eager one."""
    return None if isinstance(handle, EagerHandle) else handle.op.graph


def adopt_variable(
    key: VariableKey, handle: Any, initializer: Operation, *, trainable: bool
) -> Variable:
    """Makes the variable of ops that are in a graph already, as a file brings them.

    Args:
      key: Its storage.
      handle: The tensor that stands for it.
      initializer: The op that gives it its initial value.
      trainable: Whether optimizers take it by default.

    Returns:
      The variable, which is in the collections of its graph.
    """
    graph = handle.op.graph
    variable = Variable.__new__(Variable)
    variable.trainable = trainable
    variable.constraint = variable.synchronization = variable.aggregation = None
    variable.key = key
    variable._handle = handle
    variable._initializer = initializer
    variable._initial_value = initializer.inputs[1]
    graph.variables.append(variable)
    names = [GLOBAL_VARIABLES, *([TRAINABLE_VARIABLES] if trainable else [])]
    graph.add_to_collections(names, variable)
    return variable
