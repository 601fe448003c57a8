"""Forward pass, gradients and updates as three columns that are read side by side.

A training graph drawn from top to bottom is a strip: the gradients mirror the network
below it, and each of them has a line up to the value that it needs. In columns the
network runs down, its gradients run up beside it, each about at the height of what it
is the derivative of, and the lines between them are short and level.
"""

from __future__ import annotations

import re

from graphopt.viz.model import Box, Drawing, count_operations

FORWARD = "forward"
# The scope of what a tape differentiates.
GRADIENT_TAPE = "gradient_tape"
# So many ops that only report something are one box.
FEWEST_BESIDE = 6
BESIDE = "beside the loss"
_GRADIENTS = re.compile(r"(gradients|gradient_tape)(_\d+)?\Z")
_GRAD = re.compile(r"_grad(_\d+)?\Z")


def is_gradients(box: Box) -> bool:
    """Whether a scope has the name that `tf.gradients` or a tape gives its ops."""
    return box.is_scope and _GRADIENTS.match(box.label.rpartition("/")[2]) is not None


def split_columns(drawing: Drawing) -> None:
    """Makes columns of a training graph; other graphs stay as they are.

    Args:
      drawing: Folded, with its scopes not yet opened.
    """
    found = [box for box in drawing.scopes() if is_gradients(box)]
    if not found:
        return
    gradients = max(found, key=lambda box: (box.op_count, -box.first))
    around = [box for box in gradients.ancestors() if box.parent is not None]
    inside = set(gradients.leaves())
    downstream = _downstream(drawing, inside)
    upstream = {link.source for link in drawing.links if link.target in inside}
    forward: list[Box] = []
    update: list[Box] = []
    for scope in (drawing.root, *reversed(around)):
        for child in scope.children:
            if child is gradients or child in around:
                continue
            leaves = set(child.leaves())
            # What an optimizer computes beside, as its rates, belongs to the updates.
            is_beside = scope is not drawing.root and not leaves & upstream
            late = is_beside or bool(leaves & downstream)
            (update if late else forward).append(child)
    if not forward:
        return
    forward = _fold_beside(drawing, forward, upstream)
    label = "/".join(box.label for box in reversed(around)) or "updates"
    columns = [_column(drawing.root, FORWARD, forward), gradients]
    if update:
        columns.append(_column(drawing.root, label, update))
        # Badges leave out the name of the scope that they are in.
        columns[-1].is_folded = not around
    gradients.parent, gradients.is_column = drawing.root, True
    drawing.root.children = columns
    count_operations(drawing)
    # Not in the order in which they were built, in which counting leaves them.
    drawing.root.children = columns


def _fold_beside(drawing: Drawing, forward: list[Box], upstream: set[Box]) -> list[Box]:
    """Puts the single ops from which no gradient comes, as metrics, into one box."""
    sources: dict[Box, list[Box]] = {}
    for link in drawing.links:
        sources.setdefault(link.target, []).append(link.source)
    needed = set(upstream)
    stack = list(upstream)
    while stack:
        for source in sources.get(stack.pop(), ()):
            if source not in needed:
                needed.add(source)
                stack.append(source)
    beside = [box for box in forward if box.op is not None and box not in needed]
    if len(beside) < FEWEST_BESIDE:
        return forward
    folded = Box(BESIDE, drawing.root, children=beside, is_folded=True)
    for box in beside:
        box.parent = folded
    return [*(box for box in forward if box.parent is not folded), folded]


def _column(root: Box, label: str, children: list[Box]) -> Box:
    column = Box(label, root, children=children, is_folded=True, is_column=True)
    for child in children:
        child.parent = column
    return column


def _downstream(drawing: Drawing, inside: set[Box]) -> set[Box]:
    users: dict[Box, list[Box]] = {}
    for link in drawing.links:
        users.setdefault(link.source, []).append(link.target)
    found: set[Box] = set()
    stack = list(inside)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in found and user not in inside:
                found.add(user)
                stack.append(user)
    return found


def counterparts(forward: Box, gradients: Box) -> dict[Box, Box]:
    """Finds for the boxes of the gradients what they are the gradient of.

    Args:
      forward, gradients: The columns.

    Returns:
      A child of `forward` for each child of `gradients` that has one.
    """
    homes: dict[str, Box] = {}
    for child in forward.children:
        for leaf in child.leaves():
            assert leaf.op is not None
            homes.setdefault(leaf.op.name, child)
            homes.setdefault(leaf.op.name.partition("/")[0], child)
    found: dict[Box, Box] = {}
    for child in gradients.children:
        for leaf in child.leaves():
            assert leaf.op is not None
            parts = leaf.op.name.split("/")
            starts = [i for i, part in enumerate(parts) if _GRADIENTS.match(part)]
            if not starts:
                # An op in the body of a loop is named as if it were alone.
                continue
            after = [p for p in parts[starts[0] + 1 :] if p != GRADIENT_TAPE]
            rest = [_GRAD.sub("", part) for part in after]
            if not rest:
                continue
            home = homes.get("/".join(rest[:-1])) or homes.get(rest[0])
            if home is not None:
                found[child] = home
                break
    return found
