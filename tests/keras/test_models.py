"""Models: what layers between inputs and outputs are, how they are copied and saved."""

import copy
import gc
import json
import weakref

import numpy as np
import pytest

import graphopt as tf

layers = tf.keras.layers
Model, Sequential, Input = tf.keras.Model, tf.keras.Sequential, tf.keras.Input


@pytest.fixture(autouse=True)
def _names():
    tf.keras.backend.clear_session()


def branched():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    shared = layers.Dense(3, activation="tanh", name="shared")
    x = layers.concatenate([shared(a), b, shared(a * 2.0)])
    one = layers.Dense(1, name="one")(tf.reshape(x, [-1, 9]))
    return Model([a, b], {"one": one, "sum": tf.reduce_sum(x, axis=1, keepdims=True)})


def values(*shape):
    return np.random.RandomState(0).rand(*shape).astype("float32")


def test_ops_between_layers_compute_what_they_would_on_tensors():
    model = branched()
    a, b = values(5, 4), values(5, 3)
    got = model([a, b])
    shared = model.get_layer("shared")
    x = np.concatenate([shared(a), b, shared(a * 2.0)], axis=1)
    np.testing.assert_allclose(got["sum"], x.sum(1, keepdims=True), 1e-5)
    np.testing.assert_allclose(got["one"], model.get_layer("one")(x), 1e-5)
    by_name = model({"b": b, "a": a})
    np.testing.assert_array_equal(by_name["one"], got["one"])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: -x + 1.0 - 2.0 * x / 3.0,
        lambda x: x[:, 1:3] @ tf.ones([2, 2]),
        lambda x: tf.concat([x, tf.zeros_like(x)], 0)[::2],
        lambda x: tf.reshape(x, [tf.shape(x)[0], 2, 2]),
        lambda x: tf.tile(x, [tf.shape(x)[0], 1]),
        lambda x: tf.split(x, 2, axis=1)[1],
        lambda x: tf.stack([x, x * 2], axis=1),
        lambda x: tf.cast(x > 0.5, tf.float32) * x,
        lambda x: tf.where(x == 0.0, 1.0, tf.sqrt(x)),
        lambda x: tf.nn.softmax(tf.transpose(x, [1, 0])),
        lambda x: tf.reduce_max(x, axis=-1) + tf.reduce_mean(x),
        lambda x: tf.one_hot(tf.argmax(x, 1), 4),
        lambda x: tf.expand_dims(tf.squeeze(x[:, :1], 1), 0),
        lambda x: tf.nn.top_k(x, 2).values,
        lambda x: tf.gather(x, [3, 0], axis=1),
        lambda x: tf.clip_by_value(x, 0.2, 0.7) ** 2,
        lambda x: tf.linalg.norm(x, axis=1),
        lambda x: tf.cumsum(x, axis=1),
        lambda x: tf.math.log1p(tf.abs(x)),
        lambda x: tf.image.flip_left_right(tf.reshape(x, [-1, 2, 2, 1])),
    ],
)
def test_functions_of_tensors_become_layers(function):
    x = Input((4,))
    model = Model(x, function(x))
    given = tf.constant(values(6, 4))
    want = function(given)
    np.testing.assert_allclose(model(given), want, 1e-6)
    known = [
        (a, b)
        for a, b in zip(model.output.shape, want.shape, strict=True)
        if a is not None
    ]
    assert all(a == b for a, b in known)
    again = tf.keras.models.model_from_json(model.to_json())
    np.testing.assert_allclose(again(given), want, 1e-6)
    np.testing.assert_allclose(model.predict(given, verbose=0), want, 1e-6)


def test_a_keras_tensor_is_no_value():
    x = Input((4,))
    for use in (bool, len, float, np.asarray, list):
        with pytest.raises(TypeError, match="has no value"):
            use(x)
    with pytest.raises(TypeError, match=r"has no value here.*Lambda"):
        tf.function(lambda: tf.add(x, 1.0))()
    with pytest.raises(ValueError, match="not among its inputs"):
        Model(Input((4,)), layers.Dense(1)(x))
    with pytest.raises(ValueError, match=r"tf\.keras\.Input"):
        Model(tf.ones([1]), x)


def test_names_that_clash_are_refused():
    x = Input((2,))
    y = layers.Dense(2, name="same")(layers.Dense(2, name="same")(x))
    with pytest.raises(ValueError, match=r'"same".*should be unique'):
        Model(x, y)
    layer = layers.Dense(2)
    with pytest.raises(ValueError, match="unique names"):
        Sequential([layer, layer])


def test_layers_are_listed_from_the_inputs_on():
    model = branched()
    names = [layer.name for layer in model.layers]
    assert names[:2] == ["a", "tf.mul"] or names[0] == "a"
    assert names.index("shared") < names.index("concatenate") < names.index("one")
    assert model.input_names == ["a", "b"]
    assert model.get_layer(index=0).name == "a"
    assert model.get_layer("one").output.shape.as_list() == [None, 1]
    with pytest.raises(ValueError, match="No such layer: two"):
        model.get_layer("two")
    shared = model.get_layer("shared")
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        _ = shared.output
    assert shared.get_output_at(1).shape.as_list() == [None, 3]


