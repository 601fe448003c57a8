"""Graph -> JSON in node-link form, version 1.

```
{
  "format": "graphopt.graph", "version": 1,
  "directed": true, "multigraph": true,
  "graph": {"seed": null, "operations": [names], "tensors": [names]},
  "variables": [{"name", "dtype", "shape", "trainable", "site"}],
  "nodes": [{"id", "type", "attrs", "outputs", "device", "site"}],
  "links": [{"source", "target", "output", "input"}]
}
```

`nodes` are in an order in which they can run. `id` is the name of the op, `attrs` are
written as `attributes` says, `outputs` lists `[dtype, shape]` of each, `site` is
`[file, line, function]` of the user's code, or null. A link says that an output of
`source` is an input of `target`; of a control input both numbers are null. `operations`
and `tensors` of `graph` are what was to be run. The body of a branch or loop has `nodes`
and `links` alike, `inputs` with the ids of its placeholders, and `outputs` with the
names of tensors. `networkx.node_link_graph(data, edges="links")` reads it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphopt.exchange.attributes import encode
from graphopt.graph.body import Body
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.provenance import Site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor

FORMAT = "graphopt.graph"
VERSION = 1


def graph_to_json(
    graph: Graph,
    operations: Sequence[Operation] = (),
    tensors: Sequence[GraphTensor] = (),
) -> dict[str, Any]:
    """Describes a graph as values that `json` writes.

    Args:
      graph: A graph as a user built it.
      operations: What is to be run, kept with it.
      tensors: What is to be fetched, kept with it.

    Returns:
      The values; the whole graph, whatever is to be run, so that variables can be
      initialized.

    Raises:
      InvalidArgumentError: The graph was made by rewrites.

    >>> import json
    >>> import graphopt as tf
    >>> from graphopt.exchange.reader import graph_from_json
    >>> with tf.Graph().as_default() as graph:
    ...     y = tf.square(tf.constant([1.0, 2.0]), name="y")
    >>> text = json.dumps(graph_to_json(graph, tensors=[y]))
    >>> loaded = graph_from_json(json.loads(text))
    >>> with tf.compat.v1.Session(graph=loaded.graph) as session:
    ...     print(session.run(loaded.tensors[0]))
    [1. 4.]
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "directed": True,
        "multigraph": True,
        "graph": {
            "seed": graph.seed,
            "operations": [op.name for op in operations],
            "tensors": [tensor.name for tensor in tensors],
        },
        "variables": [
            {
                "name": variable.key.name,
                "dtype": variable.key.dtype.name,
                "shape": _shape(variable.key.shape),
                "trainable": bool(variable.trainable),
                "site": _site(variable.key.site),
            }
            for variable in graph.variables
        ],
        **_nodes_and_links(graph.operations),
    }


def _nodes_and_links(operations: Iterable[Operation]) -> dict[str, Any]:
    nodes, links = [], []
    for op in operations:
        nodes.append(
            {
                "id": op.name,
                "type": op.type,
                "attrs": {k: encode(v, _body) for k, v in op.attrs.items()},
                "outputs": [[t.dtype.name, _shape(t.shape)] for t in op.outputs],
                "device": op.device,
                "site": _site(op.site),
            }
        )
        links += [
            {
                "source": tensor.op.name,
                "target": op.name,
                "output": tensor.index,
                "input": place,
            }
            for place, tensor in enumerate(op.inputs)
        ]
        links += [
            {"source": control.name, "target": op.name, "output": None, "input": None}
            for control in op.control_inputs
        ]
    return {"nodes": nodes, "links": links}


def _body(body: Body) -> dict[str, Any]:
    return {
        "inputs": [tensor.op.name for tensor in body.inputs],
        "outputs": [tensor.name for tensor in body.outputs],
        **_nodes_and_links(body.graph.operations),
    }


def _shape(shape: TensorShape) -> list[int | None] | None:
    return None if shape.unknown_rank else list(shape)


def _site(site: Site | None) -> list[Any] | None:
    return None if site is None else list(site)
