"""The cotangent walk: one function for graphs and tapes, for every order.

It sees a list of records, each with `spec`, `inputs`, `outputs` and `attrs`: the
operations of a graph, or what a tape wrote down in eager mode. Cotangents are computed
with public ops, so in a graph the walk builds ops and in eager mode it computes, and
its result can be differentiated again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from graphopt.dtypes import int64
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.opspec import OpSpec
from graphopt.ops.elementwise import add, cast
from graphopt.ops.reduction import sum_like
from graphopt.ops.scatter import tensor_scatter_nd_add
from graphopt.ops.shaping import STOP_GRADIENT, concat, expand_dims


class Record(Protocol):
    """An op that was built or run."""

    @property
    def spec(self) -> OpSpec:
        """The kind of op."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs."""

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The outputs."""

    @property
    def attrs(self) -> dict[str, Any]:
        """The static attributes."""


# Called for each record with its inputs: (record) -> context manager, to name scopes.
Around = Callable[[Any], Any]


def walk_cotangents(
    records: Sequence[Record],
    targets: Sequence[Any],
    seeds: Sequence[Any],
    sources: Sequence[Any],
    stops: Iterable[Any] = (),
    around: Around | None = None,
) -> list[Any]:
    """Returns the cotangent of each source, None where no path leads there.

    Args:
      records: In the order in which they ran.
      targets: The tensors to differentiate.
      seeds: Their cotangents.
      sources: The tensors to differentiate by.
      stops: Tensors taken as constants: they have cotangents, what they are made of
        has none through them.
      around: Makes a context manager for what a record's rule builds.
    """
    active = _reachable(records, sources)
    stopped = {id(stop) for stop in stops}
    cotangents: dict[int, Any] = {}
    for target, seed in zip(targets, seeds, strict=True):
        _accumulate(cotangents, target, seed)
    for record in reversed(records):
        outputs = record.outputs
        if not any(id(output) in cotangents for output in outputs):
            continue
        if not any(id(tensor) in active for tensor in record.inputs):
            continue
        if not callable(record.spec.vjp):
            continue
        if stopped and all(
            id(output) in stopped or id(output) not in cotangents for output in outputs
        ):
            continue
        with around(record) if around is not None else contextlib.nullcontext():
            parts = _apply_rule(record, cotangents, stopped)
            for tensor, part in zip(record.inputs, parts, strict=True):
                if part is None or id(tensor) not in active:
                    continue
                if tensor.dtype.is_differentiable:
                    _accumulate(cotangents, tensor, _shaped_like(part, tensor))
    found = [cotangents.get(id(source)) for source in sources]
    if hooks.on_gradients is not None:
        hooks.on_gradients(targets, sources, found)
    return found


def _apply_rule(
    record: Record, cotangents: dict[int, Any], stopped: set[int]
) -> tuple[Any, ...]:
    given = tuple(
        None if id(output) in stopped else cotangents.get(id(output))
        for output in record.outputs
    )
    if not record.spec.takes_slices:
        given = tuple(
            hooks.convert(g) if isinstance(g, IndexedSlices) else g for g in given
        )
    one = len(record.outputs) == 1
    conjugates = record.spec.holomorphic and _is_complex(record)
    if conjugates:
        # The cotangent is conjugate: of f it is g times the conjugate of f'.
        given = tuple(_conjugate(g) for g in given)
    parts: tuple[Any, ...] = record.spec.vjp(  # type: ignore[operator]
        given[0] if one else given,
        record.outputs[0] if one else record.outputs,
        *record.inputs,
        **record.attrs,
    )
    return tuple(_conjugate(part) for part in parts) if conjugates else parts


def _is_complex(record: Record) -> bool:
    return any(t.dtype.is_complex for t in (*record.inputs, *record.outputs))


def _conjugate(part: Any) -> Any:
    if part is None or not part.dtype.is_complex:
        return part
    if isinstance(part, IndexedSlices):
        return part.with_values(_conjugate(part.values))
    return hooks.operators["conj"](part)


def _shaped_like(part: Any, tensor: Any) -> Any:
    if isinstance(part, IndexedSlices):
        return part
    if part.shape == tensor.shape and part.shape.is_fully_defined():
        return part
    return sum_like(part, tensor)


def _accumulate(cotangents: dict[int, Any], tensor: Any, part: Any) -> None:
    before = cotangents.get(id(tensor))
    if before is None:
        cotangents[id(tensor)] = part
    elif isinstance(before, IndexedSlices) and isinstance(part, IndexedSlices):
        cotangents[id(tensor)] = _add_slices(before, part)
    else:
        cotangents[id(tensor)] = add_cotangents(before, part)


def add_cotangents(a: Any, b: Any) -> Any:
    """The sum of cotangents, of which one may be sparse: its rows are added alone."""
    if isinstance(a, IndexedSlices):
        a, b = b, a
    if not isinstance(b, IndexedSlices):
        return add(a, b)
    return tensor_scatter_nd_add(a, expand_dims(b.indices, -1), b.values)


hooks.operators["add_cotangents"] = add_cotangents


def _add_slices(a: IndexedSlices, b: IndexedSlices) -> IndexedSlices:
    """The sum of sparse cotangents: the rows of both, one after the other."""
    indices = [a.indices, b.indices]
    if a.indices.dtype is not b.indices.dtype:
        indices = [cast(i, int64) for i in indices]
    values = concat([a.values, b.values], 0)
    return a.with_rows(values, concat(indices, 0))


def _reachable(records: Sequence[Record], sources: Sequence[Any]) -> set[int]:
    """The tensors that depend on a source, by id, the sources included."""
    active = {id(source) for source in sources}
    for record in records:
        if any(id(tensor) in active for tensor in record.inputs):
            active.update(id(output) for output in record.outputs)
    return active


def explain_unconnected(
    records: Sequence[Record], target: Any, source: Any
) -> str | None:
    """Says which op keeps a gradient from flowing from `target` to `source`.

    Returns:
      A sentence fragment with the op and the user's line, or None if no path of ops
      leads from one to the other at all.
    """
    downstream = _reachable(records, [source])
    if id(target) not in downstream:
        return None
    wanted = {id(target)}
    for record in reversed(records):
        if not any(id(output) in wanted for output in record.outputs):
            continue
        inputs = [t for t in record.inputs if id(t) in downstream]
        passing = [t for t in inputs if t.dtype.is_differentiable]
        blocked = record.spec is STOP_GRADIENT or not callable(record.spec.vjp)
        if inputs and (
            blocked or not passing or not record.outputs[0].dtype.is_differentiable
        ):
            site = getattr(record, "site", None)
            name = getattr(record, "name", record.spec.name)
            return f"blocked by {name!r} ({record.spec.name}), created at {site}"
        wanted.update(id(t) for t in inputs)
    return None
