"""Sets up everything in `.venv` and runs the demo or the tests.

python3 tools/dev.py demo     trains a network on handwritten digits
python3 tools/dev.py test     linters, type checks and all tests
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


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


def main() -> None:
    """Runs what the command line asks for."""
    task = sys.argv[1] if len(sys.argv) == 2 else ""
    if task == "demo":
        set_up("data")
        run(PYTHON, "examples/digits_graph.py")
    elif task == "test":
        set_up("dev")
        run(PYTHON, "-m", "ruff", "check", ".")
        run(PYTHON, "-m", "ruff", "format", "--check", ".")
        run(PYTHON, "-m", "mypy")
        run(PYTHON, "tools/check_layers.py")
        run(PYTHON, "-m", "pytest")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
