"""Running a program on several ranks, with a limit on its time."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# So long a launch may take on a machine that is busy; none comes near it.
LIMIT_S = 120
_AS_ROOT = (
    "OMPI_ALLOW_RUN_AS_ROOT",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
    "PRTE_ALLOW_RUN_AS_ROOT",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM",
)


def find_launcher(mpi="openmpi"):
    """Returns the command that starts ranks, without their number; skips without MPI."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    beside = Path(sys.executable).parent / "mpiexec"
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    version = subprocess.run(
        [launcher, "--version"], capture_output=True, text=True, check=False
    ).stdout
    is_open = "Open MPI" in version or "OpenRTE" in version or "prte" in version.lower()
    if is_open != (mpi == "openmpi"):
        pytest.skip(f"{launcher} is not that of {mpi}")
    if not is_open:
        return [launcher]
    return [
        *(launcher, "--with-ft", "ulfm", "--map-by", ":oversubscribe"),
        *("--bind-to", "none"),
    ]


def run_ranks(
    n, script_text, *args, mpi="openmpi", limit_s=LIMIT_S, expect=0, env=None
):
    """Runs a program on several ranks.

    Args:
      n: How many.
      script_text: The program; `report(value)` in it gives back a value of its rank.
      args: Its arguments.
      mpi: Which library: a test of another one is skipped.
      limit_s: The most seconds that it may take.
      expect: The exit code; None for any.
      env: More variables of the environment.

    Returns:
      What the ranks have reported, a list of the last values by rank.
    """
    command = find_launcher(mpi)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "program.py")
        script.write_text(_REPORT + script_text)
        environment = {
            **os.environ,
            **dict.fromkeys(_AS_ROOT, "1"),
            "OMPI_MCA_btl": "^ofi,uct",
            "OMPI_MCA_mpi_yield_when_idle": "1",
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), os.environ.get("PYTHONPATH", "")]
            ),
            "GRAPHOPT_TEST_FOLDER": folder,
            "GRAPHOPT_THREADS": "1",
            **(env or {}),
        }
        process = subprocess.Popen(
            [*command, "-n", str(n), sys.executable, str(script), *map(str, args)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            pytest.fail(f"{n} ranks hang after {limit_s} s:\n{output[-4000:]}")
        if expect is not None:
            assert process.returncode == expect, output[-6000:]
        found = []
        for rank in range(n):
            place = Path(folder, f"rank{rank}.json")
            assert place.exists() or expect != 0, f"rank {rank}:\n{output[-6000:]}"
            found.append(json.loads(place.read_text()) if place.exists() else None)
        return found


_REPORT = """
def report(value):
    import json, os
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        if name in os.environ:
            break
    path = os.path.join(os.environ["GRAPHOPT_TEST_FOLDER"], f"rank{os.environ[name]}.json")
    with open(path, "w") as file:
        json.dump(value, file)

"""
