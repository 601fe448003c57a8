"""What verbs about graphs share: the options of a target, looking for it, signs of life."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from graphopt.checks.watching import not_finite
from graphopt.commands.shared import OK, print_json, print_table, say, wants_color
from graphopt.runtime.recording import Ran, Recorder
from graphopt.viz.loading import Loaded, Until, load_target
from graphopt.viz.target import ScriptError, Target
from graphopt.viz.words import clean_text, plural

TARGET_HELP = """\
targets:
  script.py            run it through its first training step and take that: of
                       all that ran, what trains and costs most by its shapes;
                       without a training step the last train op that was
                       built, or else the last graph; what follows -- is passed
                       to it
  script.py:attribute  import it and take a graph, an operation, a tensor, a
  module:attribute     tf.function, a Keras model, or what a function returns
  graph.json           a graph that `graphopt export` wrote, as JSON or as text
  graph.pbtxt          of a GraphDef (.pbtxt); reading it runs no code

Scripts and modules are executed: run only what you trust.
"""

# A script that runs for longer than this says so, on terminals each second, and
# elsewhere each half minute.
PATIENCE = 2.0
INTERVAL, INTERVAL_IN_FILES = 1.0, 30.0


def add_target(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds the target and what says how it is found."""
    parser.epilog = TARGET_HELP
    parser.add_argument(
        "target",
        nargs=None if required else "?",
        help="script.py, script.py:attribute, ...",
    )
    parser.add_argument("--fetch", metavar="NAME", help="an op, or a tensor (name:0)")
    parser.add_argument(
        "--take",
        metavar="NAME",
        help="of what the script runs this, by its number or the beginning of its name "
        "in --list; the script ends where it first runs",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list what the script ran: functions, steps of fit, fetches",
    )
    parser.add_argument(
        "--tf",
        type=int,
        choices=(1, 2),
        help="the version of TensorFlow that `import tensorflow` is to find; by "
        "default the one whose names the script uses",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--run",
        action="store_const",
        dest="until",
        const=Until.END,
        help="run the script to its end",
    )
    how.add_argument(
        "--no-run",
        action="store_const",
        dest="until",
        const=Until.BUILT,
        help="end the script where it would run its first graph",
    )
    parser.set_defaults(until=Until.STEP)


@contextlib.contextmanager
def finding(
    options: argparse.Namespace,
    passed: Sequence[str],
    *,
    text: str | None = None,
    recorder: Recorder | None = None,
    on_step: Callable[[Ran, Sequence[Any]], None] | None = None,
) -> Iterator[Loaded]:
    """Finds the graph that the options name, for a block that shows it.

    Where the script failed or was interrupted after there was something to see, the block
    runs all the same, and how the script ended is raised after it.

    Args:
      options: As `add_target` gives them.
      passed: The arguments of the script.
      text: The target; by default that of the options.
      recorder, on_step: See `load_target`.

    Raises:
      TargetNotFoundError: There is no such thing.
      ScriptError: The user's code raised.
      KeyboardInterrupt: The user ended it.
    """
    text = options.target if text is None else text
    recorder = recorder or Recorder()
    with signs_of_life(text, recorder, options):
        loaded = load_target(
            text,
            passed,
            fetch=options.fetch,
            take=options.take,
            until=options.until,
            recorder=recorder,
            on_step=on_step,
            tensorflow=options.tf,
        )
    if loaded.is_interrupted:
        say("interrupted; this is what there was")
    elif loaded.failure is not None and not_finite(loaded.failure) is None:
        say(f"{text} failed; this is what it had built: {_place(loaded)}")
    yield loaded
    if loaded.failure is not None:
        raise ScriptError from loaded.failure
    if loaded.is_interrupted:
        raise KeyboardInterrupt


