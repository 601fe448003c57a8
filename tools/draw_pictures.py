"""Draws the pictures of the guides: graphs, paths of optimizers, schedules, the viewer's page.

    python tools/draw_pictures.py [FOLDER]

Graphs are drawn by the viewer itself, curves by matplotlib, and the page is taken in
Chromium, light and dark; without it those two stay as they are.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]

import numpy as np  # noqa: E402 (the folder of this project comes first)
import optimizers  # noqa: E402

import graphopt as tf  # noqa: E402

FOLDER = ROOT / "examples" / "guide" / "pictures"
# Paths of six optimizers: plain, with momentum, and with a rate for each number.
SHOWN = ("SGD", "SGD, momentum", "Adagrad", "RMSprop", "Adam", "Lion")
_CHOOSE_PASS = """(() => {
    const slider = document.getElementById("stage");
    const name = document.getElementById("stage-name");
    for (let value = 0; value <= Number(slider.max); value += 1) {
        slider.value = value;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        if (name.textContent.includes("fuse_elementwise")) break;
    }
    document.getElementById("compare").click();
})()"""
_CHOOSE_HEAT = """(() => {
    const choice = document.getElementById("heat");
    choice.value = "time";
    choice.dispatchEvent(new Event("change", {bubbles: true}));
})()"""
SCRIPT = """\
import numpy as np
import graphopt.v1 as tf

rng = np.random.default_rng(0)
x = tf.placeholder(tf.float32, [None, 784], name="images")
y = tf.placeholder(tf.int32, [None], name="labels")
hidden = tf.layers.dense(x, 256, tf.nn.relu, name="hidden")
logits = tf.layers.dense(hidden, 10, name="logits")
with tf.name_scope("loss"):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
    loss = tf.reduce_mean(losses)
train_op = tf.train.AdamOptimizer(0.001).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    feeds = {x: rng.normal(size=(128, 784)), y: rng.integers(0, 10, 128)}
    session.run(train_op, feeds)
"""


def build_small() -> tuple[Any, Any]:
    """Returns the graph of a small regression and its train op."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        y = tf.compat.v1.placeholder(tf.float32, [None, 1], name="y")
        w = tf.Variable(np.zeros((3, 1), np.float32), name="w")
        b = tf.Variable(0.0, name="b")
        with tf.name_scope("model"):
            prediction = tf.matmul(x, w) + b
        with tf.name_scope("loss"):
            loss = tf.reduce_mean(tf.square(prediction - y))
        train_op = tf.keras.optimizers.SGD(0.1).minimize(loss, var_list=[w, b])
    return graph, train_op


def draw_graphs(folder: Path) -> None:
    """Draws the regression of the guide on compilation, closed and open."""
    from graphopt.viz.svg import draw_svg

    graph, train_op = build_small()
    for name, depth in (("training_step", 0), ("training_step_open", 2)):
        text = draw_svg(graph, (train_op,), title="A training step", depth=depth)
        # What is shown on a machine is the place of its clone.
        (folder / f"{name}.svg").write_text(text.replace(f"{ROOT}/", ""))


def draw_paths(folder: Path) -> None:
    """Draws six optimizers on their way down a bent valley."""
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(2, 3, figsize=(8.4, 5.2))
    function, start, minimum, window = optimizers.FUNCTIONS["Rosenbrock"]
    for axes, name in zip(grid.flat, SHOWN, strict=True):
        rate, _, options = optimizers.OPTIMIZERS[name]
        path = optimizers.path_of(name, rate, options, function, start)
        optimizers.draw(axes, function, minimum, window, path, name)
    figure.tight_layout()
    figure.savefig(folder / "paths.png", dpi=110)
    plt.close(figure)


def draw_schedules(folder: Path) -> None:
    """Draws learning rates over the steps of a training."""
    from matplotlib import pyplot as plt

    schedules = tf.keras.optimizers.schedules
    shown = {
        "ExponentialDecay": schedules.ExponentialDecay(0.1, 250, 0.5),
        "PolynomialDecay": schedules.PolynomialDecay(0.1, 1000, 0.0),
        "CosineDecay": schedules.CosineDecay(0.1, 1000),
        "PiecewiseConstantDecay": schedules.PiecewiseConstantDecay(
            [400, 800], [0.1, 0.05, 0.01]
        ),
        "CosineDecay after a warmup": schedules.CosineDecay(
            0.0, 800, warmup_target=0.1, warmup_steps=200
        ),
    }
    steps = np.arange(0, 1000, 5)
    figure, axes = plt.subplots(figsize=(7.6, 3.4))
    for name, schedule in shown.items():
        rates = [float(schedule(tf.constant(int(step)))) for step in steps]
        axes.plot(steps, rates, label=name, linewidth=1.6)
    axes.set(xlabel="step", ylabel="learning rate", xlim=(0, 1000), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / "schedules.png", dpi=110)
    plt.close(figure)


def draw_page(folder: Path) -> None:
    """Takes pictures of the page of a training step, light and dark."""
    import subprocess

    from tests.viz.browser import CHROMIUM, Browser

    if CHROMIUM is None:
        print("No Chromium: the pictures of the page stay as they are.")
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "train.py").write_text(SCRIPT)
        command = [sys.executable, "-m", "graphopt", "view", "train.py", "--no-open"]
        command += ["-o", "page.html", "--profile", "50"]
        subprocess.run(command, cwd=work, check=True, env={"PYTHONPATH": str(ROOT)})
        with Browser(work / "profile", 1500, 820) as browser:
            for mode in ("light", "dark"):
                value = [{"name": "prefers-color-scheme", "value": mode}]
                browser.call("Emulation.setEmulatedMedia", features=value)
                browser.open(work / "page.html")
                browser.screenshot(folder / f"viewer_{mode}.png", dark=mode == "dark")
            # The graph before and after a pass; then the whole one colored by time.
            browser.open(work / "page.html")
            browser.evaluate(_CHOOSE_PASS)
            time.sleep(1.0)
            browser.screenshot(folder / "viewer_pass.png")
            browser.open(work / "page.html")
            browser.evaluate(_CHOOSE_HEAT)
            time.sleep(1.0)
            browser.screenshot(folder / "viewer_heat.png")


def main(folder: str = str(FOLDER)) -> None:
    """Draws all of them."""
    import matplotlib

    matplotlib.use("Agg")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    draw_graphs(target)
    draw_paths(target)
    draw_schedules(target)
    draw_page(target)
    print(f"pictures in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
