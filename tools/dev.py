"""Sets up everything in `.venv` and runs the demo or the tests.

python3 tools/dev.py demo     trains a network on handwritten digits
python3 tools/dev.py test     linters, type checks and all tests; then those of kernels and
                              their results again with vectors of other widths
python3 tools/dev.py docs     builds the site of the documentation, build/site/index.html
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FIRST_HALF = (
    "tests/codegen",
    "tests/contract",
    "tests/keras",
    "tests/parallel",
    "tests/properties",
)
# Kernels, what they compute, and texts that must not depend on the machine.
WITH_OTHER_VECTORS = (
    "tests/codegen",
    "tests/contract",
    "tests/keras/test_constraints.py",
    "tests/keras/test_optimizer_golden.py",
    "tests/keras/test_train_v1_golden.py",
    "tests/ops/test_truncation.py",
    "tests/commands/test_golden.py",
    "tests/viz/test_golden_show.py",
    "tests/viz/test_text.py",
    # These are about files and other machines.
    "--ignore=tests/codegen/test_aarch64.py",
    "--ignore=tests/codegen/test_cache.py",
    "--ignore=tests/codegen/test_cache_file.py",
)


def run(*command: str | Path) -> None:
    """Runs a command in the project's folder; its failure ends this program."""
    print("+", *command, flush=True)
    code = subprocess.run(
        [str(part) for part in command], cwd=ROOT, check=False
    ).returncode
    if code:
        sys.exit(code)


def set_up(extra: str) -> None:
    """Makes the virtual environment and installs the project with an extra."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("graphopt needs Python 3.11 or newer.")
    if not PYTHON.exists():
        try:
            run(sys.executable, "-m", "venv", VENV)
        except SystemExit:
            sys.exit(
                "Python's venv module is missing; on Debian: apt install python3-venv"
            )
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    run(PYTHON, "-m", "pip", "install", "-q", "-e", f".[{extra}]")


def test_together(runs: dict[str, tuple[list[str], dict[str, str]]]) -> None:
    """Runs pytest several times at once, for each keeps one core busy.

    What they print comes in order. Where one fails, this program ends.

    Args:
      runs: For the name of each run its arguments and what is set in its environment.
    """
    running = []
    for name, (arguments, environment) in runs.items():
        output = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 (read below)
        process = subprocess.Popen(
            [str(PYTHON), "-m", "pytest", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        running.append((name, process, output))
    failed = 0
    for name, process, output in running:
        failed = process.wait() or failed
        output.seek(0)
        print(f"+ pytest {name}", output.read(), sep="\n", flush=True)
    if failed:
        sys.exit(failed)


def test_all() -> None:
    """Runs every test once, in two halves that take about as long."""
    rest = [f"--ignore={folder}" for folder in FIRST_HALF]
    test_together(
        {"of " + " ".join(FIRST_HALF): ([*FIRST_HALF], {}), "of the rest": (rest, {})}
    )


def test_other_widths() -> None:
    """Tests kernels as they are on machines with other vectors."""
    ask = "from graphopt.codegen.machine import *; print(get_machine().vector_bits)"
    done = subprocess.run(
        [str(PYTHON), "-c", ask], cwd=ROOT, check=True, capture_output=True, text=True
    )
    others = sorted({"128", "256", "512"} - {done.stdout.strip()})
    test_together(
        {
            f"with vectors of {bits} bits": (
                [*WITH_OTHER_VECTORS],
                {"GRAPHOPT_VECTOR_BITS": bits},
            )
            for bits in others
        }
    )


def main() -> None:
    """Runs what the command line asks for."""
    task = sys.argv[1] if len(sys.argv) == 2 else ""
    if task == "demo":
        set_up("data")
        run(PYTHON, "examples/digits_graph.py")
    elif task == "test":
        set_up("dev")
        # So that a report of a failure says what machine it was.
        run(PYTHON, "-m", "graphopt", "doctor")
        run(PYTHON, "-m", "ruff", "check", ".")
        run(PYTHON, "-m", "ruff", "format", "--check", ".")
        run(PYTHON, "-m", "mypy")
        run(PYTHON, "tools/check_layers.py")
        test_all()
        test_other_widths()
    elif task == "docs":
        set_up("docs")
        # Without a notice about the next major version of mkdocs.
        os.environ["NO_MKDOCS_2_WARNING"] = "1"
        run(PYTHON, "-m", "mkdocs", "build", "--quiet")
        print(f"Open {ROOT / 'build' / 'site' / 'index.html'} in a browser.")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
