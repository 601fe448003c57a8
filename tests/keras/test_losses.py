"""Losses: mistakes that have a remedy, masks, weights, names, custom ones, graphs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import graphopt as tf

losses = tf.keras.losses
ELEMENTWISE = [
    "mse",
    "mae",
    "mape",
    "msle",
    "hinge",
    "squared_hinge",
    "huber",
    "log_cosh",
    "kl_divergence",
    "poisson",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_hinge",
    "dice",
    "tversky",
]
VECTOR = np.linspace(0.1, 0.9, 4).astype(np.float32)
COLUMN = VECTOR[:, None]


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "which"),
    [(VECTOR, COLUMN, "y_pred"), (COLUMN, VECTOR, "y_true")],
    ids=["column", "vector"],
)
def test_a_vector_beside_a_column_is_warned_of(name, y_true, y_pred, which):
    with pytest.warns(tf.errors.GraphoptWarning) as caught:
        losses.get(name)(y_true, y_pred)
    (warning,) = caught
    text = str(warning.message)
    assert "every label is compared with every prediction" in text
    assert f"tf.squeeze({which}, -1)" in text
    assert warning.filename == __file__


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [(VECTOR, VECTOR), (COLUMN, COLUMN), (VECTOR[:1], COLUMN[:1]), (COLUMN, COLUMN.T)],
    ids=["vectors", "columns", "one", "matrices"],
)
def test_shapes_that_fit_are_not_warned_of(name, y_true, y_pred):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses.get(name)(y_true, y_pred)


def test_the_classes_drop_a_last_dimension_of_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = losses.MeanSquaredError()(VECTOR + 1, COLUMN)
        other = losses.MeanSquaredError()(COLUMN + 1, VECTOR)
    assert float(both) == pytest.approx(1.0) and float(other) == pytest.approx(1.0)


def test_a_function_for_any_batch_is_warned_of_as_well():
    step = tf.function(
        losses.mse,
        input_signature=[
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None, 1], tf.float32),
        ],
    )
    with pytest.warns(tf.errors.GraphoptWarning, match=r"float32\[\?\].*\[\?, 1\]"):
        assert step(VECTOR, COLUMN).shape == (4,)


@pytest.mark.parametrize(
    "name", ["categorical_crossentropy", "categorical_focal_crossentropy"]
)
def test_labels_that_do_not_fit_the_classes(name):
    loss = losses.get(name)
    rows = np.full((3, 4), 0.25, np.float32)
    for labels in ([0, 1, 2], [[0], [1], [2]]):
        with pytest.raises(ValueError, match=rf"incompatible.*sparse_{name}.*to_cat"):
            loss(np.array(labels), rows)
    with pytest.raises(ValueError, match=r"Shapes \(3, 5\) and \(3, 4\).*classes, 5"):
        loss(np.eye(5, dtype=np.float32)[:3], rows)
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        loss(np.ones((3, 1), np.float32), np.ones((3, 1), np.float32))


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("mode", ["eager", "function"])
def test_labels_from_one_are_refused_with_the_remedy(mode, from_logits):
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    call = tf.function(loss) if mode == "function" else loss
    rows = tf.constant(np.full((3, 3), 1 / 3, np.float32))
    assert float(call(tf.constant([0, 1, 2]), rows)) == pytest.approx(np.log(3))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"label value of 3.*`labels - 1`"
    ):
        call(tf.constant([1, 2, 3]), rows)


@pytest.mark.parametrize("axis", [True, False])
def test_axis_is_a_number(axis):
    rows = np.full((2, 2), 0.5, np.float32)
    for name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        with pytest.raises(ValueError, match="must be of type `int`"):
            losses.get(name)(rows, rows, axis=axis)


# ---- weights and masks


def test_weights_that_do_not_broadcast_are_refused():
    for weights in ([1.0, 2.0], [[1.0, 2.0, 3.0]], np.ones((4, 4))):
        with pytest.raises(
            ValueError, match=r"mean_squared_error: sample_weight cannot"
        ):
            losses.MeanSquaredError()(np.ones((4, 2)), np.ones((4, 2)), weights)


def masked(values, mask):
    values = tf.constant(values)
    values._keras_mask = tf.constant(mask)
    return values


def test_only_what_is_valid_counts():
    y_pred = masked([[1.0], [2.0], [3.0], [4.0]], [True, True, False, False])
    y_true = np.zeros((4, 1), np.float32)
    each = np.array([1.0, 4.0])
    mse = losses.MeanSquaredError
    assert float(mse()(y_true, y_pred)) == each.mean()
    assert float(mse("sum")(y_true, y_pred)) == each.sum()
    assert mse("none")(y_true, y_pred).numpy().tolist() == [1.0, 4.0, 0.0, 0.0]
    # Weights are means over what is valid, too.
    weighted = mse()(y_true, y_pred, sample_weight=[1.0, 0.5, 9.0, 9.0])
    assert float(weighted) == (each * [1.0, 0.5]).mean()
    weighted = mse()(y_true, y_pred, sample_weight=[[1.0], [0.5], [9.0], [9.0]])
    assert float(weighted) == (each * [1.0, 0.5]).mean()


def test_sequences_with_masks_and_weights_of_steps():
    y_pred = masked(np.ones((2, 3, 1), np.float32), [[1, 1, 0], [1, 0, 0]])
    y_true = np.zeros((2, 3, 1), np.float32)
    weights = np.array([[1.0, 2.0, 5.0], [3.0, 5.0, 5.0]], np.float32)
    loss = losses.MeanSquaredError()(y_true, y_pred, weights)
    assert float(loss) == pytest.approx(6.0 / 3)


def test_nothing_valid_is_no_loss():
    y_pred = masked([[1.0], [2.0]], [False, False])
    assert float(losses.MeanSquaredError()(np.zeros((2, 1)), y_pred)) == 0.0


def test_an_empty_batch_has_no_loss():
    empty = np.zeros((0, 3), np.float32)
    assert float(losses.MeanSquaredError()(empty, empty)) == 0.0


def test_ignored_classes_are_left_out_of_the_mean():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    rows = np.array([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]], np.float32)
    assert float(loss([0, 1, -1], rows)) == pytest.approx(-np.log([0.5, 0.75]).mean())


# ---- softmax and sigmoid before a loss


@pytest.mark.parametrize("mode", ["function", "v1"])
def test_a_loss_takes_what_went_into_a_softmax(mode):
    logits = np.array([[0.0, 100.0]], np.float32)

    def both():
        rows = tf.nn.softmax(tf.constant(logits))
        chance = tf.nn.sigmoid(tf.constant(logits))
        return (
            losses.categorical_crossentropy([[1.0, 0.0]], rows),
            losses.sparse_categorical_crossentropy([0], rows),
            losses.binary_crossentropy([[0.0, 0.0]], chance),
        )

    if mode == "function":
        found = [value.numpy() for value in tf.function(both)()]
    else:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            found = session.run(both())
    assert found[0] == 100.0 and found[1] == 100.0
    assert found[2] == pytest.approx((np.log(2) + 100.0) / 2)


def test_probabilities_as_logits_are_warned_of():
    @tf.function
    def loss(x):
        return losses.sparse_categorical_crossentropy(
            [0], tf.nn.softmax(x), from_logits=True
        )

    with pytest.warns(tf.errors.GraphoptWarning, match=r"Softmax.*from_logits=False"):
        loss(tf.constant([[1.0, 2.0]]))


# ---- names and configs


@pytest.mark.parametrize("name", sorted(losses._table()))
def test_each_name_finds_its_loss(name):
    found = losses.get(name)
    kind = getattr(losses, name)
    assert isinstance(found, kind) if isinstance(kind, type) else found is kind


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mse", "mean_squared_error"),
        ("MSE", "mean_squared_error"),
        ("mae", "mean_absolute_error"),
        ("mape", "mean_absolute_percentage_error"),
        ("msle", "mean_squared_logarithmic_error"),
        ("kld", "kl_divergence"),
        ("kullback_leibler_divergence", "kl_divergence"),
        ("logcosh", "log_cosh"),
        ("bce", "binary_crossentropy"),
        ("huber_loss", "huber"),
    ],
)
def test_short_names(name, function):
    assert losses.get(name).__name__ == function


def test_get_takes_functions_configs_and_none():
    loss = losses.Huber(0.5, reduction="sum", name="mine")
    again = losses.get(losses.serialize(loss))
    assert isinstance(again, losses.Huber) and again.get_config() == loss.get_config()
    assert losses.get(losses.serialize(losses.mse)) is losses.mse
    assert losses.get(None) is None and losses.get(len) is len
    for bad in (3, ["mse"]):
        with pytest.raises(ValueError, match="Could not interpret loss function"):
            losses.get(bad)
    with pytest.raises(ValueError, match=r"'crossentropy'.*custom_objects"):
        losses.get("crossentropy")


def test_custom_objects_are_found():
    def my_loss(y_true, y_pred):
        return tf.reduce_sum(y_pred - y_true, axis=-1)

    assert losses.deserialize("my_loss", {"my_loss": my_loss}) is my_loss


def test_reduction_names_and_values():
    assert losses.Reduction.SUM == "sum" and losses.Reduction.AUTO == "auto"
    for reduction in (losses.Reduction.NONE, None):
        each = losses.MeanSquaredError(reduction=reduction)(COLUMN + 1, COLUMN)
        assert each.shape == (4,)
    with pytest.raises(ValueError, match=r"Invalid Reduction Key.*sum_over_batch_size"):
        losses.Huber(reduction="average")


def test_bad_options():
    with pytest.raises(ValueError, match="q must be"):
        losses.CategoricalGeneralizedCrossEntropy(1.5)
    with pytest.raises(ValueError, match=r"ctc.*\[batch, labels\]"):
        losses.ctc(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(TypeError):
        losses.MeanSquaredError(from_logits=True)


# ---- custom ones


@pytest.mark.parametrize("mode", ["eager", "function"])
def test_a_custom_loss_may_choose_by_a_tensor(mode):
    class Signed(losses.Loss):
        def call(self, y_true, y_pred):
            if tf.reduce_sum(y_true) > 0:
                result = tf.reduce_mean(y_pred - y_true, axis=-1)
            else:
                result = tf.reduce_mean(y_true - y_pred, axis=-1)
            return result

    loss = Signed(name="signed")
    call = tf.function(loss) if mode == "function" else loss
    assert float(call(tf.constant([[1.0]]), tf.constant([[3.0]]))) == 2.0
    assert float(call(tf.constant([[-1.0]]), tf.constant([[3.0]]))) == -4.0
    assert loss.get_config() == {"reduction": "auto", "name": "signed"}


def test_a_wrapped_function_gets_its_options():
    loss = losses.LossFunctionWrapper(
        lambda y_true, y_pred, by: tf.reduce_mean(y_pred - y_true, axis=-1) * by,
        reduction="sum",
        name="scaled",
        by=3.0,
    )
    assert float(loss(COLUMN, COLUMN + 1)) == pytest.approx(12.0)
    assert loss.get_config()["by"] == 3.0


def test_call_must_be_defined():
    with pytest.raises(NotImplementedError, match="implemented in subclasses"):
        losses.Loss()([0.0], [1.0])


def test_integers_are_weighed_as_numbers():
    class Count(losses.Loss):
        def call(self, y_true, y_pred):
            return tf.cast(tf.not_equal(y_true, y_pred), tf.int32)

    value = Count("sum")(np.array([1, 2, 3]), np.array([1, 0, 0]), [1.0, 2.0, 3.0])
    assert value.dtype == tf.int32 and int(value) == 5


def test_losses_are_those_of_tf():
    assert tf.losses is losses and tf.metrics is tf.keras.metrics
    assert "MeanSquaredError" in dir(losses) and "Dice" in dir(losses)
    with pytest.raises(AttributeError, match="MeanSquareError"):
        _ = losses.MeanSquareError


def test_ragged_tensors_are_refused_with_the_remedy():
    rows = tf.ragged.constant([[1.0], [2.0, 3.0]])
    with pytest.raises(NotImplementedError, match=r"to_tensor\(\)"):
        losses.MeanSquaredError()(rows, rows)
    with pytest.raises(NotImplementedError, match="metric of counts"):
        tf.keras.metrics.Precision()(rows, rows)


def test_many_classes_and_small_floats():
    rows = np.zeros((2, 2050), np.float16)
    rows[0, 0] = rows[1, 2049] = 1
    loss = losses.SparseCategoricalCrossentropy()
    assert abs(float(loss([0, 2049], rows))) < 1e-3


def test_ranks_that_only_the_run_knows():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        t, p, w = (v1.placeholder(tf.float32) for _ in range(3))
        mse = losses.MeanSquaredError()(t, p, w)
        accuracy = tf.keras.metrics.SparseCategoricalAccuracy()
        top = tf.keras.metrics.SparseTopKCategoricalAccuracy(k=1)
        found = accuracy(t, p, w), top(t, p)
        session.run([v.initializer for v in [*accuracy.variables, *top.variables]])
        feed = {t: [1.0, 2.0], p: [[1.0], [4.0]], w: [[1.0], [0.5]]}
        assert session.run(losses.MeanSquaredError()(t, p), feed) == 2.0
        feed = {t: [[1.0], [2.0]], p: [[1.0], [4.0]], w: [[1.0], [0.5]]}
        assert session.run(mse, feed) == 1.0
        feed[p] = [[0.1, 0.1, 0.8], [0.05, 0.0, 0.95]]
        feed[t] = [[2.0], [1.0]]
        assert session.run(found, feed) == pytest.approx((1 / 1.5, 0.5))
        feed[t] = [2.0, 2.0]
        assert session.run(found, feed) == pytest.approx((2.5 / 3, 0.75))
