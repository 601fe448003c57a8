"""Ops that take from the world outside of a graph, or give to it: iterators and queues.

They may wait for other threads, so they never run inside of a step, which holds the lock
of its session. What takes (`TAKES`) runs before the step, and what it took is fed; what
gives (`GIVES`) runs after the step, and what it gives is fetched. So the step itself is
what it would be with a `feed_dict`: native code that nothing cuts. Inside of branches and
loops, which decide while they run, such an op runs on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call_all
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.outside import MARK, current
from graphopt.graph.shape import UNKNOWN, TensorShape


def _infer(*_inputs: Any, types: Any, shapes: Any = None, **_: Any) -> Any:
    found = [UNKNOWN] * len(types) if shapes is None else shapes
    return list(zip(found, types, strict=True))


def _compute(
    *arrays: Any, handler: Callable[..., Sequence[Any]], types: Any, **_: Any
) -> Any:
    results = tuple(handler(current.store, *arrays))
    return results[0] if len(types) == 1 else results


def _ones(_store: Any) -> tuple[Any, ...]:
    return (np.ones(2),)


def register_outside(name: str, when: str, reason: str) -> OpSpec:
    """Registers an op of the outside world.

    Args:
      name: The type, as TensorFlow spells it.
      when: `"before"` or `"after"` the step.
      reason: Why it runs on the host.
    """
    attrs = {"handler": _ones, "types": (dtypes.float64,), "shapes": None}
    return register(
        OpSpec(
            name,
            _infer,
            _compute,
            NOT_DIFFERENTIABLE,
            Host(reason),
            lambda: [Sample((), attrs)],
            types=("any",),
            effect=Effect.HOST,
            outputs=-1,
            outside=when,
            strings=True,
        )
    )


def add_outside(
    spec: OpSpec,
    handler: Callable[..., Sequence[Any]],
    inputs: Sequence[Any] = (),
    types: Sequence[Any] = (),
    shapes: Sequence[Any] | None = None,
    *,
    peek: Callable[..., Sequence[Any]] | None = None,
    name: str | None = None,
) -> Any:
    """Adds an op of the outside world to the current graph.

    Args:
      spec: What `register_outside` returned.
      handler: Takes the store of the run and an array for each input, returns an array
        for each output.
      inputs: Tensors.
      types: The dtypes of the outputs.
      shapes: Their shapes, as far as they are known.
      peek: As `handler`, but takes nothing away; for those who ask what a step would do.
      name: Name of the op.

    Returns:
      A tuple of tensors; the operation if it has no outputs.
    """
    graph = building_graph()
    assert graph is not None
    graph.attachments[MARK] = True
    known = None if shapes is None else tuple(map(TensorShape, shapes))
    outputs = call_all(
        spec,
        *inputs,
        name=name,
        handler=handler,
        types=tuple(types),
        shapes=known,
        peek=peek,
    )
    return tuple(outputs) if types else graph.operations[-1]


_OUTSIDE = "it is about what lies outside of the graph"
GET_NEXT = register_outside("IteratorGetNext", "before", _OUTSIDE)
HAS_NEXT = register_outside("IteratorHasNext", "before", _OUTSIDE)
MAKE_ITERATOR = register_outside("MakeIterator", "after", _OUTSIDE)
START_ITERATOR = register_outside("AnonymousIteratorV3", "before", _OUTSIDE)
REDUCE = register_outside("ReduceDataset", "before", _OUTSIDE)
STRING_HANDLE = register_outside("IteratorToStringHandle", "before", _OUTSIDE)
DEQUEUE = register_outside("QueueDequeueV2", "before", _OUTSIDE)
ENQUEUE = register_outside("QueueEnqueueV2", "after", _OUTSIDE)
CLOSE = register_outside("QueueCloseV2", "after", _OUTSIDE)
SIZE = register_outside("QueueSizeV2", "before", _OUTSIDE)
READ = register_outside("ReaderReadV2", "before", _OUTSIDE)
RESET = register_outside("ReaderResetV2", "after", _OUTSIDE)
