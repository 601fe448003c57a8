"""From what was written on the command line to a graph and what is wanted of it.

Running a script is running it: nothing here makes foreign code safe. While it runs,
its output goes to the error stream, so that the output stream holds data only. It ends at
its first training step unless more is asked for: what is compiled for that step is what a
user wants to see, and a training may take hours.
"""

from __future__ import annotations

import contextlib
import difflib
import enum
import importlib
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graphopt.aliases import as_tensorflow
from graphopt.aliases.program_version import find_version
from graphopt.errors import OpError
from graphopt.exchange.reader import read_graph
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import PLACEHOLDER
from graphopt.runtime.function import Function
from graphopt.runtime.recording import (
    Ran,
    Recorder,
    StopRunning,
    recording,
    refusing_runs,
)
from graphopt.viz.model import needed_operations
from graphopt.viz.target import ScriptError, Target, TargetNotFoundError
from graphopt.viz.things import of_run, target_of

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
    script = _Script(place, attribute, arguments, tensorflow)
    refusing = refusing_runs() if until is Until.BUILT else contextlib.nullcontext()
    with recording(recorder), _output_to_errors(), refusing:
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


class _Script:
    """The user's code: run once, with what it left behind.

    Attributes:
      values: What its names stand for, however it ended.
      failure: What it raised.
      is_interrupted: Whether it was ended by Ctrl-C.
      is_stopped: Whether it was ended at a run.
    """

    def __init__(
        self,
        place: str,
        attribute: str,
        arguments: Sequence[str],
        version: int | None,
    ) -> None:
        self.place, self.attribute = place, attribute
        self.arguments = arguments
        self.version = version
        self.is_file = place.endswith(".py") or Path(place).is_file()
        self.values: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self.is_interrupted = False
        self.is_stopped = False

    @property
    def is_usable(self) -> bool:
        """Whether an attribute may be looked up: nothing failed before it was set."""
        first = self.attribute.partition(".")[0]
        return self.failure is None or first in self.values

    def execute(self) -> None:
        """Runs it.

        Raises:
          TargetNotFoundError: There is no such script or module.
        """
        if self.is_file and not Path(self.place).is_file():
            raise TargetNotFoundError(f"there is no file {self.place!r}")
        with self._prepared():
            self._guard(self._run_file if self.is_file else self._import)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """Sets `sys.argv`, `sys.path` and what `tensorflow` is, for a block."""
        folder = Path(self.place).resolve().parent if self.is_file else Path.cwd()
        version = self.version or (find_version(self.place) if self.is_file else None)
        before = sys.argv, sys.path[:]
        sys.argv = [self.place, *self.arguments]
        sys.path.insert(0, str(folder))
        try:
            with as_tensorflow(version):
                yield
        finally:
            sys.argv, sys.path[:] = before

    def _guard(self, run: Callable[[], Any]) -> Any:
        """Calls something of the user's and notes how it ended."""
        try:
            return run()
        except StopRunning:
            self.is_stopped = True
        except TargetNotFoundError:
            raise
        except KeyboardInterrupt:
            self.is_interrupted = True
        except SystemExit as error:
            if error.code not in (None, 0) or self.attribute:
                self.failure = error
        except Exception as error:
            self.failure = error
        return None

    def _run_file(self) -> None:
        """Runs a script; with an attribute as on import, without its `__main__` part."""
        path = Path(self.place)
        name = path.stem if self.attribute else "__main__"
        module = types.ModuleType(name)
        module.__file__ = self.place
        self.values = module.__dict__
        code = compile(path.read_bytes(), self.place, "exec")
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before

    def _import(self) -> None:
        try:
            self.values = vars(importlib.import_module(self.place))
        except ModuleNotFoundError as error:
            # One that the module itself fails to import is an error of the user's.
            inside = f"{self.place}.".startswith(f"{error.name}.")
            if error.name is None or not inside:
                raise
            raise TargetNotFoundError(f"there is no module {self.place!r}") from None

    def find_attribute(self) -> Any:
        """Returns the attribute, or what it returns if it is a function.

        Raises:
          TargetNotFoundError: There is none, or it was not set before the script ended.
        """
        first, *rest = self.attribute.split(".")
        if first not in self.values:
            if self.is_stopped:
                raise TargetNotFoundError(
                    f"{self.place} runs a graph before {first!r} is there; --run runs it "
                    "to its end"
                )
            raise TargetNotFoundError(
                f"{self.place} has no attribute {first!r}{_like(first, self.values)}"
            )
        found = self.values[first]
        for part in rest:
            if not hasattr(found, part):
                raise TargetNotFoundError(
                    f"{self.place}:{first} has no attribute {part!r}"
                    f"{_like(part, dir(found))}"
                )
            found = getattr(found, part)
        if not callable(found) or _is_thing(found):
            return found
        with self._prepared():
            return self._guard(found)


def _is_thing(found: Any) -> bool:
    """Whether something that can be called is meant itself."""
    try:
        target_of(found)
    except TargetNotFoundError:
        return isinstance(found, Function)
    return True


def _like(name: str, names: Any) -> str:
    """Returns a question after a name that is not there, if another is like it."""
    public = [each for each in names if not str(each).startswith("_")]
    found = difflib.get_close_matches(name, public, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


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
    like = _like(take, [*names, *(name.partition("(")[0] for name in names)])
    known = "" if like or not names else f"; it ran {', '.join(names[:5])}"
    raise TargetNotFoundError(
        f"{text} ran nothing called {take!r}{like or known}; --list lists what ran"
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
    raise TargetNotFoundError(f"{problem}{_like(name, _names(target.graph))}")


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
    placeholders: list[GraphTensor] = [
        op.outputs[0]
        for op in needed_operations(target.graph, target.wanted)
        if op.spec is PLACEHOLDER
    ]
    shapes = {tensor: fed.get(tensor, tensor.shape) for tensor in placeholders}
    return replace(target, feeds=shapes)


@contextlib.contextmanager
def _output_to_errors() -> Iterator[None]:
    """Sends what the script prints, and what its subprocesses do, to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        kept = -1
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept >= 0:
            os.dup2(kept, 1)
            os.close(kept)
