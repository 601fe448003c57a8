"""`tf.Module`: an object whose attributes hold variables."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.graph import nest
from graphopt.runtime.names import name_scope
from graphopt.runtime.tracking import Trackable, children_changed
from graphopt.runtime.variable import Variable


def snake_case(name: str) -> str:
    """Returns a name as it stands in scopes.

    >>> snake_case("MyDenseLayer"), snake_case("MLP")
    ('my_dense_layer', 'mlp')
    """
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class Module(Trackable):
    """Base class of objects that hold variables, and other such objects.

    Args:
      name: Its name; by default that of the class in lower case.

    Raises:
      ValueError: The name is no Python name.

    >>> import graphopt as tf
    >>> class Line(tf.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.w, self.b = tf.Variable(2.0), tf.Variable(1.0, trainable=False)
    ...     def __call__(self, x):
    ...         return self.w * x + self.b
    >>> line = Line()
    >>> float(line(3.0)), len(line.variables), len(line.trainable_variables)
    (7.0, 2, 1)

    Source: `tf.Module`.
    """

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not name.replace("/", "_").isidentifier():
            raise ValueError(f"{name!r} is not a valid module name: no Python name.")
        self._name = name or snake_case(type(self).__name__)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        children_changed(self)

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def _list_held(self) -> list[tuple[str, Any]]:
        """Returns what it holds, by the names of attributes in alphabetical order."""
        items = [(k, v) for k, v in vars(self).items() if k != "_name"]
        return sorted(items, key=lambda item: item[0])

    @property
    def name_scope(self) -> contextlib.AbstractContextManager[str]:
        """A context that puts its name before names."""
        return name_scope(self._name)

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a method so that names in it begin with that of the module."""

        @functools.wraps(method)
        def scoped(self: Module, *arguments: Any, **named: Any) -> Any:
            with self.name_scope:
                return method(self, *arguments, **named)

        return scoped

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables of it and of what it holds, by the names of attributes."""
        return tuple(_walk(self, lambda each: isinstance(each, Variable)))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The variables that are trainable."""
        return tuple(each for each in self.variables if each.trainable)

    @property
    def non_trainable_variables(self) -> tuple[Any, ...]:
        """The variables that are not."""
        return tuple(each for each in self.variables if not each.trainable)

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules that it holds, at any depth."""
        return tuple(_walk(self, lambda each: isinstance(each, Module)))


def _walk(module: Any, wanted: Callable[[Any], bool]) -> Iterator[Any]:
    """Yields what a module holds, each once, level by level."""
    seen = {id(module)}
    waiting = [module]
    while waiting:
        below = []
        each = waiting.pop(0)
        held = (
            each._list_held()
            if isinstance(each, Module)
            else sorted(vars(each).items())
        )
        for value in [value for _, value in held]:
            try:
                leaves = nest.flatten(value)
            except TypeError:
                leaves = list(value.values()) if isinstance(value, dict) else []
            for leaf in leaves:
                if id(leaf) in seen:
                    continue
                is_module = isinstance(leaf, Module) or hasattr(
                    leaf, "trainable_weights"
                )
                if wanted(leaf):
                    seen.add(id(leaf))
                    yield leaf
                if is_module:
                    seen.add(id(leaf))
                    below.append(leaf)
        waiting += below
