"""`for` over a data set or an iterator in a `tf.function`: a loop of the graph.

Each round takes an element and asks whether another one follows, so a loop variable says
when to stop and no round has to do without an element. The loop runs on the host; what a
round computes is compiled, as a step of its own that is fed the element (see
`graphopt.runtime.outside.run_body`), so an epoch costs what its steps cost.
"""

from __future__ import annotations

from typing import Any

from graphopt.data.graph_iterators import start_node
from graphopt.data.node import Node
from graphopt.data.taking import ask_next, make_get_next
from graphopt.graph.context import building_graph
from graphopt.ops.elementwise import logical_and, logical_or


def loop_over_node(node: Node, *rest: Any) -> None:
    """Adds a loop over the elements of a data set, from the start; see `loop_over`."""
    loop_over(start_node(node), *rest)


def loop_over(
    iterator: Any,
    extra_test: Any,
    body: Any,
    get_state: Any,
    set_state: Any,
    symbol_names: tuple[str, ...],
    opts: dict[str, Any],
) -> None:
    """Adds a loop over what an iterator has left.

    Args:
      iterator: For `make_get_next`.
      extra_test: What must hold to go on, where there is a `break` or a `return`.
      body: One round, called with an element; it changes variables of the user.
      get_state, set_state: Read and set these variables.
      symbol_names: Their names.
      opts: As of `graphopt.autograph.loops.for_stmt`.
    """
    # Loaded by now: converted code calls this.
    from graphopt.autograph.loops import while_stmt

    follows = ask_next(iterator)

    def get() -> tuple[Any, ...]:
        return (follows, *get_state())

    def put(values: Any) -> None:
        nonlocal follows
        follows, *others = values
        set_state(tuple(others))

    def run() -> None:
        nonlocal follows
        follows, element = make_get_next(iterator, ahead=True)
        body(element)

    def test() -> Any:
        return follows if extra_test is None else logical_and(follows, extra_test())

    while_stmt(test, run, get, put, ("<internal follows>", *symbol_names), opts)


def builtin_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns what a built-in function of Python makes of data sets in a graph.

    Args:
      name: Of the function.
      args, kwargs: What it is called with; a data set is among `args`.

    Returns:
      A data set, or a tensor for `any` and `all`; None where Python's own function will do.
    """
    if building_graph() is None:
        return None
    if name == "enumerate":
        return args[0].enumerate(*args[1:], **kwargs)
    if name == "zip" and all(hasattr(each, "_node") for each in args):
        return type(args[0]).zip(args)
    if name == "map" and all(hasattr(each, "_node") for each in args[1:]):
        source = args[1] if len(args) == 2 else type(args[1]).zip(args[1:])
        return source.map(args[0])
    if name == "filter":
        return args[1].filter(args[0])
    if name == "any":
        return args[0].reduce(False, logical_or)
    if name == "all":
        return args[0].reduce(True, logical_and)
    return None
