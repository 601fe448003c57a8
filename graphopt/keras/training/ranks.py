"""`fit` on several ranks, or with several parts of a batch on one: whose rows are whose.

A batch is the batch of all ranks together. Of arrays, data sets and `Sequence`s each rank
takes its rows of every batch, so all take as many steps. Generators, and data sets that
are a rank's own, may end earlier on one rank than on another: it goes on with steps that
count nothing until all are done.

A rank without rows runs the step on an example that stands for them, so that all ranks
exchange the same values; its gradients count as zero, and what the step does to metrics
and other variables is taken back.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import fail
from graphopt.graph.context import entered
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.training.adapters import make_data
from graphopt.keras.training.data import ArrayData, BatchData, Piece
from graphopt.ops.elementwise import add
from graphopt.parallel.aggregation import Collection, collecting, rows_of_step
from graphopt.parallel.data import part_of
from graphopt.parallel.strategy import (
    ReplicaContext,
    Strategy,
    entered_as,
)
from graphopt.parallel.values import reduce_over_ranks

Array = NDArray[Any]


class RankPiece(NamedTuple):
    """The part of a `Piece` that is a rank's.

    Attributes:
      steps: How many batches.
      data: For each part of a batch the number of its rows and the nest of what
        `train_step` takes; None for parts without rows.
      rows: Its leaves.
      shapes: What shapes they may have, or None.
      plain: The rows of this rank, whatever their parts, as a piece.
      counts_for: How many rows of all these are examples; 0 if they only stand for some.
    """

    steps: int
    data: Any
    rows: list[Array]
    shapes: Sequence[TensorShape] | None
    plain: Piece
    counts_for: int


def takes_part(strategy: Strategy | None) -> bool:
    """Returns whether training is another thing with a strategy than without."""
    return strategy is not None and (
        strategy.communicator is not None or strategy.local_parts > 1
    )


class RankData:
    """The part of some data that is a rank's.

    Args:
      data: The data of all ranks, or of this one.
      strategy: Of which ranks.
      is_shared: Whether it is that of all.
    """

    def __init__(
        self, data: ArrayData | BatchData, strategy: Strategy, is_shared: bool
    ) -> None:
        self._data, self.strategy, self._is_shared = data, strategy, is_shared
        self.steps = data.steps

    @property
    def ran_out(self) -> bool:
        """Whether there were fewer batches than were asked for."""
        return bool(getattr(self._data, "ran_out", False))

    def epoch(
        self, number: int, one_by_one: bool = False, skip: int = 0
    ) -> Iterator[RankPiece]:
        """Yields the steps of an epoch, as many on each rank."""
        pieces = self._data.epoch(number, one_by_one, skip)
        if self._is_shared:
            for piece in pieces:
                yield self._cut(piece)
        else:
            yield from self._together(pieces)

    def own_pieces(self, number: int) -> Iterator[Piece | None]:
        """Yields the rows of each batch that are this rank's, None where it has none."""
        for piece in self._data.epoch(number, one_by_one=True):
            found, has_rows = piece, bool(piece.rows[0].shape[1])
            if self._is_shared:
                own = self._cut(piece)
                found, has_rows = own.plain, bool(own.counts_for)
            rows = [np.ascontiguousarray(leaf) for leaf in found.rows]
            yield found._replace(rows=rows) if has_rows else None

    def _cut(self, piece: Piece) -> RankPiece:
        """Takes the rows of this rank of batches of all."""
        strategy = self.strategy
        size = piece.rows[0].shape[1]
        parts = strategy.local_parts
        first = strategy.rank * parts
        total = strategy.size * parts
        bounds = [part_of(size, first + i, total) for i in range(parts)]
        return _assemble(piece, bounds)

    def _together(self, pieces: Iterator[Piece]) -> Iterator[RankPiece]:
        """Takes a step as long as any rank has a batch."""
        communicator = self.strategy.communicator
        parts = self.strategy.local_parts
        last: Piece | None = None
        while True:
            piece = next(pieces, None)
            has = int(piece is not None)
            if communicator is not None:
                flags = communicator.all_reduce(np.array([has, -has], np.int64), "max")
                some, all_have = bool(flags[0]), flags[1] == -1
                if some and not all_have and last is None:
                    # It has not seen yet what a batch looks like.
                    seen = communicator.gather_objects(_outline(piece))
                    last = _imagine(next(each for each in seen if each is not None))
                has_any = some
            else:
                has_any = bool(has)
            if not has_any:
                return
            if piece is None:
                assert last is not None
                yield _assemble(last, [(0, 0)] * parts)
                continue
            last = piece
            size = piece.rows[0].shape[1]
            yield _assemble(piece, [part_of(size, i, parts) for i in range(parts)])


