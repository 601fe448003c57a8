"""`tf.autograph`: Python's `if`, `while` and `for` on tensors become part of the graph.

Problem: a function that is traced runs once, with tensors that have no values yet, so that
`if x > 0` cannot be decided. Users of TensorFlow write it anyway, for AutoGraph rewrites the
function first.

Design: the rewriting is diastatic-malt's, TensorFlow's AutoGraph without TensorFlow; what
rewritten code calls is ours, on `tf.cond`, `tf.while_loop` and `tf.TensorArray`, and decides
at each statement whether it is about tensors: `if training` with a Python bool stays Python.

- `calls.py` says which functions are converted: those of the user, when called in a graph.
- `scan.py` looks first whether conversion can make a difference, so that straight-line
  functions are not converted and the library (0.07 s) is not imported for them.
- `transpile.py` compiles the new code as lines of the user's file, so that tracebacks and
  the sites of ops need no source map.
- `conditionals.py`, `loops.py`, `expressions.py`, `builtin_functions.py` and `containers.py`
  are the statements.

A converted loop is the loop that `tf.while_loop` builds, and compiles to the same native
code. Who writes something that calls functions of the user in a graph calls
`graphopt.autograph.convert(function)` first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.autograph.calls import convert as convert
from graphopt.autograph.calls import do_not_convert as do_not_convert
from graphopt.autograph.verbosity import set_verbosity as set_verbosity
from graphopt.autograph.verbosity import trace as trace

if TYPE_CHECKING:
    from graphopt.autograph import experimental as experimental
    from graphopt.autograph.public import to_code as to_code
    from graphopt.autograph.public import to_graph as to_graph

_LATER = ("to_code", "to_graph")
__all__ = [
    "do_not_convert",
    "experimental",
    "set_verbosity",
    "to_code",
    "to_graph",
    "trace",
]


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "experimental":
            return importlib.import_module("graphopt.autograph.experimental")
        if name in _LATER:
            return getattr(importlib.import_module("graphopt.autograph.public"), name)
        raise AttributeError(f"module 'graphopt.autograph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
