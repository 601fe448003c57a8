"""Two graphs as one drawing, so that what both have stands in the same place.

Ops are known by their names. What only the second graph has gets a place in the tree of
the first one, in the scope that its name says; the links of both are in the drawing.
"""

from __future__ import annotations

from graphopt.graph.graph import Operation
from graphopt.viz.changes import describe_operation
from graphopt.viz.html.stages import History, Version
from graphopt.viz.model import DEEPEST_SCOPE, Box, Drawing, Link, count_operations
from graphopt.viz.words import clean_text


def unite(first: Drawing, second: Drawing) -> None:
    """Adds to a drawing what only another one has; neither is folded yet.

    Args:
      first: What is added to.
      second: Its boxes stay as they are.
    """
    boxes = {first.name_of(leaf.op): leaf for leaf in first.root.leaves() if leaf.op}
    scopes = {"": first.root}
    for scope in first.scopes()[1:]:
        scopes.setdefault(_path(scope), scope)
    twins: dict[Box, Box] = {}
    first.inner.update(second.inner)
    for leaf in second.root.leaves():
        assert leaf.op is not None
        name = second.name_of(leaf.op)
        twin = boxes.get(name)
        if twin is None:
            parent = _find_scope(scopes, clean_text(name))
            twin = Box(leaf.label.rpartition("/")[2], parent, leaf.op)
            twin.badges, twin.first = leaf.badges, leaf.op.index
            parent.children.append(twin)
        twin.is_target |= leaf.is_target
        twins[leaf] = twin
    known = {_key(link) for link in first.links}
    for link in second.links:
        added = Link(twins[link.source], twins[link.target], link.tensor)
        if _key(added) not in known:
            first.links.append(added)
    count_operations(first)


def _path(scope: Box) -> str:
    labels = [scope.label, *(box.label for box in scope.ancestors() if box.label)]
    return "/".join(reversed(labels))


def _find_scope(scopes: dict[str, Box], name: str) -> Box:
    """Returns the scope of an op, made where there is none."""
    path = ""
    parent = scopes[""]
    for part in name.split("/", DEEPEST_SCOPE)[:-1]:
        path = f"{path}/{part}" if path else part
        scope = scopes.get(path)
        if scope is None:
            scope = scopes[path] = Box(part, parent)
            parent.children.append(scope)
        parent = scope
    return parent


def _key(link: Link) -> tuple[Box, Box, str]:
    return link.source, link.target, "" if link.tensor is None else link.tensor.name


def compare_histories(first: Drawing, second: Drawing) -> dict[str, History]:
    """Returns the ops of both: stage 0 is the first graph, stage 1 the second one."""
    mine, others = _named(first), _named(second)
    histories = {name: History([Version(0, op)]) for name, op in mine.items()}
    for name, history in histories.items():
        other = others.get(name)
        if other is None:
            history.died = 1
        elif describe_operation(history.first) != describe_operation(other):
            history.versions.append(Version(1, other))
    for name, op in others.items():
        histories.setdefault(name, History([Version(1, op)]))
    return histories


def _named(drawing: Drawing) -> dict[str, Operation]:
    return {drawing.name_of(op): op for op in (*drawing.operations, *drawing.inner)}
