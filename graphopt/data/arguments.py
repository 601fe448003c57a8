"""What the arguments of data sets mean: seeds, structures of specifications, padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.data.sources import as_component
from graphopt.data.structure import DatasetSpec, without_lists
from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.ops.random import seeds
from graphopt.ops.random_stateful import DEFAULT_SEED, RandomStream
from graphopt.runtime.function import TensorSpec

# The kind of the streams of data sets, so that they share no numbers with random ops.
_KIND = 4


def make_stream(seed: Any) -> RandomStream:
    """Returns the random numbers of a data set, by the rules of `tf.random.set_seed`.

    Args:
      seed: The seed of the transformation, None without one.
    """
    graph = building_graph()
    given = seeds.given
    if graph is not None and graph.seed is not None:
        given = graph.seed
    if seed is not None:
        number = int(np.asarray(seed))
        return RandomStream(_KIND, DEFAULT_SEED if given is None else given, number)
    if given is None:
        return RandomStream(3, *seeds.next())
    if graph is None:
        number = seeds.next_number()
    else:
        number = graph.attachments.get("random_ops", 0)
        graph.attachments["random_ops"] = number + 1
    return RandomStream(_KIND + 1, given, number)


def as_specs(signature: Any) -> Any:
    """Returns a structure of `TensorSpec` of what may be dtypes or tensors."""

    def spec(leaf: Any) -> Any:
        if isinstance(leaf, (TensorSpec, DatasetSpec)):
            return leaf
        if isinstance(leaf, Tensor):
            return TensorSpec(leaf.shape, leaf.dtype)
        raise fail(
            TypeError,
            "`output_signature` must contain objects that are subclass of `tf.TypeSpec`",
            got=repr(leaf)[:80],
            expected="tf.TensorSpec(shape, dtype)",
            site=str(user_site()),
        )

    return without_lists(signature, spec)


def specs_of_types(types: Any, shapes: Any) -> Any:
    """Returns specifications of two structures, of dtypes and of shapes.

    Args:
      types: A structure of dtypes.
      shapes: The same structure of shapes, or None.
    """
    types = nest_of_types(types)
    leaves = nest.flatten(types)
    if shapes is None:
        known = [TensorShape(None)] * len(leaves)
    else:
        known = flat_shapes(types, shapes, "output_shapes")
    specs = [TensorSpec(s, t) for s, t in zip(known, leaves, strict=True)]
    return nest.pack_as(types, specs)


def nest_of_types(types: Any) -> Any:
    """Returns a structure of dtypes; lists are tuples, as names of types are leaves."""
    if isinstance(types, list):
        types = tuple(types)
    return without_lists(types, as_dtype)


def flat_shapes(structure: Any, shapes: Any, what: str) -> list[TensorShape]:
    """Returns the shapes for the leaves of a structure.

    Raises:
      ValueError: They have another structure.
    """
    if not nest.is_nested(structure):
        if isinstance(shapes, (tuple, list)) and len(shapes) == 1:
            (inner,) = shapes
            if isinstance(inner, (TensorShape, list, tuple)):
                return [TensorShape(inner)]
        return [_as_shape(shapes)]
    if isinstance(structure, dict):
        if not isinstance(shapes, dict) or set(shapes) != set(structure):
            raise _other_structure(structure, shapes, what)
        pairs = [(structure[key], shapes[key]) for key in sorted(structure)]
    else:
        is_same = isinstance(shapes, (tuple, list)) and not isinstance(
            shapes, TensorShape
        )
        if not is_same or len(shapes) != len(structure):
            raise _other_structure(structure, shapes, what)
        pairs = list(zip(structure, shapes, strict=True))
    return [s for part, shape in pairs for s in flat_shapes(part, shape, what)]


def _as_shape(shape: Any) -> TensorShape:
    if isinstance(shape, Tensor):
        shape = np.asarray(shape)
    if isinstance(shape, (list, tuple, np.ndarray)):
        return TensorShape([None if d is None or d == -1 else int(d) for d in shape])
    return TensorShape(shape)


def _other_structure(structure: Any, shapes: Any, what: str) -> Exception:
    return fail(
        ValueError,
        f"`{what}` has another structure than the elements",
        got=repr(shapes)[:120],
        expected=f"the structure of {structure!r:.120}",
        site=str(user_site()),
    )


def padding(
    specs: Any, shapes: Any, values: Any
) -> tuple[list[TensorShape], list[Any]]:
    """Returns shapes and values of `padded_batch` for each component.

    Raises:
      ValueError: A component has no known rank and no shape is given.
      TypeError: A value has another dtype than its component.
    """
    leaves = nest.flatten(specs)
    if shapes is None:
        found = [spec.shape for spec in leaves]
        for shape in found:
            if shape.rank is None:
                raise fail(
                    ValueError,
                    "You must provide `padded_shapes` argument because component has "
                    "unknown rank",
                    got="a component of unknown rank",
                    site=str(user_site()),
                )
    else:
        found = flat_shapes(specs, shapes, "padded_shapes")
    given: list[Any] = [None] * len(leaves)
    if values is not None:
        if not nest.is_nested(values):
            given = [values] * len(leaves)
        else:
            pairs = zip(_children(specs), _children(values), strict=True)
            given = [v for spec, value in pairs for v in _spread(spec, value)]
    fills = [_fill(spec, v) for spec, v in zip(leaves, given, strict=True)]
    return found, fills


def _children(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return [structure[key] for key in sorted(structure)]
    return list(structure) if isinstance(structure, (tuple, list)) else [structure]


def _spread(spec: Any, value: Any) -> list[Any]:
    if not nest.is_nested(spec):
        return [value]
    if not nest.is_nested(value):
        return [value] * len(nest.flatten(spec))
    pairs = zip(_children(spec), _children(value), strict=True)
    return [v for s, part in pairs for v in _spread(s, part)]


def _fill(spec: TensorSpec, value: Any) -> Any:
    if value is None:
        return b"" if spec.dtype.numpy.kind == "O" else spec.dtype.numpy.type(0)
    array = as_component(value)
    if isinstance(array, GraphTensor) and array.dtype is spec.dtype:
        return array
    is_python = isinstance(value, (bool, int, float))
    if array.dtype != spec.dtype.numpy and not (
        is_python and np.can_cast(type(value), spec.dtype.numpy, "same_kind")
    ):
        raise fail(
            TypeError,
            "Mismatched type between padding value and input dataset's type",
            got=f"padding value of type {getattr(array.dtype, 'name', array.dtype)}",
            expected=spec.dtype.name,
            site=str(user_site()),
        )
    return array.reshape(()).astype(spec.dtype.numpy)[()]


def require_callable(function: Any, what: str) -> Callable[..., Any]:
    """Returns a function.

    Raises:
      TypeError: It is none.
    """
    if not callable(function):
        raise fail(
            TypeError,
            f"{what} must be a function",
            got=repr(function)[:80],
            site=str(user_site()),
        )
    found: Callable[..., Any] = function
    return found


def state_leaves(state: Any) -> tuple[Any, list[Any]]:
    """Returns the structure of an initial state, and its leaves as components."""
    made = without_lists(state, as_component)
    return nest.map_structure(lambda leaf: TensorSpec(leaf.shape, leaf.dtype), made), (
        nest.flatten(made)
    )


def require_same_state(before: Any, after: Sequence[Any], what: str) -> None:
    """Raises unless the new state of a function is like the one before.

    Raises:
      TypeError: It has another structure, dtype or shape.
    """
    old, new = nest.flatten(before), nest.flatten(after)
    fits = len(old) == len(new) and all(
        isinstance(b, TensorSpec)
        and a.dtype is b.dtype
        and a.shape.is_compatible_with(b.shape)
        for a, b in zip(old, new, strict=False)
    )
    if not fits:
        raise fail(
            TypeError,
            f"The element types for the new state must match the initial state, in "
            f"`{what}`",
            got=repr(after),
            expected=repr(before),
            site=str(user_site()),
        )
