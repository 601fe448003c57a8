"""Graph -> the GraphDef message that event files hold, for TensorBoard.

What only graphopt reads is left out, and so are the values of constants.
"""

from __future__ import annotations

from typing import Any

from graphopt.exchange.graph_def import ABOUT, OWN, format_graph_def
from graphopt.exchange.graph_def_reader import parse_text
from graphopt.files import messages as m
from graphopt.files.tensors import NUMBERS
from graphopt.graph.graph import Graph

_TYPES = {f"DT_{name.upper()}": number for name, number in NUMBERS.items()} | {
    "DT_HALF": NUMBERS["float16"],
    "DT_FLOAT": NUMBERS["float32"],
    "DT_DOUBLE": NUMBERS["float64"],
}


def graph_message(graph: Graph) -> Any:
    """Returns the GraphDef message of a graph as a user built it."""
    fields = parse_text(format_graph_def(graph))
    nodes = []
    for node in fields["node"]:
        if node["name"][0] == ABOUT:
            continue
        pairs = ((each["key"][0], each["value"][0]) for each in node.get("attr", ()))
        attributes = {
            key: _message(m.AttrValue, value)
            for key, value in pairs
            if key not in (OWN, "value")
        }
        nodes.append(
            m.NodeDef(
                name=node["name"][0],
                op=node["op"][0],
                input=node.get("input", []),
                attr=attributes,
            )
        )
    return m.GraphDef(node=nodes, versions=m.Version(producer=22))


def _message(cls: Any, fields: dict[str, list[Any]]) -> Any:
    """Makes a message from what the text format says."""
    made = cls()
    for name, values in fields.items():
        _, kind, repeated, sub = cls.SPEC[cls.FIELDS[name]]
        read = [_value(kind, sub, value) for value in values]
        setattr(made, name, read if repeated else read[-1])
    return made


def _value(kind: str, sub: Any, text: Any) -> Any:
    if kind == "message":
        return _message(sub, text)
    if kind == "bytes":
        return text.encode()
    if kind == "string":
        return text
    if kind == "enum":
        return _TYPES[text]
    if kind == "bool":
        return text == "true"
    return float(text) if kind in ("float", "double") else int(text)
