"""Eager updates as one compiled step: all variables and slots in one native call.

Op by op, Adam on 400 variables is 5,000 calls of NumPy and as many temporaries, and an
error in the middle leaves half of them updated. So `apply_gradients` traces the update
once for a set of variables, as a graph would hold it, and then runs the compiled step
with the gradients as feeds: nothing is allocated, and all variables change or none.

What is Python in an update stays Python. Callable hyperparameters and schedules that are
not graphopt's own are called in each step and their values fed; so do gradient
transformers that are the user's functions run before the step. Where somebody else's code is in the update itself, a subclass or a
constraint, the update runs op by op as it is written.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt import dtypes
from graphopt.config import settings
from graphopt.graph.context import entered, modes
from graphopt.graph.effects import has_side_effect
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.tensor import EagerTensor
from graphopt.keras.optimizers.schedules import LearningRateSchedule
from graphopt.keras.optimizers.steps import aggregate_and_apply
from graphopt.keras.optimizers.transformers import Transformer
from graphopt.ops.creation import placeholder
from graphopt.ops.elementwise import cast
from graphopt.parallel.aggregation import Aggregation, step_rows
from graphopt.runtime.concrete_function import FunctionGraph
from graphopt.runtime.keys import PLAIN, key_of_state
from graphopt.runtime.names import name_scope
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import EAGER_STORE
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer
    from graphopt.keras.optimizers.checks import GradsAndVars

_TRACES_KEPT = 64
_KEYS_COUNTED = 256


class CompiledUpdates:
    """The traced updates of one optimizer, by what they are for."""

    def __init__(self) -> None:
        self._traces: OrderedDict[Any, _Trace] = OrderedDict()
        self._runs: dict[Any, int] = {}

    def run(
        self,
        optimizer: Optimizer,
        pairs: GradsAndVars,
        name: str,
        aggregation: Aggregation | None = None,
    ) -> bool:
        """Updates variables if that is to be a compiled step.

        Args:
          optimizer: Its slots are made.
          pairs: Checked pairs, of this process.
          name: Scope of the ops.
          aggregation: What becomes of the gradients of several ranks.

        Returns:
          Whether it did; False where the update has to run op by op.
        """
        if not _can_trace(optimizer, pairs, aggregation):
            return False
        key = (_key_of(optimizer, pairs), aggregation)
        trace = self._traces.get(key)
        if trace is None:
            runs = self._runs.pop(key, 0) + 1
            self._runs[key] = runs
            if len(self._runs) > _KEYS_COUNTED:
                del self._runs[next(iter(self._runs))]
            if runs <= settings.interpreted_runs(writes_state=True):
                return False
            trace = self._traces[key] = _Trace(optimizer, pairs, name, aggregation)
            while len(self._traces) > _TRACES_KEPT:
                self._traces.popitem(last=False)
        self._traces.move_to_end(key)
        trace.run(optimizer, pairs)
        return True


def _is_ours(thing: Any) -> bool:
    kind = thing if isinstance(thing, type) else type(thing)
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def _has_python_transformers(optimizer: Optimizer) -> bool:
    chain = (t for part in optimizer._parts() for t in part.gradient_transformers)
    return not all(isinstance(each, Transformer) for each in chain)


def _can_trace(
    optimizer: Optimizer, pairs: GradsAndVars, aggregation: Aggregation | None
) -> bool:
    if step_rows() is not None:
        # How many there are changes from step to step, and is no feed of this one.
        return False
    if _has_python_transformers(optimizer) and (
        aggregation is not None
        or optimizer.gradient_accumulation_steps
        or optimizer.on_nonfinite
        or optimizer._get_option("loss_scale_factor") is not None
        or len(optimizer._parts()) > 1
    ):
        # These come first.
        return False
    return all(_is_ours(part) for part in optimizer._parts()) and all(
        isinstance(grad, (EagerTensor, IndexedSlices))
        and (var.constraint is None or _is_ours(var.constraint))
        for grad, var in pairs
    )


def _selections_of(optimizer: Optimizer) -> list[Any]:
    """What else the trace depends on, which is known by its identity."""
    found: list[Any] = []
    for part in optimizer._parts():
        found += [*part._not_decayed, *part.gradient_transformers]
        found += [each for pair in part.learning_rate_factors for each in pair]
    return found


# What a step reads anew each time, or what never changes.
_READ_IN_STEPS = (Variable, EagerTensor)


def _key_of(optimizer: Optimizer, pairs: GradsAndVars) -> Any:
    """Everything that a trace takes for granted."""
    options = tuple(
        (name, value, type(value))
        for part in optimizer._parts()
        for name, value in vars(part).items()
        if isinstance(value, PLAIN)
    )
    hyper = tuple(
        (name, id(value) if type(value) in _READ_IN_STEPS else key_of_state(value))
        for name, value in optimizer._hyper.items()
    )
    return (
        options,
        hyper,
        tuple(
            (
                id(var.key),
                _kind_of(grad),
                None if var.constraint is None else key_of_state(var.constraint),
            )
            for grad, var in pairs
        ),
        tuple(id(each) for each in _selections_of(optimizer)),
    )


def _kind_of(grad: Any) -> Any:
    """What the step has to know of a gradient, besides its values."""
    if isinstance(grad, IndexedSlices):
        return (id(grad.dtype), id(grad.indices.dtype))
    return id(grad.dtype)


def _is_evaluated(value: Any) -> bool:
    """Whether a hyperparameter is Python that runs in every step."""
    if isinstance(value, LearningRateSchedule):
        return not _is_ours(value)
    return callable(value) and not isinstance(value, Variable)


class _Trace:
    """One update as a graph on the eager variables."""

    def __init__(
        self,
        optimizer: Optimizer,
        pairs: GradsAndVars,
        name: str,
        aggregation: Aggregation | None,
    ) -> None:
        hyper = optimizer._hyper
        # What the key knows by its identity has to live as long as the trace.
        self.keep = (
            dict(hyper),
            [(var.key, var.constraint) for _, var in pairs],
            _selections_of(optimizer),
        )
        self.transforms_first = _has_python_transformers(optimizer)
        self.evaluated = [name for name, v in hyper.items() if _is_evaluated(v)]
        self.variables = [var for _, var in pairs]
        graph = FunctionGraph("apply_gradients")
        # What is not a gradient and not a variable does not change.
        graph.may_capture = False
        tapes, modes.tapes = modes.tapes, ()
        try:
            with entered(graph), name_scope(optimizer._name):
                # float64 holds every Python number; it is cast to what is trained.
                rates = [placeholder(dtypes.float64, []) for _ in self.evaluated]
                hyper.update(zip(self.evaluated, rates, strict=True))
                feeds, symbolic = self._placeholders(pairs)
                transforms = not self.transforms_first
                aggregate_and_apply(optimizer, symbolic, name, aggregation, transforms)
        finally:
            modes.tapes = tapes
            hyper.update(self.keep[0])
        targets = tuple(op for op in graph.operations if has_side_effect(op))
        self.runner = Runner(
            graph, (), targets, (*rates, *feeds), EAGER_STORE, at_once=True
        )

    @staticmethod
    def _placeholders(pairs: GradsAndVars) -> tuple[list[Any], GradsAndVars]:
        """Returns what is fed, and the pairs made of it."""
        feeds: list[Any] = []
        symbolic: GradsAndVars = []
        for grad, var in pairs:
            name = f"gradient_of_{var.key.name.rpartition('/')[2]}"
            if isinstance(grad, IndexedSlices):
                shape = [None, *grad.values.shape[1:]]
                values = placeholder(grad.dtype, shape, name=name)
                indices = placeholder(grad.indices.dtype, [None], name=f"rows_{name}")
                feeds += [values, indices]
                made: Any = IndexedSlices(values, indices, var.shape)
            else:
                made = placeholder(grad.dtype, var.shape, name=name)
                feeds.append(made)
            symbolic.append((made, var))
        return feeds, symbolic

    def run(self, optimizer: Optimizer, pairs: GradsAndVars) -> None:
        """Runs the step on gradients."""
        if self.transforms_first:
            pairs = optimizer._transform_gradients(pairs)
        arrays = [self._evaluate(optimizer, name) for name in self.evaluated]
        for grad, _ in pairs:
            if isinstance(grad, IndexedSlices):
                arrays += [grad.values.array, grad.indices.array]
            else:
                arrays.append(grad.array)
        self.runner.run([a if a.flags.c_contiguous else a.copy("C") for a in arrays])

    def _evaluate(self, optimizer: Optimizer, name: str) -> Any:
        function: Callable[..., Any] = optimizer._hyper[name]
        if isinstance(function, LearningRateSchedule):
            wide = any(var.dtype is dtypes.float64 for var in self.variables)
            dtype = dtypes.float64 if wide else dtypes.float32
            value = function(cast(optimizer._step(), dtype))
        else:
            value = function()
        return np.asarray(hooks.convert(value).array, np.float64)