def show_target(
    options: argparse.Namespace,
    passed: Sequence[str],
    show: Callable[[Loaded], int | None],
    *,
    recorder: Recorder | None = None,
    on_step: Callable[[Ran, Sequence[Any]], None] | None = None,
) -> int:
    """Finds the graph that the options name and shows it, or lists what ran.

    Args:
      options: As `add_target` gives them.
      passed: The arguments of the script.
      show: Shows it, and returns the exit code if it is not 0.
      recorder, on_step: See `load_target`.

    Returns:
      The exit code; see `finding` for what is raised.
    """
    on_step = None if options.list else on_step
    with finding(options, passed, recorder=recorder, on_step=on_step) as loaded:
        if options.list:
            print_ran(loaded, options)
            return OK
        return show(loaded) or OK


def _place(loaded: Loaded) -> str:
    ops = plural(len(loaded.target.graph), "op")
    ran = plural(sum(ran.runs for ran in loaded.recorder.ran.values()), "run")
    return f"{ops} and {ran}"


@contextlib.contextmanager
def signs_of_life(
    text: str, recorder: Recorder, options: argparse.Namespace
) -> Iterator[None]:
    """Says on the error stream, once a script takes long, what it is doing."""
    if options.quiet:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(text, recorder, options.until, over), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(text: str, recorder: Recorder, until: Until, over: threading.Event) -> None:
    start = time.monotonic()
    if over.wait(PATIENCE):
        return
    say(f"running {text} {until.value}; Ctrl-C shows what there is by then")
    shown = False
    interval = INTERVAL if sys.stderr.isatty() else INTERVAL_IN_FILES
    while not over.wait(interval):
        # What another thread changes at the same time is counted in the next round.
        with contextlib.suppress(RuntimeError):
            runs = sum(ran.runs for ran in recorder.ran.values())
            ops = sum(len(graph) for graph in recorder.graphs)
            words = f"{time.monotonic() - start:.0f} s: {ops:,} ops, {runs:,} runs"
            end = "\r" if sys.stderr.isatty() else "\n"
            sys.stderr.write(f"graphopt: {words}{end}")
            sys.stderr.flush()
            shown = sys.stderr.isatty()
    if shown:
        sys.stderr.write(" " * 60 + "\r")


def print_ran(loaded: Loaded, options: argparse.Namespace) -> None:
    """Prints what a script ran, for `--list`."""
    rows = []
    values = []
    for number, ran in enumerate(loaded.recorder.list_ran()):
        plan = ran.plan
        kind = "trains" if ran.is_training else "writes" if plan.writes else "reads"
        taken = is_taken(ran, loaded.target)
        ops = len(plan.program.operations)
        mark = "*" if taken else ""
        rows.append([f"{number}{mark}", ran.name, kind, f"{ran.runs:,}", f"{ops:,}"])
        values.append(
            {
                "number": number,
                "name": clean_text(ran.name),
                "kind": kind,
                "runs": ran.runs,
                "ops": ops,
                "taken": taken,
            }
        )
    if getattr(options, "json", False):
        print_json(values)
        return
    if not rows:
        say("nothing ran")
        return
    color = wants_color(getattr(options, "color", "never"))
    print_table(
        ["", "ran", "kind", "runs", "ops"], rows, color=color, numbers=2, flexible=1
    )
    if not options.quiet:
        say("* is taken; --take NUMBER or NAME takes another")


def title_of(text: str, target: Target) -> str:
    """Returns what stands above: the name of the file, and what of it is shown.

    >>> from graphopt.graph.graph import Graph
    >>> from graphopt.viz.target import Target
    >>> title_of("examples/train.py", Target(Graph(), name="step(float32[2])"))
    'train.py: step(float32[2])'
    """
    name = Path(text).name or text
    return f"{name}: {target.name}" if target.name else name


def is_taken(ran: Ran, target: Target) -> bool:
    """Returns whether a target is what ran."""
    runner = ran.runner
    if target.graph is not ran.graph or target.operations != runner.targets:
        return False
    # By identity: `==` of tensors may be an op.
    ids = [id(tensor) for tensor in target.tensors]
    return ids == list(map(id, runner.fetches)) and target.feeds == ran.feeds
