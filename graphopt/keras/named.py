"""Functions and classes by name, of which some are loaded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class Named(Mapping[str, Any]):
    """A table of what a module has, and of what it loads later.

    Args:
      here: What it has.
      later: The names of the rest.
      load: From such a name to what it stands for.

    >>> table = Named({"a": 1}, ["b"], lambda name: print("loading", name))
    >>> sorted(table), table["a"], "c" in table
    (['a', 'b'], 1, False)
    >>> table["b"]
    loading b
    """

    def __init__(
        self, here: Mapping[str, Any], later: Iterable[str], load: Callable[[str], Any]
    ) -> None:
        self._here, self._later, self._load = dict(here), frozenset(later), load

    def __getitem__(self, name: str) -> Any:
        if name in self._here:
            return self._here[name]
        if name not in self._later:
            raise KeyError(name)
        return self._load(name)

    def __iter__(self) -> Iterator[str]:
        return iter({*self._here, *self._later})

    def __len__(self) -> int:
        return len({*self._here, *self._later})


def public_of(names: Mapping[str, Any], *prefixes: str) -> dict[str, Any]:
    """Returns the functions and classes of modules that begin with one of the prefixes."""
    return {
        name: made
        for name, made in names.items()
        if callable(made)
        and not name.startswith("_")
        and (getattr(made, "__module__", None) or "").startswith(prefixes)
    }
