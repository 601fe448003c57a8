"""`tf.data.experimental.Optional`: an element, or none."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.data.structure import pack_eager
from graphopt.data.taking import make_get_next
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site


class Optional:
    """An element that may not be there.

    Args:
      specs: The structure of an element.
      has_value: Whether there is one, a scalar bool tensor.
      value: The element; in a graph zeros if there is none.

    Source: `tf.data.experimental.Optional`.
    """

    def __init__(self, specs: Any, has_value: Any, value: Any) -> None:
        self.element_spec = specs
        self._has_value, self._value = has_value, value

    def has_value(self, name: str | None = None) -> Any:
        """Returns whether there is an element, a scalar bool tensor."""
        return self._has_value

    def get_value(self, name: str | None = None) -> Any:
        """Returns the element; in a graph zeros if there is none.

        Raises:
          InvalidArgumentError: There is none, in eager mode.
        """
        if self._value is None:
            raise fail(
                InvalidArgumentError,
                "The given optional does not have a value",
                got="the end of a data set",
                site=str(user_site()),
                remedy="if optional.has_value(): ...",
            )
        return self._value


def get_next_as_optional(iterator: Any) -> Optional:
    """Returns the next element of an iterator, if there is one.

    >>> from graphopt.data import Dataset
    >>> iterator = iter(Dataset.range(1))
    >>> optional = get_next_as_optional(iterator)
    >>> bool(optional.has_value()), int(optional.get_value())
    (True, 0)
    >>> bool(get_next_as_optional(iterator).has_value())
    False

    Source: `tf.data.experimental.get_next_as_optional`.
    """
    specs = iterator.element_spec
    if building_graph() is not None:
        return Optional(specs, *make_get_next(iterator, optional=True))
    arrays = iterator.take(None)
    value = None if arrays is None else pack_eager(specs, arrays)
    return Optional(specs, hooks.convert(np.bool_(arrays is not None)), value)
