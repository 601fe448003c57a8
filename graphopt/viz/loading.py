"""From what was written on the command line to a graph and what is wanted of it.

Running a script is running it: nothing here makes foreign code safe. While it runs,
its output goes to the error stream, so that the output stream holds data only. It ends at
its first training step unless more is asked for: what is compiled for that step is what a
user wants to see, and a training may take hours.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graphopt.errors import OpError
from graphopt.exchange.reader import read_graph
from graphopt.graph.graph import Graph, Operation
from graphopt.runtime.recording import (
    Ran,
    Recorder,
    StopRunning,
    recording,
    refusing_runs,
)
from graphopt.viz.model import placeholder_shapes
from graphopt.viz.script import Script, output_to_errors
from graphopt.viz.target import ScriptError, Target, TargetNotFoundError
from graphopt.viz.things import of_run, target_of
from graphopt.viz.words import suggest

_ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
# What is read as a graph and not run.
GRAPH_FILES = (".json", ".pbtxt")


class Until(enum.Enum):
    """How far a script runs."""

    BUILT = "to where the first run of a graph would be"
    STEP = "through its first training step"
    END = "to its end"


@dataclass
class Loaded:
    """What a user means, and how it was found.

    Attributes:
      target: The graph.
      recorder: What the script made and ran; empty for a file of a graph.
      failure: What the script raised after there was something to see.
      is_interrupted: Whether it was ended by Ctrl-C.
      values: What the script's names stand for: while they live, variables do.
    """

    target: Target
    recorder: Recorder = field(default_factory=Recorder)
    failure: BaseException | None = None
    is_interrupted: bool = False
    values: dict[str, Any] = field(default_factory=dict)


def load_target(
    text: str,
    arguments: Sequence[str] = (),
    *,
    fetch: str | None = None,
    take: str | None = None,
    until: Until = Until.STEP,
    recorder: Recorder | None = None,
    on_step: Callable[[Ran, Sequence[Any]], None] | None = None,
    tensorflow: int | None = None,
) -> Loaded:
    """Finds what the user means, running their code.

    Args:
      text: `script.py`, `script.py:attribute`, `module:attribute`, or a file with a
        graph, `.json` or `.pbtxt`, which is read without running anything.
      arguments: What the script finds in `sys.argv[1:]`.
      fetch: The name of an operation or tensor.
      take: The number or the name of what ran, or the beginning of its name.
      until: How far a script runs.
      recorder: Where to write down what the script makes and runs.
      on_step: Called with the run at which the script ends and with what was fed.
      tensorflow: The version that an `import tensorflow` is to find; None for the one
        whose names the script uses.

    Returns:
      The attribute if there is one (called if it is a function); otherwise, of what ran,
      what trains and costs most by its shapes; otherwise the last train op that was built;
      otherwise what ran and costs most; otherwise the last graph that has ops.

    Raises:
      TargetNotFoundError: There is no such thing.
      ScriptError: The user's code raised before there was anything to see.
    """
    if text.endswith(GRAPH_FILES):
        return Loaded(_with_fetch(_read_target(text), fetch, ()))
    place, attribute = split_target(text)
    recorder = recorder or Recorder()
    if until is Until.STEP:
        _stop_at_step(recorder, take, fetch, on_step)
    script = Script(place, attribute, arguments, tensorflow)
    refusing = refusing_runs() if until is Until.BUILT else contextlib.nullcontext()
    with recording(recorder), output_to_errors(), refusing:
        script.execute()
        # A factory may build and run too.
        found = script.find_attribute() if attribute and script.is_usable else None
    try:
        target = _as_target(found, text) if attribute else _choose(recorder, text, take)
        others = (ran.graph for ran in recorder.ran.values())
        target = _with_fetch(target, fetch, others)
    except TargetNotFoundError:
        if script.is_interrupted:
            raise KeyboardInterrupt from None
        if script.failure is not None:
            raise ScriptError from script.failure
        raise
    target = _with_fed_shapes(target, recorder)
    return Loaded(
        target, recorder, script.failure, script.is_interrupted, script.values
    )


def _stop_at_step(
    recorder: Recorder,
    take: str | None,
    fetch: str | None,
    on_step: Callable[[Ran, Sequence[Any]], None] | None,
) -> None:
    """Makes a recorder end the script at the run that is wanted."""
    before = recorder.on_run

    def on_run(ran: Ran, feeds: Sequence[Any]) -> None:
        if before is not None:
            before(ran, feeds)
        if _is_wanted(ran, recorder, take, fetch):
            if on_step is not None:
                on_step(ran, feeds)
            recorder.stopped = True
            raise StopRunning

    recorder.on_run = on_run


def _is_wanted(
    ran: Ran, recorder: Recorder, take: str | None, fetch: str | None
) -> bool:
    """Returns whether a run is the one to look at: what was named, or a training step."""
    if take is not None:
        listed = recorder.list_ran()
        return ran in listed and _matches(ran, listed.index(ran), take)
    if fetch is not None:
        names = {op.name for op in ran.runner.targets}
        if fetch in names | {tensor.name for tensor in ran.runner.fetches}:
            return True
    return ran.is_training


def _matches(ran: Ran, number: int, take: str) -> bool:
    return take == str(number) or ran.name.startswith(take)


def split_target(text: str) -> tuple[str, str]:
    """Splits `place:attribute`; the attribute is empty for a script.

    >>> split_target("train.py"), split_target("a/train.py:net.loss")
    (('train.py', ''), ('a/train.py', 'net.loss'))

    Raises:
      TargetNotFoundError: It is neither a script nor has an attribute.
    """
    place, colon, attribute = text.rpartition(":")
    if colon and place and _ATTRIBUTE.match(attribute):
        return place, attribute
    if text.endswith(".py") or Path(text).is_file():
        return text, ""
    raise TargetNotFoundError(
        f"{text!r} is no target; expected script.py, script.py:attribute, "
        "module:attribute, graph.json or graph.pbtxt"
    )


def _read_target(path: str) -> Target:
    try:
        loaded = read_graph(path)
    except FileNotFoundError:
        raise TargetNotFoundError(f"there is no file {path!r}") from None
    except OpError as error:
        raise TargetNotFoundError(f"{path}: {error}") from None
    return Target(loaded.graph, loaded.operations, loaded.tensors)


def _as_target(found: Any, text: str) -> Target:
    try:
        return target_of(found)
    except TargetNotFoundError as error:
        raise TargetNotFoundError(f"{text} is {error}") from None


def _choose(recorder: Recorder, text: str, take: str | None) -> Target:
    """Returns what of a script is to be shown.

    Raises:
      TargetNotFoundError: There is nothing, or nothing of that name.
    """
    if take is not None:
        return of_run(_find_ran(recorder, text, take))
    ran = recorder.costliest(training=True)
    if ran is not None:
        return of_run(ran)
    if recorder.train_op is not None:
        return Target(recorder.train_op.graph, (recorder.train_op,))
    graph = recorder.last_graph()
    ran = recorder.costliest()
    # A graph of more than what ran is shown as a whole.
    if ran is not None and (graph is None or hasattr(ran.graph, "function_name")):
        return of_run(ran)
    if graph is None:
        raise TargetNotFoundError(
            f"{text} built no graph; ops run at once unless they are made in a "
            "@tf.function or inside `with tf.Graph().as_default():`"
        )
    return Target(graph)


def _find_ran(recorder: Recorder, text: str, take: str) -> Ran:
    listed = recorder.list_ran()
    for number, ran in enumerate(listed):
        if _matches(ran, number, take):
            return ran
    names = [ran.name for ran in listed]
    question = suggest(take, [*names, *(name.partition("(")[0] for name in names)])
    known = "" if question or not names else f"; it ran {', '.join(names[:5])}"
    raise TargetNotFoundError(
        f"{text} ran nothing called {take!r}{question or known}; --list lists what ran"
    )


def _with_fetch(target: Target, name: str | None, others: Any) -> Target:
    """Returns what a name stands for in the graph of a target, or in another."""
    if name is None:
        return target
    problem = ""
    for graph in dict.fromkeys((target.graph, *others)):
        try:
            found = graph.as_graph_element(name)
        except (KeyError, ValueError) as error:
            problem = problem or str(error.args[0])
            continue
        if isinstance(found, Operation):
            return Target(graph, (found,))
        return Target(graph, (), (found,))
    raise TargetNotFoundError(f"{problem}{suggest(name, _names(target.graph))}")


def _names(graph: Graph) -> list[str]:
    names = [op.name for op in graph.operations]
    return [*names, *(f"{name}:0" for name in names)]


def _with_fed_shapes(target: Target, recorder: Recorder) -> Target:
    """Returns a target with the shapes that its placeholders had when they were fed."""
    if target.feeds is not None or not target.wanted:
        return target
    fed = recorder.fed_shapes(target.graph)
    if not fed:
        return target
    said = placeholder_shapes(target.graph, target.wanted)
    shapes = {tensor: fed.get(tensor, shape) for tensor, shape in said.items()}
    return replace(target, feeds=shapes)
