"""Where the time of a step goes: `Profile`, what it holds and how it is written."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from graphopt.graph.words import clean_text, format_bytes, plural

if TYPE_CHECKING:
    from graphopt.codegen.compile.limits import MachineLimits

FORMAT = "graphopt.profile"
VERSION = 1
# Lines of `str(profile)`; the rest is in `steps`.
LONGEST_TABLE = 25
LONGEST_NAME = 60
MOST_NAMES = 2
# Of the lines above the table.
WIDTH = 80
# The family of the kernels that exchange values with other ranks.
EXCHANGING = "communicate"


@dataclass(frozen=True)
class StepTime:
    """What one step of a plan takes.

    Attributes:
      number: Its place in the plan.
      name: The name of its op.
      type: The type of its op.
      kernel: The family of its kernel, `HOST`, `loop` for several steps that jump, or
        `NumPy` where nothing is compiled.
      ops: The ops that run in it.
      seconds: The median over the runs.
      nbytes: What it reads and writes, each buffer once; None if not known.
      flops: Its floating-point operations; None if not known.
      limit: The share of what the machine can do at most: of its multiply-adds or of
        the bandwidth of a copy, whichever is more. It can exceed 1, for what a kernel
        reads may still be in a nearer cache. None if not known.
      bound: Which of the two that is: `arithmetic`, `memory` or `cache`.
      kernels: The names of its kernels.
      site: `file:line` of the user's code that made the op.
    """

    number: int
    name: str
    type: str
    kernel: str
    ops: tuple[str, ...]
    seconds: float
    nbytes: int | None
    flops: int | None
    limit: float | None
    bound: str
    kernels: tuple[str, ...]
    site: str

    @property
    def bytes_per_second(self) -> float | None:
        """The bandwidth that was reached."""
        return self._rate(self.nbytes)

    @property
    def flops_per_second(self) -> float | None:
        """The floating-point operations a second that were reached."""
        return self._rate(self.flops)

    def _rate(self, amount: int | None) -> float | None:
        return amount / self.seconds if amount and self.seconds > 0 else None


@dataclass(frozen=True)
class Event:
    """One step in one run.

    Attributes:
      run: Which run.
      step: Its place in `Profile.steps`.
      start: When it began, in seconds after the first run began.
      seconds: How long it took.
      busy: How long each thread computed in it, that of the step first; the rest of the
        time it waited. Empty where nothing was handed out to other threads.
    """

    run: int
    step: int
    start: float
    seconds: float
    busy: tuple[float, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """What was exchanged with other ranks at once, in one run.

    Attributes:
      run: Which run.
      step: The place, in `Profile.steps`, of the step that began it.
      start: When it was begun to be done, in seconds after the first run began.
      seconds: How long that took, whichever thread did it.
    """

    run: int
    step: int
    start: float
    seconds: float


@dataclass(frozen=True)
class Profile:
    """What a fetch costs; made by `Session.profile`.

    Attributes:
      fetches: What was run.
      runs: How often.
      seconds: The time of a whole run: the median over runs in one native call.
      fastest, slowest: The shortest and the longest of these.
      steps: What each step takes, in order.
      arena_bytes: The memory of the intermediate results.
      limits: What the machine can do.
      passes: The seconds of each rewrite.
      scheduling: The seconds of ordering the steps and placing the buffers.
      compiled: The seconds that compiling each kernel took, in this process.
      loaded: The seconds that loading each from the cache took.
      interpreted: Why the steps ran with NumPy; empty if they were compiled.
      events: The single steps of all runs.
      exchanges: What was exchanged with other ranks, in all runs.
      plan: Digits that tell the plan from others, see `schedule.summary.fingerprint`.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     v = tf.Variable([1.0, 2.0], name="v")
    ...     step = v.assign_add(tf.exp(v), read_value=False)
    ...     session.run(v.initializer)
    ...     profile = session.profile(step, runs=3)
    ...     session.run(v)
    array([1., 2.], dtype=float32)
    >>> [(step.kernel, step.flops, step.nbytes) for step in profile.steps]
    [('elementwise', 4, 16)]
    """

    fetches: tuple[str, ...]
    runs: int
    seconds: float
    fastest: float
    slowest: float
    steps: tuple[StepTime, ...]
    arena_bytes: int
    limits: MachineLimits
    passes: dict[str, float]
    scheduling: float
    compiled: dict[str, float]
    loaded: dict[str, float]
    interpreted: str = ""
    events: tuple[Event, ...] = field(default=(), repr=False)
    plan: str = ""
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)

    @property
    def threads(self) -> int:
        """How many threads computed."""
        return max((len(event.busy) for event in self.events), default=0) or 1

    @property
    def kernel_seconds(self) -> float:
        """The time of all steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def exchange_seconds(self) -> float:
        """How long exchanges with other ranks took in a run, the mean over the runs."""
        return sum(each.seconds for each in self.exchanges) / self.runs

    @property
    def waited_seconds(self) -> float:
        """How long steps of a run did nothing but wait for them, or do them."""
        waits = [s.seconds for s in self.steps if s.kernel == EXCHANGING]
        return min(sum(waits), self.exchange_seconds)

    def by_type(self) -> dict[str, float]:
        """Returns the seconds of each family of kernels, the largest first."""
        found: dict[str, float] = {}
        for step in self.steps:
            found[step.kernel] = found.get(step.kernel, 0.0) + step.seconds
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    def by_op(self) -> dict[str, float]:
        """Returns the seconds of each op; ops that run in one loop share its time."""
        found: dict[str, float] = {}
        for step in self.steps:
            names = step.ops or (step.name,)
            for name in names:
                found[name] = found.get(name, 0.0) + step.seconds / len(names)
        return found

    # ---- text

    def summary(self) -> list[str]:
        """Returns the lines above the table: totals, machine, compilation."""
        what = clean_text(", ".join(self.fetches[:MOST_NAMES])) or "nothing"
        if len(self.fetches) > MOST_NAMES:
            what += f" and {len(self.fetches) - MOST_NAMES} more"
        limits = self.limits
        lines = [
            f"profile of {what}: {format_seconds(self.seconds)} a run (median of "
            f"{self.runs}; {format_seconds(self.fastest)} to "
            f"{format_seconds(self.slowest)})",
            f"{plural(len(self.steps), 'step')} take {format_seconds(self.kernel_seconds)}"
            " of it, the rest is feeding and fetching; arena "
            f"{format_bytes(self.arena_bytes)}",
            f"one core at most: {limits.float32 / 1e9:.0f} GFLOP/s in float32, "
            f"{limits.float64 / 1e9:.0f} in float64; copies {limits.memory / 1e9:.0f} "
            f"GB/s in memory, {limits.large_cache / 1e9:.0f} and "
            f"{limits.cache / 1e9:.0f} in caches",
            f"before the first run: passes {format_seconds(sum(self.passes.values()))}, "
            f"schedule {format_seconds(self.scheduling)}, "
            f"{plural(len(self.compiled), 'kernel')} compiled in "
            f"{format_seconds(sum(self.compiled.values()))}, "
            f"{len(self.loaded)} from the cache in "
            f"{format_seconds(sum(self.loaded.values()))}",
        ]
        whole = self.kernel_seconds or 1.0
        shares = (f"{k} {100 * s / whole:.0f} %" for k, s in self.by_type().items())
        lines.append(f"by kernel: {', '.join(shares)}")
        if self.exchanges:
            exchanged, waited = self.exchange_seconds, self.waited_seconds
            hidden = 1 - waited / exchanged if exchanged else 0.0
            lines.append(
                f"exchanged with other ranks in {format_seconds(exchanged)} a run, of "
                f"which the step waited {format_seconds(waited)}: {100 * hidden:.0f} % "
                "behind what it computed"
            )
        if self.interpreted:
            lines.append(f"runs without native code: {self.interpreted}")
        return [
            part
            for line in lines
            for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")
        ]

    HEADINGS = ("op", "kernel", "limit", "GB/s", "GFLOP/s", "time", "share")

    def rows(self, most: int | None = LONGEST_TABLE) -> list[list[str]]:
        """Returns the cells of the table under `HEADINGS`, the longest steps first."""
        total = self.kernel_seconds or 1.0
        ordered = sorted(self.steps, key=lambda step: -step.seconds)
        rows = []
        for step in ordered[:most]:
            limit = f"{100 * step.limit:.0f} % {step.bound}" if step.limit else ""
            name = _shorten(clean_text(step.name))
            if len(step.ops) > 1:
                name += f" (+ {plural(len(step.ops) - 1, 'op')})"
            rows.append(
                [
                    name,
                    step.kernel,
                    limit,
                    _giga(step.bytes_per_second),
                    _giga(step.flops_per_second),
                    format_seconds(step.seconds),
                    f"{100 * step.seconds / total:.0f} %",
                ]
            )
        return rows

    def left_out(self, most: int | None = LONGEST_TABLE) -> str:
        """Says what `rows` leaves out; empty if nothing."""
        rest = sorted(self.steps, key=lambda step: -step.seconds)[most:] if most else []
        if not rest:
            return ""
        seconds = format_seconds(sum(step.seconds for step in rest))
        return f"{plural(len(rest), 'more step')} of {seconds} together"

    def __str__(self) -> str:
        table = [list(self.HEADINGS), *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [*self.summary(), ""]
        for row in table:
            cells = [
                cell.rjust(width) if index > 2 else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells))
        return "\n".join([*lines, self.left_out()]).rstrip()

    def _repr_html_(self) -> str:
        """The table that notebooks show: plain HTML without scripts."""
        lines = "<br>".join(html.escape(line) for line in self.summary())
        head = "".join(f"<th>{html.escape(each)}</th>" for each in self.HEADINGS)
        longest = max((step.seconds for step in self.steps), default=0.0) or 1.0
        ordered = sorted(self.steps, key=lambda step: -step.seconds)
        body = []
        for step, row in zip(ordered, self.rows(None), strict=True):
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            width = 120 * step.seconds / longest
            bar = f'<div style="background:#4a86c5;height:10px;width:{width:.0f}px"></div>'
            title = html.escape(clean_text(step.site), quote=True)
            body.append(f'<tr title="{title}">{cells}<td>{bar}</td></tr>')
        return (
            f"<p>{lines}</p><table><thead><tr>{head}<th></th></tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def to_html(self) -> str:
        """Returns a whole page with the table, which needs nothing else."""
        style = (
            "body{font:14px sans-serif;margin:2em;color-scheme:light dark}"
            "td,th{padding:2px 10px;text-align:left;white-space:nowrap}"
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            f"style-src 'unsafe-inline'\"><title>profile</title><style>{style}</style>"
            f"</head><body>{self._repr_html_()}</body></html>\n"
        )

    # ---- for programs

    def to_json(self) -> dict[str, Any]:
        """Returns plain values: `format`, `version`, and the attributes.

        Times are in seconds; a step has `bytes_per_second` and `flops_per_second` too.
        """
        values = {
            name: getattr(self, name)
            for name in (
                "fetches",
                "runs",
                "seconds",
                "fastest",
                "slowest",
                "kernel_seconds",
                "arena_bytes",
                "interpreted",
                "plan",
                "passes",
                "scheduling",
                "compiled",
                "loaded",
            )
        }
        steps = [
            {
                **asdict(step),
                "bytes_per_second": step.bytes_per_second,
                "flops_per_second": step.flops_per_second,
            }
            for step in self.steps
        ]
        limits = asdict(self.limits)
        return {
            "format": FORMAT,
            "version": VERSION,
            **values,
            "limits": limits,
            "steps": steps,
        }

    def times(self) -> dict[str, Any]:
        """Returns what `graphopt view --times` takes: the plan's digits and `step_times`."""
        return {"plan": self.plan, "steps": self.step_times()}

    def step_times(self) -> dict[str, list[float]]:
        """Returns `{name of the step: [seconds, bytes]}`."""
        return {step.name: [step.seconds, step.nbytes or 0] for step in self.steps}

    def to_chrome_trace(self) -> dict[str, Any]:
        """Returns events for chrome://tracing and Perfetto: all steps of all runs."""
        process = {"name": "process_name", "ph": "M", "pid": 1, "tid": 1}
        events: list[dict[str, Any]] = [{**process, "args": {"name": "graphopt"}}]
        for thread in range(self.threads):
            named = {"name": "thread_name", "ph": "M", "pid": 1, "tid": thread + 1}
            words = f"worker {thread}" if thread else "thread of the step"
            events.append({**named, "args": {"name": words}})
        for event in self.events:
            step = self.steps[event.step]
            events.append(
                {
                    "name": clean_text(step.name),
                    "cat": step.kernel,
                    "ph": "X",
                    "pid": 1,
                    "tid": 1,
                    "ts": event.start * 1e6,
                    "dur": event.seconds * 1e6,
                    "args": {
                        "run": event.run,
                        "type": step.type,
                        "ops": list(step.ops),
                        "bytes": step.nbytes,
                        "flops": step.flops,
                        "site": clean_text(step.site),
                    },
                }
            )
            for thread, busy in enumerate(event.busy[1:], start=2):
                # When a worker began is not known: it is drawn from the beginning on.
                if busy > 0:
                    same = {**events[-1], "tid": thread, "dur": busy * 1e6}
                    events.append(same)
        if self.exchanges:
            lane = self.threads + 1
            named = {"name": "thread_name", "ph": "M", "pid": 1, "tid": lane}
            events.append({**named, "args": {"name": "exchange with other ranks"}})
            events += [
                {
                    "name": clean_text(self.steps[each.step].name),
                    "cat": EXCHANGING,
                    "ph": "X",
                    "pid": 1,
                    "tid": lane,
                    "ts": each.start * 1e6,
                    "dur": each.seconds * 1e6,
                    "args": {"run": each.run},
                }
                for each in self.exchanges
            ]
        return {"traceEvents": events, "displayTimeUnit": "ns"}

    def to_chrome_trace_text(self) -> str:
        """Returns the trace as the text of a file."""
        return json.dumps(self.to_chrome_trace()) + "\n"


def _shorten(name: str) -> str:
    """Cuts a name at its beginning: what tells ops apart is at the end."""
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"


def _giga(rate: float | None) -> str:
    return "" if rate is None else f"{rate / 1e9:.1f}"


def format_seconds(seconds: float) -> str:
    """Writes a time in the unit that fits.

    >>> format_seconds(3.2e-6), format_seconds(0.0451), format_seconds(0)
    ('3.20 us', '45.1 ms', '0 us')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return (
                f"{seconds / size:.3g} {unit}"
                if seconds >= 10 * size
                else (f"{seconds / size:.2f} {unit}")
            )
    return f"{seconds * 1e6:.2g} us" if seconds else "0 us"


def total(sizes: Sequence[int | None]) -> int | None:
    """Adds up sizes; None if one is not known."""
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
