"""Everything that a page shows, as plain values; `page_data` says which."""

from __future__ import annotations

import linecache
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphopt.graph.graph import Operation
from graphopt.graph.words import format_type
from graphopt.runtime.profile import Profile
from graphopt.schedule.summary import (
    fused_names,
    summarize_buffers,
    summarize_kernels,
    summarize_steps,
)
from graphopt.schedule.work import count_flops
from graphopt.viz.columns import counterparts, is_gradients
from graphopt.viz.html.stages import History, add_bodies, make_histories
from graphopt.viz.model import Box, Drawing, operation_badge
from graphopt.viz.plan import UNKNOWN_SIZE, Planned
from graphopt.viz.shapes import measure
from graphopt.viz.svg import describe, kind_of, legend
from graphopt.viz.union import compare_histories
from graphopt.viz.values import Statistics, Values
from graphopt.viz.words import clean_text, format_bytes, shorten, size_of

FORMAT = "graphopt.page"
VERSION = 1
# Lines of the user's program shown above and below the one that made an op.
AROUND = 2
LONGEST_ATTRIBUTE = 120
# Graphs with a smaller share of ops in common are laid out apart.
LEAST_IN_COMMON = 0.3
# Of a profile so many runs can be looked at step by step.
RUNS_SHOWN = 20


@dataclass(frozen=True)
class StepTime:
    """What was measured for one step of a plan.

    Attributes:
      seconds: The median time of one run.
      nbytes: What it reads and writes, 0 if that was not counted.
    """

    seconds: float
    nbytes: int = 0


@dataclass(frozen=True)
class Compared:
    """Two graphs.

    Attributes:
      histories: The ops of both; stage 1 is the second graph.
      titles: What the two are called.
      count: How many ops the second one has.
      rows: What there is of each, as texts.
      is_apart: Whether they have so little in common that one layout helps nobody.
    """

    histories: dict[str, History]
    titles: tuple[str, str]
    count: int
    rows: list[list[str]]
    is_apart: bool


def compare(
    drawings: tuple[Drawing, Drawing],
    plans: tuple[Planned | None, Planned | None],
    titles: tuple[str, str],
) -> Compared:
    """Says what two graphs have; neither drawing is folded yet."""
    histories = compare_histories(*drawings)
    both = sum(h.born == 0 and h.died < 0 for h in histories.values())
    fewest = min(len(drawing.operations) for drawing in drawings)
    rows = [
        ["ops", *(f"{len(d.operations):,}" for d in drawings)],
        ["variables", *(f"{len(d.variables):,}" for d in drawings)],
        ["their size", *(format_bytes(d.variable_bytes) for d in drawings)],
    ]
    if plans[0] is not None and plans[1] is not None:
        schedules = [plan.schedule for plan in plans if plan is not None]
        rows += [
            ["steps", *(f"{len(s.steps):,}" for s in schedules)],
            ["kernels", *(f"{len(s.list_kernels()):,}" for s in schedules)],
            ["arena", *(format_bytes(s.arena_bytes) for s in schedules)],
        ]
    apart = both < LEAST_IN_COMMON * fewest
    return Compared(histories, titles, len(drawings[1].operations), rows, apart)


@dataclass
class Tree:
    """The boxes of a page, numbered; the root is 0."""

    boxes: list[Box]
    number: dict[Box, int]


