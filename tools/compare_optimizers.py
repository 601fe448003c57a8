"""Times the update of every optimizer, here and in the frameworks that have it.

python3 tools/compare_optimizers.py [--python NAME=INTERPRETER ...] [--names Adam,Lion]
    [--layouts large,many] [--rounds 3] [--seconds 0.6] [--json FILE]

NAME is graphopt, torch or jax (with optax). `large` is one float32 tensor of 32 million
elements, `many` is 400 tensors of 2,500. Only the update is timed: gradients are there.
Every measurement is a process of its own on one core, and the frameworks take turns. What
three steps left is compared with graphopt's: where it is not the same to 1 % of the way,
the other framework has another equation and gets no number.

GB/s counts the bytes that the equation has to move, each array once a pass; its share is
that of a loop x[i] += 3 y[i], measured in the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
FRAMEWORKS: Final = ("graphopt", "torch", "jax")
LAYOUTS: Final = {"large": [(8192, 4096)], "many": [(50, 50)] * 400}
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# For each optimizer: arrays read and written, the arguments here, in torch and in optax.
# Norms need a pass of their own, and what they are of is read again after it.
OPTIMIZERS: Final[dict[str, tuple[int, dict[str, Any], Any, Any]]] = {
    "SGD": (
        3,
        {},
        ("SGD", {"fused": True}),
        ("sgd", {}),
    ),
    "SGD momentum": (
        5,
        {"momentum": 0.9},
        ("SGD", {"momentum": 0.9, "fused": True}),
        ("sgd", {"momentum": 0.9}),
    ),
    "Adam": (
        7,
        {},
        ("Adam", {"eps": 1e-7, "fused": True}),
        ("adam", {"eps": 1e-7}),
    ),
    "AdamW": (
        7,
        {"weight_decay": 0.01},
        ("AdamW", {"eps": 1e-7, "weight_decay": 0.01, "fused": True}),
        ("adamw", {"eps": 1e-7, "weight_decay": 0.01}),
    ),
    "Adagrad": (
        5,
        {},
        ("Adagrad", {"initial_accumulator_value": 0.1, "eps": 1e-7, "fused": True}),
        ("adagrad", {"initial_accumulator_value": 0.1, "eps": 1e-7}),
    ),
    "Adadelta": (
        7,
        {"rho": 0.9},
        ("Adadelta", {"rho": 0.9, "eps": 1e-7, "foreach": True}),
        ("adadelta", {"rho": 0.9, "eps": 1e-7}),
    ),
    "Adamax": (
        7,
        {},
        ("Adamax", {"eps": 1e-7, "foreach": True}),
        ("adamax", {"eps": 1e-7}),
    ),
    "Nadam": (7, {}, ("NAdam", {"eps": 1e-7, "foreach": True}), None),
    "RMSprop": (
        5,
        {},
        ("RMSprop", {"alpha": 0.9, "eps": 1e-7, "foreach": True}),
        ("rmsprop", {"decay": 0.9, "eps": 1e-14}),
    ),
    "Ftrl": (7, {}, None, None),
    "Lion": (5, {}, None, ("lion", {})),
    "RAdam": (
        7,
        {},
        ("RAdam", {"eps": 1e-7, "foreach": True}),
        ("radam", {"eps": 1e-7}),
    ),
    "AdaBelief": (
        7,
        {"epsilon": 1e-7},
        None,
        ("adabelief", {"eps": 1e-7, "eps_root": 1e-7}),
    ),
    "Yogi": (7, {}, None, ("yogi", {"eps": 1e-3})),
    "Rprop": (7, {}, ("Rprop", {"foreach": True}), None),
    "ScheduleFreeAdamW": (7, {}, None, None),
    "Lamb": (10, {}, None, ("lamb", {"eps": 1e-7})),
    "LARS": (7, {"momentum": 0.9}, None, None),
    "Adafactor": (6, {}, None, None),
}
RATE: Final = 0.01


def make_arrays(layout: str) -> tuple[list[Any], list[Any]]:
    """Returns the weights and their gradients."""
    generator = np.random.default_rng(3)
    made = [generator.standard_normal(s, dtype=np.float32) for s in LAYOUTS[layout]]
    grads = [generator.standard_normal(s, dtype=np.float32) for s in LAYOUTS[layout]]
    return made, grads


def build_graphopt(name: str, weights: list[Any], grads: list[Any]) -> Any:
    """Returns what takes a step, and what returns the weights."""
    import graphopt as tf

    with tf.Graph().as_default():
        variables = [tf.Variable(w) for w in weights]
        given = [tf.Variable(g, trainable=False).read_value() for g in grads]
        optimizer = getattr(tf.keras.optimizers, name.split()[0])
        train = optimizer(RATE, **OPTIMIZERS[name][1]).apply_gradients(
            list(zip(given, variables, strict=True))
        )
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
    return session.make_callable(train), lambda: session.run(variables)


def build_torch(name: str, weights: list[Any], grads: list[Any]) -> Any:
    """Returns what takes a step, and what returns the weights."""
    import torch

    torch.set_num_threads(1)
    kind, arguments = OPTIMIZERS[name][2]
    params = [torch.tensor(w, requires_grad=True) for w in weights]
    for param, grad in zip(params, grads, strict=True):
        param.grad = torch.tensor(grad)
    optimizer = getattr(torch.optim, kind)(params, lr=RATE, **arguments)
    return optimizer.step, lambda: [p.detach().numpy() for p in params]


def build_jax(name: str, weights: list[Any], grads: list[Any]) -> Any:
    """Returns what takes a step, and what returns the weights."""
    import functools

    import jax
    import jax.numpy as jnp
    import optax

    kind, arguments = OPTIMIZERS[name][3]
    optimizer = getattr(optax, kind)(RATE, **arguments)

    @functools.partial(jax.jit, donate_argnums=(1, 2))
    def update(grads: Any, state: Any, weights: Any) -> Any:
        change, state = optimizer.update(grads, state, weights)
        return state, optax.apply_updates(weights, change)

    params = [jnp.asarray(w) for w in weights]
    given = [jnp.asarray(g) for g in grads]
    held = [optimizer.init(params), params]

    def step() -> None:
        held[:] = update(given, *held)
        jax.block_until_ready(held)

    return step, lambda: [np.asarray(p) for p in held[1]]


def bandwidth() -> float:
    """Returns the bytes a second of a loop over two arrays, one changed in place."""
    from numba import njit

    @njit(fastmath=True)
    def change(x: Any, y: Any) -> None:
        for i in range(x.size):
            x[i] += np.float32(3) * y[i]

    x, y = (np.ones(1 << 25, np.float32) for _ in range(2))
    change(x, y)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        change(x, y)
        seconds.append(time.perf_counter() - start)
    return 12 * x.size / statistics.median(seconds)


def measure(framework: str, name: str, layout: str, seconds: float) -> None:
    """Runs in a process of its own; prints one line of JSON."""
    weights, grads = make_arrays(layout)
    build = {"graphopt": build_graphopt, "torch": build_torch, "jax": build_jax}
    step, results = build[framework](name, weights, grads)
    for _ in range(3):
        step()
    sample = np.concatenate([w.ravel()[:8] for w in results()[:8]]).tolist()
    found = {"step_us": _median_us(step, seconds), "sample": sample}
    if framework == "graphopt" and layout == "large":
        found["bandwidth"] = bandwidth()
    print(json.dumps(found))


def _median_us(step: Callable[[], Any], seconds: float) -> float:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def run_one(framework: str, python: str, *arguments: str) -> dict[str, Any]:
    """Measures in a process of its own; returns the result or an error."""
    environment = {
        **os.environ,
        **dict.fromkeys(_THREADS, "1"),
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    }
    if framework == "graphopt":
        environment["PYTHONPATH"] = str(ROOT)
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        [python, str(Path(__file__).resolve()), "--measure", framework, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def has(framework: str, name: str) -> bool:
    """Whether a framework has an optimizer."""
    return framework == "graphopt" or (
        OPTIMIZERS[name][2 if framework == "torch" else 3] is not None
    )


def is_same(a: dict[str, Any], b: dict[str, Any], layout: str) -> bool:
    """Whether two results are the same to 1 % of the way from the first weights."""
    weights, _ = make_arrays(layout)
    start = np.concatenate([w.ravel()[:8] for w in weights[:8]])
    x, y = np.array(a["sample"]), np.array(b["sample"])
    return bool(np.linalg.norm(x - y) <= 0.01 * np.linalg.norm(y - start))


def report(name: str, layout: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """Returns a line of the table."""
    cells = [f"{name:18s} {layout:5s}"]
    ours = found["graphopt"]
    for framework, results in found.items():
        good = [r for r in results if "error" not in r]
        if not good:
            cells.append(f"{framework} -")
        elif framework != "graphopt" and not is_same(good[0], ours[0], layout):
            cells.append(f"{framework} another equation")
        else:
            us = [r["step_us"] for r in good]
            spread = f"({min(us):,.0f} to {max(us):,.0f})"
            cells.append(f"{framework} {statistics.median(us):,.0f} us {spread}")
    if layout == "large" and "error" not in ours[0]:
        size = 4 * sum(int(np.prod(s)) for s in LAYOUTS[layout])
        rates = [
            OPTIMIZERS[name][0] * size / (r["step_us"] * 1e-6) / r["bandwidth"]
            for r in ours
        ]
        cells.append(f"bandwidth {statistics.median(rates):.0%}")
    return "  ".join(cells)


def main() -> None:
    """Parses the command line, measures and prints the table."""
    if sys.argv[1:2] == ["--measure"]:
        framework, name, layout, seconds = sys.argv[2:]
        measure(framework, name, layout, float(seconds))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--names", default=",".join(OPTIMIZERS))
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    pythons = {"graphopt": sys.executable}
    pythons.update(pair.split("=", 1) for pair in arguments.python)
    everything: dict[str, Any] = {}
    for layout in arguments.layouts.split(","):
        for name in arguments.names.split(","):
            found: dict[str, list[dict[str, Any]]] = {
                f: [] for f in FRAMEWORKS if f in pythons and has(f, name)
            }
            for each in range(arguments.rounds):
                order = list(found) if each % 2 == 0 else list(reversed(found))
                for framework in order:
                    seconds = str(arguments.seconds)
                    found[framework].append(
                        run_one(framework, pythons[framework], name, layout, seconds)
                    )
            everything[f"{name} {layout}"] = found
            print(report(name, layout, found), flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
