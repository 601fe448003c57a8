"""Function slots that folders further right fill when they load.

`Operation.run`, the operators of tensors and the notebook pictures are methods of
types that live here, while the code behind them lives in `ops`, `runtime` and `viz`,
which may import this folder but not the other way round. Each slot has one writer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _missing(*_args: Any, **_keywords: Any) -> Any:
    raise RuntimeError("graphopt is not fully imported; import graphopt first.")


def _same(function: Any, **_options: Any) -> Any:
    return function


class Hooks:
    """The slots; see the attribute comments for who fills each and when it is called."""

    # ops: one function per Python operator, by its TensorFlow name ("add", "neg", ...)
    operators: dict[str, Callable[..., Any]]
    # ops: any value -> Tensor, in the current mode
    convert: Callable[..., Any]
    # runtime: (Operation, feed_dict, session) -> None
    run_operation: Callable[..., Any]
    # runtime: (Tensor, feed_dict, session) -> array
    evaluate_tensor: Callable[..., Any]
    # runtime: an op is run at once: (spec, inputs, attrs, name) -> EagerTensor(s)
    run_eagerly: Callable[..., Any]
    # keras: an op on a StandIn in eager mode: (spec, inputs, attrs) -> StandIn(s)
    call_on_stand_ins: Callable[..., Any]
    # runtime: shown the new value of an eager variable before it is set, while numbers
    # are checked: (spec, variable's key, arrays, new value)
    on_eager_write: Callable[..., None] | None
    # autodiff: (function, inputs, cotangents of its results) -> cotangents of the inputs
    pullback: Callable[..., Any]
    # runtime: (Body, arrays) -> arrays: runs a body that takes from outside of the graph
    run_body: Callable[..., Any]
    # parallel: number of a group of processes -> what they communicate through
    communicator: Callable[[int], Any]
    # parallel: the initial value of a new variable -> that of all processes
    first_value: Callable[..., Any] | None
    # autograph: a function of the user -> the one to call while a graph is built
    convert_function: Callable[..., Any]
    # autograph: what to do where a tensor was used as a Python value; may be empty
    autograph_advice: Callable[[], str]
    # cli: told of every Graph made and of every train op, so that `show` finds them
    on_graph: Callable[..., Any] | None
    on_train_op: Callable[..., Any] | None
    # cli: told what each walk of derivatives in a graph started at, what it was to lead
    # to, and what it found: (targets, sources, cotangents)
    on_gradients: Callable[..., Any] | None
    # summary: told the graph of each function that runs, while graphs are noted
    on_function_run: Callable[..., Any] | None
    # viz: Graph -> svg text
    draw_svg: Callable[..., Any]
    # viz: svg text -> png bytes
    draw_png: Callable[..., Any]
    # viz: graph, plan, function, model -> html text of a frame that holds the page
    draw_html: Callable[..., Any]

    def __init__(self) -> None:
        self.operators = {}
        self.convert = _missing
        self.run_operation = _missing
        self.evaluate_tensor = _missing
        self.run_eagerly = _missing
        self.call_on_stand_ins = _missing
        self.on_eager_write = None
        self.pullback = _missing
        self.run_body = _missing
        self.communicator = _missing
        self.first_value = None
        self.convert_function = _same
        self.autograph_advice = str
        self.on_graph = None
        self.on_train_op = None
        self.on_gradients = None
        self.on_function_run = None
        self.draw_svg = _missing
        self.draw_png = _missing
        self.draw_html = _missing


hooks = Hooks()