def page_data(
    drawing: Drawing,
    planned: Planned | None,
    *,
    title: str,
    problem: str = "",
    failure: str = "",
    times: Mapping[str, StepTime] | None = None,
    profile: Profile | None = None,
    values: Values | None = None,
    homes: Mapping[str, Box] | None = None,
    compared: Compared | None = None,
) -> dict[str, Any]:
    """Says what a page shows.

    Args:
      drawing: With its scopes opened.
      planned: What the compiler made of the fetch, if there is one.
      title: What the page is called.
      problem: Why there is no plan.
      failure: What ended the program before it had built all.
      times: Measured times by the name of the step.
      profile: What was measured of the plan.
      values: What tensors and variables were in the steps of a run.
      homes: The scope with each name, where columns have moved them.
      compared: What two graphs have, if the drawing is of both.

    Returns:
      `ops`: each with `n` name, `k` kind, `s` number of its site, `d` the stage that
      removed it or -1, `b` its badge, `f` FLOPs, `a` attributes, and `v`: its versions
      (stage, type, inputs as numbers of op and output in turn, control inputs, outputs
      as type and bytes); `boxes`: each as `_box`; `pairs` of boxes that are
      to stand beside each other; `legend`: kinds with what they mean; `sites`: file, line,
      first line shown, lines; `passes`; `steps`, `buffers` and `kernels` of the plan; `times`;
      `measured` as `_measured`; `values`: for each name what `_statistics` says of steps.
    """
    if compared is None:
        histories = make_histories(
            drawing.operations, planned.trace if planned else None
        )
        add_bodies(histories, drawing.inner)
    else:
        histories = compared.histories
    names = {name: index for index, name in enumerate(histories)}
    _add_new_ops(drawing, histories, homes or {})
    boxes = [drawing.root]
    for box in boxes:
        boxes += box.children
    tree = Tree(boxes, {box: index for index, box in enumerate(boxes)})
    sites: dict[Any, int] = {}
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "title": clean_text(title),
        "note": clean_text(describe(drawing)),
        "problem": clean_text(problem),
        "failure": clean_text(failure),
        "legend": legend({kind_of(box) for box in boxes if box.parent is not None}),
        "targets": [names[op.name] for op in drawing.targets],
        "ops": [
            _operation(name, history, names, sites, drawing)
            for name, history in histories.items()
        ],
        "boxes": [_box(box, tree, names, drawing) for box in boxes],
        "pairs": _pairs(drawing, tree),
        "sites": [_site(site) for site in sites],
        "passes": [],
        "steps": [],
        "buffers": [],
        "kernels": [],
        "times": {
            clean_text(name): [each.seconds, each.nbytes]
            for name, each in (times or {}).items()
        },
        "measured": None if profile is None else _measured(profile),
        "values": {
            clean_text(name): [_statistics(each) for each in steps]
            for name, steps in (values or {}).items()
        },
    }
    if planned is not None:
        _add_plan(data, planned, names)
    if compared is not None:
        sizes = [len(drawing.operations), compared.count]
        data["passes"] = [[clean_text(compared.titles[1]), *sizes]]
        data["compared"] = {
            "titles": [clean_text(text) for text in compared.titles],
            "rows": compared.rows,
            "apart": compared.is_apart,
        }
    return data


def _add_plan(data: dict[str, Any], planned: Planned, names: dict[str, int]) -> None:
    schedule = planned.schedule
    data["assumed"] = UNKNOWN_SIZE if planned.is_size_assumed else 0
    data["interpreted"] = clean_text(schedule.interpreted)
    data["arena"] = schedule.arena_bytes
    data["passes"] = [
        [each.name, len(each.before.operations), len(each.after.operations)]
        for each in planned.trace.applied
    ]
    cleaned = {clean_text(name): index for name, index in names.items()}
    data["steps"] = [
        {
            "n": step.name,
            "t": step.type,
            "k": step.kernel,
            "op": cleaned.get(step.name, -1),
            "ops": [cleaned[n] for n in step.fused or (step.name,) if n in cleaned],
            "o": step.outputs,
            "h": step.host,
            "kernels": step.kernels,
            "r": step.reads,
            "w": step.writes,
        }
        for step in summarize_steps(schedule)
    ]
    data["buffers"] = [
        [b.name, b.kind, b.tensor, b.nbytes, b.offset, b.first, b.last]
        for b in summarize_buffers(schedule)
    ]
    data["kernels"] = [
        [k.name, k.family, clean_lines(k.source)] for k in summarize_kernels(schedule)
    ]


def _measured(profile: Profile) -> dict[str, Any]:
    """The run as a whole, the pieces that were timed, and the events of shown runs.

    A piece is a step of the plan, or several that jump; it has the number of its first.
    """
    return {
        "runs": profile.runs,
        "seconds": profile.seconds,
        "fastest": profile.fastest,
        "slowest": profile.slowest,
        "pieces": [
            [
                each.number,
                clean_text(each.name),
                each.kernel,
                each.seconds,
                each.nbytes,
                each.flops,
                each.limit,
                each.bound,
            ]
            for each in profile.steps
        ],
        "threads": profile.threads,
        "events": [
            [event.run, event.step, event.start, event.seconds, event.busy]
            for event in profile.events
            if event.run < RUNS_SHOWN
        ],
        "exchanges": [
            [each.run, each.step, each.start, each.seconds]
            for each in profile.exchanges
            if each.run < RUNS_SHOWN
        ],
        "exchanged": [profile.exchange_seconds, profile.waited_seconds],
    }


def _statistics(each: Statistics) -> list[Any]:
    # JSON has no word for what is not finite; the page writes such texts as they are.
    numbers = (each.minimum, each.maximum, each.mean, each.deviation)
    return [
        each.step,
        list(each.shape),
        each.dtype,
        [each.count, each.nan, each.infinite, each.zero],
        [n if math.isfinite(n) else str(n) for n in numbers],
        list(each.bins),
    ]


def clean_lines(text: str) -> str:
    """Cleans a text line by line."""
    return "\n".join(clean_text(line) for line in text.split("\n"))


def scope_names(drawing: Drawing) -> dict[str, Box]:
    """Returns every scope by its full name; to be called before columns are split."""
    found: dict[str, Box] = {"": drawing.root}
    stack = [(drawing.root, "")]
    while stack:
        scope, path = stack.pop()
        for child in scope.children:
            inner = path if child.is_folded else f"{path}/{child.label}".lstrip("/")
            if child.is_scope:
                stack.append((child, inner))
                if not child.is_folded:
                    found.setdefault(inner, child)
    return found


