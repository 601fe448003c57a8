"""GraphDef text that we wrote -> the JSON form of the graph.

A reader of the text format of protocol buffers, as far as it is needed: fields with
strings, numbers, words, or messages in braces. TensorFlow's attributes are passed over;
ours say all that they do.
"""

from __future__ import annotations

import re
from typing import Any

from graphopt.exchange.graph_def import ABOUT, OWN
from graphopt.exchange.json_text import fail_damaged, parse_json

_TOKEN = re.compile(
    # Possessive, so that no file makes it try a text in more than one way.
    r"""\s*+(?:\#[^\n]*+\s*+)*+(?:
      (?P<string>"(?:[^"\\\n]|\\.)*+")
    | (?P<word>[A-Za-z0-9_.+\-]++)
    | (?P<mark>[{}:<>])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|[abfnrtv\\'\"?])")
_SIMPLE = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
DEEPEST = 16

Fields = dict[str, list[Any]]


def parse_graph_def(text: str) -> dict[str, Any]:
    """Reads a GraphDef that `graphopt export` wrote.

    Args:
      text: The file.

    Returns:
      What `graph_from_json` takes.

    Raises:
      DataLossError: It is no GraphDef, or another program's.
    """
    about: Any = None
    nodes: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for node in parse_text(text).get("node", ()):
        name = _one(node, "name")
        own = _own_values(node, name)
        if name == ABOUT:
            about = own
        elif own is not None:
            links += _links(name, own, node.get("input", []))
            nodes.append({**own, "id": name})
    if not isinstance(about, dict):
        raise fail_damaged("it is a GraphDef without the attributes of graphopt", ABOUT)
    return {**about, "nodes": nodes, "links": links}


def _links(name: str, own: Any, inputs: list[Any]) -> list[dict[str, Any]]:
    # Of TensorFlow's inputs some are constants that stand for attributes of ours.
    constants = own.get("constants") if isinstance(own, dict) else None
    if not isinstance(constants, list) or not all(
        isinstance(each, str) for each in (*constants, *inputs)
    ):
        raise fail_damaged("a node does not say which inputs are its own", name)
    own_only = set(constants)
    data = [x for x in inputs if not x.startswith("^") and x not in own_only]
    links: list[dict[str, Any]] = []
    for place, each in enumerate(data):
        source, _, output = each.partition(":")
        index = int(output) if output.isdecimal() and len(output) < 9 else 0
        links.append(
            {"source": source, "target": name, "output": index, "input": place}
        )
    links += [
        {"source": each[1:], "target": name, "output": None, "input": None}
        for each in inputs
        if each.startswith("^")
    ]
    return links


def _one(fields: Fields, name: str) -> str:
    values = fields.get(name, []) if isinstance(fields, dict) else []
    if len(values) != 1 or not isinstance(values[0], str):
        raise fail_damaged(f"a node has no single {name!r}", str(values)[:60])
    return values[0]


def _own_values(node: Fields, name: str) -> Any:
    for attr in node.get("attr", ()):
        if isinstance(attr, dict) and attr.get("key") == [OWN]:
            value = attr.get("value", [None])[0]
            return parse_json(_one(value, "s"))
    raise fail_damaged("it is a GraphDef that another program wrote", name)


def parse_text(text: str) -> Fields:
    """Reads the text format: each field's name with the list of its values.

    Args:
      text: The text.

    Returns:
      Strings, words as strings, and messages as dictionaries.

    Raises:
      DataLossError: It is malformed.

    >>> parse_text('node { name: "a" input: "b" input: "c" }')
    {'node': [{'name': ['a'], 'input': ['b', 'c']}]}
    """
    top: Fields = {}
    stack = [top]
    name = ""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise fail_damaged(
                "it is no text of a protocol buffer", text[position:][:40]
            )
        if match["end"] is not None:
            break
        position = match.end()
        token = match[0].strip()
        if match["mark"] == ":":
            if not name:
                raise fail_damaged("a value has no field", text[position:][:40])
        elif match["mark"] in ("{", "<"):
            if not name or len(stack) > DEEPEST:
                raise fail_damaged("a message has no field, or is too deep", token)
            inner: Fields = {}
            stack[-1].setdefault(name, []).append(inner)
            stack.append(inner)
            name = ""
        elif match["mark"]:
            if name or len(stack) == 1:
                raise fail_damaged("a brace closes nothing", text[position:][:40])
            stack.pop()
        elif name:
            value = _unquote(match["string"]) if match["string"] else match["word"]
            stack[-1].setdefault(name, []).append(value)
            name = ""
        elif match["word"]:
            name = match["word"]
        else:
            raise fail_damaged("a string stands alone", token[:40])
    if len(stack) > 1 or name:
        raise fail_damaged("it ends too early", text[-40:])
    return top


def _unquote(text: str) -> str:
    def plain(match: re.Match[bytes]) -> bytes:
        found = match[1]
        if found[0] in b"01234567":
            return bytes([int(found, 8) & 255])
        return bytes([_SIMPLE.get(found[0], found[0])])

    try:
        return _ESCAPE.sub(plain, text[1:-1].encode()).decode()
    except UnicodeError:
        # Values of tensors are bytes; ours are in the JSON beside them.
        return ""