def test_intermediate_tensors_make_models():
    base = Sequential([layers.Dense(3, input_shape=(2,)), layers.Dense(1, name="last")])
    part = Model(base.inputs, base.layers[0].output)
    assert part(values(4, 2)).shape == (4, 3)
    top = Model(base.input, layers.Dense(5)(base.get_layer("last").input))
    assert top(values(4, 2)).shape == (4, 5)
    tail = Model(base.layers[0].output, base.output)
    np.testing.assert_allclose(tail(part(values(4, 2))), base(values(4, 2)), 1e-6)


def test_models_in_models_and_weights_in_order():
    inner = Sequential([layers.Dense(3), layers.BatchNormalization()], name="inner")
    x = Input((2,))
    model = Model(x, layers.Dense(1)(inner(x)))
    assert [w.name for w in model.weights] == [
        "dense/kernel:0",
        "dense/bias:0",
        "batch_normalization/gamma:0",
        "batch_normalization/beta:0",
        "batch_normalization/moving_mean:0",
        "batch_normalization/moving_variance:0",
        "dense_1/kernel:0",
        "dense_1/bias:0",
    ]
    inner.trainable = False
    assert [w.name for w in model.trainable_weights] == [
        "dense_1/kernel:0",
        "dense_1/bias:0",
    ]
    assert not inner.layers[0].trainable and len(model.non_trainable_weights) == 6


