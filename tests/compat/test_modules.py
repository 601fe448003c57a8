"""tf.Module, keras.backend, and options that are accepted."""

import numpy as np
import pytest

import graphopt as tf

K = tf.keras.backend
X = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)


class Part(tf.Module):
    def __init__(self, value, name=None):
        super().__init__(name)
        self.w = tf.Variable(value)


class Whole(tf.Module):
    def __init__(self):
        super().__init__()
        self.parts = [Part(1.0), Part(2.0)]
        self.named = {"b": Part(3.0, "own")}
        self.frozen = tf.Variable(9.0, trainable=False)

    @tf.Module.with_name_scope
    def build(self):
        return tf.Variable(0.0, name="late").name


def test_modules_find_what_they_hold(tmp_path):
    whole = Whole()
    assert [v.numpy() for v in whole.variables] == [9.0, 3.0, 1.0, 2.0]
    assert len(whole.trainable_variables) == 3
    assert [each.name for each in whole.submodules] == ["own", "part", "part"]
    assert whole.name == "whole" and whole.build() == "whole/late:0"
    with pytest.raises(ValueError, match="module name"):
        Part(1.0, "no name")
    path = tf.train.Checkpoint(model=whole).save(str(tmp_path / "c"))
    other = Whole()
    other.parts[1].w.assign(7.0)
    tf.train.Checkpoint(model=other).restore(path)
    assert other.parts[1].w.numpy() == 2.0


def test_functions_run_eagerly():
    calls = []

    @tf.function
    def f(x):
        calls.append(1)
        return x + 1

    tf.config.run_functions_eagerly(True)
    try:
        assert tf.config.functions_run_eagerly()
        f(tf.constant(1.0)), f(tf.constant(1.0))
        assert len(calls) == 2
    finally:
        tf.config.run_functions_eagerly(False)
    f(tf.constant(1.0)), f(tf.constant(1.0))
    assert len(calls) == 3


def test_devices():
    gpus = tf.config.experimental.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    assert gpus == [] and tf.config.list_logical_devices()[0].name == "/device:CPU:0"
    tf.config.set_visible_devices([], "GPU")
    with pytest.raises(ValueError):
        tf.config.set_visible_devices([], "CPU")
    tf.config.optimizer.set_experimental_options({"remapping": False})
    assert tf.config.optimizer.get_experimental_options()["remapping"] is False


def test_dtypes():
    assert tf.dtypes.float32 is tf.float32 and tf.dtypes.bool is tf.bool
    assert tf.dtypes.cast(1.5, tf.int32).numpy() == 1


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("mean", (X > 0,), 0.75),
        ("mean", (X, 1, True), X.mean(1, keepdims=True)),
        ("sum", (X, 0), X.sum(0)),
        ("std", (X,), X.std()),
        ("max", (X,), 4.0),
        ("prod", (X,), -24.0),
        ("any", (X > 3,), True),
        ("argmax", (X,), [0, 1]),
        ("sqrt", (X,), np.sqrt(np.maximum(X, 0))),
        ("clip", (X, 0.0, 2.0), X.clip(0, 2)),
        ("dot", (X, X), X @ X),
        ("relu", (X, 0.1, 3.0), np.minimum(np.where(X > 0, X, 0.1 * X), 3)),
        ("relu", (X, 0.0, None, 2.0), np.where(X > 2, X, 0)),
        ("elu", (X, 2.0), np.where(X > 0, X, 2 * np.expm1(X))),
        ("hard_sigmoid", (X,), np.clip(0.2 * X + 0.5, 0, 1)),
        ("flatten", (X,), X.ravel()),
        ("batch_flatten", (X[None],), X.reshape(1, 4)),
        ("expand_dims", (X,), X[..., None]),
        ("squeeze", (X[None], 0), X),
        ("permute_dimensions", (X, (1, 0)), X.T),
        ("concatenate", ([X, X],), np.concatenate([X, X], -1)),
        ("repeat", (X, 2), np.repeat(X[:, None], 2, 1)),
        ("repeat_elements", (X, 2, 1), np.repeat(X, 2, 1)),
        ("reverse", (X, 0), X[::-1]),
        ("arange", (2, 6, 2), [2, 4]),
        ("binary_crossentropy", (np.ones(1), np.full(1, 0.5)), [np.log(2)]),
        ("l2_normalize", (X, 1), X / np.linalg.norm(X, axis=1, keepdims=True)),
    ],
)
def test_backend_functions(name, arguments, wanted):
    converted = [tf.constant(a) if isinstance(a, np.ndarray) else a for a in arguments]
    got = getattr(K, name)(*converted)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_backend_values_and_settings():
    v = K.variable([1.0, 2.0])
    K.update_add(v, [1.0, 1.0])
    assert K.get_value(v).tolist() == [2.0, 3.0] and K.int_shape(v) == (2,)
    assert K.dtype(v) == "float32" and K.ndim(v) == 1 and K.count_params(v) == 2
    assert (
        K.eval(K.switch(tf.constant(True), tf.constant(1.0), tf.constant(2.0))) == 1.0
    )
    assert K.in_train_phase(1, 2, training=True) == 1 and K.learning_phase() == 0
    K.set_floatx("float64")
    try:
        assert K.constant(1.0).dtype is tf.float64
        assert K.cast_to_floatx(np.float32([1])).dtype == np.float64
    finally:
        K.set_floatx("float32")
    with pytest.raises(ValueError, match="floatx"):
        K.set_floatx("int8")
    with tf.Graph().as_default():
        x = K.placeholder((None, 2))
        with tf.compat.v1.Session():
            assert K.get_session().run(x, {x: X}).shape == (2, 2)