def _outline(piece: Piece | None) -> Any:
    if piece is None:
        return None
    return piece.data, [(a.shape[2:], a.dtype.str) for a in piece.rows], piece.shapes


def _imagine(outline: Any) -> Piece:
    """Returns a batch of one example, of zeros."""
    data, leaves, shapes = outline
    rows = [np.zeros((1, 1, *shape), np.dtype(kind)) for shape, kind in leaves]
    return Piece(1, data, rows, shapes)


def _assemble(piece: Piece, bounds: Sequence[tuple[int, int]]) -> RankPiece:
    """Returns those rows of a piece that lie in some bounds, each a part."""
    counted = sum(stop - start for start, stop in bounds)
    data: list[Any] = []
    rows: list[Array] = []
    shapes: list[TensorShape] = []
    open_shapes: Sequence[TensorShape] | None = None
    if piece.shapes is not None:
        # A rank's rows are fewer than those that the batch is known to have.
        open_shapes = [
            s if s.rank is None else TensorShape([None, *s.as_list()[1:]])
            for s in piece.shapes
        ]
    if not counted:
        source = [_first_row(leaf) for leaf in piece.rows]
        bounds = [(0, 1), *([(0, 0)] * (len(bounds) - 1))]
    else:
        source = piece.rows
    for start, stop in bounds:
        if start == stop:
            data.append(None)
            continue
        counts = np.full(piece.steps, stop - start if counted else 0, np.int64)
        data.append((counts, piece.data))
        rows.append(counts)
        rows += [np.ascontiguousarray(leaf[:, start:stop]) for leaf in source]
        if open_shapes is not None:
            shapes += [TensorShape([]), *open_shapes]
    plain_rows = [leaf[:, bounds[0][0] : bounds[-1][1] or 1] for leaf in source]
    plain = Piece(piece.steps, piece.data, plain_rows, open_shapes)
    own = shapes if open_shapes is not None else None
    return RankPiece(piece.steps, tuple(data), rows, own, plain, counted)


def _first_row(leaf: Array) -> Array:
    if leaf.shape[1]:
        return leaf[:, :1]
    return np.zeros((leaf.shape[0], 1, *leaf.shape[2:]), leaf.dtype)


def step_of_parts(
    method: Callable[[Any], Any], strategy: Strategy
) -> Callable[[Any], Any]:
    """Returns a step on all parts of a batch that a rank has.

    Args:
      method: Trains on a nest of tensors.
      strategy: Whose rank it is.
    """

    def step(parts: Any) -> Any:
        there = [i for i, part in enumerate(parts) if part is not None]
        total: Any = None
        for i in there:
            rows = parts[i][0]
            total = rows if total is None else add(total, rows)
        total = reduce_over_ranks(total, "sum", strategy.communicator)
        collection, found = Collection(there), None
        for i in there:
            rows, data = parts[i]
            replica = ReplicaContext(strategy, strategy.rank * len(parts) + i)
            with contextlib.ExitStack() as stack:
                stack.enter_context(entered_as(strategy, replica))
                stack.enter_context(rows_of_step(rows, total))
                if len(parts) > 1:
                    stack.enter_context(collecting(collection, i))
                found = method(data)
        return found

    return step


# ---- metrics, and other variables that are no sums of gradients


def metric_variables(model: Any) -> list[Any]:
    """Returns the variables of the metrics of a model."""
    return [v for metric in model.metrics for v in metric.variables]


@contextlib.contextmanager
def taken_back(model: Any) -> Iterator[None]:
    """Gives metrics and variables that are not trained their values from before a block."""
    changed = {
        id(v): v for v in [*model.non_trainable_variables, *metric_variables(model)]
    }
    before = [(v, v.numpy().copy()) for v in changed.values()]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


