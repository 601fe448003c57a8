"""Ops of graphs that take elements from iterators.

An iterator here is anything that has `element_spec`, `take(store, *handle)`, which returns
the arrays of the next element or None, `follows(store, *handle)`, and, where a tensor says
which iteration it is, that tensor in `handle_inputs`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.structure import (
    DatasetSpec,
)
from graphopt.errors import (
    OutOfRangeError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.strings import blank
from graphopt.ops.outside import (
    GET_NEXT,
    HAS_NEXT,
    add_outside,
)
from graphopt.runtime.function import TensorSpec


def ask_next(iterator: Any) -> Any:
    """Adds an op that tells whether an iterator has a next element, a scalar bool.

    Args:
      iterator: As of `make_get_next`; nothing is taken from it.
    """

    def handler(store: Any, *handle: Any) -> list[Any]:
        return [np.array(iterator.follows(store, *handle))]

    inputs = getattr(iterator, "handle_inputs", ())
    (answer,) = add_outside(HAS_NEXT, handler, inputs, [dtypes.bool_], [()])
    return answer


def make_get_next(
    iterator: Any,
    *,
    optional: bool = False,
    ahead: bool = False,
    name: str | None = None,
) -> Any:
    """Adds the op that takes the next element of an iterator to the current graph.

    Args:
      iterator: An `EagerIterator`, a `GraphIterator` or what `start_iterator` returned.
      optional: Whether the end is a value rather than an error.
      ahead: Whether to tell if another element follows.
      name: Name of the op.

    Returns:
      The element; with `optional` a pair of a scalar bool tensor, whether there is one,
      and the element, which is zeros if there is none; with `ahead` a pair of a scalar
      bool tensor, whether another element follows, and the element.

    Raises:
      OutOfRangeError: When it runs: there is no element left, unless `optional`.
    """
    leaves = nest.flatten(iterator.element_spec)
    for spec in leaves:
        if isinstance(spec, DatasetSpec):
            raise fail(
                NotImplementedError,
                "A data set of data sets cannot be iterated in a graph",
                got=repr(spec),
                site=str(user_site()),
                remedy="flat_map(lambda window: window.batch(size)) first",
            )
    types = [spec.dtype for spec in leaves]
    shapes = [spec.shape for spec in leaves]
    take = iterator.take
    look = getattr(iterator, "look", None)

    def handler(store: Any, *handle: Any, take: Any = take) -> list[Any]:
        found = take(store, *handle)
        if found is None and not optional:
            raise fail(OutOfRangeError, "End of sequence")
        if ahead:
            return [np.array(iterator.follows(store, *handle)), *found]
        if not optional:
            return list(found)
        if found is None:
            return [np.array(False), *(_nothing(spec) for spec in leaves)]
        return [np.array(True), *found]

    def peek(store: Any, *handle: Any) -> list[Any]:
        return handler(store, *handle, take=look)

    is_pair = optional or ahead
    if is_pair:
        types, shapes = [dtypes.bool_, *types], [(), *shapes]
    outputs = add_outside(
        GET_NEXT,
        handler,
        getattr(iterator, "handle_inputs", ()),
        types,
        shapes,
        peek=None if look is None else peek,
        name=name,
    )
    if not is_pair:
        return nest.pack_as(iterator.element_spec, list(outputs))
    return outputs[0], nest.pack_as(iterator.element_spec, list(outputs[1:]))


def _nothing(spec: TensorSpec) -> Any:
    dims = [] if spec.shape.rank is None else [d or 0 for d in spec.shape]
    return blank(dims, spec.dtype.numpy)
