"""`Steps`: a function of a batch, traced for the kinds of batches that come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph import nest
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import EagerTensor
from graphopt.keras.training.data import without_none
from graphopt.runtime.concrete_function import ConcreteFunction
from graphopt.runtime.function import Call
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import EAGER_STORE

Array = NDArray[Any]


class Trace:
    """One trace of a step.

    Attributes:
      shapes: What it takes, None where a size is open.
    """

    def __init__(self, concrete: ConcreteFunction) -> None:
        self.concrete = concrete
        self.shapes = concrete.shapes
        arrays = [tensor.array for tensor in concrete.captured]
        self._captured = [np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
        places = [place for _, place in concrete.graph.captures.values()]
        # The captures first: what is fed the same in all steps comes before rows.
        self._feeds = (*places, *concrete.inputs)
        self._runners: dict[bool, Runner] = {}

    def _runner(self, results: bool) -> Runner:
        found = self._runners.get(results)
        if found is None:
            concrete = self.concrete
            found = self._runners[results] = Runner(
                concrete.graph,
                tuple(concrete.outputs) if results else (),
                concrete.targets,
                self._feeds,
                EAGER_STORE,
                at_once=True,
            )
        return found

    def takes(self, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Returns whether it takes arrays of these shapes."""
        return all(
            have.is_compatible_with(shape)
            for have, shape in zip(self.shapes, shapes, strict=True)
        )

    def run(self, arrays: Sequence[Array], results: bool = True) -> Any:
        """Runs one step; returns what the function returned, as arrays."""
        found = self._runner(results).run([*self._captured, *arrays])
        return self._packed(found) if results else None

    def run_many(self, rows: Sequence[Array], count: int, results: bool) -> Any:
        """Runs a step for each row of arrays `[count, ...]`, in native code.

        Returns:
          What the last step returned, if `results`.
        """
        found = self._runner(results).run_steps(self._captured, count, rows)
        return self._packed(found) if results else None

    def _packed(self, arrays: Sequence[Array]) -> Any:
        return nest.map_structure(
            lambda place: None if place is None else arrays[place],
            self.concrete.structured_outputs,
        )


class Steps:
    """A function of a batch.

    Args:
      function: Takes a nest of tensors, returns a nest of them.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._traces: dict[Any, list[Trace]] = {}
        self._is_traced = False

    def list_traces(self) -> list[Trace]:
        """Returns the traces, in the order in which they were made."""
        return [trace for traces in self._traces.values() for trace in traces]

    def find(
        self,
        data: Any,
        arrays: Sequence[Array],
        open_shapes: Sequence[TensorShape] | None = None,
    ) -> Trace:
        """Returns a trace for a batch.

        Args:
          data: The nest, of anything.
          arrays: Its leaves.
          open_shapes: What shapes batches may have; by default only the batch's size is
            open.
        """
        key = (
            _outline(data),
            tuple((array.dtype.str, array.ndim) for array in arrays),
        )
        shapes = [array.shape for array in arrays]
        traces = self._traces.setdefault(key, [])
        for trace in traces:
            if trace.takes(shapes):
                return trace
        wide = open_shapes if not traces else None
        if wide is None:
            wide = [_open(shape, traces, i) for i, shape in enumerate(shapes)]
        made = self._trace(data, arrays, wide)
        traces.append(made)
        return made

    def _trace(
        self, data: Any, arrays: Sequence[Array], wide: Sequence[TensorShape]
    ) -> Trace:
        exact = [TensorShape(array.shape) for array in arrays]
        leaves = [EagerTensor(to_array(array)) for array in arrays]
        call = Call(((without_none(data, leaves),), {}))

        def trace(shapes: Sequence[TensorShape], is_relaxed: bool) -> ConcreteFunction:
            may_create = not self._is_traced
            made = ConcreteFunction(
                self._function,
                call,
                shapes,
                may_create=may_create,
                is_relaxed=is_relaxed,
            )
            self._is_traced = True
            if made.graph.created:
                return trace(shapes, is_relaxed)
            return made

        try:
            made = trace(wide, True)
        except Exception:
            # What is wrong with the function, the trace for these shapes will say; what
            # needs the batch's size works there.
            return Trace(trace(exact, False))
        return Trace(trace(exact, False) if made.graph.questions else made)


def _open(shape: tuple[int, ...], traces: Sequence[Trace], index: int) -> TensorShape:
    """Returns a shape, open in the batch's size and where an earlier trace differs."""
    dims: list[int | None] = list(shape)
    if dims:
        dims[0] = None
    for trace in traces:
        for axis, dim in enumerate(trace.shapes[index]):
            if dim != shape[axis]:
                dims[axis] = None
    return TensorShape(dims)


def _outline(structure: Any) -> Any:
    if isinstance(structure, dict):
        return tuple((k, _outline(v)) for k, v in sorted(structure.items()))
    if isinstance(structure, (list, tuple)):
        return (type(structure).__name__, tuple(map(_outline, structure)))
    return structure is None
