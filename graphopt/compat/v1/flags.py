"""`tf.flags`: arguments of a program by name, as `--learning_rate=0.1`.

Where absl-py is installed these are its flags, as in TensorFlow, so that a program which
imports both sees one set. Otherwise they are those of `own_flags`, which behave alike.
As in TensorFlow 1, `FLAGS` reads `sys.argv` when a value is asked for the first time.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


def _load() -> ModuleType:
    # Asked before the import, so that one that fails is not taken for a missing one.
    if importlib.util.find_spec("absl") is not None:
        return importlib.import_module("absl.flags")
    return importlib.import_module("graphopt.compat.v1.own_flags")


_flags = _load()


class FlagValuesWrapper:
    """The flags of the program, which are read when a value is asked for."""

    def __init__(self, wrapped: Any) -> None:
        self.__dict__["_wrapped"] = wrapped

    def __getattr__(self, name: str) -> Any:
        wrapped = self.__dict__["_wrapped"]
        if name == "__flags":
            return wrapped._flags()
        if name.startswith("__"):
            raise AttributeError(name)
        if not wrapped.is_parsed():
            wrapped(sys.argv)
        return getattr(wrapped, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_wrapped"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__dict__["_wrapped"], name)

    def __dir__(self) -> Any:
        return dir(self.__dict__["_wrapped"])

    def __getitem__(self, name: str) -> Any:
        return self.__dict__["_wrapped"][name]

    def __setitem__(self, name: str, flag: Any) -> None:
        self.__dict__["_wrapped"][name] = flag

    def __contains__(self, name: str) -> bool:
        return name in self.__dict__["_wrapped"]

    def __len__(self) -> int:
        return len(self.__dict__["_wrapped"])

    def __iter__(self) -> Any:
        return iter(self.__dict__["_wrapped"])

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Reads arguments; see `own_flags.FlagValues.__call__`."""
        return self.__dict__["_wrapped"](*arguments, **keywords)


if hasattr(_flags, "disclaim_key_flags"):
    # Flags belong to the module that defines them with the functions below.
    _flags.disclaim_key_flags()


def is_absl() -> bool:
    """Returns whether these are the flags of absl-py."""
    return _flags.__name__ == "absl.flags"


FLAGS = FlagValuesWrapper(_flags.FLAGS)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_flags, name)


def __dir__() -> list[str]:
    return sorted({"FLAGS", *(n for n in dir(_flags) if not n.startswith("_"))})


def DEFINE_string(
    name: str, default: Any, help: str | None, *more: Any, **options: Any
) -> Any:
    """Defines a flag whose value is text."""
    return _flags.DEFINE_string(name, default, help or "", *more, **options)


def DEFINE_integer(
    name: str, default: Any, help: str | None, *more: Any, **options: Any
) -> Any:
    """Defines a flag whose value is a whole number."""
    return _flags.DEFINE_integer(name, default, help or "", *more, **options)


def DEFINE_float(
    name: str, default: Any, help: str | None, *more: Any, **options: Any
) -> Any:
    """Defines a flag whose value is a number."""
    return _flags.DEFINE_float(name, default, help or "", *more, **options)


def DEFINE_boolean(
    name: str, default: Any, help: str | None, *more: Any, **options: Any
) -> Any:
    """Defines a flag that is on, `--name`, or off, `--noname`."""
    return _flags.DEFINE_boolean(name, default, help or "", *more, **options)


DEFINE_bool = DEFINE_boolean
