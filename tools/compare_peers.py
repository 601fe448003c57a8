"""Times the same training steps in graphopt and in the frameworks that are installed.

python3 tools/compare_peers.py [--python NAME=INTERPRETER ...] [--workloads A,B]
    [--rounds 3] [--seconds 1.0] [--threads 1] [--json FILE] [--markdown]

NAME is graphopt, tensorflow, jax or torch; each may have an interpreter of its own, the
others are tried in this one and left out if they are not there.

Every measurement is a process of its own on one core, or on `--threads` of them, and the
frameworks take turns, back and forth, so that a busy minute meets all of them. A step's
time is the median over blocks of steps of one process; the table has the median and the
range over rounds. What is left after three steps is compared with NumPy in float64: a wrong
result is not ranked. The first round starts with empty caches on disk (`cold`), the others
find them (`warm`): the seconds from the start of the process to the end of its first step.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from peers.workloads import CHECKED_STEPS, WORKLOADS, error_of, make_arrays

FRAMEWORKS: Final = ("graphopt", "tensorflow", "jax", "torch")
ROOT: Final = Path(__file__).resolve().parent.parent
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def measure(framework: str, name: str, seconds: float, started: float) -> None:
    """Runs in a process of its own; prints one line of JSON."""
    import importlib
    import resource

    workload = WORKLOADS[name]
    params, data = make_arrays(workload)
    made = time.time()
    module = importlib.import_module(f"peers.run_{framework}")
    step, results = module.build(workload, params, data)
    step()
    first = time.time() - made
    for _ in range(CHECKED_STEPS - 1):
        step()
    error = error_of(workload, results())
    for _ in range(5):
        step()
    count, spent = 1, 0.0
    while spent < 0.01:
        count *= 2
        spent = _block(step, count)
    blocks = [spent / count]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(blocks) < 5:
        blocks.append(_block(step, count) / count)
    # What making the data took is nobody's.
    interpreter = max(made - started - _making_seconds(name), 0.0)
    print(
        json.dumps(
            {
                "step_us": statistics.median(blocks) * 1e6,
                "start_s": interpreter + first,
                "error": error,
                "right": error <= workload.tolerance,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def _block(step: Any, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - start


def _making_seconds(name: str) -> float:
    start = time.perf_counter()
    make_arrays(WORKLOADS[name])
    return time.perf_counter() - start


def run_one(
    framework: str,
    python: str,
    name: str,
    seconds: float,
    caches: Path,
    threads: int = 1,
) -> dict[str, Any]:
    """Measures one workload in one framework; returns the result or an error."""
    environment = {
        **os.environ,
        **dict.fromkeys(_THREADS, str(threads)),
        "GRAPHOPT_CACHE_DIR": str(caches / "graphopt"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
    }
    if threads == 1:
        environment["XLA_FLAGS"] = (
            "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if framework == "graphopt":
        environment["PYTHONPATH"] = str(ROOT)
    # graphopt and JAX have a thread for each core that they may run on.
    cores = set(sorted(os.sched_getaffinity(0))[-threads:])
    command = [python, str(Path(__file__).resolve()), "--measure", framework, name]
    command += [str(seconds), str(time.time())]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return {"failed": lines[-1]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def find_frameworks(given: dict[str, str]) -> dict[str, str]:
    """Returns the interpreter of each framework that can be imported."""
    found = {}
    for name in FRAMEWORKS:
        python = given.get(name, sys.executable)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [python, "-c", f"import {name}"]
        if not shutil.which(python):
            print(f"{name} is left out: there is no {python}", file=sys.stderr)
            continue
        done = subprocess.run(
            command, env=environment, capture_output=True, check=False
        )
        if done.returncode == 0:
            found[name] = python
        else:
            print(f"{name} is left out: {python} cannot import it", file=sys.stderr)
    return found


def compare(
    frameworks: dict[str, str],
    names: list[str],
    rounds: int,
    seconds: float,
    threads: int = 1,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Measures everything, round by round."""
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in names:
        results[name] = {framework: [] for framework in frameworks}
        with tempfile.TemporaryDirectory() as folder:
            for i in range(rounds):
                order = list(frameworks) if i % 2 == 0 else list(frameworks)[::-1]
                for framework in order:
                    python = frameworks[framework]
                    one = run_one(
                        framework, python, name, seconds, Path(folder), threads
                    )
                    results[name][framework].append(one)
                    print(f"{name} {framework} {one}", file=sys.stderr)
    return results


def _cell(runs: list[dict[str, Any]]) -> tuple[str, float]:
    good = [run["step_us"] for run in runs if run.get("right")]
    if len(good) < len(runs):
        return ("wrong" if any("error" in r for r in runs) else "failed"), float("inf")
    middle = statistics.median(good)
    return f"{middle:,.4g} ({min(good):,.4g} to {max(good):,.4g})", middle


def markdown(
    results: dict[str, dict[str, list[dict[str, Any]]]], frameworks: list[str]
) -> str:
    """Returns the table of the README."""
    lines = ["| microseconds a step | " + " | ".join(frameworks) + " | ratio |"]
    lines.append("|---" * (len(frameworks) + 2) + "|")
    for name, runs in results.items():
        cells = {framework: _cell(runs[framework]) for framework in frameworks}
        peers = [time for name, (_, time) in cells.items() if name != "graphopt"]
        ours = cells["graphopt"][1] if "graphopt" in cells else float("nan")
        ratio = f"{ours / min(peers):.2f}" if peers else ""
        words = [cells[framework][0] for framework in frameworks]
        title = WORKLOADS[name].title
        lines.append(f"| {title} | " + " | ".join(words) + f" | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Runs what the command line asks for."""
    if sys.argv[1:2] == ["--measure"]:
        framework, name, seconds, started = sys.argv[2:]
        measure(framework, name, float(seconds), float(started))
        return
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--python", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    given = dict(item.split("=", 1) for item in options.python)
    names = options.workloads.split(",")
    unknown = [*(set(names) - set(WORKLOADS)), *(set(given) - set(FRAMEWORKS))]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    frameworks = find_frameworks(given)
    if options.threads < 1:
        parser.error(f"a number of threads is 1 or more, not {options.threads}")
    results = compare(
        frameworks, names, options.rounds, options.seconds, options.threads
    )
    report = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg(),
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    if options.markdown:
        print(markdown(results, list(frameworks)))
    elif not options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