def reduced_logs(
    model: Any,
    strategy: Strategy,
    read: Callable[[], dict[str, Any]],
    has_counted: bool = True,
) -> dict[str, Any]:
    """Returns the results of metrics that have counted the batches of all ranks.

    What metrics keep are sums, which start at zero; for a moment they have the sums over
    all ranks.

    Args:
      model: It has the metrics.
      strategy: Of which ranks.
      read: Returns the results.
      has_counted: Whether this rank had any batch; if not, its metrics may not be made.

    Returns:
      The same on all ranks; nothing if no rank had a batch.
    """
    communicator = strategy.communicator
    if communicator is None:
        return read() if has_counted else {}
    variables = metric_variables(model) if has_counted else []
    own = [np.asarray(v.numpy()).copy() for v in variables]
    everyone = communicator.gather_objects(own if has_counted else None)
    counted = [i for i, each in enumerate(everyone) if each is not None]
    found: dict[str, Any] = {}
    if has_counted:
        columns = zip(*(everyone[i] for i in counted), strict=True)
        sums = [np.sum(np.stack(c).astype(_wide(c[0])), axis=0) for c in columns]
        with entered(None):
            try:
                for variable, array, total in zip(variables, own, sums, strict=True):
                    variable.assign(np.asarray(total).astype(array.dtype))
                found = read()
            finally:
                for variable, array in zip(variables, own, strict=True):
                    variable.assign(array)
    if counted and len(counted) < communicator.size:
        found = communicator.broadcast_object(found, counted[0])
    return found


def _wide(array: Array) -> Any:
    return np.float64 if array.dtype.kind == "f" else array.dtype


def mean_logs(logs: dict[str, Any] | None, strategy: Strategy) -> dict[str, Any]:
    """Returns the means of logs over those ranks that have some."""
    communicator = strategy.communicator
    if communicator is None:
        return logs or {}
    everyone = [each for each in communicator.gather_objects(logs) if each]
    names = everyone[0] if everyone else {}
    return {
        name: float(np.mean([float(each[name]) for each in everyone if name in each]))
        for name in names
    }


def average_untrained(model: Any, strategy: Strategy) -> None:
    """Gives variables that are not trained, as averages of batches, the mean of all ranks.

    Args:
      model: The model.
      strategy: Of which ranks.
    """
    communicator = strategy.communicator
    in_metrics = {id(v) for v in metric_variables(model)}
    variables = [
        v
        for v in model.non_trainable_variables
        if v.dtype.is_floating and id(v) not in in_metrics
    ]
    if communicator is None or not variables:
        return
    own = [np.asarray(v.numpy()) for v in variables]
    flat = np.concatenate([a.astype(np.float64).reshape(-1) for a in own])
    means, at = communicator.all_reduce(flat, "sum") / communicator.size, 0
    with entered(None):
        for variable, array in zip(variables, own, strict=True):
            piece = means[at : at + array.size].reshape(array.shape)
            variable.assign(piece.astype(array.dtype))
            at += array.size


# ---- running


def rank_data(strategy: Strategy, x: Any, *args: Any, **kwargs: Any) -> RankData:
    """Returns the part of the data of a run that is a rank's.

    Args:
      strategy: Of which ranks.
      x: What `fit` is given.
      *args: As `make_data` takes them,
      **kwargs: by name too.

    Raises:
      NotImplementedError: In a graph of TensorFlow 1.
    """
    if is_in_v1_graph():
        raise NotImplementedError(
            "Model.fit in a graph of TensorFlow 1 on several ranks; leave out "
            "tf.compat.v1.disable_eager_execution()."
        )
    is_dataset = hasattr(x, "_node") and hasattr(x, "element_spec")
    if is_dataset and not getattr(x, "is_distributed", False):
        options = x.options().experimental_distribute
        policy = getattr(options, "auto_shard_policy", None)
        if getattr(policy, "name", policy) in ("OFF", "FILE", "HINT"):
            x = strategy.experimental_distribute_dataset(x)
    data = make_data(x, *args, **kwargs)
    is_shared = (
        isinstance(data, ArrayData)
        or (is_dataset and not getattr(x, "is_distributed", False))
        or data.what == "Sequence"
    )
    return RankData(data, strategy, is_shared)


def agree_on_any(strategy: Strategy, condition: bool) -> bool:
    """Returns whether a condition holds on any rank; a collective."""
    communicator = strategy.communicator
    if communicator is None:
        return condition
    return bool(communicator.all_reduce(np.array([int(condition)], np.int64), "max")[0])


