"""Drawing -> GraphML, for programs such as yEd and Gephi; networkx writes it."""

from __future__ import annotations

import io
from typing import Any

from graphopt.viz.model import Drawing
from graphopt.viz.words import clean_text, format_type, size_of


def draw_graphml(drawing: Drawing) -> str:
    """Writes the ops of a drawing with their links.

    Args:
      drawing: Every op of it is a node, constants and variables included.

    Returns:
      XML text. Nodes have `name`, `type`, `scope`, `outputs` and `site`; edges have
      `tensor`, `type` and `bytes`, or `control`.

    >>> import graphopt as tf
    >>> from graphopt.viz.model import make_drawing
    >>> with tf.Graph().as_default() as graph:
    ...     y = tf.exp(tf.constant(1.0), name="y")
    >>> draw_graphml(make_drawing(graph)).count("<node ")
    2
    """
    import networkx

    graph: Any = networkx.MultiDiGraph()
    inside = set(drawing.operations)
    for op in drawing.operations:
        name = clean_text(op.name)
        graph.add_node(
            f"n{op.index}",
            name=name,
            type=op.type,
            scope=name.rpartition("/")[0],
            outputs=", ".join(map(format_type, op.outputs)),
            site=clean_text(op.site_text),
        )
        for tensor in op.inputs:
            if tensor.op in inside:
                graph.add_edge(
                    f"n{tensor.op.index}",
                    f"n{op.index}",
                    tensor=clean_text(tensor.name),
                    type=format_type(tensor),
                    bytes=size_of(tensor) or 0,
                )
        for control in op.control_inputs:
            if control in inside:
                graph.add_edge(f"n{control.index}", f"n{op.index}", control=True)
    out = io.BytesIO()
    # The writer of the standard library's ElementTree: lxml need not be there.
    networkx.write_graphml_xml(graph, out, encoding="utf-8", prettyprint=True)
    return out.getvalue().decode("utf-8")
