"""`WithNodes`: what a layer was called on, and the shapes of what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.graph import nest
from graphopt.graph.context import entered
from graphopt.graph.shape import TensorShape
from graphopt.keras.functional import (
    Node,
)
from graphopt.keras.layers.terms import WithTerms
from graphopt.ops.creation import placeholder
from graphopt.runtime.concrete_function import FunctionGraph


class WithNodes(WithTerms):
    """The part of a layer that knows the calls that were written down."""

    compute_dtype: Any
    __call__: Callable[..., Any]

    # ---- shapes

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs for inputs of a shape.

        Args:
          input_shape: With the batch's size, None if it is not known; or a nest of
            shapes.
        """
        shapes = as_shapes(input_shape)
        scratch = FunctionGraph(f"shapes_of_{self.name}")
        with entered(scratch):
            dtype = as_dtype(self.compute_dtype)
            given = nest.map_structure(lambda s: placeholder(dtype, s), shapes)
            outputs = self(given)
        return nest.map_structure(lambda x: x.shape, outputs)

    def compute_output_signature(self, input_signature: Any) -> Any:
        """Returns the `TensorSpec`s of the outputs for those of the inputs."""
        # Loaded by those who ask.
        from graphopt.runtime.function import TensorSpec

        scratch = FunctionGraph(f"shapes_of_{self.name}")
        with entered(scratch):
            outputs = self(
                nest.map_structure(
                    lambda s: placeholder(s.dtype, s.shape), input_signature
                )
            )
        return nest.map_structure(lambda x: TensorSpec(x.shape, x.dtype), outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of its inputs, as tuples, if it was called on `Input`s."""
        shapes = self._node_at(0, "input shape").input_shapes
        return nest.map_structure(tuple, shapes) if shapes is not None else None

    @property
    def output_shape(self) -> Any:
        """The shape of its outputs, as tuples, if it was called on `Input`s."""
        return nest.map_structure(tuple, self._node_at(0, "output shape").output_shapes)

    @property
    def input(self) -> Any:
        """What it was called on, if it was called on `Input`s once."""
        return self._node_at(0, "input", only=True).inputs

    @property
    def output(self) -> Any:
        """What it returned for `Input`s, if it was called on such once."""
        return self._node_at(0, "output", only=True).outputs

    @property
    def input_mask(self) -> Any:
        """The mask of `input`."""
        return nest.map_structure(lambda x: getattr(x, "_keras_mask", None), self.input)

    @property
    def output_mask(self) -> Any:
        """The mask of `output`."""
        return nest.map_structure(
            lambda x: getattr(x, "_keras_mask", None), self.output
        )

    def get_input_at(self, node_index: int) -> Any:
        """Returns what it was called on in one of several calls."""
        return self._node_at(node_index, "input").inputs

    def get_output_at(self, node_index: int) -> Any:
        """Returns what it returned in one of several calls."""
        return self._node_at(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """Returns the shape of what it was called on in one of several calls."""
        return self._node_at(node_index, "input shape").input_shapes

    def get_output_shape_at(self, node_index: int) -> Any:
        """Returns the shape of what it returned in one of several calls."""
        return self._node_at(node_index, "output shape").output_shapes

    def _node_at(self, index: int, what: str, only: bool = False) -> Node:
        nodes = self._internals.nodes
        if not nodes:
            raise AttributeError(
                f"The layer {self.name!r} has never been called on a tf.keras.Input "
                f"and thus has no defined {what}."
            )
        if only and len(nodes) > 1:
            raise AttributeError(
                f"The layer {self.name!r} has multiple inbound nodes, so that the notion "
                f'of "layer {what}" is ill-defined; use `get_{what}_at(node_index)`.'
            )
        return nodes[index]


def shape_or_none(x: Any) -> Any:
    """Returns the shape of a tensor; None for what has none."""
    shape = getattr(x, "shape", None)
    return None if shape is None else TensorShape(shape)


def as_shapes(shape: Any) -> Any:
    """Returns a shape, or a nest of shapes, as `TensorShape`s."""
    if isinstance(shape, TensorShape):
        return shape
    if isinstance(shape, dict):
        return {key: as_shapes(part) for key, part in shape.items()}
    if all(part is None or isinstance(part, (int, np.integer)) for part in shape):
        return TensorShape(shape)
    return [as_shapes(part) for part in shape]