def train_on(model: Any, strategy: Strategy, piece: RankPiece, results: bool) -> Any:
    """Runs the steps of a piece; returns what the last one returned, None if it counts not."""
    # What is made before the trace, or in it, begins alike on all ranks.
    with entered_as(strategy, ReplicaContext(strategy, strategy.rank)):
        if piece.counts_for:
            return model._run_piece("train", piece, results)
        if not model._training.steps:
            model._prepare("train", piece.plain)
        with taken_back(model):
            model._run_piece("train", piece, results)
    return None


def run_epoch(
    model: Any, kind: str, data: RankData, epoch: int, callbacks: Any, skip: int = 0
) -> dict[str, Any] | None:
    """Runs the steps of an epoch on several ranks; returns the logs, equal on all.

    Args:
      model: The model.
      kind: `train` or `test`.
      data: Its rows.
      epoch: The number of the epoch.
      callbacks: Callbacks. What those for batches see of `test`, and the progress bar, is
        of this rank alone.
      skip: How many batches were taken before.

    Raises:
      NotImplementedError: The model has a `make_train_function` of its own.
    """
    strategy, trains = data.strategy, kind == "train"
    if not model._is_own(f"make_{kind}_function"):
        raise fail(
            NotImplementedError,
            f"A model with a `make_{kind}_function` of its own, on several ranks",
            got=type(model).__name__,
            expected=f"`{kind}_step`",
            site=str(user_site()),
        )
    own = model._logs_are_metrics(kind)
    begin = getattr(callbacks, f"on_{kind}_batch_begin")
    end = getattr(callbacks, f"on_{kind}_batch_end")
    wants = callbacks.wants_batches if trains else callbacks.wants_test_batches
    wants = agree_on_any(strategy, wants)
    step, looked, logs = skip, time.monotonic(), None

    def read_logs() -> dict[str, Any]:
        found: dict[str, Any] = model._scalar_logs(model._current_logs())
        return found

    pieces: Iterator[Any] = data.own_pieces(epoch)
    if trains:
        pieces = data.epoch(epoch, wants or model.run_eagerly, skip)
    has_counted = False
    for piece in pieces:
        if wants:
            begin(step)
            model._training.piece = piece.plain if trains else piece
        found: Any = None
        if trains:
            found = train_on(model, strategy, piece, wants or not own)
        elif piece is not None:
            found = model._run_piece(kind, piece, results=wants or not own)
        counts = piece is not None and (not trains or piece.counts_for > 0)
        has_counted = has_counted or counts
        if counts and found is not None:
            logs = model._scalar_logs(found)
        step += 1 if piece is None else piece.steps
        if wants and trains:
            shown = _logs_of_all(model, strategy, own, logs, read_logs, True)
            end(step - 1, shown)
            if agree_on_any(strategy, model.stop_training):
                model.stop_training = True
                break
        elif wants or (callbacks.shows_progress and time.monotonic() - looked > 0.1):
            end(step - 1, read_logs() if own and has_counted else dict(logs or {}))
            looked = time.monotonic()
    model._training.piece = None
    if trains:
        average_untrained(model, strategy)
    if not agree_on_any(strategy, step > skip):
        return None
    shown = _logs_of_all(model, strategy, own, logs, read_logs, has_counted)
    if callbacks.shows_progress and not wants:
        end(max(step - 1, 0), dict(shown))
    return shown


def _logs_of_all(
    model: Any,
    strategy: Strategy,
    own: bool,
    logs: Any,
    read: Callable[[], dict[str, Any]],
    has_counted: bool,
) -> dict[str, Any]:
    """Returns the logs of all ranks: of metrics, and means of what else a step returns."""
    reduced = reduced_logs(model, strategy, read, has_counted)
    if own:
        return reduced
    means = mean_logs(logs, strategy)
    return {name: reduced.get(name, value) for name, value in means.items()}


def join_predictions(parts: list[Any], strategy: Strategy) -> list[Any]:
    """Returns the outputs for all batches, in the order of their rows.

    Args:
      parts: Those of this rank; None for batches of which it has no rows.
      strategy: Of which ranks.
    """
    communicator = strategy.communicator
    everyone = [parts] if communicator is None else communicator.gather_objects(parts)
    batches = itertools.zip_longest(*everyone)
    return [each for batch in batches for each in batch if each is not None]
