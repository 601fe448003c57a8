"""Records what callbacks of tf_keras do for `test_callbacks_golden.py`.

python tests/golden/record_keras_callbacks.py   with an interpreter that has tf_keras 2.21

Each case is driven as `fit` drives it, with logs that are written down here.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np

FALLING = [1.0, 0.8, 0.81, 0.79, 0.795, 0.85, 0.9, 0.91, 0.92, 0.7, 0.71, 0.72]
RISING = [0.1, 0.3, 0.29, 0.35, 0.35, 0.34, 0.33, 0.32, 0.6, 0.5, 0.4, 0.3]
BUMPY = [float(v) for v in np.round(np.random.default_rng(5).random(16), 3)]
# name, class, options, name of the log, its values
CASES = {
    "stop": ("EarlyStopping", {"monitor": "loss"}, "loss", FALLING),
    "stop_patience": (
        "EarlyStopping",
        {"monitor": "loss", "patience": 2, "verbose": 1},
        "loss",
        FALLING,
    ),
    "stop_restore": (
        "EarlyStopping",
        {"monitor": "v", "patience": 3, "restore_best_weights": True, "verbose": 1},
        "v",
        BUMPY,
    ),
    "stop_delta": (
        "EarlyStopping",
        {"monitor": "loss", "patience": 1, "min_delta": 0.05},
        "loss",
        FALLING,
    ),
    "stop_auto_accuracy": (
        "EarlyStopping",
        {"monitor": "val_accuracy", "patience": 2},
        "val_accuracy",
        RISING,
    ),
    "stop_auc": ("EarlyStopping", {"monitor": "auc", "patience": 1}, "auc", RISING),
    "stop_max": (
        "EarlyStopping",
        {"monitor": "x", "mode": "max", "patience": 1, "restore_best_weights": True},
        "x",
        RISING,
    ),
    "stop_baseline": (
        "EarlyStopping",
        {"monitor": "loss", "patience": 2, "baseline": 0.75},
        "loss",
        FALLING,
    ),
    "stop_baseline_restore": (
        "EarlyStopping",
        {
            "monitor": "loss",
            "patience": 2,
            "baseline": 0.1,
            "restore_best_weights": True,
        },
        "loss",
        FALLING,
    ),
    "stop_start": (
        "EarlyStopping",
        {
            "monitor": "loss",
            "patience": 1,
            "start_from_epoch": 3,
            "restore_best_weights": True,
        },
        "loss",
        FALLING,
    ),
    "stop_nan": (
        "EarlyStopping",
        {"monitor": "loss", "patience": 1, "restore_best_weights": True},
        "loss",
        [1.0, float("nan"), float("nan"), 0.5],
    ),
    "stop_missing": ("EarlyStopping", {"monitor": "val_loss"}, "loss", FALLING),
    "reduce": (
        "ReduceLROnPlateau",
        {"monitor": "loss", "patience": 2, "verbose": 1},
        "loss",
        FALLING,
    ),
    "reduce_cooldown": (
        "ReduceLROnPlateau",
        {"monitor": "v", "patience": 1, "cooldown": 2, "factor": 0.5},
        "v",
        BUMPY,
    ),
    "reduce_min": (
        "ReduceLROnPlateau",
        {"monitor": "v", "patience": 1, "factor": 0.2, "min_lr": 0.01},
        "v",
        BUMPY,
    ),
    "reduce_delta": (
        "ReduceLROnPlateau",
        {"monitor": "loss", "patience": 1, "min_delta": 0.1, "factor": 0.5},
        "loss",
        FALLING,
    ),
    "reduce_accuracy": (
        "ReduceLROnPlateau",
        {"monitor": "my_acc", "patience": 2, "factor": 0.5},
        "my_acc",
        RISING,
    ),
    "reduce_max": (
        "ReduceLROnPlateau",
        {"monitor": "v", "mode": "max", "patience": 1, "factor": 0.5},
        "v",
        RISING,
    ),
    "reduce_missing": ("ReduceLROnPlateau", {"monitor": "nothing"}, "loss", FALLING),
    "save": ("ModelCheckpoint", {"verbose": 1}, "loss", FALLING),
    "save_best": (
        "ModelCheckpoint",
        {"monitor": "loss", "save_best_only": True, "verbose": 1},
        "loss",
        FALLING,
    ),
    "save_best_accuracy": (
        "ModelCheckpoint",
        {"monitor": "val_acc", "save_best_only": True},
        "val_acc",
        RISING,
    ),
    "save_threshold": (
        "ModelCheckpoint",
        {"monitor": "v", "save_best_only": True, "initial_value_threshold": 0.3},
        "v",
        BUMPY,
    ),
    "save_period": ("ModelCheckpoint", {"period": 3}, "loss", FALLING),
    "save_batches": ("ModelCheckpoint", {"save_freq": 5}, "loss", FALLING),
    "save_one_batch": ("ModelCheckpoint", {"save_freq": 1}, "loss", FALLING[:3]),
    "save_missing": (
        "ModelCheckpoint",
        {"monitor": "val_loss", "save_best_only": True},
        "loss",
        FALLING,
    ),
    "schedule": (
        "LearningRateScheduler",
        {"schedule": "halve", "verbose": 1},
        "loss",
        FALLING[:4],
    ),
    "schedule_epoch": (
        "LearningRateScheduler",
        {"schedule": "by_epoch"},
        "loss",
        FALLING[:4],
    ),
    "nan": ("TerminateOnNaN", {}, "loss", [1.0, 0.5, float("nan"), 0.25]),
    "infinite": ("TerminateOnNaN", {}, "loss", [1.0, float("inf"), 0.25]),
}
SCHEDULES = {
    "halve": lambda epoch, rate: rate * 0.5,
    "by_epoch": lambda epoch: 1.0 / (epoch + 1),
}
BATCHES = 3


class Kept:
    """A model, as much as callbacks look at, that notes what is saved."""

    def __init__(self, optimizer):
        self.optimizer, self.stop_training, self.saved = optimizer, False, []
        self.metrics, self.history, self.value = [], None, 0.0
        self.weights = []
        self.distribute_strategy = None

    def get_weights(self):
        """One weight: the number of the epoch."""
        return [np.array(self.value)]

    def set_weights(self, weights):
        """Sets it."""
        self.value = float(weights[0])

    def save(self, path, overwrite=True, options=None):
        """Notes the name."""
        self.saved.append(Path(path).name)


def drive(keras, name, folder):
    """Returns what a case does, as plain values."""
    kind, options, log, values = CASES[name]
    options = dict(options)
    if "schedule" in options:
        options["schedule"] = SCHEDULES[options["schedule"]]
    args = []
    if kind == "ModelCheckpoint":
        args = [str(Path(folder) / ("m-{epoch:02d}-{%s:.2f}" % log))]  # noqa: UP031
    model = Kept(keras.optimizers.SGD(0.5))
    out = io.StringIO()
    epochs = rates = 0
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(keras.callbacks, kind)(*args, **options)
        every = keras.callbacks.CallbackList([made], add_history=True, model=model)
        every.on_train_begin()
        rates = []
        for epoch, value in enumerate(values):
            model.value = float(epoch)
            every.on_epoch_begin(epoch)
            for batch in range(BATCHES):
                every.on_train_batch_begin(batch)
                every.on_train_batch_end(batch, {log: value})
                if model.stop_training:
                    break
            every.on_epoch_end(epoch, {log: value})
            rates.append(float(keras.backend.get_value(model.optimizer.lr)))
            epochs += 1
            if model.stop_training:
                break
        every.on_train_end()
    lines = [line.replace(str(folder), "FOLDER") for line in out.getvalue().split("\n")]
    return {
        "epochs": epochs,
        "rates": rates,
        "saved": model.saved,
        "value": model.value,
        "logged": sorted(model.history.history),
        "lines": lines,
    }


def main():
    """Writes keras_callbacks.json next to this file."""
    import tensorflow as tf
    import tf_keras as keras

    logging.disable(logging.WARNING)
    found = {}
    real = Kept.__init__

    def with_strategy(self, optimizer):
        real(self, optimizer)
        self.distribute_strategy = tf.distribute.get_strategy()

    Kept.__init__ = with_strategy
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = drive(keras, name, folder)
    path = Path(__file__).with_name("keras_callbacks.json")
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
