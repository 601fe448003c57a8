"""What a run does before its step and after it: elements of data sets, queues.

Such ops may wait for another thread, which may need the session itself, so none of them
holds its lock. What they take is fed to the step and what they give is fetched from it, so
no step is cut for them, and sizes that only the data know are those of a feed: part of the
key of a plan.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import OpError, fail, locate
from graphopt.graph.body import Body
from graphopt.graph.effects import has_side_effect
from graphopt.graph.graph import Operation
from graphopt.graph.outside import current, using
from graphopt.graph.strings import blank
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST
from graphopt.runtime.store import VariableStore

Array = NDArray[Any]


class Outside:
    """The ops about the world outside of the graph that a fetch set needs.

    Args:
      takes: Those before the step, in the order in which they were made.
      gives: Those after it.
      feeds: What the caller feeds.
      make_runner: Makes the runner of some fetches with some feeds.
      targets: The targets of the fetch set.

    Attributes:
      taken: The tensors that are fed to the step besides.
      given: The tensors that are fetched from it besides.
      targets: The operations that the step has to run.
    """

    def __init__(
        self,
        takes: Sequence[Operation],
        gives: Sequence[Operation],
        feeds: Sequence[GraphTensor],
        make_runner: Callable[..., Any],
        targets: Sequence[Operation],
    ) -> None:
        self.takes, self.gives, self.feeds = takes, gives, tuple(feeds)
        fed = set(feeds)
        self.taken = tuple(t for op in takes for t in op.outputs if t not in fed)
        self.given = tuple(t for op in gives for t in op.inputs)
        waited = [c for op in (*takes, *gives) for c in op.control_inputs]
        self.targets = tuple(
            dict.fromkeys(op for op in (*targets, *waited) if not op.spec.outside)
        )
        self._make_runner = make_runner
        self._runners: dict[Operation, Any] = {}

    def take(
        self, feeds: Sequence[Array], store: Any, *, peek: bool = False
    ) -> list[Array]:
        """Takes what the step is fed besides.

        Args:
          feeds: What the caller feeds.
          store: The variables of the run.
          peek: Whether to leave everything where it is.
        """
        values = dict(zip(self.feeds, feeds, strict=True))
        with using(store):
            for op in self.takes:
                arrays = self._inputs_of(op, values)
                handler = op.attrs["handler"]
                if peek:
                    handler = op.attrs["peek"] or _patterns_of(op) or handler
                for tensor, array in zip(
                    op.outputs, _call(op, handler, store, arrays), strict=True
                ):
                    values.setdefault(tensor, array)
        return [values[tensor] for tensor in self.taken]

    def give(self, arrays: Sequence[Array], store: Any) -> None:
        """Gives what was fetched from the step to those whose it is."""
        rest = list(arrays)
        with using(store):
            for op in self.gives:
                count = len(op.inputs)
                _call(op, op.attrs["handler"], store, rest[:count])
                del rest[:count]

    def _inputs_of(self, op: Operation, values: dict[GraphTensor, Array]) -> list[Any]:
        for tensor in op.inputs:
            if tensor.op.spec is CONST:
                values.setdefault(tensor, tensor.op.attrs["value"])
        if all(tensor in values for tensor in op.inputs):
            return [values[tensor] for tensor in op.inputs]
        known = [tensor for tensor in values if tensor.op.spec is not CONST]
        runner = self._runners.get(op)
        if runner is None:
            runner = self._make_runner(op.inputs, known)
            self._runners[op] = runner
        return list(runner.run([values[tensor] for tensor in known]))


def _call(
    op: Operation, handler: Callable[..., Any], store: Any, arrays: Sequence[Array]
) -> list[Array]:
    try:
        results = list(handler(store, *arrays))
    except OpError as error:
        raise locate(error, op) from error.__cause__
    return [
        a if isinstance(a, np.ndarray) and a.flags.c_contiguous else _contiguous(a)
        for a in results
    ]


def _patterns_of(op: Operation) -> Callable[..., Any] | None:
    """Returns what gives zeros of the shapes that an op will give, if they are known."""
    if not all(tensor.shape.is_fully_defined() for tensor in op.outputs):
        return None
    return lambda *_: [blank(t.shape, t.dtype.numpy) for t in op.outputs]


def _contiguous(value: Any) -> Array:
    array = np.asarray(value)
    return np.ascontiguousarray(array).reshape(array.shape)


def find_outside(
    fetches: Sequence[GraphTensor],
    targets: Sequence[Operation],
    feeds: Sequence[GraphTensor],
    make_runner: Callable[..., Any],
) -> Outside | None:
    """Returns the ops about the outside world that a fetch set needs; None if none.

    Args:
      fetches, targets, feeds: Of the fetch set.
      make_runner: Makes the runner of some fetches with some feeds.

    Raises:
      NotImplementedError: One of them takes what another one gives in the same run.
    """
    fed = set(feeds)
    found = _upstream([*targets, *(t.op for t in fetches if t not in fed)], fed)
    ops = sorted((op for op in found if op.spec.outside), key=lambda op: op.index)
    if not ops:
        return None
    takes = [op for op in ops if op.spec.outside == "before"]
    gives = [op for op in ops if op.spec.outside == "after"]
    for op in takes if gives else ():
        behind = _upstream([op], fed)
        first = next((give for give in gives if give in behind), None)
        if first is not None:
            raise fail(
                NotImplementedError,
                f"{op.type} waits for {first.name!r} ({first.type}) of the same run, "
                "which is done when the step is over",
                op=op,
                remedy="two runs: first one, then the other",
            )
    return Outside(takes, gives, feeds, make_runner, targets)


def _upstream(stack: list[Operation], fed: set[GraphTensor]) -> set[Operation]:
    seen: set[Operation] = set()
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        stack += [tensor.op for tensor in op.inputs if tensor not in fed]
        stack += op.control_inputs
    return seen


# What runs the bodies that take from outside, as long as there are these bodies.
_runners: weakref.WeakKeyDictionary[Body, Any] = weakref.WeakKeyDictionary()


def run_body(body: Body, arrays: Sequence[Array]) -> list[Array]:
    """Runs a body as a compiled step that is fed what it takes.

    A body is a function of its inputs, variables included, so it needs no variables of
    the run that it is part of.

    Args:
      body: A branch, or a round of a loop.
      arrays: Its inputs.
    """
    # The runner loads this module when it needs it.
    from graphopt.runtime.runner import Runner

    runner = _runners.get(body)
    if runner is None:
        effects = [op for op in body.operations if has_side_effect(op)]
        runner = Runner(
            body.graph,
            body.outputs,
            tuple(op for op in effects if not op.spec.outside),
            body.inputs,
            VariableStore(),
            at_once=True,
        )
        _runners[body] = runner
    given = [np.ascontiguousarray(a).reshape(np.shape(a)) for a in arrays]
    taken: list[Array] = []
    if runner.outside is not None:
        taken = runner.outside.take(given, current.store)
    results: list[Array] = runner.run_prepared([*given, *taken])
    return results
