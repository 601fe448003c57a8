"""Times `fit` in graphopt and in its peers, epoch by epoch, in turns.

python3 tools/compare_fit.py [--python NAME=INTERPRETER ...] [--workloads A,B] [--rounds 5]

NAME is graphopt, tf_keras, keras_jax, keras_torch (Keras 3 on these) or torch (a loop as in
PyTorch Lightning: batches, zero_grad, backward, step, and the mean loss); each may have an
interpreter of its own. Those that cannot be imported are left out.

Each is a process that stays; they run an epoch each in turn, back and forth, so that a busy
minute meets all of them. All begin from the same weights with the same batches, unshuffled
in the first epoch, whose loss has to agree; dropout is left out of what is compared. `first`
is the first epoch, tracing and compiling included, with the caches as they are (`--cold`
empties graphopt's); the others are medians and ranges of the later epochs, as ratios to
graphopt too. `native` is the time of the same steps of graphopt without `fit`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("graphopt", "tf_keras", "keras_jax", "keras_torch", "torch")
WORKLOADS = ("mlp128", "mlp32", "cnn", "lstm", "table")


def make_data(name: str) -> tuple[Any, Any, int, int]:
    """Returns inputs, labels, the size of a batch, and epochs that count as one."""
    random = np.random.default_rng(0)
    if name.startswith("mlp"):
        x = random.random((60000, 784), dtype=np.float32)
        return x, random.integers(0, 10, 60000), int(name[3:]), 1
    if name == "cnn":
        x = random.random((6400, 28, 28, 1), dtype=np.float32)
        return x, random.integers(0, 10, 6400), 128, 1
    if name == "lstm":
        x = random.integers(1, 5000, (3200, 80))
        return x, random.integers(0, 2, 3200).astype(np.float32), 32, 1
    x = random.random((442, 10), dtype=np.float32)
    return x, x.sum(1), 32, 100


def make_weights(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Returns weights that are the same everywhere."""
    random = np.random.RandomState(1)
    return [
        random.uniform(-0.05, 0.05, shape).astype("float32")
        if len(shape) > 1
        else np.zeros(shape, "float32")
        for shape in shapes
    ]


