"""Draws the way that every optimizer takes over two functions that are hard for them.

    python examples/optimizers.py [optimizers.png]

Rosenbrock's valley is narrow and bent; Beale's plain is flat, with steep walls. Needs
matplotlib: pip install "graphopt[plot]".
"""

from __future__ import annotations

import sys

import numpy as np

import graphopt as tf

STEPS = 500


def rosenbrock(x, y):
    """Has its minimum 0 at (1, 1)."""
    return (1.0 - x) ** 2 + 20.0 * (y - x**2) ** 2


def beale(x, y):
    """Has its minimum 0 at (3, 0.5)."""
    return (
        (1.5 - x + x * y) ** 2
        + (2.25 - x + x * y**2) ** 2
        + (2.625 - x + x * y**3) ** 2
    )


# Where to start, where the minimum is, and what part of the plane to draw.
FUNCTIONS = {
    "Rosenbrock": (rosenbrock, (-1.2, 1.0), (1.0, 1.0), (-1.7, 1.7, -0.6, 2.2)),
    "Beale": (beale, (1.0, 1.0), (3.0, 0.5), (0.5, 3.9, -1.0, 1.3)),
}

# A learning rate for each function, and options.
OPTIMIZERS = {
    "SGD": (0.004, 0.01, {}),
    "SGD, momentum": (0.002, 0.003, {"momentum": 0.9}),
    "SGD, Nesterov": (0.002, 0.003, {"momentum": 0.9, "nesterov": True}),
    "Adagrad": (0.3, 0.5, {}),
    "Adadelta": (8.0, 5.0, {"rho": 0.9}),
    "RMSprop": (0.01, 0.02, {}),
    "Adam": (0.05, 0.1, {}),
    "Adam, AMSGrad": (0.05, 0.1, {"amsgrad": True}),
    "AdamW": (0.05, 0.1, {"weight_decay": 0.004}),
    "LazyAdam": (0.05, 0.1, {}),
    "Adamax": (0.14, 0.15, {}),
    "Nadam": (0.05, 0.1, {}),
    "RAdam": (0.01, 0.03, {"beta_2": 0.99}),
    "AdaBelief": (0.05, 0.1, {}),
    "Yogi": (0.05, 0.1, {}),
    "Ftrl": (0.3, 0.5, {}),
    "Lion": (0.005, 0.01, {}),
    "Lamb": (0.02, 0.01, {}),
    "LARS": (0.2, 0.3, {"trust_coefficient": 0.02}),
    "Adafactor": (0.06, 0.04, {}),
    "Muon": (0.05, 0.1, {"weight_decay": None, "adam_weight_decay": None}),
    "ScheduleFreeAdamW": (0.15, 0.2, {}),
    "Rprop": (0.02, 0.05, {}),
}


def path_of(name, rate, options, function, start):
    """Returns the points that an optimizer visits, `[steps + 1, 2]`.

    All steps are one native call: the train op writes each point into a row of a table.
    """
    make = getattr(tf.keras.optimizers, name.partition(",")[0])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        point = tf.Variable(np.array(start), name="point")
        path = tf.Variable(np.zeros((STEPS + 1, 2)), name="path", trainable=False)
        optimizer = make(rate, **options)
        count = optimizer.iterations
        loss = function(point[0], point[1])
        row = tf.IndexedSlices(point[None, :], count[None], path.shape)
        note = path.scatter_update(row)
        train = optimizer.minimize(loss, var_list=[point])
        session.run(tf.compat.v1.global_variables_initializer())
        session.run_steps(tf.group(note, train), STEPS + 1)
        return session.run(path)


def draw(axes, function, minimum, window, path, title):
    """Draws one path over the contours of its function."""
    left, right, bottom, top = window
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    axes.contourf(x, y, np.log1p(function(x, y)), 24, cmap="Greys", alpha=0.55)
    axes.plot(*path.T, color="#c2410c", linewidth=1.3)
    axes.plot(*path[0], "o", color="#c2410c", markersize=4)
    axes.plot(*minimum, "*", color="#1d4ed8", markersize=9)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    value = function(*path[-1])
    axes.set_title(f"{title}\nleft {value:.1g}", fontsize=8, linespacing=1.3)


def main(target="optimizers.png"):
    """Draws all paths into one picture and returns what is left of each function."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = 4
    rows = -(-len(OPTIMIZERS) // columns)
    figure, grid = plt.subplots(rows, 2 * columns, figsize=(14, 2.0 * rows))
    for axes in grid.flat:
        axes.set_axis_off()
    left = {}
    for i, (name, (*rates, options)) in enumerate(OPTIMIZERS.items()):
        pairs = zip(FUNCTIONS.items(), rates, strict=True)
        for j, ((title, (function, start, minimum, window)), rate) in enumerate(pairs):
            path = path_of(name, rate, options, function, start)
            axes = grid[i // columns, 2 * (i % columns) + j]
            axes.set_axis_on()
            draw(axes, function, minimum, window, path, f"{name}: {title}")
            left[name, title] = float(function(*path[-1]))
    figure.suptitle(
        f"{STEPS} steps from the dot to the star, and what is left of the function",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(target, dpi=110)
    print(f"{len(OPTIMIZERS)} optimizers in {target}")
    return left


if __name__ == "__main__":
    main(*sys.argv[1:])
