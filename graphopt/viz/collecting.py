"""What tensors are in the steps of a training that goes on: `ValueCollector`.

A step that is watched runs as one fetch set with what it fetches anyway and what is to be
seen: the same run, the same random numbers, the same updates, once. Nothing is computed a
second time, so what is shown is what was used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.graph.graph import Graph
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.words import clean_text
from graphopt.runtime.recording import Recorder, StopRunning
from graphopt.runtime.runner import Runner
from graphopt.viz.values import Statistics, describe_values

# Variables of more than so many steps and names would make a page that no browser opens.
MOST_NAMES = 400


class ValueCollector:
    """Collects the statistics of variables, gradients and chosen tensors.

    Args:
      steps: After so many training steps the script ends.
      names: Tensors to be seen besides: `name:0`, or the name of an op with one result.
      recorder: What watches the script; its `run` is set.

    Attributes:
      values: For each name what it was, step by step.
      unknown: The names that no training step has.
    """

    def __init__(self, steps: int, names: Sequence[str], recorder: Recorder) -> None:
        self.steps = steps
        self.names = list(names)
        self.recorder = recorder
        self.values: dict[str, list[Statistics]] = {}
        self.unknown: set[str] = set(names)
        self.done = 0
        self._gradients: dict[Graph, dict[str, GraphTensor]] = {}
        self._watched: dict[Runner, tuple[Runner, list[str]]] = {}
        self._known: dict[Any, bool] = {}
        self._names: dict[Any, str] = {}
        recorder.on_gradients = self.note_gradients
        recorder.run = self.run

    def note_gradients(self, targets: Any, sources: Any, found: Any) -> None:
        """Keeps the gradients by variables, under the names of these."""
        for source, gradient in zip(sources, found, strict=True):
            tensor = getattr(gradient, "values", gradient)
            if isinstance(tensor, GraphTensor) and isinstance(source, GraphTensor):
                known = self._gradients.setdefault(tensor.op.graph, {})
                key = source.op.attrs.get("variable")
                name = source.op.name if key is None else self._name_of(key)
                known[f"gradient of {name}"] = tensor

    def run(
        self,
        runner: Runner,
        feeds: Sequence[Any],
        rows: Sequence[Any],
        count: int,
        run: Callable[..., Any],
    ) -> Any:
        """Runs a fetch set: one that trains step by step, with what is to be seen."""
        shapes = tuple(a.shape for a in feeds) + tuple(a.shape[1:] for a in rows)
        if not self._is_training(runner, shapes):
            return run(runner, feeds, rows, count)
        watched, names = self._watched_runner(runner)
        results: list[Any] = []
        for i in range(count):
            fed = [*feeds, *(np.ascontiguousarray(array[i, ...]) for array in rows)]
            found = run(watched, fed, (), 1)
            results = found[: len(runner.fetches)]
            seen = dict(zip(names, found[len(runner.fetches) :], strict=True))
            seen.update(self._fed_gradients(runner, fed))
            self._note(seen, runner, shapes)
            if self.done >= self.steps:
                self.recorder.record_run(runner, fed, 1)
                self.recorder.stopped = True
                raise StopRunning
        return results

    def _is_training(self, runner: Runner, shapes: Any) -> bool:
        key = id(runner), shapes
        if key not in self._known:
            self._known[key] = self.recorder.trains(runner, shapes)
        return self._known[key]

    def _name_of(self, key: Any) -> str:
        """Returns the name of a variable; eager ones of one name are numbered."""
        name = self._names.get(key)
        if name is None:
            name = clean_text(key.name)
            taken = set(self._names.values())
            same = sum(clean_text(other.name) == name for other in self._names)
            while name in taken:
                same += 1
                name = f"{clean_text(key.name)} ({same})"
            self._names[key] = name
        return name

    def _watched_runner(self, runner: Runner) -> tuple[Runner, list[str]]:
        found = self._watched.get(runner)
        if found is None:
            extra = dict(self._gradients.get(runner.graph, {}))
            for name in self.names:
                try:
                    element = runner.graph.as_graph_element(name)
                except (KeyError, ValueError):
                    continue
                if isinstance(element, GraphTensor):
                    tensors: Sequence[GraphTensor] = (element,)
                else:
                    tensors = element.outputs[:1]
                for tensor in tensors:
                    extra[tensor.name] = tensor
                    self.unknown.discard(name)
            extra = {
                clean_text(name): tensor
                for name, tensor in list(extra.items())[:MOST_NAMES]
                if not tensor.dtype.is_string
            }
            watched = Runner(
                runner.graph,
                (*runner.fetches, *extra.values()),
                runner.targets,
                runner.feeds,
                runner.store,
                at_once=runner.at_once,
            )
            found = self._watched[runner] = watched, list(extra)
        return found

    def _fed_gradients(self, runner: Runner, fed: Sequence[Any]) -> dict[str, Any]:
        """What an eager update is fed: the gradients that a tape computed."""
        found = {}
        for tensor, array in zip(runner.feeds, fed, strict=True):
            name = tensor.op.name.rpartition("/")[2]
            if name.startswith("gradient_of_"):
                found[f"gradient of {name.removeprefix('gradient_of_')}"] = array
        return found

    def _note(self, seen: dict[str, Any], runner: Runner, shapes: Any) -> None:
        plan = runner.plan(shapes)
        for key in dict.fromkeys(plan.written):
            array = np.asarray(runner.store.read(key))
            name = self._name_of(key)
            if len(self.values) < MOST_NAMES or name in self.values:
                seen[name] = array
        for name, array in seen.items():
            array = np.asarray(array)
            if array.dtype.kind in "biufc":
                statistics = describe_values(array, self.done)
                self.values.setdefault(name, []).append(statistics)
        self.done += 1
