"""From what was written on the command line to a graph and what is wanted of it.

Running a script is running it: nothing here makes foreign code safe. While it runs,
its output goes to the error stream, so that the output stream holds data only.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import runpy
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from graphopt.aliases import as_tensorflow
from graphopt.aliases.program_version import find_version
from graphopt.errors import OpError
from graphopt.exchange.reader import read_graph
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime.runner import Runner

_ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
# Programs that make thousands of graphs are not kept alive as a whole.
GRAPHS_KEPT = 100


# What is read as a graph and not run.
GRAPH_FILES = (".json", ".pbtxt")


class TargetNotFoundError(Exception):
    """There is no such script, module, attribute, operation or graph."""


class ScriptError(Exception):
    """The user's code raised; the cause is what it raised."""


class StopRunning(BaseException):
    """Ends a script at its first run of a graph; no `except Exception` catches it."""


@dataclass
class Recorder:
    """What a script made: its graphs and the last train op.

    Attributes:
      on_run: Called after each run of a fetch set, with its runner and what was fed.
      on_gradients: Called after each walk of derivatives; see `graph.hooks`.
    """

    on_run: Callable[[Runner, Sequence[Any]], None] | None = None
    on_gradients: Callable[[Any, Any, Any], None] | None = None
    graphs: deque[Graph] = field(default_factory=lambda: deque(maxlen=GRAPHS_KEPT))
    train_op: Operation | None = None

    def record_train_op(self, op: Any) -> None:
        """Keeps the op; optimizers call it in graph mode only."""
        if isinstance(op, Operation):
            self.train_op = op

    def last_graph(self) -> Graph | None:
        """Returns the graph made last that has ops."""
        return next((graph for graph in reversed(self.graphs) if len(graph)), None)


@dataclass(frozen=True)
class Target:
    """A graph, and the operations and tensors that are wanted of it.

    Attributes:
      graph: The graph.
      operations: Those to be run.
      tensors: Those whose values are wanted.
      feeds: What a run fed, in its order, with the shapes that it had; None where
        nothing has run.
      name: What it is called where several are listed.
    """

    graph: Graph
    operations: tuple[Operation, ...] = ()
    tensors: tuple[GraphTensor, ...] = ()
    feeds: Mapping[GraphTensor, TensorShape] | None = None
    name: str = ""

    @property
    def wanted(self) -> tuple[Operation, ...]:
        """The ops to be drawn with all that they need."""
        return (*self.operations, *dict.fromkeys(t.op for t in self.tensors))


def load_target(
    text: str,
    arguments: list[str],
    *,
    fetch: str | None = None,
    run: bool = True,
    recorder: Recorder | None = None,
    tensorflow: int | None = None,
) -> Target:
    """Finds what the user means, running their code.

    Args:
      text: `script.py`, `script.py:attribute`, `module:attribute`, or a file with a
        graph, `.json` or `.pbtxt`, which is read without running anything.
      arguments: What the script finds in `sys.argv[1:]`.
      fetch: The name of an operation or tensor.
      run: Whether graphs are run, or the script ends where the first would be.
      recorder: Where to write down what the script makes and runs.
      tensorflow: The version that an `import tensorflow` is to find; None for the one
        whose names the script uses.

    Returns:
      The attribute if there is one (called if it is a function); otherwise the last
      train op that was built; otherwise the last graph that has ops.

    Raises:
      TargetNotFoundError: There is no such thing.
      ScriptError: The user's code raised.
    """
    if text.endswith(GRAPH_FILES):
        target = _read_target(text)
        return _with_fetch(target, fetch) if fetch is not None else target
    path, attribute = split_target(text)
    recorder = recorder or Recorder()
    with _recording(recorder), _output_to_errors(), _stopping(stop=not run):
        found = _execute(path, attribute, arguments, tensorflow)
    target = _as_target(found, text) if attribute else _record(recorder, text)
    return _with_fetch(target, fetch) if fetch is not None else target


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


