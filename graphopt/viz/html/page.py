"""Graph -> one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import contextlib
import gc
import gzip
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from graphopt.graph.graph import Graph, Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime.profile import Profile
from graphopt.schedule.summary import fingerprint
from graphopt.viz.columns import split_columns
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.html.data import StepTime, compare, page_data, scope_names
from graphopt.viz.layout import lay_out
from graphopt.viz.model import make_drawing
from graphopt.viz.plan import Planned, plan_fetch
from graphopt.viz.svg import draw_parts, style_rules
from graphopt.viz.target import Target
from graphopt.viz.union import unite
from graphopt.viz.values import Values
from graphopt.viz.words import clean_text

# More JSON than this is compressed; browsers unpack it in milliseconds.
LARGEST_PLAIN = 200_000
# In the order in which they are joined: one module, with one scope.
SCRIPTS = (
    "1_model.js",
    "2_layers.js",
    "3_bundles.js",
    "4_layout.js",
    "5_draw.js",
    "6_panels.js",
    "7_measures.js",
    "8_find.js",
    "9_main.js",
)

_ESCAPED = ("<", ">", "&", "\u2028", "\u2029")

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<style id="picture-style">{picture_style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<div id="find"><input id="search" type="search" placeholder="Search ( / )" aria-label="Search ops and scopes" autocomplete="off" role="combobox" aria-controls="results" aria-expanded="false"><ul id="results" role="listbox" aria-label="Found" hidden></ul></div>
<div id="passes"><label for="stage">Passes</label><input id="stage" type="range" min="0" max="0" value="0"><span id="stage-name"></span><button id="compare" aria-pressed="false" title="Before and after the pass (b)">Side by side</button></div>
<span class="spring"></span>
<button id="tree-button" aria-pressed="false" title="Tree of scopes (s)">Tree</button>
<button id="right" aria-pressed="false" title="Edges run right (r)">Right</button>
<button id="hulls" aria-pressed="false" title="Outline what runs in one kernel (k)">Kernels</button>
<select id="heat" aria-label="Color by" title="Color by what steps cost (t)"></select>
<button id="close-all" title="Close all scopes (c)">Close all</button>
<button id="fit" title="Show all (0)">Fit</button>
<button id="export" title="Save the picture as SVG">SVG</button>
<button id="theme" title="Light or dark">Theme</button>
</header>
<nav id="tree" role="tree" aria-label="Scopes" hidden></nav>
<main>
<div id="banner" role="alert" hidden></div>
<div id="canvas">
<svg id="earlier" role="group" aria-label="the graph before the pass" hidden><g id="earlier-world"></g></svg>
<svg id="picture" role="group" aria-label="the graph"><g id="world" transform="translate(16 16)">
{picture}
</g></svg>
<span class="side" id="side-before"></span><span class="side" id="side-after"></span>
<div id="scale" role="img" aria-label="scale of the colors" hidden></div>
<svg id="minimap" role="img" aria-label="overview" preserveAspectRatio="none" hidden></svg>
<div id="notice" role="status" hidden></div>
</div>
</main>
<div id="grip" role="separator" tabindex="0" aria-orientation="vertical" aria-label="Width of the panel"></div>
<aside>
<nav role="tablist"><button role="tab" data-tab="op">Op</button><button role="tab" data-tab="passes">Passes</button><button role="tab" data-tab="kernels">Kernels</button><button role="tab" data-tab="memory">Memory</button><button role="tab" data-tab="timeline">Timeline</button><button role="tab" data-tab="values">Values</button></nav>
<div id="panel" role="tabpanel"></div>
</aside>
<script type="text/plain" id="data" data-coding="{coding}">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Keeps the garbage collector from walking what a page is made of while it grows.

    With 23,000 ops it took 1.1 of 3.9 seconds, and found nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_without_collecting()
def make_page(
    graph: Graph,
    targets: Sequence[Operation] = (),
    tensors: Sequence[GraphTensor] = (),
    *,
    title: str = "",
    depth: int | None = None,
    select: str | None = None,
    feeds: Mapping[GraphTensor, TensorShape] | None = None,
    profile: Profile | None = None,
    times: Mapping[str, StepTime] | None = None,
    values: Values | None = None,
    other: Target | None = None,
    failure: str = "",
) -> str:
    """Makes a page that shows a graph and what the compiler makes of it.

    Args:
      graph: The graph.
      targets: Operations to be run; with `tensors`, only what these need is shown.
      tensors: Tensors whose values are wanted.
      title: What the page is called.
      depth: How many levels of scopes are open at first; by default few boxes show.
      select: The name of the op that is shown at first.
      feeds: What a run fed, with its shapes; by default every placeholder is fed.
      profile: What was measured of the plan of this fetch with these feeds.
      times: Measured times by the name of the step, where there is no `profile`.
      values: What tensors and variables were in the steps of a run, by their names.
      failure: What ended the program before it had built all, shown above the picture.
      other: A second graph, to be shown beside the first with what differs marked.

    Returns:
      HTML text.

    Raises:
      KeyError: There is no op with the name `select` in the graph.
      ValueError: `select` is not needed for what is shown, or `profile` or `times` were
        measured on another plan than the one that is shown, or beside another graph.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default() as graph:
    ...     y = tf.exp(tf.zeros([2]), name="y")
    >>> make_page(graph, (), [y], title="two").count("<title>two</title>")
    1
    """
    wanted = (*targets, *dict.fromkeys(tensor.op for tensor in tensors))
    drawing = make_drawing(graph, wanted)
    planned, problem = _plan(graph, targets, tensors, feeds)
    compared = None
    if other is not None:
        if profile or times or values:
            raise ValueError("what was measured is shown of one graph, not of two")
        second = make_drawing(other.graph, other.wanted)
        plans = (
            planned,
            _plan(other.graph, other.operations, other.tensors, other.feeds)[0],
        )
        titles = title or "first", other.name or "second"
        compared = compare((drawing, second), plans, titles)
        unite(drawing, second)
        title = " and ".join(titles)
        planned, problem = (
            None,
            "Each of the two graphs has a page of its own for this.",
        )
    fold(drawing)
    homes = scope_names(drawing)
    split_columns(drawing)
    open_scopes(drawing, depth)
    layout = lay_out(drawing)
    picture = "\n".join(draw_parts(layout))
    if profile is not None:
        times = {
            step.name: StepTime(step.seconds, step.nbytes or 0)
            for step in profile.steps
        }
    _check_times(planned, profile, times)
    data = page_data(
        drawing,
        planned,
        title=title or "graph",
        problem=problem,
        failure=failure,
        times=times,
        profile=profile,
        values=values,
        homes=homes,
        compared=compared,
    )
    if select is not None:
        op = graph.as_graph_element(select, allow_tensor=False)
        if op not in set(drawing.operations):
            raise ValueError(f"{select!r} is not needed for what is fetched")
        data["select"] = drawing.operations.index(op)  # type: ignore[arg-type]
    return _assemble(data, picture, title or "graph")


def in_frame(page: str, height: int = 640) -> str:
    """Puts a page into a sandboxed frame, for notebooks."""
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" width="100%" '
        f'height="{height}" style="border:0" '
        f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
    )


def _plan(
    graph: Graph,
    targets: Sequence[Operation],
    tensors: Sequence[GraphTensor],
    feeds: Mapping[GraphTensor, TensorShape] | None,
) -> tuple[Planned | None, str]:
    if not targets and not tensors:
        return None, ""
    try:
        return plan_fetch(graph, targets, tensors, feeds), ""
    except Exception as error:
        # Whatever keeps the compiler from it, the graph is still worth seeing.
        return None, f"{type(error).__name__}: {error}"


def _check_times(
    planned: Planned | None,
    profile: Profile | None,
    times: Mapping[str, StepTime] | None,
) -> None:
    """Refuses what was measured on another plan: its times would stand at wrong ops."""
    if not times:
        return
    if planned is None:
        raise ValueError(
            "there are times, but no plan whose steps they could belong to"
        )
    if profile is not None:
        if profile.plan != fingerprint(planned.schedule):
            raise ValueError(
                "the profile is of another plan than the one that is shown: other feeds "
                "or sizes, other fetches, or an interpreted run; measure it again with "
                "these"
            )
        # What is timed in a loop has the name of an op in its body.
        return
    names = {step.op.name for step in planned.schedule.steps}
    strange = [name for name in times if name not in names]
    if strange:
        raise ValueError(
            f"the times are of another plan: {clean_text(strange[0])} is none of its "
            f"{len(names)} steps; measure them again with these fetches and feeds"
        )


def _assemble(data: dict[str, Any], picture: str, title: str) -> str:
    text = escape_json(data)
    coding = "plain"
    if len(text) > LARGEST_PLAIN:
        packed = gzip.compress(text.encode(), 6, mtime=0)
        text, coding = base64.b64encode(packed).decode(), "gzip"
    style, picture_style = _page_style(), _picture_style()
    script = "\n" + "".join(_read(f"app/{name}") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; "
        f"style-src {_hash(style)} {_hash(picture_style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=html.escape(clean_text(title), quote=True),
        style=style,
        picture_style=picture_style,
        picture=picture,
        coding=coding,
        data=text,
        script=script,
    )


def escape_json(data: Any) -> str:
    """Writes JSON that can stand in a script element.

    >>> escape_json({"name": "</script>&"})
    '{"name":"\\\\u003c/script\\\\u003e\\\\u0026"}'
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    for char in _ESCAPED:
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


@cache
def _read(name: str) -> str:
    return files("graphopt.viz.html").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _dark(rules: str) -> str:
    """Rules for a dark system or choice on a screen; a choice wins over the system."""
    return (
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{\n{rules}}}}}"
        f"\n@media screen{{:root[data-theme=dark]{{\n{rules}}}}}"
    )


def _page_style() -> str:
    return _read("app/page.css") + _dark(_read("app/dark.css"))


def _picture_style() -> str:
    dark = _dark(style_rules(dark=True))
    return style_rules() + dark + "\n" + _read("app/picture.css")
