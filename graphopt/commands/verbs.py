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
    "run": "run a TensorFlow program as it stands, in one process or several",
    "show": "print the scopes and ops of a graph",
    "view": "make a page that shows a graph, or two, and open it",
    "export": "write a graph in a format of your choice",
    "diff": "compare two graphs, or a graph before and after a pass",
    "profile": "time the kernels of a training step",
    "kernels": "list the kernels of a step, or print their source",
    "check": "look for mistakes in a training program",
    "doctor": "say what graphopt runs on, what is wrong, and what the limits are",
    "cache": "look at the cache of compiled kernels, empty it, fill it",
    "completion": "print a script that completes verbs and options in a shell",
}


EPILOG = """\
examples:
  graphopt show train.py                  what the training step is and becomes
  graphopt view train.py --profile 50     the same as a page, colored by time
  graphopt profile train.py -- --lr 0.1   what each kernel takes; options of the
                                          script stand behind --
  graphopt check --nan train.py           the op that makes the first NaN
  graphopt kernels train.py --source fused_0 --asm
  graphopt run old_tensorflow_program.py
  graphopt run -n 4 train.py              four processes train one model

exit codes:
  0 fine; 1 findings (check) or differences (diff); 2 wrong usage; 3 no such
  target or graph; 4 the script raised; 5 a package of an extra is missing;
  130 ended by Ctrl-C; of run: that of the program

environment:
  GRAPHOPT_THREADS         threads of a step; 0 for all processors
  GRAPHOPT_CACHE           off: compiled kernels are not kept on disk
  GRAPHOPT_CACHE_DIR       where they are kept; else ~/.cache/graphopt
  GRAPHOPT_CHECK_NUMERICS  1: NaN and infinities are errors that name the op
  GRAPHOPT_DEBUG           1: sessions compare each kernel with NumPy
  GRAPHOPT_JIT             always, never, or how many runs are interpreted first
  GRAPHOPT_MPIEXEC         the mpiexec of run -n; else the one of mpi4py's MPI
  GRAPHOPT_PASSES_OFF      names of rewrites to leave out, comma separated
  GRAPHOPT_STRICT          1: no implicit default session
  GRAPHOPT_VECTOR_BITS     128, 256, 512: kernels as for such vectors
  NO_COLOR                 no colors on terminals either

graphopt VERB --help says more of a verb."""


def load_verb(name: str) -> ModuleType:
    """Imports the file of a verb, which has `add_parser` and `run`."""
    return importlib.import_module(f"graphopt.commands.{name}")


def _describe_verbs() -> str:
    width = max(map(len, SUMMARIES))
    lines = [f"  {name:{width}}  {summary}" for name, summary in SUMMARIES.items()]
    what = "Looks at graphs: what will run, what became of it, what it costs."
    return "\n".join([what, "", "verbs:", *lines])


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
        usage="graphopt VERB [options] [target] [-- arguments of the script]",
        description=_describe_verbs(),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"graphopt {graphopt.__version__}"
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, help=argparse.SUPPRESS, prog="graphopt"
    )
    for name in SUMMARIES:
        if name in wanted:
            load_verb(name).add_parser(verbs)
        else:
            verbs.add_parser(name)
    return parser, dict(verbs.choices)
