"""Predicts how training scales from what a step and a message take on this machine.

python3 tools/scale_model.py [--picture scale.png] [--json FILE] [--seconds 2]

Measured, with one thread each: a step of three workloads in one process, sums of arrays of
several sizes over 2 and 4 ranks of this machine, and steps in 2 and 4 ranks, with which the
prediction is compared. 4 ranks on two cores take twice as long to compute; the model says so.

The model has two terms for a message, a time to begin and a time for each byte (alpha-beta,
Hockney 1994), and the best of three ways to sum over n machines (Thakur, Rabenseifner and
Gropp 2005): a ring, halving and doubling, a tree of whole messages. Gradients appear evenly
over the backward pass, two thirds of a step; each bucket travels when it is full and the one
before it has arrived; the update waits for the last. A machine computes as many rows as take
it the time of a step here, 20 times as many if it has 30 such cores: efficiency is that time
over the one with communication. Not in the model: machines of different speed, and the
processor time that TCP takes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import numpy as np  # noqa: E402 (the line above lets tools be found)

from graphopt.codegen.machine import read_model  # noqa: E402
from graphopt.commands.shared import plain_table  # noqa: E402

BUCKET: Final = 4 << 20
# Of a step, how much is the backward pass, in which gradients appear.
BACKWARD: Final = 2 / 3
NODES: Final = tuple(2**i for i in range(11))
SIZES: Final = (8, 1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24)


@dataclass(frozen=True)
class Network:
    """What a message takes.

    Attributes:
      name: For the table.
      begin: Seconds before the first byte.
      byte: Seconds for each.
    """

    name: str
    begin: float
    byte: float


# Of TCP 92 % of the bits are payload; RDMA over Ethernet at 100 Gb/s.
NETWORKS: Final = (
    Network("10 Gb/s", 30e-6, 8 / 10e9 / 0.92),
    Network("25 Gb/s", 20e-6, 8 / 25e9 / 0.92),
    Network("100 Gb/s", 3e-6, 8 / 100e9 / 0.92),
)


@dataclass(frozen=True)
class Step:
    """A step without communication.

    Attributes:
      seconds: How long it takes.
      nbytes: Bytes of its gradients.
    """

    seconds: float
    nbytes: int


# ---- the model


def sum_seconds(nodes: int, nbytes: float, network: Network, add: float) -> float:
    """Predicts an all-reduce, the best of three algorithms.

    Args:
      nodes: Over how many.
      nbytes: Of an array.
      network: Between them.
      add: Seconds for adding a byte.

    >>> sum_seconds(1, 1e6, NETWORKS[0], 1e-10)
    0.0
    """
    if nodes == 1:
        return 0.0
    rounds = math.ceil(math.log2(nodes))
    share = (nodes - 1) / nodes * nbytes
    ring = 2 * (nodes - 1) * network.begin + share * (2 * network.byte + add)
    halving = 2 * rounds * network.begin + share * (2 * network.byte + add)
    tree = rounds * (network.begin + nbytes * (network.byte + add))
    return min(ring, halving, tree)


def step_seconds(step: Step, seconds_of_sum: Any, *, is_hidden: bool = True) -> float:
    """Predicts a step with communication.

    Args:
      step: The step without.
      seconds_of_sum: Takes bytes, returns the seconds of an all-reduce.
      is_hidden: Whether buckets travel while the backward pass goes on.
    """
    if not is_hidden:
        return step.seconds + float(seconds_of_sum(step.nbytes))
    count = max(1, round(step.nbytes / BUCKET))
    forward = step.seconds * (1 - BACKWARD)
    free = 0.0
    for i in range(count):
        ready = forward + step.seconds * BACKWARD * (i + 1) / count
        free = max(free, ready) + float(seconds_of_sum(step.nbytes / count))
    return max(free, step.seconds)


def fit_network(name: str, times: dict[int, float]) -> Network:
    """Fits the two terms of a message to times by size, relative errors alike."""
    sizes = np.array(list(times), float)
    seconds = np.array(list(times.values()))
    terms = np.stack([np.ones_like(sizes), sizes], 1) / seconds[:, None]
    (begin, byte), *_ = np.linalg.lstsq(terms, np.ones(len(sizes)), rcond=None)
    return Network(name, max(float(begin), 0.0), max(float(byte), 0.0))


# ---- what is measured


def workloads() -> dict[str, Any]:
    """Returns functions that build a train op."""
    from training_steps import convolutions, perceptron

    return {
        "perceptron 784-512-256-10, 128 rows": perceptron,
        "8 layers of 1024, 128 rows": lambda: perceptron(128, (1024,) * 9),
        "2 convolutions, 64 images": convolutions,
    }


def measure(seconds: float) -> None:
    """Runs in each rank; rank 0 prints one line of JSON."""
    import graphopt as tf

    strategy = tf.distribute.MPIStrategy(check_replicas_every=0)
    found: dict[str, Any] = {"ranks": strategy.size, "steps": {}, "sums": {}}
    for name, build in workloads().items():
        with (
            tf.Graph().as_default(),
            strategy.scope(),
            tf.compat.v1.Session() as session,
        ):
            step = build()
            session.run(tf.compat.v1.global_variables_initializer())
            weights = tf.compat.v1.trainable_variables()
            nbytes = sum(4 * math.prod(each.shape) for each in weights)
            # All ranks make as many steps.
            taken = _median(lambda s=session, o=step: s.run(o), strategy, seconds)
            found["steps"][name] = [taken, nbytes]
    if strategy.communicator is not None:
        for size in SIZES:
            array = np.ones(size // 4, np.float32)
            reduce = strategy.communicator.all_reduce
            taken = _median(lambda a=array, r=reduce: r(a), strategy, seconds / 4)
            found["sums"][size] = taken
    if strategy.rank == 0:
        print(json.dumps(found))


def _median(function: Any, strategy: Any, seconds: float) -> float:
    """Returns the median of the seconds of a call, of blocks that all ranks make alike."""
    for _ in range(3):
        function()
    start = time.perf_counter()
    function()
    once = time.perf_counter() - start
    count = max(5, min(2000, int(seconds / max(once, 1e-6))))
    if strategy.communicator is not None:
        count = strategy.communicator.broadcast_object(count)
    times = []
    for _ in range(count):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run_ranks(ranks: int, seconds: float) -> dict[str, Any]:
    """Measures in so many ranks, one thread each."""
    command = [sys.executable, "-m", "graphopt", "run", "-n", str(ranks)]
    command += ["--threads", "1", "--only-rank", "0", __file__]
    done = subprocess.run(
        [*command, "--measure", str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )
    line = done.stdout.strip().splitlines()[-1].removeprefix("[0] ")
    found: dict[str, Any] = json.loads(line)
    return found


def measure_adding() -> float:
    """Returns the seconds in which one core adds a byte of one array to another."""
    a = np.ones(1 << 20, np.float32)
    b = np.ones_like(a)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        np.add(a, b, out=a)
        times.append(time.perf_counter() - start)
    return statistics.median(times) / a.nbytes


# ---- what is shown


def check_rows(
    alone: dict[str, Step], runs: list[dict[str, Any]], cores: int
) -> list[list[str]]:
    """Returns rows that compare predictions with ranks of this machine."""
    rows = []
    for run in runs:
        ranks = run["ranks"]
        times = {int(size): seconds for size, seconds in run["sums"].items()}
        network = fit_network(f"{ranks} ranks", times)

        def seconds_of_sum(nbytes: float, network: Network = network) -> float:
            return network.begin + nbytes * network.byte

        for name, step in alone.items():
            crowd = max(1.0, ranks / cores)
            slower = Step(step.seconds * crowd, step.nbytes)
            predicted = step_seconds(slower, seconds_of_sum)
            measured = run["steps"][name][0]
            rows.append(
                [
                    name,
                    str(ranks),
                    f"{1e3 * step.seconds:.2f}",
                    f"{1e3 * predicted:.2f}",
                    f"{1e3 * measured:.2f}",
                    f"{measured / predicted:.2f}",
                ]
            )
    return rows


def efficiencies(
    step: Step, network: Network, add: float, *, is_hidden: bool
) -> list[float]:
    """Returns the share of the time in which machines compute, for each of `NODES`."""
    found = []
    for nodes in NODES:

        def seconds_of_sum(nbytes: float, nodes: int = nodes) -> float:
            return sum_seconds(nodes, nbytes, network, add)

        taken = step_seconds(step, seconds_of_sum, is_hidden=is_hidden)
        found.append(step.seconds / taken)
    return found


def draw(alone: dict[str, Step], add: float, title: str, path: Path) -> None:
    """Draws efficiency over machines, a panel for each workload."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(alone), figsize=(4.2 * len(alone), 3.8), sharey=True
    )
    colors = ("#c2571a", "#3565a8", "#3f8f4f")
    for panel, (name, step) in zip(panels, alone.items(), strict=True):
        for network, color in zip(NETWORKS, colors, strict=True):
            for is_hidden, style in ((True, "-"), (False, ":")):
                values = efficiencies(step, network, add, is_hidden=is_hidden)
                panel.plot(
                    NODES,
                    [100 * value for value in values],
                    style,
                    color=color,
                    label=network.name if is_hidden else None,
                )
        panel.set_xscale("log", base=2)
        panel.set_xticks(NODES[::2], [str(n) for n in NODES[::2]])
        panel.set_ylim(0, 104)
        panel.set_title(f"{name}\n{step.nbytes / 1e6:.1f} MB of gradients", fontsize=9)
        panel.set_xlabel("machines")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("efficiency, %")
    panels[0].legend(title="dotted: not hidden", fontsize=8, title_fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Runs what the command line asks for."""
    if sys.argv[1:2] == ["--measure"]:
        measure(float(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each time")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    runs = [run_ranks(ranks, options.seconds) for ranks in (1, 2, 4)]
    add = measure_adding()
    alone = {
        name: Step(seconds, nbytes)
        for name, (seconds, nbytes) in runs[0]["steps"].items()
    }
    print(f"processor {read_model()}, {cores} cores; adding {1e-9 / add:.1f} GB/s")
    for run in runs[1:]:
        times = {int(size): seconds for size, seconds in run["sums"].items()}
        network = fit_network("", times)
        words = ", ".join(f"{s:,} B {1e6 * t:.1f} us" for s, t in times.items())
        print(f"sums over {run['ranks']} ranks: {words}")
        print(
            f"  begin {1e6 * network.begin:.1f} us, {1e-9 / network.byte:.2f} GB/s"
            if network.byte
            else f"  begin {1e6 * network.begin:.1f} us"
        )
    headings = ["ms a step", "ranks", "alone", "predicted", "measured", "ratio"]
    print()
    print("\n".join(plain_table(headings, check_rows(alone, runs[1:], cores), 1)))
    print("\nefficiency in %, and without hiding, by the number of machines")
    shown = [NODES.index(n) for n in (2, 4, 16, 64, 256, 1024)]
    rows = []
    for (name, step), network in itertools.product(alone.items(), NETWORKS):
        hidden = efficiencies(step, network, add, is_hidden=True)
        plain = efficiencies(step, network, add, is_hidden=False)
        cells = [f"{100 * hidden[i]:.0f} ({100 * plain[i]:.0f})" for i in shown]
        rows.append([name, network.name, *cells])
    headings = ["workload", "network", *(str(NODES[i]) for i in shown)]
    print("\n".join(plain_table(headings, rows, 2)))
    if options.picture:
        draw(alone, add, f"step times of {read_model()}, one core", options.picture)
    if options.json:
        options.json.write_text(json.dumps({"cpu": read_model(), "runs": runs}))


if __name__ == "__main__":
    main()
