"""Optimizer state in pieces: each rank keeps and updates a part of every variable's.

Adam keeps twice as much as it trains, and all ranks would keep the same. Instead every
gradient is cut in as many pieces as there are ranks; each rank gets its piece of the sum
(`ReduceScatter`), updates that piece of the variable with its piece of the slots, and the
ranks give each other what they have updated (`AllGather`). As many bytes travel as for an
all-reduce, which is these two exchanges, while slots and the time of the update are divided
by the number of ranks.

Between machines a step only begins to give: the first who reads a variable, in the next step
or in between, awaits it (`rewrite.defer_gathers`, `runtime.late_values`). The first layers'
weights come first, those of the others while the first are computed. Eight layers of 1,024
on two machines at 1 Gb/s: a step waits for 0.08 s of 0.26 s that it exchanges, where it waits
for 0.17 s if it awaits all at its end, and for 0.04 s if the program reads data for 0.1 s
between two steps. What arrives has memory of its own: as much as the weights, and a piece.

To the equation of an optimizer a piece is a variable, a `Part`: it is read as a slice and
what is assigned to it is kept until all of them are exchanged. An equation that looks at a
variable as a whole, for a norm or a product, does not work on pieces: then each variable
belongs to one rank (`Owned`), the largest first to who has least.

Slots know what they are a piece of (`Variable.piece`), so that checkpoints hold whole ones
and can be read by any number of ranks.

Source: Rajbhandari et al. 2020, ZeRO, first stage.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.shape import TensorShape
from graphopt.ops.collectives import ALL_GATHER, ALL_REDUCE, REDUCE_SCATTER
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast
from graphopt.ops.gathered import ASSIGN_GATHERED, Pieces
from graphopt.ops.padding import pad
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat, reshape, stack
from graphopt.ops.slicing import slice as slice_of
from graphopt.runtime.variable import Piece, Variable

if TYPE_CHECKING:
    from graphopt.parallel.aggregation import Aggregation

__all__ = [
    "Part",
    "assign_whole",
    "cut_whole",
    "finish_pieces",
    "gather_whole",
    "is_sharded",
    "owned_variables",
    "parts_of",
    "scatter_gradients",
    "sharded_over",
    "sharding",
    "sum_of_squares",
    "sum_over_pieces",
]

Array = NDArray[Any]


class Part:
    """The piece of a variable that this rank updates; equations take it for a variable.

    Args:
      whole: The variable.
      aggregation: The ranks.
    """

    constraint = None

    def __init__(self, whole: Variable, aggregation: Aggregation) -> None:
        self.whole = whole
        self.key, self.name, self.dtype = whole.key, whole.name, whole.dtype
        self.device, self.graph = whole.device, whole.graph
        self.count = count = _count(whole)
        self.length = -(-count // aggregation.size)
        rank = hooks.communicator(aggregation.group).rank
        begin = min(rank * self.length, count)
        self.piece = Piece(
            tuple(int(dim or 0) for dim in whole.shape),
            begin,
            min(self.length, count - begin),
            aggregation.group,
        )
        self.shape = TensorShape([self.length])
        # What was assigned last, until it is exchanged.
        self.new_value: Any = None

    def _cut(self, value: Any) -> Any:
        flat = reshape(value, [-1])
        begin, length = self.piece.begin, self.piece.length
        found = slice_of(flat, [begin], [length])
        return (
            found if length == self.length else pad(found, [[0, self.length - length]])
        )

    def read_value(self) -> Any:
        """Returns the piece, filled up with zeros."""
        if self.new_value is not None:
            return self.new_value
        return self._cut(self.whole.read_value())

    def initialized_value(self) -> Any:
        """Returns the piece of the first value."""
        return self._cut(self.whole.initialized_value())

    def assign(self, value: Any, **_: Any) -> Any:
        """Keeps a new value of the piece."""
        self.new_value = hooks.convert(value)
        return self.new_value.op if building_graph() is not None else None


class Owned(Variable):
    """A variable that this rank updates for all, as an equation sees it.

    Args:
      whole: The variable.
    """

    def __init__(self, whole: Variable) -> None:
        vars(self).update(vars(whole))
        # What was assigned last, until it is exchanged.
        self.new_value: Any = None

    def read_value(self) -> Any:
        """Returns what was assigned, or the value."""
        return super().read_value() if self.new_value is None else self.new_value

    def _change(
        self, spec: OpSpec, inputs: tuple[Any, ...], name: str | None, read_value: bool
    ) -> Any:
        where = "where each of several ranks updates its part"
        self.new_value = self._changed_value(spec, inputs, where)
        if building_graph() is None:
            return self
        return self.new_value if read_value else self.new_value.op


class _Current(threading.local):
    aggregation: Aggregation | None = None
    finish: Callable[[], list[Any]] | None = None


_current = _Current()


@contextlib.contextmanager
def sharding(
    aggregation: Aggregation, finish: Callable[[], list[Any]]
) -> Iterator[None]:
    """Says, within a block, that gradients are pieces, one of each rank.

    Args:
      aggregation: The ranks.
      finish: Exchanges what was updated, and returns the ops that write it.
    """
    before = _current.aggregation, _current.finish
    _current.aggregation, _current.finish = aggregation, finish
    try:
        yield
    finally:
        _current.aggregation, _current.finish = before


def finish_pieces() -> list[Any]:
    """Exchanges what was updated, where gradients are pieces; returns the ops."""
    return [] if _current.finish is None else _current.finish()


def sharded_over() -> Aggregation | None:
    """Returns over which ranks gradients at hand are cut, or None."""
    return _current.aggregation


def is_sharded() -> bool:
    """Returns whether gradients at hand are pieces."""
    return _current.aggregation is not None


def sum_over_pieces(values: Sequence[Any]) -> list[Any]:
    """Returns the sums over all ranks of scalars that each has of its pieces."""
    aggregation = _current.aggregation
    if aggregation is None or not values:
        return list(values)
    ranks: Any = {"group": aggregation.group, "size": aggregation.size}
    found = call(ALL_REDUCE, stack(list(values)), reduction="sum", **ranks)
    return [found[i] for i in range(len(values))]


def _count(variable: Variable) -> int:
    return math.prod(int(dim or 0) for dim in variable.shape)


# ---- who updates what


def parts_of(variables: Sequence[Variable], aggregation: Aggregation) -> list[Part]:
    """Returns the pieces of variables that this rank updates."""
    return [Part(variable, aggregation) for variable in variables]


def owned_variables(
    variables: Sequence[Variable], aggregation: Aggregation
) -> list[int]:
    """Returns the rank that each variable belongs to, where they are not cut."""
    loads = [0] * aggregation.size
    owners = [0] * len(variables)
    sizes = [_count(variable) for variable in variables]
    for place in sorted(range(len(variables)), key=lambda i: (-sizes[i], i)):
        rank = loads.index(min(loads))
        owners[place] = rank
        loads[rank] += sizes[place]
    return owners


class _Layout:
    """Where values of variables lie in `[ranks, length]`: row k is what rank k updates.

    Args:
      variables: Of one dtype.
      aggregation: The ranks.
      owners: The rank of each; None if every variable is cut for all.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        aggregation: Aggregation,
        owners: Sequence[int] | None,
    ) -> None:
        self.variables, self.owners = list(variables), owners
        self.size = aggregation.size
        self.shapes = [[int(dim or 0) for dim in v.shape] for v in variables]
        self.counts = [math.prod(shape) for shape in self.shapes]
        if owners is None:
            self.lengths = [-(-count // self.size) for count in self.counts]
            self.length = sum(self.lengths)
            return
        self.lengths = self.counts
        loads = [0] * self.size
        self.places = []
        for owner, count in zip(owners, self.counts, strict=True):
            self.places.append(loads[owner])
            loads[owner] += count
        self.length = max(loads)
        self.loads = loads

    def lay_out(self, values: Sequence[Any]) -> Any:
        """Returns all values as one vector, row by row."""
        flat = [reshape(value, [-1]) for value in values]
        if self.owners is None:
            rows = []
            for value, count, length in zip(
                flat, self.counts, self.lengths, strict=True
            ):
                missing = length * self.size - count
                whole = pad(value, [[0, missing]]) if missing else value
                rows.append(reshape(whole, [self.size, length]))
            return reshape(concat(rows, 1), [-1])
        pieces = []
        for rank in range(self.size):
            pieces += [flat[i] for i, o in enumerate(self.owners) if o == rank]
            missing = self.length - self.loads[rank]
            if missing:
                pieces.append(zeros([missing], flat[0].dtype))
        return concat(pieces, 0)

    def cut_row(self, row: Any, rank: int) -> dict[int, Any]:
        """Returns the values in the row of a rank, by the number of the variable."""
        found, at = {}, 0
        for i, length in enumerate(self.lengths):
            if self.owners is None:
                found[i] = slice_of(row, [at], [length])
                at += length
            elif self.owners[i] == rank:
                value = slice_of(row, [self.places[i]], [length])
                found[i] = reshape(value, self.shapes[i])
        return found

    def join_row(self, values: dict[int, Any], dtype: Any) -> Any:
        """Returns the row of a rank; the opposite of `cut_row`."""
        pieces = [reshape(values[i], [-1]) for i in sorted(values)]
        if self.owners is not None:
            used = sum(self.counts[i] for i in values)
            if used < self.length:
                pieces.append(zeros([self.length - used], dtype))
        return concat(pieces, 0) if len(pieces) > 1 else pieces[0]

    def find_pieces(self) -> list[Pieces]:
        """Returns where each variable is in what all rows hold, one behind the other."""
        found: list[Pieces] = []
        at = 0
        for i, (count, length) in enumerate(
            zip(self.counts, self.lengths, strict=True)
        ):
            if self.owners is None:
                ends = [min(rank * length, count) for rank in range(self.size + 1)]
                found.append(
                    tuple(
                        (rank * self.length + at, end - begin)
                        for rank, (begin, end) in enumerate(itertools.pairwise(ends))
                        if end > begin
                    )
                )
                at += length
            else:
                begin = self.owners[i] * self.length + self.places[i]
                found.append(((begin, count),))
        return found


class _Group:
    """Variables whose gradients travel together."""

    def __init__(
        self, pairs: list[tuple[Any, Variable]], aggregation: Aggregation, owners: Any
    ) -> None:
        self.aggregation = aggregation
        self.variables = [var for _, var in pairs]
        self.layout = _Layout(self.variables, aggregation, owners)
        self.rank: int = hooks.communicator(aggregation.group).rank
        self.ranks: Any = {"group": aggregation.group, "size": aggregation.size}
        total = self.layout.lay_out([hooks.convert(grad) for grad, _ in pairs])
        row = call(REDUCE_SCATTER, total, reduction="sum", **self.ranks)
        if aggregation.mean:
            row = row / cast(aggregation.size, row.dtype)
        self.gradients = self.layout.cut_row(row, self.rank)
        self.targets: dict[int, Any] = {
            i: Part(self.variables[i], aggregation)
            if owners is None
            else Owned(self.variables[i])
            for i in self.gradients
        }

    def write(self) -> list[Any]:
        """Exchanges what was updated; returns the ops that write it."""
        layout = self.layout
        values = {i: target.read_value() for i, target in self.targets.items()}
        row = layout.join_row(values, self.variables[0].dtype)
        gathered = call(ALL_GATHER, row, **self.ranks)
        return [
            _assign_pieces(variable, gathered, pieces)
            for variable, pieces in zip(
                self.variables, layout.find_pieces(), strict=True
            )
        ]


def _assign_pieces(variable: Variable, gathered: Any, pieces: Pieces) -> Any:
    """Writes what was gathered of a variable; returns the op."""
    graph = building_graph()
    if graph is not None and not isinstance(graph, BodyGraph):
        return call(ASSIGN_GATHERED, variable.handle, gathered, pieces=pieces)
    found = [
        slice_of(gathered, [begin], [length]) for begin, length in pieces or ((0, 0),)
    ]
    value = concat(found, 0) if len(found) > 1 else found[0]
    return variable.assign(reshape(value, variable.shape), read_value=False)


class Scattered:
    """Gradients of which this rank has its piece.

    Attributes:
      pairs: (piece of a gradient, `Part` or variable) of this rank.
    """

    def __init__(self, groups: list[_Group]) -> None:
        self._groups = groups
        self.pairs = [
            (group.gradients[i], group.targets[i])
            for group in groups
            for i in sorted(group.targets)
        ]

    def write(self) -> list[tuple[Variable, Any]]:
        """Exchanges what was updated; returns each variable with the op that writes it."""
        return [
            pair
            # What the next step reads first comes first.
            for group in reversed(self._groups)
            for pair in zip(group.variables, group.write(), strict=True)
        ]


def scatter_gradients(
    pairs: list[tuple[Any, Variable]], aggregation: Aggregation, is_elementwise: bool
) -> Scattered:
    """Gives each rank its piece of the sums of gradients.

    Args:
      pairs: (gradient, variable), of this rank.
      aggregation: The ranks.
      is_elementwise: Whether variables may be cut.
    """
    variables = [var for _, var in pairs]
    owners = None if is_elementwise else owned_variables(variables, aggregation)
    kinds: dict[Any, list[int]] = {}
    for place, var in enumerate(variables):
        kinds.setdefault(var.dtype, []).append(place)
    groups: list[_Group] = []
    for places in kinds.values():
        held: list[int] = []
        # The last layer's gradients come first.
        for place in reversed(places):
            held.append(place)
            nbytes = sum(_count(variables[i]) * variables[i].dtype.size for i in held)
            is_full = nbytes >= aggregation.bucket_bytes
            # What belongs to ranks as a whole is shared out over all of it.
            if place == places[0] or (is_full and owners is None):
                own = None if owners is None else [owners[i] for i in held]
                groups.append(_Group([pairs[i] for i in held], aggregation, own))
                held = []
    return Scattered(groups)


# ---- whole slots, for files


def gather_whole(array: Array, piece: Piece) -> Array:
    """Returns the whole of what every rank has a piece of; a collective.

    Args:
      array: What this rank has.
      piece: Which piece that is.
    """
    whole = np.zeros(math.prod(piece.whole), array.dtype)
    end = piece.begin + piece.length
    whole[piece.begin : end] = array.reshape(-1)[: piece.length]
    # Of the bits, for a sum of numbers would lose the sign of zeros.
    words = whole.view(np.int32 if whole.itemsize % 8 else np.int64)
    total = hooks.communicator(piece.group).all_reduce(words, "sum")
    return np.asarray(total).view(array.dtype).reshape(piece.whole)


def cut_whole(array: Array, piece: Piece, shape: Sequence[int]) -> Array:
    """Returns what this rank keeps of a whole; the opposite of `gather_whole`."""
    if tuple(shape) == tuple(piece.whole):
        return array
    found = np.zeros(shape, array.dtype)
    end = piece.begin + piece.length
    found[: piece.length] = array.reshape(-1)[piece.begin : end]
    return found


def assign_whole(variable: Variable, value: Any) -> Any:
    """Gives a variable, or the piece of one, its part of a whole value: an op, or None."""
    if variable.piece is not None and tuple(variable.shape) != variable.piece.whole:
        flat = reshape(hooks.convert(value), [-1])
        own = slice_of(flat, [variable.piece.begin], [variable.piece.length])
        missing = int(variable.shape[0] or 0) - variable.piece.length
        value = pad(own, [[0, missing]]) if missing else own
    return variable.assign(value, read_value=False)


def sum_of_squares(value: Any) -> Any:
    """Returns the sum of the squares of all elements, a scalar."""
    return reduce_sum(value * value)