def test_attributes_are_parts_as_they_are_when_weights_are_asked_for():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self._hidden = layers.Dense(2)
            self.blocks = []
            self.table = {"a": layers.Dense(3)}
            self.scale = tf.Variable(1.0)
            self.fixed = [tf.Variable(2.0, trainable=False)]

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.table["a"](self._hidden(x)) * self.scale

    model = Net()
    model.blocks.append(layers.Dense(4))
    model(tf.ones([1, 2]))
    assert len(model.layers) == 3 and len(model.trainable_weights) == 7
    assert len(model.weights) == 8
    model.scale = tf.Variable(2.0)
    assert len(model.trainable_weights) == 7
    del model.scale
    assert len(model.trainable_weights) == 6

    class Forgot(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(1)

    with pytest.raises(RuntimeError, match="super"):
        Forgot()(tf.ones([1, 2]))

    class Early(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(1)
            super().__init__()

        def call(self, inputs, training):
            return self.inner(inputs) if training is None else inputs

    early = Early()
    early(tf.ones([1, 2]))
    assert len(early.weights) == 2


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_saved_models_are_what_they_were(kind, tmp_path):
    if kind == "functional":
        model, x = branched(), [values(5, 4), values(5, 3)]
        y = {"one": values(5, 1), "sum": values(5, 1)}
        model.compile("adam", {"one": "mse", "sum": "mae"}, metrics={"one": ["mae"]})
    else:
        model = Sequential(
            [
                layers.Dense(4, "relu", kernel_regularizer="l2", input_shape=(4,)),
                layers.BatchNormalization(),
                layers.Dropout(0.0),
                layers.Dense(1, kernel_constraint=tf.keras.constraints.MaxNorm(1.0)),
            ]
        )
        x, y = values(5, 4), values(5, 1)
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
        model.compile(
            tf.keras.optimizers.SGD(schedule, momentum=0.9),
            tf.keras.losses.Huber(0.5),
            metrics=["mae", tf.keras.metrics.RootMeanSquaredError(name="rmse")],
        )
    model.fit(x, y, epochs=2, verbose=0)
    path = tmp_path / "model"
    model.save(path)
    loaded = tf.keras.models.load_model(path)
    assert [layer.name for layer in loaded.layers] == [
        layer.name for layer in model.layers
    ]
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kept = [m.fit(x, y, epochs=2, verbose=0, shuffle=False) for m in (model, loaded)]
    assert kept[0].history == kept[1].history
    model.save_weights(str(tmp_path / "weights" / "w"))
    copied = tf.keras.models.clone_model(model)
    assert any(
        (a != b).any()
        for a, b in zip(copied.get_weights(), model.get_weights(), strict=True)
    )
    latest = tf.train.latest_checkpoint(str(tmp_path / "weights"))
    copied.load_weights(latest)
    for a, b in zip(copied.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_failed_save_leaves_the_file_that_was_there(tmp_path):
    model = Sequential([layers.Dense(1, input_shape=(2,))])
    path = tmp_path / "model"
    model.save(path)
    before = path.read_bytes()
    model.add(layers.Lambda(lambda x: x * 2.0))
    with pytest.raises((NotImplementedError, ValueError)):
        model.save(path)
    assert path.read_bytes() == before
    with pytest.raises(FileExistsError):
        Sequential([layers.Dense(1, input_shape=(2,))]).save(path, overwrite=False)


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.hdf5"])
def test_files_of_keras_are_refused_in_words(name, tmp_path):
    model = Sequential([layers.Dense(1, input_shape=(2,))])
    path = str(tmp_path / name)
    for use in (model.save, model.save_weights, model.load_weights):
        with pytest.raises(NotImplementedError, match="not written or read yet"):
            use(path)
    with pytest.raises(NotImplementedError):
        tf.keras.models.load_model(path)
    with pytest.raises(FileNotFoundError):
        tf.keras.models.load_model(tmp_path / "none")


def test_own_classes_are_found_by_name(tmp_path):
    class Scale(layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    class Plain(layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

    model = Sequential([Scale(3.0, input_shape=(2,)), layers.Dense(1)])
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="Unknown layer 'Scale'"):
        tf.keras.models.load_model(tmp_path / "model")
    loaded = tf.keras.models.load_model(
        tmp_path / "model", custom_objects={"Scale": Scale}
    )
    np.testing.assert_allclose(loaded(values(3, 2)), model(values(3, 2)), 1e-6)
    with tf.keras.utils.custom_object_scope({"Scale": Scale}):
        assert tf.keras.models.load_model(tmp_path / "model").layers[0].factor == 3.0
    config = Plain(2.0, name="plain").get_config()
    assert config["factor"] == 2.0 and Plain.from_config(config).factor == 2.0
    with pytest.raises(NotImplementedError, match=r"get_config.*factor"):
        Plain(np.ones(2)).get_config()


def test_json_holds_no_code():
    text = branched().to_json()
    assert json.loads(text)["class_name"] == "Model"
    with pytest.raises(ValueError, match="Unknown layer"):
        tf.keras.models.model_from_json(
            json.dumps({"class_name": "os.system", "config": {}})
        )


def test_copies_have_weights_of_their_own():
    model = branched()
    copied = copy.deepcopy(model)
    a, b = values(5, 4), values(5, 3)
    np.testing.assert_array_equal(copied([a, b])["one"], model([a, b])["one"])
    copied.get_layer("one").bias.assign_add([1.0])
    assert (copied([a, b])["one"].numpy() != model([a, b])["one"].numpy()).all()


def test_models_are_freed():
    model = branched()
    model([values(2, 4), values(2, 3)])
    kept = weakref.ref(model.get_layer("one"))
    del model
    gc.collect()
    assert kept() is None


def test_summary_of_models(capsys):
    branched().summary()
    text = capsys.readouterr().out
    assert 'Model: "model"' in text and "Connected to" in text
    assert "Total params: 25 (100.00 Byte)" in text
    lines = []
    Sequential([layers.Dense(3)]).summary(print_fn=lines.append)
    assert any("unbuilt" in line for line in lines)
    model = Sequential([layers.Dense(3, input_shape=(2,)), layers.Dense(1)])
    model.layers[0].trainable = False
    lines.clear()
    model.summary(line_length=60, show_trainable=True, print_fn=lines.append)
    assert any("Non-trainable params: 9" in line for line in lines)


def test_pictures_of_models(tmp_path):
    model = branched()
    tf.keras.utils.plot_model(model, tmp_path / "model.svg")
    text = (tmp_path / "model.svg").read_text()
    assert "shared" in text and "Concatenate" in text and "float32[?, 9]" in text
    assert "runs in Python" not in text
    with pytest.raises(ValueError, match="layers are known"):
        tf.keras.utils.plot_model(Sequential([layers.Dense(1)]), None)
    with pytest.raises(NotImplementedError, match=r"\.svg and \.png"):
        tf.keras.utils.plot_model(model, tmp_path / "model.pdf")


def test_masks_go_along():
    x = Input((5,), dtype="int32")
    embedded = layers.Embedding(9, 3, mask_zero=True)(x)
    assert embedded._keras_mask is not None
    y = layers.Dense(2)(layers.Dropout(0.1)(embedded))
    model = Model(x, y)
    out = model(tf.constant([[1, 2, 0, 0, 3]]))
    assert out._keras_mask.numpy().tolist() == [[True, True, False, False, True]]


def test_training_is_what_the_nearest_call_says():
    seen = []

    class Seen(layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Seen()

        def call(self, inputs):
            return self.inner(inputs)

    layer = Outer()
    x = tf.ones([1])
    layer(x)
    layer(x, training=True)
    layer(x, training=False)
    tf.keras.backend.set_learning_phase(1)
    try:
        layer(x)
    finally:
        tf.keras.backend.clear_session()
    assert seen == [None, True, False, 1]


def test_policies_compute_in_one_dtype_and_keep_another():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = Sequential([layers.Dense(4, input_shape=(3,)), layers.Dense(1)])
        out = model(values(2, 3))
        assert out.dtype == "float16"
        assert {w.dtype.name for w in model.weights} == {"float32"}
        model.compile("adam", "mse")
        model.fit(values(8, 3), values(8, 1), epochs=2, verbose=0)
        assert "LossScale" in type(model.optimizer).__name__
        assert all(np.isfinite(w).all() for w in model.get_weights())
    finally:
        tf.keras.mixed_precision.set_global_policy(None)
    assert layers.Dense(1).compute_dtype == "float32"
