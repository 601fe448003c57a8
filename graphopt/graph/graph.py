"""`Operation` and `Graph`: what was asked for, as an append-only list of values.

An operation never changes after it was made: rewrites build new graphs. The list is in
the order of creation, which is a topological order already, so most questions about a
graph are one loop and nothing recurses: a chain of 100,000 ops is as good as a short one.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from graphopt.dtypes import DType
from graphopt.errors import fail
from graphopt.graph import context
from graphopt.graph.asked_sizes import watch_shape
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import new_lock
from graphopt.graph.opspec import Effect, OpSpec
from graphopt.graph.provenance import Site, user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor, require_graph

_VALID_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\-/]*\Z")
_VALID_SCOPE = re.compile(r"[A-Za-z0-9_.\-/]*\Z")
_LONGEST_NAME = 10_000


# Held while a name is taken and an operation is appended: threads may build one graph.
growing = new_lock()


class Operation:
    """A node of a graph: an op type, input tensors, attributes and output tensors.

    Source: `tf.Operation`.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "control_inputs",
        "device",
        "graph",
        "index",
        "inputs",
        "name",
        "outputs",
        "site",
        "spec",
    )

    graph: Graph
    spec: OpSpec
    name: str
    index: int
    inputs: tuple[GraphTensor, ...]
    attrs: dict[str, Any]
    control_inputs: tuple[Operation, ...]
    outputs: tuple[GraphTensor, ...]
    site: Site | None
    device: str

    @property
    def type(self) -> str:
        """The op type, as `MatMul`."""
        return self.spec.name

    @property
    def site_text(self) -> str:
        """`file:line` of the user's code that made the op."""
        return str(self.site) if self.site is not None else "an unknown place"

    @property
    def traceback(self) -> list[Site]:
        """The place in the user's code, as a list of one (TensorFlow keeps them all)."""
        return [self.site] if self.site is not None else []

    @property
    def node_def(self) -> dict[str, Any]:
        """Name, type, inputs and attributes as plain values."""
        inputs = [tensor.name for tensor in self.inputs]
        inputs += [f"^{op.name}" for op in self.control_inputs]
        return {"name": self.name, "op": self.type, "input": inputs, "attr": self.attrs}

    def get_attr(self, name: str) -> Any:
        """Returns an attribute.

        Raises:
          ValueError: The op has none of that name.
        """
        if name not in self.attrs:
            known = ", ".join(sorted(self.attrs)) or "none"
            raise fail(
                ValueError,
                f"Operation {self.name!r} has no attr named {name!r}",
                expected=f"one of: {known}",
                op=self,
            )
        return self.attrs[name]

    def values(self) -> tuple[GraphTensor, ...]:
        """Returns the outputs."""
        return self.outputs

    def run(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> None:
        """Runs this operation and all that it needs.

        Args:
          feed_dict: Values for placeholders or other tensors.
          session: The session to run in; by default the default session, or, unless
            `strict` is set, one that is made for the graph and initializes variables.

        Raises:
          ValueError: There is no default session, and strict sessions are asked for.

        Source: `tf.Operation.run`.
        """
        hooks.run_operation(self, feed_dict, session)

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"


_graphs_made = 0


class Graph:
    """A list of operations, with their names, scopes and collections.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default() as graph:
    ...     x = tf.constant([1.0, 2.0], name="x")
    ...     y = tf.reduce_sum(x * x, name="y")
    >>> [op.name for op in graph.get_operations()]
    ['x', 'mul', 'y']

    Source: `tf.Graph`.
    """

    # Where questions of the user's code for unknown sizes are noted, if that matters.
    questions: list[str] | None = None

    def __init__(self, *, is_rewritten: bool = False) -> None:
        global _graphs_made
        _graphs_made += 1
        self._serial = _graphs_made
        self._operations: list[Operation] = []
        self._by_name: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}
        self._collections: dict[Any, list[Any]] = {}
        self._scopes = threading.local()
        self._finalized = False
        self.seed: int | None = None
        # Whatever other layers keep with a graph: its variables, its implicit session.
        self.variables: list[Any] = []
        self.attachments: dict[str, Any] = {}
        if hooks.on_graph is not None and not is_rewritten:
            hooks.on_graph(self)

    def __repr__(self) -> str:
        return f"<tf.Graph {self._serial}, {len(self._operations)} ops>"

    def __reduce__(self) -> Any:
        raise TypeError("A Graph cannot be pickled; export it to JSON instead.")

    def __len__(self) -> int:
        return len(self._operations)

    def __bool__(self) -> bool:
        # An empty graph is a graph: `if graph` asks whether there is one.
        return True

    # ---- current graph, names, scopes

    def as_default(self) -> contextlib.AbstractContextManager[Any]:
        """Returns a context manager that makes this the graph that ops are added to."""
        return context.entered(self)

    @property
    def _scope(self) -> str:
        return getattr(self._scopes, "name", "")

    @property
    def _controls(self) -> tuple[Operation, ...]:
        return getattr(self._scopes, "controls", ())

    @property
    def _device(self) -> str:
        return getattr(self._scopes, "device", "")

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """Returns `name` within the current scope, with `_1`, `_2`, ... if taken."""
        with growing:
            return self._make_unique(name, mark_as_used)

    def _make_unique(self, name: str, mark_as_used: bool) -> str:
        if self._scope:
            name = f"{self._scope}/{name}"
        key = name.lower()
        if key == name:
            # One string for both, of which a large graph has very many.
            key = name
        count = self._names_in_use.get(key, 0)
        if mark_as_used:
            self._names_in_use[key] = count + 1
        if not count:
            return name
        candidate = name
        while candidate.lower() in self._names_in_use:
            candidate = f"{name}_{count}"
            count += 1
        if mark_as_used:
            self._names_in_use[key] = count
            self._names_in_use[candidate.lower()] = 1
        return candidate

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Puts a prefix before the names of the ops made in the block.

        Args:
          name: The scope; made unique. A trailing `/` enters an existing scope again;
            an empty name or None is the top level.

        Yields:
          The scope with a trailing `/`.

        Raises:
          ValueError: `name` is no valid scope name.

        Source: `tf.Graph.name_scope`.
        """
        if name and (
            not _VALID_SCOPE.match(name) or ".." in name or len(name) > _LONGEST_NAME
        ):
            raise ValueError(
                f"{_shorten(name)} is not a valid scope name; expected letters, "
                "digits and any of `_.-/`."
            )
        before = self._scope
        if not name:
            scope = ""
        elif name.endswith("/"):
            scope = name[:-1]
        else:
            if not before and not _VALID_NAME.match(name):
                raise ValueError(
                    f"{_shorten(name)} is not a valid scope name; it must start with "
                    "a letter, a digit or a dot."
                )
            scope = self.unique_name(name)
        self._scopes.name = scope
        try:
            yield scope + "/" if scope else ""
        finally:
            self._scopes.name = before

    def get_name_scope(self) -> str:
        """Returns the current scope."""
        return self._scope

    @contextlib.contextmanager
    def control_dependencies(self, inputs: Iterable[Any] | None) -> Iterator[None]:
        """Makes the ops of the block run after `inputs`.

        Args:
          inputs: Operations, tensors or variables; None leaves all outer blocks.

        Source: `tf.Graph.control_dependencies`.
        """
        before = self._controls
        after = before if inputs is not None else ()
        for item in inputs or ():
            op = self.as_graph_element(item)
            op = op.op if isinstance(op, GraphTensor) else op
            if op not in after:
                after = (*after, op)
        self._scopes.controls = after
        try:
            yield
        finally:
            self._scopes.controls = before

    @contextlib.contextmanager
    def device(self, name: Any) -> Iterator[None]:
        """Records a device string on the ops of the block; all run on the CPU.

        Source: `tf.Graph.device`.
        """
        before = self._device
        self._scopes.device = name if isinstance(name, str) else ""
        try:
            yield
        finally:
            self._scopes.device = before

    # ---- operations

    def add_operation(
        self,
        spec: OpSpec,
        inputs: Sequence[GraphTensor],
        attrs: dict[str, Any],
        name: str | None = None,
        *,
        control_inputs: tuple[Operation, ...] | None = None,
        site: Site | None = None,
        exact_name: bool = False,
        output_types: Any = None,
    ) -> Operation:
        """Appends an operation.

        Args:
          spec: What kind of op.
          inputs: Tensors of this graph.
          attrs: Static attributes.
          name: The name before it is made unique; the op type by default. A trailing
            `/` means the name as it stands.
          control_inputs: Operations that must run before; by default those of the
            enclosing `control_dependencies` blocks.
          site: Where the user asked for it; by default found on the stack.
          exact_name: Whether `name` is used as it is, outside of any scope.
          output_types: (shape, dtype) of each output, where the caller knows them;
            otherwise inferred.

        Raises:
          ValueError, TypeError: The inputs do not fit the op.
          RuntimeError: The graph is finalized.
        """
        if self._finalized:
            raise fail(
                RuntimeError,
                "Graph is finalized and cannot be modified",
                got=f"a new {spec.name}",
                expected="no op after finalize()",
                site=str(site or user_site()),
                remedy="building every op before the training loop",
            )
        site = site or user_site()
        for tensor in inputs:
            if tensor.op.graph is not self:
                inputs = [self.adopt(t) for t in inputs]
                break
        if output_types is None:
            output_types = infer_types(spec, inputs, attrs, site)
        if self.questions is not None:
            output_types = [
                (watch_shape(shape, self.questions), dtype)
                for shape, dtype in output_types
            ]
        with growing:
            return self._append_named(
                spec,
                tuple(inputs),
                attrs,
                name,
                self._controls if control_inputs is None else control_inputs,
                site,
                output_types,
                exact_name,
            )

    def _append_named(
        self,
        spec: OpSpec,
        inputs: tuple[GraphTensor, ...],
        attrs: dict[str, Any],
        name: str | None,
        controls: tuple[Operation, ...],
        site: Site | None,
        output_types: Any,
        exact_name: bool,
    ) -> Operation:
        """Settles the name of an operation and appends it."""
        if exact_name:
            name = name or spec.name
            self._names_in_use.setdefault(name.lower(), 1)
        elif name and name.endswith("/"):
            name = name[:-1]
            self._names_in_use.setdefault(name.lower(), 1)
        else:
            name = self.unique_name(_check_name(name or spec.name, self._scope))
        device = self._device
        return self.append(
            spec, inputs, attrs, name, controls, site, output_types, device
        )

    def forget_from(self, index: int) -> None:
        """Drops the last operations, which nothing uses, and gives their names back.

        Args:
          index: The number of the first of them.
        """
        with growing:
            for op in self._operations[index:]:
                self._by_name.pop(op.name, None)
                self._names_in_use.pop(op.name.lower(), None)
            del self._operations[index:]

    def append(
        self,
        spec: OpSpec,
        inputs: tuple[GraphTensor, ...],
        attrs: dict[str, Any],
        name: str,
        control_inputs: tuple[Operation, ...],
        site: Site | None,
        output_types: Iterable[tuple[Any, DType]],
        device: str,
    ) -> Operation:
        """Appends an operation of which everything is settled, as passes do.

        Args:
          spec, inputs, attrs, control_inputs, site: As in `add_operation`.
          name: The name as it stands.
          output_types: (shape, dtype) of each output.
          device: The device string.
        """
        op = Operation.__new__(Operation)
        op.graph = self
        op.spec = spec
        op.inputs = inputs
        op.attrs = attrs
        op.site = site
        op.index = len(self._operations)
        op.device = device
        op.name = name
        op.control_inputs = control_inputs
        op.outputs = tuple(
            [
                GraphTensor(op, index, dtype, TensorShape(shape))
                for index, (shape, dtype) in enumerate(output_types)
            ]
        )
        self._operations.append(op)
        self._by_name[name] = op
        return op

    def keep(self, wanted: Callable[[Operation], bool]) -> None:
        """Drops operations that nothing kept needs, for a pass that is not done yet.

        Args:
          wanted: Whether an operation stays.
        """
        self._operations = [op for op in self._operations if wanted(op)]
        self._by_name = {op.name: op for op in self._operations}
        for index, op in enumerate(self._operations):
            op.index = index

    def adopt(self, tensor: GraphTensor) -> GraphTensor:
        """Returns what stands for a tensor in this graph.

        Raises:
          ValueError: The tensor is of another graph.
        """
        require_graph(tensor, self)
        return tensor

    def get_operations(self) -> list[Operation]:
        """Returns the operations in the order in which they were made."""
        return list(self._operations)

    @property
    def operations(self) -> Sequence[Operation]:
        """The operations, not copied; the list must not be changed."""
        return self._operations

    def get_operation_by_name(self, name: str) -> Operation:
        """Returns the operation of that name.

        Raises:
          KeyError: There is none.
        """
        found = self.as_graph_element(name, allow_tensor=False)
        assert isinstance(found, Operation)
        return found

    def get_tensor_by_name(self, name: str) -> GraphTensor:
        """Returns the tensor of that name, `op_name:index`.

        Raises:
          KeyError: There is none.
          ValueError: `name` is not the name of a tensor.
        """
        found = self.as_graph_element(name, allow_operation=False)
        assert isinstance(found, GraphTensor)
        return found

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> GraphTensor | Operation:
        """Returns the tensor or operation that an object or a name stands for.

        Raises:
          TypeError: The object stands for neither.
          ValueError: It belongs to another graph, or is the wrong one of the two.
          KeyError: No op has the name.

        Source: `tf.Graph.as_graph_element`.
        """
        converter = getattr(obj, "_as_graph_element", None)
        if converter is not None:
            obj = converter()
        if isinstance(obj, GraphTensor) and allow_tensor:
            require_graph(obj, self)
            return obj
        if isinstance(obj, Operation) and allow_operation:
            if obj.graph is not self:
                raise fail(
                    ValueError,
                    f"Operation {obj.name!r} is not an element of this graph",
                    got=f"an op of {obj.graph!r}",
                    expected=f"one of {self!r}",
                    op=obj,
                )
            return obj
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation)
        wanted = " or ".join(
            word
            for word, allowed in (
                ("Tensor", allow_tensor),
                ("Operation", allow_operation),
            )
            if allowed
        )
        raise TypeError(
            f"Can not convert a {type(obj).__name__} into a {wanted}; got {obj!r:.100}."
        )

    def _element_by_name(
        self, name: str, allow_tensor: bool, allow_operation: bool
    ) -> GraphTensor | Operation:
        op_name, colon, index = name.partition(":")
        op = self._by_name.get(op_name)
        if colon and allow_tensor:
            if op is None:
                raise KeyError(
                    f"The name {_shorten(name)} refers to a Tensor which does not "
                    f"exist: {self!r} has no operation {_shorten(op_name)}."
                )
            if not index.isdigit() or int(index) >= len(op.outputs):
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist; the "
                    f"operation has {len(op.outputs)} outputs."
                )
            return op.outputs[int(index)]
        if not colon and allow_operation:
            if op is None:
                raise KeyError(
                    f"The name {_shorten(name)} refers to an Operation not in the "
                    f"graph {self!r}."
                )
            return op
        raise ValueError(
            f"The name {_shorten(name)} looks like that of "
            f"{'a Tensor' if colon else 'an Operation'}; expected "
            f"{'an Operation' if colon else 'a Tensor, as name:0'}."
        )

    def is_feedable(self, tensor: GraphTensor) -> bool:
        """Returns whether a session may be given a value for the tensor."""
        return tensor.op.graph is self and tensor.op.spec.effect is not Effect.WRITE

    is_fetchable = is_feedable

    # ---- collections, finalizing

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Appends a value to a named list."""
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Appends a value to several named lists, each once."""
        names = (names,) if isinstance(names, str) else dict.fromkeys(names)
        for name in names:
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """Returns a copy of a named list; `scope` is a regular expression on names."""
        values = self._collections.get(name, [])
        if scope is None:
            return list(values)
        pattern = re.compile(scope)
        return [v for v in values if pattern.match(getattr(v, "name", ""))]

    def get_collection_ref(self, name: Any) -> list[Any]:
        """Returns a named list itself."""
        return self._collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list[Any]:
        """Returns the names of all lists that hold something."""
        return [name for name, values in self._collections.items() if values]

    def clear_collection(self, name: Any) -> None:
        """Empties a named list."""
        self._collections.pop(name, None)

    def finalize(self) -> None:
        """Makes every later attempt to add an op an error."""
        self._finalized = True

    @property
    def finalized(self) -> bool:
        """Whether `finalize` was called."""
        return self._finalized

    @property
    def version(self) -> int:
        """The number of operations; it grows with every op."""
        return len(self._operations)

    @property
    def home(self) -> Graph | None:
        """The graph whose variables may be used here; None stands for eager ones."""
        return self

    @property
    def building_function(self) -> bool:
        """Whether this graph is the body of a `tf.function`."""
        return False

    def handle_of(self, variable: Any) -> GraphTensor:
        """Returns the handle of an eager variable, in the graph of a `tf.function`."""
        raise NotImplementedError

    def capture(self, tensor: Any) -> GraphTensor | None:
        """Returns what an eager tensor is fed to; None if it is to be a constant."""
        return None

    def allow_variable(self) -> None:
        """Notes that a variable is made; a function may refuse it."""

    def evaluate_initial(self, tensor: GraphTensor) -> Any:
        """Computes the initial value of an eager variable that is made here."""
        raise fail(
            TypeError,
            "The initial value of an eager variable cannot be a tensor of this graph",
            got=repr(tensor),
            expected="a number, an array or a function that returns one",
            site=str(user_site()),
            remedy="making the variable outside of tf.cond and tf.while_loop",
        )

    def __str__(self) -> str:
        return format_listing(self)

    def _repr_svg_(self) -> str:
        """The picture that notebooks show."""
        return str(hooks.draw_svg(self))

    def _repr_html_(self) -> str:
        """The page that notebooks show, in a frame of its own."""
        return str(hooks.draw_html(self))


context.graph_class = Graph


def infer_types(
    spec: OpSpec, inputs: Sequence[Any], attrs: dict[str, Any], site: Site | None
) -> list[tuple[Any, Any]]:
    """Returns (shape, dtype) of each output, with the user's line in every error.

    Raises:
      ValueError, TypeError: What `spec.infer` raises, with provenance added.
    """
    types = spec.infer(*inputs, **attrs)
    return types if isinstance(types, list) else [types]


def _check_name(name: str, scope: str) -> str:
    valid = _VALID_SCOPE if scope else _VALID_NAME
    if not valid.match(name) or ".." in name or len(name) > _LONGEST_NAME or not name:
        raise ValueError(
            f"{_shorten(name)} is not a valid op name; expected letters, digits and "
            "any of `_.-/`, starting with a letter, a digit or a dot."
        )
    return name


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


def format_listing(graph: Graph) -> str:
    """Writes a graph as one numbered line per op, inputs by number.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default() as graph:
    ...     y = tf.constant(2.0, name="x") * 3.0
    >>> print(graph)
    %0 = Const() "x" : float32[]
    %1 = Const() "mul/y" : float32[]
    %2 = Mul(%0, %1) "mul" : float32[]
    """
    lines = []
    for op in graph.operations:
        inputs = ", ".join(
            f"%{t.op.index}" + (f":{t.index}" if len(t.op.outputs) > 1 else "")
            for t in op.inputs
        )
        attrs = "".join(f", {key}={value}" for key, value in shown_attrs(op))
        controls = ", ".join(f"%{c.index}" for c in op.control_inputs)
        outputs = ", ".join(
            f"{t.dtype.name}[{', '.join('?' if d is None else str(d) for d in t.shape)}]"
            for t in op.outputs
        )
        arguments = inputs + attrs if inputs else attrs[2:]
        line = f'%{op.index} = {op.type}({arguments}) "{op.name}"'
        line += f" : {outputs}" if outputs else ""
        lines.append(line + (f" after {controls}" if controls else ""))
    return "\n".join(lines)


def shown_attrs(op: Operation) -> list[tuple[str, str]]:
    """Returns the attributes that a reader wants to see, as text."""
    shown = []
    for key, value in op.attrs.items():
        if value is None or value is False or hasattr(value, "__array__"):
            continue
        # Of a Python function its name: where it is in memory says nothing.
        text = getattr(value, "name", None) or getattr(value, "__name__", None)
        text = str(value) if text is None else text
        shown.append((key, text if len(text) < 60 else text[:57] + "..."))
    return shown
