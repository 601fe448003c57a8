"""`Model.summary`: a table of the layers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

from graphopt.graph import nest
from graphopt.keras.functional import node_of


def print_summary(
    model: Any,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Prints a table of the layers of a model, with shapes and numbers of weights."""
    # Loaded by those who look.
    from rich.console import Console
    from rich.table import Table

    columns = ["Layer (type)", "Output Shape", "Param #"]
    network = model._network
    branches = network is not None and _branches(model)
    if branches:
        columns.append("Connected to")
    if show_trainable:
        columns.append("Trainable")
    table = Table(*columns, title=f'Model: "{model.name}"', title_justify="left")
    table.columns[2].justify = "right"
    for column in table.columns:
        column.overflow = "fold"
    for layer, depth in _rows(model, expand_nested, layer_range):
        row = [
            f"{'  ' * depth}{layer.name} ({type(layer).__name__})",
            _shape_of(layer),
            _count_of(layer),
        ]
        if branches:
            row.append(", ".join(_sources(layer, model)) if depth == 0 else "")
        if show_trainable:
            row.append("Y" if layer.trainable else "N")
        table.add_row(*row)
    width = line_length or min(shutil.get_terminal_size((80, 24)).columns, 100)
    console = Console(width=width, force_terminal=False, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(table)
        for line in _totals(model):
            console.print(line)
    show = print_fn or print
    for line in captured.get().rstrip("\n").split("\n"):
        show(line.rstrip())


def _rows(
    model: Any, expand_nested: bool, layer_range: Any, depth: int = 0
) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    for layer in _range_of(model.layers, layer_range):
        found.append((layer, depth))
        if expand_nested and getattr(layer, "layers", None):
            found += _rows(layer, True, None, depth + 1)
    return found


def _range_of(layers: list[Any], layer_range: Any) -> list[Any]:
    if not layer_range:
        return layers
    ends = []
    for pattern, order in ((layer_range[0], 1), (layer_range[1], -1)):
        matches = [i for i, x in enumerate(layers) if re.search(pattern, x.name)]
        if not matches:
            raise ValueError(
                f"Passed layer_names do not match the layer names in the model. "
                f"Received: {layer_range}"
            )
        ends.append(matches[::order][0])
    return layers[ends[0] : ends[1] + 1]


def _shape_of(layer: Any) -> str:
    try:
        shapes = layer.output_shape
    except AttributeError:
        return "?"
    if isinstance(shapes, tuple) and all(
        not isinstance(s, (list, tuple)) for s in shapes
    ):
        return str(shapes)
    return str(shapes)


def _count_of(layer: Any) -> str:
    if not layer.built:
        return "0 (unbuilt)"
    return f"{sum(w.shape.num_elements() or 0 for w in layer.weights):,}"


def _branches(model: Any) -> bool:
    """Whether a model is more than a chain."""
    used: dict[int, int] = {}
    for node in model._network.nodes:
        tensors = node.input_tensors
        if len(tensors) > 1:
            return True
        for tensor in tensors:
            used[id(tensor)] = used.get(id(tensor), 0) + 1
    return len(nest.flatten(model._network.inputs)) > 1 or any(
        count > 1 for count in used.values()
    )


def _sources(layer: Any, model: Any) -> list[str]:
    nodes = [node for node in model._network.nodes if node.layer is layer]
    return [node_of(x).layer.name for node in nodes for x in node.input_tensors]


def _totals(model: Any) -> list[str]:
    layers = model.layers
    has_weights = any(layer.built and layer.weights for layer in layers)
    if layers and not has_weights and not model.built:
        return ["Weights are made when the model is built or called on data."]
    trained = _measure(model.trainable_weights)
    others = _measure(model.non_trainable_weights)
    together = (trained[0] + others[0], trained[1] + others[1])
    return [
        f"{name}: {count:,} ({_bytes(size)})"
        for name, (count, size) in (
            ("Total params", together),
            ("Trainable params", trained),
            ("Non-trainable params", others),
        )
    ]


def _measure(weights: list[Any]) -> tuple[int, int]:
    counts = [weight.shape.num_elements() or 0 for weight in weights]
    sizes = [n * w.dtype.size for n, w in zip(counts, weights, strict=True)]
    return sum(counts), sum(sizes)


def _bytes(size: float) -> str:
    for unit in ("Byte", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size:.2f} {unit}"
