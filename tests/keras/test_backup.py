"""A training that was interrupted goes on bitwise where it was."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from safetensors import safe_open

import graphopt as tf
from graphopt.keras.callbacks import backup
from graphopt.keras.random_state import random_state, set_random_state

keras = tf.keras
X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)
EPOCHS, BATCHES = 4, 3


class Killed(Exception):
    """Stands for the end of the process."""


class Training:
    """A model with dropout and shuffling, trained as `fit` does it."""

    def __init__(self):
        tf.random.set_seed(11)
        np.random.seed(11)  # noqa: NPY002
        self.model = keras.Sequential(
            [
                keras.Input(3),
                keras.layers.Dense(4, activation="tanh"),
                keras.layers.Dense(1),
            ]
        )
        self.model(X[:1])
        self.model.optimizer = keras.optimizers.Adam(0.05)
        self.model.stop_training = False
        self.optimizer = self.model.optimizer
        self.step = tf.function(self._step)

    def _step(self, x, y):
        with tf.GradientTape() as tape:
            x = tf.nn.dropout(x, 0.25)
            loss = keras.losses.MeanSquaredError()(y, self.model(x))
        weights = self.model.trainable_variables
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, weights), weights, strict=True)
        )
        return loss

    def fit(self, callback=None, kill=None):
        """Returns the losses; `kill` is the (epoch, batch) after which it ends."""
        losses = {}
        every = keras.callbacks.CallbackList(
            callback, add_history=True, model=self.model
        )
        every.on_train_begin()
        state = getattr(self.model, "_training_state", None)
        epoch, first = state.initial_counters(0, BATCHES) if state else (0, 0)
        while epoch < EPOCHS:
            every.on_epoch_begin(epoch)
            for batch in range(first, BATCHES):
                rows = np.random.permutation(24)[:8]  # noqa: NPY002
                every.on_train_batch_begin(batch)
                loss = self.step(X[rows], Y[rows])
                losses[epoch, batch] = float(loss)
                every.on_train_batch_end(batch, {"loss": loss})
                if (epoch, batch) == kill:
                    raise Killed(losses)
            first = 0
            every.on_epoch_end(epoch, {"loss": loss})
            epoch += 1
        every.on_train_end()
        return losses


def interrupted(callback, kill):
    with pytest.raises(Killed):
        Training().fit(callback, kill)
    resumed = Training()
    return resumed, resumed.fit(callback)


@pytest.mark.parametrize(
    ("save_freq", "kill", "first"),
    [
        ("epoch", (2, 0), (2, 0)),
        ("epoch", (0, 1), (0, 0)),
        (2, (1, 1), (1, 1)),
        (3, (1, 2), (2, 0)),
        (1, (2, 1), (2, 2)),
    ],
)
def test_the_rest_is_bitwise_what_it_would_have_been(tmp_path, save_freq, kill, first):
    whole = Training()
    want = whole.fit()
    callback = keras.callbacks.BackupAndRestore(tmp_path, save_freq)
    resumed, got = interrupted(callback, kill)
    assert min(got) == first
    assert got == {key: value for key, value in want.items() if key >= first}
    for a, b in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert list(tmp_path.iterdir()) == []


def test_a_rate_that_was_set_is_restored(tmp_path):
    training = Training()
    training.step(X, Y)
    training.optimizer.lr = 0.125
    backup.save(training.model, tmp_path / backup.FILE, 3, None)
    other = Training()
    assert backup.restore(other.model, tmp_path / backup.FILE) == (3, None)
    assert float(other.optimizer.lr) == 0.125
    assert int(other.optimizer.iterations) == 1


def test_backup_stays_if_asked_to_and_holds_no_code(tmp_path):
    callback = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    Training().fit(callback)
    (path,) = tmp_path.iterdir()
    with safe_open(path, framework="numpy") as file:
        head = json.loads(file.metadata()["training"])
    assert (head["epoch"], head["batch"]) == (EPOCHS - 1, None)
    # Such a training is over: nothing is left to do.
    assert Training().fit(callback) == {}


def test_backup_of_another_model_is_refused(tmp_path):
    callback = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    Training().fit(callback)
    other = keras.Sequential([keras.Input(5), keras.layers.Dense(1)])
    other(np.ones((1, 5), np.float32))
    with pytest.raises(ValueError, match=r"of another model.*another backup_dir"):
        keras.callbacks.CallbackList([callback], model=other).on_train_begin()


def test_another_seed_is_warned_of(tmp_path):
    callback = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    Training().fit(callback)
    other = Training()
    tf.random.set_seed(12)
    with pytest.warns(tf.errors.GraphoptWarning, match="set_random_seed"):
        other.fit(callback)


def test_a_write_that_fails_leaves_the_backup_before(tmp_path, monkeypatch):
    path = tmp_path / backup.FILE
    model = Training().model
    backup.save(model, path, 1, None)
    before = path.read_bytes()

    def full(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        backup.save(model, path, 2, None)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_sigterm_saves_at_the_end_of_the_batch(tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    callback = keras.callbacks.BackupAndRestore(
        tmp_path, save_freq=False, save_before_preemption=True
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            Training().fit([Kill(), callback])
    finally:
        signal.signal(signal.SIGTERM, before)
    want, got = Training().fit(), Training().fit(callback)
    assert min(got) == (0, 2)
    assert got == {key: value for key, value in want.items() if key >= (0, 2)}
    assert signal.getsignal(signal.SIGTERM) == before


def test_bad_arguments():
    with pytest.raises(ValueError, match="must be set"):
        keras.callbacks.BackupAndRestore("x", save_freq=False)
    with pytest.raises(ValueError, match="expected"):
        keras.callbacks.BackupAndRestore("x", save_freq="batch")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="eager mode"):
        keras.callbacks.BackupAndRestore("x")


def test_random_state_goes_on_for_functions_that_are_yet_to_be_traced():
    def run(steps):
        draw = tf.function(lambda: tf.random.normal([2]) + tf.random.uniform([2]))
        seeded = tf.function(lambda: tf.random.normal([2], seed=4))
        return [
            (
                draw().numpy().tolist(),
                seeded().numpy().tolist(),
                float(tf.random.normal([])),
            )
            for _ in range(steps)
        ]

    tf.random.set_seed(5)
    want = run(4)
    tf.random.set_seed(5)
    assert run(2) == want[:2]
    state = json.loads(json.dumps(random_state()))
    tf.random.set_seed(5)
    assert set_random_state(state)
    assert run(2) == want[2:]
    # What was restored is over when a seed is set.
    tf.random.set_seed(5)
    assert run(1) == want[:1]
    tf.random.set_seed(6)
    assert not set_random_state(state)


class KillAt(keras.callbacks.Callback):
    """Ends the process, as it were, after a batch of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise Killed


def fit(callback=None, kill=None):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="tanh", input_shape=(3,)),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    items = [item for item in (callback, kill) if item is not None]
    history = model.fit(X, Y, batch_size=5, epochs=5, verbose=0, callbacks=items)
    return model, history


@pytest.mark.parametrize(
    ("save_freq", "kill", "first"),
    [("epoch", (3, 1), 3), ("epoch", (0, 2), 0), (2, (2, 3), 2), (1, (2, 4), 3)],
)
def test_fit_goes_on_where_it_was_killed(tmp_path, save_freq, kill, first):
    whole, want = fit()
    callback = keras.callbacks.BackupAndRestore(tmp_path, save_freq)
    with pytest.raises(Killed):
        fit(callback, KillAt(*kill))
    model, got = fit(callback)
    assert got.epoch == list(range(first, 5))
    for a, b in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations.numpy() == 25
    # Of an epoch that was begun anew, or not at all, the metrics are the same too.
    from_whole = first if save_freq == "epoch" or first == 3 else first + 1
    for name, values in want.history.items():
        assert got.history[name][from_whole - first :] == values[from_whole:]
