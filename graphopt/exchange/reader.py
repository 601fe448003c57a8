"""JSON -> graph. Nothing in the file is believed, and nothing of it is run."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.dtypes import DType
from graphopt.errors import OpError, storage_error
from graphopt.exchange.attributes import (
    Decoder,
    bad,
    decode_dtype,
    decode_shape,
)
from graphopt.exchange.graph_def_reader import parse_graph_def
from graphopt.exchange.json_text import fail_damaged, parse_json
from graphopt.exchange.node_link import FORMAT, VERSION
from graphopt.graph.body import Body, BodyGraph
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.opspec import REGISTRY, OpSpec
from graphopt.graph.provenance import Site
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.words import clean_text
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.custom import CUSTOM_GRADIENT
from graphopt.ops.printing import PRINT
from graphopt.ops.random_stateful import RandomStream
from graphopt.ops.state import ASSIGN
from graphopt.regular_files import read_regular_file
from graphopt.runtime.store import VariableKey
from graphopt.runtime.variable import adopt_variable

LARGEST_FILE = 1 << 30
# As `Graph.add_operation` takes them, and those that Keras and bodies make.
_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,10000}\Z")
# Attributes that no rule of an op takes by name.
# (Files of version 0.1 have `in_order`, which says what now holds for every read.)
_MARKS = {"initializer", "in_order"}


@dataclass(frozen=True)
class LoadedGraph:
    """A graph from a file.

    Attributes:
      graph: The graph; its variables have no values before their initializers ran.
      operations: What the file says is to be run.
      tensors: What the file says is to be fetched.
    """

    graph: Graph
    operations: tuple[Operation, ...] = ()
    tensors: tuple[GraphTensor, ...] = ()


def read_graph(path: str) -> LoadedGraph:
    """Reads a graph from a `.json` or `.pbtxt` file.

    Args:
      path: A file that `graphopt export` wrote.

    Returns:
      The graph and what is wanted of it.

    Raises:
      DataLossError: The file is damaged, or none of ours.
      InvalidArgumentError: It holds a graph that cannot be.
      NotFoundError, PermissionDeniedError, UnknownError: It cannot be read.
    """
    try:
        data = read_regular_file(path, LARGEST_FILE)
    except OSError as error:
        raise storage_error(error, "Reading a graph failed", path) from error
    except ValueError as error:
        raise fail_damaged(str(error), path) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise fail_damaged("it is no text", path) from error
    if path.endswith(".pbtxt"):
        return graph_from_json(parse_graph_def(text))
    return graph_from_json(parse_json(text))


def graph_from_json(values: Any) -> LoadedGraph:
    """Makes the graph that JSON values describe; see `node_link` for what they are.

    Args:
      values: What `json.load` returned.

    Returns:
      The graph and what is wanted of it.

    Raises:
      DataLossError: They describe no graph.
      InvalidArgumentError: An op is not in the registry or calls Python, does not fit
        its inputs, or would be too large.
    """
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise fail_damaged("it has another format", str(values)[:80])
    if values.get("version") != VERSION:
        raise fail_damaged("it has another version", values.get("version"))
    about = values.get("graph")
    if not isinstance(about, dict):
        raise fail_damaged("it does not say what is to be run", about)
    seed = about.get("seed")
    if seed is not None and type(seed) is not int:
        raise bad("the seed is no integer", seed)
    graph = Graph()
    graph.seed = seed
    listed = _items(values, "variables")
    keys: dict[str, VariableKey] = {}
    for entry in listed:
        key = _variable(entry, graph)
        if key.name in keys:
            raise bad("two variables have one name", key.name)
        keys[key.name] = key
    _Reader(graph, keys, 0).add_all(values)
    _adopt_variables(graph, keys, {e["name"]: e["trainable"] for e in listed})
    names = _items(about, "operations")
    operations = tuple(_find(graph, name, Operation) for name in names)
    names = _items(about, "tensors")
    tensors = tuple(_find(graph, name, GraphTensor) for name in names)
    return LoadedGraph(graph, operations, tensors)


def _items(values: Any, name: str) -> list[Any]:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, list):
        raise fail_damaged(f"it has no list {name!r}", str(found)[:80])
    return found


def _find(graph: Graph, name: Any, kind: Any) -> Any:
    if not isinstance(name, str):
        raise bad("what is to be run is no name", name)
    try:
        found = graph.as_graph_element(name)
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, kind):
        raise bad("what is to be run is not there", name)
    return found


def _check_name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not _NAME.match(name) or ".." in name:
        raise bad(f"this is no name of {what}", name)
    return name


def _site(value: Any) -> Site | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise bad("a place in a program is malformed", value)
    file, line, function = value
    if not isinstance(file, str) or not isinstance(function, str):
        raise bad("a place in a program is malformed", value)
    if type(line) is not int or not 0 <= line < 1 << 31:
        raise bad("a place in a program is malformed", value)
    file = clean_text(file)
    # In angle brackets it is no file to Python, so no page will quote lines of it.
    if not (file.startswith("<") and file.endswith(">")):
        file = f"<{file}>"
    return Site(file, line, clean_text(function))


def _variable(entry: Any, graph: Graph) -> VariableKey:
    if not isinstance(entry, dict) or not isinstance(entry.get("trainable"), bool):
        raise bad("a variable is malformed", str(entry)[:80])
    return VariableKey(
        _check_name(entry.get("name"), "a variable"),
        decode_dtype(entry.get("dtype")),
        decode_shape(entry.get("shape")),
        graph,
        _site(entry.get("site")),
    )


def _adopt_variables(
    graph: Graph, keys: dict[str, VariableKey], trainable: dict[str, bool]
) -> None:
    handles: dict[VariableKey, GraphTensor] = {}
    initializers: dict[VariableKey, Operation] = {}
    for op in graph.operations:
        if op.spec.is_handle:
            key, handle = op.attrs["variable"], op.outputs[0]
            if key in handles or (handle.dtype, handle.shape) != (key.dtype, key.shape):
                raise bad("a variable is there twice, or is another one", key.name)
            handles[key] = op.outputs[0]
        elif op.attrs.get("initializer") is True and op.spec is ASSIGN:
            if not op.inputs[0].op.spec.is_handle:
                raise bad("an initializer does not write a variable", op.name)
            initializers[op.inputs[0].op.attrs["variable"]] = op
    for key in keys.values():
        if key not in handles or key not in initializers:
            raise bad("a variable has no op, or no initializer", key.name)
        adopt_variable(
            key, handles[key], initializers[key], trainable=trainable[key.name]
        )


class _Reader:
    """Reads the nodes and links of a graph, or of a body inside one.

    Args:
      graph: Where the ops go.
      keys: The variables.
      depth: How many bodies this one is in.
    """

    DEEPEST = 16

    def __init__(self, graph: Graph, keys: dict[str, VariableKey], depth: int) -> None:
        self.graph = graph
        self.keys = keys
        self.depth = depth
        self.made: dict[str, Operation] = {}
        self.decoder = Decoder(keys, self.body)

    def add_all(self, values: Any) -> None:
        """Adds all ops, each after those that it uses."""
        inputs, controls = self._links(_items(values, "links"))
        for node in _items(values, "nodes"):
            if not isinstance(node, dict):
                raise bad("an op is malformed", str(node)[:80])
            name = _check_name(node.get("id"), "an op")
            if name in self.made:
                raise bad("two ops have one name", name)
            places = inputs.pop(name, {})
            if sorted(places) != list(range(len(places))):
                raise bad("an op lacks an input", name)
            given = [self._tensor(*places[place]) for place in range(len(places))]
            waits = [self._made(source) for source in controls.pop(name, ())]
            self.made[name] = self._add(name, node, given, waits)
        for rest in (*inputs, *controls):
            raise bad("a link leads to an op that is not there", rest)

    def _links(self, links: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs: dict[str, dict[int, tuple[str, int]]] = {}
        controls: dict[str, list[str]] = {}
        for link in links:
            if not isinstance(link, dict):
                raise bad("a link is malformed", link)
            source, target = link.get("source"), link.get("target")
            output, place = link.get("output"), link.get("input")
            if not isinstance(source, str) or not isinstance(target, str):
                raise bad("a link is malformed", link)
            if output is None and place is None:
                controls.setdefault(target, []).append(source)
                continue
            if type(output) is not int or type(place) is not int:
                raise bad("a link is malformed", link)
            places = inputs.setdefault(target, {})
            if place in places:
                raise bad("two links lead to one input", link)
            places[place] = source, output
        return inputs, controls

    def _made(self, name: str) -> Operation:
        found = self.made.get(name)
        if found is None:
            raise bad("an op uses one that does not come before it", name)
        return found

    def _tensor(self, name: str, index: int) -> GraphTensor:
        outputs = self._made(name).outputs
        if not 0 <= index < len(outputs):
            raise bad("an op uses an output that is not there", f"{name}:{index}")
        return outputs[index]

    def _add(
        self,
        name: str,
        node: dict[str, Any],
        inputs: list[GraphTensor],
        controls: list[Operation],
    ) -> Operation:
        spec, declared = _spec(node, name), _declare(node, name)
        attrs = self._attrs(spec, node, name)
        counts = [attrs[key] for key in ("num", "count") if key in attrs]
        # A rule that makes so many outputs is not to make more than are declared; that of
        # a loop has a count of inputs. (Whether all fits is asked when the op is made.)
        most = max(len(declared), len(inputs))
        if spec.outputs < 0 and any(count > most for count in counts):
            raise bad("an op has another number of outputs than it says", name)
        device = node.get("device")
        try:
            _check_types(spec, inputs)
            op = self.graph.add_operation(
                spec,
                inputs,
                attrs,
                name,
                control_inputs=tuple(controls),
                site=_site(node.get("site")) or Site("<a file>", 0, ""),
                exact_name=True,
            )
            if len(op.outputs) != len(declared):
                raise ValueError("another number of outputs than declared")
            for tensor, (dtype, shape) in zip(op.outputs, declared, strict=True):
                if tensor.dtype is not dtype:
                    raise ValueError("another dtype than declared")
                tensor.set_shape(shape)
        except OpError as error:
            raise bad(f"{name!r} ({spec.name}): {error}") from error
        except Exception as error:
            # Rules trust what Python hands them, and meet anything here.
            raise bad(
                f"the inputs or attributes of {name!r} ({spec.name}) do not fit: "
                f"{type(error).__name__}: {error!s:.200}"
            ) from error
        op.device = clean_text(device) if isinstance(device, str) else ""
        return op

    def _attrs(self, spec: OpSpec, node: dict[str, Any], name: str) -> dict[str, Any]:
        values = node.get("attrs")
        if not isinstance(values, dict):
            raise bad("an op has no attributes", name)
        known = _known_attributes(spec.name)
        attrs: dict[str, Any] = {}
        for key, value in values.items():
            if spec is CUSTOM_GRADIENT and key == "gradient":
                attrs[key] = _no_gradient
                continue
            if key not in known:
                raise bad(f"{spec.name} has no attribute {key!r:.40}", name)
            attrs[key] = self.decoder.decode(value)
            if known[key] and _kind(attrs[key]) not in known[key]:
                raise bad(f"the attribute {key!r} of {spec.name} is malformed", value)
        if spec is PRINT and attrs.get("stream") not in ("stdout", "stderr"):
            raise bad("it prints to a file", attrs.get("stream"))
        return attrs

    def body(self, values: Any) -> Body:
        """Reads the body of a branch or loop."""
        if self.depth >= self.DEEPEST:
            raise bad("bodies are nested too deeply")
        graph = BodyGraph(self.graph)
        inner = _Reader(graph, self.keys, self.depth + 1)
        inner.add_all(values)
        inputs = [_find(graph, name, Operation) for name in _items(values, "inputs")]
        outputs = [_find(graph, n, GraphTensor) for n in _items(values, "outputs")]
        if any(op.spec is not PLACEHOLDER for op in inputs):
            raise bad("an input of a body is no placeholder")
        return Body(graph, tuple(op.outputs[0] for op in inputs), tuple(outputs))


def _no_gradient(*_cotangents: Any) -> Any:
    raise bad("a function with a custom gradient has none when it comes from a file")


def _spec(node: dict[str, Any], name: str) -> OpSpec:
    kind = node.get("type")
    if isinstance(kind, str) and kind not in REGISTRY:
        # One of those that are loaded when they are used.
        importlib.import_module("graphopt.ops.every")
    spec = REGISTRY.get(kind) if isinstance(kind, str) else None
    if spec is None:
        raise bad(f"{name!r} is of a type that is not in the registry", kind)
    if spec.parts is not None:
        raise bad(f"{name!r} calls Python, or is what only a rewrite makes", kind)
    if spec.untrusted:
        raise bad(f"{name!r} {spec.untrusted}", kind, "an op that computes")
    return spec


def _declare(node: dict[str, Any], name: str) -> list[tuple[Any, Any]]:
    outputs = node.get("outputs")
    if not isinstance(outputs, list):
        raise bad("an op has no outputs", name)
    for pair in outputs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise bad("an output is malformed", pair)
    return [(decode_dtype(dtype), decode_shape(shape)) for dtype, shape in outputs]


def _check_types(spec: OpSpec, inputs: list[GraphTensor]) -> None:
    """Refuses dtypes that `as_inputs` would refuse when an op is built.

    Raises:
      ValueError: An input has a dtype that the op does not take.
    """
    shared = None
    for index, tensor in enumerate(inputs):
        letter = spec.type_of_input(index)
        if letter == "T":
            shared = shared or tensor.dtype
            if tensor.dtype is not shared or not spec.accepts(shared):
                raise ValueError(f"{spec.name} does not take {tensor.dtype.name} here")
        elif letter != "any" and tensor.dtype.name != letter:
            raise ValueError(f"input {index} has to be {letter}")


@functools.cache
def _known_attributes(kind: str) -> dict[str, frozenset[str]]:
    """Returns the attributes that an op may have, each with the kinds of its values.

    They are those of the samples in the registry; where these have none, any will do.
    """
    spec = REGISTRY[kind]
    known: dict[str, set[str]] = {mark: {""} for mark in _MARKS}
    for function in (spec.infer, spec.compute):
        with_names = inspect.signature(function).parameters.values()
        known |= {p.name: set() for p in with_names if p.kind is p.KEYWORD_ONLY}
    for sample in spec.samples():
        for key, value in sample.attrs.items():
            known.setdefault(key, set()).add(_kind(value))
    if spec.is_handle:
        # The sample has no storage.
        known["variable"] = {VariableKey.__name__}
    return {key: frozenset(kinds) for key, kinds in known.items()}


_SPECIAL = (DType, Body, RandomStream, np.ndarray, VariableKey)


def _kind(value: Any) -> str:
    """Returns which kind of thing an attribute is: text, something special, or neither."""
    if isinstance(value, (tuple, list)):
        return next(filter(None, map(_kind, value)), "")
    if isinstance(value, str):
        return "text"
    return next((each.__name__ for each in _SPECIAL if isinstance(value, each)), "")
