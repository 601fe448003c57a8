"""Steps in a graph of TensorFlow 1: ops that are added once and run in Keras's session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph import nest
from graphopt.graph.context import get_default_graph
from graphopt.graph.effects import has_side_effect
from graphopt.graph.graph import Operation
from graphopt.graph.tensor import EagerTensor, GraphTensor
from graphopt.keras import backend
from graphopt.keras.training.data import Piece, without_none
from graphopt.ops.creation import placeholder
from graphopt.ops.state import ASSIGN
from graphopt.runtime.runner import Runner


class GraphSteps:
    """A function of a batch, whose ops are added to the default graph.

    Args:
      function: Takes a nest of tensors, returns a nest of them.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._made: dict[Any, _Added] = {}

    def run(self, piece: Piece, results: bool) -> Any:
        """Runs the steps of a piece; returns what the last one returned, as arrays."""
        key = tuple((rows.dtype.str, rows.shape[2:]) for rows in piece.rows)
        added = self._made.get(key)
        if added is None:
            added = self._made[key] = _Added(self._function, piece)
        return added.run(piece, results)


class _Added:
    """The ops of a step."""

    def __init__(self, function: Callable[[Any], Any], piece: Piece) -> None:
        graph = get_default_graph()
        before = set(graph.operations)
        self._inputs = [
            placeholder(EagerTensor(rows[0, ...]).dtype, [None, *rows.shape[2:]])
            for rows in piece.rows
        ]
        found = function(without_none(piece.data, self._inputs))
        self._structure = found
        leaves = nest.flatten(found)
        self._outputs = [x for x in leaves if isinstance(x, GraphTensor)]
        added = [op for op in graph.operations if op not in before]
        self._targets = tuple(op for op in added if _is_step(op))
        # Variables that the step made, as slots, get their values here.
        self._session = backend.get_session()
        self._runners: dict[bool, Runner] = {}

    def run(self, piece: Piece, results: bool) -> Any:
        runner = self._runners.get(results)
        if runner is None:
            runner = self._runners[results] = Runner(
                get_default_graph(),
                tuple(self._outputs) if results else (),
                self._targets,
                tuple(self._inputs),
                self._session.store,
                at_once=True,
            )
        found = runner.run_steps((), piece.steps, piece.rows)
        if not results:
            return None
        values = dict(zip(map(id, self._outputs), found, strict=True))
        return nest.map_structure(lambda x: values.get(id(x), x), self._structure)


def _is_step(op: Operation) -> bool:
    """Whether an op is something that a step does, rather than an initial value."""
    if op.spec is ASSIGN and op.attrs.get("initializer"):
        return False
    return has_side_effect(op)


def fetch_results(model: Any) -> dict[str, Any]:
    """Returns the results of a model's metrics, as arrays."""
    key = tuple(map(id, model.metrics))
    training = model._training
    if training.results is None or training.results[0] != key:
        training.results = (key, model.get_metrics_result())
    found: dict[str, Any] = backend.get_session().run(training.results[1])
    return found
