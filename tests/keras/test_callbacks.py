"""Callback lists, history, bars and log files, driven as `fit` drives them."""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf

callbacks = tf.keras.callbacks


class Model:
    """As much of a model as callbacks look at."""

    def __init__(self):
        self.metrics, self.stop_training, self.history = [], False, None
        self.optimizer = tf.keras.optimizers.SGD(0.5)
        self.weights = [np.zeros(2)]

    def get_weights(self):
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights):
        self.weights = [np.array(weight) for weight in weights]


def run(items, epochs, batches=1, model=None, verbose=0, initial_epoch=0, steps=None):
    """Calls the hooks of `fit`: `epochs` is a list of the logs of each."""
    model = model or Model()
    every = callbacks.CallbackList(
        items,
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=len(epochs),
        steps=batches if steps is None else steps,
    )
    every.on_train_begin()
    for epoch, logs in enumerate(epochs, initial_epoch):
        every.on_epoch_begin(epoch)
        for batch in range(batches):
            every.on_train_batch_begin(batch)
            every.on_train_batch_end(batch, dict(logs))
            if model.stop_training:
                break
        every.on_epoch_end(epoch, dict(logs))
        if model.stop_training:
            break
    every.on_train_end()
    return model


def losses(*values):
    return [{"loss": value} for value in values]


def test_history_keeps_plain_numbers_of_all_epochs():
    model = run([], [{"loss": tf.constant(0.5), "a": np.float32(1)}, {"loss": 0.25}])
    assert model.history.history == {"loss": [0.5, 0.25], "a": [1.0]}
    assert model.history.epoch == [0, 1]
    assert all(type(v) is float for v in model.history.history["loss"])


