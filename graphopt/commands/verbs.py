"""The list of verbs, and the parser of all or some of them.

A verb's file is imported when the verb is given, so that `--help` and `show` do not wait
for what only `profile` needs.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Container
from types import ModuleType

import graphopt

SUMMARIES = {
    "run": "run a TensorFlow program as it stands",
    "show": "print the scopes and ops of a graph",
    "view": "make a page that shows a graph, and open it",
    "export": "write a graph in a format of your choice",
    "diff": "compare two graphs, or a graph before and after a pass",
    "profile": "time the kernels of a training step",
    "kernels": "list the kernels of a step, or print their source",
    "check": "look for mistakes in a training program",
    "doctor": "say what graphopt runs on here, and what is wrong",
    "cache": "look at the cache of compiled kernels, empty it, fill it",
    "completion": "print a script that completes verbs and options in a shell",
}


def load_verb(name: str) -> ModuleType:
    """Imports the file of a verb, which has `add_parser` and `run`."""
    return importlib.import_module(f"graphopt.commands.{name}")


def make_parser(
    wanted: Container[str],
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Makes the parser of all verbs.

    Args:
      wanted: The verbs whose options are needed; of the others only the summary is
        there.

    Returns:
      The parser, and the parser of each verb.
    """
    parser = argparse.ArgumentParser(
        prog="graphopt",
        description="Looks at graphs: what will run, what became of it, what it costs.",
        epilog="graphopt VERB --help says more. Try: graphopt show train.py",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"graphopt {graphopt.__version__}"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, summary in SUMMARIES.items():
        if name in wanted:
            load_verb(name).add_parser(verbs)
        else:
            verbs.add_parser(name, help=summary)
    return parser, dict(verbs.choices)
