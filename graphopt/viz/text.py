"""Drawing -> text: a tree of scopes, the numbered listing, and the same as JSON.

Both renderers, plain and `rich`, draw the same rows, so what a test sees is what a
terminal shows without its colors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphopt.graph.graph import format_listing
from graphopt.graph.tensor import GraphTensor
from graphopt.viz.model import Box, Drawing
from graphopt.viz.plan import PlanSummary
from graphopt.viz.svg import describe, kind_of
from graphopt.viz.words import clean_text, format_bytes, format_type, plural, size_of

if TYPE_CHECKING:
    from rich.tree import Tree

JSON_FORMAT = "graphopt.show"
JSON_VERSION = 1

_STYLES = {
    "product": "bold blue",
    "gather": "magenta",
    "write": "bold red",
    "source": "green",
    "host": "bold magenta",
    "scope": "bold yellow",
    "variable": "cyan",
    "note": "dim",
}


@dataclass
class Row:
    """A line of the tree: pieces of text with their kinds, and what hangs below."""

    pieces: list[tuple[str, str]]
    rows: list[Row] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The line without styles."""
        return "  ".join(text for text, _ in self.pieces)


def tree_rows(drawing: Drawing, title: str, *, shapes: bool = False) -> Row:
    """Makes the rows of a tree.

    Args:
      drawing: With its scopes opened.
      title: What the first line says.
      shapes: Whether each op has its dtype, shape and size beside it.

    Returns:
      The first row, which holds the others.
    """
    top = Row([(clean_text(title), "heading"), (clean_text(describe(drawing)), "note")])
    owners: dict[Box, Row] = {drawing.root: top}
    homes = _homes(drawing)
    for scope in drawing.scopes():
        row = owners.get(scope)
        if row is None or not scope.is_open:
            continue
        for handle in homes.get(scope, ()):
            row.rows.append(_variable_row(handle, scope))
        for child in scope.children:
            owners[child] = _row(child, shapes=shapes)
            row.rows.append(owners[child])
    return top


def _homes(drawing: Drawing) -> dict[Box, list[GraphTensor]]:
    """Finds the innermost open scope that each variable's name is in."""
    homes: dict[Box, list[GraphTensor]] = {}
    for handle in drawing.variables:
        rest, scope = clean_text(handle.op.name), drawing.root
        while True:
            # Compressed scopes have labels of several parts.
            inner = next(
                (
                    child
                    for child in _named_children(scope)
                    if rest.startswith(child.label + "/")
                ),
                None,
            )
            if inner is None:
                break
            rest, scope = rest[len(inner.label) + 1 :], inner
        chain = [scope, *scope.ancestors()]
        closed = [box for box in chain if not box.is_open]
        # One inside a closed scope is counted there, not listed.
        if not closed:
            homes.setdefault(scope, []).append(handle)
    return homes


def _named_children(scope: Box) -> Iterator[Box]:
    stack = list(scope.children)
    while stack:
        child = stack.pop()
        if child.is_folded:
            stack += child.children
        elif child.is_scope:
            yield child


def _variable_row(handle: GraphTensor, scope: Box) -> Row:
    labels = [box.label for box in (scope, *scope.ancestors()) if box.label]
    prefix = "/".join(reversed(labels)) + "/"
    name = clean_text(handle.op.name).removeprefix(prefix)
    return Row(
        [
            (name, "variable"),
            ("variable", "note"),
            (format_type(handle), "note"),
            (format_bytes(size_of(handle)), "note"),
        ]
    )


def _row(box: Box, *, shapes: bool) -> Row:
    if box.op is None:
        return Row([(box.label, "scope"), (plural(box.op_count, "op"), "note")])
    pieces = [(box.label, "name"), (box.op.type, kind_of(box))]
    if box.label == box.op.type:
        del pieces[0]
    if shapes:
        for tensor in box.op.outputs:
            size = size_of(tensor)
            text = "" if size is None else f" {format_bytes(size)}"
            pieces.append((format_type(tensor) + text, "note"))
    if box.badges:
        used = ", ".join(
            f"{'writes ' if badge.kind == 'write' else ''}{badge.text}"
            for badge in box.badges
        )
        pieces.append((f"[{used}]", "note"))
    if box.is_target:
        pieces.append(("<- fetched", "heading"))
    return Row(pieces)


def format_rows(top: Row) -> str:
    """Draws rows with box characters."""
    lines = [top.text]
    stack = [(row, "", row is top.rows[-1]) for row in reversed(top.rows)]
    while stack:
        row, indent, is_last = stack.pop()
        lines.append(f"{indent}{'└─ ' if is_last else '├─ '}{row.text}")
        inner = indent + ("   " if is_last else "│  ")
        stack += [(r, inner, r is row.rows[-1]) for r in reversed(row.rows)]
    return "\n".join(lines)


def rich_tree(top: Row) -> Tree:
    """Makes a tree that `rich` prints in colors."""
    from rich.text import Text
    from rich.tree import Tree

    def styled(row: Row) -> Text:
        # Text takes strings as they are: no markup in a name has a meaning.
        parts = [(text, _STYLES.get(kind, "")) for text, kind in row.pieces]
        return Text("  ").join(Text(text, style) for text, style in parts)

    tree = Tree(styled(top), guide_style="dim")
    stack = [(top, tree)]
    while stack:
        row, branch = stack.pop()
        stack += [(inner, branch.add(styled(inner))) for inner in row.rows]
    return tree


def listing(drawing: Drawing) -> str:
    """Returns the numbered lines of the graph that belong to the drawing."""
    lines = format_listing(drawing.graph).split("\n")
    if len(lines) == len(drawing.graph):
        lines = [lines[op.index] for op in drawing.operations]
    return "\n".join(clean_text(line) for line in lines)


def as_json(drawing: Drawing, plan: PlanSummary | None) -> dict[str, Any]:
    """Describes a drawing as plain values.

    Args:
      drawing: The drawing.
      plan: What the compiler made of it, if there is a fetch.

    Returns:
      `format` and `version`; `targets`: names; `ops`: for each the `index`, `name`,
      `type`, `scope`, `inputs` (tensor names), `controls` (op names), `outputs` (each
      `name`, `dtype`, `shape`, `bytes`; null where not known) and `site` (`file:line`);
      `variables`: `name`, `dtype`, `shape`, `bytes`; `plan`: null, or `passes` (`name`,
      `before`, `after`), `steps` (`kernel`, `name`, `type`, `fused`, `outputs`),
      `arena_bytes`, `assumed_size` and `interpreted`.
    """
    operations = [
        {
            "index": op.index,
            "name": op.name,
            "type": op.type,
            "scope": op.name.rpartition("/")[0],
            "inputs": [tensor.name for tensor in op.inputs],
            "controls": [control.name for control in op.control_inputs],
            "outputs": [_tensor_json(tensor) for tensor in op.outputs],
            "site": op.site_text,
        }
        for op in drawing.operations
    ]
    return {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "targets": [op.name for op in drawing.targets],
        "ops": operations,
        "variables": [_tensor_json(handle) for handle in drawing.variables],
        "plan": plan.as_json() if plan is not None else None,
    }


def _tensor_json(tensor: GraphTensor) -> dict[str, Any]:
    known = tensor.shape.rank is not None
    return {
        "name": tensor.name,
        "dtype": tensor.dtype.name,
        "shape": list(tensor.shape) if known else None,
        "bytes": size_of(tensor),
    }
