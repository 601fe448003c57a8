"""Which scopes are open at first, and what is folded so that few boxes show."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Iterator

from graphopt.viz.columns import FORWARD
from graphopt.viz.model import Box, Drawing, count_operations

MOST_BOXES = 30
SHORTEST_SERIES = 3
# A scope with more ops than MOST_BOXES directly in it shows them as so many runs.
RUNS = 10
# Beside scopes so many ops made one after the other are a run: an optimizer's scalars.
SHORTEST_RUN = 6
# A series of so many layers is open at first.
LONGEST_OPEN_SERIES = 4

_UPDATE = "update_"
_NUMBER = re.compile(r"(?:_|(?<=[a-z]))\d+")


def fold(drawing: Drawing) -> None:
    """Folds alike siblings into series and long lists of ops into runs.

    Siblings are alike when their names begin with the same word and the same types of
    ops are in them in the same order: the layers of a deep network, the updates of an
    optimizer.
    """
    scopes = list(reversed(drawing.scopes()))
    signatures = _signatures(scopes)
    for scope in scopes:
        _fold_series(scope, signatures)
        if len(scope.children) > MOST_BOXES:
            _fold_runs(scope)
            _fold_crowd(scope)
        elif scope.parent is not None:
            _fold_ops_beside_scopes(scope)
    count_operations(drawing)


def _signatures(scopes: list[Box]) -> dict[Box, int]:
    """Numbers boxes so that two have one number if the same types are in them."""
    signatures: dict[Box, int] = {}
    known: dict[tuple[object, ...], int] = {}
    for scope in scopes:
        for child in scope.children:
            shape: tuple[object, ...] = tuple(signatures[c] for c in child.children)
            if child.op is not None:
                shape = (child.op.type,)
            signatures[child] = known.setdefault(shape, len(known))
    return signatures


def _fold_series(scope: Box, signatures: dict[Box, int]) -> None:
    alike: dict[tuple[str, int, int], list[Box]] = {}
    last: dict[str, tuple[int, int]] = {}
    # Ops are folded by type only where very many of them are beside scopes, as the sums
    # of gradients are. A long list of nothing but ops is the network itself.
    with_ops = len(scope.children) > MOST_BOXES
    with_ops &= any(child.is_scope for child in scope.children)
    for child in scope.children:
        if child.is_scope or with_ops:
            # `update_w` and `update_b` are alike too: the word before `_` counts.
            stem = _NUMBER.sub("", child.label).partition("_")[0]
            # A layer of another kind ends a series: it stands between what was before
            # and what comes after. Updates do not use each other.
            signature, run = signatures[child], 0
            if _NUMBER.search(child.label) and not child.label.startswith(_UPDATE):
                before, run = last.get(stem, (signature, 0))
                run += before != signature
                last[stem] = (signature, run)
            alike.setdefault((stem, signature, run), []).append(child)
    for members in alike.values():
        if SHORTEST_SERIES <= len(members) < len(scope.children):
            _put_inside(scope, members, _series_label(members))


def _series_label(members: list[Box]) -> str:
    if all(member.label.startswith(_UPDATE) for member in members):
        return f"update of {len(members)} variables"
    return f"{members[0].label} .. {members[-1].label} \u00d7{len(members)}"


def _fold_runs(scope: Box) -> None:
    """Puts ops that were made one after the other into boxes of about equal size."""
    ops = [child for child in scope.children if not child.is_scope]
    if len(ops) <= RUNS:
        return
    length = -(-len(ops) // RUNS)
    for start in range(0, len(ops), length):
        run = ops[start : start + length]
        _put_inside(scope, run, f"{run[0].label} .. {run[-1].label}")


def _fold_crowd(scope: Box) -> None:
    """Divides what still holds too many boxes, runs of runs included."""
    crowded = [scope, *(child for child in scope.children if child.is_folded)]
    for box in crowded:
        if len(box.children) <= MOST_BOXES:
            continue
        children = list(box.children)
        length = -(-len(children) // RUNS)
        for start in range(0, len(children), length):
            run = children[start : start + length]
            if len(run) > 1:
                _put_inside(box, run, f"{run[0].label} .. {run[-1].label}")
        crowded += [child for child in box.children if child.is_folded]


def _fold_ops_beside_scopes(scope: Box) -> None:
    runs: list[list[Box]] = [[]]
    for child in scope.children:
        if child.is_scope:
            runs.append([])
        else:
            runs[-1].append(child)
    for run in runs:
        if len(runs) > 1 and len(run) >= SHORTEST_RUN:
            _put_inside(scope, run, f"{run[0].label} .. {run[-1].label}")


def _put_inside(scope: Box, members: list[Box], label: str) -> None:
    folded = Box(label, scope, children=members, is_folded=True)
    for member in members:
        member.parent = folded
    gone = set(members)
    at = scope.children.index(members[0])
    before = [child for child in scope.children[:at] if child not in gone]
    after = [child for child in scope.children[at:] if child not in gone]
    scope.children = [*before, folded, *after]
    folded.first = members[0].first
    folded.op_count = sum(member.op_count for member in members)


def open_scopes(
    drawing: Drawing, depth: int | None = None, most: int = MOST_BOXES
) -> None:
    """Opens scopes.

    Args:
      drawing: The drawing; only the `is_open` of its boxes changes.
      depth: Open those fewer than `depth` levels down, however many boxes that shows;
        by default the outer and small ones first, while few boxes show: those of the
        forward pass before its gradients and updates, and nothing that was folded but
        short series of the forward pass.
      most: How many boxes may show.
    """
    root = drawing.root
    for scope in drawing.scopes():
        scope.is_open = False
    root.is_open = True
    outer = [root]
    for scope in outer:
        outer += [child for child in scope.children if child.is_column]
    for scope in outer:
        scope.is_open = True
    inside = [c for scope in outer for c in scope.children if not c.is_column]
    shown = len(inside)
    number = itertools.count()
    heap = [_entry(child, 1, number) for child in inside if child.is_scope]
    heapq.heapify(heap)
    while heap:
        _, level, count, _, _, scope = heapq.heappop(heap)
        if depth is None and (_is_dull(scope) or shown + count > most):
            continue
        if depth is not None and level >= depth:
            continue
        scope.is_open = True
        shown += count
        for child in scope.children:
            if child.is_scope:
                heapq.heappush(heap, _entry(child, level + 1, number))


def _is_dull(scope: Box) -> bool:
    """Whether a scope stays closed at first: what is folded but a model's few layers."""
    if not scope.is_folded:
        return False
    column = next((box for box in scope.ancestors() if box.is_column), None)
    is_model = column is None or column.label == FORWARD
    is_series = all(child.is_scope for child in scope.children)
    return not (is_model and is_series and len(scope.children) <= LONGEST_OPEN_SERIES)


def _entry(
    scope: Box, level: int, number: Iterator[int]
) -> tuple[int, int, int, int, int, Box]:
    column = next((box for box in scope.ancestors() if box.is_column), None)
    # What is the user's own comes first, the derivative of a single op last.
    rank = 0 if column is None or column.label == FORWARD else 1
    rank += scope.label.endswith("_grad")
    # Bodies of one op have its place; with a number of their own they are not compared.
    return rank, level, len(scope.children), scope.first, next(number), scope
