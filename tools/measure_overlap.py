"""Measures how much of the exchange between two machines a training step hides.

python3 tools/measure_overlap.py [--gbits 2] [--layers 8] [--width 2048] [--rows 1024]
    [--rounds 5] [--steps 3] [--bucket 4194304] [--json FILE]

Two machines are made of this one: namespaces with a cable between them that carries so many
Gb/s, for which one has to be root. One rank with one thread on each trains dense layers in
two ways, by turns: gradients travel in buckets while the step computes, or all of them in one
bucket that is awaited at once. Weights after the same number of steps are compared: the bits
have to be the same. The exit code is 1 if they are not.

A step's time, how long the exchange took and how long the step waited for it are those of
rank 0, the median over all steps with the least and the most. With two cores run it on an
idle machine; which MPI is used is that of mpi4py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_MARK: Final = "overlap "
# No gradient fills it, so all are in one bucket, which waits for the last one.
_ONE_BUCKET: Final = 1 << 40


def build(layers: int, width: int, rows: int, bucket_bytes: int) -> Any:
    """Returns the communicator, what takes a step, and what returns the weights."""
    import graphopt as tf

    strategy = tf.distribute.MPIStrategy(
        bucket_bytes=bucket_bytes, check_replicas_every=0
    )
    rng = np.random.default_rng(1 + strategy.rank)
    x = rng.standard_normal((rows, width), np.float32)
    with tf.Graph().as_default(), strategy.scope():
        h, weights = tf.constant(x), []
        for layer in range(layers):
            draw = np.random.default_rng(100 + layer).standard_normal
            kernel = draw((width, width), np.float32) * np.float32(width**-0.5)
            weights += [tf.Variable(kernel), tf.Variable(np.zeros(width, np.float32))]
            h = tf.nn.relu(tf.matmul(h, weights[-2]) + weights[-1])
        loss = tf.reduce_mean(h * h) / float(strategy.size)
        train = tf.keras.optimizers.Adam(1e-3).minimize(loss, weights)
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
        # Planned now: the size of a bucket is the communicator's.
        session.run(train)
    return (
        strategy.communicator,
        lambda: session.run_operation(train),
        lambda: [session.run(w) for w in weights],
    )


def measure(options: argparse.Namespace) -> None:
    """Runs in each rank; rank 0 prints a line of JSON."""
    from graphopt.codegen.communication import channel_words as word

    size = options.layers, options.width, options.rows
    ways = {"one": build(*size, _ONE_BUCKET), "buckets": build(*size, options.bucket)}
    times: dict[str, list[list[float]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, (group, step, _) in ways.items():
            # The first step of a turn finds the caches full of the other's.
            step()
            for _ in range(options.steps):
                channel = group.channel
                words = channel.words
                counts = channel.read_clock(), words[word.WORKED], words[word.WAITED]
                start = time.perf_counter()
                step()
                seconds = time.perf_counter() - start
                after = channel.read_clock(), words[word.WORKED], words[word.WAITED]
                whole, *parts = (
                    int(b) - int(a) for a, b in zip(counts, after, strict=True)
                )
                times[way].append([seconds, *(seconds * p / whole for p in parts)])
    if next(iter(ways.values()))[0].rank == 0:
        found = {way: _digest(weights()) for way, (_, _, weights) in ways.items()}
        print(_MARK + json.dumps({"times": times, "hashes": found}), flush=True)


def _digest(arrays: list[Any]) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16]


def launch(options: argparse.Namespace, given: list[str]) -> dict[str, Any]:
    """Runs the ranks on two machines; returns what rank 0 has found."""
    from tests.parallel.failures import Network

    with Network(options.gbits) as network:
        command = [sys.executable, "-m", "graphopt", "run", "--threads", "1"]
        command += ["--hosts", ",".join(network.slots(2)), "--only-rank", "0"]
        done = subprocess.run(
            [*command, str(Path(__file__).resolve()), *given, "--measure"],
            env={**os.environ, **network.environment(), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        nbytes = network.count_bytes()
    for line in done.stdout.splitlines():
        _, mark, text = line.partition(_MARK)
        if mark and not done.returncode:
            return {**json.loads(text), "sent_bytes": nbytes}
    sys.exit(f"The ranks have failed:\n{done.stdout}{done.stderr}")


def _spread(values: list[float], scale: float, unit: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle * scale:.3g} ({low * scale:.3g} to {high * scale:.3g}) {unit}"


def describe(times: dict[str, list[list[float]]]) -> list[str]:
    """Returns a line for each way."""
    lines = []
    for way, rows in times.items():
        steps, exchanged, waited = map(list, zip(*rows, strict=True))
        shares = [w / e if e else 0.0 for w, e in zip(waited, exchanged, strict=True)]
        lines.append(
            f"{way:8} step {_spread(steps, 1.0, 's')}, exchange "
            f"{_spread(exchanged, 1.0, 's')}, waited {_spread(waited, 1.0, 's')}, "
            f"{_spread(shares, 100.0, '%')} of the exchange"
        )
    return lines


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--gbits", type=float, default=2.0)
    numbers = {"layers": 8, "width": 2048, "rows": 1024, "rounds": 5, "steps": 3}
    numbers["bucket"] = 4 << 20
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options)
        return
    from graphopt.codegen.machine import read_model
    from graphopt.parallel.launchers import find_launcher
    from tests.parallel.failures import networks_or_reason

    if reason := networks_or_reason(options.gbits):
        parser.error(f"two machines need namespaces and tc, as root: {reason}")
    load = os.getloadavg()[0]
    found = launch(options, sys.argv[1:])
    report = {
        "processor": read_model(),
        "cores": len(os.sched_getaffinity(0)),
        "mpi": find_launcher().library.version,
        "load": load,
        "date": time.strftime("%Y-%m-%d"),
        **{name: getattr(options, name) for name in ("gbits", *numbers)},
        **found,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    print(f"{report['processor']}, {report['cores']} cores, load {load:.1f} before")
    print(f"{report['mpi']}, {report['sent_bytes'] / 1e9:.3g} GB over the cable")
    print(
        f"{options.layers} layers of {options.width}, {options.rows} rows a rank, "
        f"{options.gbits:g} Gb/s"
    )
    print("\n".join(describe(found["times"])))
    same = len(set(found["hashes"].values())) == 1
    print("the same bits" if same else f"other bits: {found['hashes']}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