def _execute(
    place: str, attribute: str, arguments: list[str], version: int | None
) -> Any:
    is_script = place.endswith(".py") or Path(place).is_file()
    if is_script and not Path(place).is_file():
        raise TargetNotFoundError(f"there is no file {place!r}")
    folder = str(Path(place).resolve().parent if is_script else Path.cwd())
    before = sys.argv, sys.path[:]
    sys.argv = [place, *arguments]
    sys.path.insert(0, folder)
    try:
        with as_tensorflow(version or (find_version(place) if is_script else None)):
            if not attribute:
                runpy.run_path(place, run_name="__main__")
                return None
            return _find_attribute(place, attribute, is_script=is_script)
    except StopRunning:
        if attribute:
            raise
        return None
    except TargetNotFoundError:
        raise
    except SystemExit as error:
        if error.code in (None, 0) and not attribute:
            return None
        raise ScriptError from error
    except Exception as error:
        raise ScriptError from error
    finally:
        sys.argv, sys.path[:] = before


def _find_attribute(place: str, attribute: str, *, is_script: bool) -> Any:
    if is_script:
        # As on import, what stands under `if __name__ == "__main__"` is not run.
        name = Path(place).stem
        values = runpy.run_path(place, run_name=name)
    else:
        try:
            values = vars(importlib.import_module(place))
        except ModuleNotFoundError as error:
            # One that the module itself fails to import is an error of the user's.
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise
            raise TargetNotFoundError(f"there is no module {place!r}") from None
    first, *rest = attribute.split(".")
    if first not in values:
        raise TargetNotFoundError(f"{place} has no attribute {first!r}")
    found = values[first]
    for part in rest:
        if not hasattr(found, part):
            raise TargetNotFoundError(f"{place}:{first} has no attribute {part!r}")
        found = getattr(found, part)
    is_element = isinstance(found, (Graph, Operation, GraphTensor))
    is_variable = hasattr(found, "_as_graph_element")
    return found() if callable(found) and not is_element and not is_variable else found


def _as_target(found: Any, text: str) -> Target:
    if isinstance(found, Graph):
        return Target(found)
    if isinstance(found, Operation):
        return Target(found.graph, (found,))
    if hasattr(found, "_as_graph_element") and getattr(found, "graph", None):
        found = found.handle
    if isinstance(found, GraphTensor):
        return Target(found.op.graph, (), (found,))
    raise TargetNotFoundError(
        f"{text} is of type {type(found).__name__}; expected a graph, an operation, a "
        "tensor of a graph, or a function that returns one"
    )


def _record(recorder: Recorder, text: str) -> Target:
    if recorder.train_op is not None:
        return Target(recorder.train_op.graph, (recorder.train_op,))
    graph = recorder.last_graph()
    if graph is None:
        raise TargetNotFoundError(
            f"{text} built no graph; ops run at once unless they are made inside "
            "`with tf.Graph().as_default():`"
        )
    return Target(graph)


def _with_fetch(target: Target, name: str) -> Target:
    try:
        found = target.graph.as_graph_element(name)
    except (KeyError, ValueError) as error:
        raise TargetNotFoundError(str(error.args[0])) from None
    if isinstance(found, Operation):
        return Target(target.graph, (found,))
    return Target(target.graph, (), (found,))


@contextlib.contextmanager
def _recording(recorder: Recorder) -> Iterator[None]:
    before = hooks.on_graph, hooks.on_train_op, hooks.on_gradients, Runner._run
    run, on_run = Runner._run, recorder.on_run

    def observed(runner: Runner, feeds: Any, rows: Any, count: int) -> Any:
        results = run(runner, feeds, rows, count)
        assert on_run is not None
        on_run(runner, [*feeds, *(array[-1, ...] for array in rows)])
        return results

    hooks.on_graph = recorder.graphs.append
    hooks.on_train_op = recorder.record_train_op
    hooks.on_gradients = recorder.on_gradients
    if on_run is not None:
        Runner._run = observed  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        hooks.on_graph, hooks.on_train_op, hooks.on_gradients, _ = before
        Runner._run = before[-1]  # type: ignore[method-assign]


@contextlib.contextmanager
def _stopping(*, stop: bool) -> Iterator[None]:
    """Makes every way to run a graph raise `StopRunning`."""
    if not stop:
        yield
        return

    def refuse(*_arguments: Any, **_keywords: Any) -> NoReturn:
        raise StopRunning

    places: list[tuple[Any, str]] = [
        (hooks, "run_operation"),
        (hooks, "evaluate_tensor"),
        (Runner, "_run"),
    ]
    before = [getattr(owner, name) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, refuse)
    try:
        yield
    finally:
        for (owner, name), function in zip(places, before, strict=True):
            setattr(owner, name, function)


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
