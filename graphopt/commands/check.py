"""`graphopt check`: looks for mistakes in a training program."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphopt.checks.findings import SEVERITIES, Finding
from graphopt.checks.running import RunWatcher
from graphopt.checks.structure import (
    dead_operations,
    lossy_casts,
    missing_gradients,
    unordered_accesses,
    unused_variables,
)
from graphopt.checks.watching import Watcher, not_finite
from graphopt.commands.shared import (
    FOUND,
    OK,
    add_color,
    add_command,
    add_json,
    positive,
    print_json,
    print_text,
    render_rich,
    wants_color,
)
from graphopt.commands.targets import finding, print_ran
from graphopt.config import config, settings
from graphopt.runtime.recording import Ran, Recorder, StopRunning
from graphopt.viz.loading import Loaded, Until
from graphopt.viz.target import Target, TargetNotFoundError
from graphopt.viz.words import clean_text, plural

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "check",
        more="It finds variables that are not used, not trained or get no gradient, feeds "
        "that change nothing, updates and ops that are never run, writes without an order, "
        "graphs that grow in the loop, functions that are traced and sizes that are planned "
        "again and again, steps that are interpreted or wait for data, eager loops, feeds "
        "and casts that lose digits, results that are NaN. The exit code is 1 if there are "
        "warnings or errors; notes, shown with -v, do not count.",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="look for NaN and infinities in the first N training steps, and end the "
        "script there",
    )
    parser.add_argument(
        "--nan",
        action="store_true",
        help="look for the op that makes the first NaN or infinity, in all of the script",
    )
    parser.set_defaults(until=Until.END)
    parser.add_argument(
        "--port",
        action="store_true",
        help="list the names and keywords of TensorFlow that the program, or those of a "
        "folder, use and that are not here; nothing is run",
    )
    add_json(parser)
    add_color(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints the findings; the exit code says whether there are any."""
    if options.port:
        return _port(options)
    watcher = Watcher()
    stopped: list[bool] = []

    def on_run(ran: Ran, feeds: Sequence[Any]) -> None:
        watcher.on_run(ran, feeds)
        if options.steps is not None and watcher.training_runs >= options.steps:
            stopped.append(True)
            recorder.stopped = True
            raise StopRunning

    recorder = Recorder(on_run=on_run, on_gradients=watcher.on_gradients)
    runs = RunWatcher(recorder)
    hunts = options.nan or options.steps is not None
    try:
        with (
            config(check_numerics=hunts or settings.check_numerics),
            watcher.watching_feeds(),
            runs.watching(),
            finding(options, passed, recorder=recorder) as loaded,
        ):
            if options.list:
                print_ran(loaded, options)
                return OK
            findings = _find(loaded, watcher, options, stopped=bool(stopped))
            findings += watcher.findings() + runs.findings()
            _print(findings, options, watcher)
    except TargetNotFoundError:
        # A program that is eager all through has no graph, but it ran.
        findings = watcher.findings() + runs.findings()
        if not findings:
            raise
        _print(findings, options, watcher)
    return FOUND if any(each.severity != "note" for each in findings) else OK


def _find(
    loaded: Loaded, watcher: Watcher, options: argparse.Namespace, *, stopped: bool
) -> list[Finding]:
    """Returns what is wrong with the graph, and with the values if they were looked at."""
    failed = loaded.failure is not None or loaded.is_interrupted
    whole = bool(watcher.fetched) and not stopped and not failed
    whole = whole and options.until is Until.END
    findings = look_at(loaded.target, watcher, whole=whole)
    found = not_finite(loaded.failure)
    if found is not None:
        # It is what was looked for, and not a mistake of the script's.
        loaded.failure = None
        findings.append(found)
    return findings


def _port(options: argparse.Namespace) -> int:
    """Prints what a program uses that is not here."""
    from graphopt.checks.porting import find_missing

    path = Path(options.target)
    if not path.exists():
        raise TargetNotFoundError(f"there is no file or folder {options.target!r}")
    findings = list(find_missing([path], options.tf))
    _print(findings, options, Watcher())
    return FOUND if any(each.severity != "note" for each in findings) else OK


def look_at(target: Target, watcher: Watcher, *, whole: bool) -> list[Finding]:
    """Looks at a graph.

    Args:
      target: The graph, and what trains.
      watcher: What was noticed while it was built and run.
      whole: Whether the script ran to its end, so that what was not run never is.
    """
    run = (*target.wanted, *watcher.fetched)
    findings = unused_variables(target.graph, run)
    findings += missing_gradients(target.graph, watcher.walks)
    findings += unordered_accesses(target.wanted)
    findings += lossy_casts(target.wanted)
    if whole:
        findings += dead_operations(target.graph, run)
    return findings


def _print(
    findings: list[Finding], options: argparse.Namespace, watcher: Watcher
) -> None:
    findings = sorted(findings, key=lambda each: SEVERITIES.index(each.severity))
    if options.json:
        print_json(
            {
                "findings": [each.as_json() for each in findings],
                "training_runs": watcher.training_runs,
            }
        )
        return
    shown = [f for f in findings if f.severity != "note" or options.verbose]
    if shown:
        print_text("\n".join(_lines(each, options) for each in shown))
    if options.quiet:
        return
    counts = {s: sum(f.severity == s for f in findings) for s in SEVERITIES}
    parts = [plural(count, name) for name, count in counts.items() if count]
    text = ", ".join(parts) or "nothing found"
    if counts["note"] and not options.verbose:
        text += " (-v shows notes)"
    if watcher.training_runs:
        text += f"; watched {plural(watcher.training_runs, 'training step')}"
    print_text(text)


def _lines(finding: Finding, options: argparse.Namespace) -> str:
    place = f"{clean_text(finding.site)}: " if finding.site else ""
    kind = f"{finding.severity}[{finding.check}]"
    message = clean_text(finding.message)
    if sys.stdout.isatty():
        # For other programs a finding is one line.
        width = shutil.get_terminal_size().columns
        start = " " * (len(place) + len(kind) + 2)
        lines = textwrap.wrap(start + message, width, subsequent_indent="    ")
        message = "\n".join(lines)[len(start) :]
    remedy = f"\n    try {clean_text(finding.remedy)}" if finding.remedy else ""
    if not wants_color(options.color):
        return f"{place}{kind}: {message}{remedy}"
    from rich.text import Text

    styled = (kind, _STYLES[finding.severity])
    text = Text.assemble(place, styled, f": {message}{remedy}")
    return render_rich(text, color=True)