def _add_new_ops(
    drawing: Drawing, histories: Mapping[str, History], homes: Mapping[str, Box]
) -> None:
    """Gives the ops that passes made a box: beside those they replace, else by name."""
    leaves = {leaf.op.name: leaf for leaf in drawing.root.leaves() if leaf.op}
    for history in histories.values():
        op = history.last
        is_shown = op.spec.parts is not None or (
            history.born and operation_badge(op) is None
        )
        if op.name in leaves or not history.born or not is_shown:
            continue
        parts = [leaves[name] for name in fused_names(op) if name in leaves]
        parent = _common(parts)
        if not parts:
            used = [leaves[t.op.name] for t in op.inputs if t.op.name in leaves]
            home = homes.get(clean_text(op.name).rpartition("/")[0])
            parent = home if home and home.parent else _common(used[:1])
        if parent is None or parent is drawing.root:
            # One that stands for ops of two columns is drawn where the first of them was.
            columns = drawing.root.children[0].is_column
            beside = parts[0].parent if parts else drawing.root.children[0]
            parent = beside if columns else drawing.root
        assert parent is not None
        box = Box(clean_text(op.name).rpartition("/")[2], parent, op, op_count=1)
        parent.children.append(box)
        leaves[op.name] = box


def _pairs(drawing: Drawing, tree: Tree) -> list[tuple[int, int]]:
    """The boxes of gradients, each with what it is the derivative of."""
    columns = [box for box in drawing.root.children if box.is_column]
    gradients = next((box for box in columns if is_gradients(box)), None)
    if gradients is None:
        return []
    found = counterparts(columns[0], gradients)
    return [(tree.number[box], tree.number[other]) for box, other in found.items()]


def _common(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    chains = [list(box.ancestors()) for box in boxes]
    shared = set(chains[0]).intersection(*map(set, chains[1:]))
    return next(box for box in chains[0] if box in shared)


def _operation(
    name: str,
    history: History,
    names: Mapping[str, int],
    sites: dict[Any, int],
    drawing: Drawing,
) -> dict[str, Any]:
    op = history.last
    # What a body is given is a badge, whatever has the same name outside.
    inside = op in drawing.inner

    def number_of(other: Operation) -> int | None:
        if inside and other not in drawing.inner:
            return None
        return names.get(drawing.name_of(other))

    entry: dict[str, Any] = {
        "n": clean_text(name),
        "k": kind_of(Box("", None, history.first)),
        "s": -1 if op.site is None else sites.setdefault(op.site, len(sites)),
        "v": [
            [
                version.stage,
                version.op.type,
                [
                    number
                    for tensor in version.op.inputs
                    if (source := number_of(tensor.op)) is not None
                    for number in (source, tensor.index)
                ],
                [
                    source
                    for control in version.op.control_inputs
                    if (source := number_of(control)) is not None
                ],
                [[format_type(t), size_of(t)] for t in version.op.outputs],
            ]
            for version in history.versions
        ],
    }
    if history.died >= 0:
        entry["d"] = history.died
    flops = count_flops(op)
    if flops is not None:
        entry["f"] = flops
    attributes = _attributes(history.first)
    if attributes:
        entry["a"] = attributes
    badge = operation_badge(history.first)
    if badge is not None:
        entry["b"] = [badge.kind, badge.text]
    return entry


def _attributes(op: Operation) -> str:
    parts = [f"{name}={value}" for name, value in op.attrs.items() if name != "body"]
    if "body" in op.attrs:
        parts.append(f"body={op.attrs['body']}")
    return shorten(clean_text(", ".join(parts)), LONGEST_ATTRIBUTE)


def _site(site: Any) -> list[Any]:
    first = max(1, site.line - AROUND)
    lines = []
    for number in range(first, site.line + AROUND + 1):
        line = linecache.getline(site.file, number)
        if not line:
            break
        lines.append(clean_text(line.rstrip("\n").expandtabs(4)))
    return [clean_text(site.file), site.line, first, lines]


def _box(box: Box, tree: Tree, names: Mapping[str, int], drawing: Drawing) -> list[Any]:
    """Parent, label, op, flags, title, details, kind, width of body, badges, width of
    the title when open."""
    shape = measure(box, is_open=False)
    flags = box.is_folded | box.is_column << 1 | box.is_open << 2 | box.is_target << 3
    flags |= (box.is_column and is_gradients(box)) << 4
    wide = measure(box, is_open=True).width if box.is_scope else 0.0
    return [
        -1 if box.parent is None else tree.number[box.parent],
        box.label,
        -1 if box.op is None else names[drawing.name_of(box.op)],
        int(flags),
        shape.title,
        shape.details,
        kind_of(box),
        round(shape.width - shape.body_x, 3),
        [[t.badge.kind, t.badge.text, round(t.width, 3)] for t in shape.tags],
        round(wide, 3),
    ]
