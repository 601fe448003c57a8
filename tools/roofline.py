"""How close the kernels of a training step come to what the machine can do.

A kernel that does f operations on b bytes can at best do them as fast as the registers
allow, or as fast as memory brings the bytes: the roof over f / b. Both limits are
measured in the same run (`Session.profile`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from training_steps import WORKLOADS

import graphopt as tf

RUNS = 20
# Steps that take less of the whole are left out of the picture.
SMALLEST_SHARE = 0.005
COLORS = ("#3565a8", "#c2571a", "#3f8f4f", "#8a4fa3")


def profile(name: str) -> Any:
    """Profiles a workload on one thread, for the limits are those of one core."""
    with (
        tf.config.config(threads=1),
        tf.Graph().as_default(),
        tf.compat.v1.Session() as session,
    ):
        step = WORKLOADS[name]()
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(step)
        return session.profile(step, runs=RUNS)


def rows_of(found: Any) -> list[dict[str, Any]]:
    """Returns what is known of each kernel of a profile, the slowest first."""
    total = found.kernel_seconds
    rows = [
        {
            "op": step.name,
            "kernel": step.kernel,
            "microseconds": step.seconds * 1e6,
            "share": step.seconds / total,
            "gflops": (step.flops_per_second or 0.0) / 1e9,
            "gbytes": (step.bytes_per_second or 0.0) / 1e9,
            "flops_per_byte": (step.flops or 0) / step.nbytes if step.nbytes else 0.0,
            "limit": step.limit,
            "bound": step.bound,
        }
        for step in found.steps
    ]
    return sorted(rows, key=lambda row: -row["microseconds"])


def run(names: Sequence[str], as_json: bool, picture: str) -> int:
    """Prints a table for each workload, and draws them into one picture.

    Args:
      names: Which; all if there are none.
      as_json: Whether to print JSON in place of tables.
      picture: A file to draw into; none if empty.
    """
    unknown = set(names) - set(WORKLOADS)
    if unknown:
        known = ", ".join(WORKLOADS)
        raise SystemExit(f"There is no workload {min(unknown)!r}; known are {known}.")
    found = {name: profile(name) for name in names or WORKLOADS}
    if as_json:
        tables = {name: rows_of(each) for name, each in found.items()}
        print(json.dumps(tables, indent=1))
    else:
        for name, each in found.items():
            print(f"{name}\n{each}\n")
    if picture:
        draw(found, picture)
    return 0


def label_points(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    """Writes the numbers of points beside them, where nothing is yet.

    Args:
      axes: With its limits set.
      points: In the order of their numbers, from 1.
    """
    taken: list[tuple[float, float]] = []
    for number, point in enumerate(points, 1):
        x, y = axes.transData.transform(point)
        places = [(0, 0)]
        for far in (16, 28, 40, 52):
            places += [(far, 0), (-far, 0), (far, 12), (-far, 12), (far, -12)]
            places += [(-far, -12), (0, far), (0, -far)]
        for dx, dy in places:
            if all(abs(x + dx - a) > 15 or abs(y + dy - b) > 11 for a, b in taken):
                break
        taken.append((x + dx, y + dy))
        line = {"arrowstyle": "-", "color": "#999999", "lw": 0.6} if dx or dy else None
        axes.annotate(
            str(number),
            point,
            (dx * 72 / axes.figure.dpi, dy * 72 / axes.figure.dpi),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            arrowprops=line,
        )


def draw(found: dict[str, Any], path: str) -> None:
    """Draws rooflines with a point for each kernel.

    Args:
      found: Profiles by the names of their workloads.
      path: The file; its ending says which format.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    limits = next(iter(found.values())).limits
    figure, (axes, legend) = plt.subplots(
        1, 2, figsize=(13, 7), width_ratios=(3, 2), layout="constrained"
    )
    x = np.logspace(-2, 3, 400)
    roofs = (
        ("registers to memory", limits.memory, "-"),
        ("to the large cache", limits.large_cache, "--"),
        ("to the near cache", limits.cache, ":"),
    )
    for label, rate, style in roofs:
        y = np.minimum(x * rate, limits.float32) / 1e9
        text = f"{label}, {rate / 1e9:.0f} GB/s"
        axes.plot(x, y, style, color="#777777", lw=1.4, label=text)
    figure.canvas.draw()
    number, lines, points = 0, [], []
    for (name, each), color in zip(found.items(), COLORS, strict=False):
        lines.append((name, color, True))
        for row in rows_of(each):
            if row["share"] < SMALLEST_SHARE or not row["gflops"]:
                continue
            number += 1
            size = 40 + 900 * row["share"]
            point = (row["flops_per_byte"], row["gflops"])
            axes.scatter(*point, s=size, color=color, alpha=0.45, lw=0)
            points.append(point)
            op = "/".join(row["op"].split("/")[-2:])
            lines.append(
                (
                    f"{number:2d}  {op[-32:]:32s} {row['microseconds']:8.0f} us "
                    f"{row['gflops']:5.0f} GFLOP/s {row['gbytes']:4.0f} GB/s",
                    color,
                    False,
                )
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(0.02, 300),
        ylim=(0.5, 2 * limits.float32 / 1e9),
        xlabel="operations for each byte that is moved",
        ylabel="GFLOP/s",
        title=f"One core: at most {limits.float32 / 1e9:.0f} GFLOP/s in float32",
    )
    label_points(axes, points)
    axes.grid(True, which="major", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=9)
    legend.axis("off")
    top = max(len(lines), 30)
    for i, (text, color, is_head) in enumerate(lines):
        weight = "bold" if is_head else "normal"
        style = {"family": "monospace", "fontsize": 8, "weight": weight}
        legend.text(0, 1 - (i + 1) / (top + 1), text, color=color, **style)
    figure.savefig(path, dpi=130)
    plt.close(figure)