def test_batch_hooks_that_nobody_defines_are_not_called():
    class Epochs(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    quiet = callbacks.CallbackList([Epochs()], add_history=True, add_progbar=True)
    quiet.set_params({"verbose": 2, "epochs": 1, "steps": 3})
    assert not quiet.wants_batches and not quiet.shows_progress
    quiet.on_train_batch_end(0, lambda: pytest.fail("nobody looks at the logs"))
    quiet.set_params({"verbose": 1, "epochs": 1, "steps": 3})
    assert not quiet.wants_batches and quiet.shows_progress


@pytest.mark.parametrize(
    "hook",
    [
        "on_batch_begin",
        "on_batch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ],
)
@pytest.mark.parametrize("by", ["class", "lambda"])
def test_a_defined_batch_hook_is_called_with_numbers(hook, by):
    calls = []
    if by == "lambda":
        item = callbacks.LambdaCallback(
            **{hook: lambda batch, logs=None: calls.append((batch, logs))}
        )
    else:
        define = {hook: lambda self, batch, logs=None: calls.append((batch, logs))}
        item = type("Own", (callbacks.Callback,), define)()
    every = callbacks.CallbackList([item])
    assert every.wants_batches
    asked = []

    def logs():
        asked.append(1)
        return {"loss": tf.constant(2.0)}

    every.on_train_batch_begin(4, logs)
    every.on_train_batch_end(4, logs)
    assert calls == [(4, {"loss": 2.0})]
    assert len(asked) == 1


def test_hooks_of_evaluation_and_prediction():
    calls = []
    hooks = [
        f"on_{mode}_{when}"
        for mode in ("test", "predict")
        for when in ("begin", "batch_begin", "batch_end", "end")
    ]

    def keep(name):
        return lambda *args, **kwargs: calls.append(name)

    every = callbacks.CallbackList(
        [callbacks.LambdaCallback(**{hook: keep(hook) for hook in hooks})]
    )
    assert every.wants_test_batches and every.wants_predict_batches
    assert not every.wants_batches
    for hook in hooks:
        getattr(every, hook)(*([0] if "batch" in hook else []))
    assert calls == hooks


def test_what_one_callback_adds_to_the_logs_the_next_ones_see():
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch * 10

    assert run([Add()], losses(1.0, 2.0)).history.history["extra"] == [0, 10]


def test_a_callback_that_was_not_made_is_refused():
    with pytest.raises(TypeError, match=r"no callback.*try History\(\.\.\.\)"):
        callbacks.CallbackList([callbacks.History])
    with pytest.raises(TypeError, match=r"expected objects of tf\.keras\.callbacks"):
        callbacks.CallbackList([print])


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_the_bar_is_one_line_an_epoch_in_a_file(capsys, verbose):
    run([], losses(1.0, 0.5), batches=4, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    if verbose == 0:
        assert lines == []
        return
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    bar = "4/4 [==============================] - 0s" if verbose == 1 else "4/4 - 0s"
    assert lines[1].startswith(bar) and "loss: 1.0000" in lines[1]
    assert "loss: 0.5000" in lines[3] and len(lines) == 4


def test_the_bar_learns_the_number_of_steps_in_the_first_epoch(capsys):
    model = Model()
    every = callbacks.CallbackList(None, True, True, model, verbose=1, epochs=2)
    every.on_train_begin()
    for epoch in range(2):
        every.on_epoch_begin(epoch)
        for batch in range(3):
            every.on_train_batch_end(batch, {"loss": 1.0})
        every.on_epoch_end(epoch, {"loss": 1.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("3/3 [") and lines[3].startswith("3/3 [")


def test_progbar_on_a_terminal_draws_over_its_line(capsys, monkeypatch):
    monkeypatch.setattr("graphopt.keras.utils.progress._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    bar = tf.keras.utils.Progbar(20, interval=0.0)
    bar.update(2, [("a_metric_with_a_long_name", 1.0), ("another_one", 2.0)])
    bar.update(20, [("a_metric_with_a_long_name", 1.0), ("another_one", 2.0)])
    first, last = capsys.readouterr().out.split("\r")[1:]
    assert first.startswith(" 2/20 [==>") and len(first) == 59 and "ETA" in first
    assert last.startswith("20/20 [====") and last.endswith("another_one: 2.0000\n")


def test_progbar_averages_by_steps(capsys):
    bar = tf.keras.utils.Progbar(4, verbose=2, stateful_metrics=["last"])
    bar.update(1, [("mean", 1.0), ("last", 1.0)])
    bar.add(3, [("mean", 5.0), ("last", 7.0)])
    out = capsys.readouterr().out
    assert "mean: 4.0000 - last: 7.0000" in out and out.startswith("4/4 - 0s")


def test_csv_logger_writes_and_appends(tmp_path):
    path = tmp_path / "log.csv"
    run([callbacks.CSVLogger(path)], [{"loss": 1.0}, {"loss": 2.0, "val_loss": 3.0}])
    run([callbacks.CSVLogger(str(path), append=True)], [{"loss": 4.0, "val_loss": 5.0}])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert [row["loss"] for row in rows] == ["1.0", "2.0", "4.0"]
    assert [row["val_loss"] for row in rows] == ["NA", "3.0", "5.0"]
    run([callbacks.CSVLogger(path, separator=";")], losses(9.0))
    assert path.read_text().splitlines()[0] == "epoch;loss;val_loss"


def test_csv_logger_writes_lists(tmp_path):
    path = tmp_path / "log.csv"
    run([callbacks.CSVLogger(path)], [{"each": np.array([1.0, 2.0])}])
    assert path.read_text().splitlines()[1].startswith('0,"""[1.0, 2.0]"""')


def test_base_logger_averages_batches():
    logger = callbacks.BaseLogger(stateful_metrics=["acc"])
    logger.set_params({"metrics": ["loss", "acc"]})
    logger.on_epoch_begin(0)
    logger.on_batch_end(0, {"size": 2, "loss": 1.0, "acc": 0.1})
    logger.on_batch_end(1, {"size": 6, "loss": 3.0, "acc": 0.7})
    logs = {}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 2.5, "acc": 0.7}


@pytest.mark.parametrize("send_as_json", [True, False])
def test_remote_monitor_sends_the_logs(send_as_json):
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        monitor = callbacks.RemoteMonitor(root, send_as_json=send_as_json)
        run([monitor], [{"loss": np.float32(0.5)}])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    if send_as_json:
        assert json.loads(bodies[0]) == {"epoch": 0, "loss": 0.5}
    else:
        assert bodies[0].startswith(b"data=%7B%22epoch")
    with pytest.warns(tf.errors.GraphoptWarning, match="Could not reach"):
        run([monitor], losses(1.0))


def test_a_loss_that_is_not_finite_names_the_weights(capsys):
    model = Model()
    model.weights = [
        tf.Variable([1.0, 2.0], name="dense/kernel"),
        tf.Variable([np.nan, 2.0, np.inf], name="dense/bias"),
        tf.Variable([1, 2], name="counts"),
    ]
    run([callbacks.TerminateOnNaN()], losses(1.0, np.nan, 1.0), model=model)
    out = capsys.readouterr().out
    assert "Batch 0: Invalid loss" in out
    assert "dense/bias:0 (2 of 3 elements)" in out and "kernel" not in out
    assert "enable_check_numerics" in out
    assert len(model.history.history["loss"]) == 2
    model.weights = []
    run([callbacks.TerminateOnNaN()], losses(np.inf), model=model)
    assert "all weights are finite" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["LearningRateScheduler", "ReduceLROnPlateau"])
def test_a_rate_that_follows_a_schedule_cannot_be_set(kind):
    model = Model()
    rate = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.optimizer = tf.keras.optimizers.SGD(rate)
    made = {
        "LearningRateScheduler": lambda: callbacks.LearningRateScheduler(lambda e: 0.1),
        "ReduceLROnPlateau": lambda: callbacks.ReduceLROnPlateau("loss"),
    }[kind]()
    with pytest.raises(ValueError, match=r"follows a schedule.*either the schedule"):
        run([made], losses(1.0), model=model)


@pytest.mark.parametrize("rate", ["a", 1, None, tf.constant(3)])
def test_a_schedule_returns_a_float(rate):
    scheduler = callbacks.LearningRateScheduler(lambda epoch: rate)
    with pytest.raises(ValueError, match="should be float"):
        run([scheduler], losses(1.0))


def test_a_schedule_may_return_a_tensor():
    model = run(
        [callbacks.LearningRateScheduler(lambda epoch, rate: tf.constant(rate) / 2)],
        losses(1.0, 1.0),
    )
    assert float(model.optimizer.lr) == 0.125
    assert model.history.history["lr"] == [0.25, 0.125]


def test_bad_arguments_of_callbacks():
    with pytest.raises(ValueError, match=r"factor >= 1\.0"):
        callbacks.ReduceLROnPlateau(factor=2)
    with pytest.raises(TypeError, match="patients"):
        callbacks.ReduceLROnPlateau(patients=2)
    with pytest.raises(ValueError, match="Unrecognized save_freq"):
        callbacks.ModelCheckpoint("x", save_freq="batch")
    with pytest.raises(TypeError, match="saved_best"):
        callbacks.ModelCheckpoint("x", saved_best=True)
    with pytest.raises(ValueError, match="count_mode"):
        callbacks.ProgbarLogger("epochs")
    with pytest.raises(AttributeError, match="EarlyStoping"):
        _ = callbacks.EarlyStoping
    for make in (
        lambda: callbacks.EarlyStopping(mode="best"),
        lambda: callbacks.ReduceLROnPlateau(mode="best"),
        lambda: callbacks.ModelCheckpoint("x", mode="best"),
        lambda: callbacks.ReduceLROnPlateau(epsilon=0.1),
        lambda: callbacks.ModelCheckpoint("x", period=2),
    ):
        with pytest.warns(tf.errors.GraphoptWarning, match=r"auto mode|deprecated"):
            make()


def test_a_metric_that_is_not_there_is_named_with_the_remedy():
    with pytest.warns(tf.errors.GraphoptWarning, match="validation_data"):
        run([callbacks.EarlyStopping()], losses(1.0))
    with pytest.warns(tf.errors.GraphoptWarning, match=r"Available metrics are: loss"):
        run([callbacks.EarlyStopping("accuracy")], losses(1.0))


class Saving(Model):
    """A model that writes a file."""

    def save(self, path, overwrite=True):
        Path(path).write_text("model")

    save_weights = save

    def load_weights(self, path):
        self.loaded = path


def test_checkpoints_make_their_folder_and_are_found_again(tmp_path):
    pattern = str(tmp_path / "deep" / "w-{epoch:02d}-{loss:.1f}.ckpt")
    run([callbacks.ModelCheckpoint(pattern)], losses(1.0, 0.5), model=Saving())
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == ["w-01-1.0.ckpt", "w-02-0.5.ckpt"]
    model = Saving()
    again = callbacks.ModelCheckpoint(
        pattern, save_weights_only=True, load_weights_on_restart=True
    )
    run([again], losses(0.25), model=model)
    assert model.loaded.endswith("w-02-0.5.ckpt")


def test_checkpoint_paths_that_cannot_be_written(tmp_path):
    with pytest.raises(KeyError, match=r"Failed to format.*expected one of"):
        run([callbacks.ModelCheckpoint("m-{acc}")], losses(1.0), model=Saving())
    with pytest.raises(OSError, match="non-directory filepath"):
        run(
            [callbacks.ModelCheckpoint(tmp_path, save_weights_only=True)],
            losses(1.0),
            model=Saving(),
        )


def test_messages_go_to_a_logger_if_asked_to(capsys, caplog):
    utils = tf.keras.utils
    assert utils.is_interactive_logging_enabled()
    utils.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "tensorflow"):
            run([], losses(1.0), batches=2, verbose=1)
    finally:
        utils.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert any("2/2 [====" in record.getMessage() for record in caplog.records)


def nan_model(layers, loss="mse", rate=0.1):
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential(layers)
    model.compile(tf.keras.optimizers.SGD(rate), loss)
    return model


def fit_to_nan(model, x, y):
    before = [w.shape for w in model.get_weights()]
    history = model.fit(
        x, y, batch_size=4, epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()]
    )
    assert [w.shape for w in model.get_weights()] == before
    assert not tf.config.settings.check_numerics
    return history


def test_the_op_that_made_a_nan_is_named(capsys):
    def bad_loss(y_true, y_pred):
        return tf.math.log(y_pred - 1e6)  # the line that is named

    layers = [tf.keras.layers.Dense(1, input_shape=(2,))]
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    fit_to_nan(nan_model(layers, bad_loss), x, y)
    out = capsys.readouterr().out
    assert "Batch 0: Invalid loss" in out and '"Log"' in out
    line = next(
        i
        for i, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if "the line that is named" in text
    )
    assert f"test_callbacks.py:{line}" in out


def test_the_layer_that_made_a_nan_is_named(capsys):
    class Root(tf.keras.layers.Layer):
        def call(self, x):
            return tf.sqrt(x - 1e3)

    layers = [tf.keras.layers.Dense(2, input_shape=(2,)), Root(name="my_root")]
    x, y = np.ones((8, 2), np.float32), np.ones((8, 2), np.float32)
    fit_to_nan(nan_model(layers), x, y)
    out = capsys.readouterr().out
    assert "first op that is not finite in layer 'my_root'" in out and '"Sqrt"' in out


def test_the_batch_whose_gradient_is_not_finite_is_repeated(capsys):
    class Root(tf.keras.layers.Layer):
        def call(self, x):
            # Finite at 0, where its slope is not.
            return tf.sqrt(x * x)

    dense = tf.keras.layers.Dense(1, use_bias=False, input_shape=(1,))
    x = np.array([[1.0]] * 4 + [[0.0]] * 4, np.float32)
    model = nan_model([dense, Root()])
    dense.set_weights([[[0.5]]])
    model.fit(
        x,
        np.ones((8, 1), np.float32),
        batch_size=4,
        epochs=2,
        verbose=0,
        shuffle=False,
        callbacks=[callbacks.TerminateOnNaN()],
    )
    out = capsys.readouterr().out
    assert "The first op that is not finite: " in out
    assert "dense" in out and "and so are weights" in out
