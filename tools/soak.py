"""Runs tests of one kind for much longer than the test suite does.

python3 tools/soak.py NAME [FACTOR]     NAME is one of those below, FACTOR is 20

graphs      random graphs, compiled, interpreted, eager and in float64
reuse       what is compiled, under changing dtypes, shapes, tapes, objects and threads
rewrites    planted wrong passes, and the real ones on random programs
interrupts  interrupts at random times of training
threads     eight threads in one session, and steps on several threads
leaks       memory over steps and graphs that are built again
bounds      kernels beside pages that nobody may touch, with all samples of all ops
cache       damaged, shared and hostile caches
checkpoints killed saves, damaged and hostile files
processes   fork, spawn and forkserver
all         all of them

Seeds are drawn anew and printed when something fails; GRAPHOPT_SOAK_SEED sets one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = {
    "graphs": ("tests/properties/test_random_graphs.py",),
    "reuse": ("tests/properties/test_reuse_machine.py",),
    "rewrites": ("tests/properties/test_planted_rewrites.py",),
    "interrupts": ("tests/faults/test_interrupts.py",),
    "threads": ("tests/faults/test_threads.py", "tests/runtime/test_workers.py"),
    "leaks": ("tests/faults/test_leaks.py",),
    "bounds": ("tests/faults/test_bounds.py",),
    "cache": ("tests/codegen/test_cache.py", "tests/codegen/test_cache_file.py"),
    "checkpoints": ("tests/faults/test_checkpoints.py",),
    "processes": (
        "tests/runtime/test_processes.py",
        "tests/faults/test_determinism.py",
    ),
}


def main() -> None:
    """Runs what the command line asks for."""
    names = sys.argv[1:2]
    if not names or names[0] not in (*TESTS, "all") or len(sys.argv) > 3:
        sys.exit(__doc__)
    factor = sys.argv[2] if len(sys.argv) == 3 else "20"
    if not factor.isdigit() or not int(factor):
        sys.exit(f"FACTOR is a positive number; got {factor!r}.")
    chosen = TESTS.values() if names == ["all"] else [TESTS[names[0]]]
    files = [file for group in chosen for file in group]
    command = [sys.executable, "-m", "pytest", "-x", "--timeout", "0", *files]
    environment = {**os.environ, "GRAPHOPT_SOAK": factor}
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


main()