def build_keras(keras: Any, name: str) -> Any:
    """Returns a compiled model of Keras, of whichever version."""
    layers = keras.layers
    if name.startswith("mlp"):
        parts = [
            keras.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    elif name == "cnn":
        parts = [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    elif name == "lstm":
        parts = [
            keras.Input((80,), dtype="int64"),
            layers.Embedding(5000, 64),
            layers.LSTM(64),
            layers.Dense(1, activation="sigmoid"),
        ]
    else:
        parts = [
            keras.Input((10,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    model = keras.Sequential(parts)
    model.set_weights(make_weights([tuple(w.shape) for w in model.weights]))
    kinds = {
        "lstm": ("binary_crossentropy", "accuracy"),
        "table": ("mse", "mae"),
    }
    loss, metric = kinds.get(name, ("sparse_categorical_crossentropy", "accuracy"))
    model.compile(keras.optimizers.Adam(0.001), loss, metrics=[metric])
    return model


def build_torch(name: str) -> Any:
    """Returns a function that trains for an epoch and returns the mean loss."""
    import torch
    from torch import nn

    x, y, batch, epochs = make_data(name)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm = (
                nn.Embedding(5000, 64),
                nn.LSTM(64, 64, batch_first=True),
            )
            self.out = nn.Linear(64, 1)

        def forward(self, inputs: Any) -> Any:
            return self.out(self.lstm(self.embedding(inputs))[0][:, -1])

    if name.startswith("mlp"):
        model: Any = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    elif name == "cnn":
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 10),
        )
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    elif name == "lstm":
        model = Last()
    else:
        model = nn.Sequential(
            nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
        )
    losses = {"lstm": nn.BCEWithLogitsLoss(), "table": nn.MSELoss()}
    loss_of = losses.get(name, nn.CrossEntropyLoss())
    optimizer = torch.optim.Adam(model.parameters(), 0.001, eps=1e-7)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(np.asarray(y))
    columns = name in losses

    def run(_shuffle: bool) -> float:
        total = 0.0
        for _ in range(epochs):
            total = 0.0
            order = torch.randperm(len(inputs))
            for start in range(0, len(inputs), batch):
                rows = order[start : start + batch]
                optimizer.zero_grad()
                predicted = model(inputs[rows])
                target = labels[rows]
                loss = loss_of(
                    predicted, target[:, None].float() if columns else target
                )
                loss.backward()
                optimizer.step()
                total += loss.item() * len(rows)
        return total / len(inputs)

    return run


def serve(name: str, workload: str) -> None:
    """Trains for an epoch for every line of input; prints seconds and the loss."""
    started = time.perf_counter()
    if name == "torch":
        run = build_torch(workload)
    else:
        if name == "graphopt":
            sys.path.insert(0, str(ROOT))
            import graphopt

            keras: Any = graphopt.keras
        elif name == "tf_keras":
            import tf_keras as keras
        else:
            os.environ["KERAS_BACKEND"] = name.removeprefix("keras_")
            import keras
        x, y, batch, epochs = make_data(workload)
        model = build_keras(keras, workload)

        def run(shuffle: bool) -> float:
            history = model.fit(
                x, y, batch_size=batch, epochs=epochs, verbose=0, shuffle=shuffle
            )
            return float(history.history["loss"][0])

    print(json.dumps({"ready": time.perf_counter() - started}), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        if line.strip() == "native":
            loss = time_native(model, x, y, batch)
        else:
            loss = run(line.strip() == "shuffle")
        print(json.dumps([time.perf_counter() - begun, loss]), flush=True)


def time_native(model: Any, x: Any, y: Any, batch: int) -> float:
    """Runs an epoch of steps without `fit`, on one batch that stays; returns seconds."""
    traces = next(iter(model._training.steps["train"]._traces.values()))
    trace, steps = traces[0], len(x) // batch
    rows = [np.asarray(x[:batch])[None], np.asarray(y[:batch])[None]]
    rows = [np.ascontiguousarray(np.repeat(part, 4, 0)) for part in rows]
    begun = time.perf_counter()
    for _ in range(steps // 4):
        trace.run_many(rows, 4, False)
    return (time.perf_counter() - begun) * steps / (4 * (steps // 4))


class Peer:
    """A process that trains when it is told to."""

    def __init__(self, name: str, interpreter: str, workload: str, cold: bool) -> None:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}
        if cold and name == "graphopt":
            quiet["GRAPHOPT_CACHE"] = "off"
        self.name = name
        self._process = subprocess.Popen(
            [interpreter, __file__, "--serve", name, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **quiet},
        )
        self.is_there = bool(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def run(self, what: str) -> tuple[float, float]:
        """Returns the seconds of an epoch and its loss."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        seconds, loss = self._answer()
        return seconds, loss

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


def compare(
    workload: str, interpreters: dict[str, str], rounds: int, cold: bool
) -> None:
    """Prints the table of a workload."""
    peers = [
        Peer(n, interpreters[n], workload, cold) for n in NAMES if n in interpreters
    ]
    peers = [peer for peer in peers if peer.is_there]
    first = {peer.name: peer.run("plain") for peer in peers}
    later: dict[str, list[float]] = {peer.name: [] for peer in peers}
    native: list[float] = []
    for number in range(rounds):
        for peer in peers if number % 2 else reversed(peers):
            later[peer.name].append(peer.run("shuffle")[0])
            if peer.name == "graphopt" and workload != "table":
                native.append(peer.run("native")[1])
    own = statistics.median(later["graphopt"])
    print(f"\n{workload}: seconds an epoch" + (" (100 epochs)" * (workload == "table")))
    for name, found in later.items():
        middle = statistics.median(found)
        print(
            f"  {name:12} {middle:7.3f} ({min(found):.3f} to {max(found):.3f})"
            f"  graphopt/this {own / middle:5.2f}   first {first[name][0]:6.2f}"
            f"  loss of the first {first[name][1]:.4f}"
        )
    if native:
        print(
            f"  bare steps   {statistics.median(native):7.3f}  fit/bare "
            f"{own / statistics.median(native):5.2f}"
        )
    want = first["graphopt"][1]
    for name, (_, loss) in first.items():
        if name != "torch" and abs(loss - want) > 0.02 * abs(want):
            print(f"  {name}: ANOTHER RESULT, loss {loss} instead of {want}")
    for peer in peers:
        peer.close()


def main() -> None:
    """Reads the options and compares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--serve", nargs=2)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    interpreters = {"graphopt": sys.executable}
    interpreters |= dict(pair.split("=", 1) for pair in options.python)
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    print(f"{model}, {os.cpu_count()} cores")
    for workload in options.workloads.split(","):
        compare(workload, interpreters, options.rounds, options.cold)


if __name__ == "__main__":
    main()
