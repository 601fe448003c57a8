"""Drawing -> Graphviz's language, scopes as clusters.

Names are cleaned, quoted and escaped, so none can be anything but an identifier or a
label. Nothing here starts `dot`: pipe the text into it.
"""

from __future__ import annotations

from graphopt.viz.model import Box, Drawing
from graphopt.viz.svg import kind_of
from graphopt.viz.words import clean_text, format_type

_FILLS = {
    "product": "#cfe2ff",
    "gather": "#e5d4f5",
    "write": "#f8d0d0",
    "source": "#d3efd3",
    "host": "#f5d4ea",
}


def draw_dot(drawing: Drawing, title: str) -> str:
    """Writes a drawing, all scopes open.

    Args:
      drawing: Not folded, or its runs become clusters too.
      title: The label of the whole.

    Returns:
      Text for `dot`.

    >>> import graphopt as tf
    >>> from graphopt.viz.model import make_drawing
    >>> with tf.Graph().as_default() as graph:
    ...     x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
    ...     y = tf.exp(x, name="y")
    >>> text = draw_dot(make_drawing(graph), "two ops")
    >>> print(text.replace(y.op.site.file, "program.py"))
    digraph graphopt {
      label="two ops"; labelloc=t; rankdir=TB; fontname="sans-serif";
      node [shape=box, style="rounded,filled", fillcolor="#f2f2f2", fontname="sans-serif"];
      edge [fontname="sans-serif", fontsize=9];
      "x" [label="x\\nPlaceholder", fillcolor="#d3efd3", tooltip="program.py:2"];
      "y" [label="y\\nExp", tooltip="program.py:3"];
      "x" -> "y" [label="float32[2]"];
    }
    <BLANKLINE>
    """
    lines = [
        "digraph graphopt {",
        f'  label={quote(title)}; labelloc=t; rankdir=TB; fontname="sans-serif";',
        '  node [shape=box, style="rounded,filled", fillcolor="#f2f2f2", '
        'fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    names: dict[Box, str] = {}
    taken: set[str] = set()
    clusters = 0
    # A box, or the closing of the cluster before it.
    stack: list[Box | None] = list(reversed(drawing.root.children))
    depth = 1
    while stack:
        box = stack.pop()
        if box is None:
            depth -= 1
            lines.append("  " * depth + "}")
        elif box.op is None:
            lines.append("  " * depth + f"subgraph cluster_{clusters} {{")
            depth += 1
            lines.append("  " * depth + f"label={quote(box.label)}; color=gray;")
            clusters += 1
            stack.append(None)
            stack += reversed(box.children)
        else:
            names[box] = _unique_name(box.op.name, taken)
            lines.append("  " * depth + _node(box, names[box]))
    for link in drawing.links:
        style = "style=dashed"
        if link.tensor is not None:
            style = f"label={quote(format_type(link.tensor))}"
        lines.append(f"  {names[link.source]} -> {names[link.target]} [{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _unique_name(name: str, taken: set[str]) -> str:
    """Quotes a name; cleaning may have made two of them one."""
    quoted = quote(name)
    if quoted in taken:
        quoted = quote(f"{name} ({len(taken)})")
    taken.add(quoted)
    return quoted


def _node(box: Box, name: str) -> str:
    assert box.op is not None
    parts = [box.label] + ([box.op.type] if box.op.type != box.label else [])
    parts += [
        f"{'writes ' if badge.kind == 'write' else ''}{badge.text}"
        for badge in box.badges
    ]
    # Line breaks of the label are made here, from parts without any.
    label = "\\n".join(quote(part)[1:-1] for part in parts)
    fill = _FILLS.get(kind_of(box))
    color = f", fillcolor={quote(fill)}" if fill else ""
    bold = ", penwidth=3" if box.is_target else ""
    return f'{name} [label="{label}"{color}{bold}, tooltip={quote(box.op.site_text)}];'


def quote(text: str) -> str:
    r"""Quotes a text; control characters and line breaks are replaced.

    >>> quote('a"b\\')
    '"a\\"b\\\\"'
    """
    plain = clean_text(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
