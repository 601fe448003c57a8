"""Measures graphopt alone and prints JSON: medians with the spread of several rounds.

python tools/bench.py [NAME ...]
python tools/bench.py --roofline [WORKLOAD ...] [--json] [--picture FILE]

The second form compares each kernel of a training step with the machine's limits
(`roofline`). Rounds of all measurements are interleaved, so that a slow minute of the machine hits
each of them. Times are in microseconds a call unless the name says otherwise; noise on
a shared machine is some ten percent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

import graphopt as tf

ROUNDS = 7


def per_call(function: Callable[[], object], calls: int) -> float:
    """Returns the microseconds of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls * 1e6


def run_of_two_scalars() -> Callable[[], float]:
    """`opt_op.run()` on the problem of TensorFlow's page."""
    with tf.Graph().as_default():
        var1, var2 = tf.Variable(2.0), tf.Variable(5.0)
        opt = tf.keras.optimizers.SGD(learning_rate=0.1)
        op = opt.minimize(
            lambda: 3 * var1 * var1 + 2 * var2 * var2, var_list=[var1, var2]
        )
    op.run()
    op.run()
    return lambda: per_call(op.run, 20_000)


def session_run_with_a_feed() -> Callable[[], float]:
    """`session.run([train, loss], {x: ..., y: ...})` on a linear model."""
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4])
        y = tf.compat.v1.placeholder(tf.float32, [None])
        w = tf.Variable(tf.zeros([4, 1]))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)[:, 0] - y))
        train = tf.keras.optimizers.SGD(0.01).minimize(loss, var_list=[w])
        init = tf.compat.v1.global_variables_initializer()
        session = tf.compat.v1.Session()
    session.run(init)
    fetches = [train, loss]
    feed = {x: np.ones((8, 4), np.float32), y: np.ones(8, np.float32)}
    for _ in range(3):
        session.run(fetches, feed)
    return lambda: per_call(lambda: session.run(fetches, feed), 5_000)


def eager_add() -> Callable[[], float]:
    """An addition of two small tensors, less what NumPy needs for it."""
    a, b = tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])
    x, y = a.numpy(), b.numpy()

    def measure() -> float:
        ours = per_call(lambda: a + b, 20_000)
        return ours - per_call(lambda: x + y, 20_000)

    return measure


def op_in_a_graph() -> Callable[[], float]:
    """Building one op of a graph."""

    def measure() -> float:
        with tf.Graph().as_default():
            x = tf.constant([1.0, 2.0])
            return per_call(lambda: tf.tanh(x), 5_000)

    return measure


def import_milliseconds() -> Callable[[], float]:
    """`import graphopt` in a fresh process, in ms, less the import of NumPy."""
    return fresh_process("numpy", "import graphopt")


def help_milliseconds() -> Callable[[], float]:
    """`graphopt --help` in a fresh process, in ms, less `import graphopt`."""
    return fresh_process(
        "graphopt, contextlib, io",
        "from graphopt.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['--help'])",
    )


def fresh_process(imported: str, work: str) -> Callable[[], float]:
    """Returns what times some work in a new process, in ms, after some imports."""
    code = (
        f"import time; import {imported}; a = time.perf_counter()\n{work}\n"
        "print((time.perf_counter() - a) * 1e3)"
    )

    # With bytecode on disk, as after an installation, whatever this shell forbids.
    folder = tempfile.mkdtemp()
    env = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def measure() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        return float(done.stdout)

    measure()
    return measure


MEASUREMENTS = {
    function.__name__: function
    for function in (
        run_of_two_scalars,
        session_run_with_a_feed,
        eager_add,
        op_in_a_graph,
        import_milliseconds,
        help_milliseconds,
    )
}


def main() -> None:
    """Runs the measurements that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="what to measure; all if none")
    parser.add_argument("--roofline", action="store_true", help="kernels and limits")
    parser.add_argument("--json", action="store_true", help="print the roofline so")
    parser.add_argument("--picture", default="", help="draw the roofline into a file")
    options = parser.parse_args()
    if options.roofline:
        # Here, for the others need nothing of it.
        import roofline

        sys.exit(roofline.run(options.names, options.json, options.picture))
    names = options.names or list(MEASUREMENTS)
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        known = ", ".join(MEASUREMENTS)
        parser.error(f"there is no measurement {min(unknown)!r}; known are {known}")
    ready = {name: MEASUREMENTS[name]() for name in names}
    values: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name, measure in ready.items():
            values[name].append(measure())
    result = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "graphopt": tf.__version__,
        "results": {
            name: {
                "median": round(statistics.median(found), 3),
                "min": round(min(found), 3),
                "max": round(max(found), 3),
            }
            for name, found in values.items()
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
