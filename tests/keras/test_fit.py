"""`fit`, `evaluate`, `predict`: kinds of data, steps, what callbacks see, interrupts."""

import contextlib
import math
import os
import signal

import numpy as np
import pytest

import graphopt as tf

layers = tf.keras.layers


@pytest.fixture(autouse=True)
def _names():
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)


def values(*shape, seed=0):
    return np.random.RandomState(seed).rand(*shape).astype("float32")


def line(optimizer="sgd", loss="mse", **more):
    model = tf.keras.Sequential([layers.Dense(1, input_shape=(3,))])
    model.set_weights([np.full((3, 1), 0.5, "float32"), np.zeros(1, "float32")])
    model.compile(optimizer, loss, **more)
    return model


X, Y = values(10, 3), values(10, 1, seed=1)


def sequence():
    class Batches(tf.keras.utils.Sequence):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            part = slice(4 * index, min(4 * index + 4, 10))
            return X[part], Y[part]

    return Batches()


def generate():
    while True:
        for start in (0, 4, 8):
            yield X[start : start + 4], Y[start : start + 4]


KINDS = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 4},
    "tensors": lambda: {"x": tf.constant(X), "y": tf.constant(Y), "batch_size": 4},
    "lists": lambda: {"x": X.tolist(), "y": Y.tolist(), "batch_size": 4},
    "float64": lambda: {
        "x": X.astype("float64"),
        "y": Y.astype("float64"),
        "batch_size": 4,
    },
    "dataset": lambda: {"x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)},
    "generator": lambda: {"x": generate(), "steps_per_epoch": 3},
    "sequence": lambda: {"x": sequence()},
    "dict": lambda: {"x": {"dense_1_input": X}, "y": Y, "batch_size": 4},
    "one list": lambda: {"x": [X], "y": [Y], "batch_size": 4},
    "flat labels": lambda: {"x": X, "y": Y.reshape(-1), "batch_size": 4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_trains_alike(kind):
    want, got = line(), line()
    expected = want.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    history = got.fit(**KINDS[kind](), epochs=2, verbose=0, shuffle=False)
    assert history.history == expected.history
    for a, b in zip(got.get_weights(), want.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("way", ["eagerly", "batch hooks", "by hand", "own function"])
def test_every_way_to_run_the_steps_is_the_same(way):
    want = line("adam", metrics=["mae"])
    expected = want.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    if way == "own function":

        class Own(tf.keras.Sequential):
            def make_train_function(self, force=False):
                @tf.function
                def step(iterator):
                    return self.train_step(next(iterator))

                return lambda it: self.train_step(next(it))

        model = Own([layers.Dense(1, input_shape=(3,))])
        model.set_weights(line().get_weights())
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
        tolerance = 1e-6
    elif way == "by hand":
        model = line("adam", metrics=["mae"])
        for _ in range(2):
            model.reset_metrics()
            for start in (0, 4, 8):
                part = slice(start, start + 4)
                logs = model.train_on_batch(
                    X[part], Y[part], reset_metrics=False, return_dict=True
                )
        assert logs == {k: v[-1] for k, v in expected.history.items()}
        history, tolerance = expected, 0
    else:
        eagerly = way == "eagerly"
        model = line("adam", metrics=["mae"], run_eagerly=eagerly)
        seen = []

        class Hooks(tf.keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                seen.append((batch, logs["loss"]))

        callbacks = [] if eagerly else [Hooks()]
        history = model.fit(
            X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=callbacks
        )
        if not eagerly:
            assert [batch for batch, _ in seen] == [0, 1, 2] * 2
            assert seen[2][1] == history.history["loss"][0]
        tolerance = 1e-6 if eagerly else 0
    for key, value in expected.history.items():
        np.testing.assert_allclose(history.history[key], value, tolerance)
    for a, b in zip(model.get_weights(), want.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, tolerance)


def test_losses_of_an_epoch_are_means_over_examples():
    model = line(tf.keras.optimizers.SGD(0.0), metrics=["mse"])
    logs = model.fit(X, Y, batch_size=4, verbose=0).history
    want = np.mean((X @ np.full((3, 1), 0.5) - Y) ** 2)
    np.testing.assert_allclose(logs["loss"] + logs["mse"], [want, want], 1e-5)
    np.testing.assert_allclose(model.evaluate(X, Y, 3, verbose=0), [want, want], 1e-5)
    both = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(both) == ["loss", "mse"] == model.metrics_names


def test_shuffling_repeats_with_a_seed_and_differs_between_epochs():
    orders = []

    class Noted(tf.keras.Model):
        def train_step(self, data):
            x, _ = data
            return {"first": x[0, 0], "loss": tf.reduce_sum(x)}

    for _ in range(2):
        tf.keras.utils.set_random_seed(5)
        inputs = tf.keras.Input((3,))
        model = Noted(inputs, layers.Dense(1)(inputs))
        model.compile("sgd")
        history = model.fit(X, Y, batch_size=10, epochs=6, verbose=0)
        orders.append(history.history["first"])
    assert orders[0] == orders[1] and len(set(orders[0])) > 1
    history = model.fit(X, Y, batch_size=5, epochs=6, verbose=0, shuffle="batch")
    assert set(history.history["first"]) <= {float(X[0, 0]), float(X[5, 0])}
    history = model.fit(X, Y, batch_size=10, epochs=3, verbose=0, shuffle=False)
    assert set(history.history["first"]) == {float(X[0, 0])}


def test_validation():
    model = line()
    history = model.fit(X, Y, epochs=4, verbose=0, validation_split=0.3)
    assert len(history.history["val_loss"]) == 4
    np.testing.assert_allclose(
        history.history["val_loss"][-1], model.evaluate(X[7:], Y[7:], verbose=0), 1e-6
    )
    history = model.fit(
        X, Y, epochs=5, verbose=0, validation_data=(X, Y), validation_freq=2
    )
    assert len(history.history["val_loss"]) == 2
    history = model.fit(
        X, Y, epochs=4, verbose=0, validation_data=(X, Y), validation_freq=[1, 4]
    )
    assert len(history.history["val_loss"]) == 2
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    with pytest.raises(ValueError, match=r"validation_split.*dataset"):
        model.fit(data, validation_split=0.2, verbose=0)
    with pytest.raises(ValueError, match="not sufficient"):
        model.fit(X[:1], Y[:1], validation_split=0.2, verbose=0)


def test_steps_and_epochs():
    model = line()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).repeat().batch(4)
    history = model.fit(data, epochs=5, initial_epoch=2, steps_per_epoch=2, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert int(model.optimizer.iterations) == 6
    with pytest.raises(ValueError, match="infinitely repeating"):
        model.fit(data, verbose=0)
    short = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    with pytest.warns(tf.errors.GraphoptWarning, match="ran out of data"):
        history = model.fit(short, epochs=3, steps_per_epoch=5, verbose=0)
    assert len(history.epoch) == 1
    assert model.evaluate(data, steps=2, verbose=0) > 0
    assert model.predict(data, steps=2, verbose=0).shape == (8, 1)


def test_predictions_have_the_structure_of_the_outputs():
    x = tf.keras.Input((3,))
    one, two = layers.Dense(1, name="one")(x), layers.Dense(2, name="two")(x)
    for outputs in ([one, two], {"a": one, "b": two}):
        model = tf.keras.Model(x, outputs)
        found = model.predict(X, batch_size=4, verbose=0)
        want = model(X)
        keys = range(2) if isinstance(outputs, list) else ("a", "b")
        for key in keys:
            np.testing.assert_allclose(found[key], want[key], 1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X)["a"], want["a"], 1e-6)


@pytest.mark.parametrize("graph", [False, True])
def test_optimizers_of_version_1_train_models(graph):
    want = line(tf.keras.optimizers.SGD(0.1)).fit(X, Y, epochs=2, verbose=0)
    old = tf.compat.v1.train.GradientDescentOptimizer
    with tf.Graph().as_default() if graph else contextlib.nullcontext():
        tf.keras.utils.set_random_seed(1)
        got = line(old(0.1)).fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_allclose(got.history["loss"], want.history["loss"], 1e-5)


def test_classes_of_predictions():
    model = softmax()
    want = model.predict(X, verbose=0).argmax(-1)
    np.testing.assert_array_equal(model.predict_classes(X), want)
    assert set(line().predict_classes(X)[:, 0].tolist()) <= {0, 1}
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X, verbose=0))


def test_a_callback_stops_training():
    class Stop(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    class StopInBatch(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = line()
    assert model.fit(X, Y, epochs=9, verbose=0, callbacks=Stop()).epoch == [0, 1]
    before = int(model.optimizer.iterations)
    model.fit(X, Y, 2, epochs=9, verbose=0, callbacks=[StopInBatch()])
    assert int(model.optimizer.iterations) - before == 2


def test_a_new_rate_or_a_last_small_batch_traces_nothing_new():
    traced = []

    class Noted(tf.keras.Model):
        def train_step(self, data):
            traced.append(1)
            return super().train_step(data)

    x = tf.keras.Input((3,))
    model = Noted(x, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    first = len(traced)
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    assert len(traced) == first
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    assert len(traced) > first


def test_an_interrupt_leaves_a_whole_state():
    class Interrupt(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    model, same = line("adam"), line("adam")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 2, verbose=0, shuffle=False, callbacks=[Interrupt()])
    done = int(model.optimizer.iterations)
    assert done == 2
    same.fit(X[:4], Y[:4], 2, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, 2, verbose=0)


def test_layers_and_weights_of_a_model_that_grows():
    model = line()
    model.fit(X, Y, verbose=0)
    model.add(layers.Dense(2))
    model.compile("sgd", "mse")
    model.fit(X, values(10, 2), verbose=0)
    assert model.predict(X, verbose=0).shape == (10, 2)
    model.pop()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert model.output_shape == (None, 1)


def test_strings_are_data():
    words = tf.constant(["a", "b", "a", "c"])
    lookup = layers.StringLookup(vocabulary=["a", "b", "c"])
    model = tf.keras.Sequential(
        [tf.keras.Input((1,), dtype=tf.string), lookup, layers.Embedding(4, 2)]
    )
    assert model.predict(tf.reshape(words, [-1, 1]), verbose=0).shape == (4, 1, 2)


def test_the_progress_bar_shows_the_last_step(capsys):
    model = line(metrics=["mae"])
    model.fit(X, Y, 4, epochs=1)
    text = capsys.readouterr().out
    assert "3/3 [==============================]" in text
    model.fit(X, Y, 4, epochs=1, verbose=2)
    assert capsys.readouterr().out.startswith("Epoch 1/1") is False


def test_sizes_that_only_a_batch_has():
    class PerBatch(tf.keras.Model):
        def train_step(self, data):
            x, _ = data
            rows = x.shape[0]
            return {"loss": tf.reduce_mean(x), "rows": tf.constant(float(rows or -1))}

    x = tf.keras.Input((3,))
    model = PerBatch(x, layers.Dense(1)(x))
    model.compile("sgd")
    history = model.fit(X, Y, batch_size=4, verbose=0, shuffle=False)
    assert history.history["rows"] == [2.0]


def test_nan_losses_are_what_they_are():
    model = line(tf.keras.optimizers.SGD(1e20))
    history = model.fit(X, Y, epochs=3, verbose=0)
    assert not math.isfinite(history.history["loss"][-1])


# ---- mistakes


def softmax(classes=3, **more):
    model = tf.keras.Sequential(
        [layers.Dense(classes, activation="softmax", input_shape=(3,))]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", **more)
    return model


def uncompiled():
    return tf.keras.Sequential([layers.Dense(1, input_shape=(3,))])


class NoCall(tf.keras.Model):
    pass


class ReturnsNone(layers.Layer):
    def call(self, inputs):
        return object()


MISTAKES = {
    "fit before compile": (
        lambda: uncompiled().fit(X, Y),
        RuntimeError,
        r"must compile your model.*test_fit\.py",
    ),
    "evaluate before compile": (
        lambda: uncompiled().evaluate(X, Y),
        RuntimeError,
        "model.compile",
    ),
    "no labels": (
        lambda: line().fit(X, verbose=0),
        ValueError,
        "Target data is missing",
    ),
    "no loss": (
        lambda: line(loss=None).fit(X, Y, verbose=0),
        ValueError,
        "No loss found",
    ),
    "no data": (lambda: line().fit(), ValueError, "no data"),
    "other number of examples": (
        lambda: line().fit(X, Y[:4], verbose=0),
        ValueError,
        r"cardinality is ambiguous.*x sizes: 10; y sizes: 4",
    ),
    "other number of features": (
        lambda: line().fit(X[:, :2], Y, verbose=0),
        ValueError,
        r'"dense".*axis -1.*value 3.*Full shape received: \(None, 2\)',
    ),
    "one dimension too many": (
        lambda: tf.keras.Sequential([layers.Conv2D(2, 3)])(values(2, 5, 5)),
        ValueError,
        'Input 0 of layer "conv2d".*ndim=4, found ndim=3',
    ),
    "labels beside a dataset": (
        lambda: line().fit(tf.data.Dataset.from_tensors((X, Y)), Y),
        ValueError,
        "`y` argument is not supported when using dataset",
    ),
    "batch size of a dataset": (
        lambda: line().fit(tf.data.Dataset.from_tensors((X, Y)), batch_size=2),
        ValueError,
        "batch_size",
    ),
    "dataset without batches": (
        lambda: line().fit(tf.data.Dataset.from_tensor_slices((Y[:, 0], Y[:, 0]))),
        ValueError,
        r"no batches.*dataset\.batch",
    ),
    "generator with labels": (
        lambda: line().fit(generate(), Y),
        ValueError,
        "not supported when using generator",
    ),
    "empty data": (
        lambda: line().fit(X[:0], Y[:0], verbose=0),
        ValueError,
        "no batches",
    ),
    "batch size of zero": (
        lambda: line().fit(X, Y, batch_size=0),
        ValueError,
        "batch_size",
    ),
    "strings as numbers": (
        lambda: line().fit(np.array([["a"] * 3] * 10), Y, verbose=0),
        Exception,
        "",
    ),
    "objects": (
        lambda: line().fit(np.array([[None] * 3] * 10), Y),
        ValueError,
        "Unsupported object type",
    ),
    "rows of many lengths": (
        lambda: line().fit(np.array([[1], [1, 2]], dtype=object), Y[:2]),
        ValueError,
        "pad_sequences",
    ),
    "symbolic data": (
        lambda: line().fit(tf.keras.Input((3,)), Y),
        ValueError,
        "symbolic",
    ),
    "fit inside of a function": (
        lambda: tf.function(lambda: line().fit(X, Y))(),
        RuntimeError,
        r"`Model\.fit` inside a `tf\.function`",
    ),
    "unknown loss": (lambda: line(loss="mes"), ValueError, "mes"),
    "unknown metric": (lambda: line(metrics=["acuracy"]), ValueError, "acuracy"),
    "unknown optimizer": (lambda: line("adm"), ValueError, "adm"),
    "unknown activation": (lambda: layers.Dense(1, "relo"), ValueError, "relo"),
    "unknown argument": (
        lambda: layers.Dense(1, unit=3),
        TypeError,
        "not understood by Dense: 'unit'",
    ),
    "argument of compile": (
        lambda: line(metric=["mae"]),
        TypeError,
        r"compile\(\)`: metric",
    ),
    "loss for an unknown output": (
        lambda: line(loss={"dens": "mse"}).fit(X, Y, verbose=0),
        ValueError,
        r"\['dens'\].*\['dense'\]",
    ),
    "losses for too many outputs": (
        lambda: two_outputs(["mse", "mse", "mse"]).fit(X, [Y, Y], verbose=0),
        ValueError,
        "2 outputs.*3 losses",
    ),
    "labels for too few outputs": (
        lambda: two_outputs("mse").fit(X, [Y], verbose=0),
        ValueError,
        "2 outputs",
    ),
    "too few inputs": (
        lambda: two_inputs().fit([X], Y, verbose=0),
        ValueError,
        "2 input",
    ),
    "inputs by wrong names": (
        lambda: two_inputs().fit({"a": X, "c": X}, Y, verbose=0),
        ValueError,
        "Missing data for input 'b'",
    ),
    "metric twice": (lambda: twice_given(), ValueError, "given twice"),
    "two metrics of one name": (
        lambda: line(metrics=["mae", tf.keras.metrics.Mean(name="mae")]).fit(
            X, Y, verbose=0
        ),
        Exception,
        "",
    ),
    "class weights that miss a class": (
        lambda: softmax().fit(
            X, np.arange(10) % 3, class_weight={0: 1.0, 1: 2.0}, verbose=0
        ),
        ValueError,
        "labels are 0 to 2",
    ),
    "class weights from 1": (
        lambda: softmax().fit(X, np.arange(10) % 3, class_weight={1: 1.0, 2: 2.0}),
        ValueError,
        "keys from 0",
    ),
    "labels from 1": (
        lambda: softmax().fit(X, np.arange(10) % 3 + 1, verbose=0),
        Exception,
        "",
    ),
    "wrong number of classes": (
        lambda: categorical().fit(X, np.eye(4)[np.arange(10) % 4], verbose=0),
        ValueError,
        "",
    ),
    "validation fraction": (
        lambda: line().fit(X, Y, validation_split=1.5),
        ValueError,
        "in \\(0, 1\\)",
    ),
    "subclass without call": (lambda: NoCall()(X), NotImplementedError, "`call"),
    "layer without call": (
        lambda: layers.Layer()(X),
        NotImplementedError,
        "must implement `call",
    ),
    "layer that returns no tensor": (
        lambda: tf.keras.Model(i := tf.keras.Input((3,)), ReturnsNone()(i)),
        TypeError,
        "",
    ),
    "weights of an unbuilt model": (
        lambda: tf.keras.Sequential([layers.Dense(1)]).weights,
        ValueError,
        "not yet been created",
    ),
    "build without a shape": (
        lambda: tf.keras.Sequential([layers.Dense(1)]).build(),
        ValueError,
        "input_shape",
    ),
    "unknown size of a weight": (
        lambda: layers.Dense(1)(tf.keras.Input((None,))),
        ValueError,
        "should be defined",
    ),
    "wrong weights": (
        lambda: line().set_weights([np.zeros((2, 1)), np.zeros(1)]),
        ValueError,
        r"dense.*\(3, 1\).*\(2, 1\)",
    ),
    "wrong number of weights": (
        lambda: line().set_weights([np.zeros((3, 1))]),
        ValueError,
        "length 1.*expecting 2",
    ),
    "no such layer": (lambda: line().get_layer("dens"), ValueError, "dens.*dense"),
    "layer that is a function": (
        lambda: tf.keras.Sequential([np.tanh]),
        TypeError,
        "Lambda",
    ),
    "layer that is a class": (
        lambda: tf.keras.Sequential([layers.Dense]),
        TypeError,
        "instance of class Layer",
    ),
    "pop of nothing": (lambda: tf.keras.Sequential().pop(), TypeError, "no layers"),
    "inputs without outputs": (
        lambda: tf.keras.Model(tf.keras.Input((3,))),
        TypeError,
        "inputs and outputs",
    ),
    "input without a shape": (lambda: tf.keras.Input(), ValueError, "shape"),
    "unknown argument of Input": (
        lambda: tf.keras.Input((3,), dype="int32"),
        TypeError,
        "dype",
    ),
    "add_metric without a name": (
        lambda: layers.Layer().add_metric(tf.constant(1.0)),
        ValueError,
        "provide a name",
    ),
    "dynamic layers": (
        lambda: layers.Layer(dynamic=True),
        NotImplementedError,
        "py_function",
    ),
    "no callback": (
        lambda: line().fit(X, Y, callbacks=["stop"]),
        TypeError,
        "callback",
    ),
    "a class as callback": (
        lambda: line().fit(X, Y, callbacks=[tf.keras.callbacks.History]),
        TypeError,
        r"History\(\.\.\.\)",
    ),
    "prediction of nothing": (
        lambda: line().predict(X[:0], verbose=0),
        ValueError,
        "Expected input data to be non-empty",
    ),
}


def two_outputs(loss):
    x = tf.keras.Input((3,))
    model = tf.keras.Model(x, [layers.Dense(1)(x), layers.Dense(1)(x)])
    model.compile("sgd", loss)
    return model


def two_inputs():
    a, b = tf.keras.Input((3,), name="a"), tf.keras.Input((3,), name="b")
    model = tf.keras.Model([a, b], layers.Dense(1)(a + b))
    model.compile("sgd", "mse")
    return model


def twice_given():
    metric = tf.keras.metrics.MeanAbsoluteError()
    return line(metrics=[metric, metric])


def categorical():
    model = softmax()
    model.compile("sgd", "categorical_crossentropy")
    return model


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_words(name):
    use, kind, words = MISTAKES[name]
    with pytest.raises(kind, match=f"(?s){words}"):
        use()
