"""What an element of a data set is: a structure of tensors, and what is known of them.

Tuples, named tuples and dicts are structures; a list is a tensor, as in `tf.data`. Another
data set may be an element too, as the windows of `window`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphopt.dtypes import DType
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor
from graphopt.runtime.function import TensorSpec


class DatasetSpec:
    """What is known of a data set that is an element of another one.

    Args:
      element_spec: The structure of its own elements.
      dataset_shape: Must be (): one data set.

    Source: `tf.data.DatasetSpec`.
    """

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self.element_spec = element_spec
        self.shape = TensorShape(dataset_shape)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DatasetSpec) and self.element_spec == other.element_spec
        )

    def __hash__(self) -> int:
        return hash("DatasetSpec")

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec!r}, TensorShape({list(self.shape)}))"


def without_lists(structure: Any, convert: Any) -> Any:
    """Returns a structure with every leaf converted; lists are leaves.

    Args:
      structure: Tuples, named tuples, dicts; anything else is a leaf.
      convert: Takes a leaf.
    """
    if isinstance(structure, Mapping):
        made = {key: without_lists(value, convert) for key, value in structure.items()}
        if type(structure) is dict:
            return made
        return type(structure)(made)  # type: ignore[call-arg]
    if isinstance(structure, tuple):
        parts = [without_lists(value, convert) for value in structure]
        if hasattr(structure, "_fields"):
            return type(structure)(*parts)
        return tuple(parts)
    if structure is None:
        raise fail(
            NotImplementedError,
            "None is no component of an element here",
            got="None",
            expected="tensors, or structures of them",
            site=str(user_site()),
            remedy="leaving it out",
        )
    return convert(structure)


def map_shapes(specs: Any, change: Any) -> Any:
    """Returns specifications with other shapes.

    Args:
      specs: A structure of `TensorSpec`.
      change: Takes a shape and returns one.

    Raises:
      NotImplementedError: There is a data set among them.
    """

    def changed(spec: Any) -> Any:
        if isinstance(spec, DatasetSpec):
            raise fail(
                NotImplementedError,
                "A data set of data sets cannot be put into batches",
                got=repr(spec),
                expected="elements that are tensors",
                site=str(user_site()),
                remedy="flat_map(lambda window: window.batch(size)) first",
            )
        return TensorSpec(change(spec.shape), spec.dtype)

    return nest.map_structure(changed, specs)


def with_dim(shape: TensorShape, dim: int | None) -> TensorShape:
    """Returns a shape with one more dimension in front."""
    if shape.rank is None:
        return shape
    return TensorShape([dim, *shape])


def without_dim(shape: TensorShape) -> TensorShape:
    """Returns a shape without its first dimension.

    Raises:
      ValueError: It has none.
    """
    if shape.rank is None:
        return shape
    if not shape.rank:
        raise fail(
            ValueError,
            "Unbatching a dataset is only supported for rank >= 1",
            got="a scalar component",
            expected="components that are batches",
            site=str(user_site()),
        )
    return TensorShape(shape[1:])


def join_specs(first: Any, second: Any, what: str) -> Any:
    """Returns what two structures of specifications have in common.

    Raises:
      TypeError: The structures or dtypes differ.
    """
    if _outline(first) != _outline(second):
        raise fail(
            TypeError,
            f"{what}: incompatible types of elements",
            got=f"{second!r}",
            expected=f"{first!r}",
            site=str(user_site()),
        )
    leaves = [
        _join(a, b)
        for a, b in zip(nest.flatten(first), nest.flatten(second), strict=True)
    ]
    return nest.pack_as(first, leaves)


def _outline(specs: Any) -> Any:
    return nest.map_structure(
        lambda s: s.dtype.name if isinstance(s, TensorSpec) else "dataset", specs
    )


def _join(a: Any, b: Any) -> Any:
    if isinstance(a, DatasetSpec):
        return a
    return TensorSpec(join_shapes(a.shape, b.shape), a.dtype)


def join_shapes(a: TensorShape, b: TensorShape) -> TensorShape:
    """Returns the shape that says what both say."""
    if a.rank is None or a.rank != b.rank:
        return TensorShape(None)
    return TensorShape([m if m == n else None for m, n in zip(a, b, strict=True)])


def fits(array: Any, spec: Any) -> bool:
    """Returns whether a value is one of a specification."""
    if not isinstance(array, np.ndarray) or isinstance(spec, DatasetSpec):
        return isinstance(spec, DatasetSpec) and not isinstance(array, np.ndarray)
    dtype: DType = spec.dtype
    return bool(
        array.dtype == dtype.numpy and spec.shape.is_compatible_with(array.shape)
    )


def pack_eager(specs: Any, arrays: Any) -> Any:
    """Returns an element as eager tensors."""
    leaves = [EagerTensor(a) if isinstance(a, np.ndarray) else a for a in arrays]
    if isinstance(specs, TensorSpec):
        return leaves[0]
    if type(specs) is tuple and not any(map(nest.is_nested, specs)):
        return tuple(leaves)
    return nest.pack_as(specs, leaves)


def pack_numpy(specs: Any, arrays: Any) -> Any:
    """Returns an element as NumPy arrays that cannot be written to, and scalars."""

    def shown(array: Any) -> Any:
        if not isinstance(array, np.ndarray):
            return array.as_numpy_iterator()
        view = array.view()
        view.flags.writeable = False
        return view if view.ndim else view[()]

    return nest.pack_as(specs, [shown(a) for a in arrays])
