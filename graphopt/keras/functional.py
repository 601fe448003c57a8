"""Models that are described before there is data: what layers were called on.

`Input` returns a `KerasTensor`, which has a shape, a dtype and no value. Calling a layer on
one computes nothing: the layer is traced in a graph that is thrown away, on placeholders
with unknown batch size, to learn what it would return; a `Node` writes down the layer and
its arguments. An op on one (`x + 1`, `tf.concat([x, y], 1)`) is written down in the same
way, as the call of a layer that is that op. `Network` finds the nodes between inputs and
outputs and calls their layers again, on data.

In a graph of TensorFlow 1 tensors are there from the start: `Input` is a placeholder, a
layer adds its ops, and the nodes are kept beside the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from graphopt.dtypes import DType
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor, StandIn, Tensor
from graphopt.keras.calls import outermost
from graphopt.ops.creation import placeholder
from graphopt.runtime.concrete_function import FunctionGraph

_NODES = "keras_nodes"


class Node:
    """One call of a layer.

    Attributes:
      layer: What was called.
      arguments: With what: positional and named arguments, tensors in any nests.
      outputs: What came out, a nest of tensors.
    """

    def __init__(self, layer: Any, arguments: tuple[Any, dict[str, Any]]) -> None:
        self.layer = layer
        self.arguments = arguments
        self.outputs: Any = None

    @property
    def inputs(self) -> Any:
        """The tensors among the arguments: one, or a nest of them."""
        positional, named = self.arguments
        first = positional[0] if positional else next(iter(named.values()), None)
        others = nest.flatten((positional[1:], named if positional else {}))
        if not any(isinstance(x, Tensor) for x in others):
            return first
        return [x for x in nest.flatten(self.arguments) if is_keras_tensor(x)]

    @property
    def input_tensors(self) -> list[Any]:
        """The tensors of a model among the arguments, in order."""
        return [x for x in nest.flatten(self.arguments) if is_keras_tensor(x)]

    @property
    def inbound_layers(self) -> Any:
        """The layers that made the inputs: one, or a list."""
        layers = [node_of(x).layer for x in self.input_tensors]
        return layers[0] if len(layers) == 1 else layers

    @property
    def input_shapes(self) -> Any:
        """The shapes of the inputs."""
        return nest.map_structure(lambda x: x.shape, self.inputs)

    @property
    def output_shapes(self) -> Any:
        """The shapes of the outputs."""
        return nest.map_structure(lambda x: x.shape, self.outputs)


class KerasTensor(StandIn):
    """Stands for what a layer will return.

    Attributes:
      shape: With None for the size of the batch.
      dtype: The element type.
      node: The call that returns it.
      index: Which of its outputs it is.
      symbol: A tensor of the graph of all such tensors.

    >>> import graphopt as tf
    >>> x = tf.keras.Input([4])
    >>> (tf.reduce_sum(x, axis=1) + 1.0).shape
    TensorShape([None])

    Source: `tf.keras.KerasTensor`.
    """

    __slots__ = ("__dict__", "__weakref__", "_keras_mask")

    name: str
    _keras_mask: Any

    def __init__(self, symbol: GraphTensor, node: Node, index: int, name: str) -> None:
        self.symbol = symbol
        self.shape = symbol.shape
        self.dtype: DType = symbol.dtype
        self.node = node
        self.index = index
        self.name = name

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasTensor:
        made = memo[id(self)] = object.__new__(type(self))
        made.symbol, made.shape, made.dtype = self.symbol, self.shape, self.dtype
        made.index, made.name = self.index, self.name
        made.node = copy.deepcopy(self.node, memo)
        return made

    @property
    def _keras_history(self) -> tuple[Any, int, int]:
        nodes = self.node.layer._inbound_nodes
        return (self.node.layer, nodes.index(self.node), self.index)

    @property
    def type_spec(self) -> Any:
        """The shape and dtype as a `tf.TensorSpec`."""
        # Loaded by those who ask.
        from graphopt.runtime.function import TensorSpec

        return TensorSpec(self.shape, self.dtype, self.name)

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the shape.

        Raises:
          ValueError: It contradicts what is known.
        """
        self.symbol.set_shape(shape)
        self.shape = self.symbol.shape

    def _no_value(self, what: str) -> Exception:
        return fail(
            TypeError,
            f"{self!r} stands for a layer's output and has no value: it cannot be used "
            f"as {what}",
            got="a KerasTensor",
            expected="a value",
            site=str(user_site()),
            remedy="a subclass of tf.keras.layers.Layer, or a Lambda layer",
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A KerasTensor cannot be pickled, for it has no value; a model is saved by "
            "`model.save(path)`."
        )

    def __bool__(self) -> bool:
        raise self._no_value("a Python `bool`")

    def __len__(self) -> int:
        raise self._no_value("a sequence")

    def __iter__(self) -> Iterator[Any]:
        raise self._no_value("an iterable")

    def __float__(self) -> NoReturn:
        raise self._no_value("a Python number")

    __int__ = __index__ = __float__

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self._no_value("a NumPy array")

    def numpy(self) -> Any:
        """Raises TypeError: there is no value."""
        raise self._no_value("a NumPy array")

    def __eq__(self, other: object) -> Any:
        # As tensors of functions: elements are compared.
        if self is other or other is None:
            return self is other
        return hooks.operators["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        if self is other or other is None:
            return self is not other
        return hooks.operators["not_equal"](self, other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return (
            f"<KerasTensor: shape={self.shape} dtype={self.dtype.name} (created by "
            f"layer {self.node.layer.name!r})>"
        )


def is_keras_tensor(x: Any) -> bool:
    """Returns whether something stands for a layer's output, in either mode."""
    return isinstance(x, KerasTensor) or node_of(x) is not None


def node_of(tensor: Any) -> Any:
    """Returns the call of a layer that made a tensor, or None."""
    if isinstance(tensor, KerasTensor):
        return tensor.node
    if isinstance(tensor, GraphTensor):
        return tensor.graph.attachments.get(_NODES, {}).get(tensor)
    return None


# ---- writing down


class SymbolGraph(FunctionGraph):
    """The graph of the symbols of all KerasTensors, which nothing runs."""

    def capture(self, tensor: Any) -> None:
        """Returns None: eager tensors are constants here."""
        return


class _Symbols:
    """The current one."""

    graph: SymbolGraph | None = None


def forget_symbols() -> None:
    """Starts with an empty graph of symbols."""
    _Symbols.graph = None


def symbol_graph() -> SymbolGraph:
    """Returns the graph of symbols, made when first asked for."""
    if _Symbols.graph is None:
        _Symbols.graph = SymbolGraph("keras_tensors")
    return _Symbols.graph


def new_symbol(dtype: DType, shape: TensorShape) -> GraphTensor:
    """Returns a symbol of which nothing is known but dtype and shape."""
    with entered(symbol_graph()):
        made: GraphTensor = placeholder(dtype, shape, name="keras_tensor")
    return made


def _stand_for(node: Node, symbols: Sequence[GraphTensor]) -> list[KerasTensor]:
    name = node.layer.name
    return [
        KerasTensor(symbol, node, i, f"{name}/{i}" if i else name)
        for i, symbol in enumerate(symbols)
    ]


def has_stand_ins(*values: Any) -> bool:
    """Returns whether there is a KerasTensor in nests of values."""
    for value in values:
        if isinstance(value, StandIn):
            return True
        if nest.is_nested(value) and any(
            isinstance(leaf, StandIn) for leaf in nest.flatten(value)
        ):
            return True
    return False


def call_symbolically(layer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Returns what stands for a layer's outputs, and writes the call down.

    Args:
      layer: The layer.
      args: Its positional arguments.
      kwargs: Its named ones.
    """
    outputs = trace_layer(layer, args, kwargs)
    node = Node(layer, (args, kwargs))
    leaves = nest.flatten(outputs)
    symbols = [new_symbol(x.dtype, x.shape) for x in leaves]
    made = _stand_for(node, symbols)
    for stand_in, output in zip(made, leaves, strict=True):
        mask = getattr(output, "_keras_mask", None)
        if mask is not None:
            stand_in._keras_mask = _stand_for(
                node, [new_symbol(mask.dtype, mask.shape)]
            )[0]
    node.outputs = nest.pack_as(outputs, made)
    layer._inbound_nodes.append(node)
    return node.outputs


def trace_layer(layer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Calls a layer on placeholders, in a graph that is thrown away.

    Returns:
      Its outputs, of which shapes, dtypes and masks are of use.
    """
    scratch = FunctionGraph(f"shapes_of_{layer.name}")
    places: dict[int, Any] = {}

    def place_of(value: Any) -> Any:
        if not isinstance(value, KerasTensor):
            return value
        found = places.get(id(value))
        if found is None:
            found = places[id(value)] = placeholder(value.dtype, value.shape)
            mask = getattr(value, "_keras_mask", None)
            if mask is not None:
                found._keras_mask = placeholder(mask.dtype, mask.shape)
        return found

    with entered(scratch), outermost():
        given, named = nest.map_structure(place_of, (args, kwargs))
        outputs = layer(*given, **named)
        return nest.map_structure(_as_output(layer), outputs)


def _as_output(layer: Any) -> Any:
    def convert(value: Any) -> Any:
        try:
            return hooks.convert(value)
        except (TypeError, ValueError) as error:
            raise fail(
                TypeError,
                f"The output of layer {layer.name!r} is no tensor",
                got=repr(value)[:80],
                expected="a tensor, or a nest of tensors",
                site=str(user_site()),
            ) from error

    return convert


def write_down(layer: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
    """Notes beside a graph of TensorFlow 1 which layer made its tensors."""
    node = Node(layer, (args, kwargs))
    node.outputs = outputs
    layer._inbound_nodes.append(node)
    for output in nest.flatten(outputs):
        if isinstance(output, GraphTensor):
            output.graph.attachments.setdefault(_NODES, {}).setdefault(output, node)


def call_op(spec: OpSpec, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Writes down an op on KerasTensors, as the call of a layer.

    Returns:
      A KerasTensor, or a tuple of them.
    """
    # Loaded when a model has one.
    from graphopt.keras.layers.ops import OpLayer

    tensors = as_inputs(spec, inputs)
    symbols = [t.symbol if isinstance(t, StandIn) else t for t in tensors]
    with entered(symbol_graph()):
        result: Any = call(spec, *symbols, **attrs)
    layer = OpLayer(spec.name, attrs)
    layer.built = True
    node = Node(layer, (tuple(tensors), {}))
    found = result if isinstance(result, tuple) else (result,)
    if isinstance(result, Operation):
        raise fail(
            NotImplementedError,
            f"{spec.name} has no result, so that no model can contain it",
            got="a KerasTensor as its input",
            site=str(user_site()),
            remedy="calling it in the `call` of a layer",
        )
    made = _stand_for(node, found)
    node.outputs = tuple(made) if isinstance(result, tuple) else made[0]
    layer._inbound_nodes.append(node)
    return node.outputs


hooks.call_on_stand_ins = call_op


# ---- networks


class Network:
    """The calls of layers between inputs and outputs.

    Args:
      inputs: A nest of tensors that `Input` returned, or that layers did.
      outputs: A nest of tensors that depend on them.

    Attributes:
      nodes: The calls, in an order in which they can be made.
      layers: The layers, those nearest to the inputs first.

    Raises:
      ValueError: An output depends on an `Input` that is not among the inputs.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        for what in nest.flatten(inputs):
            if not is_keras_tensor(what):
                raise fail(
                    ValueError,
                    "The inputs of a model come from `tf.keras.Input`",
                    got=repr(what)[:80],
                    expected="KerasTensors",
                    site=str(user_site()),
                    remedy="model(x) for a tensor x",
                )
        for what in nest.flatten(outputs):
            if not is_keras_tensor(what) and not isinstance(what, GraphTensor):
                raise fail(
                    ValueError,
                    "The outputs of a model are what layers returned for its inputs",
                    got=repr(what)[:80],
                    expected="KerasTensors",
                    site=str(user_site()),
                )
        self.nodes = _order_nodes(nest.flatten(inputs), nest.flatten(outputs))
        self.layers = _order_layers(nest.flatten(inputs), self.nodes)

    def run(self, inputs: Any) -> Any:
        """Calls the layers on tensors in place of the inputs."""
        values = self._bind(inputs)

        def value_of(item: Any) -> Any:
            return values.get(id(item), item) if isinstance(item, Tensor) else item

        for node in self.nodes:
            if _outputs_of(node)[0] in values:
                continue
            given, named = nest.map_structure(value_of, node.arguments)
            outputs = node.layer(*given, **named)
            pairs = zip(nest.flatten(node.outputs), nest.flatten(outputs), strict=True)
            values.update((id(stand_in), value) for stand_in, value in pairs)
        return nest.map_structure(value_of, self.outputs)

    def bind(self, inputs: Any) -> Any:
        """Returns what stands for the only input, fitted to it."""
        return next(iter(self._bind(inputs).values()))

    def _bind(self, inputs: Any) -> dict[int, Any]:
        stand_ins = nest.flatten(self.inputs)
        if isinstance(inputs, dict):
            by_name = {node_of(x).layer.name: x for x in stand_ins}
            if isinstance(self.inputs, dict):
                by_name = {**by_name, **self.inputs}
            given = [(by_name[k], v) for k, v in inputs.items() if k in by_name]
            if len({id(x) for x, _ in given}) < len(stand_ins):
                missing = [k for k in by_name if k not in inputs]
                raise fail(
                    ValueError,
                    f"Missing data for input {missing[0]!r} of the model",
                    got=f"a dictionary with keys {list(inputs)}",
                    expected=f"the keys {[node_of(x).layer.name for x in stand_ins]}",
                    site=str(user_site()),
                )
            values = {id(x): self._fit(x, v) for x, v in given}
        else:
            found = nest.flatten(inputs)
            if len(found) != len(stand_ins):
                raise fail(
                    ValueError,
                    f"The model takes {len(stand_ins)} inputs, but got {len(found)}",
                    got=", ".join(str(getattr(x, "shape", x)) for x in found),
                    expected=", ".join(str(x.shape) for x in stand_ins),
                    site=str(user_site()),
                )
            values = {
                id(x): self._fit(x, v) for x, v in zip(stand_ins, found, strict=True)
            }
        return values

    @staticmethod
    def _fit(stand_in: Any, value: Any) -> Any:
        """Adds or drops a last dimension of 1, as Keras does, and casts to the dtype."""
        if not isinstance(value, Tensor) or isinstance(value, StandIn):
            return value
        # Loaded here: most of the package does without.
        from graphopt.ops.elementwise import cast
        from graphopt.ops.shaping import expand_dims, squeeze

        mask = getattr(value, "_keras_mask", None)
        want, have = stand_in.shape, value.shape
        if None not in (want.rank, have.rank):
            if have.rank == want.rank + 1 and have[-1] == 1:
                value = squeeze(value, -1)
            elif have.rank == want.rank - 1 and want[-1] == 1:
                value = expand_dims(value, -1)
        if value.dtype is not stand_in.dtype and not value.dtype.is_string:
            value = cast(value, stand_in.dtype)
        if mask is not None:
            value._keras_mask = mask
        return value


def _outputs_of(node: Node) -> list[int]:
    return [id(output) for output in nest.flatten(node.outputs)]


def _order_nodes(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Node]:
    order: list[Node] = []
    known = {id(tensor) for tensor in inputs}
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(x, False) for x in reversed(outputs)]
    open_nodes: set[int] = set()
    while stack:
        tensor, is_ready = stack.pop()
        if id(tensor) in known:
            continue
        node = _node_behind(tensor)
        if node is None or id(node) in done:
            continue
        if is_ready:
            done.add(id(node))
            order.append(node)
            known.update(_outputs_of(node))
            continue
        needed = [x for x in nest.flatten(node.arguments) if _may_have_node(x)]
        if not needed and _is_input(node):
            raise fail(
                ValueError,
                f"Graph disconnected: the outputs of the model depend on {tensor!r}, "
                "which is not among its inputs",
                got=", ".join(repr(x) for x in inputs),
                expected=f"{node.layer.name!r} among them",
                site=str(user_site()),
                remedy="tf.keras.Model(inputs=[...], ...) with all tf.keras.Input",
            )
        if id(node) in open_nodes:
            continue
        open_nodes.add(id(node))
        stack.append((tensor, True))
        stack += [(x, False) for x in reversed(needed)]
    return order


def _is_input(node: Node) -> bool:
    return bool(getattr(node.layer, "is_input", False))


def _may_have_node(value: Any) -> bool:
    return isinstance(value, (KerasTensor, GraphTensor))


def _node_behind(tensor: Any) -> Node | None:
    """Returns the call that made a tensor; an op of a graph becomes one."""
    found: Node | None = node_of(tensor)
    if found is not None or not isinstance(tensor, GraphTensor):
        return found
    from graphopt.keras.layers.ops import OpLayer

    op = tensor.op
    if not _depends_on_input(op):
        return None
    layer = OpLayer(op.type, dict(op.attrs), name=op.name)
    layer.built = True
    outputs = op.outputs[0] if len(op.outputs) == 1 else op.outputs
    write_down(layer, tuple(op.inputs), {}, outputs)
    return node_of(tensor)


def _depends_on_input(op: Operation) -> bool:
    seen = {op}
    stack = [op]
    while stack:
        for tensor in stack.pop().inputs:
            if node_of(tensor) is not None:
                return True
            if tensor.op not in seen:
                seen.add(tensor.op)
                stack.append(tensor.op)
    return False


def _order_layers(inputs: Sequence[Any], nodes: Sequence[Node]) -> list[Any]:
    """Returns the layers by depth, counted from the outputs, as Keras lists them."""
    producers = {key: node for node in nodes for key in _outputs_of(node)}
    heights: dict[int, int] = {}
    for node in reversed(nodes):
        height = heights.setdefault(id(node), 0)
        for tensor in nest.flatten(node.arguments):
            before = producers.get(id(tensor))
            if before is not None:
                heights[id(before)] = max(heights.get(id(before), 0), height + 1)
    depth_of: dict[int, int] = {}
    layers: dict[int, Any] = {}
    for node in nodes:
        key = id(node.layer)
        layers[key] = node.layer
        depth_of[key] = max(depth_of.get(key, 0), heights[id(node)])
    first: dict[int, Any] = {}
    for tensor in inputs:
        layer = node_of(tensor).layer
        if not getattr(layer, "is_input", False):
            continue
        users = [
            depth_of[id(node.layer)]
            for node in nodes
            if any(x is tensor for x in nest.flatten(node.arguments))
        ]
        first[id(layer)] = layer
        depth_of[id(layer)] = max(users, default=0) + 1
    together = {**first, **layers}
    return sorted(together.values(), key=lambda layer: -depth_of[id(layer)])


def is_in_v1_graph() -> bool:
    """Returns whether a graph of TensorFlow 1 is being built."""
    graph = building_graph()
    return graph is not None and graph.home is graph
