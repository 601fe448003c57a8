"""Graph -> TensorFlow's GraphDef as text, with the standard library.

Ops have TensorFlow's types, inputs and attributes, so that TensorBoard and Netron show
them; axes, shapes and permutations, which are tensors there and attributes here, become
constants beside the op. Shapes are in `_output_shapes`. Ops that TensorFlow lacks keep
their own type. Each node carries our own attributes as JSON in `_graphopt`, which
TensorFlow passes over, so that the file loads back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype
from graphopt.exchange.node_link import graph_to_json
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor

OWN = "_graphopt"
# The node that holds what belongs to the graph as a whole.
ABOUT = "graphopt_about"
PRODUCER = 1087

_TYPES = {
    "float16": "DT_HALF",
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
    "bool": "DT_BOOL",
}
_STORAGE = {
    "VarHandleOp",
    "ReadVariableOp",
    "AssignVariableOp",
    "AssignAddVariableOp",
    "AssignSubVariableOp",
}

Attributes = dict[str, str]


def format_graph_def(
    graph: Graph,
    operations: Sequence[Operation] = (),
    tensors: Sequence[GraphTensor] = (),
) -> str:
    """Writes a graph as the text form of a GraphDef.

    Args:
      graph: A graph as a user built it.
      operations: What is to be run, kept with it.
      tensors: What is to be fetched, kept with it.

    Returns:
      The text.

    Raises:
      InvalidArgumentError: The graph was made by rewrites.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default() as graph:
    ...     y = tf.tanh(tf.compat.v1.placeholder(tf.float32, [2], name="x"), name="y")
    >>> [x for x in format_graph_def(graph).splitlines() if "op:" in x or "input:" in x]
    ['  op: "NoOp"', '  op: "Placeholder"', '  op: "Tanh"', '  input: "x"']
    """
    values = graph_to_json(graph, operations, tensors)
    taken = {op.name for op in graph.operations}
    nodes = values.pop("nodes")
    # Links are in the inputs of the nodes; bodies have theirs inside of attributes.
    del values["links"]
    lines = _node(ABOUT, "NoOp", [], {OWN: _own(values)})
    for op, entry in zip(graph.operations, nodes, strict=True):
        lines += _operation(op, entry, taken)
    lines += ["versions {", f"  producer: {PRODUCER}", "}"]
    return "\n".join(lines) + "\n"


def _operation(op: Operation, entry: dict[str, Any], taken: set[str]) -> list[str]:
    kind, attributes, constants = _translate(op)
    inputs = [_reference(tensor) for tensor in op.inputs]
    lines: list[str] = []
    extra_names = []
    for name, place, array in constants:
        full = f"{op.name}/{name}"
        while full in taken:
            full += "_"
        extra_names.append(full)
        extra = {"dtype": _type(array), "value": _tensor(array), OWN: _own(None)}
        lines += _node(full, "Const", [], extra)
        inputs.insert(len(inputs) if place < 0 else place, full)
    inputs += [f"^{control.name}" for control in op.control_inputs]
    # TensorFlow's handles are scalars, whatever the variable is.
    is_handle = op.type == "VarHandleOp"
    shapes = "".join(
        f" shape {{{'' if is_handle else _shape(t.shape)} }}" for t in op.outputs
    )
    if op.outputs:
        attributes["_output_shapes"] = f"list {{{shapes} }}"
    own = {key: entry[key] for key in ("type", "attrs", "outputs", "device", "site")}
    attributes[OWN] = _own({**own, "constants": extra_names})
    return lines + _node(op.name, kind, inputs, attributes)


def _node(
    name: str, kind: str, inputs: Sequence[str], attributes: Attributes
) -> list[str]:
    lines = ["node {", f"  name: {quote(name)}", f"  op: {quote(kind)}"]
    lines += [f"  input: {quote(each)}" for each in inputs]
    for key, value in attributes.items():
        lines += ["  attr {", f"    key: {quote(key)}", f"    value {{ {value} }}"]
        lines.append("  }")
    return [*lines, "}"]


def quote(text: str | bytes) -> str:
    r"""Writes a string of the text format: bytes outside of ASCII in octal.

    >>> quote('a"b\n')
    '"a\\"b\\012"'
    """
    plain = []
    for byte in text.encode() if isinstance(text, str) else text:
        char = chr(byte)
        if char in '"\\':
            plain.append("\\" + char)
        else:
            plain.append(char if 32 <= byte < 127 else f"\\{byte:03o}")
    return '"' + "".join(plain) + '"'


def _own(values: Any) -> str:
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"s: {quote(text)}"


def _reference(tensor: GraphTensor) -> str:
    return f"{tensor.op.name}:{tensor.index}" if tensor.index else tensor.op.name


def _type_name(dtype: DType) -> str:
    return _TYPES.get(dtype.name, f"DT_{dtype.name.upper()}")


def _type(thing: Any) -> str:
    dtype = thing if isinstance(thing, DType) else thing.dtype
    if not isinstance(dtype, DType):
        dtype = as_dtype(dtype)
    return f"type: {_type_name(dtype)}"


def _shape(shape: TensorShape) -> str:
    if shape.unknown_rank:
        return " unknown_rank: true"
    return "".join(f" dim {{ size: {-1 if n is None else n} }}" for n in shape)


def _tensor(array: np.ndarray[Any, Any]) -> str:
    dims = _shape(TensorShape(array.shape))
    if array.dtype == object:
        values = "".join(f" string_val: {quote(each)}" for each in array.ravel())
        return f"tensor {{ dtype: DT_STRING tensor_shape {{{dims} }}{values} }}"
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    content = "".join(f"\\{byte:03o}" for byte in little.tobytes())
    return (
        f"tensor {{ dtype: {_type_name(as_dtype(array.dtype))} tensor_shape {{{dims} }} "
        f'tensor_content: "{content}" }}'
    )


def _flag(value: Any) -> str:
    return f"b: {'true' if value else 'false'}"


def _numbers(values: Any) -> np.ndarray[Any, Any]:
    return np.asarray(values, np.int32)


# ---- TensorFlow's attributes, and the constants that it has as inputs

# The name of a constant, its place among the inputs (-1: last), its value.
Constants = list[tuple[str, int, np.ndarray[Any, Any]]]
Translation = tuple[str, Attributes, Constants]


def _reduction(op: Operation) -> Translation:
    axis, rank = op.attrs["axis"], op.inputs[0].shape.rank
    if axis is None:
        axis = range(rank or 0)
    given = {"Tidx": "type: DT_INT32", "keep_dims": _flag(op.attrs["keepdims"])}
    if op.type not in ("All", "Any"):
        given["T"] = _type(op.inputs[0])
    return op.type, given, [("reduction_indices", 1, _numbers(axis).reshape(-1))]


def _with_numbers(
    attr: str, name: str, type_name: str = "", place: int = 1
) -> Callable[[Operation], Translation]:
    """An op that has an attribute of ours as a constant input."""

    def translate(op: Operation) -> Translation:
        given = {"T": _type(op.inputs[0])}
        if type_name:
            given[type_name] = "type: DT_INT32"
        return op.type, given, [(name, place, _numbers(op.attrs[attr]))]

    return translate


def _matmul(op: Operation) -> Translation:
    first, second = op.attrs["transpose_a"], op.attrs["transpose_b"]
    given = {"T": _type(op.inputs[0])}
    if op.inputs[0].shape.rank == op.inputs[1].shape.rank == 2:
        given |= {"transpose_a": _flag(first), "transpose_b": _flag(second)}
        return "MatMul", given, []
    return "BatchMatMulV2", {**given, "adj_x": _flag(first), "adj_y": _flag(second)}, []


def _const(op: Operation) -> Translation:
    value = np.asarray(op.attrs["value"])
    return "Const", {"dtype": _type(value), "value": _tensor(value)}, []


def _placeholder(op: Operation) -> Translation:
    shape = f"shape {{{_shape(op.outputs[0].shape)} }}"
    return op.type, {"dtype": _type(op.outputs[0]), "shape": shape}, []


def _storage(op: Operation) -> Translation:
    if op.type != "VarHandleOp":
        value = op.inputs[1] if len(op.inputs) > 1 else op.outputs[0]
        return op.type, {"dtype": _type(value)}, []
    shape = f"shape {{{_shape(op.outputs[0].shape)} }}"
    name = f"s: {quote(op.attrs['variable'].name)}"
    given = {"dtype": _type(op.outputs[0]), "shape": shape, "shared_name": name}
    return op.type, {**given, "container": 's: ""'}, []


def _cast(op: Operation) -> Translation:
    given = {"SrcT": _type(op.inputs[0]), "DstT": _type(op.outputs[0])}
    return op.type, {**given, "Truncate": "b: false"}, []


def _concat(op: Operation) -> Translation:
    given = {"T": _type(op.inputs[0]), "N": f"i: {len(op.inputs)}"}
    axis = np.asarray(op.attrs["axis"], np.int32)
    return op.type, {**given, "Tidx": "type: DT_INT32"}, [("axis", -1, axis)]


def _pack(op: Operation) -> Translation:
    count = f"i: {len(op.inputs)}"
    axis = f"i: {op.attrs['axis']}"
    return op.type, {"T": _type(op.inputs[0]), "N": count, "axis": axis}, []


def _gather(op: Operation) -> Translation:
    given = {
        "Tparams": _type(op.inputs[0]),
        "Tindices": _type(op.inputs[1]),
        "Taxis": "type: DT_INT32",
        "batch_dims": f"i: {op.attrs['batch_dims']}",
    }
    return op.type, given, [("axis", 2, _numbers(op.attrs["axis"]))]


def _arg(op: Operation) -> Translation:
    given = {"T": _type(op.inputs[0]), "Tidx": "type: DT_INT32"}
    given["output_type"] = _type(op.outputs[0])
    return op.type, given, [("dimension", 1, _numbers(op.attrs["axis"]))]


def _squeeze(op: Operation) -> Translation:
    axes = "".join(f" i: {axis}" for axis in op.attrs["axis"] or ())
    given = {"T": _type(op.inputs[0]), "squeeze_dims": f"list {{{axes} }}"}
    return op.type, given, []


def _labels(op: Operation) -> Translation:
    given = {"T": _type(op.inputs[0]), "Tlabels": _type(op.inputs[1])}
    return op.type, given, []


def _fill(op: Operation) -> Translation:
    given = {"T": _type(op.inputs[0]), "index_type": "type: DT_INT32"}
    return op.type, given, [("dims", 0, _numbers(op.attrs["dims"]))]


def _plain(op: Operation) -> Translation:
    kind = "AddV2" if op.type == "Add" else op.type
    if op.type in ("NoOp", "LogicalAnd", "LogicalOr", "LogicalNot"):
        return kind, {}, []
    typed = op.inputs or op.outputs
    return kind, {"T": _type(typed[-1])} if typed else {}, []


_TRANSLATIONS: dict[str, Callable[[Operation], Translation]] = {
    **dict.fromkeys(("Sum", "Mean", "Max", "Min", "Prod", "All", "Any"), _reduction),
    **dict.fromkeys(_STORAGE, _storage),
    **dict.fromkeys(("ArgMax", "ArgMin"), _arg),
    "MatMul": _matmul,
    "Const": _const,
    "Placeholder": _placeholder,
    "Cast": _cast,
    "ConcatV2": _concat,
    "Pack": _pack,
    "GatherV2": _gather,
    "Squeeze": _squeeze,
    "Fill": _fill,
    "SparseSoftmaxCrossEntropyWithLogits": _labels,
    "Reshape": _with_numbers("shape", "shape", "Tshape"),
    "Transpose": _with_numbers("perm", "perm", "Tperm"),
    "ExpandDims": _with_numbers("axis", "dim", "Tdim"),
    "BroadcastTo": _with_numbers("dims", "shape", "Tidx"),
    "Tile": _with_numbers("multiples", "multiples", "Tmultiples"),
}


def _translate(op: Operation) -> Translation:
    return _TRANSLATIONS.get(op.type, _plain)(op)
