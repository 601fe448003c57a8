"""Layered placement of one scope's boxes: layers, order in a layer, coordinates.

The steps are those of Sugiyama, Tagawa and Toda (1981): break cycles, put each vertex
one layer below what it depends on, cross long edges through dummy vertices, order the
layers by barycenters, and move vertices toward their neighbors. Each step is a loop.

Layers and orders are found with every vertex as small as it is while closed, and then
kept: what opens pushes its neighbors aside and changes places with none of them.

`html/app/2_layers.js` is the same in the browser, function by function; a test compares
their coordinates. Numbers are added up in the same order in both, which the built-in
`sum` would not do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from graphopt.viz.bands import LONGEST_BAND, MOST_OPEN, choose_cuts, set_bands
from graphopt.viz.vertices import COLUMN_GAP, ROW_GAP, Edge, Rows, Vertex

# Layers wider than this are cut in two: a row of forty updates is unreadable.
WIDEST_LAYER = 1000.0
SWEEPS = 6
# With more vertices and dummies than this nobody sees what more sweeps would win.
MANY = 1000
SWEEPS_OF_MANY = 2


def place(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    *,
    quick: bool = False,
    aspect: float = 0.0,
) -> Rows:
    """Gives every vertex its place and every edge its path.

    Args:
      vertices: In the order in which ties are kept.
      edges: Between them.
      quick: Whether the picture is so large that its details do not matter.
      aspect: How much wider than long it should be, if a long chain may be cut into
        bands; else 0.

    Returns:
      Where the layers are.
    """
    is_open = any(vertex.closed for vertex in vertices)
    single = edges
    if is_open:
        # Where the edges of an open scope meet it must not decide who its neighbors are.
        pairs = dict.fromkeys((edge.source, edge.target) for edge in edges)
        single = [Edge(*pair) for pair in pairs]
    _break_cycles(vertices, single)
    layers = _make_layers(vertices, single)
    sweeps, count = _add_dummies(layers, single, quick=quick)
    _order_layers(layers, sweeps, count=count)
    cuts = choose_cuts(layers, single, aspect) if aspect else []
    if is_open:
        layers = [[v for v in layer if not v.is_dummy] for layer in layers]
        for vertex in vertices:
            vertex.above, vertex.below = [], []
        for edge in edges:
            edge.is_reversed = edge.source.layer > edge.target.layer
        sweeps, count = _add_dummies(layers, edges, quick=quick)
        _order_layers(layers, sweeps, count=count, keep=True)
        along = 0.0
        for layer in layers:
            along += max((v.height for v in layer), default=0.0)
        if aspect and along > MOST_OPEN * LONGEST_BAND * (len(cuts) + 1):
            # So much is open that bands are worth more than that nothing moves.
            cuts = choose_cuts(layers, edges, aspect, is_open=True)
    _set_columns(layers, sweeps)
    rows = _set_rows(layers)
    if cuts:
        set_bands(layers, edges, rows, cuts)
    return rows


def _break_cycles(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> None:
    """Turns around each edge that leads back to a vertex being walked from."""
    outgoing: dict[Vertex, list[Edge]] = {vertex: [] for vertex in vertices}
    for edge in edges:
        outgoing[edge.source].append(edge)
    waiting, walking, done = 0, 1, 2
    state = dict.fromkeys(vertices, waiting)
    for root in vertices:
        if state[root] is not waiting:
            continue
        state[root] = walking
        stack = [(root, iter(outgoing[root]))]
        while stack:
            vertex, rest = stack[-1]
            for edge in rest:
                if state[edge.target] == walking:
                    edge.is_reversed = True
                elif state[edge.target] == waiting:
                    state[edge.target] = walking
                    stack.append((edge.target, iter(outgoing[edge.target])))
                    break
            else:
                state[vertex] = done
                stack.pop()


def _make_layers(
    vertices: Sequence[Vertex], edges: Sequence[Edge]
) -> list[list[Vertex]]:
    upper: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in vertices}
    lower: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in vertices}
    for edge in edges:
        top, bottom, _, _ = edge.ends
        upper[bottom].append(top)
        lower[top].append(bottom)
    order = _sort(vertices, upper, lower)
    filled: dict[int, float] = {}
    for vertex in order:
        if vertex.side < 0:
            vertex.layer = 0
            continue
        layer = 1 + max((v.layer for v in upper[vertex]), default=0)
        width = vertex.closed_width
        while not vertex.side and filled.get(layer, 0.0) + width > WIDEST_LAYER:
            if not filled.get(layer):
                break
            layer += 1
        vertex.layer = layer
        filled[layer] = filled.get(layer, 0.0) + width + COLUMN_GAP
    last = max((v.layer for v in vertices if v.side <= 0), default=0)
    for vertex in reversed(order):
        if vertex.side > 0:
            vertex.layer = last + 1
        elif not vertex.side and lower[vertex]:
            _move_down(vertex, upper[vertex], lower[vertex], filled)
    layers: list[list[Vertex]] = [[] for _ in range(last + 2)]
    for vertex in vertices:
        layers[vertex.layer].append(vertex)
    return layers


def _move_down(
    vertex: Vertex,
    upper: Sequence[Vertex],
    lower: Sequence[Vertex],
    filled: dict[int, float],
) -> None:
    """Moves what has no inputs to just above where it is first used."""
    layer = min(v.layer for v in lower) - 1
    inner = [v for v in upper if v.side == 0]
    if inner or layer <= vertex.layer:
        return
    width = vertex.closed_width
    if filled.get(layer, 0.0) + width <= WIDEST_LAYER:
        filled[vertex.layer] -= width + COLUMN_GAP
        filled[layer] = filled.get(layer, 0.0) + width + COLUMN_GAP
        vertex.layer = layer


def _sort(
    vertices: Sequence[Vertex],
    upper: dict[Vertex, list[Vertex]],
    lower: dict[Vertex, list[Vertex]],
) -> list[Vertex]:
    missing = {vertex: len(upper[vertex]) for vertex in vertices}
    order = [vertex for vertex in vertices if not missing[vertex]]
    for vertex in order:
        for below in lower[vertex]:
            missing[below] -= 1
            if not missing[below]:
                order.append(below)
    assert len(order) == len(vertices), "a cycle was left"
    return order


def _add_dummies(
    layers: list[list[Vertex]], edges: Sequence[Edge], *, quick: bool
) -> tuple[int, bool]:
    """Lets long edges cross layers; those from one point share their way.

    Returns:
      How often to go over the layers, and whether to count crossings.
    """
    shared: dict[tuple[Vertex, float, int], Vertex] = {}
    for edge in edges:
        top, bottom, offset, last_offset = edge.ends
        edge.path = [top]
        before = top
        for layer in range(top.layer + 1, bottom.layer):
            key = (top, offset, layer)
            dummy = None if edge.is_reversed else shared.get(key)
            if dummy is None:
                dummy = Vertex(is_dummy=True, layer=layer)
                layers[layer].append(dummy)
                _connect(before, dummy, offset, 0.0)
                if not edge.is_reversed:
                    shared[key] = dummy
            edge.path.append(dummy)
            before, offset = dummy, 0.0
        edge.path.append(bottom)
        _connect(before, bottom, offset, last_offset)
    is_small = not quick and sum(map(len, layers)) <= MANY
    return (SWEEPS if is_small else SWEEPS_OF_MANY), is_small


def _connect(upper: Vertex, lower: Vertex, leave: float, enter: float) -> None:
    lower.above.append((upper, leave - enter))
    upper.below.append((lower, enter - leave))


def _order_layers(
    layers: list[list[Vertex]], sweeps: int, *, count: bool, keep: bool = False
) -> None:
    """Sorts each layer; with `keep` only the dummies find their places among the rest."""
    for layer in layers:
        _number(layer)
    best = [list(layer) for layer in layers]
    fewest = _count_crossings(layers) if count else 0
    for sweep in range(sweeps):
        if count and not fewest:
            break
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            keys = {v: _barycenter(v, v.above if down else v.below) for v in layer}
            kept = [v for v in layer if not v.is_dummy] if keep else []
            layer.sort(key=keys.__getitem__)
            if kept:
                rest = iter(kept)
                layer[:] = [v if v.is_dummy else next(rest) for v in layer]
            _number(layer)
        crossings = _count_crossings(layers) if count else -sweep - 1
        if crossings < fewest:
            fewest, best = crossings, [list(layer) for layer in layers]
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept
        _number(layer)


def _number(layer: list[Vertex]) -> None:
    for index, vertex in enumerate(layer):
        vertex.order = index


def _barycenter(vertex: Vertex, neighbors: list[tuple[Vertex, float]]) -> float:
    if not neighbors:
        return float(vertex.order)
    # The offset, far below 1 for any real width, orders edges of the same frame.
    total = 0.0
    for v, offset in neighbors:
        total += v.order + offset * 1e-4
    return total / len(neighbors)


def _count_crossings(layers: list[list[Vertex]]) -> int:
    """Counts inversions between neighboring layers with a Fenwick tree."""
    crossings = 0
    for layer, lower in itertools.pairwise(layers):
        tree = [0] * (len(lower) + 1)
        seen = 0
        for vertex in layer:
            targets = sorted(v.order for v, _ in vertex.below)
            for target in targets:
                index, before = target + 1, 0
                while index:
                    before += tree[index]
                    index &= index - 1
                crossings += seen - before
            for target in targets:
                index = target + 1
                while index < len(tree):
                    tree[index] += 1
                    index += index & -index
            seen += len(targets)
    return crossings


def _set_columns(layers: list[list[Vertex]], sweeps: int) -> None:
    for layer in layers:
        right = 0.0
        for vertex in layer:
            vertex.x = right + vertex.left
            right = vertex.x + vertex.right + COLUMN_GAP
    for sweep in range(sweeps + 2):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            wishes = [
                _wish(vertex, down=down, both=sweep >= sweeps) for vertex in layer
            ]
            _settle(layer, wishes)


def _wish(vertex: Vertex, *, down: bool, both: bool) -> float:
    near = vertex.above if down else vertex.below
    if both:
        near = vertex.above + vertex.below
    if not near:
        return vertex.x
    total = 0.0
    for v, offset in near:
        total += v.x + offset
    return total / len(near)


def _settle(layer: Sequence[Vertex], wishes: Sequence[float]) -> None:
    """Moves each vertex as near to its wish as order and widths allow.

    Least squares under a fixed order is isotonic regression, which pooling adjacent
    violators solves in linear time.
    """
    blocks: list[tuple[float, float, int]] = []
    starts = []
    start = 0.0
    for index, (vertex, wish) in enumerate(zip(layer, wishes, strict=True)):
        if index:
            previous = layer[index - 1]
            gap = 8.0 if vertex.is_dummy and previous.is_dummy else COLUMN_GAP
            start += previous.right + gap + vertex.left
        starts.append(start)
        # Bends in long edges are seen more than boxes off their ideal place.
        weight = 4.0 if vertex.is_dummy else 1.0
        mean, count = wish - start, 1
        while blocks and blocks[-1][0] > mean:
            other, other_weight, other_count = blocks.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight += other_weight
            count += other_count
        blocks.append((mean, weight, count))
    at = 0
    for mean, _, count in blocks:
        for index in range(at, at + count):
            layer[index].x = mean + starts[index]
        at += count


def _set_rows(layers: list[list[Vertex]]) -> Rows:
    rows = []
    top = 0.0
    for layer in layers:
        height = max((vertex.height for vertex in layer), default=0.0)
        for vertex in layer:
            vertex.y = top
        rows.append((top, top + height))
        top += height + ROW_GAP
    return Rows(rows)
