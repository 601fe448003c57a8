"""A long chain is cut into bands that stand side by side, as a text into columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from graphopt.viz.vertices import COLUMN_GAP, ROW_GAP, Edge, Rows, Vertex

# What is longer than this is cut into bands, where so few edges have to cross a cut.
LONGEST_BAND = 1100.0
MOST_BANDS = 8
MOST_CUT_EDGES = 3
# Bands that are longer by so much, because scopes in them are open, are cut again.
MOST_OPEN = 1.5
# Between bands, and how far the edges that go on in the next band keep apart.
BAND_GAP = 48.0
TRACK = 7.0


def choose_cuts(
    layers: list[list[Vertex]],
    edges: Sequence[Edge],
    aspect: float,
    *,
    is_open: bool = False,
) -> list[int]:
    """Finds the layers before which a long scope is cut, if all is closed or as it is."""
    tops, top, width = [], 0.0, 0.0
    for layer in layers:
        tops.append(top)
        boxes = [v for v in layer if not v.is_dummy]
        heights = (v.height if is_open else v.closed_height for v in boxes)
        top += max(heights, default=0.0) + ROW_GAP
        across = 0.0
        for v in boxes:
            across += (v.left + v.right if is_open else v.closed_width) + COLUMN_GAP
        width = max(width, across)
    if top <= LONGEST_BAND or width <= 0.0:
        return []
    bands, best = 1, 0.0
    for count in range(1, MOST_BANDS + 1):
        shape = count * (width + BAND_GAP) / (top / count)
        fit = min(shape / aspect, aspect / shape)
        if fit > best:
            bands, best = count, fit
    crossing = _count_crossing(layers, edges)
    cuts: list[int] = []
    for band in range(1, bands):
        ideal = band * top / bands
        # Entries and exits stay with the first and the last row of boxes.
        open_to = [
            index
            for index in range(2, len(layers) - 1)
            if crossing[index] <= MOST_CUT_EDGES and (not cuts or index > cuts[-1])
        ]
        if not open_to:
            break
        cut = min(open_to, key=lambda index: (abs(tops[index] - ideal), index))
        if abs(tops[cut] - ideal) < top / bands / 2:
            cuts.append(cut)
    return cuts


def _count_crossing(layers: list[list[Vertex]], edges: Sequence[Edge]) -> list[int]:
    """Counts for each layer the edges that come into it or pass it from above."""
    change = [0] * (len(layers) + 1)
    for edge in edges:
        change[edge.path[0].layer + 1] += 1
        change[edge.path[-1].layer + 1] -= 1
        if edge.is_reversed:
            # It would have to find its way around boxes in two bands.
            change[edge.path[0].layer + 1] += MOST_CUT_EDGES
            change[edge.path[-1].layer + 1] -= MOST_CUT_EDGES
    return list(itertools.accumulate(change[:-1]))


def set_bands(
    layers: list[list[Vertex]], edges: Sequence[Edge], rows: Rows, cuts: list[int]
) -> None:
    """Sets the layers from each cut on to the right of those before it."""
    starts = [0, *cuts, len(layers)]
    rows.cuts = cuts
    right = 0.0
    deepest = 0.0
    first_top = rows.spans[1][0]
    for band, (start, end) in enumerate(itertools.pairwise(starts)):
        inside = [vertex for layer in layers[start:end] for vertex in layer]
        low = min((v.x - v.left for v in inside), default=0.0)
        high = max((v.x + v.right for v in inside), default=0.0)
        up = 0.0
        if band:
            over = [
                number
                for number, edge in enumerate(edges)
                if edge.path[0].layer < start <= edge.path[-1].layer
            ]
            middle = right + BAND_GAP / 2
            rows.tracks.append(
                [(number, middle + TRACK * index) for index, number in enumerate(over)]
            )
            right += BAND_GAP + TRACK * len(over)
            up = rows.spans[start][0] - first_top
        for vertex in inside:
            vertex.x += right - low
            vertex.y -= up
        for layer in range(start, end):
            top, bottom = rows.spans[layer]
            rows.spans[layer] = (top - up, bottom - up)
            if layer < len(layers) - 1:
                deepest = max(deepest, bottom - up)
        right += high - low
    # The exits are below all bands, and so is room for what goes on in the next one.
    most = max(map(len, rows.tracks))
    bottom = deepest + ROW_GAP + TRACK * most
    rows.spans[-1] = (bottom, bottom)
    for vertex in layers[-1]:
        vertex.y = bottom
