"""`plot_model`: the layers of a model as a picture, drawn by the viewer of graphs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import entered
from graphopt.graph.graph import Graph
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import NOT_DIFFERENTIABLE, Drawn, OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.functional import node_of
from graphopt.ops.creation import placeholder


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    layer_range: Any = None,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    **_kwargs: Any,
) -> Any:
    """Draws the layers of a model, with the shapes and dtypes of what they return.

    Nothing else has to be installed for SVG; PNG takes `graphopt[plot]`.

    Args:
      model: A model that is built: functional or `Sequential`.
      to_file: The file: `.svg` or `.png`; None for none.
      show_shapes: Accepted: shapes are shown.
      show_dtype: Accepted: dtypes are shown.
      show_layer_names: Accepted: names are shown.
      rankdir: `TB`, from top to bottom.
      expand_nested: Whether models in it are drawn as their layers.
      dpi: Accepted.
      layer_range: Accepted as None.
      show_layer_activations: Accepted.
      show_trainable: Accepted.

    Returns:
      In a notebook the picture, as SVG; elsewhere None.

    Raises:
      ValueError: The model is not built, or is a subclass with `call`.
      NotImplementedError: Another kind of file, another direction, a range of layers.

    Source: `tf.keras.utils.plot_model`.
    """
    if rankdir != "TB" or layer_range is not None:
        raise NotImplementedError("plot_model(rankdir=..., layer_range=...).")
    svg = hooks.draw_svg(draw_layers(model, expand_nested))
    if to_file is not None:
        _write(svg, os.fspath(to_file))
    return _Picture(svg)


def _write(svg: str, path: str) -> None:
    suffix = Path(path).suffix.lower()
    if suffix == ".svg":
        Path(path).write_text(svg)
    elif suffix == ".png":
        Path(path).write_bytes(hooks.draw_png(svg))
    else:
        raise NotImplementedError(
            f"plot_model writes .svg and .png files; got {path!r}."
        )


class _Picture:
    """A picture that notebooks show."""

    def __init__(self, svg: str) -> None:
        self._svg = svg

    def _repr_svg_(self) -> str:
        return self._svg

    def __repr__(self) -> str:
        return f"<picture of a model, {len(self._svg)} characters of SVG>"


def model_to_dot(model: Any, **_kwargs: Any) -> Any:
    """Raises NotImplementedError: `plot_model` draws without dot."""
    raise NotImplementedError("model_to_dot; use plot_model, which needs no dot.")


def draw_layers(model: Any, expand_nested: bool = False) -> Graph:
    """Returns a graph with one op for each call of a layer.

    Args:
      model: A model of layers between inputs and outputs.
      expand_nested: Whether models in it become their layers.
    """
    if model._network is None:
        raise fail(
            ValueError,
            "plot_model needs a model whose layers are known",
            got=f"{type(model).__name__} {model.name!r}",
            expected="a functional model, or a Sequential that is built",
            site=str(user_site()),
            remedy="model.build(input_shape), or a call on data",
        )
    graph = Graph()
    graph.attachments["title"] = f"Model {model.name}"
    with entered(graph):
        _Drawing(graph, expand_nested).draw(model._network, None)
    return graph


class _Drawing:
    """Ops that stand for layers."""

    def __init__(self, graph: Graph, expand_nested: bool) -> None:
        self._graph = graph
        self._expand_nested = expand_nested

    def draw(self, network: Any, inputs: Any) -> Any:
        """Adds the layers of a network; returns its outputs."""
        values: dict[int, Any] = {}
        for i, tensor in enumerate(nest.flatten(network.inputs)):
            if inputs is not None:
                values[id(tensor)] = inputs[i]
            else:
                name = node_of(tensor).layer.name
                values[id(tensor)] = placeholder(tensor.dtype, tensor.shape, name=name)
        for node in network.nodes:
            given = [values[id(x)] for x in node.input_tensors]
            outputs = self._draw_node(node, given)
            pairs = zip(nest.flatten(node.outputs), outputs, strict=True)
            values.update((id(x), value) for x, value in pairs)
        return [values[id(x)] for x in nest.flatten(network.outputs)]

    def _draw_node(self, node: Any, given: list[Any]) -> Any:
        layer = node.layer
        inner = getattr(layer, "_network", None)
        if self._expand_nested and inner is not None:
            with self._graph.name_scope(layer.name):
                return self.draw(inner, given)
        outputs = nest.flatten(node.outputs)
        types = [(TensorShape(x.shape), x.dtype) for x in outputs]
        op = self._graph.add_operation(
            _spec_of(layer, len(outputs)), given, {"types": types}, layer.name
        )
        return list(op.outputs)


def _spec_of(layer: Any, count: int) -> OpSpec:
    def infer(*_inputs: Any, types: Any) -> Any:
        return types[0] if count == 1 else types

    return OpSpec(
        type(layer).__name__,
        infer,
        _not_run,
        NOT_DIFFERENTIABLE,
        Drawn(),
        tuple,
        types=("any",),
        outputs=count,
        strings=True,
    )


def _not_run(*_args: Any, **_attrs: Any) -> Any:
    raise AssertionError("A picture of layers is not run.")
