"""Graph -> what is drawn: a tree of scopes with ops as leaves, links and badges.

Names split at `/` give the tree. Variables, their reads, constants and what initializes
variables are no boxes of their own: a picture in which each of them has an edge to
every user is a picture of those edges. They become badges beside the op that uses
them, as do placeholders that many ops use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from graphopt.graph.body import Body, bodies_of
from graphopt.graph.effects import has_side_effect, variable_of
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.opspec import Effect
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import find_ancestors, sources_of
from graphopt.ops.creation import CONST, PLACEHOLDER
from graphopt.ops.shaping import IDENTITY
from graphopt.ops.state import NO_OP
from graphopt.viz.words import clean_text, format_item, format_type, size_of

# A placeholder used by so many ops is drawn beside each of them.
FAN_OUT_OF_BADGE = 4
# Deeper scopes are one: a name may have thousands of parts.
DEEPEST_SCOPE = 32


@dataclass(frozen=True)
class Badge:
    """A small label beside a box.

    Attributes:
      kind: `variable`, `write`, `constant` or `input`.
      text: What it says.
      nbytes: The size of the value, None if not known.
    """

    kind: str
    text: str
    nbytes: int | None = None


@dataclass(eq=False, repr=False)
class Box:
    """A scope, or an op as a leaf.

    Attributes:
      label: The name within the parent.
      parent: The scope around it, None for the root.
      op: The operation of a leaf.
      children: What is inside a scope, in the order of creation.
      is_folded: Whether it is a series of alike scopes or a run of ops, not a scope.
      is_column: Whether it stands beside others: forward, gradients, updates.
      is_open: Whether the children are shown.
      is_target: Whether it is, or holds, what was asked for.
      badges: For a leaf, what it uses.
      op_count: The number of ops in it, hidden ones not counted.
      first: The index of its first op in the graph.
    """

    label: str
    parent: Box | None
    op: Operation | None = None
    children: list[Box] = field(default_factory=list)
    is_folded: bool = False
    is_column: bool = False
    is_open: bool = False
    is_target: bool = False
    badges: list[Badge] = field(default_factory=list)
    op_count: int = 0
    first: int = 0

    @property
    def is_scope(self) -> bool:
        """Whether it has, or may have, children."""
        return self.op is None

    def ancestors(self) -> Iterator[Box]:
        """Yields the parent, its parent, and so on."""
        box = self.parent
        while box is not None:
            yield box
            box = box.parent

    def leaves(self) -> Iterator[Box]:
        """Yields the ops in it, in the order of the tree."""
        stack = [self]
        while stack:
            box = stack.pop()
            if box.op is not None:
                yield box
            stack.extend(reversed(box.children))


@dataclass(frozen=True)
class Link:
    """An op uses a tensor of another op, or waits for it."""

    source: Box
    target: Box
    tensor: GraphTensor | None


@dataclass
class Drawing:
    """What pictures and trees are made of.

    Attributes:
      graph: Where the ops are.
      operations: Those that belong to the drawing, hidden ones included.
      targets: What was asked for; empty for a whole graph.
      root: The tree.
      links: Between leaves.
      variables: Handle tensors of the variables in use.
      inner: The ops in the bodies of loops and branches, with names that are unique in
        the drawing: those of the op and the body around them come first.
    """

    graph: Graph
    operations: list[Operation]
    targets: tuple[Operation, ...]
    root: Box
    links: list[Link]
    variables: list[GraphTensor]
    inner: dict[Operation, str] = field(default_factory=dict)

    def name_of(self, op: Operation) -> str:
        """Returns the name of an op, unique in the drawing."""
        return self.inner.get(op, op.name)

    @property
    def variable_bytes(self) -> int:
        """The size of all variables whose shape is known."""
        return sum(size_of(handle) or 0 for handle in self.variables)

    def scopes(self) -> list[Box]:
        """Returns the root and every scope, parents before children."""
        found = [self.root]
        for box in found:
            found += [child for child in box.children if child.is_scope]
        return found


def make_drawing(graph: Graph, targets: Sequence[Operation] = ()) -> Drawing:
    """Makes the tree, the links and the badges of a graph.

    Args:
      graph: The graph.
      targets: Draw only what these ops need; by default all.

    Returns:
      The drawing, with every scope closed.
    """
    operations = needed_operations(graph, targets)
    hidden = _hidden_operations(operations, targets)
    shown = [op for op in operations if op not in hidden]
    if not shown:
        shown, hidden = operations, set()
    root = Box("", None)
    leaves = _grow_tree(root, shown)
    variables = dict.fromkeys(
        tensor for op in operations for tensor in op.outputs if op.spec.is_handle
    )
    drawing = Drawing(graph, operations, tuple(targets), root, [], list(variables))
    _add_links(drawing, leaves)
    for op, leaf in list(leaves.items()):
        _add_bodies(drawing, leaf, op)
    _compress(drawing)
    for op in targets:
        box = leaves.get(op)
        if box is not None:
            box.is_target = True
    count_operations(drawing)
    return drawing


def needed_operations(graph: Graph, targets: Sequence[Operation]) -> list[Operation]:
    """Returns the ops that `targets` need, or all, in the order of creation."""
    if not targets:
        return list(graph.operations)
    needed = find_ancestors(targets)
    return [op for op in graph.operations if op in needed]


def placeholder_shapes(
    graph: Graph, wanted: Sequence[Operation]
) -> dict[GraphTensor, TensorShape]:
    """Returns the placeholders that ops need, or all, with the shapes that they say."""
    return {
        op.outputs[0]: op.outputs[0].shape
        for op in needed_operations(graph, wanted)
        if op.spec is PLACEHOLDER
    }


def _hidden_operations(
    operations: Sequence[Operation], targets: Sequence[Operation]
) -> set[Operation]:
    """The ops that are shown as badges or not at all."""
    asked = set(targets)
    uses = Counter(t.op for op in operations for t in op.inputs)
    hidden = set() if targets else _initializing(operations)
    for op in operations:
        is_plain_read = op.spec.effect is Effect.READ and not op.control_inputs
        is_busy_input = op.spec is PLACEHOLDER and uses[op] >= FAN_OUT_OF_BADGE
        is_unused = not uses[op] and not op.spec.is_handle
        if is_unused and not is_plain_read and op not in hidden:
            continue
        if is_plain_read or is_busy_input or op.spec is CONST or op.spec.is_handle:
            hidden.add(op)
    return hidden - asked


def _initializing(operations: Sequence[Operation]) -> set[Operation]:
    """The ops whose only purpose is to give variables their initial values."""
    users: dict[Operation, list[Operation]] = {}
    for op in operations:
        for source in sources_of(op):
            users.setdefault(source, []).append(op)
    found: set[Operation] = set()
    for op in operations:
        is_group = op.spec is NO_OP and op.control_inputs
        if op.attrs.get("initializer") or (
            is_group and all(control in found for control in op.control_inputs)
        ):
            found.add(op)
    for op in reversed(operations):
        used_by = users.get(op, ())
        if used_by and not has_side_effect(op) and all(u in found for u in used_by):
            found.add(op)
    return {op for op in found if not op.spec.is_handle}


def _grow_tree(root: Box, shown: Iterable[Operation]) -> dict[Operation, Box]:
    scopes: dict[tuple[int, str], Box] = {}
    leaves = {}
    for op in shown:
        *path, leaf = clean_text(op.name).split("/", DEEPEST_SCOPE)
        parent = root
        for part in path:
            key = (id(parent), part)
            scope = scopes.get(key)
            if scope is None:
                scope = scopes[key] = Box(part, parent)
                parent.children.append(scope)
            parent = scope
        leaves[op] = Box(leaf, parent, op)
        parent.children.append(leaves[op])
    return leaves


def _add_links(drawing: Drawing, leaves: dict[Operation, Box]) -> None:
    for op, box in leaves.items():
        for tensor in dict.fromkeys(op.inputs):
            source = leaves.get(tensor.op)
            if source is not None:
                drawing.links.append(Link(source, box, tensor))
                continue
            badge = _badge(op, tensor)
            if badge is not None and badge not in box.badges:
                box.badges.append(badge)
        drawing.links += [
            Link(leaves[control], box, None)
            for control in op.control_inputs
            if control in leaves
        ]


def _add_bodies(drawing: Drawing, box: Box, outer: Operation) -> None:
    """Puts an op that has bodies into a scope of its own, with a scope for each body.

    Args:
      drawing: Takes links and names.
      box: The op.
      outer: The op of the graph that it is in: its place is theirs.
    """
    op, around = box.op, box.parent
    assert op is not None and around is not None
    bodies = bodies_of(op)
    if not bodies:
        return
    scope = Box(box.label, around)
    around.children[around.children.index(box)] = scope
    box.label, box.parent = op.type, scope
    scope.children.append(box)
    for label, body in bodies.items():
        if any(inner in drawing.inner for inner in body.operations):
            # A derivative has the bodies of its loop, which are shown there; an op that
            # stood in two places could have only one name.
            continue
        inside = Box(label, scope)
        prefix = f"{drawing.name_of(op)}/{label}/"
        leaves = _add_body(drawing, inside, body, prefix, op)
        if leaves:
            scope.children.append(inside)
        for leaf in leaves:
            leaf.first = outer.index
            _add_bodies(drawing, leaf, outer)


def _add_body(
    drawing: Drawing, scope: Box, body: Body, prefix: str, op: Operation
) -> list[Box]:
    """Adds the ops of a body to a scope; what it is given are badges."""
    # By identity: in a function `==` of tensors is an op.
    outside = {id(tensor): tensor for tensor in body.inputs}
    given = zip(body.inputs, _given_to(op, scope.label), strict=False)
    outside.update({id(tensor): source for tensor, source in given})
    shown = [o for o in body.operations if o.spec is not CONST]
    leaves = _grow_tree(scope, shown)
    for inner in body.operations:
        drawing.inner[inner] = prefix + inner.name
    _add_links(drawing, leaves)
    for inner, leaf in leaves.items():
        for tensor in dict.fromkeys(inner.inputs):
            source = outside.get(id(tensor))
            if source is not None:
                badge = Badge("input", clean_text(source.op.name), size_of(tensor))
                others = [
                    b for b in leaf.badges if b.text != clean_text(tensor.op.name)
                ]
                leaf.badges = [*others, badge]
    return list(leaves.values())


def _given_to(op: Operation, label: str) -> tuple[GraphTensor, ...]:
    """What the first inputs of a body stand for outside of it.

    A branch is not given the condition; a loop may add the number of the round; the
    derivative of a loop is given what no tensor outside is.
    """
    if label in ("then", "else"):
        return op.inputs[1:]
    return () if label == "backward" else op.inputs[op.attrs.get("seeds", 0) :]


def _badge(op: Operation, tensor: GraphTensor) -> Badge | None:
    if tensor.op.spec.is_handle:
        kind = "write" if op.spec.effect is Effect.WRITE else "variable"
        return Badge(kind, _variable_name(tensor), size_of(tensor))
    return operation_badge(tensor.op)


def operation_badge(op: Operation) -> Badge | None:
    """Returns the badge that an op may be, None if it is always a box.

    Args:
      op: The op that has no inputs, or reads a variable.
    """
    tensor = op.outputs[0] if op.outputs else None
    if tensor is None:
        return None
    if op.spec.effect is Effect.READ:
        return Badge("variable", _variable_name(op.inputs[0]), size_of(tensor))
    if op.spec.is_handle:
        return Badge("variable", _variable_name(tensor), size_of(tensor))
    if op.spec is CONST:
        value = op.attrs["value"]
        is_scalar = value.ndim == 0
        text = format_item(value.item(), 6) if is_scalar else format_type(tensor)
        return Badge("constant", text, size_of(tensor))
    if op.spec is PLACEHOLDER:
        return Badge("input", clean_text(op.name), size_of(tensor))
    return None


def is_input(op: Operation) -> bool:
    """Whether an op is there to be fed: a placeholder, with or without a default.

    `placeholder_with_default` is an identity of a constant; one that a user writes may be
    fed like it.
    """
    if op.spec is PLACEHOLDER:
        return True
    return op.spec is IDENTITY and op.inputs[0].op.spec is CONST


def _variable_name(handle: GraphTensor) -> str:
    return clean_text(str(getattr(variable_of(handle), "name", handle.op.name)))


def _compress(drawing: Drawing) -> None:
    """Joins a scope that holds one thing with that thing, innermost first."""
    for scope in reversed(drawing.scopes()):
        if scope.parent is None or len(scope.children) != 1:
            continue
        child = scope.children[0]
        child.label = f"{scope.label}/{child.label}"
        child.parent = scope.parent
        siblings = scope.parent.children
        siblings[siblings.index(scope)] = child


def count_operations(drawing: Drawing) -> None:
    """Fills in what each scope knows of its contents, innermost first."""
    for scope in reversed(drawing.scopes()):
        for child in scope.children:
            if child.op is not None:
                child.op_count = 1
                if child.op.graph is drawing.graph:
                    child.first = child.op.index
        scope.children.sort(key=lambda box: box.first)
        scope.op_count = sum(child.op_count for child in scope.children)
        scope.first = min((child.first for child in scope.children), default=0)
        scope.is_target = any(child.is_target for child in scope.children)
