"""Times training steps on the same ranks of this machine in graphopt, PyTorch, TensorFlow.

python3 tools/compare_several_ranks.py [--torch PYTHON] [--tensorflow PYTHON]
    [--workloads A,B] [--rounds 5] [--ranks 2] [--json FILE]

PYTHON is an interpreter that has torch, or tensorflow-cpu with mpi4py and an MPI library.
PyTorch uses DistributedDataParallel over gloo; TensorFlow computes gradients, sums them by
MPI and applies them, as Horovod does. Each rank has one thread.

Frameworks take turns, back and forth, so that a busy minute meets all of them. A step's time
is the median over blocks of steps; ratios are those of a round, with their median and range.
Weights after three steps are compared with those of one process that has the whole batch: a
wrong result is not ranked. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from peers.ranks import CHECKED_STEPS, TRAININGS, error_of

ROOT: Final = Path(__file__).resolve().parent.parent
TOLERANCE: Final = 5e-3
BLOCKS: Final = 15
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def measure(framework: str, name: str, file: str) -> None:
    """Runs in each rank; rank 0 prints a line of JSON and writes its weights."""
    import importlib

    training = TRAININGS[name]
    module = importlib.import_module(f"peers.ranks_{framework}")
    rank, step, results = module.build(training)
    for _ in range(CHECKED_STEPS):
        step()
    if rank == 0:
        np.savez(file, *results())
    for _ in range(training.block):
        step()
    blocks = []
    for _ in range(BLOCKS):
        start = time.perf_counter()
        for _ in range(training.block):
            step()
        blocks.append((time.perf_counter() - start) / training.block)
    if rank == 0:
        print(json.dumps({"step_us": statistics.median(blocks) * 1e6}), flush=True)


def run_one(
    framework: str, python: str, name: str, ranks: int, file: Path
) -> dict[str, Any]:
    """Measures one workload in one framework; returns the result or an error."""
    program = [str(Path(__file__).resolve()), "--measure", framework, name, str(file)]
    environment = {
        **os.environ,
        **dict.fromkeys(_THREADS, "1"),
        "GRAPHOPT_THREADS": "1",
    }
    if framework == "torch":
        return _read(_run_with_ports(python, program, ranks, environment))
    if framework == "graphopt":
        environment["PYTHONPATH"] = str(ROOT)
        command = [python, "-m", "graphopt", "run", "-n", str(ranks), "--threads", "1"]
        command += ["--only-rank", "0", *program]
    else:
        command = [*_mpiexec(python, environment), "-n", str(ranks), python, *program]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return _read((done.returncode, done.stdout, done.stderr))


def _mpiexec(python: str, environment: dict[str, str]) -> list[str]:
    """Returns the launcher beside an interpreter, with what it needs."""
    command = [str(Path(python).with_name("mpiexec"))]
    version = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, check=True
    ).stdout
    if "Open MPI" not in version:
        return command
    for prefix in ("OMPI", "PRTE"):
        environment[f"{prefix}_ALLOW_RUN_AS_ROOT"] = "1"
        environment[f"{prefix}_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment["OMPI_MCA_btl"] = "^ofi,uct"
    environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
    return [*command, "--map-by", ":oversubscribe", "--bind-to", "none"]


def _run_with_ports(
    python: str, program: list[str], ranks: int, environment: dict[str, str]
) -> tuple[int, str, str]:
    """Starts ranks as `torchrun` does, of which rank 0 prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**environment, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(ranks), "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [python, *program],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    texts = [process.communicate(timeout=600) for process in processes]
    code = max(abs(process.returncode) for process in processes)
    return code, texts[0][0], "".join(text for _, text in texts)


def _read(done: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = done
    lines = [line for line in out.splitlines() if '{"step_us"' in line]
    if code or not lines:
        return {"failed": (err.strip().splitlines() or ["no message"])[-1]}
    found: dict[str, Any] = json.loads(lines[-1][lines[-1].index("{") :])
    return found


def load_weights(file: Path) -> list[Any]:
    """Returns weights in order."""
    with np.load(file) as found:
        return [found[f"arr_{i}"] for i in range(len(found.files))]


def compare(
    frameworks: dict[str, str], names: list[str], rounds: int, ranks: int
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Measures everything, round by round."""
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in names:
        results[name] = {framework: [] for framework in frameworks}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "reference.npz"
            alone = run_one("graphopt", frameworks["graphopt"], name, 1, file)
            if "failed" in alone:
                sys.exit(f"{name}: one process of graphopt fails: {alone['failed']}")
            reference = load_weights(file)
            for i in range(rounds):
                order = list(frameworks) if i % 2 == 0 else list(frameworks)[::-1]
                for framework in order:
                    file = Path(folder) / f"{framework}.npz"
                    python = frameworks[framework]
                    one = run_one(framework, python, name, ranks, file)
                    if "failed" not in one:
                        got = load_weights(file)
                        one["error"] = error_of(TRAININGS[name], got, reference)
                        one["right"] = one["error"] <= TOLERANCE
                    one["alone_us"] = alone.get("step_us")
                    results[name][framework].append(one)
                    print(f"{name} {framework} {one}", file=sys.stderr)
    return results


def _range(values: list[float], digits: str) -> str:
    if not values:
        return "failed"
    middle = statistics.median(values)
    return f"{middle:{digits}} ({min(values):{digits}} to {max(values):{digits}})"


def table(
    results: dict[str, dict[str, list[dict[str, Any]]]], frameworks: list[str]
) -> str:
    """Returns a table in Markdown: microseconds a step, and ratios of rounds."""
    peers = [name for name in frameworks if name != "graphopt"]
    headings = [*frameworks, *(f"graphopt / {name}" for name in peers)]
    lines = ["| microseconds a step | " + " | ".join(headings) + " |"]
    lines.append("|---" * (len(headings) + 1) + "|")
    for name, runs in results.items():
        cells = []
        for framework in frameworks:
            right = [run["step_us"] for run in runs[framework] if run.get("right")]
            all_right = len(right) == len(runs[framework])
            cells.append(_range(right, ",.4g") if all_right else "wrong or failed")
        for peer in peers:
            pairs = zip(runs["graphopt"], runs[peer], strict=True)
            ratios = [
                ours["step_us"] / theirs["step_us"]
                for ours, theirs in pairs
                if ours.get("right") and theirs.get("right")
            ]
            cells.append(_range(ratios, ".2f"))
        lines.append(f"| {TRAININGS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Runs what the command line asks for."""
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    for name in ("torch", "tensorflow"):
        parser.add_argument(f"--{name}", metavar="PYTHON")
    parser.add_argument("--workloads", default=",".join(TRAININGS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = options.workloads.split(",")
    if unknown := set(names) - set(TRAININGS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    frameworks = {"graphopt": sys.executable}
    for name in ("torch", "tensorflow"):
        python = getattr(options, name)
        if python and not shutil.which(python):
            parser.error(f"there is no {python}")
        if python:
            # Where it lies tells where its packages are: links are kept.
            frameworks[name] = os.path.abspath(python)  # noqa: PTH100
    sys.path.insert(0, str(ROOT))
    from graphopt.codegen.machine import read_model

    results = compare(frameworks, names, options.rounds, options.ranks)
    report = {
        "processor": read_model(),
        "cores": len(os.sched_getaffinity(0)),
        "ranks": options.ranks,
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg(),
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    print(f"{report['processor']}, {report['cores']} cores, {options.ranks} ranks")
    print(table(results, list(frameworks)))


if __name__ == "__main__":
    main()
