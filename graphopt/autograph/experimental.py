"""`tf.autograph.experimental`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.autograph.calls import do_not_convert as do_not_convert
from graphopt.autograph.status import Feature as Feature

if TYPE_CHECKING:
    from graphopt.autograph.public import set_loop_options as set_loop_options

__all__ = ["Feature", "do_not_convert", "set_loop_options"]


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # What marks code for the library has to be its own.
        if name == "set_loop_options":
            return importlib.import_module("graphopt.autograph.public").set_loop_options
        raise AttributeError(
            f"module 'graphopt.autograph.experimental' has no attribute {name!r}"
        )
