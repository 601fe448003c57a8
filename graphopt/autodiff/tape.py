"""`GradientTape`: writes down what runs, to differentiate it afterwards."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.autodiff.cotangents import Around, explain_unconnected, walk_cotangents
from graphopt.autodiff.gradients import (
    UnconnectedGradients,
    fill_unconnected,
    gradient_scope,
    seed_for,
    source_of,
    target_of,
)
from graphopt.graph import nest
from graphopt.graph.context import building_graph, modes
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import Site
from graphopt.graph.tensor import EagerTensor
from graphopt.ops.shaping import reshape, stack


class EagerRecord(NamedTuple):
    """An op that ran in eager mode."""

    spec: OpSpec
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    attrs: dict[str, Any]
    site: Site | None


class GradientTape:
    """Records ops in a `with` block and differentiates them.

    Args:
      persistent: Whether `gradient` may be called more than once.
      watch_accessed_variables: Whether trainable variables are watched when read.

    >>> import graphopt as tf
    >>> x = tf.Variable(3.0)
    >>> with tf.GradientTape() as tape:
    ...     y = x * x
    >>> float(tape.gradient(y, x))
    6.0

    Source: `tf.GradientTape`.
    """

    def __init__(
        self, persistent: bool = False, watch_accessed_variables: bool = True
    ) -> None:
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._records: list[Any] = []
        self._watched: set[int] = set()
        self._variables: dict[int, Any] = {}
        self._keep: list[Any] = []
        self._recording = False
        self._used = False

    @property
    def is_persistent(self) -> bool:
        """Whether `gradient` may be called more than once."""
        return self._persistent

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise ValueError("Tape is still recording, it cannot be entered again.")
        self._start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._recording:
            self._stop()

    def _start(self) -> None:
        modes.tapes = (*modes.tapes, self)
        self._recording = True

    def _stop(self) -> None:
        modes.tapes = tuple(tape for tape in modes.tapes if tape is not self)
        self._recording = False

    def watch(self, tensor: Any) -> None:
        """Makes derivatives by a tensor, or a nest of them, available.

        Raises:
          ValueError: Something in the nest is not floating-point.
        """
        for item in nest.flatten(tensor):
            source = tape_source(hooks.convert(item) if not _is_traced(item) else item)
            if not source.dtype.is_differentiable:
                raise ValueError(
                    f"Only floating-point tensors can be watched; got {item!r}."
                )
            self._watched.add(id(source))
            self._keep.append(source)
            if hasattr(item, "handle"):
                self._variables[id(source)] = item

    def record(self, record: Any) -> None:
        """Writes an op down if it depends on something watched (called by dispatch)."""
        watched = self._watched
        if any(id(tensor) in watched for tensor in record.inputs):
            self._records.append(record)
            watched.update(id(output) for output in record.outputs)

    def variable_accessed(self, variable: Any) -> None:
        """Watches a trainable variable that is read (called by variables)."""
        if self._watch_accessed and variable.trainable:
            source = variable.handle
            if id(source) not in self._variables and source.dtype.is_differentiable:
                self._watched.add(id(source))
                self._variables[id(source)] = variable

    def watched_variables(self) -> tuple[Any, ...]:
        """Returns the variables that were watched, in the order of first use."""
        return tuple(self._variables.values())

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Suspends recording for a block."""
        if not self._recording:
            raise RuntimeError("Tape is not recording.")
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forgets everything recorded."""
        self._records, self._watched, self._variables = [], set(), {}
        self._keep = []

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        """Returns the derivatives of sum(target) by each source.

        Args:
          target: Tensor or nest of tensors.
          sources: Tensor, variable, or nest of them.
          output_gradients: Cotangents of the targets; by default ones.
          unconnected_gradients: `"none"` or `"zero"`.

        Returns:
          The structure of `sources`, with None where nothing connects the two.

        Raises:
          RuntimeError: A tape that is not persistent was used before.
        """
        self._use()
        return self._gradient(target, sources, output_gradients, unconnected_gradients)

    def _use(self) -> None:
        if self._used and not self._persistent:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of "
                "gradients; use tf.GradientTape(persistent=True)."
            )
        if self._recording and not self._persistent:
            self._stop()
        self._used = True

    def _gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        graph = building_graph()
        if graph is None:
            return self._walk(
                target, sources, output_gradients, unconnected_gradients, None
            )
        # A graph's ops are named, and drawn, as what they are.
        with graph.name_scope("gradient_tape"):
            return self._walk(
                target,
                sources,
                output_gradients,
                unconnected_gradients,
                lambda record: gradient_scope(graph, record),
            )

    def _walk(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any,
        unconnected_gradients: Any,
        around: Around | None,
    ) -> Any:
        flat_targets = nest.flatten(target)
        targets = [target_of(t) for t in flat_targets]
        given = None
        if output_gradients is not None:
            nested = nest.is_nested(target)
            given = nest.flatten(output_gradients) if nested else [output_gradients]
        seeds = [
            seed_for(t, None if given is None else given[i])
            for i, t in enumerate(flat_targets)
        ]
        flat = [tape_source(s) for s in nest.flatten(sources)]
        live = [s for s in flat if id(s) in self._watched]
        found = dict(
            zip(
                map(id, live),
                walk_cotangents(
                    tuple(self._records), targets, seeds, live, around=around
                ),
                strict=False,
            )
        )
        parts = [
            fill_unconnected(found.get(id(s)), s, unconnected_gradients) for s in flat
        ]
        return nest.pack_as(sources, parts)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Returns the derivatives of each element of `target` by each source.

        Args:
          target: Tensor of a known shape.
          sources: Tensor, variable, or nest of them.
          unconnected_gradients: `"none"` or `"zero"`.
          parallel_iterations: Accepted for compatibility.
          experimental_use_pfor: Accepted for compatibility.

        Returns:
          For each source a tensor of shape `target.shape + source.shape`.

        >>> import graphopt as tf
        >>> x = tf.Variable([1.0, 2.0])
        >>> with tf.GradientTape() as tape:
        ...     y = x * x
        >>> tape.jacobian(y, x).numpy().tolist()
        [[2.0, 0.0], [0.0, 4.0]]

        Source: `tf.GradientTape.jacobian`.
        """
        self._use()
        target = hooks.convert(target)
        dims = _known_dims(target)
        size = math.prod(dims)
        flat = nest.flatten(sources)
        rows = []
        for i in range(size):
            seed = np.zeros(size, target.dtype.numpy)
            seed[i] = 1
            rows.append(
                self._gradient(target, flat, seed.reshape(dims), unconnected_gradients)
            )
        return nest.pack_as(
            sources,
            [
                _stack([row[j] for row in rows], dims, source)
                for j, source in enumerate(flat)
            ],
        )

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Returns the derivatives within each example of a batch.

        Args:
          target: `[batch, ...]`, where row i depends on row i of the source only.
          source: `[batch, ...]`.
          unconnected_gradients: `"none"` or `"zero"`.
          parallel_iterations: Accepted for compatibility.
          experimental_use_pfor: Accepted for compatibility.

        Returns:
          A tensor of shape `[batch] + target.shape[1:] + source.shape[1:]`.

        Raises:
          ValueError: The first dimensions differ.

        Source: `tf.GradientTape.batch_jacobian`.
        """
        self._use()
        target = hooks.convert(target)
        dims, from_dims = _known_dims(target), _known_dims(source)
        if not dims or not from_dims or dims[0] != from_dims[0]:
            raise ValueError(
                "Need first dimension of target shape and source shape to match; got "
                f"{target.shape} and {source.shape}."
            )
        size = math.prod(dims[1:])
        columns = []
        for i in range(size):
            seed = np.zeros((dims[0], size), target.dtype.numpy)
            seed[:, i] = 1
            columns.append(
                self._gradient(
                    target, source, seed.reshape(dims), unconnected_gradients
                )
            )
        if not columns or columns[0] is None:
            return None
        return reshape(stack(columns, 1), [*dims, *from_dims[1:]])

    def explain(self, target: Any, source: Any) -> str:
        """Says why there is no gradient: which op blocked it, and where it was made."""
        blocked = explain_unconnected(self._records, target, source_of(source))
        return blocked or "not connected: the loss was computed without it"


def tape_source(x: Any) -> Any:
    """Returns what a tape knows a tensor or variable by.

    In a traced function an eager tensor is known by what it is fed to.
    """
    source = source_of(x)
    graph = building_graph()
    if graph is None or not isinstance(source, EagerTensor):
        return source
    captured = graph.capture(source)
    return source if captured is None else captured


def _known_dims(tensor: Any) -> list[int]:
    dims = list(tensor.shape) if tensor.shape.is_fully_defined() else None
    if dims is None:
        raise NotImplementedError(f"A Jacobian of tensors of shape {tensor.shape}.")
    return [int(dim) for dim in dims]


def _stack(rows: list[Any], dims: list[int], source: Any) -> Any:
    if not rows or rows[0] is None:
        return None
    return reshape(stack(rows), [*dims, *_known_dims(source)])


def _is_traced(item: Any) -> bool:
    return hasattr(item, "handle") or hasattr(item, "op") or hasattr(item, "array")


def pullback(
    function: Any, inputs: Sequence[Any], cotangents: Sequence[Any]
) -> list[Any]:
    """Returns the cotangents of a function's inputs, zeros where nothing connects.

    Args:
      function: From tensors to a list of tensors.
      inputs: Floating-point tensors of the current mode.
      cotangents: One for each result; None counts as zero.
    """
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(list(inputs))
        results = function(*inputs)
    pairs = [
        (result, cotangent)
        for result, cotangent in zip(results, cotangents, strict=True)
        if cotangent is not None and result.dtype.is_differentiable
    ]
    found = tape.gradient(
        [result for result, _ in pairs],
        list(inputs),
        [cotangent for _, cotangent in pairs],
        unconnected_gradients=UnconnectedGradients.ZERO,
    )
    return list(found)


hooks.pullback = pullback
